"""Next tokens of a server against the reference's logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.cards import ProbesSpec, QualitySpec, TaskSpec
from npubench.stats import quality
from npubench.stats.probes import asked, coarse, compare, known, places, step_of

VOCAB, TOKENS, MOST = 50, 32, 1 << 20


def _reference(inputs: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for index in range(inputs):
        logits = draw.normal(0, 4, (TOKENS, VOCAB)).astype(np.float32)
        arrays[f"{index}:logits"] = logits
        arrays[f"tokens:{index}"] = logits.argmax(axis=1)
    return arrays


def _answers(reference: dict[str, np.ndarray], shift: int = 0, logprobs: bool = True) -> dict[str, np.ndarray]:
    """What a server says that computes the reference itself, `shift` tokens off."""
    found: dict[str, np.ndarray] = {}
    for index in range(sum(name.endswith(":logits") for name in reference)):
        where = np.array(places(TOKENS, 1))
        rows = reference[f"{index}:logits"][where].astype(np.float64)
        logs = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
        best = np.argsort(-logs, axis=1)[:, :5]
        found[f"{index}:positions"] = where
        found[f"{index}:next"] = (best[:, 0] + shift) % VOCAB
        found[f"{index}:likely"] = best if logprobs else np.full_like(best, -1)
        found[f"{index}:logprobs"] = np.take_along_axis(logs, best, axis=1)
    return found


def test_the_reference_agrees_with_itself() -> None:
    reference = _reference()
    found = compare(reference, _answers(reference), MOST)
    assert found.top1 == 1.0
    assert found.kl == pytest.approx(0, abs=1e-9)
    assert found.sqnr_db is None


def test_other_tokens_convict_and_missing_logprobs_leave_kl_unknown() -> None:
    reference = _reference()
    found = compare(reference, _answers(reference, shift=1, logprobs=False), MOST)
    assert found.top1 == 0.0
    assert found.kl is None


def test_too_few_known_tokens_say_nothing() -> None:
    reference = _reference(1)
    answers = _answers(reference, logprobs=False)
    answers["0:next"][1:] = -1
    assert compare(reference, answers, MOST).top1 is None
    assert known(answers) == (1, 8)
    assert asked(answers)
    assert not asked(reference)


def test_a_thinned_reference_is_read_at_its_own_rows() -> None:
    reference = _reference(1)
    step = step_of(TOKENS, 8, VOCAB, TOKENS * VOCAB // 4)
    assert step == 4
    thin = {**reference, "0:logits": reference["0:logits"][::step]}
    answers = _answers(reference)
    where = np.array(places(TOKENS, step))
    rows = reference["0:logits"][where]
    answers.update({"0:positions": where, "0:next": rows.argmax(axis=1), "0:likely": np.full((8, 5), -1)})
    assert compare(thin, answers, TOKENS * VOCAB // 4).top1 == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_merging_classes_never_raises_the_divergence(seed: int, named: int) -> None:
    draw = np.random.default_rng(seed)
    p, q = draw.normal(0, 2, VOCAB), draw.normal(0, 2, VOCAB)
    log_p, log_q = (row - np.log(np.exp(row).sum()) for row in (p, q))
    whole = float(np.sum(np.exp(log_p) * (log_p - log_q)))
    best = np.argsort(-log_q)[:named]
    part = coarse(p, best, log_q[best])
    assert part is not None
    assert -1e-9 <= part <= whole + 1e-9


def test_the_floors_of_probes_judge_in_place_of_the_others() -> None:
    task = TaskSpec(metric="token_likelihood", relative_floor=0.99, reason="")
    spec = QualitySpec(task=(task,), probes=ProbesSpec(top1={"fp32": 0.9}, kl={"fp32": 0.01}, reason=""))
    reference = _reference()
    good = quality.judge(quality.of_probes(spec), "fp32", {}, {}, compare(reference, _answers(reference), MOST))
    assert (good.passed, good.judged) == (True, 2)
    bad = quality.judge(quality.of_probes(spec), "fp32", {}, {}, compare(reference, _answers(reference, 3), MOST))
    assert not bad.passed
    assert "is below its floor" in bad.reasons[0].en
    unfloored = quality.judge(quality.of_probes(spec), "int4", {}, {}, compare(reference, _answers(reference), MOST))
    assert unfloored.judged == 0
