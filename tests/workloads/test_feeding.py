from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npubench.errors import CardError
from npubench.spi import TensorSpec
from npubench.workloads.feeding import Feeding, InputSpec, fixed_feeds
from npubench.workloads.images import Canvas
from tests.workloads.fakes import FakeSession, scene, specs


def feeding(dtype: str = "float32", size: int = 64, fused: tuple[str, ...] = (), **declared: Any) -> Feeding:
    interleaved = declared.get("layout") == "NHWC"
    shape = (1, size, size, 3) if interleaved else (1, 3, size, size)
    spec = TensorSpec(name="images", dtype=dtype, shape=shape, fused=fused)
    return Feeding(InputSpec(**declared), spec, 1, size, size, "detector")


def test_the_defaults_are_those_of_our_own_canvas() -> None:
    one = feeding()
    spec = TensorSpec(name="images", dtype="float32", shape=(1, 3, 64, 64))
    canvas = Canvas(spec, 1, 64, 64, 114, "detector")
    for seed in (1, 2):
        picture = scene(seed, 100 + 60 * seed, 90)
        assert one.draw(picture, 0) == canvas.draw(picture, 0, centred=True)
        assert one.tensor == pytest.approx(canvas.tensor, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("resize", ["letterbox", "top-left", "stretch"])
def test_every_rule_against_the_plain_formula(dtype: str, colour: str, layout: str, resize: str) -> None:
    mean, deviation, pad = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), (10, 20, 30)
    fed = feeding(
        dtype, layout=layout, colour=colour, resize=resize, mean=mean, deviation=deviation, pad=pad, divisor=200.0
    )
    picture = scene(3, 128, 96)  # by a whole factor: 64×48
    place = fed.draw(picture, 0)
    # Across by a whole factor, so that it is averaged first; down by 1.5.
    small = np.asarray(picture.reduce((2, 1)).resize((64, 64), Image.Resampling.BILINEAR))
    pixels = np.broadcast_to(np.array(pad, np.float64), (64, 64, 3)).copy()
    if resize == "stretch":
        pixels[:] = small
        assert (place.width, place.height) == (64, 64)
    else:
        top = 8 if resize == "letterbox" else 0
        assert (place.left, place.top, place.width, place.height) == (0, top, 64, 48)
        pixels[top : top + 48] = np.asarray(picture.reduce(2))
    if colour == "BGR":
        pixels = pixels[:, :, ::-1]
    wanted = (pixels / 200 - np.array(mean)) / np.array(deviation)
    found = fed.tensor[0] if layout == "NHWC" else fed.tensor[0].transpose(1, 2, 0)
    assert found.dtype == dtype
    assert found.astype(np.float64) == pytest.approx(wanted, abs=2e-6 if dtype == "float32" else 5e-3)


def test_bytes_stay_bytes_and_fused_steps_are_left_out() -> None:
    picture = scene(3, 128, 96)
    fed = feeding("uint8", mean=(9.0,), pad=(1, 2, 3), colour="BGR")
    fed.draw(picture, 0)
    assert fed.tensor[0, :, 0, 0].tolist() == [3, 2, 1]
    assert np.array_equal(fed.tensor[0, ::-1, 8:56].transpose(1, 2, 0), np.asarray(picture.reduce(2)))
    fused = feeding(fused=("scale", "normalise"), mean=(0.5,), deviation=(0.1,))
    fused.draw(picture, 0)
    assert fused.tensor.max() > 100


def test_a_smaller_picture_leaves_nothing_of_the_one_before() -> None:
    fed, fresh = feeding(), feeding()
    fed.draw(scene(1, 100, 100), 0)
    fed.draw(scene(2, 100, 40), 0)
    fresh.draw(scene(2, 100, 40), 0)
    assert np.array_equal(fed.tensor, fresh.tensor)


@given(
    st.sampled_from(["letterbox", "top-left", "stretch"]), st.integers(1, 300), st.integers(1, 300), st.integers(0, 9)
)
def test_boxes_find_their_way_back(resize: str, width: int, height: int, seed: int) -> None:
    place = feeding(resize=resize).draw(Image.new("RGB", (width, height)), 0)
    rng = np.random.default_rng(seed)
    share = np.sort(rng.uniform(0, 1, (5, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32)
    source = share * np.array([width, height] * 2, np.float32)
    across = place.width / width if resize == "stretch" else place.scale
    down = place.height / height if resize == "stretch" else place.scale
    canvas = source * np.array([across, down] * 2) + np.array([place.left, place.top] * 2)
    assert place.to_source(canvas.astype(np.float32)) == pytest.approx(source, abs=0.01 + 1e-4 * max(width, height))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"mean": (1.0, 2.0)}, r"params\.input\.mean: found \[1\.0, 2\.0\]; expected one number or three"),
        ({"deviation": (0.0,)}, "expected numbers > 0"),
        ({"divisor": 0.0}, "expected numbers > 0"),
        ({"pad": (256,)}, r"params\.input\.pad: found \[256\]"),
    ],
)
def test_values_that_make_no_sense(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(CardError, match=said):
        feeding(**declared)


def test_a_graph_of_another_type_or_layout() -> None:
    with pytest.raises(CardError, match="float64"):
        feeding("float64")
    spec = TensorSpec(name="images", dtype="float32", shape=(1, 64, 64, 3))
    with pytest.raises(CardError, match="has shape"):
        Feeding(InputSpec(), spec, 1, 64, 64, "detector")


def test_further_inputs() -> None:
    session = FakeSession(
        [
            *specs({"images": ("batch", 3, 64, 64)}),
            *specs({"sizes": ("batch", 2), "mask": (1, 4, 4)}, "int64"),
        ],
        [],
        lambda feeds: feeds,
    )
    declared = InputSpec(fixed={"sizes": [64, 48], "mask": 1})
    feeds = fixed_feeds(declared, session, 2, "detector")
    assert feeds["sizes"].tolist() == [[64, 48], [64, 48]]
    assert feeds["mask"].shape == (1, 4, 4)
    assert feeds["mask"].dtype == np.int64
    for fixed, said in (
        ({"sizes": [64, 48]}, r"fixed\.mask: missing"),
        ({"sizes": [64, 48, 1], "mask": 1}, r"fixed\.sizes: found shape \[3\]"),
        ({"sizes": "x", "mask": 1}, r"fixed\.sizes: found 'x'; expected int64"),
        ({"sizes": [1, 2], "mask": 1, "other": 2}, r"fixed\.other: graphs\.detector has no such input"),
    ):
        with pytest.raises(CardError, match=said):
            fixed_feeds(InputSpec(fixed=fixed), session, 2, "detector")
