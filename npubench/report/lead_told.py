"""Which cells the head of a page tells of: those of its table or sentence, and those of its answer on power.

Guarantees: by the ids of their sheets, so that equal cells of two runs are two. Pure.

Not aware of: what is said of them (`lead`, `lead_power`), what speaks against them (`lead_trust`).
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.report import lead, lead_claims, lead_power
from npubench.report.cells import anchor
from npubench.report.shown_lead import Claims, HeadTable
from npubench.schema import Run
from npubench.stats.ranked import Ranking


def told(
    runs: Sequence[Run],
    keys: Sequence[str],
    found: Sequence[Sequence[Claims]],
    table: HeadTable | None,
    ranking: Ranking | None,
) -> frozenset[str]:
    """The anchors of these cells. `keys`: the runs' in the page."""
    if table is not None:
        anchors = {value.anchor for row in table.rows for value in row.values}
    else:
        shown = [service for services in lead_claims.of_one_kind(found) for service in services]
        anchors = {row.anchor for service in shown for row in lead.own(service)}
    ranked = lead_power.cells(ranking) if ranking is not None else frozenset()
    return frozenset(anchors) | {
        anchor(key, cell)
        for run, key in zip(runs, keys, strict=True)
        for cell in run.cells
        if (run.id, run.machine.name, cell.id) in ranked
    }
