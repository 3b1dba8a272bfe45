"""Draws a view as one self-contained HTML page. Decides nothing.

Guarantees: one file, no request, strict content policy (style and script by hash, no inline attribute of either kind),
readable without scripts and on paper, everything foreign escaped by autoescape. The only markup that is not escaped is
that of our own chart sanitiser (`svg.inline`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

from npubench.lang import Language
from npubench.report import charts
from npubench.report.assets import FOLDER as FOLDER
from npubench.report.assets import asset
from npubench.report.assets import environment as templates
from npubench.report.assets import policy as policy
from npubench.report.certificate import COLUMNS
from npubench.report.contents import with_contents
from npubench.report.nightly import Shown
from npubench.report.page_data import with_data
from npubench.report.pareto_chart import pareto_chart
from npubench.report.power_words import SLOWED, UNAVAILABLE
from npubench.report.shown import View
from npubench.report.timeline_chart import timeline_chart
from npubench.report.trend_chart import trend_chart
from npubench.report.words import VERDICTS

# Cells beyond which a browser lays out what is seen and no more.
_LONG = 200


def _pictures(view: View) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """(id of a figure, what gives its SVG), of everything that is drawn."""
    for run in view.runs:
        for figure in run.figures:
            if figure.chart is not None:
                yield figure.key, partial(charts.latency_chart, figure.chart, figure.key)
        for curve in run.curves:
            if curve.curve is not None:
                yield curve.key, partial(charts.load_chart, curve.curve, curve.key)
        for sheet in run.sheets:
            if sheet.timeline is not None:
                yield sheet.timeline.key, partial(timeline_chart, sheet.timeline)
        for history in run.histories.cells if run.histories is not None else ():
            if history.picture is not None:
                yield history.key, partial(trend_chart, history.picture, history.key)
    for item in view.standings.items if view.standings is not None else ():
        if item.pareto is not None:
            yield item.pareto.key, partial(pareto_chart, item.pareto)


def _drawn(view: View, drawing: Executor) -> dict[str, Future[str | None]]:
    """Every picture by the id of its figure. Raises ValueError where two share an id: one would stand for both."""
    drawn: dict[str, Future[str | None]] = {}
    for key, picture in _pictures(view):
        if key in drawn:
            raise ValueError(f"two figures have the id {key}")
        drawn[key] = drawing.submit(picture)
    return drawn


def render(view: View, language: Language, night: Shown | None = None, *, follow: bool = False) -> str:
    """The page. `language` is shown first; the other is inside as well. `night`: what stands before the runs.

    `follow`: where scripts run, the reader's browser decides which is first, if it asks for one of the two.
    """
    from markupsafe import Markup

    def picture(key: str) -> Markup:
        """The SVG of a figure: built by `svg.inline` from an allow-list, with every text escaped by its serialiser."""
        return Markup(drawn[key].result() or "")  # noqa: S704

    style, script = asset("report.css") + asset("lead.css") + asset("pictures.css"), asset("report.js")
    environment = templates()
    environment.globals.update(
        picture=picture,
        colour=charts.colour,
        dash=charts.dash,
        columns=COLUMNS,
        load_lines=charts.LOAD_LINES,
        invalid=VERDICTS["invalid"][1],
        unavailable=UNAVAILABLE,
        slowed=SLOWED,
    )
    # vl-convert starts an engine of its own and draws without holding Python's lock: the templates are read meanwhile.
    with ThreadPoolExecutor(1, "pictures") as drawing:
        drawn = _drawn(view, drawing)
        page = environment.get_template("report.html.j2").render(
            view=view,
            night=night,
            language=language,
            follow=follow,
            long=sum(len(run.sheets) for run in view.runs) > _LONG,
            style=Markup(style),  # noqa: S704 - our own file, checked by asset
            script=Markup(script),  # noqa: S704 - our own file, checked by asset
            policy=policy(style, script),
        )
    return with_data(with_contents(page, view), view.data)
