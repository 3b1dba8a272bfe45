"""The server behind an endpoint in words: what it says of itself is a claim, what was seen is said apart from that.

Guarantees: a claim is never told as something seen; figures that were not read are left out. Pure.
Not aware of: how it was looked at (`engine.served`), what it amounts to (`stats.server`).
"""

from __future__ import annotations

from collections.abc import Iterator

from npubench.evidence import ServerDevice, ServerEvidence
from npubench.lang import Text
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import count
from npubench.report.shown import Fact, Tone
from npubench.report.words import joined, same
from npubench.units import show, show_bytes, show_ns

SEEN: dict[str, tuple[Tone, Text]] = {
    "claimed": ("warn", Text(en="claimed", ko="주장")),
    "device": ("good", Text(en="observed", ko="관측됨")),
    "cpu": ("plain", Text(en="observed on the CPU", ko="CPU에서 관측됨")),
}
"""Tone and label, by `ServerEvidence.seen`."""


def label(found: ServerEvidence) -> tuple[Tone, Text]:
    return SEEN[found.seen]


def sentence(found: ServerEvidence) -> Text:
    """What is known of where it ran."""
    if found.seen == "device":
        where = joined([_device(device) for device in found.devices])
        power = _power(found)
        return Text(
            en=f"Observed: the server's processes were found on {where.en}{power.en}.",
            ko=f"관측: 서버 프로세스를 {where.ko}에서 확인했습니다{power.ko}.",
        )
    if found.seen == "cpu":
        idle, load = show(found.idle_cores, ""), show(found.load_cores, "")
        return Text(
            en=f"Observed: the server's processes held no accelerator and used {load} cores of this machine under "
            f"load ({idle} before).",
            ko=f"관측: 서버 프로세스가 가속기 없이 부하 중 이 장비의 코어 {load}개를 사용했습니다(부하 전 {idle}개).",
        )
    why = found.reasons[0] if found.reasons else None
    if why is None:
        return Text(en="Where it runs is what it claims.", ko="실행 위치는 서버의 주장입니다.")
    english, korean = clean(why.en, MESSAGE_LIMIT), clean(why.ko, MESSAGE_LIMIT)
    return Text(en=f"Claimed: {english}.", ko=f"주장: {korean}.")


def facts(found: ServerEvidence) -> Iterator[Fact]:
    """Every fact, claims first and named so."""
    for name, text in sorted(found.claims.items()):
        shown = clean(name, LINE_LIMIT)
        yield Fact(name=Text(en=f"Claimed: {shown}", ko=f"주장: {shown}"), value=clean(text, LINE_LIMIT), code=True)
    if found.processes is None:
        return
    programs = clean(", ".join(found.programs), LINE_LIMIT)
    yield Fact(
        name=Text(en="Server's processes", ko="서버 프로세스"),
        value=same(f"{count(found.processes)} ({programs})" if programs else count(found.processes)),
    )
    for device in found.devices:
        yield Fact(name=Text(en="Processes on", ko="프로세스가 있는 장치"), value=_device(device))
    if found.load_cores is not None:
        idle, load = show(found.idle_cores, ""), show(found.load_cores, "")
        yield Fact(
            name=Text(en="Host cores used", ko="사용한 호스트 코어"),
            value=Text(en=f"{load} under load, {idle} before", ko=f"부하 중 {load}, 부하 전 {idle}"),
        )
    if found.ready_ns is not None:
        took, path = show_ns(found.ready_ns), clean(found.ready_by)
        yield Fact(
            name=Text(en="Ready after", ko="준비까지"), value=Text(en=f"{took} (by {path})", ko=f"{took}({path} 확인)")
        )
    for reason in found.reasons:
        shown_reason = Text(en=clean(reason.en, MESSAGE_LIMIT), ko=clean(reason.ko, MESSAGE_LIMIT))
        yield Fact(name=Text(en="What that means", ko="의미"), value=shown_reason)


def _device(device: ServerDevice) -> Text:
    parts = [part for part in (device.name, f"({device.id})") if part]
    if device.memory_bytes is not None:
        parts.append(show_bytes(device.memory_bytes))
    return same(clean(" ".join(parts), LINE_LIMIT))


def _power(found: ServerEvidence) -> Text:
    """`; 210 W under load, 60 W before`, where the devices' power was read."""
    idle = [device.idle_w for device in found.devices]
    load = [device.load_w for device in found.devices]
    known_idle, known_load = [w for w in idle if w is not None], [w for w in load if w is not None]
    if not known_load or len(known_load) < len(load) or len(known_idle) < len(idle):
        return Text(en="", ko="")
    before, under = show(sum(known_idle), "W"), show(sum(known_load), "W")
    return Text(en=f", which drew {under} under load and {before} before", ko=f"(부하 중 {under}, 부하 전 {before})")
