"""LoadGen in an environment of its own, made once per session, and what it says of the requests that we measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parents[2]
_INSTALL_S, _RUN_S = 300.0, 60.0


def python_of(folder: Path) -> str:
    """A Python with `mlcommons-loadgen`. Skips the test, with pip's own words, where it cannot be installed.

    `NPUBENCH_TEST_LOADGEN_PYTHON` names one that exists already.
    """
    if python := os.environ.get("NPUBENCH_TEST_LOADGEN_PYTHON"):
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mlcommons-loadgen"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.skip("mlcommons-loadgen could not be installed in time")
    if done.returncode:
        pytest.skip(f"mlcommons-loadgen could not be installed: {done.stderr[-500:]}")
    return python


def matrix_model(path: Path) -> str:
    """A chain of small matrix products that takes some 60 µs on one core."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for index in range(3):
        weights.append(numpy_helper.from_array(rng.random((160, 160), dtype=np.float32) / 80, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [f"x{index}", f"w{index}"], [f"x{index + 1}"]))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, (32, 160))],
        [helper.make_tensor_value_info("x3", TensorProto.FLOAT, (32, 160))],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return str(path)


def pair(python: str, model: str, scenario: str, queries: int, rate: float, trace: bool = False) -> Any:
    """One process that runs `model` ("-": nothing) under our generator and then under LoadGen."""
    # numpy, msgspec and the runtime are this environment's; only LoadGen itself is the other's.
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    script = str(Path(__file__).with_name("loadgen_child.py"))
    done = subprocess.run(
        [python, script, model, scenario, str(queries), str(rate), str(int(trace))],
        capture_output=True,
        text=True,
        check=False,
        timeout=_RUN_S,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


def witnessed(python: str, model: str, rounds: int = 5, queries: int = 3_000, rate: float = 1_000.0) -> list[Any]:
    """Each of nothing and the model, single-stream and server, under both in turn."""
    found: list[Any] = [
        {"kind": kind, "scenario": scenario, "model": name, "pairs": []}
        for kind, name in (("nothing", "-"), ("model", model))
        for scenario in ("single-stream", "server")
    ]
    for _ in range(rounds):
        for case in found:
            count = queries if case["scenario"] == "single-stream" else int(rate)
            case["pairs"].append(pair(python, case["model"], case["scenario"], count, rate))
    return found


def differences(found: list[Any]) -> list[str]:
    """A line per case: the median over pairs of ours less LoadGen's."""
    lines = []
    for case in found:
        cells = []
        for key in [
            name for name in case["pairs"][0]["ours"] if name in ("p50_ns", "p90_ns", "p99_ns", "per_query_ns")
        ]:
            ours = median(one["ours"][key] for one in case["pairs"])
            theirs = median(one["loadgen"][key] for one in case["pairs"])
            paired = median(one["ours"][key] - one["loadgen"][key] for one in case["pairs"])
            name = key.removesuffix("_ns")
            cells.append(f"{name} {ours / 1e3:.2f} − {theirs / 1e3:.2f} = {paired / 1e3:+.2f} µs")
        lines.append(f"{case['kind']}, {case['scenario']}: ours − LoadGen: {'; '.join(cells)}")
    return lines
