"""Draws a view as one self-contained HTML page. Decides nothing.

Guarantees: one file, no request, strict content policy (style and script by hash, no inline attribute of either kind),
readable without scripts and on paper, everything foreign escaped by autoescape. The only markup that is not escaped is
that of our own chart sanitiser (`svg.inline`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from npubench.lang import Language
from npubench.report import charts, lead_trust
from npubench.report.assets import FOLDER as FOLDER
from npubench.report.assets import asset
from npubench.report.assets import environment as templates
from npubench.report.assets import policy as policy
from npubench.report.certificate import COLUMNS
from npubench.report.contents import with_contents
from npubench.report.drawing import Drawing, Picture
from npubench.report.nightly import Shown
from npubench.report.page_data import with_data
from npubench.report.pareto_chart import pareto_chart
from npubench.report.power_words import SLOWED, UNAVAILABLE
from npubench.report.shown import Figure, View
from npubench.report.shown_lead import History, Pareto
from npubench.report.shown_loads import LoadFigure
from npubench.report.shown_power import Timeline
from npubench.report.timeline_chart import timeline_chart
from npubench.report.trend_chart import trend_chart
from npubench.report.words import VERDICTS

# Cells beyond which a browser lays out what is seen and no more.
_LONG = 200


def pictures_of(item: object) -> Iterator[Picture]:
    """What is drawn of a part of a view; of most parts nothing."""
    if isinstance(item, Figure):
        if item.chart is not None:
            yield item.key, partial(charts.latency_chart, item.chart, item.key)
    elif isinstance(item, LoadFigure):
        if item.curve is not None:
            yield item.key, partial(charts.load_chart, item.curve, item.key)
    elif isinstance(item, Timeline):
        yield item.key, partial(timeline_chart, item)
    elif isinstance(item, History):
        if item.picture is not None:
            yield item.key, partial(trend_chart, item.picture, item.key)
    elif isinstance(item, Pareto):
        yield item.key, partial(pareto_chart, item)


def _pictures(view: View) -> Iterable[Picture]:
    """Everything that is drawn, by its id. Raises ValueError where two share one: a picture would stand for both."""
    parts: list[object] = []
    for run in view.runs:
        parts += [*run.figures, *run.curves, *(sheet.timeline for sheet in run.sheets)]
        parts += run.histories.cells if run.histories is not None else ()
    parts += [item.pareto for item in view.standings.items] if view.standings is not None else []
    found: dict[str, Picture] = {}
    for part in parts:
        for key, picture in pictures_of(part):
            if key in found:
                raise ValueError(f"two figures have the id {key}")
            found[key] = key, picture
    return found.values()


def render(
    view: View,
    language: Language,
    night: Shown | None = None,
    *,
    follow: bool = False,
    drawing: Drawing | None = None,
) -> str:
    """The page. `language` is shown first; the other is inside as well. `night`: what stands before the runs.

    `follow`: where scripts run, the reader's browser decides which is first, if it asks for one of the two.
    `drawing`: where some pictures of this view are being drawn already; it is closed.
    """
    from markupsafe import Markup

    def picture(key: str) -> Markup:
        """The SVG of a figure: built by `svg.inline` from an allow-list, with every text escaped by its serialiser."""
        return Markup(pen.picture(key))  # noqa: S704

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
        above=lead_trust.ABOVE,
        elsewhere=lead_trust.ELSEWHERE,
    )
    with drawing or Drawing() as pen:
        pen.begin(_pictures(view))
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
