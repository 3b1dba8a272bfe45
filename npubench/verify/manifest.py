"""What is in an evidence pack: `manifest.json`, first in the archive, names every other file with its SHA-256 and size.

    manifest.json       this
    report.html         the page
    cards.json          the model and backend cards as they were used
    environments.json   what each backend's worker ran in: Python, every distribution's version, libraries' SHA-256
    run/                the run folder: plan.json, run.json, launches/ with samples and power readings, quality/ …

Nothing in a pack depends on when or where it is made: the same run gives the same bytes. Not aware of: archives.
"""

from __future__ import annotations

import msgspec

SCHEMA = "npubench.pack/1"
MANIFEST, REPORT, CARDS, ENVIRONMENTS, RUN_PART = (
    "manifest.json",
    "report.html",
    "cards.json",
    "environments.json",
    "run",
)


class PackedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pack."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest. `created` is when the run was sealed. `scrubbed`: files from which local paths were taken."""

    schema: str = SCHEMA
    run: str
    machine: str
    created: str
    npubench: str
    scrubbed: tuple[str, ...] = ()
    files: dict[str, PackedFile]
