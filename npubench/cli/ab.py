"""`npubench ab`: two builds of one backend measured in turns, and what B does beside A."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.text import Text as Drawn

from npubench import store
from npubench.cli import building, measure
from npubench.cli.asked import Asked
from npubench.cli.progress import Console
from npubench.cli.session import stoppable
from npubench.discovery import catalogue, checkout_root
from npubench.engine import builds
from npubench.errors import RunInterruptedError, UsageError
from npubench.lang import here, language
from npubench.report.turns import lines
from npubench.stats.compare import Wanted
from npubench.stats.compared import Comparison
from npubench.stats.paired import compare_sides

LAUNCHES = 5
"""As many as the nightly profile takes: what power and false alarms are stated for (METRICS.md, Comparing)."""

_STYLES = {
    "head": ("bold", 0),
    "regressed": ("bold red", 0),
    "improved": ("green", 0),
    "equivalent": ("green", 0),
    "inconclusive": ("", 0),
    "beside": ("dim", 2),
    "note": ("yellow", 2),
}


def ab(a: str | None, b: str | None, backend: str | None, asked: Asked, allow: Sequence[str]) -> None:
    """Measures both builds, shows the verdict, and exits with its code: 0, 3 slower, 4 invalid, 5 not comparable."""
    if asked.resume is None:
        if not a or not b:
            raise UsageError(
                here("ab takes --a X and --b Y", "--a X와 --b Y를 모두 지정하십시오"),
                hint="npubench ab -b cpu --a onnxruntime==1.31.0 --b onnxruntime==1.32.0",
            )
        with stoppable() as stop:
            pair = builds.understood(a, b, backend, catalogue(asked.cards), stop)
        asked = msgspec.structs.replace(
            asked,
            builds=pair,
            backends=tuple(build.card.id for build in pair),
            launches=asked.launches or LAUNCHES,
        )
    elif a or b or backend:
        raise UsageError(
            here("--resume goes without --a, --b and --backend", "--resume은 --a, --b, --backend 없이 씁니다")
        )
    if asked.dry_run:
        measure.run(asked)
        return
    root = store.results_root(asked.out, checkout_root())
    console = Console(as_json=asked.as_json)
    try:
        folder, run = measure.measured(asked, root, console)
    except RunInterruptedError as error:
        hint = error.hint.replace("npubench run", "npubench ab") if error.hint else None
        raise RunInterruptedError(str(error), hint=hint) from None
    told = [note.text for note in run.notes if note.code == building.NOTE]
    found = compare_sides(run, Wanted(allow=tuple(allow)), notes=told)
    show(found, as_json=asked.as_json)
    console.say(str(folder.path))
    if found.exit_code:
        sys.stdout.flush()
        sys.exit(found.exit_code)


def show(found: Comparison, *, as_json: bool) -> None:
    """The comparison as one document, or as sentences."""
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    rich = RichConsole(highlight=False)
    for kind, text in lines(found, language()):
        style, left = _STYLES.get(kind, ("bold yellow", 0))
        rich.print(Padding(Drawn(text, style=style), (0, 0, 0, left)))
