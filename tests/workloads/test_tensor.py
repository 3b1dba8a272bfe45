from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npubench.errors import CardError, DataError, UsageError
from npubench.spi import Request, TensorSpec
from npubench.workloads.tensor import Tensor
from tests.workloads.fakes import CountingClock, FakeSession, specs


def session(inputs: list[TensorSpec] | None = None) -> FakeSession:
    declared = inputs if inputs is not None else specs({"x": ("n", 3, "side")}) + specs({"ids": ("n",)}, "int64")
    return FakeSession(declared, [], lambda feeds: {"y": np.asarray(sum(value.sum() for value in feeds.values()))})


def bound(fake: FakeSession, batch: int = 1, **params: Any) -> Any:
    return Tensor().bind({"graph": fake}, Request(scope="device", batch=batch, params=params), CountingClock())


def test_inputs_follow_the_signature_and_differ_by_index() -> None:
    fake = session()
    bind = bound(fake, batch=4, sizes={"side": 5}, batch_dim="n", inputs=3)
    assert bind.count == 3
    assert [bind.step(i) for i in range(4)] == [4] * 4
    assert fake.fed[0]["x"].shape == (4, 3, 5)
    assert fake.fed[0]["ids"].dtype == np.int64
    assert set(fake.fed[0]["ids"].tolist()) <= {0, 1}
    assert not np.array_equal(fake.fed[0]["x"], fake.fed[1]["x"])
    assert np.array_equal(fake.fed[0]["x"], fake.fed[3]["x"])
    assert np.array_equal(bind.inspect(1)["y"], bind.inspect(4)["y"])


def test_symbols_default_to_one_and_shapes_replace_them() -> None:
    fake = session()
    bound(fake, shapes={"x": [2, 3, 7]}).step(0)
    assert fake.fed[0]["x"].shape == (2, 3, 7)
    assert fake.fed[0]["ids"].shape == (1,)


def test_an_empty_past_is_allowed_and_a_graph_without_inputs_runs() -> None:
    fake = session(specs({"past": (1, "p")}))
    bound(fake, sizes={"p": 0}).step(0)
    assert fake.fed[0]["past"].shape == (1, 0)
    nothing = bound(session([]))
    assert nothing.count == 1
    assert nothing.step(5) == 1


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"shapes": {"z": [1]}}, "params.shapes.z"),
        ({"shapes": {"x": [1, 4, 2]}}, "params.shapes.x"),
        ({"shapes": {"x": [1, 3]}}, "params.shapes.x"),
        ({"shapes": {"x": [1, 3, -2]}}, "params.shapes.x"),
        ({"shapes": {"x": "1x3"}}, "params.shapes.x"),
        ({"sizes": {"m": 3}}, "params.sizes.m"),
        ({"sizes": {"n": "3"}}, "params.sizes.n"),
        ({"batch_dim": "m"}, "params.batch_dim"),
        ({"inputs": 0}, "params.inputs"),
    ],
)
def test_parameters_that_do_not_fit_are_named(params: dict[str, Any], named: str) -> None:
    with pytest.raises(CardError, match=named.replace(".", r"\.")):
        bound(session(), **params)


def test_a_batch_that_no_dimension_takes_is_refused() -> None:
    with pytest.raises(UsageError):
        bound(session(), batch=2)


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "str", "object", "complex64"])
def test_types_without_seeded_values_are_refused(dtype: str) -> None:
    with pytest.raises(DataError, match="odd"):
        bound(session(specs({"odd": (1,)}, dtype)))


def test_sizes_beyond_memory_are_refused() -> None:
    with pytest.raises(DataError, match="big"):
        bound(session(specs({"big": ("n", "m")})), sizes={"n": 1 << 31, "m": 1 << 31})


def test_other_scopes_and_several_graphs_are_refused() -> None:
    with pytest.raises(UsageError, match="service"):
        Tensor().bind({"graph": session()}, Request(scope="service"), CountingClock())
    with pytest.raises(CardError, match="one graph"):
        Tensor().bind({"a": session(), "b": session()}, Request(scope="device"), CountingClock())
