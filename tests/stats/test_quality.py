"""The quality verdict: which floor convicts, by how much, and what is left unknown."""

from __future__ import annotations

import pytest

from npubench.cards import FidelitySpec, QualitySpec, TaskSpec
from npubench.stats.fidelity import Fidelity
from npubench.stats.quality import judge

SPEC = QualitySpec(
    task=(TaskSpec(metric="map50", absolute_floor=0.8, relative_floor=0.99, relative={"int4": 0.97}, reason="r"),),
    fidelity=FidelitySpec(sqnr_db={"int8": 10.0}, kl={"int8": 0.1}, top1={"int8": 0.9}, reason="r"),
)


def test_a_score_at_its_floor_passes_and_one_below_says_by_how_much() -> None:
    assert judge(SPEC, "int8", {"map50": 0.891}, {"map50": 0.9}, None).passed
    judged = judge(SPEC, "int8", {"map50": 0.88}, {"map50": 0.9}, None)
    assert not judged.passed
    (reason,) = judged.reasons
    assert reason.en == "quality: mAP50 88.0 % is below 99% of the fp32 reference: 89.1 % by 1.10 %"
    assert "품질" in reason.ko
    (score,) = judged.scores
    assert (score.reference, score.floor, score.passed) == (0.9, pytest.approx(0.891), False)


def test_a_precision_may_have_a_share_of_its_own() -> None:
    assert judge(SPEC, "int4", {"map50": 0.88}, {"map50": 0.9}, None).passed


def test_a_reference_below_the_models_own_floor_convicts() -> None:
    judged = judge(SPEC, "fp32", {"map50": 0.7}, {"map50": 0.7}, None)
    assert not judged.passed
    assert "its fp32 reference" in judged.reasons[0].en


def test_fidelity_convicts_below_its_floor_and_only_for_named_precisions() -> None:
    bad = Fidelity(sqnr_db=4.0, kl=0.5, top1=0.5, repeat_db=150, worst="heads")
    judged = judge(SPEC, "int8", {}, {}, bad)
    assert not judged.passed
    assert [reason.en.partition(" is ")[0] for reason in judged.reasons] == [
        "quality: signal to noise against fp32 4.00 dB",
        "quality: same best class as fp32 50.0 %",
        "quality: divergence from fp32 (KL) 0.500",
    ]
    assert "(heads)" in judged.reasons[0].en
    free = judge(SPEC, "a16w8", {}, {}, bad)
    assert free.passed
    assert free.judged == 0


def test_no_annotations_is_unknown_with_a_reason() -> None:
    judged = judge(SPEC, "int8", {}, {}, Fidelity(sqnr_db=20.0))
    assert judged.passed
    score = next(item for item in judged.scores if item.metric == "map50")
    assert score.value is None
    assert score.reason == "the input data has no annotations"


def test_constant_and_missing_outputs_convict_without_any_floor() -> None:
    nothing = QualitySpec()
    assert not judge(nothing, "fp32", {}, {}, Fidelity(sqnr_db=3.0, constant=("y",))).passed
    assert not judge(nothing, "fp32", {}, {}, Fidelity(missing=("y",))).passed
    assert judge(nothing, "fp32", {}, {}, Fidelity(sqnr_db=-100.0)).passed


def test_scores_without_a_floor_are_kept() -> None:
    judged = judge(QualitySpec(), "fp32", {"map50_95": 0.5}, {"map50_95": 0.6}, None)
    assert [(score.metric, score.value, score.reference) for score in judged.scores] == [("map50_95", 0.5, 0.6)]
