"""Takes an evidence pack apart safely, and verifies what is in it.

An archive from somebody else is refused before anything is written when it is not a plain one: absolute paths, `..`,
backslashes, control characters, links and other special files, one name twice, encryption, sizes or a compression that
no pack has. Contents that do not fit the manifest are mismatches: edited files, files that it does not name, files that
are missing.

Not aware of: how a run is verified (`folder`), how a report is (`pages`).
"""

from __future__ import annotations

import hashlib
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import NotComparableError, SchemaTooNewError, StoreError, UsageError
from npubench.lang import Text
from npubench.store import RunFolder
from npubench.verify.folder import verify_folder
from npubench.verify.found import Mismatch, Tally, Verified, legible
from npubench.verify.manifest import CARDS, ENVIRONMENTS, MANIFEST, REPORT, RUN_PART, SCHEMA, Manifest
from npubench.verify.pages import verify_page

# A nightly run of fifty cells with ten launches has some hundred MB, three files a launch.
MOST_BYTES = 8 << 30
MOST_FILES = 200_000
# Deflate reaches 1032:1 on nothing but zeros; JSON and pages of ours stay under 40:1. Small files do no harm.
MOST_RATIO, HARMLESS_BYTES = 200, 1 << 20
MOST_MANIFEST_BYTES = 64 << 20
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What file systems take for the name of one file or folder.
_MOST_PART_BYTES = 255
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, OverflowError)
"""What reading an archive raises that is damaged, or made to be."""

_MANIFEST = Text(en="the pack's manifest", ko="꾸러미의 manifest.json과 다름")
_SAME = Text(en="what run.json holds", ko="run.json의 내용과 다름")
_SCRUBBED = Text(
    en="local paths were taken out of the plan when the pack was made: no figure depends on them",
    ko="꾸러미를 만들 때 계획에서 로컬 경로를 뺐습니다. 수치와는 무관합니다",
)


def is_pack(path: Path) -> bool:
    """Whether `path` is to be taken for a pack: by its name, or by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return path.suffix == ".zip" or stream.read(4) == b"PK\x03\x04"


@contextmanager
def opened(path: Path, tally: Tally) -> Iterator[tuple[Path, Manifest]]:
    """A temporary folder with the pack's files, and its manifest.

    Raises NotComparableError for what is refused or cannot be read, StoreError where there is no room to unpack it.
    """
    try:
        room = tempfile.TemporaryDirectory(prefix="npubench-pack-")
    except OSError as error:
        raise _no_room(path, error) from error
    with room as folder:
        yield Path(folder), _apart(path, Path(folder), tally)


def _apart(path: Path, folder: Path, tally: Tally) -> Manifest:
    """Takes the archive apart into `folder`. Raises what `opened` does."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = checked(path, archive)
            manifest = _manifest(path, archive, entries)
            _unpacked(path, archive, entries, manifest, folder, tally)
            return manifest
    except (*_BROKEN, OSError) as error:
        raise NotComparableError(f"{path}: not a pack that can be read: {error}") from error


def _no_room(path: Path, error: OSError) -> StoreError:
    """Nothing is wrong with the pack: this machine has no place for what is in it."""
    return StoreError(
        f"{path}: cannot be unpacked here, which says nothing against it: {error.strerror or error}",
        hint="free some space, or name a folder that has it: TMPDIR=FOLDER",
    )


def checked(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by name. Raises NotComparableError with the entry and the reason for anything unusual."""

    def refused(name: str, why: str) -> NotComparableError:
        return NotComparableError(
            f"{path}: refused: {name!r}: {why}", hint="ask its maker for a pack by `npubench pack`"
        )

    found: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    total = 0
    for info in archive.infolist():
        # `filename` is cut at a NUL; what the archive says is in `orig_filename`.
        name = info.orig_filename
        if (why := _unsafe(name)) is not None:
            raise refused(name, why)
        mode = info.external_attr >> 16
        if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            raise refused(name, "a link" if stat.S_ISLNK(mode) else "not a plain file")
        if name.casefold() in folded:
            raise refused(name, "the name is there twice")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise refused(name, "encrypted, or compressed in a way that no pack is")
        if info.file_size > HARMLESS_BYTES and info.file_size > MOST_RATIO * max(info.compress_size, 1):
            raise refused(
                name, f"{info.compress_size:,} bytes unpack to {info.file_size:,}; more than {MOST_RATIO}:1 is a bomb"
            )
        total += info.file_size
        if total > MOST_BYTES or len(found) >= MOST_FILES:
            raise refused(name, f"the pack holds more than {MOST_BYTES:,} bytes or {MOST_FILES:,} files")
        folded.add(name.casefold())
        found[name] = info
    for name in found:
        parts = name.casefold().split("/")
        if any("/".join(parts[:end]) in folded for end in range(1, len(parts))):
            raise refused(name, "its folder is a file of the pack")
    return found


def _unsafe(name: str) -> str | None:
    """Why a file must not be written under this name; None where it may."""
    if not name or name.startswith("/") or ":" in name.partition("/")[0]:
        return "an absolute path"
    if "\\" in name:
        return "a backslash in the name"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "a control character in the name"
    parts = name.rstrip("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return 'the path has an empty part, "." or ".."'
    longest = max(len(part.encode(errors="surrogatepass")) for part in parts)
    if len(name.encode(errors="surrogatepass")) > 1024 or longest > _MOST_PART_BYTES or len(parts) > 8:
        return "a name that is too long"
    return None


def _manifest(path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> Manifest:
    info = entries.get(MANIFEST)
    if info is None or info.file_size > MOST_MANIFEST_BYTES:
        raise NotComparableError(f"{path}: not a pack of npubench: no {MANIFEST} in it")
    try:
        data = b"".join(_chunks(path, archive, info))
        name, _, version = str(msgspec.json.decode(data)["schema"]).rpartition("/")
        known, _, mine = SCHEMA.rpartition("/")
        if name != known:
            raise NotComparableError(f"{path}: {MANIFEST}: schema is {name!r}, expected {known!r}")
        if int(version) > int(mine):
            raise SchemaTooNewError(
                f"{path}: packed by a newer npubench ({name}/{version}; this one reads up to {SCHEMA})",
                hint="install that npubench, or a newer one, to verify it",
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotComparableError(f"{path}: {MANIFEST}: damaged: {error}") from error


def _unpacked(
    path: Path,
    archive: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    manifest: Manifest,
    folder: Path,
    tally: Tally,
) -> None:
    """Writes the files that the manifest names, and names those that are not as it says."""
    for name in entries:
        if name != MANIFEST and name not in manifest.files:
            tally.wrong(name, "", "a file that the manifest does not name", "(nothing)", _MANIFEST)
    for name, stated in manifest.files.items():
        info = entries.get(name)
        if info is None:
            tally.wrong(name, "", "missing", f"{stated.bytes:,} bytes", _MANIFEST)
            continue
        target = folder / name
        try:
            sha256 = _copied(path, archive, info, target)
        except (*_BROKEN, ValueError) as error:
            # The archive's own checksum, or compressed data that is none.
            tally.wrong(name, "", f"damaged: {error}", f"{stated.bytes:,} bytes", _MANIFEST)
            target.unlink(missing_ok=True)
            continue
        tally.files.add(name)
        tally.same(name, "SHA-256", sha256, stated.sha256, why=_MANIFEST)
        tally.same(name, "size", info.file_size, stated.bytes, why=_MANIFEST, counted=False)


def _copied(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> str:
    """Unpacks one file and returns its SHA-256.

    Raises StoreError where it cannot be written, and what `_chunks` raises.
    """
    hashed = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            for chunk in _chunks(path, archive, info):
                hashed.update(chunk)
                stream.write(chunk)
    except OSError as error:
        raise _no_room(path, error) from error
    return hashed.hexdigest()


def _chunks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The contents of one file, never more than it declares.

    Raises ValueError, or one of _BROKEN, for damaged ones, NotComparableError where the archive cannot be read.
    """
    left = info.file_size
    try:
        with archive.open(info) as source:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise ValueError("it unpacks to more than it declares")
                yield chunk
    except OSError as error:
        # Told apart from errors of writing, which whoever takes the chunks sees.
        raise NotComparableError(f"{path}: cannot be read: {error.strerror or error}") from error


def verify_pack(path: Path, of: str = "") -> Verified:
    """Everything in one pack.

    Raises NotComparableError for what is refused or cannot be read, SchemaTooNewError for a newer one, StoreError where
    there is no room to unpack it.
    """
    tally = Tally()
    with legible(of or str(path)), opened(path, tally) as (folder, manifest):
        run = RunFolder(folder / RUN_PART)
        try:
            found = verify_folder(run, of or str(path), "pack")
        except UsageError:
            raise NotComparableError(f"{path}: no run in the pack (neither plan nor run document)") from None
        mismatches = [*tally.mismatches, *(_in_run(item) for item in found.mismatches)]
        mismatches += _beside(folder, run, manifest, tally)
        remarks = [*found.remarks, *([_SCRUBBED] if manifest.scrubbed else []), *tally.remarks]
    return msgspec.structs.replace(
        found,
        numbers=found.numbers + tally.numbers,
        files=len(tally.files) + 1,
        mismatches=tuple(mismatches),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _in_run(item: Mismatch) -> Mismatch:
    return msgspec.structs.replace(item, file=f"{RUN_PART}/{item.file}")


def _beside(folder: Path, run: RunFolder, manifest: Manifest, tally: Tally) -> list[Mismatch]:
    """The page, the cards and the environments against the run."""
    beside = Tally()
    if not run.sealed():
        beside.wrong(f"{RUN_PART}/run.json", "", "missing", "the sealed run")
        return beside.mismatches
    try:
        document = run.run()
    except NotComparableError:
        return []
    beside.same(MANIFEST, "run", manifest.run, document.id)
    beside.same(MANIFEST, "machine", manifest.machine, document.machine.name)
    for name, expected in (
        (CARDS, {"models": document.models, "backends": document.backends}),
        (ENVIRONMENTS, document.environments),
    ):
        if (folder / name).is_file():
            beside.same(name, "", _json(folder / name), expected, why=_SAME, counted=False)
        else:
            beside.wrong(name, "", "missing", "a file of every pack")
    if (folder / REPORT).is_file():
        try:
            page = verify_page(folder / REPORT, {document.id: run})
        except NotComparableError as error:
            beside.wrong(REPORT, "", str(error), "the report of the run")
        else:
            tally.numbers += page.numbers
            tally.remarks += page.remarks
            beside.mismatches += page.mismatches
    else:
        beside.wrong(REPORT, "", "missing", "a file of every pack")
    return beside.mismatches


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"not JSON: {error}"
