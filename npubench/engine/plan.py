"""From what was asked to what will be measured: cells, their canonical keys and identities, and a seeded order.

Pure: everything that it needs to know of the machine and its backends is passed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from npubench import __version__, traffic
from npubench.cards import (
    ENDPOINT,
    BackendCard,
    ModelCard,
    SuiteCard,
    emulated,
    resolved,
    to_builtins,
)
from npubench.energy import PlannedMeter
from npubench.engine import holding
from npubench.engine.loading import CONFIRM_SHARE
from npubench.engine.planned import (
    beside,
    headline,
    planned_cell,
    reason_unsupported,
    scenario_of,
    scenarios_of,
    scopes_of,
    unfit,
    variant_of,
)
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.scenarios import KINDS, Scenario, parse, searched
from npubench.schema import (
    FLOOR_MODEL,
    InputFacts,
    Machine,
    Plan,
    PlannedCell,
    Purpose,
    UnsupportedCell,
)
from npubench.spi import Availability
from npubench.units import utc_now

# Of a launch's share of the budget: the timed window, and at most this much for warming up.
_WINDOW_SHARE, _WARMUP_SHARE = 0.75, 0.15
# A tail percentile needs hundreds of samples, a throughput a handful: single-stream gets twice the time of offline.
_WEIGHT = {"single-stream": 2.0, "multi-stream": 2.0, "offline": 1.0, "server": 2.0, "cameras": 2.0, "users": 2.0}
# A capacity is searched and then confirmed at full length. Pages and answers take a second where frames take
# milliseconds, and as many are needed: two cores confirm p90 (44 requests) in what the standard profile then gives.
_SEARCH_WEIGHT = {"cameras": 15.0, "server": 30.0, "users": 30.0}
_SEARCH_SHARE = 0.9
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


Order = Callable[[Sequence[PlannedCell], int, int], tuple[tuple[str, int], ...]]
"""(cells, launches, seed) → (cell id, launch number), in the order in which they are launched."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One service of a mix: a model at a given load, on a backend (None: the only one of the run)."""

    model: str
    scenario: str
    backend: str | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much measuring: seconds over all launches, launches per cell, and the longest window of one launch.

    `stated`: a night, whose budget its centre states; its launches make it comparable, however long they are.
    """

    profile: str
    seconds: float
    launches: int
    max_window_s: float
    stated: bool = False


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


def _with_windows(
    cells: Mapping[str, PlannedCell], budget: Budget, emulated_backends: set[str], held_s: Mapping[str, float]
) -> dict[str, PlannedCell]:
    """The cells with their share of the budget; an emulator gets none of it.

    `held_s`: backend → how long a load that is given lasts at least, for its energy, whatever the budget.
    """
    weights = {
        name: _weight(cell.scenario)
        for name, cell in cells.items()
        if cell.purpose == "measure" and cell.backend not in emulated_backends
    }
    later = {
        name: weight * (CONFIRM_SHARE if searched(cells[name].scenario) else 1) for name, weight in weights.items()
    }
    units = sum(weights.values()) + (budget.launches - 1) * sum(later.values())
    unit_s = budget.seconds / units if weights else 0.0

    def seconds(name: str, share: float, most_s: float) -> float:
        return min(most_s, max(_SHORTEST_WINDOW_S, unit_s * weights[name] * share))

    planned = {
        name: msgspec.structs.replace(
            cell,
            window_s=seconds(
                name,
                _SEARCH_SHARE if searched(cell.scenario) else _WINDOW_SHARE,
                _longest_s(cell.scenario, budget),
            ),
            warmup_s=seconds(name, _WARMUP_SHARE, _LONGEST_WARMUP_S),
        )
        if name in weights
        else cell
        for name, cell in cells.items()
    }
    for name in weights:
        cell = planned[name]
        if KINDS[cell.scenario.name].load is not None and not searched(cell.scenario):
            window_s = max(cell.window_s, held_s.get(cell.backend, 0.0))
            planned[name] = msgspec.structs.replace(cell, window_s=window_s)
    # Services side by side are loaded for as long as the longest of them.
    longest_s: dict[str, float] = {}
    for cell in planned.values():
        if cell.mix is not None:
            longest_s[cell.mix] = max(longest_s.get(cell.mix, 0.0), cell.window_s)
    return {
        name: cell if cell.mix is None else msgspec.structs.replace(cell, window_s=longest_s[cell.mix])
        for name, cell in planned.items()
    }


def _weight(scenario: Scenario) -> float:
    return (_SEARCH_WEIGHT if searched(scenario) else _WEIGHT)[scenario.name]


def _longest_s(scenario: Scenario, budget: Budget) -> float:
    return budget.max_window_s * (_SEARCH_STRETCH if searched(scenario) else 1)


class _Gathering:
    """The cells of a plan and what it cannot measure, as they come."""

    def __init__(
        self,
        models: Mapping[str, ModelCard],
        inputs: Mapping[str, InputFacts],
        machine: Machine,
        rules: Ruleset,
        devices: Mapping[str, int],
    ) -> None:
        self._models, self._inputs, self._machine, self._rules = models, inputs, machine, rules
        self._devices = devices
        self.cells: dict[str, PlannedCell] = {}
        self.unsupported: list[UnsupportedCell] = []

    def floor(self, card: ModelCard, backend: BackendCard) -> None:
        """The harness's own cost on a backend."""
        scenario = scenario_of("single-stream", card, backend)
        self._keep(self._cell(card, backend, card.precisions[0], scenario, "device", None, "floor"))

    def add(self, item: Wanted, backend: BackendCard) -> None:
        """What is wanted of one model on one backend."""
        card = self._models[item.model]
        for precision in item.precisions or (headline(card, backend, self._machine),):
            if (reason := reason_unsupported(card, backend, precision, self._machine)) is not None:
                self._lacks(card, backend, precision, reason)
                continue
            # An emulator's times mean nothing: one cell shows whether answers, placement and compiling are right.
            once = emulated(backend)
            asked = [found for text in item.scenarios for found in scenarios_of(text, card, backend)]
            for scenario in asked[:1] if once else asked:
                for scope in scopes_of(card, backend, item.scopes)[: 1 if once else None]:
                    self._one(card, backend, precision, scenario, scope)

    def mix(self, parts: Sequence[Part], backends: Mapping[str, BackendCard]) -> None:
        """The services of a mix: alone, and beside each other, on every backend that a part leaves open."""
        if not parts:
            return
        opened = all(part.backend is not None for part in parts)
        for other in [""] if opened else backends:
            found: list[PlannedCell] = []
            for part in parts:
                card, backend = self._models[part.model], backends[part.backend or other]
                scenario = scenario_of(part.scenario, card, backend)
                if searched(scenario):
                    raise UsageError(
                        f"--mix {part.model}={part.scenario}: the load is missing; expected {searched(scenario)}=…",
                        hint=f"measure it alone first: npubench run -m {part.model} -s {part.scenario}",
                    )
                scope = "service" if "service" in card.scopes else card.scopes[0]
                precision = headline(card, backend, self._machine)
                reason = reason_unsupported(card, backend, precision, self._machine)
                if reason is not None:
                    self._lacks(card, backend, precision, reason)
                elif (cell := self._one(card, backend, precision, scenario, scope)) is not None:
                    found.append(cell)
            if len(found) == len(parts):
                for cell in beside(found):
                    self._keep(cell)

    def _one(
        self, card: ModelCard, backend: BackendCard, precision: str, scenario: Scenario, scope: str
    ) -> PlannedCell | None:
        reason = unfit(scenario, card, backend, self._devices.get(backend.id))
        if searched(scenario) and scenario.name not in self._rules.scenarios:
            name = self._rules.id
            reason = Text(en=f"{name} has no rule for {scenario.name}", ko=f"{name}에 {scenario.name} 규칙이 없음")
        if scope not in card.scopes:
            reason = Text(en=f"the model has no scope {scope}", ko=f"모델에 {scope} 범위가 없음")
        if reason is not None:
            self._lacks(card, backend, precision, reason)
            return None
        return self._keep(self._cell(card, backend, precision, scenario, scope, self._inputs.get(card.id), "measure"))

    def _keep(self, cell: PlannedCell) -> PlannedCell:
        self.cells[cell.id] = cell
        return cell

    def _lacks(self, card: ModelCard, backend: BackendCard, precision: str, reason: Text) -> None:
        lacking = UnsupportedCell(model=card.id, backend=backend.id, precision=precision, reason=reason)
        if lacking not in self.unsupported:
            self.unsupported.append(lacking)

    def _cell(
        self,
        card: ModelCard,
        backend: BackendCard,
        precision: str,
        scenario: Scenario,
        scope: str,
        inputs: InputFacts | None,
        purpose: Purpose,
    ) -> PlannedCell:
        return planned_cell(
            card,
            backend,
            precision,
            scenario,
            scope,
            variant="portable" if purpose == "floor" else variant_of(card, backend, precision) or "portable",
            inputs=inputs,
            machine=self._machine,
            ruleset=self._rules.id,
            purpose=purpose,
        )


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
    mix: Sequence[Part] = (),
    command: Sequence[str] = (),
    order: Order | None = None,
    **context: Any,
) -> Plan:
    """The plan of a run. `models` and `backends` hold the cards in use, `inputs` what each model is fed with.
    `order`: of the launches, where it is not `shuffled`.

    The services of a `mix` are each measured alone and then all at once. Where one of the `meters` in `context`
    answers, loads last for as long as their energy needs (`holding`).

    Raises UsageError when nothing at all is left to measure.
    """
    backends = {name: resolved(card, machine.threads) for name, card in backends.items()}
    found_devices: Mapping[str, Availability] = context.get("availability", {})
    devices = {name: len(found.devices) for name, found in found_devices.items() if found.devices}
    gathering = _Gathering(models, inputs, machine, rules, devices)
    for backend in backends.values():
        if FLOOR_MODEL in models and backend.device.type != ENDPOINT:
            gathering.floor(models[FLOOR_MODEL], backend)
        for item in wanted:
            gathering.add(item, backend)
    gathering.mix(mix, backends)
    cells, unsupported = gathering.cells, gathering.unsupported
    meters: Sequence[PlannedMeter] = context.get("meters", ())
    external_log = bool(context.get("external_log"))
    hold_s = holding.hold_s(meters, rules, budget.profile, external_log)
    held_s = {name: hold_s for name in backends if external_log or holding.answering(meters, name)}
    cells = _with_windows(cells, budget, {name for name, card in backends.items() if emulated(card)}, held_s)
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
        comparable=_comparable(budget, rules),
        max_samples=2_000_000,
        cells=tuple(cells.values()),
        order=(order or shuffled)(list(cells.values()), budget.launches, seed),
        models={name: to_builtins(card) for name, card in models.items()},
        backends={name: to_builtins(card) for name, card in backends.items()},
        inputs=dict(inputs),
        command=tuple(command),
        machine=machine,
        unsupported=tuple(unsupported),
        hold_s=hold_s,
        **context,
    )


def refitted(plan: Plan, budget: Budget, rules: Ruleset) -> Plan:
    """The same cells in the same order, with their share of another budget."""
    cards = {name: msgspec.convert(card, BackendCard) for name, card in plan.backends.items()}
    held_s = {name: plan.hold_s for name in cards if plan.hold_s and holding.answering(plan.meters, name)}
    emulators = {name for name, card in cards.items() if emulated(card)}
    cells = _with_windows({cell.id: cell for cell in plan.cells}, budget, emulators, held_s)
    return msgspec.structs.replace(plan, cells=tuple(cells.values()), comparable=_comparable(budget, rules))


def _comparable(budget: Budget, rules: Ruleset) -> bool:
    rule = rules.profiles[budget.profile]
    return rule.comparable and (budget.stated or budget.seconds >= rule.budget_s) and budget.launches >= rule.launches


def shuffled(cells: Sequence[PlannedCell], launches: int, seed: int) -> tuple[tuple[str, int], ...]:
    """Floors first, then round by round, each round shuffled anew: slow drifts then hit all cells alike.

    The cells of a mix stay together, as they are measured at once.
    """
    order = [(cell.id, 1) for cell in cells if cell.purpose == "floor"]
    generator = random.Random(seed)
    groups: dict[str, list[str]] = {}
    for cell in cells:
        if cell.purpose == "measure":
            groups.setdefault(cell.mix or cell.id, []).append(cell.id)
    measured = list(groups.values())
    for number in range(1, launches + 1):
        generator.shuffle(measured)
        order.extend((name, number) for group in measured for name in group)
    return tuple(order)
