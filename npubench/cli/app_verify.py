"""Commands for those who did not measure: verify, pack, export."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Json, Out
from npubench.cli.root import app
from npubench.lang import here


class Form(str, Enum):
    """What a run can be exported as."""

    csv = "csv"
    pytest_benchmark = "pytest-benchmark"


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
                "폴더, id, latest, 꾸러미, 보고서 파일.",
            ),
        ),
    ],
    json: Json = False,
    out: Out = None,
) -> None:
    """See `verify.verify`."""
    from npubench.cli import verify as verifying

    verifying.verify(runs, as_json=json, out=out)


@app.command(
    help=here(
        "One .zip with all evidence of a sealed run, for anybody to verify.",
        "누구나 검증할 수 있도록 실행의 모든 증거를 .zip 하나로 만듭니다.",
    )
)
def pack(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help=here("The pack to write.", "만들 파일."))
    ],
    out: Out = None,
) -> None:
    """See `exporting.pack`."""
    from npubench.cli import exporting

    exporting.pack(run, output, out)


@app.command(
    help=here(
        "A run as CSV, or as JSON that `pytest-benchmark compare` reads.",
        "실행을 CSV나 `pytest-benchmark compare`용 JSON으로 내보냅니다.",
    )
)
def export(
    run: Annotated[str, typer.Argument(metavar="RUN")] = "latest",
    form: Annotated[
        Form, typer.Option("--format", help=here("csv or pytest-benchmark.", "csv 또는 pytest-benchmark."))
    ] = Form.csv,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=here("File (default: stdout).", "파일(기본: stdout).")),
    ] = None,
    launches: Annotated[
        bool,
        typer.Option("--launches", help=here("CSV: also a row for each launch.", "CSV: 실행별 행도 포함합니다.")),
    ] = False,
    out: Out = None,
) -> None:
    """See `exporting.export`."""
    from npubench.cli import exporting

    exporting.export(run, form.value, output, out, launches=launches)
