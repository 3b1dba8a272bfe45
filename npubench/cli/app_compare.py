"""Commands that set results beside each other: compare, rank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.measuring_options import (
    Allow,
)
from npubench.cli.options import Json, Out, Spoken
from npubench.cli.root import app
from npubench.lang import here

Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        metavar="FILE",
        help=here("Also as Markdown: a job summary, a comment.", "Markdown으로도 저장합니다(작업 요약, 댓글)."),
    ),
]


@app.command(
    help=here(
        "Compare two runs: what got slower, and by how much.", "두 실행을 비교해 무엇이 얼마나 느려졌는지 보여 줍니다."
    )
)
def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help=here("A run, or baseline.", "실행 또는 baseline."))],
    new: Annotated[str, typer.Argument(metavar="NEW")] = "latest",
    allow: Allow = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="ID", help=here("Only this model (repeatable).", "이 모델만 비교합니다(반복 가능).")
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            metavar="ID",
            help=here("Only this backend (repeatable).", "이 백엔드만 비교합니다(반복 가능)."),
        ),
    ] = None,
    markdown: Markdown = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help=here(
                "Also as JUnit XML: GitLab, Jenkins, GitHub.", "JUnit XML로도 저장합니다(GitLab, Jenkins, GitHub)."
            ),
        ),
    ] = None,
    annotations: Annotated[
        bool,
        typer.Option(
            "--annotations",
            help=here("Also as annotations of GitHub Actions.", "GitHub Actions 주석으로도 출력합니다."),
        ),
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help=here(
                "Measure red cells once more, here and now, before the verdict.",
                "판정 전에 악화된 셀을 지금 이 장비에서 다시 측정합니다.",
            ),
        ),
    ] = False,
    lang: Spoken = "",
    json: Json = False,
    out: Out = None,
) -> None:
    """See `compare.compare`."""
    from npubench.cli import compare as comparing
    from npubench.cli.outputs import Outputs

    asked = Outputs(markdown=markdown, junit=junit, annotations=annotations, lang=lang)
    comparing.compare(
        base,
        new,
        allow=allow or [],
        models=model or [],
        backends=backend or [],
        as_json=json,
        out=out,
        asked=asked,
        confirm=confirm,
    )


@app.command(
    help=here(
        "Rank backends, machines and runs on the same work.", "같은 작업을 한 백엔드, 장비, 실행의 순위를 매깁니다."
    )
)
def rank(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...")],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="FIELD",
            help=here("Rank although FIELD differs (recorded).", "FIELD가 달라도 순위를 매깁니다(기록에 남음)."),
        ),
    ] = None,
    markdown: Markdown = None,
    lang: Spoken = "",
    json: Json = False,
    out: Out = None,
) -> None:
    """See `rank.rank`."""
    from npubench.cli import rank as ranking

    ranking.rank(runs, allow=allow or [], as_json=json, page=markdown, lang=lang, out=out)
