"""Made-up placement certificates of every extent and execution kind, and a run that has them. Nothing was measured."""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.cards import digest
from npubench.evidence import Certificate, Origin, Startup
from npubench.lang import Text
from npubench.report.view import RunFiles
from npubench.schema import FailureKind
from npubench.spi import Device, EnvironmentFacts
from tests.report import sample

CPU = "CPUExecutionProvider"
NPU = "SampleNpuExecutionProvider"

DEVICES = {
    "sample-npu": Device(id="0000:41:00.0", type="npu", vendor="Sample Silicon", name="NP-1"),
    "sample-sim": Device(id="sim-0", type="cpu", vendor="Sample Silicon", name="NP-1 emulator"),
}


def certificate(model: str, backend: str, **changes: Any) -> Certificate:
    """All on the provider that was asked for, but for two conversions."""
    requested = CPU if backend == "cpu" else NPU
    alone = backend == "cpu"
    made = Certificate(
        model=model,
        precision="fp32",
        variant="portable",
        backend=backend,
        extent="full",
        execution_kind="hardware",
        requested=requested,
        registered=(requested,) if alone else (requested, CPU),
        selected=(requested,) if alone else (requested, CPU),
        executing=(requested,) if alone else (CPU, requested),
        device_type="cpu" if alone else "npu",
        devices=(DEVICES[backend],) if backend in DEVICES else (),
        versions={"onnxruntime": "1.32.0", "sample-driver": "7.1"},
        nodes={requested: 118} if alone else {requested: 118, CPU: 2},
        compute_nodes={requested: 57},
        macs={requested: 1_328_000_000},
        macs_unmatched=0,
        macs_share=1.0,
        self_time_ns={requested: 220_000_000} if alone else {requested: 98_000_000, CPU: 2_000_000},
        unattributed_share=0.012,
        subgraphs=1 if alone else 2,
        crossings=0 if alone else 2,
        fallback_ops={} if alone else {"QuantizeLinear": 1, "DequantizeLinear": 1},
        strict="passed" if alone else "refused",
        strict_reason=None if alone else "Fail: this session contains graph nodes that are assigned to the CPU",
        sources=("assignment", "profile"),
        startup=Startup(
            compile_reason="nothing is compiled ahead on this backend",
            cold_load_ns=310_000_000,
            warm_load_ns=42_000_000,
            first_inference_ns=55_000_000,
        ),
        duration_ns=4_000_000_000,
    )
    return msgspec.structs.replace(made, **changes)


def assisted(model: str, backend: str, **changes: Any) -> Certificate:
    """More than a third of the arithmetic on the CPU, some of it without a name, and time that no node accounts for."""
    return certificate(
        model,
        backend,
        **{
            "extent": "assisted",
            "compute_nodes": {NPU: 51, CPU: 6},
            "nodes": {NPU: 106, CPU: 14},
            "macs": {NPU: 620_000_000, CPU: 330_000_000},
            "macs_unmatched": 50_000_000,
            "macs_share": 0.62,
            "self_time_ns": {NPU: 61_000_000, CPU: 39_000_000},
            "unattributed_share": 0.43,
            "subgraphs": 5,
            "crossings": 8,
            "fallback_ops": {"MatMul": 3, "Softmax": 2, "Erf": 1, "QuantizeLinear": 4, "DequantizeLinear": 4},
            "flags": (
                Text(
                    en="43 % of the profiled time belongs to no node: the time shares are a part of the story",
                    ko="프로파일 시간의 43 %가 어느 노드에도 속하지 않음: 시간 비율은 일부만 보여 줌",
                ),
            ),
            "reasons": (
                Text(
                    en=f"CPU-assisted: only 62 % of the arithmetic ran on {NPU}, the rest on {CPU}",
                    ko=f"CPU 보조: 연산량의 62 %만 {NPU}에서, 나머지는 {CPU}에서 실행됨",
                ),
            ),
            **changes,
        },
    )


def simulated(model: str, backend: str, **changes: Any) -> Certificate:
    """An emulator of the device, compiled ahead."""
    startup = Startup(
        compile_ns=412_000_000, cold_load_ns=8_000_000, warm_load_ns=6_000_000, first_inference_ns=95_000_000
    )
    return certificate(
        model,
        backend,
        **{
            "execution_kind": "simulated",
            "device_type": "cpu",
            "strict": "passed",
            "strict_reason": None,
            "startup": startup,
            **changes,
        },
    )


def none(model: str, backend: str, **changes: Any) -> Certificate:
    """The device took nothing."""
    return certificate(
        model,
        backend,
        **{
            "extent": "none",
            "execution_kind": "cpu_fallback",
            "executing": (CPU,),
            "device_type": "",
            "devices": (),
            "nodes": {CPU: 120},
            "compute_nodes": {CPU: 57},
            "macs": {CPU: 1_328_000_000},
            "macs_share": 0.0,
            "self_time_ns": {CPU: 220_000_000},
            "fallback_ops": {"Conv": 40, "MatMul": 17, "Relu": 63},
            "strict_reason": "Fail: every node was given to the CPU",
            "reasons": (Text(en=f"nothing ran on {NPU}", ko=f"{NPU}에서 실행된 것이 없음"),),
            **changes,
        },
    )


def unproven(model: str, backend: str, **changes: Any) -> Certificate:
    """An adapter that gives no evidence."""
    return Certificate(
        **{
            "model": model,
            "precision": "fp32",
            "variant": "portable",
            "backend": backend,
            "extent": "unknown",
            "execution_kind": "unknown",
            "requested": NPU,
            "macs_reason": "nothing says which provider took which node",
            "profile_reason": "this adapter records no profile",
            "strict_reason": "this adapter cannot forbid sharing",
            "startup": Startup(compile_reason="nothing is compiled ahead on this backend"),
            **changes,
        }
    )


def prebuilt(model: str, backend: str, **changes: Any) -> Certificate:
    """Compiled by somebody else."""
    origin = Origin(
        compiled_by="Sample Silicon",
        compiler="npc 3.2",
        quantiser="npq 1.4",
        sha256={"model": digest("compiled")},
        source_sha256={"model": digest("source")},
    )
    return certificate(model, backend, **{"origin": origin, **changes})


ENVIRONMENTS = {
    "cpu": EnvironmentFacts(
        python="3.11.2",
        packages={"onnxruntime": "1.32.0", "numpy": "2.1.0", "msgspec": "0.20.0", "npubench": "0.1.0"},
        libraries={"onnxruntime_pybind11_state.so": digest("state")},
    ),
    "sample-sim": EnvironmentFacts(
        python="3.12.3",
        packages={"onnxruntime": "1.32.0", "onnxruntime-sample": "2.7.0", "numpy": "1.26.4", "msgspec": "0.20.0"},
        libraries={"libonnxruntime_providers_sample.so": digest("provider"), "libSampleHtp.so": digest("htp")},
    ),
}
VERIFIED = {
    "cpu": {"how": "hardware", "on": "Sample CPU 9000, 16 cores", "date": "2026-11-24"},
    "sample-npu": {"how": "not verified"},
    "sample-sim": {"how": "simulated", "on": "the vendor's emulator", "date": "2026-11-25"},
    "sample-gpu": {"how": "stand-in", "on": "a software GPU"},
}
EACH = (
    certificate("cctv-detect", "cpu"),
    certificate("ocr-korean", "cpu"),
    certificate("cctv-detect", "sample-npu"),
    assisted("ocr-korean", "sample-npu"),
    prebuilt("llm-chat-135m", "sample-npu"),
    simulated("cctv-detect", "sample-sim"),
    assisted("ocr-korean", "sample-sim", execution_kind="simulated", device_type="cpu"),
    none("cctv-detect", "sample-gpu"),
    unproven("ocr-korean", "sample-gpu"),
    unproven("llm-chat-135m", "sample-gpu", execution_kind="endpoint", device_type="endpoint"),
)


def placed(found: tuple[Certificate, ...] = EACH, **changes: Any) -> RunFiles:
    """A run of the builds that these certificates are of: one at a time and all at once, on the device alone."""
    cells, launches, tables = [], [], {}
    for item in found:
        unit, median, units = sample.MODELS[item.model]
        for scenario in ("single-stream", "offline"):
            cell = sample.planned(item.model, item.backend, scenario, "device", item.precision)
            cells.append(cell)
            if item.extent == "none":
                failure = sample.failed(
                    cell,
                    1,
                    FailureKind.CPU_FALLBACK,
                    message=f"nothing ran on {NPU}",
                    phase="place",
                    signal=None,
                    hint=None,
                    stderr=(),
                )
                launches.append(failure)
                continue
            drawn = sample.samples(
                median * sample.SPEED[item.backend], 40, seed=1, units=units, offline=scenario == "offline"
            )
            tables[f"{cell.id}-1"] = drawn
            launches.append(sample.launched(cell, 1, drawn, unit, item.execution_kind, placement=None))
    names = dict.fromkeys(item.backend for item in found)
    cards = {name: {**sample.card(name), "verified": VERIFIED.get(name)} for name in names}
    settings: dict[str, Any] = {"environments": ENVIRONMENTS, "backends": cards, "profile": "smoke", **changes}
    return sample.files(cells, launches, tables, certificates=found, **settings)
