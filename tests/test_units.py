"""Numbers become text in one place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import units
from npubench.errors import combine_exit_codes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 ns"),
        (412_000, "412 µs"),
        (25_349_000, "25.3 ms"),
        (1_200_000_000, "1.20 s"),
        (9.996, "10.0 ns"),
    ],
)
def test_durations(value: float | None, text: str) -> None:
    assert units.show_ns(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123, "J", "1.23 mJ"),
        (4.56e-6, "J", "4.56 µJ"),
        (1.0, "J", "1.00 J"),
        (0.0, "J", "0 J"),
        (-0.25, "J", "-250 mJ"),
        (12345, "J", "12,345 J"),
        (0.0456, "J/page", "45.6 mJ/page"),
        (12.3, "J/request", "12.3 J/request"),
        (12.3, "tokens/J", "12.3 tokens/J"),
        (0.08, "cameras/W", "0.0800 cameras/W"),
        (0.5, "W", "0.500 W"),
        (None, "J/page", "–"),
    ],
)
def test_energies(value: float | None, unit: str, text: str) -> None:
    assert units.show(value, unit) == text


def test_unknown_is_never_zero() -> None:
    for unit in ("ns", "B", "1/s", "W", "count", "ratio", ""):
        assert units.show(None, unit) == units.UNKNOWN


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_three_digits_are_kept(value: float) -> None:
    assert float(units.significant(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("0.5h", 1800)])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert math.isclose(units.parse_duration_s(text), seconds)


@given(st.text(max_size=6))
def test_bad_durations_are_value_errors(text: str) -> None:
    try:
        seconds = units.parse_duration_s(text)
    except ValueError as error:
        said = str(error)
    else:
        said = "a duration" if seconds > 0 else ""
    assert "duration" in said


def test_exit_codes_combine_in_their_order() -> None:
    assert combine_exit_codes([]) == 0
    assert combine_exit_codes([3, 4, 0]) == 4
    assert combine_exit_codes([3, 4, 5]) == 5
    assert combine_exit_codes([3, 4, 5, 2]) == 2
