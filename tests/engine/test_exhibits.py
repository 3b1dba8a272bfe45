"""What real models find in npubench's own frames and pages is kept beside the quality record, with the reference's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.discovery import catalogue
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.launcher import Limits
from npubench.engine.run import Execution
from npubench.rules import load
from npubench.schema import InputFacts
from tests.engine.test_run import Quiet
from tests.support import MACHINE

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow


def measured(tmp_path: Path, cache: Path, model: str, precision: str, *, own: bool = False) -> store.RunFolder:
    """A very short run of one real model on the CPU."""
    found = selection.model_of(catalogue(), model)
    facts = found.inputs
    assert facts is not None
    plan = planning.make(
        run="20261125T000000Z-abcdef",
        wanted=[
            planning.Wanted(model=model, scenarios=("single-stream",), scopes=("service",), precisions=(precision,))
        ],
        models={model: found.card},
        backends={"cpu": catalogue().backends["cpu"].card},
        inputs={model: msgspec.structs.replace(facts, source="own") if own else facts},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="smoke", seconds=0.2, launches=1, max_window_s=0.2),
        seed=0,
        suite=None,
        sources={f"room:{model}": str(found.room), f"data:{model}": str(found.data)},
    )
    folder = store.RunFolder.create(tmp_path / "results", "test-machine", plan.run)
    folder.write_plan(plan)
    quiet = Quiet()
    Execution(plan, folder, cache, quiet, Limits(stall_s=240), quiet.stop).carry_out()
    return folder


def test_frames_are_kept_with_what_both_found(tmp_path: Path, model_cache: Path) -> None:
    folder = measured(tmp_path, model_cache, "cctv-detect", "int8")
    (found,) = folder.exhibits()
    assert f"{store.EXHIBITS}/cctv-detect--int8--cpu.json" in folder.run().files
    assert (found.source, found.private, found.precision) == ("street-frames", False, "int8")
    # Of the first eight frames those with most objects by night, in infrared and by day.
    assert [item.exhibit.file for item in found.items] == ["frame-0001.jpg", "frame-0004.jpg", "frame-0005.jpg"]
    assert [item.exhibit.conditions[0] for item in found.items] == ["night", "infrared", "day"]
    for item in found.items:
        assert item.reference
        assert item.exhibit.truth
        # A sound build finds what the reference finds, but for a box or two at the threshold.
        assert abs(len(item.exhibit.found) - len(item.reference)) <= 2
        assert all(len(one.place) == 4 and one.score is not None for one in item.exhibit.found)


def test_pages_are_kept_with_what_both_read(tmp_path: Path, model_cache: Path) -> None:
    folder = measured(tmp_path, model_cache, "ocr-korean", "fp32")
    (found,) = folder.exhibits()
    assert [item.exhibit.file for item in found.items] == ["page-0001.jpg", "page-0002.jpg"]
    for item in found.items:
        assert item.reference
        # The CPU in fp32 is the reference itself.
        assert [one.label for one in item.exhibit.found] == [one.label for one in item.reference]
        truth = {one.label for one in item.exhibit.truth or ()}
        assert len(truth & {one.label for one in item.exhibit.found}) > 0.7 * len(truth)


def test_of_the_users_own_frames_nothing_is_sealed(tmp_path: Path, model_cache: Path) -> None:
    folder = measured(tmp_path, model_cache, "cctv-detect", "fp32", own=True)
    (found,) = folder.exhibits()
    assert found.private
    assert not [name for name in folder.run().files if name.startswith(store.EXHIBITS)]
    assert (folder.path / store.EXHIBITS / store.OWN / "cctv-detect--fp32--cpu.json").is_file()
    assert isinstance(folder.run().inputs["cctv-detect"], InputFacts)
