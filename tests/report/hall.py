"""A made-up hall of two machines for the tests of the report: a CPU and an NPU in one, a CPU and a GPU in the other.

Nothing here was measured: every number is drawn from a seed. What is made of them (summaries, cells, ledgers, rankings)
is made by the code that makes it of real ones. The runs are like those of a night: five launches a cell, three
services searched and metered, quality and placement judged; what a real hall has too is in it: a cell that the CPU
assisted, one whose answers are wrong, a precision that a backend does not take, a backend that is absent.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench import store
from npubench.cards import digest
from npubench.energy import EnergyLedger, IdlePower
from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.report.view import RunFiles
from npubench.rules import load
from npubench.scenarios import parse
from npubench.schema import (
    AbsentBackend,
    Capacity,
    InputFacts,
    Launch,
    Note,
    Plan,
    PlannedCell,
    Quality,
    Score,
    UnsupportedCell,
    cell_id,
)
from npubench.spi import HOST, Device
from npubench.stats.assemble import assemble
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.stats.summary import summarise
from tests.report import certificates, loaded, powered, sample

S = 1_000_000_000
LAUNCHES = 5
HOLD_S = 30
REAL = {
    "cpu": Text(en="CPU (ONNX Runtime)", ko="CPU (ONNX Runtime)"),
    "sample-npu": Text(en="Sample NP-1 (NPU)", ko="견본 NP-1(NPU)"),
    "sample-gpu": Text(en="Sample GX-9 (GPU)", ko="견본 GX-9(GPU)"),
}
# Cameras that it holds at 15 fps, time of a request over the CPU's, draw of the card and of the machine over the NPU's.
POWERS = {"cpu": (2, 1.0, 1.0, 1.0), "sample-npu": (14, 0.16, 1.0, 1.0), "sample-gpu": (31, 0.07, 5.2, 1.62)}
TYPES = {"cpu": "cpu", "sample-npu": "npu", "sample-gpu": "gpu"}
DEVICES = {
    "sample-npu": Device(id=powered.NPU, type="npu", vendor="Sample Silicon", name="NP-1"),
    "sample-gpu": Device(id=powered.NPU, type="gpu", vendor="Sample Graphics", name="GX-9"),
}
# Unit, median of a request on the CPU in ns, units of a request, scenarios.
WORK: dict[str, tuple[str, float, int, tuple[str, ...]]] = {
    "cctv-detect": (
        "frame", 24e6, 1,
        ("single-stream", "offline:batch=8", "cameras:fps=5", "cameras:fps=15", "cameras:fps=30"),
    ),
    "ocr-korean": ("page", 610e6, 1, ("single-stream", "server")),
    "llm-chat-135m": ("token", 1.4e9, 32, ("single-stream", "server:traffic=citizens")),
}  # fmt: skip
PRECISION = {"cctv-detect": "int8", "ocr-korean": "fp32", "llm-chat-135m": "fp32"}


def _planned(model: str, backend: str, scenario: str, precision: str) -> PlannedCell:
    (found,) = parse(scenario)
    key = {"model": model, "backend": backend, "scenario": scenario, "scope": "service", "precision": precision}
    device = {"type": TYPES[backend], "vendor": DEVICES[backend].vendor if backend in DEVICES else None, "count": 1}
    identity = {**key, "workload": model, "data": "d", "ruleset": "npubench-1", "params": {}, "device": device}
    return PlannedCell(
        id=cell_id(key), key=key, identity=identity, model=model, backend=backend, precision=precision,
        scenario=found, scope="service", window_s=20, warmup_s=5,
    )  # fmt: skip


def _capacity(cell: PlannedCell, unit: str) -> Capacity | None:
    most, speed = POWERS[cell.backend][:2]
    if cell.scenario.name == "cameras":
        fps = int(cell.scenario.params["fps"])
        held = most * 15 // fps
        return loaded.cameras(fps, held) if held else loaded.no_camera(fps)
    if cell.scenario.name != "server":
        return None
    if unit == "page":
        return loaded.rate(
            round(1.5 / speed, 2), {"latency_p99_ns": 2e9}, percent=99.0, short=None, failed_by="latency"
        )
    return loaded.rate(round(0.6 / speed, 2), {"ttft_p99_ns": 2e9, "tpot_p99_ns": 1e8}, percent=99.0, short=None)


def _per_s(capacity: Capacity | None, cell: PlannedCell, each_ns: float) -> float:
    """Requests completed per second in the metered window."""
    if capacity is None:
        return 1e9 / each_ns
    fps = float(cell.scenario.params.get("fps", 1))
    return (capacity.confirmed or 0.0) * fps


def readings(backend: str, seed: int = 0) -> Readings:
    """What the machine's meters would have read while `backend` was at work."""
    _, _, card, node = POWERS[backend]
    found = powered.readings("cpu" if backend == "cpu" else "sample-npu", seed=seed)
    table = found.table.copy()
    for place, channel in enumerate(found.channels):
        if channel.quantity == "power" and channel.scope in ("card", "node"):
            table["value"][table["channel"] == place] *= card if channel.scope == "card" else node
    return msgspec.structs.replace(found, table=table)


def _energy(backend: str, found: Readings, work: Work, before: dict[str, IdlePower]) -> EnergyLedger:
    return ledger(
        found, powered.held(), work,
        ours=lambda channel: not channel.device or (channel.device == HOST) == (backend == "cpu"),
        idle=before, rule=powered.RULE,
    )  # fmt: skip


def quality(model: str, precision: str, backend: str, *, wrong: bool = False) -> Quality:
    """As the suite's gates judge it: a task figure on drawn scenes, or the fidelity of a model without a task."""
    drawn, scores = True, (Score(metric="map50", value=0.912, reference=0.915, floor=0.906, passed=True),)
    if model == "ocr-korean":
        value = 0.611 if wrong else 0.962
        scores = (Score(metric="page_char_accuracy", value=value, reference=0.963, floor=0.953, passed=not wrong),)
    if model == "llm-chat-135m":
        drawn, scores = False, (Score(metric="kl", value=0.0031, floor=0.05, passed=True),)
    said = Text(en="whole pages 61.1 %, below the floor of 95.3 %", ko="쪽 전체 61.1 %, 하한 95.3 % 미달")
    return Quality(
        model=model, precision=precision, variant="portable", backend=backend, verdict="failed" if wrong else "passed",
        scores=scores, reasons=(said,) if wrong else (), inputs=32, available=128, fidelity_inputs=4, drawn=drawn,
    )  # fmt: skip


def certificate(model: str, precision: str, backend: str) -> Certificate:
    """CCTV and the language model wholly on the device; of OCR on the NPU a part is the CPU's."""
    made = certificates.assisted if (model, backend) == ("ocr-korean", "sample-npu") else certificates.certificate
    devices = (DEVICES[backend],) if backend in DEVICES else ()
    return made(model, backend, precision=precision, devices=devices, device_type=TYPES[backend])


def machine(accelerator: str, number: int) -> Any:
    """`npu-node-1`, `gpu-node-2`."""
    return sample.machine(name=f"{TYPES[accelerator]}-node-{number}", accelerators=(DEVICES[accelerator],))


@cache
def night(
    accelerator: str = "sample-npu", *, number: int = 24, factor: float = 1.0, name: str = "", profile: str = "standard"
) -> RunFiles:
    """A night of one machine: its CPU and its accelerator. `number`: the day of November; `factor`: how slow it was."""
    draw = np.random.default_rng(number)
    cells: list[PlannedCell] = []
    launches: list[Launch] = []
    tables: dict[str, Samples] = {}
    metered: dict[str, Readings] = {}
    before = powered.calm(2)

    def add(model: str, backend: str, scenario: str, precision: str, times: float = 1.0) -> None:
        unit, median_ns, units, _ = WORK[model]
        cell = _planned(model, backend, scenario, precision)
        capacity = _capacity(cell, unit)
        cells.append(cell)
        for n in range(1, LAUNCHES + 1):
            at = median_ns * POWERS[backend][1] * factor * times * float(np.exp(draw.normal(0, 0.005)))
            rows = sample.samples(
                at, 700, seed=len(cells) * 10 + n, units=units, offline="offline" in scenario, tokens=unit == "token"
            )
            made = sample.launched(cell, n, rows, unit)
            requests = round(_per_s(capacity, cell, at) * HOLD_S)
            if capacity is not None:
                assert made.window is not None
                summary = {**made.summary, **summarise(rows, made.window, unit, "completion", capacity=capacity)}
                made = msgspec.structs.replace(made, summary=summary, capacity=capacity)
            work = Work(
                requests=requests,
                units=units * requests,
                unit=unit,
                searched=None if capacity is None or not capacity.confirmed else capacity.searched,
                load=None if capacity is None else capacity.confirmed or None,
            )
            key = f"{cell.id}-{n}"
            tables[key], metered[key] = rows, readings(backend, seed=len(launches))
            launches.append(
                msgspec.structs.replace(
                    made,
                    energy=_energy(backend, metered[key], work, before),
                    placement=None,
                    stages=loaded.STAGES if model == "cctv-detect" else None,
                )
            )

    for backend in ("cpu", accelerator):
        floor = sample.planned("overhead-floor", backend, "single-stream", "device", purpose="floor")
        cells.append(floor)
        launches.append(sample.launched(floor, 1, sample.samples(4_200, 3000, seed=1), "sample"))
        for model, (_, _, _, scenarios) in WORK.items():
            for scenario in scenarios:
                add(model, backend, scenario, PRECISION[model])
    add("cctv-detect", "cpu", "single-stream", "fp32", 1.7)
    add("ocr-korean", accelerator, "single-stream", "int8", 0.5)
    builds = {(cell.model, cell.precision, cell.backend): None for cell in cells if cell.purpose == "measure"}
    rules = load()
    plan = Plan(
        run=name or f"202611{number:02d}T010203Z-5a3b1c",
        created=f"2026-11-{number:02d}T01:02:03Z",
        npubench="0.1.0", profile=profile, suite="public-sector", ruleset=rules.id, seed=7, launches=LAUNCHES,
        comparable=profile != "smoke", max_samples=1000, cells=tuple(cells), order=(),
        models={model: sample.card(model, seeded=model == "llm-chat-135m") for model in WORK},
        backends={
            backend: {
                "id": backend, "title": msgspec.to_builtins(REAL[backend]),
                "verified": {"how": "hardware", "on": "a made-up machine", "date": "2026-11-01"},
            }
            for backend in ("cpu", accelerator)
        },
        inputs={
            "cctv-detect": InputFacts(source="street-frames", sha256=digest("street-frames"), files=128),
            "ocr-korean": InputFacts(source="official-pages", sha256=digest("pages"), files=40),
            "llm-chat-135m": InputFacts(source="civic-prompts", sha256=digest("civic-prompts"), files=2),
        },
        command=("npubench", "run", "--profile", profile),
        machine=machine(accelerator, 1 if accelerator == "sample-npu" else 2),
        measured_by="centre:night shift",
        meters=tuple(msgspec.structs.replace(meter, backends=()) for meter in powered.METERS),
        unsupported=(
            UnsupportedCell(
                model="llm-chat-135m", backend=accelerator, precision="int4",
                reason=Text(en="this backend takes fp32, int8", ko="이 백엔드가 받는 정밀도: fp32, int8"),
            ),
        ),
        absent=(
            AbsentBackend(
                backend="cuda", title=Text(en="NVIDIA GPU (ONNX Runtime CUDA)", ko="NVIDIA GPU (ONNX Runtime CUDA)"),
                reason="this onnxruntime has no CUDAExecutionProvider", device_type="gpu",
                fix=Text(en="pip install onnxruntime-gpu", ko="pip install onnxruntime-gpu"),
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
        ),
    )  # fmt: skip
    run = assemble(
        plan,
        launches,
        rules,
        qualities=[quality(*build, wrong=build[:2] == ("ocr-korean", "int8")) for build in builds],
        certificates=[certificate(*build) for build in builds],
        sessions=[powered.session(plan.run, before)],
    )
    return RunFiles(
        run=run,
        launches={f"{item.cell}-{item.number}": item for item in launches},
        samples=tables.get,
        readings=metered.get,
    )


def hall() -> tuple[RunFiles, RunFiles]:
    """One night of both machines."""
    return night("sample-npu"), night("sample-gpu")


def put(root: Path, files: RunFiles, *, whole: bool = False) -> Path:
    """Writes a sealed run below `root`: its run.json, as one accepted into git; `whole`: launches and samples, too."""
    folder = store.RunFolder.create(root, store.slug(files.run.machine.name), files.run.id)
    folder.write_run(files.run)
    for name, launch in files.launches.items() if whole else ():
        folder.write_launch(launch)
        if (rows := files.samples(name)) is not None:
            folder.samples_path(launch.cell, launch.number).write_bytes(rows.encode())
        if (read := files.readings(name)) is not None:
            (folder.path / store.LAUNCHES / f"{name}.power.npz").write_bytes(read.encode())
    return folder.path
