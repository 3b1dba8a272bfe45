"""`npubench baseline`: accept, show."""

from __future__ import annotations

from typing import Annotated

import typer

from npubench.cli.options import Json, Out
from npubench.cli.root import app as root
from npubench.lang import here

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here("Which run later ones are compared with.", "이후 실행을 비교할 기준 실행을 관리합니다."),
)
root.add_typer(app, name="baseline")


@app.command(
    help=here(
        "Accept a run for its machine or class: one line.",
        "실행을 장비·등급의 기준으로 승인합니다(한 줄).",
    )
)
def accept(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    machine_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help=here("For every machine of this class.", "이 등급의 모든 장비에 적용합니다."),
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help=here("Why; kept as the line's comment.", "이유(주석으로 남음).")),
    ] = "",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="WHAT",
            help=here("Although it is invalid, unsealed or profile.", "invalid, unsealed, profile이어도 승인합니다."),
        ),
    ] = None,
    out: Out = None,
) -> None:
    """See `baseline.accept`."""
    from npubench.cli import baseline

    baseline.accept(run, machine_class=machine_class, reason=reason, allow=allow or [], out=out)


@app.command(help=here("Show what is accepted, and whether it is there.", "승인된 기준과 그 존재 여부를 보여 줍니다."))
def show(json: Json = False, out: Out = None) -> None:
    """See `baseline.show`."""
    from npubench.cli import baseline

    baseline.show(as_json=json, out=out)
