"""Decides everything that a report shows, and formats it: result documents in, `shown.View` out.

Guarantees: no number reaches a page but through `units.show`, no foreign text but through `foreign.clean`, unknown is a
dash with its reason, execution kinds and scopes never share a table or an axis. Pure but for `RunFiles.samples`,
`RunFiles.readings` and `RunFiles.media`, which read a file. Not aware of: HTML, SVG, terminals (`html`, `charts`,
`text` draw and decide nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from npubench.exhibits import Exhibits
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import (
    answers,
    beside,
    caveats,
    cells,
    changes,
    claims,
    curves,
    embedded,
    facts,
    figures,
    histories,
    inputs,
    lead,
    lead_table,
    lead_told,
    media,
    method,
    method_power,
    mixes,
    pictures,
    places,
    power,
    power_sources,
    redacting,
    scaling,
    services,
    sheets,
    stages,
    standings,
    timeline,
    tuned,
)
from npubench.report.foreign import clean
from npubench.report.numbers import count
from npubench.report.shown import Place, RunView, Term, View
from npubench.report.shown_lead import Claims, Lead, Standings
from npubench.schema import Launch, Run
from npubench.stats.compared import Comparison
from npubench.stats.ranked import Ranking
from npubench.stats.ranking import rank
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.stats.trend import Trend

MOST_CAVEATS = 3
"""So many grave ones are said at once; all others are folded."""


def _no_readings(launch: str) -> Readings | None:
    return None


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A run with what lies beside it. Keys are `<cell>-<n>`; `samples` and `readings` (of power) give None where the
    file is missing.

    `sha256` is run.json's, None where the run is not sealed. `changes` against the accepted run and the `history` of
    its machine: a Text says why there is none, None that nobody asked.
    `media` finds the pictures of `exhibits`. `redacted`: names and addresses have been replaced (`redact`).
    """

    run: Run
    launches: Mapping[str, Launch]
    samples: Callable[[str], Samples | None]
    sha256: str | None = None
    readings: Callable[[str], Readings | None] = _no_readings
    changes: Comparison | Text | None = None
    history: Trend | Text | None = None
    exhibits: tuple[Exhibits, ...] = ()
    media: media.Reader = media.nothing
    redacted: bool = False


def _nobody(part: object) -> None:
    return None


def build(runs: Sequence[RunFiles], drawn: Callable[[object], None] = _nobody) -> View:
    """The report of these runs, in the order given.

    `drawn` is told what of it is drawn as soon as that is known, for pictures take long; not all is known early.
    """
    keys = [f"r{index}" for index in range(1, len(runs) + 1)]
    told = [claims.claims(files.run, key) for files, key in zip(runs, keys, strict=True)]
    shown = tuple(_run(*each, drawn) for each in zip(runs, keys, told, strict=True))
    if len(shown) == 1:
        title = Text(en=f"npubench · {shown[0].machine}", ko=f"npubench · {shown[0].machine}")
    else:
        title = Text(en=f"npubench · {count(len(shown))} runs", ko=f"npubench · 실행 {count(len(shown))}건")
    documents = [files.run for files in runs]
    ranking = rank(documents) if runs else None
    opening = _lead(documents, keys, told, ranking, [run.places for run in shown])
    if opening is not None and any(files.redacted for files in runs):
        opening = msgspec.structs.replace(opening, caveats=(redacting.SAID, *opening.caveats))
    return View(
        title=title,
        lead=opening,
        standings=_standings(documents, keys, ranking),
        beside=beside.beside(documents, keys, told) if len(runs) > 1 else None,
        runs=shown,
        method=_method(runs),
        limits=method.LIMITS,
        words=method.WORDS,
        metrics=tuple(Term(key=key, title=item.title, meaning=item.meaning) for key, item in METRICS.items()),
        data=msgspec.structs.replace(
            embedded.data_of(runs),
            redacted=any(files.redacted for files in runs),
            own_pictures=any(run.pictures.own for run in shown),
        ),
    )


def _lead(
    runs: Sequence[Run],
    keys: Sequence[str],
    told: Sequence[tuple[Claims, ...]],
    ranking: Ranking | None,
    shown: Sequence[Sequence[Place]],
) -> Lead | None:
    """What the page opens with; None where there is no run."""
    if not runs:
        return None
    verdict, tone = lead.verdict(runs)
    several = len(runs) > 1
    first = [text for run in runs for text in caveats.grave(run)]
    rest = [text for run in runs for text in caveats.others(run)]
    if several:
        first = list(caveats.together(runs, [caveats.grave(run) for run in runs]))
        rest = list(caveats.together(runs, [caveats.others(run) for run in runs]))
    table = lead_table.head_table(runs, told)
    above = lead_told.told(runs, keys, told, table, ranking)
    sentence = lead.together(runs, told) if several else lead.sentence(runs[0], told[0])
    return Lead(
        eyebrow=tuple(dict.fromkeys(clean(run.machine.name) for run in runs))
        + (() if several else (clean(runs[0].created),)),
        verdict=verdict,
        tone=tone,
        title=sentence if table is None else lead_table.title(runs, table),
        sentence=sentence,
        table=table,
        answers=answers.answers(runs, told, ranking, keys, shown, above),
        caveats=tuple(first[:MOST_CAVEATS]),
        folded=(*first[MOST_CAVEATS:], *rest),
    )


def _standings(runs: Sequence[Run], keys: Sequence[str], ranking: Ranking | None) -> Standings | None:
    return standings.standings(list(zip(runs, keys, strict=True)), ranking) if ranking is not None else None


def _method(runs: Sequence[RunFiles]) -> tuple[Term, ...]:
    """How it was measured, with what these runs read."""
    fed = {clean(files.run.id): inputs.sentence(files.run) for files in runs}
    said = {name: text for name, text in fed.items() if text is not None}
    if len(runs) > 1:
        said = {name: Text(en=f"{name}: {text.en}", ko=f"{name}: {text.ko}") for name, text in said.items()}

    def told(term: Term) -> Term:
        if term.key == "metering" and spent is not None:
            parts = [term.meaning, spent]
        elif term.key == "inputs":
            parts = [term.meaning, *said.values()]
        else:
            return term
        meaning = Text(en=" ".join(part.en for part in parts), ko=" ".join(part.ko for part in parts))
        return msgspec.structs.replace(term, meaning=meaning)

    cells = [cell for files in runs for cell in files.run.cells]
    spent = power_sources.cost([session for files in runs for session in files.run.power])
    loaded = any(cell.capacity is not None or cell.stages is not None or cell.audits or cell.tuning for cell in cells)
    metered = any(files.run.meters or files.run.logs or any(cell.energy for cell in files.run.cells) for files in runs)
    terms = (*method.METHOD, *(method.LOADS if loaded else ()), *(method_power.POWER if metered else ()))
    return tuple(told(term) for term in terms)


def _run(files: RunFiles, key: str, told: tuple[Claims, ...], drawn: Callable[[object], None]) -> RunView:
    run = files.run
    verdict, tone = lead.verdict([run])
    latencies = figures.figures(run, key, figures.counting(files.samples, files.launches))
    loaded = curves.curves(run, key)
    timelines = timeline.timelines(run, key, files.launches, files.samples, files.readings)
    for part in (*latencies, *loaded, *timelines.values()):
        drawn(part)
    return RunView(
        key=key,
        id=clean(run.id),
        machine=clean(run.machine.name),
        created=clean(run.created),
        sentence=lead.sentence(run, told),
        verdict=verdict,
        tone=tone,
        caveats=(*caveats.grave(run), *caveats.others(run), *((redacting.SAID,) if files.redacted else ())),
        claims=told,
        changes=changes.changes(run, key, files.changes),
        histories=histories.histories(run, key, files.history),
        services=services.services(run, key, files.launches),
        scopes=services.scopes(run),
        groups=cells.groups(run, key),
        places=places.places(run, key),
        pictures=pictures.pictures(run, key, files.exhibits, files.media),
        figures=latencies,
        curves=loaded,
        mixes=mixes.mixes(run, key),
        scalings=scaling.scalings(run, key),
        stages=stages.stages(run, key),
        tuned=tuned.tuned(run, key),
        power=power.power(run, key, files.launches),
        sheets=sheets.sheets(run, key, files.launches, loaded, timelines),
        absent=facts.absent(run),
        remarks=facts.remarks(run),
        machine_facts=facts.machine_facts(run.machine),
        versions=facts.versions(run),
        devices=facts.devices(run),
        floors=facts.floors(run),
        cards=facts.cards(run),
        run_facts=facts.run_facts(run),
    )
