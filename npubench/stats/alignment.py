"""Ties an external log's clock to this machine's: by an offset that is given, or by pulses of load that were recorded.

Log time + offset = wall time here; wall time and CLOCK_MONOTONIC are tied by the pairs that a session recorded. An
offset always comes with its uncertainty, and where none can be told there is no alignment: a DataError says why.

By pulses: the offset at which the log's power follows the pattern of busy and idle best (Pearson's correlation of each
reading with the share of its interval that was busy). It then contains what the meter itself lags, which is what joules
need. The uncertainty is half the width of the correlation's peak at 95 % (likelihood ratio of the residuals), plus the
log's interval (an edge lies anywhere between two rows, and a row does not say when in its interval it was measured),
plus what the stamps are rounded to.

Not aware of: logs as files (`metering_log`), joules (`ledger`), how pulses are made (`engine.pulse`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.energy import Alignment, ClockPair, Window
from npubench.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Our judgement: half the variance explained is a weak likeness, and a second place this near is another peak.
LEAST_CORRELATION, LEAST_LEAD = 0.7, 0.1
LEAST_READINGS = 4  # in busy and in idle stretches each
SEARCHED_S = 900.0  # clocks that are further apart are a time zone or a date, not an offset
_CHI2_95 = 3.84  # one degree of freedom
_COVERED = 0.9
_BY_CLOCK = "say --align clock with --offset and --uncertainty, if the meter's clock is known"


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """The wall clock of one boot over CLOCK_MONOTONIC: (monotonic, wall) in ns at rising moments, at least one."""

    pairs: tuple[ClockPair, ...]

    def monotonic_ns(self, wall_ns: Ints) -> Ints:
        """Wall times (UTC, ns since 1970) on CLOCK_MONOTONIC: the difference between two pairs is interpolated."""
        wall = np.array([pair.wall_ns for pair in self.pairs], dtype=np.int64)
        ahead = wall - np.array([pair.monotonic_ns for pair in self.pairs], dtype=np.int64)
        # Differences are interpolated, never the times themselves: a float does not hold ns since 1970.
        origin = int(wall[0])
        more = np.interp((wall_ns - origin).astype(np.float64), (wall - origin).astype(np.float64), ahead - ahead[0])
        found: Ints = wall_ns - int(ahead[0]) - np.round(more).astype(np.int64)
        return found

    def wall_ns(self, monotonic_ns: int) -> int:
        """CLOCK_MONOTONIC as wall time."""
        times = [pair.monotonic_ns for pair in self.pairs]
        ahead = [pair.wall_ns - pair.monotonic_ns for pair in self.pairs]
        more = np.interp(
            float(monotonic_ns - times[0]), [time - times[0] for time in times], [a - ahead[0] for a in ahead]
        )
        return monotonic_ns + ahead[0] + round(float(more))

    @property
    def uncertainty_ns(self) -> int:
        """How far apart the clocks may have been read, and by how much the wall clock was set while it ran."""
        ahead = [pair.wall_ns - pair.monotonic_ns for pair in self.pairs]
        return max(pair.gap_ns for pair in self.pairs) + (max(ahead) - min(ahead)) // 2


def tie(pairs: Sequence[ClockPair]) -> Tie:
    """The tie of one session's pairs. Raises DataError where there is none."""
    if not pairs:
        raise DataError(
            "the run recorded no clock, so nothing ties a log's time to it",
            hint="a run that was measured with this npubench records both clocks",
        )
    return Tie(pairs=tuple(sorted(pairs, key=lambda pair: pair.monotonic_ns)))


def by_clock(offset_s: float, uncertainty_s: float | None) -> Alignment:
    """The alignment that a user gives. Raises DataError without an uncertainty, or for values that are none."""
    if uncertainty_s is None:
        raise DataError(
            "an offset between two clocks has an uncertainty, and none was given",
            hint="say --uncertainty in seconds (NTP on both sides: 0.1; read off a display: 1), or use --align pulse",
        )
    if not math.isfinite(offset_s) or not (math.isfinite(uncertainty_s) and uncertainty_s > 0):
        raise DataError(
            f"offset {offset_s:g} s, uncertainty {uncertainty_s:g} s: expected a number and one that is over 0"
        )
    return Alignment(how="clock", offset_s=float(offset_s), uncertainty_s=float(uncertainty_s))


class _Pattern:
    """Busy stretches on the wall clock, in seconds from `origin_ns`, and the region around them that is compared."""

    def __init__(self, pulses: Sequence[Window], clocks: Tie) -> None:
        walls = [(clocks.wall_ns(pulse.start_ns), clocks.wall_ns(pulse.end_ns)) for pulse in pulses]
        self.origin_ns = walls[0][0]
        starts = np.array([(start - self.origin_ns) / 1e9 for start, _ in walls])
        ends = np.array([(end - self.origin_ns) / 1e9 for _, end in walls])
        gaps = starts[1:] - ends[:-1]
        # As much rest on either side as there is between two pulses: what was before and after them is not known.
        margin = float(gaps.min()) if len(gaps) else float((ends - starts).min())
        self.region = (float(starts[0]) - margin / 2, float(ends[-1]) + margin)
        self.shortest_s = float(min((ends - starts).min(), gaps.min() if len(gaps) else math.inf))
        # Seconds of busy time up to each edge: the share of any interval is a difference of two of these.
        self._edges = np.stack([starts, ends], axis=1).ravel()
        lengths = np.stack([np.zeros(len(starts)), ends - starts], axis=1).ravel()
        self._busy = np.cumsum(lengths)

    def share(self, times_s: Floats, interval_s: float) -> Floats:
        """The share of the interval around each time that was busy."""

        def until(times: Floats) -> Floats:
            found: Floats = np.interp(times, self._edges, self._busy)
            return found

        half = max(interval_s / 2, 1e-6)
        found: Floats = (until(times_s + half) - until(times_s - half)) / (2 * half)
        return found


class _Log(msgspec.Struct, frozen=True):
    """A log's readings in seconds of its own clock from the pattern's origin."""

    times_s: Floats
    values: Floats
    interval_s: float


def _correlation(log: _Log, pattern: _Pattern, offset_s: float) -> tuple[float, int]:
    """Pearson's r at one offset and how many readings it is from; 0 where the log does not cover the region."""
    low, high = (edge - offset_s for edge in pattern.region)
    first, last = np.searchsorted(log.times_s, [low, high])
    times, values = log.times_s[first:last], log.values[first:last]
    if len(times) < 2 * LEAST_READINGS or len(times) * log.interval_s < _COVERED * (high - low):
        return 0.0, len(times)
    share = pattern.share(times + offset_s, log.interval_s)
    share, values = share - share.mean(), values - values.mean()
    scale = math.sqrt(float(share @ share) * float(values @ values))
    return (float(share @ values) / scale if scale > 0 else 0.0), len(times)


def by_pulse(times_ns: Ints, power_w: Floats, resolution_ns: int, pulses: Sequence[Window], clocks: Tie) -> Alignment:
    """The offset at which the log's power follows the pulses.

    `times_ns` [n] rising, ns since 1970 by the log's clock, `power_w` [n] good readings in any unit. Raises DataError
    where there are no pulses, the log is too coarse for them, or the likeness is weak or ambiguous.
    """
    if not pulses:
        raise DataError(
            "no pulses were recorded with this run, so its log cannot be aligned by them",
            hint=f"measure with --power-pulse, or {_BY_CLOCK}",
        )
    pattern = _Pattern(pulses, clocks)
    if len(times_ns) < 2:
        raise DataError(f"the log has {len(times_ns)} good readings of power", hint="attach the whole log")
    log = _Log((times_ns - pattern.origin_ns) / 1e9, power_w, float(np.median(np.diff(times_ns))) / 1e9)
    if log.interval_s > pattern.shortest_s / 2:
        raise DataError(
            f"the log has a reading every {log.interval_s:g} s and the shortest pulse or pause is "
            f"{pattern.shortest_s:.1f} s: too coarse to see them",
            hint=f"set the meter to log more often, or {_BY_CLOCK}",
        )
    step = min(pattern.shortest_s / 8, log.interval_s * 2)
    # What the log covers, within what is searched: the region must lie in it.
    least = max(-SEARCHED_S, pattern.region[1] - float(log.times_s[-1]) - log.interval_s)
    most = min(SEARCHED_S, pattern.region[0] - float(log.times_s[0]) + log.interval_s)
    if most < least:
        away = max(pattern.region[0] - float(log.times_s[-1]), float(log.times_s[0]) - pattern.region[1])
        raise DataError(
            f"the log does not cover the pulses: by its clock they are {away:,.0f} s outside of it",
            hint="look at the log's date and --timezone; attach the log of that day",
        )
    offsets = np.arange(least, most + step, step)
    seen = np.array([_correlation(log, pattern, offset)[0] for offset in offsets])
    best = int(np.argmax(seen))
    fine, heights, count = _refined(log, pattern, float(offsets[best]), step)
    top = float(heights.max())
    if top < LEAST_CORRELATION:
        raise DataError(
            f"the pulses are not to be seen in the log: its power follows them with a correlation of {top:.2f}, "
            f"{LEAST_CORRELATION:g} is needed",
            hint=f"is it this machine's meter, and is the time zone right? Else {_BY_CLOCK}",
        )
    apart = np.abs(offsets - float(fine[int(np.argmax(heights))])) > pattern.shortest_s
    if apart.any() and (rival := float(seen[apart].max())) > top - LEAST_LEAD:
        other = float(offsets[apart][int(np.argmax(seen[apart]))])
        raise DataError(
            f"the pulses fit the log at two places, at an offset of {fine[int(np.argmax(heights))]:.1f} s "
            f"(correlation {top:.2f}) and of {other:.1f} s ({rival:.2f})",
            hint=_BY_CLOCK,
        )
    low, high = _likely(fine, heights, count)
    uncertainty_s = (high - low) / 2 + log.interval_s + resolution_ns / 1e9 + clocks.uncertainty_ns / 1e9
    return Alignment(how="pulse", offset_s=(low + high) / 2, uncertainty_s=uncertainty_s, correlation=top)


def _refined(log: _Log, pattern: _Pattern, around: float, step: float) -> tuple[Floats, Floats, int]:
    """Offsets around the best one, their correlations, and how many readings those are from."""
    fine = np.arange(around - 2 * step, around + 2 * step, min(step, log.interval_s) / 20)
    found = [_correlation(log, pattern, float(offset)) for offset in fine]
    return fine, np.array([height for height, _ in found]), max(count for _, count in found)


def _likely(offsets: Floats, heights: Floats, count: int) -> tuple[float, float]:
    """The offsets that the readings do not rule out with 95 % confidence, around the best one."""
    residual = 1 - heights**2
    least = float(residual.min())
    bound = max(least * (1 + _CHI2_95 / max(count - 3, 1)), least + 1e-9)
    good = np.flatnonzero((residual <= bound) & (heights > 0))
    return float(offsets[good[0]]), float(offsets[good[-1]])
