"""How often a sensor's value is new, as observed, and where it stood still for too long to be believed.

The refresh interval is the median time between changes of the value. A sensor that used to change and then repeats
exactly one value for much longer has frozen, or resolves too little to tell.

Not aware of: units, windows, joules (`channel_energy`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npubench.stats.series import Flags, Floats, quantile

Places = npt.NDArray[np.intp]

# A stretch without a change is stale when it is longer than ten refreshes and four times nine tenths of the others: a
# coarse sensor's stretches are about exponential, and then one in 10 000 is that long (our judgement).
_REFRESHES, _OTHERS, _SHARE = 10.0, 4.0, 0.9
# So many stretches tell what a sensor does under this load; where there are fewer, what it did around the window needs
# more of them, because the load was another.
_ENOUGH_INSIDE, ENOUGH_AROUND = 8, 20


def changes(values: Floats) -> Places:
    """The readings whose value differs from the one before."""
    return np.flatnonzero(values[1:] != values[:-1]) + 1


def refresh_ns(times_ns: Floats) -> float | None:
    """The median time between changes that were seen at `times_ns`; None for fewer than two of them."""
    return quantile(np.diff(times_ns), 0.5) if len(times_ns) > 1 else None


def longest_ns(times_ns: Floats, length_ns: float) -> float | None:
    """A longer time without a change than this is stale; None where too few changes were seen to tell.

    `times_ns`: when the value changed, in the window [0, `length_ns`] and around it.
    """
    inside = np.diff(times_ns[(times_ns >= 0) & (times_ns <= length_ns)])
    around = np.diff(times_ns)
    gaps = inside if len(inside) >= _ENOUGH_INSIDE else around if len(around) >= ENOUGH_AROUND else None
    if gaps is None:
        return None
    return max(_REFRESHES * quantile(gaps, 0.5), _OTHERS * quantile(gaps, _SHARE))


def stale(times_ns: Floats, changed: Places, length_ns: float) -> Flags:
    """For each pair of neighbouring readings whether it lies in a stretch that is too long. Shape: one less than times.

    `changed` are the readings at which the value is another than before.
    """
    found = np.zeros(max(len(times_ns) - 1, 0), dtype=np.bool_)
    longest = longest_ns(times_ns[changed], length_ns)
    if longest is None:
        return found
    first = np.concatenate(([0], changed))
    last = np.concatenate((changed - 1, [len(times_ns) - 1]))
    for one in np.flatnonzero(times_ns[last] - times_ns[first] > longest):
        found[first[one] : last[one]] = True
    return found
