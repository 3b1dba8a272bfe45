"""A run that has to be done at a given time: what fits is measured, what does not is left out, and nothing overruns.

Guarantees: the windows are planned so that everything beside them (loading, answering for quality, placement, holds,
idle baselines) has its time, as far as that can be known before; what cannot be known is caught by the deadline itself:
no launch begins that would not be done in time, going by what launches took so far, and one in flight is given up.

Not aware of: what happens with what is left out (`run`), who states the time (`cli.nightly`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import msgspec

from npubench.cards import BackendCard, emulated
from npubench.engine import plan as planning
from npubench.engine.holding import added_s, answering
from npubench.engine.loading import CONFIRM_SHARE
from npubench.rules import Ruleset
from npubench.scenarios import searched
from npubench.schema import Plan, PlannedCell

LOAD_S = 2.0
"""Process start, imports and loading a model, before anything of this run has been seen (our judgement)."""
BUILD_S = 10.0
"""Placement and quality of one build on one backend, likewise."""
# However little time there is, so much of it is for windows: what then does not fit is left out, launch by launch.
_LEAST_SHARE = 0.25
# What cannot be known before (a slow build, requests that need longer windows) has the rest.
_PLANNED_SHARE = 0.9
_LEAST_CONFIRMING = 0.1


def launch_s(plan: Plan, cell: PlannedCell, number: int) -> float:
    """What a launch of this cell is expected to take."""
    if cell.purpose != "measure":
        return LOAD_S + cell.window_s + cell.warmup_s
    share = CONFIRM_SHARE if number > 1 and searched(cell.scenario) else 1.0
    return LOAD_S + (cell.window_s + cell.warmup_s) * share + added_s(plan, cell)


def beside_s(plan: Plan, rules: Ruleset) -> float:
    """What a run is expected to take beside its launches: builds that are placed and scored, and idle baselines."""
    builds = {
        (cell.model, cell.precision, cell.variant, cell.backend)
        for cell in plan.cells
        if cell.purpose == "measure" and not emulated(msgspec.convert(plan.backends[cell.backend], BackendCard))
    }
    placed = sum(msgspec.convert(plan.backends[build[3]], BackendCard).device.type != "none" for build in builds)
    return BUILD_S * placed + (2 * rules.energy.idle_s if answering(plan.meters) else 0.0)


def expected_s(plan: Plan, rules: Ruleset) -> float:
    """What the whole run is expected to take."""
    cells = {cell.id: cell for cell in plan.cells}
    return beside_s(plan, rules) + sum(launch_s(plan, cells[name], number) for name, number in plan.order)


def again_s(plan: Plan, cells: Iterable[str]) -> float:
    """What measuring these cells again takes: in turns with another build, where theirs can be installed."""
    found = {cell.id: cell for cell in plan.cells}
    return sum(
        launch_s(plan, found[name], number) * _turns(plan, found[name])
        for name in cells
        if name in found
        for number in range(1, plan.launches + 1)
    )


def _turns(plan: Plan, cell: PlannedCell) -> int:
    card = msgspec.convert(plan.backends[cell.backend], BackendCard)
    return 2 if card.environment.requires else 1


def confirming_share(plan: Plan) -> float:
    """The share of the time in which one cell of average size can be measured again; a tenth at least."""
    measured = [cell for cell in plan.cells if cell.purpose == "measure"]
    turns = max((_turns(plan, cell) for cell in measured), default=1)
    return max(_LEAST_CONFIRMING, turns / (len(measured) + turns))


def fitted(plan: Plan, seconds: float, rules: Ruleset) -> Plan:
    """The plan with the windows that `seconds` leave, everything beside them counted in; no longer than the profile's.

    Windows have a least length: `expected_s` says whether all of it fits.
    """
    rule = rules.profiles[plan.profile]

    def with_windows(budget_s: float) -> Plan:
        budget = planning.Budget(
            profile=plan.profile,
            seconds=min(budget_s, rule.budget_s),
            launches=plan.launches,
            max_window_s=rule.max_window_s,
            stated=True,
        )
        return planning.refitted(plan, budget, rules)

    shortest = with_windows(0.0)
    cells = {cell.id: cell for cell in shortest.cells}
    seconds *= _PLANNED_SHARE
    windows_s = sum(cells[name].window_s + cells[name].warmup_s for name, _ in plan.order)
    spare = seconds - (expected_s(shortest, rules) - windows_s)
    found = with_windows(max(spare, seconds * _LEAST_SHARE))
    if (over := expected_s(found, rules) - seconds) > 0 and spare - over > 0:
        # Cells whose windows have a least length (given loads, held for their energy) take more than their share.
        found = with_windows(spare - over)
    return found


class Deadline:
    """When the launches of a plan have to be done. `at_s` is a time of `clock`, in seconds."""

    def __init__(self, plan: Plan, at_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._at_s, self._clock = plan, at_s, clock
        self._began_s = 0.0
        self._paces: list[float] = []
        self.left_out: list[tuple[str, int]] = []

    def passed(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._at_s

    def left_s(self) -> float:
        return max(0.0, self._at_s - self._clock())

    def begins(self, cell: PlannedCell, number: int) -> bool:
        """Whether this launch may begin: it is expected to be done in time. One that may not is `left_out`."""
        # Never better than planned: a launch that failed at once says nothing about the others.
        pace = max(1.0, median(self._paces)) if self._paces else 1.0
        self._began_s = self._clock()
        if self._began_s + launch_s(self._plan, cell, number) * pace <= self._at_s:
            return True
        self.left_out.append((cell.id, number))
        return False

    def ended(self, cell: PlannedCell, number: int) -> None:
        """The launch that began last is written."""
        if number > 1:
            # The first one also builds, places and scores, which the others need not.
            self._paces.append((self._clock() - self._began_s) / launch_s(self._plan, cell, number))
