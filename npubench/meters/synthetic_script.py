"""The text that tells the synthetic meter what to show: a power function, and what else there is on the time line.

    FUNCTION[~REFRESH_S][@ORIGIN_NS][;CLAUSE …]

Functions, in watts and seconds after the origin (the meter's creation, or `@NS` on CLOCK_MONOTONIC):

    constant:25                25 W
    ramp:10:2                  10 W, rising by 2 W each second
    square:10:30:2             30 W in the first half of each 2 s period, 10 W in the second
    square:10:30:2~0.5         the same, shown by a sensor that looks every 0.5 s and holds its value in between
    square:10:30:2~0.5@123     the same with its origin at 123 ns

Clauses, each `KEY=VALUE`:

    average=1                  the power channel shows the mean of the last second (its kind is `average`)
    only=power                 one of the two channels only (or `energy`)
    wraps=500                  the energy counter starts anew at 500 J
    most=400                   the documented most that the source can draw, in W
    accuracy=0.05              the documented accuracy, ±5 %
    scope=node                 the scope (default `card`)
    device=A,B                 the same channels for each device, named `synthetic.A.power` …
    temperature=ramp:40:1      one more channel, in °C; likewise `clock=` (MHz) and `limit=` (W)
    throttle=thermal:5:2       a throttle channel with this cause from 5 s on for 2 s; several are allowed
    fault=freeze:5:2           from 5 s on for 2 s something is wrong; several are allowed

Faults: `freeze` (values stay as they were), `nan`, `negative`, `jump` (a thousand times the value), `gone` (no value,
with a status), `raise` (reading raises), `reset` (the counter starts at zero; the duration means nothing) and `block`
(a reading that begins in that time returns at its end).

Not aware of: clocks, channels (`synthetic`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from npubench.spi import THROTTLE_BITS, MeterScope

FUNCTIONS: Mapping[str, int] = {"constant": 1, "ramp": 2, "square": 3}
FAULTS = ("freeze", "nan", "negative", "jump", "gone", "raise", "reset", "block")
STATES: Mapping[str, str] = {"temperature": "C", "clock": "MHz", "limit": "W"}
_FORM = "constant:W, ramp:W:W_PER_S or square:LOW_W:HIGH_W:PERIOD_S, then ~REFRESH_S, then @ORIGIN_NS"


class Form(msgspec.Struct, frozen=True):
    """A parsed function. `origin_ns` None: counted from the meter's creation. `refresh_s` 0: always up to date."""

    kind: str
    arguments: tuple[float, ...]
    origin_ns: int | None = None
    refresh_s: float = 0.0


class Span(msgspec.Struct, frozen=True):
    """`what` holds from `start_s` after the origin, for `seconds`."""

    what: str
    start_s: float
    seconds: float

    def holds(self, seconds: float) -> bool:
        return self.start_s <= seconds < self.start_s + self.seconds


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed text. `states`: quantity → its function."""

    power: Form
    average_s: float = 0.0
    only: str = ""
    wraps_at: float | None = None
    most_w: float | None = None
    accuracy: float | None = None
    scope: MeterScope = "card"
    devices: tuple[str, ...] = ()
    states: dict[str, Form] = {}
    throttle: tuple[Span, ...] = ()
    faults: tuple[Span, ...] = ()


def parse(text: str) -> Form:
    """The function that `text` names. Raises ValueError with what was expected."""
    body, at, origin = text.strip().partition("@")
    body, tilde, refresh = body.partition("~")
    kind, *numbers = body.split(":")
    try:
        arguments = tuple(float(number) for number in numbers)
        refresh_s = float(refresh) if tilde else 0.0
        origin_ns = int(origin) if at else None
    except ValueError:
        arguments, refresh_s, origin_ns = (), 0.0, None
    good = len(arguments) == FUNCTIONS.get(kind, -1) and all(map(math.isfinite, (*arguments, refresh_s)))
    if good and kind == "square":
        good = arguments[2] > 0
    if not good or (at and origin_ns is None) or (tilde and refresh_s <= 0):
        raise ValueError(f"{text!r}: expected {_FORM}")
    return Form(kind, arguments, origin_ns, refresh_s)


def power_w(form: Form, seconds: float) -> float:
    """The function's value (W, if it is power), `seconds` after the origin; the refresh plays no part."""
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


def looked_s(form: Form, seconds: float) -> float:
    """When a sensor with this refresh last looked, in seconds after the origin."""
    return seconds if not form.refresh_s else math.floor(seconds / form.refresh_s) * form.refresh_s


def script(text: str) -> Script:
    """The whole text. Raises ValueError that names the clause and what was expected."""
    first, *clauses = (part.strip() for part in text.split(";"))
    known: dict[str, Any] = {"power": parse(first)}
    for clause in clauses:
        key, equals, value = clause.partition("=")
        if key in STATES and equals:
            known.setdefault("states", {})[key] = parse(value)
        elif key in ("throttle", "fault") and equals:
            whats = tuple(THROTTLE_BITS) if key == "throttle" else FAULTS
            name = "throttle" if key == "throttle" else "faults"
            known[name] = (*known.get(name, ()), _span(clause, value, whats))
        elif key in _VALUES and equals:
            name, convert, expected = _VALUES[key]
            try:
                known[name] = convert(value.strip())
            except ValueError:
                raise ValueError(f"{clause!r}: expected {key}={expected}") from None
        else:
            keys = ", ".join((*_VALUES, *STATES, "throttle", "fault"))
            raise ValueError(f"{clause!r}: expected KEY=VALUE, where KEY is one of {keys}")
    return Script(**known)


def _span(clause: str, value: str, whats: tuple[str, ...]) -> Span:
    what, *numbers = value.split(":")
    try:
        start_s, seconds = (float(number) for number in numbers)
    except ValueError:
        start_s = seconds = math.nan
    if what.strip() not in whats or not (math.isfinite(start_s) and seconds >= 0):
        raise ValueError(f"{clause!r}: expected one of {', '.join(whats)}, then :FROM_S:SECONDS")
    return Span(what.strip(), start_s, seconds)


def _positive(text: str) -> float:
    if not (math.isfinite(number := float(text)) and number > 0):
        raise ValueError(text)
    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return convert


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise ValueError(text)
    return names


_SCOPES: tuple[str, ...] = get_args(MeterScope)
_VALUES: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "average": ("average_s", _positive, "SECONDS"),
    "only": ("only", _one_of("power", "energy"), "power or energy"),
    "wraps": ("wraps_at", _positive, "JOULES"),
    "most": ("most_w", _positive, "WATTS"),
    "accuracy": ("accuracy", _positive, "SHARE"),
    "scope": ("scope", _one_of(*_SCOPES), " or ".join(_SCOPES)),
    "device": ("devices", _devices, "ID[,ID …], each once"),
}
