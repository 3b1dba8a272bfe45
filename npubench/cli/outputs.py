"""Where else a comparison goes than to the console: files for machines and reviewers, annotations for GitHub Actions.

Guarantees: a file is written whole or not at all; a failure to write is a UsageError that names it. While annotations
are on, what the console prints is no command to the runner, whatever the names in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from npubench.errors import StoreError, UsageError
from npubench.lang import Language, language
from npubench.stats.compared import Comparison

LANGUAGES: tuple[Language, ...] = ("en", "ko")


def write(path: Path, content: str | bytes) -> None:
    """`content`, text as UTF-8. Raises UsageError for a place that cannot be, StoreError for a disk that is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not beside it and renamed: what GitHub names for a job's summary is a file that its runner holds.
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except (IsADirectoryError, NotADirectoryError, PermissionError, FileExistsError) as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", hint="name another file") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}", hint="free some space") from error


def spoken_language(asked: str) -> Language:
    """`asked`, or what the environment says where it is empty. Raises UsageError for another language."""
    if not asked:
        return language()
    for known in LANGUAGES:
        if asked == known:
            return known
    raise UsageError(f"--lang {asked}: expected {' or '.join(LANGUAGES)}")


class Outputs(NamedTuple):
    """What was asked for beside the console."""

    markdown: Path | None = None
    junit: Path | None = None
    annotations: bool = False
    lang: str = ""

    def spoken(self) -> Language:
        return spoken_language(self.lang)

    def write(self, found: Comparison, spoken: Language) -> None:
        """The files."""
        if self.markdown is not None:
            from npubench.report.comparison.markdown import markdown

            write(self.markdown, markdown(found, spoken))
        if self.junit is not None:
            from npubench.report.comparison.junit import junit

            write(self.junit, junit(found, spoken))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Whatever is printed within is no workflow command (GitHub: "stopping and starting workflow commands")."""
        if not self.annotations:
            yield
            return
        # Nobody whose name is printed can know it, so that no name starts the commands again.
        token = secrets.token_hex(16)
        print(f"::stop-commands::{token}", flush=True)  # noqa: T201
        try:
            yield
        finally:
            print(f"::{token}::", flush=True)  # noqa: T201

    def annotate(self, found: Comparison, spoken: Language, to: IO[str]) -> None:
        """The annotations."""
        if self.annotations:
            from npubench.report.comparison.annotations import commands

            to.write(commands(found, spoken))
            to.flush()


NONE = Outputs()
