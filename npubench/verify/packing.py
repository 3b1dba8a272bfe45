"""Makes an evidence pack of a sealed run: one .zip that anybody can verify on another machine.

Guarantees: the same run gives the same bytes, whenever and by whomever it is packed (with one version of npubench, of
Pillow and of zlib); the plan's local paths and what shows the user's own inputs are left out; the run folder is read,
never written; the pack appears whole or not at
all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from npubench import __version__
from npubench.errors import StoreError, UsageError
from npubench.report import html, media, view
from npubench.report.files import run_files
from npubench.schema import Plan, Run, encode
from npubench.stats.assemble import scrubbed
from npubench.stats.runs import assembled
from npubench.store import PLAN, WORK, RunFolder, is_private
from npubench.verify.manifest import CARDS, ENVIRONMENTS, MANIFEST, REPORT, RUN_PART, Manifest, PackedFile

# Compressed already.
_STORED = (".npz", ".png", ".zip", ".gz")
_FIRST_YEAR = 1980


def pack(folder: RunFolder, output: Path) -> Manifest:
    """Writes the pack of one run. Raises UsageError for one that is not sealed, StoreError where it cannot be kept."""
    if not folder.sealed():
        raise UsageError(
            f"{folder.path}: not sealed, so it is no evidence yet", hint=f"npubench run --resume {folder.path.name}"
        )
    run, plan = folder.run(), without_paths(folder.plan())
    made = {
        REPORT: html.render(view.build([run_files(folder, assembled(folder), media.reader())]), "ko").encode(),
        CARDS: _json({"models": run.models, "backends": run.backends}),
        ENVIRONMENTS: _json(msgspec.to_builtins(run.environments)),
        f"{RUN_PART}/{PLAN}": encode(plan),
    }
    kept = {f"{RUN_PART}/{name}": path for name, path in _evidence(folder).items()}
    sources: dict[str, bytes | Path] = {**kept, **made}
    files = {name: _hashed(sources[name]) for name in sorted(sources)}
    manifest = Manifest(
        run=run.id,
        machine=run.machine.name,
        created=run.sealed,
        npubench=__version__,
        scrubbed=(f"{RUN_PART}/{PLAN}",),
        files=files,
    )
    _write(output, run, {MANIFEST: _json(msgspec.to_builtins(manifest)), **{name: sources[name] for name in files}})
    return manifest


def without_paths(plan: Plan) -> Plan:
    """The plan without paths of the machine that it was made on. No figure depends on them."""
    # As in run.json: options name local files and the addresses of other machines.
    meters = tuple(msgspec.structs.replace(meter, options={}) for meter in plan.meters)
    return msgspec.structs.replace(
        plan,
        sources={name: _last(path) for name, path in plan.sources.items()},
        command=scrubbed(plan.command),
        meters=meters,
    )


def _last(path: str) -> str:
    return scrubbed([path])[0]


def _evidence(folder: RunFolder) -> dict[str, Path]:
    """Every file of the run, by its name in it; not the plan, which is made anew, nor what a killed process left."""
    found = {}
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        if path.is_symlink():
            raise UsageError(f"{path}: a link; a run folder holds its own files", hint="put the file itself there")
        if (
            path.is_file()
            and not is_private(path)
            and name != PLAN
            and not name.startswith(f"{WORK}/")
            and not path.name.startswith(".")
        ):
            found[name] = path
    return found


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"


def _hashed(source: bytes | Path) -> PackedFile:
    if isinstance(source, bytes):
        return PackedFile(sha256=hashlib.sha256(source).hexdigest(), bytes=len(source))
    with source.open("rb") as stream:
        return PackedFile(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=source.stat().st_size)


def _moment(run: Run) -> tuple[int, int, int, int, int, int]:
    """When the run was sealed, as archives hold it."""
    try:
        at = datetime.fromisoformat(run.sealed.replace("Z", "+00:00"))
    except ValueError:
        return (_FIRST_YEAR, 1, 1, 0, 0, 0)
    return (max(at.year, _FIRST_YEAR), at.month, at.day, at.hour, at.minute, at.second)


def _write(output: Path, run: Run, contents: dict[str, bytes | Path]) -> None:
    moment = _moment(run)
    temporary: str | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, source in contents.items():
                _add(archive, name, source, moment)
        os.chmod(temporary, 0o644)
        os.replace(temporary, output)
        temporary = None
    except OSError as error:
        raise StoreError(f"{output}: the pack cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _add(
    archive: zipfile.ZipFile, name: str, source: bytes | Path, moment: tuple[int, int, int, int, int, int]
) -> None:
    info = zipfile.ZipInfo(name, moment)
    info.create_system, info.external_attr = 3, 0o100644 << 16
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    with archive.open(info, "w", force_zip64=size >= 1 << 31) as target:
        if isinstance(source, bytes):
            target.write(source)
        else:
            with source.open("rb") as stream:
                shutil.copyfileobj(stream, target)
