"""Where it ran, backend by backend: how the card was verified, what the worker ran in, and its certificates.

Guarantees: execution kinds never share a table; a build without a certificate has its row and says why. Pure.

Not aware of: a certificate's words and figures (`placement`, `certificate`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from npubench.cards import build_name
from npubench.errors import NpubenchError
from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.report import certificate, loads, placement, reasons, servers
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import Footnotes, backend_name, count, model_name, of_cell
from npubench.report.shown import Certified, Fact, Place, Tone
from npubench.report.words import EXTENTS, KINDS, VERIFIED, kind, same, scope
from npubench.rules import load
from npubench.schema import Cell, Run
from npubench.spi import EnvironmentFacts
from npubench.units import UNKNOWN

Build = tuple[str, str, str, str]
"""Model, precision, variant, backend: what has one certificate."""

# `verified.how` of a card that nobody has tried on its device.
_UNTRIED = ("not verified", "stand-in")

# The distributions that decide what ran; every other one is in the folded list.
_RUNTIMES = ("onnxruntime", "openvino", "torch", "tensorrt", "nvidia-cudnn", "qnn", "numpy")


def build_of(cell: Cell) -> Build:
    if cell.certificate is not None:
        return cell.model, cell.precision, cell.certificate.variant, cell.backend
    return cell.model, cell.precision, cell.key.get("variant", "portable"), cell.backend


def _builds(run: Run) -> dict[Build, list[Cell]]:
    """The cells of each build, in the order of the plan; what turned out to be unsupported ran nowhere."""
    found: dict[Build, list[Cell]] = {}
    for cell in run.cells:
        if cell.purpose == "measure" and (cell.certificate is not None or cell.verdict != "unsupported"):
            found.setdefault(build_of(cell), []).append(cell)
    return found


def anchors(run: Run, key: str) -> dict[Build, str]:
    """The id of each build's certificate on the page: ours, so that no foreign text becomes an id."""
    return {build: f"{key}-w{n}" for n, build in enumerate(_builds(run), 1)}


def _stand_in(build: Build, cell: Cell) -> Certificate:
    """What can be said of a build without a certificate: the assignment that its own launches saw, if they did."""
    model, precision, variant, backend = build
    seen = cell.placement
    blank = Certificate(
        model=model,
        precision=precision,
        variant=variant,
        backend=backend,
        extent="unknown",
        execution_kind=cell.execution_kind or "unknown",
        macs_reason=cell.certificate_reason,
        profile_reason=cell.certificate_reason,
        strict_reason=cell.certificate_reason,
    )
    if seen is None:
        return blank
    return msgspec.structs.replace(
        blank,
        requested=seen.requested,
        registered=seen.registered,
        selected=seen.selected,
        nodes=seen.providers,
        fallback_ops=seen.fallback_ops,
        device_type=seen.device_type,
        sources=seen.sources,
    )


def _missing(cell: Cell, found: Certificate) -> Text:
    """The sentence of a build without a certificate."""
    why = reasons.full(cell.certificate_reason)
    english, korean = f"No certificate: {why.en}", f"증명서 없음: {why.ko}"
    if found.nodes:
        there, n = count(found.nodes.get(found.requested, 0)), count(sum(found.nodes.values()))
        name = placement.provider(found.requested)
        english = f"{english}; the runtime gave {there} of {n} nodes to {name}"
        korean = f"{korean}. 런타임은 노드 {n}개 중 {there}개를 {name}에 배정했습니다"
    return Text(en=f"{english}.", ko=f"{korean}.")


def _steady(cells: list[Cell]) -> Fact:
    """The median latency that start-up ends in, of the cell that says most about the device."""
    name = Text(en="Steady state (p50)", ko="안정 상태(p50)")
    alone = [cell for cell in cells if cell.scenario.name == "single-stream" and cell.summary]
    cell = next((cell for cell in alone if cell.scope == "device"), alone[0] if alone else None)
    if cell is None:
        return Fact(name=name, value=certificate.unknown(reasons.NOT_MEASURED))
    number, _ = of_cell(cell, "latency_p50_ns")
    if number.reason is not None:
        return Fact(name=name, value=certificate.unknown(number.reason))
    how, where = loads.title(cell.scenario), scope(cell.scope)[0]
    value = Text(en=f"{number.text} ({how.en}, {where.en})", ko=f"{number.text} ({how.ko}, {where.ko})")
    return Fact(name=name, value=value)


def _certified(run: Run, build: Build, cells: list[Cell], anchor: str, notes: Footnotes, bound: float) -> Certified:
    cell = cells[0]
    found = cell.certificate or _stand_in(build, cell)
    title = backend_name(run, cell.backend).title
    tone, label = EXTENTS[found.extent]
    sentence, brief = placement.sentence(found, title), placement.brief(found, bound)
    if found.server is not None:
        tone, label = servers.label(found.server)
    elif cell.certificate is None and found.execution_kind in ("virtual", "endpoint"):
        tone, label, brief = "plain", kind(found.execution_kind)[0], None
    elif cell.certificate is None:
        label, sentence, brief = Text(en="no certificate", ko="증명서 없음"), _missing(cell, found), None
    elif found.execution_kind != "hardware" and found.extent == "full":
        # Nobody may take a simulator's green tag for the device's.
        tone, label = "plain", kind(found.execution_kind)[0]
    facts = certificate.facts(found, _steady(cells))
    return Certified(
        anchor=anchor,
        model=model_name(run, cell.model),
        build=clean(build_name(found.precision, found.variant)),
        tone=tone,
        label=label,
        sentence=sentence,
        brief=brief,
        remarks=tuple(Text(en=clean(t.en, MESSAGE_LIMIT), ko=clean(t.ko, MESSAGE_LIMIT)) for t in found.flags),
        arithmetic=certificate.arithmetic(found, notes),
        time=certificate.time(found, notes),
        compute=certificate.compute(found, notes),
        subgraphs=certificate.subgraphs(found, notes),
        crossings=certificate.crossings(found, notes),
        strict=certificate.strict(found),
        providers=certificate.rows(found, notes),
        # Without a certificate the sentence above says why; twenty times the same is no evidence.
        facts=tuple(fact for fact in facts if cell.certificate is not None or _known(fact)),
    )


def _known(fact: Fact) -> bool:
    said = fact.value if isinstance(fact.value, str) else fact.value.en
    return not said.startswith(UNKNOWN)


def _bound(run: Run) -> float:
    """The ruleset's bound of unattributed time; of a ruleset that this npubench does not know, our own."""
    try:
        return load(run.ruleset).max_unattributed
    except NpubenchError:
        return load().max_unattributed


def place_anchor(key: str, backend: str) -> str:
    """The id of a backend's first block on the page: its name with what has no place in an id or an address replaced.

    A further execution kind of the same backend has a dot behind it.
    """
    return f"{key}-place-{re.sub('[^A-Za-z0-9_-]', '-', backend[:LINE_LIMIT])}"


def places(run: Run, key: str) -> tuple[Place, ...]:
    """Every measured backend in every execution kind that its builds ran in, hardware first."""
    named = anchors(run, key)
    found: dict[tuple[str | None, str], list[tuple[Build, list[Cell]]]] = {}
    for build, cells in _builds(run).items():
        first = cells[0].certificate
        ran = first.execution_kind if first is not None else cells[0].execution_kind
        known = ran if ran is None or ran in KINDS else "unknown"
        found.setdefault((known, cells[0].backend), []).append((build, cells))
    bound = _bound(run)
    shown: list[Place] = []
    taken: set[str] = set()
    for name in KINDS:
        for (ran, backend), builds in found.items():
            if ran != name:
                continue
            notes = Footnotes()
            title, meaning = kind(ran)
            rows = tuple(_certified(run, build, cells, named[build], notes, bound) for build, cells in builds)
            anchored = place_anchor(key, backend)
            while anchored in taken:
                anchored += "."
            taken.add(anchored)
            shown.append(_place(run, anchored, backend, None if ran == "hardware" else title, meaning, rows, notes))
    return tuple(shown)


def _place(
    run: Run, key: str, backend: str, title: Text | None, meaning: Text, rows: tuple[Certified, ...], notes: Footnotes
) -> Place:
    tone, verified = verification(run, backend)
    environment = run.environments.get(backend)
    return Place(
        key=key,
        backend=backend_name(run, backend),
        kind=title,
        meaning=meaning,
        verified=verified,
        verified_tone=tone,
        environment=_summary(environment),
        environment_facts=tuple(_environment(environment)),
        rows=rows,
        notes=notes.texts,
    )


def verification(run: Run, backend: str) -> tuple[Tone, Text]:
    """How far the backend's card has been tried: on what, when."""
    card = run.backends.get(backend)
    said = card.get("verified") if isinstance(card, Mapping) else None
    told = said if isinstance(said, Mapping) else {}
    for how, (tone, text) in VERIFIED.items():
        if told.get("how") == how:
            on = clean(" · ".join(str(told[name]) for name in ("on", "date") if told.get(name)), LINE_LIMIT)
            return tone, Text(en=f"{text.en}: {on}", ko=f"{text.ko}: {on}") if on else text
    return "plain", Text(en="the card does not say how it was verified", ko="카드에 검증 방법이 적혀 있지 않음")


def untried(run: Run) -> tuple[str, ...]:
    """The measured backends whose card nobody has tried on its device."""
    ran = [cell for cell in run.cells if cell.purpose == "measure" and cell.summary]
    used = dict.fromkeys(cell.backend for cell in ran if cell.execution_kind != "virtual")
    cards = {name: run.backends.get(name) for name in used}
    told = {name: card.get("verified") for name, card in cards.items() if isinstance(card, Mapping)}
    return tuple(name for name, said in told.items() if isinstance(said, Mapping) and said.get("how") in _UNTRIED)


def _deciding(facts: EnvironmentFacts) -> list[str]:
    return [name for name in sorted(facts.packages) if name.lower().startswith(_RUNTIMES)]


def _summary(facts: EnvironmentFacts | None) -> Text:
    """One line: Python and the packages that decide what runs."""
    if facts is None:
        return Text(en="not recorded in this run", ko="이번 실행에는 기록이 없습니다")
    named = [f"Python {facts.python}", *(f"{name} {facts.packages[name]}" for name in _deciding(facts))]
    return same_line(" · ".join(named))


def same_line(text: str) -> Text:
    shown = clean(text, LINE_LIMIT)
    return Text(en=shown, ko=shown)


def _environment(facts: EnvironmentFacts | None) -> Iterator[Fact]:
    """Exact versions of everything installed, and what the provider's libraries hash to."""
    if facts is None:
        return
    listed = " · ".join(f"{name} {version}" for name, version in sorted(facts.packages.items()))
    yield Fact(name=same("Python"), value=clean(facts.python), code=True)
    yield Fact(name=Text(en="Packages", ko="패키지"), value=clean(listed, 4 * MESSAGE_LIMIT) or "0", code=True)
    for name, digest in sorted(facts.libraries.items()):
        yield Fact(name=same(name), value=clean(digest), code=True)
