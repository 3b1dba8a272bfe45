"""Carries out a plan: launches one fresh process after the other, writes each result once, seals the run.

Guarantees: a launch that fails becomes a result and the next one starts; whatever was written stays; `--resume` carries
on with exactly the plan that was written; Ctrl-C stops the launch in flight and says how to go on. With a deadline, a
launch that would not be done in time is not begun, one that is in flight then is given up, and the run is sealed with
what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from npubench.engine import mixing
from npubench.engine.deadline import Deadline
from npubench.engine.idling import Around
from npubench.engine.launcher import Limits, StopRequested
from npubench.engine.launching import Launching, Power, Watcher
from npubench.engine.metering import metering
from npubench.errors import RunInterruptedError
from npubench.rules import load
from npubench.schema import Launch, Plan, PlannedCell, Run
from npubench.stats.runs import derived
from npubench.store import RunFolder


class Execution:
    """One plan on its way. Lives from the first launch to the seal. `pulse`: see `pulse.pulses`.

    `deadline`: when the launches have to be done, whatever is missing then.
    """

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        cache: Path,
        watcher: Watcher,
        limits: Limits,
        stop: Callable[[], bool],
        *,
        pulse: bool = False,
        deadline: Deadline | None = None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._cache = cache
        self._watcher = watcher
        self._limits = limits
        self._asked = stop
        self._deadline = deadline
        self._pulse = pulse
        self._cells = {cell.id: cell for cell in plan.cells}

    def carry_out(self) -> Run:
        """Measures what is not measured yet, then seals and returns the run.

        Raises RunInterruptedError on Ctrl-C and StoreError when results cannot be written.
        """
        try:
            if not all(self._folder.launch_path(*planned).exists() for planned in self._plan.order):
                with self._powered() as launching:
                    self._launches(launching)
        except StopRequested:
            if self._asked():
                raise RunInterruptedError(
                    "stopped; every finished launch is kept",
                    hint=f"npubench run --resume {self._folder.path}",
                ) from None
        finally:
            self._folder.clear_work()
        run = derived(self._folder)
        self._folder.write_run(run)
        return run

    def _stop(self) -> bool:
        """Whether somebody, or the time, asks to stop."""
        return self._asked() or (self._deadline is not None and self._deadline.passed())

    @contextmanager
    def _powered(self) -> Iterator[Launching]:
        """Launching while the meters run, with power read around it. For the main thread: it starts samplers."""

        def say(text: str) -> None:
            self._watcher.building("", text)

        with metering(self._plan, self._folder.path, self._stop) as meters:
            around = Around(self._plan, self._folder, meters, load(self._plan.ruleset).energy, say, self._stop)
            finished = False
            try:
                around.begin(self._pulse)
                power = Power(meters, around.before)
                launching = Launching(
                    self._plan, self._folder, self._cache, self._watcher, self._limits, self._stop, power
                )
                # Idle power is read again when nothing runs any more.
                with closing(launching):
                    yield launching
                finished = True
            finally:
                around.end(finished)

    def _launches(self, launching: Launching) -> None:
        """Measures what is not measured yet. Raises StopRequested."""
        total = len(self._plan.order)
        for index, (cell_id, number) in enumerate(self._plan.order):
            if self._folder.launch_path(cell_id, number).exists():
                continue
            if self._stop():
                raise StopRequested
            cell = self._cells[cell_id]
            if self._deadline is not None and not self._deadline.begins(cell, number):
                continue
            self._watcher.starting(cell, number, index, total)
            for measured, launch in self._launch(launching, cell, number):
                if self._folder.launch_path(measured.id, number).exists():
                    # One of a mix that was stopped: it was measured again only to stand beside the others.
                    continue
                self._folder.write_launch(launch)
                self._watcher.finished(measured, launch)
            if self._deadline is not None:
                self._deadline.ended(cell, number)

    def _launch(self, launching: Launching, cell: PlannedCell, number: int) -> Sequence[tuple[PlannedCell, Launch]]:
        """The launch of a cell, or of all cells of its mix."""
        if cell.mix is not None:
            members = [other for other in self._plan.cells if other.mix == cell.mix]
            return mixing.launched(launching, members, number, self._folder, self._watcher.event)
        ready = launching.prepare(cell, number)
        return [(cell, ready if isinstance(ready, Launch) else launching.measure(ready, self._watcher.event))]
