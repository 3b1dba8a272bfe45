"""Templates as they were compiled before, kept in a folder of the user's own: to compile them takes most of a page.

Python code is read back from that folder, so it must be nobody else's. Guarantees: only a folder that belongs to the
user alone (mode 0700, no link) is used, made only inside one that is the user's, and of it only the user's
files; where that cannot be had or not be seen (Windows, a stick without owners, a full disk) templates are compiled,
as they are when one of them, Jinja, Python or an option has changed. Nothing here keeps a page from being made.

Not aware of: which templates there are (`assets`).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

_OPEN_TO_OTHERS = 0o022


def kept(folder: Path, options: object) -> Compiled | None:
    """The cache in `folder`, which is made if need be; None where no cache is safe. `options` shape the code."""
    try:
        if not hasattr(os, "geteuid") or not _own_folder(folder):
            return None
    except OSError:
        return None
    return Compiled(folder, f"{jinja2.__version__} {sys.implementation.cache_tag} {options}")


def _own_folder(folder: Path) -> bool:
    if not os.path.lexists(folder):
        above = next(parent for parent in folder.parents if parent.exists())
        # Elsewhere it would be in the way of whoever the place belongs to: with sudo, for instance.
        if above.stat().st_uid != os.geteuid():
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700


class Compiled(jinja2.BytecodeCache):
    """Jinja's interface to the folder: a file for each template."""

    def __init__(self, folder: Path, salt: str) -> None:
        self._folder, self._salt = folder, salt

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Of a template's name and file, and of all that its code depends on beside its text."""
        return super().get_cache_key(f"{self._salt} {name}", filename)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Jinja itself compares the text's hash."""
        try:
            descriptor = os.open(self._file(bucket), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        with open(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OPEN_TO_OTHERS:
                return
            try:
                bucket.load_bytecode(stream)
            # A file that was cut short or damaged: what pickle and marshal raise of it is not listed anywhere.
            except Exception:
                bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Appears whole or not at all."""
        with contextlib.suppress(OSError):
            descriptor, written = tempfile.mkstemp(dir=self._folder)
            try:
                with open(descriptor, "wb") as stream:
                    bucket.write_bytecode(stream)
                os.replace(written, self._file(bucket))
            except OSError:
                os.unlink(written)
                raise

    def _file(self, bucket: Bucket) -> Path:
        return self._folder / bucket.key
