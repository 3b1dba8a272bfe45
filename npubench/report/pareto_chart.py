"""Speed over energy as a picture: a letter for each entry, its intervals as a cross, the front filled.

Guarantees what `charts` does: names never enter a specification (letters are ours; the table beside is the key); both
axes begin at zero. Not aware of: who is in front (`stats.placing`).
"""

from __future__ import annotations

from typing import Any

from npubench.report.charts import HOUSE, INK, colour, drawn, labels, layer
from npubench.report.shown_lead import Pareto

_WIDTH, _HEIGHT = 380, 230


def pareto_spec(found: Pareto) -> dict[str, Any]:
    """The Vega-Lite specification."""

    def axis(field: str, ticks: tuple[tuple[float, str], ...], title: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "scale": {"domain": [0, ticks[-1][0]], "nice": False},
            "axis": {"values": [value for value, _ in ticks], "labelExpr": labels(ticks), "title": title},
        }

    x, y = axis("x", found.x_ticks, found.x_title.en), axis("y", found.y_ticks, found.y_title.en)
    rule = {"type": "rule", "color": INK, "strokeWidth": 1.2, "clip": True}
    point = {"type": "point", "size": 90, "opacity": 1, "stroke": colour(0), "strokeWidth": 1.6, "filled": True}
    word = {"type": "text", "color": INK, "fontSize": 13, "fontWeight": "bold", "align": "left", "dx": 9, "dy": -8}
    data: dict[str, list[dict[str, Any]]] = {
        "points": [
            {
                "x": item.x, "y": item.y, "m": item.mark, "x1": item.x_range[0], "x2": item.x_range[1],
                "y1": item.y_range[0], "y2": item.y_range[1],
            }
            for item in found.points
        ],
        "front": [{"x": item.x, "y": item.y} for item in found.points if item.front],
        "rest": [{"x": item.x, "y": item.y} for item in found.points if not item.front],
    }  # fmt: skip
    layers = [
        layer(rule, {"x": {**x, "field": "x1"}, "x2": {"field": "x2"}, "y": y}, "points"),
        layer(rule, {"x": x, "y": {**y, "field": "y1"}, "y2": {"field": "y2"}}, "points"),
        layer({**point, "shape": "circle", "color": colour(0)}, {"x": x, "y": y}, "front"),
        layer({**point, "shape": "square", "color": "#fffffe"}, {"x": x, "y": y}, "rest"),
        layer(word, {"x": x, "y": y, "text": {"field": "m", "type": "nominal"}}, "points"),
    ]
    return {"width": _WIDTH, "height": _HEIGHT, "layer": layers, "datasets": data, **HOUSE}


def pareto_chart(found: Pareto) -> str:
    """The picture as SVG for inline use; `<key>-t` names its caption."""
    return drawn(pareto_spec(found), found.key, (found.x_title, found.y_title))
