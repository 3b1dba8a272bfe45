"""A comparison as JUnit XML, as GitLab, Jenkins and the reporters of GitHub read it.

Guarantees: well-formed XML 1.0 without characters that XML cannot hold; valid by the common schemas (windyroad's
JUnit.xsd, Jenkins's junit-10.xsd); the same names from night to night, so that a CI's history of a test is that of one
metric of one cell.

    regressed                               failure
    not comparable, invalid, missing        error: nothing was judged, and should have been
    unsupported, new, not judged by speed   skipped: there was nothing to judge
    improved, equivalent, inconclusive      passed, and so is what regressed but not when measured again

Inconclusive passes because a test here asks whether a regression was shown. Most unchanged cells are inconclusive on
some nights and equivalent on others (METRICS.md, Comparing); as skipped they would fill each morning's list of changed
tests. What each verdict was is in the suite's `system-out`, versions are in its properties.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from npubench.lang import Language
from npubench.report.comparison import findings as of
from npubench.report.comparison.findings import Finding, findings, line
from npubench.report.foreign import LINE_LIMIT
from npubench.report.loads import whole
from npubench.stats.compared import Comparison

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_SENTENCE_LIMIT = 1_000


def junit(found: Comparison, spoken: Language) -> str:
    """The document, ending with a line feed. One suite; a test for each metric of each cell."""
    every = findings(found)
    outcomes = [_outcome(item) for item in every]
    counts = {
        "tests": len(every),
        "failures": outcomes.count("failure"),
        "errors": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }
    numbers = {name: str(count) for name, count in counts.items()}
    # No attributes on the root: windyroad's schema has none, and readers take the suites' own.
    root = Element("testsuites")
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": "npubench compare",
            "id": "0",
            "package": "npubench",
            "hostname": line(found.new.machine).strip() or "unknown",
            "timestamp": _timestamp(found.new.created),
            **numbers,
            "time": "0",
        },
    )
    properties = SubElement(suite, "properties")
    for name, value in _properties(found):
        SubElement(properties, "property", {"name": name, "value": value})
    names = [(_class(item), _name(item)) for item in every]
    twins = {name for name, count in Counter(names).items() if count > 1}
    for item, outcome, (group, name) in zip(every, outcomes, names, strict=True):
        # Builds of one model, say: the name does not tell them apart, their cells' ids do.
        told_apart = f"{name} [{line(item.cell.id)}]" if (group, name) in twins else name
        case = SubElement(suite, "testcase", {"classname": group, "name": told_apart, "time": "0"})
        _result(case, item, outcome, spoken)
    said = [line(found.sentence[spoken], _SENTENCE_LIMIT), *(_line(item, spoken) for item in every)]
    SubElement(suite, "system-out").text = "\n".join(said)
    SubElement(suite, "system-err").text = "\n".join(line(note[spoken], LINE_LIMIT) for note in found.notes)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _properties(found: Comparison) -> list[tuple[str, str]]:
    properties = [(f"{side}.{name}", line(getattr(run, name)))
                  for side, run in (("base", found.base), ("new", found.new))
                  for name in ("id", "machine", "profile", "created", "npubench")]  # fmt: skip
    for name, values in (("allow", found.allow), ("only", found.only)):
        if values:
            properties.append((name, line(", ".join(values), LINE_LIMIT)))
    if found.machine_class is not None:
        properties.append(("machine_class", line(found.machine_class)))
    for item in found.varying:
        for side, value in (("base", item.base), ("new", item.new)):
            if value is not None:
                properties.append((f"{side}.version.{line(item.name)}", line(value)))
    return properties


def _timestamp(created: str) -> str:
    """Without a time zone, as the schema wants it."""
    when = _TIME.match(created)
    try:
        return datetime.fromisoformat(when.group() if when is not None else "").isoformat()
    except ValueError:
        return "1970-01-01T00:00:00"


def _outcome(item: Finding) -> str:
    if item.group == "regressed":
        return "failure"
    if item.group == "blocked":
        return "error"
    return "skipped" if item.metric is None else "passed"


def _result(case: Element, item: Finding, outcome: str, spoken: Language) -> None:
    if outcome == "passed":
        return
    said = _said(item, spoken)
    if outcome == "skipped":
        SubElement(case, "skipped", {"message": said})
        return
    wrong = SubElement(case, outcome, {"type": item.key, "message": said})
    lines = [of.cell_name(item.cell), f"{item.word[spoken]}: {said}"]
    if item.metric is not None:
        base, new = of.means(item.metric)
        lines.append(f"BASE {base}, NEW {new}, {of.launches(item.metric)} {'실행' if spoken == 'ko' else 'launches'}")
    advice = of.ADVICE.get(item.cell.status)
    if item.metric is not None:
        lines += [f"- {remark[spoken]}" for remark in of.remarks(item)]
    lines += [f"→ {advice[spoken]}"] if advice is not None else []
    wrong.text = "\n".join(lines)


def _class(item: Finding) -> str:
    """Model, precision and backend. A dot would make a package of what stands before it (Jenkins)."""
    cell = item.cell
    return " ".join(line(part) for part in (cell.model, cell.precision, cell.backend)).replace(".", "_")


def _name(item: Finding) -> str:
    """In English whatever the language, because a CI knows a test by its name."""
    where = f"{line(whole(item.cell.scenario))} {line(item.cell.scope)}"
    return where if item.metric is None else f"{where}: {of.metric_name(item.metric).en}"


def _said(item: Finding, spoken: Language) -> str:
    if item.metric is None:
        return of.said(item)[spoken]
    metric = item.metric
    detects = f"{'감지' if spoken == 'ko' else 'detects'} {of.detects(metric)}"
    return f"{of.metric_name(metric)[spoken]} {of.change(metric)} ({of.interval(metric)}; {detects})"


def _line(item: Finding, spoken: Language) -> str:
    """One finding in the suite's output."""
    rest = f"; {said}" if item.metric is not None and (said := of.said(item)[spoken]) else ""
    return f"[{item.word[spoken]}] {of.cell_name(item.cell)}: {_said(item, spoken)}{rest}"
