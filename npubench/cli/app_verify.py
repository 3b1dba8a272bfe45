"""Commands for those who did not measure: verify, pack, export."""

from __future__ import annotations

from typing import Annotated

import typer

from npubench.cli.options import Json, Out
from npubench.cli.root import app
from npubench.lang import here


@app.command(
    help=here(
        "Recompute every number of a run, a pack or a report from its evidence.",
        "실행, 꾸러미, 보고서의 모든 수치를 증거에서 다시 계산합니다.",
    )
)
def verify(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help=here(
                "Folders, ids, latest, packs (.zip) or reports (.html).",
                "폴더, id, latest, 꾸러미(.zip) 또는 보고서(.html).",
            ),
        ),
    ],
    json: Json = False,
    out: Out = None,
) -> None:
    """See `verify.verify`."""
    from npubench.cli import verify as verifying

    verifying.verify(runs, as_json=json, out=out)
