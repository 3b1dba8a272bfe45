"""Conformance in words: the tables of `npubench conform`, for the terminal and for docs/conformance/<backend>.md.

Everything is text in the language asked for. A row's counts add up to its tests. Not aware of: how it was found out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from npubench.conformance import CHECKS, Check, Conformance, Outcome, Tried
from npubench.lang import Language, Text
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.words import VERIFIED
from npubench.units import UNKNOWN

VERDICTS: dict[str, Text] = {
    "kept": Text(en="kept", ko="지킴"),
    "violated": Text(en="violated", ko="위반"),
    "not offered": Text(en="not offered", ko="미제공"),
    "crashed": Text(en="crashed", ko="비정상 종료"),
    "hung": Text(en="hung", ko="멈춤"),
}

OUTCOMES: dict[str, Text] = {
    "passed": Text(en="passed", ko="통과"),
    "wrong": Text(en="wrong", ko="오답"),
    "raised": Text(en="raised", ko="예외"),
    "fell back": Text(en="fell back", ko="대체 실행"),
    "unsupported": Text(en="unsupported", ko="미지원"),
    "crashed": Text(en="crashed", ko="비정상 종료"),
    "hung": Text(en="hung", ko="멈춤"),
    "not applicable": Text(en="n/a", ko="해당 없음"),
    "not run": Text(en="not run", ko="미실행"),
}

_COLUMNS: tuple[tuple[Text, tuple[Outcome, ...]], ...] = (
    (Text(en="passed", ko="통과"), ("passed",)),
    (Text(en="wrong", ko="오답"), ("wrong",)),
    (Text(en="near", ko="근접"), ()),
    (Text(en="raised", ko="예외"), ("raised",)),
    (Text(en="fell back", ko="대체 실행"), ("fell back",)),
    (Text(en="unsup.", ko="미지원"), ("unsupported",)),
    (Text(en="crash", ko="종료"), ("crashed", "hung")),
    (Text(en="n/a", ko="제외"), ("not applicable", "not run")),
)
"""A hung test counts as crashed: its process had to be ended. `near` is a part of `wrong` (see NEAR)."""

HEAD: tuple[Text, ...] = (
    Text(en="operator", ko="연산자"),
    Text(en="tests", ko="시험"),
    *(title for title, _ in _COLUMNS),
)

# Of the largest expected value. The standard's tolerance (0.1 % of each value and next to nothing absolute) is made for
# single precision and fails where large terms cancel; half precision and 8-bit steps stay within this.
NEAR = 0.01


def operator_rows(tried: Iterable[Tried]) -> list[tuple[str, ...]]:
    """A row of counts for each operator, by name; zeros are left blank."""
    found: dict[str, list[Tried]] = defaultdict(list)
    for row in tried:
        found[clean(row.operator)].append(row)
    return [total_row(name, found[name]) for name in sorted(found)]


def total_row(title: str, tried: Sequence[Tried]) -> tuple[str, ...]:
    """All of these tests in one row of counts."""
    outcomes = Counter(row.outcome for row in tried)
    sums = [sum(outcomes[name] for name in names) if names else len(near(tried)) for _, names in _COLUMNS]
    return (title, str(len(tried)), *(str(number) if number else "" for number in sums))


def near(tried: Iterable[Tried]) -> list[Tried]:
    """The wrong results that are another rounding and no other function."""
    return [row for row in tried if row.outcome == "wrong" and row.error is not None and row.error <= NEAR]


def whole(tried: Iterable[Tried]) -> list[str]:
    """The operators all of whose tests that could be asked passed."""
    outcomes: dict[str, set[str]] = defaultdict(set)
    for row in tried:
        outcomes[clean(row.operator)].add(row.outcome)
    return sorted(name for name, seen in outcomes.items() if "passed" in seen and seen <= {"passed", "not applicable"})


def check_rows(checks: Iterable[Check], language: Language) -> list[tuple[str, str, str]]:
    """Title, verdict, what was seen."""
    return [
        (
            CHECKS[check.id][language] if check.id in CHECKS else check.id,
            VERDICTS[check.verdict][language],
            _seen(check, language),
        )
        for check in checks
    ]


def _seen(check: Check, language: Language) -> str:
    return clean(check.seen[language], LINE_LIMIT)


def parts(found: Conformance) -> list[tuple[Text, list[Tried]]]:
    """The node tests in two parts: operators as they are, and written out as functions."""
    plain = [row for row in found.operators if not row.expanded]
    expanded = [row for row in found.operators if row.expanded]
    named = (
        (Text(en="operators", ko="연산자"), plain),
        (Text(en="written out as functions", ko="함수로 풀어 쓴 것"), expanded),
    )
    return [(title, rows) for title, rows in named if rows]


def head_lines(found: Conformance) -> list[Text]:
    """What was asked, in which versions, where and when."""
    versions = ", ".join(f"{clean(name)} {clean(version)}" for name, version in sorted(_versions(found).items()))
    devices = ", ".join(clean(name) for name in found.devices)
    where = ", ".join(filter(None, (found.provider, found.device_type)))
    cpu, date = clean(found.cpu or UNKNOWN), found.date[:10]
    asked = Text(en="contract", ko="계약")
    if found.onnx:
        asked = Text(en=f"node tests of onnx {found.onnx}", ko=f"onnx {found.onnx}의 노드 시험")
    lines = [
        Text(
            en=f"{found.title.en} ({where}): {versions}; Python {found.python}",
            ko=f"{found.title.ko} ({where}): {versions}; Python {found.python}",
        ),
        Text(
            en=f"npubench {found.npubench}, {asked.en}, {date}; {cpu}, {found.cores or UNKNOWN} cores",
            ko=f"npubench {found.npubench}, {asked.ko}, {date}; {cpu}, {found.cores or UNKNOWN}코어",
        ),
    ]
    how = next((text for name, (_, text) in VERIFIED.items() if name == found.verified), Text(en=UNKNOWN, ko=UNKNOWN))
    lines.append(
        Text(
            en=f"devices: {devices or UNKNOWN}; backend card: {how.en}",
            ko=f"장치: {devices or UNKNOWN}; 백엔드 카드: {how.ko}",
        )
    )
    return lines


def _versions(found: Conformance) -> dict[str, str]:
    """What the adapter says, and the installed packages whose names begin like a runtime that it names."""
    said = {name: version for name, version in found.versions.items() if name != "npubench-worker"}
    packages = found.environment.packages if found.environment else {}
    plain = {name.replace("_", "-").lower() for name in said}
    parts = {name: version for name, version in packages.items() if name.lower() not in plain}
    return said | {
        name: version for name, version in parts.items() if any(name.lower().startswith(f"{one}-") for one in plain)
    }


def contract_line(checks: Sequence[Check]) -> Text:
    """The contract in a line."""
    count = Counter(check.verdict for check in checks)
    broken = count["violated"] + count["crashed"] + count["hung"]
    return Text(
        en=f"contract: {len(checks)} checks, {count['kept']} kept, {count['not offered']} not offered, {broken} broken",
        ko=f"계약: 점검 {len(checks)}개, 지킴 {count['kept']}, 미제공 {count['not offered']}, 위반 {broken}",
    )


def remarks(found: Conformance) -> list[Text]:
    """Sentences without which the counts would be misread."""
    rows, said = found.operators, []
    if older := [row for row in rows if row.older and row.outcome != "unsupported"]:
        said.append(
            Text(
                en=f"{len(older)} tests were refused or fell back as they are, and are counted in an older version of "
                "the standard in which their operators differ in nothing but types.",
                ko=f"시험 {len(older)}개는 그대로는 거부·대체 실행되어, 자료형만 다른 이전 표준 버전으로 셌습니다.",
            )
        )
    newer = [row for row in rows if row.outcome == "unsupported" and _newer(row.reason)]
    if newer:
        said.append(
            Text(
                en=f"{len(newer)} of the unsupported tests are written in a version of the standard that this runtime "
                "does not know yet.",
                ko=f"미지원 시험 중 {len(newer)}개는 이 런타임이 아직 모르는 표준 버전으로 쓰였습니다.",
            )
        )
    if close := near(rows):
        said.append(
            Text(
                en=f"near: {len(close)} of the wrong results are within 1 % of the largest expected value, another "
                "rounding and not another function.",
                ko=f"근접: 오답 중 {len(close)}개는 기대 최댓값의 1 % 이내로, 다른 계산이 아니라 반올림 차이입니다.",
            )
        )
    unseen = [row for row in rows if row.outcome == "passed" and not row.placed]
    if unseen and found.device_type != "cpu":
        said.append(
            Text(
                en=f"For {len(unseen)} of the passed tests nothing says where they ran: the runtime kept no record, or "
                "folded the graph away.",
                ko=f"통과한 시험 중 {len(unseen)}개는 실행 위치의 기록이 없습니다(기록이 없거나 그래프가 접힘).",
            )
        )
    if found.exits:
        said.append(
            Text(
                en=f"{len(found.exits)} processes did not end well after their last answer: {clean(found.exits[0])}.",
                ko=f"마지막 답 뒤에 정상 종료하지 못한 프로세스 {len(found.exits)}개: {clean(found.exits[0])}.",
            )
        )
    return said


# In ONNX Runtime's words. It refuses the stamp of a version that it does not know, whatever the operators.
_NEWER = re.compile(
    r"opset \d+ is under development|unsupported model ir version|opset \d+ is not supported", re.IGNORECASE
)


def _newer(reason: str) -> bool:
    return _NEWER.search(reason) is not None


def markdown(found: Conformance, language: Language = "en") -> str:
    """The page docs/conformance/<backend>.md."""
    return "\n".join(_page(found, language)).rstrip() + "\n"


def _page(found: Conformance, language: Language) -> Iterator[str]:
    ko = language == "ko"
    yield f"# {found.backend}"
    yield ""
    for line in head_lines(found):
        yield f"- {line[language]}"
    if found.checks:
        yield ""
        yield f"## {'계약' if ko else 'Contract'}"
        yield ""
        yield f"{contract_line(found.checks)[language]}."
        yield ""
        head = ("점검", "결과", "관찰") if ko else ("check", "result", "seen")
        yield from _table(head, check_rows(found.checks, language), numbers=False)
    for title, rows in parts(found):
        yield ""
        yield f"## {title[language][:1].upper()}{title[language][1:]}"
        yield ""
        total = total_row("**합계**" if ko else "**total**", rows)
        yield from _table([item[language] for item in HEAD], [total, *operator_rows(rows)], numbers=True)
    said = remarks(found)
    if said:
        yield ""
        for text in said:
            yield f"- {text[language]}"
    for outcome in ("wrong", "raised", "fell back", "unsupported", "crashed", "hung", "not applicable", "not run"):
        yield from _reasons(found.operators, outcome, language)


def _reasons(rows: Iterable[Tried], outcome: str, language: Language) -> Iterator[str]:
    """Which tests and why, one line a reason, folded away."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.outcome == outcome:
            names[clean(row.reason, LINE_LIMIT)].append(clean(row.name).removeprefix("test_"))
    if not names:
        return
    count = sum(map(len, names.values()))
    yield ""
    yield f"<details><summary>{OUTCOMES[outcome][language]}: {count}</summary>"
    yield ""
    for reason, tests in sorted(names.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = ", ".join(f"`{name}`" for name in tests)
        yield f"- {_escaped(reason)}: {shown}" if reason else f"- {shown}"
    yield ""
    yield "</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{('---:|' if numbers else '---|') * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(_escaped(cell) for cell in row)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
