"""Scenarios are written and read in one way, and every mistake names what was expected."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.errors import UsageError
from npubench.scenarios import KINDS, Param, Scenario, parse, searched, with_defaults, written


def values(param: Param) -> st.SearchStrategy[Any]:
    if param.choices:
        return st.sampled_from(param.choices)
    if param.type is str:
        return st.sampled_from(["citizens", "education"])
    if param.type is int:
        return st.integers(int(param.least), int(param.least) + 500)
    return st.floats(max(param.least, 0.001), 1e5, allow_nan=False).map(lambda value: float(f"{value:.4g}"))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    name = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    keys = draw(st.lists(st.sampled_from(sorted(kind.params)), unique=True))
    found = {key: draw(values(kind.params[key])) for key in keys}
    whole = {
        key: int(value) if isinstance(value, float) and value == int(value) else value for key, value in found.items()
    }
    return Scenario(name=name, params=whole)


@given(scenarios())
def test_what_is_written_is_read_as_it_was(scenario: Scenario) -> None:
    assert parse(written(scenario)) == (scenario,)


@given(scenarios())
def test_defaults_are_filled_in_once_and_in_one_order(scenario: Scenario) -> None:
    full = with_defaults(scenario)
    assert with_defaults(full) == full
    assert list(full.params) == [key for key in KINDS[scenario.name].params if key in full.params]
    assert scenario.params.items() <= full.params.items()
    assert searched(full) == searched(scenario)


@given(st.text(max_size=40))
def test_anything_else_is_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert all(scenario.name in KINDS for scenario in parse(text))


def test_a_bar_stands_for_one_scenario_each() -> None:
    found = parse("offline:batch=1|4,in=128|512")
    assert [scenario.params for scenario in found] == [
        {"batch": 1, "in": 128},
        {"batch": 1, "in": 512},
        {"batch": 4, "in": 128},
        {"batch": 4, "in": 512},
    ]


def test_equal_numbers_are_one_scenario() -> None:
    assert parse("cameras:fps=15.0") == parse("cameras:fps=15")
    assert written(parse("cameras:fps=15.0")[0]) == "cameras:fps=15"


def test_a_load_that_is_not_given_is_searched() -> None:
    assert searched(parse("cameras")[0]) == "cameras"
    assert searched(parse("cameras:cameras=3")[0]) is None
    assert searched(parse("server")[0]) == "rate"
    assert searched(parse("single-stream")[0]) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera", 'did you mean "cameras"?'),
        ("", "known: single-stream"),
        ("cameras:fps", "expected KEY=VALUE"),
        ("cameras:speed=3", "expected KEY=VALUE with a key of"),
        ("cameras:fps=0", "expected a number ≥ 0.01"),
        ("cameras:fps=nan", "expected a number"),
        ("cameras:cameras=1.5", "expected a whole number ≥ 1"),
        ("cameras:fps=5,fps=15", "given twice"),
        ("cameras:decode=never", "expected inside or outside"),
        ("server:rate=-1", "expected a number"),
        ("users:users=0", "expected a whole number ≥ 1"),
        ("offline:batch=|2", "expected a whole number"),
    ],
)
def test_a_mistake_names_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert said in str(raised.value)
