"""Are the answers good enough? Task scores and fidelity against a model card's floors.

A task metric convicts where there is one; fidelity convicts below the card's floor, which leaves a margin under what an
honest result of that precision reaches (METRICS.md, Quality). The absolute floor is for the reference itself: a
reference below it convicts everything that is judged by it.

Not aware of: how answers were made, processes, files.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from npubench.cards import FidelitySpec, QualitySpec, TaskSpec
from npubench.lang import Text
from npubench.metrics import QUALITY
from npubench.schema import Score
from npubench.stats.fidelity import Fidelity
from npubench.units import show


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The scores with their floors, whether all that were judged passed, and what did not."""

    scores: tuple[Score, ...]
    passed: bool
    judged: int
    reasons: tuple[Text, ...]


def judge(
    spec: QualitySpec,
    precision: str,
    found: Mapping[str, float],
    reference: Mapping[str, float],
    fidelity: Fidelity | None,
) -> Judged:
    """`found` and `reference` are task scores over the same inputs; `fidelity` is None where nothing was compared."""
    scores: list[Score] = []
    reasons: list[Text] = []
    for task in spec.task:
        _task(task, precision, found, reference, scores, reasons)
    named = {task.metric for task in spec.task}
    scores += [
        Score(metric=name, value=value, reference=reference.get(name))
        for name, value in found.items()
        if name not in named
    ]
    if fidelity is not None:
        _fidelity(spec.fidelity, precision, fidelity, scores, reasons)
    order = list(QUALITY)
    scores.sort(key=lambda score: order.index(score.metric) if score.metric in order else len(order))
    failed = any(score.passed is False for score in scores) or bool(reasons)
    return Judged(
        scores=tuple(scores),
        passed=not failed,
        judged=sum(score.passed is not None for score in scores),
        reasons=tuple(reasons),
    )


def of_probes(spec: QualitySpec) -> QualitySpec:
    """The floors for a server that was asked for next tokens: those of `probes` in the place of `fidelity`.

    A task needs whole answers, which a server's next tokens are not.
    """
    found = spec.probes
    fidelity = None
    if found is not None:
        fidelity = FidelitySpec(sqnr_db={}, top1=found.top1, kl=found.kl, reason=found.reason)
    return msgspec.structs.replace(spec, fidelity=fidelity, task=())


def _shown(metric: str, value: float | None) -> str:
    return show(value, QUALITY[metric].unit if metric in QUALITY else "")


def _below(metric: str, value: float, floor: float, why: Text) -> Text:
    """Which floor, and by how much."""
    title = QUALITY[metric].title if metric in QUALITY else Text(en=metric, ko=metric)
    over = metric in QUALITY and QUALITY[metric].worse == "higher"
    have, bound = _shown(metric, value), _shown(metric, floor)
    gap = _shown(metric, abs(floor - value))
    return Text(
        en=f"quality: {title.en} {have} is {'above' if over else 'below'} {why.en} {bound} by {gap}",
        ko=f"품질: {title.ko} {have} – {why.ko} {bound}보다 {gap} {'높음' if over else '낮음'}",
    )


def _task(
    task: TaskSpec,
    precision: str,
    found: Mapping[str, float],
    reference: Mapping[str, float],
    scores: list[Score],
    reasons: list[Text],
) -> None:
    value, wanted = found.get(task.metric), reference.get(task.metric)
    if value is None:
        why = "the input data has no annotations"
        scores.append(Score(metric=task.metric, value=None, reference=wanted, reason=why))
        return
    share = task.relative.get(precision, task.relative_floor)
    floor = wanted * share if wanted is not None and share is not None else None
    passed = None if floor is None else value >= floor
    if floor is not None and share is not None and not passed:
        why_share = Text(en=f"{share:.0%} of the fp32 reference:", ko=f"fp32 기준의 {share:.0%}:")
        reasons.append(_below(task.metric, value, floor, why_share))
    if wanted is not None and task.absolute_floor is not None and wanted < task.absolute_floor:
        passed = False
        why_absolute = Text(en="the model's own floor for its fp32 reference:", ko="fp32 기준 자체의 하한:")
        reasons.append(_below(task.metric, wanted, task.absolute_floor, why_absolute))
    scores.append(Score(metric=task.metric, value=value, reference=wanted, floor=floor, passed=passed))


def _fidelity(
    spec: FidelitySpec | None, precision: str, found: Fidelity, scores: list[Score], reasons: list[Text]
) -> None:
    if found.missing:
        listed = ", ".join(found.missing)
        reasons.append(
            Text(
                en=f"quality: outputs missing or in another shape than the reference's: {listed}",
                ko=f"품질: 기준과 달리 없거나 모양이 다른 출력: {listed}",
            )
        )
        return
    if found.constant:
        listed = ", ".join(found.constant)
        reasons.append(
            Text(
                en=f"quality: the answer is the same whatever the input: {listed}",
                ko=f"품질: 입력과 무관하게 같은 출력: {listed}",
            )
        )
    floors: dict[str, float | None] = {
        "sqnr_db": spec.sqnr_db.get(precision) if spec else None,
        "top1": spec.top1.get(precision) if spec else None,
        "kl": spec.kl.get(precision) if spec else None,
    }
    # An answer must be nearer to itself than it has to be to the reference.
    floors["repeat_db"] = floors["sqnr_db"]
    for metric in ("sqnr_db", "contrast_db", "top1", "kl", "repeat_db"):
        value: float | None = getattr(found, metric)
        if value is None:
            continue
        floor = floors.get(metric)
        passed = None if floor is None else value <= floor if metric == "kl" else value >= floor
        if floor is not None and not passed:
            where = f" ({found.worst})" if metric == "sqnr_db" else ""
            reasons.append(_below(metric, value, floor, Text(en=f"its floor{where}", ko=f"하한{where}")))
        scores.append(Score(metric=metric, value=value, floor=floor, passed=passed))
