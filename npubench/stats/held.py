"""The confirmed load, held for as long as a published energy figure needs: which window that is, what was done in it.

A search confirms a load in as little time as its percentile takes; a power sensor needs longer. So where a meter
answers, one more trial, of purpose `hold`, runs the confirmed load for `Plan.hold_s`. It changes nothing of what was
confirmed; when more was late in it than chance explains (`trials`), that is doubtful, and the launch is degraded.

Guarantees: numpy and the standard library only; the same samples always give the same answers. Not aware of: joules
(`ledger`), when a hold is run (`engine.holding`).
"""

from __future__ import annotations

import numpy as np

from npubench.lang import Text
from npubench.metrics import THROUGHPUT
from npubench.scenarios import KINDS, Scenario
from npubench.schema import Capacity, Trial, Window
from npubench.stats.ledger import Work
from npubench.stats.samples import Samples
from npubench.units import show_duration_s

# `Trial.failed_by` in words.
FAILED_BY: dict[str, Text] = {
    "latency": Text(en="latency", ko="지연 시간"),
    "drops": Text(en="dropped frames", ko="버려진 프레임"),
    "queue": Text(en="a queue that only grew", ko="계속 쌓이는 대기열"),
    "errors": Text(en="failed requests", ko="실패한 요청"),
    "generator": Text(
        en="npubench's own load generator, which lagged: not the device's limit",
        ko="npubench 부하 생성기의 지연(장치의 한계가 아님)",
    ),
}


def tried(capacity: Capacity) -> tuple[Trial, ...]:
    """The trials of the search itself."""
    return tuple(trial for trial in capacity.trials if trial.purpose != "hold")


def holds(capacity: Capacity | None) -> tuple[Trial, ...]:
    """The trials that held what was confirmed: a launch has one at most, a cell one of each launch that needed it."""
    trials = capacity.trials if capacity is not None else ()
    return tuple(trial for trial in trials if trial.purpose == "hold" and trial.queries)


def hold_of(capacity: Capacity | None) -> Trial | None:
    """The trial of one launch that held what it confirmed; None where none was needed or wanted."""
    return next(iter(holds(capacity)), None)


def energy_window(window: Window, capacity: Capacity | None) -> Window:
    """The window whose joules a launch publishes: the hold's, else `window`, the launch's own."""
    hold = hold_of(capacity)
    return window if hold is None else hold.window


def held_load(capacity: Capacity | None) -> float | None:
    """The searched load that was held in the energy window; None where none was confirmed, or its hold failed."""
    if capacity is None or not capacity.confirmed:
        return None
    hold = hold_of(capacity)
    return None if hold is not None and hold.failed_by is not None else capacity.confirmed


def no_load(capacity: Capacity | None) -> Text | None:
    """Why a search has no energy to publish: it confirmed no load, and what its last trial drew is no service's."""
    if capacity is None or capacity.confirmed:
        return None
    return Text(
        en="no load was confirmed, so there is none whose energy could be published",
        ko="확정된 부하가 없어 에너지를 공개할 대상이 없습니다",
    )


def work_of(
    samples: Samples,
    window: Window,
    unit: str,
    scenario: Scenario,
    capacity: Capacity | None,
    samples_per_row: int = 1,
    given: Trial | None = None,
) -> Work:
    """What a launch completed in `window`, its energy window. `unit` is the service unit.

    `samples_per_row`: the batch of one request. `given`: the trial that a load which was given makes
    (`Concluded.given`); such a load counts as held only where it was shown to keep its bound.
    """
    completed = samples.column("completed_ns")
    good = (samples.column("status") == 0) & (completed >= window.start_ns) & (completed <= window.end_ns)
    requests = int(np.count_nonzero(good))
    counted = unit in THROUGHPUT and unit != "sample"
    searched, load = KINDS[scenario.name].load, held_load(capacity)
    if capacity is None and given is not None and given.passed:
        load = given.load
    return Work(
        requests=requests,
        units=int(samples.column("units")[good].sum()) if counted else requests * samples_per_row,
        unit=unit,
        searched=searched if load is not None else None,
        load=load,
        withheld=no_load(capacity),
    )


def not_held(capacity: Capacity | None) -> Text | None:
    """Why what a launch confirmed is doubtful: its hold missed the bound. None where it did not, or there is none."""
    hold = hold_of(capacity)
    if hold is None or hold.failed_by is None:
        return None
    lasted = show_duration_s((hold.window.end_ns - hold.window.start_ns) / 1e9)
    why = FAILED_BY[hold.failed_by]
    return Text(
        en=f"the confirmed load was not held for {lasted}: {hold.over:,} of {hold.queries:,} requests missed the bound "
        f"({why.en})",
        ko=f"확정한 부하를 {lasted} 동안 유지하지 못했습니다: 요청 {hold.queries:,}건 중 {hold.over:,}건이 한계를 "
        f"넘었습니다({why.ko})",
    )
