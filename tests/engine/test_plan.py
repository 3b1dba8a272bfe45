"""What decides whether two cells are the same measurement, and what a plan makes of what was asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from npubench import cards
from npubench.cards import BackendCard, ModelCard
from npubench.engine import plan as planning
from npubench.engine.plan import Budget, Wanted
from npubench.engine.planned import FLOOR_WINDOW_S, planned_cell, scenario_of
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.rules import load
from npubench.schema import FLOOR_MODEL, InputFacts, Machine, Plan, PlannedCell
from npubench.spi import Device
from tests.support import MACHINE, backend_toml, floor_model, null_card, null_plan, tensor_model

INPUTS = InputFacts(source="street-frames", sha256="a" * 64, files=10)
replace = msgspec.structs.replace


def backend(text: str | None = None, **options: Any) -> BackendCard:
    document = msgspec.toml.decode(text if text is not None else backend_toml(**options))
    return cards.decode(document, BackendCard, "backend.toml")


def cell(
    model: ModelCard | None = None,
    on: BackendCard | None = None,
    precision: str = "fp32",
    scenario: str = "single-stream",
    scope: str = "device",
    inputs: InputFacts | None = INPUTS,
    machine: Machine = MACHINE,
    ruleset: str = "npubench-1",
) -> PlannedCell:
    model = model or tensor_model()
    return planned_cell(
        model,
        on or backend(threads=4),
        precision,
        scenario_of(scenario, model),
        scope,
        inputs=inputs,
        machine=machine,
        ruleset=ruleset,
    )


CARD = tensor_model()
BACKEND = backend(threads=4)
WORDS = Text(en="other words", ko="다른 말")


def with_graph(**changes: Any) -> ModelCard:
    (role,) = CARD.graphs
    return replace(CARD, graphs={role: replace(CARD.graphs[role], **changes)})


def in_environment(**changes: Any) -> BackendCard:
    return replace(BACKEND, environment=replace(BACKEND.environment, **changes))


SAME = {
    "a comment in the card": cell(on=backend("# a comment\n" + backend_toml(threads=4))),
    "the backend's title": cell(on=backend(backend_toml(title="Another title", threads=4))),
    "how it was verified": cell(on=replace(BACKEND, verified=replace(BACKEND.verified, how="hardware", on="a board"))),
    "how it is installed": cell(on=replace(BACKEND, install=WORDS, summary=WORDS)),
    "the pinned SDK": cell(on=in_environment(requires=("vendor-sdk==9.9",))),
    "where its Python lies": cell(on=in_environment(python="/opt/vendor/bin/python")),
    "its meters": cell(on=replace(BACKEND, meters=("synthetic",))),
    "the model's words": cell(replace(CARD, title=WORDS, summary=WORDS, license="MIT")),
    "the graph's file name": cell(with_graph(file="other.onnx")),
    "the data's name": cell(inputs=replace(INPUTS, source="own", files=99)),
    "kernel and driver": cell(machine=replace(MACHINE, kernel="7.1", os="Other OS", versions={"driver": "999"})),
    "memory and load": cell(machine=replace(MACHINE, memory_bytes=1, load_average=(9.0, 9.0, 9.0))),
}

OTHER = {
    "an option": cell(on=backend(threads=8)),
    "one more option": cell(on=backend(threads=4, fast=True)),
    "an environment variable": cell(on=in_environment(variables={"OMP_NUM_THREADS": "1"})),
    "the provider": cell(on=replace(BACKEND, provider="Other")),
    "the number of devices": cell(on=replace(BACKEND, device=replace(BACKEND.device, count=2))),
    "the backend": cell(on=backend(id="another", threads=4)),
    "the machine's threads": cell(machine=replace(MACHINE, threads=64)),
    "the machine's name": cell(machine=replace(MACHINE, name="another")),
    "the governor": cell(machine=replace(MACHINE, governor="powersave")),
    "an accelerator": cell(machine=replace(MACHINE, accelerators=(Device(id="npu0", type="npu", name="X"),))),
    "the data": cell(inputs=replace(INPUTS, sha256="b" * 64)),
    "no data": cell(inputs=None),
    "the graph": cell(with_graph(sha256="c" * 64)),
    "a parameter": cell(replace(CARD, params={"inputs": 3})),
    "the workload": cell(replace(CARD, workload="detection")),
    "the precision": cell(precision="int8"),
    "the scenario": cell(scenario="offline"),
    "the scope": cell(scope="service"),
    "the ruleset": cell(ruleset="npubench-2"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_change_the_measurement_leaves_its_identity(what: str) -> None:
    assert cards.digest(SAME[what].identity) == cards.digest(cell().identity)
    assert SAME[what].id == cell().id


@pytest.mark.parametrize("what", OTHER)
def test_what_changes_the_measurement_changes_its_identity(what: str) -> None:
    assert cards.digest(OTHER[what].identity) != cards.digest(cell().identity)


def test_the_batch_is_part_of_an_offline_cell() -> None:
    four, eight = (cell(replace(CARD, offline_batch=batch), scenario="offline") for batch in (4, 8))
    assert four.scenario.params["batch"] == 4
    assert four.identity != eight.identity
    assert four.id != eight.id
    # … and none of a single stream's, which always sends one.
    assert cell(replace(CARD, offline_batch=4)).identity == cell(replace(CARD, offline_batch=8)).identity


def test_an_identity_survives_being_written_and_read() -> None:
    one = cell()
    assert cards.to_builtins(one.identity) == one.identity
    assert msgspec.json.decode(msgspec.json.encode(one), type=PlannedCell) == one


def made(
    wanted: tuple[Wanted, ...],
    *backends: BackendCard,
    models: tuple[ModelCard, ...] = (CARD,),
    machine: Machine = MACHINE,
    launches: int = 2,
    seconds: float = 60.0,
    seed: int = 0,
) -> Plan:
    return planning.make(
        run="20261124T000000Z-abc123",
        wanted=wanted,
        models={card.id: card for card in models},
        backends={card.id: card for card in backends},
        inputs={CARD.id: INPUTS},
        machine=machine,
        rules=load(),
        budget=Budget(profile="standard", seconds=seconds, launches=launches, max_window_s=10.0),
        seed=seed,
        suite=None,
    )


TINY = Wanted(model=CARD.id, scenarios=("single-stream", "offline"))


def test_a_thread_placeholder_is_this_machines_number_wherever_it_is_used() -> None:
    asking = backend(intra_op_num_threads="{threads}", name="as {threads} is")
    plans = {threads: made((TINY,), asking, machine=replace(MACHINE, threads=threads)) for threads in (2, 16)}
    for threads, plan in plans.items():
        # A number, not its text, and nothing else in the options is touched.
        expected = {"intra_op_num_threads": threads, "name": "as {threads} is"}
        assert plan.backends["fake"]["options"] == expected
        assert all(item.identity["options"] == expected for item in plan.cells)
    assert plans[2].cells[0].identity != plans[16].cells[0].identity


def test_a_plan_knows_what_each_model_is_fed_with() -> None:
    plan = made((TINY,), BACKEND)
    assert plan.inputs == {CARD.id: INPUTS}
    assert {item.identity["data"] for item in plan.cells} == {INPUTS.sha256}


def test_every_backend_has_one_floor_first_and_measures_it_once() -> None:
    floor = floor_model()[0]
    plan = made((TINY,), BACKEND, null_card("other"), models=(CARD, floor), launches=3)
    floors = [item for item in plan.cells if item.purpose == "floor"]
    assert {item.backend for item in floors} == {"fake", "other"}
    assert {item.model for item in floors} == {FLOOR_MODEL}
    assert plan.order[:2] == tuple((item.id, 1) for item in floors)
    counts = Counter(name for name, _ in plan.order)
    assert all(counts[item.id] == (1 if item.purpose == "floor" else 3) for item in plan.cells)


def test_the_order_is_seeded_and_goes_round_by_round() -> None:
    backends = [null_card(f"null-{index}") for index in range(4)]
    first, again, other = (null_plan(*backends, launches=3, seed=seed) for seed in (1, 1, 2))
    assert first.order == again.order
    assert first.order != other.order
    assert sorted(first.order) == sorted(other.order)
    assert [number for _, number in first.order] == [1] * 4 + [2] * 4 + [3] * 4


def test_the_windows_share_the_budget() -> None:
    plan = made((TINY,), BACKEND, launches=5, seconds=60.0)
    single, offline = sorted(plan.cells, key=lambda item: item.window_s, reverse=True)
    assert (single.scenario.name, offline.scenario.name) == ("single-stream", "offline")
    assert single.window_s == pytest.approx(2 * offline.window_s)
    assert sum(item.window_s + item.warmup_s for item in plan.cells) * 5 <= 60.0


def test_what_a_backend_does_not_take_is_a_result() -> None:
    plan = made((replace(TINY, precisions=("fp32", "int8")),), BACKEND)
    assert {item.precision for item in plan.cells} == {"fp32"}
    assert [(item.precision, item.backend) for item in plan.unsupported] == [("int8", "fake")]
    large = replace(CARD, requires_memory_gb=1_000.0)
    assert "memory" in made((TINY,), BACKEND, models=(large,)).unsupported[0].reason.en
    assert not made((TINY,), BACKEND, models=(large,), machine=replace(MACHINE, memory_bytes=None)).unsupported


def test_a_backend_that_does_not_take_the_headline_is_measured_in_what_it_is_made_for() -> None:
    both = replace(CARD, precisions=("fp32", "int8", "fp16"), builds={"int8": CARD.graphs, "fp16": CARD.graphs})
    npu = replace(BACKEND, id="npu", precisions=("fp16", "int8"))
    plan = made((TINY,), BACKEND, npu, models=(both,))
    assert {(item.backend, item.precision) for item in plan.cells} == {("fake", "fp32"), ("npu", "fp16")}
    assert not plan.unsupported
    # A precision that somebody named is never exchanged for another.
    named = made((replace(TINY, precisions=("fp32",)),), npu, models=(both,))
    assert [(item.backend, item.precision) for item in named.unsupported] == [("npu", "fp32")]


def test_an_emulator_is_measured_once_and_gets_none_of_the_budget() -> None:
    emulator = replace(BACKEND, id="sim", verified=cards.VerifiedSpec(how="simulated"))
    both = replace(CARD, scopes=("device", "service"))
    plan = made((TINY,), BACKEND, emulator, models=(both,))
    shapes = {name: [item for item in plan.cells if item.backend == name] for name in ("fake", "sim")}
    assert len(shapes["fake"]) == 4
    (only,) = shapes["sim"]
    assert (only.scenario.name, only.scope, only.window_s) == ("single-stream", "device", FLOOR_WINDOW_S)
    alone = made((TINY,), BACKEND, models=(both,))
    assert [item.window_s for item in alone.cells] == [item.window_s for item in shapes["fake"]]


def test_a_backend_may_say_why_it_refuses_a_precision() -> None:
    why = Text(en="no kernels", ko="커널 없음")
    refusing = replace(BACKEND, refuses={"bf16": why})
    plan = made(
        (replace(TINY, precisions=("bf16", "int8")),), refusing, models=(replace(CARD, precisions=("bf16", "int8")),)
    )
    assert {item.precision: item.reason.en for item in plan.unsupported} == {
        "bf16": "no kernels",
        "int8": "this backend takes fp32",
    }


def test_fixed_shapes_are_a_variant_of_every_precision() -> None:
    fixing = replace(CARD, static={"model": {"n": "{batch}"}})
    wanting = replace(BACKEND, variants=("static", "portable"))
    (found,) = {item.variant for item in made((TINY,), wanting, models=(fixing,)).cells}
    assert found == "static"
    (other,) = {item.variant for item in made((TINY,), wanting).cells}
    assert other == "portable"


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(UsageError):
        made((), BACKEND)


@pytest.mark.parametrize("name", ["single_stream", "ofline"])
def test_a_mistyped_scenario_gets_the_nearest_name(name: str) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        planning.check_scenarios([name])
