"""A graph whose nodes all have names of their own, and what passes between them: so that evidence can be matched.

Guarantees: a graph that has unique names already is used where it lies; else a copy with names is written to a folder,
weights copied beside it, nothing else changed. Runs in a child as a verb. Not aware of: what the names are used for.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import onnx

from npubench.errors import DataError
from npubench.spi import Artifact


def named(artifact: Artifact, folder: Path) -> tuple[Artifact, list[tuple[str, str]]]:
    """The artefact, or a copy of it with names in `folder`; and (producer, consumer) for every tensor between nodes.

    Raises DataError for a file that is no ONNX graph.
    """
    path = Path(artifact.path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises DecodeError, and others for a file that is something else
        raise DataError(f"{path.name}: not an ONNX graph: {error}") from error
    counted = Counter(node.name for node in _nodes(model.graph))
    if counted[""] or max(counted.values(), default=0) > 1:
        for number, node in enumerate(_nodes(model.graph)):
            if not node.name or counted[node.name] > 1:
                node.name = f"{node.name or node.op_type}#{number}"
        artifact = _written(model, artifact, folder)
    return artifact, list(_edges(model.graph, {}))


def _bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those in the bodies of control flow included."""
    for node in graph.node:
        yield node
        for body in _bodies(node):
            yield from _nodes(body)


def _edges(graph: onnx.GraphProto, outer: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A body reads tensors of the graphs around it by name: `outer` has their producers."""
    producers = dict(outer)
    for node in graph.node:
        for name in node.input:
            if name in producers:
                yield producers[name], node.name
        for body in _bodies(node):
            yield from _edges(body, producers)
        producers.update((name, node.name) for name in node.output if name)


def _written(model: onnx.ModelProto, artifact: Artifact, folder: Path) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(artifact.path)
    stored = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    for name in {entry.value for entry in stored if entry.key == "location"}:
        beside = folder / name
        beside.parent.mkdir(parents=True, exist_ok=True)
        # A copy: onnx and ONNX Runtime refuse weights that are links (they could lead anywhere).
        shutil.copyfile(source.parent / name, beside)
    path = folder / f"{artifact.role}.onnx"
    onnx.save(model, path)
    return msgspec.structs.replace(artifact, path=str(path))
