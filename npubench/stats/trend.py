"""The history of cells as a document: a value per night, gaps with reasons, change points, versions that changed.

Guarantees: only nights of one identity and execution kind form a line; where they change, a new line begins and no
change point spans the two. A night whose cell is invalid is a gap. Versions of other backends are not a cell's
business. Values are geometric means over launches, in the metric's stored unit.

Not aware of: files (`history`), how it is shown (`cli`, `report`), verdicts (`compare`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

import msgspec

from npubench.lang import Text
from npubench.metrics import CAPACITY, ENERGY, METRICS, THROUGHPUT
from npubench.schema import ExecutionKind, Scenario, Validity
from npubench.spi import MeterScope
from npubench.stats.changepoint import Changes, FindChanges, Series, changes_of
from npubench.stats.compared import Version
from npubench.stats.history import Night, NightCell, log_costs
from npubench.stats.speed import MINIMUM_EFFECT

_EFFECT, _ENERGY_EFFECT = 0.02, 0.03
# A history sees smaller changes than one comparison can: half of what compare takes for a change.
_LEAST_SHARE = 0.5


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class TrendNight(_Document, frozen=True, kw_only=True):
    """One night of a cell. `value` is null in a gap, with `reason`.

    `line` counts identities: values of different lines are not comparable. `changed` are versions that differ from the
    night before.
    """

    run: str
    created: str
    profile: str
    verdict: Validity
    execution_kind: ExecutionKind | None
    line: int
    value: float | None
    launches: int
    unusable: int
    outlier: bool = False
    reason: Text | None = None
    changed: tuple[Version, ...] = ()


class TrendChange(_Document, frozen=True, kw_only=True):
    """The level changed with the night of `run`. `change` is of the metric itself, as a share: 0.05 is 5 % more.

    `worse` is null for a metric that has no bad direction.
    """

    run: str
    created: str
    change: float
    before: float
    after: float
    worse: bool | None


class CellTrend(_Document, frozen=True, kw_only=True):
    """A metric of a cell over the nights that had the cell, oldest first.

    `scope` is that of the measurement, `meter_scope` that of an energy metric. `spread` is the standard deviation of a
    night of the newest line, as a share; null with too few nights. `pending`: the newest night is off its level, and
    the next one will tell. `absent_since`: how many of the newest nights did not have this cell.
    """

    id: str
    key: dict[str, str]
    model: str
    backend: str
    precision: str
    scenario: Scenario
    scope: str
    metric: str
    meter_scope: MeterScope | None
    unit: str
    nights: tuple[TrendNight, ...]
    changes: tuple[TrendChange, ...] = ()
    spread: float | None = None
    pending: bool = False
    absent_since: int = 0


class LeftOut(_Document, frozen=True, kw_only=True):
    """A folder that gave no night."""

    path: str
    reason: Text


class Trend(_Document, frozen=True, kw_only=True):
    """The histories of a machine. `quick_looks`: runs that no comparison takes, left out unless asked for."""

    schema: Literal["npubench.trend/1"] = "npubench.trend/1"
    machine: str
    nights: int
    first: str | None
    last: str | None
    cells: tuple[CellTrend, ...]
    quick_looks: int = 0
    left_out: tuple[LeftOut, ...] = ()


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A cell in a night, whose own `cells` are gone, and the versions that it met: one object as long as they stay."""

    night: Night
    cell: NightCell
    versions: dict[str, str]


class Gathered(msgspec.Struct, kw_only=True):
    """What is kept of some nights: by cell id the nights that had it, newest first, and the metric it is followed by.

    `newest` is the last known form of each cell; `without` how many nights newer than it did not have it.
    """

    nights: list[Night] = []
    newest: dict[str, NightCell] = {}
    seen: dict[str, list[Seen]] = {}
    metric: dict[str, tuple[str, MeterScope | None]] = {}
    without: dict[str, int] = {}
    quick_looks: int = 0


def has(cell: NightCell, metric: str, scope: MeterScope | None = None) -> bool:
    """Whether a cell has a value of a metric."""
    return bool(log_costs(cell.spread(metric, scope), metric))


HEADLINES: tuple[str, ...] = tuple(
    key
    for key in METRICS
    if key in {*CAPACITY, "latency_p50_ns", *MINIMUM_EFFECT, *(rate for rate, _ in THROUGHPUT.values())}
)
"""Every metric that `headline` may name."""


def headline(cell: NightCell) -> str:
    """The metric by which a cell is followed: what it could hold, else its throughput offline, else its median."""
    rate = THROUGHPUT.get(cell.unit, THROUGHPUT["sample"])[0]
    first = [*CAPACITY, *([rate] if cell.scenario.name == "offline" else []), "latency_p50_ns", *MINIMUM_EFFECT]
    return next((key for key in first if key in METRICS and has(cell, key)), "latency_p50_ns")


def meter_scopes(cell: NightCell, metric: str) -> tuple[MeterScope, ...]:
    """The scopes in which a cell has a value of an energy metric."""
    return tuple(scope for scope in get_args(MeterScope) if has(cell, metric, scope))


def _followed(cell: NightCell, metric: str | None, scope: MeterScope | None) -> tuple[str, MeterScope | None] | None:
    """What to follow a cell by; None where this night has no value of it."""
    if not cell.sound:
        return None
    if metric is None:
        found = headline(cell)
        return (found, None) if has(cell, found) else None
    if metric in ENERGY:
        scopes = meter_scopes(cell, metric)
        wanted = scope if scope is not None else next(iter(scopes), None)
        return (metric, wanted) if wanted in scopes else None
    return (metric, None) if has(cell, metric) else None


def _like(cell: NightCell, like: NightCell) -> NightCell:
    """A cell that shares with an equal one what does not change from night to night."""
    same = cell.identity_sha256 == like.identity_sha256
    return msgspec.structs.replace(
        cell,
        identity_sha256=like.identity_sha256 if same else cell.identity_sha256,
        key=like.key,
        model=like.model,
        backend=like.backend,
        scenario=like.scenario,
    )


def _versions(night: Night, backend: str) -> dict[str, str]:
    """What can vary for a cell of `backend`: the machine's and its own versions, the latter without its id."""
    prefix = f"{backend}."
    return {
        name.removeprefix(prefix): version
        for name, version in night.varying.items()
        if "." not in name or name.startswith(prefix)
    }


def gather(
    found: Iterable[Night],
    most: int,
    *,
    metric: str | None = None,
    scope: MeterScope | None = None,
    quick_looks: bool = False,
) -> Gathered:
    """Takes up to `most` nights, newest first, and keeps one copy of what their cells have in common.

    `metric` None: each cell by its `headline`. Runs that no comparison takes are left out unless `quick_looks`.
    """
    kept = Gathered()
    newer: dict[str, dict[str, str]] = {}
    for night in found:
        if not (night.comparable or quick_looks):
            kept.quick_looks += 1
            continue
        if len(kept.nights) == most:
            break
        bare = msgspec.structs.replace(night, cells=())
        backends = {cell.backend for cell in night.cells}
        now = {backend: _versions(night, backend) for backend in backends}
        newer.update({name: versions for name, versions in now.items() if newer.get(name) != versions})
        for cell in night.cells:
            if cell.purpose == "floor":
                continue
            like = kept.newest.setdefault(cell.id, cell)
            kept.without.setdefault(cell.id, len(kept.nights))
            if cell.id not in kept.metric and (by := _followed(cell, metric, scope)) is not None:
                kept.metric[cell.id] = by
            kept.seen.setdefault(cell.id, []).append(Seen(bare, _like(cell, like), newer[cell.backend]))
        kept.nights.append(bare)
    return kept


def least_change(metric: str) -> float:
    """The smallest step of log cost that is called a change point."""
    effect = MINIMUM_EFFECT.get(metric, _ENERGY_EFFECT if metric in ENERGY else _EFFECT)
    return math.log1p(effect * _LEAST_SHARE)


def _value(log_cost: float, metric: str) -> float:
    return math.exp(-log_cost if METRICS[metric].worse == "lower" else log_cost)


def _why(cell: NightCell, unusable: int, metric: str, scope: MeterScope | None) -> Text:
    """Why a night has no value."""
    if not cell.sound:
        if cell.reasons:
            return cell.reasons[0]
        if cell.failures:
            return Text(en=cell.failures[0].message, ko=cell.failures[0].message)
        return Text(en="no reason was recorded", ko="기록된 이유 없음")
    found = cell.spread(metric, scope)
    if found is not None and found.reason:
        return Text(en=found.reason, ko=found.reason)
    if unusable:
        return Text(en=f"{unusable} launches gave no value", ko=f"실행 {unusable}회에 값이 없음")
    return Text(en="not measured", ko="측정하지 않음")


def _changed(before: Mapping[str, str] | None, now: Mapping[str, str]) -> tuple[Version, ...]:
    if before is None or before is now:
        return ()
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return tuple(Version(name=name, base=before.get(name), new=now.get(name)) for name in names)


def _points(found: Changes, nights: Sequence[TrendNight], metric: str) -> list[TrendChange]:
    points = []
    for point in found.points:
        before, after = _value(point.before, metric), _value(point.after, metric)
        points.append(
            TrendChange(
                run=nights[point.index].run,
                created=nights[point.index].created,
                change=after / before - 1,
                before=before,
                after=after,
                worse=None if METRICS[metric].worse == "neither" else point.change > 0,
            )
        )
    return points


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What `follow` is asked: the nights that had a cell, at least one and oldest first, and a metric of it."""

    seen: Iterable[Seen]
    metric: str
    scope: MeterScope | None = None
    absent_since: int = 0


def followed(kept: Gathered, cell: str, default: str = "latency_p50_ns") -> Followed:
    """What is asked about a cell of these nights; `default` is what one is followed by that never had a value."""
    metric, scope = kept.metric.get(cell, (default, None))
    return Followed(seen=reversed(kept.seen[cell]), metric=metric, scope=scope, absent_since=kept.without[cell])


class _Lined(msgspec.Struct, frozen=True):
    """A history before its change points are known: `lines` are places in `rows`, `series` what is asked of each."""

    asked: Followed
    newest: NightCell
    rows: list[TrendNight]
    lines: list[list[int]]
    series: list[Series]


def follow(cells: Iterable[Followed], find: FindChanges = changes_of) -> list[CellTrend]:
    """The histories of cells, in order. `find`: `changes_of`, or where that runs."""
    lined: list[_Lined] = []

    def series() -> Iterator[Series]:
        for asked in cells:
            lined.append(_lined(asked))
            yield from lined[-1].series

    found = iter(find(series()))
    return [_judged(one, [next(found) for _ in one.series]) for one in lined]


def _lined(asked: Followed) -> _Lined:
    """The rows of a cell's table without what change points say, and where its lines are."""
    metric, scope = asked.metric, asked.scope
    rows: list[TrendNight] = []
    means: list[float | None] = []
    errors: list[float] = []
    lines: list[list[int]] = [[]]
    identity, versions = None, None
    for item in asked.seen:
        night, cell = item.night, item.cell
        spread = cell.spread(metric, scope)
        costs = log_costs(spread, metric) if cell.sound else ()
        unusable = len(spread.launches) - len(costs) if spread is not None else 0
        now = cell.identity_sha256, cell.execution_kind
        # A failed cell has no execution kind; it ends no line.
        if costs and identity is not None and now != identity:
            lines.append([])
        identity = now if costs else identity
        mean = math.fsum(costs) / len(costs) if costs else None
        if mean is not None and len(costs) > 1:
            variance = math.fsum([(cost - mean) ** 2 for cost in costs]) / (len(costs) - 1)
            errors.append(math.sqrt(variance / len(costs)))
        means.append(mean)
        lines[-1].append(len(rows))
        rows.append(
            TrendNight(
                run=night.id,
                created=night.created,
                profile=night.profile,
                verdict=cell.verdict,
                execution_kind=cell.execution_kind,
                line=len(lines) - 1,
                value=None if mean is None else _value(mean, metric),
                launches=len(costs),
                unusable=unusable,
                reason=_why(cell, unusable, metric, scope) if mean is None else None,
                changed=_changed(versions, item.versions),
            )
        )
        versions = item.versions
    noise = sorted(errors)[len(errors) // 2] if errors else 0.0
    series = [Series(tuple([means[place] for place in line]), least_change(metric), noise) for line in lines]
    return _Lined(asked, item.cell, rows, lines, series)


def _judged(lined: _Lined, found: Sequence[Changes]) -> CellTrend:
    """A history with what was found in each of its lines."""
    metric, newest, rows = lined.asked.metric, lined.newest, lined.rows
    changes: list[TrendChange] = []
    for line, one in zip(lined.lines, found, strict=True):
        changes += _points(one, [rows[place] for place in line], metric)
        for place in one.outliers:
            rows[line[place]] = msgspec.structs.replace(rows[line[place]], outlier=True)
    last = found[-1]
    return CellTrend(
        id=newest.id,
        key=newest.key,
        model=newest.model,
        backend=newest.backend,
        precision=newest.precision,
        scenario=newest.scenario,
        scope=newest.scope,
        metric=metric,
        meter_scope=lined.asked.scope,
        unit=METRICS[metric].unit,
        nights=tuple(rows),
        changes=tuple(changes),
        spread=None if last.scale is None else math.expm1(last.scale),
        pending=last.pending,
        absent_since=lined.asked.absent_since,
    )
