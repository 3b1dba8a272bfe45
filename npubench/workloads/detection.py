"""CCTV detection: frames → boxes. Service unit: one frame.

Scope `device`: frames are decoded and letterboxed once, at bind; a step is one `infer` on host buffers.
Scope `service`: a step takes a JPEG's bytes from memory to a list of boxes: decode, letterbox into the bound buffer,
infer, decode the heads, NMS, back to picture coordinates. A batch stacks consecutive frames.

Both scopes feed the session the same bytes. A Bound is for one thread at a time: its buffers are reused by every step.
In scope `device` a session that is `Submits` makes it `Begins`; in scope `service` it is `Staged`, with the very
functions that a step is made of. Not aware of: floors for its scores.

Parameters: `input_size` ([640, 640], height and width), `strides`, `classes`, `score_threshold`, `nms_iou`,
`max_detections`, `max_candidates`, `inputs` (32: the first so many files are cycled through, the same in both scopes).
A detector that is not ours has the tables `input` (`feeding.InputSpec`) and `head` (`heads.HeadSpec`) as well.
`video_frames`: the data are clips (`workloads.video`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from npubench.cards import table
from npubench.spi import Array, Exhibit, Outputs, Request, Session, Step, Submits, TokenClock, prepared
from npubench.workloads import showing
from npubench.workloads.asking import (
    check_scope,
    data_folder,
    fixed_batch,
    fraction,
    height_width,
    read_bytes,
    role,
    the_input,
    whole,
    wholes,
    words,
)
from npubench.workloads.boxes import Floats, Heads, Rules
from npubench.workloads.feeding import PAD, Feeding, InputSpec, fixed_feeds
from npubench.workloads.heads import Decoder, HeadSpec, load_anchors
from npubench.workloads.images import Canvas, Fit, image_files, open_image
from npubench.workloads.labels import Truth, read_coco, read_conditions
from npubench.workloads.laps import Laps, Stages
from npubench.workloads.overlapping import Begin, beginner
from npubench.workloads.scoring import MOST_DETECTIONS, mean_average_precision

if TYPE_CHECKING:
    from PIL.Image import Image

ROLE = "detector"
INPUT = "images"
CLASSES = ("person", "car", "bus", "truck", "motorcycle", "bicycle")

ANNOTATIONS = "annotations.json"
# Lower scores change average precision by less than it is worth: the tail of the curve of precision over recall.
SCORED_FROM = 0.01


class Detection:
    """The workload. Session role: detector."""

    scopes: Sequence[str] = ("device", "service")
    unit = "frame"

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> DetectionBound:
        """Raises DataError for a folder or a picture that cannot be used, CardError for a graph of another shape."""
        check_scope(request, self.scopes)
        session = role(sessions, ROLE)
        if "video_frames" in request.params:
            from npubench.workloads.video import VideoBound

            return VideoBound(session, request)
        folder = data_folder(request, "frames")
        files = image_files(folder, whole(request.params, "inputs", 32))
        return DetectionBound(session, request, folder, files)


class DetectionBound:
    """Frames bound to a detector. `names(i)` and `detections(i)` tell what input `i` is and what is found in it."""

    unit = Detection.unit
    step: Step
    begin: Begin
    stages: Stages
    _run: Callable[[int], tuple[Outputs, list[Fit]]]
    _last: Callable[[], Outputs]

    def __init__(self, session: Session, request: Request, folder: Path, files: Sequence[Path]) -> None:
        params = request.params
        self.classes = words(params, "classes", CLASSES)
        self._batch = request.batch
        self._session = session
        self._folder = folder
        self._names = [path.relative_to(folder).as_posix() for path in files]
        self._paths = [str(path) for path in files]
        self._bytes = [read_bytes(path) for path in files]
        self._height, self._width = height_width(params, "input_size", (640, 640))
        self._declared = table(params["input"], InputSpec, "params.input") if "input" in params else None
        self._input = self._declared.name if self._declared else INPUT
        self._spec = the_input(session, self._input, ROLE)
        fixed_batch(self._spec, request.batch, ROLE)
        self._fixed: dict[str, Array] = {}
        if self._declared:
            self._fixed = fixed_feeds(self._declared, session, request.batch, ROLE)
        self._request = request
        self._heads = self._made_heads(
            Rules(
                strides=wholes(params, "strides", (8, 16, 32)),
                score_threshold=fraction(params, "score_threshold", 0.25),
                nms_iou=fraction(params, "nms_iou", 0.6),
                max_candidates=whole(params, "max_candidates", 1000),
                max_detections=whole(params, "max_detections", 300),
            )
        )
        self._heads.check(session, ROLE)
        # Files are taken in turn; the last batch is filled up with the first files.
        self.count = -(-len(files) // request.batch)
        self.step = self._bind_device() if request.scope == "device" else self._bind_service()

    def names(self, index: int) -> list[str]:
        """The files of input `index`, relative to the data folder, one per row of the batch."""
        return [self._names[file] for file in self._files_of(index)]

    def detections(self, index: int) -> list[Floats]:
        """What is found in input `index`: per row of the batch float32 [n, 6] of x0, y0, x1, y1 (picture pixels),
        score and class (an index into `classes`), best first."""
        outputs, fits = self._run(index)
        return [self._found(outputs, row, fit) for row, fit in enumerate(fits)]

    def inspect(self, index: int) -> Outputs:
        """The raw heads of input `index`, copied."""
        return {name: np.array(value) for name, value in self._run(index)[0].items()}

    def recall(self) -> Outputs:
        """The raw heads of the last step, copied."""
        return {name: np.array(value) for name, value in self._last().items()}

    def score(self) -> Mapping[str, float]:
        """mAP over all inputs against the folder's annotations.json (COCO); empty where there is none.

        Detections down to a score of `SCORED_FROM` count, as COCO's rules have it, whatever the card's threshold.
        """
        path = self._folder / ANNOTATIONS
        if not path.is_file():
            return {}
        labels = read_coco(path, self.classes)
        heads = self._made_heads(
            msgspec.structs.replace(self._heads.rules, score_threshold=SCORED_FROM, max_detections=MOST_DETECTIONS)
        )
        found: list[Floats] = []
        truth: list[Truth] = []
        for index in range(self.count):
            outputs, fits = self._run(index)
            for row, (file, fit) in enumerate(zip(self._files_of(index), fits, strict=True)):
                # The last batch is filled up with the first files.
                if len(found) < len(self._names) and self._names[file] in labels:
                    rows = heads.detections(outputs, row)
                    rows[:, :4] = fit.to_source(rows[:, :4])
                    found.append(rows)
                    truth.append(labels[self._names[file]])
        return mean_average_precision(found, truth, len(self.classes))

    def exhibits(self) -> Sequence[Exhibit]:
        """Up to three frames (`showing.frames`) with what is found at the card's own threshold, and what is there."""
        path = self._folder / ANNOTATIONS
        labels = read_coco(path, self.classes) if path.is_file() else {}
        conditions = read_conditions(path) if path.is_file() else {}
        known = [file for file, name in enumerate(self._names) if name in labels]
        if known:
            objects = [len(labels[self._names[file]].boxes) for file in known]
            light = [(conditions.get(self._names[file]) or ("",))[0] for file in known]
            chosen = [known[place] for place in showing.frames(objects, light)]
        else:
            chosen = showing.spread(len(self._names), showing.FRAMES)
        return [self._exhibit(file, labels.get(self._names[file]), conditions) for file in chosen]

    def _exhibit(self, file: int, truth: Truth | None, conditions: Mapping[str, tuple[str, ...]]) -> Exhibit:
        outputs, fits = self._run(file // self._batch)
        row, name = file % self._batch, self._names[file]
        fit = fits[row]
        return showing.exhibit(
            self._folder,
            name,
            (fit.source_width, fit.source_height),
            "objects",
            showing.objects(self._found(outputs, row, fit), self.classes),
            showing.labelled(truth.boxes, truth.classes.tolist(), self.classes) if truth is not None else None,
            conditions.get(name, ()),
        )

    def close(self) -> None:
        """Nothing to release: the session belongs to the caller."""

    def _made_heads(self, rules: Rules) -> Heads | Decoder:
        params = self._request.params
        if "head" not in params:
            return Heads(rules, self._width, self._height)
        head = table(params["head"], HeadSpec, "params.head")
        anchors = load_anchors(head, self._request.room)
        return Decoder(head, rules, len(self.classes), self._width, self._height, anchors)

    def _canvas(self) -> Canvas | Feeding:
        if self._declared:
            return Feeding(self._declared, self._spec, self._batch, self._width, self._height, ROLE)
        return Canvas(self._spec, self._batch, self._width, self._height, PAD, ROLE)

    def _feeds(self, canvas: Canvas | Feeding) -> dict[str, Array]:
        return {self._input: canvas.tensor, **self._fixed}

    def _prepared(self, canvas: Canvas | Feeding) -> Callable[[], Outputs]:
        """Buffers bound once, but for a graph whose outputs differ in size from picture to picture (NMS inside)."""
        feeds = self._feeds(canvas)
        given = {size for spec in self._session.inputs for size in spec.shape}
        varying = {size for spec in self._session.outputs for size in spec.shape[1:] if isinstance(size, str)}
        if self._declared and varying - given:
            return lambda: self._session.infer(feeds)
        return prepared(self._session, feeds)

    def _files_of(self, index: int) -> list[int]:
        first = index % self.count * self._batch
        return [(first + row) % len(self._paths) for row in range(self._batch)]

    def _decode(self, file: int) -> Image:
        return open_image(self._bytes[file], self._paths[file])

    def _draw(self, canvas: Canvas | Feeding, image: Image, row: int) -> Fit:
        return canvas.draw(image, row) if isinstance(canvas, Feeding) else canvas.draw(image, row, centred=True)

    def _fill(self, canvas: Canvas | Feeding, index: int) -> list[Fit]:
        return [self._draw(canvas, self._decode(file), row) for row, file in enumerate(self._files_of(index))]

    def _found(self, outputs: Outputs, row: int, fit: Fit) -> Floats:
        rows = self._heads.detections(outputs, row)
        rows[:, :4] = fit.to_source(rows[:, :4])
        return rows

    def _hand_out(self, outputs: Outputs, fits: Sequence[Fit]) -> None:
        for row, fit in enumerate(fits):
            # A service hands out plain numbers, not arrays.
            self._found(outputs, row, fit).tolist()

    def _bind_device(self) -> Step:
        canvases = [self._canvas() for _ in range(self.count)]
        fits = [self._fill(canvas, index) for index, canvas in enumerate(canvases)]
        calls = [self._prepared(canvas) for canvas in canvases]
        self._bytes.clear()
        count, batch = self.count, self._batch
        last: Outputs | None = None
        self._run = lambda index: (calls[index % count](), fits[index % count])
        self._last = lambda: last or {}
        if isinstance(self._session, Submits):
            self.begin = beginner(self._session, [self._feeds(canvas) for canvas in canvases], batch)

        def step(index: int) -> int:
            nonlocal last
            # Outputs that a session made anew are freed before it makes the next ones.
            last = None
            last = calls[index % count]()
            return batch

        return step

    def _bind_service(self) -> Step:
        canvas = self._canvas()
        # Every file is decoded once, so that a broken one is named before anything is measured.
        for index in range(self.count):
            self._fill(canvas, index)
        call = self._prepared(canvas)
        batch = self._batch
        last: Outputs | None = None
        self._last = lambda: last or {}

        def run(index: int) -> tuple[Outputs, list[Fit]]:
            fits = self._fill(canvas, index)
            return call(), fits

        def step(index: int) -> int:
            nonlocal last
            last = None
            last, fits = run(index)
            self._hand_out(last, fits)
            return batch

        def stages(index: int) -> Mapping[str, int]:
            laps = Laps()
            fits = []
            for row, file in enumerate(self._files_of(index)):
                image = self._decode(file)
                laps.end("decode")
                fits.append(self._draw(canvas, image, row))
                laps.end("pre")
            outputs = call()
            laps.end("infer")
            self._hand_out(outputs, fits)
            laps.end("post")
            return laps.spent

        self._run = run
        self.stages = stages
        return step
