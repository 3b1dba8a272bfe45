"""Trains `cctv-detect`'s detector on drawn street scenes.

    python -m npubench.authoring.scenes --count 4000 --out DATA/cctv-train
    python -m npubench.authoring.scenes --count 200 --seed cctv-unseen/1 --out DATA/cctv-unseen
    python -m npubench.authoring.cctv --seconds 2400 --data DATA --out OUT

The budget goes to small frames first, then to whole ones (see STAGES). In OUT:
`checkpoint.pt`, `curve.csv`, `detector.npz` (the averaged weights, folded, fp16). Evaluation takes the fp16 weights,
letterboxes to 640×640 and decodes as the detection workload does, on scenes of other seeds.

bf16 and the thread count make a run repeatable in quality, not in bits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from npubench.authoring import scores
from npubench.authoring.assignment import IGNORED, cells, detection_loss, flatten
from npubench.authoring.builder import Arrays, Network, fold, rounded
from npubench.authoring.running import Run, fast_arithmetic, generator, options
from npubench.authoring.scenes import HEIGHT, KIND, WIDTH, Boxes, Frames
from npubench.authoring.shards import Shards
from npubench.build.nets.cctv import CLASSES, SIZE, STRIDES, detector
from npubench.workloads.boxes import Heads, Rules

RATE, MUON, DECAY = 2e-3, 1e-2, 0.02


class Stage(NamedTuple):
    """A part of the budget, up to `until`: frames in about `scale`, in windows of `size` (height, width)."""

    until: float
    scale: float
    size: tuple[int, int]
    batch: int


# From small to whole frames: what objects look like is learned at a quarter of the cost. The last window is the
# letterboxed frame without the rows that hold nothing, on the same grid of 32 pixels (the frame lies at row 140, the
# window begins at row 128).
FULL = (384, 640)
STAGES = (
    Stage(0.30, 0.5, (192, 320), 16),
    Stage(0.50, 0.7, (256, 448), 12),
    Stage(0.90, 1.0, FULL, 8),
    Stage(1.00, 1.0, FULL, 8),
)
# How far the scale of a frame varies either way, but for the last stage, which is the frame as it comes.
VARIATION = 1.3
GREY = 114
# What is left of an object at the edge of a crop: less is neither object nor background.
LEAST_SHARE = 0.35
QUICK, SCORE_THRESHOLD, NMS_IOU = 64, 0.01, 0.6


def window_of(frame: Frames, boxes: Boxes, stage: Stage, rng: np.random.Generator) -> tuple[Frames, Boxes]:
    """The frame in a scale around the stage's, in a window of its size, cropped or with grey around it."""
    scale = stage.scale * float(np.exp(rng.uniform(-1, 1) * np.log(VARIATION)))
    size = (round(WIDTH * scale), round(HEIGHT * scale))
    frame = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    boxes = boxes * np.array([1, scale, scale, scale, scale], np.float32)
    left, top = (
        int(rng.integers(min(0, have - want), max(0, have - want) + 1))
        for have, want in zip(size, reversed(stage.size), strict=True)
    )
    return cut(frame, boxes, stage.size, left, top)


def cut(frame: Frames, boxes: Boxes, size: tuple[int, int], left: int, top: int) -> tuple[Frames, Boxes]:
    """The window of `size` (height, width) whose corner lies at (left, top) of the frame, grey around it."""
    window = np.full((*size, 3), GREY, np.uint8)
    y0, y1 = max(0, top), min(frame.shape[0], top + size[0])
    x0, x1 = max(0, left), min(frame.shape[1], left + size[1])
    window[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    moved = boxes.copy()
    moved[:, 1:] -= np.array([left, top, left, top], np.float32)
    areas = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    np.clip(moved[:, 1:], 0, np.array([size[1], size[0], size[1], size[0]], np.float32), out=moved[:, 1:])
    left_over = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    moved[left_over < LEAST_SHARE * areas, 0] = IGNORED
    return window, moved[left_over > 0]


def varied(window: Frames, boxes: Boxes, rng: np.random.Generator) -> tuple[Frames, Boxes]:
    """Mirrored half of the time; a little lighter or darker."""
    if rng.random() < 0.5:
        window = window[:, ::-1]
        boxes = boxes.copy()
        boxes[:, [1, 3]] = window.shape[1] - boxes[:, [3, 1]]
    if rng.random() < 0.5:
        gain, shift = rng.uniform(0.8, 1.2), rng.uniform(-16, 16)
        levels = np.clip(np.arange(256) * gain + shift, 0, 255).astype(np.uint8)
        window = levels[window]
    return window, boxes


def batch_of(scenes: Shards, rng: np.random.Generator, stage: Stage) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures [batch, 3, h, w] 0..1 and their objects [batch, most, 5]."""
    windows, lists = [], []
    for index in rng.integers(len(scenes), size=stage.batch):
        frame, boxes = scenes.item(int(index))
        if stage is STAGES[-1] or (stage.size == FULL and rng.random() < 0.5):
            window, boxes = cut(frame, boxes, FULL, 0, -((FULL[0] - HEIGHT) // 2))
        else:
            window, boxes = window_of(frame, boxes, stage, rng)
        window, boxes = varied(window, boxes, rng)
        windows.append(window)
        lists.append(boxes)
    truth = np.full((len(lists), max(1, *map(len, lists)), 5), -2, np.float32)
    for row, boxes in zip(truth, lists, strict=True):
        row[: len(boxes)] = boxes
    pictures = torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).float() / 255
    return pictures, torch.from_numpy(truth)


def evaluate(arrays: Arrays, scenes: Shards, count: int) -> tuple[dict[str, float], list[float]]:
    """mAP50 and mAP75 of folded weights on the first `count` scenes, and the AP50 of each class."""
    network = Network(detector, arrays)
    rules = Rules(
        strides=STRIDES, score_threshold=SCORE_THRESHOLD, nms_iou=NMS_IOU, max_candidates=1000, max_detections=100
    )
    heads = Heads(rules, SIZE, SIZE)
    found, truth = [], []
    top = (SIZE - HEIGHT) // 2
    for index in range(min(count, len(scenes))):
        frame, boxes = scenes.item(index)
        canvas, boxes = cut(frame, boxes, (SIZE, SIZE), 0, -top)
        picture = torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            outputs = network(picture)
        rows = heads.detections({name: value.numpy() for name, value in outputs.items()}, 0)
        limits = np.array([SIZE, SIZE - top], np.float32)
        rows[:, 0:2] = np.clip(rows[:, 0:2], (0, top), limits)
        rows[:, 2:4] = np.clip(rows[:, 2:4], (0, top), limits)
        found.append(rows)
        truth.append(boxes)
    return scores.precisions(found, truth, len(CLASSES))


def train(chosen: argparse.Namespace) -> None:
    """Trains until the budget is spent, evaluates, writes the weights."""
    scenes, unseen = Shards(KIND, chosen.data / "cctv-train"), Shards(KIND, chosen.data / "cctv-unseen")
    run = Run(chosen, lambda: Network(detector), RATE, DECAY, MUON)
    grids = {stage.size: cells(*stage.size, STRIDES) for stage in STAGES}
    running: list[tuple[float, float]] = []
    while run.going():
        stage = next(stage for stage in STAGES if run.share < stage.until)
        grid = grids[stage.size]
        pictures, truth = batch_of(scenes, generator(chosen.seed, run.step), stage)
        run.network.units.train()
        with fast_arithmetic():
            outputs = run.network(pictures)
        boxes, logits = flatten(outputs, STRIDES, grid)
        class_loss, box_loss = detection_loss(boxes, logits, truth, grid)
        run.learn(class_loss + box_loss)
        running.append((class_loss.item(), box_loss.item()))
        if run.due():
            found, _ = evaluate(rounded(fold(run.average.network)), unseen, QUICK)
            _report(run, running, found)
            running.clear()
    run.save()
    arrays = rounded(fold(run.average.network))
    found, each = evaluate(arrays, unseen, len(unseen))
    _report(run, running or [(float("nan"), float("nan"))], {**found, "scenes": float(len(unseen))})
    np.savez_compressed(run.folder / "detector.npz", allow_pickle=False, **arrays)
    sys.stdout.write(", ".join(f"{name} {value:.3f}" for name, value in zip(CLASSES, each, strict=True)) + "\n")


def _report(run: Run, running: Sequence[tuple[float, float]], found: dict[str, float]) -> None:
    class_loss, box_loss = np.mean(running, axis=0)
    run.record({"class_loss": float(class_loss), "box_loss": float(box_loss), **found})
    shown = " ".join(f"{name} {value:.3f}" for name, value in found.items())
    sys.stdout.write(f"{run.spent_s:.0f} s, step {run.step}: class {class_loss:.3f} box {box_loss:.3f} {shown}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = options("cctv", __doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with cctv-train and cctv-unseen")
    train(parser.parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
