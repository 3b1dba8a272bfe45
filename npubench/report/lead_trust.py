"""Whether the numbers can be trusted: everything that speaks against it, counted, and what was checked.

Guarantees: as many conditions as the answer says, none left out; what was checked and holds stands apart. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npubench.lang import Text
from npubench.report import lead_drift, lead_names
from npubench.report.lead_placed import build, proven
from npubench.report.numbers import backend_name, count
from npubench.report.shown import Tone
from npubench.report.shown_lead import Answer
from npubench.report.words import joined, same
from npubench.schema import Cell, Quality, Run

_TRUST = Text(en="Can I trust the numbers?", ko="이 수치를 믿어도 되는가?")
_NOTES = Text(en="Machine, versions, warnings", ko="장비, 버전, 경고")
_MOST = 6


def trusted(runs: Sequence[Run], keys: Sequence[str]) -> Answer:
    """The answer for these runs, whose parts of the page have these keys."""
    against = tuple(_against(runs))
    n = count(len(against))
    tone: Tone = "warn"
    check = Text(en=f"check {'this' if len(against) == 1 else f'these {n}'}", ko=f"아래 {n}가지를 확인하십시오")
    if any(not run.comparable for run in runs):
        said = Text(en="Not yet: a quick look", ko="아직 아닙니다. 간이 측정입니다")
    elif _doubtful(runs):
        said = Text(en=f"Only with care: {check.en}", ko=f"주의가 필요합니다: {check.ko}")
    elif against:
        said = Text(en=f"With conditions: {check.en}", ko=f"조건부로 가능: {check.ko}")
    else:
        said, tone = Text(en="Yes", ko="예"), "good"
    if len(runs) == 1:
        links: tuple[tuple[str, Text], ...] = ((f"{keys[0]}-machine", _NOTES),)
    else:
        links = tuple(
            (f"{key}-machine", Text(en=f"{_NOTES.en}: {name}", ko=f"{_NOTES.ko}: {name}"))
            for key, name in zip(keys, lead_names.places(runs), strict=True)
        )
    return Answer(
        question=_TRUST, answer=said, more=(), conditions=against, checked=tuple(_checked(runs)), tone=tone,
        links=links[:_MOST],
    )  # fmt: skip


def _measured(runs: Sequence[Run]) -> list[Cell]:
    return [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]


def _doubtful(runs: Sequence[Run]) -> bool:
    """Whether what a number rests on is missing: checked answers, a proven place, more than one launch."""
    measured = _measured(runs)
    unchecked = all(_unchecked(cell.quality) for cell in measured)
    unproven = any(not proven(cell) for cell in measured)
    return unchecked or unproven or any(_finished(cell) < 2 for cell in measured)


def _finished(cell: Cell) -> int:
    """How many launches gave the cell its figures: one that failed started afresh and gave none."""
    return len(cell.launches) - len(cell.failures)


def _unchecked(found: Quality | None) -> bool:
    return found is None or found.verdict == "unknown"


def _builds(runs: Sequence[Run]) -> dict[tuple[str, ...], tuple[Text, Quality | None]]:
    """Every build that gave numbers: its name and what was found of its answers, None where nobody looked."""
    found: dict[tuple[str, ...], tuple[Text, Quality | None]] = {}
    for run, name in zip(runs, lead_names.places(runs), strict=True):
        for cell in run.cells:
            if cell.purpose == "measure" and cell.summary:
                title = backend_name(run, cell.backend).title
                what = same(f"{cell.model} {cell.precision}")
                said = Text(en=f"{what.en} on {title.en}", ko=f"{title.ko}의 {what.ko}")
                at = name, cell.backend, *build(cell)
                found[at] = said, cell.quality or found.get(at, (said, None))[1]
    return found


def _checked(runs: Sequence[Run]) -> Iterator[Text]:
    """How it was measured, and what was found to hold."""
    launches = [_finished(cell) for cell in _measured(runs)]
    if launches and min(launches) > 1:
        least = count(min(launches))
        yield Text(
            en=f"Every measurement started afresh at least {least} times, warm-up left out",
            ko=f"측정마다 새 프로세스로 {least}회 이상 실행, 준비 구간 제외",
        )
    builds = [quality for _, quality in _builds(runs).values()]
    passed = sum(quality is not None and quality.verdict == "passed" for quality in builds)
    if passed:
        some, n = count(passed), count(len(builds))
        yield Text(
            en=f"Answers checked: good in {some} of {n} combinations of model, precision and device",
            ko=f"정확도 검사: 모델·정밀도·장치 조합 {n}가지 중 {some}가지 통과",
        )


def _against(runs: Sequence[Run]) -> Iterator[Text]:
    """What speaks against it, in a few words each."""
    cells = [cell for run in runs for cell in run.cells if cell.purpose == "measure"]
    for verdict, en, ko in (
        ("degraded", "to be read with caution (degraded)", "주의(저하)"),
        ("invalid", "invalid", "무효"),
    ):
        if some := sum(cell.verdict == verdict for cell in cells):
            n = count(some)
            yield Text(
                en=f"{n} {'measurement' if some == 1 else 'measurements'} {en}, marked in the tables",
                ko=f"{ko} 측정 {n}건(표에 표시)",
            )
    measured = _measured(runs)
    yield from _answers(runs)
    unproven = {(run.id, run.machine.name, cell.backend, *build(cell)) for run in runs for cell in run.cells
                if cell.purpose == "measure" and cell.summary and not proven(cell)}  # fmt: skip
    if unproven:
        n = count(len(unproven))
        what = "combination of model, precision and device" if len(unproven) == 1 else (
            "combinations of model, precision and device"
        )  # fmt: skip
        yield Text(
            en=f"Where it ran is not proven for {n} {what}",
            ko=f"실행 위치가 확인되지 않은 모델·정밀도·장치 조합 {n}가지",
        )
    launches = [_finished(cell) for cell in measured]
    if launches and min(launches) < 2:
        yield Text(en="What was measured only once has no interval", ko="한 번만 측정한 수치는 구간을 알 수 없음")
    yield from _surroundings(runs)
    if any(cell.quality is not None and cell.quality.drawn for cell in measured):
        yield Text(
            en="Drawn test data: it compares devices only",
            ko="시험용으로 그린 자료(현장 자료 아님): 장치 비교에만 유효",
        )


def _answers(runs: Sequence[Run]) -> Iterator[Text]:
    """Whose answers nobody checked, and whose are wrong."""
    builds = _builds(runs).values()
    unchecked = [said for said, quality in builds if _unchecked(quality)]
    if unchecked and len(unchecked) == len(builds):
        yield Text(en="Nobody checked the answers", ko="정확도를 검사하지 않음")
    elif unchecked:
        n, names = count(len(unchecked)), joined(list(dict.fromkeys(unchecked)))
        what = "combination" if len(unchecked) == 1 else "combinations"
        yield Text(
            en=f"Answers not checked for {n} {what}: {names.en}", ko=f"정확도를 검사하지 않은 조합 {n}가지: {names.ko}"
        )
    if failed := [said for said, quality in builds if quality is not None and quality.verdict == "failed"]:
        names = joined(list(dict.fromkeys(failed)))
        yield Text(en=f"Wrong answers: {names.en}", ko=f"정확도 기준 미달: {names.ko}")


def _surroundings(runs: Sequence[Run]) -> Iterator[Text]:
    """What the machines themselves add."""
    drifted = lead_drift.drift(runs)
    if drifted is not None:
        yield drifted
    busy = [name for run, name in zip(runs, lead_names.places(runs), strict=True) if run.machine.busy_processes]
    if busy:
        where = joined([same(name) for name in busy])
        at, at_ko = (f" on {where.en}", f"({where.ko})") if len(runs) > 1 else ("", "")
        yield Text(
            en=f"Other programs were busy{at} when the measurement began",
            ko=f"측정 시작 때 다른 프로그램이 실행 중이었습니다{at_ko}",
        )
    warnings = sum(note.severity == "warning" and note.code != lead_drift.CODE for run in runs for note in run.notes)
    if warnings:
        n, more, more_ko = count(warnings), " more" if drifted or busy else "", "그 밖의 " if drifted or busy else ""
        yield Text(
            en=f"{n}{more} {'warning' if warnings == 1 else 'warnings'} about the machines",
            ko=f"장비에 관한 {more_ko}경고 {n}건",
        )
