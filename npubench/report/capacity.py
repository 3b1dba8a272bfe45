"""What a searched load gave, in words and numbers: how much was held, at which bound, and why more was not.

Guarantees: a load that was not confirmed is never stated as held; 0 is a result with its reason, unknown is a dash with
its reason; where a launch was too short for the ruleset's own percentile, the one that was judged stands beside the
number. Not aware of: the picture of a search (`curves`), tables (`services`, `text`).
"""

from __future__ import annotations

import re

from npubench.lang import Text
from npubench.metrics import MINIMUM_N, capacity_metric, sustained_metric
from npubench.report import loads, reasons
from npubench.report.cells import own_words
from npubench.report.foreign import clean
from npubench.report.numbers import count
from npubench.report.shown import Number
from npubench.report.words import RATES, same
from npubench.schema import Capacity, Cell, Scenario, Trial
from npubench.stats.held import FAILED_BY, holds, tried
from npubench.units import UNKNOWN, show, show_duration_s, show_ns, show_share

_PERCENT = re.compile(r"_p(\d{2,4})(?:_|$)")
_BOUNDS = {"ttft": Text(en="TTFT ", ko="TTFT "), "tpot": Text(en="TPOT ", ko="TPOT "), "latency": Text(en="", ko="")}


def factor(unit: str, searched: str) -> float:
    """From requests per second to what a buyer counts in."""
    return capacity_metric(searched, unit)[1]


def counted_in(unit: str, searched: str) -> Text:
    """What a load of this kind is counted in."""
    return RATES.get(capacity_metric(searched, unit)[0]) or same(searched)


def value(load: float, unit: str, searched: str) -> str:
    """A load as text: cameras and users are counted, rates are measured."""
    return show(load * factor(unit, searched), "" if searched == "rate" else "count")


def loaded(load: float, unit: str, searched: str) -> Text:
    """`14 cameras`, `12.5 pages/min`."""
    shown, word = value(load, unit, searched), counted_in(unit, searched)
    english = word.en.removesuffix("s") if shown == "1" and searched != "rate" else word.en
    korean = {"cameras": f"카메라 {shown}대", "users": f"사용자 {shown}명"}.get(searched, f"{shown} {word.ko}")
    return Text(en=f"{shown} {english}", ko=korean)


def bounds(found: Capacity) -> list[tuple[Text, float]]:
    """(what is bound, its bound in ns)."""
    return [(_BOUNDS.get(_stem(name)) or same(f"{clean(name)} "), limit) for name, limit in found.bound.items()]


def _stem(bound: str) -> str:
    return bound.partition("_")[0]


def asked_percent(found: Capacity) -> float | None:
    """The percentile that the ruleset asks for: it is in the names of the bounds (`ttft_p99_ns`)."""
    names = (_PERCENT.search(name) for name in found.bound)
    digits = next((match[1] for match in names if match), None)
    return None if digits is None else float(f"{digits[:2]}.{digits[2:]}0")


def held(found: Capacity) -> Text | None:
    """`p99 ≤ 66.7 ms`: at which percentile which bound was held. None where the file does not say."""
    if found.percent is None or not found.bound:
        return None
    each = [f"{what.en}p{found.percent:g} ≤ {show_ns(limit)}" for what, limit in bounds(found)]
    return Text(en=", ".join(each), ko=", ".join(each))


def shortage(found: Capacity, unit: str) -> Text | None:
    """`p99 needs 398 more frames`, where a lower percentile was judged than the ruleset asks for."""
    if not found.short:
        return None
    asked = asked_percent(found)
    what = f"p{asked:g}" if asked is not None else None
    n = count(found.short)
    english, korean = _counted(n, unit)
    return Text(
        en=f"{what or 'the ruleset'} needs {n} more {english}",
        ko=f"{what or '규칙'}에는 {korean} 더 필요",
    )


def _counted(n: str, unit: str) -> tuple[str, str]:
    words = {"frame": ("frames", "프레임", "개"), "page": ("pages", "페이지", "장")}
    english, korean, counter = words.get(unit, ("requests", "요청", "건"))
    return (english.removesuffix("s") if n == "1" else english), f"{korean} {n}{counter}"


def first_failing(found: Capacity) -> Trial | None:
    """The trial of the smallest load that failed; of several, the longest: it is the one that was believed."""
    failing = [trial for trial in tried(found) if trial.load == found.failed and trial.failed_by is not None]
    # The reason of the search is that of one of them, which is then the one to tell of.
    return max(failing, key=lambda trial: (trial.failed_by == found.failed_by, trial.queries), default=None)


def blame(failed_by: str | None) -> Text:
    """Why a load failed, in a word."""
    unknown = Text(en="for a reason that the file does not give", ko="이유가 기록되지 않음")
    return FAILED_BY.get(failed_by or "", unknown)


def why(found: Capacity, unit: str) -> Text | None:
    """`latency, p99 71.0 ms of 66.7 ms`: why the first failing load failed. None where none failed."""
    if found.failed is None:
        return None
    word, trial = blame(found.failed_by), first_failing(found)
    detail = _detail(found, trial, unit) if trial is not None else None
    return word if detail is None else Text(en=f"{word.en}, {detail.en}", ko=f"{word.ko}, {detail.ko}")


def _detail(found: Capacity, trial: Trial, unit: str) -> Text | None:
    n, all_of = count(trial.queries), _counted(count(trial.queries), unit)
    if found.failed_by == "drops":
        dropped = count(trial.dropped)
        return Text(en=f"{dropped} of {n} {all_of[0]} dropped", ko=f"{all_of[1]} 중 {dropped}개 버려짐")
    if found.failed_by == "latency":
        limits = bounds(found)
        enough = trial.p99_ns is not None and trial.queries >= MINIMUM_N[99]
        # Of two bounds (TTFT, TPOT) the percentile is that of the first only, which need not be the one missed.
        if enough and len(limits) == 1 and trial.p99_ns is not None and trial.p99_ns > limits[0][1]:
            seen, limit = show_ns(trial.p99_ns), show_ns(limits[0][1])
            return Text(en=f"p99 {seen} of {limit}", ko=f"p99 {seen} / 한계 {limit}")
        over = count(trial.over)
        return Text(en=f"{over} of {n} {all_of[0]} over the bound", ko=f"{all_of[1]} 중 {over}건 한계 초과")
    if found.failed_by == "errors":
        failed = count(trial.failed)
        return Text(en=f"{failed} of {n} {all_of[0]}", ko=f"{all_of[1]} 중 {failed}건")
    if found.failed_by == "generator" and trial.lag_p99_ns is not None:
        lag = show_ns(trial.lag_p99_ns)
        return Text(en=f"p99 lag {lag}", ko=f"지연 p99 {lag}")
    return None


def reason(found: Capacity) -> Text:
    """Why a capacity is unknown."""
    return own_words([found.reason])[0] if found.reason is not None else reasons.NO_REASON


def number(cell: Cell) -> tuple[Number, Text | None]:
    """(a cell's capacity as it stands in a table, the reason where it is unknown)."""
    found = cell.capacity
    if found is None:
        return Number(text=UNKNOWN, reason=reasons.NOT_MEASURED), reasons.NOT_MEASURED
    if found.confirmed is None:
        told = reason(found)
        return Number(text=UNKNOWN, reason=told), told
    text = value(found.confirmed, cell.unit, found.searched)
    unit = counted_in(cell.unit, found.searched) if found.searched == "rate" else None
    if found.confirmed == 0:
        return Number(text=text, unit=unit, said=_none_held(found, cell)), None
    parts = [part for part in (held(found), shortage(found, cell.unit)) if part is not None]
    said = Text(en="; ".join(part.en for part in parts), ko="; ".join(part.ko for part in parts)) if parts else None
    return Number(text=text, unit=unit, said=said), None


def _none_held(found: Capacity, cell: Cell) -> Text | None:
    told = why(found, cell.unit)
    if told is None or found.failed is None:
        return reason(found) if found.reason is not None else None
    least = loaded(found.failed, cell.unit, found.searched)
    return Text(en=f"{least.en} failed: {told.en}", ko=f"{least.ko} 실패: {told.ko}")


def sustained(cell: Cell) -> Number | None:
    """Requests completed per second in a closed loop, whatever their latency; None where it was not seen."""
    found = cell.capacity
    if found is None or found.sustained_per_s is None:
        return None
    key, times = sustained_metric(cell.unit)
    return Number(text=show(found.sustained_per_s * times, ""), unit=RATES[key])


def sentence(cell: Cell) -> Text:
    """The whole finding: what was held, at which bound, what failed and why, what it sustains."""
    found = cell.capacity
    if found is None:
        return reasons.NOT_MEASURED
    english, korean = _found(found, cell)
    if found.confirmed is None or found.confirmed > 0:
        told = why(found, cell.unit)
        if told is not None and found.failed is not None:
            least = loaded(found.failed, cell.unit, found.searched)
            english += f" The smallest load that failed was {least.en}: {told.en}."
            korean += f" 실패한 가장 작은 부하는 {least.ko}입니다({told.ko})."
        elif found.confirmed:
            english += " No load that was tried failed."
            korean += " 시험한 부하 가운데 실패한 것이 없습니다."
    steady = sustained(cell)
    if steady is not None and steady.unit is not None:
        english += f" Without a bound it completes {steady.text} {steady.unit.en} in a closed loop."
        korean += f" 한계 없이 계속 처리하면 {steady.text} {steady.unit.ko}입니다."
    for more in (_lag(found), _holds(found, cell.unit)):
        if more is not None:
            english += f" {more.en}"
            korean += f" {more.ko}"
    return Text(en=english, ko=korean)


def _holds(found: Capacity, unit: str) -> Text | None:
    """How the confirmed load was held for its energy, by launch. None where its confirmation was long enough."""
    english, korean = [], []
    for hold in holds(found):
        much, lasted = loaded(hold.load or 0.0, unit, found.searched), show_duration_s(_lasted_s(hold))
        if hold.failed_by is not None:
            word = blame(hold.failed_by)
            how, how_ko = f" (not held: {word.en})", f"(유지하지 못함: {word.ko})"
        else:
            seen = _seen(hold, "TTFT " if first_token(found) else "")
            how, how_ko = (f" ({seen})", f"({seen})") if seen is not None else ("", "")
        english.append(f"{much.en} for {lasted}{how}")
        korean.append(f"{much.ko}, {lasted}{how_ko}")
    if not english:
        return None
    return Text(en=f"Held for its energy: {'; '.join(english)}.", ko=f"에너지 측정을 위해 유지: {'; '.join(korean)}.")


def _lasted_s(trial: Trial) -> float:
    return (trial.window.end_ns - trial.window.start_ns) / 1e9


def _lag(found: Capacity) -> Text | None:
    """How late npubench itself was in the trial that decided: the evidence that it was not the bottleneck."""
    held = [trial for trial in tried(found) if trial.passed and trial.load == found.confirmed]
    told = max(held, key=lambda trial: trial.queries, default=first_failing(found))
    if told is None or told.lag_p99_ns is None:
        return None
    lag = show_ns(told.lag_p99_ns)
    return Text(
        en=f"npubench itself sent requests at most {lag} late (p99).", ko=f"npubench 자체의 지연은 p99 {lag}입니다."
    )


def _found(found: Capacity, cell: Cell) -> tuple[str, str]:
    if found.confirmed is None:
        told = reason(found)
        return f"How much it holds is unknown: {told.en}.", f"감당하는 부하를 알 수 없습니다: {told.ko}."
    if found.confirmed == 0:
        missed = why(found, cell.unit)
        if missed is None or found.failed is None:
            last = reason(found)
            return f"No load is held: {last.en}.", f"한계를 지킨 부하가 없습니다({last.ko})."
        least = loaded(found.failed, cell.unit, found.searched)
        return f"Not even {least.en} is held: {missed.en}.", f"{least.ko}도 감당하지 못합니다({missed.ko})."
    much, bound = loaded(found.confirmed, cell.unit, found.searched), held(found)
    at = f" with {bound.en}" if bound is not None else ""
    at_ko = f"({bound.ko})" if bound is not None else ""
    english, korean = f"It holds {much.en}{at}, confirmed.", f"{much.ko}{at_ko}까지 감당함을 확인했습니다."
    if (short := shortage(found, cell.unit)) is not None:
        english += f" {short.en[:1].upper()}{short.en[1:]}." if not short.en.startswith("p") else f" {short.en}."
        korean += f" {short.ko}."
    return english, korean


def first_token(found: Capacity) -> bool:
    """Whether the percentiles of trials are of the time to first token (`schema.Trial`)."""
    stems = {_stem(name) for name in found.bound}
    return "ttft" in stems and "latency" not in stems


def _seen(trial: Trial, timed: str) -> str | None:
    """`p99 61.0 ms`: the highest percentile for which there were requests enough."""
    known = ((99, trial.p99_ns), (90, trial.p90_ns), (50, trial.p50_ns))
    return next(
        (f"{timed}p{p} {show_ns(ns)}" for p, ns in known if ns is not None and trial.queries >= MINIMUM_N[p]), None
    )


def brief(found: Capacity, scenario: Scenario, unit: str) -> Text:
    """One line for the console: `cameras at 15 fps: 3 confirmed (p99 61.0 ms), 4 failed: latency`."""
    name = loads.title(scenario)
    if found.confirmed is None:
        told = reason(found)
        return Text(en=f"{name.en}: unknown ({told.en})", ko=f"{name.ko}: 알 수 없음({told.ko})")
    much = value(found.confirmed, unit, found.searched)
    if found.searched == "rate":
        word = counted_in(unit, found.searched)
        english, korean = f"{name.en}: {much} {word.en} confirmed", f"{name.ko}: {much} {word.ko} 확인"
    else:
        english, korean = f"{name.en}: {much} confirmed", f"{name.ko}: {much} 확인"
    best = next((t for t in reversed(tried(found)) if t.load == found.confirmed and t.passed), None)
    if (
        best is not None
        and found.confirmed
        and (seen := _seen(best, "TTFT " if first_token(found) else "")) is not None
    ):
        english, korean = f"{english} ({seen})", f"{korean}({seen})"
    if found.failed is not None:
        least, word = value(found.failed, unit, found.searched), blame(found.failed_by)
        english, korean = f"{english}, {least} failed: {word.en}", f"{korean}, {least} 실패: {word.ko}"
    return Text(en=english, ko=korean)


def dropped(trial: Trial) -> str:
    """The share of a trial's requests that were dropped."""
    return show_share(trial.dropped / trial.queries) if trial.queries else UNKNOWN
