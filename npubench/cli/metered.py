"""The meters of a plan in lines: what each channel measures and whose it is, and what to do where one does not answer.

Printed before a run, so that nobody learns afterwards that the wrong thing was measured, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from npubench.cards import BackendCard
from npubench.energy import PlannedMeter
from npubench.engine.preflight import device_label, serves
from npubench.lang import Text, here, language
from npubench.schema import Plan
from npubench.spi import HOST, Channel

SCOPES = {
    "rail": Text(en="one supply rail", ko="전원 레일"),
    "chip": Text(en="the chip", ko="칩"),
    "card": Text(en="the whole card", ko="카드 전체"),
    "device": Text(en="the device", ko="장치"),
    "package": Text(en="the processor package", ko="프로세서 패키지"),
    "node": Text(en="the whole machine", ko="장비 전체"),
    "wall": Text(en="the machine with its power supply", ko="전원 공급 장치를 포함한 장비"),
}
KINDS = {
    "counter": Text(en="energy counter", ko="에너지 카운터"),
    "instant": Text(en="instant power", ko="순간 전력"),
    "average": Text(en="averaged power", ko="평균 전력"),
    "state": Text(en="state", ko="상태"),
}


def lines(plan: Plan) -> Iterator[str]:
    """What the meters of this plan read, one line per source of joules, and why the others do not."""
    if not plan.meters:
        yield here("power: not measured (--no-power)", "전력: 측정하지 않음(--no-power)")
        return
    for meter in plan.meters:
        if meter.availability.available:
            yield from _answering(plan, meter)
        else:
            yield here("no power from ", "전력 없음: ") + f"{meter.name}: {meter.availability.reason}"
            if meter.availability.fix:
                yield f"  → {meter.availability.fix}"


def _answering(plan: Plan, meter: PlannedMeter) -> Iterator[str]:
    sources = [channel for channel in meter.channels if channel.kind == "counter" or channel.quantity == "power"]
    for channel in sources:
        scope, kind = SCOPES[channel.scope][language()], KINDS[channel.kind][language()]
        yield here("power: ", "전력: ") + f"{channel.name}: {scope}, {kind}; {whose(plan, meter, channel)[language()]}"
    if more := sorted({channel.quantity for channel in meter.channels if channel not in sources}):
        count, listed = len(meter.channels) - len(sources), ", ".join(more)
        yield here(f"  and {count} more of {meter.name}: {listed}", f"  {meter.name} 채널 {count}개 더: {listed}")


def whose(plan: Plan, meter: PlannedMeter, channel: Channel) -> Text:
    """Whose energy a channel counts as in this plan."""
    cards = [msgspec.convert(card, BackendCard) for card in plan.backends.values()]
    if channel.scope in ("node", "wall"):
        return Text(en="counts for every backend", ko="모든 백엔드의 값")
    if channel.device == HOST:
        mine = [card.id for card in cards if card.device.type == "cpu"]
        return _counts(mine, Text(en="the host's: context, in no total", ko="호스트의 값: 참고용, 합계에 넣지 않음"))
    device = next((device for device in plan.machine.accelerators if device.id == channel.device), None)
    if device is not None:
        found = _counts(
            [card.id for card in cards if serves(card, device)],
            Text(en="no backend of this run uses it", ko="이 실행의 백엔드가 사용하지 않음"),
        )
        label = device_label(device)
        return Text(en=f"{label}; {found.en}", ko=f"{label}; {found.ko}")
    if not channel.device and meter.backends:
        return _counts(list(meter.backends), Text(en="", ko=""))
    return Text(en="it is not known whose: in no total", ko="대상을 알 수 없어 합계에 넣지 않음")


def _counts(backends: list[str], nobody: Text) -> Text:
    if not backends:
        return nobody
    listed = ", ".join(backends)
    return Text(en=f"counts for {listed}", ko=f"{listed}의 값")
