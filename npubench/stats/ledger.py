"""From readings to joules in the timed window: pure.

A channel's energy is null with a reason whenever it would have to be guessed: fewer than two readings in the window, no
reading before its start or after its end, a counter that went backwards or hardly moved, holes in the readings of a
power. It is never 0 and never extrapolated (METRICS.md, Energy). What is computed is gross energy.

Not aware of: how readings were taken (`sampler`), idle baselines, requests.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from npubench.energy import ChannelEnergy, EnergyLedger, IdlePower, Window
from npubench.lang import Text
from npubench.spi import Channel
from npubench.stats.readings import Readings, Records

_TO_W = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6, "kW": 1e3}
_TO_J = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "kJ": 1e3, "Wh": 3600.0, "kWh": 3.6e6}

# A gap this many times the usual distance between readings counts as not covered; below this share of covered time a
# trapezoid over powers would be more guess than measurement (our judgement; published beside the value).
_HOLE, LEAST_COVERAGE = 2.5, 0.9
# A counter that changed fewer times in the window has edges as large as its content.
_LEAST_CHANGES = 2


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in the window: requests completed, their service units, and the load that was held (`searched` in
    `load`'s unit: cameras, users, rate; None where nothing was searched or confirmed).
    """

    requests: int
    units: int
    unit: str
    searched: str | None = None
    load: float | None = None


def _at(times: Sequence[float], values: Sequence[float], moment: float) -> float:
    """`values` at `moment` by linear interpolation; `moment` must lie within `times`."""
    right = min(max(bisect.bisect_left(times, moment), 1), len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    share = (moment - times[left]) / span if span > 0 else 1.0
    return values[left] + share * (values[right] - values[left])


def _refresh_ns(times: Sequence[float], values: Sequence[float]) -> int | None:
    changed = [times[index] for index in range(1, len(values)) if values[index] != values[index - 1]]
    gaps = [late - early for early, late in itertools.pairwise(changed)]
    return round(median(gaps)) if gaps else None


def _channel(channel: Channel, rows: Records, statuses: Sequence[str], window: Window) -> ChannelEnergy:
    start_ns, end_ns = window.start_ns, window.end_ns
    counter = channel.kind == "counter"
    factor = (_TO_J if counter else _TO_W).get(channel.unit)
    points: list[tuple[float, float]] = []
    faults = 0
    fault = ""
    for row in rows:
        moment = (int(row["before_ns"]) + int(row["after_ns"])) / 2
        value, status = float(row["value"]), statuses[row["status"]]
        if status == "ok" and math.isfinite(value) and value >= 0:
            points.append((moment, value))
        elif start_ns <= moment <= end_ns:
            faults += 1
            fault = fault or (status if status != "ok" else f"the value was {value}")
    points.sort()
    times, values = [moment for moment, _ in points], [value for _, value in points]
    inside = [index for index, moment in enumerate(times) if start_ns <= moment <= end_ns]
    # With the readings just outside, which bracket the window.
    near = slice(max(0, inside[0] - 1), inside[-1] + 2) if inside else slice(0, 0)
    times, values = times[near], values[near]
    refresh_ns = _refresh_ns(times, values)
    coverage: float | None = None

    def result(energy_j: float | None, reason: str | None = None) -> ChannelEnergy:
        return ChannelEnergy(
            energy_j=energy_j,
            reason=None if reason is None else Text(en=reason, ko=reason),
            mean_w=None if energy_j is None else energy_j / ((end_ns - start_ns) / 1e9),
            scope=channel.scope,
            kind=channel.kind,
            source=channel.source,
            readings=len(inside),
            faults=faults,
            coverage=coverage,
            refresh_ns=refresh_ns,
            lag_bound_ns=channel.lag_bound_ns,
        )

    if factor is None:
        wanted = ", ".join(_TO_J if counter else _TO_W)
        return result(None, f"the channel's unit is {channel.unit!r}; expected one of {wanted}")
    if end_ns <= start_ns:
        return result(None, "the window is empty")
    if len(inside) < 2:
        why = f" ({faults} failed: {fault})" if faults else ""
        return result(None, f"{len(inside)} readings in the window, at least 2 are needed{why}")
    if times[0] > start_ns or times[-1] < end_ns:
        edge = "before the window's start" if times[0] > start_ns else "after the window's end"
        return result(None, f"there is no reading {edge}")
    gaps = [late - early for early, late in itertools.pairwise(times)]
    usual = median(gaps)
    holes = sum(
        min(late, end_ns) - max(early, start_ns)
        for early, late in itertools.pairwise(times)
        if late - early > _HOLE * usual
    )
    coverage = max(0.0, 1 - holes / (end_ns - start_ns))
    first, last = _at(times, values, start_ns), _at(times, values, end_ns)
    if counter:
        # Between two readings the counter's rise is known, where in between is not: at an edge that matters.
        if max(gaps[0], gaps[-1]) > _HOLE * usual:
            return result(None, "readings are missing at the window's edge")
        if any(late < early for early, late in itertools.pairwise(values)):
            return result(None, "the counter went backwards: it wrapped or was reset (meters unwrap their counters)")
        changes = sum(late != early for early, late in itertools.pairwise(values))
        if changes < _LEAST_CHANGES:
            return result(None, f"the counter changed {changes} times in the window; take a longer window")
        return result((last - first) * factor)
    if coverage < LEAST_COVERAGE:
        return result(None, f"readings cover only {coverage:.0%} of the window")
    inner = [(moment, value) for moment, value in zip(times, values, strict=True) if start_ns < moment < end_ns]
    path = [(float(start_ns), first), *inner, (float(end_ns), last)]
    area = sum((late[0] - early[0]) * (late[1] + early[1]) / 2 for early, late in itertools.pairwise(path))
    if area <= 0:
        return result(None, "the sensor reported 0 W throughout, which no device draws")
    return result(area / 1e9 * factor)


def ledger(
    readings: Readings,
    window: Window,
    work: Work,
    *,
    ours: Callable[[Channel], bool | None],
    idle: Mapping[str, IdlePower],
    least_ns: int,
) -> EnergyLedger:
    """Energy in the window for each channel and, of the device under test (`ours`), for each scope.

    A reading counts at the middle of its own before and after times. `idle` is the baseline by channel; a window
    shorter than `least_ns` gives no joules. `reason` is set when no channel has an energy.
    """
    if not readings.channels:
        return EnergyLedger(reason=Text(en="no power meter answered", ko="응답한 전력 측정기가 없습니다"))
    found = {
        channel.name: _channel(channel, readings.of(channel.name), readings.statuses, window)
        for channel in readings.channels
    }
    said = "; ".join(f"{name}: {item.reason.en}" for name, item in found.items() if item.reason is not None)
    reason = None if any(item.energy_j is not None for item in found.values()) else Text(en=said, ko=said)
    return EnergyLedger(reason=reason, window=window, requests=work.requests, units=work.units, channels=found)
