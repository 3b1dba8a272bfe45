from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.stats.limiting import by_turns, limiting

RATES = st.lists(st.floats(min_value=0.1, max_value=1e5), min_size=1, max_size=8)


@given(RATES)
def test_clips_by_turns_take_the_sum_of_their_times(rates: list[float]) -> None:
    found = by_turns(rates)
    assert found is not None
    assert len(rates) / found == pytest.approx(sum(1 / rate for rate in rates))
    assert min(rates) * 0.999 <= found <= max(rates) * 1.001


def test_nothing_is_known_of_nothing() -> None:
    assert by_turns([]) is None
    assert by_turns([10.0, 0.0]) is None
    assert limiting(None, 3.0) is None
    assert limiting(3.0, None) is None


def test_the_slower_part_limits() -> None:
    assert limiting(100.0, 900.0) == "decoder"
    assert limiting(900.0, 100.0) == "device"
