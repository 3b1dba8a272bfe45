"""A run document from its plan and its finished launches: pure, so that a killed run can be read at any point.

The value of a cell is the median of its launches' values, never of pooled samples: the launch is the unit of
replication (METRICS.md, Comparing). Of a capacity it is the smallest: what every launch confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from npubench.cards import digest
from npubench.energy import Attachment, PowerSession
from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.metrics import CAPACITY, METRICS
from npubench.rules import Ruleset
from npubench.schema import (
    FLOOR_MODEL,
    Cell,
    ExecutionKind,
    FailureKind,
    Launch,
    Plan,
    PlannedCell,
    Quality,
    Run,
    Spread,
    Validity,
    Value,
)
from npubench.spi import Placement
from npubench.stats import cell_energy, merged
from npubench.stats.conditions import disturbed
from npubench.stats.spreads import spread as spread
from npubench.tuning import Tuning
from npubench.units import show_ns, utc_now

_RANK: dict[Validity, int] = {"valid": 0, "degraded": 1, "invalid": 2, "unsupported": 3}


def _summary(good: list[Launch]) -> dict[str, Spread]:
    keys: list[str] = [key for key in METRICS if any(key in launch.summary for launch in good)]
    missing = Value(value=None, reason="this launch has no such value")
    found = {key: spread(launch.summary.get(key, missing) for launch in good) for key in keys}
    return {key: _smallest(value) if key in CAPACITY else value for key, value in found.items()}


def _smallest(value: Spread) -> Spread:
    """What every launch confirmed."""
    known = [number for number in value.launches if number is not None]
    return msgspec.structs.replace(value, median=min(known)) if value.median is not None else value


def _verdict(planned: PlannedCell, launches: list[Launch], expected: int) -> tuple[Validity, tuple[Text, ...]]:
    verdict: Validity = "valid"
    reasons: dict[str, Text] = {}
    if any(launch.failure is not None and launch.failure.kind is FailureKind.UNSUPPORTED for launch in launches):
        said = next(launch.failure.message for launch in launches if launch.failure is not None)
        return "unsupported", (Text(en=said, ko=said),)
    for launch in launches:
        if _RANK[launch.verdict] > _RANK[verdict]:
            verdict = launch.verdict
        for reason in launch.reasons:
            reasons.setdefault(reason.en, reason)
    if len(launches) < expected:
        verdict = "invalid" if not launches else "degraded" if verdict == "valid" else verdict
        done = len(launches)
        text = Text(en=f"only {done} of {expected} launches finished", ko=f"실행 {expected}회 중 {done}회만 완료")
        reasons.setdefault(text.en, text)
    return verdict, tuple(reasons.values())


def _apart(summary: Mapping[str, Spread]) -> float:
    """How far the throughputs of a cell's launches lie apart: largest over smallest, minus one."""
    rate = summary.get("samples_per_s")
    values = [value for value in rate.launches if value] if rate is not None else []
    return max(values) / min(values) - 1 if len(values) > 1 else 0.0


def _fallen(placement: Placement | None) -> Text | None:
    """Which nodes did not run on the provider that was asked for, where there is no certificate that says more."""
    if placement is None or not placement.fallback_ops or placement.providers is None:
        return None
    count, total = sum(placement.fallback_ops.values()), sum(placement.providers.values())
    most = sorted(placement.fallback_ops.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} × {number}" for name, number in most[:6])
    return Text(
        en=f"{count} of {total} nodes did not run on {placement.requested}: {listed}",
        ko=f"노드 {total}개 중 {count}개가 {placement.requested} 밖에서 실행됨: {listed}",
    )


def scrubbed(command: Iterable[str]) -> tuple[str, ...]:
    """The command line without the folders of the person who typed it: paths keep their last component."""

    def last(path: str) -> str:
        return path.rstrip("/").rpartition("/")[2] or "/" if "/" in path else path

    return tuple("=".join(last(part) for part in word.split("=")) for word in command)


def _cell(
    plan: Plan,
    planned: PlannedCell,
    launches: list[Launch],
    floor_ns: float | None,
    rules: Ruleset,
    quality: Quality | None,
    certificate: Certificate | None,
    tuning: Tuning | None,
) -> Cell:
    verdict, reasons = _verdict(planned, launches, plan.launches if planned.purpose == "measure" else 1)
    good = [launch for launch in launches if launch.status == "ok"]
    summary = _summary(good)
    bound: bool | None = None
    if planned.purpose == "measure" and good:
        summary["overhead_floor_ns"] = (
            Spread(median=floor_ns, launches=(floor_ns,))
            if floor_ns is not None
            else Spread(median=None, launches=(), reason="the floor could not be measured on this backend")
        )
        p50 = summary.get("latency_p50_ns")
        if floor_ns is not None and p50 is not None and p50.median is not None:
            bound = p50.median < rules.overhead_factor * floor_ns
            if bound:
                text = Text(
                    en=f"overhead-bound: the latency is under {rules.overhead_factor:g} × the harness floor "
                    f"({show_ns(floor_ns)})",
                    ko=f"하네스 비용 지배: 지연 시간이 하네스 하한({show_ns(floor_ns)})의 "
                    f"{rules.overhead_factor:g}배 미만",
                )
                reasons = (*reasons, text)
    evidence = next((launch for launch in launches if launch.placement is not None), None)
    kinds = {launch.execution_kind for launch in good if launch.execution_kind}
    kind: ExecutionKind | None = kinds.pop() if len(kinds) == 1 else "unknown" if kinds else None
    if (apart := _apart(summary)) > rules.launch_spread:
        verdict = "degraded" if verdict == "valid" else verdict
        text = Text(
            en=f"the launches differ by {apart:.0%}: the machine was busy with something else",
            ko=f"실행 간 차이가 {apart:.0%}: 장비가 다른 작업으로 바빴습니다",
        )
        reasons = (*reasons, text)
    if certificate is not None and certificate.extent != "none":
        # What nothing ran on is a failure of every launch, and says so there.
        reasons = (*reasons, *certificate.reasons)
        if certificate.extent == "assisted":
            verdict = "degraded" if verdict == "valid" else verdict
    elif evidence is not None and (fallen := _fallen(evidence.placement)) is not None:
        reasons = (*reasons, fallen)
    if kind == "unknown":
        verdict = "degraded" if verdict == "valid" else verdict
        text = Text(
            en="where it ran is unknown: the adapter gave no placement evidence",
            ko="어디에서 실행되었는지 알 수 없음: 어댑터가 배치 증거를 주지 않음",
        )
        reasons = (*reasons, text)
    audits = merged.audits(good)
    for audit in audits:
        if audit.passed is False:
            verdict = "invalid" if verdict != "unsupported" else verdict
            # A launch that failed one says so itself; one that others wrote may not.
            reasons = reasons if audit.said in reasons else (*reasons, audit.said)
    if quality is not None and quality.verdict == "failed":
        # A fast wrong answer is not a result.
        verdict = "invalid" if verdict != "unsupported" else verdict
        reasons = (*quality.reasons, *reasons)
    return Cell(
        id=planned.id,
        key=planned.key,
        identity=planned.identity,
        identity_sha256=digest(planned.identity),
        model=planned.model,
        backend=planned.backend,
        precision=planned.precision,
        scenario=planned.scenario,
        scope=planned.scope,
        unit=next((launch.unit for launch in good), "sample"),
        purpose=planned.purpose,
        overhead_bound=bound,
        execution_kind=kind,
        verdict=verdict,
        reasons=reasons,
        summary=summary,
        launches=tuple(f"{launch.cell}-{launch.number}" for launch in launches),
        disturbed=sum(
            disturbed(launch.conditions, rules.disturbance) for launch in good if launch.conditions is not None
        ),
        failures=tuple(launch.failure for launch in launches if launch.failure is not None),
        placement=evidence.placement if evidence else None,
        placement_reason=None if evidence else "the adapter gave no placement evidence",
        certificate=certificate,
        certificate_reason=None if certificate is not None else "no placement certificate was made in this run",
        quality=quality,
        quality_reason=None if quality is not None else _quality_reason(plan, planned),
        energy=cell_energy.energy(good),
        energy_reason=cell_energy.energy_reason(launches),
        efficiency=cell_energy.efficiency(good),
        options=next((launch.process.options for launch in good if launch.process is not None), {}),
        tuning=tuning,
        mix=planned.mix,
        alone=planned.alone,
        capacity=merged.capacity(good),
        stages=merged.stages(good),
        audits=audits,
        lacks=merged.lacks(good),
    )


def _build_key(item: Quality | Certificate | PlannedCell) -> tuple[str, str, str, str]:
    return item.model, item.precision, item.variant, item.backend


def _quality_reason(plan: Plan, planned: PlannedCell) -> str:
    card = plan.models.get(planned.model, {})
    if isinstance(card, Mapping) and card.get("quality") is None:
        return "the model card has no quality floor, so no quality is claimed"
    return "not measured in this run"


def assemble(
    plan: Plan,
    launches: Iterable[Launch],
    rules: Ruleset,
    files: Mapping[str, str] | None = None,
    qualities: Iterable[Quality] = (),
    certificates: Iterable[Certificate] = (),
    tunings: Iterable[Tuning] = (),
    *,
    sessions: Iterable[PowerSession] = (),
    logs: Iterable[Attachment] = (),
) -> Run:
    """The run as far as it has come. `files` maps launch files, quality records and certificates to their SHA-256.

    `sessions`: power around the launches, one per invocation. `logs`: external meters' logs; what they read of a launch
    is added to that launch's energy, in scopes that it does not have itself.
    """
    sessions = tuple(sorted(sessions, key=lambda session: session.number))
    logs = tuple(sorted(logs, key=lambda log: log.name))
    quality_of = {_build_key(record): record for record in qualities}
    certificate_of = {_build_key(found): found for found in certificates}
    tuning_of = {found.cell: found for found in tunings}
    by_cell: dict[str, list[Launch]] = {}
    for launch in launches:
        by_cell.setdefault(launch.cell, []).append(cell_energy.attached(launch, logs))
    for found in by_cell.values():
        found.sort(key=lambda launch: launch.number)
    floors: dict[str, float | None] = {}
    for planned in plan.cells:
        if planned.model == FLOOR_MODEL and planned.scenario.name == "single-stream":
            value = spread(item.summary["latency_p50_ns"] for item in by_cell.get(planned.id, []) if item.summary)
            floors[planned.backend] = value.median
    cells = tuple(
        _cell(
            plan,
            planned,
            by_cell.get(planned.id, []),
            floors.get(planned.backend),
            rules,
            quality_of.get(_build_key(planned)) if planned.purpose == "measure" else None,
            certificate_of.get(_build_key(planned)) if planned.purpose == "measure" else None,
            tuning_of.get(planned.id),
        )
        for planned in plan.cells
    )
    backends = {planned.id: planned.backend for planned in plan.cells}
    varying: dict[str, str] = {"npubench": plan.npubench, "kernel": plan.machine.kernel, "os": plan.machine.os}
    for found in by_cell.values():
        for launch in found:
            if launch.process is not None:
                backend = backends.get(launch.cell, "?")
                varying.update({f"{backend}.{name}": version for name, version in launch.process.versions.items()})
                varying[f"{backend}.python"] = launch.process.python
    return Run(
        id=plan.run,
        created=plan.created,
        sealed=utc_now(),
        npubench=plan.npubench,
        profile=plan.profile,
        comparable=plan.comparable,
        suite=plan.suite,
        ruleset=plan.ruleset,
        seed=plan.seed,
        command=scrubbed(plan.command),
        machine=plan.machine,
        cells=cells,
        absent=plan.absent,
        unsupported=plan.unsupported,
        notes=(*plan.notes, *cell_energy.drift_notes(sessions, rules.energy)),
        models=plan.models,
        backends=plan.backends,
        inputs=plan.inputs,
        availability=plan.availability,
        environments=plan.environments,
        files=dict(files or {}),
        varying=varying,
        measured_by=plan.measured_by,
        # Options may name local files.
        meters=tuple(msgspec.structs.replace(meter, options={}) for meter in plan.meters),
        power=sessions,
        logs=logs,
    )
