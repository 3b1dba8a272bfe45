"""A comparison in one sentence: the worst regression by name, then what could not be compared.

Not aware of: how a verdict is reached (`compare`), how anything is laid out (`cli`, `report`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.stats.compared import LABELS, CellComparison, Label, MetricComparison, Rule, Status, Verdict, percent


def _worst(cells: Iterable[CellComparison]) -> tuple[CellComparison, MetricComparison]:
    """The regressed metric whose cost grew most."""
    found = [(cell, item) for cell in cells for item in cell.metrics if item.red]
    return max(found, key=lambda pair: _size(pair[1].change))


def _size(change: float | None) -> float:
    if change is None:
        return math.inf
    # Rounded, so that among equals the first metric of the first cell is named.
    return round(abs(math.log1p(change)), 4) if change > -1 else math.inf


_STATUSES: tuple[tuple[Status, str, str], ...] = (
    ("not_comparable", "not comparable", "비교 불가"),
    ("invalid", "invalid", "무효"),
    ("missing", "missing", "누락"),
    ("unsupported", "unsupported", "미지원"),
    ("new", "new", "신규"),
    ("untimed", "not judged by speed", "속도 판정 제외"),
)
_VERDICTS: tuple[tuple[Verdict, str, str], ...] = (
    ("improved", "improved", "개선"),
    ("equivalent", "equivalent", "동등"),
    ("inconclusive", "inconclusive", "판단 불가"),
)


# What makes a red verdict worth a second look; it stands all the same.
_DOUBTS: tuple[Label, ...] = ("base_degraded", "new_degraded")


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def headline(cells: Sequence[CellComparison], rule: Rule) -> Text:
    """What was found, in one sentence: the worst regression by name, then what could not be compared."""
    metrics = [item for cell in cells for item in cell.metrics]
    total, bad = len(metrics), sum(item.red for item in metrics)
    refuted = sum(item.verdict == "regressed" and not item.red for item in metrics)
    if bad:
        said = _regressed(cells, total, bad, rule)
        english, korean = said.en, said.ko
    elif total:
        verdicts = [item.verdict for item in metrics]
        counted = [(verdicts.count(verdict), en, ko) for verdict, en, ko in _VERDICTS]
        english = f"none of {_several(total, 'metric')} regressed: "
        english += ", ".join(f"{count} {en}" for count, en, _ in counted if count)
        korean = f"지표 {total}개 중 악화 없음: " + ", ".join(f"{ko} {count}개" for count, _, ko in counted if count)
        if refuted == total:
            english, korean = english.removesuffix(": "), korean.removesuffix(": ")
    else:
        english, korean = "nothing was compared", "비교한 것이 없음"
    if withheld := sum(item.withheld == "regressed" and not item.red for item in metrics):
        english += f"; {_several(withheld, 'regression')} withheld because other work ran on the machine"
        korean += f"; 다른 작업이 장비를 사용하여 보류한 악화 {withheld}개"
    if refuted:
        english += f"; {_several(refuted, 'regression')} not confirmed when measured again"
        korean += f"; 다시 측정했을 때 확인되지 않은 악화 {refuted}개"
    statuses = [cell.status for cell in cells]
    others = [(statuses.count(status), en, ko) for status, en, ko in _STATUSES if status in statuses]
    if others:
        first, *rest = others
        english += f"; {_several(first[0], 'cell')} {first[1]}" + "".join(f", {count} {en}" for count, en, _ in rest)
        korean += "; 셀 " + ", ".join(f"{ko} {count}개" for count, _, ko in others)
    return Text(en=english, ko=korean)


def _regressed(cells: Sequence[CellComparison], total: int, bad: int, rule: Rule) -> Text:
    """The worst regression by name, and what speaks for or against it."""
    cell, item = _worst(cells)
    where = f" ({item.scope})" if item.scope is not None else ""
    title = METRICS[item.metric].title
    english = f"{bad} of {_several(total, 'metric')} regressed{':' if bad == 1 else ', the worst:'} "
    korean = f"지표 {total}개 중 {bad}개 악화{':' if bad == 1 else ', 가장 큰 것:'} "
    if item.change is not None or item.reason is None:
        change = percent(item.change or 0.0)
        english += f"{cell.name} {title.en}{where} {change} %"
        korean += f"{cell.name} {title.ko}{where} {change} %"
    else:
        english += f"{cell.name} {title.en}{where}: {item.reason.en}"
        korean += f"{cell.name} {title.ko}{where}: {item.reason.ko}"
    if item.low is not None and item.high is not None:
        sure, low, high = f"{rule.confidence * 100:g} %", percent(item.low, signed=False), percent(item.high, False)
        english += f" ({sure} interval {low} to {high} %)"
        korean += f" ({sure} 구간 {low}~{high} %)"
    if item.confirmed:
        english, korean = f"{english}, confirmed", f"{korean}, 재측정으로 확인됨"
    for label in _DOUBTS:
        if label in cell.labels:
            english, korean = f"{english}; {LABELS[label].en}", f"{korean}; {LABELS[label].ko}"
    return Text(en=english, ko=korean)
