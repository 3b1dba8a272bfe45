"""Puts a vendor's stand-in where its SDK would be: for this process and the compilers that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.spi import Artifact

STANDINS = Path(__file__).parents[1] / "standins"
FAULTS = "NPUBENCH_STANDIN_FAULTS"
Installed = Callable[..., None]


@contextmanager
def installed(
    folder: str, packages: Sequence[str], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> Iterator[Installed]:
    """A function that names the faults of the stand-in in `tests/standins/<folder>`; it is there from the start."""
    place = str(STANDINS / folder)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]

    def faulty(*faults: str) -> None:
        monkeypatch.setenv(FAULTS, ",".join(faults))
        forget()

    monkeypatch.syspath_prepend(place)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in (place, before) if part))
    monkeypatch.setenv("NPUBENCH_CACHE", str(cache))
    faulty()
    yield faulty
    forget()


def picture_model(folder: Path, batch: int = 1, opset: int = 18) -> Artifact:
    """A graph of two convolutions with outputs of different shapes: (4, 8, 12) at half size, and (6, 8, 12)."""
    random = np.random.default_rng(7)
    weights = {
        "w1": random.normal(0, 0.2, (4, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.2, (6, 4, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], "conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["boxes"], "relu"),
        helper.make_node("Conv", ["boxes", "w2"], ["scores"], "head"),
    ]
    graph = helper.make_graph(
        nodes,
        "picture",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 24])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, 4, 8, 12]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 6, 8, 12]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / f"picture-{batch}-{opset}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return Artifact(role="detector", path=str(path), sha256="", precision="int8", variant="static")


def pictures(count: int, batch: int = 1, seed: int = 1) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    return [{"x": random.random((batch, 3, 16, 24), dtype=np.float32)} for _ in range(count)]


def reference(artifact: Artifact, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime gives on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
