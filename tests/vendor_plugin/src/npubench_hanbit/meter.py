"""The HB-1's power and energy, as its own tool reads them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from npubench.spi import Availability, Channel, Reading

_SOURCE = "hanbit_sdk snapshot (a virtual device: a model of its power, not a measurement)"
# What the card can draw at most by its data sheet; a larger value is a fault of the reading.
_MOST_W = 40.0
_TO_MICRO = {"uJ": 1.0, "mJ": 1e3, "J": 1e6, "uW": 1.0, "mW": 1e3, "W": 1e6}


def number(text: str) -> float:
    """`18810987uW` → 18.810987. Raises ValueError for anything else: a reading is never guessed."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(uJ|mJ|J|uW|mW|W)", text)
    if match is None:
        raise ValueError(f"{text!r}: expected a number with uJ, mJ, J, uW, mW or W")
    return float(match[1]) * _TO_MICRO[match[2]] / 1e6


class HanbitMeter:
    """Two channels of one card: a counter of energy, and power at this instant.

    No channel names a device: the HB-1 is virtual, so the machine has no PCI address for it, and a channel without one
    counts for the backends whose cards name this meter.
    """

    def probe(self) -> Availability:
        try:
            import hanbit_sdk

            hanbit_sdk.snapshot(0)
        except Exception as error:  # the SDK raises RuntimeError where there is no device, and on import
            return Availability(available=False, reason=f"{type(error).__name__}: {error}")
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        return (
            Channel(
                name="hanbit.energy",
                quantity="energy",
                unit="J",
                scope="card",
                kind="counter",
                source=_SOURCE,
                lag_bound_ns=0,
            ),
            Channel(
                name="hanbit.power",
                quantity="power",
                unit="W",
                scope="card",
                kind="instant",
                source=_SOURCE,
                lag_bound_ns=100_000_000,
                most_w=_MOST_W,
            ),
        )

    def read(self) -> Sequence[Reading]:
        import hanbit_sdk

        before = time.perf_counter_ns()
        found = hanbit_sdk.snapshot(0)
        after = time.perf_counter_ns()
        return tuple(
            Reading(channel=f"hanbit.{name}", value=number(found[name]), before_ns=before, after_ns=after)
            for name in ("energy", "power")
        )

    def close(self) -> None:
        """Nothing is held."""
