"""Backends, machines and runs ranked on the same work, in two divisions (METRICS.md, Quality).

Guarantees: only cells of one model, workload, data, scenario, scope and ruleset stand in one table, measured by one
profile; what differs in these is named and left out. Execution kinds and scopes of metering are never side by side. A
cell that is no result (invalid, unsupported, absent, simulated, unproven) is listed with its reason, never dropped. How
a backend is driven in `offline` (batch, sessions, requests in flight) is its own choice: its best one counts.

In scopes of metering smaller than the machine (card, device, package …) devices of unlike type or vendor get no place:
what such a scope covers differs between them (METRICS.md, Energy).

Not aware of: which cells may stand together (`rankable`), files (`store`), how it is shown (`report.ranking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from npubench import scenarios
from npubench.lang import Text
from npubench.metrics import ENERGY, METRICS, THROUGHPUT, capacity_metric, sustained_metric
from npubench.schema import VALIDITY_TEXT, Cell, Run
from npubench.spi import MeterScope
from npubench.stats.compared import LABELS, Rule, RunRef
from npubench.stats.placing import figure, front, order, placed
from npubench.stats.rankable import Found, alike, asked, group, left_out, never_planned, no_result
from npubench.stats.ranked import Division, Entry, Figure, Ranking, Row, Table, Unranked

# Best first: the figure that a buyer of this service reads.
_ENERGY = (
    "cameras_per_w", "users_per_w", "tokens_per_j", "energy_per_page_j", "energy_per_frame_j", "energy_per_request_j",
)  # fmt: skip
_WHOLE: tuple[MeterScope, ...] = ("node", "wall")


def speed_metrics(cell: Cell) -> tuple[str, ...]:
    """What a cell is ranked by, the most important first."""
    load = scenarios.searched(cell.scenario) if cell.scenario.name in scenarios.KINDS else None
    if load is not None:
        return capacity_metric(load, cell.unit)[0], sustained_metric(cell.unit)[0]
    rate = THROUGHPUT.get(cell.unit, THROUGHPUT["sample"])[0]
    if cell.scenario.name == "offline":
        return (rate,)
    if cell.unit == "token":
        return rate, "ttft_p99_ns", "tpot_p99_ns"
    return "latency_p50_ns", "latency_p99_ns"


def rank(runs: Sequence[Run], *, allow: Sequence[str] = (), rule: Rule | None = None) -> Ranking:
    """The ranking of every cell of `runs`. `allow`: fields (`profile`, `data` …) that may differ within a table."""
    confidence = (rule or Rule()).confidence
    found = [Found(run, cell) for run in runs for cell in run.cells if cell.purpose == "measure"]
    unranked: list[Unranked] = [*never_planned(runs)]
    tables: list[Table] = []
    groups: dict[tuple[Any, ...], list[Found]] = {}
    for item in found:
        if (why := no_result(item)) is not None:
            unranked.append(why)
        else:
            groups.setdefault(group(item.cell), []).append(item)
    for together in groups.values():
        same, others = alike(together, allow)
        unranked += others
        tables += _tables(same, confidence, unranked)
    return Ranking(
        runs=tuple(RunRef.of(run) for run in runs),
        confidence=confidence,
        allow=tuple(dict.fromkeys(allow)),
        tables=tuple(tables),
        unranked=tuple(unranked),
    )


def _tables(same: Sequence[Found], confidence: float, unranked: list[Unranked]) -> Iterator[Table]:
    """Of one group: the fixed division by precision, then the open one, each by speed and by energy."""
    by_precision: dict[str, list[Found]] = {}
    for item in same:
        by_precision.setdefault(item.cell.precision, []).append(item)
    for precision, items in by_precision.items():
        yield from _of_division(_best(items, confidence, variants=True), "fixed", precision, confidence)
    passed = []
    for item in same:
        if (quality := _quality(item.cell)) == "passed":
            passed.append(item)
            continue
        said = Text(en=f"quality is {quality}", ko="품질 미확인" if quality == "unknown" else "품질 미달")
        why = [Text(en=item.cell.quality_reason, ko=item.cell.quality_reason)] if item.cell.quality_reason else []
        unranked.append(left_out(item, "quality", said, *why, division="open"))
    if passed:
        yield from _of_division(_best(passed, confidence, variants=False), "open", None, confidence)


def _quality(cell: Cell) -> Any:
    return cell.quality.verdict if cell.quality is not None else "unknown"


def _best(items: Sequence[Found], confidence: float, *, variants: bool) -> list[Found]:
    """Of each backend on each machine in each run the best configuration; in the fixed division of each variant."""
    best: dict[tuple[str, ...], tuple[tuple[float, float], Found]] = {}
    for item in items:
        run, cell = item
        variant = cell.key.get("variant", "") if variants else ""
        key = (run.id, run.machine.name, cell.backend, cell.key.get("devices", ""), variant)
        name = speed_metrics(cell)[0]
        at = order(figure(cell, name, cell.summary.get(name), confidence))
        if key not in best or at < best[key][0]:
            best[key] = at, item
    return [item for _, item in best.values()]


def _of_division(
    items: Sequence[Found], division: Division, precision: str | None, confidence: float
) -> Iterator[Table]:
    first = items[0].cell
    keys = speed_metrics(first)
    speeds = [[figure(item.cell, key, item.cell.summary.get(key), confidence) for key in keys] for item in items]
    yield _table(items, division, precision, keys, speeds)
    scopes: dict[MeterScope, None] = dict.fromkeys(scope for item in items for scope in item.cell.efficiency)
    for scope in scopes:
        known = [item.cell.efficiency[scope] for item in items if scope in item.cell.efficiency]
        key = next((name for name in _ENERGY if any(name in metrics for metrics in known)), None)
        if key is not None:
            figures = [
                (_energy(item.cell, scope, key, confidence), speed[0])
                for item, speed in zip(items, speeds, strict=True)
            ]
            yield _table(items, division, precision, (key, keys[0]), figures, scope)


def _energy(cell: Cell, scope: MeterScope, key: str, confidence: float) -> Figure:
    found = figure(cell, key, cell.efficiency.get(scope, {}).get(key), confidence)
    if scope not in cell.efficiency and cell.energy_reason is not None:
        return msgspec.structs.replace(found, reason=cell.energy_reason)
    return found


_UNLIKE = Text(
    en="no places: what this scope of metering covers differs between unlike devices; rank them by the whole machine",
    ko="순위 없음: 종류가 다른 장치는 이 측정 범위에 포함되는 것이 서로 다릅니다. 장비 전체 전력으로 비교하세요",
)


def _table(
    items: Sequence[Found],
    division: Division,
    precision: str | None,
    keys: tuple[str, ...],
    figures: Sequence[Sequence[Figure]],
    scope: MeterScope | None = None,
) -> Table:
    sorts = {_sort(item.cell) for item in items if scope in item.cell.efficiency}
    unlike = scope is not None and scope not in _WHOLE and len(sorts) > 1
    columns = [[row[at] for row in figures] for at in range(len(keys))]
    placing = [tuple(column) if unlike else placed(column) for column in columns]
    fronts: Sequence[bool | None] = [None] * len(items)
    if scope is not None and not unlike:
        fronts = front([(speed, energy) for energy, speed in figures])
    rows = [
        Row(entry=_entry(item), figures=tuple(column[at] for column in placing), front=fronts[at])
        for at, item in enumerate(items)
    ]
    rows.sort(key=lambda row: order(row.figures[0]))
    cell = items[0].cell
    assert cell.execution_kind is not None
    return Table(
        model=cell.model,
        scenario=asked(cell.scenario),
        scope=cell.scope,
        kind=cell.execution_kind,
        division=division,
        precision=precision,
        meter_scope=scope,
        mix=cell.key.get("mix"),
        metrics=keys,
        rows=tuple(rows),
        notes=(_UNLIKE,) if unlike else (),
    )


def _sort(cell: Cell) -> tuple[str, str]:
    """Type and vendor of the device."""
    device = cell.identity.get("device") or {}
    return str(device.get("type")), str(device.get("vendor"))


_QUALITY = Text(en="quality unknown", ko="품질 미확인")
_LACKS = Text(en="lacks by its ruleset", ko="규칙상 부족한 것 있음")


def _entry(item: Found) -> Entry:
    run, cell = item
    labels = [LABELS["cpu_assisted"]] if cell.certificate is not None and cell.certificate.extent == "assisted" else []
    labels += [LABELS["overhead_bound"]] if cell.overhead_bound else []
    labels += [VALIDITY_TEXT["degraded"]] if cell.verdict == "degraded" else []
    labels += [_QUALITY] if _quality(cell) == "unknown" else []
    labels += [_LACKS] if cell.lacks else []
    return Entry(
        cell=cell.id,
        run=run.id,
        machine=run.machine.name,
        backend=cell.backend,
        precision=cell.precision,
        variant=cell.key.get("variant", "portable"),
        scenario=cell.scenario,
        devices=cell.key.get("devices", "1"),
        verdict=cell.verdict,
        quality=_quality(cell),
        tuned=cell.tuning.best if cell.tuning is not None else None,
        labels=tuple(labels),
    )


assert set(_ENERGY) <= set(ENERGY) <= set(METRICS)
