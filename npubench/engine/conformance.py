"""Asks one backend everything: each check of the contract in a process of its own, the node tests in groups.

A process that ends or falls silent costs the one question that it was at: that question gets its row, the rest goes on
in a fresh process. A test that ended a process is asked once more alone, because a crash may have been prepared by the
tests before it. Not aware of: what is checked (`contract`), how tables look, devices being held.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.conformance import CHECKS, Case, Check, Tried
from npubench.engine.launcher import Answer, Environment, Limits, run_job
from npubench.engine.protocol import AdapterRef, Begun, Conformed, ConformJob, Event, Row
from npubench.errors import MeasurementError
from npubench.lang import Text
from npubench.schema import Failure, FailureKind

# So many tests share a process: starting one takes a third of a second, and a group is what a crash interrupts.
GROUP = 100

# After so many tests in a row that ended their process, the rest is not run: the backend is broken as a whole.
MOST_IN_A_ROW = 20


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked, and how: `timeout_s` is how long one question may be silent; `said` hears of every answer."""

    adapter: AdapterRef
    environment: Environment
    timeout_s: float
    said: Callable[[Check | Tried], None] = lambda row: None
    stop: Callable[[], bool] = lambda: False


class Found(msgspec.Struct, kw_only=True):
    """What has come out so far; `exits`: processes that had answered everything and did not end well."""

    checks: list[Check] = []
    tried: list[Tried] = []
    exits: list[str] = []
    versions: dict[str, str] = {}
    python: str = ""


def form_of(card: BackendCard) -> str:
    """In which form the contract graphs are put to a backend: int8 only where it takes no floats."""
    return "fp32" if {"fp32", "fp16", "bf16"} & set(card.precisions) else "int8"


def contract(asking: Asking, graphs: Path, form: str, found: Found, names: Sequence[str] = tuple(CHECKS)) -> None:
    """Every check in a process of its own. Raises StopRequested."""
    for name in names:
        job = ConformJob(adapter=asking.adapter, folder=str(graphs), form=form, checks=(name,))
        rows, answer = _ask(job, asking)
        row = next((row.check for row in rows if row.check is not None), None)
        if isinstance(answer, Failure):
            hung = answer.kind is FailureKind.HUNG
            when = Text(en=" after its answer", ko=" (답한 뒤)") if row else Text(en="", ko="")
            seen = Text(en=f"{answer.message}{when.en}", ko=f"{answer.message}{when.ko}")
            row = Check(id=name, verdict="hung" if hung else "crashed", seen=seen)
        _keep(answer, found)
        assert row is not None  # the worker ended well, so it has answered
        found.checks.append(row)
        asking.said(row)


def operators(asking: Asking, cases: Sequence[Case], folder: Path, found: Found, group: int = GROUP) -> None:
    """Every test that can be asked, in groups. Raises MeasurementError where not one can begin, StopRequested."""
    for case in cases:
        if case.skip is not None:
            _add(asking, found, _row(case, "not applicable", case.skip.en))
    waiting = [case for case in cases if case.skip is None]
    in_a_row = 0
    while waiting:
        if in_a_row >= MOST_IN_A_ROW:
            for case in waiting:
                _add(asking, found, _row(case, "not run", f"{in_a_row} tests in a row ended the process"))
            return
        size = group if in_a_row == 0 else 1
        answered, failure, exit_note = _group(asking, waiting[:size], folder, found)
        waiting = waiting[len(answered) :]
        if exit_note:
            found.exits.append(exit_note)
        if failure is None:
            in_a_row = 0 if answered else in_a_row
            continue
        in_a_row = 1 if answered else in_a_row + 1
        case, waiting = waiting[0], waiting[1:]
        alone = _alone(asking, case, folder, found) if answered else ""
        hung = failure.kind is FailureKind.HUNG
        _add(asking, found, _row(case, "hung" if hung else "crashed", failure.message + alone))


def _group(
    asking: Asking, cases: Sequence[Case], folder: Path, found: Found
) -> tuple[list[Tried], Failure | None, str]:
    """The answers of one process, the failure that ended it inside a test, and how it ended after all of them."""
    begun: list[str] = []
    job = ConformJob(adapter=asking.adapter, folder=str(folder), cases=tuple(cases))
    rows, answer = _ask(job, asking, begun)
    answered = [row.tried for row in rows if row.tried is not None]
    for row in answered:
        _add(asking, found, row)
    _keep(answer, found)
    if not isinstance(answer, Failure):
        return answered, None, ""
    if len(answered) == len(cases):
        return answered, None, answer.message
    if not begun and not any(row.outcome != "not applicable" for row in found.tried):
        raise MeasurementError(f"the backend's process cannot begin: {answer.message}", hint=answer.hint)
    return answered, answer, ""


def _alone(asking: Asking, case: Case, folder: Path, found: Found) -> str:
    """What a test does that ended a process which had answered others before."""
    rows, answer = _ask(ConformJob(adapter=asking.adapter, folder=str(folder), cases=(case,)), asking)
    if isinstance(answer, Failure):
        return "; alone likewise"
    outcome = next((row.tried.outcome for row in rows if row.tried is not None), "no answer")
    return f"; alone: {outcome}"


def _ask(job: ConformJob, asking: Asking, begun: list[str] | None = None) -> tuple[list[Row], Answer]:
    rows: list[Row] = []

    def hear(event: Event) -> None:
        if isinstance(event, Row):
            rows.append(event)
        elif isinstance(event, Begun) and begun is not None:
            begun.append(event.name)

    limits = Limits(stall_s=asking.timeout_s)
    with tempfile.TemporaryDirectory(prefix="npubench-conform-") as folder:
        answer = run_job(job, Path(folder), asking.environment, limits, hear, asking.stop)
    return rows, answer


def _keep(answer: Answer, found: Found) -> None:
    if isinstance(answer, Conformed):
        found.versions, found.python = answer.versions, answer.python


def _row(case: Case, outcome: str, reason: str) -> Tried:
    facts = {"name": case.name, "operator": case.operator, "expanded": case.expanded}
    return msgspec.convert({**facts, "outcome": outcome, "reason": reason}, Tried)


def _add(asking: Asking, found: Found, row: Tried) -> None:
    found.tried.append(row)
    asking.said(row)
