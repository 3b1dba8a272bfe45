"""Fidelity figures on arrays whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.stats.fidelity import AGAIN, EQUAL_DB, TOKENS, Fidelity, compare, decibel


def outputs(seed: int, inputs: int = 3, channels: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {f"{i}:y": rng.normal(5, 1, (4, channels)).astype(np.float32) for i in range(inputs)}
    return {**made, f"{AGAIN}y": made["0:y"].copy(), f"{TOKENS}0": np.arange(4)}


def test_equal_outputs_are_equal() -> None:
    found = compare(outputs(1), outputs(1), ("y",))
    assert found.sqnr_db == found.repeat_db == found.contrast_db == EQUAL_DB
    assert (found.top1, found.kl) == (1.0, 0.0)
    assert not found.missing
    assert not found.constant


def test_noise_of_a_hundredth_of_the_power_is_20_db() -> None:
    reference = outputs(2, inputs=50)
    rng = np.random.default_rng(3)
    noisy = {name: value + rng.normal(0, 0.1, value.shape) for name, value in reference.items() if name[0].isdigit()}
    found = compare(reference, noisy)
    assert found.sqnr_db == pytest.approx(20, abs=0.5)


def test_a_constant_channel_does_not_make_an_answer_faithful() -> None:
    """Uncentred, a mean of 5 against a deviation of 1 would hide noise as large as the signal."""
    reference = outputs(4, inputs=50)
    rng = np.random.default_rng(5)
    wrong = {name: rng.normal(5, 1, value.shape) for name, value in reference.items() if name[0].isdigit()}
    assert compare(reference, wrong).sqnr_db == pytest.approx(-3, abs=0.5)


def test_channels_of_a_map_are_its_second_axis() -> None:
    rng = np.random.default_rng(6)
    offset = np.arange(4, dtype=np.float32)[None, :, None, None] * 100
    maps = {f"{i}:m": (rng.normal(0, 1, (1, 4, 8, 8)) + offset).astype(np.float32) for i in range(2)}
    swapped = {name: value[:, ::-1] for name, value in maps.items()}
    assert compare(maps, swapped).sqnr_db < -30
    assert compare(maps, maps).sqnr_db == EQUAL_DB


def test_the_same_answer_to_every_input_is_found() -> None:
    reference = outputs(7)
    stuck = {name: reference["0:y"] for name in reference if name[0].isdigit()}
    assert compare(reference, stuck).constant == ("y",)


def test_an_answer_that_changes_when_asked_again_is_found() -> None:
    reference = outputs(8)
    late = dict(reference)
    late[f"{AGAIN}y"] = reference["1:y"]
    assert compare(reference, late).repeat_db < 3


def test_what_is_missing_or_of_another_shape_is_named() -> None:
    reference = {**outputs(9), "0:z": np.zeros((2, 2), np.float32)}
    found = compare(reference, outputs(9))
    assert found == Fidelity(missing=("z",))
    other = {name: value[:, :4] if name == "1:y" else value for name, value in outputs(9).items()}
    assert compare(outputs(9), other).missing == ("y",)


def test_nothing_to_compare_is_unknown_not_zero() -> None:
    assert compare({}, {}).sqnr_db is None


@given(st.floats(1e-300, 1e300), st.floats(0, 1e300))
def test_decibels_are_finite(signal: float, noise: float) -> None:
    assert -EQUAL_DB <= decibel(signal, noise) <= EQUAL_DB
