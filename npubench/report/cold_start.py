"""What a cell costs before it is warm: loading the model, the first inference, the way to a steady step.

Guarantees: medians over the launches that say so, each launch a fresh process; a step that no launch timed is missing,
not 0. Pure.

Not aware of: compiling ahead of time and the second opening in one process, which are the build's, not a cell's
(`certificate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from npubench.lang import Text
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, count, model_name
from npubench.report.shown_loads import StagePart, StageRow
from npubench.report.words import same
from npubench.schema import Cell, Launch, Run
from npubench.units import show, show_ns, show_share

# Title and colour of each part, in order of time. Loading in ink: it is what a restart waits for.
_PARTS: dict[str, tuple[Text, int]] = {
    "load": (Text(en="loading the model", ko="모델 적재"), 6),
    "first": (Text(en="first inference", ko="첫 추론"), 1),
    "warm": (Text(en="warm-up until steady", ko="안정될 때까지의 워밍업"), 5),
}


def _median(cell: Cell, name: str) -> float | None:
    spread = cell.summary.get(name)
    return spread.median if spread is not None else None


def _took(cell: Cell, launches: Mapping[str, Launch]) -> dict[str, float]:
    """Median ns of each part that is known."""
    warm = [
        launch.warmup.duration_ns
        for launch in (launches.get(name) for name in cell.launches)
        if launch is not None and launch.warmup is not None and launch.status == "ok"
    ]
    found = {
        "load": _median(cell, "load_ns"),
        "first": _median(cell, "first_inference_ns"),
        "warm": float(median(warm)) if warm else None,
    }
    return {name: value for name, value in found.items() if value is not None and value > 0}


def _sentence(cell: Cell, took: Mapping[str, float], n: int) -> Text:
    ready = show_ns(took.get("load", 0.0) + took["first"])
    english = f"The first answer came {ready} after the process began to open the model"
    korean = f"프로세스가 모델을 열기 시작한 지 {ready} 뒤에 첫 답이 나왔습니다"
    usual = _median(cell, "latency_p50_ns")
    # Under load a latency is waiting as well, and of a language model many steps: only then it is one inference.
    if usual and cell.scenario.name == "single-stream" and cell.unit != "token":
        times = show(took["first"] / usual, "")
        english += f"; that inference took {times} times as long as a warm one (p50 {show_ns(usual)})"
        korean += f". 이 추론은 안정 상태(p50 {show_ns(usual)})의 {times}배 걸렸습니다"
    of = count(n)
    return Text(
        en=f"{english}. Medians of {of} launch{'' if n == 1 else 'es'}, a new process each.",
        ko=f"{korean}. 매번 새 프로세스로 실행한 {of}회의 중앙값입니다.",
    )


def row(run: Run, key: str, cell: Cell, launches: Mapping[str, Launch]) -> StageRow | None:
    """The parts of a cell's start, drawn as stages; None where no launch timed its first inference."""
    took = _took(cell, launches)
    if "first" not in took:
        return None
    total = sum(took.values())
    stages, parts, start = [], [], 0.0
    for name, ns in took.items():
        title, colour = _PARTS[name]
        share = ns / total
        stages.append(StagePart(title=title, colour=colour, time=show_ns(ns), share=show_share(share)))
        parts.append((round(start * 100, 2), max(0.2, round(share * 100 - 0.4, 2)), colour))
        start += share
    return StageRow(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        backend=backend_name(run, cell.backend),
        precision=clean(cell.precision),
        context=same(cell.scope),
        sentence=_sentence(cell, took, len(cell.launches)),
        total=show_ns(total),
        stages=tuple(stages),
        parts=tuple(parts),
    )
