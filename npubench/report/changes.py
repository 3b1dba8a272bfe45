"""What changed against the accepted run: every verdict with its interval and its minimum detectable change.

Guarantees: what somebody should look at comes first and open, the calm rest is counted and folded; where there is no
comparison, one line says why. An interval is drawn beside the band that does not count as a change. Pure.

Not aware of: how a verdict is reached (`stats.compare`), which run is accepted (`baselines`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from npubench.lang import Text
from npubench.report.cells import anchor
from npubench.report.comparison.findings import (
    Finding,
    change,
    detects,
    findings,
    interval,
    launches,
    line,
    means,
    metric_name,
    said,
    tolerance,
)
from npubench.report.foreign import LINE_LIMIT
from npubench.report.loads import in_scope
from npubench.report.shown import Tone
from npubench.report.shown_lead import ChangeRow, Changes, Scale, Strip, VersionRow
from npubench.schema import Run
from npubench.stats.compared import Comparison, MetricComparison, percent
from npubench.units import UNKNOWN

_TONES: dict[str, Tone] = {
    "regressed": "bad",
    "blocked": "warn",
    "refuted": "warn",
    "improved": "good",
    "calm": "plain",
}
_LEGEND = Text(
    en="Base and new are geometric means over launches. Detects: the smallest slowdown that launches like these would "
    "call regressed in {} of 100 repeats. In the picture: the band is what does not count as a change, the line the "
    "{} % interval, the dot the change that was seen; bars that reach the edge go on.",
    ko="기준과 새 값은 실행들의 기하평균입니다. 감지: 이와 같은 실행을 100번 되풀이할 때 {}번 악화로 판정할 수 있는 "
    "가장 작은 성능 저하. 그림에서 띠는 변화로 보지 않는 폭, 선은 {} % 구간, 점은 관측된 변화이며, 가장자리에 닿은 "
    "선은 더 이어집니다.",
)
_EMPTY = Text(en="", ko="")
MOST = 16
"""So many findings are open; all others are counted and folded."""
# Larger changes are told by their numbers; a scale that held them would flatten all others.
_WIDEST, _NARROWEST = 0.5, 0.05


def changes(run: Run, key: str, found: Comparison | Text | None) -> Changes | None:
    """The section of one run. A Text says why there is no comparison; None where nobody asked: then there is none."""
    if found is None:
        return None
    if isinstance(found, Text):
        return Changes(missing=found)
    anchors = {cell.id: anchor(key, cell) for cell in run.cells}
    every = findings(found)
    span = _span(every)
    rows = [(item, _row(item, anchors, span)) for item in every]
    told = [row for item, row in rows if item.group != "calm"]
    base = found.base
    sure = f"{found.rule.confidence * 100:g}"
    tone: Tone = "good"
    if found.exit_code:
        tone = "bad" if any(item.group == "regressed" for item in every) else "warn"
    end = percent(span, signed=False)
    return Changes(
        missing=None,
        tone=tone,
        sentence=Text(en=_upper(line(found.sentence.en, LINE_LIMIT)), ko=line(found.sentence.ko, LINE_LIMIT)),
        base=" · ".join(line(part) for part in (base.id, base.machine, base.profile, base.created)),
        told=tuple(told[:MOST]),
        more=tuple(told[MOST:]),
        calm=tuple(row for item, row in rows if item.group == "calm"),
        scale=Scale(ticks=((0.0, f"−{end} %"), (50.0, "0"), (100.0, f"+{end} %"))),
        interval=Text(en=f"{sure} % interval", ko=f"{sure} % 구간"),
        versions=tuple(
            VersionRow(name=line(each.name), base=_version(each.base), new=_version(each.new))
            for each in found.varying
            if each.base != each.new
        ),
        notes=tuple(Text(en=line(note.en, LINE_LIMIT), ko=line(note.ko, LINE_LIMIT)) for note in found.notes),
        legend=Text(
            en=_LEGEND.en.format(f"{found.rule.power * 100:g}", sure),
            ko=_LEGEND.ko.format(f"{found.rule.power * 100:g}", sure),
        ),
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _version(found: str | None) -> str:
    return UNKNOWN if found is None else line(found)


def _span(every: Sequence[Finding]) -> float:
    """How large a change the ends of the strips stand for; an interval may be wider, and goes on."""
    seen = [
        abs(value)
        for item in every
        if item.metric is not None
        for value in (item.metric.change, item.metric.tolerance)
        if value is not None
    ]
    return max(_NARROWEST, min(_WIDEST, max(seen, default=0.0) * 2))


def _strip(metric: MetricComparison, span: float) -> Strip | None:
    if metric.change is None:
        return None

    def at(value: float) -> float:
        return round(min(100.0, max(0.0, 50 + value / span * 50)), 2)

    known = metric.low is not None or metric.high is not None
    return Strip(
        mid=at(metric.change),
        low=(0.0 if metric.low is None else at(metric.low)) if known else None,
        high=(100.0 if metric.high is None else at(metric.high)) if known else None,
        band=(at(-metric.tolerance), at(metric.tolerance)),
        zero=50.0,
    )


def _row(item: Finding, anchors: Mapping[str, str], span: float) -> ChangeRow:
    cell, metric = item.cell, item.metric
    row = ChangeRow(
        cell=" ".join(line(part) for part in (cell.model, cell.precision, cell.backend)),
        load=in_scope(cell.scenario, cell.scope),
        metric=_EMPTY,
        numbers=(),
        tolerance=_EMPTY,
        launches="",
        strip=None,
        tone=_TONES[item.group],
        verdict_text=item.word,
        said=said(item),
        anchor=anchors.get(cell.id, ""),
    )
    if metric is None:
        return row
    return msgspec.structs.replace(
        row,
        metric=metric_name(metric),
        numbers=(*means(metric), change(metric), interval(metric), detects(metric)),
        tolerance=tolerance(metric),
        launches=launches(metric),
        strip=_strip(metric, span),
        tone="good" if metric.verdict == "equivalent" else row.tone,
    )
