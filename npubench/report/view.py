"""Decides everything that a report shows, and formats it: result documents in, `shown.View` out.

Guarantees: no number reaches a page but through `units.show`, no foreign text but through `foreign.clean`, unknown is a
dash with its reason, execution kinds and scopes never share a table or an axis. Pure but for `RunFiles.samples` and
`RunFiles.readings`, which read a file. Not aware of: HTML, SVG, terminals (`html`, `charts`, `text` draw and decide
nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

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
    method,
    method_power,
    mixes,
    places,
    power,
    power_sources,
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
from npubench.report.shown import RunView, Term, View
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
    """

    run: Run
    launches: Mapping[str, Launch]
    samples: Callable[[str], Samples | None]
    sha256: str | None = None
    readings: Callable[[str], Readings | None] = _no_readings
    changes: Comparison | Text | None = None
    history: Trend | Text | None = None


def build(runs: Sequence[RunFiles]) -> View:
    """The report of these runs, in the order given."""
    keys = [f"r{index}" for index in range(1, len(runs) + 1)]
    told = [claims.claims(files.run, key) for files, key in zip(runs, keys, strict=True)]
    shown = tuple(_run(*each) for each in zip(runs, keys, told, strict=True))
    if len(shown) == 1:
        title = Text(en=f"npubench · {shown[0].machine}", ko=f"npubench · {shown[0].machine}")
    else:
        title = Text(en=f"npubench · {count(len(shown))} runs", ko=f"npubench · 실행 {count(len(shown))}건")
    documents = [files.run for files in runs]
    ranking = rank(documents) if runs else None
    return View(
        title=title,
        lead=_lead(documents, keys, told, ranking),
        standings=_standings(documents, keys, ranking),
        beside=beside.beside(documents, keys, told) if len(runs) > 1 else None,
        runs=shown,
        method=_method(runs),
        limits=method.LIMITS,
        words=method.WORDS,
        metrics=tuple(Term(key=key, title=item.title, meaning=item.meaning) for key, item in METRICS.items()),
        data=embedded.data_of(runs),
    )


def _lead(
    runs: Sequence[Run], keys: Sequence[str], told: Sequence[tuple[Claims, ...]], ranking: Ranking | None
) -> Lead | None:
    """What the page opens with; None where there is no run."""
    if not runs:
        return None
    verdict, tone = lead.verdict(runs)
    several = len(runs) > 1
    grave, others = [caveats.grave(run) for run in runs], [caveats.others(run) for run in runs]
    if several:
        names = lead.places(runs)
        grave, others = (
            [
                tuple(Text(en=f"{name}: {text.en}", ko=f"{name}: {text.ko}") for text in texts)
                for name, texts in zip(names, each, strict=True)
            ]
            for each in (grave, others)
        )
    first = [text for texts in grave for text in texts]
    rest = [text for texts in others for text in texts]
    return Lead(
        eyebrow=tuple(dict.fromkeys(clean(run.machine.name) for run in runs))
        + (() if several else (clean(runs[0].created),)),
        verdict=verdict,
        tone=tone,
        sentence=lead.together(runs, told) if several else lead.sentence(runs[0], told[0]),
        answers=answers.answers(runs, told, ranking, keys),
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


def _run(files: RunFiles, key: str, told: tuple[Claims, ...]) -> RunView:
    run = files.run
    verdict, tone = lead.verdict([run])
    drawn = curves.curves(run, key)
    timelines = timeline.timelines(run, key, files.launches, files.samples, files.readings)
    return RunView(
        key=key,
        id=clean(run.id),
        machine=clean(run.machine.name),
        created=clean(run.created),
        sentence=lead.sentence(run, told),
        verdict=verdict,
        tone=tone,
        caveats=(*caveats.grave(run), *caveats.others(run)),
        claims=told,
        changes=changes.changes(run, key, files.changes),
        histories=histories.histories(run, key, files.history),
        services=services.services(run, key, files.launches),
        scopes=services.scopes(run),
        groups=cells.groups(run, key),
        places=places.places(run, key),
        figures=figures.figures(run, key, figures.counting(files.samples, files.launches)),
        curves=drawn,
        mixes=mixes.mixes(run, key),
        scalings=scaling.scalings(run, key),
        stages=stages.stages(run, key),
        tuned=tuned.tuned(run, key),
        power=power.power(run, key, files.launches),
        sheets=sheets.sheets(run, key, files.launches, drawn, timelines),
        absent=facts.absent(run),
        remarks=facts.remarks(run),
        machine_facts=facts.machine_facts(run.machine),
        versions=facts.versions(run),
        devices=facts.devices(run),
        floors=facts.floors(run),
        cards=facts.cards(run),
        run_facts=facts.run_facts(run),
    )
<<<<<<< HEAD


def _counts(run: Run) -> dict[str, int]:
    found = {"valid": 0, "degraded": 0, "invalid": 0, "unsupported": len(run.unsupported)}
    for cell in run.cells:
        if cell.purpose == "measure":
            found[cell.verdict] += 1
    return found


def _sentence(run: Run) -> Text:
    """What was measured on what, and how much of it holds."""
    # A cell that turned out to be unsupported was tried, not measured; it is counted in a caveat.
    measured = [cell for cell in run.cells if cell.purpose == "measure" and cell.verdict != "unsupported"]
    name = clean(run.machine.name)
    cpu = clean(run.machine.cpu) if run.machine.cpu else None
    threads = run.machine.threads
    extra = [part for part in (cpu, f"{count(threads)} threads" if threads else None) if part]
    extra_ko = [part for part in (cpu, f"스레드 {count(threads)}개" if threads else None) if part]
    machine = Text(
        en=f"{name} ({', '.join(extra)})" if extra else name, ko=f"{name}({', '.join(extra_ko)})" if extra else name
    )
    if not measured:
        return Text(en=f"On {machine.en}, nothing was measured.", ko=f"{machine.ko}에서 측정한 셀이 없습니다.")
    models = len({cell.model for cell in measured})
    used = list(dict.fromkeys(cell.backend for cell in measured))
    backends = joined([backend_name(run, backend).title for backend in used])
    number = _counts(run)
    n, valid, degraded, invalid = (
        count(value) for value in (len(measured), number["valid"], number["degraded"], number["invalid"])
    )
    return Text(
        en=f"On {machine.en}, npubench measured {count(models)} {'model' if models == 1 else 'models'} on "
        f"{backends.en}: "
        f"of {n} {'cell' if len(measured) == 1 else 'cells'}, {valid} valid, {degraded} degraded, {invalid} invalid.",
        ko=f"{machine.ko}에서 {backends.ko} 백엔드로 모델 {count(models)}개를 측정했습니다. "
        f"셀 {n}개 가운데 유효 {valid}개, 저하 {degraded}개, 무효 {invalid}개입니다.",
    )


def _verdict(run: Run) -> tuple[Text, Tone]:
    number = _counts(run)
    valid, n = number["valid"], number["valid"] + number["degraded"] + number["invalid"]
    tone: Tone
    if n == 0:
        return Text(en="Nothing was measured", ko="측정 결과 없음"), "bad"
    if valid + number["degraded"] == 0:
        return Text(en="No usable result", ko="쓸 수 있는 결과 없음"), "bad"
    if valid == n:
        text, tone = Text(en=f"All {count(n)} cells valid", ko=f"셀 {count(n)}개 모두 유효"), "good"
        if n == 1:
            text = Text(en="The one cell is valid", ko="셀 1개 유효")
    else:
        text = Text(en=f"{count(valid)} of {count(n)} cells valid", ko=f"셀 {count(n)}개 중 {count(valid)}개 유효")
        tone = "warn"
    if not run.comparable:
        text, tone = Text(en=f"{text.en}, not comparable", ko=f"{text.ko}, 비교 불가"), "warn"
    return text, tone


def _builds(found: Sequence[Cell]) -> list[Cell]:
    """One cell of each model × precision × backend."""
    return list({(cell.model, cell.precision, cell.backend): cell for cell in found}.values())


def _caveats(run: Run) -> tuple[Text, ...]:
    """What a reader who stops after the first paragraph must still know."""
    found = []
    if not run.comparable:
        profile = clean(run.profile)
        found.append(
            Text(
                en=f"Profile “{profile}” is a quick look with few samples: do not compare these numbers with "
                "another run "
                "or machine. `npubench run --profile standard` gives comparable ones.",
                ko=f"‘{profile}’ 프로파일은 표본이 적은 간이 측정입니다. 다른 실행이나 장비와 비교하지 마십시오. "
                "비교하려면 "
                "`npubench run --profile standard`로 측정하십시오.",
            )
        )
    measured = [cell for cell in run.cells if cell.purpose == "measure"]
    if (fed := inputs.sentence(run)) is not None:
        found.append(fed)
    failed = sum(1 for cell in measured if cell.failures and cell.verdict != "unsupported")
    if failed:
        n = count(failed)
        found.append(
            Text(
                en=f"Cells with a failed launch: {n}; the reason and the last output are in the table of all cells.",
                ko=f"실패한 실행이 있는 셀이 {n}개 있습니다. 이유와 마지막 출력은 전체 셀 표에 있습니다.",
            )
        )
    if run.absent:
        names = joined([facts.absent(run)[i].title for i in range(len(run.absent))])
        found.append(
            Text(
                en=f"Not measured, because absent on this machine: {names.en}.",
                ko=f"이 장비에 없어 측정하지 못한 백엔드: {names.ko}.",
            )
        )
    if untried := places.untried(run):
        names = joined([backend_name(run, name).title for name in untried])
        found.append(
            Text(
                en=f"Nobody has tried these backend cards on their device before: {names.en}.",
                ko=f"해당 장치에서 검증한 적이 없는 백엔드 카드: {names.ko}.",
            )
        )
    shared = [cell for cell in measured if placement.assisted(cell.certificate)]
    if shared:
        n, names = count(len(shared)), joined([same(f"{c.model} {c.precision} · {c.backend}") for c in _builds(shared)])
        found.append(
            Text(
                en=f"CPU-assisted cells, whose arithmetic ran on the CPU in part: {n} ({names.en}).",
                ko=f"연산의 일부를 CPU에서 실행한 셀(CPU 보조)이 {n}개 있습니다({names.ko}).",
            )
        )
    simulated = sum(1 for cell in measured if cell.execution_kind == "simulated")
    if simulated:
        n = count(simulated)
        found.append(
            Text(
                en=f"Cells that ran in a simulator: {n}; their speed is not the device's, and they are never ranked.",
                ko=f"시뮬레이터에서 실행한 셀이 {n}개 있습니다. 장치의 속도가 아니며 순위에서 제외합니다.",
            )
        )
    unproven = sum(1 for cell in measured if cell.execution_kind == "unknown")
    if unproven:
        n = count(unproven)
        found.append(
            Text(
                en=f"Cells that ran, but nothing proves on which device: {n}; they are neither ranked nor compared.",
                ko=f"실행했으나 장치가 확인되지 않은 셀이 {n}개 있으며, 순위와 비교에서 제외합니다.",
            )
        )
    if served := ", ".join(facts.served_models(run)):
        found.append(
            Text(
                en=f"A server answered, which calls its model {served}: weights, precision and device are its claims, "
                "and its times include the network.",
                ko=f"서버가 응답한 결과이며 서버의 모델 이름은 {served}입니다. "
                "가중치, 정밀도, 장치는 서버의 주장이고 시간에는 네트워크가 포함됩니다.",
            )
        )
    unsupported = _counts(run)["unsupported"]
    if unsupported:
        n = count(unsupported)
        found.append(
            Text(
                en=f"Combinations that a backend does not support: {n}; they are listed with their reasons.",
                ko=f"백엔드가 지원하지 않는 조합이 {n}개 있으며 이유와 함께 표에 있습니다.",
            )
        )
    if seeded := ", ".join(facts.seeded_models(run)):
        found.append(
            Text(
                en=f"Weights are seeded, not trained, in {seeded}: the speed is real, and no ability is claimed.",
                ko=f"{seeded}의 가중치는 학습된 것이 아니라 난수입니다. 속도는 실측이며 성능은 주장하지 않습니다.",
            )
        )
    if any(cell.quality is not None and cell.quality.drawn for cell in measured):
        found.append(
            Text(
                en="Quality scores are on drawings of our own: they compare devices, not detectors or readers.",
                ko="품질 점수는 직접 그린 자료 기준입니다. 장치를 비교할 뿐 실제 성능이 아닙니다.",
            )
        )
    found += [text for text in (audits.caveat(run), audits.failed(run)) if text is not None]
    dark = sum(1 for cell in measured if all(spread.median is None for spread in cell.energy.values()))
    if measured and dark == len(measured):
        read = any(cell.energy for cell in measured)
        found.append(
            Text(
                en="Energy is unknown; each cell's sheet says why.",
                ko="에너지는 알 수 없으며 이유는 셀별 기록에 있습니다.",
            )
            if read
            else Text(en="Energy is unknown: no meter was read.", ko="전력·에너지는 측정하지 않아 알 수 없습니다.")
        )
    elif dark:
        n = count(dark)
        found.append(
            Text(
                en=f"Energy is unknown in {n} {'cell' if dark == 1 else 'cells'}; each one's sheet says why.",
                ko=f"에너지를 알 수 없는 셀이 {n}개 있으며 이유는 셀별 기록에 있습니다.",
            )
        )
    return tuple(found)
=======
>>>>>>> main
