"""A search for the largest load again: every trial from its samples, then the answer from the trials."""

from __future__ import annotations

from npubench.engine import loading
from npubench.engine.capacity import CAUTIOUS, LEAST_SHARE
from npubench.engine.capacity_answer import answered, shown
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import Capacity, PlannedCell, Trial, Window
from npubench.stats.conclude import lanes_of
from npubench.stats.conforming import needed_by
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits, Needed, trial
from npubench.verify.found import Tally

_TRIAL = Text(en="recomputed from the trial's samples", ko="시험의 표본에서 다시 계산한 값과 다름")
_ANSWER = Text(en="does not follow from the trials", ko="시험 결과에서 나오지 않는 값")


def check_capacity(
    tally: Tally,
    file: str,
    stated: Capacity,
    window: Window,
    cell: PlannedCell,
    samples: Samples,
    rules: Ruleset,
    limits: Limits,
) -> None:
    """Names every figure of `stated` that does not follow from the samples."""
    needed = needed_by(rules, cell.scenario.name)
    for index, item in enumerate(stated.trials):
        tried = [_again(item, samples, limits, needed, lanes) for lanes in _lanes(cell)]
        # Which of them it was is not written down: it matters to a trial's lag alone.
        again = next((found for found in tried if found == item), tried[0])
        tally.same(file, f"capacity.trials[{index}]", item, again, why=_TRIAL)
    search = loading.search_of(cell, None)
    if search is None or not stated.trials:
        tally.wrong(file, "capacity", stated, "no search: the load of this cell is given", _ANSWER)
        return
    sustained = stated.trials[0].completed_per_s
    least = 1.0 if search.whole else sustained / (search.per_load or 1.0) * LEAST_SHARE
    answer = answered(
        search,
        stated.trials,
        strongest(stated.trials),
        limits,
        needed=needed,
        sustained=sustained,
        least=least,
        likely=sustained * CAUTIOUS,
    )
    tally.same(file, "capacity", stated, answer, skip=("capacity.trials",), why=_ANSWER)
    tally.same(file, "window", window, shown(answer).window, why=_ANSWER)


def _lanes(cell: PlannedCell) -> dict[int, None]:
    """How many requests could be in flight: in all sessions, or in the one that overlaps them itself."""
    load = loading.load_of(cell, 0)
    return dict.fromkeys((load.devices * load.instances * load.inflight, load.inflight, lanes_of(cell.scenario)))


def _again(item: Trial, samples: Samples, limits: Limits, needed: Needed, lanes: int) -> Trial:
    return trial(
        samples,
        item.window,
        load=item.load,
        purpose=item.purpose,
        limits=limits,
        needed=needed,
        ended=item.ended,
        lanes=lanes,
        left=item.left,
    )


def strongest(trials: tuple[Trial, ...]) -> Trial | None:
    """The confirmation that a search reports (`engine.capacity`): below every load that failed one, the highest
    percentile, of these the largest load.
    """
    confirming = [item for item in trials if item.purpose == "confirm"]
    refuted = min((item.load or 0.0 for item in confirming if item.failed_by), default=float("inf"))
    standing = [item for item in confirming if item.passed and (item.load or 0.0) < refuted]
    return max(standing, key=lambda item: (item.percent or 0.0, item.load or 0.0), default=None)
