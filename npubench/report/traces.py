"""One channel as a line over time: in the unit that is shown, broken where nothing good was read, thinned. Pure.

Not aware of: launches and events (`timeline`), pictures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npubench.report.shown_power import Points
from npubench.spi import Channel
from npubench.stats.refresh import changes
from npubench.stats.series import Series, factor, is_counter
from npubench.units import NS_PER_S, show

Floats = npt.NDArray[np.float64]

SLICES = 100
# A gap of this many usual distances is a hole.
_HOLE = 5.0


class Drawn(NamedTuple):
    """Seconds and values of one channel in the unit that is shown; `usual_s`: from one look to the next."""

    channel: Channel
    times: Floats
    values: Floats
    usual_s: float


def drawn(found: Series) -> Drawn | None:
    """A channel as it is drawn; None for one that is not, or of which nothing good was read."""
    times, values, usual_s = found.times_ns / NS_PER_S, found.values, found.usual_ns / NS_PER_S
    channel = found.channel
    if is_counter(channel):
        return _differenced(found, times, values, usual_s)
    if not len(times) or channel.quantity not in ("power", "temperature", "clock"):
        return None
    if channel.quantity == "power" and factor(channel) is None:
        return None
    return Drawn(channel, times, values, usual_s)


def _differenced(found: Series, times: Floats, energy: Floats, usual_s: float) -> Drawn | None:
    """The mean power between two changes of a counter, half way; a fall that is no wrap is a hole."""
    if factor(found.channel) is None:
        return None
    # From change to change: the first reading fell somewhere between two.
    moved = changes(energy)
    times, energy = times[moved], energy[moved]
    if len(times) < 2:
        return None
    steps, spans = np.diff(energy), np.diff(times)
    if found.channel.wraps_at is not None:
        steps = np.where(steps < 0, steps + found.channel.wraps_at * found.scale, steps)
    good = (steps >= 0) & (spans > 0)
    usual_s = max(usual_s, float(np.median(spans)))
    return Drawn(found.channel, ((times[1:] + times[:-1]) / 2)[good], steps[good] / spans[good], usual_s)


def pieces(found: Drawn) -> tuple[Points, ...]:
    """The line in pieces, thinned; each piece is whole between two holes."""
    times, values = found.times, found.values
    if not len(times):
        return ()
    breaks = np.flatnonzero(np.diff(times) > _HOLE * max(found.usual_s, 1e-9)) + 1
    span = max(float(times[-1] - times[0]), 1e-9)
    parts = np.split(np.arange(len(times)), breaks)
    return tuple(thinned(times[part], values[part], span) for part in parts)


def thinned(times: Floats, values: Floats, span: float, slices: int = SLICES) -> Points:
    """The lowest and the highest point of each of `slices` slices of `span` seconds, in order of time, and the ends."""
    if len(times) <= 2 * slices:
        return tuple(zip(times.tolist(), values.tolist(), strict=True))
    place = np.minimum(((times - times[0]) / span * slices).astype(np.int64), slices - 1)
    kept: set[int] = {0, len(times) - 1}
    for part in np.split(np.arange(len(times)), np.flatnonzero(np.diff(place)) + 1):
        kept |= {int(part[np.argmin(values[part])]), int(part[np.argmax(values[part])])}
    return tuple((float(times[i]), float(values[i])) for i in sorted(kept))


def ticks(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Round ticks (value, label) that lie in `low` … `high`."""
    rough = max((high - low) / max(most - 1, 1), 1e-9)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    unit = "count" if step >= 1 else ""
    return tuple((step * i, show(step * i, unit).replace("-", "−")) for i in range(first, last + 1))
