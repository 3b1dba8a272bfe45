"""Commands that look and do not measure: check, doctor, list, build, show, schema."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench import store
from npubench.cards import CARD_TYPES, PRECISIONS, VARIANTS, did_you_mean, variants_of
from npubench.conformance import Conformance
from npubench.discovery import catalogue, checkout_root, pick
from npubench.energy import Attachment, PowerSession
from npubench.errors import ArtifactError, CardError, UsageError
from npubench.evidence import Certificate
from npubench.lang import here, language
from npubench.schema import Launch, Plan, Quality, Run, encode
from npubench.tuning import Tuning


def _print(text: str = "") -> None:
    RichConsole(highlight=False, markup=False).print(text, soft_wrap=True)


def check(folders: Sequence[Path]) -> None:
    """Reads every card, verifies every data set and committed graph; raises CardError with every mistake."""
    cards = catalogue(folders)
    from npubench.build.data.sets import verify_set

    mistakes: list[str] = []
    for item in cards.data.values():
        try:
            verify_set(item.path.parent, item.card)
        except ArtifactError as error:  # noqa: PERF203 - all mistakes at once
            mistakes.append(str(error))
    for found in cards.models.values():
        builds = {f"builds.{name}": graphs for name, graphs in found.card.builds.items()}
        for name, graphs in {"graphs": found.card.graphs, **builds}.items():
            for role, graph in graphs.items():
                sha256 = store.sha256_file(found.path.parent / graph.file)
                if sha256 != graph.sha256:
                    said = f"{found.path}: {name}.{role}.sha256: found {graph.sha256}"
                    mistakes.append(f"{said}; {graph.file} has {sha256}")
    if mistakes:
        raise CardError(mistakes)
    counts = (len(cards.models), len(cards.backends), len(cards.suites), len(cards.data))
    _print(
        here(
            "{} models, {} backends, {} suites, {} data sets: no mistakes",
            "모델 {}개, 백엔드 {}개, 스위트 {}개, 데이터 세트 {}개: 잘못 없음",
        ).format(*counts)
    )


def doctor(as_json: bool, cards: Sequence[Path], machine: str | None, out: Path | None) -> None:
    """Probes every backend and looks at the machine."""
    from concurrent.futures import ThreadPoolExecutor

    from npubench.engine import devices, preflight
    from npubench.engine import doctor as diagnosis
    from npubench.engine.counters import processor_state
    from npubench.engine.machine import facts
    from npubench.engine.pci import accelerators
    from npubench.engine.probing import survey
    from npubench.engine.resume import given_name

    known = catalogue(cards)
    shown = {name: found.card for name, found in known.backends.items() if not found.card.hidden}
    # Before the probes, which may themselves open devices and hold their memory.
    states = tuple(devices.look(accelerators()).values())
    with tempfile.TemporaryDirectory(prefix="npubench-doctor-") as folder, ThreadPoolExecutor(1) as pool:
        looking = pool.submit(facts, machine)
        availability = survey(shown, Path(folder))
        here_now = looking.result()
    named = given_name(machine) is not None
    root = store.results_root(out, checkout_root())
    notes = preflight.check(here_now, root, preflight.NEEDED_BYTES, devices=states, named=named)
    found = diagnosis.report(here_now, notes, availability, shown, processor_state(), states)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    for line in found.lines(language()):
        _print(line)


def listing(kind: str, folders: Sequence[Path]) -> None:
    """One line per card, then its summary; scenarios, rulesets and traffic with all that they say (`listing`)."""
    from npubench.cli import listing as tables
    from npubench.report.words import VERIFIED

    known = {
        "scenarios": tables.list_scenarios,
        "rulesets": tables.list_rulesets,
        "traffic": tables.list_traffic,
    }
    if kind in known:
        tables.show_all(known[kind]())
        return
    cards = catalogue(folders)
    spoken = language()
    if kind == "backends":
        for backend in cards.backends.values():
            card = backend.card
            tried = VERIFIED[card.verified.how][1][spoken]
            _print(f"{card.id:<18} {card.title[spoken]} · {', '.join(card.precisions)} · {tried}")
    elif kind == "models":
        for model in cards.models.values():
            forms = variants_of(model.card)
            shown = f" · {', '.join(forms)}" if len(forms) > 1 else ""
            _print(f"{model.card.id:<18} {model.card.title[spoken]} · {', '.join(model.card.precisions)}{shown}")
    else:
        for suite in cards.suites.values():
            listed = ", ".join(dict.fromkeys(entry.model for entry in suite.card.entries))
            _print(f"{suite.card.id:<18} {suite.card.title[spoken]}: {listed}")


def build(
    models: Sequence[str],
    precision: str,
    folders: Sequence[Path],
    *,
    variant: str = "portable",
    batch: int = 1,
    calibrate: Path | None = None,
) -> None:
    """Materialises models and says where they are. Raises UsageError for a precision or variant that does not exist."""
    from npubench.build.materialise import cache_root
    from npubench.engine.protocol import BuildJob, Event, Said
    from npubench.engine.select import Model, calibrated, run_build

    for option, name, known in (("precision", precision, PRECISIONS), ("variant", variant, VARIANTS)):
        if name not in known:
            raise UsageError(
                f'--{option}: found "{name}"{did_you_mean(name, known)}; expected one of {", ".join(known)}'
            )
    cards = catalogue(folders)
    names = list(models) or list(dict.fromkeys(e.model for found in cards.suites.values() for e in found.card.entries))
    picked = [(found.card, found.path.parent) for found in (pick(cards.models, name, "model") for name in names)]
    if calibrate is not None and len(picked) != 1:
        raise UsageError(
            here("--calibrate is for one model", "--calibrate는 모델 하나에만 쓸 수 있습니다"),
            hint=here("name it", "모델 이름을 지정하십시오"),
        )

    def say(event: Event) -> None:
        if isinstance(event, Said):
            _print(f"  {event.text}")

    for card, room in picked:
        _print(card.id)
        if calibrate is not None:
            model, note = calibrated(Model(card=card, room=room), calibrate, cards, cache_root(), say)
            card, room = model.card, model.room
            _print(f"  {note.text[language()]}")
        job = BuildJob(
            builder="npubench.build.verbs:materialise_card",
            arguments={
                "card": msgspec.to_builtins(card),
                "room": str(room),
                "cache": str(cache_root()),
                "precision": precision,
                "variant": variant,
                "batch": batch,
            },
        )
        for artifact in run_build(job, say):
            _print(f"  {artifact['role']}: {artifact['path']}")


def _load(names: Sequence[str], out: Path | None) -> list[store.RunFolder]:
    root = store.results_root(out, checkout_root())
    return [store.open_run(name, root) for name in names]


def show(name: str, as_json: bool, out: Path | None, *, placement: bool = False) -> None:
    """A run as a table or as its JSON document; with `placement` its placement certificates."""
    from npubench.stats.runs import assembled

    (folder,) = _load([name], out)
    run = assembled(folder)
    if as_json:
        sys.stdout.buffer.write(_certificates(run) if placement else encode(run))
        return
    console = RichConsole(highlight=False)
    if placement:
        print_placement(run, folder.path, console)
    else:
        print_run(run, folder.path, console)
    _print(str(folder.path))


def print_run(run: Run, folder: Path, console: RichConsole) -> None:
    """The run's tables."""
    from npubench.report import text, view
    from npubench.report.files import run_files

    shown = view.build([run_files(store.RunFolder(folder), run)])
    for part in text.run_table(shown, language()):
        console.print(part)


def print_placement(run: Run, folder: Path, console: RichConsole) -> None:
    """Every placement certificate of the run in full."""
    from npubench.report import text, view
    from npubench.report.files import run_files

    shown = view.build([run_files(store.RunFolder(folder), run)])
    for part in text.certificates(shown, language()):
        console.print(part)


def _certificates(run: Run) -> bytes:
    """The run's placement certificates as a JSON array, each once."""
    found = [cell.certificate for cell in run.cells if cell.certificate is not None]
    each = {(item.model, item.precision, item.variant, item.backend): item for item in found}
    return msgspec.json.format(msgspec.json.encode(list(each.values())), indent=1) + b"\n"


def schemas() -> dict[str, bytes]:
    """File name → JSON Schema of every card and result document."""
    from npubench.report.page_data import PageData
    from npubench.stats.compared import Comparison
    from npubench.stats.nightly import Nightly
    from npubench.stats.ranked import Ranking
    from npubench.stats.trend import Trend
    from npubench.verify.found import Verified
    from npubench.verify.manifest import Manifest

    documents = {"run": Run, "launch": Launch, "plan": Plan, "quality": Quality, "placement": Certificate}
    documents["compare"] = Comparison
    documents["nightly"] = Nightly
    documents["rank"] = Ranking
    documents["trend"] = Trend
    documents["conformance"] = Conformance
    documents["tuning"] = Tuning
    documents["power"] = PowerSession
    documents["power-log"] = Attachment
    documents["verify"] = Verified
    documents["pack"] = Manifest
    documents["report-data"] = PageData
    kinds = {**{f"{name}-card": kind for name, kind in CARD_TYPES.items()}, **documents}
    return {
        f"{name}.schema.json": msgspec.json.format(
            msgspec.json.encode(msgspec.json.schema(kind), order="sorted"), indent=1
        )
        + b"\n"
        for name, kind in kinds.items()
    }


def schema(output: Path | None) -> None:
    """Writes the schemas to a folder, or one document with all of them to stdout."""
    found = schemas()
    if output is None:
        whole = {name: msgspec.Raw(data) for name, data in found.items()}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
        return
    output.mkdir(parents=True, exist_ok=True)
    for name, data in found.items():
        (output / name).write_bytes(data)
        _print(str(output / name))
