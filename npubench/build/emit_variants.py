"""Other forms of a language definition: whole operators of opset 23; fixed shapes with a cache that the host writes.

Guarantees the same weights, in the same order and so in the same external-data file, and the same values but for the
rounding of float32 sums. Not aware of: what `emit_decoder` is not aware of.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from npubench.build.emit import Value
from npubench.build.emit_decoder import DecoderGraph
from npubench.build.nets.rope import Rope, frequencies
from npubench.build.nets.vocabulary import EPSILON


class FusedGraph(DecoderGraph):
    """Attention, RMSNormalization and RotaryEmbedding as single operators; shapes and cache as in the portable form.

    The mask is an input of Attention and not its `is_causal`, whose meaning beside a cache opset 23 leaves open.
    """

    # Attention, RMSNormalization and RotaryEmbedding came with opset 23, which asks for IR version 11.
    opset, ir_version = 23, 11

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._cache_of: dict[str, str] = {}

    def rms_norm(self, x: Value, name: str, epsilon: float = EPSILON) -> Value:
        weight = self._norm_weight(x, name)
        return self._node("RMSNormalization", [x.name, weight], x.shape, name, axis=-1, epsilon=epsilon)

    def rotary(self, x: Value, rope: Rope) -> Value:
        cos, sin = self._angles(self._width(x) // 2, rope)
        return self._node("RotaryEmbedding", [x.name, cos, sin], x.shape)

    def cached(self, x: Value, layer: int, kind: str) -> Value:
        self._cache_of[x.name] = f"{layer}.{kind}"
        return x

    def attend(self, query: Value, key: Value, value: Value, window: int | None = None) -> Value:
        names = [self._cache_of[key.name], self._cache_of[value.name]]
        heads, size = int(query.shape[1]), self._width(query)
        node = f"attend.{names[0].partition('.')[0]}"
        self._nodes.append(
            helper.make_node(
                "Attention",
                [query.name, key.name, value.name, self._mask(window), *(f"past.{name}" for name in names)],
                [f"{node}.out", *(f"present.{name}" for name in names)],
                name=node,
            )
        )
        for name, x in zip(names, (key, value), strict=True):
            shape = (*x.shape[:2], "past+tokens", x.shape[3])
            self._present.append(helper.make_tensor_value_info(f"present.{name}", TensorProto.FLOAT, shape))
        back = self._node("Transpose", [f"{node}.out"], ("batch", "tokens", heads, size), perm=(0, 2, 1, 3))
        width = heads * size
        return self._node("Reshape", [back.name, self._constant([0, 0, width])], ("batch", "tokens", width))

    def _angles(self, half: int, rope: Rope) -> tuple[str, str]:
        """RotaryEmbedding takes [batch,tokens,half]: the rows of this call, for every row of the batch."""
        if "cos" not in self._positions:
            row = numpy_helper.from_array(frequencies(rope, half)[None], "rope.frequencies")
            self._constants[row.name] = row
            angles = self._node("Mul", [self._made("column"), row.name], ("tokens", half), "rope.angles")
            ids = self._node("Shape", ["input_ids"], (2,), "rope.ids")
            shape = self._node("Concat", [ids.name, self._constant([half])], (3,), "rope.shape", axis=0)
            for op in ("Cos", "Sin"):
                table = self._node(op, [angles.name], angles.shape, f"rope.{op.lower()}.row")
                each = ("batch", "tokens", half)
                self._positions[op.lower()] = self._node(
                    "Expand", [table.name, shape.name], each, f"rope.{op.lower()}"
                ).name
        return self._positions["cos"], self._positions["sin"]


class StaticGraph(DecoderGraph):
    """Every shape fixed, batch 1, at most four dimensions, no shape arithmetic: what NPU compilers take.

    Inputs: `input_ids` [1,tokens], `positions` int64 [tokens], `mask` [tokens,past+tokens] (0 where a key is seen, a
    large negative number elsewhere) and, with a past, `past.{l}.key|value` [1,kv_heads,past,head_dim], of which the
    mask decides what counts. Outputs: `logits` [1,vocab] of the last token, `new.{l}.key|value` of these tokens only.
    Angles come from a table of `length` positions. No sliding windows: there is one mask.
    """

    def __init__(self, name: str, tokens: int, past: int, length: int) -> None:
        super().__init__(name)
        self._new, self._kept, self._length = tokens, past, length

    def tokens(self, name: str, layers: int, kv_heads: int, head_dim: int) -> Value:
        ids = self._input(name, TensorProto.INT64, (1, self._new))
        self._input("positions", TensorProto.INT64, (self._new,))
        self._input("mask", TensorProto.FLOAT, (self._new, self._kept + self._new))
        for layer in range(layers) if self._kept else ():
            for kind in ("key", "value"):
                past = f"past.{layer}.{kind}"
                self._past[past] = self._input(past, TensorProto.FLOAT, (1, kv_heads, self._kept, head_dim))
        return ids

    def heads(self, x: Value, count: int) -> Value:
        size = self._width(x) // count
        shape = (1, self._new, count, size)
        split = self._node("Reshape", [x.name, self._constant(shape)], shape)
        return self._node("Transpose", [split.name], (1, count, self._new, size), perm=(0, 2, 1, 3))

    def cached(self, x: Value, layer: int, kind: str) -> Value:
        new = Value(f"new.{layer}.{kind}", x.shape)
        self._rename(x, new.name)
        self._present.append(helper.make_tensor_value_info(new.name, TensorProto.FLOAT, x.shape))
        if not self._kept:
            return new
        past = self._past[f"past.{layer}.{kind}"]
        shape = (*x.shape[:2], self._kept + self._new, x.shape[3])
        return self._node("Concat", [past.name, new.name], shape, f"cache.{layer}.{kind}", axis=2)

    def attend(self, query: Value, key: Value, value: Value, window: int | None = None) -> Value:
        if window is not None:
            raise ValueError(
                f"{self._name}: a window of {window} positions; the static form has one mask for all layers"
            )
        groups, keys, size = int(key.shape[1]), int(key.shape[2]), self._width(query)
        each = int(query.shape[1]) // groups
        rows = each * self._new
        grouped = self._reshaped(query, (1, groups, rows, size))
        scaled = self._node("Mul", [grouped.name, self._constant(size**-0.5, np.float32)], grouped.shape)
        turned = self._node("Transpose", [key.name], (1, groups, size, keys), perm=(0, 1, 3, 2))
        scores = self._node("MatMul", [scaled.name, turned.name], (1, groups, rows, keys))
        causal = self._node("Add", [scores.name, self._rows_mask(each, keys)], scores.shape)
        shares = self._node("Softmax", [causal.name], scores.shape, axis=-1)
        mixed = self._node("MatMul", [shares.name, value.name], grouped.shape)
        parted = self._reshaped(mixed, (1, groups * each, self._new, size))
        back = self._node("Transpose", [parted.name], (1, self._new, groups * each, size), perm=(0, 2, 1, 3))
        return self._reshaped(back, (1, self._new, groups * each * size))

    def _reshaped(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self._node("Reshape", [x.name, self._constant(shape)], shape)

    def _rows_mask(self, each: int, keys: int) -> str:
        """The mask of the query heads of one key head, laid end to end."""
        if "mask" not in self._positions:
            shape = (each * self._new, keys)
            tiled = self._node("Concat", ["mask"] * each, shape, "mask.rows", axis=0) if each > 1 else None
            self._positions["mask"] = tiled.name if tiled else "mask"
        return self._positions["mask"]

    def _angles(self, half: int, rope: Rope) -> tuple[str, str]:
        if "cos" not in self._positions:
            angles = np.arange(self._length)[:, None] * frequencies(rope, half).astype(np.float64)
            for name, values in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
                table = numpy_helper.from_array(values.astype(np.float32), f"rope.{name}.table")
                self._constants[table.name] = table
                rows = self._node("Gather", [table.name, "positions"], (self._new, half), f"rope.{name}.rows", axis=0)
                both = self._node("Concat", [rows.name] * 2, (self._new, 2 * half), f"rope.{name}", axis=1)
                self._positions[name] = both.name
        return self._positions["cos"], self._positions["sin"]
