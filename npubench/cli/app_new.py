"""`npubench new`: a card or a package for something of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.root import app
from npubench.lang import here

new = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here("Write a card for something of your own.", "자체 모델이나 백엔드의 카드를 만듭니다."),
)
app.add_typer(new, name="new")


@new.callback()
def _new() -> None:
    pass


@new.command(
    "model",
    help=here(
        "A room for your own detector's ONNX file, so that it is measured like ours.",
        "자체 탐지 모델(ONNX)을 우리 모델처럼 측정하도록 모델 폴더를 만듭니다.",
    ),
)
def new_model(
    name: Annotated[str, typer.Argument(metavar="ID", help=here("The model's name.", "모델 이름."))],
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help=here("The network.", "모델 파일."))],
    workload: Annotated[
        str, typer.Option("--workload", metavar="NAME", help=here("detection.", "detection."))
    ] = "detection",
    head: Annotated[
        str,
        typer.Option("--head", metavar="KIND", help=here("yolo (default), ssd or detr.", "yolo(기본), ssd, detr.")),
    ] = "yolo",
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="FILE", help=here("Class names, one a line.", "클래스 이름, 한 줄에 하나.")),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help=here("Labels of your frames, COCO.", "프레임 라벨(COCO 형식).")),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames",
            metavar="DIR",
            help=here("The labelled frames (default: beside the labels).", "라벨된 프레임(기본: 라벨 파일 옆)."),
        ),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", metavar="FILE", help=here("SSD anchors, .npy [N, 4].", "SSD 앵커, .npy [N, 4].")),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="640x640",
            help=here("Input size that the graph leaves open.", "그래프가 열어 둔 입력 크기."),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help=here("Cards folder (default: my-models).", "카드 폴더(기본: my-models).")
        ),
    ] = None,
) -> None:
    """See `new.new_model`."""
    from npubench.cli import new as making

    making.new_model(name, onnx, workload, head, classes, labels, frames, anchors, size, out)


@new.command(
    "backend",
    help=here(
        "A card for a device of your own, or a whole package: adapter, meter, card, tests.",
        "자체 장치의 카드 또는 패키지(어댑터, 전력계, 시험).",
    ),
)
def new_backend(
    name: Annotated[str, typer.Argument(metavar="NAME", help=here("The backend's name.", "백엔드 이름."))],
    package: Annotated[
        bool,
        typer.Option(
            "--package/--card",
            help=here(
                "A package for a runtime of your own, or a card for an ONNX Runtime provider (default).",
                "패키지 또는 카드.",
            ),
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=here(
                "Folder (default: my-backends; a package: here).", "폴더(기본: my-backends, 패키지는 현재 폴더)."
            ),
        ),
    ] = None,
) -> None:
    """See `new_backend.new_backend`."""
    from npubench.cli import new_backend as making

    making.new_backend(name, package, out)
