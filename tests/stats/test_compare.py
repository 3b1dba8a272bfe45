"""The contract first, then health, then speed; verdicts from launches alone."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.errors import NotComparableError, UsageError
from npubench.lang import Text
from npubench.schema import AbsentBackend, Capacity, Cell, Spread, UnsupportedCell
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import CellComparison, Comparison, MetricComparison, Rule, differences, percent
from npubench.stats.percentiles import INFINITE
from npubench.stats.speed import Tolerated, compare_metric
from npubench.stats.student import MOST_LAUNCHES, Sample, half_width, more_launches, place, quantile, standing
from tests.stats.made_runs import STEADY, cell, run, spread

P50 = "latency_p50_ns"
NOISY = (1.0, 1.03, 0.97, 1.02, 0.985)
TEXT = Text(en="because", ko="이유")


def only(found: Comparison) -> CellComparison:
    (one,) = found.cells
    return one


def metric(base: Any, new: Any, key: str = P50, tolerance: float = 0.02) -> MetricComparison:
    found = compare_metric(key, spread(base), spread(new), Tolerated(tolerance), Rule())
    assert found is not None
    return found


def pair(base: Cell, new: Cell, **options: Any) -> Comparison:
    return compare(run(base), run(new, id="20261125T010203Z-bbbbbb"), asked(**options))


def asked(*allow: str, **options: Any) -> Wanted:
    return Wanted(**{"allow": allow, **options})


# --- speed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "verdict", "code"),
    [(1.123, "regressed", 3), (0.88, "improved", 0), (1.0, "equivalent", 0)],
)
def test_verdicts(factor: float, verdict: str, code: int) -> None:
    found = pair(cell(), cell(factor=factor))
    assert {item.metric: item.verdict for item in only(found).metrics} == {
        "latency_p50_ns": verdict,
        "latency_p99_ns": verdict,
        "frames_per_s": verdict,
    }
    assert found.exit_code == code


def test_the_sentence_names_the_worst_and_by_how_much() -> None:
    slower = cell(factor=1.123)
    slower = msgspec.structs.replace(slower, summary={**cell().summary, P50: slower.summary[P50]})
    found = pair(cell(), slower)
    assert found.sentence.en == (
        "1 of 3 metrics regressed: cctv-detect fp32 cpu single-stream device latency p50 +12.3 % "
        "(99 % interval 11.6 to 13.0 %)"
    )
    assert found.sentence.ko.startswith("지표 3개 중 1개 악화: cctv-detect")
    calm = pair(cell(), cell(NOISY))
    assert calm.sentence.en == "none of 3 metrics regressed: 3 inconclusive"


def test_a_throughput_is_inverted_and_its_change_is_its_own() -> None:
    rate = next(item for item in only(pair(cell(), cell(factor=1.25))).metrics if item.metric == "frames_per_s")
    assert rate.verdict == "regressed"
    assert rate.change == pytest.approx(-0.2)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < -0.2 < rate.high < 0
    assert rate.minimum_detectable_change is not None
    assert rate.minimum_detectable_change < 0
    assert rate.base.mean == pytest.approx(40.0, rel=1e-3)


def test_the_interval_is_welchs() -> None:
    """Against scipy's own t test with unequal variances."""
    from scipy import stats  # type: ignore[import-untyped]

    base, new = [0.0, 0.01, -0.02, 0.005], [0.1, 0.13, 0.08, 0.11, 0.12, 0.09]
    a, b = Sample.of(base), Sample.of(new)
    at = standing(a, b)
    assert at is not None
    theirs = stats.ttest_ind(new, base, equal_var=False).confidence_interval(0.99)
    half = half_width(at, 0.99)
    assert b.mean - a.mean - half == pytest.approx(theirs.low)
    assert b.mean - a.mean + half == pytest.approx(theirs.high)


def test_an_effect_below_the_tolerance_is_no_regression() -> None:
    exact = (1.0, 1.0001, 0.9999, 1.0, 1.0)
    slower = [value * 1.015 for value in exact]
    assert metric(exact, slower).verdict == "equivalent"
    assert metric(exact, slower, tolerance=0.01).verdict == "regressed"


def test_fewer_than_four_launches_are_at_best_inconclusive() -> None:
    found = metric((1.0, 1.001), (2.0, 2.001))
    assert found.verdict == "inconclusive"
    assert found.change == pytest.approx(1.0, abs=1e-3)
    assert found.minimum_detectable_change is not None
    assert found.more_launches == 2
    assert found.reason is not None
    assert "fewer than 4 launches a side (2 and 2)" in found.reason.en
    assert metric(STEADY, (2.0, 2.0, 2.0)).verdict == "inconclusive"
    assert metric(STEADY, (2.0, 2.0, 2.0, 2.0)).verdict == "regressed"


def test_one_launch_has_no_interval() -> None:
    found = metric((1.0,), STEADY)
    assert (found.verdict, found.low, found.high) == ("inconclusive", None, None)
    assert found.minimum_detectable_change is None
    assert found.more_launches is None
    assert found.reason is not None
    assert "one launch has no spread" in found.reason.en


def test_zero_variance() -> None:
    same = (5.0,) * 5
    assert metric(same, same).verdict == "equivalent"
    assert metric(same, same).change == 0.0
    assert metric(same, same).minimum_detectable_change == pytest.approx(0.02)
    assert metric(same, (5.5,) * 5).verdict == "regressed"
    assert metric(same, (5.5, 5.51, 5.49, 5.5, 5.5)).verdict == "regressed"


def test_nulls_nan_and_zeros_are_not_values() -> None:
    found = metric((*STEADY, None, math.nan), (*STEADY, 0.0, math.inf, -1.0))
    assert (found.base.launches, found.base.unusable) == (5, 2)
    assert (found.new.launches, found.new.unusable) == (5, 3)
    assert found.verdict == "equivalent"
    lost = compare_metric(
        P50, spread(STEADY), Spread(median=None, launches=(None,), reason="too few"), Tolerated(0.02), Rule()
    )
    assert lost is not None
    assert lost.verdict == "inconclusive"
    assert lost.reason is not None
    assert lost.reason.en == "NEW has no value: too few"
    assert compare_metric(P50, spread((None, math.nan)), None, Tolerated(0.02), Rule()) is None


def test_an_outlier_launch_widens_and_does_not_convict() -> None:
    found = metric(STEADY, (1.0, 1.004, 0.997, 1.002, 1.6))
    assert found.verdict == "inconclusive"
    assert found.more_launches is not None


def test_extreme_values_stay_finite_or_null() -> None:
    found = metric((1e-300, 1e300), (1e300, 1e-300))
    assert found.verdict == "inconclusive"
    msgspec.json.encode(found)


def test_more_launches_would_settle_it() -> None:
    """Repeating the same spread with that many more launches decides; with one fewer it does not."""
    a, b = Sample.of([math.log(value) for value in NOISY]), Sample.of([math.log(1.06 * value) for value in NOISY])
    band = math.log1p(0.02)
    more = more_launches(a, b, 0.99, band, 4)
    assert more is not None
    assert more > 0
    for count, decided in ((more, True), (more - 1, False)):
        at = standing(a.grown(count), b.grown(count))
        assert at is not None
        assert (
            place(b.mean - a.mean - half_width(at, 0.99), b.mean - a.mean + half_width(at, 0.99), band) is not None
        ) is decided
    edge = Sample(5, a.mean + band, a.variance)
    assert more_launches(a, edge, 0.99, band, 4) is None, f"over {MOST_LAUNCHES} launches"


@settings(deadline=None)
@given(
    counts=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    spreads=st.tuples(st.floats(0, 0.05), st.floats(0, 0.05)),
    difference=st.floats(-0.2, 0.2),
    steps=st.tuples(st.floats(0, 0.05), st.floats(0, 0.05)),
)
def test_it_is_the_smallest_number_that_decides(
    counts: tuple[int, int], spreads: tuple[float, float], difference: float, steps: tuple[float, float]
) -> None:
    """Against trying every number in turn."""
    a, b = Sample(counts[0], 0.0, spreads[0] ** 2), Sample(counts[1], difference, spreads[1] ** 2)
    band, first = math.log1p(0.02), max(0, 4 - min(counts))

    def decides(more: int) -> bool:
        at = standing(a.grown(more), b.grown(more))
        assert at is not None
        half = half_width(at, 0.99)
        return place(difference - half - steps[0], difference + half + steps[1], band) is not None

    found = more_launches(a, b, 0.99, band, 4, *steps)
    tried = next((more for more in range(first, 60) if decides(more)), None)
    if tried is not None:
        assert found == tried
    else:
        assert found is None or found >= 60


launch_values = st.lists(
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(0.5, 2.0)), max_size=7
)


@settings(deadline=None)
@given(base=launch_values, new=launch_values, key=st.sampled_from([P50, "frames_per_s"]))
def test_any_launch_values_give_a_consistent_answer(
    base: list[float | None], new: list[float | None], key: str
) -> None:
    found = compare_metric(key, Spread(median=None, launches=tuple(base)), spread(new), Tolerated(0.02), Rule())
    if found is None:
        return
    msgspec.json.encode(found)
    assert found.verdict == "inconclusive" or min(found.base.launches, found.new.launches) >= 4
    if found.low is not None:
        assert found.change is not None
        assert found.low <= found.change
        assert found.high is None or found.change <= found.high


# --- the contract ----------------------------------------------------------------------------------------------------


def test_exactly_the_fields_that_differ_are_named() -> None:
    before = cell(identity={"data": "a", "options": {"threads": 2, "arena": True}, "machine": {"accelerators": ["x"]}})
    after = cell(identity={"data": "a", "options": {"threads": 4, "arena": 1}, "machine": {"accelerators": ["y"]}})
    found = pair(before, after)
    one = only(found)
    assert one.status == "not_comparable"
    assert one.metrics == ()
    assert [(item.field, item.base, item.new) for item in one.differences] == [
        ("machine.accelerators", ["x"], ["y"]),
        ("options.arena", True, 1),
        ("options.threads", 2, 4),
    ]
    assert found.exit_code == 5
    assert found.sentence.en == "nothing was compared; 1 cell not comparable"


def test_a_key_that_one_side_lacks_counts_as_null() -> None:
    assert list(differences({"a": None}, {})) == []
    (one,) = differences({"a": {"b": 1}}, {"a": None})
    assert (one.field, one.base, one.new) == ("a.b", 1, None)


def test_allowed_differences_are_recorded_and_compared() -> None:
    after = cell(factor=1.123, identity={"options": {"threads": 4}, "data": "b"})
    partly = pair(cell(), after, allow=("options",))
    assert [item.field for item in only(partly).differences] == ["data"]
    assert partly.exit_code == 5
    whole = pair(cell(), after, allow=("options.threads", "data", "nonsense"))
    assert [item.field for item in only(whole).allowed] == ["data", "options.threads"]
    assert whole.allow == ("options.threads", "data", "nonsense")
    assert whole.exit_code == 3
    assert [note.en for note in whole.notes] == ["--allow nonsense: nothing differs there"]
    assert pair(cell(), after, allow=("opt", "data")).exit_code == 5


def test_a_short_profile_needs_to_be_allowed() -> None:
    smoke = run(cell(), profile="smoke", comparable=False)
    refused = compare(smoke, smoke)
    assert only(refused).differences[0].field == "profile"
    assert refused.exit_code == 5
    assert compare(smoke, run(cell(), id="b"), asked("profile")).exit_code == 0


def test_execution_kinds_are_never_compared() -> None:
    found = pair(cell(), cell(execution_kind="simulated"))
    assert only(found).differences[0].field == "execution_kind"
    assert found.exit_code == 5
    with pytest.raises(UsageError, match="never compared"):
        pair(cell(), cell(execution_kind="simulated"), allow=("execution_kind",))


def test_varying_versions_are_shown_and_never_refused() -> None:
    found = compare(run(cell()), run(cell(), id="b", varying={"onnxruntime": "1.33.0", "driver": "9"}))
    assert only(found).status == "compared"
    assert [(item.name, item.base, item.new) for item in found.varying] == [
        ("driver", None, "9"),
        ("kernel", "6.0", None),
        ("onnxruntime", "1.32.0", "1.33.0"),
    ]


# --- health ----------------------------------------------------------------------------------------------------------


def test_a_missing_cell_is_red_and_says_why() -> None:
    absent = AbsentBackend(backend="cpu", title=TEXT, reason="driver gone")
    found = compare(run(cell()), run(id="b", absent=(absent,)))
    assert only(found).status == "missing"
    assert only(found).reasons[0].en == "cpu is not there: driver gone"
    assert found.exit_code == 4
    gone = UnsupportedCell(model="cctv-detect", backend="cpu", precision="fp32", reason=TEXT)
    assert "because" in only(compare(run(cell()), run(id="b", unsupported=(gone,)))).reasons[0].en


def test_a_new_cell_is_shown() -> None:
    found = compare(run(cell()), run(cell(), cell(model="ocr-korean"), id="b"))
    assert [item.status for item in found.cells] == ["compared", "new"]
    assert found.exit_code == 0
    broken = cell(model="ocr-korean", verdict="invalid")
    assert compare(run(cell()), run(cell(), broken, id="b")).exit_code == 4


@pytest.mark.parametrize(("before", "after"), [("valid", "invalid"), ("invalid", "valid"), ("invalid", "invalid")])
def test_an_invalid_cell_is_invalid_not_slow(before: Any, after: Any) -> None:
    found = pair(cell(verdict=before), cell(factor=3.0, verdict=after, execution_kind=None, reasons=(TEXT,)))
    assert only(found).status == "invalid"
    assert only(found).metrics == ()
    assert found.exit_code == 4


def test_unsupported() -> None:
    lost = pair(cell(), cell((), verdict="unsupported", execution_kind=None))
    assert (only(lost).status, lost.exit_code) == ("missing", 4)
    never = pair(cell((), verdict="unsupported"), cell((), verdict="unsupported"))
    assert (only(never).status, never.exit_code) == ("unsupported", 0)
    gained = pair(cell((), verdict="unsupported"), cell())
    assert (only(gained).status, gained.exit_code) == ("new", 0)


def test_degraded_cells_are_compared_and_say_so() -> None:
    found = only(pair(cell(), cell(verdict="degraded", reasons=(TEXT,))))
    assert found.status == "compared"
    assert found.reasons[0].en == "NEW counts with caution: because"


def test_floor_cells_are_left_out() -> None:
    floor = cell(model="overhead-floor", purpose="floor")
    assert len(compare(run(cell(), floor), run(cell(), id="b")).cells) == 1
    with pytest.raises(NotComparableError, match="no cell to compare with"):
        compare(run(floor), run(cell(), id="b"))


def test_not_comparable_outranks_invalid_outranks_regressed() -> None:
    cells = [cell(model=name) for name in ("a", "b", "c")]
    slower = cell(model="a", factor=1.5)
    broken = cell(model="b", verdict="invalid")
    other = cell(model="c", identity={"data": "x"})
    assert compare(run(*cells), run(slower, *cells[1:], id="b")).exit_code == 3
    assert compare(run(*cells), run(slower, broken, cells[2], id="b")).exit_code == 4
    assert compare(run(*cells), run(slower, broken, other, id="b")).exit_code == 5


def test_the_document_round_trips() -> None:
    found = compare(run(cell(), cell(model="x")), run(cell(NOISY), id="b"))
    data = msgspec.json.encode(found)
    assert msgspec.json.decode(data, type=Comparison) == found
    assert msgspec.json.decode(data)["schema"] == "npubench.compare/1"


# --- simulation ------------------------------------------------------------------------------------------------------


def _simulated(true: float, sd: float, launches: int, nights: int, tolerance: float, seed: int) -> list[str]:
    draw = np.random.default_rng(seed)
    logs = draw.normal(0.0, sd, (nights, 2, launches))
    logs[:, 1] += math.log1p(true)
    return [metric(base, new, tolerance=tolerance).verdict for base, new in np.exp(logs).tolist()]


@pytest.mark.parametrize("sd", [0.005, 0.01, 0.03])
def test_simulated_false_alarms_are_rare(sd: float) -> None:
    """METRICS.md: 0.8 % of cells for Welch alone (both ways; half of it upwards), 0.0 % with the 2 % band at 1 %."""
    bare = _simulated(0.0, sd, 5, 2000, 1e-12, seed=1)
    assert bare.count("regressed") / 2000 <= 0.0075
    band = _simulated(0.0, sd, 5, 2000, 0.02, seed=2)
    assert band.count("regressed") / 2000 <= 0.005


def test_simulated_ten_percent_is_caught() -> None:
    """METRICS.md: 100 / 96 / 65 % at launch sd 1 / 2 / 3 % with 5 launches a side."""
    assert _simulated(0.10, 0.01, 5, 500, 0.02, seed=3).count("regressed") / 500 >= 0.99
    assert _simulated(0.10, 0.02, 5, 500, 0.02, seed=4).count("regressed") / 500 == pytest.approx(0.96, abs=0.03)


def test_the_minimum_detectable_change_is_true() -> None:
    """A true slowdown of the change stated for the true spread is called regressed in about 95 % of repeats."""
    sd, launches = 0.015, 5
    # Five values whose sample deviation is exactly 1.
    shape = np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    values = np.exp(shape * sd)
    assert np.log(values).std(ddof=1) == pytest.approx(sd)
    stated = metric(values.tolist(), values.tolist()).minimum_detectable_change
    assert stated is not None
    share = _simulated(stated, sd, launches, 2000, 0.02, seed=5).count("regressed") / 2000
    assert share == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.123, "+12.3"), (-0.0004, "0.0"), (-0.004, "−0.4"), (12.345, "+1,234"), (1e9, ">9,999"), (math.inf, "∞")],
)
def test_percent(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_quantiles() -> None:
    """Student's t table: 0.995 at 8 degrees of freedom is 3.355; the normal one is 2.576."""
    assert quantile(8, 0.995) == pytest.approx(3.3554, abs=1e-4)
    assert quantile(math.inf, 0.995) == pytest.approx(2.5758, abs=1e-4)


def test_other_work_on_the_machine_makes_nobody_slower_and_nobody_faster() -> None:
    names = tuple(f"c-{number}" for number in range(1, 6))
    quiet, slow = cell(launches=names), cell(factor=1.5, launches=names)
    busy = msgspec.structs.replace(slow, disturbed=3)
    found = only(pair(quiet, busy))
    assert {item.verdict for item in found.metrics} == {"inconclusive"}
    assert found.reasons[-1].en == (
        "other work took processor time from 3 of 5 launches of NEW, so these call no metric regressed: measure again "
        "when the machine is quiet"
    )
    assert "3회" in found.reasons[-1].ko
    assert pair(quiet, busy).exit_code == 0
    assert "3 regressions withheld because other work ran on the machine" in pair(quiet, busy).sentence.en
    assert "보류한 악화 3개" in pair(quiet, busy).sentence.ko
    assert {item.withheld for item in found.metrics} == {"regressed"}
    assert found.doubtful
    assert not found.red
    # A minority of launches, and a busy BASE, take nothing back.
    assert only(pair(quiet, msgspec.structs.replace(slow, disturbed=2))).red
    assert only(pair(msgspec.structs.replace(quiet, disturbed=5), slow)).red
    # What got faster than a busy BASE did so for that reason.
    assert {item.verdict for item in only(pair(busy, quiet)).metrics} == {"inconclusive"}
    assert {item.verdict for item in only(pair(slow, quiet)).metrics} == {"improved"}
    # Nor is anybody as fast as it: a quiet BASE might have been faster.
    same = only(pair(msgspec.structs.replace(quiet, disturbed=5), quiet))
    assert {(item.verdict, item.withheld) for item in same.metrics} == {("inconclusive", "equivalent")}
    assert not same.doubtful
    # In turns other work is beside both.
    turns = compare(run(quiet), run(busy, id="20261125T010203Z-bbbbbb"), Wanted(in_turns=True))
    assert only(turns).red


def _late(values: tuple[float | None, ...]) -> Spread:
    return spread(values, INFINITE)


P99 = "latency_p99_ns"


@pytest.mark.parametrize(
    ("base", "new", "verdict"),
    [
        # Every launch of NEW left so much unanswered that its p99 is infinite.
        (spread((1.0, 1.01, 0.99, 1.0)), _late((None,) * 4), "regressed"),
        (_late((None,) * 4), spread((1.0, 1.01, 0.99, 1.0)), "improved"),
        # Too few launches, or a value that is missing for another reason, decide nothing.
        (spread((1.0, 1.01, 0.99, 1.0)), _late((None,) * 3), "inconclusive"),
        (spread((1.0, 1.01, 0.99, 1.0)), spread((None,) * 4, "12 samples"), "inconclusive"),
        # Some launches: what is left of them looks better than the side is.
        (spread((1.0, 1.0, 1.0, 1.0, 1.0)), _late((1.0, 1.0, 1.0, 1.0, None)), "inconclusive"),
        (spread((1.0, 1.0, 1.0, 1.0, 1.0)), _late((0.5, 0.5, 0.5, 0.5, None)), "inconclusive"),
        (spread((1.0, 1.0, 1.0, 1.0, 1.0)), _late((2.0, 2.0, 2.0, 2.0, None)), "regressed"),
        (_late((1.0, 1.0, 1.0, 1.0, None)), spread((2.0, 2.0, 2.0, 2.0, 2.0)), "inconclusive"),
        (_late((1.0, 1.0, 1.0, 1.0, None)), spread((0.5, 0.5, 0.5, 0.5, 0.5)), "improved"),
    ],
)
def test_what_was_never_answered_is_infinitely_late(base: Spread, new: Spread, verdict: str) -> None:
    found = compare_metric(P99, base, new, Tolerated(0.05), Rule())
    assert found is not None
    assert found.verdict == verdict
    assert (found.reason is None) == (verdict in ("regressed", "improved") and found.change not in (None, -1.0))


def test_a_sentence_of_what_is_infinitely_late_says_so() -> None:
    lost = msgspec.structs.replace(cell(), summary={**cell().summary, P99: _late((None,) * 5)})
    found = pair(cell(), lost)
    assert found.exit_code == 3
    assert "latency p99: NEW: in 5 of 5 launches" in found.sentence.en
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


def _cameras(*held: float) -> Cell:
    capacity = Capacity(searched="cameras", confirmed=min(held), failed=min(held) + 1.0, failed_by="latency")
    made = cell(scenario="cameras", capacity=capacity)
    return msgspec.structs.replace(made, summary={**made.summary, CAMERAS: spread(held)})


CAMERAS = "capacity_cameras"


def _held(base: Cell, new: Cell) -> str:
    return next(item.verdict for item in only(pair(base, new)).metrics if item.metric == CAMERAS)


def test_one_launch_that_held_nothing_decides_nothing() -> None:
    all_, none, one = _cameras(*(12.0,) * 5), _cameras(*(0.0,) * 5), _cameras(12.0, 12.0, 12.0, 12.0, 0.0)
    assert _held(all_, none) == "regressed"
    assert _held(none, all_) == "improved"
    assert _held(all_, one) == "inconclusive"
    # Half of what BASE held is no improvement because one of its launches held nothing.
    assert _held(one, _cameras(*(6.0,) * 5)) == "inconclusive"
