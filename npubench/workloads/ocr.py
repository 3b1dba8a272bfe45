"""Document reading: a page → the text of its words. Service unit: one page.

Scope `device`: a step is one pass of the text detector over the prepared page and the line recogniser over the page's
own word pictures, cropped at bind from the data set's reference boxes, so that every backend does equal work.
Scope `service`: a step takes a JPEG's bytes from memory to texts: decode, fit, detect, text regions, crop, recognise,
CTC. With `boxes = "detected"`, and always for a folder without annotations.json, the regions that were found are read.
With `boxes = "reference"` they are computed all the same, but the data set's word boxes are cropped: seeded weights
find regions of noise, whose number would set the amount of work.

A batch takes consecutive pages; their words share the recogniser's batches. A Bound is for one thread at a time. In
scope `service` it is `Staged`, with the very functions that a step is made of. Not aware of: floors for its scores.

Parameters: `charset`, `page_size` [1024, 736], `line_height` (32), `line_widths` ([128, 320]), `batch_lines` (8),
`static_lines` (false), `boxes` ("reference"), `text_threshold` (0.3), `text_shrink` (0.4, r of `textregions`),
`min_box_area` (4, cells of the text map), `max_boxes` (400), `inputs` (10: the first so many
files are cycled through, the same in both scopes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from npubench.errors import CardError, DataError
from npubench.lang import here
from npubench.spi import Array, Exhibit, Outputs, Request, Session, Step, TokenClock, prepared
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
)
from npubench.workloads.ctc import Alphabet
from npubench.workloads.images import Canvas, Fit, Pixels, image_files, open_image
from npubench.workloads.laps import Laps, Stages
from npubench.workloads.lines import Batch, LineBuffers, Quads, shape_for, straighten
from npubench.workloads.pages import ANNOTATIONS, reference_pages, restore
from npubench.workloads.pages import quads as quads_of_page
from npubench.workloads.scoring import edits, f1, pairs
from npubench.workloads.textregions import regions

if TYPE_CHECKING:
    from PIL.Image import Image

DETECTOR, RECOGNISER = "text_detector", "line_recogniser"
PAGE, LINES = "page", "lines"
MAP, CHARS = "text", "chars"

WHITE = 255

# x0, y0, x1, y1 → the corners tl, tr, br, bl.
_CORNERS = [0, 1, 2, 1, 2, 3, 0, 3]

Drawn = tuple["Image", Fit]
"""A page as a grey picture in full size, and where it lies on the detector's canvas."""
Passed = tuple[Outputs, list[Quads], Iterable[Batch]]
"""One pass: the detector's outputs, the quads of each page, the recogniser's batches (run each before the next)."""


class Ocr:
    """The workload. Session roles: text_detector, line_recogniser."""

    scopes: Sequence[str] = ("device", "service")
    unit = "page"

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> OcrBound:
        """Raises DataError for a folder, picture or annotation that cannot be used, CardError for other graphs."""
        check_scope(request, self.scopes)
        folder = data_folder(request, "pages")
        return OcrBound(sessions, request, folder, image_files(folder, whole(request.params, "inputs", 10)))


class OcrBound:
    """Pages bound to a detector and a recogniser. `names(i)` and `read(i)` tell what input `i` is and says."""

    unit = Ocr.unit
    step: Step
    stages: Stages
    _pass: Callable[[int, list[Quads] | None], Passed]
    _detect: Callable[[int], tuple[list[Drawn], Outputs]]
    # What the last step left: the detector's outputs, how many words it read, the rows and outputs of its last batch.
    _mapped: Outputs | None = None
    _words = 0
    _ended: tuple[list[int], Outputs] | None = None

    def __init__(self, sessions: Mapping[str, Session], request: Request, folder: Path, files: Sequence[Path]) -> None:
        params = request.params
        self._detector, self._recogniser = role(sessions, DETECTOR), role(sessions, RECOGNISER)
        self._page_spec = the_input(self._detector, PAGE, DETECTOR)
        self._line_spec = the_input(self._recogniser, LINES, RECOGNISER)
        fixed_batch(self._page_spec, request.batch, DETECTOR)
        self._batch = request.batch
        self._page_height, self._page_width = height_width(params, "page_size", (1024, 736))
        self._alphabet = _alphabet(params, self._recogniser)
        self._threshold = fraction(params, "text_threshold", 0.3)
        self._shrink = fraction(params, "text_shrink", 0.4)
        self._least_area = whole(params, "min_box_area", 4)
        self._most_boxes = whole(params, "max_boxes", 400)
        self._lines = LineBuffers(
            self._recogniser,
            self._line_spec,
            shape_for(
                self._line_spec,
                whole(params, "line_height", 32),
                wholes(params, "line_widths", (128, 320)),
                whole(params, "batch_lines", 8),
                params.get("static_lines") is True,
            ),
        )
        self._folder, self._scope = folder, request.scope
        self._names = [path.relative_to(folder).as_posix() for path in files]
        self._paths = [str(path) for path in files]
        self._bytes = [read_bytes(path) for path in files]
        self._pages = reference_pages(folder, self._names)
        self._quads = None if self._pages is None else [quads_of_page(page) for page in self._pages]
        # In scope device every backend does equal work, whatever the text detector finds.
        self._given = _boxes(params) == "reference" or request.scope == "device"
        self.count = -(-len(files) // request.batch)
        self.step = self._bind_device() if request.scope == "device" else self._bind_service()

    def names(self, index: int) -> list[str]:
        """The files of input `index`, relative to the data folder, one per row of the batch."""
        return [self._names[file] for file in self._files_of(index)]

    def read(self, index: int) -> list[list[tuple[Quads, str]]]:
        """The words of input `index`: per page of the batch a list of (quad float32 [4, 2] in page pixels, text)."""
        return self._read(index)

    def inspect(self, index: int) -> Outputs:
        """The raw outputs of input `index`, copied: text_detector/text [batch, 1, h, w] and line_recogniser/chars
        [words, frames, classes], one row per word, whatever the batching; `frames` are those of the widest bucket that
        occurs, rows of narrower buckets end in zeros. Words are those of the truth where the data has it, so that two
        backends' outputs are of the same words; else those that are found.
        """
        outputs, quads, batches = self._pass(index, self._true_quads(index))
        page_map = np.array(outputs[MAP])
        parts = [(batch.rows, np.array(batch.run()[CHARS][: len(batch.rows)])) for batch in batches]
        frames = max((chars.shape[1] for _, chars in parts), default=0)
        chars = np.zeros(
            (sum(map(len, quads)), frames, self._alphabet.classes), parts[0][1].dtype if parts else np.float32
        )
        for rows, part in parts:
            chars[rows, : part.shape[1]] = part
        return {f"{DETECTOR}/{MAP}": page_map, f"{RECOGNISER}/{CHARS}": chars}

    def recall(self) -> Outputs:
        """The raw outputs of the last step in the form of `inspect`, copied. The recogniser's buffers still hold its
        last batch only: other rows are masked (`numpy.ma`). Words that `inspect` would not read are left out."""
        if self._mapped is None:
            return {}
        kept: dict[str, Array] = {f"{DETECTOR}/{MAP}": np.array(self._mapped[MAP])}
        if self._ended is not None and (self._given or self._quads is None):
            rows, outputs = self._ended
            part = outputs[CHARS][: len(rows)]
            # The last batch is one of the widest bucket, whose frames are those of all.
            chars = np.zeros((self._words, *part.shape[1:]), part.dtype)
            chars[rows] = part
            gone = np.full((self._words, 1, 1), True)
            gone[rows] = False
            # One flag per row, spread without a copy: a page's letters are fifty megabytes.
            kept[f"{RECOGNISER}/{CHARS}"] = np.ma.MaskedArray(chars, mask=np.broadcast_to(gone, chars.shape))
        return kept

    def score(self) -> Mapping[str, float]:
        """How well pages are read, against the folder's annotations.json; empty where there is none.

        `text_f1`: words found, axis-aligned boxes at an overlap of one half. `char_accuracy`: 1 − CER of the words in
        the truth's own boxes. `page_char_accuracy`: 1 − CER of whole pages: found words are paired with true ones by
        overlap, what is left over on either side counts in full. Needs scope `service`. Not below 0.
        """
        pages = self._pages
        if pages is None:
            return {}
        hits = found_count = words = wrong = wrong_in_place = letters = 0
        for index in range(self.count):
            drawn, outputs = self._detect(index)
            for row, (file, (grey, fit)) in enumerate(zip(self._files_of(index), drawn, strict=True)):
                if index * self._batch + row >= len(self._names):
                    break
                page = pages[file]
                found, true = self._found(outputs, row, fit), quads_of_page(page)
                said, said_in_place = self._said(grey, found), self._said(grey, true)
                texts = [word.text for word in page.words]
                matched = pairs(_bounds(found), _bounds(true))
                hits += len(matched)
                found_count += len(found)
                words += len(true)
                letters += sum(map(len, texts))
                wrong_in_place += sum(map(edits, said_in_place, texts))
                wrong += sum(edits(said[i], texts[j]) for i, j in matched)
                wrong += sum(len(said[i]) for i in set(range(len(said))) - {i for i, _ in matched})
                wrong += sum(len(texts[j]) for j in set(range(len(texts))) - {j for _, j in matched})
        if not letters:
            return {}
        return {
            "text_f1": f1(hits, found_count, words) or 0.0,
            "char_accuracy": max(0.0, 1 - wrong_in_place / letters),
            "page_char_accuracy": max(0.0, 1 - wrong / letters),
        }

    def exhibits(self) -> Sequence[Exhibit]:
        """Two pages (`showing.pages`): the words that are found with what they are read as, and those that are there.

        None in scope `device`, where no page is searched for words.
        """
        if self._scope == "device":
            return ()
        pages = self._pages
        count = len(self._names)
        chosen = showing.spread(count, 2) if pages is None else showing.pages([len(page.words) for page in pages])
        shown = []
        for file in chosen:
            drawn, outputs = self._detect(file // self._batch)
            row = file % self._batch
            grey, fit = drawn[row]
            found = self._found(outputs, row, fit)
            page = None if pages is None else pages[file]
            truth = None if page is None else showing.words(quads_of_page(page), [word.text for word in page.words])
            read = showing.words(found, self._said(grey, found))
            shown.append(showing.exhibit(self._folder, self._names[file], grey.size, "words", read, truth))
        return shown

    def _texts(self, batches: Iterable[Batch], count: int) -> list[str]:
        """The texts of `count` words from their batches, in the order of the words."""
        texts = [""] * count
        for batch in batches:
            outputs = batch.run()
            self._spell(texts, batch, outputs)
            self._ended = batch.rows, outputs
        return texts

    def _spell(self, texts: list[str], batch: Batch, outputs: Outputs) -> None:
        chars = outputs[CHARS][: len(batch.rows)]
        for row, text in zip(batch.rows, self._alphabet.read(chars), strict=True):
            texts[row] = text

    def _said(self, grey: Image, quads: Quads) -> list[str]:
        return self._texts(self._lines.batches(self._crop(grey, quads)), len(quads))

    def close(self) -> None:
        """Nothing to release: sessions belong to the caller."""

    def _files_of(self, index: int) -> list[int]:
        first = index % self.count * self._batch
        return [(first + row) % len(self._paths) for row in range(self._batch)]

    def _canvas(self) -> Canvas:
        return Canvas(self._page_spec, self._batch, self._page_width, self._page_height, WHITE, DETECTOR)

    def _decode(self, file: int) -> Image:
        return open_image(self._bytes[file], self._paths[file])

    def _draw(self, canvas: Canvas, image: Image, row: int) -> Drawn:
        return image.convert("L"), canvas.draw(image, row, centred=False)

    def _fill(self, canvas: Canvas, index: int) -> list[Drawn]:
        """Draws the pages of input `index`."""
        return [self._draw(canvas, self._decode(file), row) for row, file in enumerate(self._files_of(index))]

    def _found(self, outputs: Outputs, row: int, fit: Fit) -> Quads:
        """The text regions of row `row` as quads [n, 4, 2] in page pixels."""
        text = outputs[MAP][row, 0]
        boxes, _ = regions(
            text,
            threshold=self._threshold,
            min_area=self._least_area,
            max_boxes=self._most_boxes,
            shrink=self._shrink,
        )
        cell = np.array([self._page_width / text.shape[1], self._page_height / text.shape[0]] * 2, np.float32)
        placed = fit.to_source(boxes * cell)
        # Regions in the white beside the page have nothing left after clipping.
        placed = placed[((placed[:, 2:] - placed[:, :2]) >= 1).all(axis=1)]
        return placed[:, _CORNERS].reshape(-1, 4, 2)

    def _regions(self, outputs: Outputs, pages: Sequence[Drawn]) -> list[Quads]:
        return [self._found(outputs, row, fit) for row, (_, fit) in enumerate(pages)]

    def _cut(self, pages: Sequence[Drawn], quads: Sequence[Quads]) -> list[Pixels]:
        """The words of all pages, upright."""
        return [word for (grey, _), found in zip(pages, quads, strict=True) for word in self._crop(grey, found)]

    def _crop(self, grey: Image, quads: Quads) -> list[Pixels]:
        shape = self._lines.shape
        return [straighten(grey, quad, shape.height, shape.widths[-1]) for quad in quads]

    def _true_quads(self, index: int) -> list[Quads] | None:
        """The reference boxes of input `index`; None where the data has none."""
        return None if self._quads is None else [self._quads[file] for file in self._files_of(index)]

    def _quads_of(self, index: int) -> list[Quads] | None:
        """The boxes to read in a step, or None where those are read that are found."""
        return self._true_quads(index) if self._given else None

    def _read(self, index: int) -> list[list[tuple[Quads, str]]]:
        # Outputs that a session made anew are freed before it makes the next ones.
        self._mapped = self._ended = None
        self._mapped, quads, batches = self._pass(index, None)
        self._words = sum(map(len, quads))
        following = iter(self._texts(batches, self._words))
        return [[(quad, next(following)) for quad in of_page] for of_page in quads]

    def _bind_device(self) -> Step:
        inputs: list[tuple[Callable[[], Outputs], list[Quads], list[Batch]]] = []
        for index in range(self.count):
            canvas = self._canvas()
            pages = self._fill(canvas, index)
            self._check_sizes(index, pages)
            detect = prepared(self._detector, {PAGE: canvas.tensor})
            quads = self._quads_of(index)
            if quads is None:
                quads = self._regions(detect(), pages)
            inputs.append((detect, quads, self._lines.keep(self._cut(pages, quads))))
        self._bytes.clear()
        calls = [(detect, [batch.run for batch in batches]) for detect, _, batches in inputs]
        ends = [(batches[-1].rows if batches else [], sum(map(len, quads))) for _, quads, batches in inputs]
        count, batch_pages = self.count, self._batch

        def run(index: int, _given: list[Quads] | None) -> Passed:
            detect, quads, batches = inputs[index % count]
            return detect(), quads, batches

        def step(index: int) -> int:
            number = index % count
            detect, recognise = calls[number]
            self._mapped = self._ended = None
            self._mapped = detect()
            outputs = None
            for call in recognise:
                outputs = call()
            rows, self._words = ends[number]
            if outputs is not None:
                self._ended = rows, outputs
            return batch_pages

        self._pass = run
        return step

    def _bind_service(self) -> Step:
        canvas = self._canvas()
        # Every file is decoded once, so that a broken one is named before anything is measured.
        for index in range(self.count):
            self._check_sizes(index, self._fill(canvas, index))
        infer = prepared(self._detector, {PAGE: canvas.tensor})
        batch_pages = self._batch

        def detect(index: int) -> tuple[list[Drawn], Outputs]:
            return self._fill(canvas, index), infer()

        def run(index: int, given: list[Quads] | None) -> Passed:
            pages, outputs = detect(index)
            found = self._regions(outputs, pages)
            quads = given or self._quads_of(index) or found
            return outputs, quads, self._lines.batches(self._cut(pages, quads))

        def step(index: int) -> int:
            self._read(index)
            return batch_pages

        def stages(index: int) -> Mapping[str, int]:
            laps = Laps()
            pages = []
            for row, file in enumerate(self._files_of(index)):
                image = self._decode(file)
                laps.end("decode")
                pages.append(self._draw(canvas, image, row))
                laps.end("pre")
            outputs = infer()
            laps.end("infer")
            found = self._regions(outputs, pages)
            laps.end("post")
            quads = self._quads_of(index) or found
            texts = [""] * sum(map(len, quads))
            # Cutting words out and drawing each batch is done as the batches are asked for.
            for batch in self._lines.batches(self._cut(pages, quads)):
                laps.end("pre")
                outputs = batch.run()
                laps.end("infer")
                self._spell(texts, batch, outputs)
                laps.end("post")
            return laps.spent

        self._pass = run
        self._detect = detect
        self.stages = stages
        return step

    def _check_sizes(self, index: int, pages: Sequence[Drawn]) -> None:
        """Reference boxes are in pixels of a page of the annotated size; another size would crop the wrong places."""
        if self._pages is None:
            return
        for file, (grey, _) in zip(self._files_of(index), pages, strict=True):
            page = self._pages[file]
            if grey.size != (page.width, page.height):
                found, expected = f"{grey.width}×{grey.height}", f"{page.width}×{page.height}"
                raise DataError(
                    here(
                        f"{self._paths[file]}: found {found} pixels; {ANNOTATIONS} says {expected}",
                        f"{self._paths[file]}: 크기가 {found}인데 {ANNOTATIONS}에는 {expected}입니다",
                    ),
                    hint=restore(),
                )


def _bounds(quads: Quads) -> npt.NDArray[np.float32]:
    """Axis-aligned boxes [n, 4] around quads [n, 4, 2]."""
    return np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)


def _boxes(params: Mapping[str, Any]) -> str:
    value = params.get("boxes", "reference")
    if value not in ("reference", "detected"):
        raise CardError((f'params.boxes: found {value!r}; expected "reference" or "detected"',))
    return str(value)


def _alphabet(params: Mapping[str, Any], recogniser: Session) -> Alphabet:
    charset = params.get("charset")
    if not isinstance(charset, str) or not charset:
        raise CardError((f"params.charset: found {charset!r}; expected the characters of classes 1, 2, …",))
    alphabet = Alphabet(charset)
    for spec in recogniser.outputs:
        classes = spec.shape[-1] if spec.shape else None
        if spec.name == CHARS and isinstance(classes, int) and classes != alphabet.classes:
            found = f"params.charset: found {len(charset)} characters"
            raise CardError((f"{found}; the graph's {classes} classes expect {classes - 1} and the blank",))
    return alphabet
