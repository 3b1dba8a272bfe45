"""Who answers for what, and that the loss leads there."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from npubench.authoring.assignment import IGNORED, TOP, assign, cells, detection_loss, flatten  # noqa: E402
from npubench.build.nets.cctv import STRIDES  # noqa: E402

SIZE = 128
GRID = cells(SIZE, SIZE, STRIDES)
COUNT = len(GRID.centres)


def untrained(batch: int = 1) -> tuple[Any, Any]:
    """Boxes of one stride to each side and scores of a hundredth."""
    boxes = torch.cat([GRID.centres - GRID.strides, GRID.centres + GRID.strides], 1).expand(batch, -1, -1)
    return boxes, torch.full((batch, COUNT, 6), -4.6)


def test_the_cells_of_an_object_lie_in_it_and_are_at_most_eight() -> None:
    boxes, logits = untrained()
    truth = torch.tensor([[[1.0, 20, 20, 90, 70], [-2, -2, -2, -2, -2]]])
    owner, target, weight = assign(boxes, logits, truth, GRID)
    mine = GRID.centres[owner[0] == 0]
    assert 1 <= len(mine) <= TOP
    assert ((mine > torch.tensor([20.0, 20])) & (mine < torch.tensor([90.0, 70]))).all()
    assert float(target.max()) >= 0.3
    assert (weight == 1).all()


def test_an_object_smaller_than_a_cell_has_one() -> None:
    boxes, logits = untrained()
    owner, _, _ = assign(boxes, logits, torch.tensor([[[0.0, 32.5, 32.5, 35.5, 35.5]]]), GRID)
    assert (owner == 0).sum() >= 1


def test_what_is_ignored_is_neither_object_nor_background() -> None:
    boxes, logits = untrained()
    owner, _, weight = assign(boxes, logits, torch.tensor([[[float(IGNORED), 20, 20, 90, 70]]]), GRID)
    assert (owner == -1).all()
    assert (weight == 0).any()
    assert (weight == 1).any()


def test_a_picture_without_objects_teaches_background() -> None:
    boxes, logits = untrained()
    class_loss, box_loss = detection_loss(boxes, logits, torch.full((1, 1, 5), -2.0), GRID)
    assert float(class_loss) > 0
    assert float(box_loss) == 0


def test_descent_finds_the_object() -> None:
    torch.manual_seed(1)
    heads = {}
    for stride in STRIDES:
        side = SIZE // stride
        heads[f"box_s{stride}"] = torch.ones(1, 4, side, side, requires_grad=True)
        heads[f"cls_s{stride}"] = torch.full((1, 6, side, side), -4.6, requires_grad=True)
    truth = torch.tensor([[[2.0, 20, 30, 84, 70]]])
    optimiser = torch.optim.Adam(heads.values(), lr=0.05)
    for _ in range(150):
        boxes, logits = flatten(heads, STRIDES, GRID)
        class_loss, box_loss = detection_loss(boxes, logits, truth, GRID)
        optimiser.zero_grad()
        (class_loss + box_loss).backward()
        optimiser.step()
    best = int(logits[0].max(1).values.argmax())
    assert int(logits[0, best].argmax()) == 2
    assert torch.allclose(boxes[0, best], truth[0, 0, 1:], atol=3)
