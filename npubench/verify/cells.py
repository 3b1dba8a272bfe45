"""Planned cells again: id from key, key and identity from cards, machine and scenario."""

from __future__ import annotations

from statistics import median
from typing import Any

import msgspec

from npubench.cards import BackendCard, ModelCard, claimed, digest, semantics
from npubench.engine.planned import machine_identity
from npubench.lang import Text
from npubench.metrics import CAPACITY
from npubench.schema import Cell, Plan, PlannedCell, cell_id
from npubench.verify.found import Tally

PLAN = "plan.json"

_ID = Text(en="the id is made of the key", ko="id는 key에서 만들어집니다")
_KEY = Text(en="the key is made of the cell's own fields", ko="key는 셀의 항목에서 만들어집니다")
_IDENTITY = Text(
    en="the identity is made of the plan's cards, data, machine and scenario",
    ko="identity는 계획의 카드, 데이터, 장비, 시나리오에서 만들어집니다",
)
_SPREAD = Text(en="from the launches' values beside it", ko="옆에 적힌 실행별 값에서 나오는 값과 다름")
_DIGEST = Text(en="SHA-256 of the identity", ko="identity의 SHA-256")


def check_planned(tally: Tally, plan: Plan) -> None:
    """Names every planned cell whose id, key or identity is not that of its cards, data, machine and scenario."""
    seen: set[str] = set()
    for index, cell in enumerate(plan.cells):
        at = f"cells[{index}]"
        if cell.id in seen:
            tally.wrong(PLAN, f"{at}.id", cell.id, "an id of its own", _ID)
        seen.add(cell.id)
        tally.same(PLAN, f"{at}.id", cell.id, cell_id(cell.key), why=_ID)
        for name, expected in _key(plan, cell).items():
            tally.same(PLAN, f"{at}.key.{name}", cell.key.get(name), expected, why=_KEY)
        for name, value in _identity(tally, plan, cell).items():
            tally.same(PLAN, f"{at}.identity.{name}", cell.identity.get(name), value, why=_IDENTITY, counted=False)
    wanted = [(cell.id, n) for cell in plan.cells for n in range(1, _launches(plan, cell) + 1)]
    order = [(name, number) for name, number in plan.order]
    if sorted(order) != sorted(wanted):
        tally.wrong(
            PLAN,
            "order",
            f"{len(order)} launches",
            f"{len(wanted)}: {plan.launches} of each cell, one of each floor",
            Text(en="the order lists every launch once", ko="order에는 모든 실행이 한 번씩 있습니다"),
        )


def _launches(plan: Plan, cell: PlannedCell) -> int:
    return plan.launches if cell.purpose == "measure" else 1


def _key(plan: Plan, cell: PlannedCell) -> dict[str, str]:
    params = {f"scenario.{name}": str(value) for name, value in cell.scenario.params.items() if name != "devices"}
    return {
        "model": cell.model,
        "variant": cell.variant,
        "precision": cell.precision,
        "backend": cell.backend,
        "scenario": cell.scenario.name,
        **params,
        "scope": cell.scope,
        "ruleset": plan.ruleset,
    }


def _identity(tally: Tally, plan: Plan, cell: PlannedCell) -> dict[str, Any]:
    """What of the identity follows from the plan; not the hashes of files that were compiled elsewhere."""
    found: dict[str, Any] = {}
    try:
        found |= semantics(msgspec.convert(plan.models.get(cell.model), ModelCard), cell.precision, cell.variant)
        backend = msgspec.convert(plan.backends.get(cell.backend), BackendCard)
        found |= {**semantics(backend), **claimed(backend)}
    except msgspec.ValidationError as error:
        # A card of another version of npubench: its part is left out, and said.
        tally.remark(
            Text(
                en=f"{cell.model} on {cell.backend}: a card in the plan is not of this version's form ({error})",
                ko=f"{cell.backend}의 {cell.model}: 계획의 카드가 이 버전의 형식이 아닙니다({error})",
            )
        )
    inputs = plan.inputs.get(cell.model) if cell.purpose == "measure" else None
    return {
        **found,
        "data": inputs.sha256 if inputs else None,
        "scenario": {"name": cell.scenario.name, **cell.scenario.params},
        "scope": cell.scope,
        "ruleset": plan.ruleset,
        "machine": machine_identity(plan.machine),
    }


def check_cells(tally: Tally, file: str, cells: tuple[Cell, ...]) -> None:
    """Names cells of a run document whose id or identity digest is not that of their own key and identity."""
    for index, cell in enumerate(cells):
        tally.same(file, f"cells[{index}].id", cell.id, cell_id(cell.key), why=_ID)
        tally.same(file, f"cells[{index}].identity_sha256", cell.identity_sha256, digest(cell.identity), why=_DIGEST)


def check_spreads(tally: Tally, file: str, cells: tuple[Cell, ...]) -> None:
    """Names values of cells that are not those of the launches beside them: the median, of a capacity the smallest."""
    for index, cell in enumerate(cells):
        at = f"cells[{index}]"
        found = {f"{at}.summary.{name}": (name, item) for name, item in cell.summary.items()}
        found |= {f"{at}.energy.{name}": ("", item) for name, item in cell.energy.items()}
        for path, (name, item) in found.items():
            known = [value for value in item.launches if value is not None]
            if len(known) == len(item.launches) and known:
                expected: float | None = float(min(known) if name in CAPACITY else median(known))
            else:
                expected = None
            tally.same(file, f"{path}.median", item.median, expected, why=_SPREAD)
