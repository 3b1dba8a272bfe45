"""Writes the room of a detector that is not ours: card, ONNX file with its external data, classes, anchors, frames.

Guarantees: the room (and the data set beside it, where labels were given) appears whole or not at all; the card that
was written has been read back; nothing that exists is replaced; files are copied, never linked or changed.

Not aware of: what the file holds (`foreign`), runtimes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench import cards
from npubench.build.data.sets import digest_folder
from npubench.build.foreign import Described, Guess
from npubench.errors import StoreError, UsageError
from npubench.lang import here
from npubench.store import sha256_file

ROLE = "detector"
CLASSES_FILE = "classes.txt"

# Every model has something to run on; whoever brings no frames of their own gets the drawn ones.
OUR_FRAMES = "street-frames"

_OWN_FRAMES = "own"


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Labelled frames: the folder, the COCO file and the pictures that it names, relative to the folder."""

    folder: Path
    file: Path
    names: tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a room is made of."""

    id: str
    onnx: Path
    found: Described
    guess: Guess
    classes: tuple[str, ...]
    anchors: Path | None = None
    labels: Labels | None = None


def write_room(root: Path, wanted: Wanted) -> Path:
    """Writes `models/<id>/` under `root`; returns the room. Raises UsageError for one that exists, StoreError."""
    models = root / "models"
    room, data = models / wanted.id, models / "data" / f"{wanted.id}-{_OWN_FRAMES}"
    for place in (room, data) if wanted.labels else (room,):
        if place.exists():
            raise UsageError(
                here(f"{place}: exists already", f"{place}: 이미 있습니다"),
                hint=here(
                    "choose another ID or --out, or remove the folder", "다른 ID나 --out을 쓰거나 폴더를 지우십시오"
                ),
            )
    try:
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=f".{wanted.id}-") as scratch:
            made = Path(scratch) / "room"
            made.mkdir()
            if wanted.labels is not None:
                _write_frames(Path(scratch) / "frames", data.name, wanted.labels)
            _fill(made, wanted, data.name if wanted.labels else OUR_FRAMES)
            cards.load(made / "model.toml", cards.ModelCard)
            if wanted.labels is not None:
                data.parent.mkdir(exist_ok=True)
                (Path(scratch) / "frames").rename(data)
            made.rename(room)
    except OSError as error:
        raise StoreError(
            f"{error.filename or room}: {error.strerror}",
            hint=here("name a folder that you may write with --out", "--out에 쓰기 가능한 폴더를 지정하십시오"),
        ) from error
    return room


def _fill(made: Path, wanted: Wanted, data: str) -> None:
    shutil.copyfile(wanted.onnx, made / wanted.onnx.name)
    for name in wanted.found.files:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wanted.onnx.parent / name, made / name)
    (made / CLASSES_FILE).write_text("".join(f"{name}\n" for name in wanted.classes), encoding="utf-8")
    head = dict(wanted.guess.head or {})
    if wanted.anchors is not None:
        shutil.copyfile(wanted.anchors, made / wanted.anchors.name)
        head |= {"anchors": wanted.anchors.name, "anchors_sha256": sha256_file(wanted.anchors)}
        head |= {"variances": [0.1, 0.1, 0.2, 0.2], "boxes": "cxcywh"}
    (made / "model.toml").write_text(_card(wanted, head, data), encoding="utf-8")


def _card(wanted: Wanted, head: Mapping[str, Any], data: str) -> str:
    """The card's text. Keys that were assumed are marked, so that a person sees what to check."""
    found, guess = wanted.found, wanted.guess
    precision = found.precision
    free = guess.batch is None and all(spec.shape and isinstance(spec.shape[0], str) for spec in found.outputs)
    graphs = f"graphs.{ROLE}" if precision == "fp32" else f"builds.{precision}.{ROLE}"
    params: dict[str, Any] = {
        "input_size": list(guess.size),
        "classes": list(wanted.classes),
        "score_threshold": 0.25,
        "nms_iou": 0.6,
        "max_candidates": 1000,
        "max_detections": 300,
        "inputs": 32,
        **guess.params,
    }
    tops: dict[str, Any] = {
        "schema": "npubench.model/1",
        "id": wanted.id,
        "title": {"en": wanted.id, "ko": wanted.id},
        "summary": {
            "en": f"A detector of the user's own ({wanted.onnx.name}), {len(wanted.classes)} classes.",
            "ko": f"사용자 탐지 모델({wanted.onnx.name}), 클래스 {len(wanted.classes)}개.",
        },
        "workload": "detection",
        "license": "unknown",
        "data": data,
        "precisions": [precision],
        "scopes": ["device", "service"],
        "offline_batch": 4 if free else guess.batch or 1,
    }
    lines = [
        "# Written by `npubench new model`. Keys marked # ? were assumed: compare them with the network's own code."
    ]
    lines += _pairs(tops, ())
    marked = {part.strip() for key, _ in guess.assumed for part in _keys(key)}
    lines += ["", "[params]", *_pairs(params, marked, "")]
    lines += ["", "[params.input]", *_pairs({k: v for k, v in guess.input.items() if k != "fixed"}, marked, "input.")]
    if fixed := guess.input.get("fixed"):
        lines += ["", "[params.input.fixed]", *_pairs(fixed, marked, "input.fixed.")]
    if head:
        lines += ["", "[params.head]", *_pairs(head, marked, "head.")]
    if wanted.labels is not None and precision == "fp32":
        task = {
            "metric": "map50",
            "relative_floor": 0.99,
            "reason": "MLPerf inference: at least 99 % of the reference's score on the same frames.",
        }
        lines += ["", "[[quality.task]]", *_pairs(task, ())]
    lines += ["", f"[{graphs}]", *_pairs({"file": wanted.onnx.name, "sha256": found.sha256}, ())]
    if found.files:
        lines += ["", f"[{graphs}.files]", *_pairs(found.files, ())]
    return "\n".join(lines) + "\n"


def _keys(key: str) -> Sequence[str]:
    """`input.divisor, mean` → input.divisor, input.mean."""
    prefix = key.partition(".")[0] + "." if "." in key else ""
    first, *others = key.split(", ")
    return [first, *(prefix + other for other in others)]


def _pairs(values: Mapping[str, Any], marked: Sequence[str] | set[str], prefix: str = "") -> list[str]:
    return [
        f"{_key(name)} = {_toml(value)}" + ("  # ?" if prefix + name in marked else "")
        for name, value in values.items()
    ]


def _key(name: str) -> str:
    bare = name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    return name if bare else _toml(name)


def _toml(value: Any) -> str:
    """TOML of plain values. A JSON string is a TOML string, but for DEL, which TOML wants escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    return "[" + ", ".join(_toml(item) for item in value) + "]"


def _write_frames(folder: Path, name: str, labels: Labels) -> None:
    """A data set of the user's labelled pictures, pinned by its digest like our own."""
    folder.mkdir()
    for picture in labels.names:
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(labels.folder / picture, folder / picture)
    shutil.copyfile(labels.file, folder / "annotations.json")
    card = {
        "schema": "npubench.data/1",
        "id": name,
        "kind": "frames",
        "title": {"en": f"Frames of the user's own, labelled ({name})", "ko": f"사용자의 라벨된 프레임({name})"},
        "generator": "the user",
        "seed": "none",
        "license": "unknown",
        "count": len(labels.names),
        "sha256": digest_folder(folder),
    }
    (folder / "data.toml").write_text("\n".join(_pairs(card, ())) + "\n", encoding="utf-8")
    cards.load(folder / "data.toml", cards.DataCard)
