"""Services side by side: alone and together, or all of them with the reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench import store
from npubench.engine import plan as planning
from npubench.engine.plan import Part
from npubench.errors import UsageError
from npubench.rules import load
from npubench.schema import FailureKind, Plan
from tests.engine.test_run import Quiet, execute, new_folder
from tests.support import MACHINE, floor_model, null_card, tensor_model

NAMES = ("left", "right")


def mixed(*parts: Part, launches: int = 1, faults: dict[str, str] | None = None) -> Plan:
    """A plan of two tiny services on a null backend each."""
    room = floor_model()[1]
    faults = faults or {}
    cards = [null_card(name, **({"fault": faults[name]} if name in faults else {})) for name in NAMES]
    return planning.make(
        run="20261125T000000Z-abc123",
        wanted=(),
        mix=parts,
        models={name: tensor_model(name) for name in NAMES},
        backends={card.id: card for card in cards},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="standard", seconds=3.0, launches=launches, max_window_s=0.3),
        seed=0,
        suite=None,
        sources={f"room:{name}": str(room) for name in NAMES},
    )


PARTS = (
    Part(model="left", scenario="server:rate=50", backend="left"),
    Part(model="right", scenario="single-stream", backend="right"),
)


def test_each_service_is_planned_alone_and_beside_the_other() -> None:
    plan = mixed(*PARTS)
    alone = [cell for cell in plan.cells if cell.mix is None]
    beside = [cell for cell in plan.cells if cell.mix is not None]
    assert [cell.model for cell in alone] == [cell.model for cell in beside] == ["left", "right"]
    assert [cell.alone for cell in beside] == [cell.id for cell in alone]
    assert len({cell.mix for cell in beside}) == 1
    assert len({cell.window_s for cell in beside}) == 1
    assert all("left" in cell.key["mix"] and "right" in cell.key["mix"] for cell in beside)
    places = [index for index, (cell, _) in enumerate(plan.order) if cell in {found.id for found in beside}]
    assert places[1] == places[0] + 1


def test_a_load_of_a_mix_is_given() -> None:
    with pytest.raises(UsageError, match="the load is missing; expected rate="):
        mixed(Part(model="left", scenario="server", backend="left"), PARTS[1])


def test_windows_of_a_mix_overlap_in_the_results(tmp_path: Path, model_cache: Path) -> None:
    plan = mixed(*PARTS)
    folder = new_folder(tmp_path, plan)
    run = execute(plan, folder, model_cache, Quiet())
    beside = {cell.id for cell in run.cells if cell.mix is not None}
    first, second = (launch.window for launch in folder.launches() if launch.cell in beside)
    assert first is not None
    assert second is not None
    assert max(first.start_ns, second.start_ns) < min(first.end_ns, second.end_ns)
    assert all(cell.alone in {other.id for other in run.cells} for cell in run.cells if cell.mix is not None)


def test_a_service_that_fails_leaves_the_other_without_a_result_and_says_why(tmp_path: Path, model_cache: Path) -> None:
    plan = mixed(*PARTS, faults={"left": "raise"})
    run = execute(plan, new_folder(tmp_path, plan), model_cache, Quiet())
    by_name = {(cell.model, cell.mix is not None): cell for cell in run.cells}
    assert by_name["right", False].verdict in ("valid", "degraded")
    beside = by_name["right", True]
    assert beside.verdict == "invalid"
    assert "another launch of the mix failed" in beside.failures[0].message
    assert by_name["left", True].failures[0].kind is FailureKind.RAISED


@pytest.mark.slow
def test_a_mix_that_was_stopped_between_two_launches_leaves_what_is_written(tmp_path: Path, model_cache: Path) -> None:
    plan = mixed(*PARTS)
    folder = new_folder(tmp_path, plan)
    execute(plan, folder, model_cache, Quiet())
    first, second = (cell.id for cell in plan.cells if cell.mix is not None)
    kept = {path: path.read_bytes() for path in (folder.launch_path(first, 1), folder.samples_path(first, 1))}
    # As a kill between the two writes leaves it: the second's samples without its launch.
    folder.launch_path(second, 1).unlink()
    (folder.path / "run.json").unlink()
    run = execute(plan, folder, model_cache, Quiet())
    assert {path: path.read_bytes() for path in kept} == kept
    again = next(launch for launch in folder.launches() if launch.cell == second)
    assert again.samples is not None
    assert again.samples.sha256 == store.sha256_file(folder.samples_path(second, 1))
    assert all(cell.launches for cell in run.cells)
