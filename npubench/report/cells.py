"""The table of all cells and the sheet of each one. Failed and unsupported cells are rows like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import reasons
from npubench.report.foreign import MESSAGE_LIMIT, clean, clean_lines
from npubench.report.numbers import Footnotes, backend_name, metric, model_name, of_cell, rate_key
from npubench.report.shown import Fact, Fault, Group, Number, Row, Sheet, Value
from npubench.report.words import KINDS, VERDICTS, scenario, scope
from npubench.schema import FAILURE_TEXT, Cell, ExecutionKind, Failure, Launch, Run, UnsupportedCell
from npubench.spi import Placement
from npubench.units import UNKNOWN, show, show_ns

_SHORT_HASH = 16


def faults(failures: Sequence[Failure]) -> tuple[Fault, ...]:
    """The failures of a cell; the same one in several launches is shown once and counted."""
    found: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        found.setdefault((failure.kind.value, failure.message, failure.phase), []).append(failure)
    shown = []
    for (kind, message, phase), group in found.items():
        last = group[-1]
        where = ", ".join(
            part
            for part in (
                phase,
                f"signal {last.signal}" if last.signal else "",
                f"exit code {last.exit_code}" if last.exit_code is not None else "",
            )
            if part
        )
        shown.append(
            Fault(
                kind=kind,
                explanation=FAILURE_TEXT[last.kind],
                message=clean(message, MESSAGE_LIMIT),
                where=clean(where),
                stderr=clean_lines(last.stderr),
                times=len(group),
            )
        )
    return tuple(shown)


def anchor(run_key: str, cell: Cell) -> str:
    """The id of a cell's sheet on the page: ours, not the file's, so that no foreign text becomes an id."""
    letters = "".join(char for char in cell.id if char.isascii() and char.isalnum())
    return f"{run_key}-{letters}"


def _row(run: Run, cell: Cell, key: str, notes: Footnotes) -> Row:
    def number(name: str) -> Number:
        value, why = of_cell(cell, name)
        return notes.add(value, Text(en="no launch finished", ko="끝까지 실행된 프로세스가 없습니다") if empty else why)

    empty = not cell.summary
    tone, verdict_text = VERDICTS[cell.verdict]
    return Row(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        backend=backend_name(run, cell.backend),
        scenario=scenario(cell.scenario.name),
        scenario_id=clean(cell.scenario.name),
        scope=scope(cell.scope)[0],
        verdict=cell.verdict,
        verdict_text=verdict_text,
        tone=tone,
        rate=number(rate_key(cell)),
        p50=number("latency_p50_ns"),
        p90=number("latency_p90_ns"),
        p99=number("latency_p99_ns"),
        samples=number("sample_count"),
        reasons=own_words(cell.reasons),
        faults=faults(cell.failures),
    )


def own_words(texts: Sequence[Text]) -> tuple[Text, ...]:
    """Sentences from a result file, cleaned: the file may come from anybody's machine."""
    return tuple(Text(en=clean(text.en, MESSAGE_LIMIT), ko=clean(text.ko, MESSAGE_LIMIT)) for text in texts)


def _unsupported_row(run: Run, cell: UnsupportedCell, notes: Footnotes) -> Row:
    tone, verdict_text = VERDICTS["unsupported"]
    (why,) = own_words([cell.reason])
    unknown = notes.add(
        Number(text=UNKNOWN, reason=why),
        Text(en="not supported: the reason is in its row", ko="미지원: 이유는 해당 행에"),
    )
    every = Text(en="all", ko="전체")
    return Row(
        anchor="",
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        backend=backend_name(run, cell.backend),
        scenario=every,
        scenario_id="",
        scope=every,
        verdict="unsupported",
        verdict_text=verdict_text,
        tone=tone,
        rate=unknown,
        p50=unknown,
        p90=unknown,
        p99=unknown,
        samples=unknown,
        reasons=(why,),
    )


def groups(run: Run, key: str) -> tuple[Group, ...]:
    """All cells but the floors, one table per execution kind, in the order of the plan."""
    found: dict[ExecutionKind | None, list[Cell]] = {}
    for cell in run.cells:
        if cell.purpose == "measure":
            found.setdefault(cell.execution_kind, []).append(cell)
    shown = []
    for kind, (title, meaning) in KINDS.items():
        notes = Footnotes()
        rows = [_row(run, cell, key, notes) for cell in found.get(kind, [])]
        if kind is None:
            rows += [_unsupported_row(run, cell, notes) for cell in run.unsupported]
        if rows:
            shown.append(Group(key=kind or "none", title=title, meaning=meaning, rows=tuple(rows), notes=notes.texts))
    return tuple(shown)


def _placement(placement: Placement) -> list[Fact]:
    nodes = ", ".join(f"{clean(name)}: {show(n, 'count')}" for name, n in (placement.providers or {}).items())
    fallen = ", ".join(f"{clean(op)}: {show(n, 'count')}" for op, n in (placement.fallback_ops or {}).items())
    unknown = Text(en="– (no evidence)", ko="– (증거 없음)")
    return [
        Fact(name=Text(en="Requested provider", ko="요청한 프로바이더"), value=clean(placement.requested), code=True),
        Fact(
            name=Text(en="Graph nodes per provider", ko="프로바이더별 그래프 노드 수"),
            value=nodes or (unknown if placement.providers is None else "0"),
        ),
        Fact(
            name=Text(en="Operators that fell back", ko="다른 곳으로 밀려난 연산"),
            value=fallen or (unknown if placement.fallback_ops is None else Text(en="none", ko="없음")),
        ),
        Fact(
            name=Text(en="Evidence", ko="증거"),
            value=clean(", ".join(placement.sources)) or Text(en="none", ko="없음"),
        ),
    ]


def _unknown(why: Text) -> Text:
    return Text(en=f"{UNKNOWN} ({why.en})", ko=f"{UNKNOWN} ({why.ko})")


def _facts(cell: Cell, launches: Mapping[str, Launch]) -> tuple[Fact, ...]:
    facts = [
        Fact(
            name=Text(en="Scenario", ko="시나리오"),
            value=clean(", ".join([cell.scenario.name, *(f"{k} {v}" for k, v in cell.scenario.params.items())])),
        )
    ]
    if cell.placement is not None:
        facts += _placement(cell.placement)
    else:
        facts.append(
            Fact(
                name=Text(en="Placement (where it ran)", ko="배치(어디서 실행됐는가)"),
                value=_unknown(reasons.full(cell.placement_reason)),
            )
        )
    if cell.quality is None:
        facts.append(Fact(name=Text(en="Quality", ko="품질"), value=_unknown(reasons.full(cell.quality_reason))))
    else:
        shown = ", ".join(
            f"{name}: {show(float(value), '') if isinstance(value, (int, float)) else value}"
            for name, value in cell.quality.items()
        )
        facts.append(Fact(name=Text(en="Quality", ko="품질"), value=clean(shown, MESSAGE_LIMIT)))
    if cell.energy_reason is not None:
        facts.append(Fact(name=Text(en="Energy", ko="에너지"), value=_unknown(reasons.full(cell.energy_reason))))
    for name in cell.launches:
        facts.append(_launch(clean(name), launches.get(name)))
    facts.append(
        Fact(name=Text(en="Identity (SHA-256)", ko="식별자(SHA-256)"), value=clean(cell.identity_sha256), code=True)
    )
    return tuple(facts)


def _launch(name: str, launch: Launch | None) -> Fact:
    title = Text(en=f"Launch {name}", ko=f"실행 {name}")
    if launch is None:
        return Fact(name=title, value=Text(en="– (its file is missing)", ko="– (파일 없음)"))
    english, korean = [], []
    if launch.window is not None:
        length = show_ns(launch.window.end_ns - launch.window.start_ns)
        english.append(f"{length} timed")
        korean.append(f"측정 {length}")
    if launch.warmup is not None:
        steps = show(launch.warmup.steps, "count")
        steady = launch.warmup.steady
        english.append(f"{steps} warm-up steps, {'steady' if steady else 'not yet steady'}")
        korean.append(f"워밍업 {steps}회, {'안정' if steady else '아직 불안정'}")
    if launch.load_average is not None:
        load = show(launch.load_average[0], "")
        english.append(f"machine load {load}")
        korean.append(f"장비 부하 {load}")
    if launch.failure is not None:
        english.append(f"failed: {launch.failure.kind.value}")
        korean.append(f"실패: {launch.failure.kind.value}")
    started = clean(launch.started)
    return Fact(name=title, value=Text(en="; ".join([*english, started]), ko="; ".join([*korean, started])))


def _values(cell: Cell) -> tuple[Value, ...]:
    values = []
    for name, item in METRICS.items():
        spread = cell.summary.get(name)
        if spread is not None:
            number, _ = of_cell(cell, name)
            each = tuple(metric(name, value).text for value in spread.launches)
            values.append(Value(key=name, title=item.title, number=number, launches=each))
    return tuple(values)


def sheets(run: Run, key: str, launches: Mapping[str, Launch]) -> tuple[Sheet, ...]:
    """Everything about each measured cell."""
    shown = []
    for cell in run.cells:
        if cell.purpose != "measure":
            continue
        tone, verdict_text = VERDICTS[cell.verdict]
        model, backend = model_name(run, cell.model), backend_name(run, cell.backend)
        how, where = scenario(cell.scenario.name), scope(cell.scope)[0]
        precision = clean(cell.precision)
        shown.append(
            Sheet(
                anchor=anchor(key, cell),
                title=Text(
                    en=f"{model.id} {precision} · {backend.id} · {how.en} · {where.en}",
                    ko=f"{model.id} {precision} · {backend.id} · {how.ko} · {where.ko}",
                ),
                tone=tone,
                verdict_text=verdict_text,
                values=_values(cell),
                facts=_facts(cell, launches),
                reasons=own_words(cell.reasons),
                faults=faults(cell.failures),
            )
        )
    return tuple(shown)
