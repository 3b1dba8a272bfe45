"""Which cell answers for which object, and the detector's loss.

Task-aligned assignment (Feng et al., TOOD: Task-aligned One-stage Object Detection, 2021): an object's cells are the
8 inside it whose answer is already best, measured as score^0.5 · overlap^6; their class target is that measure,
scaled so that the best cell's is its overlap. The scaled target is at least 0.3 at the best cell: an untrained network
overlaps little and would learn from targets near zero to answer nothing.

Not aware of: pictures, networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

TOP = 8
SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
LEAST_TARGET = 0.3
BOX_WEIGHT = 3.0
IGNORED = -1


class Cells(msgspec.Struct, frozen=True):
    """All cells of all strides, flattened: centres [cells, 2] and strides [cells, 1] in pixels."""

    centres: Tensor
    strides: Tensor


def cells(height: int, width: int, strides: Sequence[int]) -> Cells:
    """The cells of a picture of this size, in the order of `flatten`."""
    centres, sizes = [], []
    for stride in strides:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centres.append((torch.stack([x.reshape(-1), y.reshape(-1)], 1) + 0.5) * stride)
        sizes.append(torch.full((x.numel(), 1), float(stride)))
    return Cells(torch.cat(centres), torch.cat(sizes))


def flatten(outputs: Mapping[str, Tensor], strides: Sequence[int], grid: Cells) -> tuple[Tensor, Tensor]:
    """Raw heads → boxes [batch, cells, 4] in pixels and class logits [batch, cells, classes], fp32."""
    raw = torch.cat([outputs[f"box_s{s}"].flatten(2) for s in strides], 2).transpose(1, 2).float()
    logits = torch.cat([outputs[f"cls_s{s}"].flatten(2) for s in strides], 2).transpose(1, 2).float()
    sides = raw.clamp(-8, 8).exp() * grid.strides
    return torch.cat([grid.centres - sides[..., :2], grid.centres + sides[..., 2:]], -1), logits


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and its generalisation by the enclosing box (GIoU), of boxes that broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared + 1e-7
    around = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1) + 1e-7
    return shared / union, shared / union - (around - union) / around


def assign(boxes: Tensor, logits: Tensor, truth: Tensor, grid: Cells) -> tuple[Tensor, Tensor, Tensor]:
    """Targets for a batch. `truth` [batch, objects, 5] of class, box; class −2: no object, −1: IGNORED.

    Returns the object of each cell [batch, cells] (−1: none), its target [batch, cells], and the weight of the cell's
    class loss [batch, cells]: 0 where an ignored object lies.
    """
    kinds, wanted = truth[..., 0].long(), truth[..., 1:]
    real = (kinds >= 0)[..., None]
    centre, half = (wanted[..., :2] + wanted[..., 2:]) / 2, (wanted[..., 2:] - wanted[..., :2]) / 2
    away = (grid.centres[None, None] - centre[:, :, None]).abs()
    # The smallest objects may lie between the centres of the finest cells: the nearest cell is theirs.
    finest = float(grid.strides.min())
    reach = torch.where(grid.strides[None, None] == finest, half[:, :, None].clamp(min=finest / 2), half[:, :, None])
    inside = (away < reach).all(-1)
    overlap, _ = _overlap(wanted[:, :, None], boxes[:, None])
    score = logits.sigmoid().transpose(1, 2).gather(1, kinds.clamp(min=0)[..., None].expand(-1, -1, logits.shape[1]))
    fit = torch.where(inside & real, score**SCORE_POWER * overlap**OVERLAP_POWER + 1e-12, 0.0)
    best, places = fit.topk(min(TOP, fit.shape[2]), dim=2)
    chosen = torch.zeros_like(fit).scatter_(2, places, (best > 0).float()).bool()
    # A cell that several objects chose goes to the one that it overlaps most.
    claim = torch.where(chosen, overlap + 1e-6, 0.0)
    top_claim, owner = claim.max(1)
    mine = chosen & (torch.arange(fit.shape[1])[None, :, None] == owner[:, None])
    fit = torch.where(mine, fit, 0.0)
    most_fit = fit.amax(2, keepdim=True).clamp(min=1e-12)
    most_overlap = torch.where(mine, overlap, 0.0).amax(2, keepdim=True).clamp(min=LEAST_TARGET)
    target = (fit / most_fit * most_overlap).amax(1)
    unclear = ((away < half[:, :, None]).all(-1) & (kinds == IGNORED)[..., None]).any(1)
    taken = top_claim > 0
    return torch.where(taken, owner, -1), target, (taken | ~unclear).float()


def detection_loss(boxes: Tensor, logits: Tensor, truth: Tensor, grid: Cells) -> tuple[Tensor, Tensor]:
    """The class loss (binary cross-entropy) and the box loss (GIoU) of a batch, each per unit of target."""
    owner, target, weight = assign(boxes.detach(), logits.detach(), truth, grid)
    taken = owner >= 0
    rows = owner.clamp(min=0)
    kinds = truth[..., 0].long().gather(1, rows).clamp(min=0)
    wanted = torch.zeros_like(logits)
    wanted.scatter_(2, kinds[..., None], (target * taken)[..., None])
    unit = target[taken].sum().clamp(min=1)
    cross = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    class_loss = (cross * weight[..., None]).sum() / unit
    goals = truth[..., 1:].gather(1, rows[..., None].expand(-1, -1, 4))
    _, general = _overlap(boxes[taken], goals[taken])
    return class_loss, BOX_WEIGHT * ((1 - general) * target[taken]).sum() / unit
