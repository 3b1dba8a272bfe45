"""How good the answers of a model × build × backend are: asked once per run, before it is timed.

The fp32 CPU reference answers first (ONNX Runtime in npubench's own environment, the model's portable fp32 graphs); its
scores and raw outputs are kept in the cache by the hashes of model and data. Then the backend answers the same inputs
in a process of its own, and `stats.quality` judges.

Guarantees: a backend that fails here gives a record with its failure, not an exception; without a reference, or without
an answer of a server, nothing is judged and the record says why. Not aware of: load, timing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from npubench.cards import ENDPOINT, BackendCard, ModelCard, QualitySpec, digest
from npubench.discovery import builtin_data, code
from npubench.engine import answering
from npubench.engine.launcher import Environment, Limits, run_job
from npubench.engine.protocol import AdapterRef, Answered, Event, QualityJob
from npubench.engine.select import OWN, adapter_ref, environment_of
from npubench.exhibits import Exhibit, Exhibits, beside
from npubench.lang import Text
from npubench.schema import Failure, FailureKind, Plan, Quality
from npubench.spi import Artifact, Request
from npubench.stats import fidelity, probes, quality

# Raised whenever the way in which answers are made or scored changes: cached references are then made anew.
SCORING = 2
# As the worker names it, and so as the cache keeps it with the reference's answers.
KEPT_EXHIBITS = "exhibits.json"
REFERENCE_PROVIDER = "CPUExecutionProvider"

Build = Callable[[str, str, str], tuple[Artifact, ...] | Failure]
"""(model, precision, variant) → its artefacts."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody answered: task scores, and the file of raw outputs."""

    scores: dict[str, float]
    inputs: int
    fidelity_inputs: int
    file: Path
    exhibits: tuple[Exhibit, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """The record, and what the backend found in a few inputs; None where there is nothing to show."""

    record: Quality
    exhibits: Exhibits | None = None


class Asker:
    """Asks the backends of one plan. `work` is a folder for files in flight; lives as long as the run."""

    def __init__(
        self,
        plan: Plan,
        cache: Path,
        work: Path,
        build: Build,
        limits: Limits,
        say: Callable[[Event], None] = lambda event: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._work = work
        self._build = build
        self._limits = limits
        self._say = say
        self._stop = stop
        self._references: dict[str, Answers | Text] = {}

    def ask(
        self,
        model: str,
        precision: str,
        variant: str,
        backend: str,
        artifacts: tuple[Artifact, ...],
        served: BackendCard | None = None,
    ) -> Asked:
        """What one build on one backend answers. Raises StopRequested.

        `served`: the backend's card with what a run has filled in (the address of a server that it started).
        """
        card = msgspec.convert(self._plan.models[model], ModelCard)
        blank = Quality(model=model, precision=precision, variant=variant, backend=backend, verdict="unknown")
        if card.quality is None:
            return Asked(msgspec.structs.replace(blank, reasons=(NO_FLOOR,)))
        backend_card = served or msgspec.convert(self._plan.backends[backend], BackendCard)
        params = self._params(card)
        reference = self._reference(card, params)
        if isinstance(reference, Text):
            return Asked(msgspec.structs.replace(blank, reasons=(reference,)))
        answer = self._asked(
            card, params, artifacts, adapter_ref(backend_card), environment_of(backend_card), reference.file
        )
        if isinstance(answer, Failure):
            verdict: Literal["unknown", "failed"] = "unknown" if unheard(answer, backend_card) else "failed"
            return Asked(msgspec.structs.replace(blank, verdict=verdict, failure=answer, reasons=(_failed(answer),)))
        folder, answered = answer
        spec, said = card.quality, NOT_JUDGED
        try:
            wanted, given = answering.load(reference.file), answering.load(folder / answered.file)
            found = _shown(folder, answered)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if probes.asked(given):
            compared = probes.compare(wanted, given, answering.MOST_VALUES)
            spec, said = quality.of_probes(card.quality), _unprobed(spec, precision, *probes.known(given))
        else:
            logits = spec.fidelity.logits if spec.fidelity else ()
            compared = fidelity.compare(wanted, given, logits)
        judged = quality.judge(spec, precision, answered.scores, reference.scores, compared)
        record = msgspec.structs.replace(
            blank,
            verdict="unknown" if judged.passed and not judged.judged else "passed" if judged.passed else "failed",
            scores=judged.scores,
            reasons=judged.reasons or (() if judged.judged else (said,)),
            inputs=answered.inputs,
            available=self._available(model),
            fidelity_inputs=answered.fidelity_inputs,
            drawn=self._drawn(model),
            reference=f"{REFERENCE_PROVIDER} fp32",
            duration_ns=answered.duration_ns,
        )
        return Asked(record, self._exhibits(record, found, reference) if found else None)

    def _exhibits(self, record: Quality, found: tuple[Exhibit, ...], reference: Answers) -> Exhibits:
        fed = self._plan.inputs.get(record.model)
        return Exhibits(
            model=record.model,
            precision=record.precision,
            variant=record.variant,
            backend=record.backend,
            source=fed.source if fed is not None else "",
            private=fed is None or builtin_data(fed.source) is None,
            reference=record.reference,
            items=beside(found, reference.exhibits),
        )

    def _available(self, model: str) -> int:
        params = self._plan.models[model]["params"]
        if "video_frames" in params:
            # Of clips some key frames are answered, however many files there are.
            return int(params["inputs"])
        found = self._plan.inputs.get(model)
        return found.files if found is not None else 0

    def _drawn(self, model: str) -> bool:
        found = self._plan.inputs.get(model)
        return found is not None and found.source != OWN

    def _params(self, card: ModelCard) -> dict[str, Any]:
        """The card's parameters with as many inputs as the profile asks for."""
        assert card.quality is not None
        count = wanted_inputs(card.quality, self._plan.profile, self._available(card.id))
        return {**card.params, **({"inputs": count} if count else {})}

    def _asked(
        self,
        card: ModelCard,
        params: dict[str, Any],
        artifacts: tuple[Artifact, ...],
        adapter: AdapterRef,
        environment: Environment,
        reference: Path | None,
    ) -> tuple[Path, Answered] | Failure:
        assert card.quality is not None
        self._work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="quality-", dir=self._work))
        job = QualityJob(
            adapter=adapter,
            workload=code("workloads", card.workload),
            artifacts=artifacts,
            request=Request(
                scope="service" if "service" in card.scopes else card.scopes[0],
                seed=self._plan.seed,
                params=params,
                data=self._plan.sources.get(f"data:{card.id}"),
                room=self._plan.sources.get(f"room:{card.id}"),
            ),
            fidelity_inputs=card.quality.fidelity_inputs,
            reference=str(reference) if reference is not None else None,
            folder=str(folder),
        )
        answer = run_job(job, folder, environment, self._limits, self._say, self._stop)
        if isinstance(answer, Answered):
            return folder, answer
        shutil.rmtree(folder, ignore_errors=True)
        assert isinstance(answer, Failure)
        return answer

    def _reference(self, card: ModelCard, params: dict[str, Any]) -> Answers | Text:
        """The reference's answers, from the cache or asked now; or why there are none."""
        at = f"{card.id}:{params.get('inputs')}"
        if at not in self._references:
            self._references[at] = self._find_reference(card, params)
        return self._references[at]

    def _find_reference(self, card: ModelCard, params: dict[str, Any]) -> Answers | Text:
        assert card.quality is not None
        data = self._plan.inputs.get(card.id)
        key = digest(
            {
                "scoring": SCORING,
                "graphs": {
                    role: [graph.sha256, graph.weights.sha256 if graph.weights else None]
                    for role, graph in card.graphs.items()
                },
                "params": params,
                "data": data.sha256 if data else None,
                "seed": self._plan.seed,
                "fidelity_inputs": card.quality.fidelity_inputs,
            }
        )[:24]
        folder = self._cache / "references" / f"{card.id}-{key}"
        kept = folder / "answers.json"
        if kept.is_file():
            facts: Mapping[str, Any] = msgspec.json.decode(kept.read_bytes())
            return Answers(
                scores=facts["scores"],
                inputs=facts["inputs"],
                fidelity_inputs=facts["fidelity_inputs"],
                file=folder / "answers.npz",
                exhibits=answering.shown(folder / KEPT_EXHIBITS),
            )
        built = self._build(card.id, "fp32", "portable")
        if isinstance(built, Failure):
            return _no_reference(built)
        adapter = AdapterRef(code=code("adapters", "ort"), provider=REFERENCE_PROVIDER, device={"type": "cpu"})
        answer = self._asked(card, params, built, adapter, Environment(python=sys.executable), None)
        if isinstance(answer, Failure):
            return _no_reference(answer)
        made, answered = answer
        facts = {"scores": answered.scores, "inputs": answered.inputs, "fidelity_inputs": answered.fidelity_inputs}
        (made / "answers.json").write_bytes(msgspec.json.encode(facts))
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(made, staged := folder.parent / f".{folder.name}-{os.getpid()}")
            staged.rename(folder)
        except OSError:
            # Another run has kept the same in the meantime.
            shutil.rmtree(folder.parent / f".{folder.name}-{os.getpid()}", ignore_errors=True)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return Answers(
            scores=answered.scores,
            inputs=answered.inputs,
            fidelity_inputs=answered.fidelity_inputs,
            file=folder / "answers.npz",
            exhibits=answering.shown(folder / KEPT_EXHIBITS),
        )


def _shown(folder: Path, answered: Answered) -> tuple[Exhibit, ...]:
    return answering.shown(folder / answered.exhibits) if answered.exhibits is not None else ()


NO_FLOOR = Text(en="the model card has no quality floor", ko="모델 카드에 품질 하한이 없음")
NOT_JUDGED = Text(
    en="nothing was judged: no annotations, and no fidelity floor for this precision",
    ko="판정하지 않음: 주석이 없고 이 정밀도의 충실도 하한도 없음",
)


def _unprobed(spec: QualitySpec, precision: str, known: int, asked: int) -> Text:
    """Why nothing was judged of a server that was asked for next tokens."""
    if spec.probes is None or precision not in spec.probes.top1:
        return Text(
            en="nothing was judged: the model card has no floor for a server's next tokens at this precision",
            ko="판정하지 않음: 이 정밀도에서 서버의 다음 토큰에 대한 하한이 모델 카드에 없음",
        )
    return Text(
        en=f"nothing was judged: of {asked} next tokens that the server was asked for, {known} could be told from its "
        f"text ({probes.LEAST} are needed)",
        ko=f"판정하지 않음: 서버에 물은 다음 토큰 {asked}개 중 {known}개만 글에서 식별됨({probes.LEAST}개 필요)",
    )


def unheld(model: str, precision: str, variant: str, backend: str) -> Quality:
    """The record of a server that has weights of its own."""
    reason = Text(
        en="quality is unknown: the server has weights of its own, whose reference answers nobody holds here (a server "
        "of this model's weights: `npubench build --format hf`, and options.serves in the card)",
        ko="품질 알 수 없음: 서버의 가중치에 대한 기준 답이 없습니다(이 모델의 가중치를 서비스하려면 "
        "`npubench build --format hf`와 카드의 options.serves)",
    )
    return Quality(
        model=model, precision=precision, variant=variant, backend=backend, verdict="unknown", reasons=(reason,)
    )


def unheard(failure: Failure, backend: BackendCard) -> bool:
    """Whether this failure says nothing about a backend's answers.

    What it does not take is a result of its own. A server that had no answer just then (busy, out of reach) has given
    no wrong one.
    """
    refused = backend.device.type == ENDPOINT and failure.status is not None
    return refused or failure.kind is FailureKind.UNSUPPORTED


def wanted_inputs(spec: QualitySpec, profile: str, available: int) -> int:
    """How many inputs a quality run of `profile` takes: the card's number, at most what there is; else all."""
    return min(spec.inputs.get(profile, available), available) if available else spec.inputs.get(profile, 0)


def _failed(failure: Failure) -> Text:
    said = failure.message
    return Text(en=f"quality: no answers: {said}", ko=f"품질: 답을 얻지 못함: {said}")


def _no_reference(failure: Failure) -> Text:
    said = failure.message
    return Text(
        en=f"quality is unknown: the fp32 CPU reference could not answer: {said}",
        ko=f"품질 알 수 없음: fp32 CPU 기준이 답하지 못함: {said}",
    )
