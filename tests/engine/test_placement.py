"""Placement with real parts: what a run keeps, and what looking does with adapters that cannot or will not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench import store
from npubench.discovery import catalogue
from npubench.engine import placing
from npubench.engine.launcher import Limits
from npubench.engine.placement import Certifier
from npubench.rules import load
from npubench.spi import Artifact, AssignedNode, Availability, Bound, Feeds, Outputs, Placement, Profile, TensorSpec
from tests.engine.test_quality import MODEL, measured
from tests.engine.test_run import Quiet
from tests.support import null_card

CPU = "CPUExecutionProvider"
ARTIFACT = Artifact(role="model", path="nowhere", sha256="0" * 64)


class Watching(Quiet):
    """Keeps what it is told about placement."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Any] = []

    def placed(self, found: Any) -> None:
        self.places.append(found)


@pytest.mark.slow
def test_a_run_keeps_one_certificate_for_each_build_and_backend(tmp_path: Path, model_cache: Path) -> None:
    pytest.importorskip("onnxruntime")
    watcher = Watching()
    folder, run = measured(tmp_path, model_cache, catalogue().backends["cpu"].card, null_card(), watcher=watcher)
    (kept,) = folder.certificates()
    assert [kept] == watcher.places
    cells = {cell.backend: cell for cell in run.cells}
    assert cells["cpu"].certificate == kept
    assert cells["null"].certificate is None
    assert cells["null"].certificate_reason
    name = f"{store.PLACEMENT}/{MODEL}--fp32--cpu.json"
    assert run.files[name] == store.sha256_file(folder.path / name)
    assert kept.extent == "full"
    assert kept.executing == (CPU,)
    assert kept.macs is not None
    assert set(kept.macs) == {CPU}
    # Eight prompt tokens and two that follow pass through every product once (the third is the answer).
    weights = 8_000_000
    assert 5 * weights < kept.macs[CPU] < 11 * weights
    assert kept.macs_unmatched == 0
    assert kept.crossings == 0
    assert kept.strict == "unknown"
    assert kept.startup.cold_load_ns is not None
    assert kept.startup.first_inference_ns is not None
    assert kept.startup.compile_ns is None


@pytest.mark.slow
def test_graphs_are_looked_at_once_for_all_runs(tmp_path: Path, model_cache: Path) -> None:
    pytest.importorskip("onnxruntime")
    folder, _ = measured(tmp_path / "a", model_cache, catalogue().backends["cpu"].card)
    kept = list((model_cache / "observed").glob(f"{MODEL}-*.json"))
    assert kept
    stamp = kept[0].stat().st_mtime_ns
    again, _ = measured(tmp_path / "b", model_cache, catalogue().backends["cpu"].card)
    assert kept[0].stat().st_mtime_ns == stamp
    assert next(again.certificates()).macs == next(folder.certificates()).macs


def test_a_backend_that_cannot_be_looked_at_gets_a_certificate_that_says_why(tmp_path: Path, model_cache: Path) -> None:
    folder, _ = measured(tmp_path, model_cache, null_card())
    plan = folder.plan()
    broken = msgspec.to_builtins(null_card("broken", fault="raise"))
    broken["device"] = {**broken["device"], "type": "npu"}
    plan = msgspec.structs.replace(plan, backends={"broken": broken})
    certifier = Certifier(plan, model_cache, tmp_path / "work", load(), Limits(stall_s=60))
    found, failure = certifier.certify(MODEL, "fp32", "portable", "broken", (ARTIFACT,), (ARTIFACT,))
    assert failure is not None
    assert found.extent == "unknown"
    assert found.macs is None
    assert found.reasons[0].en.startswith("where it runs is unknown: looking failed (bad_card)")
    assert not list((tmp_path / "work").iterdir())


SPEC = TensorSpec(name="x", dtype="float32", shape=(1,))


class Plain:
    """A session that computes nothing and gives no evidence."""

    inputs: Sequence[TensorSpec] = (SPEC,)
    outputs: Sequence[TensorSpec] = (SPEC,)

    def __init__(self) -> None:
        self.closed = False

    def infer(self, feeds: Feeds) -> Outputs:
        return {"x": np.zeros(1, np.float32)}

    def close(self) -> None:
        self.closed = True


class Telling(Plain):
    """A session that gives all evidence."""

    def placement(self) -> Placement:
        return Placement(requested="Npu", providers={"Npu": 1})

    def assignment(self) -> Sequence[AssignedNode]:
        return (AssignedNode(name="a", op_type="Add", domain="", provider="Npu", subgraph=0),)

    def profile(self) -> Profile:
        return Profile(rows=(), runs=1, run_ns=1)


class Silent:
    """An adapter without any capability."""

    def __init__(self) -> None:
        self.opened: list[Plain] = []

    def probe(self) -> Availability:
        return Availability(available=True)

    def describe(self) -> Mapping[str, str]:
        return {}

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Plain:
        self.opened.append(Plain())
        return self.opened[-1]


class Open(Silent):
    """An adapter with every capability."""

    strict: Exception | None = None
    profiling: Exception | None = None

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Plain:
        self.opened.append(Telling())
        return self.opened[-1]

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Plain:
        if self.profiling is not None:
            raise self.profiling
        return self.open(artifact, options)

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> Plain:
        if self.strict is not None:
            raise self.strict
        return self.open(artifact, options)


class OneStep:
    """A bound that counts its steps."""

    unit = "sample"
    count = 1

    def __init__(self) -> None:
        self.steps = 0

    def step(self, index: int) -> int:
        self.steps += 1
        return 1

    def inspect(self, index: int) -> Outputs:
        return {}

    def close(self) -> None: ...


def look(adapter: Silent, tmp_path: Path, sessions: Sequence[str] = ("timed", "profiled", "strict")) -> Any:
    def bind(_: Mapping[str, Any]) -> Bound:
        return OneStep()

    found, first_ns = placing.look(adapter, (ARTIFACT,), {}, bind, tmp_path, 3, sessions, lambda phase: None)
    assert all(session.closed for session in adapter.opened)
    return found["model"], first_ns


def test_an_adapter_without_capabilities_leaves_everything_unknown_with_a_reason(tmp_path: Path) -> None:
    found, first_ns = look(Silent(), tmp_path)
    assert (found.placement, found.assigned, found.profile, found.strict) == (None, None, None, "unknown")
    assert found.profile_reason == "this adapter records no profile"
    assert found.strict_reason == "this adapter cannot forbid sharing"
    assert found.cold_load_ns >= 0
    assert found.warm_load_ns >= 0
    assert first_ns >= 0


def test_an_adapter_with_all_of_them_gives_all_evidence(tmp_path: Path) -> None:
    found, _ = look(Open(), tmp_path)
    assert found.placement.providers == {"Npu": 1}
    assert [node.provider for node in found.assigned] == ["Npu"]
    assert found.profile == Profile(rows=(), runs=1, run_ns=1)
    assert (found.strict, found.strict_reason) == ("passed", None)


def test_a_refusal_and_a_failed_profile_are_evidence_too(tmp_path: Path) -> None:
    adapter = Open()
    adapter.strict, adapter.profiling = RuntimeError("node Shrink is on the CPU"), ValueError("no room")
    found, _ = look(adapter, tmp_path)
    assert (found.strict, found.strict_reason) == ("refused", "RuntimeError: node Shrink is on the CPU")
    assert (found.profile, found.profile_reason) == (None, "profiling failed: ValueError: no room")
    adapter.strict = NotImplementedError("the CPU shares with nobody")
    found, _ = look(adapter, tmp_path)
    assert (found.strict, found.strict_reason) == ("unknown", "the CPU shares with nobody")


def test_only_the_sessions_that_were_asked_for_are_opened(tmp_path: Path) -> None:
    adapter = Open()
    found, first_ns = look(adapter, tmp_path, ("profiled",))
    assert len(adapter.opened) == 1
    assert first_ns is None
    assert found.cold_load_ns is None
    assert found.profile is not None
