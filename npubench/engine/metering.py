"""Power around the launches of one invocation: starts the planned meters once, and gives each launch its readings.

Guarantees: a meter that blocks, dies or never answers holds nothing up, but for a bounded wait after each window; its
channels say why they have no energy. The samplers belong to the thread that started them (prctl(2)): the main one.

Not aware of: joules (`stats.ledger`), idle baselines (`idling`), which meters there are (`meters`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from npubench.cards import BackendCard
from npubench.energy import EnergyLedger, MeterCost, PlannedMeter, Window
from npubench.engine.launcher import Environment
from npubench.engine.meters import INTERVAL_S, environment_for
from npubench.engine.power import PowerSampler, answered, ended
from npubench.engine.select import environment_of
from npubench.lang import Text
from npubench.schema import Plan
from npubench.stats.readings import RECORD, Readings, merged
from npubench.store import WORK

FOLDER = "power"
# They answered when the run was planned; one that takes longer now joins later.
_ANSWER_S = 5.0
# From this long before a window on its readings are kept: a sensor's lag, and what the ledger brackets it with.
BEFORE_NS = 2_000_000_000
# For a reading after a window's end. A meter with a pace of its own is given that, within bounds.
_WAIT_S, _MOST_WAIT_S = 2.0, 10.0
_LOOK_S = 0.02

NOT_MEASURED = Text(en="power was not measured (--no-power)", ko="전력을 측정하지 않았습니다(--no-power)")


class _Running(msgspec.Struct):
    """One meter of this invocation. `fault`: why it gives nothing any more."""

    planned: PlannedMeter
    sampler: PowerSampler
    fault: str | None = None


class Meters:
    """The samplers of one invocation, from before its first launch until after its last one."""

    def __init__(self, plan: Plan, folder: Path, stop: Callable[[], bool] = lambda: False) -> None:
        self._plan = plan
        self._folder = folder
        self._stop = stop
        self._running: list[_Running] = []
        # The launches of a mix ask from threads of their own.
        self._hearing = threading.Lock()

    @classmethod
    def start(cls, plan: Plan, folder: Path, stop: Callable[[], bool] = lambda: False) -> Meters:
        """Starts the plan's meters that answered when it was made; files go below `folder`, the run's.

        All are asked at once; what has not answered within a few seconds joins later.
        """
        meters = cls(plan, folder / WORK / FOLDER, stop)
        try:
            for planned in plan.meters:
                if planned.availability.available:
                    meters._running.append(_Running(planned, meters._begin(planned)))
            answered([item.sampler for item in meters._running], _ANSWER_S)
        except BaseException:
            meters.end()
            raise
        return meters

    def _begin(self, planned: PlannedMeter) -> PowerSampler:
        folder = self._folder / planned.name
        folder.mkdir(parents=True, exist_ok=True)
        place = Environment()
        if planned.place:
            place = environment_of(msgspec.convert(self._plan.backends[planned.place], BackendCard))
        return PowerSampler.begin(
            planned.code,
            INTERVAL_S,
            folder,
            place.python,
            options=planned.options,
            environment=environment_for(planned.code, place, folder),
        )

    @property
    def any(self) -> bool:
        """Whether a meter reads now."""
        self._hear()
        return any(item.fault is None and item.sampler.availability.available for item in self._running)

    @property
    def names(self) -> tuple[str, ...]:
        """The meters that were started."""
        return tuple(item.planned.name for item in self._running)

    @property
    def reason(self) -> Text:
        """Why there is no meter at all."""
        if not self._plan.meters:
            return NOT_MEASURED
        said = "; ".join(f"{item.name}: {item.availability.reason}" for item in self._plan.meters)
        return Text(en=f"no power meter answered: {said}", ko=f"응답한 전력 측정기가 없습니다: {said}")

    def backends_of(self, channel: str) -> tuple[str, ...]:
        """The backends whose cards name the meter of this channel."""
        for item in self._running:
            if any(found.name == channel for found in (*item.sampler.channels, *item.planned.channels)):
                return item.planned.backends
        return ()

    def sample(self, on: bool) -> None:
        """Pauses or resumes the reading of all meters; one reading of each may still be under way."""
        for item in self._running:
            if on:
                item.sampler.resume()
            else:
                item.sampler.pause()

    def _hear(self) -> None:
        """Late answers, and who is gone."""
        with self._hearing:
            answered([item.sampler for item in self._running], 0.0)
            for item in self._running:
                if item.fault is None:
                    item.fault = _fault(item.sampler)

    def readings(self, window: Window) -> Readings:
        """What all meters read from 2 s before the window until now.

        Waits, for a bounded time, until each has read once after its end. A meter that did not, and one that gives
        nothing any more, has a row for each of its channels that says so.
        """
        self._wait(window.end_ns)
        self._hear()
        return merged(self._of(item, window) for item in self._running)

    def _of(self, item: _Running, window: Window) -> Readings:
        sampler = item.sampler
        earlier_ns = max(BEFORE_NS, 2 * sampler.interval_ns)
        found = sampler.readings(window.start_ns - earlier_ns, time.perf_counter_ns())
        if not found.channels:
            found = Readings(item.planned.channels)
        newest_ns = sampler.newest_ns()
        if newest_ns is not None and newest_ns >= window.end_ns:
            return found
        if item.fault is not None:
            said = item.fault
        elif not sampler.answered:
            said = "the meter has not answered since the run began"
        else:
            since_s = (time.perf_counter_ns() - (newest_ns or window.start_ns)) / 1e9
            said = f"the meter has given nothing for {since_s:.1f} s"
        return _with_fault(found, said, window)

    def _wait(self, end_ns: int) -> None:
        """Until every meter that reads has read after `end_ns`."""
        started = time.monotonic()
        while True:
            self._hear()
            late = [
                item
                for item in self._running
                if item.fault is None and item.sampler.answered and (item.sampler.newest_ns() or 0) < end_ns
            ]
            waited_s = time.monotonic() - started
            if not any(waited_s < _patience_s(item.sampler) for item in late) or self._stop():
                return
            time.sleep(_LOOK_S)

    def costs(self) -> dict[str, MeterCost]:
        """What reading each of them has cost; call it after `end` for all of it."""
        return {
            item.planned.name: msgspec.structs.replace(item.sampler.log().cost, ended=item.fault)
            for item in self._running
        }

    def end(self) -> None:
        """Ends all samplers at once; their files stay until the run's work folder is cleared."""
        self._hear()
        ended([item.sampler for item in self._running])


def _fault(sampler: PowerSampler) -> str | None:
    """Why a meter gives nothing any more; None where it does, or may yet."""
    if sampler.answered and not sampler.availability.available:
        return f"it did not answer again: {sampler.availability.reason}"
    if sampler.answered and not sampler.alive:
        return f"the meter stopped: {sampler.log().ended or 'its process ended without a word'}"
    return None


def _patience_s(sampler: PowerSampler) -> float:
    return min(_MOST_WAIT_S, max(_WAIT_S, 1.5 * sampler.interval_ns / 1e9))


def _with_fault(found: Readings, said: str, window: Window) -> Readings:
    """The readings and, for each channel, one without a value at the end of the window that says what is wrong."""
    statuses = found.statuses if said in found.statuses else (*found.statuses, said)
    rows = np.zeros(len(found.channels), RECORD)
    # Where `explained` finds them.
    rows["before_ns"] = rows["after_ns"] = window.end_ns - 1
    rows["value"] = np.nan
    rows["channel"] = np.arange(len(found.channels))
    rows["status"] = statuses.index(said)
    return Readings(found.channels, statuses, np.concatenate([found.table, rows]))


def explained(found: EnergyLedger, readings: Readings, window: Window) -> EnergyLedger:
    """The ledger whose channels without joules say what became of their meter, where `readings` know it."""
    last = readings.table[(readings.table["before_ns"] == window.end_ns - 1) & (readings.table["status"] > 0)]
    said = {readings.channels[row["channel"]].name: readings.statuses[row["status"]] for row in last}
    channels = {
        name: msgspec.structs.replace(channel, reason=_joined(channel.reason, said[name]))
        if name in said and channel.energy_j is None
        else channel
        for name, channel in found.channels.items()
    }
    return msgspec.structs.replace(found, channels=channels)


def _joined(reason: Text | None, said: str) -> Text:
    if reason is None or said in reason.en:
        return reason or Text(en=said, ko=said)
    return Text(en=f"{reason.en}: {said}", ko=f"{reason.ko}: {said}")


@contextmanager
def metering(plan: Plan, folder: Path, stop: Callable[[], bool] = lambda: False) -> Iterator[Meters]:
    """The meters of an invocation, ended with the body."""
    meters = Meters.start(plan, folder, stop)
    try:
        yield meters
    finally:
        meters.end()
