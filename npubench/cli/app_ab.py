"""`npubench ab` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from npubench.cli.measuring_options import (
    Allow,
    DryRun,
    MetersFile,
    Models,
    NoPower,
    Onnx,
    Precisions,
    ProfileName,
    Scenarios,
    Scopes,
    Seed,
    Wait,
)
from npubench.cli.options import Cards, Json, MachineName, Out
from npubench.cli.root import app
from npubench.lang import here

_BUILD = here(
    "a card, a card file, PACKAGE==VERSION, PACKAGE @ git+URL@REV or a Python.",
    "카드, 패키지==버전, git 주소, 파이썬.",
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
    model: Models = None,
    precision: Precisions = None,
    scenario: Scenarios = None,
    scope: Scopes = None,
    onnx: Onnx = None,
    profile: ProfileName = None,
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
    seed: Seed = None,
    allow: Allow = None,
    out: Out = None,
    machine: MachineName = None,
    dry_run: DryRun = False,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help=here("Finish one that was stopped.", "중단된 측정을 마칩니다.")),
    ] = None,
    wait: Wait = "10m",
    meters: MetersFile = None,
    no_power: NoPower = False,
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
