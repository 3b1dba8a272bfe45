"""The suite's networks by model id and role, in the order of the model cards.

Not aware of: builders, weights, files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from npubench.build.nets.cctv import S, detector
from npubench.build.nets.llm import SMALL, TINY, decoder
from npubench.build.nets.ocr import line_recogniser, text_detector

Definition = Callable[[Any], None]

VISION: dict[str, dict[str, Definition]] = {
    "cctv-detect": {"detector": detector},
    "cctv-detect-s": {"detector": partial(detector, shape=S)},
    "ocr-korean": {"text_detector": text_detector, "line_recogniser": line_recogniser},
}
LANGUAGE: dict[str, dict[str, Definition]] = {
    "llm-chat-8m": {"decoder": partial(decoder, shape=TINY)},
    "llm-chat-135m": {"decoder": partial(decoder, shape=SMALL)},
}
NETWORKS: dict[str, dict[str, Definition]] = {**VISION, **LANGUAGE}
