"""`npubench demo`: pictures with what a model found drawn on them. The model runs in a worker; this process draws."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from npubench.build import drawing
from npubench.build.materialise import cache_root
from npubench.cards import resolved, to_builtins
from npubench.cli.session import Stop, stoppable
from npubench.discovery import Catalogue, catalogue, code
from npubench.engine import select as selection
from npubench.engine.finding import Seen, Thing
from npubench.engine.launcher import run_job
from npubench.engine.planned import variant_of
from npubench.engine.protocol import BuildJob, Built, Event, Said
from npubench.errors import CardError, DataError, MeasurementError, UsageError
from npubench.lang import here
from npubench.schema import Failure, FailureKind
from npubench.spi import Request

if TYPE_CHECKING:
    from PIL.Image import Image

    from npubench.cards import BackendCard

DEFAULT_OUT = Path("demo")
# A page of documents says how a model reads; a few frames say how it sees.
MONTAGE = {"frames": 3, "pages": 2}
MODELS = ("cctv-detect", "ocr-korean")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were typed."""

    models: tuple[str, ...] = ()
    frames: Path | None = None
    pages: Path | None = None
    backend: str = "cpu"
    precision: str | None = None
    count: int | None = None
    truth: bool = False
    output: Path | None = None
    montage: Path | None = None
    cards: tuple[Path, ...] = ()


def demo(wish: Wish) -> None:
    """Draws; one line a picture on stdout.

    Raises UsageError, UnknownNameError, DataError for pictures, AbsentBackendError, MeasurementError for a worker that
    failed.
    """
    known = catalogue(wish.cards)
    folders = {kind: path for kind, path in (("frames", wish.frames), ("pages", wish.pages)) if path is not None}
    chosen = _models(known, wish, folders)
    pen = drawing.Pen()
    with stoppable() as stop:
        backends = selection.find_backends(known, [wish.backend], stop=stop)
        (backend,) = backends.ready.values()
        rows = []
        for model, kind in chosen:
            seen = _found(model, resolved(backend, None), wish, kind, stop)
            rows.append(_draw(model, seen, wish, pen))
    if not pen.korean:
        sys.stderr.write(
            here(
                "no Korean font was found: Korean text is not drawn (apt-get install fonts-nanum)\n",
                "한글 글꼴이 없어 한글은 그리지 않았습니다(apt-get install fonts-nanum)\n",
            )
        )
    if wish.montage is not None:
        _save(drawing.montage(rows), wish.montage)
        sys.stdout.write(f"{wish.montage}\n")


def _models(known: Catalogue, wish: Wish, folders: dict[str, Path]) -> list[tuple[selection.Model, str]]:
    """The models with what they read. Raises UsageError for one that draws nothing or a folder that none reads."""
    names = wish.models or (MODELS if wish.montage or not folders else ())
    if not names:
        names = tuple(name for name, kind in zip(MODELS, ("frames", "pages"), strict=True) if kind in folders)
    chosen = []
    for name in dict.fromkeys(names):
        model = selection.model_of(known, name)
        kind = selection.kind_of(model, known)
        if kind not in MONTAGE:
            raise UsageError(
                here(
                    f"{name}: reads no pictures, so that nothing can be drawn", f"{name}: 그림을 읽지 않는 모델입니다"
                ),
                hint=here("choose a detection or OCR model", "탐지나 OCR 모델을 고르십시오"),
            )
        chosen.append((selection.with_user_data(model, folders, known), kind))
    kinds = {kind for _, kind in chosen}
    for kind in folders:
        if kind not in kinds:
            raise UsageError(
                here(f"--{kind}: {', '.join(names)} reads no {kind}", f"--{kind}: {', '.join(names)}은 읽지 않습니다")
            )
    return chosen


def _say(event: Event) -> None:
    if isinstance(event, Said):
        sys.stderr.write(f"  {event.text}\n")


def _found(model: selection.Model, backend: BackendCard, wish: Wish, kind: str, stop: Stop) -> list[Seen]:
    """What the model finds, from a worker in the backend's environment."""
    precision = wish.precision or model.card.precisions[0]
    variant = variant_of(model.card, backend, precision) or "portable"
    build = BuildJob(
        builder="npubench.build.verbs:materialise_card",
        arguments={
            "card": to_builtins(model.card),
            "room": str(model.room),
            "cache": str(cache_root()),
            "precision": precision,
            "variant": variant,
        },
    )
    artifacts = selection.run_build(build, _say, stop)
    count = wish.count or (MONTAGE[kind] if wish.montage else 10)
    # What is shown is what the model finds by itself, also where a measurement gives it the reference's boxes.
    params = {**model.card.params, "inputs": count, **({"boxes": "detected"} if kind == "pages" else {})}
    request = Request(scope="service", params=params, data=str(model.data), room=str(model.room))
    job = BuildJob(
        builder="npubench.engine.finding:find",
        arguments={
            "adapter": to_builtins(selection.adapter_ref(backend)),
            "workload": code("workloads", model.card.workload),
            "artifacts": artifacts,
            "request": to_builtins(request),
            "truth": wish.truth,
        },
    )
    with tempfile.TemporaryDirectory(prefix="npubench-demo-") as folder:
        answer = run_job(job, Path(folder), selection.environment_of(backend), say=_say, stop=stop)
    if isinstance(answer, Failure):
        raise _error(answer)
    assert isinstance(answer, Built)
    # A set of one picture may be asked for more than it has; each is drawn once.
    seen = msgspec.convert(answer.result, list[Seen])
    return list({picture.file: picture for picture in seen}.values())


def _error(failure: Failure) -> Exception:
    if failure.kind is FailureKind.BAD_DATA:
        return DataError(failure.message, hint=failure.hint)
    if failure.kind is FailureKind.BAD_CARD:
        return CardError(failure.message.splitlines(), hint=failure.hint)
    if failure.kind is FailureKind.UNSUPPORTED:
        return UsageError(failure.message, hint=failure.hint)
    return MeasurementError(f"{failure.kind.value}: {failure.message}", hint=failure.hint)


def _draw(model: selection.Model, seen: Sequence[Seen], wish: Wish, pen: drawing.Pen) -> list[Image]:
    """The pictures, saved one by one unless they only go into a montage."""
    made, taken = [], set[str]()
    for picture in seen:
        assert model.data is not None
        source = drawing.open_picture(model.data / picture.file)
        drawn = _panels(source, picture, wish, pen)
        made.append(drawn)
        said = f"{picture.file}: {_counted(picture)}"
        if wish.montage is None or wish.output is not None:
            path = _free(wish.output or DEFAULT_OUT, picture.file, taken)
            _save(drawn, path)
            said += f" → {path}"
        sys.stdout.write(f"{said}\n")
    return made


def _panels(source: Image, picture: Seen, wish: Wish, pen: drawing.Pen) -> Image:
    panels = [drawing.with_boxes(source, picture.found, pen)] if picture.kind == "frames" else []
    if picture.kind == "pages":
        # The text has a page of its own; on the scan it would hide what it was read from.
        bare = [msgspec.structs.replace(thing, label="") for thing in picture.found]
        panels = [_outlined(source, bare), drawing.with_text(source.size, picture.found, pen)]
    if wish.truth and picture.truth is not None:
        right = (
            drawing.with_boxes(source, picture.truth, pen)
            if picture.kind == "frames"
            else drawing.with_text(source.size, picture.truth, pen)
        )
        panels.append(right)
    return drawing.side_by_side(panels)


def _outlined(source: Image, words: Sequence[Thing]) -> Image:
    from PIL import ImageDraw

    page = source.copy()
    draw = ImageDraw.Draw(page)
    for number, word in enumerate(words):
        # Neighbouring words differ, so that it is seen where one ends.
        drawing.outline(draw, word.corners, drawing.PALETTE[number % 2], max(2, round(min(source.size) / 500)))
    return page


def _counted(picture: Seen) -> str:
    count = len(picture.found)
    if picture.kind == "pages":
        return here(f"{count} words", f"단어 {count}개")
    kinds = ", ".join(f"{label} {n}" for label, n in Counter(thing.label for thing in picture.found).most_common())
    return here(f"{count} objects", f"객체 {count}개") + (f" ({kinds})" if kinds else "")


def _free(folder: Path, name: str, taken: set[str]) -> Path:
    """A file name of its own in `folder` for a picture that may come from a subfolder."""
    stem = Path(name).with_suffix("").as_posix().replace("/", "__")
    chosen, number = stem, 2
    while chosen in taken:
        chosen, number = f"{stem}-{number}", number + 1
    taken.add(chosen)
    return folder / f"{chosen}.jpg"


def _save(picture: Image, path: Path) -> None:
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise UsageError(here(f"{path}: expected .jpg or .png", f"{path}: .jpg나 .png여야 합니다"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            picture.save(path, optimize=True)
        else:
            picture.save(path, quality=90)
    except OSError as error:
        raise UsageError(
            here(f"{path}: cannot be written: {error.strerror}", f"{path}: 쓸 수 없습니다: {error.strerror}"),
            hint=here("name another place with -o", "-o로 다른 곳을 지정하십시오"),
        ) from error
