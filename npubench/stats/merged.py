"""What the launches of a cell found about its load, its stages and its audits, put together. Pure.

A capacity is worth what every launch confirmed, so the smallest counts; stages are medians; one failed audit is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from npubench.lang import Text
from npubench.schema import Audit, Capacity, Launch, Stages


def capacity(launches: Sequence[Launch]) -> Capacity | None:
    """The smallest load that the launches confirmed, the smallest that failed above it, and all trials.

    Unknown where a launch confirmed none for want of time. `percent` is the weakest, `short` the most that is missing.
    Holds are among the trials, and decide nothing.
    """
    found = [launch.capacity for launch in launches if launch.capacity is not None]
    if not found:
        return None
    confirmed = [item.confirmed for item in found if item.confirmed is not None]
    known = len(confirmed) == len(found)
    least = min(confirmed) if known else None
    percents = [item.percent for item in found if item.percent is not None]
    shorts = [item.short for item in found if item.short is not None]
    sustained = [item.sustained_per_s for item in found if item.sustained_per_s is not None]
    trials = tuple(trial for item in found for trial in item.trials)
    failing = sorted(
        (
            trial
            for trial in trials
            if trial.load is not None
            and trial.failed_by is not None
            and trial.load > (least or 0.0)
            # What another launch confirmed and then did not hold was no load of its search.
            and trial.purpose != "hold"
        ),
        # Of one load what was found at full length says more.
        key=lambda trial: (trial.load or 0.0, trial.purpose != "confirm"),
    )
    first = failing[0] if failing else None
    return Capacity(
        searched=found[0].searched,
        confirmed=least,
        reason=next((item.reason for item in found if item.reason is not None), None) if not least else None,
        percent=min(percents) if percents and least else None,
        short=max(shorts) if shorts and least else None,
        failed=first.load if first is not None else None,
        failed_by=first.failed_by if first is not None else next((item.failed_by for item in found), None),
        sustained_per_s=float(median(sustained)) if sustained else None,
        bound=found[0].bound,
        trials=trials,
    )


def stages(launches: Sequence[Launch]) -> Stages | None:
    """The median over the launches of every stage that all of them told apart."""
    found = [launch.stages for launch in launches if launch.stages is not None]
    if not found:
        return None
    names = [name for name in found[0].median_ns if all(name in item.median_ns for item in found)]
    return Stages(
        inputs=min(item.inputs for item in found),
        median_ns={name: float(median(item.median_ns[name] for item in found)) for name in names},
        decoder_per_s=_median(item.decoder_per_s for item in found),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None


def audits(launches: Sequence[Launch]) -> tuple[Audit, ...]:
    """Each audit once: failed where any launch failed it, else not made where any did not make it."""
    order = (False, None, True)
    worst: dict[str, Audit] = {}
    for launch in launches:
        for audit in launch.audits:
            before = worst.get(audit.name)
            if before is None or order.index(audit.passed) < order.index(before.passed):
                worst[audit.name] = audit
    return tuple(worst.values())


def lacks(launches: Sequence[Launch]) -> tuple[Text, ...]:
    """What any launch lacks, each once."""
    return tuple({text.en: text for launch in launches for text in launch.lacks}.values())
