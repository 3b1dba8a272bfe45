"""Two builds in one plan: their launches stand next to each other, and neither side always comes first."""

from __future__ import annotations

from collections import Counter

import msgspec

from npubench.cards import BackendCard
from npubench.engine import ab
from npubench.engine import plan as planning
from npubench.rules import load
from npubench.schema import Plan, cell_id
from npubench.sides import plain, side_of, sided
from tests.support import MACHINE, floor_model, null_card, null_plan, tensor_model


def two(launches: int = 6, seed: int = 0, models: tuple[str, ...] = ("x", "y", "z")) -> Plan:
    cards = [ab.renamed(null_card(), side) for side in ("a", "b")]  # type: ignore[arg-type]
    return planning.make(
        run="20261124T000000Z-abc123",
        wanted=[planning.Wanted(model=name, scenarios=("single-stream",)) for name in models],
        models={**{name: tensor_model(name) for name in models}, "overhead-floor": floor_model()[0]},
        backends={card.id: card for card in cards},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="standard", seconds=60, launches=launches, max_window_s=1),
        seed=seed,
        suite=None,
        order=ab.order,
    )


def test_both_launches_of_a_round_stand_next_to_each_other() -> None:
    plan = two()
    cells = {cell.id: cell for cell in plan.cells}
    floors, rest = plan.order[:2], plan.order[2:]
    assert all(cells[name].purpose == "floor" for name, _ in floors)
    pairs = [rest[at : at + 2] for at in range(0, len(rest), 2)]
    assert len(pairs) == 18
    for first, second in pairs:
        assert first[1] == second[1]
        assert cells[first[0]].model == cells[second[0]].model
        assert {side_of(cells[name].backend) for name, _ in (first, second)} == {"a", "b"}
    assert [number for (_, number), _ in pairs] == sorted(number for (_, number), _ in pairs)


def test_a_steady_drift_cancels_out_within_every_block_of_two_rounds() -> None:
    plan = two(launches=6, seed=3)
    cells = {cell.id: cell for cell in plan.cells}
    first: dict[tuple[str, int], str | None] = {}
    for name, number in plan.order[2:]:
        first.setdefault((cells[name].model, number), side_of(cells[name].backend))
    for model in ("x", "y", "z"):
        for block in (1, 3, 5):
            assert {first[model, block], first[model, block + 1]} == {"a", "b"}
    # Which comes first is drawn: over many seeds neither side is favoured.
    measured = [cell for cell in plan.cells if cell.model == "x"]
    begins = Counter(side_of(cells[ab.order(measured, 1, seed)[0][0]].backend) for seed in range(200))
    assert 70 < begins["a"] < 130


def test_the_order_is_seeded() -> None:
    plan = two()
    assert ab.order(plan.cells, 6, 0) == plan.order
    assert ab.order(plan.cells, 6, 1) != plan.order


def test_a_cell_of_one_side_only_is_launched_too() -> None:
    plan = null_plan(ab.renamed(null_card(), "a"), null_card("other"), launches=3)
    found = ab.order(plan.cells, 3, 1)
    assert sorted(found) == sorted(plan.order)


def test_both_sides_of_a_cell_have_one_identity_but_for_their_names() -> None:
    plan = two(models=("x",))
    a, b = (cell for cell in plan.cells if cell.purpose == "measure")
    assert (a.backend, b.backend) == ("null@a", "null@b")
    assert a.id == cell_id(a.key)
    assert {key: plain(value) for key, value in a.key.items()} == {key: plain(value) for key, value in b.key.items()}
    assert {**a.identity, "backend": "null"} == {**b.identity, "backend": "null"}


def test_a_planned_cell_moves_to_a_build_of_its_backend() -> None:
    plan = null_plan(null_card(work_ns=1000))
    card = ab.renamed(null_card(work_ns=2000), "b")
    (cell,) = plan.cells
    moved = ab.placed(cell, card)
    assert (moved.backend, moved.key["backend"], moved.id) == ("null@b", "null@b", cell_id(moved.key))
    assert moved.identity["options"] == {"work_ns": 2000}
    assert (moved.window_s, moved.warmup_s) == (cell.window_s, cell.warmup_s)
    # As a fresh plan would have made it.
    (fresh,) = null_plan(card).cells
    assert (fresh.id, fresh.identity) == (moved.id, moved.identity)


def test_names_of_sides() -> None:
    assert sided("cpu", "a") == "cpu@a"
    assert [side_of(name) for name in ("cpu@a", "cpu@b", "cpu", "cpu@c")] == ["a", "b", None, None]
    assert plain("cctv fp32 cpu@a single-stream + ocr fp32 cpu@a") == "cctv fp32 cpu single-stream + ocr fp32 cpu"
    assert plain("cpu@a.onnxruntime") == "cpu.onnxruntime"
    card = msgspec.convert(msgspec.to_builtins(ab.renamed(null_card(), "a")), BackendCard)
    assert card.id == "null@a"
