"""The suite's networks by model id and role, in the order of the model cards.

Not aware of: builders, weights, files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from npubench.build.nets.cctv import S, detector
from npubench.build.nets.llm import LARGE, MEDIUM, SMALL, TINY, Shape, decoder
from npubench.build.nets.ocr import line_recogniser, text_detector

Definition = Callable[[Any], None]

VISION: dict[str, dict[str, Definition]] = {
    "cctv-detect": {"detector": detector},
    "cctv-detect-s": {"detector": partial(detector, shape=S)},
    "ocr-korean": {"text_detector": text_detector, "line_recogniser": line_recogniser},
}
SHAPES: dict[str, Shape] = {
    "llm-chat-8m": TINY,
    "llm-chat-135m": SMALL,
    "llm-chat-0.5b": MEDIUM,
    "llm-chat-8b": LARGE,
}
LANGUAGE: dict[str, dict[str, Definition]] = {
    model: {"decoder": partial(decoder, shape=shape)} for model, shape in SHAPES.items()
}
NETWORKS: dict[str, dict[str, Definition]] = {**VISION, **LANGUAGE}
