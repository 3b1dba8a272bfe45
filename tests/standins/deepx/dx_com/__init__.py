"""A stand-in for DEEPX's `dx_com` 2.5, for tests: `compile` as the public manual documents it.

Faults, by NPUBENCH_STANDIN_DEEPX: refuses, hour (never ends), nothing (writes no file), split (a task on the
processor).
"""

import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

__npubench_standin__ = "tests/standins: dx_com 2.5 as documented"
__version__ = "2.5.0"


def compile(**kwargs: Any) -> None:  # noqa: A001 - the vendor's name
    """Writes `<model>.dxnn` into `output_dir`. Keywords only since 2.5."""
    import onnx

    known = {
        "model", "output_dir", "config", "dataloader", "calibration_method", "calibration_num", "quantization_device",
        "opt_level", "aggressive_partitioning", "gen_log",
    }  # fmt: skip
    if unknown := set(kwargs) - known:
        raise TypeError(f"compile() got unexpected keyword arguments: {', '.join(sorted(unknown))}")
    if ("config" in kwargs) == ("dataloader" in kwargs):
        raise ValueError("config and dataloader are mutually exclusive, and one is required")
    faults = set(os.environ.get("NPUBENCH_STANDIN_DEEPX", "").split())
    print("[DX-COM] surgeon: 100 %")  # noqa: T201
    while "hour" in faults:
        time.sleep(0.1)
    if "refuses" in faults:
        raise RuntimeError("[Error] ConfigFormatError: Unsupported operator GridSample")
    graph = onnx.load(kwargs["model"])
    shape = [size.dim_value for size in graph.graph.input[0].type.tensor_type.shape.dim]
    count = 0
    for batch in kwargs["dataloader"]:
        if list(batch.shape) != shape:
            raise ValueError(f"dataloader gives {list(batch.shape)}; the input is {shape}")
        count += 1
        if count == kwargs.get("calibration_num", 100):
            break
    if not count:
        raise ValueError("the dataloader gave nothing")
    if "nothing" in faults:
        return
    path = Path(kwargs["output_dir"]) / f"{Path(kwargs['model']).stem}.dxnn"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts.json", json.dumps({"tasks": ["npu_0", "cpu_0"] if "split" in faults else ["npu_0"]}))
        archive.writestr("model.onnx", graph.SerializeToString())
