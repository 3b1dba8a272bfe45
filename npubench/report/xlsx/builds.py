"""A row of a service's table: one build on one backend, from all the loads that it was measured under.

Guarantees: a row's cells share model, precision, variant, backend, use, execution kind, scope and run. What was not
asked of it says so. Of several offline cells the fastest stands for it, as on the page (`report.services`).

Not aware of: which columns there are (`services`, `llm`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from npubench.lang import Text
from npubench.metrics import METRICS, sustained_metric
from npubench.report import capacity, loads, reasons
from npubench.report.capacity import factor
from npubench.report.numbers import rate_key
from npubench.report.words import VERDICTS
from npubench.report.xlsx import heads
from npubench.report.xlsx.heads import Item, checked, with_unit
from npubench.report.xlsx.parts import Column, Figure, Head, Tone, listed
from npubench.schema import Cell, Validity
from npubench.stats.held import tried

_NOT_ASKED = Text(en="not part of the run", ko="이번 실행에 없음")
_NO_LOOP = Text(en="no closed loop was run", ko="연속 처리를 하지 않음")
_SEVERITY: tuple[Validity, ...] = ("valid", "degraded", "invalid", "unsupported")


class Build(NamedTuple):
    """The cells of a row."""

    items: tuple[Item, ...]

    @property
    def first(self) -> Item:
        return self.items[0]

    @property
    def worst(self) -> Item:
        return max(self.items, key=lambda item: _SEVERITY.index(item.cell.verdict))

    @property
    def tone(self) -> Tone:
        return self.worst.tone


def builds(items: Sequence[Item]) -> list[Build]:
    """The rows of these cells; builds of one model stand together."""
    found: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        cell, use = item.cell, loads.use(item.cell.scenario)
        variant = cell.key.get("variant", "")
        key = (cell.model, use.en if use else "", item.run.machine.name, item.run.id, cell.backend, cell.precision)
        found.setdefault((*key, variant), []).append(item)
    order = list(dict.fromkeys((item.cell.model, *_use(item)) for item in items))
    rows = [Build(tuple(each)) for each in found.values()]

    def place(row: Build) -> tuple[int, bool]:
        """Of one model those of which a load was searched come first."""
        searched = any(item.cell.capacity is not None for item in row.items)
        return order.index((row.first.cell.model, *_use(row.first))), not searched

    return sorted(rows, key=place)


def _use(item: Item) -> tuple[str, ...]:
    use = loads.use(item.cell.scenario)
    return (use.en if use else "",)


Takes = Callable[[Cell], bool]


def of_scenario(name: str) -> Takes:
    return lambda cell: cell.scenario.name == name


def chosen(build: Build, takes: Takes) -> Item | None:
    """The cell of a build that stands for a load: one that is a result before others, of those the fastest offline."""
    taken = [item for item in build.items if takes(item.cell)]
    usable = [item for item in taken if item.usable]
    if usable and usable[0].cell.scenario.name == "offline":
        return max(usable, key=_speed)
    return next(iter(usable or taken), None)


def _speed(item: Item) -> float:
    spread = item.cell.summary.get(rate_key(item.cell))
    return spread.median if spread is not None and spread.median is not None else 0.0


def under(takes: Takes, head: Head) -> Head:
    """What `head` says of the cell that was measured under a load."""

    def says(build: Build) -> Figure:
        item = chosen(build, takes)
        return Figure(None, _NOT_ASKED) if item is None else head.says(item)

    return Head(head.column, says)


def first(head: Head) -> Head:
    """What `head` says of every cell of a row alike."""
    return Head(head.column, lambda build: head.says(build.first))


def any_of(head: Head) -> Head:
    """What `head` says of the first cell of which it says something."""

    def says(build: Build) -> Figure:
        found = [head.says(item) for item in build.items]
        return next((figure for figure in found if figure.value is not None), found[0])

    return Head(head.column, says)


def rather(takes: Takes, head: Head) -> Head:
    """What `head` says of the cell that was measured under a load, else of any of which it says something."""
    first_choice, otherwise = under(takes, head), any_of(head)

    def says(build: Build) -> Figure:
        found = first_choice.says(build)
        return found if found.value is not None else otherwise.says(build)

    return Head(head.column, says)


def held(takes: Takes, title: Text, unit: Text) -> Head:
    """The largest load that was confirmed."""

    def says(item: Item) -> Figure:
        found = item.cell.capacity
        if found is None:
            return Figure(None, reasons.NOT_MEASURED)
        if found.confirmed is None:
            return Figure(None, capacity.reason(found))
        return Figure(found.confirmed * factor(item.cell.unit, found.searched))

    counted = Column(title=with_unit(title, unit), form="count" if unit.en in ("cameras", "users") else "number")
    return under(takes, Head(counted, lambda item: checked(item, says)))


def sustained(takes: Takes, unit: str) -> Head:
    """What is completed in a closed loop, whatever the latency."""
    key, times = sustained_metric(unit)

    def says(item: Item) -> Figure:
        found = item.cell.capacity
        if found is None or found.sustained_per_s is None:
            return Figure(None, _NO_LOOP)
        return Figure(found.sustained_per_s * times)

    known = METRICS[key]
    return under(takes, Head(heads.column_of(known.title, known.unit), lambda item: checked(item, says)))


def held_p99(takes: Takes, title: Text) -> Head:
    """The 99th percentile at the confirmed load (ms)."""
    unknown = Text(en="no load was confirmed, or too few requests", ko="확인한 부하가 없거나 요청이 부족함")

    def says(item: Item) -> Figure:
        found = item.cell.capacity
        trials = tried(found) if found is not None else ()
        best = next((each for each in reversed(trials) if each.passed and each.load == found.confirmed), None)  # type: ignore[union-attr]
        if best is None or best.p99_ns is None or not best.load:
            return Figure(None, unknown)
        return Figure(best.p99_ns * 1e-6)

    return under(takes, Head(Column(title=with_unit(title, Text(en="ms", ko="ms"))), lambda item: checked(item, says)))


def _bounds(build: Build) -> Figure:
    """What each searched load was held against, and what stopped it."""
    said = []
    for item in build.items:
        found = item.cell.capacity
        if found is None or not item.usable:
            continue
        name, parts = loads.title(item.cell.scenario), []
        for part in (capacity.held(found), capacity.shortage(found, item.cell.unit)):
            parts += [part] if part is not None else []
        why = capacity.why(found, item.cell.unit)
        if why is not None and found.failed is not None:
            least = capacity.loaded(found.failed, item.cell.unit, found.searched)
            parts.append(Text(en=f"{least.en} failed: {why.en}", ko=f"{least.ko} 실패: {why.ko}"))
        if parts:
            told = listed(parts, "; ")
            said.append(Text(en=f"{name.en}: {told.en}", ko=f"{name.ko}: {told.ko}"))
    return Figure(listed(said, ". ") if said else "")


BOUNDS = Head(
    Column(title=Text(en="Bound that was held, and what failed", ko="지킨 한계와 실패한 부하"), form="long"), _bounds
)


def _verdict(build: Build) -> Figure:
    return Figure(VERDICTS[build.worst.cell.verdict][1])


def _whys(build: Build) -> Figure:
    found = [heads.WHY.says(item).value for item in build.items]
    texts = [value for value in dict.fromkeys(found) if isinstance(value, Text)]
    return Figure(listed(texts, "; ") if texts else "")


JUDGED = Head(heads.JUDGED.column, _verdict)
WHY = Head(heads.WHY.column, _whys)
WHERE = tuple(any_of(head) for head in heads.WHERE)
