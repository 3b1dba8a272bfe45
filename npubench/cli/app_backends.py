"""Commands about backends: conform, bundle; and `env` (see `npubench.cli.env`)."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from npubench.cli import env
from npubench.cli.options import Cards, Json
from npubench.cli.root import app
from npubench.lang import here


class Only(str, Enum):
    """What `conform` can be kept to."""

    contract = "contract"
    operators = "operators"


@app.command(
    help=here(
        "Does a backend keep the contract, and which ONNX operators does it run?",
        "백엔드가 계약을 지키는지, 어떤 ONNX 연산자를 실행하는지 점검합니다.",
    )
)
def conform(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help=here("The backend's name.", "백엔드 이름."))],
    only: Annotated[
        Only | None, typer.Option("--only", help=here("One half of it.", "둘 중 하나만 점검합니다."))
    ] = None,
    operator: Annotated[
        list[str] | None,
        typer.Option(
            "--operator",
            metavar="NAME",
            help=here("Only this operator's tests (repeatable).", "이 연산자만(반복 가능)."),
        ),
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(
            "--timeout",
            metavar="60s",
            help=here("A question that is silent for so long has hung.", "응답이 없으면 멈춘 것으로 봄."),
        ),
    ] = "60s",
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            "-o",
            metavar="FILE",
            help=here("Also write the tables as Markdown.", "표를 마크다운 파일로도 씁니다."),
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack",
            metavar="FILE",
            help=here("All of it in one .zip, to send to us.", "보낼 수 있도록 .zip 하나로 묶습니다."),
        ),
    ] = None,
    json: Json = False,
    cards: Cards = None,
) -> None:
    """See `conform.conform`."""
    from npubench.cli import conform as asking

    asking.conform(
        asking.Wish(
            backend=backend,
            only=only.value if only else None,
            operators=tuple(operator or ()),
            timeout=timeout,
            markdown=markdown,
            pack=pack,
            as_json=json,
            cards=tuple(cards or ()),
        )
    )


@app.command(
    help=here(
        "One archive for machines without a network: source, wheels, built models.",
        "네트워크가 없는 장비용 묶음 파일: 소스, wheel, 만들어 둔 모델.",
    )
)
def bundle(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help=here("The archive (.tar).", "묶음 파일(.tar)."))
    ],
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            help=here("Backend (repeatable; default: cpu).", "백엔드(반복 가능, 기본: cpu)."),
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help=here("Built model (repeatable; default: the suite's).", "만들어 둘 모델(반복 가능, 기본: 스위트)."),
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=here("Profile whose builds come along (default: standard).", "빌드를 넣을 프로파일(기본: standard)."),
        ),
    ] = None,
    tests: Annotated[
        bool, typer.Option("--tests/--no-tests", help=here("With what make test needs.", "make test에 필요한 것 포함."))
    ] = True,
    include_proprietary: Annotated[
        bool,
        typer.Option(
            "--include-proprietary",
            help=here("With wheels that must not be passed on.", "배포가 금지된 wheel도 포함합니다."),
        ),
    ] = False,
    cards: Cards = None,
) -> None:
    """See `bundle.bundle`."""
    from npubench.cli import bundle as bundling

    bundling.bundle(
        bundling.Wish(
            output=output,
            backends=tuple(backend or ()),
            models=tuple(model or ()),
            profile=profile,
            tests=tests,
            proprietary=include_proprietary,
            cards=tuple(cards or ()),
        )
    )


app.add_typer(env.app, name="env")
