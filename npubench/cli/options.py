"""Options that several commands share, so that they are spelled and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.lang import here

Cards = Annotated[
    list[Path] | None,
    typer.Option(
        "--cards", metavar="DIR", help=here("Also take the cards in this folder.", "이 폴더의 카드도 사용합니다.")
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help=here("One JSON document on stdout, all else on stderr.", "stdout에 JSON 문서 하나, 나머지는 stderr."),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help=here(
            "Results folder (default: NPUBENCH_RESULTS, else results/).",
            "결과 폴더(기본: NPUBENCH_RESULTS 또는 results/).",
        ),
    ),
]
MachineName = Annotated[
    str | None,
    typer.Option(
        "--machine",
        metavar="NAME",
        help=here("This machine's name (default: host name).", "장비 이름(기본: 호스트 이름)."),
    ),
]


VariantName = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        help=here(
            "portable, fused or static, whatever the card says.", "portable, fused, static 중 하나(카드보다 우선)."
        ),
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="PATH",
        help=here(
            "Your own weights: a Hugging Face folder for a language model.",
            "자체 가중치(언어 모델은 Hugging Face 폴더).",
        ),
    ),
]
