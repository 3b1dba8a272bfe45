"""From what was asked to what will be measured: cells, their canonical keys and identities, and a seeded order.

Pure: everything that it needs to know of the machine and its backends is passed in.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from npubench import __version__, traffic
from npubench.cards import (
    BackendCard,
    ModelCard,
    SuiteCard,
    Variant,
    emulated,
    graphs_of,
    resolved,
    semantics,
    to_builtins,
)
from npubench.engine import prebuilt
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.scenarios import Scenario, parse, searched, with_defaults
from npubench.schema import (
    FLOOR_MODEL,
    InputFacts,
    Machine,
    Plan,
    PlannedCell,
    Purpose,
    UnsupportedCell,
    cell_id,
)
from npubench.spi import Availability
from npubench.units import show_bytes, utc_now

NATIVE = "native"
"""The precision of a user's own ONNX file: whatever is in it. Nothing is converted, so every backend is asked."""

FLOOR_WINDOW_S = 0.5

CAMERAS = ("detection",)
"""The workloads whose inputs are a camera's frames."""

# Of a launch's share of the budget: the timed window, and at most this much for warming up.
_WINDOW_SHARE, _WARMUP_SHARE = 0.75, 0.15
# A tail percentile needs hundreds of samples, a throughput a handful: single-stream gets twice the time of offline. A
# capacity is searched and then confirmed at full length.
_WEIGHT = {"single-stream": 2.0, "multi-stream": 2.0, "offline": 1.0, "server": 2.0, "cameras": 2.0, "users": 2.0}
_SEARCH_WEIGHT = 8.0
# … in a window that may be longer than a profile's others.
_SEARCH_STRETCH = 4.0
_SHORTEST_WINDOW_S = 0.5
# What is not steady after this long will not become so.
_LONGEST_WARMUP_S = 60.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One model to be measured and how; empty tuples mean the card's own choice."""

    model: str
    precisions: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much measuring: seconds over all launches, launches per cell, and the longest window of one launch."""

    profile: str
    seconds: float
    launches: int
    max_window_s: float


def wanted_from_suite(suite: SuiteCard, profile: str) -> tuple[Wanted, ...]:
    """The suite's entries for a profile."""
    return tuple(
        Wanted(model=e.model, precisions=e.precisions, scenarios=e.scenarios, scopes=e.scopes)
        for e in suite.entries
        if profile in e.profiles
    )


def check_scenarios(names: Sequence[str]) -> None:
    """Raises UsageError for a scenario that does not exist, or has no such parameter."""
    for name in names:
        for scenario in parse(name):
            traffic.params(scenario)


def machine_identity(machine: Machine) -> dict[str, Any]:
    """Given name, CPU model and core count, accelerators; never kernel or driver (DESIGN.md, Decisions)."""
    return {
        "name": machine.name,
        "cpu": machine.cpu,
        "threads": machine.threads,
        "governor": machine.governor,
        "accelerators": [{"id": device.id, "name": device.name} for device in machine.accelerators],
    }


def scenarios_of(text: str, card: ModelCard) -> tuple[Scenario, ...]:
    """The scenarios that `text` stands for, with their parameters for a model: offline takes the card's batch."""
    return tuple(with_defaults(scenario, {"batch": card.offline_batch}) for scenario in parse(text))


def scenario_of(text: str, card: ModelCard) -> Scenario:
    """The one scenario that `text` stands for. Raises UsageError where it stands for several."""
    found = scenarios_of(text, card)
    if len(found) != 1:
        raise UsageError(f'"{text}" stands for {len(found)} scenarios; expected one')
    return found[0]


def planned_cell(
    card: ModelCard,
    backend: BackendCard,
    precision: str,
    scenario: Scenario,
    scope: str,
    *,
    variant: str = "portable",
    inputs: InputFacts | None,
    machine: Machine,
    ruleset: str,
    purpose: Purpose = "measure",
) -> PlannedCell:
    """One cell with its key and identity."""
    key = {
        "model": card.id,
        "variant": variant,
        "precision": precision,
        "backend": backend.id,
        "devices": str(backend.device.count * scenario.params.get("devices", 1)),
        "scenario": scenario.name,
        **{f"scenario.{name}": str(value) for name, value in scenario.params.items() if name != "devices"},
        "scope": scope,
        "ruleset": ruleset,
    }
    identity = {
        **semantics(card, precision, variant),
        **semantics(backend),
        **_brought(backend, card.id, precision, variant),
        "data": inputs.sha256 if inputs else None,
        "scenario": {"name": scenario.name, **scenario.params},
        "scope": scope,
        "ruleset": ruleset,
        "machine": machine_identity(machine),
    }
    return PlannedCell(
        id=cell_id(key),
        key=key,
        identity=identity,
        model=card.id,
        backend=backend.id,
        precision=precision,
        variant=variant,
        scenario=scenario,
        scope=scope,
        window_s=FLOOR_WINDOW_S,
        warmup_s=FLOOR_WINDOW_S,
        purpose=purpose,
    )


def _brought(backend: BackendCard, model: str, precision: str, variant: str) -> dict[str, Any]:
    """Files compiled elsewhere are part of what is measured."""
    specs = prebuilt.of(backend, model, precision, variant)
    return {"prebuilt": {role: spec.sha256 for role, spec in sorted(specs.items())}} if specs else {}


def _with_windows(
    cells: Mapping[str, PlannedCell], budget: Budget, emulated_backends: set[str]
) -> dict[str, PlannedCell]:
    """The cells with their share of the budget; an emulator gets none of it."""
    weights = {
        name: _weight(cell.scenario)
        for name, cell in cells.items()
        if cell.purpose == "measure" and cell.backend not in emulated_backends
    }
    unit_s = budget.seconds / (sum(weights.values()) * budget.launches) if weights else 0.0

    def seconds(name: str, share: float, most_s: float) -> float:
        return min(most_s, max(_SHORTEST_WINDOW_S, unit_s * weights[name] * share))

    return {
        name: msgspec.structs.replace(
            cell,
            window_s=seconds(name, _WINDOW_SHARE, _longest_s(cell.scenario, budget)),
            warmup_s=seconds(name, _WARMUP_SHARE, _LONGEST_WARMUP_S),
        )
        if name in weights
        else cell
        for name, cell in cells.items()
    }


def _weight(scenario: Scenario) -> float:
    return _SEARCH_WEIGHT if searched(scenario) else _WEIGHT[scenario.name]


def _longest_s(scenario: Scenario, budget: Budget) -> float:
    return budget.max_window_s * (_SEARCH_STRETCH if searched(scenario) else 1)


def variant_of(card: ModelCard, backend: BackendCard, precision: str) -> Variant | None:
    """The first of the backend's variants that the model is built in; None when there is none."""
    if precision == NATIVE:
        return "portable"
    return next((name for name in backend.variants if graphs_of(card, precision, name) is not None), None)


def _reason_unsupported(card: ModelCard, backend: BackendCard, precision: str, machine: Machine) -> Text | None:
    if precision == NATIVE:
        return None
    if precision not in card.precisions:
        offered = ", ".join(card.precisions)
        return Text(
            en=f"the model is not built in {precision} (it has {offered})", ko=f"{precision} 모델 없음({offered} 제공)"
        )
    if precision not in backend.precisions:
        taken = ", ".join(backend.precisions)
        if (why := backend.refuses.get(precision)) is not None:
            return why
        return Text(en=f"this backend takes {taken}", ko=f"이 백엔드가 받는 정밀도: {taken}")
    if variant_of(card, backend, precision) is None:
        wanted = ", ".join(backend.variants)
        return Text(
            en=f"the model has no {precision} build in the form that this backend takes ({wanted})",
            ko=f"이 백엔드가 받는 형태({wanted})의 {precision} 모델 없음",
        )
    need = (card.requires_memory_gb or 0) * 1e9
    if machine.memory_bytes is not None and need > machine.memory_bytes:
        have = show_bytes(machine.memory_bytes)
        return Text(
            en=f"needs {show_bytes(need)} of memory; this machine has {have}",
            ko=f"메모리 {show_bytes(need)} 필요, 이 장비는 {have}",
        )
    return None


def unfit(scenario: Scenario, card: ModelCard, backend: BackendCard, devices: int | None) -> Text | None:
    """Why a model is not loaded in this way on this backend; None where it is. `devices`: how many there are."""
    if scenario.name == "cameras" and card.workload not in CAMERAS:
        return Text(en="cameras send frames, and this model takes none", ko="프레임을 받는 모델이 아니므로 카메라 없음")
    if scenario.name == "users" and backend.device.type != "endpoint":
        return Text(
            en="users are served by an endpoint; on a device, scenario server gives the rate of requests",
            ko="사용자 수는 서비스 엔드포인트에서 측정합니다. 장치에서는 server 시나리오가 요청률을 냅니다",
        )
    if card.workload != "llm" and {"traffic", "in", "out"} & set(scenario.params):
        return Text(en="traffic and token counts are for language models", ko="토큰 길이는 언어 모델에만 해당")
    wanted = backend.device.count * scenario.params.get("devices", 1)
    if "devices" in scenario.params and devices is not None and devices < wanted:
        return Text(
            en=f"{wanted} devices were asked for; there are {devices}", ko=f"장치 {wanted}개 필요, {devices}개 있음"
        )
    return None


def headline(card: ModelCard, backend: BackendCard, machine: Machine) -> str:
    """The precision in which a model is measured where nobody names one: its own first, else the backend's first.

    An NPU that takes no fp32 is then measured in what it is made for, and the precision is shown beside every figure.
    """
    own = card.precisions[0]
    if _reason_unsupported(card, backend, own, machine) is None:
        return own
    taken = (name for name in backend.precisions if _reason_unsupported(card, backend, name, machine) is None)
    return next(taken, own)


def make(
    *,
    run: str,
    wanted: Sequence[Wanted],
    models: Mapping[str, ModelCard],
    backends: Mapping[str, BackendCard],
    inputs: Mapping[str, InputFacts],
    machine: Machine,
    rules: Ruleset,
    budget: Budget,
    seed: int,
    suite: str | None,
    command: Sequence[str] = (),
    **context: Any,
) -> Plan:
    """The plan of a run. `models` and `backends` hold the cards in use, `inputs` what each model is fed with.

    Raises UsageError when nothing at all is left to measure.
    """
    backends = {name: resolved(card, machine.threads) for name, card in backends.items()}
    found_devices: Mapping[str, Availability] = context.get("availability", {})
    devices = {name: len(found.devices) for name, found in found_devices.items() if found.devices}
    cells: dict[str, PlannedCell] = {}
    unsupported: list[UnsupportedCell] = []
    for backend in backends.values():
        if FLOOR_MODEL in models:
            floor = models[FLOOR_MODEL]
            cell = planned_cell(
                floor,
                backend,
                floor.precisions[0],
                scenario_of("single-stream", floor),
                "device",
                inputs=None,
                machine=machine,
                ruleset=rules.id,
                purpose="floor",
            )
            cells[cell.id] = cell
        for item in wanted:
            card = models[item.model]
            for precision in item.precisions or (headline(card, backend, machine),):
                if (reason := _reason_unsupported(card, backend, precision, machine)) is not None:
                    unsupported.append(
                        UnsupportedCell(model=card.id, backend=backend.id, precision=precision, reason=reason)
                    )
                    continue
                # An emulator's times mean nothing: one cell shows whether answers, placement and compiling are right.
                once = emulated(backend)
                asked = [found for text in item.scenarios for found in scenarios_of(text, card)]
                for scenario in asked[:1] if once else asked:
                    for scope in (item.scopes or card.scopes)[: 1 if once else None]:
                        if scope not in card.scopes:
                            reason = Text(en=f"the model has no scope {scope}", ko=f"모델에 {scope} 범위가 없음")
                            lacking = UnsupportedCell(
                                model=card.id, backend=backend.id, precision=precision, reason=reason
                            )
                            if lacking not in unsupported:
                                unsupported.append(lacking)
                            continue
                        if (why := unfit(scenario, card, backend, devices.get(backend.id))) is not None:
                            lacking = UnsupportedCell(
                                model=card.id, backend=backend.id, precision=precision, reason=why
                            )
                            if lacking not in unsupported:
                                unsupported.append(lacking)
                            continue
                        cell = planned_cell(
                            card,
                            backend,
                            precision,
                            scenario,
                            scope,
                            variant=variant_of(card, backend, precision) or "portable",
                            inputs=inputs.get(card.id),
                            machine=machine,
                            ruleset=rules.id,
                        )
                        cells[cell.id] = cell
    cells = _with_windows(cells, budget, {name for name, card in backends.items() if emulated(card)})
    rule = rules.profiles[budget.profile]
    comparable = rule.comparable and budget.seconds >= rule.budget_s and budget.launches >= rule.launches
    measured = [cell for cell in cells.values() if cell.purpose == "measure"]
    if not measured and not unsupported:
        raise UsageError("nothing to measure: no cell is left of what was asked", hint="see `npubench list models`")
    return Plan(
        run=run,
        created=utc_now(),
        npubench=__version__,
        profile=budget.profile,
        suite=suite,
        ruleset=rules.id,
        seed=seed,
        launches=budget.launches,
        comparable=comparable,
        max_samples=2_000_000,
        cells=tuple(cells.values()),
        order=_order(list(cells.values()), budget.launches, seed),
        models={name: to_builtins(card) for name, card in models.items()},
        backends={name: to_builtins(card) for name, card in backends.items()},
        inputs=dict(inputs),
        command=tuple(command),
        machine=machine,
        unsupported=tuple(unsupported),
        **context,
    )


def _order(cells: Sequence[PlannedCell], launches: int, seed: int) -> tuple[tuple[str, int], ...]:
    """Floors first, then round by round, each round shuffled anew: slow drifts then hit all cells alike."""
    order = [(cell.id, 1) for cell in cells if cell.purpose == "floor"]
    generator = random.Random(seed)
    measured = [cell.id for cell in cells if cell.purpose == "measure"]
    for number in range(1, launches + 1):
        generator.shuffle(measured)
        order.extend((name, number) for name in measured)
    return tuple(order)
