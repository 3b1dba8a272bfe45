"""A stand-in for Mobilint's `qbcompiler` 1.0, for tests: `mxq_compile` as the vendor's tutorials call it.

Faults, by NPUBENCH_STANDIN_MOBILINT: refuses (raises), hour (never ends), other-chip (writes a file for REGULUS),
nothing (writes no file), offload (a file that wants the processor).
"""

import json
import os
import time
import zipfile
from pathlib import Path

__npubench_standin__ = "tests/standins: qbcompiler as its tutorials call it"
__version__ = "1.0.1"

_MODES = {"single": "Single", "multi": "Multi", "global4": "Global4", "global8": "Global8"}


def mxq_compile(
    model,
    calib_data_path=None,
    save_path=None,
    backend="onnx",
    target_device="aries",
    device="gpu",
    inference_scheme="single",
    cpu_offload=False,
    compile_config=None,
):
    """Writes a file that the stand-in runtime reads."""
    import numpy as np
    import onnx

    faults = set(os.environ.get("NPUBENCH_STANDIN_MOBILINT", "").split())
    print(f"[qbcompiler] parsing {Path(model).name}")  # noqa: T201
    while "hour" in faults:
        time.sleep(0.1)
    if "refuses" in faults:
        raise ValueError("Unsupported operator: Resize (align_corners) at node 17")
    files = sorted(Path(calib_data_path).glob("*.npy"))
    if not files:
        raise FileNotFoundError(f"no calibration data in {calib_data_path}")
    graph = onnx.load(model)
    (source,) = graph.graph.input
    shape = [size.dim_value for size in source.type.tensor_type.shape.dim]
    for file in files:
        found = np.load(file)
        if list(found.shape) != [shape[2], shape[3], shape[1]]:
            raise ValueError(f"calibration data {list(found.shape)} does not match the input {shape[1:]}")
    if "nothing" in faults:
        return
    facts = {
        "mode": _MODES[inference_scheme],
        "devices": ["regulus-ra" if "other-chip" in faults else f"{target_device}-rb"],
        "offload": "offload" in faults,
        "calibrated": len(files),
    }
    with zipfile.ZipFile(save_path, "w") as archive:
        archive.writestr("facts.json", json.dumps(facts))
        archive.writestr("model.onnx", graph.SerializeToString())
