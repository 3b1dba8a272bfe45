"""How long a run still takes, as honestly as can be known: what is planned, corrected by what things really took.

Counted are the launches to come (each with its loading, warm-up, window and hold, `deadline.launch_s`), placement and
quality of builds that have not been looked at yet, and idle power after the last launch. A cell's launch takes as long,
against its plan, as that cell's last one did; before its first, as the others did. One that takes longer than planned
takes no time away from those behind it.

Not aware of: how it is shown (`live`), deadlines (`engine.deadline`).
"""

from __future__ import annotations

from collections.abc import Collection
from statistics import median

import msgspec

from npubench.cards import BackendCard, emulated
from npubench.engine.deadline import BUILD_S, launch_s
from npubench.engine.idling import around_s
from npubench.rules import load
from npubench.schema import Plan, PlannedCell

Build = tuple[str, str, str, str]


def build_of(cell: PlannedCell) -> Build:
    """What is placed and scored once for all its cells."""
    return cell.model, cell.precision, cell.variant, cell.backend


class Remaining:
    """What a plan was expected to take and what it took. `done`: launches that were there before (resumed)."""

    def __init__(self, plan: Plan, done: Collection[tuple[str, int]] = ()) -> None:
        self._plan = plan
        self._cells = {cell.id: cell for cell in plan.cells}
        self._launch_s = {at: launch_s(plan, self._cells[at[0]], at[1]) for at in plan.order}
        self._after = load(plan.ruleset).energy.idle_s if around_s(plan) else 0.0
        self._before = around_s(plan) - self._after
        self._looked_at: dict[Build, float] = {}
        self._paces: dict[str, float] = {}
        self._failed: set[str] = set()
        self.finished: set[tuple[str, int]] = set(done)

    def looked(self, cell: PlannedCell, took_s: float) -> None:
        """The cell's build has been placed and scored, or needed neither."""
        self._looked_at.setdefault(build_of(cell), took_s)

    def took(self, cell: PlannedCell, number: int, seconds: float, failed: bool) -> None:
        """A launch is done. `seconds` without placement and quality."""
        self.finished.add((cell.id, number))
        self._paces[cell.id] = seconds / self._launch_s.get((cell.id, number), seconds or 1.0)
        (self._failed.add if failed else self._failed.discard)(cell.id)

    def _pace(self, cell: str) -> float:
        """What failed says nothing of others: it ended early."""
        if cell in self._paces:
            return self._paces[cell]
        return median([pace for name, pace in self._paces.items() if name not in self._failed] or [1.0])

    def _builds_s(self, ahead: Collection[tuple[str, int]]) -> float:
        known = [seconds for seconds in self._looked_at.values() if seconds > 0]
        each = median(known) if known else BUILD_S
        waiting = {build_of(self._cells[name]) for name, _ in ahead if self._cells[name].purpose == "measure"}
        return each * sum(self._is_looked_at(build) for build in waiting if build not in self._looked_at)

    def _is_looked_at(self, build: Build) -> bool:
        card = msgspec.convert(self._plan.backends[build[3]], BackendCard)
        return card.device.type not in ("none", "endpoint") and not emulated(card)

    def seconds(self, index: int | None, elapsed_s: float) -> float:
        """From now. `index`: the place in the plan's order of the launch in flight; None: before the first one.

        `elapsed_s`: for how long that launch, or the run, has been under way.
        """
        if index is None:
            ahead = [at for at in self._plan.order if at not in self.finished]
            current = max(0.0, self._before - elapsed_s)
        else:
            at = self._plan.order[index]
            ahead = [later for later in self._plan.order[index + 1 :] if later not in self.finished]
            current = 0.0
            if at not in self.finished:
                current = max(0.0, self._launch_s[at] * self._pace(at[0]) - elapsed_s)
        behind = sum(self._launch_s[at] * self._pace(at[0]) for at in ahead)
        return current + behind + self._builds_s(ahead) + self._after

    def share(self, index: int | None, elapsed_s: float) -> float:
        """How much of the whole is done, by time."""
        done = sum(self._launch_s[at] * self._pace(at[0]) for at in self.finished if at in self._launch_s)
        done += sum(self._looked_at.values())
        left = self.seconds(index, elapsed_s)
        if index is not None and self._plan.order[index] not in self.finished:
            done += elapsed_s
        return done / (done + left) if done + left > 0 else 0.0
