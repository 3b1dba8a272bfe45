"""The meter of a machine without one: says so, and never reads anything.

Unknown power stays unknown: no reading, no zero, no estimate from a data sheet.
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.spi import Availability, Channel, Reading


class NoMeter:
    """A `spi.Meter` that is never available."""

    def probe(self) -> Availability:
        return Availability(
            available=False,
            reason="no power meter is named for this backend, so its energy is unknown",
            fix='name one in the backend card: meters = ["…"]',
        )

    def channels(self) -> Sequence[Channel]:
        return ()

    def read(self) -> Sequence[Reading]:
        return ()

    def close(self) -> None:
        """Nothing is held."""
