"""What vision workloads do on the host around the network, part by part, on one core. Run with `make benchmarks`.

Goals (stated, not asserted): pre- and post-processing of a 1280×720 frame for 640×640 ≤ 15 ms; CTC ≤ 1 ms a line.
Parts are interleaved in blocks, so that a noisy neighbour hits all alike; the figure is the median over blocks, the
ratio is that to the JPEG decode, which is Pillow's and the same for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from npubench.build.charset import CHARSET
from npubench.discovery import catalogue
from npubench.spi import TensorSpec
from npubench.workloads.boxes import Heads, Rules
from npubench.workloads.ctc import Alphabet
from npubench.workloads.feeding import Feeding, InputSpec
from npubench.workloads.heads import Decoder, HeadSpec
from npubench.workloads.images import Canvas, open_image

BLOCKS = 25
SIZE = 640
RULES = Rules(strides=(8, 16, 32), score_threshold=0.25, nms_iou=0.6, max_candidates=1000, max_detections=300)
SPEC = TensorSpec(name="images", dtype="float32", shape=(1, 3, SIZE, SIZE))


def frame() -> bytes:
    """One of our 1280×720 frames as it lies on disk."""
    return (catalogue().data["street-frames"].path.parent / "frame-0001.jpg").read_bytes()


def medians(benchmark: Any, parts: dict[str, Callable[[], object]]) -> dict[str, float]:
    """ms of this thread's CPU time for each part, median over blocks in which all are run.

    CPU time and not wall time, because the goals are per core and a shared machine's waits are not our work.
    """
    taken: dict[str, list[float]] = {name: [] for name in parts}

    def block() -> None:
        for name, part in parts.items():
            start = time.thread_time_ns()
            part()
            taken[name].append((time.thread_time_ns() - start) / 1e6)

    block()
    benchmark.pedantic(block, rounds=BLOCKS)
    found = {name: median(values) for name, values in taken.items()}
    benchmark.extra_info.update({f"{name}_ms": value for name, value in found.items()})
    return found


def raw_heads(crowded: bool) -> dict[str, Any]:
    """Outputs of our own detector: 30 objects with a dozen sure cells each, or noise with thousands of them."""
    rng = np.random.default_rng(1)
    outputs = {}
    for stride in RULES.strides:
        side = SIZE // stride
        outputs[f"box_s{stride}"] = rng.normal(1, 0.4, (1, 4, side, side)).astype(np.float32)
        logits = rng.normal(-6, 0.5, (1, 6, side, side)).astype(np.float32)
        share = 0.5 if crowded else 0.045
        logits[rng.random(logits.shape) < share / 6] = 1.0
        outputs[f"cls_s{stride}"] = logits
    return outputs


def test_a_frame_on_the_host(benchmark: Any) -> None:
    data = frame()
    image = open_image(data, "frame")
    canvas = Canvas(SPEC, 1, SIZE, SIZE, 114, "detector")
    foreign = Feeding(InputSpec(), SPEC, 1, SIZE, SIZE, "detector")
    imagenet = InputSpec(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225), resize="stretch")
    stretched = Feeding(imagenet, SPEC, 1, SIZE, SIZE, "detector")
    heads, sparse, crowded = Heads(RULES, SIZE, SIZE), raw_heads(False), raw_heads(True)
    found = medians(
        benchmark,
        {
            "decode": lambda: open_image(data, "frame"),
            "letterbox": lambda: canvas.draw(image, 0, centred=True),
            "letterbox, from a card": lambda: foreign.draw(image, 0),
            "stretch and normalise": lambda: stretched.draw(image, 0),
            "heads and NMS": lambda: heads.detections(sparse, 0),
            "heads and NMS, 1000 candidates": lambda: heads.detections(crowded, 0),
        },
    )
    whole = found["decode"] + found["letterbox"] + found["heads and NMS"]
    for name, value in found.items():
        print(f"\n{name}: {value:.2f} ms = {value / found['decode']:.2f} of the JPEG decode", end="")  # noqa: T201
    print(f"\na frame of 1280×720, before and after the network: {whole:.2f} ms")  # noqa: T201


def foreign_outputs(kind: str) -> tuple[Decoder, dict[str, Any]]:
    """A head of the usual size for COCO's 80 classes with about 300 sure places."""
    rng = np.random.default_rng(2)
    few = 300
    if kind == "ssd":
        boxes = np.sort(rng.random((8732, 2, 2)), axis=1).reshape(1, -1, 4).astype(np.float32)
        logits = rng.normal(0, 1, (1, 8732, 81)).astype(np.float32)
        logits[..., 0] += 9
        logits[0, :few, 5] += 12
        head = HeadSpec(kind="ssd", activation="softmax")
        return Decoder(head, RULES, 80, SIZE, SIZE), {"boxes": boxes, "scores": logits}
    if kind == "detr":
        logits = rng.normal(-6, 1, (1, 300, 80)).astype(np.float32)
        logits[0, :100, 5] = 1
        boxes = rng.random((1, 300, 4)).astype(np.float32)
        head = HeadSpec(kind="detr", activation="sigmoid")
        return Decoder(head, RULES, 80, SIZE, SIZE), {"boxes": boxes, "logits": logits}
    count, columns = (25200, 85) if kind == "objectness" else (8400, 84)
    table = rng.random((count, columns)).astype(np.float32) * np.float32(0.2)
    table[:, :4] *= SIZE * 5
    table[:few, 4:6] = 0.9
    form: Any = kind
    head = HeadSpec(kind="yolo", form=form, output="out")
    outputs = {"out": table[None] if kind == "objectness" else np.ascontiguousarray(table.T)[None]}
    return Decoder(head, RULES, 80, SIZE, SIZE), outputs


def test_foreign_heads(benchmark: Any) -> None:
    made = {kind: foreign_outputs(kind) for kind in ("plain", "objectness", "ssd", "detr")}
    parts: dict[str, Callable[[], object]] = {
        kind: lambda decoder=decoder, outputs=outputs: decoder.detections(outputs, 0)  # type: ignore[misc]
        for kind, (decoder, outputs) in made.items()
    }
    data = frame()
    found = medians(benchmark, {"decode": lambda: open_image(data, "frame"), **parts})
    for name in parts:
        print(f"\n{name}: {found[name]:.2f} ms = {found[name] / found['decode']:.2f} of the JPEG decode", end="")  # noqa: T201
    print()  # noqa: T201


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_reading_lines(benchmark: Any, dtype: str, tmp_path: Path) -> None:
    """A batch of eight lines of 320 pixels: 80 frames of 2 494 classes each."""
    alphabet = Alphabet(CHARSET)
    logits = np.random.default_rng(3).normal(0, 1, (8, 80, alphabet.classes)).astype(dtype)
    found = medians(benchmark, {"all": lambda: alphabet.read(logits), "argmax": lambda: logits.argmax(axis=2)})
    ratio = found["all"] / found["argmax"]
    print(f"\nCTC, {dtype}: {found['all'] / 8:.3f} ms a line = {ratio:.2f} of the bare argmax")  # noqa: T201
