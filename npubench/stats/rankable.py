"""Which results may stand in one ranking table, and why the others may not.

Guarantees: everything that was measured, refused or absent is either in a group of cells that did the same work, or
named with its reason. What decides is the model, its weights, data and parameters, the scenario and its ruleset, the
profile, and the percentile at which a load was confirmed; not how a backend is driven (batch, sessions, requests in
flight in `offline`), which is its own choice.

Not aware of: figures and places (`placing`), divisions and tables (`ranking`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from npubench.lang import Text
from npubench.schema import Cell, Run, Scenario
from npubench.stats.compared import LABELS, Difference, differences
from npubench.stats.ranked import Division, Unranked, Why

PROFILE, PERCENT = "profile", "capacity.percent"
# What a backend chooses for itself, by scenario; `devices` is part of what is compared.
_DRIVING = {"offline": ("batch", "instances", "inflight")}
_ALWAYS = ("instances", "inflight")
_CONTRACT = ("workload", "data", "params", "ruleset")


class Found(NamedTuple):
    """A cell with the run that it is from."""

    run: Run
    cell: Cell


def asked(scenario: Scenario) -> Scenario:
    """The scenario without what each backend chooses for itself."""
    own = _DRIVING.get(scenario.name, _ALWAYS)
    return Scenario(name=scenario.name, params={key: value for key, value in scenario.params.items() if key not in own})


def group(cell: Cell) -> tuple[Any, ...]:
    """What cells of one table have in common."""
    scenario = asked(cell.scenario)
    params = tuple(sorted((key, str(value)) for key, value in scenario.params.items()))
    return cell.model, cell.unit, scenario.name, params, cell.scope, cell.key.get("mix"), cell.execution_kind


def never_planned(runs: Iterable[Run]) -> Iterator[Unranked]:
    """What a backend does not take, and backends that were not there."""
    for run in runs:
        for item in run.unsupported:
            yield Unranked(
                run=run.id, machine=run.machine.name, model=item.model, backend=item.backend, precision=item.precision,
                why="unsupported", reasons=(item.reason,),
            )  # fmt: skip
        for absent in run.absent:
            yield Unranked(
                run=run.id, machine=run.machine.name, model="", backend=absent.backend, precision="", why="absent",
                reasons=(Text(en=absent.reason, ko=absent.reason),),
            )  # fmt: skip


def left_out(
    item: Found,
    why: Why,
    *reasons: Text,
    division: Division | None = None,
    differing: Sequence[Difference] = (),
) -> Unranked:
    """A cell that is in no table, or in none of a division."""
    run, cell = item
    return Unranked(
        run=run.id,
        machine=run.machine.name,
        model=cell.model,
        backend=cell.backend,
        precision=cell.precision,
        scenario=cell.scenario,
        scope=cell.scope,
        division=division,
        why=why,
        reasons=reasons,
        differences=tuple(differing),
    )


_NO_REASON = Text(en="no reason was recorded", ko="기록된 이유 없음")
_UNPROVEN = Text(en="nothing proves where it ran", ko="어디에서 실행되었는지 증거가 없음")


def no_result(item: Found) -> Unranked | None:
    """Why a cell is no result that could be ranked; None where it is one."""
    cell = item.cell
    if cell.verdict in ("invalid", "unsupported"):
        said = cell.reasons or tuple(Text(en=bad.message, ko=bad.message) for bad in cell.failures) or (_NO_REASON,)
        return left_out(item, "invalid" if cell.verdict == "invalid" else "unsupported", *said)
    if cell.execution_kind in (None, "unknown", "cpu_fallback"):
        return left_out(item, "unproven", _UNPROVEN)
    if cell.execution_kind == "simulated" or cell.execution_kind == "virtual":
        return left_out(item, "untimed", LABELS[cell.execution_kind])
    return None


_QUICK = Text(
    en="its run is a quick look, which is not comparable; --allow profile ranks it all the same",
    ko="짧은 확인용 실행이라 비교할 수 없습니다. 그래도 순위를 매기려면 --allow profile",
)


def _contract(item: Found) -> dict[str, Any]:
    """What must be equal within a table beside what the group is made by."""
    run, cell = item
    found = {name: cell.identity.get(name) for name in _CONTRACT}
    found[PROFILE] = run.profile
    # A load confirmed at the 90th percentile is less than one confirmed at the 99th.
    found[PERCENT] = cell.capacity.percent if cell.capacity is not None and cell.capacity.confirmed else None
    return found


def alike(together: Sequence[Found], allow: Sequence[str]) -> tuple[list[Found], list[Unranked]]:
    """Those that agree with most, and what differs in the others. Of equally many the first counts."""
    contracts = [_contract(item) for item in together]
    # Quick looks do not decide what is usual while there is anything else.
    deciding = [contract for item, contract in zip(together, contracts, strict=True) if item.run.comparable]
    usual = _most_common(deciding or contracts)
    graphs = _usual_graphs(together)
    kept, others = [], []
    for item, contract in zip(together, contracts, strict=True):
        differing = [
            *differences(usual, contract),
            *differences(graphs[_build(item.cell)], item.cell.identity.get("graphs"), "graphs"),
        ]
        # A cell without a percentile held nothing, which is a result.
        differing = [each for each in differing if each.field != PERCENT or None not in (each.base, each.new)]
        refused = [each for each in differing if not _allowed(each.field, allow)]
        quick = [] if item.run.comparable or _allowed(PROFILE, allow) else [_QUICK]
        if refused or quick:
            others.append(left_out(item, "not_comparable", *quick, differing=refused))
        else:
            kept.append(item)
    return kept, others


def _build(cell: Cell) -> tuple[str, str]:
    return cell.precision, cell.key.get("variant", "")


def _usual_graphs(together: Sequence[Found]) -> dict[tuple[str, str], Any]:
    """Of each build the graphs and weights that most have. Between builds they differ, and quality judges them."""
    found: dict[tuple[str, str], list[Any]] = {}
    for _, cell in together:
        found.setdefault(_build(cell), []).append(cell.identity.get("graphs"))
    return {build: _most_common(graphs) for build, graphs in found.items()}


def _most_common(values: Sequence[Any]) -> Any:
    """Of equally many the first. A JSON value is no key, so its text is."""
    keys = [msgspec.json.encode(value, order="deterministic") for value in values]
    return values[keys.index(Counter(keys).most_common(1)[0][0])]


def _allowed(field: str, allow: Sequence[str]) -> bool:
    return any(field == name or field.startswith(f"{name}.") for name in allow)
