"""Two builds that were measured in turns, in sentences: for each cell and metric what B does beside A, and how sure.

Whatever others wrote (ids, versions, reasons) is cleaned. Not aware of: how verdicts are reached (`stats.paired`),
where lines go (`cli`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npubench.lang import Language, Text
from npubench.metrics import CAPACITY, ENERGY, METRICS
from npubench.report.foreign import LINE_LIMIT, NAME_LIMIT, clean
from npubench.report.loads import written
from npubench.stats.compared import LABELS, CellComparison, Comparison, MetricComparison, percent
from npubench.units import UNKNOWN

_STATUSES = {
    "not_comparable": Text(en="not comparable", ko="비교 불가"),
    "invalid": Text(en="invalid", ko="무효"),
    "missing": Text(en="measured on A only", ko="A에서만 측정됨"),
    "new": Text(en="measured on B only", ko="B에서만 측정됨"),
    "unsupported": Text(en="not supported", ko="미지원"),
    "untimed": Text(en="not judged by speed", ko="속도 판정 제외"),
}


def _clean(text: object, limit: int = LINE_LIMIT) -> str:
    return clean(text, limit).replace("\n", " ")


def _name(cell: CellComparison) -> str:
    parts = f"{cell.model} {cell.precision} {cell.backend} {written(cell.scenario)} {cell.scope}"
    return _clean(parts, NAME_LIMIT)


def _figure(item: MetricComparison) -> Text:
    title = METRICS[item.metric].title
    where = f" ({item.scope})" if item.scope else ""
    return Text(en=f"{title.en}{where}", ko=f"{title.ko}{where}")


def _way(item: MetricComparison, worse: bool) -> Text:
    """What B does more or less than A, without the number."""
    if item.metric in ENERGY:
        return Text(en=f"{'less' if worse else 'more'} efficient than", ko="효율 낮음" if worse else "효율 높음")
    if item.metric in CAPACITY:
        return Text(en="behind", ko="처리 용량 작음") if worse else Text(en="ahead of", ko="처리 용량 큼")
    return Text(en="slower than", ko="느림") if worse else Text(en="faster than", ko="빠름")


def _sure(found: Comparison, item: MetricComparison, *, signed: bool) -> Text:
    sure = f"{found.rule.confidence * 100:g} %"
    if item.low is None or item.high is None:
        return Text(en=f"no {sure} interval", ko=f"{sure} 구간 없음")
    ends = sorted((item.low, item.high), key=float if signed else abs)
    low, high = (percent(end, signed=signed).removeprefix("−" if not signed else " ") for end in ends)
    return Text(en=f"{sure} interval {low} to {high} %", ko=f"{sure} 구간 {low}~{high} %")


def sentence(found: Comparison, cell: CellComparison, item: MetricComparison) -> Text:
    """One metric of one cell: "B is 4.2 % slower than A (latency p50, cctv-detect …), 99 % interval 3.1 to 5.3 %"."""
    what, name = _figure(item), _name(cell)
    if item.change is None:
        why = item.reason or Text(en="no value", ko="값 없음")
        return Text(
            en=f"no verdict ({what.en}, {name}): {_clean(why.en)}", ko=f"판정 없음({what.ko}, {name}): {_clean(why.ko)}"
        )
    if item.verdict in ("regressed", "improved"):
        way, by = _way(item, item.verdict == "regressed"), percent(abs(item.change), signed=False)
        sure = _sure(found, item, signed=False)
        return Text(
            en=f"B is {by} % {way.en} A ({what.en}, {name}), {sure.en}",
            ko=f"B가 A보다 {by} % {way.ko} ({what.ko}, {name}), {sure.ko}",
        )
    sure, by = _sure(found, item, signed=True), percent(item.change)
    if item.verdict == "equivalent":
        within = percent(item.tolerance, signed=False)
        return Text(
            en=f"B is as fast as A within {within} %: {by} % ({what.en}, {name}), {sure.en}"
            if item.metric not in ENERGY
            else f"B is as efficient as A within {within} %: {by} % ({what.en}, {name}), {sure.en}",
            ko=f"B와 A는 {within} % 이내로 같음: {by} % ({what.ko}, {name}), {sure.ko}",
        )
    return Text(
        en=f"undecided between A and B: {by} % ({what.en}, {name}), {sure.en}",
        ko=f"A와 B의 우열을 판단할 수 없음: {by} % ({what.ko}, {name}), {sure.ko}",
    )


def _beside(item: MetricComparison) -> Text:
    """What these rounds could have shown, and what would settle it."""
    seen = UNKNOWN if item.minimum_detectable_change is None else percent(item.minimum_detectable_change)
    count = item.paired.rounds if item.paired is not None else min(item.base.launches, item.new.launches)
    english, korean = [f"{count} rounds, detects {seen} %"], [f"반복 {count}회, 감지 가능 {seen} %"]
    if item.more_launches is not None:
        plural = "s" if item.more_launches != 1 else ""
        english.append(f"{item.more_launches} more round{plural} would settle it, if the spread stays")
        korean.append(f"산포가 같다면 {item.more_launches}회 더 반복하면 판정 가능")
    if item.reason is not None and item.change is not None:
        english.append(item.reason.en)
        korean.append(item.reason.ko)
    return Text(en="; ".join(english), ko="; ".join(korean))


def _calm(judged: Sequence[MetricComparison]) -> Text:
    """The first sentence where nothing got slower."""
    count = sum(item.verdict != "inconclusive" for item in judged)
    if not count:
        return Text(en="nothing can be said of A and B yet", ko="아직 A와 B의 차이를 말할 수 없음")
    return Text(
        en=f"B is not slower than A in {count} of {len(judged)} metrics; the others are undecided"
        if count < len(judged)
        else "B is not slower than A in any metric",
        ko=f"지표 {len(judged)}개 중 {count}개에서 B가 A보다 느리지 않음, 나머지는 판단 불가"
        if count < len(judged)
        else "모든 지표에서 B가 A보다 느리지 않음",
    )


def lines(found: Comparison, spoken: Language) -> Iterator[tuple[str, str]]:
    """(kind, text): the worst first, then every cell; kinds are head, note, regressed, improved, equivalent, …"""
    judged = [(cell, item) for cell in found.cells for item in cell.metrics]
    worst = [pair for pair in judged if pair[1].verdict == "regressed"]
    if worst:
        cell, item = max(worst, key=lambda pair: abs(pair[1].change or 0.0))
        yield "regressed", sentence(found, cell, item)[spoken]
    else:
        yield "head", _calm([item for _, item in judged])[spoken]
    for note in found.notes:
        yield "note", _clean(note[spoken])
    for cell in found.cells:
        if cell.status != "compared":
            reasons = "; ".join(_clean(reason[spoken]) for reason in cell.reasons)
            fields = ", ".join(_clean(item.field) for item in cell.differences)
            told = ": ".join(part for part in (_STATUSES[cell.status][spoken], fields, reasons) if part)
            yield cell.status, f"{_name(cell)}: {told}"
        for item in cell.metrics:
            yield item.verdict, sentence(found, cell, item)[spoken]
            yield "beside", _beside(item)[spoken]
        for label in cell.labels:
            yield "note", f"{_name(cell)}: {LABELS[label][spoken].replace('BASE', 'A').replace('NEW', 'B')}"
        for other in cell.allowed:
            yield "note", f"{_name(cell)}: {_clean(other.field)}: A {_value(other.base)}, B {_value(other.new)}"
    for version in found.varying:
        if version.base != version.new:
            yield "note", f"{_clean(version.name)}: A {_value(version.base)}, B {_value(version.new)}"


def _value(value: object) -> str:
    return UNKNOWN if value is None else _clean(value)
