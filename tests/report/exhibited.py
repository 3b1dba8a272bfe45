"""Made-up exhibits for the tests of the report: npubench's own frames and pages, with findings drawn from their labels.

Nothing here was found by a model.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from npubench.discovery import builtin_data
from npubench.exhibits import Exhibit, Exhibits, Finding, Shown
from npubench.report import media
from npubench.report.view import RunFiles
from tests.report import sample

FRAME, PAGE = "frame-0005.jpg", "page-0007.jpg"


def _annotations(name: str) -> Any:
    folder = builtin_data(name)
    assert folder is not None
    return json.loads((folder / "annotations.json").read_text(encoding="utf-8"))


def _sha256(name: str, file: str) -> str:
    folder = builtin_data(name)
    assert folder is not None
    return hashlib.sha256((folder / file).read_bytes()).hexdigest()


def frame_truth() -> tuple[Finding, ...]:
    """The labels of FRAME."""
    found = _annotations("street-frames")
    image = next(item for item in found["images"] if item["file_name"] == FRAME)
    names = {item["id"]: item["name"] for item in found["categories"]}
    boxes = [
        (item["bbox"], names[item["category_id"]]) for item in found["annotations"] if item["image_id"] == image["id"]
    ]
    return tuple(Finding(label=name, place=(x, y, x + w, y + h)) for (x, y, w, h), name in boxes)


def frames() -> Exhibits:
    """One frame: of what the reference found one is missing, one is taken for a bus, and a bicycle is new."""
    truth = frame_truth()
    reference = tuple(msgspec.structs.replace(item, score=0.9) for item in truth)
    found = (
        msgspec.structs.replace(reference[1], label="bus" if reference[1].label != "bus" else "car"),
        *reference[2:],
        Finding(label="bicycle", place=(600.0, 10.0, 660.0, 60.0), score=0.31),
    )
    exhibit = Exhibit(
        file=FRAME,
        sha256=_sha256("street-frames", FRAME),
        width=1280,
        height=720,
        kind="objects",
        found=found,
        truth=truth,
        conditions=("day", "rain", "tilt"),
    )
    return Exhibits(
        model="cctv-detect",
        precision="fp32",
        variant="portable",
        backend="sample-npu",
        source="street-frames",
        private=False,
        reference="CPUExecutionProvider fp32",
        items=(Shown(exhibit=exhibit, reference=reference),),
    )


def pages() -> Exhibits:
    """One page: a word is missing, the first of those that are left has another last sign."""
    page = next(item for item in _annotations("admin-pages")["pages"] if item["file"] == PAGE)
    truth = tuple(
        Finding(label=word["text"], place=tuple(float(value) for corner in word["quad"] for value in corner))
        for word in page["words"]
    )
    reference = truth
    found = (msgspec.structs.replace(truth[1], label=f"{truth[1].label[:-1]}☆"), *truth[2:])
    exhibit = Exhibit(
        file=PAGE,
        sha256=_sha256("admin-pages", PAGE),
        width=page["width"],
        height=page["height"],
        kind="words",
        found=found,
        truth=truth,
    )
    return Exhibits(
        model="ocr-korean",
        precision="int8",
        variant="portable",
        backend="sample-npu",
        source="admin-pages",
        private=False,
        reference="CPUExecutionProvider fp32",
        items=(Shown(exhibit=exhibit, reference=reference),),
    )


def private(found: Exhibits) -> Exhibits:
    """The same findings in what says that it is the user's own."""
    return msgspec.structs.replace(found, source="own", private=True)


def shown(files: RunFiles, *exhibits: Exhibits) -> RunFiles:
    """A run with these exhibits beside it, and npubench's own pictures."""
    return msgspec.structs.replace(files, exhibits=exhibits, media=media.reader())


def both() -> RunFiles:
    """A small run with a frame and a page."""
    return shown(sample.realistic(), frames(), pages())
