"""A comparison as Markdown for a job summary or a comment on a pull request (GitHub, GitLab).

Guarantees: at most `LIMIT` bytes of UTF-8, however large the comparison; the verdict is the first line; what is cut is
cut from the calm end, counted, and said where the whole is. Nothing that others wrote becomes markup: no HTML, link,
image, emphasis, code, heading, table cell, mention of a person or issue, or emoji.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from npubench.lang import Language, Text
from npubench.report.comparison import findings as of
from npubench.report.comparison.findings import Finding, findings
from npubench.report.foreign import NAME_LIMIT
from npubench.report.marked import text
from npubench.stats.compared import Comparison, RunRef
from npubench.units import UNKNOWN

LIMIT = 60_000
"""Bytes. A comment on GitHub takes 65 536 characters (API, "body is too long"), a job summary 1 MiB."""

_SENTENCE_LIMIT = 1_000


class _Table(NamedTuple):
    """A part of the page. `hidden`: behind a heading that one opens."""

    title: Text
    columns: tuple[Text, ...]
    rows: Sequence[object]
    row: Callable[[object], tuple[str, ...]]
    right: tuple[int, ...] = ()
    before: Text | None = None
    hidden: bool = False


_CELL = Text(en="cell", ko="셀")
_METRIC = Text(en="metric", ko="지표")
_REMARK = Text(en="remark", ko="설명")
_LEGEND = Text(
    en="base, new: geometric mean over launches. detects: the smallest slowdown that launches like these would call "
    "regressed in {} of 100 repeats. tolerance: how much slower does not matter.",
    ko="기준, 새 값: 실행들의 기하평균. 감지: 이와 같은 실행을 100번 되풀이할 때 {}번 악화로 판정할 수 있는 "
    "가장 작은 성능 저하. 허용 폭: 이보다 작은 성능 저하는 문제 삼지 않음.",
)
_TITLES: dict[str, Text] = {
    "regressed": Text(en="Regressed", ko="악화"),
    "refuted": Text(en="Regressed, but not when measured again", ko="재측정에서 확인되지 않은 악화"),
    "improved": Text(en="Improved", ko="개선"),
    "not_comparable": Text(en="Not comparable", ko="비교 불가"),
    "invalid": Text(en="Invalid", ko="무효"),
    "missing": Text(en="Missing", ko="누락"),
}
_LEFT_OUT = Text(
    en="{} more rows are left out here; the whole: `npubench compare {} {} --json`",
    ko="여기에 싣지 않은 행 {}개. 전체: `npubench compare {} {} --json`",
)
# The icon of an exit code: something is wrong, or nothing is.
_WRONG, _FINE = "❌", "✅"


def markdown(found: Comparison, spoken: Language) -> str:
    """The page, ending with a line feed; at most `LIMIT` bytes of UTF-8."""
    head = "".join(_head(found, spoken))
    tail = f"\n<sub>{_LEGEND[spoken].format(f'{found.rule.power * 100:g}')}</sub>\n"
    parts = [table for table in _tables(found, spoken) if table.rows]
    ids = tuple(text(run.id, NAME_LIMIT) for run in (found.base, found.new))
    frames = [_frame(table, spoken) for table in parts]
    # Every part keeps its heading and the line that says what it left out; rows share the rest.
    most = _left_out(sum(len(table.rows) for table in parts), ids, spoken)
    spare = LIMIT - len((head + tail).encode()) - sum(len(f"{first}{most}{last}".encode()) for first, last in frames)
    body = []
    for table, (first, last) in zip(parts, frames, strict=True):
        rows, spare = _rows(table, spoken, spare)
        if missing := len(table.rows) - max(0, len(rows) - 1):
            rows.append(_left_out(missing, ids, spoken))
            # Rows of calmer parts must not squeeze in where worse ones had no room.
            spare = 0
        body.append("".join((first, *rows, last)))
    return "".join((head, *body, tail))


def _head(found: Comparison, spoken: Language) -> Iterator[str]:
    yield f"### {_FINE if found.exit_code == 0 else _WRONG} {text(found.sentence[spoken], _SENTENCE_LIMIT)}\n\n"
    yield f"BASE {_run(found.base)}<br>\nNEW {_run(found.new)}\n"
    said = [note for note in (text(note[spoken]) for note in found.notes) if note]
    if found.machine_class is not None:
        within = Text(en="baseline of the machine class {}", ko="장비 등급 {}의 기준")
        said.append(within[spoken].format(text(found.machine_class)))
    if found.only:
        part = Text(en="only a part was compared: {}", ko="일부만 비교함: {}")
        said.append(part[spoken].format(text(", ".join(found.only))))
    if found.allow:
        said.append(f"--allow {text(', '.join(found.allow))}")
    if found.confirmed_by is not None:
        again = Text(en="red cells were measured again in {}", ko="악화된 셀을 다시 측정함: {}")
        said.append(again[spoken].format(_run(found.confirmed_by)))
    most = 10
    if len(said) > most:
        rest = Text(en="{} more notes", ko="그 밖의 참고 {}개")
        said = [*said[:most], rest[spoken].format(len(said) - most)]
    if said:
        yield "\n" + "".join(f"- {note}\n" for note in said)


def _run(run: RunRef) -> str:
    return " · ".join(text(part, NAME_LIMIT) for part in (run.id, run.machine, run.profile, run.created))


def _tables(found: Comparison, spoken: Language) -> Iterator[_Table]:
    """Worst first; after the improvements comes what changed around the cells, then what is calm."""
    every = findings(found)
    confidence = f"{found.rule.confidence * 100:g}"

    def judged(title: Text, items: Sequence[Finding], *, verdict: bool = False, hidden: bool = False) -> _Table:
        columns = (
            _CELL,
            _METRIC,
            *([Text(en="verdict", ko="판정")] if verdict else []),
            Text(en="base", ko="기준"),
            Text(en="new", ko="새 값"),
            Text(en="change", ko="변화"),
            Text(en=f"{confidence} % interval", ko=f"{confidence} % 구간"),
            Text(en="detects", ko="감지"),
            Text(en="tolerance", ko="허용 폭"),
            Text(en="launches", ko="실행 횟수"),
            _REMARK,
        )
        first = 3 if verdict else 2
        return _Table(
            title, columns, items, lambda item: _judged(item, spoken, verdict), tuple(range(first, first + 5)),
            hidden=hidden,
        )  # fmt: skip

    yield judged(_TITLES["regressed"], _grouped(every, "regressed"))
    for status in of.BLOCKED:
        cells = [item for item in every if item.cell.status == status]
        yield _unjudged(_TITLES[status], cells, spoken, of.ADVICE[status])
    yield judged(_TITLES["refuted"], _grouped(every, "refuted"))
    yield judged(_TITLES["improved"], _grouped(every, "improved"))
    # What changed first: versions explain most of what is above.
    varying = sorted(found.varying, key=lambda item: item.base == item.new)
    changed = sum(item.base != item.new for item in varying)
    yield _Table(
        Text(en=f"Versions ({changed} changed)", ko=f"버전(달라진 것 {changed}개)"),
        (Text(en="version", ko="버전"), Text(en="BASE", ko="BASE"), Text(en="NEW", ko="NEW")),
        varying,
        _version,
        hidden=True,
    )
    calm = _grouped(every, "calm")
    rest = [item for item in calm if item.metric is None]
    yield _unjudged(_counted(rest, spoken), rest, spoken, None)
    verdicts = [item for item in calm if item.metric is not None]
    verdicts.sort(key=lambda item: item.key != "inconclusive")
    yield judged(_counted(verdicts, spoken), verdicts, verdict=True, hidden=True)


def _grouped(every: Sequence[Finding], group: str) -> list[Finding]:
    return [item for item in every if item.group == group]


def _counted(items: Sequence[Finding], spoken: Language) -> Text:
    """`inconclusive 12, equivalent 3`."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.word[spoken]] = counts.get(item.word[spoken], 0) + 1
    said = ", ".join(f"{word} {count:,}" for word, count in counts.items())
    return Text(en=said[:1].upper() + said[1:], ko=said)


def _unjudged(title: Text, items: Sequence[Finding], spoken: Language, advice: Text | None) -> _Table:
    def row(item: object) -> tuple[str, ...]:
        assert isinstance(item, Finding)
        said = of.said(item)[spoken]
        name = text(of.cell_name(item.cell))
        return (name, text(said)) if advice is not None else (name, item.word[spoken], text(said))

    columns = (_CELL, _REMARK) if advice is not None else (_CELL, Text(en="what", ko="구분"), _REMARK)
    return _Table(title, columns, items, row, before=advice, hidden=advice is None)


def _judged(item: object, spoken: Language, verdict: bool) -> tuple[str, ...]:
    assert isinstance(item, Finding)
    assert item.metric is not None
    metric = item.metric
    return (
        text(of.cell_name(item.cell)),
        text(of.metric_name(metric)[spoken]),
        *([item.word[spoken]] if verdict else []),
        *of.means(metric),
        f"**{of.change(metric)}**" if item.group in ("regressed", "improved") else of.change(metric),
        of.interval(metric),
        of.detects(metric),
        of.tolerance(metric)[spoken],
        of.launches(metric),
        text(of.told(of.remarks(item))[spoken]),
    )


def _version(item: object) -> tuple[str, ...]:
    name, base, new = (getattr(item, part) for part in ("name", "base", "new"))
    shown = tuple(text(UNKNOWN if value is None else value, NAME_LIMIT) for value in (name, base, new))
    return shown if base == new else (shown[0], shown[1], f"**{shown[2]}**")


def _frame(table: _Table, spoken: Language) -> tuple[str, str]:
    """What stands before the rows of a part, and after them."""
    before = f"→ {table.before[spoken]}\n\n" if table.before is not None else ""
    if table.hidden:
        return f"\n<details><summary>{table.title[spoken]}</summary>\n\n{before}", "\n</details>\n"
    return f"\n#### {table.title[spoken]} ({len(table.rows):,})\n\n{before}", ""


def _rows(table: _Table, spoken: Language, spare: int) -> tuple[list[str], int]:
    """The table's head and as many of its rows as fit into `spare` bytes, and what is left; no head without a row."""
    rule = " | ".join("--:" if at in table.right else "---" for at in range(len(table.columns)))
    found = [f"| {' | '.join(column[spoken] for column in table.columns)} |\n| {rule} |\n"]
    left = spare - len(found[0].encode())
    for item in table.rows:
        row = f"| {' | '.join(table.row(item))} |\n"
        if (after := left - len(row.encode())) < 0:
            break
        found.append(row)
        left = after
    return (found, left) if len(found) > 1 else ([], spare)


def _left_out(count: int, ids: tuple[str, ...], spoken: Language) -> str:
    return "\n" + _LEFT_OUT[spoken].format(f"{count:,}", *ids) + "\n"
