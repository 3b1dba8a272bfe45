"""Where each model × build × backend of a plan runs: asked once, before it is timed (METRICS.md, Placement).

The graph itself is looked at first, on the CPU with nothing optimised, in npubench's own environment: which nodes
multiply how much with the shapes of this model's inputs, and what passes between them. That is kept in the cache by the
hashes of graph and data. Then the backend's worker opens it in three sessions, and `stats.placement` makes the figures.

Guarantees: a backend that fails here gives a certificate that says so, not an exception. Not aware of: load, timing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from npubench.cards import BackendCard, ModelCard, digest
from npubench.discovery import code
from npubench.engine.launcher import Environment, Limits, run_job
from npubench.engine.protocol import AdapterRef, BuildJob, Compiled, Placed, PlaceJob
from npubench.engine.select import adapter_ref, environment_of, try_build
from npubench.evidence import Certificate, Origin, Startup
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import Failure, FailureKind, Plan
from npubench.spi import Artifact, Request
from npubench.stats.placement import Observed, certify, execution_kind, observed

# Raised whenever the way in which graphs are looked at changes: what is in the cache is then made anew.
LOOKING = 1
RUNS = 5
CPU = "CPUExecutionProvider"

Session = Literal["timed", "profiled", "strict"]


class Certifier:
    """Certifies the backends of one plan. `work` is a folder for files in flight; lives as long as the run."""

    def __init__(
        self,
        plan: Plan,
        cache: Path,
        work: Path,
        rules: Ruleset,
        limits: Limits,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._work = work
        self._rules = rules
        self._limits = limits
        self._stop = stop

    def certify(
        self,
        model: str,
        precision: str,
        variant: str,
        backend: str,
        artifacts: Sequence[Artifact],
        sources: Sequence[Artifact],
        compiled: Compiled | None = None,
        origin: Origin | None = None,
    ) -> tuple[Certificate, Failure | None]:
        """The certificate of one build on one backend, and what kept it from being looked at. Raises StopRequested.

        `artifacts` are the files that are timed, `sources` the graphs that they were made from (the same ones where
        nothing was compiled ahead).
        """
        card = msgspec.convert(self._plan.models[model], ModelCard)
        backend_card = msgspec.convert(self._plan.backends[backend], BackendCard)
        availability = self._plan.availability.get(backend)
        wanted = backend_card.device.type
        blank = Certificate(
            model=model,
            precision=precision,
            variant=variant,
            backend=backend,
            extent="unknown",
            execution_kind=execution_kind(wanted, None),
            requested=backend_card.provider or "",
            devices=availability.devices if availability else (),
            versions=availability.versions if availability else {},
            origin=origin,
        )
        self._work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="placement-", dir=self._work))
        try:
            seen, looked_at = self._seen(card, sources, folder)
            # Where names had to be added, the backend gets the named copy too, else nothing could be matched.
            opened = looked_at if tuple(artifacts) == tuple(sources) and looked_at else tuple(artifacts)
            ref, environment = adapter_ref(backend_card), environment_of(backend_card)
            if compiled is None:
                answer = self._place(card, opened, ref, environment, folder)
            else:
                # What is compiled was cut already: whether the provider takes all is a question about the graph.
                answer = self._place(card, opened, ref, environment, folder, ("timed", "profiled"))
                strict = self._place(card, tuple(sources), ref, environment, folder / "strict", ("strict",))
                answer = _with_strict(answer, strict)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(answer, Failure):
            return _failed(blank, answer), answer
        startup = Startup(
            compile_ns=sum(compiled.compile_ns.values()) if compiled is not None else None,
            compile_reason=_compile_reason(compiled),
            cold_load_ns=_total(found.cold_load_ns for found in answer.evidence.values()),
            warm_load_ns=_total(found.warm_load_ns for found in answer.evidence.values()),
            first_inference_ns=answer.first_inference_ns,
        )
        blank = msgspec.structs.replace(blank, versions=answer.versions, duration_ns=answer.duration_ns)
        known, unseen = (seen, None) if not isinstance(seen, str) else ({}, seen)
        return certify(blank, answer.evidence, known, wanted, self._rules, startup=startup, unseen=unseen), None

    def _request(self, card: ModelCard) -> Request:
        return Request(
            scope="device" if "device" in card.scopes else card.scopes[0],
            seed=self._plan.seed,
            params=card.params,
            data=self._plan.sources.get(f"data:{card.id}"),
            room=self._plan.sources.get(f"room:{card.id}"),
        )

    def _place(
        self,
        card: ModelCard,
        artifacts: tuple[Artifact, ...],
        adapter: AdapterRef,
        environment: Environment,
        folder: Path,
        sessions: tuple[Session, ...] = ("timed", "profiled", "strict"),
        runs: int = RUNS,
    ) -> Placed | Failure:
        job = PlaceJob(
            adapter=adapter,
            workload=code("workloads", card.workload),
            artifacts=artifacts,
            request=self._request(card),
            folder=str(folder),
            runs=runs,
            sessions=sessions,
        )
        answer = run_job(job, folder, environment, self._limits, stop=self._stop)
        assert isinstance(answer, (Placed, Failure))
        return answer

    def _seen(
        self, card: ModelCard, sources: Sequence[Artifact], folder: Path
    ) -> tuple[dict[str, Observed] | str, tuple[Artifact, ...]]:
        """Each graph's own facts, or why there are none; and the graphs with names."""
        arguments = {"artifacts": [msgspec.to_builtins(item) for item in sources], "folder": str(folder / "named")}
        named = try_build(BuildJob(builder="npubench.build.verbs:name_nodes", arguments=arguments), stop=self._stop)
        if isinstance(named, Failure):
            return named.message, ()
        graphs = tuple(msgspec.convert(item["artifact"], Artifact) for item in named.result)
        kept = self._cache / "observed" / f"{card.id}-{self._key(card, sources)}.json"
        if kept.is_file():
            return msgspec.json.decode(kept.read_bytes(), type=dict[str, Observed]), graphs
        adapter = AdapterRef(
            code=code("adapters", "ort"),
            provider=CPU,
            device={"type": "cpu"},
            options={"graph_optimization_level": "disable"},
        )
        environment = Environment(python=sys.executable)
        answer = self._place(card, graphs, adapter, environment, folder / "observed", ("profiled",), 1)
        if isinstance(answer, Failure):
            return f"the graph could not be run on the CPU: {answer.message}", graphs
        found: dict[str, Observed] = {}
        for item, artifact in zip(named.result, graphs, strict=True):
            evidence = answer.evidence[artifact.role]
            if evidence.profile is None:
                return f"the graph could not be run on the CPU: {evidence.profile_reason}", graphs
            found[artifact.role] = observed(evidence.profile, (tuple(edge) for edge in item["edges"]))
        _keep(kept, msgspec.json.encode(found))
        return found, graphs

    def _key(self, card: ModelCard, sources: Sequence[Artifact]) -> str:
        data = self._plan.inputs.get(card.id)
        facts: dict[str, Any] = {
            "looking": LOOKING,
            "graphs": {item.role: item.sha256 for item in sources},
            "request": msgspec.to_builtins(msgspec.structs.replace(self._request(card), data=None, room=None)),
            "data": data.sha256 if data else None,
        }
        return digest(facts)[:24]


def _compile_reason(compiled: Compiled | None) -> str | None:
    """Why there is no time of compiling, or why the one there is was not measured in this run."""
    if compiled is None:
        return "nothing is compiled ahead on this backend"
    return "compiled in an earlier run; the file was kept" if compiled.kept else None


def _total(parts: Iterable[int | None]) -> int | None:
    found = list(parts)
    known = [part for part in found if part is not None]
    return sum(known) if len(known) == len(found) else None


def _with_strict(answer: Placed | Failure, strict: Placed | Failure) -> Placed | Failure:
    """`answer` with what the strict session of another process said; a failure there is an unknown answer."""
    if isinstance(answer, Failure):
        return answer
    changed = {}
    for role, found in answer.evidence.items():
        if isinstance(strict, Failure):
            changed[role] = msgspec.structs.replace(found, strict_reason=strict.message)
        else:
            said = strict.evidence[role]
            changed[role] = msgspec.structs.replace(found, strict=said.strict, strict_reason=said.strict_reason)
    return msgspec.structs.replace(answer, evidence=changed)


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}-{os.getpid()}")
    staged.write_bytes(data)
    staged.replace(path)


def _failed(blank: Certificate, failure: Failure) -> Certificate:
    said = failure.message
    if failure.kind is FailureKind.CPU_FALLBACK:
        text = Text(en=said, ko=said)
        return msgspec.structs.replace(blank, extent="none", execution_kind="cpu_fallback", reasons=(text,))
    text = Text(
        en=f"where it runs is unknown: looking failed ({failure.kind.value}): {said}",
        ko=f"실행 위치 알 수 없음: 확인 실패({failure.kind.value}): {said}",
    )
    return msgspec.structs.replace(blank, profile_reason=said, macs_reason=said, strict_reason=said, reasons=(text,))
