"""`npubench run --video FILE|DIR|SET`: clips as cameras, in place of the frames that a model would read.

A model that reads frames then reads clips: its cells are cameras, with decoding inside and outside of what is timed,
in scope `service`. The clips' bytes are part of each cell's identity. Not aware of: how clips are played
(`workloads.video`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from npubench.cli.asked import Asked
from npubench.clips import MOST_FRAMES, STILLS, clip_files, read
from npubench.discovery import Catalogue
from npubench.engine import plan as planning
from npubench.engine import planned
from npubench.engine import select as selection
from npubench.errors import UsageError
from npubench.lang import Text, here
from npubench.scenarios import Scenario, parse, written
from npubench.schema import InputFacts, Note

KIND = "clips"
"""What is in `Plan.sources["kind:<model>"]` for the user's own clips."""

FRAMES = "video_frames"
"""The card parameter by which a workload knows that its data are clips (`workloads.video`)."""

CAMERAS, DECODE = "cameras", "decode"
SCOPE = "service"


class Footage(msgspec.Struct, frozen=True, kw_only=True):
    """Clips that were asked for, checked: where they lie, whose they are, the rate that all of them have.

    `stills`: how many key frames a quality run can take.
    """

    path: Path
    inputs: InputFacts
    fps: float | None
    stills: int
    notes: tuple[Note, ...]


def check_options(asked: Asked) -> None:
    """Raises UsageError for options that do not go with `--video`, or only with it."""
    scenarios = [found for text in asked.scenarios for found in parse(text)]
    if asked.video is None:
        if any(DECODE in found.params for found in scenarios):
            raise UsageError(
                here("decode=… goes with --video: other inputs are no video", "decode=…는 --video와 함께 씁니다"),
                hint="--video FILE",
            )
        return
    if asked.frames is not None:
        raise UsageError(
            here("--frames and --video do not go together", "--frames와 --video는 함께 쓸 수 없습니다"),
            hint=here("a model reads the one or the other", "모델은 둘 중 하나만 읽습니다"),
        )
    if others := [found.name for found in scenarios if found.name != CAMERAS]:
        raise UsageError(
            here(
                f"--video feeds cameras; scenario {others[0]} has none",
                f"--video는 카메라 입력입니다. {others[0]} 시나리오에는 카메라가 없습니다",
            ),
            hint="--scenario cameras:fps=15",
        )
    if any(scope != SCOPE for scope in asked.scopes):
        raise UsageError(
            here("--video goes with scope service only", "--video는 service 범위에서만 씁니다"),
            hint=here(
                "scope device begins behind the pixels; --scenario cameras:fps=15,decode=outside leaves decoding out",
                "device 범위에는 영상 처리가 없습니다. 디코딩을 빼려면 --scenario cameras:fps=15,decode=outside",
            ),
        )


def footage(name: Path, cards: Catalogue) -> Footage:
    """The clips at a path, or those of the data set of that name. Raises DataError, ArtifactError."""
    from npubench.build.userclips import describe_clips

    known = cards.data.get(str(name))
    if known is not None and known.card.kind == KIND and not name.exists():
        from npubench.build.data.sets import verify_set

        path = known.path.parent
        verify_set(path, known.card)
        inputs = InputFacts(source=known.card.id, sha256=known.card.sha256, files=known.card.count)
        ours = [read(file) for file in clip_files(path)]
        rates = {clip.fps for clip in ours}
        stills = min(STILLS, sum(len(clip.keys) for clip in ours))
        return Footage(path=path, inputs=inputs, fps=rates.pop() if len(rates) == 1 else None, stills=stills, notes=())
    found = describe_clips(name)
    notes = []
    if found.variable:
        listed = ", ".join(found.variable)
        notes.append(
            Note(
                code="video-variable-rate",
                text=Text(
                    en=f"{listed}: frames do not come evenly. They are taken in order, at the scenario's frame rate.",
                    ko=f"{listed}: 프레임 간격이 일정하지 않습니다. 순서대로, 시나리오의 프레임률로 사용합니다.",
                ),
                severity="info",
            )
        )
    if found.cut:
        listed = ", ".join(found.cut)
        notes.append(
            Note(
                code="inputs-cycled",
                text=Text(
                    en=f"{listed}: the first {MOST_FRAMES} frames are used, over and over.",
                    ko=f"{listed}: 처음 {MOST_FRAMES}프레임을 되풀이해 사용합니다.",
                ),
                severity="info",
            )
        )
    inputs = InputFacts(source=selection.OWN, sha256=found.sha256, files=len(found.files))
    stills = min(STILLS, found.keys)
    return Footage(path=name.resolve(), inputs=inputs, fps=found.fps, stills=stills, notes=tuple(notes))


class Filmed(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured once clips have taken the place of frames. `sources` goes into the plan's."""

    wanted: tuple[planning.Wanted, ...]
    models: dict[str, selection.Model]
    sources: dict[str, str]
    notes: tuple[Note, ...]


def filmed(
    name: Path,
    scenarios: Sequence[str],
    wanted: Sequence[planning.Wanted],
    models: Mapping[str, selection.Model],
    cards: Catalogue,
) -> Filmed:
    """Every model that reads frames reads the clips called `name`, as cameras. `scenarios`: those that were typed.

    Of a suite's entries for a model the first, the headline, counts. Raises UsageError, DataError, ArtifactError.
    """
    names = [
        model
        for model, known in models.items()
        if selection.kind_of(known, cards) == "frames" and known.card.workload in planned.CAMERAS
    ]
    if not names:
        listed = ", ".join(models)
        raise UsageError(
            here(f"--video reaches nothing: {listed} read no frames", f"--video를 읽는 모델이 없습니다: {listed}")
        )
    found = footage(name, cards)
    headlines = {item.model: _cameras(item, scenarios, found) for item in reversed(wanted) if item.model in names}
    return Filmed(
        wanted=(*headlines.values(), *(item for item in wanted if item.model not in names)),
        models={**models, **{model: _reading(models[model], found) for model in names}},
        # Kept so that a resume can read the clips as they were read now.
        sources={f"kind:{model}": KIND for model in names},
        notes=found.notes,
    )


def _reading(model: selection.Model, found: Footage) -> selection.Model:
    card = msgspec.structs.replace(
        model.card, params={**model.card.params, FRAMES: MOST_FRAMES, "inputs": found.stills}
    )
    return msgspec.structs.replace(model, card=card, data=found.path, inputs=found.inputs)


def _cameras(wanted: planning.Wanted, asked: Sequence[str], found: Footage) -> planning.Wanted:
    """`wanted` as cameras, decoded inside and outside where it was not said which."""
    scenarios = [one for text in asked for one in parse(text)]
    if not scenarios:
        if found.fps is None:
            raise UsageError(
                here(
                    "the clips do not have one frame rate: say how fast a camera is",
                    "클립의 프레임률이 하나로 정해지지 않습니다. 카메라의 프레임률을 지정하십시오",
                ),
                hint="--scenario cameras:fps=15",
            )
        scenarios = [*parse(f"{CAMERAS}:fps={found.fps:g}")]
    texts = [written(both) for one in scenarios for both in _decoded(one)]
    return msgspec.structs.replace(wanted, scenarios=tuple(texts), scopes=(SCOPE,))


def _decoded(scenario: Scenario) -> list[Scenario]:
    if DECODE in scenario.params:
        return [scenario]
    return [Scenario(name=scenario.name, params={**scenario.params, DECODE: way}) for way in ("inside", "outside")]
