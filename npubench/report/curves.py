"""Load curves: what each load that was tried did to latency, as a picture and as the table that says the same.

Guarantees: every trial of a search is a row of the table; the picture shows one trial per load (the confirming one,
else the last); a load that was held for its energy was not looked for, and is in neither. A percentile that dropped
requests make infinite is not drawn as a number: the load is marked at the top edge. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from npubench.lang import Text
from npubench.metrics import MINIMUM_N
from npubench.report import capacity, loads
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.latency import axis
from npubench.report.numbers import Footnotes, backend_name, count, model_name
from npubench.report.shown import Number, Tone
from npubench.report.shown_loads import Curve, LoadFigure, LoadRow
from npubench.report.words import KINDS, same, scope
from npubench.schema import Capacity, Cell, Run, Trial
from npubench.stats.held import tried
from npubench.units import UNKNOWN, show, show_ns

_MOST_TICKS = 8
_PURPOSES = {
    "saturate": Text(en="closed loop", ko="연속 처리"),
    "search": Text(en="search", ko="탐색"),
    "confirm": Text(en="confirmation", ko="확인"),
}
_WITHOUT_PAUSE = Text(en="no pause", ko="쉼 없이")
_INFINITE = Text(
    en="too many requests were dropped: dropped is infinitely late",
    ko="버려진 요청이 많아 무한히 늦은 것으로 봅니다",
)
_BELOW = Text(
    en=f"fewer requests than a percentile needs (p50 {MINIMUM_N[50]}, p90 {MINIMUM_N[90]}, p99 {MINIMUM_N[99]}): only "
    "for the shape of the curve",
    ko=f"백분위수에 필요한 요청 수(p50 {MINIMUM_N[50]}, p90 {MINIMUM_N[90]}, p99 {MINIMUM_N[99]})보다 적어 곡선의 "
    "모양을 보는 용도입니다",
)
_FEW = Text(en="too few requests for this percentile", ko="이 백분위수를 말하기에는 요청이 적습니다")


def load_ticks(highest: float, *, whole: bool) -> tuple[tuple[float, str], ...]:
    """Ticks (value, label) from 0 to at least `highest`."""
    rough = max(highest / (_MOST_TICKS - 2), 1e-9)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, round(step))
    last = math.ceil(highest / step - 1e-9)
    return tuple((step * i, show(step * i, "count" if whole or step >= 1 else "")) for i in range(last + 1))


def _of_each_load(trials: Sequence[Trial]) -> list[Trial]:
    """One trial per load, the confirming one where there is one, by load."""
    found: dict[float, Trial] = {}
    for trial in trials:
        if trial.load is None or not trial.queries:
            continue
        known = found.get(trial.load)
        if known is None or trial.purpose == "confirm" or known.purpose != "confirm":
            found[trial.load] = trial
    return [found[load] for load in sorted(found)]


def _first_bound(found: Capacity) -> float | None:
    return next(iter(found.bound.values()), None)


def curve(found: Capacity, unit: str) -> Curve | None:
    """The picture of a search; None where no load has a latency to draw."""
    shown, times = _of_each_load(tried(found)), capacity.factor(unit, found.searched)
    lines = []
    for percent in (50, 90, 99):
        seen = [(trial, getattr(trial, f"p{percent}_ns")) for trial in shown]
        points = tuple(
            (trial.load * times, float(ns), trial.queries >= MINIMUM_N[percent])
            for trial, ns in seen
            if trial.load is not None and ns is not None
        )
        lines.append((f"p{percent}", points))
    ys = [y for _, points in lines for _, y, _ in points]
    if not ys:
        return None
    bound = _first_bound(found)
    ys += [bound] if bound else []
    y_ticks, y_domain, y_log = axis(max(min(ys), 1.0), max(*ys, 1.0) if len(ys) > 1 else max(ys[0], 1.0))
    xs = [trial.load * times for trial in shown if trial.load is not None]
    x_ticks = load_ticks(max(xs), whole=found.searched != "rate")
    drops = tuple((x, trial.dropped / trial.queries) for x, trial in zip(xs, shown, strict=True))
    word = capacity.counted_in(unit, found.searched)
    order = _in_table(found)
    return Curve(
        lines=tuple(lines),
        places={x: order.index(trial) for x, trial in zip(xs, shown, strict=True)},
        beyond=tuple(x for x, trial in zip(xs, shown, strict=True) if trial.p99_ns is None and trial.dropped),
        drops=drops if any(share for _, share in drops) else (),
        bound=bound,
        held=found.confirmed * times if found.confirmed else None,
        failed=found.failed * times if found.failed is not None else None,
        x_ticks=x_ticks,
        # The word beside the failed load's line needs room.
        x_domain=(0.0, max(x_ticks[-1][0], max(xs), 1.15 * times * (found.failed or 0.0))),
        x_title=word,
        y_ticks=y_ticks,
        y_domain=y_domain,
        y_log=y_log,
        y_title=Text(en="time to first token", ko="첫 토큰 시간")
        if capacity.first_token(found)
        else Text(en="latency of a request", ko="요청 하나의 지연 시간"),
    )


def _result(trial: Trial) -> tuple[Tone, Text]:
    if trial.purpose == "saturate":
        rate = show(trial.completed_per_s, "")
        return "plain", Text(en=f"{rate} requests/s", ko=f"{rate} 요청/s")
    early = Text(en=", given up early", ko=", 조기 중단") if trial.ended == "hopeless" else Text(en="", ko="")
    if trial.passed:
        at = f" p{trial.percent:g}" if trial.percent is not None else ""
        return "good", Text(en=f"held{at}", ko=f"지킴{at}")
    if trial.failed_by is None:
        return "plain", Text(en="undecided: too few requests", ko="미정: 요청 부족")
    word = capacity.blame(trial.failed_by)
    return "bad", Text(en=f"failed: {word.en}{early.en}", ko=f"실패: {word.ko}{early.ko}")


def _in_table(found: Capacity) -> list[Trial]:
    """Every trial by load; the confirming one of a load stands below the one that found it."""
    order = sorted(enumerate(tried(found)), key=lambda item: (item[1].load or -1.0, item[0]))
    return [trial for _, trial in order]


def _rows(found: Capacity, unit: str, notes: Footnotes) -> tuple[LoadRow, ...]:
    def number(percent: int, value: float | None, trial: Trial) -> Number:
        if value is not None:
            shown = Number(text=show_ns(value))
            return shown if trial.queries >= MINIMUM_N[percent] else notes.mark(shown, _BELOW)
        why = _INFINITE if trial.dropped else _FEW
        return notes.add(Number(text=UNKNOWN, reason=why), why)

    rows = []
    for trial in _in_table(found):
        tone, result = _result(trial)
        rows.append(
            LoadRow(
                load=_WITHOUT_PAUSE if trial.load is None else same(capacity.value(trial.load, unit, found.searched)),
                purpose=_PURPOSES[trial.purpose],
                queries=count(trial.queries),
                dropped=capacity.dropped(trial),
                p50=number(50, trial.p50_ns, trial),
                p90=number(90, trial.p90_ns, trial),
                p99=number(99, trial.p99_ns, trial),
                tone=tone,
                result=result,
                best=trial.passed and trial.purpose == "confirm" and trial.load == found.confirmed,
            )
        )
    return tuple(rows)


def _figure(run: Run, key: str, cell: Cell, found: Capacity, sheet: str) -> LoadFigure:
    notes = Footnotes()
    how, where, kind = loads.title(cell.scenario), scope(cell.scope)[0], KINDS[cell.execution_kind][0]
    precision = clean(cell.precision)
    return LoadFigure(
        key=key,
        anchor=sheet,
        model=model_name(run, cell.model),
        backend=backend_name(run, cell.backend),
        precision=precision,
        title=how,
        written=loads.written(cell.scenario),
        context=Text(en=f"{where.en} · {kind.en}", ko=f"{where.ko} · {kind.ko}"),
        sentence=capacity.sentence(cell),
        counted_in=capacity.counted_in(cell.unit, found.searched),
        timed="TTFT" if capacity.first_token(found) else "",
        invalid=cell.verdict == "invalid",
        curve=curve(found, cell.unit),
        rows=_rows(found, cell.unit, notes),
        notes=notes.texts,
    )


def curves(run: Run, key: str) -> tuple[LoadFigure, ...]:
    """Every search of a run, in the order of its plan."""
    found = [(cell, cell.capacity) for cell in run.cells if cell.purpose == "measure" and cell.capacity is not None]
    return tuple(
        _figure(run, f"{key}-l{n}", cell, each, anchor(key, cell))
        for n, (cell, each) in enumerate(found, 1)
        if each is not None
    )
