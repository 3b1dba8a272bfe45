"""What a page that compares opens with: a small table, services down and devices across, a unit in every value.

Guarantees: a column is a device of a run that some service was measured on; CPUs have one only where their run has
nothing else. What the CPU helped with and what has random weights is marked beside the value. Pure.

Not aware of: who is better (`standings`), facts of machines (`beside`).
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.report import facts, lead_names
from npubench.report.lead_placed import short
from npubench.report.numbers import backend_name, count
from npubench.report.shown_lead import Claim, Claims, HeadRow, HeadTable, HeadValue
from npubench.report.words import same
from npubench.schema import Run
from npubench.units import UNKNOWN

RANDOM = Text(en="random weights: speed only", ko="난수 가중치: 속도만 유효")
_MOST_ACROSS = 4

Column = tuple[int, str]
"""Which run, which backend."""


def head_table(runs: Sequence[Run], found: Sequence[Sequence[Claims]]) -> HeadTable | None:
    """The table where several runs or several accelerators were measured; None: a sentence says it."""
    columns = _columns(found)
    if not columns or (len(runs) == 1 and len(columns) == 1):
        return None
    names = lead_names.places(runs)
    seeded = {model for run in runs for model in facts.seeded_models(run)}
    rows = []
    for key, model in _work(found):
        told = [_claim(found[index], key, model, backend) for index, backend in columns]
        if all(claim is None for claim in told):
            continue
        rows.append(
            HeadRow(
                title=_capital(short(key)),
                model=model,
                note=RANDOM if model in seeded else None,
                values=tuple(map(_value, told)),
            )
        )
    return HeadTable(
        columns=tuple(
            (backend_name(runs[index], backend).title, names[index] if len(runs) > 1 else "")
            for index, backend in columns
        ),
        rows=tuple(rows),
        down=len(columns) > _MOST_ACROSS,
    )


def title(runs: Sequence[Run], table: HeadTable) -> Text:
    """What is compared, in a line."""
    if len(runs) == 1:
        name, n = lead_names.places(runs)[0], count(len(table.columns))
        return Text(en=f"{n} devices compared on {name}", ko=f"{name}: 장치 {n}개 비교")
    machines, n = len({run.machine.name for run in runs}), count(len(runs))
    if machines == len(runs):
        return Text(en=f"What {n} machines deliver", ko=f"장비 {n}대의 처리량 비교")
    return Text(en=f"What {n} runs delivered", ko=f"실행 {n}건의 처리량 비교")


def _columns(found: Sequence[Sequence[Claims]]) -> list[Column]:
    """NPUs and GPUs of every run in its order; of one without any its first device."""
    columns: list[Column] = []
    for index, services in enumerate(found):
        claims = [claim for service in services for claim in service.rows if claim.value is not None]
        cpus = {claim.backend.id for claim in claims if claim.on_cpu}
        used = dict.fromkeys(claim.backend.id for claim in claims)
        own = [backend for backend in used if backend not in cpus] or list(used)[:1]
        columns += [(index, backend) for backend in own]
    return columns


def _work(found: Sequence[Sequence[Claims]]) -> list[tuple[str, str]]:
    """(service, model): of each service the first model that a run has."""
    first: dict[str, str] = {}
    for services in found:
        for service in services:
            first.setdefault(service.key, service.rows[0].model.id)
    return list(first.items())


def _claim(services: Sequence[Claims], key: str, model: str, backend: str) -> Claim | None:
    rows = [
        claim
        for service in services
        if service.key == key
        for claim in service.rows
        if claim.model.id == model and claim.backend.id == backend
    ]
    return max(rows, key=lambda claim: -1.0 if claim.value is None else claim.value, default=None)


def _capital(text: Text) -> Text:
    return Text(en=f"{text.en[:1].upper()}{text.en[1:]}", ko=text.ko)


def _value(claim: Claim | None) -> HeadValue:
    if claim is None:
        return HeadValue(text=same(UNKNOWN), note=None, anchor="")
    return HeadValue(text=claim.spelled, note=claim.assisted, anchor=claim.anchor)
