"""Two builds in a run: their cards beside the others, their environments, and what the plan says of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from npubench.cli.asked import Asked
from npubench.cli.progress import Console
from npubench.discovery import Catalogue, Found
from npubench.engine import builds, installing
from npubench.engine.select import Backends
from npubench.errors import AbsentBackendError, InstallError
from npubench.lang import Text, here, language
from npubench.schema import Note
from npubench.sides import plain

_NO_SUCH = Text(en="is there such a version for this Python?", ko="이 파이썬용으로 그런 버전이 있습니까?")

NOTE = "ab"
"""The code of the note in a plan that says what A and B are."""


def with_builds(asked: Asked, cards: Catalogue) -> Catalogue:
    """The catalogue with the two builds as backends of their own."""
    found = {build.card.id: Found(build.card, build.path) for build in asked.builds}
    return msgspec.structs.replace(cards, backends={**cards.backends, **found}) if found else cards


def install(asked: Asked, console: Console, stop: Callable[[], bool]) -> None:
    """Makes the environments of both builds. Raises InstallError that names the build, StopRequested."""
    for build in asked.builds if not asked.dry_run else ():
        name = build.side.upper()

        def say(text: str, name: str = name) -> None:
            console.say(f"{name}: {text}")

        if build.card.environment.requires:
            try:
                installing.sync_card(build.card, say, stop)
            except InstallError as error:
                for line in error.output:
                    say(line)
                # The card is not where this was written.
                hint = error.hint if error.hint and "[environment]" not in error.hint else _NO_SUCH[language()]
                raise InstallError(f"{name}: {error}", hint=hint, output=error.output) from error


def check_ready(asked: Asked, backends: Backends) -> None:
    """Raises AbsentBackendError where one of two builds does not answer: there is nothing to compare then."""
    absent = {item.backend: item for item in backends.absent}
    for build in asked.builds:
        if (item := absent.get(build.card.id)) is not None:
            name, what = build.side.upper(), build.about[language()]
            raise AbsentBackendError(
                here(f"{name} ({what}) is not ready: {item.reason}", f"{name}({what}) 준비되지 않음: {item.reason}"),
                hint=plain(item.fix[language()]) if item.fix else None,
            )


def notes(asked: Asked) -> tuple[Note, ...]:
    """What A and B are, for the plan and every report of the run."""
    if not asked.builds:
        return ()
    a, b = asked.builds
    same = Text(en="", ko="")
    if builds.same(a, b):
        same = Text(en=" Nothing tells them apart: an A/A.", ko=" 둘은 동일합니다(A/A).")
    return (
        Note(
            code=NOTE,
            text=Text(
                en=f"Two builds measured in turns. A: {a.about.en}. B: {b.about.en}.{same.en}",
                ko=f"두 빌드를 번갈아 측정. A: {a.about.ko}. B: {b.about.ko}.{same.ko}",
            ),
            severity="info",
        ),
    )
