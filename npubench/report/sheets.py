"""The sheet of each cell: every metric, launch by launch, and what it was made with.

Options are those that the runtime reported as in effect, not those that a card asks for. Energy as a fact is gross, in
the timed window, per channel; what is known of it beyond that is a table of its own (`energies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import (
    audits,
    capacity,
    cold_start,
    conditions,
    energies,
    inputs,
    loads,
    placement,
    places,
    power_figures,
    quality,
    reasons,
    stages,
    timeline,
    tuned,
)
from npubench.report.cells import anchor, faults, why_of
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.numbers import backend_name, count, metric, model_name, of_cell
from npubench.report.shown import Fact, Sheet, Value
from npubench.report.shown_loads import LoadFigure
from npubench.report.shown_power import Timeline
from npubench.report.words import METER_SCOPES, VERDICTS, same, scope
from npubench.schema import Cell, Launch, Run
from npubench.spi import Placement
from npubench.units import UNKNOWN, show, show_ns


def _assigned(seen: Placement) -> list[Fact]:
    """What the launches saw, where no certificate was made."""
    nodes = ", ".join(f"{clean(name)}: {count(n)}" for name, n in (seen.providers or {}).items())
    fallen = ", ".join(f"{clean(op)}: {count(n)}" for op, n in (seen.fallback_ops or {}).items())
    unknown = Text(en="– (no evidence)", ko="– (증거 없음)")
    return [
        Fact(name=Text(en="Requested provider", ko="요청한 프로바이더"), value=clean(seen.requested), code=True),
        Fact(
            name=Text(en="Graph nodes per provider", ko="프로바이더별 그래프 노드 수"),
            value=nodes or (unknown if seen.providers is None else "0"),
        ),
        Fact(
            name=Text(en="Operators that fell back", ko="다른 곳으로 밀려난 연산"),
            value=fallen or (unknown if seen.fallback_ops is None else Text(en="none", ko="없음")),
        ),
        Fact(
            name=Text(en="Evidence", ko="증거"),
            value=clean(", ".join(seen.sources)) or Text(en="none", ko="없음"),
        ),
    ]


def _unknown(why: Text) -> Text:
    return Text(en=f"{UNKNOWN} ({why.en})", ko=f"{UNKNOWN} ({why.ko})")


def _options(cell: Cell) -> list[Fact]:
    """The runtime's options in effect, threads first; once where every graph has the same."""
    title = Text(en="Options in effect", ko="적용된 옵션")
    if not any(cell.options.values()):
        empty = Text(en="the result file names none", ko="결과 파일에 적혀 있지 않습니다")
        return [Fact(name=title, value=_unknown(empty if cell.summary else reasons.full("no launch finished")))]

    def value(options: Mapping[str, Any]) -> str:
        ordered = sorted(options.items(), key=lambda item: ("thread" not in item[0], item[0]))
        return clean(" · ".join(f"{name} {_plain(found)}" for name, found in ordered), MESSAGE_LIMIT) or UNKNOWN

    shown = {role: value(options) for role, options in cell.options.items()}
    if len(set(shown.values())) == 1:
        return [Fact(name=title, value=next(iter(shown.values())), code=True)]
    return [
        Fact(
            name=Text(en=f"{title.en}, graph {clean(role)}", ko=f"{title.ko}, 그래프 {clean(role)}"),
            value=found,
            code=True,
        )
        for role, found in shown.items()
    ]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _meter_scope(run: Run, channel: str, launches: Iterable[Launch]) -> Text:
    """What the meter saw (a chip, a card, the whole machine): written in the launch files and in external logs."""
    ledgers = [launch.energy for launch in launches]
    ledgers += [ledger for log in run.logs for ledger in log.ledgers.values()]
    found = next((ledger.channels[channel] for ledger in ledgers if channel in ledger.channels), None)
    if found is None:
        return Text(en="not known", ko="알 수 없음")
    return METER_SCOPES.get(found.scope, same(found.scope))


def _energy(run: Run, cell: Cell, launches: Mapping[str, Launch]) -> list[Fact]:
    """Joules per launch for each channel of the meter."""
    if not cell.energy:
        return [Fact(name=Text(en="Energy", ko="에너지"), value=_unknown(cell.energy_reason or reasons.NO_REASON))]
    found = [launches[name] for name in cell.launches if name in launches]
    said = power_figures.sayings(run, launches)
    facts = []
    for channel, spread in cell.energy.items():
        title = Text(en=f"Energy, {clean(channel)}", ko=f"에너지, {clean(channel)}")
        if spread.median is None:
            facts.append(Fact(name=title, value=_unknown(power_figures.spoken(spread.reason, said))))
            continue
        joules, seen = show(spread.median, "J"), _meter_scope(run, channel, found)
        english, korean = f"{joules} per launch, gross", f"실행당 {joules}(총량)"
        if len(spread.launches) > 1:
            each = " · ".join(show(value, "J") for value in spread.launches)
            english += f", the median of {each}"
            korean += f", {each}의 중앙값"
        facts.append(
            Fact(name=title, value=Text(en=f"{english}; metered: {seen.en}", ko=f"{korean}. 측정 위치: {seen.ko}"))
        )
    return facts


def _load(run: Run, cell: Cell) -> list[Fact]:
    """What a search found, and what the ruleset and the audits say."""
    if cell.capacity is None:
        return audits.facts(run, cell)
    title = Text(en="How much it holds", ko="감당하는 부하")
    return [Fact(name=title, value=capacity.sentence(cell)), *audits.facts(run, cell)]


def _facts(run: Run, cell: Cell, launches: Mapping[str, Launch]) -> tuple[Fact, ...]:
    facts = [
        Fact(name=Text(en="Scenario", ko="시나리오"), value=loads.whole(cell.scenario), code=True),
        *_load(run, cell),
        Fact(name=Text(en="Input data", ko="입력 자료"), value=inputs.of_model(run, cell.model)),
        *_options(cell),
    ]
    if cell.certificate is not None:
        told = placement.sentence(cell.certificate, backend_name(run, cell.backend).title)
        facts.append(Fact(name=Text(en="Where it ran", ko="실행 위치"), value=told))
    elif cell.placement is not None:
        facts += _assigned(cell.placement)
    else:
        facts.append(
            Fact(
                name=Text(en="Placement (where it ran)", ko="실행 위치(placement)"),
                value=_unknown(reasons.full(cell.placement_reason)),
            )
        )
    if cell.quality is None:
        facts.append(Fact(name=Text(en="Quality", ko="품질"), value=_unknown(reasons.full(cell.quality_reason))))
    else:
        facts += quality.facts(cell.quality)
    facts += _energy(run, cell, launches)
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
        steps = count(launch.warmup.steps)
        steady = launch.warmup.steady
        english.append(f"{steps} warm-up steps, {'steady' if steady else 'not yet steady'}")
        korean.append(f"워밍업 {steps}회, {'안정' if steady else '아직 불안정'}")
    if launch.load_average is not None:
        load = show(launch.load_average[0], "")
        english.append(f"machine load {load}")
        korean.append(f"장비 부하 {load}")
    if launch.conditions is not None:
        seen = conditions.phrases(launch.conditions)
        english += [text.en for text in seen]
        korean += [text.ko for text in seen]
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


def sheets(
    run: Run,
    key: str,
    launches: Mapping[str, Launch],
    curves: Sequence[LoadFigure] = (),
    timelines: Mapping[str, Timeline] | None = None,
) -> tuple[Sheet, ...]:
    """Everything about each measured cell. `curves`: the load curves that the sheets point to; `timelines`: by cell."""
    drawn = {figure.anchor: figure.key for figure in curves}
    shown = []
    certificates = places.anchors(run, key)
    lines = timelines or {}
    before = 0
    for cell in run.cells:
        if cell.purpose != "measure":
            continue
        over = before == timeline.MOST_PICTURES
        before += cell.id in lines
        spent = energies.table(run, cell, launches)
        tone, verdict_text = VERDICTS[cell.verdict]
        model, backend = model_name(run, cell.model), backend_name(run, cell.backend)
        how, where = loads.title(cell.scenario), scope(cell.scope)[0]
        precision = clean(cell.precision)
        shown.append(
            Sheet(
                anchor=anchor(key, cell),
                certificate=certificates.get(places.build_of(cell), ""),
                title=Text(
                    en=f"{model.id} {precision} · {backend.id} · {how.en} · {where.en}",
                    ko=f"{model.id} {precision} · {backend.id} · {how.ko} · {where.ko}",
                ),
                tone=tone,
                verdict_text=verdict_text,
                values=_values(cell),
                facts=_facts(run, cell, launches),
                reasons=why_of(cell),
                faults=faults(cell.failures),
                load=drawn.get(anchor(key, cell), ""),
                stages=stages.row(run, key, cell),
                cold=cold_start.row(run, key, cell, launches),
                tuned=tuned.view_of(run, key, cell),
                energy=spent,
                timeline=lines.get(cell.id),
                undrawn=timeline.TOO_MANY if over and spent is not None else None,
            )
        )
    return tuple(shown)
