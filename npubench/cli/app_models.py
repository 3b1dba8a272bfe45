"""Commands about models: build, quality, selftest, demo."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import Cards, Json, Out, VariantName, Weights
from npubench.cli.root import app
from npubench.lang import here


@app.command(help=here("Materialise models into the cache.", "모델을 캐시에 만듭니다."))
def build(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help=here("Models (default: the suite's).", "모델(기본: 스위트의 모델).")),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision", metavar="NAME", help=here("fp32 (default), int8, fp16, …", "fp32(기본), int8, fp16, …")
        ),
    ] = "fp32",
    batch: Annotated[
        int,
        typer.Option(
            "--batch", metavar="N", min=1, help=here("Batch size of --variant static.", "static의 배치 크기.")
        ),
    ] = 1,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help=here("Quantise with ranges from your own pictures.", "자체 그림에서 얻은 범위로 양자화합니다."),
        ),
    ] = None,
    variant: VariantName = None,
    weights: Weights = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help=here(
                "onnx (into the cache) or hf (a Hugging Face folder).", "onnx(캐시에) 또는 hf(Hugging Face 폴더)."
            ),
        ),
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder for --format hf.", "--format hf의 폴더.")),
    ] = None,
    tokenizer: Annotated[
        str,
        typer.Option(
            "--tokenizer",
            metavar="NAME",
            help=here("hf: model, or words (a visible word a token).", "hf: model 또는 words(토큰마다 단어 하나)."),
        ),
    ] = "model",
    cards: Cards = None,
) -> None:
    """See `making` for your own weights and other formats, else `look.build`."""
    from npubench.cli import look, making

    making.check(models or [], precision, variant, weights, form, output, tokenizer)
    if form == "hf":
        making.export(models or [], output, cards or [], tokenizer)
    elif weights is not None:
        making.own(models or [], weights, variant, cards or [])
    else:
        look.build(
            models or [], precision, cards or [], variant=variant or "portable", batch=batch, calibrate=calibrate
        )


@app.command(
    help=here(
        "Every precision of the models on a backend: quality beside speed, as a table.",
        "모델의 모든 정밀도를 품질과 속도로 비교한 표를 보여 줍니다.",
    ),
)
def quality(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help=here("Model (repeatable; default: the suite's).", "모델(반복 가능, 기본: 스위트의 모델)."),
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", "-b", metavar="NAME", help=here("Backend (repeatable; default: cpu).", "백엔드(기본: cpu).")
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help=here("Precision (default: all).", "정밀도(기본: 모두).")
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=here("How many inputs: smoke, standard; nightly: all.", "입력 수: smoke, standard, nightly는 전부."),
        ),
    ] = "standard",
    markdown: Annotated[
        bool, typer.Option("--markdown", help=here("The table as Markdown.", "표를 마크다운으로."))
    ] = False,
    cards: Cards = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `quality.quality`."""
    from npubench.cli.quality import quality as asked

    asked(model or [], backend or [], precision or [], profile, cards or [], out, markdown, as_json=json)


class Selftest(str, Enum):
    """What `selftest` can test."""

    overhead = "overhead"
    quality = "quality"
    tuner = "tuner"
    timing = "timing"


@app.command(
    help=here(
        "Test npubench itself on this machine: its overhead, its timing, the offline tuner, or that the quality gate "
        "catches faults.",
        "npubench 자체를 시험합니다(비용, 시각, 튜너, 품질 게이트).",
    ),
)
def selftest(
    kind: Annotated[Selftest, typer.Argument(metavar="[overhead|timing|quality|tuner]")] = Selftest.overhead,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Only these models.", "이 모델만.")),
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help=here("How many inputs.", "입력 수."))
    ] = "standard",
    json: Json = False,
) -> None:
    """See `selftest.selftest`, `selftest_quality`, `selftest_timing` and `selftest_tuner`."""
    if kind is Selftest.tuner:
        from npubench.cli.selftest_tuner import selftest_tuner

        selftest_tuner(model or [], as_json=json)
        return
    if kind is Selftest.timing:
        from npubench.cli.selftest_timing import selftest_timing

        selftest_timing(as_json=json)
        return
    if kind is Selftest.quality:
        from npubench.cli.selftest_quality import selftest_quality

        selftest_quality(model or [], profile, as_json=json)
        return
    from npubench.cli.selftest import selftest as measured

    measured(as_json=json)


@app.command(
    help=here(
        "Draw what a vision model finds on our pictures or on your own.",
        "비전 모델이 찾은 것을 기본 또는 자체 그림 위에 그립니다.",
    )
)
def demo(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
    ] = None,
    frames: Annotated[
        Path | None, typer.Option("--frames", metavar="DIR", help=here("Your own frames.", "자체 프레임 폴더."))
    ] = None,
    pages: Annotated[
        Path | None, typer.Option("--pages", metavar="DIR", help=here("Your own pages.", "자체 문서 폴더."))
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", metavar="NAME", help=here("Backend (default: cpu).", "백엔드(기본: cpu)."))
    ] = "cpu",
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help=here("Precision (default: fp32).", "정밀도(기본: fp32).")
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", "-n", metavar="N", min=1, help=here("The first N (default: 10).", "처음 N개(기본: 10).")
        ),
    ] = None,
    truth: Annotated[
        bool, typer.Option("--truth", help=here("Labels beside it, where known.", "라벨이 있으면 옆에 그립니다."))
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder (default: demo).", "폴더(기본: demo).")),
    ] = None,
    montage: Annotated[
        Path | None,
        typer.Option(
            "--montage",
            metavar="FILE",
            help=here("One picture: 3 frames and 2 pages.", "그림 한 장: 프레임 3장, 문서 2쪽."),
        ),
    ] = None,
    cards: Cards = None,
) -> None:
    """See `demo.demo`."""
    from npubench.cli import demo as drawing

    drawing.demo(
        drawing.Wish(
            models=tuple(model or ()),
            frames=frames,
            pages=pages,
            backend=backend,
            precision=precision,
            count=count,
            truth=truth,
            output=output,
            montage=montage,
            cards=tuple(cards or ()),
        )
    )
