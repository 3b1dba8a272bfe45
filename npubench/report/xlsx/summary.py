"""The first sheet: what was found in a sentence, what to know, the services' leading numbers, where the rest is."""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.report.shown import View
from npubench.report.xlsx.parts import Lead, Link, Sheet, briefly

SUMMARY = Text(en="Summary", ko="요약")
_MOST_ROWS = 12
_CONTENTS = Text(en="Sheets of this workbook", ko="이 문서의 시트")
_CAVEAT = Text(en="· {}", ko="· {}")


def sheet(view: View, services: Sequence[Sheet], others: Sequence[Sheet]) -> Sheet:
    """`services`: whose tables lead; `others`: every further sheet, in its order.

    What is merely worth knowing stands with the machines (`about`).
    """
    prose: list[Text | Lead | Link] = []
    if view.lead is not None:
        prose += [Lead(text=view.lead.verdict, tone=view.lead.tone), view.lead.sentence]
        prose += [
            Text(en=f"{each.question.en} {each.answer.en}", ko=f"{each.question.ko} {each.answer.ko}")
            for each in view.lead.answers
        ]
        prose += [Text(en=_CAVEAT.en.format(said.en), ko=_CAVEAT.ko.format(said.ko)) for said in view.lead.caveats]
    prose.append(_CONTENTS)
    prose += [Link(to=n, said=each.title) for n, each in enumerate((*services, *others), 1)]
    tables = [briefly(table, _MOST_ROWS, each.name) for each in services for table in each.tables]
    return Sheet(name=SUMMARY, title=view.title, prose=tuple(prose), tables=tuple(tables), one_wide=True)
