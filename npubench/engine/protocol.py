"""What crosses the process boundary: one JSON job on the worker's stdin, JSON-lines events on a pipe of its own.

stdout and stderr belong to the vendor's library. Code is named as `module:attr`, so that the worker needs no entry
points of ours. Runs on Python 3.10, numpy 1.24, msgspec and nothing else.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import msgspec

from npubench import tuning
from npubench.conformance import Case, Check, Tried
from npubench.evidence import RoleEvidence
from npubench.scenarios import Arrival
from npubench.schema import Audit, Capacity, ExecutionKind, Failure, Host, HostEffect, MemoryUse, Stages, Warmup, Window
from npubench.spi import Artifact, Availability, EnvironmentFacts, Placement, Request, TensorSpec
from npubench.stats.trials import Limits


class AdapterRef(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter's code and the facts of the backend card that it is made from; `plugin` only where it has one."""

    code: str
    provider: str | None = None
    device: dict[str, Any] = {}
    plugin: dict[str, Any] | None = None
    options: dict[str, Any] = {}


class ProbeJob(msgspec.Struct, frozen=True, kw_only=True, tag="probe", tag_field="verb"):
    """Is this backend here? Answers `Probed`, with the environment's facts where `thorough` (libraries are hashed)."""

    adapter: AdapterRef
    thorough: bool = False


class SurveyJob(msgspec.Struct, frozen=True, kw_only=True, tag="survey", tag_field="verb"):
    """Which of these backends are here? By backend id, asked one after the other; answers `Surveyed`."""

    adapters: dict[str, AdapterRef]


class BuildJob(msgspec.Struct, frozen=True, kw_only=True, tag="build", tag_field="verb"):
    """Materialise a model. `builder` is called with `arguments`; answers `Built` with what it returns."""

    builder: str
    arguments: dict[str, Any] = {}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How load is made. `value`: requests/s, cameras or users; None where nothing is scheduled, or it is searched.

    Lanes in flight: `instances` sessions on each of `devices`, each with `inflight` views.
    """

    arrival: Arrival
    value: float | None = None
    fps: float = 0.0
    think_ns: int = 0
    seed: int = 0
    devices: int = 1
    instances: int = 1
    inflight: int = 1


CLOSED = "closed"
"""The file in a mix's folder that says: another of its launches failed, nobody waits any longer."""


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Several launches start their windows at once: each leaves a file in `folder` and waits for `count` of them."""

    folder: str
    count: int


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a load must hold, by service unit, and from how many queries on that can be said.

    `needed`: percentile → least number of queries for 0, 1, 2 … of them over the bound (LoadGen's statistic), as pairs,
    the ruleset's own percentile first. More over the bound than a table is long is a failure whatever the number.
    """

    held: dict[str, Limits]
    needed: tuple[tuple[float, tuple[int, ...]], ...] = ()
    min_duration_ns: int = 0


# So many requests at once show what a server sustains (our judgement: most servers' batches have as many places or
# fewer, and a queue of more takes long to work off).
SATURATING = 64


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The largest load that holds the target is wanted, within `budget_ns` in all.

    `whole`: loads are whole numbers. `per_load`: requests per second that a load of 1 makes (F for cameras); None where
    a load's rate is only known when it ran (users), and `abreast` says how many there are while saturating. `known`:
    what an earlier launch confirmed, tried first. `hold_ns`: what is confirmed is afterwards held for so long, beyond
    the budget, unless it was confirmed in as long a window.
    """

    searched: str
    whole: bool
    per_load: float | None
    abreast: int = 0
    budget_ns: int
    known: float | None = None
    hold_ns: int = 0


class MeasureJob(msgspec.Struct, frozen=True, kw_only=True, tag="measure", tag_field="verb"):
    """Measure one launch into the memory-mapped files of `folder`."""

    adapter: AdapterRef
    workload: str
    artifacts: tuple[Artifact, ...]
    request: Request
    folder: str
    window_ns: int
    warmup_ns: int
    least_samples: int
    max_samples: int
    max_tokens: int
    load: Load
    target: Target | None = None
    search: Search | None = None
    host: Host = Host()
    together: Together | None = None
    stages: bool = False
    audit: bool = False


class QualityJob(msgspec.Struct, frozen=True, kw_only=True, tag="quality", tag_field="verb"):
    """Answer the data set's inputs and score the answers; raw outputs of the first `fidelity_inputs` go to `folder`.

    `reference` is the outputs file of the fp32 CPU reference, whose tokens a generating model follows; None makes one.
    """

    adapter: AdapterRef
    workload: str
    artifacts: tuple[Artifact, ...]
    request: Request
    fidelity_inputs: int
    reference: str | None
    folder: str


class PlaceJob(msgspec.Struct, frozen=True, kw_only=True, tag="place", tag_field="verb"):
    """Where does this model run? Opens it in the named sessions, one after the other; answers `Placed`.

    `runs`: how often, at most, the profiled session takes the first input.
    """

    adapter: AdapterRef
    workload: str
    artifacts: tuple[Artifact, ...]
    request: Request
    folder: str
    runs: int
    sessions: tuple[Literal["timed", "profiled", "strict"], ...] = ("timed", "profiled", "strict")


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """On what a compiler quantises: at most `most` of the feeds that `workload` makes of the set in `request`."""

    workload: str
    request: Request
    most: int


class CompileJob(msgspec.Struct, frozen=True, kw_only=True, tag="compile", tag_field="verb"):
    """Compile the artefacts ahead of time into `folder`, on typical inputs where some are given; answers `Compiled`."""

    adapter: AdapterRef
    artifacts: tuple[Artifact, ...]
    folder: str
    calibration: Calibration | None = None


class ConformJob(msgspec.Struct, frozen=True, kw_only=True, tag="conform", tag_field="verb"):
    """Ask a backend these `checks` of the contract and these `cases`, whose files are in `folder`; see `conforming`.

    `form` is that of the contract graphs: fp32 or int8. Each question is announced (`Begun`) and answered (`Row`);
    `Conformed` ends them.
    """

    adapter: AdapterRef
    folder: str
    form: str = "fp32"
    checks: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()


class TuneJob(msgspec.Struct, frozen=True, kw_only=True, tag="tune", tag_field="verb"):
    """Which point is the fastest offline? Answers `Tuned`, after `Trying` for each that is opened.

    `artifacts`: batch → files (the same under every batch where shapes are symbolic). `threads_option`: the option of
    the adapter that a point's `threads` goes to. `excluded`: points that are known not to run, with why. `keep_bytes`:
    how much memory points that wait for their next turn may hold. `repetitions`: not 0: every point that often, in
    slices of `slice_ns`, in place of a search within `box_ns`.
    """

    adapter: AdapterRef
    workload: str
    artifacts: dict[int, tuple[Artifact, ...]]
    request: Request
    points: tuple[tuning.Point, ...]
    default: tuning.Point
    threads_option: str | None = None
    excluded: tuple[tuning.Tried, ...] = ()
    box_ns: int
    seed: int
    keep_bytes: int | None = None
    repetitions: int = 0
    slice_ns: int = 0


Job = ProbeJob | SurveyJob | BuildJob | MeasureJob | QualityJob | PlaceJob | CompileJob | ConformJob | TuneJob


class Probed(msgspec.Struct, frozen=True, kw_only=True, tag="probed", tag_field="event"):
    """The adapter's answer."""

    availability: Availability
    environment: EnvironmentFacts | None = None


class Surveyed(msgspec.Struct, frozen=True, kw_only=True, tag="surveyed", tag_field="event"):
    """The adapters' answers by backend id; none of an adapter that raised."""

    found: dict[str, Availability]


class Built(msgspec.Struct, frozen=True, kw_only=True, tag="built", tag_field="event"):
    """What the builder returned, as plain JSON values."""

    result: Any


class Said(msgspec.Struct, frozen=True, kw_only=True, tag="said", tag_field="event"):
    """A line of progress for people."""

    text: str


class Phase(msgspec.Struct, frozen=True, kw_only=True, tag="phase", tag_field="event"):
    """The worker enters a phase: open, bind, first, check, warm-up, measure, close, exit and so on."""

    name: str


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag="measured", tag_field="event"):
    """The launch is done; its samples are in the mapped files. `memory` is added by the parent, who watched it."""

    unit: str
    load_ns: int
    first_inference_ns: int
    warmup: Warmup
    window: Window
    samples_per_row: int
    placement: Placement | None
    execution_kind: ExecutionKind
    pid: int
    python: str
    executable: str
    peak_rss_bytes: int
    cpu_ns: int
    loaded_ns: int
    left: int
    involuntary_switches: int
    versions: dict[str, str]
    options: dict[str, dict[str, Any]]
    inputs: dict[str, tuple[TensorSpec, ...]]
    outputs: dict[str, tuple[TensorSpec, ...]]
    memory: MemoryUse | None = None
    host: tuple[HostEffect, ...] = ()
    capacity: Capacity | None = None
    stages: Stages | None = None
    audits: tuple[Audit, ...] = ()


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered", tag_field="event"):
    """Task scores over `inputs` inputs; `file` in the job's folder has the raw outputs of `fidelity_inputs` of them.

    `exhibits` there: a JSON list of `Exhibit`; None where the workload shows none.
    """

    scores: dict[str, float]
    inputs: int
    fidelity_inputs: int
    file: str
    exhibits: str | None = None
    duration_ns: int
    versions: dict[str, str]


class Placed(msgspec.Struct, frozen=True, kw_only=True, tag="placed", tag_field="event"):
    """Evidence by role; `first_inference_ns` of the whole model in the session as timed, None without that session."""

    evidence: dict[str, RoleEvidence]
    first_inference_ns: int | None
    duration_ns: int
    versions: dict[str, str]


class Compiled(msgspec.Struct, frozen=True, kw_only=True, tag="compiled", tag_field="event"):
    """The compiled artefacts, and how long each took, whenever that was. `kept`: roles that were compiled earlier."""

    artifacts: tuple[Artifact, ...]
    compile_ns: dict[str, int]
    kept: tuple[str, ...] = ()
    versions: dict[str, str]


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun", tag_field="event"):
    """The worker asks the next question, of this name."""

    name: str


class Row(msgspec.Struct, frozen=True, kw_only=True, tag="row", tag_field="event"):
    """The answer to the question begun: a check of the contract, or one of the standard's tests."""

    check: Check | None = None
    tried: Tried | None = None


class Conformed(msgspec.Struct, frozen=True, kw_only=True, tag="conformed", tag_field="event"):
    """Every question has been asked."""

    versions: dict[str, str]
    python: str


class Trying(msgspec.Struct, frozen=True, kw_only=True, tag="trying", tag_field="event"):
    """The worker opens this point next: it is the one in flight should the worker end."""

    point: tuning.Point


class Tuned(msgspec.Struct, frozen=True, kw_only=True, tag="tuned", tag_field="event"):
    """The search is over. `unit`: of which rates count so many per second."""

    found: tuning.Search
    unit: str
    versions: dict[str, str]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", tag_field="event"):
    """The worker could not do the job and knows why."""

    failure: Failure


Event = (
    Probed
    | Surveyed
    | Built
    | Said
    | Phase
    | Measured
    | Answered
    | Placed
    | Compiled
    | Begun
    | Row
    | Conformed
    | Trying
    | Tuned
    | Failed
)


def resolve(name: str) -> Any:
    """The object that `module:attr` names. Raises ImportError or AttributeError."""
    module, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
