"""The worker's conform verb: checks of the contract and the standard's node tests, one after the other.

Guarantees: every question is announced before it is asked and answered after, so that the parent knows which one ended
the process. Reasons are brief and name no folder. Not aware of: what follows a crash (`conformance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.conformance import Case, Check, Outcome, Tried, Verdict
from npubench.engine import contract_answers, contract_life
from npubench.engine.contract import Kit, NotOffered, Seen, Violated, brief
from npubench.engine.protocol import Begun, ConformJob, Event, Phase, Row
from npubench.lang import Text
from npubench.spi import Adapter, Artifact, Assigns, Outputs, Places, Session

CONTRACT: Mapping[str, Callable[[Kit], Seen]] = {
    "probe": contract_answers.probe,
    "answers": contract_answers.answers,
    "declared": contract_answers.declared,
    "shapes": contract_answers.shapes,
    "dtypes": contract_answers.dtypes,
    "zero-size": contract_answers.zero_size,
    "batch": contract_answers.batch,
    "repeat": contract_answers.repeat,
    "buffers": contract_answers.buffers,
    "prepare": contract_life.prepare,
    "unknown-name": contract_life.unknown_name,
    "missing-input": contract_life.missing_input,
    "wrong-shape": contract_life.wrong_shape,
    "wrong-rank": contract_life.wrong_rank,
    "wrong-dtype": contract_life.wrong_dtype,
    "bad-file": contract_life.bad_file,
    "sessions": contract_life.sessions,
    "threads": contract_life.threads,
    "own-sessions": contract_life.own_sessions,
    "submit": contract_life.submit,
    "reopen": contract_life.reopen,
    "memory": contract_life.memory,
    "placement": contract_life.placement,
}
"""The checks behind `npubench.conformance.CHECKS`."""

# In place of a share where only one of two values is finite: JSON has no infinity.
NOT_FINITE = 1e9


def ask(job: ConformJob, make: Callable[..., Adapter], send: Callable[[Event], None]) -> None:
    """Asks every question of the job. `make` makes its adapter, with other facts of the card where some are given."""
    folder, options = Path(job.folder), job.adapter.options
    for name in job.checks:
        send(Begun(name=name))
        kit = Kit(make, options, folder, job.form, lambda: send(Phase(name="conform")))
        send(Row(check=check(name, kit)))
    adapter = make() if job.cases else None
    for case in job.cases:
        assert adapter is not None
        send(Begun(name=case.name))
        send(Row(tried=attempt(case, adapter, options, folder)))


def check(name: str, kit: Kit) -> Check:
    """One check's row. An exception that no check foresaw is a violation: right requests must not raise."""
    verdict: Verdict = "kept"
    figures: dict[str, float] = {}
    try:
        seen = CONTRACT[name](kit)
        text, figures = seen.text, seen.figures
    except Violated as told:
        verdict, text = "violated", told.text
    except NotOffered as told:
        verdict, text = "not offered", told.text
    except Exception as error:
        verdict, text = "violated", Text(en=f"raises {brief(error)}", ko=f"예외: {brief(error)}")
    return Check(id=name, verdict=verdict, seen=text, figures=figures)


def attempt(case: Case, adapter: Adapter, options: Mapping[str, Any], folder: Path) -> Tried:
    """What came of one node test; where it is refused or falls back, what came of its older form if that is more."""
    first = _attempt(case, adapter, options, folder, "")
    if not case.older or first.outcome not in ("unsupported", "fell back"):
        return first
    second = msgspec.structs.replace(_attempt(case, adapter, options, folder, ".older"), older=case.older)
    return second if second.outcome == "passed" or first.outcome == "unsupported" else first


def _attempt(case: Case, adapter: Adapter, options: Mapping[str, Any], folder: Path, form: str) -> Tried:
    def said(outcome: Outcome, reason: str = "", error: float | None = None, placed: bool = False) -> Tried:
        return Tried(
            name=case.name,
            operator=case.operator,
            expanded=case.expanded,
            outcome=outcome,
            reason=reason,
            error=error,
            placed=placed,
        )

    with np.load(folder / f"{case.file}.npz", allow_pickle=False) as stored:
        fed = {name: stored[f"input:{index}"] for index, name in enumerate(case.inputs)}
        expected = {name: stored[f"output:{index}"] for index, name in enumerate(case.outputs)}
    model = folder / f"{case.file}{form}.onnx"
    try:
        session = adapter.open(Artifact(role="model", path=str(model), sha256=""), options)
    except Exception as error:
        return said("unsupported", brief(error, str(model)))
    try:
        elsewhere, placed = _elsewhere(session)
        outputs = session.infer(fed)
        wrong, error_share = _differs(outputs, expected, case)
    except Exception as error:
        return said("raised", brief(error, str(model)))
    finally:
        session.close()
    if wrong:
        return said("wrong", wrong, error_share, placed)
    return said("fell back" if elsewhere else "passed", elsewhere, error_share, placed)


def _elsewhere(session: Session) -> tuple[str, bool]:
    """Which operators another provider than the requested one took, in words, and whether there is a record at all."""
    if not isinstance(session, Places):
        return "", False
    found = session.placement()
    nodes = session.assignment() if isinstance(session, Assigns) else None
    if nodes:
        gone = sorted({f"{node.op_type} on {node.provider}" for node in nodes if node.provider != found.requested})
        return ", ".join(gone), True
    if not found.providers:
        return "", False
    gone = sorted(name for name, count in found.providers.items() if count and name != found.requested)
    kinds = ", ".join(sorted(found.fallback_ops or {}))
    return f"{kinds or 'nodes'} on {', '.join(gone)}" if gone else "", True


def _differs(outputs: Outputs, expected: Mapping[str, Any], case: Case) -> tuple[str, float | None]:
    """What is wrong with outputs, by the standard's own judgement; and how far they are from what is expected."""
    furthest: float | None = None
    wrong = ""
    for name, want in expected.items():
        have = np.asarray(outputs[name])
        if have.shape != want.shape:
            return f"{name}: shape {have.shape}, expected {want.shape}", None
        if have.dtype != want.dtype:
            return f"{name}: type {have.dtype}, expected {want.dtype}", None
        share = _share(have, want)
        furthest = share if furthest is None else max(furthest, share)
        if not np.isclose(have, want, rtol=case.rtol, atol=case.atol, equal_nan=True).all():
            wrong = wrong or f"{name}: {_far(share)}"
    return wrong, furthest


def _share(have: Any, want: Any) -> float:
    """The largest difference as a share of the largest expected value; places that are not finite in both are equal."""
    have, want = have.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(have) & np.isfinite(want)
    same = finite | (have == want) | (np.isnan(have) & np.isnan(want))
    if not same.all():
        return NOT_FINITE
    if not finite.any():
        return 0.0
    largest = float(np.abs(want[finite]).max()) or 1.0
    return min(NOT_FINITE, float(np.abs(have[finite] - want[finite]).max()) / largest)


def _far(share: float) -> str:
    if share >= NOT_FINITE:
        return "infinite or no number where the expected output is finite, or the other way round"
    return f"differs by {share:.1g} of the largest expected value"
