"""From what was typed to a plan: first what needs no device (cards, files), then what does (probes, facts)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from npubench import store
from npubench.build.materialise import cache_root
from npubench.cards import BackendCard, ModelCard, did_you_mean
from npubench.cli import artifacts, building, plugged, served, video
from npubench.cli.asked import PROFILE, SUITE, Asked, duration_s, host, mixed
from npubench.cli.measurer import measured_by
from npubench.cli.progress import Console
from npubench.discovery import Catalogue, Found, catalogue, pick
from npubench.engine import ab, prebuilt, preflight
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.devices import look
from npubench.engine.machine import facts
from npubench.engine.meters import Survey, entries_of, wanted
from npubench.engine.planned import NATIVE
from npubench.engine.protocol import Event, Said
from npubench.engine.resume import given_name
from npubench.errors import UnknownNameError, UsageError
from npubench.lang import Text, here
from npubench.rules import Ruleset
from npubench.schema import FLOOR_MODEL, Note, Plan

ALL = "all"
DEFAULT_SCENARIOS = ("single-stream", "offline")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured: models and how, the paths of the user's own files, the suite's id, what to mind."""

    cards: Catalogue
    wanted: tuple[planning.Wanted, ...]
    models: dict[str, selection.Model]
    sources: dict[str, str] = {}
    suite: str | None = None
    notes: tuple[Note, ...] = ()


def choose(asked: Asked, console: Console, stop: Callable[[], bool]) -> Choice:
    """The models that were asked for, with their input data checked; touches no device.

    Raises UsageError, CardError, DataError, ArtifactError, and StopRequested when `stop()` turns true.
    """
    video.check_options(asked)
    cards = served.with_endpoint(asked, building.with_builds(asked, _with_plugin(asked, catalogue(asked.cards))))
    for name in (*asked.backends, *(part.backend for part in mixed(asked.mix) if part.backend)):
        pick(cards.backends, name, "backend")
    choice = _onnx(asked, cards, console, stop) if asked.onnx else _known(asked, cards)
    if asked.weights is not None:
        choice = _own(asked.weights, asked.text, choice, console, stop)
    _check_reach(asked, choice)
    folders = asked.folders()
    models = {name: selection.with_user_data(model, folders, cards) for name, model in choice.models.items()}
    sources = dict(choice.sources)
    for name, model in models.items():
        if model.inputs is not None and model.inputs.source == selection.OWN:
            # Kept so that a resume can read the folder as it was read now.
            sources[f"kind:{name}"] = selection.kind_of(model, cards) or ""
    notes = [note for model in models.values() if (note := selection.cycled(model)) is not None]
    if asked.video is not None:
        filmed = video.filmed(asked.video, asked.scenarios, choice.wanted, models, cards)
        choice = msgspec.structs.replace(choice, wanted=filmed.wanted)
        models, sources, notes = filmed.models, {**sources, **filmed.sources}, [*notes, *filmed.notes]
    if asked.calibrate is not None:
        (name,) = models if len(models) == 1 else ("",)
        if not name:
            raise UsageError(
                here("--calibrate is for one model", "--calibrate는 모델 하나에만 쓸 수 있습니다"),
                hint=here("name it with --model", "--model로 지정하십시오"),
            )

        def say(event: Event) -> None:
            if isinstance(event, Said):
                console.say(event.text)

        models[name], note = selection.calibrated(models[name], asked.calibrate, cards, cache_root(), say, stop)
        notes.append(note)
    return msgspec.structs.replace(choice, models=models, sources=sources, notes=(*choice.notes, *notes))


def _with_plugin(asked: Asked, cards: Catalogue) -> Catalogue:
    """The catalogue with the plug-in that was named on the command line. Raises UsageError."""
    plugged.check(asked)
    card = plugged.backend(asked)
    if card is None or asked.ep_library is None:
        return cards
    if card.id in cards.backends:
        raise UsageError(
            here(
                f"--ep-name {card.provider}: there is a card {card.id} already",
                f"--ep-name {card.provider}: 이미 {card.id} 카드가 있습니다",
            ),
            hint=f"--backend {card.id}",
        )
    found = {**cards.backends, card.id: Found(card, asked.ep_library.absolute())}
    return msgspec.structs.replace(cards, backends=found)


def _named(asked: Asked) -> tuple[str, ...]:
    """The backends that were asked for, the plug-in of the command line among them."""
    card = plugged.backend(asked)
    beside = [part.backend for part in mixed(asked.mix) if part.backend is not None]
    names = (*served.backends(asked), *beside, *(() if card is None else (card.id,)))
    return tuple(dict.fromkeys(names))


def _with_prebuilt(
    asked: Asked, choice: Choice, ready: dict[str, BackendCard]
) -> tuple[dict[str, BackendCard], dict[str, str]]:
    """The backends with the files compiled elsewhere that cards or the command line name, checked; and their paths."""
    measured = {name: model.card for name, model in choice.models.items()}
    known = {name: found.card for name, found in choice.cards.models.items()} | measured
    cards = dict(ready)
    sources: dict[str, str] = {}
    for name, card in ready.items():
        sources |= prebuilt.paths(card, choice.cards.backends[name].path.parent)
        if asked.artifacts:
            cards[name], typed = artifacts.brought(asked, measured, card)
            sources |= typed
        prebuilt.check(cards[name], known, sources)
    return cards, sources


def _onnx(asked: Asked, cards: Catalogue, console: Console, stop: Callable[[], bool]) -> Choice:
    models: dict[str, selection.Model] = {}
    sources: dict[str, str] = {}
    notes: list[Note] = []
    shapes = selection.parse_shapes(asked.shapes)
    for path in asked.onnx:
        model, said = selection.user_model(path, shapes, stop)
        for line in said:
            console.say(line)
            if "=" not in line.partition("--shape ")[2]:
                continue  # a size that was given; the sentence about a default says how to give one
            notes.append(Note(code="shape-defaulted", text=Text(en=line, ko=line), severity="info"))
        name = model.card.id
        if name in models:
            raise UsageError(f"two files would both be called {name}; rename one of them")
        models[name] = model
        sources[f"onnx:{name}"] = str(path.resolve())
    wanted = tuple(
        planning.Wanted(
            model=name,
            precisions=(NATIVE,),
            scenarios=asked.scenarios or DEFAULT_SCENARIOS,
            scopes=("device",),
        )
        for name in models
    )
    return Choice(cards=cards, wanted=wanted, models=models, sources=sources, notes=tuple(notes))


def _known(asked: Asked, cards: Catalogue) -> Choice:
    if asked.mix:
        named = {part.model: selection.model_of(cards, part.model) for part in mixed(asked.mix)}
        return Choice(cards=cards, wanted=(), models=named)
    suite = pick(cards.suites, asked.suite or SUITE, "suite").card
    # A model may have several entries: its headline precision in every scenario, others in one.
    entries: dict[str, list[planning.Wanted]] = {}
    for item in planning.wanted_from_suite(suite, asked.profile or PROFILE):
        entries.setdefault(item.model, []).append(item)
    names = list(dict.fromkeys(asked.models)) or list(entries)
    models = {name: selection.model_of(cards, name) for name in names}
    wanted = []
    for name in names:
        known = entries.get(name, [planning.Wanted(model=name, scenarios=DEFAULT_SCENARIOS)])
        # A precision that was asked for is wanted in the scenarios of the headline: of entries that name none.
        headline = [item for item in known if not item.precisions] or known[:1]
        wanted += [
            planning.Wanted(
                model=name,
                precisions=_precisions(asked, models[name].card) or item.precisions,
                scenarios=asked.scenarios or item.scenarios,
                scopes=asked.scopes or item.scopes,
            )
            for item in (headline if asked.precisions else known)
        ]
    return Choice(
        cards=cards, wanted=tuple(wanted), models=models, suite=None if asked.models else asked.suite or SUITE
    )


def _precisions(asked: Asked, card: ModelCard) -> tuple[str, ...]:
    """The precisions that were asked for; `all` stands for every one that the model is built in."""
    return card.precisions if ALL in asked.precisions else asked.precisions


def _own(weights: Path, text: Path | None, choice: Choice, console: Console, stop: Callable[[], bool]) -> Choice:
    """The choice with its one model measured with the user's own weights, under a name of its own."""

    def say(event: Event) -> None:
        if isinstance(event, Said):
            console.say(event.text)

    # A suite may want a model in several precisions; one's own weights are fp32, the headline, which comes first.
    wanted = choice.wanted[0]
    found = selection.own_model(choice.models[wanted.model], weights, say, stop, text)
    name = found.model.card.id
    notes = tuple(Note(code="own-weights", text=Text(en=line, ko=line), severity="warning") for line in found.notes)
    return msgspec.structs.replace(
        choice,
        wanted=(msgspec.structs.replace(wanted, model=name),),
        models={name: found.model},
        sources={**choice.sources, **({f"own:{name}": found.source} if found.source else {})},
        notes=(*choice.notes, *notes),
    )


def _check_reach(asked: Asked, choice: Choice) -> None:
    """Raises UsageError for an option that would change nothing about any model."""
    models = choice.models.values()
    listed = ", ".join(choice.models)
    kinds = {selection.kind_of(model, choice.cards) for model in models}
    for kind in asked.folders():
        if kind not in kinds:
            raise UsageError(
                here(f"--{kind} reaches nothing: {listed} read no {kind}", f"--{kind}를 읽는 모델이 없습니다: {listed}")
            )
    for scope in asked.scopes:
        if not any(scope in model.card.scopes for model in models):
            raise UsageError(
                here(f"--scope {scope} reaches nothing: {listed} have no such scope", f"{scope} 범위가 없음: {listed}")
            )
    cards: Iterable[tuple[str, ...]] = (
        *(model.card.precisions for model in models),
        *(found.card.precisions for found in choice.cards.backends.values()),
    )
    known = list(dict.fromkeys(name for precisions in cards for name in precisions))
    for name in asked.precisions:
        if name not in known and name != ALL:
            raise UnknownNameError(f'no precision "{name}"{did_you_mean(name, known)}; known: {", ".join(known)}')


def _taking(card: BackendCard, variant: str) -> BackendCard:
    """The backend, taking this variant only: what was typed goes before what the card prefers."""
    return msgspec.structs.replace(card, variants=(variant,))


def make_plan(
    asked: Asked, choice: Choice, rules: Ruleset, root: Path, console: Console, stop: Callable[[], bool]
) -> Plan:
    """The plan for this machine as it is now; the devices should be held, because backends are probed.

    Raises UsageError, AbsentBackendError …, and StopRequested when `stop()` turns true.
    """
    building.install(asked, console, stop)
    named = _named(asked)
    install = None if asked.dry_run else console.say
    # Meters that no card has a say in are asked while the backends are.
    with Survey() as asking:
        entries = () if asked.no_power else entries_of(asked.meters)
        if not asked.no_power:
            asking.begin(wanted({}, entries))
        machine = facts(asked.machine)
        backends = selection.find_backends(choice.cards, named, console.probing, stop, install, machine.accelerators)
        if not asked.no_power:
            asking.begin(wanted(backends.ready, entries), backends.ready)
        meters = tuple(item.meter for item in asking.found())
    building.check_ready(asked, backends)
    if asked.variant is not None:
        ready = {name: _taking(card, asked.variant) for name, card in backends.ready.items()}
        backends = msgspec.structs.replace(backends, ready=ready)
    ready, brought = _with_prebuilt(asked, choice, backends.ready)
    backends = msgspec.structs.replace(backends, ready=ready)
    notes = preflight.check(
        machine,
        root,
        preflight.NEEDED_BYTES,
        availability=backends.availability,
        cards=backends.ready,
        devices=look(machine.accelerators).values(),
        named=given_name(asked.machine) is not None,
    )
    models = {**choice.models, FLOOR_MODEL: selection.model_of(choice.cards, FLOOR_MODEL)}
    sources = {**choice.sources, **brought}
    for name, model in models.items():
        sources[f"room:{name}"] = str(model.room)
        if model.data is not None:
            sources[f"data:{name}"] = str(model.data)
    profile = asked.profile or PROFILE
    rule = rules.profiles[profile]
    plan = planning.make(
        run=store.new_run_id(),
        wanted=choice.wanted,
        mix=mixed(asked.mix),
        models={name: model.card for name, model in models.items()},
        backends=backends.ready,
        inputs={name: model.inputs for name, model in models.items() if model.inputs is not None},
        machine=machine,
        rules=rules,
        budget=planning.Budget(
            profile=profile,
            seconds=duration_s(asked.budget, "--budget") if asked.budget else rule.budget_s,
            launches=asked.launches or rule.launches,
            max_window_s=600.0 if asked.budget else rule.max_window_s,
        ),
        seed=asked.seed or 0,
        suite=choice.suite,
        command=("npubench", *sys.argv[1:]),
        sources=sources,
        absent=backends.absent,
        named_absent=bool(named and backends.absent),
        notes=(*notes, *choice.notes, *building.notes(asked)),
        order=ab.order if asked.builds else None,
        availability=backends.availability,
        environments=backends.environments,
        measured_by=measured_by(asked.measured_by),
        host=host(asked),
        meters=meters,
        external_log=asked.power_pulse,
    )
    measured = {cell.precision for cell in plan.cells if cell.purpose == "measure"}
    nothing = asked.variant is not None and not measured
    if nothing or not measured.issuperset(set(asked.precisions) - {ALL}):
        # What was asked for by name and nothing here takes ends like a backend that is not here.
        plan = msgspec.structs.replace(plan, named_absent=True)
    return plan
