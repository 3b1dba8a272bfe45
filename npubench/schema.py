"""The result documents: a launch file per measured process, a plan, and the sealed run.

Documents are immutable and carry their version (`npubench.run/2`, `npubench.launch/2`, `npubench.plan/1`). Reading an
older version goes through `MIGRATIONS`; reading a newer one raises SchemaTooNewError. Unknown is a null with a reason.

History of the format:
    1  2026-11  first.
    2  2026-11  run and launch: reasons of energy in two languages; joules by scope; what meters there were.

Not aware of: files (`store`), how numbers are computed (`stats`), how they are shown (`report`).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from npubench.conditions import Conditions
from npubench.energy import Attachment, EnergyLedger, PlannedMeter, PowerSession
from npubench.energy import Window as Window
from npubench.errors import NotComparableError, SchemaTooNewError
from npubench.evidence import Certificate
from npubench.exhibits import Exhibits
from npubench.lang import Text
from npubench.scenarios import Scenario as Scenario
from npubench.spi import Availability, Device, EnvironmentFacts, MeterScope, Placement, TensorSpec
from npubench.tuning import Tuning

RUN_SCHEMA = "npubench.run/2"
LAUNCH_SCHEMA = "npubench.launch/2"
PLAN_SCHEMA = "npubench.plan/1"

ExecutionKind = Literal["hardware", "simulated", "virtual", "cpu_fallback", "endpoint", "unknown"]
"""`unknown`: it ran and was timed, but nothing proves where. Never compared or ranked, not even with itself."""
Validity = Literal["valid", "degraded", "invalid", "unsupported"]
Purpose = Literal["measure", "floor"]
"""`floor`: the one-node model whose latency is the harness's own overhead on that backend; no result in itself."""

FLOOR_MODEL = "overhead-floor"
"""The room of the one-node graph. A plan measures it on every backend; asked for by name it is a cell like others."""

DROPPED = -1
"""The status of a frame that was never run, because its camera's previous one was still waiting: infinitely late."""

SAMPLE_COLUMNS = ("scheduled_ns", "issued_ns", "first_ns", "completed_ns", "units", "stream", "status", "preempted")
"""Columns of the sample table, int64 each. `first_ns` is 0 where no first result is observed; `status` 0 is success,
`DROPPED` a frame that was not run. `stream`: camera, user or lane."""


NO_METER = Text(en="no meter was asked", ko="전력 측정기를 사용하지 않았습니다")


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable. Unknown keys are ignored when reading, so that a newer minor field does not break an older reader."""


class FailureKind(str, enum.Enum):
    """The failure taxonomy: what can go wrong with a launch, each with what to do next."""

    CRASHED = "crashed"
    KILLED = "killed"
    OUT_OF_MEMORY = "out_of_memory"
    HUNG = "hung"
    RAISED = "raised"
    DEVICE_LOST = "device_lost"
    NON_FINITE = "non_finite"
    WRONG_SHAPE = "wrong_shape"
    INCONSISTENT = "inconsistent"
    PROTOCOL = "protocol"
    NOT_AVAILABLE = "not_available"
    BAD_ARTIFACT = "bad_artifact"
    BAD_DATA = "bad_data"
    BUILD_FAILED = "build_failed"
    CPU_FALLBACK = "cpu_fallback"
    DISK_FULL = "disk_full"
    UNSUPPORTED = "unsupported"
    BAD_CARD = "bad_card"


VALIDITY_TEXT: dict[Validity, Text] = {
    "valid": Text(en="valid", ko="유효"),
    "degraded": Text(en="with caution", ko="주의"),
    "invalid": Text(en="invalid", ko="무효"),
    "unsupported": Text(en="unsupported", ko="미지원"),
}
"""What people read of a verdict: one word each, everywhere."""

FAILURE_TEXT: dict[FailureKind, Text] = {
    FailureKind.CRASHED: Text(
        en="The process crashed. Its last lines are below; the fault lies in the runtime or driver, report it there.",
        ko="프로세스가 비정상 종료되었습니다. 아래 마지막 출력을 런타임·드라이버 공급사에 전달하세요.",
    ),
    FailureKind.KILLED: Text(
        en="The process was killed from outside. Check other jobs, quotas and the kernel log.",
        ko="프로세스가 외부에서 강제 종료되었습니다. 다른 작업, 할당량, 커널 로그를 확인하세요.",
    ),
    FailureKind.OUT_OF_MEMORY: Text(
        en="Memory ran out. Use a smaller model or batch, or free memory.",
        ko="메모리가 부족합니다. 더 작은 모델이나 배치를 쓰거나 메모리를 확보하세요.",
    ),
    FailureKind.HUNG: Text(
        en="The process made no progress and was stopped. Check the device's state and its driver.",
        ko="진행이 없어 중단했습니다. 장치와 드라이버 상태를 확인하세요.",
    ),
    FailureKind.RAISED: Text(
        en="The runtime reported an error. The message and the last lines are below.",
        ko="런타임이 오류를 보고했습니다. 메시지와 마지막 출력은 아래에 있습니다.",
    ),
    FailureKind.DEVICE_LOST: Text(
        en="The device went away while it was in use. Check its power, its link (kernel log) and its driver, and reset "
        "it before the next run.",
        ko="사용 중에 장치가 사라졌습니다. 전원, 연결(커널 로그), 드라이버를 확인하고 다음 실행 전에 장치를 "
        "재설정하세요.",
    ),
    FailureKind.NON_FINITE: Text(
        en="The output holds NaN or infinity. The result is wrong, however fast; check precision and driver.",
        ko="출력에 NaN 또는 무한대가 있습니다. 빠르더라도 잘못된 결과이므로 정밀도와 드라이버를 확인하세요.",
    ),
    FailureKind.WRONG_SHAPE: Text(
        en="An output does not have the shape or type that the model declares.",
        ko="출력의 모양이나 자료형이 모델의 선언과 다릅니다.",
    ),
    FailureKind.INCONSISTENT: Text(
        en="An input got another input's answer: a buffer was read before the device had written it, say. The result "
        "is wrong, however fast; report it to the runtime's vendor.",
        ko="다른 입력의 답이 나왔습니다. 예를 들어 장치가 쓰기 전에 버퍼를 읽은 경우입니다. 빠르더라도 잘못된 "
        "결과이므로 런타임 공급사에 알리세요.",
    ),
    FailureKind.PROTOCOL: Text(
        en="The worker ended without a result. Run with the same cell alone and read its output.",
        ko="작업 프로세스가 결과 없이 끝났습니다. 이 셀만 따로 실행해 출력을 확인하세요.",
    ),
    FailureKind.NOT_AVAILABLE: Text(
        en="The backend is not available on this machine.",
        ko="이 장비에서 사용할 수 없는 백엔드입니다.",
    ),
    FailureKind.BAD_ARTIFACT: Text(
        en="The model file is missing or damaged. `npubench build` makes it anew.",
        ko="모델 파일이 없거나 손상되었습니다. `npubench build`로 다시 만드세요.",
    ),
    FailureKind.BAD_DATA: Text(
        en="The input data cannot be used.",
        ko="입력 데이터를 사용할 수 없습니다.",
    ),
    FailureKind.BUILD_FAILED: Text(
        en="The model could not be built.",
        ko="모델을 만들지 못했습니다.",
    ),
    FailureKind.CPU_FALLBACK: Text(
        en="Nothing ran on the requested provider: this would have been a CPU figure under another name.",
        ko="요청한 장치에서 실행된 연산이 없습니다. 다른 이름을 단 CPU 수치가 될 뻔했습니다.",
    ),
    FailureKind.UNSUPPORTED: Text(
        en="This backend does not take this model in this way. A result, not a failure.",
        ko="이 백엔드는 이 모델을 이 방식으로 실행하지 않습니다. 실패가 아니라 결과입니다.",
    ),
    FailureKind.BAD_CARD: Text(
        en="A parameter of the model card or backend card cannot be used.",
        ko="모델 카드 또는 백엔드 카드의 값을 사용할 수 없습니다.",
    ),
    FailureKind.DISK_FULL: Text(
        en="The disk is full. Free space and resume the run.",
        ko="디스크가 가득 찼습니다. 공간을 확보한 뒤 이어서 실행하세요.",
    ),
}


class Value(_Document, frozen=True, kw_only=True):
    """A published number, or null with the reason."""

    value: float | None
    reason: str | None = None


class Failure(_Document, frozen=True, kw_only=True):
    """Why a launch gave no result. `phase` is where it happened; `stderr` holds the process's last lines.

    `hint` is what the error itself says to do next, where it says so. `status`: that of the one request whose failure
    ended it (`statuses`).
    """

    kind: FailureKind
    message: str
    hint: str | None = None
    phase: str = ""
    exit_code: int | None = None
    signal: str | None = None
    status: int | None = None
    stderr: tuple[str, ...] = ()


class Note(_Document, frozen=True, kw_only=True):
    """A warning: an enumerated code and a text that says what to do next. `severity`: info, warning."""

    code: str
    text: Text
    severity: Literal["info", "warning"] = "warning"


class SampleFile(_Document, frozen=True, kw_only=True):
    """The raw samples of a launch, beside the launch file."""

    file: str
    sha256: str
    rows: int
    tokens: int = 0


class PowerFile(_Document, frozen=True, kw_only=True):
    """The raw power readings of a launch, beside the launch file."""

    file: str
    sha256: str


class Warmup(_Document, frozen=True, kw_only=True):
    """Steps before the timed window, and whether the step time had become steady."""

    steps: int
    duration_ns: int
    steady: bool


TrialPurpose = Literal["saturate", "search", "confirm", "hold"]
"""`hold`: the confirmed load once more, for as long as a published energy figure needs."""
TrialEnd = Literal["planned", "hopeless", "full"]
FailedBy = Literal["latency", "drops", "queue", "errors", "generator"]


class Trial(_Document, frozen=True, kw_only=True):
    """One load tried inside a launch. Its samples are those of the launch scheduled in [start, end) of `window`.

    `load` is in the unit of what is searched (cameras, requests/s, users); None while saturating, a closed loop that
    shows what is sustained. `over` requests missed the bound, among them the `dropped` and `failed` ones.
    `passed`: held the bound at `percent` (the highest of the ruleset's that `queries` support; None: too few for any).
    `p50_ns` … are of the scheduled-to-completed time (of the time to first token where that is what is bound), None
    where dropped requests make them infinite. `ended`: `hopeless` when it was given up early. `left` of the queries
    were due by then and never run or answered, so that they have no sample.
    """

    purpose: TrialPurpose
    load: float | None
    window: Window
    queries: int
    left: int = 0
    over: int
    dropped: int
    failed: int
    passed: bool
    percent: float | None = None
    failed_by: FailedBy | None = None
    ended: TrialEnd = "planned"
    completed_per_s: float = 0.0
    p50_ns: float | None = None
    p90_ns: float | None = None
    p99_ns: float | None = None
    lag_p99_ns: float | None = None


class Capacity(_Document, frozen=True, kw_only=True):
    """The largest load that was confirmed, the smallest that failed and why, and everything that was tried.

    `searched`: rate, cameras or users. `confirmed` 0: nothing was held, `failed` is then the least load; None: unknown,
    with `reason` (the time was over, say). `percent`: at which the bound was confirmed; where that is lower than the
    ruleset's, `short` says how many more queries the ruleset's needs. `sustained_per_s`: requests completed per second
    in a closed loop. `bound`: metric → ns that was to be held.
    """

    searched: str
    confirmed: float | None
    reason: Text | None = None
    percent: float | None = None
    short: int | None = None
    failed: float | None = None
    failed_by: FailedBy | None = None
    sustained_per_s: float | None = None
    bound: dict[str, float] = {}
    trials: tuple[Trial, ...] = ()


class Stages(_Document, frozen=True, kw_only=True):
    """Where the time of one input goes: the median of each stage over `inputs` inputs, outside the timed window.

    decode, pre, host-to-device, infer, device-to-host, post; a stage that the backend cannot tell apart is missing.
    `decoder_per_s`: frames of video that the host decodes per second in as many threads as the launch has lanes, with
    no model running; None where nothing is decoded from streams.
    """

    inputs: int
    median_ns: dict[str, float]
    decoder_per_s: float | None = None


PROMPT_CACHE, PROMPT_LENGTH = "prompt-cache", "prompt-length"
CAVEATS = (PROMPT_CACHE, PROMPT_LENGTH)
"""Audits that a launch may fail and still be a result, of something else than was meant: degraded, not invalid."""


class Audit(_Document, frozen=True, kw_only=True):
    """One audit of a launch: `same-outputs`, `no-cache`, `output-length`, and `CAVEATS` of an endpoint.

    `passed` None: not made, see `said`.
    """

    name: str
    passed: bool | None
    said: Text


class MemoryUse(_Document, frozen=True, kw_only=True):
    """Private memory (resident less shared) of the measuring process at the start, middle and end of its window.

    The parent read it from outside. `requests` were completed between the first reading and the last; `left_bytes` is
    what the machine could still give at the end.
    """

    start_bytes: int
    middle_bytes: int
    end_bytes: int
    requests: int
    left_bytes: int | None = None


class ProcessFacts(_Document, frozen=True, kw_only=True):
    """The measuring process. `options` are those in effect, per graph; `versions` are varying, never identity.

    `cpu_ns` were used in the `loaded_ns` in which load was made.
    """

    pid: int
    python: str
    executable: str
    peak_rss_bytes: int
    cpu_ns: int
    loaded_ns: int | None = None
    involuntary_switches: int
    memory: MemoryUse | None = None
    host: tuple[HostEffect, ...] = ()
    versions: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    inputs: dict[str, tuple[TensorSpec, ...]] = {}
    outputs: dict[str, tuple[TensorSpec, ...]] = {}


class Launch(_Document, frozen=True, kw_only=True):
    """One fresh process measuring one cell.

    `window` is that of the summary; of a searched load it is the window of the confirming trial. `left`: requests that
    were due and never run or answered; they have no sample, and are over any bound. `lacks`: what the ruleset asks of
    such a result and this launch does not have ("212 more queries for p99"); none: it conforms.
    """

    schema: Literal["npubench.launch/2"] = "npubench.launch/2"
    run: str
    cell: str
    number: int
    started: str
    status: Literal["ok", "failed"]
    failure: Failure | None = None
    verdict: Validity = "valid"
    reasons: tuple[Text, ...] = ()
    load_ns: int | None = None
    first_inference_ns: int | None = None
    warmup: Warmup | None = None
    window: Window | None = None
    unit: str = "sample"
    summary: dict[str, Value] = {}
    samples: SampleFile | None = None
    left: int = 0
    process: ProcessFacts | None = None
    energy: EnergyLedger = EnergyLedger(reason=NO_METER)
    power: PowerFile | None = None
    placement: Placement | None = None
    execution_kind: ExecutionKind | None = None
    load_average: tuple[float, float, float] | None = None
    conditions: Conditions | None = None
    capacity: Capacity | None = None
    stages: Stages | None = None
    audits: tuple[Audit, ...] = ()
    lacks: tuple[Text, ...] = ()


Priority = Literal["normal", "high", "realtime"]


class Host(_Document, frozen=True, kw_only=True):
    """How the measuring process asks the operating system to treat it; what it was refused is said in the result.

    `timer_slack_ns`: how late a sleep may end (Linux: 50 000 unless asked). `pin`: processors of the lanes, one each in
    turn. `priority`: none, `high` (nice −10) or `realtime` (SCHED_FIFO, the lowest of its priorities).
    """

    timer_slack_ns: int = 1
    pin: tuple[int, ...] = ()
    priority: Priority = "normal"


class HostEffect(_Document, frozen=True, kw_only=True):
    """One thing that was asked of the operating system for the measuring threads (`Host`).

    `in_effect`: what is so in the lane that was looked at last, None where that cannot be seen. `refused`: why it is
    not as asked.
    """

    what: Literal["timer slack", "pin", "priority"]
    asked: str
    in_effect: str | None
    refused: str | None = None


class InputFacts(_Document, frozen=True, kw_only=True):
    """What a model was fed with. `source`: a data set's id, or `own` for the user's own folder."""

    source: str
    sha256: str
    files: int


class PlannedCell(_Document, frozen=True, kw_only=True):
    """A cell before it is measured. `key` are the canonical key's parts, `identity` what decides comparability.

    `window_s` is the timed window of each launch, `warmup_s` the most that warming up may take. Cells of one `mix` are
    measured at the same time, beside each other; `alone` is the cell with which such a one is compared.
    """

    id: str
    key: dict[str, str]
    identity: dict[str, Any]
    model: str
    backend: str
    precision: str
    variant: str = "portable"
    scenario: Scenario
    scope: str
    window_s: float
    warmup_s: float
    purpose: Purpose = "measure"
    mix: str | None = None
    alone: str | None = None


class UnsupportedCell(_Document, frozen=True, kw_only=True):
    """A combination that this backend does not take, or that does not fit here. A result, not a failure."""

    model: str
    backend: str
    precision: str
    reason: Text


class AbsentBackend(_Document, frozen=True, kw_only=True):
    """A backend that could not run here, why, and what would make it ready."""

    backend: str
    title: Text
    reason: str
    fix: Text | None = None
    device_type: str = ""


class Machine(_Document, frozen=True, kw_only=True):
    """Facts about the measured machine. Unknown is null."""

    name: str
    cpu: str | None
    cpu_flags: tuple[str, ...] = ()
    cores: int | None = None
    threads: int | None = None
    governor: str | None = None
    memory_bytes: int | None = None
    os: str = ""
    kernel: str = ""
    container: str | None = None
    virtual_machine: str | None = None
    clock_source: str | None = None
    accelerators: tuple[Device, ...] = ()
    versions: dict[str, str] = {}
    load_average: tuple[float, float, float] | None = None
    busy_processes: tuple[str, ...] = ()


class Plan(_Document, frozen=True, kw_only=True):
    """What a run is going to measure; written first, so that a killed run can be resumed.

    `named_absent`: something that was asked for by name (a backend, a precision) cannot be measured here.
    `comparable` is false for a quick look: a profile made for one, or less time or fewer launches than the profile's.
    `order` lists (cell id, launch number) in the seeded, interleaved order.
    `hold_s`: how long a confirmed load is held for its energy where a meter answers; 0: it is not. `external_log`:
    a meter's log will be attached afterwards (`--power-pulse`), so that loads are held as if a meter answered.
    `inputs` maps each model to its input data; `sources` holds local paths (rooms, the user's frames)
    and stays in the plan: a run document names no path.
    """

    schema: Literal["npubench.plan/1"] = "npubench.plan/1"
    run: str
    created: str
    npubench: str
    profile: str
    suite: str | None
    ruleset: str
    seed: int
    launches: int
    comparable: bool
    max_samples: int
    cells: tuple[PlannedCell, ...]
    order: tuple[tuple[str, int], ...]
    models: dict[str, Any]
    backends: dict[str, Any]
    inputs: dict[str, InputFacts] = {}
    sources: dict[str, str] = {}
    command: tuple[str, ...] = ()
    machine: Machine
    unsupported: tuple[UnsupportedCell, ...] = ()
    absent: tuple[AbsentBackend, ...] = ()
    named_absent: bool = False
    notes: tuple[Note, ...] = ()
    availability: dict[str, Availability] = {}
    environments: dict[str, EnvironmentFacts] = {}
    measured_by: str = "unknown"
    host: Host = Host()
    meters: tuple[PlannedMeter, ...] = ()
    hold_s: float = 0.0
    external_log: bool = False


class Score(_Document, frozen=True, kw_only=True):
    """One quality figure beside the reference's and the floor that it was judged by.

    `metric` is a key of `metrics.QUALITY`. `floor` is in the metric's own unit, computed from the reference's figure
    where the card's floor is relative; None: not judged. `value` None: unknown, with `reason`.
    """

    metric: str
    value: float | None
    reference: float | None = None
    floor: float | None = None
    passed: bool | None = None
    reason: str | None = None


class Quality(_Document, frozen=True, kw_only=True):
    """How good the answers of a model × build × backend are, found once per run outside any timed region.

    `inputs` of the data set's `available` inputs were answered. `drawn`: the data is our own drawing, so that scores
    compare devices and say nothing about real footage. `verdict`: `passed`, `failed` (its cells are invalid) or
    `unknown` with a reason.
    """

    schema: Literal["npubench.quality/1"] = "npubench.quality/1"
    model: str
    precision: str
    variant: str
    backend: str
    verdict: Literal["passed", "failed", "unknown"]
    scores: tuple[Score, ...] = ()
    reasons: tuple[Text, ...] = ()
    inputs: int = 0
    available: int = 0
    fidelity_inputs: int = 0
    drawn: bool = False
    reference: str = ""
    duration_ns: int = 0
    failure: Failure | None = None


class Spread(_Document, frozen=True, kw_only=True):
    """A metric of a cell over its launches: the median of the launch values, and the values themselves.

    Of a capacity it is the smallest instead, which every launch confirmed.
    """

    median: float | None
    launches: tuple[float | None, ...]
    reason: str | None = None


class Cell(_Document, frozen=True, kw_only=True):
    """Model × precision × backend × scenario: the unit of the result table.

    `energy`: channel → joules in the window. `efficiency`: scope → metric of `metrics.ENERGY`, for the device
    under test. `disturbed`: how many of its launches other work took processor time from.
    """

    id: str
    key: dict[str, str]
    identity: dict[str, Any]
    identity_sha256: str
    model: str
    backend: str
    precision: str
    scenario: Scenario
    scope: str
    unit: str
    execution_kind: ExecutionKind | None
    verdict: Validity
    reasons: tuple[Text, ...] = ()
    purpose: Purpose = "measure"
    overhead_bound: bool | None = None
    summary: dict[str, Spread] = {}
    launches: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    disturbed: int = 0
    placement: Placement | None = None
    placement_reason: str | None = None
    certificate: Certificate | None = None
    certificate_reason: str | None = None
    quality: Quality | None = None
    quality_reason: str | None = None
    energy: dict[str, Spread] = {}
    energy_reason: Text | None = None
    efficiency: dict[MeterScope, dict[str, Spread]] = {}
    options: dict[str, dict[str, Any]] = {}
    capacity: Capacity | None = None
    stages: Stages | None = None
    audits: tuple[Audit, ...] = ()
    lacks: tuple[Text, ...] = ()
    tuning: Tuning | None = None
    mix: str | None = None
    alone: str | None = None


class Run(_Document, frozen=True, kw_only=True):
    """Everything that one invocation measured. Sealed when its plan is complete."""

    schema: Literal["npubench.run/2"] = "npubench.run/2"
    id: str
    created: str
    sealed: str
    npubench: str
    profile: str
    comparable: bool
    suite: str | None
    ruleset: str
    seed: int
    command: tuple[str, ...]
    machine: Machine
    cells: tuple[Cell, ...]
    absent: tuple[AbsentBackend, ...] = ()
    notes: tuple[Note, ...] = ()
    unsupported: tuple[UnsupportedCell, ...] = ()
    models: dict[str, Any] = {}
    backends: dict[str, Any] = {}
    inputs: dict[str, InputFacts] = {}
    availability: dict[str, Availability] = {}
    environments: dict[str, EnvironmentFacts] = {}
    files: dict[str, str] = {}
    varying: dict[str, str] = {}
    measured_by: str = "unknown"
    host: Host = Host()
    meters: tuple[PlannedMeter, ...] = ()
    power: tuple[PowerSession, ...] = ()
    logs: tuple[Attachment, ...] = ()


D = TypeVar("D", Run, Launch, Plan, Quality, Exhibits, Certificate, Tuning, PowerSession, Attachment)


def _both(reason: Any) -> Any:
    """A sentence that was kept in one language only."""
    return {"en": reason, "ko": reason} if isinstance(reason, str) else reason


def migrate_run_1_to_2(document: dict[str, Any]) -> dict[str, Any]:
    """Reasons of energy were English sentences."""
    cells = [{**cell, "energy_reason": _both(cell.get("energy_reason"))} for cell in document.get("cells", ())]
    return {**document, "schema": "npubench.run/2", "cells": cells}


def migrate_launch_1_to_2(document: dict[str, Any]) -> dict[str, Any]:
    """Reasons of energy were English sentences."""
    energy = document.get("energy") or {}
    channels = {
        name: {**channel, "reason": _both(channel.get("reason"))}
        for name, channel in energy.get("channels", {}).items()
    }
    energy = {**energy, "reason": _both(energy.get("reason")), "channels": channels}
    return {**document, "schema": "npubench.launch/2", "energy": energy}


# One entry per version step and document kind.
MIGRATIONS: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ("npubench.run", 1): migrate_run_1_to_2,
    ("npubench.launch", 1): migrate_launch_1_to_2,
}
CURRENT = {
    "npubench.run": 2,
    "npubench.launch": 2,
    "npubench.plan": 1,
    "npubench.quality": 1,
    "npubench.exhibits": 1,
    "npubench.placement": 1,
    "npubench.tuning": 1,
    "npubench.power": 1,
    "npubench.power-log": 1,
}


def parse(data: bytes, kind: type[D], source: str) -> D:
    """`data` (JSON) as a document of type `kind`, migrated if it is older. `source` names the file in errors.

    Raises NotComparableError for what is not such a document, SchemaTooNewError for one from a newer npubench.
    """
    # Most documents are of the current version: those are decoded once, into their own type.
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    if found is not None and found.schema == msgspec.structs.fields(kind)[0].default:
        return found
    try:
        document = msgspec.json.decode(data)
        name, _, version_text = str(document["schema"]).rpartition("/")
        version = int(version_text)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotComparableError(f"{source}: not an npubench result document ({error})") from error
    expected = kind.__struct_fields__ and str(msgspec.structs.fields(kind)[0].default).rpartition("/")[0]
    if name != expected:
        raise NotComparableError(f"{source}: schema is {name!r}, expected {expected!r}")
    if version > CURRENT[name]:
        raise SchemaTooNewError(
            f"{source}: written by a newer npubench (schema {name}/{version}; this one reads up to {CURRENT[name]})",
            hint="install that npubench, or a newer one, to read it",
        )
    while version < CURRENT[name]:
        document = MIGRATIONS[name, version](document)
        version += 1
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise NotComparableError(f"{source}: damaged document: {error}") from error


def encode(document: _Document | Exhibits | Certificate | Tuning | PowerSession | Attachment) -> bytes:
    """`document` as indented JSON with a final newline; exhibits, which are lists of pixels, on one line."""
    indent = 0 if isinstance(document, Exhibits) else 1
    return msgspec.json.format(msgspec.json.encode(document), indent=indent) + b"\n"


def cell_id(key: Mapping[str, str]) -> str:
    """First 12 hex digits of the SHA-256 over the sorted `key=value` lines (DESIGN.md, Decisions)."""
    lines = "\n".join(f"{name}={key[name]}" for name in sorted(key))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]
