"""Static charts: Vega-Lite specifications, drawn once to SVG with text as text. Draws and decides nothing.

Names never enter a specification: lines are numbered, and the table under a chart is its key. So no foreign text
passes through Vega's expressions or the renderer. A mark that stands for a number says where it is in the tables below
(`at`), and the page's script shows it from there: a picture holds no number of its own. Colours are Okabe and Ito's
palette ("Color Universal Design", 2008), safe for colour-blind readers, and every line has a dash pattern as well; the
page's style sheet replaces them by their lighter twins on a dark ground, which is why ink and grid have colours of
their own here.

The specifications are plain dictionaries: Altair would take as long as drawing does to load and to check, for every
page, what never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.lang import Text
from npubench.report.latency import Bars, Chart, Line
from npubench.report.painter import convert
from npubench.report.shown_loads import Curve
from npubench.report.svg import inline
from npubench.units import show_share

# Blue, vermillion, green, purple, orange, sky blue, ink: the ones with most contrast on white come first.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (12, 4), (5, 2, 2, 2, 2, 2))
INK, GRID = "#111112", "#dddddc"
_SHAPES = {"p50": "circle", "p90": "square", "p99": "diamond"}
# A pre-empted request: a cross, drawn as strokes.
_CROSS = "M-1,-1L1,1M1,-1L-1,1"
_WIDTH, _HEIGHT, _BARS_HEIGHT = 470, 250, 34

_DROPS_HEIGHT = 56
# For the words at the left, so that all pictures of a figure begin at the same place.
_BARS_MARGIN = 44
# Lines of a load curve by percentile → (colour, dash): told apart without colour as well.
LOAD_LINES = {"p50": (2, 2), "p90": (4, 1), "p99": (0, 0)}

_X_TITLE = Text(en="latency of a request", ko="요청 하나의 지연 시간")
_Y_TITLE = Text(en="share of requests done", ko="완료된 요청의 비율")


def dash(index: int) -> str:
    """The dash pattern of a line as an SVG attribute; empty for a solid line."""
    pattern = DASHES[index % len(DASHES)]
    return "" if pattern[1] == 0 else " ".join(str(length) for length in pattern)


def colour(index: int) -> str:
    """The colour of a line on a light ground."""
    return PALETTE[index % len(PALETTE)]


# The look of every chart.
HOUSE: dict[str, Any] = {
    "background": "transparent",
    "padding": 4,
    "config": {
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": {
            "gridColor": GRID, "domainColor": GRID, "ticks": False, "labelColor": INK, "titleColor": INK,
            "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelPadding": 6,
            "titlePadding": 10, "labelOverlap": "greedy", "labelSeparation": 8,
        },
    },
}  # fmt: skip


def labels(ticks: tuple[tuple[float, str], ...]) -> str:
    """A Vega expression that maps each tick to its label. The nearest tick decides: floats may differ in a last bit."""
    values = msgspec.json.encode([value for value, _ in ticks]).decode()
    labels = msgspec.json.encode([label for _, label in ticks]).decode()
    return f"{labels}[indexof({values}, datum.value)]"


def at(table: str, row: int, column: int) -> str:
    """Where a mark's number stands: the letter of a table of the figure (`<key>-<letter>`), its row and column.

    As the mark's `description`, which `svg.inline` turns into `data-at`. Column 0 is a row's heading.
    """
    return f"{table}:{row}:{column}"


AT: dict[str, Any] = {"description": {"field": "at", "type": "nominal"}}
"""The channel of `at`."""


def latency_spec(chart: Chart) -> dict[str, Any]:
    """The Vega-Lite specification of a latency chart: a line per launch, below it the histogram of each cell."""
    scale = {
        "type": "log" if chart.x_log else "linear", "domain": list(chart.x_domain), "nice": False, "zero": False,
    }  # fmt: skip
    ticks = {"values": [value for value, _ in chart.x_ticks], "labelExpr": labels(chart.x_ticks)}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": {**ticks, "title": None}}
    y_axis = {"values": [value for value, _ in chart.y_ticks], "labelExpr": labels(chart.y_ticks)}
    y = {
        "field": "y", "type": "quantitative",
        "scale": {"domain": [0, chart.y_top], "nice": False},
        "axis": {**y_axis, "title": _Y_TITLE.en, "minExtent": _BARS_MARGIN},
    }  # fmt: skip
    data: dict[str, list[dict[str, Any]]] = {}
    layers = []
    for number, line in enumerate(chart.lines):
        look = {"type": "line", "strokeWidth": 1.8, "interpolate": "step-after", "clip": True}
        look |= {"color": colour(line.colour), "strokeDash": _pattern(line)}
        data[f"line{number}"] = [{"x": px, "y": py} for px, py in line.points]
        layers.append(layer(look, {"x": x, "y": y, "order": {"field": "y", "type": "quantitative"}}, f"line{number}"))
        if line.taken:
            data[f"taken{number}"] = [{"x": px, "y": py} for px, py in line.taken]
            cross = {"type": "point", "shape": _CROSS, "size": 16, "strokeWidth": 1.2, "color": INK, "opacity": 1}
            layers.append(layer({**cross, "filled": False}, {"x": x, "y": y}, f"taken{number}"))
    for number, mark in enumerate(chart.marks):
        data[f"mark{number}"] = [
            {"x": mark.x, "y": mark.y, "at": at("k", mark.series, 1 + list(_SHAPES).index(mark.name))}
        ]
        look = {"type": "point", "shape": _SHAPES[mark.name], "size": 52, "filled": True, "opacity": 1}
        look |= {"color": colour(mark.colour), "stroke": "#fffffe", "strokeWidth": 1}
        layers.append(layer(look, {"x": x, "y": y, **AT}, f"mark{number}"))
    pictures = [{"width": _WIDTH, "height": _HEIGHT, "layer": layers}]
    pictures += _histograms(chart, x, data)
    return {"vconcat": pictures, "spacing": 6, "datasets": data, **HOUSE}


def _pattern(drawn: Line | Bars) -> list[int]:
    return list(DASHES[drawn.dash % len(DASHES)])


def _histograms(chart: Chart, x: dict[str, Any], data: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """A picture per cell, in the order of the table: the bars of its launches over each other, its own zero."""
    places = {index: row for row, index in enumerate(chart.bins)}
    columns = list(dict.fromkeys(bars.series for bars in chart.bars))
    pictures = []
    for column, series in enumerate(columns):
        mine = [bars for bars in chart.bars if bars.series == series]
        most = max(n / bars.total for bars in mine for _, n, _ in bars.bins)
        last = column == len(columns) - 1
        below = {**x, "axis": {**x["axis"], "title": _X_TITLE.en} if last else {**x["axis"], "labels": False}}
        share = {
            "field": "y", "type": "quantitative",
            "scale": {"domain": [0, most], "nice": False},
            "axis": {
                "values": [0, most], "labelExpr": labels(((0.0, ""), (most, show_share(most)))), "title": None,
                "minExtent": _BARS_MARGIN, "labelBaseline": "top", "labelOverlap": False, "grid": False,
            },
        }  # fmt: skip
        # As the line of the cell in the table: the same backend has the same colour in two rows.
        swatch = {"type": "rule", "color": colour(mine[0].colour), "strokeWidth": 2.4, "strokeDash": _pattern(mine[0])}
        layers = [layer(swatch, {"x": {"value": 5}, "x2": {"value": 37}, "y": {"value": 7}})]
        for number, bars in enumerate(mine):
            name = f"bars{series}-{number}"
            ends = chart.edges
            data[name] = [
                {"x": ends[i], "x2": ends[i + 1], "y": n / bars.total, "at": at("h", places[i], 1 + 2 * column)}
                for i, n, _ in bars.bins
            ]
            taken = [{"x": ends[i], "x2": ends[i + 1], "y": n / bars.total} for i, _, n in bars.bins if n]
            place = {"x": below, "x2": {"field": "x2"}, "y": share, "y2": {"datum": 0}}
            # Launches that agree lie on each other and are dark; where they differ they are light.
            fill = {"type": "rect", "color": colour(bars.colour), "fillOpacity": 0.6 / len(mine), "clip": True}
            fill |= {"stroke": colour(bars.colour), "strokeWidth": 0.7, "strokeOpacity": 1}
            layers.append(layer(fill, {**place, **AT}, name))
            if taken:
                data[f"{name}-taken"] = taken
                layers.append(layer({"type": "rect", "color": INK, "opacity": 0.75}, place, f"{name}-taken"))
        pictures.append({"width": _WIDTH, "height": _BARS_HEIGHT, "layer": layers})
    return pictures


def latency_chart(chart: Chart, key: str) -> str:
    """A latency chart as SVG for inline use. `key` is the id of its figure; `<key>-t` names its caption."""
    return drawn(latency_spec(chart), key, (_X_TITLE, _Y_TITLE))


def load_chart(curve: Curve, key: str) -> str:
    """A load curve as SVG for inline use. `key` is the id of its figure; `<key>-t` names its caption."""
    return drawn(load_spec(curve), key, (curve.x_title, curve.y_title, _DROPPED, _BOUND, _HELD, _FAILED))


def drawn(spec: dict[str, Any], key: str, texts: Sequence[Text]) -> str:
    """A specification as SVG for inline use, with `texts` in both languages."""
    label = {"role": "img", "aria-labelledby": f"{key}-t", "data-key": key}
    return inline(convert(spec), key, {text.en: text for text in texts}, label)


_DROPPED = Text(en="dropped", ko="버려짐")
_BOUND = Text(en="bound", ko="한계")
_HELD = Text(en="held", ko="확인")
_FAILED = Text(en="failed", ko="실패")


def load_spec(curve: Curve) -> dict[str, Any]:
    """The Vega-Lite specification of a load curve: latency over load, and below it the share that was dropped."""
    x_scale = {"domain": list(curve.x_domain), "nice": False}
    x_axis = {"values": [value for value, _ in curve.x_ticks], "labelExpr": labels(curve.x_ticks)}
    x = {"field": "x", "type": "quantitative", "scale": x_scale, "axis": {**x_axis, "title": curve.x_title.en}}
    bare = {**x, "axis": {**x_axis, "title": None, "labels": False}}
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"type": "log" if curve.y_log else "linear", "domain": list(curve.y_domain), "nice": False},
        "axis": {
            "values": [value for value, _ in curve.y_ticks],
            "labelExpr": labels(curve.y_ticks),
            "title": curve.y_title.en,
        },
    }
    layers: list[dict[str, Any]] = []
    if curve.bound is not None:
        level = {"y": {"datum": curve.bound, "type": "quantitative"}}
        layers += [
            layer({"type": "rule", "color": INK, "strokeWidth": 1.4, "strokeDash": [5, 3]}, level),
            _word(_BOUND, {**level, "x": {"value": 4}}, {"align": "left", "dy": -7}),
        ]
    for load, text, dashes, align, side in (
        (curve.held, _HELD, [1, 0], "right", -5),
        (curve.failed, _FAILED, [2, 2], "left", 5),
    ):
        if load is not None:
            upright = {"x": {"datum": load, "type": "quantitative"}}
            rule = {"type": "rule", "color": INK, "strokeWidth": 1.2, "strokeDash": dashes}
            beside = {"align": align, "dx": side, "dy": 8}
            layers += [layer(rule, upright), _word(text, {**upright, "y": {"value": 0}}, beside)]
    data: dict[str, list[dict[str, Any]]] = {}
    for column, (name, points) in enumerate(curve.lines, 1):
        look, pattern = LOAD_LINES[name]
        data[name] = [{"x": px, "y": py} for px, py, _ in points]
        line = {"type": "line", "color": colour(look), "strokeWidth": 1.8, "strokeDash": list(DASHES[pattern])}
        layers.append(layer({**line, "clip": True}, {"x": x, "y": y}, name))
        point = {"type": "point", "shape": _SHAPES[name], "size": 44, "opacity": 1}
        full = {"filled": True, "color": colour(look), "stroke": "#fffffe", "strokeWidth": 1}
        # Hollow: of too few requests for its percentile.
        hollow = {"filled": True, "color": "#fffffe", "stroke": colour(look), "strokeWidth": 1.4}
        for kind, fill, wanted in (("full", full, True), ("few", hollow, False)):
            chosen = [
                {"x": px, "y": py, "at": at("k", curve.places[px], column)}
                for px, py, enough in points
                if enough is wanted
            ]
            if chosen:
                data[f"{name}-{kind}"] = chosen
                layers.append(layer({**point, **fill}, {"x": x, "y": y, **AT}, f"{name}-{kind}"))
    if curve.beyond:
        # At the upper edge, pointing out of the picture: p99 is infinite.
        data["beyond"] = [{"x": px, "at": at("k", curve.places[px], 3)} for px in curve.beyond]
        mark = {"type": "point", "shape": "triangle-up", "size": 60, "filled": True, "opacity": 1}
        layers.append(layer({**mark, "color": colour(0)}, {"x": x, "y": {"value": 4}, **AT}, "beyond"))
    top: dict[str, Any] = {"width": _WIDTH, "height": _HEIGHT, "layer": layers}
    if not curve.drops:
        return {**top, "datasets": data, **HOUSE}
    for part in layers:
        if part["encoding"].get("x") is x:
            part["encoding"]["x"] = bare
    data["drops"] = [{"x": px, "y": share, "at": at("k", curve.places[px], 4)} for px, share in curve.drops]
    most = max(share for _, share in curve.drops)
    axis = {"values": [0, most], "labelExpr": labels(((0.0, "0 %"), (most, show_share(most)))), "title": _DROPPED.en}
    share = {"field": "y", "type": "quantitative", "scale": {"domain": [0, most], "nice": False}, "axis": axis}
    bars = {"type": "bar", "color": colour(1), "width": 9}
    below: dict[str, Any] = {
        "width": _WIDTH,
        "height": _DROPS_HEIGHT,
        **layer(bars, {"x": x, "y": share, **AT}, "drops"),
    }
    return {"vconcat": [top, below], "spacing": 10, "datasets": data, **HOUSE}


def layer(mark: dict[str, Any], encoding: dict[str, Any], data: str | None = None) -> dict[str, Any]:
    return {"mark": mark, "encoding": encoding, "data": {"name": data} if data else {"values": [{}]}}


def _word(text: Text, encoding: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    mark = {"type": "text", "text": text.en, "color": INK, "fontSize": 12, "baseline": "middle", **look}
    return layer(mark, encoding)
