"""Runs of every kind agree with themselves: failures, every arrival, mixes, given loads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from npubench.engine import plan as planning
from npubench.engine.launcher import Limits
from npubench.engine.run import Execution
from npubench.rules import load
from npubench.schema import Plan
from npubench.store import RunFolder
from npubench.verify.folder import verify_folder
from tests.support import MACHINE, floor_model, null_card, null_plan, tensor_model
from tests.verify.made import Quiet
from tests.verify.test_folder import said


def carried_out(plan: Plan, root: Path, cache: Path) -> RunFolder:
    folder = RunFolder.create(root, "test-machine", plan.run)
    folder.write_plan(plan)
    Execution(plan, folder, cache, Quiet(), Limits(stall_s=60), lambda: False).carry_out()
    return folder


def test_failed_launches(tmp_path: Path, model_cache: Path) -> None:
    faults = ("crash", "nan", "raise", "kill")
    plan = null_plan(null_card("good"), *(null_card(fault, fault=fault) for fault in faults))
    folder = carried_out(plan, tmp_path, model_cache)
    assert {launch.status for launch in folder.launches()} == {"ok", "failed"}
    found = verify_folder(folder)
    assert said(found) == []
    assert any("why a launch failed" in text.en for text in found.stated)


def test_every_arrival_and_a_batch(tmp_path: Path, model_cache: Path) -> None:
    scenarios = ("single-stream", "multi-stream", "offline", "server:rate=200")
    plan = null_plan(null_card(work_ns=100_000), scenarios=scenarios, window_s=0.3)
    assert said(verify_folder(carried_out(plan, tmp_path, model_cache))) == []


def test_a_mix_and_the_floor(tmp_path: Path, model_cache: Path) -> None:
    card, room = floor_model()
    models = {"tiny": tensor_model("tiny"), "other": tensor_model("other"), card.id: card}
    plan = planning.make(
        run="20261124T000000Z-abc123",
        wanted=[],
        models=models,
        backends={"null": null_card(work_ns=100_000)},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="standard", seconds=4, launches=1, max_window_s=0.3),
        seed=0,
        suite=None,
        mix=[
            planning.Part(model="tiny", scenario="server:rate=50"),
            planning.Part(model="other", scenario="server:rate=20"),
        ],
        sources={f"room:{name}": str(room) for name in models},
    )
    assert sum(cell.mix is not None for cell in plan.cells) == 2
    assert any(cell.purpose == "floor" for cell in plan.cells)
    folder = carried_out(
        msgspec.structs.replace(plan, command=("npubench", "run", "--out", "/tmp/x")), tmp_path, model_cache
    )
    assert said(verify_folder(folder)) == []
