"""Made-up results for the tests of the report. Nothing here was measured: every number is drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from npubench.cards import digest
from npubench.energy import ChannelEnergy, EnergyLedger
from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report.view import RunFiles
from npubench.rules import load
from npubench.schema import (
    SAMPLE_COLUMNS,
    AbsentBackend,
    Cell,
    Failure,
    FailureKind,
    InputFacts,
    Launch,
    Machine,
    Note,
    Plan,
    PlannedCell,
    ProcessFacts,
    Scenario,
    UnsupportedCell,
    Value,
    Warmup,
    Window,
    cell_id,
)
from npubench.spi import Device, MeterScope, Placement
from npubench.stats.assemble import assemble
from npubench.stats.samples import Samples
from npubench.stats.summary import summarise

START_NS = 1_000_000_000

# Model → (unit, median latency of one request in ns, units per request); invented.
MODELS: dict[str, tuple[str, float, int]] = {
    "cctv-detect": ("frame", 24e6, 1),
    "ocr-korean": ("page", 610e6, 1),
    "llm-chat-135m": ("token", 1.4e9, 32),
}
TITLES = {
    "cctv-detect": Text(en="CCTV detector (compact)", ko="CCTV 객체 검출(소형)"),
    "ocr-korean": Text(en="Korean document OCR", ko="한국어 문서 OCR"),
    "llm-chat-135m": Text(en="Chat model, 135 M parameters", ko="대화 모델 135M"),
    "cpu": Text(en="CPU (ONNX Runtime)", ko="CPU (ONNX Runtime)"),
    "sample-npu": Text(en="Sample NPU (test data)", ko="견본 NPU(시험 자료)"),
    "sample-gpu": Text(en="Sample GPU (test data)", ko="견본 GPU(시험 자료)"),
    "sample-sim": Text(en="Sample simulator (test data)", ko="견본 모의 장치(시험 자료)"),
}
SPEED = {"cpu": 1.0, "sample-npu": 0.16, "sample-gpu": 0.09, "sample-sim": 30.0}


def machine(**changes: Any) -> Machine:
    """A machine that does not exist."""
    facts = Machine(
        name="sample-node-7",
        cpu="Sample CPU 9000 16-Core",
        cores=16,
        threads=32,
        governor="schedutil",
        memory_bytes=128 << 30,
        os="Debian GNU/Linux 12",
        kernel="6.1.0-sample",
        container="docker",
        clock_source="tsc",
        accelerators=(
            Device(id="0000:41:00.0", type="npu", vendor="Sample Silicon", name="NP-1", detail={"model": "NP-1 Max"}),
        ),
        versions={"python": "3.11.2", "numpy": "2.1.0"},
        load_average=(0.4, 0.3, 0.2),
        busy_processes=("backup (pid 4242, 31% of a core)",),
    )
    return msgspec.structs.replace(facts, **changes)


def samples(
    median_ns: float, count: int, *, seed: int, units: int = 1, offline: bool = False, tokens: bool = False
) -> Samples:
    """A closed loop with a log-normal body and a slow tail."""
    draw = np.random.default_rng(seed)
    step = (median_ns * np.exp(draw.normal(0, 0.06, count)) * np.where(draw.random(count) < 0.02, 1.9, 1.0)).astype(
        np.int64
    )
    table = np.zeros((count, len(SAMPLE_COLUMNS)), dtype=np.int64)
    done = START_NS + np.cumsum(step)
    table[:, 0] = START_NS if offline else np.concatenate([[START_NS], done[:-1]])
    table[:, 1] = np.concatenate([[START_NS], done[:-1]])
    table[:, 3] = done
    table[:, 4] = units
    table[:, 7] = draw.random(count) < 0.03
    if not tokens:
        return Samples(table, np.zeros((0, 2), dtype=np.int64))
    each = np.linspace(0.3, 1.0, units)
    times = (table[:, 1, None] + step[:, None] * each[None, :]).astype(np.int64)
    rows = np.repeat(np.arange(count), units)
    return Samples(table, np.column_stack([rows, times.ravel()]))


def planned(
    model: str, backend: str, scenario: str, scope: str, precision: str = "fp32", purpose: Any = "measure"
) -> PlannedCell:
    key = {"model": model, "backend": backend, "scenario": scenario, "scope": scope, "precision": precision}
    return PlannedCell(
        id=cell_id(key),
        key=key,
        identity=dict(key),
        model=model,
        backend=backend,
        precision=precision,
        scenario=Scenario(name=scenario, params={"batch": 8} if scenario == "offline" else {}),
        scope=scope,
        window_s=20,
        warmup_s=5,
        purpose=purpose,
    )


def launched(
    cell: PlannedCell, number: int, found: Samples, unit: str, kind: Any = "hardware", **changes: Any
) -> Launch:
    """A launch that finished with these samples."""
    arrival = "at-once" if cell.scenario.name == "offline" else "completion"
    end = int(found.column("completed_ns").max()) if len(found.table) else START_NS + 1
    window = Window(start_ns=START_NS, end_ns=end)
    summary = summarise(found, window, unit, arrival)
    summary["load_ns"] = Value(value=310e6)
    summary["first_inference_ns"] = Value(value=55e6)
    summary["peak_rss_bytes"] = Value(value=float(412 << 20))
    launch = Launch(
        run="run",
        cell=cell.id,
        number=number,
        started="2026-11-24T01:02:03Z",
        status="ok",
        warmup=Warmup(steps=40, duration_ns=2_000_000_000, steady=True),
        window=window,
        unit=unit,
        summary=summary,
        process=ProcessFacts(
            pid=1,
            python="3.11.2",
            executable="python3",
            peak_rss_bytes=1,
            cpu_ns=1,
            involuntary_switches=3,
            versions={"onnxruntime": "1.32.0"},
            options={"model": {"graph_optimization_level": "all", "intra_op_num_threads": 32}},
        ),
        placement=Placement(
            requested="CPUExecutionProvider", providers={"CPUExecutionProvider": 118}, sources=("assignment",)
        )
        if cell.backend == "cpu"
        else None,
        execution_kind=kind,
        load_average=(0.7, 0.5, 0.4),
    )
    return msgspec.structs.replace(launch, **changes)


def metered(launch: Launch, joules: float | None, channel: str = "package-0", scope: MeterScope = "package") -> Launch:
    """`launch` with a power meter that gave `joules`, or no figure for a reason."""
    reason = None if joules is not None else Text(en="readings cover only 40% of the window", ko="구간의 40%만 읽음")
    found = ChannelEnergy(energy_j=joules, reason=reason, scope=scope, kind="counter")
    ledger = EnergyLedger(reason=reason, channels={channel: found})
    return msgspec.structs.replace(launch, energy=ledger)


def failed(cell: PlannedCell, number: int, kind: FailureKind = FailureKind.CRASHED, **changes: Any) -> Launch:
    failure = Failure(
        kind=kind,
        message="sample driver: device lost",
        phase="warm-up",
        signal="SIGSEGV",
        hint="reset the device with the vendor's tool",
        stderr=("[sample-npu] command queue 3 timed out", "[sample-npu] resetting", "Segmentation fault"),
    )
    return Launch(
        run="run",
        cell=cell.id,
        number=number,
        started="2026-11-24T01:02:03Z",
        status="failed",
        verdict="invalid",
        failure=msgspec.structs.replace(failure, **changes),
    )


def card(name: str, *, seeded: bool = False) -> dict[str, Any]:
    title = TITLES.get(name, Text(en=name, ko=name))
    found: dict[str, Any] = {"id": name, "title": {"en": title.en, "ko": title.ko}}
    if seeded:
        found["graphs"] = {
            "model": {
                "file": "g.onnx",
                "sha256": digest(name),
                "weights": {"kind": "seeded", "sha256": digest(name + "w")},
            }
        }
        found["quality"] = None
        found["params"] = {"inputs": 32}
    return found


def files(
    cells: Sequence[PlannedCell],
    launches: Sequence[Launch],
    tables: dict[str, Samples],
    *,
    profile: str = "standard",
    samples_of: Callable[[str], Samples | None] | None = None,
    certificates: Sequence[Certificate] = (),
    **changes: Any,
) -> RunFiles:
    """The run that these launches make, as `assemble` would."""
    rules = load()
    plan = Plan(
        run="20261124T010203Z-5a3b1c",
        created="2026-11-24T01:02:03Z",
        npubench="0.1.0",
        profile=profile,
        suite="public-sector",
        ruleset=rules.id,
        seed=7,
        launches=2 if profile == "standard" else 1,
        comparable=profile == "standard",
        max_samples=1000,
        cells=tuple(cells),
        order=(),
        models={cell.model: card(cell.model, seeded=True) for cell in cells},
        backends={cell.backend: card(cell.backend) for cell in cells},
        inputs={
            "cctv-detect": InputFacts(source="street-frames", sha256=digest("street-frames"), files=32),
            "ocr-korean": InputFacts(source="own", sha256=digest("pages"), files=1204),
            "llm-chat-135m": InputFacts(source="civic-prompts", sha256=digest("civic-prompts"), files=2),
        },
        command=("npubench", "run", "--profile", profile),
        machine=machine(),
    )
    plan = msgspec.structs.replace(plan, **changes)
    run = assemble(plan, launches, rules, certificates=certificates)
    return RunFiles(
        run=run,
        launches={f"{launch.cell}-{launch.number}": launch for launch in launches},
        samples=samples_of or tables.get,
    )


def realistic(profile: str = "standard", backends: Sequence[str] = ("cpu", "sample-npu", "sample-gpu")) -> RunFiles:
    """About what a real run looks like: 3 services × 2 scopes × 2 scenarios on several backends, one of them "
    "failing."""
    cells: list[PlannedCell] = []
    launches: list[Launch] = []
    tables: dict[str, Samples] = {}
    repeat = 2 if profile == "standard" else 1
    for backend in backends:
        floor = planned("overhead-floor", backend, "single-stream", "device", purpose="floor")
        cells.append(floor)
        launches.append(launched(floor, 1, samples(4_200, 3000, seed=1), "sample"))
        for m, (model, (unit, median, units)) in enumerate(MODELS.items()):
            for s, scope in enumerate(("service", "device")):
                for scenario in ("single-stream", "offline"):
                    cell = planned(model, backend, scenario, scope)
                    cells.append(cell)
                    for number in range(1, repeat + 1):
                        seed = m * 100 + s * 10 + number
                        if backend == "sample-npu" and model == "llm-chat-135m":
                            launches.append(failed(cell, number))
                            continue
                        at = median * SPEED[backend] * (0.8 if scope == "device" else 1.0)
                        n = int(min(2500, max(14, (20e9 if repeat > 1 else 3e9) / at)))
                        found = samples(
                            at, n, seed=seed, units=units, offline=scenario == "offline", tokens=unit == "token"
                        )
                        tables[f"{cell.id}-{number}"] = found
                        kind = "simulated" if backend == "sample-sim" else "hardware"
                        doubt = backend == "cpu" and model == "ocr-korean" and scope == "device"
                        launches.append(
                            launched(
                                cell,
                                number,
                                found,
                                unit,
                                kind,
                                verdict="degraded" if doubt else "valid",
                                reasons=(
                                    Text(
                                        en="still changing when measured: use a longer profile",
                                        ko="측정 중에도 변화: 더 긴 프로파일을 사용하세요",
                                    ),
                                )
                                if doubt
                                else (),
                            )
                        )
    return files(
        cells,
        launches,
        tables,
        profile=profile,
        unsupported=(
            UnsupportedCell(
                model="llm-chat-135m",
                backend="sample-npu",
                precision="int4",
                reason=Text(en="this backend takes fp32, int8", ko="이 백엔드가 받는 정밀도: fp32, int8"),
            ),
        ),
        absent=(
            AbsentBackend(
                backend="cuda",
                title=Text(en="NVIDIA GPU (ONNX Runtime CUDA)", ko="NVIDIA GPU (ONNX Runtime CUDA)"),
                reason="this onnxruntime has no CUDAExecutionProvider",
                fix=Text(en="pip install onnxruntime-gpu", ko="pip install onnxruntime-gpu"),
                device_type="gpu",
            ),
        ),
        notes=(
            Note(
                code="governor-not-performance",
                text=Text(
                    en="The frequency governor is schedutil; set it to performance: cpupower frequency-set -g "
                    "performance",
                    ko="주파수 거버너가 schedutil입니다. performance로 바꾸세요: cpupower frequency-set -g performance",
                ),
            ),
            Note(
                code="smt",
                severity="info",
                text=Text(en="Two threads share a core.", ko="두 스레드가 코어 하나를 나눠 씁니다."),
            ),
            Note(
                code="shape-defaulted",
                severity="info",
                text=Text(
                    en="Input x: its dimension “rows” was taken as 1.", ko="입력 x의 차원 ‘rows’를 1로 두었습니다."
                ),
            ),
        ),
    )


def many(count: int) -> RunFiles:
    """`count` cells of a few models, without samples files."""
    cells, launches = [], []
    found = samples(5e6, 700, seed=3)
    for index in range(count):
        cell = planned(
            f"model-{index % 10}", f"backend-{index // 10 % 10}", "single-stream", "device", f"fp{index // 100}"
        )
        cells.append(cell)
        launches.append(launched(cell, 1, found, "sample"))
    return files(cells, launches, {}, profile="smoke")


def only_nulls() -> RunFiles:
    """One cell all of whose numbers are unknown."""
    cell = planned("cctv-detect", "cpu", "single-stream", "device")
    empty = {key: Value(value=None, reason="no request was completed") for key in METRICS}
    launch = launched(cell, 1, samples(1e6, 1, seed=1), "frame", summary=empty)
    return files([cell], [launch], {}, profile="smoke")


def nothing() -> RunFiles:
    """A run in which no launch gave a result."""
    cell = planned("cctv-detect", "cpu", "single-stream", "device")
    return files([cell], [failed(cell, 1)], {}, profile="smoke")


def one(count: int = 700) -> RunFiles:
    """One cell with `count` samples."""
    cell = planned("cctv-detect", "cpu", "single-stream", "device")
    found = samples(24e6, count, seed=5)
    return files([cell], [launched(cell, 1, found, "frame")], {f"{cell.id}-1": found}, profile="smoke")


def with_cell(source: RunFiles, **changes: Any) -> RunFiles:
    """`source` with its first cell changed."""
    first: Cell = msgspec.structs.replace(source.run.cells[0], **changes)
    run = msgspec.structs.replace(source.run, cells=(first, *source.run.cells[1:]))
    return RunFiles(run=run, launches=source.launches, samples=source.samples)
