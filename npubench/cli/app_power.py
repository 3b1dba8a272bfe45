"""`npubench power`: the meters of this machine. `app_attach` adds its command to the same group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Cards, Json
from npubench.cli.root import app
from npubench.lang import here

power = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here(
        "Power meters: what can be read here, how well, and logs of outside meters.",
        "전력계: 이 장비에서 읽을 수 있는 것과 그 품질, 외부 계측기 기록.",
    ),
)
app.add_typer(power, name="power")

MetersFile = Annotated[
    Path | None,
    typer.Option(
        "--meters",
        metavar="FILE",
        help=here(
            "Meters file (default: NPUBENCH_METERS, else the user's npubench/meters.toml).",
            "전력계 파일(기본: NPUBENCH_METERS, 사용자 설정).",
        ),
    ),
]


@power.callback()
def _power() -> None:
    pass


@power.command(
    "list",
    help=here(
        "Every meter: its channels with scope, device and a live reading, or what it lacks.",
        "모든 전력계의 채널과 범위, 장치, 현재 값 또는 빠진 것.",
    ),
)
def list_(meters: MetersFile = None, cards: Cards = None, json: Json = False) -> None:
    """See `power_list.list_meters`."""
    from npubench.cli import power_list

    power_list.list_meters(meters, cards or [], as_json=json)


@power.command(
    help=here(
        "Read the machine at rest: refresh, noise, drift, read cost; whether a window of 30 s is enough.",
        "쉬는 장비를 읽어 갱신 주기, 잡음, 변화, 읽기 비용을 봅니다.",
    )
)
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METER", help=here("Meters (default: all that answer).", "전력계(기본: 응답하는 전부).")
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=1.0, help=here("How long to read.", "읽는 시간."))
    ] = 20.0,
    meters: MetersFile = None,
    cards: Cards = None,
    json: Json = False,
) -> None:
    """See `power_check.check`."""
    from npubench.cli import power_check

    power_check.check(names or [], seconds, meters, cards or [], as_json=json)
