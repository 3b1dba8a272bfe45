"""One channel's readings as arrays: sorted by time, in W or J, with what is no data left out and counted.

A reading is a fault, not data, when its status says so, when it is no number or negative, when it is more than its
source can draw, or when it stands alone: a power far over what any two readings in a row reached, a lone zero, a
counter's value that its two neighbours contradict. Rows may come in any order.

Not aware of: energy (`channel_energy`), what a value that stands still means (`refresh`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.energy import Window
from npubench.spi import Channel
from npubench.stats.readings import OK, Readings, Records

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TO_W = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6, "kW": 1e3}
TO_J = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "kJ": 1e3, "Wh": 3600.0, "kWh": 3.6e6}

# Over five times what two readings in a row reached, once or twice in a window: a glitch. A load that comes in bursts
# shorter than two looks does so more often, and even from idle by less than thirty times; a bus that returns 0xffff by
# far more (our judgement).
_SPIKE, _OFTEN, _SURELY = 5.0, 3, 30.0
# No machine draws a gigawatt; a 64-bit counter of mJ ends at 1.8e16 J.
_MOST_W, _MOST_J = 1e9, 1e17
# Nor is there such a clock, limit or temperature in any unit.
_MOST = 1e15
# How far around a window readings are looked at: what a sensor used to do, and the neighbours of the edges.
_AROUND_NS = 60_000_000_000


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The good readings of one channel around a window that begins at 0; times in ns.

    `values` are W of a power or a limit, J of a counter, else as read; `took_ns` is from before to after a reading.
    `faults` counts what was left out within the window, `fault` names the most frequent. `usual_ns`: the median
    distance between two looks, good or not.
    """

    channel: Channel
    times_ns: Floats
    took_ns: Floats
    values: Floats
    faults: int = 0
    fault: str = ""
    usual_ns: float = 0.0

    @property
    def scale(self) -> float:
        """From the channel's unit to W or J; 1 for what is neither."""
        return factor(self.channel) or 1.0

    def inside(self, length_ns: float) -> slice:
        """The readings in [0, length]."""
        low = int(np.searchsorted(self.times_ns, 0.0, "left"))
        return slice(low, int(np.searchsorted(self.times_ns, length_ns, "right")))


def is_counter(channel: Channel) -> bool:
    """Older meters leave `quantity` at its default for a counter of energy."""
    return channel.kind == "counter" or channel.quantity == "energy"


def is_power(channel: Channel) -> bool:
    """Whether joules can be made of it."""
    return is_counter(channel) or channel.quantity == "power"


def factor(channel: Channel) -> float | None:
    """From the channel's unit to W or J; None for a unit that is neither."""
    return (TO_J if is_counter(channel) else TO_W).get(channel.unit)


def _lone_powers(values: Floats) -> tuple[Flags, Flags]:
    """(spikes, zeros) that neither neighbour supports."""
    none = np.zeros(len(values), dtype=np.bool_)
    if len(values) < 3:
        return none, none
    pairs = np.minimum(values[1:], values[:-1])
    most = float(pairs.max())
    spikes = values > _SPIKE * most if most > 0 else none
    if spikes.sum() >= _OFTEN:
        spikes = values > _SURELY * most
    zeros = none.copy()
    zeros[1:-1] = (values[1:-1] == 0) & (values[2:] > 0) & (values[:-2] > 0)
    return spikes, zeros


def _lone_counts(values: Floats) -> Flags:
    """Counter readings that lie outside what the readings before and after them allow."""
    found = np.zeros(len(values), dtype=np.bool_)
    if len(values) >= 3:
        before, here, after = values[:-2], values[1:-1], values[2:]
        found[1:-1] = (after >= before) & ((here > after) | (here < before))
    return found


def _most_frequent(found: dict[str, int]) -> str:
    return max(sorted(found), key=lambda name: found[name]) if found else ""


def _one(channel: Channel, rows: Records, statuses: tuple[str, ...], window: Window) -> Series:
    before = rows["before_ns"] - window.start_ns
    took = (rows["after_ns"] - rows["before_ns"]).astype(np.float64)
    times = before + took / 2
    raw, status = rows["value"].astype(np.float64), rows["status"]
    if len(times) > 1 and not bool((times[1:] > times[:-1]).all()):
        order = np.lexsort((status, raw, times))
        times, took, raw, status = times[order], took[order], raw[order], status[order]
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    usual_ns = quantile(gaps, 0.5) if len(gaps) else 0.0
    length_ns = window.end_ns - window.start_ns
    within = (times >= 0) & (times <= length_ns)
    values = raw * (factor(channel) or 1.0)
    found: dict[str, int] = {}

    def leave_out(bad: Flags, name: str) -> None:
        nonlocal times, took, values, status, within
        if not bad.any():
            return
        if count := int((bad & within).sum()):
            found[name] = found.get(name, 0) + count
        keep = ~bad
        times, took, values, status, within = times[keep], took[keep], values[keep], status[keep], within[keep]

    for code in np.unique(status[status != 0]) if status.any() else ():
        leave_out(status == code, statuses[code])
    leave_out(~np.isfinite(values), "the value is no number")
    if is_power(channel):
        leave_out(values < 0, "the value is negative")
        leave_out(values > (_MOST_J if is_counter(channel) else _MOST_W), "the value is absurdly large")
        if is_counter(channel):
            leave_out(_lone_counts(values), "the value contradicts the readings before and after it")
        else:
            if channel.most_w is not None:
                leave_out(values > channel.most_w, f"the value is over the {channel.most_w:g} W that it can draw")
            spikes, _ = _lone_powers(values)
            leave_out(spikes, "a lone spike")
            leave_out(_lone_powers(values)[1], "a lone 0 W")
    else:
        leave_out(np.abs(values) > _MOST, "the value is absurdly large")
    return Series(
        channel=channel,
        times_ns=times,
        took_ns=took,
        values=values,
        faults=sum(found.values()),
        fault=_most_frequent(found),
        usual_ns=usual_ns,
    )


def quantile(values: Floats, share: float) -> float:
    """The value that `share` of `values` do not exceed; of very many, of an even sample of them."""
    # A sample of 2¹⁶ or more places the median within a share of 0.005 (99 %), and a day stays quick. An odd stride
    # does not keep step with patterns.
    some = values[:: (len(values) >> 16) | 1]
    place = int(share * (len(some) - 1))
    return float(np.partition(some, place)[place])


def series(readings: Readings, window: Window) -> Iterator[Series]:
    """Each channel's readings in the window and around it, in the order of the channels."""
    table, around = readings.table, max(_AROUND_NS, window.end_ns - window.start_ns)
    low, high = window.start_ns - around, window.end_ns + around
    moments = table["before_ns"]
    if len(table) and (moments.min() < low or moments.max() > high):
        table = table[(moments >= low) & (moments <= high)]
    # One pass over the rows: they are 32 bytes wide, and a day has millions of them.
    places = np.ascontiguousarray(table["channel"])
    statuses = (OK, *readings.statuses[1:])
    for place, channel in enumerate(readings.channels):
        yield _one(channel, table.take(np.flatnonzero(places == place)), statuses, window)
