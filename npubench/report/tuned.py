"""How a cell is best driven: the points that the tuner tried, the one chosen, what that gains over the default. Pure.

Guarantees: the gain stands beside what the session's noise alone makes of a ratio (the default against itself); a point
without a figure has its reason. Rates of different points are of the same blocks only as far as both survived.
"""

from __future__ import annotations

from statistics import median

from npubench.lang import Text
from npubench.report.cells import anchor
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.numbers import Footnotes, backend_name, count, model_name
from npubench.report.shown import Number
from npubench.report.shown_loads import Point, Tuned
from npubench.report.words import same, scope
from npubench.schema import FAILURE_TEXT, Cell, FailureKind, Run
from npubench.tuning import Point as Tried
from npubench.tuning import Ratio, Reason, Tuning
from npubench.units import UNKNOWN, show, show_duration_s

_REASONS = {
    "time": Text(en="the time was over before", ko="그 전에 시간이 끝났습니다"),
    "memory": Text(en="one that needs less memory ran out of it", ko="메모리를 덜 쓰는 구성도 메모리가 부족했습니다"),
    "same": Text(en="the same as another point", ko="다른 구성과 같습니다"),
}
_UNITS = {"frame": "frames", "page": "pages", "token": "tokens", "sample": "samples"}
_UNITS_KO = {"frame": "프레임", "page": "페이지", "token": "토큰", "sample": "샘플"}


def _reason(found: Reason) -> Text:
    said = clean(found.message, MESSAGE_LIMIT)
    if found.kind in _REASONS:
        return _REASONS[found.kind]
    kind = next((kind for kind in FailureKind if kind.value == found.kind), None)
    if kind is None:
        return same(f"{clean(found.kind)}: {said}")
    return Text(en=f"{FAILURE_TEXT[kind].en} {said}".strip(), ko=f"{FAILURE_TEXT[kind].ko} {said}".strip())


def point(at: Tried) -> Text:
    """`batches of 16, 2 sessions, 4 threads, 2 in flight`."""
    sessions = "" if at.instances == 1 else "s"
    english = [f"batches of {count(at.batch)}", f"{count(at.instances)} session{sessions}"]
    korean = [f"{count(at.batch)}개 묶음", f"세션 {count(at.instances)}개"]
    if at.threads is not None:
        english.append(f"{count(at.threads)} thread{'' if at.threads == 1 else 's'} each")
        korean.append(f"세션당 스레드 {count(at.threads)}개")
    if at.inflight != 1:
        english.append(f"{count(at.inflight)} in flight each")
        korean.append(f"세션당 동시 요청 {count(at.inflight)}개")
    return Text(en=", ".join(english), ko=", ".join(korean))


def _interval(found: Ratio) -> tuple[str, str]:
    pairs, sure = count(found.count), f"{show(found.confidence * 100, '')} %"
    low, high = show(found.low, ""), show(found.high, "")
    return (
        f"{low} to {high} with {sure} confidence, {pairs} {'pair' if found.count == 1 else 'pairs'}",
        f"{sure} 신뢰구간 {low}–{high}, {pairs}쌍",
    )


def sentence(found: Tuning) -> Text:
    """The choice, its gain, and what noise alone would look like."""
    if found.failure is not None:
        why, at = _reason(found.failure), point(found.default)
        return Text(
            en=f"Nothing was tuned: {why.en} It ran at the default, {at.en}.",
            ko=f"최적 구성을 찾지 못했습니다: {why.ko} 기본 구성({at.ko})으로 실행했습니다.",
        )
    at = point(found.best)
    took = show_duration_s(found.duration_ns / 1e9)
    n, seen = count(len(found.surface)), sum(1 for item in found.surface if item.rates)
    were = f"{count(seen)} of {n} points {'was' if seen == 1 else 'were'} measured in {took}"
    were_ko = f"구성 {n}개 중 {count(seen)}개를 {took} 동안 측정했습니다."
    if found.chosen is None or found.chosen == found.default:
        english = f"{were}; none was shown to be better than the default, {at.en}."
        korean = f"{were_ko} 기본 구성({at.ko})보다 낫다고 확인된 것이 없습니다."
    else:
        english = f"{were}; the best is {at.en}."
        korean = f"{were_ko} 가장 좋은 것은 {at.ko}입니다."
        if found.gain is not None:
            times, (told, told_ko) = show(found.gain.median, ""), _interval(found.gain)
            how = "measured again after the choice" if found.confirmed else "from the blocks that led to the choice"
            how_ko = "선택한 뒤 다시 측정" if found.confirmed else "선택에 쓴 측정값"
            english += f" Throughput is {times} times the default's ({told}; {how})."
            korean += f" 처리량은 기본 구성의 {times}배입니다({told_ko}, {how_ko})."
    if found.same is not None:
        times, (told, told_ko) = show(found.same.median, ""), _interval(found.same)
        english += f" The default against itself in the same session: {times} times ({told})."
        korean += f" 같은 자리에서 기본 구성끼리 비교하면 {times}배입니다({told_ko})."
    if found.lost:
        english += f" Points that took their process down: {count(found.lost)}."
        korean += f" 프로세스를 종료시킨 구성: {count(found.lost)}개."
    return Text(en=english, ko=korean)


def _unit(unit: str) -> Text:
    english, korean = _UNITS.get(unit, "samples"), _UNITS_KO.get(unit, "샘플")
    return Text(en=f"{english}/s", ko=f"{korean}/s")


def view_of(run: Run, key: str, cell: Cell) -> Tuned | None:
    """What the tuner found for a cell; None where it was not asked."""
    found = cell.tuning
    if found is None:
        return None
    notes, rows = Footnotes(), []
    order = sorted(found.surface, key=lambda item: (-item.rounds, -median(item.rates) if item.rates else 0.0))
    for item in order:
        at, why = item.point, _reason(item.reason) if item.reason is not None else None
        number = Number(text=show(median(item.rates), "")) if item.rates else Number(text=UNKNOWN, reason=why)
        rows.append(
            Point(
                batch=count(at.batch),
                instances=count(at.instances),
                threads=UNKNOWN if at.threads is None else count(at.threads),
                inflight=count(at.inflight),
                rate=notes.add(number, why or _REASONS["time"]),
                blocks=count(len(item.rates)),
                chosen=at == found.best,
                default=at == found.default,
            )
        )
    where = scope(cell.scope)[0]
    return Tuned(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        backend=backend_name(run, cell.backend),
        precision=clean(cell.precision),
        context=where,
        sentence=sentence(found),
        unit=_unit(found.unit or cell.unit),
        rows=tuple(rows),
        notes=notes.texts,
    )


def tuned(run: Run, key: str) -> tuple[Tuned, ...]:
    """Every search for a way to run a cell."""
    found = (view_of(run, key, cell) for cell in run.cells if cell.purpose == "measure")
    return tuple(item for item in found if item is not None)
