"""Histories in words and as a line of blocks: what the console and the page say alike. Pure.

Guarantees: a history that only wavers looks flat (the full height is at least SPAN of the level), and outliers, which
are marked, do not flatten the rest; more nights than columns are put together, and the strongest mark stays. Everything
foreign is cleaned. Marks are ASCII, because a terminal may draw others two columns wide.

Not aware of: how a history is found (`stats.trend`), where it is laid out (`text_trend`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.loads import written
from npubench.stats.compared import Version, percent
from npubench.stats.trend import CellTrend, TrendChange, TrendNight
from npubench.units import UNKNOWN, show

BLOCKS = "▁▂▃▄▅▆▇█"
SPAN = 0.1
"""A change of 10 % takes the full height; larger ones make the line as high as they are."""
CHANGE, LINE, GAP, OFF, VERSION = "^", "|", "x", "o", "v"
"""Marks in the order in which they win a column: change point, new line, night without a value, outlier, versions."""
LEGEND = Text(
    en="^ change point  | another identity  x no value  o a night off  v versions",
    ko="^ 변화점  | 다른 구성  x 값 없음  o 이상치  v 버전 변경",
)
_MOST_VERSIONS, _MOST_BESIDE = 4, 2


class Line(msgspec.Struct, frozen=True):
    """Blocks and the marks below them, of equal length; the least and the largest value."""

    blocks: str
    marks: str
    low: float | None
    high: float | None


def one_line(text: object, limit: int = LINE_LIMIT) -> str:
    """Somebody else's words on one line."""
    return clean(text, limit).replace("\n", " ")


def name(cell: CellTrend) -> str:
    """What the cell is called."""
    parts = (cell.model, cell.precision, cell.backend)
    return " ".join([*map(one_line, parts), one_line(written(cell.scenario)), one_line(cell.scope)])


def metric(cell: CellTrend) -> Text:
    """What is followed."""
    title = METRICS[cell.metric].title
    at = f" ({cell.meter_scope})" if cell.meter_scope else ""
    return Text(en=f"{title.en}{at}", ko=f"{title.ko}{at}")


def date(created: str, *, time: bool = False) -> str:
    """2026-11-24, or with the minute."""
    shown = one_line(created, 20)
    return shown[:16].replace("T", " ") if time else shown[:10]


def line(cell: CellTrend, width: int, last: int | None = None) -> Line:
    """The newest `last` nights (None: all) in at most `width` columns."""
    nights = cell.nights[-last:] if last else cell.nights
    changed = {change.run for change in cell.changes}
    per = max(1, math.ceil(len(nights) / width))
    groups = [nights[start : start + per] for start in range(0, len(nights), per)]
    values = [_middle([night.value for night in group]) for group in groups]
    known = [night.value for night in nights if night.value is not None]
    low, high = (min(known), max(known)) if known else (None, None)
    # Of the groups' values, which are those that are drawn; where all are outliers, of all.
    usual = {night.value for night in nights if not night.outlier}
    scaled = [found for found in values if found is not None and found in usual]
    scaled = scaled or [found for found in values if found is not None]
    marks, earlier = [], nights[0].line
    for group in groups:
        marks.append(_mark(group, changed, earlier))
        earlier = group[-1].line
    return Line("".join(_block(found, scaled) for found in values), "".join(marks), low, high)


def _middle(values: Sequence[float | None]) -> float | None:
    known = sorted(found for found in values if found is not None)
    return known[len(known) // 2] if known else None


def _block(found: float | None, known: Sequence[float]) -> str:
    if found is None:
        return " "
    low, high = math.log(min(known)), math.log(max(known))
    middle, half = (low + high) / 2, max(high - low, math.log1p(SPAN)) / 2
    share = (math.log(found) - (middle - half)) / (2 * half)
    return BLOCKS[min(len(BLOCKS) - 1, max(0, int(share * len(BLOCKS))))]


def _mark(group: Sequence[TrendNight], changed: set[str], earlier: int) -> str:
    if any(night.run in changed for night in group):
        return CHANGE
    if group[-1].line != earlier:
        return LINE
    if any(night.value is None for night in group):
        return GAP
    if any(night.outlier for night in group):
        return OFF
    return VERSION if any(night.changed for night in group) else " "


def versions(changed: Sequence[Version], most: int = _MOST_VERSIONS) -> list[str]:
    """One line per version that changed; of many the first ones and how many more."""
    lines = [
        f"{one_line(item.name, 40)} {UNKNOWN if item.base is None else one_line(item.base, 60)} → "
        f"{UNKNOWN if item.new is None else one_line(item.new, 60)}"
        for item in changed[:most]
    ]
    more = len(changed) - most
    return [*lines, f"… (+{more})"] if more > 0 else lines


def step(change: TrendChange, unit: str) -> Text:
    """A change point in one line."""
    levels = f"{show(change.before, unit)} → {show(change.after, unit)}"
    way = {
        True: Text(en="worse", ko="나빠짐"),
        False: Text(en="better", ko="좋아짐"),
        None: Text(en="changed", ko="변함"),
    }[change.worse]
    size = f"{percent(change.change)} %"
    return Text(en=f"{size} from here on, {way.en}: {levels}", ko=f"이때부터 {size} {way.ko}: {levels}")


def remarks(cell: CellTrend) -> dict[str, list[tuple[str, Text]]]:
    """Run id → (mark, what there is to say of that night), nothing for an ordinary night."""
    said: dict[str, list[tuple[str, Text]]] = {}
    steps = {change.run: change for change in cell.changes}
    earlier = cell.nights[0].line
    for place, night in enumerate(cell.nights):
        found: list[tuple[str, Text]] = []
        if night.run in steps:
            found.append((CHANGE, step(steps[night.run], cell.unit)))
        if night.line != earlier:
            found.append((LINE, Text(en="another identity: a new line begins", ko="구성이 달라 새로 시작함")))
        earlier = night.line
        if night.reason is not None:
            verdict = "" if night.verdict in ("valid", "degraded") else f"{night.verdict}: "
            korean = {"invalid": "무효: ", "unsupported": "미지원: "}.get(night.verdict, "")
            reason = night.reason
            found.append((GAP, Text(en=f"{verdict}{one_line(reason.en)}", ko=f"{korean}{one_line(reason.ko)}")))
        if night.outlier:
            newest = cell.pending and place == len(cell.nights) - 1
            found.append((OFF, _PENDING if newest else _OFF))
        found += [(VERSION, Text(en=text, ko=text)) for text in versions(night.changed)]
        if night.unusable and night.value is not None:
            of = night.launches + night.unusable
            found.append(
                (
                    " ",
                    Text(
                        en=f"{night.unusable} of {of} launches gave no value",
                        ko=f"실행 {of}회 중 {night.unusable}회에 값이 없음",
                    ),
                )
            )
        if found:
            said[night.run] = found
    return said


_OFF = Text(en="off its neighbours: no change", ko="이상치: 변화로 보지 않음")
_PENDING = Text(en="off its level; the next night will tell", ko="평소와 다름. 다음 측정에서 판단")


def sentence(cell: CellTrend) -> Text:
    """What a history says, in one line."""
    parts: list[Text] = []
    if cell.changes:
        newest = cell.changes[-1]
        others = len(cell.changes) - 1
        night = next(night for night in cell.nights if night.run == newest.run)
        beside = f" ({', '.join(versions(night.changed, _MOST_BESIDE))})" if night.changed else ""
        english = f"{percent(newest.change)} % since {date(newest.created)}{beside}"
        korean = f"{date(newest.created)}부터 {percent(newest.change)} %{beside}"
        if others:
            english += f", {others} change{'s' if others > 1 else ''} before"
            korean += f", 이전 변화 {others}회"
        parts.append(Text(en=english, ko=korean))
    elif cell.spread is None:
        parts.append(Text(en="too few nights for change points", ko="변화점을 찾기에는 기록이 적음"))
    else:
        parts.append(Text(en="no change point", ko="변화점 없음"))
    if cell.pending:
        parts.append(Text(en="the newest night is off", ko="최근 측정이 평소와 다름"))
    if cell.absent_since:
        count = cell.absent_since
        english = f"not in the newest {count} night{'s' if count > 1 else ''}"
        parts.append(Text(en=english, ko=f"최근 {count}회에는 없음"))
    return Text(en="; ".join(part.en for part in parts), ko="; ".join(part.ko for part in parts))
