"""What became of one night (`npubench.nightly/1`): what was measured, what it was compared with, its exit code.

Guarantees: pure; `exit_code` is the first of `codes` in DESIGN's order (2, 5, 4, 3), and `codes` has all of them, so
that a regression is not lost behind something worse.

Not aware of: how a night is carried out (`cli.nightly`), how it is shown (`report.nightly`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from npubench import __version__
from npubench.errors import MeasurementError, NotComparableError, RegressionError, combine_exit_codes
from npubench.lang import Text
from npubench.scenarios import written
from npubench.schema import Cell, Plan, Run
from npubench.stats.compared import Comparison, Rule

LEAST_LAUNCHES = Rule().least_launches


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class Unsound(_Document, frozen=True, kw_only=True):
    """A cell that has no valid result tonight, and why."""

    cell: str
    reasons: tuple[Text, ...] = ()


class LeftOut(_Document, frozen=True, kw_only=True):
    """Launches of a cell for which the budget had no time. `unjudged`: too few are left for any verdict."""

    cell: str
    launches: int
    unjudged: bool = False


class Nightly(_Document, frozen=True, kw_only=True):
    """One night. `run` is null where it ended before there was one; then `why` says what stopped it.

    `budget_s` is what was allowed in all, `took_s` what it took, from the call that ended it. `launches` of `planned`
    are measured. `baseline`: the run that it was compared with; null where there is none, and `why` says what to do.
    `sentence` says it all in one.
    """

    schema: Literal["npubench.nightly/1"] = "npubench.nightly/1"
    npubench: str = __version__
    machine: str
    created: str
    run: str | None = None
    budget_s: float
    took_s: float
    resumed: bool = False
    planned: int = 0
    launches: int = 0
    left_out: tuple[LeftOut, ...] = ()
    unsound: tuple[Unsound, ...] = ()
    absent: tuple[str, ...] = ()
    baseline: str | None = None
    comparison: Comparison | None = None
    why: Text | None = None
    hint: Text | None = None
    notes: tuple[Text, ...] = ()
    codes: tuple[int, ...] = ()
    exit_code: int
    sentence: Text


def name_of(cell: Cell) -> str:
    """What a cell is called in a sentence, as in a comparison."""
    return f"{cell.model} {cell.precision} {cell.backend} {written(cell.scenario)} {cell.scope}"


def unsound(run: Run) -> tuple[Unsound, ...]:
    """The cells of a run without a valid result."""
    return tuple(
        Unsound(
            cell=name_of(cell),
            reasons=cell.reasons or tuple(Text(en=item.message, ko=item.message) for item in cell.failures),
        )
        for cell in run.cells
        if cell.purpose != "floor" and cell.verdict == "invalid"
    )


def left_out(plan: Plan, run: Run) -> tuple[LeftOut, ...]:
    """What the plan has and the run lacks: launches that were never begun, or were given up when the time was up."""
    measured = {cell.id: len(cell.launches) for cell in run.cells}
    wanted: dict[str, int] = {}
    for cell, _ in plan.order:
        wanted[cell] = wanted.get(cell, 0) + 1
    names = {cell.id: name_of(cell) for cell in run.cells}
    return tuple(
        LeftOut(
            cell=names.get(cell, cell),
            launches=count - measured.get(cell, 0),
            unjudged=measured.get(cell, 0) < LEAST_LAUNCHES <= count,
        )
        for cell, count in wanted.items()
        if count > measured.get(cell, 0)
    )


def codes(
    comparison: Comparison | None, bad: Sequence[Unsound], absent: Sequence[str], lacking: Sequence[LeftOut] = ()
) -> tuple[int, ...]:
    """Every exit code that has a reason, in DESIGN's order. Without a comparison there is no baseline: 5. A cell that
    had no time for a verdict is not fine: 4.
    """
    found: set[int] = set()
    if comparison is None:
        found.add(NotComparableError.exit_code)
    else:
        for cell in comparison.cells:
            if cell.status == "not_comparable":
                found.add(NotComparableError.exit_code)
            if cell.status in ("invalid", "missing"):
                found.add(MeasurementError.exit_code)
            if cell.red:
                found.add(RegressionError.exit_code)
        if comparison.exit_code:
            found.add(comparison.exit_code)
    if bad or absent or any(item.unjudged for item in lacking):
        found.add(MeasurementError.exit_code)
    ordered = []
    while found:
        ordered.append(combine_exit_codes(found))
        found.discard(ordered[-1])
    return tuple(ordered)


def sentence(comparison: Comparison | None, run: Run, bad: Sequence[Unsound], why: Text | None) -> Text:
    """The night in one sentence."""
    if comparison is not None:
        return comparison.sentence
    cells = [cell for cell in run.cells if cell.purpose != "floor"]
    wrong = len(bad)
    broken = Text(en=f", {wrong} invalid" if wrong else "", ko=f"({wrong}개 무효)" if wrong else "")
    reason = why or Text(en="no baseline", ko="기준 없음")
    plural = "s" if len(cells) != 1 else ""
    return Text(
        en=f"{len(cells)} cell{plural} measured{broken.en}, compared with nothing: {reason.en}",
        ko=f"셀 {len(cells)}개 측정{broken.ko}, 비교하지 않음: {reason.ko}",
    )
