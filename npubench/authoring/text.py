"""Trains `ocr-korean`'s text detector on drawn pages.

    python -m npubench.authoring.sheets --count 300 --out DATA/ocr-train
    python -m npubench.authoring.sheets --count 40 --seed ocr-unseen/1 --out DATA/ocr-unseen
    python -m npubench.authoring.text --seconds 1200 --data DATA --out OUT

The target is the region of each word shrunk by D = A·(1 − r²)/L, as `workloads.textregions` grows it back, at least one
cell high and wide; the loss is binary cross-entropy with hard negatives and dice (Liao et al., Real-time Scene Text
Detection with Differentiable Binarization, 2020). Most of the budget goes to crops, the end to whole pages. In OUT:
`checkpoint.pt`, `curve.csv`, `text_detector.npz` (averaged weights, folded, fp16). F1 at an overlap of one half is that
of the fp16 weights, with the workload's own regions, on pages of other seeds.

The room ships what this gave; its curve is in docs/training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from npubench.authoring.builder import Arrays, Network, fold, rounded
from npubench.authoring.running import Run, fast_arithmetic, generator, options
from npubench.authoring.shards import Shards
from npubench.authoring.sheets import KIND, WHITE, Corners, Sheet
from npubench.build.nets.ocr import PAGE, text_detector
from npubench.workloads.scoring import pairs
from npubench.workloads.textregions import regions

RATE, MUON, DECAY = 2e-3, 1e-2, 0.02
STRIDE, SHRINK = 4, 0.4
CROP, CROP_BATCH = (320, 320), 8
WHOLE_BATCH, WHOLE_SHARE = 2, 0.2
NEGATIVES_PER_POSITIVE = 3
# As the model card has them.
THRESHOLD, LEAST_AREA, MOST_BOXES = 0.4, 2, 400
QUICK = 8

Map = npt.NDArray[np.float32]


def target_of(corners: Corners, height: int, width: int) -> Map:
    """The map [height/4, width/4] of the shrunk words; `corners` [n, 4, 2] in pixels."""
    rows, columns = height // STRIDE, width // STRIDE
    target = np.zeros((rows, columns), np.float32)
    for quad in corners / STRIDE:
        centre = quad.mean(axis=0)
        across, down = (quad[1] + quad[2] - quad[0] - quad[3]) / 2, (quad[2] + quad[3] - quad[0] - quad[1]) / 2
        long, tall = float(np.hypot(*across)), float(np.hypot(*down))
        if long < 0.1 or tall < 0.1:
            continue
        shrink = long * tall * (1 - SHRINK * SHRINK) / (2 * (long + tall))
        half_long, half_tall = max(long / 2 - shrink, 0.5), max(tall / 2 - shrink, 0.5)
        reach = np.abs(across) / long * half_long + np.abs(down) / tall * half_tall
        low = np.maximum(np.floor(centre - reach).astype(int), 0)
        high = np.minimum(np.ceil(centre + reach).astype(int) + 1, (columns, rows))
        if (high <= low).any():
            continue
        x = np.arange(low[0], high[0])[None] + 0.5 - centre[0]
        y = np.arange(low[1], high[1])[:, None] + 0.5 - centre[1]
        along = np.abs(x * across[0] + y * across[1]) / long
        aside = np.abs(x * down[0] + y * down[1]) / tall
        target[low[1] : high[1], low[0] : high[0]][(along <= half_long) & (aside <= half_tall)] = 1
    return target


def crop_of(sheet: Sheet, corners: Corners, rng: np.random.Generator) -> tuple[Sheet, Map]:
    """A window of CROP, more often than not with words in it, and its target."""
    for _ in range(3):
        top, left = (int(rng.integers(0, PAGE[axis] - CROP[axis] + 1)) for axis in (0, 1))
        moved = corners - np.array([left, top], np.float32)
        seen = (moved.max(axis=1) > 0).all(axis=1) & (moved.min(axis=1) < (CROP[1], CROP[0])).all(axis=1)
        if seen.sum() > 3:
            break
    return sheet[top : top + CROP[0], left : left + CROP[1]], target_of(moved[seen], *CROP)


def batch_of(sheets: Shards, rng: np.random.Generator, whole: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures [batch, 3, h, w] 0..1 and targets [batch, h/4, w/4]."""
    windows, targets = [], []
    for index in rng.integers(len(sheets), size=WHOLE_BATCH if whole else CROP_BATCH):
        sheet, rows = sheets.item(int(index))
        corners = rows.reshape(-1, 4, 2)
        window, target = (np.array(sheet), target_of(corners, *PAGE)) if whole else crop_of(sheet, corners, rng)
        if rng.random() < 0.5:
            # Other paper, other ink.
            low, high = rng.uniform(0, 70), rng.uniform(190, WHITE)
            levels = (low + np.arange(256) / 255 * (high - low)).astype(np.uint8)
            window = levels[window]
        windows.append(window)
        targets.append(target)
    pictures = torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).float() / 255
    return pictures, torch.from_numpy(np.stack(targets))


def map_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of all text cells and of the worst others, three for each, plus dice."""
    cross = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    positive = target > 0.5
    count = int(positive.sum())
    others = cross[~positive]
    worst, _ = others.topk(min(len(others), max(1000, NEGATIVES_PER_POSITIVE * count)))
    balanced = (cross[positive].sum() + worst.sum()) / (count + len(worst))
    text = logits.sigmoid()
    dice = 1 - (2 * (text * target).sum() + 1) / (text.sum() + target.sum() + 1)
    return balanced + dice


def evaluate(arrays: Arrays, sheets: Shards, count: int, least_area: int = LEAST_AREA) -> dict[str, float]:
    """F1, precision and recall of folded weights on the first `count` pages."""
    network = Network(text_detector, arrays)
    hits = found_count = truth_count = 0
    for index in range(min(count, len(sheets))):
        sheet, rows = sheets.item(index)
        corners = rows.reshape(-1, 4, 2)
        picture = torch.from_numpy(np.array(sheet)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            logits = network(picture)["text"][0, 0].numpy()
        found, _ = regions(logits, threshold=THRESHOLD, min_area=least_area, max_boxes=MOST_BOXES, shrink=SHRINK)
        truth = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        hits += len(pairs(found * STRIDE, truth))
        found_count += len(found)
        truth_count += len(truth)
    precision, recall = hits / max(1, found_count), hits / max(1, truth_count)
    return {"f1": 2 * hits / max(1, found_count + truth_count), "precision": precision, "recall": recall}


def train(chosen: argparse.Namespace) -> None:
    """Trains until the budget is spent, evaluates, writes the weights."""
    sheets, unseen = Shards(KIND, chosen.data / "ocr-train"), Shards(KIND, chosen.data / "ocr-unseen")
    run = Run(chosen, lambda: Network(text_detector), RATE, DECAY, MUON)
    losses: list[float] = []
    while run.going():
        whole = run.share >= 1 - WHOLE_SHARE
        pictures, target = batch_of(sheets, generator(chosen.seed, run.step), whole)
        run.network.units.train()
        with fast_arithmetic():
            logits = run.network(pictures)["text"]
        loss = map_loss(logits[:, 0].float(), target)
        run.learn(loss)
        losses.append(loss.item())
        if run.due():
            _report(run, losses, evaluate(rounded(fold(run.average.network)), unseen, QUICK))
            losses.clear()
    run.save()
    arrays = rounded(fold(run.average.network))
    _report(run, losses or [float("nan")], evaluate(arrays, unseen, len(unseen)))
    np.savez_compressed(run.folder / "text_detector.npz", allow_pickle=False, **arrays)


def _report(run: Run, losses: Sequence[float], found: dict[str, float]) -> None:
    values = {"loss": float(np.mean(losses)), **found}
    run.record(values)
    sys.stdout.write(
        f"{run.spent_s:.0f} s, step {run.step}: " + " ".join(f"{k} {v:.4f}" for k, v in values.items()) + "\n"
    )
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = options("text", __doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with ocr-train and ocr-unseen")
    train(parser.parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
