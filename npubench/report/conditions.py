"""What the conditions around a launch were, in phrases: heat, clocks, stolen time, and why devices ran slower.

What made a result degraded or invalid is among the cell's reasons; this is what is worth seeing beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from npubench.conditions import Conditions, DeviceCondition
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.words import same
from npubench.stats.conditions import CAUSES, how_long, label
from npubench.units import show


def _pair(before: float | None, after: float | None, unit: str) -> str:
    if before is None or after is None:
        return ""
    return f"{before:.0f} → {after:.0f} {unit}"


def _device(item: DeviceCondition) -> Iterator[Text]:
    name = clean(label(item))
    if item.after is not None and (heat := _pair(item.before.temperature_c, item.after.temperature_c, "°C")):
        yield same(f"{name} {heat}")
    for found in item.slowed:
        cause, length = CAUSES[found.cause], how_long(found)
        yield Text(en=f"{name} held back by {cause.en} {length.en}", ko=f"{name} {length.ko} {cause.ko}(으)로 제한됨")


def phrases(conditions: Conditions) -> tuple[Text, ...]:
    """What is known and not trivial, the host first."""
    found: list[Text] = []
    host = (_pair(*conditions.clock_mhz, "MHz"), _pair(*conditions.temperature_c, "°C"))
    if any(host):
        shown = ", ".join(part for part in host if part)
        found.append(Text(en=f"processor {shown}", ko=f"프로세서 {shown}"))
    span_ns = ((conditions.end_ns or 0) - (conditions.start_ns or 0)) * (conditions.processors or 0)
    if conditions.stolen_ns and span_ns > 0:
        share = show(conditions.stolen_ns / span_ns, "ratio")
        found.append(
            Text(en=f"{share} of processor time taken by the hypervisor", ko=f"하이퍼바이저가 가져간 CPU 시간 {share}")
        )
    found += [text for item in conditions.devices if item.used is not False for text in _device(item)]
    return tuple(found)
