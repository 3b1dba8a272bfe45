"""Whether a cell has what its ruleset asks for, and what its audits found, in words.

Guarantees: an audit that was not made is said to be unknown, never passed; what is no result is not said to conform.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.cells import own_words
from npubench.report.foreign import clean
from npubench.report.numbers import count
from npubench.report.shown import Fact
from npubench.report.words import same
from npubench.schema import Cell, Run
from npubench.units import UNKNOWN

_NAMES: dict[str, Text] = {
    "same-outputs": Text(en="Audit: same answers as in the quality run", ko="감사: 품질 확인 때와 같은 답"),
    "no-cache": Text(en="Audit: repeating an input is not faster", ko="감사: 같은 입력을 반복해도 빨라지지 않음"),
    "output-length": Text(en="Audit: length of the answers", ko="감사: 답의 길이"),
    "prompt-cache": Text(
        en="Audit: the server computed every prompt anew", ko="감사: 서버가 모든 프롬프트를 새로 계산"
    ),
    "prompt-length": Text(en="Audit: length of the prompts", ko="감사: 프롬프트의 길이"),
}
_PASSED = {
    True: Text(en="passed", ko="통과"),
    False: Text(en="failed", ko="실패"),
    None: Text(en="not made", ko="하지 않음"),
}


def facts(run: Run, cell: Cell) -> list[Fact]:
    """The cell against its ruleset, then each audit."""
    return [_conformance(run, cell), *_audits(cell)]


def _conformance(run: Run, cell: Cell) -> Fact:
    ruleset = clean(run.ruleset)
    name = Text(en="Ruleset", ko="규칙")
    if cell.verdict in ("invalid", "unsupported"):
        told = Text(en=f"{UNKNOWN} ({ruleset}: not a result)", ko=f"{UNKNOWN} ({ruleset}: 결과가 아닙니다)")
    elif cell.lacks:
        lacks = own_words(cell.lacks)
        told = Text(
            en=f"does not conform to {ruleset}: {'; '.join(text.en for text in lacks)}",
            ko=f"{ruleset}에 미달: {'; '.join(text.ko for text in lacks)}",
        )
    else:
        told = Text(en=f"conforms to {ruleset}", ko=f"{ruleset} 준수")
    return Fact(name=name, value=told)


def _audits(cell: Cell) -> list[Fact]:
    found = []
    for audit in cell.audits:
        (said,) = own_words([audit.said])
        word = _PASSED[audit.passed]
        value = Text(
            en=f"{word.en}: {said.en}" if said.en else word.en, ko=f"{word.ko}: {said.ko}" if said.ko else word.ko
        )
        found.append(Fact(name=_NAMES.get(audit.name, same(audit.name)), value=value))
    return found


def caveat(run: Run) -> Text | None:
    """How many cells have what the ruleset asks for; None where all do or nothing is a result."""
    results = [cell for cell in run.cells if cell.purpose == "measure" and cell.verdict in ("valid", "degraded")]
    short = [cell for cell in results if cell.lacks]
    if not short:
        return None
    ruleset, n, of = clean(run.ruleset), count(len(results) - len(short)), count(len(results))
    return Text(
        en=f"Of {of} {'cell' if len(results) == 1 else 'cells'} with a result, {n} have all that {ruleset} asks for; "
        "each sheet says what the others lack.",
        ko=f"결과가 있는 셀 {of}개 중 {n}개가 {ruleset}의 요구를 모두 채웠습니다. 나머지에 부족한 것은 측정별 기록에 "
        "있습니다.",
    )


def failed(run: Run) -> Text | None:
    """That audits failed, and where."""
    n = sum(1 for cell in run.cells for audit in cell.audits if audit.passed is False)
    if not n:
        return None
    return Text(
        en=f"Failed audits: {count(n)}; the sheets of their cells say what was found.",
        ko=f"실패한 감사가 {count(n)}건 있으며, 내용은 해당 셀의 기록에 있습니다.",
    )
