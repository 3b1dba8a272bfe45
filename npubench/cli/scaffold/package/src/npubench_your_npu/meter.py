"""Power and energy of your-npu, read in a process of its own while a model is measured on the device.

Delete this module, its entry point and `meters` in the card where the device reports no power: unknown stays unknown.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from npubench.spi import Availability, Channel, Reading

# FILL IN: the module that reads power, and True as soon as `read` returns readings.
TOOL = "your_npu_sdk"
READY = False


class Meter:
    """Made without arguments; lives as long as one run, in a process of its own."""

    def configure(self, options: Mapping[str, Any]) -> None:
        """What `[meters.options]` of a meters file says, before `probe`. Delete it where there is nothing to say.

        Raises ValueError that names the option, what was found and what was expected. Options hold no secrets. A meter
        that must not be read ten times a second has `interval_ns` as an attribute.
        """
        for name in options:
            raise ValueError(f"{name}: found in the options; this meter takes none")

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

        `device`: the PCI address of the device that it belongs to, as `npubench doctor` shows it; empty: all that the
        card's backend uses. `quantity`: "power" (W, mW, uW) or "energy" (J, mJ, uJ, kJ, Wh), which make joules, or
        "temperature" (C), "clock" (MHz), "limit" (W) and "throttle" (the sum of `spi.THROTTLE_BITS` in effect, unit
        empty), which stand beside them on the time line. `kind`: "counter" (of energy, only rising; `wraps_at` says
        where it starts anew, and nothing is unwrapped here), "instant", "average" or "state". `lag_bound_ns`: how old a
        value may be when it is read; `refresh_ns` and `accuracy` (0.05 is ±5 %) as your manual states them. For example

        Channel(name="your-npu.0000:41:00.0.power", quantity="power", unit="W", scope="card", kind="average",
                device="0000:41:00.0", source=TOOL, lag_bound_ns=1_000_000_000, refresh_ns=1_000_000_000, most_w=75)
        """
        return ()

    def read(self) -> Sequence[Reading]:
        """One reading of each channel, with `time.perf_counter_ns()` just before and after it was taken.

        Called about ten times a second; it may block without harm to the run. A value that cannot be read is None with
        a `status`, never 0 and never a guess.
        """
        raise NotImplementedError("FILL IN: Reading(channel=…, value=…, before_ns=…, after_ns=…)")

    def close(self) -> None:
        """Ends what `probe` began."""
