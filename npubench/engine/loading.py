"""From a cell to the load that its worker makes: arrival, what must be held, and what is searched. Pure."""

from __future__ import annotations

from npubench import traffic
from npubench.engine.protocol import SATURATING, Load, Search, Target
from npubench.rules import Ruleset, ScenarioRule
from npubench.scenarios import KINDS, searched
from npubench.schema import PlannedCell
from npubench.stats.conforming import needed_by
from npubench.stats.trials import Limits

# So many users are looked for at most; each has a lane of its own.
MOST_USERS = 256

# Later launches confirm the load that the first one found, for which they get this share of its time.
CONFIRM_SHARE = 2 / 3


def load_of(cell: PlannedCell, seed: int) -> Load:
    """How load is made in a launch of this cell."""
    scenario, kind = cell.scenario, KINDS[cell.scenario.name]
    value = scenario.params.get(kind.load) if kind.load is not None else None
    return Load(
        arrival=kind.arrival,
        value=None if value is None else float(value),
        fps=float(scenario.params.get("fps", 0.0)),
        think_ns=round(traffic.think_s(scenario) * 1e9),
        seed=seed,
        devices=int(scenario.params.get("devices", 1)),
        instances=int(scenario.params.get("instances", 1)),
        inflight=_in_flight(cell),
    )


def _in_flight(cell: PlannedCell) -> int:
    """Views of each session: a lane for every user, where load comes from users. 0: as many requests as come."""
    params = cell.scenario.params
    if KINDS[cell.scenario.name].arrival != "users":
        return int(params.get("inflight", 1))
    return int(params.get("users", MOST_USERS))


def held(cell: PlannedCell, rules: Ruleset) -> dict[str, Limits]:
    """Service unit → what a request of this cell must not exceed; empty where nothing is bound."""
    if KINDS[cell.scenario.name].load is None:
        return {}
    if cell.scenario.name == "cameras":
        return {"frame": Limits(latency_ns=round(1e9 / float(cell.scenario.params["fps"])))}
    return {
        unit: Limits(latency_ns=_ns(bound.latency_s), ttft_ns=_ns(bound.ttft_s), tpot_ns=_ns(bound.tpot_s))
        for unit, bound in rules.bounds.items()
    }


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def target_of(cell: PlannedCell, rules: Ruleset) -> Target | None:
    """What a load of this cell must hold; None where nothing is bound."""
    bounds = held(cell, rules)
    if not bounds:
        return None
    name = cell.scenario.name
    rule = rules.scenarios.get(name, ScenarioRule())
    needed = tuple((percent, tuple(counts)) for percent, counts in needed_by(rules, name))
    return Target(held=bounds, needed=needed, min_duration_ns=round(rule.min_duration_s * 1e9))


def limits_of(cell: PlannedCell, unit: str, rules: Ruleset) -> Limits | None:
    """What a request of this cell must not exceed when the workload counts `unit`; None where nothing is bound."""
    bounds = held(cell, rules)
    return bounds.get(unit, bounds.get("sample"))


def search_of(cell: PlannedCell, known: float | None, hold_s: float = 0.0) -> Search | None:
    """What is searched in a launch of this cell; None where nothing is. `known`: what an earlier launch confirmed.

    `hold_s`: how long what is confirmed is then held for its energy.
    """
    name = searched(cell.scenario)
    if name is None:
        return None
    per_load = {"rate": 1.0, "cameras": float(cell.scenario.params.get("fps", 0.0))}.get(name)
    return Search(
        searched=name,
        whole=name != "rate",
        per_load=per_load,
        abreast=SATURATING if name == "users" else 0,
        budget_ns=round(cell.window_s * (1 if known is None else CONFIRM_SHARE) * 1e9),
        known=known,
        hold_ns=round(hold_s * 1e9),
    )
