"""What vendors' compilers made, kept across runs: what all vendors' adapters share.

    <NPUBENCH_CACHE>/compiled/<sdk>/<key>/   the files, record.json (written last), compile.log
    <NPUBENCH_CACHE>/compiled/<sdk>/<key>.lock

The key is over all that decides the outcome: the graph and weights (SHA-256), the compiler and its version, what it is
told, the target chip, the calibration inputs, whether the SDK is a stand-in. Guarantees: a result appears at once or
not at all, and is never written again; two processes that want the same one compile it once; a compilation that was
refused, crashed or did not end is remembered with the reason and not tried again with the same limit (a longer one
tries again); a kept file whose bytes have changed is made anew; how long the compiler took is kept with its result,
because a file that was found says nothing about that. What says nothing of the model (no SDK, no memory, no disk) is
not remembered.

    NPUBENCH_COMPILE_LIMIT_S   how long a compiler may take (default 1500 s; the parent waits 1800 s for a phase)

Not aware of: vendors, formats.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from npubench.adapters import vendor_compile
from npubench.errors import AbsentBackendError, ArtifactError, StoreError, UnsupportedError
from npubench.spi import Artifact, Compilation

LIMIT_S = 1500.0
RECORD = "record.json"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be compiled. `told`: every argument of the compiler that is not in another field.

    `calibration`: a digest of the inputs that it quantises with, empty for none. `recipe` is the adapter's own number
    of the way in which it calls the compiler: raise it when that changes.
    """

    sdk: str
    compiler: str
    chip: str
    source_sha256: str
    precision: str
    told: dict[str, Any] = {}
    calibration: str = ""
    stand_in: bool = False
    recipe: int = 1

    @property
    def key(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:32]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `files`: name → SHA-256; `facts`: what the adapter's compile function told."""

    schema: Literal["npubench.compiled/1"] = "npubench.compiled/1"
    wanted: Wanted
    outcome: vendor_compile.Outcome
    reason: str = ""
    files: dict[str, str] = {}
    facts: dict[str, str] = {}
    compile_ns: int = 0
    limit_s: float = 0.0


class Kept(NamedTuple):
    """A compiled model. `reused`: it was there already."""

    folder: Path
    record: Record
    reused: bool

    def artifact(self, source: Artifact, name: str) -> Artifact:
        """The file `name` of it, in place of `source`."""
        path = self.folder / name
        return msgspec.structs.replace(source, path=str(path), sha256=self.record.files[name])


def root() -> Path:
    """Where compiled models are kept; the parent names its own cache to every worker."""
    named = os.environ.get("NPUBENCH_CACHE", "")
    return (Path(named).expanduser() if named else Path.home() / ".cache" / "npubench") / "compiled"


def limit_s() -> float:
    """How long a compiler may take."""
    try:
        return max(1.0, float(os.environ.get("NPUBENCH_COMPILE_LIMIT_S", "")))
    except ValueError:
        return LIMIT_S


def compiled(wanted: Wanted, code: str, arguments: Mapping[str, Any]) -> Kept:
    """The compiled model: kept, or made now by `code` (see `vendor_compile.run`).

    Raises UnsupportedError with the vendor's words where its compiler refuses the model or does not end,
    AbsentBackendError, MemoryError, StoreError.
    """
    place = root() / wanted.sdk / wanted.key
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(place.with_name(f"{place.name}.lock")):
            record = read(place)
            limit = limit_s()
            if record is not None and record.outcome == "made" and _whole(place, record):
                return Kept(place, record, reused=True)
            if record is not None and record.outcome not in ("made", "timed out"):
                raise _refusal(record, place)
            if record is not None and record.outcome == "timed out" and record.limit_s >= limit:
                raise _refusal(record, place)
            return Kept(place, _make(wanted, code, arguments, place, limit), reused=False)
    except OSError as error:
        raise StoreError(
            f"{place}: what the compiler made cannot be kept: {error.strerror or error}",
            hint="free some space there, or set NPUBENCH_CACHE to a writable folder",
        ) from error


def read(place: Path) -> Record | None:
    """The record of a folder; None where there is none that can be read."""
    try:
        return msgspec.json.decode((place / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def beside(path: str | Path) -> Record | None:
    """The record of a kept file; None for a file that came from elsewhere."""
    found = read(Path(path).parent)
    return found if found is not None and Path(path).name in found.files else None


def compilation(artifact: Artifact, made: Collection[str]) -> Compilation:
    """How a compiled artefact came to be (fact `route`). `made`: the paths that this process has compiled itself."""
    record = beside(artifact.path)
    return Compilation(
        ns=record.compile_ns if record else 0,
        kept=artifact.path not in made,
        how=record.facts.get("route", "") if record else "",
    )


def check_chip(path: str | Path, compiled_for: str, chip: str, device: str) -> None:
    """Raises ArtifactError for a file that was compiled for another chip than the device has."""
    if compiled_for and chip and compiled_for != chip:
        raise ArtifactError(
            f"{Path(path).name}: compiled for {compiled_for}, but {device} is {chip}",
            hint=f"compile it for {chip}, or measure it on {compiled_for}",
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def source_sha256(artifact: Artifact) -> str:
    """The digest of a graph and its weights as the parent knows it; of the file where it says none."""
    return artifact.sha256 or sha256_of(Path(artifact.path))


def _whole(place: Path, record: Record) -> bool:
    return all((place / name).is_file() and sha256_of(place / name) == sha for name, sha in record.files.items())


def _make(wanted: Wanted, code: str, arguments: Mapping[str, Any], place: Path, limit: float) -> Record:
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        answer = vendor_compile.run(code, arguments, work, limit)
        if answer.outcome == "absent":
            raise AbsentBackendError(answer.reason)
        if answer.outcome == "out of memory":
            raise MemoryError(f"out of memory while compiling: {answer.reason}")
        names = [path.name for path in sorted(work.iterdir()) if path.is_file() and not path.name.startswith(".")]
        made = answer.outcome == "made"
        record = Record(
            wanted=wanted,
            outcome=answer.outcome,
            reason=answer.reason,
            files={name: sha256_of(work / name) for name in names if made and name != vendor_compile.LOG},
            facts=answer.facts,
            compile_ns=answer.ns,
            limit_s=limit,
        )
        (work / RECORD).write_bytes(msgspec.json.encode(record))
        if place.exists():
            # A refusal, or a damaged file: never one that somebody may have open.
            shutil.rmtree(place)
        work.rename(place)
        if not made:
            raise _refusal(record, place)
        return record
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _refusal(record: Record, place: Path) -> UnsupportedError:
    chip = f" for {record.wanted.chip}" if record.wanted.chip else ""
    more = ", or raise NPUBENCH_COMPILE_LIMIT_S" if record.outcome == "timed out" else ""
    return UnsupportedError(
        f"{record.wanted.sdk} {record.wanted.compiler} does not compile this model{chip}: {record.reason}",
        # Relative: results name no folder of a person's.
        hint=f"its own words are in compiled/{place.parent.name}/{place.name}/{vendor_compile.LOG} in the model cache; "
        f"remove that folder to try again{more}",
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock of one key: another process that wants the same waits for the result."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
