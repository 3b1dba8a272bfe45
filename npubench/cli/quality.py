"""`npubench quality`: every precision of some models on a backend: how good the answers are, and how fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from npubench import store
from npubench.cli.asked import SUITE, Asked
from npubench.cli.measure import measured
from npubench.cli.planned import ALL
from npubench.cli.progress import Console
from npubench.discovery import catalogue, checkout_root, pick
from npubench.errors import MeasurementError
from npubench.lang import language
from npubench.report.quality import HEAD, remarks, table
from npubench.schema import encode

DEFAULT_BACKENDS = ("cpu",)
# For each build: a p50 of the slowest models, a second a request, needs a dozen requests.
BUILD_S = 14


def quality(
    models: Sequence[str],
    backends: Sequence[str],
    precisions: Sequence[str],
    profile: str,
    cards: Sequence[Path],
    out: Path | None,
    markdown: bool,
    as_json: bool,
) -> None:
    """Runs and prints the table. Exits as `npubench run` does: 4 where an answer is not good enough."""
    console = Console(as_json=as_json or markdown)
    found = catalogue(tuple(cards))
    names = list(models) or [entry.model for entry in found.suites[SUITE].card.entries]
    builds = sum(len(precisions or pick(found.models, name, "model").card.precisions) for name in dict.fromkeys(names))
    asked = Asked(
        models=tuple(models),
        backends=tuple(backends) or DEFAULT_BACKENDS,
        precisions=tuple(precisions) or (ALL,),
        scenarios=("single-stream",),
        scopes=("device",),
        profile=profile,
        launches=1,
        budget=f"{BUILD_S * builds * max(1, len(backends))}s",
        cards=tuple(cards),
        as_json=as_json,
    )
    folder, run = measured(asked, store.results_root(out, checkout_root()), console)
    rows = table(run, "en" if markdown else language())
    if as_json:
        console.document(encode(run))
    elif markdown:
        console.document(_markdown(rows).encode())
    else:
        console.table([text[language()] for text in HEAD], rows)
        for text in remarks(run):
            console.say(text[language()])
    console.say(str(folder.path))
    if any(cell.verdict == "invalid" for cell in run.cells):
        sys.exit(MeasurementError.exit_code)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """The table as the README has it."""
    lines = ["| " + " | ".join(text.en for text in HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
