"""Quantising and compiling for Warboy, in a process of its own. Not verified on hardware.

    fp32 graph + calibration inputs → furiosa.optimizer → furiosa.quantizer → model.dfg
    a quantised graph (QDQ)                                                 → model.onnx, as it is
    with furiosa-compiler                                                   → model.enf

Sources: furiosa-sdk 0.10 (documentation and published examples of `furiosa.quantizer`), the compiler's manual.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npubench.adapters import vendor_calibration, vendor_graph, vendor_sdk, warboy
from npubench.errors import UnsupportedError

OPSET = 13
Ends = Sequence[Sequence[Any]]


def compile_model(
    path: str, target: str, calibration: str, ahead: str, inputs: Ends, outputs: Ends, folder: Path
) -> dict[str, str]:
    """Writes the file into `folder` and returns the facts. Raises UnsupportedError, what the vendor's code raises."""
    import onnx

    sdk = warboy.sdk()
    model = vendor_graph.restamped(onnx.load(path), OPSET, warboy.WHO)
    facts = {
        "furiosa-runtime": sdk.label,
        "inputs": json.dumps(inputs),
        "outputs": json.dumps(outputs),
        "target": target,
    }
    quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    if quantised:
        content, name, facts["route"] = model.SerializeToString(), "model.onnx", "our quantised graph as it is"
    elif calibration:
        feeds = vendor_calibration.read(calibration)
        content, name = _quantise(model, feeds, inputs), "model.dfg"
        facts["route"] = f"quantised by furiosa.quantizer on {len(feeds)} calibration inputs (MIN_MAX_ASYM)"
    else:
        raise UnsupportedError(
            "Warboy accelerates int8 models only; this graph is in floating point and there are no calibration inputs"
        )
    (folder / name).write_bytes(content)
    if ahead:
        source, name = folder / name, "model.enf"
        _compile(ahead, source, folder / name, target, int(inputs[0][1][0]) if inputs and inputs[0][1] else 1)
        source.unlink()
        facts["route"] += "; compiled by furiosa-compiler"
    else:
        facts["route"] += "; compiled by the runtime when it is loaded"
    return facts | {"file": name}


def _quantise(model: Any, feeds: Sequence[Any], inputs: Ends) -> bytes:
    names = ("CalibrationMethod.MIN_MAX_ASYM", "Calibrator", "quantize")
    quantiser = vendor_sdk.load(
        "furiosa.quantizer", "FuriosaAI", version=lambda _: "", within=warboy.WITHIN, needs=names, fix=warboy.FIX
    ).module
    optimiser = vendor_sdk.load(
        "furiosa.optimizer",
        "FuriosaAI",
        version=lambda _: "",
        within=warboy.WITHIN,
        needs=("optimize_model",),
        fix=warboy.FIX,
    ).module
    shapes = {name: list(shape) for name, shape, _ in inputs}
    model = optimiser.optimize_model(model=model, opset_version=OPSET, input_shapes=shapes)
    calibrator = quantiser.Calibrator(model, quantiser.CalibrationMethod.MIN_MAX_ASYM)
    for item in feeds:
        calibrator.collect_data([[item[name] for name, _, _ in inputs]])
    found = quantiser.quantize(model, calibrator.compute_range())
    # Bytes in some versions, a graph that turns into bytes in others, an ONNX model in old ones.
    return bytes(found.SerializeToString()) if hasattr(found, "SerializeToString") else bytes(found)


def _compile(tool: str, source: Path, made: Path, target: str, batch: int) -> None:
    """Raises RuntimeError with the tool's last words."""
    command = [tool, str(source), "-o", str(made), "--target-npu", target, "-b", str(batch)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode or not made.is_file():
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"it ended with code {done.returncode}"]
        raise RuntimeError(f"{warboy.COMPILER}: {said[-1]}")
