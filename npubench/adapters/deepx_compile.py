"""DEEPX's compiler, called once in a process of its own (`vendor_compile`): an ONNX graph becomes a `.dxnn` file.

Not verified on hardware. Source: the manual of DX-COM 2.5 (`dx_com.compile` takes keywords; `dataloader` is a PyTorch
DataLoader of input tensors, with a batch of one). With a data loader no pre-processing is fused into the file.

Not aware of: where the file is kept (`vendor_cache`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npubench.adapters import vendor_calibration
from npubench.adapters.vendor_outputs import told
from npubench.errors import AbsentBackendError, UnsupportedError


def compile_model(
    path: str,
    calibration: str,
    inputs: str,
    outputs: str,
    calibration_method: str,
    opt_level: int,
    aggressive_partitioning: bool,
    folder: Path,
) -> dict[str, str]:
    """Writes `model.dxnn` into `folder`; returns facts. Raises UnsupportedError, AbsentBackendError (no torch)."""
    import dx_com  # type: ignore[import-not-found,unused-ignore]

    (end,) = told(inputs)
    rows = [np.asarray(feeds[end.name]) for feeds in vendor_calibration.read(calibration)]
    dx_com.compile(
        model=path,
        output_dir=str(folder),
        dataloader=_loader(rows),
        calibration_method=calibration_method,
        calibration_num=len(rows),
        opt_level=opt_level,
        aggressive_partitioning=aggressive_partitioning,
    )
    made = sorted(folder.glob("*.dxnn"))
    if len(made) != 1:
        raise UnsupportedError(f"the compiler ended without an error and wrote {len(made)} .dxnn files; expected one")
    made[0].rename(folder / "model.dxnn")
    how = f"{calibration_method} on {len(rows)} calibration inputs, opt_level {opt_level}"
    return {"inputs": inputs, "outputs": outputs, "route": how}


def _loader(rows: Sequence[Any]) -> Any:
    try:
        import torch
        from torch.utils.data import DataLoader
    except Exception as error:
        raise AbsentBackendError(
            f"DX-COM takes calibration inputs as a PyTorch DataLoader, and torch cannot be imported: {error}",
            hint="install torch beside dx_com",
        ) from error
    # Each row has its batch of one already.
    tensors: Any = [torch.from_numpy(np.ascontiguousarray(row[0])) for row in rows]
    return DataLoader(tensors, batch_size=1, shuffle=False)
