"""The command that writes what people read: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Out
from npubench.cli.report_formats import Format
from npubench.cli.root import app
from npubench.lang import here


@app.command(
    help=here(
        "Write the report of one or more runs: a page, a workbook or Markdown.",
        "하나 이상의 실행에 대한 보고서를 웹 페이지, 엑셀 또는 Markdown으로 씁니다.",
    )
)
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...",
            help=here("Folders, run ids, or latest (default).", "폴더, 실행 id 또는 latest(기본)."),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=here("File or folder.", "파일 또는 폴더.")),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            "--lang",
            metavar="LANG",
            help=here(
                "en or ko: the page's first language, a file's only one.",
                "en 또는 ko: 페이지의 첫 언어, 다른 파일의 언어.",
            ),
        ),
    ] = "",
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help=here(
                "html, xlsx or markdown; else the ending of -o decides.",
                "html, xlsx, markdown. 생략하면 -o의 확장자로 정합니다.",
            ),
        ),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            "--baseline",
            metavar="RUN",
            help=here(
                "Changes against this run, or none (default: the accepted one).",
                "이 실행과 비교한 변화, 또는 none(기본: 승인된 실행).",
            ),
        ),
    ] = "",
    index: Annotated[
        bool,
        typer.Option(
            "--index",
            help=here(
                "One page over all runs of the results folder instead.",
                "대신 결과 폴더의 모든 실행을 한 페이지에 보여 줍니다.",
            ),
        ),
    ] = False,
    pages: Annotated[
        int,
        typer.Option(
            "--pages",
            metavar="N",
            min=0,
            show_default=False,
            help=here(
                "With --index: missing pages of the newest N runs, too.",
                "--index와 함께: 최근 N개의 없는 보고서도 씁니다.",
            ),
        ),
    ] = 0,
    out: Out = None,
) -> None:
    """See `report.report`."""
    from npubench.cli import report as reporting

    reporting.report(
        reporting.Asked(
            runs=tuple(runs or ()),
            output=output,
            lang=language,
            baseline=baseline,
            out=out,
            index=index,
            pages=pages,
            form=form,
        )
    )
