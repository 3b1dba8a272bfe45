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
            "결과 폴더(기본: NPUBENCH_RESULTS, results/).",
        ),
    ),
]
Spoken = Annotated[
    str,
    typer.Option(
        "--lang",
        metavar="LANG",
        help=here("Language: en or ko (default: NPUBENCH_LANG).", "언어: en 또는 ko(기본: NPUBENCH_LANG)."),
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
        help=here("portable, fused or static, whatever the card says.", "portable, fused, static(카드보다 우선)."),
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
EpLibrary = Annotated[
    Path | None,
    typer.Option(
        "--ep-library",
        metavar="PATH",
        help=here("An ONNX Runtime plug-in provider without a card.", "카드가 없는 ONNX Runtime 플러그인 제공자."),
    ),
]
EpName = Annotated[
    str | None,
    typer.Option("--ep-name", metavar="NAME", help=here("Its provider name.", "그 제공자의 이름.")),
]
EpDevice = Annotated[
    str | None,
    typer.Option("--ep-device", metavar="TYPE", help=here("npu (default), gpu or cpu.", "npu(기본), gpu, cpu.")),
]
EpOption = Annotated[
    list[str] | None,
    typer.Option("--ep-option", metavar="K=V", help=here("Its options (repeatable).", "옵션(반복 가능).")),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help=here("An OpenAI-compatible server, http://HOST:PORT.", "OpenAI 호환 서버, http://HOST:PORT."),
    ),
]
ServedModel = Annotated[
    str | None,
    typer.Option("--served-model", metavar="NAME", help=here("Its model's name there.", "서버에서의 모델 이름.")),
]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option("--api-key-env", metavar="VARIABLE", help=here("Where its API key is.", "API 키가 든 환경 변수.")),
]
Artifacts = Annotated[
    list[str] | None,
    typer.Option(
        "--artifact",
        metavar="[MODEL/BUILD/ROLE=]FILE",
        help=here("A model file compiled elsewhere (repeatable).", "다른 곳에서 컴파일한 모델 파일(반복 가능)."),
    ),
]
CompiledBy = Annotated[
    str | None,
    typer.Option(
        "--compiled-by", metavar="TEXT", help=here("Who compiled it, and with what.", "누가 무엇으로 컴파일했는지.")
    ),
]
CompiledFrom = Annotated[
    Path | None,
    typer.Option("--compiled-from", metavar="FILE", help=here("The graph it was made from.", "컴파일한 원본 그래프.")),
]
