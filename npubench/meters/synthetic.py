"""A test meter whose power is a known function of monotonic time, so that reported energy can be checked exactly.

It measures nothing. It is available only when NPUBENCH_SYNTHETIC_POWER or its option `form` names a function
(`synthetic_script` has the syntax: `constant:25`, `ramp:10:2`, `square:10:30:2~0.5;throttle=thermal:5:2`), and every
channel says "synthetic" in its source.

Options: `form`, in place of the variable, and `name`, the first part of the channels' names in place of `synthetic`.

Not aware of: sampling (`engine.sampler`), integration (`stats.ledger`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from npubench.meters.synthetic_script import STATES, Form, Script, energy_j, looked_s, parse, power_w, script
from npubench.spi import THROTTLE_BITS, Availability, Channel, Reading

__all__ = ["SOURCE", "VARIABLE", "Form", "SyntheticMeter", "energy_j", "parse", "power_w", "script"]

VARIABLE = "NPUBENCH_SYNTHETIC_POWER"
SOURCE = "synthetic (a test function, not a measurement)"
_OPTIONS = ("form", "name")


class SyntheticMeter:
    """A `spi.Meter` with two channels, `synthetic.power` (W) and `synthetic.energy` (J, counter), and those that its
    text adds: `synthetic.temperature`, `.clock`, `.limit`, `.throttle`.
    """

    def __init__(self) -> None:
        self._script: Script | None = None
        self._name = "synthetic"
        self._fault = f"{VARIABLE} is not set"
        self._origin_ns = time.perf_counter_ns()
        if text := os.environ.get(VARIABLE):
            try:
                self._take(text)
            except ValueError as error:
                self._fault = f"{VARIABLE}={error}"

    def _take(self, text: str) -> None:
        self._script = script(text)
        if self._script.power.origin_ns is not None:
            self._origin_ns = self._script.power.origin_ns

    def configure(self, options: Mapping[str, Any]) -> None:
        """Takes `form` and `name`. Raises ValueError for anything else."""
        for key, value in options.items():
            if key not in _OPTIONS or not isinstance(value, str) or not value:
                raise ValueError(f"{key} = {value!r}: expected {' or '.join(_OPTIONS)}, each a text")
        self._name = options.get("name", self._name)
        if "form" in options:
            try:
                self._take(options["form"])
            except ValueError as error:
                raise ValueError(f"form = {error}") from None

    def probe(self) -> Availability:
        if self._script is None:
            return Availability(available=False, reason=self._fault, fix=f"{VARIABLE}=constant:25 (tests only)")
        return Availability(available=True)

    def _prefixes(self, found: Script) -> tuple[tuple[str, str], ...]:
        """(start of the channels' names, device) for each device."""
        if not found.devices:
            return ((f"{self._name}.", ""),)
        return tuple((f"{self._name}.{device}.", device) for device in found.devices)

    def channels(self) -> Sequence[Channel]:
        found = self._script
        if found is None:
            return ()
        refresh_ns = round(found.power.refresh_s * 1e9)
        channels = []
        for prefix, device in self._prefixes(found):
            power = Channel(
                name=f"{prefix}power",
                unit="W",
                scope=found.scope,
                kind="average" if found.average_s else "instant",
                source=SOURCE,
                # A value held since the last look is as old as the refresh; a mean reaches back by its window too.
                lag_bound_ns=refresh_ns + round(found.average_s * 1e9),
                device=device,
                most_w=found.most_w,
                refresh_ns=refresh_ns or None,
                accuracy=found.accuracy,
            )
            energy = Channel(
                name=f"{prefix}energy",
                unit="J",
                scope=found.scope,
                kind="counter",
                source=SOURCE,
                lag_bound_ns=refresh_ns,
                quantity="energy",
                device=device,
                wraps_at=found.wraps_at,
                most_w=found.most_w,
                refresh_ns=refresh_ns or None,
                accuracy=found.accuracy,
            )
            channels += [power] * (found.only != "energy") + [energy] * (found.only != "power")
            for quantity, form in found.states.items():
                channels.append(
                    Channel(
                        name=f"{prefix}{quantity}",
                        unit=STATES[quantity],
                        scope=found.scope,
                        kind="state",
                        source=SOURCE,
                        lag_bound_ns=round(form.refresh_s * 1e9),
                        quantity=quantity,  # type: ignore[arg-type] # STATES has quantities only
                        device=device,
                        refresh_ns=round(form.refresh_s * 1e9) or None,
                    )
                )
            if found.throttle:
                channels.append(
                    Channel(
                        name=f"{prefix}throttle",
                        unit="",
                        scope=found.scope,
                        kind="state",
                        source=SOURCE,
                        lag_bound_ns=0,
                        quantity="throttle",
                        device=device,
                    )
                )
        return channels

    def read(self) -> Sequence[Reading]:
        """Every channel at one moment. Raises RuntimeError within a `raise` fault; sleeps within a `block` fault."""
        found = self._script
        if found is None:
            return ()
        begun = time.perf_counter_ns()
        now = begun
        for fault in found.faults:
            if fault.what == "block" and fault.holds((begun - self._origin_ns) / 1e9):
                end_ns = self._origin_ns + round((fault.start_s + fault.seconds) * 1e9)
                time.sleep(max(0, end_ns - begun) / 1e9)
                now = time.perf_counter_ns()
        values = shown(found, (now - self._origin_ns) / 1e9)
        # What blocks, blocks before it looks: `before_ns` is when it was asked.
        return tuple(
            Reading(channel=f"{prefix}{what}", value=value, before_ns=begun, after_ns=now, status=status)
            for prefix, _ in self._prefixes(found)
            for what, (value, status) in values.items()
        )

    def close(self) -> None:
        """Nothing is held."""


def shown(found: Script, seconds: float) -> dict[str, tuple[float | None, str]]:
    """What each channel shows `seconds` after the origin, by the last part of its name: (value, status).

    Raises RuntimeError within a `raise` fault.
    """
    active = {fault.what: fault for fault in found.faults if fault.holds(seconds)}
    if "raise" in active:
        raise RuntimeError("the sensor cannot be read (synthetic fault)")
    if "freeze" in active:
        seconds = active["freeze"].start_s
    moment = looked_s(found.power, seconds)
    power = power_w(found.power, moment)
    energy = energy_j(found.power, moment)
    if found.average_s:
        power = (energy - energy_j(found.power, moment - found.average_s)) / found.average_s
    reset_s = max((f.start_s for f in found.faults if f.what == "reset" and f.start_s <= moment), default=None)
    if reset_s is not None:
        energy -= energy_j(found.power, reset_s)
    if found.wraps_at is not None:
        energy %= found.wraps_at
    values = {"power": power} if found.only != "energy" else {}
    if found.only != "power":
        values["energy"] = energy
    for quantity, form in found.states.items():
        values[quantity] = power_w(form, looked_s(form, seconds))
    if found.throttle:
        values["throttle"] = float(sum({THROTTLE_BITS[span.what] for span in found.throttle if span.holds(seconds)}))
    if "gone" in active:
        return dict.fromkeys(values, (None, "the device is gone (synthetic fault)"))
    if "nan" in active:
        values = dict.fromkeys(values, math.nan)
    if "negative" in active:
        values = {name: -1 - abs(value) for name, value in values.items()}
    if "jump" in active:
        values = {name: 1000 * value for name, value in values.items()}
    return {name: (value, "ok") for name, value in values.items()}
