"""Three questions that everybody asks of a report, each answered in a line or two with the places where it is shown.

Which device does more for the same power (`lead_power`), did it run where it says (`lead_placed`), can the numbers be
trusted (`lead_trust`). Pure.

Not aware of: the sentence or table above them (`lead`, `lead_table`).
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from npubench.report.lead_placed import placed
from npubench.report.lead_power import power
from npubench.report.lead_trust import trusted
from npubench.report.shown import Place
from npubench.report.shown_lead import Answer, Claims
from npubench.schema import Run
from npubench.stats.ranked import Ranking


def answers(
    runs: Sequence[Run],
    claims: Sequence[Sequence[Claims]],
    ranking: Ranking | None,
    keys: Sequence[str],
    places: Sequence[Sequence[Place]],
    told: Set[str] | None = None,
) -> tuple[Answer, ...]:
    """The answers for these runs, whose parts of the page have these keys and certificates. Nothing measured: none.

    `told`: the anchors of the cells that stand above the answers, None: of all.
    """
    if not any(
        cell.purpose == "measure" and cell.verdict in ("valid", "degraded") for run in runs for cell in run.cells
    ):
        return ()
    return power(runs, claims, ranking, keys), placed(runs, keys, places), trusted(runs, keys, told)
