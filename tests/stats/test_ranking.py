"""Who may stand beside whom, places that intervals justify, and the front of speed and energy."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.lang import Text
from npubench.schema import AbsentBackend, Cell, UnsupportedCell
from npubench.stats.placing import bounds, certainly_better, figure, front, order, placed
from npubench.stats.ranked import Figure, Ranking, Table
from npubench.stats.ranking import rank
from tests.stats.made_rankings import cameras, entry, joules
from tests.stats.made_runs import STEADY, run, spread

WHY = (Text(en="because", ko="이유"),)


def ranked(*cells: Cell, **options: Any) -> Ranking:
    return rank([run(*cells)], **options)


def one(found: Ranking, division: str = "fixed", scope: str | None = None) -> Table:
    (table,) = [table for table in found.tables if (table.division, table.meter_scope) == (division, scope)]
    return table


def places(table: Table) -> dict[str, tuple[int | None, bool]]:
    return {row.entry.backend: (row.figures[0].place, row.figures[0].shared) for row in table.rows}


# --- places ----------------------------------------------------------------------------------------------------------


def test_who_cannot_be_told_apart_shares_a_place() -> None:
    found = ranked(entry(1.0, "slow"), entry(0.6, "a"), entry(0.601, "b"))
    assert places(one(found)) == {"a": (1, True), "b": (1, True), "slow": (3, False)}
    assert [row.entry.backend for row in one(found).rows] == ["a", "b", "slow"]
    assert one(found).metrics == ("latency_p50_ns", "latency_p99_ns")


def test_a_place_counts_only_those_that_are_certainly_better() -> None:
    """a and b overlap, b and c overlap, a and c do not: c is behind one, not behind two."""

    def made(low: float, high: float) -> Figure:
        return Figure(metric="latency_p50_ns", value=(low + high) / 2, low=low, high=high, launches=5)

    figures = placed([made(1, 3), made(2, 5), made(4, 6)])
    assert [(item.place, item.shared) for item in figures] == [(1, True), (1, True), (2, False)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0, 3)), min_size=1, max_size=8))
def test_places_are_fair(pairs: list[tuple[float, float]]) -> None:
    """Nobody is behind one who is not certainly better, and there is always a first."""
    figures = placed(
        [Figure(metric="frames_per_s", value=low + more / 2, low=low, high=low + more) for low, more in pairs]
    )
    assert min(item.place for item in figures if item.place is not None) == 1
    for item in figures:
        better = [other for other in figures if certainly_better(other, item)]
        assert item.place == 1 + len(better)
        assert all(order(other) < order(item) for other in better)


def test_one_launch_has_no_place_and_stands_below_those_that_have() -> None:
    fast = entry(0.1, "once")
    fast = msgspec.structs.replace(fast, summary={"latency_p50_ns": spread([1e6]), "latency_p99_ns": spread([2e6])})
    table = one(ranked(fast, entry(1.0, "cpu")))
    assert places(table) == {"cpu": (1, False), "once": (None, False)}
    assert [row.entry.backend for row in table.rows] == ["cpu", "once"]
    assert table.rows[1].figures[0].reason is not None


def test_the_interval_is_students() -> None:
    from scipy import stats  # type: ignore[import-untyped]

    found = figure(entry(1.0, "x"), "latency_p50_ns", spread(STEADY), 0.99)
    logs = np.log(STEADY)
    low, high = stats.t.interval(0.99, 4, logs.mean(), stats.sem(logs))
    assert bounds(found) == pytest.approx((np.exp(low), np.exp(high)))


def test_a_capacity_reaches_up_to_the_load_that_failed() -> None:
    found = one(ranked(cameras("a", 12, 13), cameras("b", 13, 14), cameras("c", 4, 5), cameras("d", 4, None)))
    # Twelve and thirteen cannot be told apart: what held twelve may have held all but thirteen.
    assert places(found) == {"b": (1, True), "a": (1, True), "c": (3, False), "d": (1, True)}
    by = {row.entry.backend: row.figures[0] for row in found.rows}
    assert (by["a"].low, by["a"].high) == (12, 13)
    # No load failed: it may hold more than anybody.
    assert by["d"].place == 1
    assert by["d"].high is None
    assert by["d"].reason is not None
    nothing = one(ranked(cameras("a", 12, 13), cameras("zero", 0, 1)))
    assert places(nothing) == {"a": (1, False), "zero": (2, False)}


# --- who may stand beside whom ----------------------------------------------------------------------------------------


def test_kinds_are_never_side_by_side() -> None:
    found = ranked(
        entry(1.0, "cpu"),
        entry(0.5, "server", execution_kind="endpoint"),
        entry(0.1, "sim", execution_kind="simulated"),
        entry(0.1, "null", execution_kind="virtual"),
        entry(0.1, "dark", execution_kind="unknown"),
        entry(0.1, "fallback", execution_kind="cpu_fallback"),
    )
    assert {(table.kind, *(row.entry.backend for row in table.rows)) for table in found.tables} == {
        ("hardware", "cpu"),
        ("endpoint", "server"),
    }
    assert {item.backend: item.why for item in found.unranked} == {
        "sim": "untimed",
        "null": "untimed",
        "dark": "unproven",
        "fallback": "unproven",
    }


def test_what_is_no_result_is_listed_and_not_dropped() -> None:
    told = run(
        entry(1.0, "cpu"),
        entry(0.1, "broken", verdict="invalid", reasons=WHY),
        entry(0.1, "refuses", verdict="unsupported", reasons=WHY),
        unsupported=(UnsupportedCell(model="cctv-detect", backend="tiny", precision="fp32", reason=WHY[0]),),
        absent=(AbsentBackend(backend="gone", title=WHY[0], reason="no driver"),),
    )
    found = rank([told])
    assert {item.backend: (item.why, item.reasons[0].en) for item in found.unranked} == {
        "broken": ("invalid", "because"),
        "refuses": ("unsupported", "because"),
        "tiny": ("unsupported", "because"),
        "gone": ("absent", "no driver"),
    }
    assert places(one(found)) == {"cpu": (1, False)}


@pytest.mark.parametrize(
    ("field", "identity"),
    [
        ("data", {"data": "other"}),
        ("ruleset", {"ruleset": "mine"}),
        ("params.size", {"params": {"size": 320}}),
        ("graphs.detector.weights", {"graphs": {"detector": {"weights": "f"}}}),
    ],
)
def test_other_work_is_not_comparable_and_the_field_is_named(field: str, identity: dict[str, Any]) -> None:
    usual = {"graphs": {"detector": {"weights": "a"}}, "params": {}}
    cells = [
        entry(1.0, "a", identity=usual),
        entry(1.0, "b", identity=usual),
        entry(0.1, "other", identity={**usual, **identity}),
    ]
    found = ranked(*cells)
    assert set(places(one(found))) == {"a", "b"}
    (left_out,) = found.unranked
    assert (left_out.backend, left_out.why) == ("other", "not_comparable")
    assert [item.field for item in left_out.differences] == [field]
    allowed = ranked(*cells, allow=[field.split(".")[0]])
    assert set(places(one(allowed))) == {"a", "b", "other"}
    assert allowed.allow == (field.split(".")[0],)


def test_profiles_do_not_mix_and_a_quick_look_is_not_ranked() -> None:
    long, quick = run(entry(1.0, "a")), run(entry(0.5, "b"), id="q", profile="smoke", comparable=False)
    found = rank([long, quick])
    assert set(places(one(found))) == {"a"}
    (left_out,) = found.unranked
    assert [item.field for item in left_out.differences] == ["profile"]
    assert "--allow profile" in left_out.reasons[0].en
    assert set(places(one(rank([long, quick], allow=["profile"])))) == {"a", "b"}
    assert not rank([quick]).tables


def test_quick_looks_do_not_decide_what_is_usual() -> None:
    looks = [run(entry(0.5, f"q{n}"), id=f"q{n}", profile="smoke", comparable=False) for n in range(3)]
    assert set(places(one(rank([*looks, run(entry(1.0, "a"))])))) == {"a"}


def test_how_a_backend_is_driven_is_its_own_choice() -> None:
    def offline(factor: float, batch: int) -> Cell:
        made = entry(factor, "npu")
        scenario = msgspec.structs.replace(made.scenario, name="offline", params={"batch": batch})
        key = {**made.key, "scenario": "offline", "scenario.batch": str(batch)}
        return msgspec.structs.replace(made, scenario=scenario, key=key)

    table = one(ranked(offline(1.0, 1), offline(0.5, 8), offline(0.7, 16)))
    assert [row.entry.scenario.params["batch"] for row in table.rows] == [8]
    assert table.metrics == ("frames_per_s",)
    assert "batch" not in table.scenario.params


def test_other_loads_scopes_and_mixes_have_tables_of_their_own() -> None:
    beside = entry(1.0, "mixed")
    beside = msgspec.structs.replace(beside, key={**beside.key, "mix": "a + b"}, mix="m")
    cells = (entry(1.0, "a"), entry(1.0, "b", scope="service"), cameras("c", 4, 5), beside)
    tables = [table for table in ranked(*cells).tables if table.division == "fixed"]
    assert sorted(row.entry.backend for table in tables for row in table.rows) == ["a", "b", "c", "mixed"]
    assert len(tables) == 4


# --- divisions --------------------------------------------------------------------------------------------------------


def test_the_open_division_takes_the_best_that_passed_and_says_who_may_not_enter() -> None:
    found = ranked(
        entry(1.0, "cpu"),
        entry(0.6, "npu"),
        entry(0.3, "npu", precision="int8"),
        entry(0.2, "npu", precision="int4", judged="unknown"),
        entry(0.9, "dark", judged="unknown"),
    )
    table = one(found, "open")
    assert [(row.entry.backend, row.entry.precision) for row in table.rows] == [("npu", "int8"), ("cpu", "fp32")]
    assert table.precision is None
    left_out = {(item.backend, item.precision) for item in found.unranked if item.division == "open"}
    assert left_out == {("npu", "int4"), ("dark", "fp32")}
    fixed = {table.precision: list(places(table)) for table in found.tables if table.division == "fixed"}
    assert fixed == {"fp32": ["npu", "dark", "cpu"], "int8": ["npu"], "int4": ["npu"]}


def test_runs_of_one_backend_are_entries_of_their_own() -> None:
    found = rank([run(entry(1.0, "cpu"), id="one"), run(entry(0.8, "cpu"), id="two")])
    assert [row.entry.run for row in one(found).rows] == ["two", "one"]


# --- energy -----------------------------------------------------------------------------------------------------------


def test_scopes_of_metering_are_never_side_by_side() -> None:
    found = ranked(
        entry(1.0, "a", energy=1.0),
        entry(0.5, "b", efficiency={**joules(0.5), **joules(0.1, "card")}),
        entry(0.9, "c", energy_reason=WHY[0]),
    )
    node, card = one(found, scope="node"), one(found, scope="card")
    assert places(node) == {"b": (1, False), "a": (2, False), "c": (None, False)}
    assert node.metrics == ("energy_per_frame_j", "latency_p50_ns")
    assert {row.entry.backend: row.figures[0].reason for row in node.rows}["c"] == WHY[0]
    assert places(card)["a"] == (None, False)


def test_unlike_devices_have_no_places_by_a_part_of_the_machine() -> None:
    gpu = {"device": {"type": "gpu", "vendor": "x", "count": 1}}
    cells = [
        entry(1.0, "a", efficiency=joules(1.0, "card")),
        entry(1.0, "b", efficiency=joules(0.5, "card"), identity=gpu),
    ]
    table = one(ranked(*cells), scope="card")
    assert set(places(table).values()) == {(None, False)}
    assert {row.front for row in table.rows} == {None}
    assert "whole machine" in table.notes[0].en
    whole = [msgspec.structs.replace(cell, efficiency={"node": next(iter(cell.efficiency.values()))}) for cell in cells]
    assert places(one(ranked(*whole), scope="node")) == {"b": (1, False), "a": (2, False)}


def test_the_front_of_speed_and_energy() -> None:
    table = one(
        ranked(
            entry(0.5, "fast", energy=2.0),
            entry(1.0, "frugal", energy=0.5),
            entry(1.1, "beaten", energy=0.6),
            entry(0.501, "as-fast", energy=2.01),
            entry(0.1, "no-meter"),
        ),
        scope="node",
    )
    assert {row.entry.backend: row.front for row in table.rows} == {
        "fast": True,
        "frugal": True,
        "beaten": False,
        # Behind by less than the intervals tell apart: not certainly beaten.
        "as-fast": True,
        "no-meter": None,
    }


def test_a_total_that_lacks_a_part_is_on_no_front() -> None:
    partial = joules(0.1)
    partial["node"]["energy_per_frame_j"] = spread([None] * 5, reason="a channel is lacking")
    table = one(ranked(entry(0.5, "a", efficiency=partial), entry(1.0, "b", energy=1.0)), scope="node")
    by = {row.entry.backend: row for row in table.rows}
    assert by["a"].front is None
    assert by["a"].figures[0].value is None
    assert by["a"].figures[0].reason == Text(en="a channel is lacking", ko="a channel is lacking")


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=2, max_size=7))
def test_exact_points_have_the_textbooks_front(points: list[tuple[float, float]]) -> None:
    def exact(metric: str, value: float) -> Figure:
        return Figure(metric=metric, value=value, low=value, high=value)

    found = front([(exact("frames_per_s", speed), exact("energy_per_frame_j", energy)) for speed, energy in points])
    for on_front, (speed, energy) in zip(found, points, strict=True):
        beaten = any((s >= speed and e <= energy) and (s, e) != (speed, energy) for s, e in points)
        assert on_front is not beaten
