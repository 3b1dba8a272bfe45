"""Makes and removes the environments of backend cards: the standard `venv`, then pip, in processes of their own.

Guarantees: one process installs at a time (`flock`, which the kernel releases however its holder dies); an environment
is built in place, because a venv cannot be moved, and counts only once its marker is written, so that a half-made one
is built anew; what exists and is whole is left as it is, which takes milliseconds; pip's configuration is the user's.

Not aware of: cards' meaning, and whether what was installed works (the adapter's probe).
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.discovery import bundle_folder
from npubench.engine.ending import end_process
from npubench.engine.environments import FLOOR, MARKER, Marker, Place, folders, place_of, root, sync_command
from npubench.engine.launcher import StopRequested
from npubench.engine.preflight import serves
from npubench.errors import InstallError
from npubench.lang import here, language
from npubench.pciids import VENDORS
from npubench.spi import Availability, Device
from npubench.store import write_once
from npubench.units import utc_now

LOCK = "environments.lock"
_POLL_S = 0.1
# As many of pip's last lines as say what went wrong; its reason is in the last, what it tried is above.
_TAIL = 8

_LOCAL = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*@\s*(?P<url>git\+file:///[^#\s]+)(?:#(?P<fragment>\S+))?\s*")

Say = Callable[[str], None]
Stop = Callable[[], bool]

# What urllib3 and pip say when no index answers (urllib3.exceptions, pip._internal.exceptions).
_UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "Max retries exceeded",
    "ProxyError",
)


def sync(requires: Sequence[str], say: Say = lambda text: None, stop: Stop = lambda: False) -> Marker:
    """The environment of these requirements, made if it is not there. Raises InstallError, StopRequested."""
    place = place_of(requires)
    found = place.marker()
    if found is not None:
        return found
    with _alone(say, stop):
        # Another process may have made it while this one waited.
        return place.marker() or _make(place, say, stop)


def sync_card(card: BackendCard, say: Say, stop: Stop) -> Marker:
    """`sync` for a card that has `requires`; says first under whose licence something comes that is not free."""
    if place_of(card.environment.requires).marker() is None:
        for name, licence in card.environment.proprietary.items():
            text = licence[language()]
            say(here(f"{name} is proprietary: {text}", f"{name}은(는) 독점 라이선스입니다: {text}"))
    return sync(card.environment.requires, say, stop)


def failure(card: BackendCard, say: Say, stop: Stop) -> Availability | None:
    """Makes the environment that the backend requires, if any; None, or why that is not possible."""
    spec = card.environment
    if not spec.requires:
        return None

    def prefixed(text: str) -> None:
        say(f"{card.id}: {text}")

    try:
        sync_card(card, prefixed, stop)
    except InstallError as error:
        fix = f"{sync_command(card.id)} ({error.hint})" if error.hint else sync_command(card.id)
        return Availability(available=False, reason=str(error), fix=fix)
    return None


def no_device(card: BackendCard, devices: Sequence[Device]) -> Availability | None:
    """Why nothing is installed for this card: gigabytes for a GPU that is not here would help nobody.

    Only makers whose devices are known from the PCI bus are judged; what sits elsewhere (a system on a chip) is for
    `npubench env sync`, which installs whatever is asked for.
    """
    spec, vendor = card.environment, card.device.vendor
    known = {maker.name for maker in VENDORS.values()}
    if not spec.requires or place_of(spec.requires).marker() is not None or vendor not in known:
        return None
    if card.device.match.get("type") == "cpu" or any(serves(card, device) for device in devices):
        return None
    kind = {"gpu": "GPU", "npu": "NPU"}.get(card.device.type, card.device.type)
    return Availability(
        available=False,
        reason=here(
            f"this machine shows no {vendor} {kind}, so its environment was not installed",
            f"이 장비에서 {vendor} {kind}을(를) 찾지 못해 환경을 설치하지 않았습니다",
        ),
        fix=sync_command(card.id),
    )


def remove(folder: Path, say: Say = lambda text: None, stop: Stop = lambda: False) -> bool:
    """Removes an environment, whole or half made; False where there is none. Raises StopRequested, InstallError."""
    if folder not in set(folders()):
        return False
    with _alone(say, stop):
        # Without its marker first: what is removed half counts as missing from here on.
        (folder / MARKER).unlink(missing_ok=True)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise InstallError(
                here(
                    f"{folder}: cannot be removed: {error.strerror}",
                    f"{folder}: 지울 수 없습니다: {error.strerror}",
                )
            ) from error
    return True


@contextmanager
def _alone(say: Say, stop: Stop) -> Iterator[None]:
    """Holds the lock of all environments; waits for whoever has it, saying so once."""
    where = root()
    try:
        where.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(where / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritable(where, error) from error
    try:
        said = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    said = True
                    say(here("waiting: another process is installing", "대기 중: 다른 프로세스가 설치하고 있습니다"))
                if stop():
                    raise StopRequested from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _make(place: Place, say: Say, stop: Stop) -> Marker:
    listed = ", ".join(place.requires)
    say(here(f"installing {listed} …", f"{listed} 설치 중 …"))
    started = time.monotonic()
    try:
        shutil.rmtree(place.folder, ignore_errors=True)
        place.folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(place.folder, error) from error
    try:
        # sys.executable may itself be in a venv; a venv made from it belongs to the same base Python.
        code, output = run([sys.executable, "-m", "venv", str(place.folder)], stop)
        if code:
            raise _no_venv(output)
        install = ["-m", "pip", "install", *FLOOR, *map(spelled, place.requires)]
        code, output = run([str(place.python), *install], stop)
        if code:
            raise pip_failed(listed, output)
        marker = Marker(
            requires=place.requires,
            python=platform.python_version(),
            packages=_packages(place.folder),
            made=utc_now(),
        )
        write_once(place.folder / MARKER, msgspec.json.format(msgspec.json.encode(marker), indent=1) + b"\n")
    except BaseException:
        shutil.rmtree(place.folder, ignore_errors=True)
        raise
    seconds = time.monotonic() - started
    say(here(f"installed in {seconds:.0f} s: {place.folder}", f"{seconds:.0f}초 만에 설치됨: {place.folder}"))
    return marker


def spelled(requirement: str) -> str:
    """A requirement as every pip reads it: those before 24.1 take no `NAME @ git+file:///…`, whose host is empty
    (packaging 21.3, requirements.py), but do take its older form.
    """
    found = _LOCAL.fullmatch(requirement)
    if found is None:
        return requirement
    fragment = f"&{found['fragment']}" if found["fragment"] else ""
    return f"{found['url']}#egg={found['name']}{fragment}"


def _packages(folder: Path) -> dict[str, str]:
    site = sysconfig.get_path("purelib", "venv", {"base": str(folder), "installed_base": str(folder)})
    found = {item.metadata["Name"]: item.version for item in distributions(path=[site])}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def pip_variables() -> dict[str, str]:
    """Environment variables for pip: the user's, without what would install elsewhere or ask questions."""
    variables = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"}
    for name in ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"):
        variables.pop(name, None)
    if (bundle := bundle_folder()) is not None:
        # Unpacked where there may be no network; PIP_NO_INDEX=0 asks the index all the same.
        variables.setdefault("PIP_NO_INDEX", "1")
        variables["PIP_FIND_LINKS"] = f"{variables.get('PIP_FIND_LINKS', '')} {bundle / 'wheels'}".strip()
    return variables


def run(command: Sequence[str], stop: Stop = lambda: False) -> tuple[int, list[str]]:
    """A command's exit status and the lines that it wrote. Raises StopRequested after ending it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=pip_variables(),
            start_new_session=True,
        )
        try:
            while True:
                try:
                    code = process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    if stop():
                        raise StopRequested from None
        finally:
            end_process(process)
        output.seek(0)
        return code, output.read().decode("utf-8", "replace").splitlines()


def pip_failed(what: str, output: Sequence[str]) -> InstallError:
    """What pip's output says about why, and what to do."""
    lines = [line.strip() for line in output if line.strip() and not line.startswith("[notice]")]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["pip ended without a word"])[-1][:300]
    text = "\n".join(lines)
    if any(word in text for word in _UNREACHABLE):
        hint = here(
            "pip reached no package index: connect this machine, name an index (PIP_INDEX_URL) or a folder of wheels "
            "(PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR), or bring everything with `make bundle` from a connected machine",
            "pip가 패키지 저장소에 연결하지 못했습니다. 네트워크를 연결하거나 저장소(PIP_INDEX_URL) 또는 wheel 폴더"
            "(PIP_NO_INDEX=1 PIP_FIND_LINKS=폴더)를 지정하거나, 연결된 장비에서 `make bundle`로 만들어 오십시오",
        )
    elif bundle_folder() is not None:
        hint = here(
            "this is a bundle: INSTALL.txt says what was left out and how to get it",
            "번들입니다. 빠진 것과 구하는 방법은 INSTALL.txt에 있습니다",
        )
    elif "No space left on device" in text:
        hint = here("free some space", "디스크 공간을 확보하십시오")
    else:
        version = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        hint = here(
            f"check [environment] requires in the backend's card: does it exist for {version}?",
            f"백엔드 카드의 [environment] requires를 확인하십시오. {version}용이 있습니까?",
        )
    return InstallError(
        here(f"{what}: cannot be installed: {reason}", f"{what}: 설치할 수 없습니다: {reason}"),
        hint=hint,
        output=lines[-_TAIL:],
    )


def _no_venv(output: Sequence[str]) -> InstallError:
    lines = [line.strip() for line in output if line.strip()]
    return InstallError(
        here(
            f"{sys.executable} cannot make environments",
            f"{sys.executable}로 환경을 만들 수 없습니다",
        ),
        hint=here(
            "apt-get install python3-venv (or your system's package of that name), and look at the space left",
            "apt-get install python3-venv(또는 시스템의 해당 패키지)을 실행하고 남은 공간을 확인하십시오",
        ),
        output=lines[-_TAIL:],
    )


def _unwritable(path: Path, error: OSError) -> InstallError:
    return InstallError(
        here(f"{path}: cannot be written: {error.strerror}", f"{path}: 쓸 수 없습니다: {error.strerror}"),
        hint=here(
            "set NPUBENCH_ENVIRONMENTS to a writable folder", "NPUBENCH_ENVIRONMENTS에 쓰기 가능한 폴더를 지정하십시오"
        ),
    )
