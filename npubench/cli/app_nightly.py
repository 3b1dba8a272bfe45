"""`npubench nightly` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.measuring_options import (
    Backends,
    Launches,
    MeasuredBy,
    MetersFile,
    Models,
    NoPower,
    Precisions,
    RulesetName,
    Scenarios,
    StallTimeout,
    SuiteName,
    Wait,
)
from npubench.cli.options import Cards, Json, MachineName, Out
from npubench.cli.root import app
from npubench.lang import here


@app.command(
    help=here(
        "Measure within a budget, compare with the baseline, write the pages; resumes.",
        "정해진 시간 안에 재고 기준과 비교해 보고서를 씁니다(이어서 가능).",
    )
)
def nightly(
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="3h",
            help=here("Wall time of this call, everything in it.", "이 명령에 쓸 전체 시간."),
        ),
    ] = "3h",
    model: Models = None,
    backend: Backends = None,
    precision: Precisions = None,
    scenario: Scenarios = None,
    suite: SuiteName = None,
    ruleset: RulesetName = None,
    launches: Launches = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help=here(
                "An entry of baseline.toml, or a run (default: this machine's).",
                "기준 항목 또는 실행(기본: 이 장비).",
            ),
        ),
    ] = None,
    no_confirm: Annotated[
        bool,
        typer.Option(
            "--no-confirm", help=here("Do not measure red cells again.", "악화된 셀을 다시 측정하지 않습니다.")
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="DIR",
            help=here("Folder of the pages (default: reports/).", "보고서 폴더(기본: reports/)."),
        ),
    ] = None,
    history: Annotated[
        int,
        typer.Option(
            "--history", metavar="N", min=0, help=here("Earlier nights to show.", "함께 보여 줄 지난 측정 수.")
        ),
    ] = 7,
    wait: Wait = "10m",
    stall_timeout: StallTimeout = None,
    measured_by: MeasuredBy = None,
    meters: MetersFile = None,
    no_power: NoPower = False,
    machine: MachineName = None,
    out: Out = None,
    cards: Cards = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help=here("Say what it would do, and how long it takes.", "할 일과 걸릴 시간만 알려 줍니다."),
        ),
    ] = False,
    json: Json = False,
) -> None:
    """See `nightly.nightly`."""
    from npubench.cli import nightly as night
    from npubench.cli.asked import Asked

    night.nightly(
        night.Asking(
            run=Asked(
                models=tuple(model or ()),
                backends=tuple(backend or ()),
                precisions=tuple(precision or ()),
                scenarios=tuple(scenario or ()),
                suite=suite,
                profile=night.PROFILE,
                ruleset=ruleset,
                launches=launches,
                measured_by=measured_by,
                out=out,
                machine=machine,
                stall_timeout=stall_timeout,
                wait=wait,
                as_json=json,
                cards=tuple(cards or ()),
                meters=meters,
                no_power=no_power,
            ),
            budget=budget,
            baseline=baseline,
            confirm=not no_confirm,
            report=report,
            history=history,
            dry_run=dry_run,
        )
    )
