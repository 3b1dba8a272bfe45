"""Named kinds of use: what a scenario makes of them for a language workload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import traffic
from npubench.errors import UnknownNameError
from npubench.scenarios import Scenario


def scenario(**params: object) -> Scenario:
    return Scenario(name="single-stream", params=params)


@pytest.mark.parametrize("name", ["citizens", "administration", "education"])
def test_the_three_demands_can_be_asked_for(name: str) -> None:
    found = traffic.named(name)
    assert 0 <= found.shared_tokens < found.prompt_tokens
    assert found.new_tokens > 1
    assert found.think_s > 0
    assert traffic.params(scenario(traffic=name)) == {
        "prompt_tokens": found.prompt_tokens,
        "new_tokens": found.new_tokens,
        "shared_tokens": found.shared_tokens,
    }


def test_a_wrong_name_is_told() -> None:
    with pytest.raises(UnknownNameError, match='did you mean "education"'):
        traffic.params(scenario(traffic="educaton"))


def test_without_lengths_the_card_decides() -> None:
    assert traffic.params(scenario(batch=4)) == {}
    assert traffic.params(scenario(out=16)) == {"new_tokens": 16}
    assert traffic.params(scenario(**{"in": 64})) == {"prompt_tokens": 64, "shared_tokens": 0}


@given(length=st.integers(1, 100_000), name=st.sampled_from(sorted(traffic.known())))
def test_another_length_shares_the_same_part(length: int, name: str) -> None:
    usual = traffic.named(name)
    found = traffic.params(scenario(traffic=name, **{"in": length}))
    assert found["prompt_tokens"] == length
    assert found["shared_tokens"] < length
    assert abs(found["shared_tokens"] / length - usual.shared_tokens / usual.prompt_tokens) <= 1 / length
    assert found["new_tokens"] == usual.new_tokens


def test_think_time_is_the_scenarios_own_before_the_traffics() -> None:
    assert traffic.think_s(scenario()) == 0
    assert traffic.think_s(scenario(traffic="citizens")) == traffic.named("citizens").think_s
    assert traffic.think_s(scenario(traffic="citizens", think_s=1.5)) == 1.5
