"""Collects activation ranges: runs an fp32 graph as its workload runs it, and keeps every activation's least and
greatest value.

The inputs are prepared by the workload itself, from a folder of frames or pages: what calibration sees is what
measuring sees, crops of lines included. Ranges are plain minima and maxima. They need no parameter, clip nothing, and
bound every rounding error by half a step; a percentile would have to be chosen per model, and what it clips first are
the rare, large activations of confident detections.

Adapter and workload are named as `module:attr` and resolved here, in the child or the author's process; nothing imports
a runtime. Not aware of: quantising, cards, which inputs are enough.
"""

from __future__ import annotations

import math
import pkgutil
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from npubench.build import quantise
from npubench.build.emit import WEIGHTS_FILE
from npubench.errors import ArtifactError, DataError
from npubench.lang import here
from npubench.spi import Artifact, Feeds, Outputs, Request, Session, TensorSpec

Extremes = dict[str, tuple[float, float]]


class Watched:
    """A session that keeps the extremes of its graph's activations. It shows the original inputs and outputs."""

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self._session = session
        self._names = names
        own = {f"{kind}.{i}" for i in range(len(names)) for kind in ("low", "high")}
        self.inputs: Sequence[TensorSpec] = tuple(session.inputs)
        self.outputs: Sequence[TensorSpec] = tuple(spec for spec in session.outputs if spec.name not in own)
        self.extremes: Extremes = {}

    def infer(self, feeds: Feeds) -> Outputs:
        found = self._session.infer(feeds)
        for i, name in enumerate(self._names):
            low, high = float(found[f"low.{i}"]), float(found[f"high.{i}"])
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ArtifactError(
                    here(f"activation {name} is {low} to {high}", f"활성값 {name}의 범위가 {low}~{high}입니다"),
                    hint=here("check the model's weights", "모델의 가중치를 확인하십시오"),
                )
            before = self.extremes.get(name, (low, high))
            self.extremes[name] = (min(before[0], low), max(before[1], high))
        return {spec.name: found[spec.name] for spec in self.outputs}

    def close(self) -> None:
        self._session.close()


class _NoClock:
    """Calibration stamps no tokens."""

    def tick(self) -> None:
        """Nothing is timed."""


def watched_graph(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """`model` with two more outputs for each activation: its least and greatest value."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for i, name in enumerate(names):
        for op, output in (("ReduceMin", f"low.{i}"), ("ReduceMax", f"high.{i}")):
            made.graph.node.append(helper.make_node(op, [name], [output], name=output, keepdims=0))
            made.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ()))
    return made


def observe(
    graphs: Mapping[str, Path],
    folder: Path,
    inputs: int,
    *,
    workload: str,
    adapter: str,
    params: Mapping[str, Any],
    progress: Callable[[str], object] = lambda _: None,
) -> dict[str, Extremes]:
    """Role → the extremes of its activations over the first `inputs` files of `folder`.

    `graphs` are materialised fp32 graphs, all roles of the workload. Raises DataError when onnxruntime or an input is
    missing, ArtifactError for an activation that is not finite, and what the workload raises.
    """
    runtime = pkgutil.resolve_name(adapter)(provider=None, device={"type": "cpu"})
    available = runtime.probe()
    if not available.available:
        raise DataError(
            here(
                f"calibration needs ONNX Runtime: {available.reason}",
                f"보정에는 ONNX Runtime이 필요합니다: {available.reason}",
            ),
            hint="pip install 'npubench[cpu]'",
        )
    sessions: dict[str, Watched] = {}
    with tempfile.TemporaryDirectory(prefix="npubench-observe-") as scratch:
        for role, path in graphs.items():
            model = onnx.load(path, load_external_data=False)
            names = quantise.observed(model)
            # Beside a copy of the weights: external data has to lie in the graph's own folder.
            work = Path(scratch) / role
            work.mkdir()
            shutil.copyfile(path.with_name(WEIGHTS_FILE), work / WEIGHTS_FILE)
            (work / path.name).write_bytes(watched_graph(model, names).SerializeToString(deterministic=True))
            opened = runtime.open(Artifact(role=role, path=str(work / path.name), sha256=""), {})
            sessions[role] = Watched(opened, names)
        request = Request(scope="service", params={**params, "inputs": inputs}, data=str(folder))
        bound = pkgutil.resolve_name(workload)().bind(sessions, request, _NoClock())
        for index in range(bound.count):
            bound.inspect(index)
            if (index + 1) % 8 == 0 or index + 1 == bound.count:
                progress(
                    here(f"calibrating: {index + 1} of {bound.count}", f"보정 중: {bound.count}개 중 {index + 1}개")
                )
        bound.close()
        for session in sessions.values():
            session.close()
    if silent := [role for role, session in sessions.items() if not session.extremes]:
        raise DataError(
            here(
                f"{folder}: nothing reached the graph {silent[0]}",
                f"{folder}: {silent[0]} 그래프에 들어간 입력이 없습니다",
            ),
            hint=here("give files that show what the service sees", "서비스가 실제로 보는 파일을 지정하십시오"),
        )
    return {role: session.extremes for role, session in sessions.items()}
