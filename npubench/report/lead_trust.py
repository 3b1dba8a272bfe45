"""Whether the numbers can be trusted: everything that speaks against it, counted, and what was checked.

Guarantees: as many conditions as the answer says, none left out: those of what the page tells above it first, those of
everything else apart; so is what was checked and holds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from npubench.lang import Text
from npubench.report import lead_drift, lead_names
from npubench.report.cells import anchor
from npubench.report.lead_placed import build, proven
from npubench.report.numbers import backend_name, count
from npubench.report.placement import assisted
from npubench.report.shown import Tone
from npubench.report.shown_lead import Answer
from npubench.report.words import joined, same
from npubench.schema import VALIDITY_TEXT, Cell, Quality, Run

_TRUST = Text(en="Can I trust the numbers?", ko="이 수치를 믿어도 되는가?")
_NOTES = Text(en="Machine, versions, warnings", ko="장비, 버전, 경고")
_MOST = 6
_Build = tuple[str, ...]
"""What a run is called, a backend, and what was built for it."""


ABOVE = Text(en="About the figures above", ko="위 수치에 관한 것")
ELSEWHERE = Text(en="About other measurements", ko="그 밖의 측정에 관한 것")
"""What `Answer.conditions` and `Answer.elsewhere` are called where both are there."""


def trusted(runs: Sequence[Run], keys: Sequence[str], told: Set[str] | None = None) -> Answer:
    """The answer for these runs, whose parts of the page have these keys.

    `told`: the anchors of the cells that stand above it; None: all of them.
    """
    found = _Found(runs, keys, told)
    against = list(_against(found))
    first = tuple(text for above, text in against if above)
    # The same words twice would only say that it holds of the others too.
    rest = tuple(text for above, text in against if not above and text not in first)
    n = count(len(first))
    tone: Tone = "warn"
    check = Text(en=f"check {'this' if len(first) == 1 else f'these {n}'}", ko=f"아래 {n}가지를 확인하십시오")
    if any(not run.comparable for run in runs):
        said = Text(en="Not yet: a quick look", ko="아직 아닙니다. 간이 측정입니다")
    elif first and _doubtful(found):
        said = Text(en=f"Not yet: {check.en}", ko=f"아직 아닙니다: {check.ko}")
    elif first:
        said = Text(en=f"With conditions: {check.en}", ko=f"조건부로 가능: {check.ko}")
    elif rest:
        said, tone = Text(en="Yes, the figures above", ko="예, 위 수치는 믿을 수 있습니다"), "good"
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
        question=_TRUST, answer=said, more=(), conditions=first, elsewhere=rest, checked=tuple(_checked(found)),
        tone=tone, links=links[:_MOST],
    )  # fmt: skip


class _Found:
    """What was measured in these runs, and what of it is told above."""

    def __init__(self, runs: Sequence[Run], keys: Sequence[str], told: Set[str] | None) -> None:
        self.runs = runs
        places = lead_names.places(runs)
        asked = [
            (run, place, cell, told is None or anchor(key, cell) in told)
            for run, place, key in zip(runs, places, keys, strict=True)
            for cell in run.cells
            if cell.purpose == "measure"
        ]
        self.cells = [(cell, above) for _, _, cell, above in asked]
        self.builds: dict[_Build, tuple[Text, Quality | None]] = {}
        """Every build that gave numbers: its name and what was found of its answers, None where nobody looked."""
        self.above: set[_Build] = set()
        """Those of what is told above."""
        self.unproven: set[_Build] = set()
        self.doubted: dict[_Build, Text | None] = {}
        """What of that counts with caution, and where it ran if that is why."""
        for run, place, cell, above in asked:
            if not cell.summary:
                continue
            at = place, cell.backend, *build(cell)
            self.builds[at] = _named(run, cell), cell.quality or self.builds.get(at, (None, None))[1]
            self.above |= {at} if above else set()
            if above and cell.verdict == "degraded":
                self.doubted[at] = assisted(cell.certificate)
            self.unproven |= {at} if not proven(cell) else set()

    @property
    def measured(self) -> list[tuple[Cell, bool]]:
        """Cells that gave numbers, and whether they are told above."""
        return [(cell, above) for cell, above in self.cells if cell.summary]

    def parted(self, builds: Iterable[_Build]) -> Iterator[tuple[bool, list[Text]]]:
        """The names of these builds: of those told above, then of all others."""
        given = list(builds)
        for above in (True, False):
            names = [self.builds[at][0] for at in given if (at in self.above) is above]
            if names:
                yield above, list(dict.fromkeys(names))


def _named(run: Run, cell: Cell) -> Text:
    title, what = backend_name(run, cell.backend).title, same(f"{cell.model} {cell.precision}")
    return Text(en=f"{what.en} on {title.en}", ko=f"{title.ko}의 {what.ko}")


def _doubtful(found: _Found) -> bool:
    """Whether what a number above rests on is missing: checked answers, a proven place, more than one launch."""
    measured = [cell for cell, above in found.measured if above]
    unchecked = bool(measured) and all(_unchecked(cell.quality) for cell in measured)
    return unchecked or any(not proven(cell) or _finished(cell) < 2 for cell in measured)


def _finished(cell: Cell) -> int:
    """How many launches gave the cell its figures: one that failed started afresh and gave none."""
    return len(cell.launches) - len(cell.failures)


def _unchecked(found: Quality | None) -> bool:
    return found is None or found.verdict == "unknown"


def _checked(found: _Found) -> Iterator[Text]:
    """How it was measured, and what was found to hold."""
    launches = [_finished(cell) for cell, _ in found.measured]
    if launches and min(launches) > 1:
        least = count(min(launches))
        yield Text(
            en=f"Every measurement started afresh at least {least} times, warm-up left out",
            ko=f"측정마다 새 프로세스로 {least}회 이상 실행, 준비 구간 제외",
        )
    builds = [quality for _, quality in found.builds.values()]
    passed = sum(quality is not None and quality.verdict == "passed" for quality in builds)
    if passed:
        some, n = count(passed), count(len(builds))
        yield Text(
            en=f"Answers checked: good in {some} of {n} combinations of model, precision and device",
            ko=f"정확도 검사: 모델·정밀도·장치 조합 {n}가지 중 {some}가지 통과",
        )


def _against(found: _Found) -> Iterator[tuple[bool, Text]]:
    """What speaks against it, in a few words each, and whether it concerns what is told above."""
    yield from _verdicts(found)
    yield from _answers(found)
    for above, names in found.parted(found.unproven):
        n = count(len(names))
        what = "combination" if len(names) == 1 else "combinations"
        yield (
            above,
            Text(
                en=f"Where it ran is not proven for {n} {what} of model, precision and device",
                ko=f"실행 위치가 확인되지 않은 모델·정밀도·장치 조합 {n}가지",
            ),
        )
    for above in (True, False):
        launches = [_finished(cell) for cell, told in found.measured if told is above]
        if launches and min(launches) < 2:
            yield (
                above,
                Text(en="What was measured only once has no interval", ko="한 번만 측정한 수치는 구간을 알 수 없음"),
            )
    # A machine's own trouble is everybody's who ran on it.
    for text in _surroundings(found.runs):
        yield True, text
    drawn = [above for cell, above in found.measured if cell.quality is not None and cell.quality.drawn]
    if drawn:
        yield (
            any(drawn),
            Text(
                en="Inputs drawn for tests, no real footage or documents: good for comparing devices only",
                ko="입력은 시험용으로 그린 영상과 문서(실제 현장 자료 아님): 장치 비교에만 유효",
            ),
        )


def _verdicts(found: _Found) -> Iterator[tuple[bool, Text]]:
    """What counts with caution or not at all: by name where it stands above, else how many."""
    caution, invalid = VALIDITY_TEXT["degraded"], VALIDITY_TEXT["invalid"]
    doubted = []
    for at, why in found.doubted.items():
        name = found.builds[at][0]
        doubted.append(name if why is None else Text(en=f"{name.en} ({why.en})", ko=f"{name.ko}({why.ko})"))
    if doubted:
        names = joined(doubted)
        yield (
            True,
            Text(en=f"Counts {caution.en}: {names.en}", ko=f"{caution.ko} 판정: {names.ko}"),
        )
    for verdict, word in (("degraded", caution), ("invalid", invalid)):
        for above in (True, False) if verdict == "invalid" else (False,):
            if some := sum(cell.verdict == verdict and told is above for cell, told in found.cells):
                n = count(some)
                yield (
                    above,
                    Text(
                        en=f"{n} {'measurement' if some == 1 else 'measurements'} {word.en}, marked in the tables",
                        ko=f"{word.ko} 측정 {n}건(표에 표시)",
                    ),
                )


def _answers(found: _Found) -> Iterator[tuple[bool, Text]]:
    """Whose answers nobody checked, and whose are wrong."""
    unchecked = [at for at, (_, quality) in found.builds.items() if _unchecked(quality)]
    if unchecked and len(unchecked) == len(found.builds):
        yield True, Text(en="Nobody checked the answers", ko="정확도를 검사하지 않음")
    else:
        for above, told in found.parted(unchecked):
            n, names = count(len(told)), joined(told)
            what = "combination" if len(told) == 1 else "combinations"
            yield (
                above,
                Text(
                    en=f"Answers not checked for {n} {what}: {names.en}",
                    ko=f"정확도를 검사하지 않은 조합 {n}가지: {names.ko}",
                ),
            )
    failed = [at for at, (_, quality) in found.builds.items() if quality is not None and quality.verdict == "failed"]
    for above, told in found.parted(failed):
        names = joined(told)
        yield above, Text(en=f"Wrong answers: {names.en}", ko=f"정확도 기준 미달: {names.ko}")


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
