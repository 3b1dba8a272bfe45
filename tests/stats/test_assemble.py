"""A run from its launches: medians over launches, nulls kept, floors applied."""

from __future__ import annotations

import msgspec

from npubench.lang import Text
from npubench.rules import load
from npubench.schema import Audit, Capacity, Launch, Plan, Stages, Trial, Value, Window
from npubench.stats.assemble import assemble, scrubbed, spread
from tests.support import floor_model, null_card, null_plan


def launch_of(plan: Plan, cell: str, number: int, p50_ns: float | None) -> Launch:
    value = Value(value=p50_ns, reason=None if p50_ns is not None else "too few")
    return Launch(
        run=plan.run,
        cell=cell,
        number=number,
        started="2026-11-24T00:00:00Z",
        status="ok",
        execution_kind="virtual",
        summary={"latency_p50_ns": value},
    )


def test_the_cells_value_is_the_median_of_its_launches() -> None:
    plan = null_plan(null_card(), launches=3)
    cell = plan.cells[0].id
    run = assemble(plan, [launch_of(plan, cell, n, v) for n, v in ((1, 30.0), (2, 10.0), (3, 20.0))], load())
    assert run.cells[0].summary["latency_p50_ns"].median == 20.0
    assert run.cells[0].summary["latency_p50_ns"].launches == (30.0, 10.0, 20.0)
    assert run.cells[0].verdict == "valid"


def test_one_null_launch_makes_the_cell_null_with_its_reason() -> None:
    found = spread([Value(value=1.0), Value(value=None, reason="too few")])
    assert found.median is None
    assert found.reason == "too few"
    assert found.launches == (1.0, None)


def test_a_cell_without_launches_is_invalid_not_missing() -> None:
    plan = null_plan(null_card(), launches=2)
    run = assemble(plan, [], load())
    assert run.cells[0].verdict == "invalid"
    assert run.cells[0].execution_kind is None


def test_a_result_near_the_floor_is_marked() -> None:
    from npubench.engine import plan as planning
    from tests.support import MACHINE, tensor_model

    card = null_card()
    floor, room = floor_model()
    plan = planning.make(
        run="r",
        wanted=[planning.Wanted(model="tiny", scenarios=("single-stream",))],
        models={floor.id: floor, "tiny": tensor_model()},
        backends={card.id: card},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="standard", seconds=1, launches=1, max_window_s=1),
        seed=0,
        suite=None,
        sources={"room:tiny": str(room)},
    )
    floor_cell, cell = plan.cells
    assert floor_cell.purpose == "floor"
    assert plan.order[0] == (floor_cell.id, 1)
    for p50, bound in ((19_000.0, True), (21_000.0, False)):
        run = assemble(plan, [launch_of(plan, floor_cell.id, 1, 1000.0), launch_of(plan, cell.id, 1, p50)], load())
        assert run.cells[1].overhead_bound is bound
        assert run.cells[1].summary["overhead_floor_ns"].median == 1000.0
        assert run.cells[1].verdict == "valid"


def test_a_command_keeps_no_folders() -> None:
    typed = ("npubench", "run", "--frames=/home/kim/cctv", "--out", "/mnt/a/results/", "--shape", "x=1x3")
    assert scrubbed(typed) == ("npubench", "run", "--frames=cctv", "--out", "results", "--shape", "x=1x3")


def test_launches_far_apart_degrade_the_cell() -> None:
    plan = null_plan(null_card(), launches=2)
    cell = plan.cells[0].id
    for rates, verdict in (((10.0, 11.0), "valid"), ((10.0, 20.0), "degraded")):
        launches = [
            msgspec.structs.replace(launch_of(plan, cell, n, 1e6), summary={"samples_per_s": Value(value=rate)})
            for n, rate in enumerate(rates, 1)
        ]
        run = assemble(plan, launches, load())
        assert run.cells[0].verdict == verdict
    assert "the launches differ by 100%" in run.cells[0].reasons[0].en


def trial_of(load: float, passed: bool) -> Trial:
    return Trial(
        purpose="confirm",
        load=load,
        window=Window(start_ns=0, end_ns=1),
        queries=700,
        over=0 if passed else 50,
        dropped=0,
        failed=0,
        passed=passed,
        percent=99 if passed else None,
        failed_by=None if passed else "queue",
    )


def loaded(plan: Plan, number: int, confirmed: float | None, failed: float, percent: float = 99) -> Launch:
    """A launch that searched a load."""
    known = confirmed is not None
    found = Capacity(
        searched="cameras",
        confirmed=confirmed,
        reason=None if known else Text(en="no time", ko="시간 부족"),
        percent=percent if known else None,
        short=None if percent == 99 else 200,
        failed=failed,
        failed_by="queue",
        sustained_per_s=60.0 + number,
        trials=(*((trial_of(confirmed, True),) if confirmed is not None else ()), trial_of(failed, False)),
    )
    value = Value(value=confirmed, reason=None if known else "no time")
    stages = Stages(inputs=20, median_ns={"decode": 1e6 * number, "infer": 5e6})
    audits = (Audit(name="no-cache", passed=number != 3, said=Text(en=f"launch {number}", ko=f"실행 {number}")),)
    lacks = (Text(en="needs 200 more queries for p99", ko="p99에 질의 200건 더 필요"),) if percent != 99 else ()
    return msgspec.structs.replace(
        launch_of(plan, plan.cells[0].id, number, 1e6),
        summary={"capacity_cameras": value},
        capacity=found,
        stages=stages,
        audits=audits,
        lacks=lacks,
    )


def test_a_capacity_is_what_every_launch_confirmed() -> None:
    plan = null_plan(null_card(), launches=2)
    cell = assemble(plan, [loaded(plan, 1, 7.0, 8.0), loaded(plan, 2, 5.0, 7.0, percent=95)], load()).cells[0]
    assert cell.summary["capacity_cameras"].median == 5.0
    assert cell.summary["capacity_cameras"].launches == (7.0, 5.0)
    found = cell.capacity
    assert found is not None
    assert (found.confirmed, found.failed, found.failed_by) == (5.0, 7.0, "queue")
    assert (found.percent, found.short, found.sustained_per_s, len(found.trials)) == (95, 200, 61.5, 4)
    assert cell.stages == Stages(inputs=20, median_ns={"decode": 1.5e6, "infer": 5e6})
    assert [text.en for text in cell.lacks] == ["needs 200 more queries for p99"]
    assert [audit.passed for audit in cell.audits] == [True]
    assert cell.verdict == "valid"


def test_one_launch_without_an_answer_makes_the_capacity_unknown() -> None:
    plan = null_plan(null_card(), launches=2)
    cell = assemble(plan, [loaded(plan, 1, 7.0, 8.0), loaded(plan, 2, None, 9.0)], load()).cells[0]
    assert cell.summary["capacity_cameras"].median is None
    assert cell.capacity is not None
    assert (cell.capacity.confirmed, cell.capacity.percent) == (None, None)
    assert cell.capacity.reason is not None
    assert cell.capacity.reason.en == "no time"


def test_one_failed_audit_makes_the_cell_invalid() -> None:
    plan = null_plan(null_card(), launches=3)
    cell = assemble(plan, [loaded(plan, number, 7.0, 8.0) for number in (1, 2, 3)], load()).cells[0]
    assert cell.verdict == "invalid"
    assert [(audit.passed, audit.said.en) for audit in cell.audits] == [(False, "launch 3")]


def test_identity_ignores_versions_and_titles() -> None:
    one = null_plan(null_card())
    renamed = msgspec.structs.replace(null_card(), title=null_card().summary)
    two = null_plan(renamed)
    changed = null_plan(null_card(work_ns=5))
    assert one.cells[0].identity == two.cells[0].identity
    assert one.cells[0].id == changed.cells[0].id
    assert one.cells[0].identity != changed.cells[0].identity
    assert not any("kernel" in key or "version" in key for key in one.cells[0].identity)
