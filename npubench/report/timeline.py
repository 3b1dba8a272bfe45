"""What happened during one launch, over one time axis: requests, power, temperature, clock, and what slowed a device.

Guarantees: power of different scopes shares no axis; every axis of power begins at zero; a line breaks where nothing
good was read; thinning keeps the lowest and the highest value of each slice of time. Pure.

Not aware of: pictures (`timeline_chart`), joules (`energies`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.energy import EnergyLedger, PowerEvent, Window
from npubench.errors import NpubenchError
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.latency import axis
from npubench.report.numbers import count
from npubench.report.power_words import KINDS, SCOPE_ORDER, device_name, scope_name
from npubench.report.shown_power import Moment, Points, Span, StepRow, Timeline, Trace, TraceRow, Track
from npubench.report.traces import SLICES, Drawn, drawn, pieces, ticks
from npubench.report.words import same
from npubench.schema import Cell, Launch, Run
from npubench.spi import Channel
from npubench.stats.conditions import CAUSES
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.stats.series import is_power, series
from npubench.units import NS_PER_MS, NS_PER_S, UNKNOWN, show, show_ns

COLOURS, DASHES = 7, 6
MOST_PICTURES = 60
TOO_MANY = Text(
    en=f"No time line: this run has more than {MOST_PICTURES} of them. The energy is in the table above.",
    ko=f"시간별 기록이 {MOST_PICTURES}개를 넘어 그리지 않았습니다. 에너지는 위의 표에 있습니다.",
)
_MOST_EVENTS = 40
# Rows of the table that says what the picture shows: as many as a person reads.
_STEPS = 16

# What happened → its lane, in this order from above.
LANES: dict[str, Text] = {
    "throttle": Text(en="held back", ko="제한됨"),
    "clock": Text(en="clock", ko="클럭"),
    "limit": Text(en="power limit", ko="전력 한도"),
}
_UNITS = {"clock": "MHz", "limit": "W"}
# Reaching a power limit and waiting for a group is how a device is meant to work.
_HARMLESS = frozenset({"power-cap", "sync-boost"})

_BAND = Text(
    en=", drawn from the fastest to the slowest at each time", ko="(시각마다 가장 빠른 것부터 가장 느린 것까지)"
)
_TEMPERATURE = Text(en="temperature, °C", ko="온도, °C")
_CLOCK = Text(en="clock, MHz", ko="클럭, MHz")


def _track(title: Text, lines: Sequence[Drawn], looks: dict[str, tuple[int, int]], *, zero: bool) -> Track | None:
    traces = tuple(
        Trace(
            name=clean(each.channel.name),
            colour=looks[each.channel.name][0],
            dash=looks[each.channel.name][1],
            pieces=found,
        )
        for each in lines
        if (found := pieces(each))
    )
    values = [value for trace in traces for piece in trace.pieces for _, value in piece]
    if not values:
        return None
    low, high = (0.0 if zero else min(values)), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    domain = (0.0 if zero else low - margin, high + margin)
    return Track(title=title, traces=traces, y_ticks=ticks(*domain, most=5), y_domain=domain)


def _row(each: Drawn, look: tuple[int, int], shown: bool, length_s: float) -> TraceRow:
    inside = each.values[(each.times >= 0) & (each.times <= length_s)]
    channel = each.channel
    unit = _unit(channel)
    mean, low, high = (
        (show(float(value), unit) for value in (inside.mean(), inside.min(), inside.max()))
        if len(inside)
        else (UNKNOWN, UNKNOWN, UNKNOWN)
    )
    device = device_name(clean(channel.device))
    if unit == "W":
        scope, kind = scope_name(channel.scope), KINDS.get(channel.kind, same(channel.kind))
        place = Text(en=f"{scope.en} · {kind.en}", ko=f"{scope.ko} · {kind.ko}")
        if channel.device:
            place = Text(en=f"{place.en} · {device.en}", ko=f"{place.ko} · {device.ko}")
    else:
        place = device
    return TraceRow(
        name=clean(channel.name), colour=look[0], dash=look[1], drawn=shown, place=place, mean=mean, low=low, high=high
    )


def _happened(event: PowerEvent) -> Text:
    lane = LANES.get(event.what, same(event.what))
    if not event.causes:
        return lane
    causes = [CAUSES.get(cause, same(cause)) for cause in event.causes]
    return Text(
        en=f"{lane.en}: {', '.join(cause.en for cause in causes)}",
        ko=f"{lane.ko}: {', '.join(cause.ko for cause in causes)}",
    )


def _moments(events: Sequence[PowerEvent], start_ns: int) -> Iterator[tuple[Moment, Span]]:
    present = [what for what in LANES if any(event.what == what for event in events)]
    for number, event in enumerate(events[:_MOST_EVENTS], 1):
        begin, end = ((moment - start_ns) / NS_PER_S for moment in (event.window.start_ns, event.window.end_ns))
        unit = _UNITS.get(event.what, "")
        ends = [value for value in (event.low, event.high) if value is not None]
        values = " – ".join(show(value, unit) for value in dict.fromkeys(ends))
        slowed = event.what == "throttle" and not _HARMLESS.issuperset(event.causes)
        yield (
            Moment(
                number=number,
                what=_happened(event),
                device=clean(event.device),
                when=same(f"{_seconds(begin)} – {_seconds(end)} s"),
                values=values,
                slowed=slowed,
            ),
            Span(number=number, lane=present.index(event.what), slowed=slowed, start=begin, end=end),
        )


def _seconds(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


Band = tuple[tuple[float, float, float], ...]


def _requests(samples: Samples | None, start_ns: int) -> tuple[Points, Band]:
    """What was completed: request by request, or the fastest and slowest of each slice of time."""
    if samples is None:
        return (), ()
    good = samples.column("status") == 0
    done: npt.NDArray[Any] = samples.column("completed_ns")[good]
    if not len(done):
        return (), ()
    order = np.argsort(done, kind="stable")
    times = (done[order] - start_ns) / NS_PER_S
    values = np.maximum(samples.latency_ns[good][order].astype(np.float64), 1.0)
    if len(times) <= SLICES:
        return tuple(zip(times.tolist(), values.tolist(), strict=True)), ()
    span = max(float(times[-1] - times[0]), 1e-9)
    place = np.minimum(((times - times[0]) / span * SLICES).astype(np.int64), SLICES - 1)
    parts = np.split(np.arange(len(times)), np.flatnonzero(np.diff(place)) + 1)
    band = tuple((float(times[part].mean()), float(values[part].min()), float(values[part].max())) for part in parts)
    return (), band


def _steps(
    lines: Sequence[Drawn], samples: Samples | None, start_ns: int, domain: tuple[float, float]
) -> Iterator[StepRow]:
    """The whole time in equal slices."""
    empty = np.zeros(0, dtype=np.int64)
    good = empty if samples is None else np.flatnonzero(samples.column("status") == 0)
    done = empty if samples is None else samples.column("completed_ns")[good]
    took = empty if samples is None else samples.latency_ns[good]
    times = (done - start_ns) / NS_PER_S
    edges = np.linspace(*domain, _STEPS + 1)
    for index, (low, high) in enumerate(pairwise(edges)):
        last = index == _STEPS - 1

        def inside(at: npt.NDArray[Any], low: float = low, high: float = high, last: bool = last) -> npt.NDArray[Any]:
            return np.flatnonzero((at >= low) & ((at <= high) if last else (at < high)))

        here = took[inside(times)]
        numbers = [count(len(here)), show_ns(float(here.max())) if len(here) else UNKNOWN]
        for each in lines:
            values = each.values[inside(each.times)]
            numbers.append(show(float(values.mean()), _unit(each.channel)) if len(values) else UNKNOWN)
        yield StepRow(when=f"{_seconds(float(low))} – {_seconds(float(high))} s", numbers=tuple(numbers))


def _unit(channel: Channel) -> str:
    return {"temperature": "°C", "clock": "MHz"}.get(channel.quantity, "W")


def _ours(ledger: EnergyLedger, channel: Channel) -> bool:
    """Whether a channel belongs to the device under test: heat and clocks go with the power of their device."""
    if (found := ledger.channels.get(channel.name)) is not None:
        return found.ours is not False
    beside = [other.ours for other in ledger.channels.values() if other.device == channel.device]
    return not channel.device or not beside or any(ours is not False for ours in beside)


def _tracks(lines: Sequence[Drawn], looks: dict[str, tuple[int, int]]) -> Iterator[Track]:
    powers = [each for each in lines if is_power(each.channel)]
    for scope in SCOPE_ORDER:
        name = scope_name(scope)
        title = Text(en=f"W, {name.en}", ko=f"W, {name.ko}")
        track = _track(title, [each for each in powers if each.channel.scope == scope], looks, zero=True)
        if track is not None:
            yield track
    for quantity, title in (("temperature", _TEMPERATURE), ("clock", _CLOCK)):
        track = _track(title, [each for each in lines if each.channel.quantity == quantity], looks, zero=False)
        if track is not None:
            yield track


def timeline(key: str, title: Text, launch: Launch, readings: Readings, samples: Samples | None) -> Timeline | None:
    """The time line of one launch; None where no power was read in it."""
    window: Window | None = launch.energy.window or launch.window
    if window is None:
        return None
    start_ns, length_s = window.start_ns, (window.end_ns - window.start_ns) / NS_PER_S
    ours = (found for found in series(readings, window) if _ours(launch.energy, found.channel))
    known = [each for found in ours if (each := drawn(found)) is not None]
    looks = {each.channel.name: (n % COLOURS, n % DASHES) for n, each in enumerate(known)}
    tracks = tuple(_tracks(known, looks))
    if not tracks:
        return None
    times = [time for track in tracks for trace in track.traces for piece in trace.pieces for time, _ in piece]
    times += [0.0, length_s]
    domain = (min(times), max(times))
    # A search may have begun minutes before the window; what was read around that is what there is to see.
    seen = None if samples is None else samples.within(*(start_ns + round(at * NS_PER_S) for at in domain))
    requests, band = _requests(seen, start_ns)
    # Temperature has a picture of its own.
    events = [event for event in launch.energy.events if event.what in LANES]
    pairs = list(_moments(events, start_ns))
    latencies = [y for _, *ys in (*requests, *band) for y in ys] or [float(NS_PER_MS)]
    y_ticks, y_domain, y_log = axis(min(latencies), max(latencies))
    shown = {trace.name for track in tracks for trace in track.traces}
    n = count(len(seen.table)) if seen is not None else "0"
    steps = tuple(_steps(known, seen, start_ns, domain))
    return Timeline(
        key=key,
        title=title,
        caption=Text(
            en=f"{n} requests{_BAND.en if band else ''}; the window is shaded",
            ko=f"요청 {n}개{_BAND.ko if band else ''}, 음영은 측정 구간",
        ),
        requests=requests,
        band=band,
        requests_ticks=y_ticks,
        requests_domain=y_domain,
        requests_log=y_log,
        tracks=tracks,
        lanes=tuple(LANES[what] for what in LANES if any(event.what == what for event in events)),
        spans=tuple(span for _, span in pairs),
        window=(0.0, length_s),
        x_ticks=ticks(*domain, most=9),
        x_domain=domain,
        rows=tuple(_row(each, looks[each.channel.name], clean(each.channel.name) in shown, length_s) for each in known),
        moments=tuple(moment for moment, _ in pairs),
        steps=steps,
    )


def _chosen(cell: Cell, launches: Mapping[str, Launch]) -> list[str]:
    """The launches of a cell, those in which a device was slowed first."""
    known = [name for name in cell.launches if name in launches]
    return sorted(known, key=lambda name: not any(event.what == "throttle" for event in launches[name].energy.events))


def timelines(
    run: Run,
    key: str,
    launches: Mapping[str, Launch],
    samples: Callable[[str], Samples | None],
    readings: Callable[[str], Readings | None],
) -> dict[str, Timeline]:
    """Cell id → the time line of one of its launches: the first in which a device was slowed, else the first.

    Of the first MOST_PICTURES cells that have one: nobody reads more, and each is half a page.
    """
    found: dict[str, Timeline] = {}
    for cell in run.cells:
        if cell.purpose != "measure":
            continue
        if len(found) == MOST_PICTURES:
            break
        for name in _chosen(cell, launches):
            try:
                read = readings(name)
                seen = samples(name) if read is not None else None
            except NpubenchError:
                continue
            if read is None:
                continue
            of = count(len(cell.launches))
            number = count(launches[name].number)
            title = Text(en=f"Launch {number} of {of}, second by second", ko=f"실행 {number}/{of}의 시간별 기록")
            line = timeline(f"{key}-t{len(found) + 1}", title, launches[name], read, seen)
            if line is not None:
                found[cell.id] = line
                break
    return found
