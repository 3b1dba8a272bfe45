"""Quality, placement and tuning records again: verdicts, floors, extents and ratios from the figures beside them.

The figures themselves are the device's answers and the runtime's reports: they are stated, and cannot be recomputed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.cards import ModelCard, QualitySpec
from npubench.engine.halving import ratio
from npubench.evidence import Certificate
from npubench.exhibits import Exhibits
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import FailureKind, Plan, Quality
from npubench.stats import placement, quality, server
from npubench.tuning import Tuning
from npubench.verify.found import Tally

_FLOOR = Text(en="from the card's floor and the reference's score", ko="카드의 하한과 기준 점수에서 나오는 값과 다름")
_VERDICT = Text(en="does not follow from the scores", ko="점수에서 나오지 않는 판정")
_FIGURES = Text(en="does not follow from the certificate's figures", ko="증명서의 수치에서 나오지 않는 값")
_RATES = Text(en="does not follow from the rates", ko="측정한 처리율에서 나오지 않는 값")

_SCORES = Text(
    en="quality scores: they come from the device's answers, which are not kept",
    ko="품질 점수: 장치의 답에서 나오며, 답은 보관하지 않습니다",
)
_RAW = ("sqnr_db", "contrast_db", "repeat_db")
"""Figures of raw outputs."""

_SHOWN = Text(
    en="what was found in the inputs that a report shows: the device's answers",
    ko="보고서에 보이는 입력에서 찾은 것: 장치의 답",
)
_FED = Text(en="the data that the plan names", ko="계획에 적힌 자료와 다름")
_PLACE = Text(en="a box, or four corners", ko="상자 또는 네 모서리")
_NODES = Text(
    en="placement figures (nodes, arithmetic, times): the runtime's reports",
    ko="실행 위치 수치(노드, 연산량, 시간): 런타임의 보고",
)
_TUNED = Text(en="rates of the points that tuning tried", ko="튜닝에서 시도한 구성의 처리율")


def check_exhibits(tally: Tally, file: str, found: Exhibits, plan: Plan) -> None:
    """Names inputs that are not those of the plan, and findings without a place that can be drawn."""
    tally.state(_SHOWN)
    fed = plan.inputs.get(found.model)
    tally.same(file, "source", found.source, fed.source if fed is not None else "", why=_FED)
    for index, shown in enumerate(found.items):
        for name, findings in (
            ("exhibit.found", shown.exhibit.found),
            ("exhibit.truth", shown.exhibit.truth or ()),
            ("reference", shown.reference or ()),
        ):
            for place, finding in enumerate(findings):
                if len(finding.place) not in (4, 8):
                    tally.wrong(file, f"items[{index}].{name}[{place}].place", finding.place, "4 or 8 numbers", _PLACE)


def check_quality(tally: Tally, file: str, record: Quality, plan: Plan) -> None:
    """Names floors, flags, reasons and a verdict that do not follow from the scores and the model card."""
    if not record.scores:
        _unscored(tally, file, record)
        return
    tally.state(_SCORES)
    card: Any = plan.models.get(record.model)
    try:
        spec = msgspec.convert(card, ModelCard).quality
    except msgspec.ValidationError:
        # Of another version of npubench (`check_planned` says so): its floors cannot be told.
        return
    if spec is None:
        tally.wrong(file, "scores", record.scores, "none: the model card has nothing to judge by", _VERDICT)
        return
    if spec.probes is not None and not any(score.metric in _RAW for score in record.scores):
        # A server's next tokens: it showed no raw outputs.
        spec = quality.of_probes(spec)
    tasks = {task.metric for task in spec.task}
    values = {score.metric: score.value for score in record.scores if score.value is not None}
    references = {score.metric: score.reference for score in record.scores if score.reference is not None}
    judged = quality.judge(
        spec, record.precision, {k: v for k, v in values.items() if k in references}, references, None
    )
    again = {score.metric: score for score in judged.scores if score.metric in tasks}
    failing = 0
    for index, score in enumerate(record.scores):
        at = f"scores[{index}]"
        expected = again.get(score.metric)
        floor = expected.floor if expected is not None else _floor(spec, record.precision, score.metric)
        passed = expected.passed if expected is not None else _passed(score.metric, score.value, floor)
        tally.same(file, f"{at}.floor", score.floor, floor, why=_FLOOR)
        tally.same(file, f"{at}.passed", score.passed, passed, why=_FLOOR)
        failing += passed is False
    for reason in judged.reasons:
        if reason not in record.reasons:
            tally.wrong(file, "reasons", [item.en for item in record.reasons], reason.en, _VERDICT)
    if len(record.reasons) < failing:
        tally.wrong(file, "reasons", f"{len(record.reasons)} reasons", f"one for each of {failing} scores", _VERDICT)
    counted = [score for score in record.scores if score.passed is not None]
    # Outputs that were missing, or the same whatever the input, convict without a score, and say so in a reason.
    convicted = failing > 0 or (record.verdict == "failed" and bool(record.reasons))
    expected_verdict = "failed" if convicted else "passed" if counted else "unknown"
    tally.same(file, "verdict", record.verdict, expected_verdict, why=_VERDICT)


def _unscored(tally: Tally, file: str, record: Quality) -> None:
    """Nothing passes without a score: there was no answer, an output was missing, or nothing could be judged. A reason
    says which (`engine.quality`).
    """
    if record.failure is not None:
        expected = "unknown" if record.failure.kind is FailureKind.UNSUPPORTED else "failed"
    else:
        expected = "failed" if record.verdict == "failed" else "unknown"
    tally.same(file, "verdict", record.verdict, expected, why=_VERDICT)
    if not record.reasons:
        tally.wrong(file, "reasons", record.reasons, "why nothing was scored", _VERDICT)


def _floor(spec: QualitySpec, precision: str, metric: str) -> float | None:
    """A fidelity figure's floor by the card (`stats.quality`)."""
    if spec.fidelity is None:
        return None
    floors = {
        "sqnr_db": spec.fidelity.sqnr_db,
        "repeat_db": spec.fidelity.sqnr_db,
        "top1": spec.fidelity.top1,
        "kl": spec.fidelity.kl,
    }
    return floors.get(metric, {}).get(precision)


def _passed(metric: str, value: float | None, floor: float | None) -> bool | None:
    if value is None or floor is None:
        return None
    return value <= floor if metric == "kl" else value >= floor


def check_certificate(tally: Tally, file: str, found: Certificate, rules: Ruleset) -> None:
    """Names an extent, a share or reasons that do not follow from the certificate's own figures."""
    tally.state(_NODES)
    if found.server is not None:
        again_served = server.judged(found.server)
        tally.same(file, "server.seen", found.server.seen, again_served.seen, why=_FIGURES)
        tally.same(file, "server.reasons", found.server.reasons, again_served.reasons, why=_FIGURES)
    if found.nodes is None and found.executing is None:
        # Looking failed, or nobody could look: the reason is all there is, and full is not known.
        if found.extent not in ("unknown", "none"):
            tally.wrong(file, "extent", found.extent, "unknown", _FIGURES)
        return
    again = placement.again(found, rules)
    for name in ("extent", "macs_share", "executing", "reasons"):
        tally.same(file, name, getattr(found, name), getattr(again, name), why=_FIGURES)


def check_tuning(tally: Tally, file: str, found: Tuning, plan: Plan) -> None:
    """Names a choice that was not tried, and ratios that the rates do not give."""
    tally.state(_TUNED)
    if found.cell not in {cell.id for cell in plan.cells}:
        tally.wrong(file, "cell", found.cell, "a cell of the plan")
    if found.failure is not None:
        return
    tried = {item.point: item for item in found.surface}
    for name, point in (("default", found.default), ("chosen", found.chosen)):
        if point is not None and point not in tried:
            tally.wrong(file, name, point, "one of the surface's points", _RATES)
            return
    tally.same(file, "same", found.same, ratio(found.pairs), why=_RATES)
    if found.gain is not None and not found.confirmed and found.chosen is not None:
        pairs = list(zip(tried[found.chosen].rates, tried[found.default].rates, strict=False))
        tally.same(file, "gain", found.gain, ratio(pairs), why=_RATES)
