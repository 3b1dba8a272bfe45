"""Physical units: the only place where numbers become text.

Internally times are integer nanoseconds, energy is joule, power is watt, sizes are bytes. Everything a person reads
goes through `show`. Unknown is `None` and is shown as an en dash, never as 0.

Not aware of: what a number means (`metrics`).
"""

from __future__ import annotations

import math
from datetime import datetime, timezone

UNKNOWN = "–"

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_TIME_STEPS = ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (1_000, "µs"), (1, "ns"))
_JOULE_STEPS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
_BYTE_STEPS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def significant(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits, thousands separated, never in exponent form."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "NaN"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    decimals = max(0, digits - 1 - exponent)
    text = f"{value:,.{decimals}f}"
    # 9.996 with three digits rounds up to 10.00: one digit too many, so format the rounded value once more.
    rounded = float(text.replace(",", ""))
    if rounded and math.floor(math.log10(abs(rounded))) > exponent:
        text = f"{rounded:,.{max(0, decimals - 1)}f}"
    return text


def show_ns(value: float | None) -> str:
    """A duration in ns with the unit that reads best: 412 µs, 25.3 ms, 1.20 s."""
    if value is None:
        return UNKNOWN
    for step, unit in _TIME_STEPS:
        if abs(value) >= step:
            return f"{significant(value / step)} {unit}"
    return "0 ns" if value == 0 else f"{significant(value)} ns"


def show_bytes(value: float | None) -> str:
    """A size in bytes with a binary unit."""
    if value is None:
        return UNKNOWN
    for step, unit in _BYTE_STEPS:
        if abs(value) >= step:
            return f"{significant(value / step)} {unit}"
    return "0 B"


def show_joules(value: float | None, per: str = "") -> str:
    """An energy in J with the unit that reads best: 1.23 mJ, 45.6 J; `per` is added: 1.23 mJ/page."""
    if value is None:
        return UNKNOWN
    for step, unit in _JOULE_STEPS:
        if abs(value) >= step:
            return f"{significant(value / step)} {unit}{per}"
    return f"{significant(value)} J{per}"


def show(value: float | None, unit: str) -> str:
    """Any stored value as text. `unit` is the stored unit: ns, B, 1/s, W, J, J/page, count, ratio, or free text."""
    if value is None:
        return UNKNOWN
    if unit == "ns":
        return show_ns(value)
    if unit == "B":
        return show_bytes(value)
    if unit == "J" or unit.startswith("J/"):
        return show_joules(value, unit[1:])
    if unit == "count":
        return f"{round(value):,}"
    if unit == "ratio":
        return f"{significant(value * 100)} %"
    if unit == "":
        return significant(value)
    return f"{significant(value)} {unit}"


def parse_duration_s(text: str) -> float:
    """Seconds from `90`, `90s`, `30m`, `3h` or `1h30m`. Raises ValueError with what was expected."""
    total, number = 0.0, ""
    factors = {"h": 3600.0, "m": 60.0, "s": 1.0}
    try:
        for char in text.strip().lower():
            if char in factors:
                total += float(number) * factors[char]
                number = ""
            else:
                number += char
        if number:
            total += float(number)
    except ValueError:
        raise ValueError(f"{text!r} is not a duration; expected for example 90s, 30m, 3h or 1h30m") from None
    if not (total > 0 and math.isfinite(total)):
        raise ValueError(f"{text!r} is not a positive duration")
    return total


def show_duration_s(seconds: float) -> str:
    """A rough duration for people: 45 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def utc_now() -> str:
    """The wall-clock time as ISO 8601 UTC. For labels only: durations come from the monotonic clock."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_share(value: float | None) -> str:
    """A share in percent, never rounded up to the whole."""
    return show(value if value is None or value >= 1 else min(value, 0.999), "ratio")
