"""Commands that look and do not measure: check, doctor, list, show, schema."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Cards, Json, MachineName, Out
from npubench.cli.root import app
from npubench.lang import here


class Kind(str, Enum):
    """What `list` can list."""

    backends = "backends"
    models = "models"
    scenarios = "scenarios"
    suites = "suites"
    rulesets = "rulesets"
    traffic = "traffic"


@app.command(
    help=here(
        "Check every card and data set; name every mistake.", "모든 카드와 데이터 세트를 검사하고 잘못을 알려 줍니다."
    )
)
def check(cards: Cards = None) -> None:
    """See `look.check`."""
    from npubench.cli import look

    look.check(cards or [])


@app.command(
    help=here(
        "What could run here, what is missing and how to get it.",
        "여기서 실행 가능한 것과 빠진 것, 준비하는 방법을 보여 줍니다.",
    )
)
def doctor(json: Json = False, cards: Cards = None, machine: MachineName = None, out: Out = None) -> None:
    """See `look.doctor`."""
    from npubench.cli import look

    look.doctor(as_json=json, cards=cards or [], machine=machine, out=out)


@app.command(
    "list",
    help=here(
        "List backends, models, scenarios, suites, rulesets or traffic.",
        "백엔드, 모델, 시나리오, 스위트, 규칙, 용도의 목록을 보여 줍니다.",
    ),
)
def list_(kind: Annotated[Kind, typer.Argument()], cards: Cards = None) -> None:
    """See `look.listing`."""
    from npubench.cli import look

    look.listing(kind.value, cards or [])


@app.command(
    help=here("Show a run (a folder, a run id, or latest).", "실행 결과를 보여 줍니다(폴더, 실행 id 또는 latest).")
)
def show(
    run: Annotated[str, typer.Argument(metavar="RUN")] = "latest",
    placement: Annotated[
        bool,
        typer.Option(
            "--placement",
            help=here(
                "Where each model ran: the placement certificates.", "모델이 실행된 위치의 증명서를 보여 줍니다."
            ),
        ),
    ] = False,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `look.show`."""
    from npubench.cli import look

    look.show(run, as_json=json, out=out, placement=placement)


@app.command(help=here("Export JSON Schemas of cards and results.", "카드와 결과의 JSON Schema를 내보냅니다."))
def schema(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder (default: stdout).", "폴더(기본: stdout).")),
    ] = None,
) -> None:
    """See `look.schema`."""
    from npubench.cli import look

    look.schema(output)
