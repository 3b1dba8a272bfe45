"""One kind of device, 1, 2, 4, 8 of them: what they deliver together, and what limits where that stops growing. Pure.

Guarantees: an efficiency is stated only of results; what limits is said only where the host's processors were watched.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report import loads
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import Footnotes, backend_name, count, metric, model_name, of_cell, rate_key
from npubench.report.shown import Number
from npubench.report.shown_loads import Scaling, ScalingRow
from npubench.report.stages import stage_name
from npubench.report.words import KINDS, scope
from npubench.schema import Cell, Run
from npubench.stats.scaling import Step, groups, host_stage, rate_metric, steps
from npubench.units import UNKNOWN, show_share

_NO_RESULT = Text(en="not a result, or nothing to compare it with", ko="결과가 아니거나 비교할 값이 없습니다")
_NOT_SEEN = Text(en="the host's processors were not watched", ko="호스트 프로세서 사용을 관찰하지 못했습니다")


def _share(value: float | None, why: Text, notes: Footnotes) -> Number:
    if value is None:
        return notes.add(Number(text=UNKNOWN, reason=why), why)
    return Number(text=show_share(value))


def _limit(step: Step) -> Text | None:
    if step.limited_by is None:
        return None
    if step.limited_by == "device":
        return Text(
            en="the devices, their memory or their bus: the host had room",
            ko="장치, 장치 메모리 또는 버스(호스트에는 여유가 있음)",
        )
    stage = host_stage(step.cell.stages.median_ns) if step.cell.stages is not None else None
    if stage is None:
        return Text(en="the host's processors", ko="호스트 프로세서")
    name = stage_name(stage)
    return Text(en=f"the host's processors, most of all {name.en}", ko=f"호스트 프로세서, 주로 {name.ko}")


def _sentence(found: tuple[Step, ...]) -> Text:
    last = found[-1]
    n = count(last.devices)
    if last.efficiency is None:
        return Text(en=f"What {n} devices deliver is unknown.", ko=f"장치 {n}개의 성능은 알 수 없습니다.")
    share = show_share(last.efficiency)
    fewest = count(found[0].devices)
    limit = _limit(last)
    en = f"{n} devices deliver {share} of {n} times what each of {fewest} does"
    ko = f"장치 {n}개는 {fewest}개일 때의 장치당 성능을 {n}배 한 값의 {share}를 냅니다"
    if limit is None:
        return Text(en=f"{en}.", ko=f"{ko}.")
    return Text(en=f"{en}; what limits: {limit.en}.", ko=f"{ko}. 병목: {limit.ko}.")


def _rate(cell: Cell) -> str:
    return rate_metric(cell) or rate_key(cell)


def scalings(run: Run, key: str) -> tuple[Scaling, ...]:
    """Every cell of a run that was measured on several numbers of devices."""
    shown = []
    for number, group in enumerate(groups(run.cells), 1):
        notes = Footnotes()
        first = group[0]
        found = steps(group, _rate(first), run.machine.threads)
        how, where = loads.title(first.scenario), scope(first.scope)[0]
        rows = tuple(
            ScalingRow(
                anchor=anchor(key, step.cell),
                devices=count(step.devices),
                rate=notes.add(*of_cell(step.cell, _rate(step.cell))),
                per_device=notes.add(
                    metric(_rate(step.cell), None if step.rate is None else step.rate / step.devices), _NO_RESULT
                ),
                efficiency=_share(step.efficiency, _NO_RESULT, notes),
                host=_share(step.host_share, _NOT_SEEN, notes),
                limit=_limit(step),
            )
            for step in found
        )
        shown.append(
            Scaling(
                key=f"{key}-s{number}",
                model=model_name(run, first.model),
                backend=backend_name(run, first.backend),
                precision=clean(first.precision),
                context=Text(en=f"{where.en} · {how.en}", ko=f"{where.ko} · {how.ko}"),
                kind=KINDS[first.execution_kind][0],
                sentence=_sentence(found),
                rows=rows,
                notes=notes.texts,
            )
        )
    return tuple(shown)
