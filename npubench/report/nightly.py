"""A night as people and CI servers read it: Markdown for a job summary, JUnit XML, the head of its HTML page.

Guarantees: the verdict is the first line; the Markdown stays under `LIMIT` bytes; nothing that others wrote (names of
models and backends, error messages) becomes markup. What a comparison says is `report.comparison`'s; here it gets what
the night adds: what was left out, what is invalid, how earlier nights ended.

Not aware of: files (`cli.nightly_pages`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from npubench.lang import Language, Text
from npubench.report.comparison.findings import Finding, cell_name, change, findings, interval, line, metric_name, said
from npubench.report.comparison.junit import junit as comparison_junit
from npubench.report.comparison.markdown import markdown as comparison_markdown
from npubench.report.foreign import LINE_LIMIT
from npubench.report.marked import text
from npubench.stats.nightly import Nightly
from npubench.units import show_duration_s

LIMIT = 65_000
"""Bytes. A comment on GitHub takes 65 536 characters; a comparison takes 60 000 at most."""
_MOST = 20
"""Lines of a list here; the whole is in nightly.json."""
_SENTENCE_LIMIT = 1_000


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """How an earlier night ended."""

    run: str
    created: str
    exit_code: int
    sentence: Text


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a night's page, decided and formatted."""

    tone: Literal["good", "warn", "bad"]
    eyebrow: tuple[str, ...]
    verdict: Text
    sentence: Text
    todo: Text | None
    notes: tuple[Text, ...]
    findings: tuple[tuple[str, Text], ...]
    past: tuple[Past, ...]


MEANINGS: dict[int, Text] = {
    0: Text(en="no regression was shown", ko="악화가 드러나지 않음"),
    2: Text(en="the command or a card is wrong", ko="명령 또는 카드 오류"),
    3: Text(en="something got slower", ko="성능 악화"),
    4: Text(en="a measurement is invalid or missing", ko="무효이거나 빠진 측정이 있음"),
    5: Text(en="there is nothing to compare with", ko="비교할 수 없음"),
}
"""What the exit codes mean, in a few words."""


def _lines(night: Nightly) -> Iterator[Text]:
    """What to mind of a night beside its comparison."""
    if night.resumed:
        yield Text(en="went on with a night that was stopped", ko="중단된 야간 측정을 이어서 마침")
    if night.run is not None:
        took, budget = show_duration_s(night.took_s), show_duration_s(night.budget_s)
        yield Text(
            en=f"{night.launches} of {night.planned} launches measured, {took} of {budget}",
            ko=f"실행 {night.planned}회 중 {night.launches}회 측정, {budget} 중 {took} 사용",
        )
    lacking = [
        Text(
            en=f"no time for {item.launches} launch{'es' if item.launches > 1 else ''} of {item.cell}"
            + (": too few are left to judge it" if item.unjudged else ""),
            ko=f"시간 부족으로 {item.cell} 실행 {item.launches}회 생략"
            + ("(판정하기에 부족)" if item.unjudged else ""),
        )
        for item in night.left_out
    ]
    yield from _cut(lacking)
    yield from _cut(
        [Text(en=f"{name} was asked for and is not here", ko=f"지정한 {name} 없음") for name in night.absent]
    )
    # A comparison names the invalid cells itself.
    if night.comparison is None:
        yield from _cut(
            [
                Text(
                    en=f"invalid: {item.cell}: {'; '.join(reason.en for reason in item.reasons)}",
                    ko=f"무효: {item.cell}: {'; '.join(reason.ko for reason in item.reasons)}",
                )
                for item in night.unsound
            ]
        )
    yield from night.notes


def _cut(items: Sequence[Text]) -> Iterator[Text]:
    yield from items[:_MOST]
    if (more := len(items) - _MOST) > 0:
        yield Text(en=f"and {more} more", ko=f"그 밖에 {more}개")


def meaning(night: Nightly) -> Text:
    """The exit codes of a night in words."""
    codes = night.codes or (0,)
    known = [MEANINGS.get(code, Text(en=f"exit {code}", ko=f"종료 코드 {code}")) for code in codes]
    return Text(en="; ".join(item.en for item in known), ko="; ".join(item.ko for item in known))


def markdown(night: Nightly, past: Sequence[Past], spoken: Language) -> str:
    """The page, ending with a line feed; at most `LIMIT` bytes of UTF-8."""
    if night.comparison is not None:
        body = comparison_markdown(night.comparison, spoken)
    else:
        body = f"### {'✅' if night.exit_code == 0 else '❌'} {text(night.sentence[spoken], _SENTENCE_LIMIT)}\n"
    room = LIMIT - len(body.encode())
    added = ""
    for part in _added(night, past, spoken):
        if len((added + part).encode()) <= room:
            added += part
    return body + added


def _added(night: Nightly, past: Sequence[Past], spoken: Language) -> Iterator[str]:
    if night.hint is not None:
        yield f"\n→ {text(night.hint[spoken])}\n"
    yield "\n" + Text(en="#### The night", ko="#### 이번 야간 측정")[spoken] + "\n\n"
    exits = Text(en="exit code", ko="종료 코드")[spoken]
    yield f"- {exits} {night.exit_code}: {meaning(night)[spoken]}\n"
    who = text(night.machine) if night.run is None else f"{text(night.machine)} · {text(night.run)}"
    yield f"- {who} · {text(night.created)} · npubench {text(night.npubench)}\n"
    for item in _lines(night):
        yield f"- {text(item[spoken])}\n"
    if past:
        yield "\n" + Text(en="#### Earlier nights", ko="#### 지난 야간 측정")[spoken] + "\n\n"
        head = Text(en="| night | exit | |", ko="| 측정 | 종료 코드 | |")[spoken]
        yield f"{head}\n| --- | ---: | --- |\n"
        for other in past:
            yield f"| {text(other.created)} | {other.exit_code} | {text(other.sentence[spoken])} |\n"


def junit(night: Nightly, spoken: Language) -> str:
    """The document, ending with a line feed. Without a comparison: a test for each thing that is wrong, or one."""
    if night.comparison is not None:
        return comparison_junit(night.comparison, spoken)
    wrong = [(item.cell, "; ".join(reason[spoken] for reason in item.reasons)) for item in night.unsound]
    wrong += [(name, Text(en="is not here", ko="없음")[spoken]) for name in night.absent]
    wrong.append(("baseline" if night.run is not None else "nightly", (night.why or night.sentence)[spoken]))
    count = str(len(wrong))
    root = Element("testsuites")
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": "npubench nightly",
            "hostname": line(night.machine).strip() or "unknown",
            "timestamp": line(night.created).rstrip("Z"),
            "tests": count,
            "failures": "0",
            "errors": count,
            "skipped": "0",
            "time": "0",
        },
    )
    for name, reason in wrong:
        case = SubElement(suite, "testcase", {"name": line(name), "classname": "npubench.nightly", "time": "0"})
        told = line(reason, LINE_LIMIT)
        SubElement(case, "error", {"message": told, "type": "error"}).text = told
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def shown(night: Nightly, past: Sequence[Past]) -> Shown:
    """The head of the HTML page; everything foreign in it is cleaned, and escaped where it is drawn."""
    every = () if night.comparison is None else findings(night.comparison)
    red = [item for item in every if item.group in ("regressed", "blocked", "refuted")]
    word = meaning(night)
    eyebrow = (night.machine, night.created, *(() if night.run is None else (night.run,)))
    return Shown(
        tone="good" if night.exit_code == 0 else "warn" if night.exit_code == 5 else "bad",
        eyebrow=tuple(line(part) for part in eyebrow),
        verdict=Text(en=word.en[:1].upper() + word.en[1:], ko=word.ko),
        sentence=_clean(night.sentence, _SENTENCE_LIMIT),
        todo=None if night.hint is None else _clean(night.hint),
        notes=tuple(_clean(item) for item in _lines(night)),
        findings=tuple((cell_name(item.cell), _found(item)) for item in red[:_MOST]),
        past=tuple(
            msgspec.structs.replace(item, created=line(item.created), sentence=_clean(item.sentence)) for item in past
        ),
    )


def _found(item: Finding) -> Text:
    remark = said(item)
    if item.metric is None:
        return Text(en=f"{item.word.en}: {remark.en}", ko=f"{item.word.ko}: {remark.ko}")
    title, numbers = metric_name(item.metric), f"{change(item.metric)} ({interval(item.metric)})"
    return Text(
        en=f"{title.en} {item.word.en} {numbers}{f': {remark.en}' if remark.en else ''}",
        ko=f"{title.ko} {item.word.ko} {numbers}{f': {remark.ko}' if remark.ko else ''}",
    )


def _clean(found: Text, limit: int = LINE_LIMIT) -> Text:
    return Text(en=line(found.en, limit), ko=line(found.ko, limit))
