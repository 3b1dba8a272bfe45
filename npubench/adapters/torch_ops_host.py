"""Rules for shape arithmetic: what stays a Python number or a tuple of them. See `torch_host`, `torch_op`."""

from __future__ import annotations

from onnx import TensorProto

from npubench.adapters import torch_host as host
from npubench.adapters.torch_op import Call, HostCall, Op, host_rule

_INT64 = int(TensorProto.INT64)
_BOOL = int(TensorProto.BOOL)
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)

_BINARY = {"Add": host.add, "Sub": host.sub, "Mul": host.mul, "Div": host.div, "Min": host.minimum, "Max": host.maximum}
_UNARY = {"Neg": host.neg, "Identity": host.same}


@host_rule("Shape")
def _shape(op: Op) -> HostCall | None:
    call = Call(host.shape, (op.tensor(0), op.attribute("start", 0), op.attribute("end")))
    return HostCall(call, _INT64, 1)


@host_rule("Size")
def _size(op: Op) -> HostCall | None:
    return HostCall(Call(host.size, (op.tensor(0),)), _INT64, 0)


@host_rule(*_BINARY)
def _binary(op: Op) -> HostCall | None:
    if len(op.inputs) != 2:
        return None
    rank = max(op.host_rank(0), op.host_rank(1))
    return HostCall(Call(_BINARY[op.node.op_type], (op.host(0), op.host(1))), op.kind(0), rank)


@host_rule("Mod")
def _mod(op: Op) -> HostCall | None:
    if op.attribute("fmod", 0):
        return None
    return HostCall(Call(host.mod, (op.host(0), op.host(1))), op.kind(0), max(op.host_rank(0), op.host_rank(1)))


@host_rule("Equal")
def _equal(op: Op) -> HostCall | None:
    return HostCall(Call(host.equal, (op.host(0), op.host(1))), _BOOL, max(op.host_rank(0), op.host_rank(1)))


@host_rule("Where")
def _where(op: Op) -> HostCall | None:
    rank = max(op.host_rank(index) for index in range(3))
    return HostCall(Call(host.where, (op.host(0), op.host(1), op.host(2))), op.kind(1), rank)


@host_rule(*_UNARY)
def _unary(op: Op) -> HostCall | None:
    return HostCall(Call(_UNARY[op.node.op_type], (op.host(0),)), op.kind(0), op.host_rank(0))


@host_rule("Cast")
def _cast(op: Op) -> HostCall | None:
    # Only integers stay: a size that is scaled in float32 must be rounded as float32 is.
    to = int(op.attribute("to"))
    return HostCall(Call(host.to_int, (op.host(0),)), to, op.host_rank(0)) if to in _INTEGERS else None


@host_rule("Gather")
def _gather(op: Op) -> HostCall | None:
    if op.host_rank(0) != 1 or op.attribute("axis", 0) not in (0, -1):
        return None
    return HostCall(Call(host.gather, (op.host(0), op.host(1))), op.kind(0), op.host_rank(1))


@host_rule("Concat")
def _concat(op: Op) -> HostCall | None:
    if any(op.host_rank(index) != 1 for index in range(len(op.inputs))):
        return None
    return HostCall(Call(host.concat, tuple(op.host(index) for index in range(len(op.inputs)))), op.kind(0), 1)


@host_rule("Slice")
def _slice(op: Op) -> HostCall | None:
    if op.host_rank(0) != 1 or any(op.constant(index) is None for index in (1, 2)):
        return None
    bounds = [op.host(index)[0] for index in (1, 2)]
    step = op.host(4)[0] if op.has(4) else 1
    return HostCall(Call(host.piece, (op.host(0), *bounds, step)), op.kind(0), 1)


@host_rule("Unsqueeze")
def _unsqueeze(op: Op) -> HostCall | None:
    if op.host_rank(0) != 0:
        return None
    return HostCall(Call(host.row, (op.host(0),)), op.kind(0), 1)


@host_rule("Squeeze")
def _squeeze(op: Op) -> HostCall | None:
    return HostCall(Call(host.only, (op.host(0),)), op.kind(0), 0) if op.host_rank(0) == 1 else None


@host_rule("Reshape")
def _reshape(op: Op) -> HostCall | None:
    target = op.constant(1)
    if target is None or target.numel() > 1:
        return None
    rank = target.numel()
    if rank == op.host_rank(0):
        return HostCall(Call(host.same, (op.host(0),)), op.kind(0), rank)
    return HostCall(Call(host.row if rank else host.only, (op.host(0),)), op.kind(0), rank)


@host_rule("ReduceProd")
def _product(op: Op) -> HostCall | None:
    if op.host_rank(0) != 1 or op.attribute("keepdims", 1):
        return None
    return HostCall(Call(host.product, (op.host(0),)), op.kind(0), 0)
