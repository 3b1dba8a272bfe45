"""The model files of a plan: built from rooms, and compiled ahead for backends that want that; each once per run.

Guarantees: what fails becomes a Failure, not an exception; a compiled file is made anew in every run, so that how long
compiling takes is always measured, but for adapters that keep what they made and how long it took (`KeepsCompiled`).
Not aware of: launches, results.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from npubench.cards import ENDPOINT, BackendCard, ModelCard, build_name, digest, graph_hashes
from npubench.discovery import code
from npubench.engine import prebuilt
from npubench.engine.launcher import Limits, run_job
from npubench.engine.protocol import BuildJob, Calibration, Compiled, CompileJob, Event, Said
from npubench.engine.select import adapter_ref, environment_of, own_job, try_build
from npubench.errors import ArtifactError
from npubench.evidence import Origin
from npubench.schema import Failure, FailureKind, Plan, PlannedCell
from npubench.spi import Artifact, Request

# Raised whenever what the folder in Hugging Face's form holds changes: cached ones are then made anew.
EXPORTING = 1


class Building(Protocol):
    """Who is told how building goes."""

    def building(self, model: str, text: str) -> None: ...


class Built(msgspec.Struct, frozen=True):
    """A model's artefacts, or why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    failure: Failure | None = None


def build_model(
    plan: Plan,
    model: str,
    precision: str,
    variant: str,
    batch: int,
    cache: Path,
    watcher: Building,
    stop: Callable[[], bool] = lambda: False,
) -> Built:
    """Materialises one model of the plan in a child process. Raises StopRequested when `stop()` turns true."""
    card = msgspec.convert(plan.models[model], ModelCard)
    if own := plan.sources.get(f"onnx:{model}"):
        chosen = {"path": own, "sha256": card.graphs["model"].sha256, "precision": precision}
        job = BuildJob(builder="npubench.build.verbs:user_artifact", arguments=chosen)
    elif (made := own_job(card, plan.sources.get(f"own:{model}"), cache, precision, variant)) is not None:
        job = made
    else:
        arguments: dict[str, Any] = {
            "card": plan.models[model],
            "room": plan.sources[f"room:{model}"],
            "cache": str(cache),
            "precision": precision,
            "variant": variant,
            "batch": batch,
        }
        job = BuildJob(builder="npubench.build.verbs:materialise_card", arguments=arguments)

    def say(event: Event) -> None:
        if isinstance(event, Said):
            watcher.building(model, event.text)

    answer = try_build(job, say, stop)
    if isinstance(answer, Failure):
        return Built(failure=answer)
    return Built(artifacts=msgspec.convert(answer.result, tuple[Artifact, ...]))


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a cell is measured with, and those that they were compiled from; or why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    sources: tuple[Artifact, ...] = ()
    compiled: Compiled | None = None
    origin: Origin | None = None
    failure: Failure | None = None


def _served(precision: str) -> tuple[Artifact, ...]:
    """What a server is claimed to serve: nothing of it is on this disk."""
    return (Artifact(role="decoder", path="", sha256="", precision=precision),)


class Files:
    """Makes each file when it is first asked for. `work` is a folder that lives as long as the run."""

    def __init__(
        self, plan: Plan, cache: Path, work: Path, watcher: Building, limits: Limits, stop: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._work = work
        self._watcher = watcher
        self._limits = limits
        self._stop = stop
        self._built: dict[tuple[str, str, str, int], Built] = {}
        self._ready: dict[tuple[str, str, str, int, str], Ready] = {}

    def of(self, cell: PlannedCell) -> Ready:
        """The files of a cell. Raises StopRequested."""
        # Only where shapes are fixed does a batch need files of its own.
        batch = int(cell.scenario.params.get("batch", 1)) if cell.variant == "static" else 1
        return self.ready(cell.model, cell.precision, cell.variant, batch, cell.backend)

    def graphs(self, model: str, precision: str, variant: str) -> tuple[Artifact, ...] | Failure:
        """The graphs of a build for one input at a time, as they are before any backend compiles them."""
        built = self._build(model, precision, variant, 1)
        return built.failure if built.failure is not None else built.artifacts

    def ready(self, model: str, precision: str, variant: str, batch: int, backend: str) -> Ready:
        """The files of a build on a backend. Raises StopRequested."""
        at = (model, precision, variant, batch, backend)
        if at not in self._ready:
            self._ready[at] = self._prepare(*at)
        return self._ready[at]

    def huggingface(self, model: str, tokenizer: str) -> Path | Failure:
        """The folder of a model's weights in Hugging Face's form, kept in the cache; or why there is none.

        Of the user's own checkpoint, that itself. `tokenizer` as in `ServeSpec`. Raises StopRequested.
        """
        if own := self._plan.sources.get(f"own:{model}"):
            return Path(own)
        card = msgspec.convert(self._plan.models[model], ModelCard)
        data = self._plan.sources.get(f"data:{model}")
        facts = {
            "exporting": EXPORTING,
            "graphs": {role: graph_hashes(graph) for role, graph in card.graphs.items()},
            "data": self._plan.inputs[model].sha256 if model in self._plan.inputs else None,
            "tokenizer": tokenizer,
        }
        # A server calls the model by this folder's name unless it is told otherwise.
        folder = self._cache / "hf" / digest(facts)[:16] / model
        if (folder / "config.json").is_file():
            return folder
        arguments = {
            "card": self._plan.models[model],
            "room": self._plan.sources[f"room:{model}"],
            "data": data,
            "output": str(folder),
            "words": tokenizer == "words",
        }
        job = BuildJob(builder="npubench.build.verbs:export_hf", arguments=arguments)
        answer = try_build(job, lambda event: self._told(model, event), self._stop)
        return answer if isinstance(answer, Failure) else folder

    def _told(self, model: str, event: Event) -> None:
        if isinstance(event, Said):
            self._watcher.building(model, event.text)

    def _build(self, model: str, precision: str, variant: str, batch: int) -> Built:
        at = (model, precision, variant, batch)
        if at not in self._built:
            self._built[at] = build_model(self._plan, *at, self._cache, self._watcher, self._stop)
        return self._built[at]

    def _prepare(self, model: str, precision: str, variant: str, batch: int, backend: str) -> Ready:
        card = msgspec.convert(self._plan.backends[backend], BackendCard)
        if card.device.type == ENDPOINT:
            return Ready(artifacts=_served(precision))
        # A compiler that quantises by itself gets the build that it quantises.
        source = card.compile_from.get(precision, precision)
        built = self._build(model, source, variant, batch)
        if built.failure is not None:
            return Ready(failure=built.failure)
        if specs := prebuilt.of(card, model, precision, variant):
            return self._brought(specs, built.artifacts, model, source, variant, batch)
        if not card.compile_ahead:
            return Ready(artifacts=built.artifacts, sources=built.artifacts)
        self._watcher.building(model, f"{backend}: compile")
        folder = self._work / "compiled" / f"{model}--{build_name(precision, variant)}-{batch}--{backend}"
        folder.mkdir(parents=True, exist_ok=True)
        wanted = tuple(msgspec.structs.replace(item, precision=precision) for item in built.artifacts)
        calibration = self._calibration(model, precision, batch, card) if card.calibration_inputs else None
        if isinstance(calibration, Failure):
            return Ready(failure=calibration)
        job = CompileJob(adapter=adapter_ref(card), artifacts=wanted, folder=str(folder), calibration=calibration)
        answer = run_job(job, folder, environment_of(card), self._limits, stop=self._stop)
        if isinstance(answer, Failure):
            return Ready(failure=answer)
        assert isinstance(answer, Compiled)
        return Ready(artifacts=answer.artifacts, sources=built.artifacts, compiled=answer)

    def _calibration(
        self, model: str, precision: str, batch: int, backend: BackendCard
    ) -> Calibration | Failure | None:
        """On what the backend's compiler quantises a model; None where we draw no inputs of its kind."""
        card = msgspec.convert(self._plan.models[model], ModelCard)
        if precision not in backend.compile_from or card.data is None:
            return None
        arguments = {"data": card.data, "cache": str(self._cache), "count": backend.calibration_inputs}
        job = BuildJob(builder="npubench.build.verbs:calibration_set", arguments=arguments)

        def say(event: Event) -> None:
            if isinstance(event, Said):
                self._watcher.building(model, event.text)

        answer = try_build(job, say, self._stop)
        if isinstance(answer, Failure):
            return answer
        if answer.result is None:
            return None
        request = Request(
            scope="device",
            batch=batch,
            params={**card.params, "inputs": backend.calibration_inputs},
            data=str(answer.result),
            room=self._plan.sources.get(f"room:{model}"),
        )
        return Calibration(workload=code("workloads", card.workload), request=request, most=backend.calibration_inputs)

    def _brought(
        self,
        specs: prebuilt.Specs,
        built: tuple[Artifact, ...],
        model: str,
        precision: str,
        variant: str,
        batch: int,
    ) -> Ready:
        """The files of a build with those that were compiled elsewhere in their places."""
        if batch != 1:
            message = f"the files that were compiled elsewhere are for one input at a time, not for {batch}"
            return Ready(failure=Failure(kind=FailureKind.UNSUPPORTED, message=message, phase="build"))
        card = msgspec.convert(self._plan.models[model], ModelCard)
        try:
            known = prebuilt.graphs(card, precision, variant) or {}
            artifacts = prebuilt.stand_in(built, specs, known, self._plan.sources)
        except ArtifactError as error:
            failure = Failure(kind=FailureKind.BAD_ARTIFACT, message=str(error), hint=error.hint, phase="build")
            return Ready(failure=failure)
        return Ready(artifacts=artifacts, sources=built, origin=prebuilt.origin(specs))
