"""The page over many runs, decided and formatted: per machine its newest night, headlines with their course, a calendar
of nights; one table of all runs; what lies in the folder and is no run.

A night is told by how it ended (`npubench nightly` writes that down: its exit code), else by the verdicts of its cells.
Guarantees: machines whose newest night is worst come first; values of two execution kinds are never in one row; all
that others wrote is cleaned.

Not aware of: files and which pages exist (`cli.index`), how it is drawn (`index_page`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import loads, trend
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.shown import Tone
from npubench.report.spark import Calendar, Spark, calendar, day_of, spark
from npubench.report.words import KINDS, RATES, SERVICES, VERDICTS, same
from npubench.schema import VALIDITY_TEXT, Validity
from npubench.stats.history import NightCell, Skipped
from npubench.stats.indexed import Indexed, IndexedMachine, IndexedRun, Unfinished
from npubench.stats.trend import CellTrend
from npubench.units import UNKNOWN, show

MOST_LEFT_OUT = 200
"""What is no run is named so often, then counted."""
_MOST_HEADLINES = 24

Verdict = tuple[Tone, Text]

# Exit code of a night → (tone, in two words). DESIGN.md, exit codes.
NIGHTS: Mapping[int, Verdict] = {
    0: ("good", Text(en="no regression", ko="악화 없음")),
    2: ("bad", Text(en="card error", ko="카드 오류")),
    3: ("bad", Text(en="regressed", ko="악화")),
    4: ("bad", Text(en="invalid", ko="무효")),
    5: ("plain", Text(en="not compared", ko="비교 불가")),
}
_QUICK: Verdict = ("plain", Text(en="quick look", ko="간이 실행"))
_EMPTY: Verdict = ("plain", Text(en="no cells", ko="셀 없음"))
_VALID: Verdict = VERDICTS["valid"]
_CAUTION: Verdict = VERDICTS["degraded"]
_SOME: Verdict = ("warn", Text(en="some invalid", ko="일부 무효"))
_INVALID: Verdict = ("bad", Text(en="all invalid", ko="전부 무효"))
LEGEND: tuple[Verdict, ...] = (
    ("good", Text(en="fine", ko="이상 없음")),
    ("warn", Text(en="with caution or partly invalid", ko="주의 또는 일부 무효")),
    ("bad", Text(en="regressed or invalid", ko="악화 또는 무효")),
    ("plain", Text(en="quick look, or not compared", ko="간이 실행 또는 비교 불가")),
)
"""What the shapes of the calendar mean."""
ACCEPTED = Text(en="accepted", ko="승인됨")
"""A run that others are compared with."""
_ORDER: tuple[Tone, ...] = ("bad", "warn", "good", "plain")


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `href`: its page beside this one, empty where there is none. `counts`: valid, degraded, invalid, none."""

    id: str
    href: str
    machine: str
    created: str
    tone: Tone
    verdict: Text
    sentence: Text | None
    accepted: bool
    counts: tuple[str, ...]
    profile: str
    suite: str
    npubench: str


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """A headline of a machine. `value` is that of the newest night; its reason where there is none."""

    service: Text
    model: str
    backend: str
    kind: Text | None
    load: Text
    value: str
    unit: Text | None
    metric: Text
    reason: Text | None
    said: Text
    spark: Spark | None
    low_high: str


class MachineShown(msgspec.Struct, frozen=True, kw_only=True):
    """A machine. `key` is its section's id: ours, not its name."""

    key: str
    name: str
    newest: RunRow
    nights: int
    headlines: tuple[Headline, ...]
    more: int
    quick: bool
    cells: Text
    calendar: Calendar | None
    summary: Text


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page."""

    title: Text
    tone: Tone
    verdict: Text
    sentence: Text
    machines: tuple[MachineShown, ...]
    runs: tuple[RunRow, ...]
    unfinished: tuple[tuple[str, Text], ...]
    left_out: tuple[tuple[str, Text], ...]
    more_left_out: int


def verdict(run: IndexedRun, exit_code: int | None = None) -> Verdict:
    """How a run went, in two words."""
    if exit_code is not None:
        return NIGHTS.get(exit_code, ("bad", Text(en=f"exit {exit_code}", ko=f"종료 코드 {exit_code}")))
    measured = sum(run.counts.get(name, 0) for name in ("valid", "degraded", "invalid"))
    if not measured:
        return _EMPTY
    if run.counts.get("invalid"):
        return _INVALID if run.counts["invalid"] == measured else _SOME
    if not run.comparable:
        return _QUICK
    return _CAUTION if run.counts.get("degraded") else _VALID


class Ended(msgspec.Struct, frozen=True):
    """How a night ended."""

    exit_code: int
    sentence: Text


def build(
    found: Indexed,
    *,
    ended: Mapping[tuple[str, str], Ended],
    accepted: Mapping[str, str],
    page: Callable[[IndexedRun], str],
    today: date | None = None,
) -> Index:
    """The view. `ended`: (machine's folder, run id) → how the night ended; `accepted`: machine or class → run id;
    `page`: the address of a run's page, empty where there is none. Calendars end with the newest night of all machines;
    one after `today` comes from a wrong clock.
    """
    chosen = frozenset(accepted.values())

    def row(machine: IndexedMachine, run: IndexedRun) -> RunRow:
        known = ended.get((machine.folder, run.id))
        tone, said = verdict(run, known.exit_code if known else None)
        counts: tuple[Validity, ...] = ("valid", "degraded", "invalid", "unsupported")
        return RunRow(
            id=_line(run.id),
            href=page(run),
            machine=_line(run.machine),
            created=_line(run.created[:16].replace("T", " ")),
            tone=tone,
            verdict=said,
            sentence=_cleaned(known.sentence) if known else None,
            accepted=run.id in chosen,
            counts=tuple(str(run.counts.get(name, 0)) for name in counts),
            profile=_line(run.profile),
            suite=_line(run.suite) if run.suite else UNKNOWN,
            npubench=_line(run.npubench),
        )

    rows = {machine.folder: [row(machine, run) for run in machine.runs] for machine in found.machines}
    days = [day for machine in found.machines for run in machine.runs if (day := day_of(run.created))]
    days = [day for day in days if today is None or day <= today]
    shown = [
        _machine(f"m{number}", machine, rows[machine.folder], max(days, default=None))
        for number, machine in enumerate(found.machines, 1)
    ]
    shown.sort(key=lambda item: _ORDER.index(item.newest.tone))
    everything = sorted((item for group in rows.values() for item in group), key=lambda item: item.created)[::-1]
    tone, said, sentence = _lead(shown, everything)
    left_out = [*found.left_out]
    return Index(
        title=Text(en="All runs – npubench", ko="전체 실행 – npubench"),
        tone=tone,
        verdict=said,
        sentence=sentence,
        machines=tuple(shown),
        runs=tuple(everything),
        unfinished=tuple((_path(found.root, item.path), _unfinished(item)) for item in found.unfinished),
        left_out=tuple(_left_out(found.root, item) for item in left_out[:MOST_LEFT_OUT]),
        more_left_out=max(0, len(left_out) - MOST_LEFT_OUT),
    )


def _line(text: object) -> str:
    return trend.one_line(text, 120)


def _cleaned(text: Text) -> Text:
    return Text(en=clean(text.en, LINE_LIMIT), ko=clean(text.ko, LINE_LIMIT))


def _path(root: Path, path: Path) -> str:
    """Below the results folder: where that lies is nobody's business."""
    try:
        return trend.one_line(path.relative_to(root))
    except ValueError:
        return trend.one_line(path.name)


def _left_out(root: Path, item: Skipped) -> tuple[str, Text]:
    reason = item.reason
    # Another run of one id is named by its path.
    there = f"{root}/"
    plain = Text(en=reason.en.replace(there, ""), ko=reason.ko.replace(there, ""))
    return _path(root, item.path), _cleaned(plain)


def _unfinished(item: Unfinished) -> Text:
    if item.planned is None:
        return Text(en="never finished; its plan cannot be read", ko="끝나지 않음. 계획을 읽을 수 없음")
    return Text(
        en=f"never finished: {item.measured} of {item.planned} launches measured; `npubench run --resume` goes on",
        ko=f"끝나지 않음: 실행 {item.planned}회 중 {item.measured}회 측정. `npubench run --resume`으로 이어서 실행",
    )


def _machine(key: str, machine: IndexedMachine, rows: Sequence[RunRow], last: date | None) -> MachineShown:
    by_day: dict[date, tuple[Tone, str]] = {}
    for run, row in zip(machine.runs, rows, strict=True):
        day = day_of(run.created)
        # Newest first: of several runs of a day the newest speaks, and a quick look only where there is no other.
        if day is not None and (day not in by_day or (by_day[day][0] == "plain" and row.tone != "plain")):
            by_day[day] = (row.tone, f"{row.verdict.en} · {row.verdict.ko}")
    drawn = calendar(by_day, last) if last is not None else None
    if drawn is not None and all(day.tone is None for day in drawn.days):
        drawn = None
    headlines = [_headline(cell, line, rows[0].created) for cell, line in machine.headlines]
    return MachineShown(
        key=key,
        name=_line(machine.name),
        newest=rows[0],
        nights=len(rows),
        headlines=tuple(headlines[:_MOST_HEADLINES]),
        more=max(0, len(headlines) - _MOST_HEADLINES),
        quick=machine.quick,
        cells=_cells(rows[0], len(rows)),
        calendar=drawn,
        summary=_counted(drawn),
    )


_COUNTED = tuple(VALIDITY_TEXT.values())


def _cells(newest: RunRow, runs: int) -> Text:
    """The newest night's cells by verdict, and how many runs there are."""
    found = [(count, text) for count, text in zip(newest.counts, _COUNTED, strict=True) if count != "0"]
    english = ", ".join(f"{count} {text.en}" for count, text in found) or "none"
    korean = ", ".join(f"{text.ko} {count}" for count, text in found) or "없음"
    return Text(
        en=f"cells: {english} · {runs} run{'s' if runs > 1 else ''} in all", ko=f"셀: {korean} · 총 {runs}회 실행"
    )


def _counted(drawn: Calendar | None) -> Text:
    """The calendar in words."""
    tones = [day.tone for day in drawn.days if day.tone is not None] if drawn is not None else []
    parts = [(tones.count(tone), text) for tone, text in LEGEND if tone in tones]
    english = ", ".join(f"{count} {text.en}" for count, text in parts)
    korean = ", ".join(f"{text.ko} {count}일" for count, text in parts)
    return Text(en=f"Nights of the last 26 weeks: {english}", ko=f"최근 26주의 측정: {korean}")


def _headline(cell: NightCell, line: CellTrend, newest: str) -> Headline:
    night = line.nights[-1]
    metric = METRICS[line.metric]
    value = next((item for item in reversed(line.nights) if item.value is not None), None)
    low = [item.value for item in line.nights if item.value is not None]
    kind = KINDS.get(cell.execution_kind, KINDS["unknown"])[0] if cell.execution_kind != "hardware" else None
    return Headline(
        service=SERVICES.get(cell.unit, SERVICES["sample"])[1],
        model=f"{_line(cell.model)} {_line(cell.precision)}",
        backend=_line(cell.backend),
        kind=kind,
        load=loads.in_scope(cell.scenario, cell.scope),
        value=_shown(value.value if value is not None else None, line.metric),
        unit=RATES.get(line.metric) if value is not None else None,
        metric=metric.title,
        reason=_older(night.reason, value.created if value is not None else None) if night.value is None else None,
        said=_said(line),
        spark=spark(line),
        low_high=f"{_shown(min(low), line.metric)} – {_shown(max(low), line.metric)}" if low else "",
    )


def _shown(value: float | None, metric: str) -> str:
    """A value without the unit that stands beside it in words; cameras and users are whole."""
    if metric not in RATES:
        return show(value, METRICS[metric].unit)
    whole = value is not None and metric in ("capacity_cameras", "capacity_users")
    return show(value, "count" if whole else "")


def _older(reason: Text | None, created: str | None) -> Text:
    """The newest night has no value: why, and of which night the one that is shown is."""
    why = _cleaned(reason) if reason is not None else same(UNKNOWN)
    if created is None:
        return why
    day = trend.date(created)
    return Text(en=f"of {day}; the newest night has none: {why.en}", ko=f"{day}의 값. 최근 측정에는 없음: {why.ko}")


def _said(line: CellTrend) -> Text:
    """What its history says, nothing of one night."""
    return trend.sentence(line) if len(line.nights) > 1 else Text(en="first night", ko="첫 측정")


def _calm(fine: int, of: int) -> Text:
    """Nobody needs a look: how many newest nights are fine, and how many were not judged."""
    if fine == 0:
        return Text(en="Nothing was judged in the newest nights", ko="최근 측정은 판정하지 않음")
    if fine == of:
        return Text(en="The newest nights are fine", ko="최근 측정에 이상 없음")
    rest = of - fine
    return Text(
        en=f"{fine} of {of} machines fine, {rest} not judged", ko=f"장비 {of}대 중 {fine}대 이상 없음, {rest}대 미판정"
    )


def _lead(machines: Sequence[MachineShown], runs: Sequence[RunRow]) -> tuple[Tone, Text, Text]:
    if not machines:
        return (
            "plain",
            Text(en="No runs yet", ko="실행 결과 없음"),
            Text(en="`npubench run` makes one.", ko="`npubench run`으로 측정하십시오."),
        )
    tone = machines[0].newest.tone
    same_tone = [item for item in machines if item.newest.tone == tone]
    count, of = len(same_tone), len(machines)
    if tone in ("bad", "warn"):
        first = same_tone[0]
        verdict_text = Text(
            en=f"{count} of {of} machine{'s' if of > 1 else ''} need{'s' if count == 1 else ''} a look",
            ko=f"장비 {of}대 중 {count}대 확인 필요",
        )
        lead = Text(
            en=f"The newest night of {first.name} ({first.newest.created}): {first.newest.verdict.en}. ",
            ko=f"{first.name}의 최근 측정({first.newest.created}): {first.newest.verdict.ko}. ",
        )
    else:
        verdict_text = _calm(count if tone == "good" else 0, of)
        lead = Text(en="", ko="")
    oldest, newest = runs[-1].created[:10], runs[0].created[:10]
    total = len(runs)
    return (
        tone,
        verdict_text,
        Text(
            en=f"{lead.en}{total} run{'s' if total > 1 else ''} of {of} machine{'s' if of > 1 else ''}, "
            f"{oldest} to {newest}.",
            ko=f"{lead.ko}장비 {of}대의 실행 {total}회({oldest}~{newest}).",
        ),
    )
