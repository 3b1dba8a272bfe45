"""Decodes the outputs of detectors that are not ours: what the card's table `[params.head]` declares → boxes.

`yolo`  `form = "objectness"`: one output [batch, N, 5+C] of box, objectness, classes (YOLOv5, v7);
        `form = "plain"`: [batch, 4+C, N] of box and classes (YOLOv8, v9, 11); either may be transposed;
        `form = "end-to-end"`: [batch, N, 6] of x0, y0, x1, y1, score, class (YOLOv10, or exported with its NMS).
`ssd`   boxes [batch, N, 4] and scores [batch, N, C or C+1], or scores [batch, N] and labels [batch, N]; boxes may be
        offsets from `anchors` (an .npy file of the room, [N, 4] cx, cy, w, h) with `variances` (Liu et al., SSD, 2016).
`detr`  logits [batch, Q, C or C+1] and boxes [batch, Q, 4] cx, cy, w, h in 0..1; no NMS (Carion et al., DETR, 2020).

Guarantees: float32 [n, 6] of x0, y0, x1, y1 (pixels of the network's input), score, class, best first, equal scores in
the order of the output; a card or an output of another shape is a CardError with found and expected. Raw multi-stride
heads as our own detector has them are `boxes.Heads`. Not aware of: pictures, class names.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import CardError
from npubench.spi import Outputs, Session
from npubench.workloads.boxes import Floats, Indexes, Rules, nms

Kind = Literal["yolo", "ssd", "detr"]

# exp() of what a broken graph puts out must not overflow; 2⁸ · 8 px is wider than any picture (as in `boxes`).
_LOG_SIZE_CLIP = 8.0


class HeadSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[params.head]`. What is None takes the default of its kind (`settled`).

    `output`: the one output of a yolo head (default: the graph's only one). `boxes_output`, `scores_output`,
    `labels_output`: those of ssd and detr. `boxes`: the order of the four numbers; `units`: pixels of the network's
    input, or 0..1. `activation`: what is still to be applied to scores. `background`: where the class "nothing" stands
    among the scores. `first_label`: the number by which a column or output of labels means the first class.
    `multi_label`: a box may stand for several classes, not only its best. `nms`: class-wise suppression.
    """

    kind: Kind
    form: Literal["objectness", "plain", "end-to-end"] = "plain"
    output: str | None = None
    boxes_output: str = "boxes"
    scores_output: str | None = None
    labels_output: str | None = None
    boxes: Literal["cxcywh", "xyxy", "xywh", "yxyx"] | None = None
    units: Literal["pixels", "normalised"] | None = None
    activation: Literal["none", "sigmoid", "softmax"] | None = None
    background: Literal["none", "first", "last"] | None = None
    first_label: int = 0
    anchors: str | None = None
    anchors_sha256: str | None = None
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    multi_label: bool | None = None
    nms: bool | None = None


# Defaults by kind, as the published reference code of each family exports and reads them.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "yolo": {"boxes": "cxcywh", "units": "pixels", "activation": "none", "background": "none", "multi_label": False},
    "ssd": {"boxes": "xyxy", "units": "normalised", "activation": "none", "background": "first", "multi_label": True},
    "detr": {"boxes": "cxcywh", "units": "normalised", "activation": "softmax", "background": "last"},
}


def settled(head: HeadSpec) -> HeadSpec:
    """`head` with the defaults of its kind in place of None."""
    wanted = dict(_DEFAULTS[head.kind])
    if head.kind == "yolo" and head.form == "end-to-end":
        wanted |= {"boxes": "xyxy"}
    if head.kind == "detr" and head.activation == "sigmoid":
        # Deformable DETR and RT-DETR: independent classes, none of which is "nothing".
        wanted |= {"background": "none", "multi_label": True}
    if head.anchors is not None:
        wanted |= {"boxes": "cxcywh"}
    wanted.setdefault("multi_label", False)
    wanted["scores_output"] = "logits" if head.kind == "detr" else "scores"
    wanted["nms"] = head.kind != "detr" and not (head.kind == "yolo" and head.form == "end-to-end")
    return msgspec.structs.replace(
        head, **{name: value for name, value in wanted.items() if getattr(head, name) is None}
    )


def load_anchors(head: HeadSpec, room: str | None) -> Floats | None:
    """The anchors of the room, float32 [N, 4]; None for a head without. Raises CardError."""
    if head.anchors is None:
        return None
    key = "params.head.anchors"
    name = Path(head.anchors).name
    if room is None or name != head.anchors:
        raise CardError((f"{key}: found {head.anchors!r}; expected the name of an .npy file in the model's folder",))
    path = Path(room) / name
    try:
        content = path.read_bytes()
        anchors: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CardError((f"{key}: {path}: cannot be read as .npy: {error}",)) from None
    found = hashlib.sha256(content).hexdigest()
    if found != head.anchors_sha256:
        raise CardError((f"{key}_sha256: found {head.anchors_sha256}; {path} has {found}",))
    if anchors.ndim != 2 or anchors.shape[1] != 4 or anchors.dtype.kind != "f" or not np.isfinite(anchors).all():
        raise CardError((f"{key}: {path}: found {anchors.dtype} {list(anchors.shape)}; expected finite floats [N, 4]",))
    return anchors.astype(np.float32)


class Decoder:
    """Reads one head. Holds no state between calls but the anchors."""

    def __init__(
        self, head: HeadSpec, rules: Rules, classes: int, width: int, height: int, anchors: Floats | None = None
    ) -> None:
        """`classes` without background; `width` and `height` of the network's input in pixels."""
        self.head = settled(head)
        self.rules = rules
        self.classes = classes
        self._anchors = anchors
        self._size = np.array([width, height] * 2, np.float32)
        self._threshold = np.float32(rules.score_threshold)
        self._least_logit = np.float32(math.log(rules.score_threshold / (1 - rules.score_threshold)))
        self._known = "none"

    def check(self, session: Session, role_name: str) -> None:
        """Raises CardError when the graph lacks an output, or declares one of a shape that cannot be read."""
        found = [spec.name for spec in session.outputs]
        self._known = ", ".join(found) or "none"
        if self.head.kind == "yolo" and self.head.output is None:
            if len(found) != 1:
                raise CardError((f"params.head.output: missing; graphs.{role_name} has outputs {self._known}",))
            self.head = msgspec.structs.replace(self.head, output=found[0])
        for key, name in self._outputs():
            if name not in found:
                raise CardError((f'params.head.{key}: found "{name}"; graphs.{role_name} has outputs {self._known}',))
        shapes = {spec.name: spec.shape for spec in session.outputs}
        for _, name in self._outputs():
            # Only what is wholly fixed beside the batch can be judged before the first inference.
            if shapes[name] and all(isinstance(size, int) for size in shapes[name][1:]):
                self._fits(name, tuple(int(size) for size in shapes[name][1:]))

    def detections(self, outputs: Outputs, row: int) -> Floats:
        """The boxes of row `row` of a batch: float32 [n, 6] of x0, y0, x1, y1, score, class, best first."""
        if self.head.kind == "yolo":
            boxes, values, labels = self._yolo(self._table(outputs, self.head.output or "", row))
        else:
            boxes, values, labels = self._split(outputs, row)
        order = np.argsort(-values, kind="stable")[: self.rules.max_candidates]
        rows = np.empty((len(order), 6), np.float32)
        rows[:, :4] = self._corners(boxes[order])
        rows[:, 4] = values[order]
        rows[:, 5] = labels[order]
        if not self.head.nms:
            return rows[: self.rules.max_detections]
        return rows[nms(rows[:, :4], rows[:, 5], self.rules.nms_iou, self.rules.max_detections)]

    def _outputs(self) -> list[tuple[str, str]]:
        """(key of the card, name) of every output that is read."""
        head = self.head
        if head.kind == "yolo":
            return [("output", head.output or "")]
        pairs = [("boxes_output", head.boxes_output), ("scores_output", head.scores_output or "")]
        return pairs if head.labels_output is None else [*pairs, ("labels_output", head.labels_output)]

    def _columns(self) -> int:
        """Numbers per box of a yolo head."""
        return {"objectness": 5 + self.classes, "plain": 4 + self.classes, "end-to-end": 6}[self.head.form]

    def _score_columns(self) -> int:
        return self.classes + (self.head.background != "none")

    def _fits(self, name: str, shape: Sequence[int]) -> None:
        """Raises CardError for an output whose shape (without the batch) cannot be read."""
        head = self.head
        if head.kind == "yolo":
            columns = self._columns()
            turnable = head.form != "end-to-end"
            good = len(shape) == 2 and (shape[1] == columns or (turnable and shape[0] == columns))
            expected = f"[batch, N, {columns}]" + (f" or [batch, {columns}, N]" if turnable else "")
        elif name == head.boxes_output:
            good = len(shape) >= 2 and shape[-1] == 4 and all(size == 1 for size in shape[1:-1])
            expected = "[batch, N, 4]"
            if good and self._anchors is not None:
                good = shape[0] == len(self._anchors)
                expected = f"[batch, {len(self._anchors)}, 4], one box per anchor"
        elif head.labels_output is not None:
            good, expected = len(shape) == 1, "[batch, N]"
        else:
            columns = self._score_columns()
            good, expected = len(shape) == 2 and shape[1] == columns, f"[batch, N, {columns}]"
        if not good:
            background = "" if head.background == "none" else " and the background"
            counted = f" for {self.classes} classes{background if head.kind != 'yolo' else ''}"
            found = f"params.head: output {name} has shape {['batch', *shape]}"
            raise CardError((f"{found}; expected {expected}{counted}".replace("'", ""),))

    def _table(self, outputs: Outputs, name: str, row: int) -> npt.NDArray[Any]:
        """One row of an output, its shape checked."""
        if name not in outputs:
            raise CardError((f'params.head: found "{name}"; the graph has outputs {self._known}',))
        value = np.asarray(outputs[name])
        self._fits(name, value.shape[1:])
        found: npt.NDArray[Any] = value[row]
        # numpy compares half precision in software, many times slower than it widens it.
        return found.astype(np.float32) if found.dtype == np.float16 else found

    def _yolo(self, table: npt.NDArray[Any]) -> tuple[Floats, Floats, Indexes]:
        """Boxes [n, 4] as the graph gives them, scores [n], classes [n], of those above the threshold."""
        form, columns = self.head.form, self._columns()
        if form == "end-to-end":
            rows = np.flatnonzero(table[:, 4] > self._threshold)
            kept = np.asarray(table[rows], np.float32)
            return kept[:, :4], kept[:, 4], self._labels(kept[:, 5], self.head.output or "")
        # [numbers, N] is worked on; where both sides are alike, each family's usual order is taken.
        turned = table.shape[1] == columns and (table.shape[0] != columns or form == "objectness")
        table = table.T if turned else table
        if form == "plain":
            rows, values, labels = self._best(table[4:])
            return np.asarray(table[:4, rows], np.float32).T, values, labels
        logits = self.head.activation == "sigmoid"
        # A score is objectness × class, so that objectness alone must be above the threshold.
        likely = np.flatnonzero(table[4] > (self._least_logit if logits else self._threshold))
        near = np.asarray(table[:, likely], np.float32)
        scores = _sigmoid(near[4]) * _sigmoid(near[5:]) if logits else near[4] * near[5:]
        rows, values, labels = self._above(scores, self._threshold)
        return near[:4, rows].T, values, labels

    def _split(self, outputs: Outputs, row: int) -> tuple[Floats, Floats, Indexes]:
        """The same for boxes and scores in outputs of their own."""
        head = self.head
        boxes = self._table(outputs, head.boxes_output, row).reshape(-1, 4)
        scores = self._table(outputs, head.scores_output or "", row)
        if len(scores) != len(boxes):
            raise CardError(
                (f"params.head: output {head.scores_output} has {len(scores)} rows; {len(boxes)} boxes expect as many",)
            )
        if head.labels_output is not None:
            values = np.asarray(scores, np.float32)
            if head.activation == "sigmoid":
                values = _sigmoid(values)
            rows = np.flatnonzero(values > self._threshold)
            numbers = self._table(outputs, head.labels_output, row)
            labels, values = self._labels(numbers[rows], head.labels_output), values[rows]
        else:
            rows, values, labels = self._best(scores.T)
        kept = np.asarray(boxes[rows], np.float32)
        if self._anchors is not None:
            anchors, variances = self._anchors[rows], np.array(head.variances, np.float32)
            centres = anchors[:, :2] + kept[:, :2] * anchors[:, 2:] * variances[:2]
            sizes = anchors[:, 2:] * np.exp(np.clip(kept[:, 2:] * variances[2:], None, _LOG_SIZE_CLIP))
            kept = np.concatenate([centres, sizes], axis=1)
        return kept, values, labels

    def _best(self, scores: npt.NDArray[Any]) -> tuple[Indexes, Floats, Indexes]:
        """(row, score, class) of what is above the threshold in scores [C or C+1, N], activation applied."""
        head = self.head
        first, last = int(head.background == "first"), len(scores) - int(head.background == "last")
        if head.activation == "sigmoid":
            rows, values, labels = self._above(scores[first:last], self._least_logit)
            return rows, _sigmoid(values), labels
        if head.activation == "none":
            return self._above(scores[first:last], self._threshold)
        near: Indexes = np.arange(scores.shape[1])
        if head.background != "none":
            # p(class) ≤ e^class / (e^class + e^nothing): most rows are dropped without a softmax.
            nothing = scores[0 if first else -1]
            near = np.flatnonzero(scores[first:last].max(axis=0) - nothing > self._least_logit)
        logits = np.asarray(scores[:, near], np.float32)
        powers = np.exp(logits - logits.max(axis=0)) if len(near) else logits
        powers /= powers.sum(axis=0)
        rows, values, labels = self._above(powers[first:last], self._threshold)
        return near[rows], values, labels

    def _above(self, scores: npt.NDArray[Any], least: np.float32) -> tuple[Indexes, Floats, Indexes]:
        if self.head.multi_label:
            rows, labels = np.nonzero(least < scores.T)
            return rows, np.asarray(scores[labels, rows], np.float32), labels
        best = scores.max(axis=0)
        rows = np.flatnonzero(best > least)
        return rows, np.asarray(best[rows], np.float32), scores[:, rows].argmax(axis=0)

    def _labels(self, numbers: npt.NDArray[Any], name: str) -> Indexes:
        """Labels as class indexes. Raises CardError for a label that no class has."""
        labels: Indexes = np.rint(np.asarray(numbers, np.float64)).astype(np.intp) - self.head.first_label
        strange = labels[(labels < 0) | (labels >= self.classes)]
        if len(strange):
            least, most = self.head.first_label, self.head.first_label + self.classes - 1
            raise CardError(
                (
                    f"params.classes: output {name} names class {strange[0] + self.head.first_label}; "
                    f"expected {least} to {most} (params.head.first_label is {least})",
                )
            )
        return labels

    def _corners(self, boxes: Floats) -> Floats:
        """Boxes as the card declares them → x0, y0, x1, y1 in pixels of the network's input."""
        order = self.head.boxes
        if order == "yxyx":
            boxes = boxes[:, [1, 0, 3, 2]]
        elif order in ("cxcywh", "xywh"):
            start = boxes[:, :2] - boxes[:, 2:] * np.float32(0.5) if order == "cxcywh" else boxes[:, :2]
            boxes = np.concatenate([start, start + boxes[:, 2:]], axis=1)
        return boxes * self._size if self.head.units == "normalised" else boxes


def _sigmoid(logits: npt.NDArray[Any]) -> Floats:
    # exp of −88 is the smallest normal float32; beyond it the sigmoid is 0 or 1 anyway.
    return np.asarray(1 / (1 + np.exp(-np.clip(logits.astype(np.float32), -88, 88))), np.float32)
