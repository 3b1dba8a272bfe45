"""What ONNX Runtime writes while it profiles, as a `Profile`.

The file is Chrome's trace format: one event for each node of each run, `args` with provider and shapes, durations in
whole microseconds (so a node of 3 µs is known to ±20 %). The time of `If`, `Loop` and `Scan` contains that of their
bodies, which have events of their own: self time is what is left. A subgraph that a provider fused is one event.

Source: onnxruntime 1.32, `core/common/profiler.cc`; read here from files that it wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from npubench.spi import NodeTime, Profile

MAX_EVENTS = 1_000_000
"""Where ONNX Runtime stops recording, with no more than a line in its log (`kMaxNumEvents`)."""

_NS_PER_US = 1_000
_WITH_BODIES = frozenset({"If", "Loop", "Scan"})
# What ONNX Runtime appends to a node's name: copies made for quantised weights, layouts, its own profile.
_APPENDED = re.compile(r"(_token_\d+|/duplicated|_nchwc|_kernel_time)+$")

Shapes = tuple[tuple[int, ...], ...]


class _Args(msgspec.Struct, frozen=True, gc=False):
    provider: str = ""
    op_name: str = ""
    input_type_shape: list[dict[str, tuple[int, ...]]] = []
    output_type_shape: list[dict[str, tuple[int, ...]]] = []


class _Event(msgspec.Struct, frozen=True, gc=False):
    """One event; times in µs since the session began."""

    name: str
    cat: str = ""
    tid: int = 0
    ts: int = 0
    dur: int = 0
    args: _Args = _Args()


def model_name(name: str) -> str:
    """A node's own name, without what ONNX Runtime appended to it."""
    return _APPENDED.sub("", name)


def read(path: Path) -> Profile:
    """The profile in a file. Raises RuntimeError for one that is incomplete or holds no run, and OSError."""
    try:
        events = msgspec.json.decode(path.read_bytes(), type=list[_Event])
    except msgspec.DecodeError as error:
        raise RuntimeError(f"the profile that ONNX Runtime wrote cannot be read: {error}") from error
    if len(events) >= MAX_EVENTS:
        raise RuntimeError(f"the profile is full at {len(events)} events, so it is incomplete: profile fewer runs")
    runs = [event.dur for event in events if event.cat == "Session" and event.name == "model_run"]
    if not runs:
        raise RuntimeError("the profile holds no run")
    nodes = [event for event in events if event.cat == "Node" and event.args.provider]
    return Profile(rows=_rows(nodes), runs=len(runs), run_ns=sum(runs) * _NS_PER_US)


def _rows(nodes: list[_Event]) -> tuple[NodeTime, ...]:
    totals: dict[tuple[str, str, str, Shapes, Shapes], list[int]] = {}
    for event, self_us in zip(nodes, _self_us(nodes), strict=True):
        args = event.args
        at = (
            model_name(event.name),
            args.op_name,
            args.provider,
            _shapes(args.input_type_shape),
            _shapes(args.output_type_shape),
        )
        total = totals.setdefault(at, [0, 0])
        total[0] += 1
        total[1] += self_us
    return tuple(
        NodeTime(
            name=name,
            op_type=op_type,
            provider=provider,
            calls=calls,
            self_ns=self_us * _NS_PER_US,
            input_shapes=inputs,
            output_shapes=outputs,
        )
        for (name, op_type, provider, inputs, outputs), (calls, self_us) in totals.items()
    )


def _shapes(values: Iterable[dict[str, tuple[int, ...]]]) -> Shapes:
    return tuple(shape for value in values for shape in value.values())


def _self_us(nodes: list[_Event]) -> list[int]:
    """Each event's duration without that of the nodes in its body. A body runs on the thread of its node."""
    left = [event.dur for event in nodes]
    by_thread: dict[int, list[int]] = {}
    for index, event in enumerate(nodes):
        by_thread.setdefault(event.tid, []).append(index)
    for indices in by_thread.values():
        # Outermost first where two begin in the same microsecond: a body is never longer than its node.
        indices.sort(key=lambda i: (nodes[i].ts, -nodes[i].dur, nodes[i].args.op_name not in _WITH_BODIES))
        around: list[int] = []
        for index in indices:
            event = nodes[index]
            while around and event.ts + event.dur > nodes[around[-1]].ts + nodes[around[-1]].dur:
                around.pop()
            if around:
                left[around[-1]] = max(0, left[around[-1]] - event.dur)
            if event.args.op_name in _WITH_BODIES:
                around.append(index)
    return left
