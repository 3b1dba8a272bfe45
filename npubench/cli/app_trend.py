"""The command `trend`."""

from __future__ import annotations

from typing import Annotated

import typer

from npubench.cli.options import Json, Out
from npubench.cli.root import app
from npubench.lang import here


@app.command(
    help=here(
        "How cells changed from night to night; a change is a note, never a failure.",
        "셀이 밤마다 어떻게 변했는지 보여 줍니다. 변화는 알림일 뿐 실패가 아닙니다.",
    )
)
def trend(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CELL...",
            help=here(
                "Cells by model, backend, precision, scenario, scope or id (default: all).",
                "모델, 백엔드, 정밀도, 시나리오, 범위, id(기본: 전체).",
            ),
        ),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine",
            metavar="NAME",
            help=here("Whose nights (default: this machine's).", "어느 장비의 기록인지(기본: 이 장비)."),
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="KEY[@SCOPE]",
            help=here(
                "Follow this metric, say energy_per_request_j@card.", "따라갈 지표(예: energy_per_request_j@card)."
            ),
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", help=here("Show the last N nights.", "최근 N회만 표시합니다.")),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help=here("Also quick looks, which no comparison takes.", "비교에 쓰이지 않는 간이 실행도 포함합니다."),
        ),
    ] = False,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `trend.trend`."""
    from npubench.cli import trend as trending

    trending.trend(cells or [], machine=machine, metric=metric, last=last, quick_looks=every, as_json=json, out=out)
