"""What each channel drew while nothing was measured, and whether that changed over a run.

Not aware of: how the machine was kept quiet (`engine`), loads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from npubench.energy import IdlePower, Window
from npubench.lang import Text
from npubench.rules import EnergyRule
from npubench.stats import refresh
from npubench.stats.counter_energy import counter_energy
from npubench.stats.readings import Readings
from npubench.stats.series import Series, factor, is_counter, is_power, series
from npubench.units import show

# A difference of means that their own scatter explains is no drift.
_TWO_SIDED_95 = 1.96


def _null(found: Series, count: int, window: Window, en: str, ko: str) -> IdlePower:
    return IdlePower(mean_w=None, reason=Text(en=en, ko=ko), window=window, readings=count, faults=found.faults)


def _idle(found: Series, window: Window) -> IdlePower:
    length_ns = window.end_ns - window.start_ns
    inside = found.inside(length_ns)
    values = found.values[inside]
    count = len(values)
    if factor(found.channel) is None:
        unit = found.channel.unit
        return _null(found, count, window, f"the channel's unit is {unit!r}", f"채널의 단위가 {unit!r}입니다")
    if count < 2:
        why = f": {found.fault}" if found.faults else ""
        return _null(found, count, window, f"{count} readings while idle{why}", f"유휴 중 측정값 {count}개{why}")
    changed = refresh.changes(values)
    every = refresh.refresh_ns(found.times_ns[inside][changed])
    facts = {
        "window": window,
        "readings": count,
        "faults": found.faults,
        "changed": len(changed),
        "refresh_ns": None if every is None else round(every),
    }
    if is_counter(found.channel):
        rise = counter_energy(found, length_ns, None)
        reason = rise.reason or rise.maybe
        if reason is None and rise.energy_j is None:
            reason = Text(en="the counter hardly moved while idle", ko="유휴 중 카운터가 거의 움직이지 않았습니다")
        if reason is not None:
            return IdlePower(mean_w=None, reason=reason, **facts)  # type: ignore[arg-type]
        return IdlePower(mean_w=rise.mean_w, min_w=rise.min_w, max_w=rise.max_w, **facts)  # type: ignore[arg-type]
    if values.max() <= 0:
        return _null(found, count, window, "the sensor reported 0 W throughout", "센서가 줄곧 0 W였습니다")
    return IdlePower(
        mean_w=float(values.mean()),
        sd_w=float(values.std(ddof=1)),
        min_w=float(values.min()),
        max_w=float(values.max()),
        **facts,  # type: ignore[arg-type]
    )


def idle(readings: Readings, window: Window) -> dict[str, IdlePower]:
    """Channel → what it drew in the window: every channel of which joules can be made, of whatever kind."""
    return {found.channel.name: _idle(found, window) for found in series(readings, window) if is_power(found.channel)}


def _error_w(found: IdlePower) -> float:
    """The standard error of the mean; a value that is not new says nothing new."""
    return (found.sd_w or 0.0) / math.sqrt(max(found.changed, 1))


def drifted(before: Mapping[str, IdlePower], after: Mapping[str, IdlePower], rule: EnergyRule) -> dict[str, Text]:
    """The channels whose idle power after a run differs from that before, beyond the rule's share and scatter."""
    found = {}
    for name, first in before.items():
        last = after.get(name)
        if first.mean_w is None or last is None or last.mean_w is None or first.mean_w <= 0:
            continue
        difference = last.mean_w - first.mean_w
        noise = _TWO_SIDED_95 * math.hypot(_error_w(first), _error_w(last))
        if abs(difference) <= max(rule.drift * first.mean_w, noise):
            continue
        share = difference / first.mean_w
        was, now = show(first.mean_w, "W"), show(last.mean_w, "W")
        found[name] = Text(
            en=f"{name} drew {was} idle before the run and {now} after it ({share:+.0%}): net energy is uncertain by "
            "as much. Something else ran, or the device had not cooled down",
            ko=f"{name}: 유휴 전력이 실행 전 {was}, 실행 후 {now}입니다({share:+.0%}). 순 에너지도 그만큼 불확실합니다."
            " 다른 작업이 돌았거나 장치가 아직 식지 않았습니다",
        )
    return found
