"""The three ways to run an imported graph: node by node, compiled by torch, or as a captured CUDA graph.

Each takes the inputs on the host, in pinned memory for a GPU, and gives the outputs on the device. Nothing here waits
for a GPU to finish. Guarantees: a way that cannot be gone raises, nothing falls back to another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from npubench.errors import UnsupportedError

Run = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]

# Each shape has a CUDA graph with memory of its own; a model whose shapes grow would fill the device.
MOST_GRAPHS = 32
# CUDA graphs: "a few iterations of the workload" before capture (PyTorch documentation, "CUDA semantics").
_WARM_UPS = 3
# Compiled code for so many kinds of shapes; torch's own limit of 8 is too low for batches of text lines.
_MOST_COMPILED = 64


def run_eagerly(forward: Callable[..., Any], device: torch.device) -> Run:
    """Every node by itself, at once. `forward` of a module, and not the module: its hooks cost what a node costs."""
    if device.type == "cpu":
        return lambda tensors: forward(*tensors)
    return lambda tensors: forward(*(tensor.to(device, non_blocking=True) for tensor in tensors))


def run_compiled(module: Any, device: torch.device, mode: str) -> Run:
    """torch.compile, the whole graph or nothing; compiles at the first call, and anew for shapes that it must."""
    import torch._dynamo.config
    import torch._inductor.config

    torch._dynamo.config.recompile_limit = _MOST_COMPILED
    # In this process: a pool of compilers would run on while we measure.
    torch._inductor.config.compile_threads = 1
    # Weights do not change, so they may be laid out once as the kernels want them.
    torch._inductor.config.freezing = True
    compiled = torch.compile(module, fullgraph=True, mode=mode)
    return run_eagerly(compiled, device)


def run_captured(module: Any, device: torch.device) -> Run:
    """One CUDA graph for each combination of shapes, captured when first seen. Outputs last until the next run."""
    if device.type != "cuda":
        raise UnsupportedError(f'mode "cudagraphs" needs a CUDA device, not {device.type}')
    graphs: dict[tuple[Any, ...], tuple[Any, list[torch.Tensor], Sequence[torch.Tensor]]] = {}

    def capture(tensors: Sequence[torch.Tensor]) -> tuple[Any, list[torch.Tensor], Sequence[torch.Tensor]]:
        if len(graphs) == MOST_GRAPHS:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors[:3])
            raise UnsupportedError(
                f"more than {MOST_GRAPHS} different shapes (now {shapes} …): CUDA graphs are for fixed shapes",
                hint='use mode "eager" or "compile", or the model\'s static variant',
            )
        inputs = [tensor.to(device) for tensor in tensors]
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                module(*inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = module(*inputs)
        return graph, inputs, outputs

    def run(tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        key = tuple(tuple(tensor.shape) for tensor in tensors)
        with torch.cuda.device(device):
            if key not in graphs:
                graphs[key] = capture(tensors)
            graph, inputs, outputs = graphs[key]
            for own, tensor in zip(inputs, tensors, strict=True):
                own.copy_(tensor, non_blocking=True)
            graph.replay()
        return outputs

    return run
