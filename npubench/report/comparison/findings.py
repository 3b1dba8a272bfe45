"""What a comparison found, in the order in which people should read it: one finding per judged metric or unjudged cell.

Guarantees: every cell of the comparison is in exactly one finding, or in one for each of its metrics. `Group`s come
worst first, so that whoever must cut, cuts from the calm end. Text of others is cleaned and on one line, but not
escaped: each format does that itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report.foreign import LINE_LIMIT, NAME_LIMIT, clean
from npubench.report.loads import whole
from npubench.report.words import METER_SCOPES
from npubench.stats.compare import KIND
from npubench.stats.compared import (
    LABELS,
    CellComparison,
    Comparison,
    MetricComparison,
    Status,
    ToleranceFrom,
    Verdict,
    percent,
)
from npubench.units import UNKNOWN, show

Group = Literal["regressed", "blocked", "refuted", "improved", "calm"]
"""`blocked`: not comparable, invalid or missing. `refuted`: regressed, but not when measured again."""

GROUPS: tuple[Group, ...] = ("regressed", "blocked", "refuted", "improved", "calm")

VERDICTS: dict[Verdict, Text] = {
    "regressed": Text(en="regressed", ko="악화"),
    "improved": Text(en="improved", ko="개선"),
    "equivalent": Text(en="equivalent", ko="동등"),
    "inconclusive": Text(en="inconclusive", ko="판단 불가"),
}
STATUSES: dict[Status, Text] = {
    "compared": Text(en="compared", ko="비교함"),
    "not_comparable": Text(en="not comparable", ko="비교 불가"),
    "invalid": Text(en="invalid", ko="무효"),
    "missing": Text(en="missing", ko="누락"),
    "unsupported": Text(en="unsupported", ko="미지원"),
    "new": Text(en="new", ko="신규"),
    "untimed": Text(en="not judged by speed", ko="속도 판정 제외"),
}
# What to do about a cell that could not be judged.
ADVICE: dict[Status, Text] = {
    "not_comparable": Text(
        en="measure with equal settings, or accept the difference with --allow FIELD (it is recorded)",
        ko="같은 조건으로 측정하거나 --allow FIELD로 차이를 인정하세요(기록에 남음)",
    ),
    "invalid": Text(
        en="its speed is not judged; remove the cause and measure it again",
        ko="속도를 판정하지 않습니다. 원인을 없애고 다시 측정하세요",
    ),
    "missing": Text(
        en="measure it again, or accept a baseline without it",
        ko="다시 측정하거나, 이 셀이 없는 기준을 승인하세요",
    ),
}
# What to say of a cell where nothing more is known.
MEANINGS: dict[Status, Text] = {
    "missing": Text(en="only BASE has it", ko="BASE에만 있음"),
    "new": Text(en="only NEW has it: nothing to compare with", ko="NEW에만 있어 비교할 대상이 없음"),
    "unsupported": Text(en="the backend does not take it", ko="백엔드가 지원하지 않음"),
    "untimed": Text(en="its times mean nothing", ko="시간이 의미 없음"),
}
BLOCKED: tuple[Status, ...] = ("not_comparable", "invalid", "missing")
_TOLERANCE: dict[ToleranceFrom, Text] = {
    "minimum": Text(en="minimum effect", ko="최소 효과"),
    "history": Text(en="noise of {} nights", ko="{}일간의 잡음"),
    "class": Text(en="spread within the class", ko="장비 등급 안의 산포"),
}


class Finding(NamedTuple):
    """One judged metric of a cell, or (without `metric`) a cell of which nothing was judged."""

    group: Group
    cell: CellComparison
    metric: MetricComparison | None

    @property
    def key(self) -> str:
        """What was found, in one word that never changes: a verdict or a status."""
        return self.cell.status if self.metric is None else self.metric.verdict

    @property
    def word(self) -> Text:
        return STATUSES[self.cell.status] if self.metric is None else VERDICTS[self.metric.verdict]


def line(text: object, limit: int = NAME_LIMIT) -> str:
    """Somebody else's words on one line."""
    return clean(text, limit).replace("\n", " ").replace("\t", " ")


def value(found: object) -> str:
    """A value of an identity as it can be shown."""
    if found is None:
        return UNKNOWN
    return line(found if isinstance(found, str) else msgspec.json.encode(found).decode())


def findings(found: Comparison) -> tuple[Finding, ...]:
    """Every finding; the groups in their order, the largest regressions and improvements first."""
    every: list[Finding] = []
    for cell in found.cells:
        if not cell.metrics:
            every.append(Finding("blocked" if cell.status in BLOCKED else "calm", cell, None))
        every += [Finding(_group(metric), cell, metric) for metric in cell.metrics]
    return tuple(sorted(every, key=_place))


def _place(item: Finding) -> tuple[float, ...]:
    """The sort is stable, so that among equals the order of the comparison stays."""
    within = 0.0
    if item.group == "blocked":
        within = BLOCKED.index(item.cell.status)
    elif item.group != "calm":
        within = -_size(item)
    return GROUPS.index(item.group), within


def _group(metric: MetricComparison) -> Group:
    if metric.verdict == "regressed":
        return "regressed" if metric.red else "refuted"
    return "improved" if metric.verdict == "improved" else "calm"


def _size(item: Finding) -> float:
    change = item.metric.change if item.metric is not None else None
    if change is None or math.isnan(change):
        return 0.0
    # Rounded, so that noise in the last digits orders nothing.
    return round(abs(math.log1p(change)), 4) if change > -1 else math.inf


def cell_name(cell: CellComparison) -> str:
    """What the cell is called: model precision backend scenario scope."""
    parts = (cell.model, cell.precision, cell.backend, whole(cell.scenario), cell.scope)
    return " ".join(line(part) for part in parts)


def metric_name(metric: MetricComparison) -> Text:
    """The metric's title; of an energy metric with what its meter covers."""
    title = METRICS[metric.metric].title if metric.metric in METRICS else Text(en=metric.metric, ko=metric.metric)
    if metric.scope is None:
        return title
    where = METER_SCOPES[metric.scope]
    return Text(en=f"{title.en} ({where.en})", ko=f"{title.ko}({where.ko})")


def change(metric: MetricComparison) -> str:
    return UNKNOWN if metric.change is None else f"{percent(metric.change)} %"


def interval(metric: MetricComparison) -> str:
    low, high = metric.low, metric.high
    if low is None and high is None:
        return UNKNOWN
    return " … ".join(UNKNOWN if bound is None else percent(bound) for bound in (low, high)) + " %"


def detects(metric: MetricComparison) -> str:
    """The minimum detectable change."""
    seen = metric.minimum_detectable_change
    return UNKNOWN if seen is None else f"{percent(seen)} %"


def means(metric: MetricComparison) -> tuple[str, str]:
    return show(metric.base.mean, metric.unit), show(metric.new.mean, metric.unit)


def launches(metric: MetricComparison) -> str:
    """Launches of either side: 5 + 5."""
    return f"{metric.base.launches} + {metric.new.launches}"


def tolerance(metric: MetricComparison) -> Text:
    """How large a change does not matter, and where that comes from."""
    share, why = percent(metric.tolerance, signed=False), _TOLERANCE[metric.tolerance_from]
    english, korean = (text.format(metric.nights) for text in (why.en, why.ko))
    return Text(en=f"{share} % ({english})", ko=f"{share} % ({korean})")


def remarks(item: Finding) -> tuple[Text, ...]:
    """What else to know of a finding: a second look, doubts, why a verdict is withheld, what would settle it."""
    return tuple(_of_metric(item.metric, item.cell)) if item.metric is not None else tuple(_of_cell(item.cell))


def said(item: Finding) -> Text:
    """The remarks in one line; of a cell without any what its status means."""
    found = told(remarks(item))
    if item.metric is not None or found.en:
        return found
    return MEANINGS.get(item.cell.status, item.word)


def _of_metric(metric: MetricComparison, cell: CellComparison) -> Iterator[Text]:
    again = next(
        (other for other in cell.confirmation if (other.metric, other.scope) == (metric.metric, metric.scope)), None
    )
    found = f" ({change(again)})" if again is not None else ""
    if metric.confirmed is True:
        yield Text(en=f"confirmed when measured again{found}", ko=f"재측정으로 확인됨{found}")
    elif metric.confirmed is False:
        yield Text(en=f"not confirmed when measured again{found}", ko=f"재측정에서 확인되지 않음{found}")
    if metric.reason is not None:
        yield _cleaned(metric.reason)
    if metric.more_launches is not None:
        plural = "es" if metric.more_launches > 1 else ""
        yield Text(
            en=f"{metric.more_launches} more launch{plural} a side would settle it, if the spread stays",
            ko=f"산포가 같다면 양쪽에서 {metric.more_launches}회씩 더 실행하면 판정 가능",
        )
    for name, side in (("BASE", metric.base), ("NEW", metric.new)):
        if side.unusable and side.launches:
            whole = side.launches + side.unusable
            yield Text(
                en=f"{side.unusable} of {whole} launches of {name} gave no value",
                ko=f"{name} 실행 {whole}회 중 {side.unusable}회에 값이 없음",
            )
    yield from _of_labels(cell)


def _of_cell(cell: CellComparison) -> Iterator[Text]:
    for item in cell.differences:
        if item.field == KIND and item.base == item.new:
            # Equal and refused all the same: neither side is proven.
            yield Text(en=f"{KIND}: nothing proves where it ran", ko=f"{KIND}: 어디에서 실행되었는지 증거가 없음")
            continue
        same = f"{line(item.field)}: {value(item.base)} → {value(item.new)}"
        yield Text(en=same, ko=same)
    yield from (_cleaned(reason) for reason in cell.reasons)
    yield from _of_labels(cell)


def _of_labels(cell: CellComparison) -> Iterator[Text]:
    yield from (LABELS[label] for label in cell.labels)
    for item in cell.allowed:
        same = f"--allow {line(item.field)}: {value(item.base)} → {value(item.new)}"
        yield Text(en=same, ko=same)
    yield from (_cleaned(lack) for lack in cell.lacks)


def _cleaned(text: Text) -> Text:
    return Text(en=line(text.en, LINE_LIMIT), ko=line(text.ko, LINE_LIMIT))


def told(texts: Iterable[Text], most: int = 8) -> Text:
    """Several remarks in one line; what is over `most` is counted."""
    found = list(texts)
    kept, rest = found[:most], len(found) - most
    if rest > 0:
        kept.append(Text(en=f"{rest} more", ko=f"그 밖에 {rest}개"))
    return Text(en="; ".join(text.en for text in kept), ko="; ".join(text.ko for text in kept))
