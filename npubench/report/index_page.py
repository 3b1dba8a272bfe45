"""Draws the index of many runs as one self-contained HTML page. Decides nothing.

Guarantees what `html` does: one file, no request, the same content policy, readable without scripts and on paper,
everything foreign escaped. It has that page's style and script, and a style sheet for what only it has.

Not aware of: what is on it (`index`).
"""

from __future__ import annotations

from npubench.lang import Language
from npubench.report import spark
from npubench.report.assets import asset, environment, policy
from npubench.report.index import ACCEPTED, LEGEND, Index


def render(view: Index, language: Language, *, follow: bool = False) -> str:
    """The page. `language` is shown first. `follow`: where scripts run, the reader's browser decides which is first."""
    from markupsafe import Markup

    style, script = asset("report.css") + asset("index.css"), asset("report.js")
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            view=view,
            language=language,
            follow=follow,
            legend=LEGEND,
            accepted=ACCEPTED,
            spark_size=(spark.WIDTH, spark.HEIGHT),
            style=Markup(style),  # noqa: S704 - our own files, checked by asset
            script=Markup(script),  # noqa: S704 - our own file, checked by asset
            policy=policy(style, script),
        )
    )
