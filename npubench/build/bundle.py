"""A bundle: one archive with everything that the two commands need on a machine without a network.

It unpacks to a checkout (source, cards, models' rooms, data, tests) with a folder `bundle/` in it: wheels for one
version of Python and one kind of machine, built models, the user's own cards, what was left out and under whose
licence, and a script that checks every byte and installs. `discovery.bundle_folder` is how npubench knows that it runs
in one; everything that is made there stays in the folder. The report takes the reader's fonts, so none travel.

Not aware of: how wheels are fetched and models built (`cli.bundle`).
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from npubench import __version__
from npubench.cards import read_toml
from npubench.errors import StoreError, UsageError
from npubench.lang import Text, here
from npubench.store import sha256_file
from npubench.units import utc_now

SUMS = "SHA256SUMS"

# What a checkout is made of; nothing that git ignores.
SOURCE = (
    "npubench", "backends", "models", "docs", "results/README.md", "results/baseline.toml", "results/examples",
    "reports/README.md", "Makefile", "pyproject.toml", "README.md", "README.ko.md", "CHANGELOG.md", "CONTRIBUTING.md",
    "LICENSE", ".gitignore",
)  # fmt: skip
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", "*.egg-info")

# hatchling asks for it when a checkout is installed so that it can be edited (`get_requires_for_build_editable`).
_EDITABLE = "editables"


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution that must not be passed on: for which backend, under which licence, and how to get it."""

    backend: str
    requirement: str
    licence: Text
    command: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle/bundle.json`. Wheels are for `python` (major.minor) and `machine`; `backends` get environments."""

    schema: Literal["npubench.bundle/1"] = "npubench.bundle/1"
    npubench: str = __version__
    created: str
    python: str
    machine: str
    backends: tuple[str, ...]
    models: tuple[str, ...]
    tests: bool
    left_out: tuple[LeftOut, ...] = ()


def python_version() -> str:
    """The version of Python that a bundle made here is for."""
    return ".".join(map(str, sys.version_info[:2]))


def manifest(backends: Iterable[str], models: Iterable[str], tests: bool, left_out: Iterable[LeftOut]) -> Manifest:
    """The manifest of a bundle made here and now."""
    return Manifest(
        created=utc_now(),
        python=python_version(),
        machine=platform.machine(),
        backends=tuple(backends),
        models=tuple(models),
        tests=tests,
        left_out=tuple(left_out),
    )


def own_requirements(root: Path, tests: bool) -> tuple[list[str], list[str]]:
    """What `make setup` (and `make test`) installs beside npubench, and what pip needs to install a checkout."""
    document = read_toml(root / "pyproject.toml")
    extras = document["project"]["optional-dependencies"]
    wanted = [*document["project"]["dependencies"], *extras["cpu"], *(extras["dev"] if tests else ())]
    return wanted, [*document["build-system"]["requires"], _EDITABLE]


def wheel_of(path: Path) -> tuple[str, str]:
    """The normalised distribution name and the version of a wheel file (PEP 427, PEP 503)."""
    name, version = path.name.split("-")[:2]
    return re.sub(r"[-_.]+", "-", name).lower(), version


def licence_of(name: str, closed: Mapping[str, Text]) -> Text | None:
    """The licence of a distribution (normalised name) that must not be passed on, by name or pattern; else None."""
    return next((text for key, text in closed.items() if fnmatchcase(name, re.sub(r"[-_.]+", "-", key).lower())), None)


def take_source(root: Path, target: Path, tests: bool) -> None:
    """Copies the checkout. Raises UsageError where a folder cannot be read."""
    for name in (*SOURCE, *(("tests",) if tests else ())):
        source = root / name
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_SKIPPED, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy2(source, target / name)


def take_cards(folders: Sequence[Path], target: Path) -> None:
    """Copies the user's own card folders into one. Raises UsageError where two of them have the same file."""
    for folder in folders:
        for path in sorted(item for item in folder.rglob("*") if item.is_file() and "__pycache__" not in item.parts):
            place = target / path.relative_to(folder)
            if place.exists():
                raise UsageError(
                    here(f"{path}: another --cards folder has it too", f"{path}: 다른 --cards 폴더에도 있습니다")
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def write_scripts(target: Path, found: Manifest) -> None:
    """The manifest, the installer and what people read first, in both languages."""
    bundle = target / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "bundle.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    # Two plain files for make and sh, which read no JSON.
    (bundle / "python-version").write_text(found.python + "\n", encoding="ascii")
    (bundle / "backends").write_text("".join(f"{name}\n" for name in found.backends), encoding="ascii")
    installer = target / "install.sh"
    installer.write_bytes(files("npubench.build").joinpath("bundle_install.sh").read_bytes())
    installer.chmod(0o755)
    (target / "INSTALL.txt").write_text("\n".join(_instructions(found)) + "\n", encoding="utf-8")


def _instructions(found: Manifest) -> Iterator[str]:
    needs = f"Linux {found.machine}, Python {found.python} (venv), make, bash"
    backends = " ".join(found.backends)
    yield f"npubench {found.npubench}: {needs}"
    yield ""
    yield "  ./install.sh            checks every byte and installs into this folder; no network is used"
    yield f'  make bench BACKENDS="{backends}"'
    yield "  make test" if found.tests else "  (tests were left out: make bundle TESTS=yes brings them)"
    yield ""
    yield "  ./install.sh            모든 파일을 확인하고 이 폴더에 설치합니다(네트워크 불필요)"
    yield f'  make bench BACKENDS="{backends}"'
    if found.left_out:
        yield ""
        yield "Proprietary, not in here. Fetch it where there is a network, put the wheels into bundle/wheels, then"
        yield "./install.sh again. / 독점 라이선스라서 넣지 않은 것. 네트워크가 있는 곳에서 받아 bundle/wheels에 두고"
        yield "./install.sh를 다시 실행하십시오."
    for item in found.left_out:
        yield ""
        yield f"  {item.requirement} ({item.backend})"
        yield f"    {item.licence.en} / {item.licence.ko}"
        yield f"    {item.command}"


def seal(target: Path) -> None:
    """Writes SHA256SUMS over every file in the folder, in the form that `sha256sum -c` reads."""
    paths = sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{sha256_file(target / path)}  {path.as_posix()}\n" for path in paths]
    (target / SUMS).write_text("".join(lines), encoding="utf-8")


def pack(target: Path, output: Path, say: Callable[[str], None]) -> int:
    """The folder as one archive (`.tar`, `.tar.gz` or `.tar.xz`), whole or not at all; its size. Raises StoreError."""
    modes: Mapping[str, Literal["w", "w:gz", "w:xz"]] = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz"}
    temporary = output.with_name(f".{output.name}.part")
    say(here(f"packing {output} …", f"{output} 만드는 중 …"))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(temporary, modes.get(output.suffix, "w")) as archive:
            archive.add(target, arcname=target.name, filter=_anonymous)
        temporary.replace(output)
        return output.stat().st_size
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            here(f"{output}: cannot be written: {error.strerror}", f"{output}: 쓸 수 없습니다: {error.strerror}"),
            hint=here("name another file with -o", "-o로 다른 파일을 지정하십시오"),
        ) from error


def _anonymous(item: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who made a bundle is nobody's business, and need not exist where it is unpacked."""
    item.uid = item.gid = 0
    item.uname = item.gname = ""
    return item
