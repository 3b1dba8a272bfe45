"""`npubench selftest quality`: proves on this machine that the quality gate works.

Deliberately damaged copies of the suite's models must fail, and every honest precision must pass. A fault counts as
caught when at least one gate of the suite convicts it on one of the models that it is tried on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from npubench import store
from npubench.build.damage import FAULTS
from npubench.build.materialise import cache_root
from npubench.cards import build_name, to_builtins
from npubench.cli.progress import Console
from npubench.cli.session import devices, stoppable
from npubench.discovery import Catalogue, catalogue
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.files import build_model
from npubench.engine.launcher import Limits
from npubench.engine.machine import facts
from npubench.engine.protocol import BuildJob
from npubench.engine.quality import Asker
from npubench.errors import MeasurementError
from npubench.lang import Text, here, language
from npubench.report.quality import FIDELITY, headline, name_of, value_of
from npubench.rules import load
from npubench.schema import Failure, Plan, Quality
from npubench.spi import Artifact

_WAIT_S, _STALL_S = 60.0, 600.0
BACKEND, STALE = "cpu", "stale"
STALE_FAULT = "previous-answer"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A fault on one graph of one build; `role` None: the backend is at fault."""

    fault: str
    model: str
    precision: str
    role: str | None = None


# The trained models show what a task score catches, the seeded ones what fidelity catches.
TRIALS: tuple[Trial, ...] = (
    *(
        Trial(fault=fault, model=model, precision="int8", role=role)
        for fault in ("one-scale", "all-scales", "zero-point", "saturating")
        for model, role in (
            ("cctv-detect", "detector"),
            ("cctv-detect-s", "detector"),
            ("ocr-korean", "text_detector"),
            ("ocr-korean", "line_recogniser"),
        )
    ),
    *(
        Trial(fault="layer-zeroed", model=model, precision="fp32", role=role)
        for model, role in (
            ("cctv-detect", "detector"),
            ("cctv-detect-s", "detector"),
            ("ocr-korean", "line_recogniser"),
            ("llm-chat-8m", "decoder"),
        )
    ),
    Trial(fault="channels-swapped", model="cctv-detect", precision="fp32", role="detector"),
    Trial(fault="channels-swapped", model="cctv-detect-s", precision="fp32", role="detector"),
    Trial(fault="no-causal-mask", model="llm-chat-8m", precision="fp32", role="decoder"),
    Trial(fault="rope-base", model="llm-chat-8m", precision="fp32", role="decoder"),
    *(
        Trial(fault=STALE_FAULT, model=model, precision="fp32")
        for model in ("cctv-detect", "ocr-korean", "llm-chat-8m")
    ),
)
HONEST = ("cctv-detect", "cctv-detect-s", "ocr-korean", "llm-chat-8m", "llm-chat-135m")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `fault` empty: an honest build."""

    fault: str
    role: str
    record: Quality

    @property
    def right(self) -> bool:
        """Whether the gate said what it should."""
        return self.record.verdict == ("failed" if self.fault else "passed")


def selftest_quality(models: Sequence[str], profile: str, as_json: bool) -> None:
    """Prints the table. Raises MeasurementError when a fault gets through or an honest build is rejected."""
    console = Console(as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="npubench-selftest-") as temporary:
        outcomes = _outcomes(Path(temporary), tuple(models), profile, console)
    if as_json:
        rows = [
            {"fault": one.fault, "role": one.role, "right": one.right, **to_builtins(one.record)} for one in outcomes
        ]
        console.document(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    else:
        _show(outcomes, console)
    missed = [
        fault for fault in dict.fromkeys(one.fault for one in outcomes if one.fault) if not _caught(fault, outcomes)
    ]
    rejected = [one for one in outcomes if not one.fault and not one.right]
    if missed or rejected:
        listed = [
            *(here(f"fault {fault} not caught", f"결함 {fault}을(를) 잡지 못함") for fault in missed),
            *(
                f"{one.record.model} {build_name(one.record.precision, one.record.variant)}: {one.record.verdict}"
                + "".join(f"; {reason[language()]}" for reason in one.record.reasons[:1])
                for one in rejected
            ),
        ]
        raise MeasurementError("\n".join(listed))


def _caught(fault: str, outcomes: Sequence[Outcome]) -> bool:
    return any(one.right for one in outcomes if one.fault == fault)


def _outcomes(root: Path, models: tuple[str, ...], profile: str, console: Console) -> list[Outcome]:
    cards = catalogue()
    chosen = [name for name in HONEST if not models or name in models]
    with stoppable() as stop, devices(root, _WAIT_S, console, stop):
        plan = _plan(cards, chosen, profile)
        with console.live(plan) as watcher:
            built: dict[tuple[str, str, str], tuple[Artifact, ...] | Failure] = {}

            def build(model: str, precision: str, variant: str) -> tuple[Artifact, ...] | Failure:
                at = (model, precision, variant)
                if at not in built:
                    found = build_model(plan, *at, 1, cache_root(), watcher, stop)
                    built[at] = found.failure if found.failure is not None else found.artifacts
                return built[at]

            asker = Asker(plan, cache_root(), root / "work", build, Limits(stall_s=_STALL_S), stop=stop)
            outcomes = []
            for model in chosen:
                for precision in cards.models[model].card.precisions:
                    if precision not in cards.backends[BACKEND].card.precisions:
                        continue
                    outcomes.append(_asked(asker, build, model, precision, BACKEND, None, root, "", ""))
                    watcher.answered(outcomes[-1].record)
            for number, trial in enumerate(item for item in TRIALS if item.model in chosen):
                backend = STALE if trial.role is None else BACKEND
                outcomes.append(
                    _asked(
                        asker,
                        build,
                        trial.model,
                        trial.precision,
                        backend,
                        trial.fault if trial.role else None,
                        root / f"fault-{number}",
                        trial.fault,
                        trial.role or "",
                    )
                )
                watcher.answered(outcomes[-1].record)
    return outcomes


def _asked(
    asker: Asker,
    build: Callable[[str, str, str], tuple[Artifact, ...] | Failure],
    model: str,
    precision: str,
    backend: str,
    damage: str | None,
    folder: Path,
    fault: str,
    role: str,
) -> Outcome:
    artifacts = build(model, precision, "portable")
    if isinstance(artifacts, Failure):
        raise MeasurementError(f"{model} {precision}: {artifacts.message}", hint=artifacts.hint)
    if damage is not None:
        artifacts = tuple(_damaged(item, damage, folder) if item.role == role else item for item in artifacts)
    return Outcome(fault=fault, role=role, record=asker.ask(model, precision, "portable", backend, artifacts).record)


def _damaged(artifact: Artifact, fault: str, folder: Path) -> Artifact:
    job = BuildJob(
        builder="npubench.build.verbs:damage",
        arguments={"artifact": to_builtins(artifact), "fault": fault, "folder": str(folder)},
    )
    return msgspec.convert(selection.run_build(job), Artifact)


def _plan(cards: Catalogue, names: Sequence[str], profile: str) -> Plan:
    models = {name: selection.model_of(cards, name) for name in names}
    sources = {f"room:{name}": str(model.room) for name, model in models.items()}
    sources.update({f"data:{name}": str(model.data) for name, model in models.items() if model.data is not None})
    return planning.make(
        run=store.new_run_id(),
        wanted=[planning.Wanted(model=name, scenarios=("single-stream",)) for name in names],
        models={name: model.card for name, model in models.items()},
        backends={name: cards.backends[name].card for name in (BACKEND, STALE)},
        inputs={name: model.inputs for name, model in models.items() if model.inputs is not None},
        machine=facts(),
        rules=load(),
        budget=planning.Budget(profile=profile, seconds=1.0, launches=1, max_window_s=1.0),
        seed=0,
        suite=None,
        sources=sources,
    )


def _gates(record: Quality) -> tuple[str, str]:
    """The task figure and the fidelity figure, each with a mark where it convicts."""

    def shown(names: Callable[[str], bool]) -> str:
        found = [score for score in record.scores if names(score.metric) and score.value is not None]
        convicted = next((score for score in found if score.passed is False), None)
        judged = convicted or next((score for score in found if score.passed is not None), None)
        if judged is None:
            return "–"
        mark = "✗" if judged.passed is False else "✓"
        return f"{mark} {name_of(judged)[language()]} {value_of(judged)}"

    return shown(lambda name: name not in FIDELITY), shown(lambda name: name in FIDELITY)


def _show(outcomes: Sequence[Outcome], console: Console) -> None:
    head = (
        here("fault", "결함"),
        here("model", "모델"),
        here("task gate", "과제 게이트"),
        here("fidelity gate", "충실도 게이트"),
        here("verdict", "판정"),
    )
    rows = []
    for one in outcomes:
        title = _title(one.fault)[language()]
        build = build_name(one.record.precision, one.record.variant)
        name = f"{one.record.model} {build}" + (f" {one.role}" if one.role else "")
        task, fidelity = _gates(one.record)
        if headline(one.record) is None and one.record.reasons:
            fidelity = one.record.reasons[0][language()]
        verdict = (
            (here("caught", "잡음") if one.record.verdict == "failed" else here("not by this", "여기서는 놓침"))
            if one.fault
            else one.record.verdict
        )
        rows.append((title, name, task, fidelity, verdict))
    console.table(head, rows)


def _title(fault: str) -> Text:
    if not fault:
        return Text(en="honest", ko="정상")
    if fault == STALE_FAULT:
        return Text(en="previous answer returned", ko="앞 요청의 답 반환")
    return FAULTS[fault].title
