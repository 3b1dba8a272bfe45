"""Energy by scope, capacities by the steps of their search, labels, kinds, and parts of a run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from npubench.errors import NotComparableError, UsageError
from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.schema import Capacity, Cell
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import CellComparison, Comparison, MetricComparison
from tests.stats.made_runs import STEADY, cell, run, spread

TEXT = Text(en="because", ko="이유")


def pair(base: Cell, new: Cell, **wanted: Any) -> Comparison:
    return compare(run(base), run(new, id="20261125T010203Z-bbbbbb"), Wanted(**wanted))


def only(found: Comparison) -> CellComparison:
    (one,) = found.cells
    return one


def joules(level: float, *scopes: str, key: str = "energy_per_request_j") -> dict[str, Any]:
    return {"efficiency": {scope: {key: spread([level * value for value in STEADY])} for scope in scopes}}


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_is_compared_within_its_scope() -> None:
    found = pair(cell(**joules(1.0, "card", "wall")), cell(**joules(1.2, "card", "node")))
    energy = [item for item in only(found).metrics if item.scope is not None]
    assert [(item.metric, item.scope, item.verdict) for item in energy] == [
        ("energy_per_request_j", "card", "regressed")
    ]
    assert energy[0].tolerance == 0.03
    assert found.exit_code == 3
    assert "energy per request (card) +20.0 %" in found.sentence.en
    assert [reason.en for reason in only(found).reasons] == [
        "energy was read in scope wall on BASE only: not compared",
        "energy was read in scope node on NEW only: not compared",
    ]


def test_energy_per_frame_is_not_told_twice() -> None:
    both = {"card": {key: spread(STEADY) for key in ("energy_per_request_j", "energy_per_frame_j", "power_mean_w")}}
    found = only(pair(cell(efficiency=both), cell(efficiency=both)))
    assert [item.metric for item in found.metrics if item.scope] == ["energy_per_frame_j"]


def test_more_tokens_for_a_joule_are_an_improvement() -> None:
    key = "tokens_per_j"
    found = pair(
        cell(unit="token", **joules(10.0, "card", key=key)), cell(unit="token", **joules(12.0, "card", key=key))
    )
    (item,) = [item for item in only(found).metrics if item.scope]
    assert (item.verdict, round(item.change or 0, 3)) == ("improved", 0.2)


# --- capacities ------------------------------------------------------------------------------------------------------


def held(confirmed: float | None, failed: float | None, percent: float = 99.0, **changes: Any) -> Cell:
    """Five launches that all confirm what the first one's search found."""
    capacity = Capacity(searched="cameras", confirmed=confirmed, failed=failed, percent=percent if confirmed else None)
    made = cell(scenario="cameras", capacity=capacity, **changes)
    return msgspec.structs.replace(
        made,
        summary={**made.summary, "capacity_cameras": spread([confirmed] * 5, "no time" if confirmed is None else None)},
    )


def cameras(base: Cell, new: Cell) -> MetricComparison:
    found = only(pair(base, new))
    return next(item for item in found.metrics if item.metric == "capacity_cameras")


def test_one_step_of_the_search_is_no_regression() -> None:
    """Twelve held and thirteen not, eleven held and twelve not: both may be one device that holds 11.99."""
    found = cameras(held(12, 13), held(11, 12))
    assert found.verdict == "inconclusive"
    assert found.reason is not None
    assert "longer search" in found.reason.en
    assert found.more_launches is None
    assert cameras(held(12, 13), held(12, 13)).verdict == "inconclusive"


def test_what_no_step_explains_is_one() -> None:
    assert cameras(held(12, 13), held(8, 9)).verdict == "regressed"
    assert cameras(held(8, 9), held(12, 13)).verdict == "improved"
    fine = cameras(held(120, 121), held(120, 121))
    assert fine.verdict == "equivalent"
    assert fine.minimum_detectable_change is not None


def test_a_search_without_a_failure_knows_no_upper_bound() -> None:
    found = cameras(held(12, None), held(8, 9))
    assert found.verdict == "regressed"
    assert cameras(held(12, 13), held(8, None)).verdict == "inconclusive"
    assert cameras(held(8, 9), held(12, None)).verdict == "improved"
    assert cameras(held(12, 13), held(12, None)).minimum_detectable_change is None


def test_a_device_that_holds_nothing_any_more_is_red() -> None:
    found = pair(held(12, 13), held(0, 1))
    item = next(item for item in only(found).metrics if item.metric == "capacity_cameras")
    assert (item.verdict, item.change, item.new.mean) == ("regressed", -1.0, 0.0)
    assert found.exit_code == 3
    assert "cameras served −100.0 %" in found.sentence.en
    back = cameras(held(0, 1), held(12, 13))
    assert (back.verdict, back.change) == ("improved", None)
    assert cameras(held(1, 2), held(0, 1)).verdict == "inconclusive"
    assert [item.metric for item in only(pair(held(0, 1), held(0, 1))).metrics if "capacity" in item.metric] == []


def test_latencies_at_different_loads_are_not_compared() -> None:
    found = only(pair(held(12, 13), held(14, 15, factor=1.3)))
    assert [item.metric for item in found.metrics] == ["capacity_cameras"]
    assert "different loads" in found.reasons[-1].en
    same = only(pair(held(12, 13), held(12, 13, factor=1.3)))
    assert {item.metric for item in same.metrics} > {"latency_p50_ns", "capacity_cameras"}


def test_capacities_at_different_percentiles_are_not_comparable() -> None:
    found = pair(held(12, 13, 99.0), held(12, 13, 90.0))
    assert [(item.field, item.base, item.new) for item in only(found).differences] == [("capacity.percent", 99.0, 90.0)]
    assert found.exit_code == 5
    assert pair(held(12, 13, 99.0), held(12, 13, 90.0), allow=("capacity.percent",)).exit_code == 0


# --- labels and kinds ------------------------------------------------------------------------------------------------


def certificate(extent: Any) -> Certificate:
    return Certificate(
        model="m", precision="p", variant="v", backend="b", extent=extent, execution_kind="hardware", reasons=()
    )


@pytest.mark.parametrize("kind", ["simulated", "virtual"])
def test_times_of_what_is_not_there_mean_nothing(kind: Any) -> None:
    found = pair(cell(execution_kind=kind), cell(factor=3.0, execution_kind=kind))
    one = only(found)
    assert (one.status, one.metrics, found.exit_code) == ("untimed", (), 0)
    assert one.labels == (kind,)
    assert "times mean nothing" in one.reasons[-1].en
    assert found.sentence.en == "nothing was compared; 1 cell not judged by speed"
    assert pair(cell(execution_kind=kind), cell(execution_kind=kind, verdict="invalid")).exit_code == 4


@pytest.mark.parametrize("kind", ["unknown", None])
def test_kinds_that_nobody_knows_are_refused(kind: Any) -> None:
    found = pair(cell(execution_kind=kind), cell(execution_kind=kind))
    assert only(found).differences[0].field == "execution_kind"
    assert found.exit_code == 5
    with pytest.raises(UsageError, match="never compared"):
        pair(cell(), cell(), allow=("execution_kind",))


def test_labels_and_a_placement_that_changed() -> None:
    found = only(
        pair(cell(certificate=certificate("full")), cell(certificate=certificate("assisted"), overhead_bound=True))
    )
    assert found.labels == ("cpu_assisted", "overhead_bound")
    assert found.reasons[-1].en == "placement changed: BASE full, NEW assisted"


def test_a_red_verdict_from_a_degraded_side_says_so_and_stands() -> None:
    found = pair(cell(), cell(factor=1.2, verdict="degraded", reasons=(TEXT,)))
    assert only(found).labels == ("new_degraded",)
    assert found.exit_code == 3
    assert found.sentence.en.endswith("; NEW counts with caution")
    assert found.sentence.ko.endswith("; NEW 주의")


def test_what_a_side_lacks_is_carried() -> None:
    found = only(pair(cell(lacks=(TEXT,)), cell()))
    assert found.lacks == (Text(en="BASE: because", ko="BASE: 이유"),)


# --- parts -----------------------------------------------------------------------------------------------------------


def test_a_part_of_two_runs() -> None:
    base = run(cell(), cell(model="b"), cell(model="c", backend="npu"))
    new = run(cell(), id="b")
    whole = compare(base, new)
    assert [item.status for item in whole.cells] == ["compared", "missing", "missing"]
    assert whole.exit_code == 4
    assert "--model, --backend" in whole.cells[1].reasons[0].en
    part = compare(base, new, Wanted(models=("cctv-detect",)))
    assert [item.status for item in part.cells] == ["compared"]
    assert part.only == ("model=cctv-detect",)
    assert part.exit_code == 0
    assert part.notes[0].en == "only a part was compared: model=cctv-detect"
    assert compare(base, new, Wanted(backends=("npu",))).exit_code == 4
    with pytest.raises(UsageError, match=r"--model nothing: in neither run \(they have b, c, cctv-detect\)"):
        compare(base, new, Wanted(models=("nothing",)))


def test_two_runs_that_claim_one_id() -> None:
    assert compare(run(cell()), run(cell())).notes[0].en == "BASE and NEW are the same run"
    with pytest.raises(NotComparableError, match="two runs claim the id") as caught:
        compare(run(cell()), run(cell(factor=1.1)))
    assert caught.value.exit_code == 5
