"""Walks an ONNX model's tensors and checks the files that they refer to.

Guarantees: no external data outside the model's own folder is accepted (absolute path, `..`, symbolic link), none that
is missing or too short. Not aware of: operators, signatures (`user_onnx`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from onnx import TensorProto

from npubench.errors import DataError
from npubench.lang import here


def wrong(path: Path, en: str, ko: str, advice: tuple[str, str]) -> DataError:
    """A DataError about `path`: what is wrong and what to do, each in English and Korean."""
    return DataError(f"{path}: {here(en, ko)}", hint=here(*advice))


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and every graph inside its nodes (If, Loop, Scan)."""
    yield graph
    yield from _inner_graphs(graph.node)


def _inner_graphs(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from graphs(inner)


def nodes(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, dict[str, int]]]:
    """Every node with the operator sets that hold for it."""
    opsets = {item.domain: item.version for item in model.opset_import}
    for graph in graphs(model.graph):
        for node in graph.node:
            yield node, opsets
    for function in model.functions:
        own = opsets | {item.domain: item.version for item in function.opset_import}
        for node in (*function.node, *(node for graph in _inner_graphs(function.node) for node in graph.node)):
            yield node, own


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: initialisers and attributes, of inner graphs and functions too."""
    for graph in graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node, _ in nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (*((attribute.sparse_tensor,) if attribute.HasField("sparse_tensor") else ()),):
                yield from (sparse.values, sparse.indices)


def check_external(path: Path, model: onnx.ModelProto) -> tuple[str, ...]:
    """The names of the external data files, all of them plain files inside the model's folder and long enough."""
    needed: dict[str, int] = {}
    for tensor in tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        try:
            end = int(entries.get("offset", "0") or 0) + int(entries.get("length", "0") or 0)
        except ValueError:
            end = -1
        if end < 0 or not location:
            advice = ("export the model again", "모델을 다시 내보내십시오")
            where = f"tensor {tensor.name}: external data"
            raise wrong(path, f"{where}: no location, or a bad offset", f"{where}: 위치나 오프셋 오류", advice)
        needed[location] = max(needed.get(location, 0), end)
    for location, size in needed.items():
        _check_location(path, location, size)
    return tuple(sorted(needed))


def _check_location(path: Path, location: str, size: int) -> None:
    inside = (
        "put the data file beside the model and export again",
        "데이터 파일을 모델과 같은 폴더에 두고 다시 내보내십시오",
    )
    parts = PurePosixPath(location.replace("\\", "/")).parts
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive or location.startswith("\\")
    if absolute or ".." in parts or "\0" in location:
        what = f"external data {location!r} lies outside the model's folder"
        raise wrong(path, what, f"외부 데이터 {location!r}가 모델 폴더 밖에 있습니다", inside)
    target = path.parent / location
    for depth in range(1, len(PurePosixPath(location).parts) + 1):
        if path.parent.joinpath(*PurePosixPath(location).parts[:depth]).is_symlink():
            what = f"external data {location!r} is a symbolic link, which may point anywhere"
            raise wrong(path, what, f"외부 데이터 {location!r}가 심볼릭 링크입니다", inside)
    if not target.is_file():
        copy = ("copy the data file along with the model", "데이터 파일을 모델과 함께 복사하십시오")
        raise wrong(path, f"external data {location!r} is missing", f"외부 데이터 {location!r}가 없습니다", copy)
    found = target.stat().st_size
    if found < size:
        copy = ("copy the data file again", "데이터 파일을 다시 복사하십시오")
        what = f"external data {location!r} is truncated: {found} bytes; expected ≥ {size}"
        raise wrong(path, what, f"외부 데이터 {location!r}가 잘렸습니다: {found} < {size} 바이트", copy)
