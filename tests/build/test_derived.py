"""Rounding, grids and packing: right by an independent rule, the same for every chunk size, bounded in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npubench.build import derived, weights
from npubench.build.derived import (
    Bias,
    BiasScale,
    Blocked,
    BlockScale,
    Derivation,
    Quantised,
    Rounded,
    Scale,
    bfloat16,
    block_step,
    grid_step,
    grouped,
    on_grid,
    pack_int4,
)

Floats = npt.NDArray[np.float32]

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SMALL = st.floats(min_value=-1e6, max_value=1e6, width=32)


class Given:
    """An origin of plain arrays, handed out in chunks of any size."""

    def __init__(self, chunk: int = 1 << 20, **arrays: Floats) -> None:
        self.chunk = chunk
        self.arrays = arrays

    def shape(self, name: str) -> tuple[int, ...]:
        return self.arrays[name].shape

    def values(self, name: str) -> Iterator[Floats]:
        flat = self.arrays[name].reshape(-1)
        for start in range(0, len(flat), self.chunk):
            yield flat[start : start + self.chunk]


def made(origin: Given, rule: derived.Rule, dtype: str, shape: tuple[int, ...]) -> bytes:
    return b"".join(Derivation(origin).pieces("t", rule, dtype, shape))


@given(hnp.arrays(np.float32, st.integers(0, 40), elements=FINITE))
def test_bfloat16_is_the_nearest(values: Floats) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with np.errstate(over="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    assert (bfloat16(values) == expected).all()


def test_bfloat16_ties_go_to_even() -> None:
    ties = np.array([0x3F808000, 0x3F818000], np.uint32).view(np.float32)
    assert bfloat16(ties).tolist() == [0x3F80, 0x3F82]


@given(hnp.arrays(np.int8, st.integers(0, 33), elements=st.integers(-8, 7)))
def test_packing_can_be_undone(values: npt.NDArray[np.int8]) -> None:
    packed = pack_int4(values)
    assert len(packed) == derived.byte_count("int4", values.size)
    halves = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[: values.size].astype(np.int8)
    assert (np.where(halves > 7, halves - 16, halves) == values).all()


def test_packing_is_that_of_onnx() -> None:
    onnx = pytest.importorskip("onnx")
    values = np.array([[-8, 7, 3], [0, -1, 5]], np.int8)
    proto = onnx.TensorProto(data_type=onnx.TensorProto.INT4, dims=[2, 3], raw_data=pack_int4(values).tobytes())
    assert (onnx.numpy_helper.to_array(proto).astype(np.int8) == values).all()


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=SMALL), st.sampled_from([64, 127])
)
def test_a_grid_point_is_within_half_a_step(values: Floats, limit: int) -> None:
    step = grid_step(np.abs(values).max(axis=1), limit)[:, None]
    points = on_grid(values, step, -limit, limit)
    error = np.abs(points.astype(np.float64) * step - values)
    # Half a step, and what two roundings to float32 can add.
    assert (error <= step * (0.5 + limit * 2.0**-22)).all() or (np.abs(values) < 1e-30).any()


@given(hnp.arrays(np.float32, st.tuples(st.just(3), st.just(32), st.integers(1, 5)), elements=SMALL))
def test_the_farthest_value_is_a_grid_point(blocks: Floats) -> None:
    step = block_step(blocks)
    points = on_grid(blocks, step[:, None], derived.INT4_LEAST, derived.INT4_MOST)
    at = np.abs(blocks).argmax(axis=1)[:, None]
    farthest = np.take_along_axis(blocks, at, axis=1)
    alive = np.abs(farthest) > 1e-30
    assert (np.take_along_axis(points, at, axis=1)[alive] == derived.INT4_LEAST).all()


@given(st.lists(st.integers(0, 17), max_size=8), st.integers(1, 9))
def test_regrouping_keeps_every_value(sizes: list[int], unit: int) -> None:
    total = np.arange(sum(sizes), dtype=np.float32)
    chunks = np.split(total, np.cumsum(sizes)[:-1]) if sizes else []
    pieces = list(grouped(chunks, unit))
    assert np.concatenate([np.zeros(0, np.float32), *pieces]).tolist() == total.tolist()
    assert all(piece.size % unit == 0 for piece in pieces[:-1])


def sample(*shape: int) -> Floats:
    rng = np.random.default_rng(3)
    return rng.normal(size=shape).astype(np.float32)


RULES: list[tuple[derived.Rule, str, tuple[int, ...]]] = [
    (Rounded(source="w"), "float16", (7, 5, 3)),
    (Rounded(source="w"), "bfloat16", (7, 5, 3)),
    (Quantised(weight="w", axis=0, limit=64), "int8", (7, 5, 3)),
    (Scale(weight="w", axis=0, limit=64), "float32", (7,)),
    (Bias(weight="w", axis=0, limit=64, bias="b", input_scale=0.01), "int32", (7,)),
    (BiasScale(weight="w", axis=0, limit=64, bias="b", input_scale=0.01), "float32", (7,)),
    (Quantised(weight="m", axis=1, limit=127), "int8", (70, 6)),
    (Scale(weight="m", axis=1, limit=127), "float32", (6,)),
    (Blocked(weight="m", block=32), "int4", (70, 6)),
    (BlockScale(weight="m", block=32), "float32", (3, 6)),
]


@pytest.mark.parametrize(("rule", "dtype", "shape"), RULES)
def test_chunks_do_not_change_bytes(rule: derived.Rule, dtype: str, shape: tuple[int, ...]) -> None:
    arrays = {"w": sample(7, 5, 3), "b": sample(7), "m": sample(70, 6)}
    whole = made(Given(**arrays), rule, dtype, shape)
    assert len(whole) == derived.byte_count(dtype, int(np.prod(shape)))
    for chunk in (1, 4, 31, 64, 200):
        assert made(Given(chunk, **arrays), rule, dtype, shape) == whole


def test_values_by_a_plain_rule() -> None:
    w, b, m = sample(7, 5, 3), sample(7), sample(70, 6)
    origin = Given(w=w, b=b, m=m)
    step = np.abs(w).max(axis=(1, 2)) / np.float32(64)
    grid = {"weight": "w", "axis": 0, "limit": 64, "bias": "b", "input_scale": 0.01}
    assert (np.frombuffer(made(origin, Scale(**grid), "float32", (7,)), "<f4") == step).all()
    points = np.frombuffer(made(origin, Quantised(**grid), "int8", (7, 5, 3)), np.int8).reshape(w.shape)
    assert (points == np.rint(w / step[:, None, None])).all()
    bias = np.frombuffer(made(origin, Bias(**grid), "int32", (7,)), "<i4")
    np.testing.assert_allclose(bias * step.astype(np.float64) * 0.01, b, atol=float(step.max()) * 0.01)
    columns = np.frombuffer(made(origin, Scale(weight="m", axis=1, limit=127), "float32", (6,)), "<f4")
    assert (columns == np.abs(m).max(axis=0) / np.float32(127)).all()
    blocks = np.frombuffer(made(origin, BlockScale(weight="m", block=32), "float32", (3, 6)), "<f4").reshape(3, 6)
    assert (np.abs(blocks[2]) == np.abs(m[64:]).max(axis=0) / np.float32(8)).all()


def test_a_dead_channel_keeps_its_bias() -> None:
    """Weights of nearly zero would make the bias overflow int32; the step is widened instead."""
    origin = Given(w=np.array([[1.0], [1e-20], [0.0]], np.float32), b=np.array([0.5, 3.0, -2.0], np.float32))
    grid = {"weight": "w", "axis": 0, "limit": 64, "bias": "b", "input_scale": 0.02}
    bias = np.frombuffer(made(origin, Bias(**grid), "int32", (3,)), "<i4")
    scale = np.frombuffer(made(origin, BiasScale(**grid), "float32", (3,)), "<f4")
    assert int(np.abs(bias).max()) <= 2**30
    np.testing.assert_allclose(bias * scale.astype(np.float64), [0.5, 3.0, -2.0], rtol=0.02, atol=2e-4)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.nan, "float16", "w: holds NaN"),
        (np.inf, "int8", "w: holds NaN or infinite"),
        (70_000.0, "float16", "w: 70000 is beyond fp16"),
        (3.4e38, "bfloat16", "w: 3.4e.38 is beyond bf16"),
    ],
)
def test_what_does_not_fit_is_named(value: float, dtype: str, expected: str) -> None:
    rule = Quantised(weight="w", axis=0, limit=64) if dtype == "int8" else Rounded(source="w")
    with pytest.raises(ValueError, match=expected):
        made(Given(w=np.array([[1.0, value]], np.float32)), rule, dtype, (1, 2))


@pytest.mark.parametrize(
    ("rule", "dtype", "shape", "expected"),
    [
        (Rounded(source="w"), "float16", (3, 2), r"found shape \[3, 2\]; its source gives \[2, 3\]"),
        (Rounded(source="w"), "int8", (2, 3), "cannot be rounded to int8"),
        (Scale(weight="w", axis=0, limit=64), "float32", (3,), r"gives \[2\]"),
        (Blocked(weight="t", block=32), "int4", (2, 3, 4), "expected a matrix"),
    ],
)
def test_a_rule_that_does_not_fit(rule: derived.Rule, dtype: str, shape: tuple[int, ...], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        made(Given(w=sample(2, 3), t=sample(2, 3, 4)), rule, dtype, shape)
    with pytest.raises(KeyError, match="absent"):
        made(Given(w=sample(2, 3)), Rounded(source="absent"), "float16", (2, 3))


def test_memory_is_bounded() -> None:
    """A tensor of 128 MB passes through a few chunks."""
    rows, columns = 4096, 8192
    source = weights.Source(weights.lay_out([("w", (rows, columns), weights.Uniform(gain=0.5))]), "s", {})
    table = weights.lay_out_derived(
        [
            ("q", (rows, columns), "int4", Blocked(weight="w", block=32)),
            ("s", (rows // 32, columns), "float32", BlockScale(weight="w", block=32)),
            ("h", (rows, columns), "float16", Rounded(source="w")),
        ]
    )
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in weights.stream(table, "", {}, source))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == table.bytes
    assert peak < 64 << 20


def test_small_tensors_share_a_page() -> None:
    table = weights.lay_out_derived(
        [
            ("a", (3,), "float32", Scale(weight="w", axis=0, limit=64)),
            ("b", (3,), "int4", Blocked(weight="w", block=32)),
            ("c", (5000,), "int8", Rounded(source="w")),
        ]
    )
    assert [(item.offset, item.size) for item in table.tensors] == [(0, 12), (64, 2), (4096, 5000)]


def test_derived_rules_survive_writing(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    table = weights.lay_out_derived([(f"t{i}", shape, dtype, rule) for i, (rule, dtype, shape) in enumerate(RULES)])
    path.write_bytes(weights.dump_table(table))
    assert weights.load_table(path) == table
    with pytest.raises(ValueError, match="derived from another table"):
        list(weights.stream(table, "", {}))
