"""A test meter whose power is a known function of monotonic time, so that reported energy can be checked exactly.

It measures nothing. It is available only when NPUBENCH_SYNTHETIC_POWER is set, and every channel says "synthetic" in
its source. Forms, in watts and seconds after the origin (the meter's creation, or `@NS` on CLOCK_MONOTONIC at the end):

    constant:25          25 W
    ramp:10:2            10 W, rising by 2 W each second
    square:10:30:2       30 W in the first half of each 2 s period, 10 W in the second
    square:10:30:2@123   the same with its origin at 123 ns

Not aware of: sampling (`engine.sampler`), integration (`engine.power`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

import msgspec

from npubench.spi import Availability, Channel, Reading

VARIABLE = "NPUBENCH_SYNTHETIC_POWER"
SOURCE = "synthetic (a test function, not a measurement)"
_ARGUMENTS = {"constant": 1, "ramp": 2, "square": 3}


class Form(msgspec.Struct, frozen=True):
    """A parsed power function. `origin_ns` None: counted from the meter's creation."""

    kind: str
    arguments: tuple[float, ...]
    origin_ns: int | None = None


def parse(text: str) -> Form:
    """The function that `text` names. Raises ValueError with what was expected."""
    body, at, origin = text.strip().partition("@")
    kind, *numbers = body.split(":")
    try:
        arguments = tuple(float(number) for number in numbers)
        origin_ns = int(origin) if at else None
    except ValueError:
        arguments, origin_ns = (), None
    good = len(arguments) == _ARGUMENTS.get(kind, -1) and all(map(math.isfinite, arguments))
    if good and kind == "square":
        good = arguments[2] > 0
    if not good or (at and origin_ns is None):
        raise ValueError(f"{VARIABLE}={text!r}: expected constant:W, ramp:W:W_PER_S or square:LOW_W:HIGH_W:PERIOD_S")
    return Form(kind, arguments, origin_ns)


def power_w(form: Form, seconds: float) -> float:
    """Power in W, `seconds` after the origin."""
    if form.kind == "constant":
        return form.arguments[0]
    if form.kind == "ramp":
        return form.arguments[0] + form.arguments[1] * seconds
    low, high, period = form.arguments
    return high if seconds % period < period / 2 else low


def energy_j(form: Form, seconds: float) -> float:
    """Energy in J from the origin until `seconds` after it: the exact integral of `power_w`."""
    if form.kind == "constant":
        return form.arguments[0] * seconds
    if form.kind == "ramp":
        return form.arguments[0] * seconds + form.arguments[1] * seconds**2 / 2
    low, high, period = form.arguments
    whole, rest = divmod(seconds, period)
    return whole * (low + high) * period / 2 + high * min(rest, period / 2) + low * max(0.0, rest - period / 2)


class SyntheticMeter:
    """A `spi.Meter` with two channels, `synthetic.power` (W, instant) and `synthetic.energy` (J, counter)."""

    def __init__(self) -> None:
        self._form: Form | None = None
        self._fault = f"{VARIABLE} is not set"
        if text := os.environ.get(VARIABLE):
            try:
                self._form = parse(text)
            except ValueError as error:
                self._fault = str(error)
        self._origin_ns = time.perf_counter_ns()
        if self._form is not None and self._form.origin_ns is not None:
            self._origin_ns = self._form.origin_ns

    def probe(self) -> Availability:
        if self._form is None:
            return Availability(available=False, reason=self._fault, fix=f"{VARIABLE}=constant:25 (tests only)")
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        if self._form is None:
            return ()
        power = Channel(name="synthetic.power", unit="W", scope="card", kind="instant", source=SOURCE, lag_bound_ns=0)
        energy = Channel(name="synthetic.energy", unit="J", scope="card", kind="counter", source=SOURCE, lag_bound_ns=0)
        return (power, energy)

    def read(self) -> Sequence[Reading]:
        if self._form is None:
            return ()
        now = time.perf_counter_ns()
        seconds = (now - self._origin_ns) / 1e9
        return (
            Reading(channel="synthetic.power", value=power_w(self._form, seconds), before_ns=now, after_ns=now),
            Reading(channel="synthetic.energy", value=energy_j(self._form, seconds), before_ns=now, after_ns=now),
        )

    def close(self) -> None:
        """Nothing is held."""
