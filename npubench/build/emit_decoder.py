"""Builds ONNX graphs from the language definitions in `nets`: decomposed standard operators, dynamic key/value cache.

Positions and the causal mask come from the shapes of the inputs, inside the graph. Grouped-query attention copies no
key or value. Other forms of the same definition: `emit_variants`. Not aware of: what `emit` is not aware of.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.build import weights
from npubench.build.emit import Graph, Value
from npubench.build.nets.rope import Rope, frequencies
from npubench.build.nets.vocabulary import EPSILON

# Seeded biases are small beside queries of deviation 4 and keys of deviation 1.
BIAS_GAIN = 0.25
# Added to the scores of future positions. Finite and small enough for fp16, far beyond any score.
MASKED = -10_000.0


class DecoderGraph(Graph):
    """A graph with the words of `nets.vocabulary.Decoder[Value]`; lives until `finish`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._positions: dict[str, str] = {}
        self._past: dict[str, Value] = {}
        self._present: list[onnx.ValueInfoProto] = []

    def output(self, name: str, x: Value) -> None:
        """The keys and values of `cached` follow this output."""
        super().output(name, x)
        self._outputs += self._present

    def tokens(self, name: str, layers: int, kv_heads: int, head_dim: int) -> Value:
        ids = self._input(name, TensorProto.INT64, ("batch", "tokens"))
        for layer in range(layers):
            for kind in ("key", "value"):
                past = f"past.{layer}.{kind}"
                self._past[past] = self._input(past, TensorProto.FLOAT, ("batch", kv_heads, "past", head_dim))
        return ids

    def embed(self, ids: Value, name: str, vocab: int, width: int, deviation: float) -> Value:
        # A uniform value in (−1, 1) has deviation 1/√3.
        table = self._weight(f"{name}.weight", (vocab, width), weights.Uniform(gain=_float32(deviation * math.sqrt(3))))
        return self._node("Gather", [table, ids.name], (*ids.shape, width), name, axis=0)

    def _norm_weight(self, x: Value, name: str) -> str:
        return self._weight(f"{name}.weight", (self._width(x),), weights.Uniform(gain=0.125, offset=1.0))

    def rms_norm(self, x: Value, name: str, epsilon: float = EPSILON) -> Value:
        # Pow, ReduceMean, Add, Sqrt, Div, Mul: the decomposition that runtimes recognise and fuse.
        weight = self._norm_weight(x, name)
        reduced = (*x.shape[:-1], 1)
        square = self._node("Pow", [x.name, self._constant(2.0, np.float32)], x.shape, f"{name}.square")
        mean = self._node("ReduceMean", [square.name, self._constant([-1])], reduced, f"{name}.mean", keepdims=1)
        safe = self._node("Add", [mean.name, self._constant(epsilon, np.float32)], reduced, f"{name}.safe")
        root = self._node("Sqrt", [safe.name], reduced, f"{name}.root")
        unit = self._node("Div", [x.name, root.name], x.shape, f"{name}.unit")
        return self._node("Mul", [unit.name, weight], x.shape, name)

    def linear(self, x: Value, name: str, width: int, gain: float = 1.0, bias: bool = False) -> Value:
        fan = self._width(x)
        init = weights.Uniform(gain=_float32(gain * math.sqrt(3 / fan)))
        weight = self._weight(f"{name}.weight", (fan, width), init)
        self._count((*x.shape[:-1], width), fan)
        y = self._node("MatMul", [x.name, weight], (*x.shape[:-1], width), name)
        if not bias:
            return y
        offset = self._weight(f"{name}.bias", (width,), weights.Uniform(gain=BIAS_GAIN))
        return self._node("Add", [y.name, offset], y.shape, f"{name}.biased")

    def heads(self, x: Value, count: int) -> Value:
        size = self._width(x) // count
        split = self._node("Reshape", [x.name, self._constant([0, 0, count, size])], ("batch", "tokens", count, size))
        return self._node("Transpose", [split.name], ("batch", count, "tokens", size), perm=(0, 2, 1, 3))

    def rotary(self, x: Value, rope: Rope) -> Value:
        half = self._width(x) // 2
        cos, sin = self._angles(half, rope)
        halves = [f"split_{self._counter}.{side}" for side in ("left", "right")]
        split = helper.make_node(
            "Split", [x.name], halves, name=f"split_{self._counter}", axis=-1, num_outputs=len(halves)
        )
        self._nodes.append(split)
        negated = self._node("Neg", [halves[1]], (*x.shape[:-1], half))
        turned = self._node("Concat", [negated.name, halves[0]], x.shape, axis=-1)
        straight = self._node("Mul", [x.name, cos], x.shape)
        across = self._node("Mul", [turned.name, sin], x.shape)
        return self.add(straight, across)

    def cached(self, x: Value, layer: int, kind: str) -> Value:
        past = self._past[f"past.{layer}.{kind}"]
        shape = (*x.shape[:2], "past+tokens", x.shape[3])
        joined = self._node("Concat", [past.name, x.name], shape, f"cache.{layer}.{kind}", axis=2)
        present = f"present.{layer}.{kind}"
        self._rename(joined, present)
        self._present.append(helper.make_tensor_value_info(present, TensorProto.FLOAT, shape))
        return Value(present, shape)

    def attend(self, query: Value, key: Value, value: Value, window: int | None = None) -> Value:
        # The query heads of one key/value head are laid end to end, so that no key or value is copied.
        groups, size = int(key.shape[1]), self._width(query)
        each = int(query.shape[1]) // groups
        rows, keys = "group·tokens", "past+tokens"
        split = self._constant([0, groups, -1, size])
        grouped = self._node("Reshape", [query.name, split], ("batch", groups, rows, size))
        scaled = self._node("Mul", [grouped.name, self._constant(size**-0.5, np.float32)], grouped.shape)
        turned = self._node("Transpose", [key.name], (*key.shape[:2], size, keys), perm=(0, 1, 3, 2))
        scores = self._node("MatMul", [scaled.name, turned.name], ("batch", groups, rows, keys))
        shape = self._position("scores_shape", groups, each)
        apart = self._node("Reshape", [scores.name, shape], ("batch", groups, each, "tokens", keys))
        causal = self._node("Add", [apart.name, self._mask(window)], apart.shape)
        shares = self._node("Softmax", [causal.name], apart.shape, axis=-1)
        flat = self._node("Reshape", [shares.name, self._position("flat_shape", groups, each)], scores.shape)
        mixed = self._node("MatMul", [flat.name, value.name], grouped.shape)
        parted = self._node(
            "Reshape",
            [mixed.name, self._position("heads_shape", groups, each, size)],
            ("batch", groups * each, "tokens", size),
        )
        back = self._node("Transpose", [parted.name], ("batch", "tokens", groups * each, size), perm=(0, 2, 1, 3))
        width = groups * each * size
        return self._node("Reshape", [back.name, self._constant([0, 0, width])], ("batch", "tokens", width))

    def silu(self, x: Value) -> Value:
        return self.multiply(x, self._node("Sigmoid", [x.name], x.shape))

    def multiply(self, a: Value, b: Value) -> Value:
        return self._node("Mul", [a.name, b.name], a.shape)

    def last(self, x: Value) -> Value:
        return self._node("Gather", [x.name, self._constant(-1)], (x.shape[0], *x.shape[2:]), "last", axis=1)

    def tied_logits(self, x: Value, name: str) -> Value:
        weight = f"{name}.weight"
        vocab, width = self._weights[weight][0]
        self._count(("batch", vocab), width)
        return self._node("Gemm", [x.name, weight], (x.shape[0], vocab), "head", transB=1)

    def logits(self, x: Value, name: str, vocab: int, gain: float) -> Value:
        width = self._width(x)
        init = weights.Uniform(gain=_float32(gain * math.sqrt(3 / width)))
        weight = self._weight(f"{name}.weight", (vocab, width), init)
        self._count(("batch", vocab), width)
        return self._node("Gemm", [x.name, weight], (x.shape[0], vocab), name, transB=1)

    def _width(self, x: Value) -> int:
        size = x.shape[-1]
        assert isinstance(size, int)
        return size

    def _angles(self, half: int, rope: Rope) -> tuple[str, str]:
        """The cosines and sines of this call's positions, [tokens,2·half], made once."""
        if "cos" not in self._positions:
            column = self._made("column")
            once = frequencies(rope, half)
            row = numpy_helper.from_array(np.concatenate([once, once])[None], "rope.frequencies")
            self._constants[row.name] = row
            angles = self._node("Mul", [column, row.name], ("tokens", 2 * half), "rope.angles")
            for op in ("Cos", "Sin"):
                self._positions[op.lower()] = self._node(op, [angles.name], angles.shape, f"rope.{op.lower()}").name
        return self._positions["cos"], self._positions["sin"]

    def _made(self, kind: str) -> str:
        """One of the tensors of `_make_positions`, made once."""
        if kind not in self._positions:
            self._positions |= self._make_positions()
        return self._positions[kind]

    def _mask(self, window: int | None) -> str:
        """What is added to the scores [tokens,past+tokens]; with a window only the last `window` positions are seen."""
        mask = self._made("mask")
        if window is None:
            return mask
        name = f"mask.window.{window}"
        if name not in self._positions:
            seen, rows, keys = (self._positions[kind] for kind in ("seen", "rows", "keys"))
            first = self._node("Sub", [rows, self._constant(window)], ("tokens", 1), f"{name}.first")
            near = self._node("Greater", [keys, first.name], ("tokens", "past+tokens"), f"{name}.near")
            both = self._node("And", [seen, near.name], near.shape, f"{name}.seen")
            zero, hidden = self._constant(0.0, np.float32), self._constant(MASKED, np.float32)
            self._positions[name] = self._node("Where", [both.name, zero, hidden], near.shape, name).name
        return self._positions[name]

    def _make_positions(self) -> dict[str, str]:
        """Position ids and the causal mask, from the shapes of the inputs."""
        past_shape = self._node("Shape", ["past.0.key"], (4,), "past.shape")
        ids_shape = self._node("Shape", ["input_ids"], (2,), "ids.shape")
        past = self._node("Gather", [past_shape.name, self._constant(2)], (), "past.length", axis=0)
        new = self._node("Gather", [ids_shape.name, self._constant(1)], (), "tokens.length", axis=0)
        total = self._node("Add", [past.name, new.name], (), "total.length")
        step = self._constant(1)
        queries = self._node("Range", [past.name, total.name, step], ("tokens",), "positions.query")
        keys = self._node("Range", [self._constant(0), total.name, step], ("past+tokens",), "positions.key")
        rows = self._node("Unsqueeze", [queries.name, self._constant([1])], ("tokens", 1), "positions.rows")
        seen = self._node("LessOrEqual", [keys.name, rows.name], ("tokens", "past+tokens"), "mask.seen")
        zero, hidden = self._constant(0.0, np.float32), self._constant(MASKED, np.float32)
        mask = self._node("Where", [seen.name, zero, hidden], seen.shape, "mask")
        column = self._node("Cast", [rows.name], rows.shape, "positions.column", to=TensorProto.FLOAT)
        new_row = self._node("Unsqueeze", [new.name, self._constant([0])], (1,), "tokens.row")
        total_row = self._node("Unsqueeze", [total.name, self._constant([0])], (1,), "total.row")
        return {
            "mask": mask.name,
            "column": column.name,
            "new": new_row.name,
            "total": total_row.name,
            "seen": seen.name,
            "rows": rows.name,
            "keys": keys.name,
        }

    def _position(self, kind: str, groups: int, each: int, size: int = 0) -> str:
        """One of the target shapes of `attend`, made once."""
        if kind not in self._positions:
            new, total = self._made("new"), self._made("total")
            zero, rest = self._constant([0]), self._constant([-1])
            parts = {
                "scores_shape": [zero, self._constant([groups]), self._constant([each]), new, total],
                "flat_shape": [zero, self._constant([groups]), rest, total],
                "heads_shape": [zero, self._constant([groups * each]), new, self._constant([size])],
            }[kind]
            self._positions[kind] = self._node("Concat", parts, (len(parts),), f"shape.{kind}", axis=0).name
        return self._positions[kind]


def _float32(value: float) -> float:
    """`value` rounded so that the table says what the float32 arithmetic uses."""
    return float(np.float32(value))
