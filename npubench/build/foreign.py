"""What a detector's ONNX file says of itself, and what has to be assumed, so that a card can be written for it.

`describe` looks into the file (in a child process, as `user_onnx` does); `guess` is pure: signature, head kind and the
number of classes → the tables of the card, with a sentence for each thing that the file does not say.

Guarantees: a signature that does not fit the head and the classes is a DataError that names the output, what was found
and what was expected. Not aware of: files of the room (`rooms`), runtimes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import onnx

from npubench.build.onnx_files import nodes, tensors, wrong
from npubench.build.user_onnx import inspect_onnx
from npubench.errors import DataError
from npubench.lang import here
from npubench.spi import TensorSpec
from npubench.store import sha256_file

Head = Literal["yolo", "ssd", "detr"]

# Operators that move or select values but do not change what they mean; looked through for an activation.
_MOVES = frozenset(
    [
        "Cast",
        "Concat",
        "DequantizeLinear",
        "Flatten",
        "Gather",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)
_QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"})

# Rows of an export with NMS inside or without need of it: COCO scores 100 a picture, YOLOv10 gives 300.
_MOST_FINAL = 1000

# Where the graph leaves its size open: the size that each family is trained at first (papers and reference code).
_SIZES: dict[str, tuple[int, int]] = {"yolo": (640, 640), "ssd": (300, 300), "detr": (800, 800)}

# Means and deviations of ImageNet, R, G, B of 0..1 (torchvision), which DETR's reference code normalises with.
_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A detector's file. `activations`: output → what its values have been through, "sigmoid", "softmax" or ""."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sha256: str
    files: dict[str, str]
    activations: dict[str, str]
    precision: str


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a card. `assumed`: (key, sentence) of all that the file does not say."""

    size: tuple[int, int]
    input: dict[str, Any]
    head: dict[str, Any] | None
    params: dict[str, Any]
    batch: int | None
    assumed: tuple[tuple[str, str], ...]


def describe(path: Path) -> Described:
    """The file's own words. Raises DataError as `inspect_onnx` does."""
    found = inspect_onnx(path, {})
    model = onnx.load(str(path), load_external_data=False)
    return Described(
        inputs=found.inputs,
        outputs=found.outputs,
        sha256=sha256_file(path),
        files={name: sha256_file(path.parent / name) for name in found.external},
        activations={output.name: _activation(model, output.name) for output in model.graph.output},
        precision=_precision(model),
    )


def _activation(model: onnx.ModelProto, name: str) -> str:
    """The activation that the values of an output have been through last, where one can be seen."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        tensor = waiting.pop()
        node = made_by.get(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if node.op_type in ("Sigmoid", "Softmax"):
            return str(node.op_type.lower())
        if node.op_type in _MOVES:
            waiting.extend(node.input)
    return ""


def _precision(model: onnx.ModelProto) -> str:
    """int8 for a graph with quantised operators, else the type that most of its weights have."""
    if any(node.op_type in _QUANTISED for node, _ in nodes(model)):
        return "int8"
    sizes: Counter[int] = Counter()
    for tensor in tensors(model):
        count = 1
        for dim in tensor.dims:
            count *= dim
        sizes[tensor.data_type] += count
    names: dict[int, str] = {
        onnx.TensorProto.FLOAT: "fp32",
        onnx.TensorProto.FLOAT16: "fp16",
        onnx.TensorProto.BFLOAT16: "bf16",
    }
    floats = [(size, names[kind]) for kind, size in sizes.items() if kind in names]
    return max(floats, default=(0, "fp32"))[1]


def guess(path: Path, found: Described, head: Head, classes: int, size: tuple[int, int] | None) -> Guess:
    """The card's tables for a network of `classes` classes; `path` names the file in messages. Raises DataError."""
    assumed: list[tuple[str, str]] = []
    picture, layout, batch = _picture(path, found.inputs)
    rows, columns = picture.shape[2:] if layout == "NCHW" else picture.shape[1:3]
    chosen = _size(path, (rows, columns), size, head, assumed)
    table: dict[str, Any] = {"name": picture.name, "layout": layout, "colour": "RGB"}
    assumed.append(("input.colour", here("RGB (some networks take BGR)", "RGB(BGR을 받는 모델도 있음)")))
    tables, params = (_yolo if head == "yolo" else _pair)(path, found, head, classes, assumed)
    if picture.dtype != "uint8":
        table["divisor"] = 255.0
        imagenet = tables is not None and head == "detr" and tables.get("activation") == "softmax"
        table["mean"], table["deviation"] = _IMAGENET if imagenet else ([0.0] * 3, [1.0] * 3)
        assumed.append(("input.divisor, mean, deviation", f"(pixel ÷ 255 − {table['mean']}) ÷ {table['deviation']}"))
    table["resize"] = "letterbox" if head == "yolo" else "stretch"
    table["pad"] = [114, 114, 114]
    assumed.append(("input.resize, pad", f"{table['resize']}, {table['pad']}"))
    others = [spec for spec in found.inputs if spec.name != picture.name]
    if others:
        table["fixed"] = {spec.name: _filler(spec, chosen) for spec in others}
        assumed += [(f"input.fixed.{name}", str(value)) for name, value in table["fixed"].items()]
    return Guess(size=chosen, input=table, head=tables, params=params, batch=batch, assumed=tuple(assumed))


def _picture(path: Path, inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, str, int | None]:
    """The input that takes pictures, its layout and its batch where that is fixed."""
    for spec in inputs:
        if len(spec.shape) == 4 and spec.dtype in ("float32", "float16", "uint8"):
            for layout, channels in (("NCHW", spec.shape[1]), ("NHWC", spec.shape[3])):
                if channels == 3:
                    return spec, layout, spec.shape[0] if isinstance(spec.shape[0], int) else None
    listed = ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in inputs) or "none"
    raise wrong(
        path,
        f"found inputs {listed}; expected a picture: float32, float16 or uint8 [batch, 3, H, W] or [batch, H, W, 3]",
        f"입력: {listed}. 그림 입력이 필요합니다: float32, float16, uint8 [batch, 3, H, W] 또는 [batch, H, W, 3]",
        ("export the detector with one colour picture as input", "컬러 그림을 입력으로 받게 내보내십시오"),
    )


def _size(
    path: Path,
    declared: tuple[int | str, ...],
    asked: tuple[int, int] | None,
    head: Head,
    assumed: list[tuple[str, str]],
) -> tuple[int, int]:
    rows, columns = declared
    wanted = asked or _SIZES[head]
    chosen = tuple(have if isinstance(have, int) else want for have, want in zip((rows, columns), wanted, strict=True))
    if asked is not None and chosen != asked:
        raise wrong(
            path,
            f"--size {asked[0]}x{asked[1]}: the graph takes {rows}×{columns}",
            f"--size {asked[0]}x{asked[1]}: 그래프의 입력 크기는 {rows}×{columns}입니다",
            ("leave --size out", "--size를 빼십시오"),
        )
    if asked is None and not (isinstance(rows, int) and isinstance(columns, int)):
        open_size = here(
            f"{chosen[0]}×{chosen[1]}; the graph leaves it open", f"{chosen[0]}×{chosen[1]} (그래프는 열려 있음)"
        )
        assumed.append(("input_size", open_size))
    return chosen[0], chosen[1]


def _filler(spec: TensorSpec, size: tuple[int, int]) -> Any:
    """A value for a further input: for a pair of numbers the network's size (boxes are then in its pixels), else 1."""
    return list(size) if spec.shape and spec.shape[-1] == 2 else 1


def _yolo(
    path: Path, found: Described, head: Head, classes: int, assumed: list[tuple[str, str]]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    names = [spec.name for spec in found.outputs]
    strides = sorted(int(name[5:]) for name in names if name.startswith("box_s") and name[5:].isdigit())
    if strides and all(f"cls_s{stride}" in names for stride in strides):
        # Heads like our own detector's; boxes.Heads reads them.
        return None, {"strides": strides}
    tables = [spec for spec in found.outputs if len(spec.shape) == 3]
    plain, objectness = classes + 4, classes + 5
    forms: list[tuple[str, TensorSpec]] = []
    for spec in tables:
        rows, columns = spec.shape[1:]
        few = isinstance(rows, str) or rows <= _MOST_FINAL
        if columns == 6 and few:
            forms.append(("end-to-end", spec))
        elif columns == objectness or rows == objectness:
            forms.append(("objectness", spec))
        elif plain in (rows, columns):
            forms.append(("plain", spec))
    if not forms:
        shapes = "; ".join(f"{spec.name} {list(spec.shape)}".replace("'", "") for spec in found.outputs)
        raise wrong(
            path,
            f"found outputs {shapes}; expected [batch, N, {objectness}], [batch, {plain}, N] (either may be turned) or "
            f"[batch, N, 6] for {classes} classes",
            f"출력: {shapes}. 클래스 {classes}개이면 [batch, N, {objectness}], [batch, {plain}, N] 또는 [batch, N, 6]"
            "이 필요합니다",
            _check_classes(),
        )
    form, spec = forms[0]
    if form == "end-to-end" and 6 in (plain, objectness):
        shape = str(list(spec.shape)).replace("'", "")
        assumed.append(("head.form", here(f"end-to-end, from the shape {shape}", f"end-to-end(형상 {shape}로 판단)")))
    head_table: dict[str, Any] = {"kind": "yolo", "form": form, "output": spec.name}
    if form != "end-to-end":
        # Exports of this family have the sigmoid inside, but not always as the last operator before the output.
        head_table["activation"] = "none"
        assumed.append(("head.activation", here("none: scores come as 0..1", "none: 점수가 0..1로 나옴")))
        head_table["boxes"] = "cxcywh"
    head_table["units"] = "pixels"
    assumed.append(("head.units", here("boxes are in pixels of the input", "상자는 입력 픽셀 단위")))
    return head_table, {}


def _pair(
    path: Path, found: Described, head: Head, classes: int, assumed: list[tuple[str, str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    boxes = [spec for spec in found.outputs if len(spec.shape) >= 3 and spec.shape[-1] == 4]
    rest = [spec for spec in found.outputs if spec not in boxes[:1]]
    scores = [spec for spec in rest if len(spec.shape) == 3 and spec.shape[-1] in (classes, classes + 1)]
    flat = [spec for spec in rest if len(spec.shape) == 2]
    table: dict[str, Any] = {"kind": head}
    if boxes and scores:
        spec = scores[0]
        background = spec.shape[-1] == classes + 1
        applied = found.activations.get(spec.name, "")
        if head == "detr":
            activation = "softmax" if background else "sigmoid"
        else:
            activation = "none" if applied else ("softmax" if background else "sigmoid")
        if applied and head == "detr":
            activation = "none"
        table |= {
            "boxes_output": boxes[0].name,
            "scores_output": spec.name,
            "activation": activation,
            "background": ("last" if head == "detr" else "first") if background else "none",
        }
        assumed.append(("head.activation", activation + (f" ({applied} is in the graph)" if applied else "")))
        if background:
            assumed.append(("head.background", table["background"]))
    elif boxes and len(flat) >= 2 and head == "ssd":
        whole = [spec for spec in flat if spec.dtype.startswith(("int", "uint")) or "class" in spec.name.lower()]
        labels = whole[0] if whole else flat[-1]
        values = next(spec for spec in flat if spec is not labels)
        table |= {"boxes_output": boxes[0].name, "scores_output": values.name, "labels_output": labels.name}
        table |= {"activation": "none", "background": "none", "first_label": 0}
        assumed.append(("head.labels_output, first_label", f"{labels.name}, 0"))
    else:
        shapes = "; ".join(f"{spec.name} {list(spec.shape)}".replace("'", "") for spec in found.outputs)
        more = "" if head == "detr" else " or scores [batch, N] and labels [batch, N]"
        raise wrong(
            path,
            f"found outputs {shapes}; expected boxes [batch, N, 4] and scores [batch, N, {classes}] or "
            f"[batch, N, {classes + 1}] (with background){more} for {classes} classes",
            f"출력: {shapes}. 클래스 {classes}개이면 상자 [batch, N, 4]와 점수 [batch, N, {classes}] 또는 "
            f"[batch, N, {classes + 1}]이 필요합니다",
            _check_classes(),
        )
    table["boxes"] = "cxcywh" if head == "detr" else "xyxy"
    table["units"] = "normalised"
    assumed.append(("head.boxes, units", f"{table['boxes']}, {table['units']}"))
    return table, {}


def _check_classes() -> tuple[str, str]:
    return (
        "check --head and the number of lines in --classes (one name a line, as many as the network was trained for)",
        "--head와 --classes의 줄 수를 확인하십시오(한 줄에 이름 하나, 학습한 클래스 수만큼)",
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line, in the network's order. Raises DataError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            here(f"{path}: cannot be read: {reason}", f"{path}: 읽을 수 없습니다: {reason}"),
            hint=here("give a text file in UTF-8, one class name a line", "UTF-8 텍스트, 한 줄에 클래스 이름 하나"),
        ) from None
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or "" in names or twice:
        at = names.index("") + 1 if "" in names else 0
        what = (
            here("has no class name", "클래스 이름이 없습니다")
            if not names
            else here(f"line {at} is empty", f"{at}번째 줄이 비어 있습니다")
            if at
            else here(f'the name "{twice[0]}" occurs twice', f'이름 "{twice[0]}"이 두 번 나옵니다')
        )
        raise DataError(
            f"{path}: {what}",
            hint=here(
                "one name a line, in the order of the network's classes, without the background",
                "한 줄에 이름 하나, 모델의 클래스 순서대로, 배경 제외",
            ),
        )
    return tuple(names)
