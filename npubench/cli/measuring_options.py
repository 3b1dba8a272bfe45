"""What is measured, how long and how: options of `run`, `nightly` and `ab`, spelled and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.lang import here

Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        "-b",
        metavar="NAME",
        help=here("Backend (repeatable; default: all that are ready).", "백엔드(반복 가능, 기본: 준비된 모두)."),
    ),
]
Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", "-p", metavar="NAME", help=here("Precision (repeatable).", "정밀도(반복 가능).")),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        "-s",
        metavar="NAME[:KEY=VALUE,…]",
        help=here(
            "Scenario, cameras:fps=15 (repeatable; see list scenarios).",
            "시나리오, 예: cameras:fps=15(반복 가능, list scenarios 참고).",
        ),
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="NAME", help=here("device or service (repeatable).", "device 또는 service(반복 가능).")
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        "--suite",
        metavar="NAME",
        help=here("Suite (default: public-sector).", "스위트(기본: public-sector)."),
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help=here("smoke, standard (default), nightly, certify.", "smoke, standard(기본), nightly, certify."),
    ),
]
RulesetName = Annotated[
    str | None,
    typer.Option(
        "--ruleset",
        metavar="NAME",
        help=here("Bounds and minimums (default: npubench-1).", "한계와 최소 조건(기본: npubench-1)."),
    ),
]
Launches = Annotated[
    int | None,
    typer.Option("--launches", metavar="N", min=1, help=here("Fresh processes per cell.", "셀마다 새 프로세스 수.")),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="30m",
        help=here("Measuring time in all, instead of the profile's.", "프로파일 대신 쓸 전체 측정 시간."),
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help=here("Seed of order and inputs (default: 0).", "순서와 입력의 시드(기본: 0)."),
    ),
]
Onnx = Annotated[
    list[Path] | None,
    typer.Option(
        "--onnx",
        metavar="FILE",
        help=here("Measure any ONNX file (repeatable).", "임의의 ONNX 파일을 측정(반복 가능)."),
    ),
]
MeasuredBy = Annotated[
    str | None,
    typer.Option(
        "--measured-by",
        metavar="KIND[:NAME]",
        help=here(
            "Who measures: vendor, centre, ci; a name may follow.", "측정 주체: vendor, centre, ci(이름 추가 가능)."
        ),
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help=here("Show the plan and stop.", "계획만 보여 주고 멈춥니다."))]
StallTimeout = Annotated[
    str | None,
    typer.Option(
        "--stall-timeout",
        metavar="2m",
        help=here("Give a silent worker up after this long.", "응답 없는 작업을 포기할 시간."),
    ),
]
Wait = Annotated[
    str,
    typer.Option(
        "--wait",
        metavar="10m",
        help=here("Wait this long for another run to end.", "다른 실행을 기다릴 시간."),
    ),
]
MetersFile = Annotated[
    Path | None,
    typer.Option(
        "--meters",
        metavar="FILE",
        help=here(
            "Meters of this machine, a BMC say (default: NPUBENCH_METERS, then the user's meters.toml).",
            "전력계 파일, 예: BMC(기본: NPUBENCH_METERS).",
        ),
    ),
]
NoPower = Annotated[bool, typer.Option("--no-power", help=here("Read no power meter.", "전력을 측정하지 않습니다."))]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="FIELD",
        help=here("Compare although FIELD differs (recorded).", "FIELD가 달라도 비교합니다(기록에 남음)."),
    ),
]
