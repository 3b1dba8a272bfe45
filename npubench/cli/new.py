"""`npubench new model`: a room for a detector that is not ours. Asks nothing, says what it assumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench.build.foreign import Described, Head, guess, read_classes
from npubench.build.rooms import OUR_FRAMES, Labels, Wanted, write_room
from npubench.build.userdata import check_picture
from npubench.cards import did_you_mean
from npubench.cli.session import Stop, stoppable
from npubench.engine.protocol import BuildJob, Event, Said
from npubench.engine.select import run_build
from npubench.errors import DataError, UnknownNameError, UnsupportedError, UsageError
from npubench.lang import here

HEADS: dict[str, Head] = {"yolo": "yolo", "ssd": "ssd", "detr": "detr"}
DEFAULT_OUT = "my-models"


def _say(text: str) -> None:
    RichConsole(highlight=False, markup=False).print(text, soft_wrap=True)


def _event(event: Event) -> None:
    if isinstance(event, Said):
        _say(f"  {event.text}")


def new_model(
    name: str,
    onnx: Path,
    workload: str,
    head: str,
    classes: Path | None,
    labels: Path | None = None,
    frames: Path | None = None,
    anchors: Path | None = None,
    size: str | None = None,
    out: Path | None = None,
) -> None:
    """Examines the file in a child process and writes the room.

    Raises UsageError, UnsupportedError for a workload that has no such rooms, DataError for files, StoreError.
    """
    _check(name, workload, head, classes)
    assert classes is not None
    root = out or Path(DEFAULT_OUT)
    names = read_classes(classes)
    with stoppable() as stop:
        job = BuildJob(builder="npubench.build.verbs:describe_detector", arguments={"path": str(onnx)})
        found = msgspec.convert(run_build(job, stop=stop), Described)
        guessed = guess(onnx, found, HEADS[head], len(names), _height_width(size))
        if anchors is not None and head != "ssd":
            raise UsageError(here("--anchors goes with --head ssd", "--anchors는 --head ssd와 함께 씁니다"))
        labelled = _labels(labels, frames, names, stop) if labels is not None else None
        if frames is not None and labels is None:
            raise UsageError(
                here("--frames goes with --labels here", "여기서 --frames는 --labels와 함께 씁니다"),
                hint=here(
                    "frames without labels are named when measuring: npubench run --frames DIR",
                    "라벨 없는 프레임은 측정할 때 npubench run --frames DIR로 지정합니다",
                ),
            )
        wanted = Wanted(id=name, onnx=onnx, found=found, guess=guessed, classes=names, anchors=anchors, labels=labelled)
        room = write_room(root, wanted)
    _summary(room, root, wanted)


def _check(name: str, workload: str, head: str, classes: Path | None) -> None:
    if workload == "ocr":
        raise UnsupportedError(
            here(
                "a foreign OCR pair has no room yet: text detectors and recognisers differ in more than a card can say",
                "외부 OCR 모델 방은 아직 만들 수 없습니다: 카드로 적을 수 없는 차이가 큽니다",
            ),
            hint=here(
                "measure each file on the device with `npubench run --onnx FILE`; a pair with our inputs and outputs "
                "(page → text, lines → chars) can be put into a copy of models/ocr-korean; weights of our networks: "
                "--weights FILE",
                "파일별 장치 측정: `npubench run --onnx FILE`. 입출력이 같은 모델(page → text, lines → chars)은 "
                "models/ocr-korean 사본에 넣을 수 있습니다. 같은 망의 가중치: --weights",
            ),
        )
    if workload != "detection":
        raise UnknownNameError(
            here(f'--workload {workload}: expected "detection"', f'--workload {workload}: "detection"이 필요합니다')
        )
    if head not in HEADS:
        guessed, known = did_you_mean(head, list(HEADS)), ", ".join(HEADS)
        raise UnknownNameError(
            here(f"--head {head}: expected one of {known}{guessed}", f"--head {head}: 가능한 것 {known}{guessed}")
        )
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name) or len(name) > 64:
        raise UsageError(
            here(
                f'ID "{name}": expected small letters, digits, single . and - between them, at most 64',
                f'ID "{name}": 소문자, 숫자와 그 사이의 . 또는 -, 64자 이하',
            )
        )
    if classes is None:
        raise UsageError(
            here("--classes FILE is missing", "--classes FILE이 없습니다"),
            hint=here(
                "one class name a line, in the order that the network was trained with",
                "한 줄에 클래스 이름 하나, 학습한 순서대로",
            ),
        )


def _height_width(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if match is None:
        raise UsageError(
            here(f"--size {text}: expected HEIGHTxWIDTH, 640x640", f"--size {text}: 높이x폭 형식, 예: 640x640")
        )
    return int(match[1]), int(match[2] or match[1])


def _labels(file: Path, frames: Path | None, classes: Sequence[str], stop: Stop | Callable[[], bool]) -> Labels:
    """The labelled pictures, each of which is there and can be unpacked. Raises DataError."""
    folder = frames or file.parent
    job = BuildJob(
        builder="npubench.workloads.labels:check_labels", arguments={"path": str(file), "classes": list(classes)}
    )
    names = tuple(run_build(job, _event, stop))
    if not names:
        raise DataError(
            here(f"{file}: names no picture", f"{file}: 그림이 없습니다"),
            hint=here("label at least one picture", "그림을 하나 이상 라벨하십시오"),
        )
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(
                here(f"{file}: file_name {name!r} lies outside {folder}", f"{file}: {name!r}가 {folder} 밖에 있습니다"),
                hint=here("name pictures relative to the frames folder", "프레임 폴더 기준의 상대 이름을 쓰십시오"),
            )
        if not (folder / name).is_file():
            raise DataError(
                here(f"{folder / name}: labelled in {file}, but missing", f"{folder / name}: {file}에 있지만 없습니다"),
                hint=here("name the folder with --frames DIR", "--frames DIR로 폴더를 지정하십시오"),
            )
        check_picture(folder / name)
    return Labels(folder=folder, file=file, names=names)


def _summary(room: Path, root: Path, wanted: Wanted) -> None:
    _say(str(room / "model.toml"))
    found = wanted.found
    for title, listed in ((here("in", "입력"), found.inputs), (here("out", "출력"), found.outputs)):
        for spec in listed:
            _say(f"  {title}: {spec.name} {spec.dtype} {list(spec.shape)}".replace("'", ""))
    _say(
        here(
            f"  {len(wanted.classes)} classes, {found.precision} weights, input {wanted.guess.size[0]}×"
            f"{wanted.guess.size[1]}",
            f"  클래스 {len(wanted.classes)}개, 가중치 {found.precision}, 입력 "
            f"{wanted.guess.size[0]}×{wanted.guess.size[1]}",
        )
    )
    _say(
        here(
            "Assumed; the file does not say it. Compare with the network's own code, in the card marked # ? :",
            "파일에 없어 가정한 것입니다. 모델의 원래 코드와 비교하십시오(카드에 # ? 표시):",
        )
    )
    for key, sentence in wanted.guess.assumed:
        _say(f"  params.{key}: {sentence}")
    if wanted.labels is None:
        _say(
            here(
                f"Without labels no quality is claimed; it runs on {OUR_FRAMES} or on your own frames (--frames DIR).",
                f"라벨이 없으면 품질을 주장하지 않습니다. {OUR_FRAMES} 또는 자체 프레임(--frames DIR)으로 측정합니다.",
            )
        )
    elif found.precision != "fp32":
        _say(
            here(
                f"Quality needs an fp32 reference; this file is {found.precision}, so that no floor is set.",
                f"품질 기준에는 fp32 기준 모델이 필요합니다. 이 파일은 {found.precision}이므로 기준을 두지 않습니다.",
            )
        )
    _say(f"npubench run --cards {root} --model {wanted.id}")
