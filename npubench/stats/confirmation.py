"""Red cells measured again: a regression stands only where both measurements agree.

A false alarm of one night is a rare event by construction, and a second one in the same cell rarer by the square; a
slowdown that is there is there again. What was not measured again, or could not be, stays red: a second look that came
to no verdict (too few launches, or other work on the machine) is no disagreement. What would have been red but for
other work is red where the second look says so.

Not aware of: how cells are measured again (`engine`).
"""

from __future__ import annotations

import msgspec

from npubench.lang import Text
from npubench.stats.compared import CellComparison, Comparison, MetricComparison, exit_code
from npubench.stats.headline import headline

_NOT_AGAIN = Text(
    en="was not measured again with a result, so the regression stands", ko="다시 측정한 결과가 없어 악화 판정을 유지함"
)


def confirmed(first: Comparison, second: Comparison) -> Comparison:
    """`first` with every regressed verdict confirmed or refuted by `second`, its sentence and exit code anew."""
    again = {cell.id: cell for cell in second.cells}
    cells = tuple(_cell(cell, again.get(cell.id), first) if cell.doubtful else cell for cell in first.cells)
    return msgspec.structs.replace(
        first,
        cells=cells,
        confirmed_by=second.new,
        exit_code=exit_code(cells),
        sentence=headline(cells, first.rule),
        notes=(*first.notes, *(note for note in second.notes if note not in first.notes)),
    )


def _cell(cell: CellComparison, again: CellComparison | None, first: Comparison) -> CellComparison:
    measured = again.metrics if again is not None else ()
    seconds = {(item.metric, item.scope): item for item in measured}
    least = first.rule.least_launches
    metrics = tuple(_judged(item, seconds.get((item.metric, item.scope)), least) for item in cell.metrics)
    answers = [item.confirmed for item in metrics if item.verdict == "regressed"]
    reasons = cell.reasons
    if None in answers:
        reasons = (*reasons, *(again.reasons if again is not None else ()), _NOT_AGAIN)
    return msgspec.structs.replace(
        cell,
        metrics=metrics,
        confirmed=True if True in answers else None if None in answers or not answers else False,
        confirmation=measured,
        reasons=reasons,
    )


def _judged(item: MetricComparison, second: MetricComparison | None, least: int) -> MetricComparison:
    if second is None or not item.doubtful:
        return item
    if second.verdict == "regressed":
        return msgspec.structs.replace(item, verdict="regressed", confirmed=True)
    decided = second.withheld is None and second.change is not None and _launches(second) >= least
    return msgspec.structs.replace(item, confirmed=False) if decided and item.red else item


def _launches(item: MetricComparison) -> int:
    """Of the side that has fewer."""
    return item.paired.rounds if item.paired is not None else min(item.base.launches, item.new.launches)
