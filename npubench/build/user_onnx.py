"""Looks into an ONNX file that a user brings, before any runtime is allowed near it.

Guarantees: a file that is truncated, no ONNX, has operators nobody knows, or points outside its own folder for its data
is refused with a DataError that names the file, what is wrong and what to do; external data is hashed, never loaded;
every symbolic dimension has a size, and `UserModel.notes` says where each one came from.

Runs in a child process normally (a hostile file may crash the parser), but is a plain function. Not aware of: runtimes;
contrib operators of ONNX Runtime (domain com.microsoft) are accepted unseen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from npubench.build.onnx_files import check_external, nodes, wrong
from npubench.cards import did_you_mean
from npubench.lang import here
from npubench.spi import TensorSpec
from npubench.store import sha256_file

DEFAULT_SIZE = 1

# Types that numpy arrays can feed; the others (strings, bfloat16, 8- and 4-bit floats) have no seeded inputs.
_DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
}

# ONNX Runtime's own operators; the onnx package has no definitions of them.
_RUNTIME_DOMAINS = frozenset({"com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"})

# The checker's words for a graph output without a shape, which every runtime accepts; inputs are checked by `_spec`.
_NO_OUTPUT_SHAPE = "Field 'shape' of 'type' is required but missing"

# Protocol buffers cannot be larger; weights then belong into external data.
_LARGEST_BYTES = 2**31 - 1


class UserModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the graph's signature says.

    `inputs` and `outputs` keep symbolic dimensions by name; `sizes` gives each name of an input its size. `sha256` is
    the file's own where it has no external data, else the digest of the sorted lines `<sha256>  <file>` of all files.
    """

    path: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sizes: dict[str, int]
    notes: tuple[str, ...]
    external: tuple[str, ...]
    sha256: str


def inspect_onnx(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> UserModel:
    """The model in `path`; `shapes` are the user's: input name → shape. Raises DataError."""
    content = _read(path)
    model = _parse(path, content)
    try:
        return _describe(path, content, model, shapes)
    except (TypeError, UnicodeError) as error:
        # Protocol buffers hand out bytes, or raise, where damage left a name that is not UTF-8.
        advice = ("copy or export the file again", "파일을 다시 복사하거나 내보내십시오")
        raise wrong(path, f"is damaged: {error}", f"손상되었습니다: {error}", advice) from None


def _describe(path: Path, content: bytes, model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> UserModel:
    _check_operators(path, model)
    external = check_external(path, model)
    initialised = {tensor.name for tensor in model.graph.initializer}
    initialised |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = tuple(_spec(path, value) for value in model.graph.input if value.name not in initialised)
    outputs = tuple(_spec(path, value, feeds=False) for value in model.graph.output)
    _check_model(path, model, bool(external))
    sizes, notes = _choose_sizes(path, inputs, shapes)
    digests = {path.name: hashlib.sha256(content).hexdigest()}
    digests |= {name: sha256_file(path.parent / name) for name in external}
    return UserModel(
        path=str(path),
        inputs=inputs,
        outputs=outputs,
        sizes=sizes,
        notes=notes,
        external=external,
        sha256=digests[path.name] if not external else _combined(digests),
    )


def _read(path: Path) -> bytes:
    advice = ("give the path of an .onnx file that you may read", "읽을 수 있는 .onnx 파일의 경로를 지정하십시오")
    if path.is_dir():
        raise wrong(path, "is a folder; expected an ONNX file", "폴더입니다. ONNX 파일이 필요합니다", advice)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            save = ("save it with external data", "external data 형식으로 저장하십시오")
            raise wrong(path, "is larger than 2 GiB", "2 GiB보다 큽니다", save)
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror
        raise wrong(path, f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}", advice) from None


def _parse(path: Path, content: bytes) -> onnx.ModelProto:
    advice = ("copy or export the file again", "파일을 다시 복사하거나 내보내십시오")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise wrong(path, "is truncated or no ONNX file", "잘렸거나 ONNX 파일이 아닙니다", advice) from None
    # Any bytes that happen to parse (an empty file, for one) give a message without the parts that every model has.
    if not model.ir_version or not model.opset_import or not model.graph.output:
        what = "has no IR version, operator set or output: truncated, or no ONNX model"
        raise wrong(path, what, "IR 버전, 연산자 집합 또는 출력이 없습니다: 잘렸거나 ONNX 모델이 아닙니다", advice)
    return model


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    local = {(function.domain, function.name) for function in model.functions}
    newest = onnx.defs.onnx_opset_version()
    unknown: Counter[str] = Counter()
    for node, opsets in nodes(model):
        domain = "" if node.domain == "ai.onnx" else node.domain
        version = opsets.get(domain, opsets.get("ai.onnx", 0) if not domain else 0)
        if not domain and version > newest:
            advice = ("export the model with an older operator set", "더 낮은 opset으로 모델을 내보내십시오")
            raise wrong(path, f"opset {version}; expected ≤ {newest}", f"opset {version}; {newest} 이하 필요", advice)
        if domain in _RUNTIME_DOMAINS or (node.domain, node.op_type) in local:
            continue
        if not onnx.defs.has(node.op_type, domain=domain, max_inclusive_version=version):
            unknown[f"{domain}.{node.op_type}" if domain else f"{node.op_type} (opset {version})"] += 1
    if unknown:
        listed = ", ".join(f"{name} × {count}" if count > 1 else name for name, count in sorted(unknown.items()))
        advice = (
            "export with standard operators; npubench does not load libraries of custom operators",
            "표준 연산자로 내보내십시오. 사용자 정의 연산자 라이브러리는 불러오지 않습니다",
        )
        raise wrong(path, f"unknown operators: {listed}", f"알 수 없는 연산자: {listed}", advice)


def _check_model(path: Path, model: onnx.ModelProto, external: bool) -> None:
    """The onnx checker's opinion. Gives outputs without a shape one, so `model` is not used afterwards."""
    for output in model.graph.output:
        if output.type.HasField("tensor_type") and not output.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.SetInParent()
    try:
        # With external data the checker needs the path, to look for the files; else the parsed model is enough.
        onnx.checker.check_model(str(path) if external else model)
    except Exception as error:
        # ValidationError, but InferenceError, ValueError or RuntimeError too, as the damage would have it.
        if external and _NO_OUTPUT_SHAPE in str(error):
            return
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        advice = ("check the export with onnx.checker", "onnx.checker로 내보낸 모델을 확인하십시오")
        raise wrong(path, f"not a valid model: {reason}", f"올바른 모델이 아닙니다: {reason}", advice) from None


def _spec(path: Path, value: onnx.ValueInfoProto, feeds: bool = True) -> TensorSpec:
    kind = value.type.WhichOneof("value")
    tensor = value.type.tensor_type
    if kind != "tensor_type" or tensor.elem_type not in _DTYPES:
        if not feeds:
            return TensorSpec(name=value.name, dtype=_type_name(value.type), shape=())
        found = _type_name(value.type)
        what = f"input {value.name}: type {found} cannot be fed; expected a tensor of {', '.join(_DTYPES.values())}"
        advice = ("export the model with plain tensor inputs", "입력이 일반 텐서인 모델로 내보내십시오")
        raise wrong(path, what, f"입력 {value.name}: {found} 형식은 넣을 수 없습니다", advice)
    if feeds and not tensor.HasField("shape"):
        what = f"input {value.name}: the graph does not say how many dimensions it has"
        advice = ("export the model with input shapes", "입력 형상을 넣어 모델을 내보내십시오")
        raise wrong(path, what, f"입력 {value.name}: 차원 수가 없습니다", advice)
    shape = tuple(_dimension(value.name, i, dim) for i, dim in enumerate(tensor.shape.dim))
    return TensorSpec(name=value.name, dtype=_DTYPES[tensor.elem_type], shape=shape)


def _type_name(kind: Any) -> str:
    which = kind.WhichOneof("value")
    if which != "tensor_type":
        return str(which or "unknown").removesuffix("_type")
    number = kind.tensor_type.elem_type
    known = number in TensorProto.DataType.values()
    return str(TensorProto.DataType.Name(number)).lower() if known else f"number {number}"


def _dimension(name: str, index: int, dim: Any) -> int | str:
    """The size, else the symbol; a dimension with neither gets the name that the ORT adapter gives it."""
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return str(dim.dim_param) or f"{name}_{index}"


def _choose_sizes(
    path: Path, inputs: tuple[TensorSpec, ...], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, int], tuple[str, ...]]:
    known = [spec.name for spec in inputs]
    for name in shapes:
        if name not in known:
            guess = did_you_mean(name, known)
            what = f"--shape {name}: no such input{guess}"
            advice = (f"its inputs: {', '.join(known) or 'none'}", f"입력: {', '.join(known) or '없음'}")
            raise wrong(path, what, f"--shape {name}: 그런 입력이 없습니다{guess}", advice)
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    for spec in inputs:
        if (given := shapes.get(spec.name)) is not None:
            _apply_shape(path, spec, given, sizes, origin)
    notes: list[str] = []
    for spec in inputs:
        for dim in spec.shape:
            if isinstance(dim, str) and dim not in sizes:
                sizes[dim] = DEFAULT_SIZE
                example = "x".join(str(DEFAULT_SIZE if isinstance(d, str) else d) for d in spec.shape)
                notes.append(
                    here(
                        f"{spec.name}: dimension {dim} is symbolic; {DEFAULT_SIZE} is used "
                        f"(choose with --shape {spec.name}={example})",
                        f"{spec.name}: 차원 {dim}은 기호이므로 {DEFAULT_SIZE}을 씁니다 "
                        f"(--shape {spec.name}={example}로 지정)",
                    )
                )
    notes += [
        here(f"dimension {dim} is {sizes[dim]}, from --shape {name}", f"차원 {dim} = {sizes[dim]} (--shape {name})")
        for dim, name in origin.items()
    ]
    return sizes, tuple(notes)


def _apply_shape(
    path: Path, spec: TensorSpec, given: tuple[int, ...], sizes: dict[str, int], origin: dict[str, str]
) -> None:
    """Matches one --shape with the signature; fills `sizes` and `origin` (symbol → the input that gave it)."""
    signature = "x".join(map(str, spec.shape)) or "scalar"
    option = f"--shape {spec.name}={'x'.join(map(str, given))}"
    advice = (f"its shape in the graph: {signature}", f"그래프의 형상: {signature}")
    if len(given) != len(spec.shape):
        what = f"{option}: {len(given)} dimensions; expected {len(spec.shape)}"
        raise wrong(path, what, f"{option}: {len(given)}차원; {len(spec.shape)}차원 필요", advice)
    for index, (dim, size) in enumerate(zip(spec.shape, given, strict=True)):
        if size < 0:
            raise wrong(path, f"{option}: {size} is negative", f"{option}: {size}는 음수입니다", advice)
        if isinstance(dim, int) and dim != size:
            what = f"{option}: dimension {index} is {size}; the graph fixes it at {dim}"
            raise wrong(path, what, f"{option}: {index}번 차원은 그래프에서 {dim}로 고정되어 있습니다", advice)
        if isinstance(dim, str):
            if sizes.setdefault(dim, size) != size:
                what = f"{option}: dimension {dim} is {size} here but {sizes[dim]} for input {origin[dim]}"
                raise wrong(path, what, f"{option}: 차원 {dim}이 입력 {origin[dim]}에서는 {sizes[dim]}입니다", advice)
            origin.setdefault(dim, spec.name)


def _combined(digests: Mapping[str, str]) -> str:
    lines = sorted(f"{sha256}  {name}\n" for name, sha256 in digests.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
