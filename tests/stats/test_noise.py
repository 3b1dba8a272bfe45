"""The noise floor: earlier nights only, of the same cell, robust against steps; never less than the minimum effect."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.cli.compare import found_between
from npubench.schema import Cell
from npubench.stats.history import Night, read_night
from npubench.stats.noise import LEAST_NIGHTS, MOST_NIGHTS, History, Learned, floor, robust_sd
from npubench.stats.speed import minimum
from tests.stats.made_runs import STEADY, cell, run, spread
from tests.stats.test_history import put, run_id

P50 = "latency_p50_ns"


def night(day: int, *cells: Cell, **changes: Any) -> Night:
    made = run(*cells, id=run_id(day), created=f"2026-11-{day:02d}T01:02:03Z", **changes)
    found = read_night(msgspec.json.encode(made))
    assert isinstance(found, Night)
    return found


def nights(levels: list[float], **changes: Any) -> list[Night]:
    """Newest first, the last of `levels` being the newest."""
    return [night(day, cell(factor=level, **changes)) for day, level in enumerate(levels, 1)][::-1]


def test_three_robust_deviations_of_the_night_means() -> None:
    levels = [1.0, 1.03, 0.97, 1.02, 0.98, 1.01, 1.0]
    found = Learned(History.of(nights(levels)))(cell(), P50)
    sd = robust_sd([math.log(level) for level in levels])
    assert sd == pytest.approx(1.4826 * 0.02 * 1.14, rel=0.05)
    assert found.share == pytest.approx(math.expm1(3 * sd))
    assert (found.source, found.nights) == ("history", 7)
    assert found.noise == pytest.approx(math.expm1(sd))


def test_a_quiet_history_does_not_go_below_the_minimum_effect() -> None:
    found = Learned(History.of(nights([1.0, 1.001, 0.999, 1.0, 1.001])))(cell(), P50)
    assert (found.share, found.source, found.nights) == (0.02, "minimum", 5)
    assert found.noise is not None


def test_too_few_nights_say_nothing() -> None:
    wild = [1.0, 1.5, 0.7, 1.4]
    assert len(wild) == LEAST_NIGHTS - 1
    assert Learned(History.of(nights(wild)))(cell(), P50) == minimum(cell(), P50)
    assert Learned(History.of([]), of_class=True)(cell(), P50).share == pytest.approx(0.04)


def test_only_sound_nights_of_the_same_cell_count() -> None:
    wild = [1.0, 1.5, 0.7, 1.4, 0.6, 1.3]
    others: list[dict[str, Any]] = [
        {"identity": {"data": "other"}},
        {"verdict": "invalid"},
        {"execution_kind": "simulated"},
        {"purpose": "floor"},
    ]
    for other in others:
        assert Learned(History.of(nights(wild, **other)))(cell(), P50).nights == 0
    quick = [msgspec.structs.replace(found, comparable=False) for found in nights(wild)]
    assert Learned(History.of(quick))(cell(), P50).nights == 0


def test_nights_before_the_accepted_baseline_do_not_count() -> None:
    found = nights([1.0, 1.5, 0.7, 1.4, 0.6, 1.3, 1.0, 1.001, 0.999, 1.0, 1.001])
    history = History.of(found, since=run_id(7))
    assert Learned(history)(cell(), P50).nights == 5
    assert Learned(history)(cell(), P50).share == 0.02


def test_at_most_fourteen_nights() -> None:
    found = nights([1.5, 0.5, *([1.0, 1.001] * 7)])
    assert Learned(History.of(found))(cell(), P50).nights == MOST_NIGHTS
    assert Learned(History.of(found))(cell(), P50).share == 0.02


def test_a_regression_that_nobody_repaired_does_not_become_noise() -> None:
    """Half of the nights on one level, half 10 % above: the median absolute deviation alone would tolerate 24 %."""
    draw = np.random.default_rng(7)
    means = np.concatenate([draw.normal(0, 0.005, 7), draw.normal(math.log(1.1), 0.005, 7)]).tolist()
    middle = sorted(means)[7]
    assert 3 * 1.4826 * float(np.median(np.abs(np.array(means) - middle))) > 0.1
    assert 3 * robust_sd(means) < 0.03


def test_the_noise_is_about_true() -> None:
    draw = np.random.default_rng(1)
    found = [robust_sd(values) for values in draw.normal(0, 0.02, (500, 14)).tolist()]
    assert float(np.median(found)) == pytest.approx(0.02, rel=0.2)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=14), st.floats(-1, 1))
def test_robust_sd_is_not_negative_and_does_not_depend_on_the_level(means: list[float], level: float) -> None:
    assert robust_sd(means) >= 0
    assert robust_sd([value + level for value in means]) == pytest.approx(robust_sd(means), abs=1e-9)


def test_energy_has_a_noise_of_its_own_by_scope() -> None:
    def with_energy(level: float) -> Cell:
        return cell(efficiency={"card": {"energy_per_request_j": spread([value * level for value in STEADY])}})

    levels = [1.0, 1.1, 0.92, 1.08, 0.9]
    found = [night(day, with_energy(level)) for day, level in enumerate(levels, 1)][::-1]
    history = History.of(found)
    card = history.noise(cell(), "energy_per_request_j", "card")
    assert card is not None
    assert card.nights == 5
    assert history.noise(cell(), "energy_per_request_j", "wall") is None
    assert Learned(history)(cell(), "energy_per_request_j", "card").source == "history"
    assert Learned(history)(cell(), "energy_per_request_j", "wall").share == 0.03


def test_the_run_under_test_and_later_ones_do_not_count(tmp_path: Path) -> None:
    """Six quiet nights, then NEW and two wild nights after it."""
    for day, level in enumerate([1.0, 1.001, 0.999, 1.0, 1.001, 1.0], 1):
        put(tmp_path, run(cell(factor=level), id=run_id(day), created=f"2026-11-{day:02d}T01:02:03Z"))
    put(tmp_path, run(cell(factor=1.5), id=run_id(10)))
    for day, level in ((11, 0.5), (12, 3.0)):
        put(tmp_path, run(cell(factor=level), id=run_id(day)))
    found = found_between(run_id(6), run_id(10), tmp_path)
    (one,) = found.cells
    assert {item.nights for item in one.metrics} == {6}
    assert {item.tolerance_from for item in one.metrics} == {"minimum"}
    assert found.exit_code == 3


def test_wide_noise_is_shown_with_what_could_be_detected(tmp_path: Path) -> None:
    for day, level in enumerate([1.0, 1.08, 0.93, 1.06, 0.95, 1.07], 1):
        put(tmp_path, run(cell(factor=level), id=run_id(day), created=f"2026-11-{day:02d}T01:02:03Z"))
    put(tmp_path, run(cell(factor=1.1), id=run_id(10)))
    (one,) = found_between(run_id(1), run_id(10), tmp_path).cells
    for item in one.metrics:
        assert item.tolerance_from == "history"
        assert item.verdict != "regressed"
        assert item.minimum_detectable_change is not None
        assert abs(item.minimum_detectable_change) > item.tolerance / (1 + item.tolerance)


def test_floor_needs_values() -> None:
    empty = [found.cells[0] for found in nights([1.0] * 6)]
    assert floor(empty, "tokens_per_s") is None
