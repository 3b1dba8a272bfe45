"""Draws a time line: pictures one below the other over one time axis. Draws and decides nothing.

What slowed a device is hatched, so that it is seen without colour; its number stands above it and in the table. Names
of channels never enter a specification, as in `charts`.
"""

from __future__ import annotations

from typing import Any

from npubench.lang import Text
from npubench.report.charts import DASHES, GRID, HOUSE, INK, at, colour, drawn, labels, layer
from npubench.report.shown_power import Timeline, Track

_WIDTH = 640
_REQUESTS_HEIGHT, _POWER_HEIGHT, _SMALL_HEIGHT, _LANE_HEIGHT = 110, 96, 62, 20
# For the names of lanes, so that all pictures begin at the same place.
_MARGIN = 88
# Distance of the strokes of a hatch, in pictures' widths.
_STROKES = 110
_TIME = Text(en="seconds from the start of the window", ko="측정 구간 시작부터의 시간(초)")
_LATENCY = Text(en="latency of a request", ko="요청 하나의 지연 시간")
_WINDOW = Text(en="window", ko="측정 구간")


def _x(line: Timeline, *, last: bool) -> dict[str, Any]:
    axis: dict[str, Any] = {"values": [value for value, _ in line.x_ticks], "labelExpr": labels(line.x_ticks)}
    axis |= {"title": _TIME.en} if last else {"title": None, "labels": False}
    scale = {"domain": list(line.x_domain), "nice": False}
    return {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}


def _y(ticks: tuple[tuple[float, str], ...], domain: tuple[float, float], *, log: bool) -> dict[str, Any]:
    return {
        "field": "y",
        "type": "quantitative",
        "scale": {"type": "log" if log else "linear", "domain": list(domain), "nice": False, "zero": False},
        "axis": {
            "values": [value for value, _ in ticks],
            "labelExpr": labels(ticks),
            "title": None,
            "minExtent": _MARGIN,
        },
    }


def _at(value: float) -> dict[str, Any]:
    return {"datum": value, "type": "quantitative"}


def _ground(line: Timeline) -> list[dict[str, Any]]:
    """The window, and where a device was slowed, behind every picture."""
    start, end = line.window
    shade = {"type": "rect", "color": GRID, "opacity": 0.8}
    found = [layer(shade, {"x": _at(start), "x2": _at(end)})]
    upright = {"x": {"field": "x", "type": "quantitative"}}
    found.append(layer({"type": "rule", "color": INK, "strokeWidth": 0.8, "strokeDash": [4, 3]}, upright, "edges"))
    if any(span.slowed for span in line.spans):
        found.append(layer({"type": "rule", "color": INK, "strokeWidth": 0.7, "opacity": 0.55}, upright, "strokes"))
    return found


def _strokes(line: Timeline, start: float, end: float) -> list[float]:
    step = (line.x_domain[1] - line.x_domain[0]) / _STROKES
    n = max(1, int((end - start) / step))
    return [start + (end - start) * i / n for i in range(n + 1)]


def _picture(line: Timeline, data: dict[str, list[dict[str, float]]], index: int, track: Track, *, last: bool) -> Any:
    x = _x(line, last=last)
    y = _y(track.y_ticks, track.y_domain, log=False)
    layers = _ground(line)
    for t, trace in enumerate(track.traces):
        look = {"type": "line", "color": colour(trace.colour), "strokeWidth": 1.5, "clip": True}
        look["strokeDash"] = list(DASHES[trace.dash % len(DASHES)])
        for p, piece in enumerate(trace.pieces):
            name = f"t{index}-{t}-{p}"
            data[name] = [{"x": px, "y": py} for px, py in piece]
            mark = look if len(piece) > 1 else {"type": "point", "color": colour(trace.colour), "size": 12}
            layers.append(layer(mark, {"x": x, "y": y, "order": {"field": "x", "type": "quantitative"}}, name))
    height = _POWER_HEIGHT if track.y_domain[0] == 0 else _SMALL_HEIGHT
    return {"width": _WIDTH, "height": height, "layer": layers, "title": _head(track.title)}


def _head(text: Text) -> dict[str, Any]:
    """What a picture shows, above it: a small one has no room for an upright title."""
    return {
        "text": text.en, "anchor": "start", "frame": "group", "fontSize": 12, "fontWeight": "normal", "color": INK,
        "offset": 4,
    }  # fmt: skip


def _requests(line: Timeline, data: dict[str, list[dict[str, float]]], *, last: bool) -> Any:
    data["requests"] = [{"x": px, "y": py} for px, py in line.requests]
    data["band"] = [{"x": px, "y": low, "y2": high} for px, low, high in line.band]
    x, y = _x(line, last=last), _y(line.requests_ticks, line.requests_domain, log=line.requests_log)
    mark = {"type": "point", "filled": True, "size": 9, "opacity": 0.8, "color": colour(0), "clip": True}
    word = {"type": "text", "text": _WINDOW.en, "color": INK, "fontSize": 12, "align": "left", "dx": 4, "dy": 8}
    area = {"type": "area", "color": colour(0), "opacity": 0.75, "clip": True}
    area["line"] = {"color": colour(0), "strokeWidth": 1}
    seen = layer(area, {"x": x, "y": y, "y2": {"field": "y2"}}, "band") if line.band else None
    layers = [
        *_ground(line),
        seen or layer(mark, {"x": x, "y": y}, "requests"),
        layer(word, {"x": _at(line.window[0]), "y": {"value": 0}}),
    ]
    return {"width": _WIDTH, "height": _REQUESTS_HEIGHT, "layer": layers, "title": _head(_LATENCY)}


def _lanes(line: Timeline, data: dict[str, list[dict[str, float]]]) -> Any:
    """A bar for each event in the lane of its kind: full where it slowed the device, hollow else."""
    names = tuple((lane + 0.5, text.en) for lane, text in enumerate(line.lanes))
    x = _x(line, last=True)
    y = {
        "field": "y", "type": "quantitative",
        "scale": {"domain": [len(line.lanes), 0], "nice": False},
        "axis": {"values": [value for value, _ in names], "labelExpr": labels(names), "title": None, "grid": False,
                 "minExtent": _MARGIN, "labelOverlap": False, "labelLimit": 0},
    }  # fmt: skip
    data["spans"] = [{"x": span.start, "y": span.lane + 0.5} for span in line.spans]
    layers: list[dict[str, Any]] = [layer({"type": "point", "opacity": 0}, {"x": x, "y": y}, "spans")]
    short = (line.x_domain[1] - line.x_domain[0]) / 160
    for span in line.spans:
        look: dict[str, Any] = {"type": "rect", "stroke": INK, "strokeWidth": 1.2, "clip": True}
        look |= {"fill": INK, "fillOpacity": 1} if span.slowed else {"fill": "#fffffe", "fillOpacity": 1}
        place = {
            "x": _at(span.start), "x2": _at(max(span.end, span.start + short)),
            "y": _at(span.lane + 0.25), "y2": _at(span.lane + 0.75),
            "description": {"datum": at("m", span.number - 1, 3), "type": "nominal"},
        }  # fmt: skip
        layers.append(layer(look, place))
        word = {"type": "text", "text": str(span.number), "color": INK, "fontSize": 11, "align": "right", "dx": -4}
        layers.append(layer({**word, "baseline": "middle"}, {"x": _at(span.start), "y": _at(span.lane + 0.5)}))
    return {"width": _WIDTH, "height": _LANE_HEIGHT * len(line.lanes), "layer": layers}


def timeline_spec(line: Timeline) -> dict[str, Any]:
    """The Vega-Lite specification of a time line."""
    strokes = [x for span in line.spans if span.slowed for x in _strokes(line, span.start, span.end)]
    data = {"edges": [{"x": x} for x in line.window], "strokes": [{"x": x} for x in strokes]}
    pictures = [_requests(line, data, last=False)] if line.requests or line.band else []
    for index, track in enumerate(line.tracks):
        pictures.append(_picture(line, data, index, track, last=not line.lanes and index == len(line.tracks) - 1))
    if line.lanes:
        pictures.append(_lanes(line, data))
    return {"vconcat": pictures, "spacing": 8, "datasets": data, **HOUSE}


def timeline_chart(line: Timeline) -> str:
    """A time line as SVG for inline use; `<key>-t` names its caption."""
    words = (_TIME, _LATENCY, _WINDOW, *(track.title for track in line.tracks), *line.lanes)
    return drawn(timeline_spec(line), line.key, words)
