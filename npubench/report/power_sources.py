"""Where power was read and whose it is, which meters were looked for, and what reading them cost. Pure.

Not aware of: figures of cells (`power`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from npubench.energy import PowerSession
from npubench.lang import Text
from npubench.report.cells import own_words
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import count
from npubench.report.power_words import device_name, interval, kind_name, scope_name
from npubench.report.shown import Tone
from npubench.report.shown_power import MeterRow, Source
from npubench.report.words import joined, same
from npubench.schema import Launch, Run
from npubench.units import UNKNOWN, show_share


def _whose(run: Run, channel: str, launches: Mapping[str, Launch]) -> Text:
    """Which backends' cells count a channel as theirs."""
    mine: dict[str, None] = {}
    other: dict[str, None] = {}
    unsure: dict[str, None] = {}
    names = {cell.id: cell.backend for cell in run.cells}
    for name, launch in launches.items():
        ledgers = [launch.energy, *(log.ledgers[name] for log in run.logs if name in log.ledgers)]
        found = next((ledger.channels[channel] for ledger in ledgers if channel in ledger.channels), None)
        if found is not None and launch.cell in names:
            book = unsure if found.ours is None else mine if found.ours else other
            book.setdefault(names[launch.cell])
    parts = []
    if mine:
        told = joined([same(name) for name in mine])
        parts.append(Text(en=f"counted for {told.en}", ko=f"{told.ko}의 전력으로 계산"))
    if unsure:
        told = joined([same(name) for name in unsure])
        parts.append(Text(en=f"not known for {told.en}", ko=f"{told.ko}의 것인지 알 수 없음"))
    if other and not mine:
        told = joined([same(name) for name in other])
        parts.append(Text(en=f"not of {told.en}", ko=f"{told.ko}의 것이 아님"))
    if not parts:
        return Text(en="not in any launch", ko="어느 실행에도 없음")
    return Text(en="; ".join(part.en for part in parts), ko=", ".join(part.ko for part in parts))


def sources(run: Run, launches: Mapping[str, Launch]) -> Iterator[Source]:
    listed = [(meter.name, channel) for meter in run.meters for channel in meter.channels]
    listed += [(clean(log.name), channel) for log in run.logs for channel in log.channels]
    for meter, channel in listed:
        quiet = channel.kind == "state" or channel.quantity not in ("power", "energy")
        yield Source(
            name=clean(channel.name),
            meter=clean(meter),
            scope=scope_name(channel.scope),
            kind=kind_name(channel),
            device=device_name(clean(channel.device)),
            source=clean(channel.source, LINE_LIMIT),
            refresh=interval(channel.refresh_ns),
            whose=Text(en="shown on the time line", ko="시간 그래프에 표시")
            if quiet
            else _whose(run, channel.name, launches),
        )


def meters(run: Run) -> Iterator[MeterRow]:
    tone: Tone
    for meter in run.meters:
        place = (
            Text(en=f"environment of {clean(meter.place)}", ko=f"{clean(meter.place)} 환경")
            if meter.place
            else Text(en="npubench's own environment", ko="npubench 자체 환경")
        )
        if meter.availability.available:
            n = count(len(meter.channels))
            word = "channel" if len(meter.channels) == 1 else "channels"
            said, tone = Text(en=f"answered, {n} {word}", ko=f"응답함, 채널 {n}개"), "good"
        else:
            why = clean(meter.availability.reason or UNKNOWN, MESSAGE_LIMIT)
            if meter.availability.fix:
                why = f"{why} → {clean(meter.availability.fix, MESSAGE_LIMIT)}"
            said, tone = Text(en=why, ko=why), "plain"
        yield MeterRow(name=clean(meter.name), place=place, tone=tone, said=said)


def cost(sessions: Sequence[PowerSession]) -> Text | None:
    """What measuring itself took: processor time of the samplers, and its effect on fixed work as an interval."""
    english, korean = [], []
    for session in sessions:
        shares = {name: item.cpu_share for name, item in session.costs.items() if item.cpu_share is not None}
        if shares:
            each = ", ".join(f"{clean(name)} {show_share(share)}" for name, share in shares.items())
            english.append(f"reading the meters took, of one processor core: {each}")
            korean.append(f"전력계를 읽는 데 쓴 프로세서 코어 하나의 비율: {each}")
        if (effect := session.effect) is not None:
            low, high = (f"{100 * (value - 1):+.2f} %".replace("-", "−") for value in (effect.low, effect.high))
            english.append(
                f"fixed work took {low} to {high} longer while they were read (95 %, {count(effect.blocks)} blocks)"
            )
            korean.append(
                f"읽는 동안 같은 작업의 시간 변화는 {low} – {high}입니다(95 % 구간, {count(effect.blocks)}개 블록)"
            )
    if not english:
        return None
    return Text(en="In this run, " + "; ".join(english) + ".", ko="이번 실행에서 " + ". ".join(korean) + ".")


def remarks(run: Run) -> Iterator[Text]:
    yield from own_words([note.text for note in run.notes if note.code == "idle-drift"])
    for session in run.power:
        for name, item in session.costs.items():
            if item.ended:
                why = clean(item.ended, MESSAGE_LIMIT)
                yield Text(en=f"{clean(name)} stopped early: {why}", ko=f"{clean(name)} 읽기가 일찍 끝남: {why}")
    for log in run.logs:
        yield log_said(log.name, log.of, log.alignment.how, log.alignment.offset_s, log.alignment.uncertainty_s)


def log_said(name: str, of: str, how: str, offset_s: float, uncertainty_s: float) -> Text:
    """How an external log was aligned."""
    offset, sure = f"{offset_s:+.3f} s".replace("-", "−"), f"{uncertainty_s:.3f} s"
    by_en, by_ko = ("a pulse of load", "부하 펄스") if how == "pulse" else ("its clock", "시계")
    return Text(
        en=f"{clean(name)} comes from an external log ({clean(of)}), aligned by {by_en}: {offset} ± {sure}",
        ko=f"{clean(name)}: 외부 기록({clean(of)})을 {by_ko} 기준으로 맞춤, 보정 {offset} ± {sure}",
    )
