"""A comparison as annotations of GitHub Actions: workflow commands, one a line.

Guarantees: at most `MOST` lines of each level, the last of which counts what is left out; every line is one command of
ours. What others wrote is data of that command: it can neither end the line nor the title (escaping as in
`@actions/core`, packages/core/src/command.ts: % CR LF in data, and : , too in properties).
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Language, Text
from npubench.report.comparison import findings as of
from npubench.report.comparison.findings import Finding, findings, line
from npubench.report.foreign import LINE_LIMIT
from npubench.stats.compared import Comparison

MOST = 10
"""Of each level and step; GitHub leaves out the rest without a word (docs: usage limits of annotations)."""

_SENTENCE_LIMIT = 1_000
_MORE = Text(en="{} more; the job summary has all of them", ko="그 밖에 {}개. 전체는 작업 요약에 있습니다")


def commands(found: Comparison, spoken: Language) -> str:
    """Lines, each ending with a line feed. Errors: what fails. Warnings: doubts. Notices: the sentence, what is new."""
    every = findings(found)
    errors = [_of(item, spoken) for item in every if item.group in ("regressed", "blocked")]
    warnings = [("npubench", line(note[spoken], LINE_LIMIT)) for note in found.notes]
    warnings += [_of(item, spoken) for item in every if item.group == "refuted"]
    notices = [("npubench compare", line(found.sentence[spoken], _SENTENCE_LIMIT))]
    notices += [_of(item, spoken) for item in every if item.group == "improved"]
    levels = (("error", errors), ("warning", warnings), ("notice", notices))
    return "".join(_line(level, *item) for level, items in levels for item in _cut(items, spoken))


def _cut(items: Sequence[tuple[str, str]], spoken: Language) -> list[tuple[str, str]]:
    if len(items) <= MOST:
        return list(items)
    rest = len(items) - (MOST - 1)
    return [*items[: MOST - 1], ("npubench", _MORE[spoken].format(f"{rest:,}"))]


def _of(item: Finding, spoken: Language) -> tuple[str, str]:
    """(title, message)."""
    title = f"{item.word[spoken]}: {of.cell_name(item.cell)}"
    remarks = of.said(item)[spoken]
    if item.metric is None:
        advice = of.ADVICE.get(item.cell.status)
        said = [remarks, advice[spoken] if advice is not None else ""]
    else:
        metric = item.metric
        base, new = of.means(metric)
        change = f"{of.metric_name(metric)[spoken]} {of.change(metric)} ({of.interval(metric)}), {base} → {new}"
        said = [change, remarks]
    return title, "\n".join(part for part in said if part)


def _line(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
