"""Two builds measured in turns against two separate nights: false alarms and power, seeded. `make benchmarks` or alone:
`pytest -s tests/benchmarks/test_ab.py`.

A launch's log cost = the night's effect + the round's effect + its own noise. Two nights each have an effect of their
own; in turns both builds share the night, and the launches of a round share the round. What is asserted is counted,
never timed.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from npubench.stats.compared import Rule
from npubench.stats.paired import detectable, standing
from npubench.stats.student import Sample, half_width, place
from npubench.stats.student import standing as welch

RULE = Rule()
TOLERANCE = 0.02
CELLS, ROUNDS = 4000, 5
# (sd of the night's effect, of the round's, of a launch's own), in percent.
NIGHTS = ((1.0, 0.0, 0.5), (1.0, 1.0, 0.5), (1.0, 1.0, 1.0), (2.0, 2.0, 1.0), (0.0, 0.0, 1.0), (1.0, 3.0, 2.0))
SLOWDOWN = 0.10

Costs = npt.NDArray[np.float64]


def drawn(night: float, shared: float, own: float, slowdown: float, seed: int) -> tuple[Costs, Costs, Costs]:
    """Log costs [cells, rounds]: A in turns, B in turns, B on a night of its own."""
    random = np.random.default_rng(seed)
    shape = (CELLS, ROUNDS)

    def launches(nights: Costs, rounds: Costs) -> Costs:
        return nights + rounds + random.normal(0, own, shape)

    tonight, later = random.normal(0, night, (CELLS, 1)), random.normal(0, night, (CELLS, 1))
    rounds = random.normal(0, shared, shape)
    effect = math.log1p(slowdown)
    a = launches(tonight, rounds)
    return a, effect + launches(tonight, rounds), effect + launches(later, random.normal(0, shared, shape))


def share(a: Costs, b: Costs, *, paired: bool) -> float:
    """The share of cells that are called regressed."""
    band, red = math.log1p(TOLERANCE), 0
    for first, second in zip(a.tolist(), b.tolist(), strict=True):
        if paired:
            found = Sample.of([y - x for x, y in zip(first, second, strict=True)])
            at, difference = standing(found), found.mean
        else:
            before, after = Sample.of(first), Sample.of(second)
            at, difference = welch(before, after), after.mean - before.mean
        assert at is not None
        half = half_width(at, RULE.confidence)
        red += place(difference - half, difference + half, band) == "above"
    return red / CELLS


def test_in_turns_there_are_fewer_false_alarms_and_more_power(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        f"{CELLS} cells, {ROUNDS} launches a side, tolerance {TOLERANCE:.0%}; power at {SLOWDOWN:+.0%}",
        "sd (%): night round launch | false alarms: nights  in turns | power: nights  in turns",
    ]
    for seed, (night, shared, own) in enumerate(NIGHTS):
        sds = night / 100, shared / 100, own / 100
        a, b, later = drawn(*sds, 0.0, seed)
        alarms = share(a, later, paired=False), share(a, b, paired=True)
        a, b, later = drawn(*sds, SLOWDOWN, seed + 100)
        power = share(a, later, paired=False), share(a, b, paired=True)
        lines.append(
            f"        {night:5.1f} {shared:5.1f} {own:6.1f} | {alarms[0]:20.1%} {alarms[1]:9.1%} |"
            f" {power[0]:13.1%} {power[1]:9.1%}"
        )
        assert alarms[1] <= 0.01
        if night or shared:
            assert alarms[1] <= alarms[0] + 0.002
            assert power[1] >= power[0] - 0.01
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201


def test_the_stated_minimum_holds_on_average() -> None:
    """`minimum_detectable_change` is computed from the spread that was seen; over many cells it is right."""
    random, hits, total = np.random.default_rng(7), 0.0, 0
    for values in random.normal(0, 0.01, (400, ROUNDS)).tolist():
        effect = detectable(Sample.of(values), RULE.confidence, RULE.power, math.log1p(TOLERANCE))
        assert effect is not None
        a = random.normal(0, 0.01, (50, ROUNDS))
        for again in (a + effect).tolist():
            found = Sample.of(again)
            at = standing(found)
            assert at is not None
            hits += (
                place(found.mean - half_width(at, 0.99), found.mean + half_width(at, 0.99), math.log1p(0.02)) == "above"
            )
            total += 1
    assert 0.75 <= hits / total <= 1.0
