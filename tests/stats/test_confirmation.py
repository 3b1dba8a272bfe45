"""A regression stands only where both measurements agree; what could not be measured again stays red."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from npubench.schema import Cell
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import Comparison
from npubench.stats.confirmation import confirmed
from tests.stats.made_runs import cell, run

P50 = "latency_p50_ns"
AGAIN = "20261126T010203Z-cccccc"


def against(*cells: Cell, id: str = "20261125T010203Z-bbbbbb", base: tuple[Cell, ...] = (cell(),)) -> Comparison:  # noqa: A002
    return compare(run(*base), run(*cells, id=id))


def test_both_agree() -> None:
    found = confirmed(against(cell(factor=1.123)), against(cell(factor=1.11), id=AGAIN))
    (one,) = found.cells
    assert one.confirmed is True
    assert [item.confirmed for item in one.metrics] == [True, True, True]
    assert found.exit_code == 3
    assert found.confirmed_by is not None
    assert found.confirmed_by.id == AGAIN
    assert found.sentence.en.endswith("(99 % interval 11.6 to 13.0 %), confirmed")
    assert len(one.confirmation) == 3


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_a_false_alarm_is_refuted(factor: float) -> None:
    found = confirmed(against(cell(factor=1.123)), against(cell(factor=factor), id=AGAIN))
    (one,) = found.cells
    assert (one.confirmed, one.red, found.exit_code) == (False, False, 0)
    assert {item.verdict for item in one.metrics} == {"regressed"}
    assert found.sentence.en == "none of 3 metrics regressed; 3 regressions not confirmed when measured again"
    assert "확인되지 않은 악화 3개" in found.sentence.ko


def test_only_the_metric_that_agrees_stays_red() -> None:
    again = cell(factor=1.123)
    again = msgspec.structs.replace(again, summary={**cell().summary, P50: again.summary[P50]})
    found = confirmed(against(cell(factor=1.123)), against(again, id=AGAIN))
    assert [item.confirmed for item in found.cells[0].metrics] == [True, False, False]
    assert found.cells[0].confirmed is True
    assert found.sentence.en.startswith("1 of 3 metrics regressed: cctv-detect")
    assert "2 regressions not confirmed" in found.sentence.en
    assert found.exit_code == 3


@pytest.mark.parametrize("again", [(), (cell(verdict="invalid"),), (cell(identity={"data": "x"}),)])
def test_what_was_not_measured_again_stays_red(again: Any) -> None:
    second = compare(run(cell()), run(*again, id=AGAIN))
    found = confirmed(against(cell(factor=1.123)), second)
    (one,) = found.cells
    assert one.confirmed is None
    assert found.exit_code == 3
    assert "not measured again" in one.reasons[-1].en


NAMES = tuple(f"c-{number}" for number in range(1, 6))


def test_a_second_look_that_came_to_no_verdict_refutes_nothing() -> None:
    """A backup beside it, or two launches that crashed, are no disagreement."""
    base = (cell(launches=NAMES),)
    first = against(cell(factor=1.123, launches=NAMES), base=base)
    for again in (cell(factor=1.123, launches=NAMES, disturbed=5), cell((1.0, 1.01, 0.99), launches=NAMES[:3])):
        found = confirmed(first, against(again, id=AGAIN, base=base))
        (one,) = found.cells
        assert (one.confirmed, one.red, found.exit_code) == (None, True, 3)
        assert "not measured again with a result" in one.reasons[-1].en


def test_what_was_withheld_is_red_where_the_second_look_says_so() -> None:
    base = (cell(launches=NAMES),)
    first = against(cell(factor=1.123, launches=NAMES, disturbed=4), base=base)
    assert (first.exit_code, first.cells[0].doubtful) == (0, True)
    found = confirmed(first, against(cell(factor=1.123, launches=NAMES), id=AGAIN, base=base))
    assert (found.exit_code, found.cells[0].confirmed) == (3, True)
    assert "withheld" not in found.sentence.en
    for again in (cell(launches=NAMES), cell(factor=1.123, launches=NAMES, disturbed=4)):
        still = confirmed(first, against(again, id=AGAIN, base=base))
        assert (still.exit_code, still.cells[0].confirmed) == (0, None)
        assert "3 regressions withheld" in still.sentence.en


def test_other_cells_are_left_alone() -> None:
    base = (cell(), cell(model="b"), cell(model="c"))
    first = against(cell(factor=1.123), cell(model="b"), cell(model="c", verdict="invalid"), base=base)
    found = confirmed(first, against(cell(factor=1.0), id=AGAIN))
    assert found.cells[1:] == first.cells[1:]
    assert found.exit_code == 4


def test_the_document_round_trips() -> None:
    found = confirmed(against(cell(factor=1.123)), against(cell(factor=1.11), id=AGAIN))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found
    assert compare(run(cell()), run(cell(), id="b"), Wanted()).confirmed_by is None
