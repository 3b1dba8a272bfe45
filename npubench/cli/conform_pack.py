"""What `npubench conform BACKEND --pack FILE` writes: all that whoever reads it elsewhere needs, in one .zip.

    conformance.json    the result (npubench.conformance/1)
    conformance.md      the same to read, and conformance.ko.md
    card.toml           the backend card as it was used
    manifest.json       SHA-256 of each of them

Guarantees: names no folder, host, user or serial number of the machine; the archive appears whole or not at all. Not
aware of: what is asked (`conform`).
"""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench.conformance import Conformance
from npubench.errors import UsageError
from npubench.report import conformance as words

SCHEMA = "npubench.conformance-pack/1"


class PackManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the archive holds: file → SHA-256."""

    schema: str = SCHEMA
    backend: str
    npubench: str
    created: str
    files: dict[str, str]


def write(result: Conformance, card: Path, output: Path) -> PackManifest:
    """Writes the archive. Raises UsageError where it cannot be written."""
    files = {
        "conformance.json": msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n",
        "conformance.md": words.markdown(result, "en").encode(),
        "conformance.ko.md": words.markdown(result, "ko").encode(),
        "card.toml": card.read_bytes(),
    }
    manifest = PackManifest(
        backend=result.backend,
        npubench=result.npubench,
        created=result.date,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    files["manifest.json"] = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    staged = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        staged.replace(output)
    except OSError as error:
        with suppress(OSError):
            staged.unlink()
        raise UsageError(f"{output}: cannot be written: {error.strerror}", hint="name a folder of yours") from error
    return manifest
