"""One launch file again: from its samples and its stated facts to summary, verdict, reasons, trials.

What only the measuring process knew (start-up times, memory, conditions of the machine, what ran where) is taken as the
file states it; everything that is concluded from it is concluded again.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import msgspec

from npubench.engine import loading
from npubench.engine.joules import slowed
from npubench.errors import NotComparableError
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import SAMPLE_COLUMNS, Launch, PlannedCell, SampleFile, Scenario, Trial, Validity, Value
from npubench.stats.conclude import conclude
from npubench.stats.conditions import gone, judge_conditions, worse
from npubench.stats.memory import leak
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples, read
from npubench.tuning import Tuning
from npubench.verify.capacities import check_capacity
from npubench.verify.energy import Energy
from npubench.verify.found import Tally

OWN_FACTS = {
    "load_ns": "load_ns",
    "first_inference_ns": "first_inference_ns",
    "peak_rss_bytes": "process.peak_rss_bytes",
}
"""Summary figure → where the same launch file states it as a fact."""

# What unpacks to no more than this does no harm, whatever it states.
_HARMLESS_BYTES = 64 << 20
# An array in an .npz has a head of 128 bytes as a rule; nobody needs more than this beside the numbers.
_HEAD_BYTES = 4096

_FROM_SAMPLES = Text(en="recomputed from the samples", ko="표본에서 다시 계산한 값과 다름")
_START_UP = Text(
    en="start-up times, memory and processor time of the measuring process",
    ko="측정 프로세스의 시작 시간, 메모리, 프로세서 시간",
)
_CONDITIONS = Text(
    en="conditions of the machine around each launch (heat, clocks, other processes)",
    ko="실행 전후의 장비 상태(발열, 클럭, 다른 프로세스)",
)
_FAILED = Text(en="why a launch failed, and what its process printed", ko="실행이 실패한 이유와 프로세스의 출력")
_STAGES = Text(
    en="stage times (decode, pre-processing, inference …) and the outcome of audits, measured outside the timed window",
    ko="측정 구간 밖에서 잰 단계별 시간과 감사 결과",
)


def way_of(cell: PlannedCell, tuning: Tuning | None) -> PlannedCell:
    """The cell as it was measured: with the parameters of the point that tuning found (`engine.tuner.tuned_cell`)."""
    if tuning is None or not cell.scenario.params.get("tune"):
        return cell
    point = tuning.best
    params: dict[str, Any] = {
        **cell.scenario.params,
        "batch": point.batch,
        "instances": point.instances,
        "inflight": point.inflight,
    }
    if point.threads is not None:
        params["threads"] = point.threads
    return msgspec.structs.replace(cell, scenario=Scenario(name=cell.scenario.name, params=params))


def stored_samples(path: Path, stated: SampleFile) -> Samples:
    """The samples that a launch file names. Raises NotComparableError for what cannot be them.

    A file that would unpack to more than the stated rows is refused before it is unpacked.
    """
    most = 8 * (len(SAMPLE_COLUMNS) * stated.rows + 2 * stated.tokens) + _HEAD_BYTES * (len(SAMPLE_COLUMNS) + 2)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise NotComparableError(f"{path.name}: not a readable samples file ({error})") from error
    if size > max(most, _HARMLESS_BYTES):
        raise NotComparableError(
            f"{path.name}: unpacks to {size:,} bytes; {stated.rows:,} rows and {stated.tokens:,} tokens take {most:,}"
        )
    return read(path)


def check_launch(
    tally: Tally,
    file: str,
    launch: Launch,
    cell: PlannedCell,
    samples: Samples | None,
    rules: Ruleset,
    energy: Energy,
) -> None:
    """Names everything in `launch` that does not follow from its samples and facts. `cell`: as it was measured.

    `samples` None: they are not there, or cannot be read; what needs them is left out (the caller has said so).
    """
    if launch.status == "failed":
        _failed(tally, file, launch)
        return
    tally.state(_START_UP)
    if launch.conditions is not None:
        tally.state(_CONDITIONS)
    if launch.stages is not None or launch.audits:
        tally.state(_STAGES)
    if launch.window is None or launch.warmup is None:
        tally.wrong(file, "window", launch.window, "a window and a warm-up, as every launch with status ok has")
        return
    if launch.window.end_ns <= launch.window.start_ns:
        tally.wrong(file, "window", launch.window, "an end after its start")
        return
    for key, place in OWN_FACTS.items():
        fact: Any = launch
        for part in place.split("."):
            fact = getattr(fact, part, None)
        if key in launch.summary:
            value = Value(value=None if fact is None else float(fact))
            tally.same(file, f"summary.{key}", launch.summary[key], value, why=_fact(place))
    readings = energy.readings_of(file, launch)
    given = _derived(tally, file, launch, cell, samples, readings, rules) if samples is not None else None
    energy.check(file, launch, cell, samples, readings, given, rules)


def _fact(place: str) -> Text:
    return Text(en=f"{place} of the same file says otherwise", ko=f"같은 파일의 {place} 값과 다름")


def _derived(
    tally: Tally,
    file: str,
    launch: Launch,
    cell: PlannedCell,
    samples: Samples,
    readings: Readings | None,
    rules: Ruleset,
) -> Trial | None:
    """Names what differs; the trial that a given load makes, which the file does not keep."""
    assert launch.window is not None
    assert launch.warmup is not None
    limits = loading.limits_of(cell, launch.unit, rules)
    if launch.capacity is not None and limits is not None:
        check_capacity(tally, file, launch.capacity, launch.window, cell, samples, rules, limits)
    found = conclude(
        samples,
        scenario=cell.scenario,
        window=launch.window,
        unit=launch.unit,
        rules=rules,
        warmup=launch.warmup,
        samples_per_row=int(cell.scenario.params.get("batch", 1)),
        limits=limits,
        capacity=launch.capacity,
        audits=launch.audits,
        left=launch.left,
    )
    summary = dict(found.summary)
    stated = {key: value for key, value in launch.summary.items() if key not in OWN_FACTS}
    if (cores := stated.get("host_cores")) is not None:
        process = launch.process
        summary["host_cores"] = (
            Value(value=process.cpu_ns / max(process.loaded_ns, 1))
            if process is not None and process.loaded_ns is not None
            # Of an older launch file, which does not keep the time of loading, it is as stated.
            else cores
        )
    tally.same(file, "summary", stated, summary, why=_FROM_SAMPLES)
    verdict, reasons = _verdict(launch, found.verdict, found.reasons, readings, rules)
    tally.same(file, "verdict", launch.verdict, verdict, why=_FROM_SAMPLES)
    tally.same(file, "reasons", launch.reasons, reasons, why=_FROM_SAMPLES)
    tally.same(file, "lacks", launch.lacks, found.lacks, why=_FROM_SAMPLES)
    return found.given


def _verdict(
    launch: Launch, verdict: Validity, reasons: tuple[Text, ...], readings: Readings | None, rules: Ruleset
) -> tuple[Validity, tuple[Text, ...]]:
    """The verdict on samples, memory and conditions together, as `engine.launching` puts it together."""
    assert launch.window is not None
    memory = launch.process.memory if launch.process is not None else None
    if (leaked := leak(memory, launch.window, rules)) is not None:
        verdict = "degraded" if verdict == "valid" else verdict
        reasons = (*reasons, leaked)
    if launch.conditions is not None:
        allowed, disturbances = judge_conditions(launch.conditions, rules.disturbance)
        verdict, reasons = worse(verdict, allowed), (*reasons, *disturbances)
    powered, disturbed = slowed(launch.energy, launch.window, readings or Readings())
    return worse(verdict, powered), (*reasons, *disturbed)


def _failed(tally: Tally, file: str, launch: Launch) -> None:
    """A launch without a result: no figure, and a verdict that says so."""
    tally.state(_FAILED)
    failure = launch.failure
    if failure is None:
        tally.wrong(file, "failure", None, "why the launch has no result")
        return
    tally.same(file, "verdict", launch.verdict, "unsupported" if failure.kind.value == "unsupported" else "invalid")
    tally.same(file, "summary", launch.summary, {}, why=Text(en="a failed launch has no figures", ko="실패한 실행"))
    if launch.conditions is not None:
        tally.same(file, "reasons", launch.reasons, gone(launch.conditions))
