"""Power around the launches of one invocation: idle baselines before and after, the cost of measuring, both clocks.

Guarantees: whatever becomes of the launches, one write-once `PowerSession` says what was read around them; a run that
is stopped has no baseline after it. Nothing here takes time where no meter answered, but for a pulse that was asked
for.

Not aware of: launches and their windows (`launching`), what an idle power means (`stats.idle`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from npubench.energy import ClockPair, Effect, IdlePower, PowerSession, Window
from npubench.engine.effect import BLOCK_S, PAIRS, effect
from npubench.engine.holding import QUICK
from npubench.engine.launcher import StopRequested
from npubench.engine.metering import Meters
from npubench.engine.pulse import LASTS_S, clock_pair, pulses
from npubench.lang import here
from npubench.rules import EnergyRule, load
from npubench.schema import Plan
from npubench.stats.idle import idle
from npubench.store import RunFolder, sha256_file, write_once
from npubench.units import show_duration_s

_LOOK_S = 0.1


def around_s(plan: Plan) -> float:
    """About how long all of this takes, a pulse apart; 0 where no meter answered when the run was planned."""
    if not any(meter.availability.available for meter in plan.meters):
        return 0.0
    idle_s = load(plan.ruleset).energy.idle_s
    return 2 * idle_s + (0.0 if plan.profile == QUICK else 2 * PAIRS * BLOCK_S)


class Around:
    """What is read around the launches of one invocation. `before` is the idle baseline by channel."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        meters: Meters,
        rule: EnergyRule,
        say: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:
        self._plan, self._folder, self._meters, self._rule = plan, folder, meters, rule
        self._say, self._stop = say, stop
        self._number = folder.next_session()
        self._files: dict[str, str] = {}
        self._clock: list[ClockPair] = [clock_pair()]
        self._pulses: tuple[Window, ...] = ()
        self._at_rest: Window | None = None
        self._effect: Effect | None = None
        self.before: Mapping[str, IdlePower] = {}
        self._after: Mapping[str, IdlePower] = {}

    def begin(self, pulse: bool) -> None:
        """Everything before the first launch. Raises StopRequested."""
        if pulse:
            seconds = show_duration_s(LASTS_S)
            self._say(
                here(
                    f"keeping all cores busy on and off for {seconds}: an external meter's log can be aligned by it",
                    f"외부 측정기 기록을 맞추기 위해 {seconds} 동안 모든 코어를 간헐적으로 사용합니다",
                )
            )
            self._pulses = pulses(self._stop)
            self._go_on()
        if not self._meters.any:
            if pulse:
                self._at_rest = self._left_alone()
            return
        self.before = self._rest("before")
        if self._plan.profile != QUICK:
            self._say(here("measuring what reading the meters costs …", "전력 측정이 미치는 영향을 재는 중 …"))
            self._effect = effect(self._meters.sample, self._stop, seed=self._plan.seed)
            self._go_on()

    def _go_on(self) -> None:
        if self._stop():
            raise StopRequested

    def _left_alone(self) -> Window:
        """Waits for as long as an idle baseline takes, while nothing runs. Raises StopRequested."""
        seconds = self._rule.idle_s
        self._say(
            here(
                f"reading idle power for {show_duration_s(seconds)} …",
                f"유휴 전력을 {show_duration_s(seconds)} 동안 재는 중 …",
            )
        )
        start_ns = time.perf_counter_ns()
        end_ns = start_ns + round(seconds * 1e9)
        while (left_ns := end_ns - time.perf_counter_ns()) > 0:
            self._go_on()
            time.sleep(min(left_ns / 1e9, _LOOK_S))
        return Window(start_ns=start_ns, end_ns=end_ns)

    def _rest(self, when: str) -> Mapping[str, IdlePower]:
        """The idle baseline, read while nothing runs. Raises StopRequested."""
        window = self._left_alone()
        if when == "before":
            self._at_rest = window
        readings = self._meters.readings(window)
        path = self._folder.idle_path(self._number, when)
        write_once(path, readings.encode())
        self._files[path.name] = sha256_file(path)
        return idle(readings, window)

    def end(self, finished: bool) -> None:
        """Everything after the last launch, and the session's file. `finished`: nothing is left to measure."""
        try:
            if finished and self._meters.any:
                self._after = self._rest("after")
        finally:
            self._meters.end()
            self._clock.append(clock_pair())
            self._folder.write_session(
                PowerSession(
                    run=self._plan.run,
                    number=self._number,
                    meters=self._meters.names,
                    before=dict(self.before),
                    after=dict(self._after),
                    costs=self._meters.costs(),
                    effect=self._effect,
                    pulses=self._pulses,
                    rest=self._at_rest,
                    clock=tuple(self._clock),
                    files=self._files,
                )
            )
