"""Power and energy of your-npu, read in a process of its own while a model is measured on the device.

Delete this module, its entry point and `meters` in the card where the device reports no power: unknown stays unknown.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from npubench.spi import Availability, Channel, Reading

# FILL IN: the module that reads power, and True as soon as `read` returns readings.
TOOL = "your_npu_sdk"
READY = False


class Meter:
    """Made without arguments; lives as long as one launch."""

    def probe(self) -> Availability:
        """Can power be read here? Never raises."""
        try:
            importlib.import_module(TOOL)
        except Exception as error:  # as in adapter.py
            return Availability(available=False, reason=f"{TOOL} cannot be imported: {error}")
        if not READY:
            return Availability(available=False, reason=f"a skeleton: fill in {__name__} and set READY")
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        """What can be read. `scope`: rail, chip, card, device, package, node or wall; never mix two in one channel.

        `kind`: "counter" (unit J, kJ, mJ, uJ, Wh: differenced), "instant" or "average" (unit W, mW, uW: integrated).
        `lag_bound_ns`: how old a value may be when it is read. For example
        Channel(name="your-npu.power", unit="W", scope="card", kind="instant", source=TOOL, lag_bound_ns=1_000_000_000).
        """
        return ()

    def read(self) -> Sequence[Reading]:
        """One reading of each channel, with `time.perf_counter_ns()` just before and after it was taken.

        Called about ten times a second. A value that cannot be read is None with a `status`, never 0 and never a guess.
        """
        raise NotImplementedError("FILL IN: Reading(channel=…, value=…, before_ns=…, after_ns=…)")

    def close(self) -> None:
        """Ends what `probe` began."""
