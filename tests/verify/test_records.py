"""Quality records: what follows from scores, and what a record without scores may say."""

from __future__ import annotations

import msgspec
import pytest

from npubench.lang import Text
from npubench.schema import Failure, FailureKind, Quality, Score
from npubench.stats.runs import derived
from npubench.store import RUN, RunFolder
from npubench.verify.folder import verify_folder
from npubench.verify.found import Tally
from npubench.verify.records import check_quality
from tests.support import null_card, null_plan
from tests.verify.test_folder import said

NOTHING = Quality(model="tiny", precision="fp32", variant="portable", backend="null", verdict="unknown")
WHY = (Text(en="because", ko="이유"),)
CRASHED = Failure(kind=FailureKind.CRASHED, message="it crashed", phase="quality")
REFUSED = Failure(kind=FailureKind.UNSUPPORTED, message="not this", phase="quality")


def wrong(record: Quality) -> list[str]:
    tally = Tally()
    check_quality(tally, "quality.json", record, null_plan(null_card()))
    return [item.path for item in tally.mismatches]


@pytest.mark.parametrize(
    ("verdict", "failure"), [("unknown", None), ("failed", None), ("failed", CRASHED), ("unknown", REFUSED)]
)
def test_without_scores_as_the_engine_writes_it(verdict: str, failure: Failure | None) -> None:
    assert wrong(msgspec.structs.replace(NOTHING, verdict=verdict, failure=failure, reasons=WHY)) == []


@pytest.mark.parametrize(
    ("verdict", "failure"), [("passed", None), ("passed", CRASHED), ("unknown", CRASHED), ("failed", REFUSED)]
)
def test_without_scores_a_verdict_follows_from_the_failure(verdict: str, failure: Failure | None) -> None:
    assert wrong(msgspec.structs.replace(NOTHING, verdict=verdict, failure=failure, reasons=WHY)) == ["verdict"]


def test_without_scores_there_is_a_reason() -> None:
    assert wrong(NOTHING) == ["reasons"]


def test_scores_that_the_model_card_cannot_judge() -> None:
    scores = (Score(metric="top1", value=1.0, floor=0.5, passed=True),)
    assert wrong(msgspec.structs.replace(NOTHING, verdict="passed", scores=scores)) == ["scores"]


def test_a_run_whose_quality_passed_without_a_score(run: RunFolder) -> None:
    (run.path / RUN).unlink()
    run.write_quality(msgspec.structs.replace(NOTHING, verdict="passed", reasons=WHY))
    run.write_run(derived(run))
    found = verify_folder(run)
    assert [(item.file, item.path) for item in found.mismatches] == [("quality/tiny--fp32--null.json", "verdict")], (
        said(found)
    )
