"""Static charts: Altair specifications, drawn once to SVG with text as text. Draws and decides nothing.

Names never enter a specification: lines are numbered, and the table under a chart is its key. So no foreign text
passes through Vega's expressions or the renderer. Colours are Okabe and Ito's palette ("Color Universal Design",
2008), safe for colour-blind readers, and every line has a dash pattern as well; the page's style sheet replaces them by
their lighter twins on a dark ground, which is why ink and grid have colours of their own here.

Altair and vl-convert take half a second to load, so they are imported by the first chart that is drawn.
"""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.lang import Text
from npubench.report.latency import Chart
from npubench.report.svg import inline

# Blue, vermillion, green, purple, orange, sky blue, ink: the ones with most contrast on white come first.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (12, 4), (5, 2, 2, 2, 2, 2))
INK, GRID = "#111112", "#dddddc"
_SHAPES = {"p50": "circle", "p90": "square", "p99": "diamond"}
_WIDTH, _HEIGHT = 470, 250

_X_TITLE = Text(en="latency of a request", ko="요청 하나의 지연 시간")
_Y_TITLE = Text(en="share of requests done", ko="완료된 요청의 비율")


def dash(index: int) -> str:
    """The dash pattern of a line as an SVG attribute; empty for a solid line."""
    pattern = DASHES[index % len(DASHES)]
    return "" if pattern[1] == 0 else " ".join(str(length) for length in pattern)


def colour(index: int) -> str:
    """The colour of a line on a light ground."""
    return PALETTE[index % len(PALETTE)]


def _labels(ticks: tuple[tuple[float, str], ...]) -> str:
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
        axis=alt.Axis(
            values=[value for value, _ in chart.x_ticks], labelExpr=_labels(chart.x_ticks), title=_X_TITLE.en
        ),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[0, chart.y_top], nice=False),
        axis=alt.Axis(
            values=[value for value, _ in chart.y_ticks], labelExpr=_labels(chart.y_ticks), title=_Y_TITLE.en
        ),
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
        .properties(width=_WIDTH, height=_HEIGHT, background="transparent", padding=4)
        .configure(font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=GRID, domainColor=GRID, ticks=False, labelColor=INK, titleColor=INK, labelFontSize=12,
            titleFontSize=12, titleFontWeight="normal", labelPadding=6, titlePadding=10, labelOverlap="greedy",
            labelSeparation=8,
        )
        .to_dict(validate=False)
    )  # fmt: skip
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
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    drawn = vl_convert.vegalite_to_svg(latency_spec(chart), vl_version=version)
    words = {text.en: text for text in (_X_TITLE, _Y_TITLE)}
    return inline(drawn, key, words, {"role": "img", "aria-labelledby": f"{key}-t"})
