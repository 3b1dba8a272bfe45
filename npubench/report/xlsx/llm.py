"""The sheets of language models: every cell, and the grid of K-Perf's axes with its charts.

K-Perf's axes are precision × input length × output length × concurrency (Korea's indicator for NPUs, announced
2025-12-10; its list of metrics is not public). A grid has a row for each pair of lengths and concurrency and a column
for each backend and precision; one metric, execution kind, scope, model and way of arrival to a grid.

Guarantees: the concurrency of a closed loop is what was in flight; of requests at random moments there is none. What is
no result is an empty cell. Not aware of: how tokens are counted (`stats.tokens`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from npubench import scenarios, traffic
from npubench.errors import UnknownNameError
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report.numbers import model_name
from npubench.report.power_figures import covering
from npubench.report.power_words import scope_name
from npubench.report.words import same
from npubench.report.xlsx import heads
from npubench.report.xlsx.builds import BOUNDS, Build
from npubench.report.xlsx.heads import Item, Kind, efficiency, grouped, metric, quality, unit_of, with_unit
from npubench.report.xlsx.parts import (
    Chart,
    Column,
    Figure,
    Head,
    Sheet,
    Table,
    Value,
    bars,
    decimals,
    led,
    listed,
    table,
)
from npubench.schema import Run, Scenario
from npubench.spi import MeterScope

LLM = Text(en="LLM", ko="LLM")
GRID = Text(en="LLM grid", ko="LLM 격자")
_TITLE = Text(en="Language models: every load", ko="언어 모델: 모든 부하")
_GRID_TITLE = Text(
    en="Language models: precision × input length × output length × concurrency",
    ko="언어 모델: 정밀도 × 입력 길이 × 출력 길이 × 동시 요청",
)
_SAID = Text(
    en="TTFT: from a request's scheduled moment to its first token. TPOT: the mean time per output token after it. "
    "Concurrency: requests that were in flight at once.",
    ko="TTFT는 요청이 예정된 시각부터 첫 토큰까지의 시간, TPOT는 그 뒤 출력 토큰 하나당 평균 시간입니다. 동시 요청은 "
    "한꺼번에 처리 중이던 요청 수입니다.",
)
_DRAFT = Text(
    en="The axes are those of Korea's K-Perf indicator, whose list of metrics is not public: a draft, not a K-Perf "
    "result.",
    ko="축은 국내 K-Perf 지표를 따르지만 K-Perf의 지표 목록은 공개되지 않았습니다. 초안이며 K-Perf 공식 결과가 "
    "아닙니다.",
)
_NOT_GIVEN = Text(en="the result file does not say", ko="결과 파일에 없음")
_OPEN = Text(en="requests come at random moments", ko="요청이 무작위로 도착함")
_SHORT = ("TTFT", "TPOT", "ITL")

IN = Column(title=Text(en="Input tokens", ko="입력 토큰"), form="count")
OUT = Column(title=Text(en="Output tokens", ko="출력 토큰"), form="count")
AT_ONCE = Column(title=Text(en="Concurrency", ko="동시 요청"), form="count")
_LENGTHS = Column(title=Text(en="Input → output tokens", ko="입력 → 출력 토큰"), form="text")


def lengths(run: Run, model: str, scenario: Scenario) -> tuple[int | None, int | None]:
    """(input, output) tokens of a request, from the scenario, else the model's card; None where nothing says so."""
    card = run.models.get(model)
    known = card.get("params") if isinstance(card, Mapping) else None
    found = dict(known) if isinstance(known, Mapping) else {}
    try:
        found.update(traffic.params(scenario))
    except (UnknownNameError, TypeError, ZeroDivisionError):
        # A name that another version of npubench knows, or a file that somebody wrote.
        found.update({"prompt_tokens": scenario.params.get("in"), "new_tokens": scenario.params.get("out")})

    def whole(value: object) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return whole(found.get("prompt_tokens")), whole(found.get("new_tokens"))


def concurrency(item: Item) -> float | None:
    """Requests in flight at once; None where they come at moments of their own."""
    scenario, found = item.cell.scenario, item.cell.capacity
    params = {key: value for key, value in scenario.params.items() if isinstance(value, (int, float))}
    if scenario.name == "single-stream":
        return 1
    if scenario.name == "users":
        return params.get("users", found.confirmed if found is not None and found.confirmed else None)
    if item.cell.tuning is not None:
        # The scenario has what was asked; the tuner chose how it ran.
        best = item.cell.tuning.best
        return best.batch * best.lanes
    if scenario.name in ("offline", "multi-stream"):
        return params.get("batch", 1) * params.get("instances", 1) * params.get("inflight", 1)
    return None


def _length(place: int) -> Head:
    return Head(
        (IN, OUT)[place],
        lambda item: Figure(lengths(item.run, item.cell.model, item.cell.scenario)[place], _NOT_GIVEN),
    )


def _at_once(item: Item) -> Figure:
    return Figure(concurrency(item), _OPEN if item.cell.scenario.name == "server" else _NOT_GIVEN)


def _short(key: str) -> Text:
    """`TTFT p99`: a head that fits its column."""
    stem, percent, _ = key.split("_")
    return Text(en=f"{stem.upper()} {percent}", ko=f"{stem.upper()} {percent}")


_LEADING = ("ttft_p50_ns", "ttft_p99_ns", "tpot_p50_ns")


def _time(key: str) -> Head:
    head = metric(key, _short(key))
    return led(head) if key in _LEADING else head


_TIMES = tuple(_time(key) for key in METRICS if key.partition("_")[0].upper() in _SHORT and key.endswith("_ns"))
_HELD_USERS = led(metric("capacity_users"))
_RATES = (
    led(metric("tokens_per_s")),
    metric("tokens_per_s_user_p50"),
    metric("goodput_requests_per_s"),
    led(metric("capacity_requests_per_s")),
    metric("sustained_requests_per_s"),
    metric("output_tokens_p50"),
)
_BOUND = Head(BOUNDS.column, lambda item: BOUNDS.says(Build((item,))))


def _scopes(items: Sequence[Item]) -> tuple[MeterScope, ...]:
    return covering([[item.cell] for item in items])


def _columns(items: Sequence[Item]) -> list[Head]:
    found = [
        _LABEL,
        heads.MODEL,
        heads.PRECISION,
        heads.BACKEND,
        led(heads.LOAD),
        led(_length(0)),
        led(_length(1)),
    ]
    found += [led(Head(AT_ONCE, _at_once)), *_TIMES, *_RATES, _HELD_USERS]
    for where in _scopes(items):
        found += [led(efficiency("tokens_per_j", where)), efficiency("power_mean_w", where)]
    found += [quality("token_likelihood"), quality("kl")]
    return [*found, *heads.WHERE, _BOUND, heads.JUDGED, heads.WHY]


def _alone(items: list[Item]) -> list[tuple[Kind, list[Item]]]:
    """The cells that may stand side by side."""
    every = grouped([item for item in items if item.cell.unit == "token"]).items()
    return [(kind, together) for kind, together in every if not kind.mixed and kind.kind is not None]


def sheet(items: list[Item]) -> Sheet | None:
    """Every cell of every language model; None where there is none."""
    found = [
        table(kind.title, _columns(each), each, said=[_SAID], tone=lambda item: item.tone, toned=heads.VERDICT)
        for kind, each in _alone(items)
    ]
    return Sheet(name=LLM, title=_TITLE, tables=tuple(found)) if found else None


class _Shown(NamedTuple):
    """A metric of the grid: its title and unit, and what it says of a cell."""

    title: Text
    unit: Text
    head: Head
    where: MeterScope | None = None


def _shown(items: Sequence[Item]) -> list[_Shown]:
    """TTFT, TPOT, tokens/s and tokens/J, of each scope of metering its own."""
    found = []
    for key in ("tokens_per_s", "ttft_p99_ns", "tpot_p99_ns", "ttft_p50_ns", "tpot_p50_ns"):
        unit = unit_of(METRICS[key].unit)[1]
        found.append(_Shown(METRICS[key].title, unit, metric(key)))
    for where in _scopes(items):
        title, name = METRICS["tokens_per_j"].title, scope_name(where)
        said = Text(en=f"{title.en}, {name.en}", ko=f"{title.ko}, {name.ko}")
        found.append(_Shown(said, unit_of("tokens/J")[1], efficiency("tokens_per_j", where), where))
    return found


_Place = tuple[float, float, float]


_LABEL = Head(heads.LABEL.column, lambda item: Figure(_series(item)))


def _grid(kind: Kind, model: Text, arrival: Text, items: Sequence[Item], shown: _Shown) -> Table | None:
    """One metric: a row for each lengths and concurrency, a column for each backend and precision."""
    columns: dict[Text, None] = {}
    values: dict[_Place, dict[Text, float]] = {}
    for item in items:
        name = _series(item)
        columns.setdefault(name)
        sizes = lengths(item.run, item.cell.model, item.cell.scenario)
        at_once = concurrency(item)
        if None in sizes or at_once is None:
            continue
        row = values.setdefault((float(sizes[0] or 0), float(sizes[1] or 0), float(at_once)), {})
        found = shown.head.says(item).value
        if isinstance(found, (int, float)):
            row.setdefault(name, found)
    numbers = [value for row in values.values() for value in row.values()]
    if not numbers:
        return None
    rows: list[tuple[Value, ...]] = []
    before: tuple[float, float] | None = None
    for ins, outs, at_once in sorted(values):
        # The words stand once for all rows of a pair, which is how a spreadsheet draws two lines of labels.
        words = None if before == (ins, outs) else f"{ins:,.0f} → {outs:,.0f}"
        before = (ins, outs)
        row = values[ins, outs, at_once]
        rows.append((words, at_once, *(row.get(name) for name in columns)))
    axis = heads.capital(with_unit(shown.title, shown.unit))
    chart = Chart(axis, axis) if shown.where is None or heads.alike(shown.where, items) else None
    series = [Column(title=name, decimals=decimals(numbers), chart=chart) for name in columns]
    made = Table(
        title=listed([axis, model, arrival, kind.title], " · "),
        columns=(_LENGTHS, AT_ONCE, *series),
        rows=tuple(rows),
        filtered=False,
    )
    return bars(made, [(0, len(rows), model)], (0, 1), _X)


_AXES = ("in", "out", "users", "batch", "instances", "inflight")
_X = Text(en="input → output tokens, concurrency", ko="입력 → 출력 토큰, 동시 요청")


def _series(item: Item) -> Text:
    """A column of the grid: a cell's label without its lengths, which are the rows."""
    scenario = item.cell.scenario
    rest = {key: value for key, value in scenario.params.items() if key not in _AXES}
    plain = msgspec.structs.replace(item.cell, scenario=Scenario(name=scenario.name, params=rest))
    return heads.label(item._replace(cell=plain))


def _arrival(scenario: Scenario) -> Text:
    known = scenarios.KINDS.get(scenario.name)
    return known.title if known is not None else same(scenario.name)


def grid(items: list[Item]) -> Sheet | None:
    """The grids of every metric with their charts; None where there is none."""
    found: list[Table] = []
    for kind, together in _alone(items):
        groups: dict[tuple[str, str], list[Item]] = {}
        for item in together:
            groups.setdefault((item.cell.model, item.cell.scenario.name), []).append(item)
        for (model, _), each in groups.items():
            name = model_name(each[0].run, model).title
            arrival = _arrival(each[0].cell.scenario)
            made = [_grid(kind, name, arrival, each, shown) for shown in _shown(each)]
            found += [table for table in made if table is not None]
    return Sheet(name=GRID, title=_GRID_TITLE, prose=(_SAID, _DRAFT), tables=tuple(found)) if found else None
