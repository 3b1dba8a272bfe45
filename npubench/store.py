"""Result files: written once, durable, readable after a kill.

A file appears whole or not at all (temporary file in the same folder, fsync, link, folder fsync) and is never changed.
Layout: `<root>/<machine>/<run id>/plan.json`, `launches/<cell>-<n>.json` and `.npz`, `run.json` when sealed,
`work/` while a launch is in flight, `power/<n>.json` and `.npz` for what was read around the launches,
`power/log-<name>.json` and `.npz` for an external meter's log that was attached afterwards.

Not aware of: what the documents mean.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from npubench.cards import build_name
from npubench.energy import Attachment, PowerSession
from npubench.errors import StoreError, UsageError
from npubench.evidence import Certificate
from npubench.schema import Launch, Plan, Quality, Run, encode, parse
from npubench.tuning import Tuning

PLAN, RUN, WORK = "plan.json", "run.json", "work"
LAUNCHES, QUALITY, PLACEMENT, TUNING, POWER = "launches", "quality", "placement", "tuning", "power"
_LOG = "log-"

# As `new_run_id` makes them; a folder of another name is older than all of them.
ID = re.compile(r"\d{8}T\d{6}Z-")


def results_root(out: Path | None, checkout: Path | None) -> Path:
    """`--out`, else NPUBENCH_RESULTS, else `results/` of the checkout, else `npubench-results` here."""
    if out is not None:
        return out
    if configured := os.environ.get("NPUBENCH_RESULTS"):
        return Path(configured)
    return checkout / "results" if checkout else Path("npubench-results")


def slug(name: str) -> str:
    """A folder name for a machine: a-z, 0-9, single dots and hyphens, at most 64 characters, never empty.

    A name that loses letters (Korean, say) or is too long gets 8 hex digits of its SHA-256, so that two machines never
    share a folder by accident.
    """
    text = re.sub(r"[^a-z0-9.]+", "-", name.strip().lower())
    text = re.sub(r"[.-]{2,}", "-", text).strip(".-")
    if text and name.isascii() and len(text) <= 64:
        return text
    tail = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{text[:55].strip('.-') or 'machine'}-{tail}"


def ensure_writable(root: Path) -> None:
    """Raises UsageError when results could not be written to `root`. Called before anything is measured."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".npubench-"):
            pass
    except OSError as error:
        raise UsageError(
            f"{root}: results cannot be written there: {error.strerror}",
            hint="name a writable folder with --out DIR or NPUBENCH_RESULTS",
        ) from error


def new_run_id() -> str:
    """A sortable id: UTC time and six random hex digits."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_once(path: Path, data: bytes) -> None:
    """Writes `data` durably to a path that must not exist yet. Raises StoreError; then nothing is left behind."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        _publish(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _store_error(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _publish(temporary: str, path: Path) -> None:
    """Gives the finished file its name, refusing to replace another (a hard link cannot overwrite)."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if path.exists():  # a file system without links (exFAT on a USB stick)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        os.rename(temporary, path)


def _store_error(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"{path}: the disk is full; everything written before is kept",
            hint="free some space, then resume the run (`npubench run --resume RUN`)",
        )
    if error.errno == errno.EEXIST:
        return StoreError(f"{path}: exists already; result files are never changed")
    return StoreError(f"{path}: cannot be written: {error.strerror}")


class RunFolder(msgspec.Struct, frozen=True):
    """The files of one run."""

    path: Path

    @classmethod
    def create(cls, root: Path, machine: str, run: str) -> RunFolder:
        """A new, empty run folder. Raises StoreError."""
        path = root / machine / run
        try:
            (path / LAUNCHES).mkdir(parents=True)
        except OSError as error:
            raise _store_error(path, error) from error
        return cls(path)

    def write_plan(self, plan: Plan) -> None:
        write_once(self.path / PLAN, encode(plan))

    def write_launch(self, launch: Launch) -> None:
        write_once(self.launch_path(launch.cell, launch.number), encode(launch))

    def write_run(self, run: Run) -> None:
        """Seals the run."""
        write_once(self.path / RUN, encode(run))

    def launch_path(self, cell: str, number: int) -> Path:
        return self.path / LAUNCHES / f"{cell}-{number}.json"

    def write_quality(self, record: Quality) -> None:
        write_once(self.quality_path(record.model, record.precision, record.variant, record.backend), encode(record))

    def quality_path(self, model: str, precision: str, variant: str, backend: str) -> Path:
        return self.path / QUALITY / f"{model}--{build_name(precision, variant)}--{backend}.json"

    def qualities(self) -> Iterator[Quality]:
        """Every quality record, in file-name order. A damaged file raises NotComparableError."""
        for path in sorted((self.path / QUALITY).glob("*.json")):
            yield parse(path.read_bytes(), Quality, str(path))

    def write_certificate(self, found: Certificate) -> None:
        path = self.certificate_path(found.model, found.precision, found.variant, found.backend)
        write_once(path, encode(found))

    def certificate_path(self, model: str, precision: str, variant: str, backend: str) -> Path:
        return self.path / PLACEMENT / f"{model}--{build_name(precision, variant)}--{backend}.json"

    def certificates(self) -> Iterator[Certificate]:
        """Every placement certificate, in file-name order. A damaged file raises NotComparableError."""
        for path in sorted((self.path / PLACEMENT).glob("*.json")):
            yield parse(path.read_bytes(), Certificate, str(path))

    def write_tuning(self, found: Tuning) -> None:
        write_once(self.tuning_path(found.cell), encode(found))

    def tuning_path(self, cell: str) -> Path:
        return self.path / TUNING / f"{cell}.json"

    def tunings(self) -> Iterator[Tuning]:
        """Every search for a way to run a cell, in file-name order. A damaged file raises NotComparableError."""
        for path in sorted((self.path / TUNING).glob("*.json")):
            yield parse(path.read_bytes(), Tuning, str(path))

    def write_session(self, session: PowerSession) -> None:
        write_once(self.session_path(session.number), encode(session))

    def session_path(self, number: int) -> Path:
        return self.path / POWER / f"{number}.json"

    def idle_path(self, number: int, when: str) -> Path:
        """The raw readings of an idle baseline, `before` or `after` the launches of an invocation."""
        return self.path / POWER / f"{number}-{when}.npz"

    def next_session(self) -> int:
        """The number of the invocation that begins now, from 1; a killed one may have left an idle baseline."""
        found = [path.name.partition(".")[0].partition("-")[0] for path in (self.path / POWER).glob("*")]
        return max((int(number) for number in found if number.isdigit()), default=0) + 1

    def sessions(self) -> Iterator[PowerSession]:
        """What was read around the launches of each invocation, in order. A damaged file raises NotComparableError."""
        paths = [path for path in (self.path / POWER).glob("*.json") if path.stem.isdigit()]
        for path in sorted(paths, key=lambda found: int(found.stem)):
            yield parse(path.read_bytes(), PowerSession, str(path))

    def write_attachment(self, found: Attachment) -> None:
        write_once(self.attachment_path(found.name), encode(found))

    def attachment_path(self, name: str) -> Path:
        return self.path / POWER / f"{_LOG}{name}.json"

    def attachments(self) -> tuple[Attachment, ...]:
        """Every external meter's log of this run, by name. A damaged file raises NotComparableError."""
        paths = sorted((self.path / POWER).glob(f"{_LOG}*.json"))
        return tuple(parse(path.read_bytes(), Attachment, str(path)) for path in paths)

    def samples_path(self, cell: str, number: int) -> Path:
        return self.path / LAUNCHES / f"{cell}-{number}.npz"

    def work_path(self, cell: str, number: int) -> Path:
        """Where a launch in flight has its files."""
        return self.path / WORK / f"{cell}-{number}"

    def work(self, cell: str, number: int) -> Path:
        """An empty folder for the launch in flight."""
        path = self.work_path(cell, number)
        try:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        except OSError as error:
            raise _store_error(path, error) from error
        return path

    def clear_work(self) -> None:
        """Removes what launches in flight left behind."""
        shutil.rmtree(self.path / WORK, ignore_errors=True)

    def plan(self) -> Plan:
        """Raises UsageError where there is no plan."""
        path = self.path / PLAN
        if not path.is_file():
            raise UsageError(f"{self.path}: not a run folder (no {PLAN} in it)")
        return parse(path.read_bytes(), Plan, str(path))

    def sealed(self) -> bool:
        return (self.path / RUN).is_file()

    def run(self) -> Run:
        path = self.path / RUN
        return parse(path.read_bytes(), Run, str(path))

    def launches(self) -> Iterator[Launch]:
        """Every finished launch, in file-name order. A damaged file raises NotComparableError."""
        for path in sorted((self.path / LAUNCHES).glob("*.json")):
            yield parse(path.read_bytes(), Launch, str(path))


class Listed(msgspec.Struct, frozen=True):
    """A run folder by the names of its folders alone; nothing in it has been read."""

    root: Path
    machine: str
    run: str

    @property
    def path(self) -> Path:
        return self.root / self.machine / self.run

    @property
    def sealed(self) -> bool:
        """Whether its run is complete: one look into its folder."""
        return os.path.exists(f"{self.root}/{self.machine}/{self.run}/{RUN}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link that leads to itself is none, and must not hide what lies beside it."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _folders(path: str | Path) -> list[str]:
    """The names of the folders in `path`, sorted; none where it cannot be listed. Hidden ones are nobody's results."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
    except OSError:
        return []


def strays(path: Path) -> list[str]:
    """The names in `path` that are no folders, sorted, hidden ones left out; none where it cannot be listed."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and not _is_folder(entry))
    except OSError:
        return []


def listed(root: Path, machine: str | None = None) -> Iterator[Listed]:
    """Every run folder under `root`, by machine and then by id, so that a machine's runs come in the order of time.

    Reads names only, of 100 machines with 365 nights each as of one; `machine` leaves out all others.
    """
    for name in [machine] if machine is not None else _folders(root):
        for run in _folders(f"{root}/{name}"):
            yield Listed(root, name, run)


def machine_folders(root: Path) -> list[str]:
    """Every folder under `root`, sorted, whether it holds runs or not."""
    return _folders(root)


def machines(root: Path) -> list[str]:
    """The folders under `root` that hold run folders, sorted; of each, one name is looked at."""
    return [name for name in _folders(root) if next(listed(root, name), None) is not None]


def latest(root: Path) -> RunFolder | None:
    """The newest run under `root`, by the time in its id; None where there is none. A folder without a plan is none."""
    found = [(ID.match(item.run) is not None, item.run, item.machine) for item in listed(root)]
    for _, run, machine in sorted(found, reverse=True):
        if os.path.exists(f"{root}/{machine}/{run}/{PLAN}"):
            return RunFolder(root / machine / run)
    return None


def named(root: Path, name: str) -> list[Path]:
    """The run folders whose id is `name`; where there is none, those whose id begins with it."""
    if Path(name).name != name:
        return []
    machines = _folders(root)
    exact = [root / machine / name for machine in machines if (root / machine / name).is_dir()]
    return exact or [item.path for machine in machines for item in listed(root, machine) if item.run.startswith(name)]


def is_attachment(path: Path) -> bool:
    """Whether a file holds an external meter's log: brought later, and no part of what was measured."""
    return path.parent.name == POWER and path.name.startswith(_LOG)


def open_run(name: str, root: Path) -> RunFolder:
    """The run folder that `name` means: a folder, a run.json, a run id under `root`, or `latest`. Raises UsageError."""
    path = Path(name)
    if path.name in (RUN, PLAN) and path.is_file():
        return RunFolder(path.parent)
    if path.is_dir():
        if (path / PLAN).is_file() or (path / RUN).is_file():
            return RunFolder(path)
        raise UsageError(f"{path}: not a run folder (neither {PLAN} nor {RUN} in it)")
    if name == "latest":
        if (last := latest(root)) is not None:
            return last
        raise UsageError(f"{root}: no runs yet", hint="`npubench run` makes one")
    matches = named(root, name)
    if len(matches) == 1:
        return RunFolder(matches[0])
    if matches:
        raise UsageError(f'"{name}" means several runs: ' + ", ".join(str(match) for match in matches))
    raise UsageError(f'no run "{name}": neither a folder nor an id under {root}')
