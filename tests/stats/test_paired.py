"""The paired rule: what both launches of a round share is in neither; the outcomes are those of two nights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.errors import NotComparableError
from npubench.lang import Text
from npubench.schema import Cell, Failure, FailureKind, Run, cell_id
from npubench.spi import EnvironmentFacts
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import Comparison, MetricComparison, Rule, Side
from npubench.stats.paired import compare_sides, detectable, halves, judged, more_rounds
from npubench.stats.speed import Tolerated
from npubench.stats.student import Sample
from tests.stats.made_runs import cell, run

# A night that drifts by several percent while it goes on.
DRIFT = (1.00, 1.08, 0.94, 1.12, 0.95)


def sided(a: Sequence[float | None], b: Sequence[float | None], **changes: object) -> Run:
    cells = []
    for backend, latency in (("cpu@a", a), ("cpu@b", b)):
        made = cell(latency, backend=backend, **changes)  # type: ignore[arg-type]
        names = tuple(f"{made.id}-{number + 1}" for number in range(len(latency)))
        cells.append(msgspec.structs.replace(made, launches=names))
    return run(*cells)


def metric(found: Comparison, key: str = "latency_p50_ns") -> MetricComparison:
    (only,) = found.cells
    return next(item for item in only.metrics if item.metric == key)


def test_what_a_round_shares_does_not_hide_a_slowdown() -> None:
    slower = [value * factor for value, factor in zip(DRIFT, (1.10, 1.101, 1.099, 1.10, 1.102), strict=True)]
    found = compare_sides(sided(DRIFT, slower))
    item = metric(found)
    assert (item.verdict, found.exit_code) == ("regressed", 3)
    assert item.paired is not None
    assert item.paired.rounds == 5
    assert item.paired.cost_ratios == pytest.approx((1.10, 1.101, 1.099, 1.10, 1.102))
    assert item.change == pytest.approx(0.1004, abs=1e-3)
    # The same values as of two nights tell nothing.
    assert metric(compare(*halves(sided(DRIFT, slower)))).verdict == "inconclusive"


def test_equal_builds_are_equivalent_however_the_night_drifts() -> None:
    found = compare_sides(
        sided(DRIFT, [value * factor for value, factor in zip(DRIFT, (1.001, 0.999, 1.0, 1.002, 0.998), strict=True)])
    )
    assert (metric(found).verdict, found.exit_code) == ("equivalent", 0)
    assert metric(found, "frames_per_s").verdict == "equivalent"


def test_a_faster_build_is_improved() -> None:
    found = compare_sides(sided(DRIFT, [value * 0.8 for value in DRIFT]))
    assert metric(found).verdict == "improved"
    assert metric(found, "frames_per_s").change == pytest.approx(0.25)
    assert found.exit_code == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_than_four_rounds_decide_nothing(count: int) -> None:
    found = compare_sides(sided(DRIFT[:count], [value * 2 for value in DRIFT[:count]]))
    item = metric(found)
    assert item.verdict == "inconclusive"
    assert item.reason is not None
    assert item.change == pytest.approx(1.0)
    assert item.more_launches == (None if count == 1 else 4 - count)


def test_a_round_without_a_value_on_one_side_is_left_out() -> None:
    a, b = [*DRIFT[:4], None], [None, *(value * 1.1 for value in DRIFT[1:])]
    item = metric(compare_sides(sided(a, b)))
    assert item.paired is not None
    assert item.paired.rounds == 3
    assert (item.base.unusable, item.new.unusable) == (2, 2)
    assert item.verdict == "inconclusive"


def test_contract_and_health_come_first() -> None:
    found = sided(DRIFT, DRIFT)
    first, second = found.cells
    crash = Failure(kind=FailureKind.CRASHED, message="it crashed")
    broken = msgspec.structs.replace(second, verdict="invalid", failures=(crash,))
    assert compare_sides(msgspec.structs.replace(found, cells=(first, broken))).exit_code == 4
    assert compare_sides(msgspec.structs.replace(found, cells=(first, _with(second, data="other")))).exit_code == 5
    lone = cell(DRIFT, backend="cpu@a", model="ocr-korean")
    status = {
        item.model: item.status
        for item in compare_sides(msgspec.structs.replace(found, cells=(*found.cells, lone))).cells
    }
    assert status["ocr-korean"] == "missing"


def _with(of: Cell, **identity: object) -> Cell:
    return msgspec.structs.replace(of, identity={**of.identity, **identity})


def test_options_may_differ_and_are_named() -> None:
    found = sided(DRIFT, DRIFT)
    first, second = found.cells
    told = compare_sides(msgspec.structs.replace(found, cells=(first, _with(second, options={"threads": 4}))))
    (only,) = told.cells
    assert only.status == "compared"
    assert [(item.field, item.base, item.new) for item in only.allowed] == [("options.threads", 2, 4)]
    assert told.notes == ()
    assert told.allow == ()


def test_versions_of_both_sides_are_told() -> None:
    facts = {
        "cpu@a": EnvironmentFacts(python="3.11.2", packages={"onnxruntime": "1.31.0", "numpy": "2.0"}),
        "cpu@b": EnvironmentFacts(python="3.11.2", packages={"onnxruntime": "1.32.0", "numpy": "2.0"}),
    }
    varying = {"kernel": "6.0", "cpu@a.onnxruntime": "1.31.0", "cpu@b.onnxruntime": "1.32.0"}
    found = msgspec.structs.replace(
        sided(DRIFT, DRIFT), environments=facts, varying=varying, backends={"cpu@a": {}, "cpu@b": {}}
    )
    versions = {item.name: (item.base, item.new) for item in compare_sides(found).varying}
    assert versions == {
        "kernel": ("6.0", "6.0"),
        "cpu.onnxruntime": ("1.31.0", "1.32.0"),
        "cpu.environment.onnxruntime": ("1.31.0", "1.32.0"),
    }


def test_halves_have_plain_names() -> None:
    a, b = halves(sided(DRIFT, DRIFT))
    assert (a.id, b.id) == ("20261124T010203Z-aaaaaa@a", "20261124T010203Z-aaaaaa@b")
    assert [item.backend for half in (a, b) for item in half.cells] == ["cpu", "cpu"]
    assert a.cells[0].id == b.cells[0].id == cell_id(a.cells[0].key)
    with pytest.raises(NotComparableError, match="did not measure two builds"):
        halves(run(cell(DRIFT)))


def test_the_document_survives_the_round_trip() -> None:
    found = compare_sides(sided(DRIFT, DRIFT), notes=(Text(en="a", ko="b"),))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


BLANK = MetricComparison(
    metric="latency_p50_ns",
    unit="ns",
    verdict="inconclusive",
    base=Side(mean=1.0, launches=5),
    new=Side(mean=1.0, launches=5),
    tolerance=0.02,
)
RULE = Rule()


def test_zero_variance_is_exact() -> None:
    assert judged(BLANK, [0.1] * 4, RULE).verdict == "regressed"
    assert judged(BLANK, [0.0] * 4, RULE).verdict == "equivalent"
    assert judged(BLANK, [-0.1] * 4, RULE).verdict == "improved"
    assert judged(BLANK, [0.1] * 4, RULE).minimum_detectable_change == pytest.approx(0.02)


@given(st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=12))
def test_swapping_the_sides_mirrors_the_verdict(ratios: list[float]) -> None:
    one, other = judged(BLANK, ratios, RULE), judged(BLANK, [-value for value in ratios], RULE)
    mirrored = {"regressed": "improved", "improved": "regressed"}
    assert other.verdict == mirrored.get(one.verdict, one.verdict)
    assert one.low is not None
    assert other.high is not None
    assert math.log1p(one.low) == pytest.approx(-math.log1p(other.high), abs=1e-9)
    assert one.more_launches == other.more_launches


@given(st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=12), st.floats(-0.2, 0.2))
def test_so_many_more_rounds_would_settle_it(ratios: list[float], shift: float) -> None:
    found = Sample.of([value + shift for value in ratios])
    more = more_rounds(found, 0.99, math.log1p(0.02), 4)
    if more is not None and more < 200 and found.variance:
        wide = judged(BLANK, _drawn(found, found.count + more), RULE)
        assert wide.verdict != "inconclusive" or more == 0


def _drawn(like: Sample, count: int) -> list[float]:
    """`count` values with this mean and this variance, exactly."""
    values = np.random.default_rng(1).standard_normal(count)
    values = (values - values.mean()) / values.std(ddof=1) * math.sqrt(like.variance or 0.0) * (1 - 1e-9)
    return [float(value) for value in values + like.mean]


@pytest.mark.parametrize("rounds", [4, 5, 10])
def test_the_stated_minimum_is_detected_as_often_as_stated(rounds: int) -> None:
    """Were the spread that was seen the true one."""
    spread = 0.01
    like = Sample(rounds, 0.0, spread**2)
    effect = detectable(like, RULE.confidence, RULE.power, math.log1p(0.02))
    assert effect is not None
    random = np.random.default_rng(rounds)
    hits = sum(
        judged(BLANK, list(random.normal(effect, spread, rounds)), RULE).verdict == "regressed" for _ in range(1500)
    )
    assert 0.93 <= hits / 1500 <= 0.97


def test_a_tolerance_of_ones_own_is_kept() -> None:
    wanted = Wanted(tolerances=lambda cell, key, scope=None: Tolerated(0.2))
    found = compare_sides(sided(DRIFT, [value * 1.1 for value in DRIFT]), wanted)
    assert metric(found).verdict == "equivalent"
    assert metric(found).tolerance == 0.2
