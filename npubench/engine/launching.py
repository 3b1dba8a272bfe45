"""One launch, from what it needs to its document: files, certificate, quality, the measuring process, the summary.

Guarantees: whatever becomes of it, a launch is a document; what failed says why and in which phase. Preparing calls the
watcher and is done one launch at a time; measuring may be done for several launches at once (a mix).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from npubench import traffic
from npubench.cards import ENDPOINT, BackendCard, ModelCard, emulated, ours, with_threads
from npubench.conditions import Conditions
from npubench.discovery import code
from npubench.energy import EnergyLedger, IdlePower
from npubench.engine import loading, served, table
from npubench.engine.files import Files, Ready
from npubench.engine.holding import held_s
from npubench.engine.joules import covering, joules, slowed
from npubench.engine.keeping import Keeping
from npubench.engine.launcher import Limits, run_job
from npubench.engine.lost import Presence
from npubench.engine.metering import Meters
from npubench.engine.placement import Certifier
from npubench.engine.protocol import Event, Measured, MeasureJob, Together
from npubench.engine.quality import Asker, unheld
from npubench.engine.select import adapter_ref, environment_of
from npubench.engine.serving import Servers
from npubench.engine.tuner import Tuner, tuned_cell
from npubench.engine.watching import watching
from npubench.errors import StoreError
from npubench.evidence import Certificate
from npubench.rules import Ruleset, load
from npubench.scenarios import KINDS, Scenario
from npubench.schema import (
    Failure,
    FailureKind,
    Launch,
    Plan,
    PlannedCell,
    ProcessFacts,
    Quality,
    Validity,
    Value,
    parse,
)
from npubench.spi import Request
from npubench.stats.conclude import Concluded, conclude
from npubench.stats.conditions import gone, judge_conditions, worse
from npubench.stats.held import energy_window, work_of
from npubench.stats.memory import leak
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.store import WORK, RunFolder
from npubench.tuning import Tuning
from npubench.units import show_ns, utc_now

# A window is extended until it has this many samples (making.EXTEND bounds it), so that a median can be stated.
LEAST_SAMPLES = {"completion": 12, "at-once": 4, "users": 12}
MAX_TOKENS = 20_000_000

# An emulator that takes longer for one input is placed and not measured in the short profiles (our judgement: a dozen
# steps and a few quality inputs would otherwise take an hour, for figures that nobody may use).
EMULATED_NS = 20_000_000_000

_RESUME = "free some space, then resume the run (`npubench run --resume RUN`)"


class Watcher(Protocol):
    """Who is told how the run goes. All calls come from the parent's main thread."""

    def building(self, model: str, text: str) -> None: ...
    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None: ...
    def event(self, event: Event, completed: int) -> None: ...
    def finished(self, cell: PlannedCell, launch: Launch) -> None: ...
    def asking(self, cell: PlannedCell) -> None: ...
    def answered(self, record: Quality) -> None: ...
    def placing(self, cell: PlannedCell) -> None: ...
    def placed(self, found: Certificate) -> None: ...


class Prepared(msgspec.Struct, frozen=True):
    """A launch whose files are there and whose place and answers are known: it can be measured.

    `way`: the cell with the parameters at which it is run, where these were searched.
    """

    cell: PlannedCell
    number: int
    backend: BackendCard
    files: Ready
    blank: Launch
    way: PlannedCell


class Power(msgspec.Struct, frozen=True):
    """The meters that run during the launches, and what each channel drew before them, while nothing ran."""

    meters: Meters
    idle: Mapping[str, IdlePower] = {}


class Launching:
    """The launches of one plan. Lives as long as its run is measured."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        cache: Path,
        watcher: Watcher,
        limits: Limits,
        stop: Callable[[], bool],
        power: Power,
    ) -> None:
        self._plan = plan
        self._power = power
        self._folder = folder
        self._watcher = watcher
        self._limits = limits
        self._stop = stop
        self._rules: Ruleset = load(plan.ruleset)
        work = folder.path / WORK
        self._presence = Presence(plan.availability, work, stop)
        self._files = Files(plan, cache, work, watcher, limits, stop)
        self._servers = Servers(work, self._files.huggingface, watcher.building, stop)
        self._asker = Asker(plan, cache, work, self._files.graphs, limits, stop=stop)
        self._tuner = Tuner(plan, work, self._files, limits, stop)
        self._certifier = Certifier(plan, cache, work, self._rules, limits, stop)

    def close(self) -> None:
        """Stops what was started for the launches."""
        self._servers.close()

    def _ask(self, cell: PlannedCell, backend: BackendCard) -> None:
        """Asks for the quality of this cell's answers, once for all cells of its build and backend."""
        if cell.purpose != "measure" or self._plan.models[cell.model].get("quality") is None:
            return
        if self._folder.quality_path(cell.model, cell.precision, cell.variant, cell.backend).exists():
            return
        if backend.device.type == ENDPOINT and not ours(backend) and backend.options.get("serves") != cell.model:
            self._folder.write_quality(unheld(cell.model, cell.precision, cell.variant, cell.backend))
            return
        ready = self._files.ready(cell.model, cell.precision, cell.variant, 1, cell.backend)
        if ready.failure is not None:
            return
        self._watcher.asking(cell)
        asked = self._asker.ask(cell.model, cell.precision, cell.variant, cell.backend, ready.artifacts, backend)
        record = asked.record
        if record.failure is not None:
            self._presence.after(backend, record.failure)
            if self._presence.lost(backend):
                # Nothing is known about the answers: the record would convict them for the rest of the run.
                return
        if asked.exhibits is not None:
            self._folder.write_exhibits(asked.exhibits)
        self._folder.write_quality(record)
        self._watcher.answered(record)

    def _certified(self, cell: PlannedCell, backend: BackendCard) -> Certificate | None:
        """Where this cell's build runs on its backend, looked at once; None where there is no device to look at.

        That is the harness's own floor, a backend without a device, and a server somewhere else.
        """
        if cell.purpose != "measure" or backend.device.type in ("none", ENDPOINT):
            return None
        path = self._folder.certificate_path(cell.model, cell.precision, cell.variant, cell.backend)
        if path.exists():
            return parse(path.read_bytes(), Certificate, str(path))
        ready = self._files.ready(cell.model, cell.precision, cell.variant, 1, cell.backend)
        if ready.failure is not None:
            return None
        self._watcher.placing(cell)
        found, failure = self._certifier.certify(
            cell.model,
            cell.precision,
            cell.variant,
            cell.backend,
            ready.artifacts,
            ready.sources,
            ready.compiled,
            ready.origin,
        )
        if failure is not None:
            self._presence.after(backend, failure)
            if self._presence.lost(backend):
                # Where it runs can be asked again when the device is back: nothing is written down for good.
                return found
        self._folder.write_certificate(found)
        self._watcher.placed(found)
        return found

    def prepare(self, cell: PlannedCell, number: int) -> Prepared | Launch:
        """Everything before the measuring process; a Launch where there is nothing to measure, and why.

        Raises StoreError where the disk is full, and StopRequested.
        """
        blank = Launch(
            run=self._plan.run,
            cell=cell.id,
            number=number,
            started=utc_now(),
            status="failed",
            verdict="invalid",
            load_average=os.getloadavg(),
        )
        backend = msgspec.convert(self._plan.backends[cell.backend], BackendCard)
        if (missing := self._presence.before(backend)) is not None:
            return msgspec.structs.replace(blank, failure=missing)
        built = self._files.of(cell)
        if built.failure is not None:
            if built.failure.kind is FailureKind.DISK_FULL:
                raise StoreError(built.failure.message, hint=built.failure.hint or _RESUME)
            failure = self._presence.after(backend, built.failure)
            return msgspec.structs.replace(blank, failure=failure, verdict=_verdict(failure))
        addressed = self._servers.ready(backend, cell.model, alone=cell.mix is None)
        if isinstance(addressed, Failure):
            return msgspec.structs.replace(blank, failure=addressed, verdict=_verdict(addressed))
        backend = addressed
        if (found := self._certified(cell, backend)) is not None and found.extent == "none":
            # Not a number of this backend: nothing is timed.
            said = "; ".join(reason.en for reason in found.reasons)
            fallback = Failure(kind=FailureKind.CPU_FALLBACK, message=said, phase="place")
            return msgspec.structs.replace(blank, failure=fallback, execution_kind="cpu_fallback")
        if found is not None and (slow := _too_slow(found, self._plan.profile)) is not None:
            return msgspec.structs.replace(blank, failure=slow, verdict="unsupported", execution_kind="simulated")
        self._ask(cell, backend)
        way = self._tuned(cell, backend)
        built = self._files.of(way)
        if built.failure is not None:
            return msgspec.structs.replace(blank, failure=built.failure, verdict=_verdict(built.failure))
        return Prepared(cell, number, backend, built, blank, way)

    def _tuned(self, cell: PlannedCell, backend: BackendCard) -> PlannedCell:
        """An offline cell at the point that was searched for once, before its first launch; every other as it is."""
        if not cell.scenario.params.get("tune") or emulated(backend):
            return cell
        path = self._folder.tuning_path(cell.id)
        if path.exists():
            return tuned_cell(cell, parse(path.read_bytes(), Tuning, str(path)))
        self._watcher.building(cell.model, f"{cell.backend}: tune")
        found = self._tuner.tune(cell)
        self._folder.write_tuning(found)
        return tuned_cell(cell, found)

    def measure(self, ready: Prepared, say: Callable[[Event, int], None], together: Together | None = None) -> Launch:
        """Measures a prepared launch; `say` gets each event and how many samples are complete.

        Raises StoreError where the disk is full, and StopRequested.
        """
        backend, blank = ready.backend, ready.blank
        work = self._folder.work(ready.cell.id, ready.number)
        path = self._folder.samples_path(ready.cell.id, ready.number)
        if self._folder.launch_path(ready.cell.id, ready.number).exists():
            # Measured again only to stand beside others: what is written stays as it is.
            path = work / path.name
        keeping = Keeping(path)
        observing = self._observing(ready)

        def tell(event: Event) -> None:
            watch.event(event)
            if observing is not None:
                observing.event(event)
            say(event, table.completed(work))

        with watching(backend, self._plan.machine, meters=self._plan.meters) as watch:
            answer = run_job(
                self._job(ready, work, together),
                work,
                environment_of(backend),
                self._limits,
                tell,
                self._stop,
            )
        blank = msgspec.structs.replace(blank, conditions=watch.found)
        if (ended := self._servers.gone(backend.id)) is not None:
            # What was answered before it ended is no measurement.
            answer = self._servers.explained(backend.id, answer) if isinstance(answer, Failure) else ended
        try:
            if isinstance(answer, Failure):
                if answer.kind is FailureKind.DISK_FULL:
                    # Not a result of the device: the run stops here, and measures this launch when it is resumed.
                    raise StoreError(f"{work}: the disk is full; everything written before is kept", hint=_RESUME)
                keeping.output(work)
                kept = keeping.partial(work)
                answer = self._presence.after(backend, answer)
                return msgspec.structs.replace(
                    blank, failure=answer, verdict=_verdict(answer), reasons=gone(watch.found), samples=kept
                )
            assert isinstance(answer, Measured)
            launch = self._finish(ready, blank, answer, work, keeping)
            if observing is not None:
                found = served.certificate(ready.cell, observing.evidence(launch), launch)
                self._folder.write_certificate(found)
                self._watcher.placed(found)
            return launch
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _observing(self, ready: Prepared) -> served.Observing | None:
        """Looks at an endpoint's server around the first launch of each of its builds."""
        cell = ready.cell
        if ready.backend.device.type != ENDPOINT or cell.purpose != "measure" or cell.mix is not None:
            return None
        if self._folder.certificate_path(cell.model, cell.precision, cell.variant, cell.backend).exists():
            return None
        return served.Observing(self._servers.of(cell.backend), self._plan.machine)

    def _job(self, ready: Prepared, work: Path, together: Together | None) -> MeasureJob:
        cell, backend, built = ready.way, ready.backend, ready.files
        model = msgspec.convert(self._plan.models[cell.model], ModelCard)
        arrival = KINDS[cell.scenario.name].arrival
        return MeasureJob(
            adapter=adapter_ref(with_threads(backend, cell.scenario.params.get("threads"))),
            workload=code("workloads", model.workload),
            artifacts=built.artifacts,
            request=Request(
                scope=cell.scope,
                batch=int(cell.scenario.params.get("batch", 1)),
                seed=self._plan.seed,
                params={**model.params, **traffic.params(cell.scenario), **_decoding(cell.scenario)},
                data=self._plan.sources.get(f"data:{cell.model}"),
                room=self._plan.sources.get(f"room:{cell.model}"),
            ),
            folder=str(work),
            window_ns=int(cell.window_s * 1e9),
            warmup_ns=int(cell.warmup_s * 1e9),
            least_samples=1 if emulated(backend) else LEAST_SAMPLES.get(arrival, 1),
            max_samples=self._plan.max_samples,
            max_tokens=MAX_TOKENS,
            load=loading.load_of(cell, self._plan.seed),
            target=loading.target_of(cell, self._rules),
            search=loading.search_of(cell, self._known(cell), held_s(self._plan, cell)),
            host=self._plan.host,
            together=together,
            # They do not depend on the load, nor differ between launches.
            stages=ready.number == 1,
            audit=self._plan.profile == "certify",
        )

    def _known(self, cell: PlannedCell) -> float | None:
        """The load that an earlier launch of this cell confirmed: later ones confirm it or step down."""
        found = [
            launch.capacity.confirmed
            for launch in self._folder.launches()
            if launch.cell == cell.id and launch.capacity is not None and launch.capacity.confirmed is not None
        ]
        return min(found) if found else None

    def _energy(
        self, ready: Prepared, done: Measured, samples: Samples, told: Concluded, conditions: Conditions
    ) -> tuple[EnergyLedger, Readings]:
        """The joules of a launch, and the readings that they were computed from."""
        cell, meters = ready.way, self._power.meters
        window = energy_window(done.window, done.capacity)
        work = work_of(samples, window, done.unit, cell.scenario, done.capacity, done.samples_per_row, told.given)
        # Of both windows, where they are two: what slowed the device in either must be seen in what is kept.
        readings = meters.readings(covering(done.window, window))
        if not readings.channels:
            none = EnergyLedger(reason=meters.reason, window=window, requests=work.requests, units=work.units)
            return none, readings
        found = joules(
            self._plan,
            cell,
            conditions,
            readings,
            window,
            work,
            idle=self._power.idle,
            rule=self._rules.energy,
            named=meters.backends_of,
        )
        return found, readings

    def _finish(self, ready: Prepared, blank: Launch, done: Measured, work: Path, keeping: Keeping) -> Launch:
        """Keeps the samples, derives the summary, judges."""
        samples = Samples(*table.read(work))
        kept = keeping.samples(samples)
        cell = ready.way
        found = conclude(
            samples,
            scenario=cell.scenario,
            window=done.window,
            unit=done.unit,
            rules=self._rules,
            warmup=done.warmup,
            samples_per_row=done.samples_per_row,
            limits=loading.limits_of(cell, done.unit, self._rules),
            capacity=done.capacity,
            audits=done.audits,
            left=done.left,
        )
        summary, verdict, reasons = found.summary, found.verdict, found.reasons
        summary["load_ns"] = Value(value=float(done.load_ns))
        summary["first_inference_ns"] = Value(value=float(done.first_inference_ns))
        summary["peak_rss_bytes"] = Value(value=float(done.peak_rss_bytes))
        summary["host_cores"] = Value(value=done.cpu_ns / max(done.loaded_ns, 1))
        if (leaked := leak(done.memory, done.window, self._rules)) is not None:
            verdict = "degraded" if verdict == "valid" else verdict
            reasons = (*reasons, leaked)
        assert blank.conditions is not None
        allowed, disturbances = judge_conditions(blank.conditions, self._rules.disturbance)
        energy, readings = self._energy(ready, done, samples, found, blank.conditions)
        powered, disturbed = slowed(energy, done.window, readings)
        return msgspec.structs.replace(
            blank,
            status="ok",
            verdict=worse(worse(verdict, allowed), powered),
            reasons=(*reasons, *disturbances, *disturbed),
            load_ns=done.load_ns,
            first_inference_ns=done.first_inference_ns,
            warmup=done.warmup,
            window=done.window,
            unit=done.unit,
            summary=summary,
            samples=kept,
            left=done.left,
            process=ProcessFacts(
                pid=done.pid,
                python=done.python,
                executable=done.executable,
                peak_rss_bytes=done.peak_rss_bytes,
                cpu_ns=done.cpu_ns,
                loaded_ns=done.loaded_ns,
                involuntary_switches=done.involuntary_switches,
                memory=done.memory,
                host=done.host,
                versions=done.versions,
                options=done.options,
                inputs=done.inputs,
                outputs=done.outputs,
            ),
            energy=energy,
            power=keeping.power(readings),
            placement=done.placement,
            execution_kind=done.execution_kind,
            capacity=done.capacity,
            stages=done.stages,
            audits=done.audits,
            lacks=found.lacks,
        )


def _decoding(scenario: Scenario) -> dict[str, str]:
    """Whether a camera's frames are decoded in their time, where they come from clips."""
    return {"decode": scenario.params["decode"]} if "decode" in scenario.params else {}


def _too_slow(found: Certificate, profile: str) -> Failure | None:
    """Why an emulator is asked for no more than its certificate; None where it answers within EMULATED_NS, or always
    in the long profiles.
    """
    first_ns = found.startup.first_inference_ns or 0
    if found.execution_kind != "simulated" or first_ns <= EMULATED_NS or profile not in ("smoke", "standard"):
        return None
    return Failure(
        kind=FailureKind.UNSUPPORTED,
        message=f"one input takes {show_ns(first_ns)} in the emulator, and its times mean nothing: it was placed, and "
        f"neither scored nor timed; profile nightly does",
        phase="place",
    )


def _verdict(failure: Failure) -> Validity:
    return "unsupported" if failure.kind is FailureKind.UNSUPPORTED else "invalid"
