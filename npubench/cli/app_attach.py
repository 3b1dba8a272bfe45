"""`npubench power attach` and its options, in the group of `app_power`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.app_power import power
from npubench.cli.options import Json, Out
from npubench.lang import here


@power.command(
    help=here(
        "Bring an outside meter's log (CSV) to a run: aligns its clock, adds its joules.",
        "외부 계측기의 기록(CSV)을 실행에 더합니다. 시계를 맞추고 에너지를 계산합니다.",
    )
)
def attach(
    run: Annotated[str, typer.Argument(metavar="RUN", help=here("A run.", "실행."))],
    log: Annotated[Path, typer.Argument(metavar="LOG.csv", help=here("The meter's log.", "계측기의 기록."))],
    align: Annotated[
        str,
        typer.Option(
            "--align",
            metavar="HOW",
            help=here("pulse (see run --power-pulse) or clock.", "pulse(run --power-pulse) 또는 clock."),
        ),
    ] = "pulse",
    offset: Annotated[
        float | None,
        typer.Option(
            "--offset",
            metavar="S",
            help=here("Log time + S is this machine's time.", "기록 시각 + S = 이 장비의 시각."),
        ),
    ] = None,
    uncertainty: Annotated[
        float | None,
        typer.Option("--uncertainty", metavar="S", help=here("Of --offset.", "--offset의 불확도.")),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option(
            "--timezone",
            metavar="ZONE",
            help=here("Of times that name none: +09:00, UTC.", "시간대가 없는 시각: +09:00, UTC."),
        ),
    ] = "",
    scope: Annotated[
        str,
        typer.Option("--scope", metavar="NAME", help=here("wall, node, card …", "wall, node, card 등.")),
    ] = "wall",
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="time=1,power=2",
            help=here("Which columns, by number or title.", "사용할 열(번호 또는 제목)."),
        ),
    ] = "",
    delimiter: Annotated[
        str, typer.Option("--delimiter", metavar="SIGN", help=here("Between cells, or tab.", "셀 구분 문자 또는 tab."))
    ] = "",
    decimal: Annotated[
        str, typer.Option("--decimal", metavar="SIGN", help=here("Decimal sign: . or ,", "소수점 문자: . 또는 ,"))
    ] = "",
    dates: Annotated[
        str,
        typer.Option(
            "--dates", metavar="ORDER", help=here("Of 03/04/2026: dmy or mdy.", "03/04/2026의 순서: dmy, mdy.")
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help=here("Instead of the file's.", "파일 이름 대신 쓸 이름.")),
    ] = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `attach.attach`."""
    from npubench.cli import attach as attaching
    from npubench.metering_log import Wanted

    attaching.attach(
        run,
        log,
        align=align,
        offset_s=offset,
        uncertainty_s=uncertainty,
        scope=scope,
        name=name,
        wanted=Wanted(columns=columns, delimiter=delimiter, decimal=decimal, timezone=timezone, dates=dates),
        out=out,
        as_json=json,
    )
