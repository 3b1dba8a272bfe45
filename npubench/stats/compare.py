"""Two runs, cell by cell: may they be compared, are both sound, and only then which is slower, and by how much.

Guarantees, in this order (METRICS.md, Comparing):
    contract  the same cell key and the same identity; every field that differs is named. `allow` is recorded. Between
              machines of one class, the machine's name and its devices' ids do not count.
    health    an invalid cell is invalid, not slow; a cell that only the base has is missing.
    speed     launch values → cost (a throughput is inverted) → log → 99 % Welch interval of the difference of means
              (`speed`). A simulated or virtual device's times mean nothing: those cells stop at health.
A verdict comes from launches alone, never from pooled samples, and never from fewer than four launches a side.

Minimum detectable change: the smallest true slowdown that launches like these (this many, this spread) would call
regressed in 95 % of repeats. With two or three launches a side it says what their interval could show; the rule of
four withholds the verdict all the same.

Not aware of: files, the baseline (`baselines`, `cli`), the noise of earlier nights (`noise`), how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from npubench.errors import NotComparableError, UsageError
from npubench.lang import Text
from npubench.schema import VALIDITY_TEXT, Cell, Run
from npubench.stats.compared import (
    LABELS,
    CellComparison,
    Comparison,
    Difference,
    Label,
    MetricComparison,
    Rule,
    RunRef,
    Status,
    Version,
    differences,
    exit_code,
)
from npubench.stats.headline import headline
from npubench.stats.speed import Tolerances, metrics, minimum

PROFILE = "profile"
"""The field that differs when a run's profile is too short to be compared (`--allow profile`)."""
KIND = "execution_kind"
"""Kinds are never compared with each other; this field cannot be allowed."""
PERCENT = "capacity.percent"
"""The field that differs when capacities were confirmed at different percentiles."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How to compare: identity fields (dotted, or their beginnings) that may differ, the models and backends asked for
    (none: all), and the class of machines within which base and new were measured. `in_turns`: both were measured in
    turns, so that other work on the machine disturbed both alike.
    """

    allow: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    machine_class: str | None = None
    in_turns: bool = False
    tolerances: Tolerances = minimum
    rule: Rule = Rule()

    def takes(self, cell: Cell) -> bool:
        return (not self.models or cell.model in self.models) and (not self.backends or cell.backend in self.backends)

    def part(self) -> tuple[str, ...]:
        return (*(f"model={name}" for name in self.models), *(f"backend={name}" for name in self.backends))


def _sound(cell: Cell) -> bool:
    return cell.verdict in ("valid", "degraded")


def _told(side: str, cell: Cell) -> Iterator[Text]:
    if cell.verdict == "valid":
        return
    found, is_ = VALIDITY_TEXT[cell.verdict], "counts" if cell.verdict == "degraded" else "is"
    why = cell.reasons or tuple(Text(en=item.message, ko=item.message) for item in cell.failures)
    for reason in why or (Text(en="no reason was recorded", ko="기록된 이유 없음"),):
        yield Text(en=f"{side} {is_} {found.en}: {reason.en}", ko=f"{side} {found.ko}: {reason.ko}")


def _labels(base: Cell | None, new: Cell | None) -> Iterator[Label]:
    """What to know of a cell beside its numbers, whichever side it is of."""
    cells = [cell for cell in (base, new) if cell is not None]
    if any(cell.certificate is not None and cell.certificate.extent == "assisted" for cell in cells):
        yield "cpu_assisted"
    for kind in dict.fromkeys(cell.execution_kind for cell in cells):
        if kind in ("simulated", "virtual", "cpu_fallback", "endpoint"):
            yield kind
    if any(cell.overhead_bound for cell in cells):
        yield "overhead_bound"
    if base is not None and base.verdict == "degraded":
        yield "base_degraded"
    if new is not None and new.verdict == "degraded":
        yield "new_degraded"


def _lacking(base: Cell | None, new: Cell | None) -> Iterator[Text]:
    for name, cell in (("BASE", base), ("NEW", new)):
        for said in cell.lacks if cell is not None else ():
            yield Text(en=f"{name}: {said.en}", ko=f"{name}: {said.ko}")


def _moved(base: Cell, new: Cell) -> Iterator[Text]:
    """A placement that changed, where both sides have a certificate."""
    before, after = base.certificate, new.certificate
    if before is not None and after is not None and before.extent != after.extent:
        yield Text(
            en=f"placement changed: BASE {before.extent}, NEW {after.extent}",
            ko=f"실행 위치가 달라짐: BASE {before.extent}, NEW {after.extent}",
        )


def _outcome(cell: Cell, status: Status, **more: Any) -> CellComparison:
    return CellComparison(
        id=cell.id,
        key=cell.key,
        model=cell.model,
        backend=cell.backend,
        precision=cell.precision,
        scenario=cell.scenario,
        scope=cell.scope,
        status=status,
        execution_kind=cell.execution_kind,
        **more,
    )


def _pair(base: Cell, new: Cell, profile: Sequence[Difference], wanted: Wanted) -> CellComparison:
    told = (*_told("BASE", base), *_told("NEW", new))
    about: dict[str, Any] = {"labels": tuple(_labels(base, new)), "lacks": tuple(_lacking(base, new))}
    if "unsupported" in (base.verdict, new.verdict):
        status: Status = "unsupported" if base.verdict == new.verdict else "missing"
        if base.verdict == "unsupported" and new.verdict != "unsupported":
            status = "new" if _sound(new) else "invalid"
        return _outcome(new, status, reasons=told, **about)
    sound = _sound(base) and _sound(new)
    found = [*profile, *differences(base.identity, new.identity)]
    waived = tuple(item for item in found if wanted.machine_class is not None and _of_one_machine(item))
    differing = [item for item in found if item not in waived]
    if sound:
        differing += _unlike(base, new)
    allowed = tuple(item for item in differing if any(_covers(name, item.field) for name in wanted.allow))
    refused = tuple(item for item in differing if item not in allowed)
    about |= {"allowed": allowed, "waived": waived}
    if refused:
        return _outcome(new, "not_comparable", differences=refused, reasons=told, **about)
    if not sound:
        return _outcome(new, "invalid", reasons=told, **about)
    told = (*told, *_moved(base, new))
    if new.execution_kind in ("simulated", "virtual"):
        return _outcome(new, "untimed", reasons=(*told, LABELS[new.execution_kind]), **about)
    measured, left_out = metrics(base, new, wanted.tolerances, wanted.rule)
    if not wanted.in_turns:
        measured, disturbed = _on_a_quiet_machine(base, new, measured)
        left_out = (*left_out, *disturbed)
    if not measured:
        none = Text(en="no metric has a value on either side", ko="양쪽 모두 값이 있는 지표가 없음")
        return _outcome(new, "invalid", reasons=(*told, *left_out, none), **about)
    return _outcome(new, "compared", reasons=(*told, *left_out), metrics=measured, **about)


def _on_a_quiet_machine(
    base: Cell, new: Cell, measured: tuple[MetricComparison, ...]
) -> tuple[tuple[MetricComparison, ...], tuple[Text, ...]]:
    """`measured` without verdicts that other work on the machine may have made: NEW is not slower because somebody else
    computed beside it, nor as fast as BASE, or faster, because somebody did beside BASE. What was withheld is said.
    """
    found: set[str] = set()
    said = []
    for side, cell, verdicts in (("NEW", new, ("regressed",)), ("BASE", base, ("improved", "equivalent"))):
        if 2 * cell.disturbed <= len(cell.launches):
            continue
        found.update(verdicts)
        if taken := [verdict for verdict in verdicts if any(item.verdict == verdict for item in measured)]:
            korean = "·".join(_VERDICT_KO[verdict] for verdict in taken)
            said.append(
                Text(
                    en=f"other work took processor time from {cell.disturbed} of {len(cell.launches)} launches of "
                    f"{side}, so these call no metric {' or '.join(taken)}: measure again when the machine is quiet",
                    ko=f"{side} 실행 {len(cell.launches)}회 중 {cell.disturbed}회에서 다른 작업이 프로세서를 사용하여 "
                    f"{korean} 판정을 보류함: 장비가 한가할 때 다시 측정하세요",
                )
            )
    kept = tuple(
        msgspec.structs.replace(item, verdict="inconclusive", withheld=item.verdict) if item.verdict in found else item
        for item in measured
    )
    return kept, tuple(said)


_VERDICT_KO = {"regressed": "악화", "improved": "개선", "equivalent": "동등"}


def _unlike(base: Cell, new: Cell) -> Iterator[Difference]:
    """What sets two sound cells apart that is found by measuring, not planned."""
    if base.execution_kind != new.execution_kind or base.execution_kind in (None, "unknown"):
        yield Difference(field=KIND, base=base.execution_kind, new=new.execution_kind)
    percents = [cell.capacity.percent if cell.capacity is not None else None for cell in (base, new)]
    if None not in percents and percents[0] != percents[1]:
        yield Difference(field=PERCENT, base=percents[0], new=percents[1])


def _of_one_machine(item: Difference) -> bool:
    """Whether a difference is of one machine of a pool and the next: its name, the ids of equally many like devices."""
    if item.field == "machine.name":
        return True
    sides = item.base, item.new
    if item.field != "machine.accelerators" or not all(isinstance(side, (list, tuple)) for side in sides):
        return False
    models = [
        sorted(str({name: value for name, value in device.items() if name != "id"}) for device in side)
        if all(isinstance(device, dict) for device in side)
        else None
        for side in sides
    ]
    return models[0] is not None and models[0] == models[1]


def _covers(name: str, field: str) -> bool:
    return field == name or field.startswith(f"{name}.")


def _missing(cell: Cell, new: Run) -> CellComparison:
    """A cell that only the base has, with what the new run says of it."""
    about: dict[str, Any] = {"labels": tuple(_labels(cell, None)), "lacks": tuple(_lacking(cell, None))}
    if cell.verdict == "unsupported":
        return _outcome(cell, "unsupported", reasons=tuple(_told("BASE", cell)), **about)
    reasons = [
        Text(en=f"{item.backend} is not there: {item.reason}", ko=f"{item.backend} 없음: {item.reason}")
        for item in new.absent
        if item.backend == cell.backend
    ]
    reasons += [
        Text(en=f"NEW is unsupported: {item.reason.en}", ko=f"NEW 미지원: {item.reason.ko}")
        for item in new.unsupported
        if (item.model, item.backend, item.precision) == (cell.model, cell.backend, cell.precision)
    ]
    return _outcome(cell, "missing", reasons=tuple(reasons) or (NOT_ASKED,), **about)


NOT_ASKED = Text(
    en="NEW did not ask for it; to compare only what it asked for: --model, --backend",
    ko="NEW에서 측정하도록 요청하지 않음. 일부만 비교하려면 --model, --backend 사용",
)


def _added(cell: Cell) -> CellComparison:
    """A cell that only the new run has."""
    status: Status = "new" if _sound(cell) else "unsupported" if cell.verdict == "unsupported" else "invalid"
    return _outcome(
        cell,
        status,
        reasons=tuple(_told("NEW", cell)),
        labels=tuple(_labels(None, cell)),
        lacks=tuple(_lacking(None, cell)),
    )


def _by_key(run: Run, wanted: Wanted) -> dict[tuple[tuple[str, str], ...], Cell]:
    return {
        tuple(sorted(cell.key.items())): cell for cell in run.cells if cell.purpose != "floor" and wanted.takes(cell)
    }


def _check(base: Run, new: Run, wanted: Wanted) -> None:
    """Raises UsageError for what can never be allowed or is in neither run, NotComparableError for a forged id."""
    if any(_covers(name, KIND) for name in wanted.allow):
        raise UsageError(f"--allow {KIND}: execution kinds are never compared with each other")
    for option, names, field in (("--model", wanted.models, "model"), ("--backend", wanted.backends, "backend")):
        known = sorted({getattr(cell, field) for run in (base, new) for cell in run.cells if cell.purpose != "floor"})
        for name in names:
            if name not in known:
                raise UsageError(f"{option} {name}: in neither run (they have {', '.join(known) or 'none'})")
    # An unsealed run is put together anew whenever it is opened.
    if base.id == new.id and msgspec.structs.replace(base, sealed=new.sealed) != new:
        raise NotComparableError(
            f"two runs claim the id {base.id}, and differ",
            hint="one of them was changed after it was sealed; `npubench verify` says which",
        )


def compare(base: Run, new: Run, wanted: Wanted | None = None, *, notes: Sequence[Text] = ()) -> Comparison:
    """`new` against `base`. Raises UsageError, and NotComparableError for a base without any cell (`_check`)."""
    wanted = wanted or Wanted()
    _check(base, new, wanted)
    known, found = _by_key(base, wanted), _by_key(new, wanted)
    if not known:
        raise NotComparableError(
            f"{base.id}: this run has no cell to compare with", hint="name a run that measured the same cells"
        )
    profile: list[Difference] = []
    if not (base.comparable and new.comparable):
        profile.append(Difference(field=PROFILE, base=base.profile, new=new.profile))
    cells = [_pair(known[key], cell, profile, wanted) if key in known else _added(cell) for key, cell in found.items()]
    cells += [_missing(cell, new) for key, cell in known.items() if key not in found]
    names = sorted({*base.varying, *new.varying})
    return Comparison(
        base=RunRef.of(base),
        new=RunRef.of(new),
        rule=wanted.rule,
        allow=tuple(dict.fromkeys(wanted.allow)),
        only=wanted.part(),
        machine_class=wanted.machine_class,
        exit_code=exit_code(cells),
        sentence=headline(cells, wanted.rule),
        cells=tuple(cells),
        varying=tuple(Version(name=name, base=base.varying.get(name), new=new.varying.get(name)) for name in names),
        notes=(*notes, *_said(base, new, cells, wanted)),
    )


def _said(base: Run, new: Run, cells: Sequence[CellComparison], wanted: Wanted) -> Iterator[Text]:
    if base.id == new.id:
        yield Text(en="BASE and NEW are the same run", ko="BASE와 NEW가 같은 실행입니다")
    if part := wanted.part():
        listed = ", ".join(part)
        yield Text(en=f"only a part was compared: {listed}", ko=f"일부만 비교함: {listed}")
    taken = [item.field for cell in cells for item in cell.allowed]
    for name in dict.fromkeys(wanted.allow):
        if not any(_covers(name, field) for field in taken):
            yield Text(en=f"--allow {name}: nothing differs there", ko=f"--allow {name}: 다른 점이 없습니다")
