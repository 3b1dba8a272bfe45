"""What slowed a device within a window, and how its clock, temperature and power limit went: events on the time line.

Only what slows a device against its own will degrades a result: heat, an external brake, the hardware itself. A power
limit that is reached, and waiting for the slowest of a group, are shown and change no verdict.

Not aware of: joules, conditions that other tools saw (`conditions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

import numpy as np

from npubench.conditions import Cause
from npubench.energy import EnergyLedger, PowerEvent, Window
from npubench.lang import Text
from npubench.schema import Validity
from npubench.spi import THROTTLE_BITS
from npubench.stats.conditions import ADVICE, CAUSES
from npubench.stats.found import HOLE, said
from npubench.stats.readings import Readings
from npubench.stats.series import Floats, Series, series

# A clock this far under what is usual in the window is a drop, when two readings in a row show it (our judgement: GPU
# clocks step by one or two hundredths under a steady load).
_DROP, _READINGS = 0.1, 2
# A shorter event was seen by a single reading.
_MOMENT_NS = 10_000_000
_DEGRADES: tuple[Cause, ...] = ("thermal", "power-brake", "hardware")
_ALL: tuple[Cause, ...] = get_args(Cause)


class _Seen:
    """The good readings of one channel within the window."""

    def __init__(self, found: Series, window: Window) -> None:
        inside = found.inside(window.end_ns - window.start_ns)
        self.device = found.channel.device
        self.channel = found.channel
        self.times: Floats = found.times_ns[inside]
        self.half: Floats = found.took_ns[inside] / 2
        self.values: Floats = found.values[inside]
        self.reach = HOLE * found.usual_ns
        self.origin = window.start_ns

    def span(self, first: int, last: int) -> Window:
        """From before the first to after the last of these readings."""
        start = self.origin + round(self.times[first] - self.half[first])
        return Window(start_ns=start, end_ns=self.origin + round(self.times[last] + self.half[last]))

    def runs(self, marks: Floats) -> Iterator[tuple[int, int]]:
        """(first, last) of the stretches of one mark, which holes in the readings end; those marked 0 are left out."""
        if not len(marks):
            return
        breaks = np.flatnonzero((marks[1:] != marks[:-1]) | (np.diff(self.times) > self.reach)) + 1
        firsts, lasts = np.concatenate(([0], breaks)), np.concatenate((breaks - 1, [len(marks) - 1]))
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            if marks[first]:
                yield first, last


def _causes(bits: float) -> tuple[Cause, ...]:
    return tuple(cause for cause in _ALL if int(bits) & THROTTLE_BITS[cause])


def _throttles(seen: _Seen) -> Iterator[PowerEvent]:
    known = sum(THROTTLE_BITS.values())
    marks = np.bitwise_and(np.clip(seen.values, 0, 2**31).astype(np.int64), known).astype(np.float64)
    for first, last in seen.runs(marks):
        yield PowerEvent(
            device=seen.device, what="throttle", window=seen.span(first, last), causes=_causes(marks[first])
        )


def _drops(seen: _Seen) -> Iterator[PowerEvent]:
    if not len(seen.values):
        return
    usual = float(np.median(seen.values))
    for first, last in seen.runs((seen.values < (1 - _DROP) * usual).astype(np.float64)):
        if last - first + 1 >= _READINGS:
            low = float(seen.values[first : last + 1].min())
            yield PowerEvent(device=seen.device, what="clock", window=seen.span(first, last), low=low, high=usual)


def _limits(seen: _Seen) -> Iterator[PowerEvent]:
    watts = seen.values
    for place in (np.flatnonzero(watts[1:] != watts[:-1]) + 1).tolist():
        pair = sorted((float(watts[place - 1]), float(watts[place])))
        yield PowerEvent(
            device=seen.device, what="limit", window=seen.span(place - 1, place), low=pair[0], high=pair[1]
        )


def _temperatures(found: Iterable[_Seen]) -> Iterator[PowerEvent]:
    by_device: dict[str, list[_Seen]] = {}
    for seen in found:
        if len(seen.values):
            by_device.setdefault(seen.device, []).append(seen)
    for device, items in by_device.items():
        spans = [item.span(0, len(item.values) - 1) for item in items]
        yield PowerEvent(
            device=device,
            what="temperature",
            window=Window(start_ns=min(span.start_ns for span in spans), end_ns=max(span.end_ns for span in spans)),
            low=min(float(item.values.min()) for item in items),
            high=max(float(item.values.max()) for item in items),
        )


def events_of(found: Iterable[Series], window: Window) -> tuple[PowerEvent, ...]:
    """The events within the window, by their beginning. Consecutive readings of the same causes are one event."""
    by: dict[str, list[_Seen]] = {}
    for item in found:
        by.setdefault(item.channel.quantity, []).append(_Seen(item, window))
    made = [event for seen in by.get("throttle", ()) for event in _throttles(seen)]
    made += [event for seen in by.get("clock", ()) for event in _drops(seen)]
    made += [event for seen in by.get("limit", ()) for event in _limits(seen)]
    made += _temperatures(by.get("temperature", ()))
    return tuple(sorted(made, key=lambda event: (event.window.start_ns, event.what, event.device)))


def events(readings: Readings, window: Window) -> tuple[PowerEvent, ...]:
    """The events of all channels within the window."""
    return events_of(series(readings, window), window)


def judge_power(ledger: EnergyLedger) -> tuple[Validity, tuple[Text, ...]]:
    """The verdict that the events allow at best, and why. Devices that may not have been used are not held against it.

    Lengths are those between readings, so "about".
    """
    window = ledger.window
    used: dict[str, bool] = {}
    for channel in ledger.channels.values():
        used[channel.device] = used.get(channel.device, False) or bool(channel.ours)
    lengths: dict[tuple[str, Cause], int] = {}
    for event in ledger.events:
        if event.what != "throttle" or not used.get(event.device, True):
            continue
        for cause in event.causes:
            if cause in _DEGRADES:
                key = (event.device, cause)
                lengths[key] = lengths.get(key, 0) + event.window.end_ns - event.window.start_ns
    whole = said(window.end_ns - window.start_ns) if window is not None else "?"
    reasons = []
    for (device, cause), length_ns in lengths.items():
        name, name_ko = (device, device) if device else ("the machine", "장비")
        why, do = CAUSES[cause], ADVICE[cause]
        if length_ns < _MOMENT_NS:
            # As long as reading it took: a single look.
            reasons.append(
                Text(
                    en=f"{name} was slowed by {why.en} for a moment in the {whole} in which energy was read: {do.en}",
                    ko=f"{name_ko}: 에너지를 읽은 {whole} 중 잠시 {why.ko}(으)로 느려짐. {do.ko}",
                )
            )
            continue
        part = said(length_ns)
        reasons.append(
            Text(
                en=f"{name} was slowed by {why.en} for about {part} of the {whole} in which energy was read: {do.en}",
                ko=f"{name_ko}: 에너지를 읽은 {whole} 중 약 {part} 동안 {why.ko}(으)로 느려짐. {do.ko}",
            )
        )
    return ("degraded" if reasons else "valid"), tuple(reasons)
