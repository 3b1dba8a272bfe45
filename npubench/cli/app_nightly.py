"""`npubench nightly` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            help=here("Backend (repeatable; default: all that are ready).", "백엔드(반복 가능, 기본: 준비된 모두)."),
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", "-p", metavar="NAME", help=here("Precision (repeatable).", "정밀도(반복 가능).")),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            "-s",
            metavar="NAME[:KEY=VALUE,…]",
            help=here("Scenario (repeatable; see list scenarios).", "시나리오(반복 가능, list scenarios 참고)."),
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite", metavar="NAME", help=here("Suite (default: public-sector).", "스위트(기본: public-sector).")
        ),
    ] = None,
    ruleset: Annotated[
        str | None,
        typer.Option(
            "--ruleset",
            metavar="NAME",
            help=here("Bounds and minimums (default: npubench-1).", "한계와 최소 조건(기본: npubench-1)."),
        ),
    ] = None,
    launches: Annotated[
        int | None,
        typer.Option(
            "--launches", metavar="N", min=1, help=here("Fresh processes per cell (5).", "셀마다 새 프로세스 수(5).")
        ),
    ] = None,
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
    wait: Annotated[
        str,
        typer.Option(
            "--wait",
            metavar="10m",
            help=here("Wait this long for another run to end.", "다른 실행을 기다릴 시간."),
        ),
    ] = "10m",
    stall_timeout: Annotated[
        str | None,
        typer.Option(
            "--stall-timeout",
            metavar="2m",
            help=here("Give a silent worker up after this long.", "응답 없는 작업을 포기할 시간."),
        ),
    ] = None,
    measured_by: Annotated[
        str | None,
        typer.Option(
            "--measured-by",
            metavar="KIND[:NAME]",
            help=here("Who measures: vendor, centre or ci.", "측정 주체: vendor, centre, ci."),
        ),
    ] = None,
    meters: Annotated[
        Path | None,
        typer.Option("--meters", metavar="FILE", help=here("Meters of this machine.", "이 장비의 전력 측정기 파일.")),
    ] = None,
    no_power: Annotated[
        bool, typer.Option("--no-power", help=here("Read no power meter.", "전력을 측정하지 않습니다."))
    ] = False,
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
