"""How load arrives in each scenario."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from npubench.cards import SCENARIOS
from npubench.engine.schedule import ARRIVALS, issuer


def test_single_stream_is_a_closed_loop() -> None:
    assert issuer("single-stream", 5) is None


@given(st.integers(0, 2**62), st.integers(0, 10**9))
def test_offline_has_been_due_since_the_start(start_ns: int, row: int) -> None:
    issue = issuer("offline", start_ns)
    assert issue is not None
    assert issue(row) == start_ns


def test_every_arrival_is_a_scenario_that_cards_know() -> None:
    assert set(ARRIVALS) <= set(SCENARIOS)
