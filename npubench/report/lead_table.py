"""What a page that compares opens with: a small table, services down and devices across, a unit in every value.

Guarantees: a column is a device of a run that some service was measured on; CPUs have one only where their run has
nothing else. One execution kind stands in it. What the CPU helped with, what has random weights and, where they differ,
at which precision it ran is marked beside the value. What was metered of the whole machine stands below what it was
metered for. Pure.

Not aware of: who is better (`standings`), facts of machines (`beside`).
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.report import facts, lead_claims, lead_names
from npubench.report.claims import WHOLE
from npubench.report.lead_placed import short
from npubench.report.numbers import backend_name, count
from npubench.report.power_words import UNITS, scope_name
from npubench.report.shown_lead import Claim, Claims, HeadRow, HeadTable, HeadValue
from npubench.report.words import same
from npubench.schema import Run
from npubench.spi import MeterScope
from npubench.units import UNKNOWN

RANDOM = Text(en="random weights: speed only", ko="학습되지 않은 모델: 속도만 유효")
_MOST_ACROSS = 4

Column = tuple[int, str]
"""Which run, which backend."""


def head_table(runs: Sequence[Run], found: Sequence[Sequence[Claims]]) -> HeadTable | None:
    """The table where several runs or several accelerators were measured; None: a sentence says it."""
    found = lead_claims.of_one_kind(found)
    columns = _columns(found)
    if not columns or (len(runs) == 1 and len(columns) == 1):
        return None
    names = lead_names.places(runs)
    seeded = {model for run in runs for model in facts.seeded_models(run)}
    rows = []
    for key, model in lead_claims.work(found):
        told = [_claim(found[index], key, model, backend) for index, backend in columns]
        known = [claim for claim in told if claim is not None]
        if not known:
            continue
        rows.append(
            HeadRow(
                title=_capital(short(key)),
                model=model,
                note=RANDOM if model in seeded else None,
                values=tuple(_value(claim, known) for claim in told),
            )
        )
        if (efficient := _per_watt(told)) is not None:
            rows.append(efficient)
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
    """NPUs and GPUs of every run in its order; of one without any its first device, of the only run all of them."""
    columns: list[Column] = []
    for index, services in enumerate(found):
        claims = [claim for service in services for claim in service.rows if claim.value is not None]
        cpus = {claim.backend.id for claim in claims if claim.on_cpu}
        used = dict.fromkeys(claim.backend.id for claim in claims)
        own = [backend for backend in used if backend not in cpus] or list(used)
        if len(found) > 1 and cpus.issuperset(own):
            own = own[:1]
        columns += [(index, backend) for backend in own]
    return columns


def _claim(services: Sequence[Claims], key: str, model: str, backend: str) -> Claim | None:
    rows = lead_claims.of_model(services, key, model)
    return next((claim for claim in rows if claim.backend.id == backend), None)


def _per_watt(told: Sequence[Claim | None]) -> HeadRow | None:
    """Cameras per watt of the whole machine, the scope in which unlike devices may stand beside each other.

    None where nobody's cameras were metered in any scope. Of two such scopes the one that more devices have.
    """
    cameras, known = UNITS["cameras_per_w"], [claim for claim in told if claim is not None]
    if not any(spent.number.unit == cameras for claim in known for spent in claim.spent):
        return None
    held = [spent.scope for claim in known for spent in claim.spent if spent.whole and spent.number.unit == cameras]
    scope = max(WHOLE, key=held.count)
    where = scope_name(scope)
    return HeadRow(
        title=Text(en=f"Cameras per watt ({where.en})", ko=f"와트당 카메라({where.ko})"),
        model="",
        note=None,
        values=tuple(_efficiency(claim, scope) for claim in told),
    )


def _efficiency(claim: Claim | None, scope: MeterScope) -> HeadValue:
    if claim is None or claim.value is None:
        return HeadValue(text=same(UNKNOWN), note=None, anchor="")
    cameras = UNITS["cameras_per_w"]
    found = [spent for spent in claim.spent if spent.number.unit == cameras]
    for spent in found:
        if spent.scope == scope:
            n = spent.number.text
            return HeadValue(text=Text(en=n, ko=f"{n}대"), note=None, anchor=claim.anchor)
    # What a sensor of the device saw says nothing beside another device's.
    seen = next((Text(en=f"only metered: {each.title.en}", ko=f"{each.title.ko}만 측정") for each in found), claim.dark)
    return HeadValue(text=same(UNKNOWN), note=None, anchor="", why=seen)


def _capital(text: Text) -> Text:
    return Text(en=f"{text.en[:1].upper()}{text.en[1:]}", ko=text.ko)


def _value(claim: Claim | None, beside: Sequence[Claim]) -> HeadValue:
    if claim is None:
        return HeadValue(text=same(UNKNOWN), note=None, anchor="")
    precision = lead_claims.precision(claim, beside)
    return HeadValue(text=claim.spelled, note=_caution(claim), anchor=claim.anchor, precision=precision)


def _caution(claim: Claim) -> Text | None:
    """`with caution · placement: CPU-assisted`; other reasons are told where the value leads to."""
    said = [claim.verdict_text] if claim.tone == "warn" else []
    said += [claim.assisted] if claim.assisted is not None else []
    return Text(en=" · ".join(text.en for text in said), ko=" · ".join(text.ko for text in said)) if said else None
