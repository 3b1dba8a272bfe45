"""Evidence from a run node by node: on which device each tensor came out, and how long each node took.

Times are of the host's clock around each node, its arguments looked up and the device finished; what the watching
itself costs is left out. torch.profiler was tried and left: it took a minute for the thirty thousand nodes of 64 tokens
of the smallest decoder, which run in two seconds, and the time between kernels, which is most of a small model's on a
GPU, would belong to nobody.

Guarantees: nothing of this runs in a session that is timed. Not aware of: how evidence is judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from npubench.adapters.torch_import import ONNX_NODE, Source
from npubench.spi import AssignedNode, NodeTime, Profile

HOST = "cpu"

Shape = tuple[int, ...]
Shapes = Mapping[torch.fx.Node, Shape]
Seen = Callable[["Source | None", Any, Shapes, int], None]
"""(ONNX node that the fx node stands for, its value, shapes so far, ns): called after each call."""


def walk(module: Any, inputs: Sequence[torch.Tensor], seen: Seen, finish: Callable[[], None]) -> Sequence[torch.Tensor]:
    """Computes the module node by node; `finish` waits for the device."""
    now = time.perf_counter_ns
    values: dict[torch.fx.Node, Any] = {}
    shapes: dict[torch.fx.Node, Shape] = {}
    given = iter(inputs)
    left = {node: len(node.users) for node in module.graph.nodes}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            value = next(given)
        elif node.op == "get_attr":
            value = getattr(module, node.target)
        elif node.op == "output":
            results: Sequence[torch.Tensor] = torch.fx.node.map_arg(node.args[0], values.__getitem__)
            return results
        else:
            start = now()
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            value = node.target(*args, **kwargs)
            finish()
            seen(node.meta.get(ONNX_NODE), value, shapes, now() - start)
        values[node], shapes[node] = value, shape_of(value)
        for used in node.all_input_nodes:
            left[used] -= 1
            if not left[used]:
                del values[used]
    raise AssertionError("an fx graph ends with its output")


def shape_of(value: Any) -> Shape:
    """Of a tensor, or of a host value."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return (len(value),) if isinstance(value, tuple) else ()


def first_tensor(value: Any) -> torch.Tensor | None:
    """A node's output, or the first of several; None for a host value."""
    several = value if isinstance(value, (tuple, list)) else (value,)
    return next((item for item in several if isinstance(item, torch.Tensor)), None)


def provider_of(value: Any) -> str:
    """The device type on which a value lies."""
    tensor = first_tensor(value)
    return HOST if tensor is None else str(tensor.device.type)


def assigned(module: Any, inputs: Sequence[torch.Tensor]) -> tuple[AssignedNode, ...]:
    """Each ONNX node that a run computes, with the device of what it gave. A piece ends where the device changes."""
    found: list[AssignedNode] = []

    def seen(source: Source | None, value: Any, shapes: Shapes, taken_ns: int) -> None:
        if source is None:
            return
        provider = provider_of(value)
        piece = found[-1].subgraph + (provider != found[-1].provider) if found else 0
        found.append(
            AssignedNode(
                name=source.name, op_type=source.op_type, domain=source.domain, provider=provider, subgraph=piece
            )
        )

    walk(module, inputs, seen, lambda: None)
    return tuple(found)


class Stopwatch:
    """Times of nodes over several runs; `finish` waits for the device."""

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish
        self._rows: dict[tuple[Source, str, tuple[Shape, ...], tuple[Shape, ...]], list[int]] = {}
        self._runs = 0
        self._run_ns = 0

    def run(self, module: Any, tensors: Sequence[torch.Tensor], device: torch.device) -> Sequence[torch.Tensor]:
        """One run of the module, every node timed; bringing the inputs to the device counts, and belongs to no node."""
        start = time.perf_counter_ns()
        inputs = [tensor.to(device) for tensor in tensors]
        self._finish()
        self._run_ns += time.perf_counter_ns() - start
        outputs = walk(module, inputs, self._seen, self._finish)
        self._runs += 1
        return outputs

    def _seen(self, source: Source | None, value: Any, shapes: Shapes, taken_ns: int) -> None:
        self._run_ns += taken_ns
        if source is None:
            return
        ins = tuple(item if isinstance(item, tuple) else shapes[item] for item in source.inputs)
        several = isinstance(value, (tuple, list)) and first_tensor(value) is not None
        outs = tuple(shape_of(item) for item in value) if several else (shape_of(value),)
        total = self._rows.setdefault((source, provider_of(value), ins, outs), [0, 0])
        total[0] += 1
        total[1] += taken_ns

    def profile(self) -> Profile:
        rows = tuple(
            NodeTime(
                name=source.name,
                op_type=source.op_type,
                provider=provider,
                calls=calls,
                self_ns=self_ns,
                input_shapes=ins,
                output_shapes=outs,
            )
            for (source, provider, ins, outs), (calls, self_ns) in self._rows.items()
        )
        return Profile(rows=rows, runs=self._runs, run_ns=self._run_ns)
