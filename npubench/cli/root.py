"""The program itself: its help and its version. The commands register on `app` (`npubench.cli.app` lists them)."""

from __future__ import annotations

from typing import Annotated

import typer

from npubench.lang import here

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here(
        "Measures what each device really delivers for CCTV detection, document reading and language models.",
        "CCTV 탐지, 문서 판독, 언어 모델에서 각 장치가 실제로 내는 성능을 측정합니다.",
    ),
)


def _version(asked: bool) -> None:
    if asked:
        from npubench import __version__

        typer.echo(f"npubench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help=here("Print the version.", "버전을 출력합니다.")
        ),
    ] = False,
) -> None:
    pass
