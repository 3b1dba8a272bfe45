"""Static charts: Altair specifications, drawn once to SVG with text as text. Draws and decides nothing.

Names never enter a specification: lines are numbered, and the table under a chart is its key. So no foreign text
passes through Vega's expressions or the renderer. Colours are Okabe and Ito's palette ("Color Universal Design",
2008), safe for colour-blind readers, and every line has a dash pattern as well; the page's style sheet replaces them by
their lighter twins on a dark ground, which is why ink and grid have colours of their own here.

Altair and vl-convert take half a second to load, so they are imported by the first chart that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.lang import Text
from npubench.report.latency import Chart
from npubench.report.shown_loads import Curve
from npubench.report.svg import inline
from npubench.units import show_share

# Blue, vermillion, green, purple, orange, sky blue, ink: the ones with most contrast on white come first.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (12, 4), (5, 2, 2, 2, 2, 2))
INK, GRID = "#111112", "#dddddc"
_SHAPES = {"p50": "circle", "p90": "square", "p99": "diamond"}
_WIDTH, _HEIGHT = 470, 250

_DROPS_HEIGHT = 56
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


def latency_spec(chart: Chart) -> dict[str, Any]:
    """The Vega-Lite specification of a latency chart."""
    import altair as alt

    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log" if chart.x_log else "linear", domain=list(chart.x_domain), nice=False, zero=False),
        axis=alt.Axis(values=[value for value, _ in chart.x_ticks], labelExpr=labels(chart.x_ticks), title=_X_TITLE.en),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[0, chart.y_top], nice=False),
        axis=alt.Axis(values=[value for value, _ in chart.y_ticks], labelExpr=labels(chart.y_ticks), title=_Y_TITLE.en),
    )
    palette = alt.Scale(domain=list(range(len(PALETTE))), range=list(PALETTE))
    colours = alt.Color("c:N", scale=palette, legend=None)
    dashes = alt.StrokeDash(
        "d:N", scale=alt.Scale(domain=list(range(len(DASHES))), range=[list(d) for d in DASHES]), legend=None
    )
    shapes = alt.Shape("p:N", scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())), legend=None)
    # Data sets are named here and filled in below: Altair validates inline values row by row, which takes 0.1 s.
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_line(strokeWidth=1.8, interpolate="step-after", clip=True)
        .encode(x=x, y=y, color=colours, strokeDash=dashes, detail="l:N", order="y:Q")
    )
    marks = (
        alt.Chart(alt.NamedData("marks"))
        .mark_point(size=52, filled=True, opacity=1, stroke="#fffffe", strokeWidth=1)
        .encode(x=x, y=y, fill=alt.Fill("c:N", scale=palette, legend=None), shape=shapes)
    )
    spec: dict[str, Any] = (
        (lines + marks)
        .resolve_scale(color="independent")
        .properties(width=_WIDTH, height=_HEIGHT)
        .to_dict(validate=False)
    )
    spec.update(HOUSE)
    spec["datasets"] = {
        "lines": [
            {"x": px, "y": py, "l": number, "c": line.colour, "d": line.dash}
            for number, line in enumerate(chart.lines)
            for px, py in line.points
        ],
        "marks": [{"x": mark.x, "y": mark.y, "c": mark.colour, "p": mark.name} for mark in chart.marks],
    }
    return spec


def latency_chart(chart: Chart, key: str) -> str:
    """A latency chart as SVG for inline use. `key` is the id of its figure; `<key>-t` names its caption."""
    return drawn(latency_spec(chart), key, (_X_TITLE, _Y_TITLE))


def load_chart(curve: Curve, key: str) -> str:
    """A load curve as SVG for inline use. `key` is the id of its figure; `<key>-t` names its caption."""
    return drawn(load_spec(curve), key, (curve.x_title, curve.y_title, _DROPPED, _BOUND, _HELD, _FAILED))


def drawn(spec: dict[str, Any], key: str, texts: Sequence[Text]) -> str:
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=version)
    return inline(drawn, key, {text.en: text for text in texts}, {"role": "img", "aria-labelledby": f"{key}-t"})


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
        at = {"y": {"datum": curve.bound, "type": "quantitative"}}
        layers += [
            layer({"type": "rule", "color": INK, "strokeWidth": 1.4, "strokeDash": [5, 3]}, at),
            _word(_BOUND, {**at, "x": {"value": 4}}, {"align": "left", "dy": -7}),
        ]
    for load, text, dashes, align, side in (
        (curve.held, _HELD, [1, 0], "right", -5),
        (curve.failed, _FAILED, [2, 2], "left", 5),
    ):
        if load is not None:
            at = {"x": {"datum": load, "type": "quantitative"}}
            rule = {"type": "rule", "color": INK, "strokeWidth": 1.2, "strokeDash": dashes}
            layers += [layer(rule, at), _word(text, {**at, "y": {"value": 0}}, {"align": align, "dx": side, "dy": 8})]
    data: dict[str, list[dict[str, float]]] = {}
    for name, points in curve.lines:
        look, pattern = LOAD_LINES[name]
        data[name] = [{"x": px, "y": py} for px, py, _ in points]
        line = {"type": "line", "color": colour(look), "strokeWidth": 1.8, "strokeDash": list(DASHES[pattern])}
        layers.append(layer({**line, "clip": True}, {"x": x, "y": y}, name))
        point = {"type": "point", "shape": _SHAPES[name], "size": 44, "opacity": 1}
        full = {"filled": True, "color": colour(look), "stroke": "#fffffe", "strokeWidth": 1}
        # Hollow: of too few requests for its percentile.
        hollow = {"filled": True, "color": "#fffffe", "stroke": colour(look), "strokeWidth": 1.4}
        for kind, fill, wanted in (("full", full, True), ("few", hollow, False)):
            chosen = [{"x": px, "y": py} for px, py, enough in points if enough is wanted]
            if chosen:
                data[f"{name}-{kind}"] = chosen
                layers.append(layer({**point, **fill}, {"x": x, "y": y}, f"{name}-{kind}"))
    if curve.beyond:
        # At the upper edge, pointing out of the picture: p99 is infinite.
        data["beyond"] = [{"x": px} for px in curve.beyond]
        mark = {"type": "point", "shape": "triangle-up", "size": 60, "filled": True, "opacity": 1}
        layers.append(layer({**mark, "color": colour(0)}, {"x": x, "y": {"value": 4}}, "beyond"))
    top: dict[str, Any] = {"width": _WIDTH, "height": _HEIGHT, "layer": layers}
    if not curve.drops:
        return {**top, "datasets": data, **HOUSE}
    for part in layers:
        if part["encoding"].get("x") is x:
            part["encoding"]["x"] = bare
    data["drops"] = [{"x": px, "y": share} for px, share in curve.drops]
    most = max(share for _, share in curve.drops)
    axis = {"values": [0, most], "labelExpr": labels(((0.0, "0 %"), (most, show_share(most)))), "title": _DROPPED.en}
    share = {"field": "y", "type": "quantitative", "scale": {"domain": [0, most], "nice": False}, "axis": axis}
    bars = {"type": "bar", "color": colour(1), "width": 9}
    below: dict[str, Any] = {
        "width": _WIDTH,
        "height": _DROPS_HEIGHT,
        **layer(bars, {"x": x, "y": share}, "drops"),
    }
    return {"vconcat": [top, below], "spacing": 10, "datasets": data, **HOUSE}


def layer(mark: dict[str, Any], encoding: dict[str, Any], data: str | None = None) -> dict[str, Any]:
    return {"mark": mark, "encoding": encoding, "data": {"name": data} if data else {"values": [{}]}}


def _word(text: Text, encoding: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    mark = {"type": "text", "text": text.en, "color": INK, "fontSize": 12, "baseline": "middle", **look}
    return layer(mark, encoding)
