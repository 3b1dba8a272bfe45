"""Machines side by side: what each delivers of the same services, at which power, and what it is. Pure.

Guarantees: a column is a run; of every run the device that delivers most of its main load of each service is told, by
name; what one does not have is a dash. Services, models and execution kinds are groups of their own.

Not aware of: who is better (`standings`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from npubench.lang import Text
from npubench.report import lead, lead_names
from npubench.report.claims import each
from npubench.report.foreign import clean
from npubench.report.lead_claims import of_model
from npubench.report.numbers import count
from npubench.report.shown_lead import Beside, BesideGroup, BesideRow, Claim, Claims
from npubench.report.words import same
from npubench.schema import Run
from npubench.units import UNKNOWN, show

_DASH = Text(en=UNKNOWN, ko=UNKNOWN)
_UNLIKE = Text(
    en="Sensors of different devices differ: do not compare these directly.",
    ko="장치마다 센서가 다르므로 직접 비교하지 마십시오.",
)


def beside(runs: Sequence[Run], keys: Sequence[str], claims: Sequence[Sequence[Claims]]) -> Beside:
    """The table of at least two runs."""
    groups = []
    work: dict[tuple[str, Text | None, str], Text] = {}
    for found in claims:
        for service in found:
            for row in service.rows:
                work.setdefault((service.key, service.kind, row.model.id), _titled(service))
    for (key, kind, model), title in work.items():
        rows = [_best([each for each in found if each.kind == kind], key, model) for found in claims]
        known = next(row for row in rows if row is not None)
        groups.append(
            BesideGroup(
                title=Text(en=f"{title.en}: {known.model.title.en}", ko=f"{title.ko}: {known.model.title.ko}"),
                rows=tuple(_rows(rows)),
            )
        )
    groups.append(BesideGroup(title=Text(en="The machines", ko="장비"), rows=tuple(_facts(runs))))
    names = lead_names.places(runs)
    return Beside(
        columns=tuple((name, key, clean(run.created)) for name, key, run in zip(names, keys, runs, strict=True)),
        groups=tuple(groups),
    )


def _titled(service: Claims) -> Text:
    """The service; with its execution kind where that is not hardware."""
    title, kind = service.title, service.kind
    return title if kind is None else Text(en=f"{title.en} ({kind.en})", ko=f"{title.ko}({kind.ko})")


def _best(found: Sequence[Claims], key: str, model: str) -> Claim | None:
    return next(iter(of_model(found, key, model)), None)


def _rows(found: Sequence[Claim | None]) -> list[BesideRow]:
    def row(en: str, ko: str, told: Callable[[Claim], Text | None], *, main: bool = False) -> BesideRow:
        values = tuple((told(claim) if claim is not None else None) or _DASH for claim in found)
        return BesideRow(title=Text(en=en, ko=ko), values=values, main=main)

    rows = [
        row("Best device", "가장 빠른 장치", lambda claim: claim.backend.title),
        row("Delivers", "처리량", lambda claim: claim.spelled, main=True),
        row("Precision", "정밀도", lambda claim: same(claim.precision)),
    ]
    scopes = {item.title: item.whole for claim in found if claim is not None for item in claim.spent}
    for title, whole in scopes.items():
        spent = row(f"Energy, {title.en}", f"에너지({title.ko})", partial(_spent, title=title))
        several = sum(value != _DASH for value in spent.values) > 1
        rows.append(spent if whole or not several else replace(spent, note=_UNLIKE))
    return [
        *rows,
        row("Where it ran", "실행 위치", lambda claim: claim.placed),
        row("Answers", "답의 품질", lambda claim: claim.quality),
        row("Verdict", "판정", lambda claim: claim.verdict_text),
    ]


def _spent(claim: Claim, title: Text) -> Text | None:
    return next((each(item.number) for item in claim.spent if item.title == title), None)


def _facts(runs: Sequence[Run]) -> list[BesideRow]:
    def row(en: str, ko: str, told: Callable[[Run], Text | str | None]) -> BesideRow:
        values = []
        for run in runs:
            value = told(run)
            values.append(_DASH if not value else same(value) if isinstance(value, str) else value)
        return BesideRow(title=Text(en=en, ko=ko), values=tuple(values))

    def threads(run: Run) -> Text | None:
        n = run.machine.threads
        return None if n is None else Text(en=f"{count(n)} threads", ko=f"스레드 {count(n)}개")

    return [
        row("Processor", "프로세서", lambda run: run.machine.cpu),
        row("Threads", "스레드", threads),
        row("Memory", "메모리", lambda run: show(run.machine.memory_bytes, "B") if run.machine.memory_bytes else None),
        row(
            "Accelerators",
            "가속기",
            lambda run: ", ".join(clean(f"{each.vendor} {each.name}") for each in run.machine.accelerators) or None,
        ),
        row("Measurements", "측정", lambda run: lead.verdict([run])[0]),
        row("Profile", "프로파일", lambda run: run.profile),
        row("Rules", "규칙", lambda run: run.ruleset),
        row("Measured by", "측정자", lambda run: run.measured_by),
        row("Run", "실행", lambda run: run.id),
    ]
