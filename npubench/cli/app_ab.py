"""`npubench ab` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Cards, Json, MachineName, Out
from npubench.cli.root import app
from npubench.lang import here

_BUILD = here(
    "a card, a card file, PACKAGE==VERSION, PACKAGE @ git+URL@REV or a Python.",
    "카드, 카드 파일, 패키지==버전, 패키지 @ git+URL@리비전, 파이썬 경로.",
)


@app.command(
    "ab",
    help=here(
        "Measure two builds of one backend in turns: is B slower than A?",
        "한 백엔드의 두 빌드를 번갈아 측정합니다. B가 A보다 느립니까?",
    ),
)
def ab(
    a: Annotated[str | None, typer.Option("--a", metavar="BUILD", help=here("What is: ", "기준: ") + _BUILD)] = None,
    b: Annotated[
        str | None, typer.Option("--b", metavar="BUILD", help=here("What is new, likewise.", "새것, 형식은 같음."))
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option("--backend", "-b", metavar="NAME", help=here("Whose builds they are.", "어느 백엔드의 빌드인지.")),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", "-p", metavar="NAME", help=here("Precision (repeatable).", "정밀도(반복 가능).")),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", "-s", metavar="NAME", help=here("Scenario (repeatable).", "시나리오(반복 가능).")),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="NAME", help=here("device or service (repeatable).", "device 또는 service(반복 가능).")
        ),
    ] = None,
    onnx: Annotated[
        list[Path] | None,
        typer.Option("--onnx", metavar="FILE", help=here("Measure any ONNX file.", "임의의 ONNX 파일을 측정.")),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help=here("As of `run`.", "`run`과 같음.")),
    ] = None,
    launches: Annotated[
        int | None,
        typer.Option("--launches", metavar="N", min=1, help=here("Rounds (default: 5).", "반복 횟수(기본: 5).")),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", metavar="30m", help=here("Measuring time of both in all.", "둘을 합친 전체 측정 시간.")
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help=here("Seed of order and inputs.", "순서와 입력의 시드.")),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="FIELD",
            help=here("Compare although FIELD differs (recorded).", "FIELD가 달라도 비교합니다(기록에 남음)."),
        ),
    ] = None,
    out: Out = None,
    machine: MachineName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=here("Show the plan and stop.", "계획만 보여 주고 멈춥니다."))
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help=here("Finish one that was stopped.", "중단된 측정을 마칩니다.")),
    ] = None,
    wait: Annotated[
        str,
        typer.Option("--wait", metavar="10m", help=here("Wait for another run to end.", "다른 실행을 기다릴 시간.")),
    ] = "10m",
    meters: Annotated[
        Path | None,
        typer.Option("--meters", metavar="FILE", help=here("As of `run`.", "`run`과 같음.")),
    ] = None,
    no_power: Annotated[
        bool, typer.Option("--no-power", help=here("Read no power meter.", "전력을 측정하지 않습니다."))
    ] = False,
    json: Json = False,
    cards: Cards = None,
) -> None:
    """See `ab.ab`."""
    from npubench.cli import ab as turns
    from npubench.cli.asked import Asked

    asked = Asked(
        models=tuple(model or ()),
        precisions=tuple(precision or ()),
        scenarios=tuple(scenario or ()),
        scopes=tuple(scope or ()),
        onnx=tuple(onnx or ()),
        profile=profile,
        launches=launches,
        budget=budget,
        seed=seed,
        out=out,
        machine=machine,
        dry_run=dry_run,
        resume=resume,
        wait=wait,
        meters=meters,
        no_power=no_power,
        as_json=json,
        cards=tuple(cards or ()),
    )
    turns.ab(a, b, backend, asked, allow or [])
