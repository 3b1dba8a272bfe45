"""One ONNX node while it is being turned into a torch call, and the table of operators that can be.

A rule takes an `Op` and gives a `Call`: which torch function runs, on which arguments. Attributes, opset differences
and constants are dealt with here, once, and not at run time. The call's arguments are fx nodes, constant tensors and
plain Python values; a call without fx nodes is computed at once (`torch_import`).

Semantics: the ONNX operator specification, opsets 11 to 25. Not aware of: devices, files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import onnx
import torch

from npubench.adapters import torch_host
from npubench.adapters.torch_types import TYPES, attribute
from npubench.errors import UnsupportedError

OLDEST_OPSET = 11
# Newer definitions of an operator than this have not been read.
NEWEST_OPSET = 25

# A constant of more elements than this is data, not a shape.
_MOST_SIZES = 64


class Constant(NamedTuple):
    """A value known when the model is read. `kind`: its ONNX type; 0 where the file does not say."""

    kind: int
    tensor: torch.Tensor


class Traced(NamedTuple):
    """A value that a run computes. `host`: a Python number (`rank` 0) or tuple (`rank` 1) instead of a tensor."""

    kind: int
    node: torch.fx.Node
    host: bool = False
    rank: int = 0


Value = Constant | Traced


class Call(NamedTuple):
    """`function(*args, **kwargs)`, which returns a tuple where the node has several outputs."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = MappingProxyType({})


class HostCall(NamedTuple):
    """A call whose result stays on the host."""

    call: Call
    kind: int
    rank: int


class Op:
    """A node, its inputs' values and its attributes. Lives while the node is read."""

    def __init__(
        self,
        node: onnx.NodeProto,
        opset: int,
        inputs: tuple[Value | None, ...],
        device: str,
        emit: Callable[[Call], torch.fx.Node],
        channels_last: bool,
    ) -> None:
        self.node = node
        self.opset = opset
        self.inputs = inputs
        self.device = device
        self.channels_last = channels_last
        self._emit = emit
        self._attributes: Mapping[str, Any] = {item.name: attribute(item) for item in node.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        return self._attributes.get(name, default)

    def refuse(self, why: str) -> UnsupportedError:
        """The error for a node that torch cannot run, or not with ONNX's meaning."""
        return UnsupportedError(f"{described(self.node, self.opset)}: {why}")

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        found = self.inputs[index] if self.has(index) else None
        if found is None:
            raise self.refuse(f"input {index} is missing")
        return found

    def kind(self, index: int) -> int:
        return self.value(index).kind

    def dtype(self, index: int) -> torch.dtype | None:
        kind = self.kind(index)
        return TYPES[kind].tensor if kind in TYPES else None

    def tensor(self, index: int) -> Any:
        """The input as a tensor on the device; a constant as it is, so that it can be prepared here."""
        found = self.value(index)
        if isinstance(found, Constant):
            return found.tensor
        if not found.host:
            return found.node
        dtype = TYPES[found.kind].tensor if found.kind in TYPES else torch.int64
        return self._emit(Call(torch_host.to_tensor, (found.node, dtype, self.device)))

    def optional(self, index: int) -> Any:
        return self.tensor(index) if self.has(index) else None

    def constant(self, index: int) -> torch.Tensor | None:
        found = self.inputs[index] if self.has(index) else None
        return found.tensor if isinstance(found, Constant) else None

    def operand(self, index: int) -> Any:
        """As `tensor`, but a constant of rank 0 as a Python number: torch's kernels take it as an argument."""
        found = self.constant(index)
        return found.item() if found is not None and found.ndim == 0 else self.tensor(index)

    def host(self, index: int) -> Any:
        """The input as a host value: a Python number or tuple, or the fx node that gives one."""
        found = self.value(index)
        if isinstance(found, Constant):
            if found.tensor.ndim > 1:
                raise self.refuse(f"input {index} has rank {found.tensor.ndim}; expected a list of numbers")
            return torch_host.to_host(found.tensor)
        return found.node if found.host else self._emit(Call(torch_host.to_host, (found.node,)))

    def numbers(self, name: str, index: int) -> Any:
        """A host tuple that older opsets have in an attribute and newer ones in an input; None where neither is."""
        found = self.attribute(name)
        return self.host(index) if found is None and self.has(index) else found

    def is_host(self, index: int) -> bool:
        found = self.inputs[index] if self.has(index) else None
        return isinstance(found, Traced) and found.host

    def may_be_host(self, index: int) -> bool:
        """A host value already, or a constant that is short enough to be one."""
        found = self.inputs[index] if self.has(index) else None
        if isinstance(found, Traced):
            return found.host
        return found is not None and found.tensor.ndim <= 1 and found.tensor.numel() <= _MOST_SIZES

    def host_rank(self, index: int) -> int:
        found = self.value(index)
        return found.tensor.ndim if isinstance(found, Constant) else found.rank


Rule = Callable[[Op], Call]
HostRule = Callable[[Op], "HostCall | None"]

RULES: dict[str, Rule] = {}
HOST_RULES: dict[str, HostRule] = {}
# Operators whose output may be the memory of their first input.
VIEWS: set[str] = set()


def rule(*names: str, view: bool = False) -> Callable[[Rule], Rule]:
    """Enters a rule for these operators of the default domain."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        VIEWS.update(names if view else ())
        return function

    return enter


def host_rule(*names: str) -> Callable[[HostRule], HostRule]:
    """Enters a rule for operators on host values. It gives None where the result would not be one."""

    def enter(function: HostRule) -> HostRule:
        HOST_RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def described(node: onnx.NodeProto, opset: int) -> str:
    """How a node is called in errors."""
    where = node.name or (f"→ {node.output[0]}" if node.output else "without a name")
    return f"{node.op_type} ({node.domain or 'ai.onnx'}, opset {opset}), node {where}"
