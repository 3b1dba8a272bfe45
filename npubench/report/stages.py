"""Where the time of one input goes: a bar of stages, their medians, and the part that is largest, by name.

Guarantees: the sentence says whether that part is the device's or the host's, and of cameras that play video which of
the two limits (many a camera count measures the host's decoder). A stage that the backend cannot tell apart is missing,
not 0. Pure.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report import loads
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, count, model_name
from npubench.report.shown_loads import StagePart, StageRow
from npubench.report.words import KINDS, same, scope
from npubench.schema import Cell, Run
from npubench.stats.limiting import limiting
from npubench.units import show, show_ns, show_share

_NAMES: dict[str, tuple[Text, Text]] = {
    "decode": (Text(en="decoding", ko="디코딩"), Text(en="the host's decoder", ko="호스트의 디코더")),
    "pre": (Text(en="pre-processing", ko="전처리"), Text(en="the host's processor", ko="호스트 프로세서")),
    "host-to-device": (
        Text(en="to the device", ko="장치로 전송"),
        Text(en="the way to the device", ko="장치로의 전송"),
    ),
    "infer": (Text(en="inference", ko="추론"), Text(en="the device", ko="장치")),
    "device-to-host": (
        Text(en="from the device", ko="장치에서 전송"),
        Text(en="the way from the device", ko="장치에서의 전송"),
    ),
    "post": (Text(en="post-processing", ko="후처리"), Text(en="the host's processor", ko="호스트 프로세서")),
}  # fmt: skip
# Inference in ink: on grey paper the device's own part stands out from what the host does.
_COLOURS = {"decode": 1, "pre": 4, "host-to-device": 2, "infer": 6, "device-to-host": 3, "post": 5}
_OTHER = 0


def stage_name(stage: str) -> Text:
    """What a stage is called."""
    return _NAMES[stage][0] if stage in _NAMES else same(stage)


def row(run: Run, key: str, cell: Cell) -> StageRow | None:
    """The stages of a cell; None where none were seen."""
    found = cell.stages
    if found is None:
        return None
    known = {name: ns for name, ns in found.median_ns.items() if ns > 0}
    total = sum(known.values())
    if not total:
        return None
    ordered = [name for name in _NAMES if name in known] + [name for name in known if name not in _NAMES]
    stages, parts, start = [], [], 0.0
    for name in ordered:
        share = known[name] / total
        colour = _COLOURS.get(name, _OTHER)
        title = _NAMES[name][0] if name in _NAMES else same(name)
        stages.append(StagePart(title=title, colour=colour, time=show_ns(known[name]), share=show_share(share)))
        # A hair of the ground between two parts keeps them apart on grey paper.
        parts.append((round(start * 100, 2), max(0.2, round(share * 100 - 0.4, 2)), colour))
        start += share
    how, where = loads.title(cell.scenario), scope(cell.scope)[0]
    return StageRow(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        backend=backend_name(run, cell.backend),
        precision=clean(cell.precision),
        context=Text(en=f"{where.en} · {how.en}", ko=f"{where.ko} · {how.ko}"),
        sentence=_joined(_sentence(known, total, found.inputs), _decoder(run, cell)),
        total=show_ns(total),
        stages=tuple(stages),
        parts=tuple(parts),
    )


def _sentence(known: dict[str, float], total: float, inputs: int) -> Text:
    largest = max(known, key=lambda name: known[name])
    share, n = show_share(known[largest] / total), count(inputs)
    what, who = _NAMES.get(largest, (same(largest), same(largest)))
    one = inputs == 1
    return Text(
        en=f"The largest part is {what.en}, {share}, the work of {who.en}. Medians over {n} input{'' if one else 's'}, "
        "one at a time, outside the timed window.",
        ko=f"가장 큰 부분은 {what.ko}({share})이며 {who.ko}의 일입니다. 측정 구간 밖에서 하나씩 처리한 입력 "
        f"{n}개의 중앙값입니다.",
    )


def _joined(first: Text, more: Text | None) -> Text:
    return first if more is None else Text(en=f"{first.en} {more.en}", ko=f"{first.ko} {more.ko}")


def _decoder(run: Run, cell: Cell) -> Text | None:
    """Which part limits cameras that play video: the host's decoder, or everything behind it; None without video."""
    decoder = cell.stages.decoder_per_s if cell.stages is not None else None
    if decoder is None:
        return None
    key = {**cell.key, "scenario.decode": "outside"}
    behind = next((other.summary.get("sustained_frames_per_s") for other in run.cells if other.key == key), None)
    behind_fps = behind.median if behind is not None else None
    alone = show(decoder, "frames/s")
    said = Text(
        en=f"With no model running, the host decodes {alone} in as many threads.",
        ko=f"모델 없이 같은 수의 스레드로 호스트는 {alone}을(를) 디코딩합니다.",
    )
    part = limiting(decoder, behind_fps)
    if part is None:
        return said
    rest = show(behind_fps, "frames/s")
    who = _NAMES["decode" if part == "decoder" else "infer"][1]
    return Text(
        en=f"{said.en} Everything behind the decoder sustains {rest}: {who.en} limits.",
        ko=f"{said.ko} 디코더 뒤 전체는 {rest}을(를) 유지하므로 병목은 {who.ko}입니다.",
    )


def bottleneck(run: Run, cell: Cell) -> Text | None:
    """What takes longest in a request: of cameras that play video what limits, else the largest stage; None: not seen.

    A largest stage is no proof that it limits, where several requests are in flight; the sentence claims no more.
    """
    found = cell.stages
    if found is None:
        return None
    if (video := _decoder(run, cell)) is not None:
        return video
    known = {name: ns for name, ns in found.median_ns.items() if ns > 0}
    if not known:
        return None
    largest = max(known, key=lambda name: known[name])
    share = show_share(known[largest] / sum(known.values()))
    what, who = _NAMES.get(largest, (same(largest), same(largest)))
    return Text(
        en=f"The largest part of a request's time is {what.en} ({share}), the work of {who.en}.",
        ko=f"요청 시간에서 가장 큰 부분은 {what.ko}({share}, {who.ko})입니다.",
    )


def stages(run: Run, key: str) -> tuple[StageRow, ...]:
    """One row per build, backend and scope; of several cells the first, because stages do not depend on the load."""
    found: dict[tuple[str, str, str, str, str], StageRow] = {}
    for cell in run.cells:
        if cell.purpose != "measure" or cell.execution_kind not in KINDS or cell.verdict == "invalid":
            continue
        shown = row(run, key, cell)
        if shown is not None:
            use = loads.use(cell.scenario)
            place = (cell.model, cell.precision, cell.backend, cell.scope, use.en if use else "")
            found.setdefault(place, shown)
    return tuple(found.values())
