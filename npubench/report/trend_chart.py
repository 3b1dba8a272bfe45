"""The history of a cell as a picture for the page: a line per identity, levels, change points, versions and gaps.

Guarantees what `charts` does: no foreign text enters the specification; text as text, in both languages. A cell without
any value has no picture. Outliers are drawn hollow, at the edge where they would flatten everything else.

Not aware of: the table beside it (`trend`), where it stands on the page.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from npubench.lang import Text
from npubench.report.charts import HOUSE, INK, colour, drawn, labels, layer
from npubench.report.trend import metric
from npubench.stats.compared import percent
from npubench.stats.trend import CellTrend, TrendNight
from npubench.units import show

_WIDTH, _HEIGHT = 470, 180
_MOST_DATES = 6
_DAY_S = 86_400.0
# The height of the axis is at least this share of the level, so that a history that only wavers looks flat.
_SPAN = 0.1
_NIGHT = Text(en="night", ko="일자")


def _day(created: str) -> float | None:
    """Days since 1970; None for what is no time."""
    try:
        found = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp() / _DAY_S


def _dates(first: float, last: float) -> list[tuple[float, str]]:
    """At most _MOST_DATES days between the two, as month and day."""
    step = max(1, round((last - first) / (_MOST_DATES - 1)))
    days = range(int(first), int(last) + 1, step)
    return [(float(day), f"{datetime.fromtimestamp(day * _DAY_S, timezone.utc):%m-%d}") for day in days]


def _domain(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = max((high - low) * 0.1, ((high + low) / 2 * _SPAN - (high - low)) / 2)
    return low - pad, high + pad


def trend_spec(cell: CellTrend) -> dict[str, Any] | None:
    """The Vega-Lite specification; None where no night has a value."""
    dated = [(day, night) for night in cell.nights if (day := _day(night.created)) is not None]
    known = [(day, night, night.value) for day, night in dated if night.value is not None]
    if not known:
        return None
    low, high = _domain([value for _, night, value in known if not night.outlier] or [value for *_, value in known])
    first, last = dated[0][0], max(dated[-1][0], dated[0][0] + 1)
    dates = _dates(first, last)
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [first, last + (last - first) * 0.02], "nice": False},
        "axis": {
            "values": [day for day, _ in dates],
            "labelExpr": labels(tuple(dates)),
            "title": _NIGHT.en,
        },
    }
    ticks = [low + (high - low) * share for share in (0.1, 0.5, 0.9)]
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False, "zero": False, "clamp": True},
        "axis": {
            "values": ticks,
            "labelExpr": labels(tuple((tick, show(tick, cell.unit)) for tick in ticks)),
            "title": metric(cell).en,
        },
    }
    data: dict[str, list[dict[str, float]]] = {}
    layers = _steps(cell, dict(_by_run(dated)), x)
    for number, part in enumerate(_unbroken(dated)):
        data[f"line-{number}"] = part
        look = {"type": "line", "color": colour(0), "strokeWidth": 1.4, "clip": True}
        layers.append(layer(look, {"x": x, "y": y}, f"line-{number}"))
    point = {"type": "point", "size": 22, "opacity": 1, "filled": True, "stroke": colour(0), "strokeWidth": 1}
    for name, fill, wanted in (("usual", colour(0), False), ("off", "#fffffe", True)):
        data[name] = [{"x": day, "y": value} for day, night, value in known if night.outlier is wanted]
        layers.append(layer({**point, "color": fill}, {"x": x, "y": y}, name))
    marks: tuple[tuple[str, str, str, list[float]], ...] = (
        ("versions", "triangle-up", colour(2), [day for day, night in dated if night.changed]),
        ("gaps", "cross", colour(1), [day for day, night in dated if night.value is None]),
    )
    for name, shape, fill, days in marks:
        data[name] = [{"x": day} for day in days]
        look = {"type": "point", "shape": shape, "size": 40, "filled": True, "opacity": 1, "color": fill}
        layers.append(layer(look, {"x": x, "y": {"value": _HEIGHT - 6}}, name))
    return {"width": _WIDTH, "height": _HEIGHT, "layer": layers, "datasets": data, **HOUSE}


def _unbroken(dated: list[tuple[float, TrendNight]]) -> list[list[dict[str, float]]]:
    """The points of each stretch without a gap and of one identity; an outlier is no point and no gap."""
    parts: list[list[dict[str, float]]] = [[]]
    earlier = dated[0][1].line
    for day, night in dated:
        if night.value is None or night.line != earlier:
            parts.append([])
        earlier = night.line
        if night.value is not None and not night.outlier:
            parts[-1].append({"x": day, "y": night.value})
    return [part for part in parts if len(part) > 1]


def _by_run(dated: list[tuple[float, TrendNight]]) -> list[tuple[str, float]]:
    return [(night.run, day) for day, night in dated]


def _steps(cell: CellTrend, days: dict[str, float], x: dict[str, Any]) -> list[dict[str, Any]]:
    """A rule and a size at every change point."""
    layers = []
    for change in cell.changes:
        if change.run in days:
            at = {"x": {**{key: x[key] for key in ("type", "scale", "axis")}, "datum": days[change.run]}}
            rule = {"type": "rule", "color": INK, "strokeWidth": 1.2, "strokeDash": [5, 3]}
            size = {
                "type": "text",
                "text": f"{percent(change.change)} %",
                "color": INK,
                "fontSize": 12,
                "align": "right",
            }
            layers += [layer(rule, at), layer({**size, "dx": -4, "dy": 8}, {**at, "y": {"value": 0}})]
    return layers


def trend_chart(cell: CellTrend, key: str) -> str | None:
    """The picture as SVG for inline use; `key` is the id of its figure, `<key>-t` names its caption."""
    spec = trend_spec(cell)
    return None if spec is None else drawn(spec, key, (metric(cell), _NIGHT))
