"""Mobilint's compiler, called once in a process of its own (`vendor_compile`): an ONNX graph becomes an `.mxq` file.

Not verified on hardware. Source: `qbcompiler.mxq_compile` as Mobilint's tutorials call it (mobilint/mblt-sdk-tutorial);
arguments that this compiler does not know are left out and named. What is not documented: the order of axes of
calibration files; pictures are written as height, width, channels, which is how the tutorials store theirs.

Not aware of: where the file is kept (`vendor_cache`).
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npubench.adapters import vendor_calibration
from npubench.adapters.vendor_outputs import told
from npubench.errors import UnsupportedError

# One core alone, the cores of a cluster on a batch, four and eight cores on one picture.
SCHEMES = ("single", "multi", "global4", "global8")


def compile_model(
    path: str,
    calibration: str,
    inputs: str,
    outputs: str,
    inference_scheme: str,
    target_device: str,
    device: str,
    folder: Path,
) -> dict[str, str]:
    """Writes `model.mxq` into `folder`; returns facts. Raises UnsupportedError with the compiler's words.

    `inputs`, `outputs`: the ends of the graph (`vendor_outputs.as_text`).
    """
    from qbcompiler import mxq_compile  # type: ignore[import-not-found,unused-ignore]

    ends = [spec.name for spec in told(inputs)]
    if len(ends) != 1:
        raise UnsupportedError(
            f"the graph has {len(ends)} inputs ({', '.join(ends)}): how the compiler takes calibration of several is "
            "not documented"
        )
    listed = _write(vendor_calibration.read(calibration), ends[0], folder / "calibration")
    wanted = {
        "model": path,
        "backend": "onnx",
        "target_device": target_device,
        "calib_data_path": str(listed),
        "save_path": str(folder / "model.mxq"),
        "device": device,
        "inference_scheme": inference_scheme,
        # A part of the graph on the processor is another device's result.
        "cpu_offload": False,
    }
    taken, left = _known(mxq_compile, wanted)
    count = len(list(listed.glob("*.npy")))
    try:
        mxq_compile(**taken)
    finally:
        shutil.rmtree(listed)
    if not (folder / "model.mxq").is_file():
        raise UnsupportedError("the compiler ended without an error and wrote no file")
    how = f"{inference_scheme}, {count} calibration inputs"
    return {
        "inputs": inputs,
        "outputs": outputs,
        "route": how + (f"; this compiler has no {', '.join(left)}" if left else ""),
    }


def _write(found: Sequence[dict[str, Any]], name: str, folder: Path) -> Path:
    """Each row of each input as a file of its own: float32 [height, width, channels]."""
    folder.mkdir()
    rows = [row for feeds in found for row in np.asarray(feeds[name], np.float32)]
    for number, row in enumerate(rows):
        np.save(folder / f"{number:05d}.npy", np.ascontiguousarray(row.transpose(1, 2, 0)))
    return folder


def _known(function: Any, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arguments that `function` has, and the names of those that it lacks."""
    try:
        has = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return wanted, []
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in has.values()):
        return wanted, []
    return {key: value for key, value in wanted.items() if key in has}, [key for key in wanted if key not in has]
