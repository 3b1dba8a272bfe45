"""Pictures of single words for training the line recogniser, drawn from a seed, with the place of every character.

A word is set in one of the machine's Korean fonts, then goes through a small copy of what a scanner does (tilt, blur,
grain, uneven light, JPEG) and is cut out with `workloads.lines.straighten`, so that the recogniser sees the same kind
of picture as in the workload. Guarantees: the same seed and fonts give the same line with the same Pillow; only
characters that the font has are set; a line is at most 320 pixels wide.

Not aware of: torch, pages.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from npubench.build.charset import ASCII, CHARSET, SIGNS, SYLLABLES
from npubench.build.data.fonts import FontFile, find_fonts, opened
from npubench.build.data.officialese import MINUTES, Writer
from npubench.build.data.phrases import KOREAN_SENTENCES, KOREAN_WORDS
from npubench.build.nets.ocr import LINE_HEIGHT, WIDTH_PER_FRAME
from npubench.workloads.lines import straighten

WIDEST = 320
# A character that is not in the font: what the font draws for it tells which others it lacks.
_MISSING = "\uffff"

Kind = str
SHARES: dict[Kind, float] = {"syllables": 0.36, "official": 0.30, "numbers": 0.12, "ascii": 0.13, "signs": 0.09}
"""How often each kind of text is drawn in training. `words` (of other word lists) is for evaluation only."""


class Line(msgspec.Struct, frozen=True):
    """A word: grey uint8 [32, width] and, per character, where it begins and ends in pixels [characters, 2]."""

    pixels: npt.NDArray[np.uint8]
    text: str
    places: npt.NDArray[np.float32]

    @property
    def frames(self) -> int:
        """How many frames the recogniser gives for it."""
        return -(-int(self.pixels.shape[1]) // WIDTH_PER_FRAME)


@functools.cache
def _drawable(path: str) -> frozenset[str]:
    """The characters of CHARSET that a font has."""
    font = opened(path, 24)

    def picture(char: str) -> bytes:
        mask: Any = font.getmask(char)
        return bytes(mask) + bytes(str(mask.size), "ascii")

    empty = picture(_MISSING)
    return frozenset(char for char in CHARSET if char != " " and picture(char) != empty)


def text_of(kind: Kind, rng: np.random.Generator) -> str:
    """A text without spaces."""
    return _TEXTS[kind](rng)


def _one(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _syllables(rng: np.random.Generator) -> str:
    text = "".join(_one(rng, SYLLABLES) for _ in range(int(rng.integers(1, 9))))
    return text + _one(rng, ".,)?:") if rng.random() < 0.15 else text


def _official(rng: np.random.Generator) -> str:
    writer = Writer(rng)
    makers: tuple[Callable[[], str], ...] = (
        writer.sentence, writer.sentence, writer.sentence, lambda: writer.sentence(MINUTES), lambda: writer.phrase(2),
        writer.name, writer.address, writer.business, writer.city, lambda: writer.document_number(),
    )  # fmt: skip
    return _one(rng, makers[int(rng.integers(len(makers)))]().split())


def _numbers(rng: np.random.Generator) -> str:
    writer = Writer(rng)
    makers: tuple[Callable[[], str], ...] = (
        writer.date, writer.time, writer.phone, writer.amount, writer.resident_number, writer.plate,
        lambda: f"{writer.amount()}원", lambda: f"{rng.uniform(0, 100):.1f}%", lambda: str(writer.number(0, 99999)),
        lambda: f"({writer.number(1, 99)})", lambda: f"{writer.number(1, 99)}.", lambda: f"제{writer.number(1, 320)}호",
        lambda: f"{writer.number(1, 12)}/{writer.number(1, 31)}", lambda: f"No.{writer.number(1, 99999):05d}",
    )  # fmt: skip
    return _one(rng, makers[int(rng.integers(len(makers)))]().split())


def _ascii(rng: np.random.Generator) -> str:
    length = int(rng.integers(1, 12))
    if rng.random() < 0.4:
        letters = "".join(_one(rng, "abcdefghijklmnopqrstuvwxyz") for _ in range(length))
        return letters.capitalize() if rng.random() < 0.4 else letters.upper() if rng.random() < 0.3 else letters
    return "".join(_one(rng, ASCII[1:]) for _ in range(length))


def _signs(rng: np.random.Generator) -> str:
    """Signs alone, around and among syllables and numbers."""
    inner = _official(rng) if rng.random() < 0.6 else str(int(rng.integers(1000)))
    form = int(rng.integers(4))
    if form == 0:
        return _one(rng, SIGNS)
    if form == 1:
        return _one(rng, SIGNS) + inner
    if form == 2:
        return inner + _one(rng, SIGNS)
    pair = _one(rng, ("「」", "『』", "〔〕", "“”", "‘’", "()", "[]", "~~", "<>"))
    return pair[0] + inner + pair[1]


@functools.cache
def _other_words() -> tuple[str, ...]:
    """Words of the prompts' lists, which training does not use."""

    def leaves(tree: Any) -> Iterator[str]:
        if isinstance(tree, str):
            yield tree
        else:
            for part in tree.values() if isinstance(tree, Mapping) else tree:
                yield from leaves(part)

    words = {word for text in (*leaves(KOREAN_WORDS), *leaves(KOREAN_SENTENCES)) for word in text.split()}
    known = set(CHARSET)
    return tuple(sorted(word for word in words if set(word) <= known and not set(word) & set("{}/|")))


_TEXTS: dict[Kind, Callable[[np.random.Generator], str]] = {
    "syllables": _syllables,
    "official": _official,
    "numbers": _numbers,
    "ascii": _ascii,
    "signs": _signs,
    "words": lambda rng: _one(rng, _other_words()),
}


def draw_line(rng: np.random.Generator, fonts: Sequence[FontFile], kind: Kind | None = None) -> Line:
    """The next line; `kind` is drawn by SHARES when it is not given."""
    chosen = kind or tuple(SHARES)[int(rng.choice(len(SHARES), p=tuple(SHARES.values())))]
    font = fonts[int(rng.integers(len(fonts)))]
    drawable = _drawable(font.path)
    text = "".join(char for char in text_of(chosen, rng) if char in drawable)
    while not text:
        text = "".join(char for char in text_of("syllables", rng) if char in drawable)
    # Most words of a page are set at 18 to 30 pixels; titles and plates are larger.
    size = int(rng.integers(18, 30)) if rng.random() < 0.75 else int(rng.integers(30, 64))
    return _photographed(text, font.path, size, rng)


def _photographed(text: str, path: str, size: int, rng: np.random.Generator) -> Line:
    font = opened(path, size)
    _, tall_top, _, tall_bottom = font.getbbox("각")
    while True:
        left, top, right, bottom = font.getbbox(text)
        if any("가" <= char <= "힣" for char in text) or bottom - top < size * 0.5:
            # As pages box their words (build.data.sheet): a Hangul word is as high as a full syllable.
            hangul = any("가" <= char <= "힣" for char in text)
            top, bottom = (min(top, tall_top), max(bottom, tall_bottom)) if hangul else (tall_top, tall_bottom)
        needed = (right - left) / (bottom - top) * LINE_HEIGHT
        # The workload squeezes wider words into the widest bucket: rarely worth learning.
        if needed <= WIDEST * 0.97 or len(text) == 1:
            break
        text = text[: max(1, int(len(text) * 0.95 * WIDEST / needed))]
    edge = 10 + size // 4
    height, width = int(bottom - top) + 2 * edge, int(right - left) + 2 * edge
    paper, ink = int(rng.integers(196, 256)), int(rng.integers(10, 90))
    if rng.random() < 0.04:
        paper, ink = ink, paper
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    x, y = edge - left, edge - top
    draw.text((x, y), text, font=font, fill=ink)
    if rng.random() < 0.25:
        # A neighbour or the rule of a table may reach into the box.
        _clutter(draw, rng, (width, height), edge, ink, font)
    tilt = float(rng.normal(0, 0.012)) + float(rng.normal(0, 0.004))
    image = _scanned(image, rng, size)
    pad = 1.5 / 24 * size
    x0, x1 = edge - pad - _jitter(rng, size), edge + (right - left) + pad + _jitter(rng, size)
    y0, y1 = edge - pad - _jitter(rng, size), edge + (bottom - top) + pad + _jitter(rng, size)
    middle = (x0 + x1) / 2
    slope = [(x0 - middle) * tilt, (x1 - middle) * tilt]
    quad = [(x0, y0 + slope[0]), (x1, y0 + slope[1]), (x1, y1 + slope[1]), (x0, y1 + slope[0])]
    pixels = straighten(image, quad, LINE_HEIGHT, WIDEST)
    if rng.random() < 0.5:
        # Faces differ in how wide they run.
        width = min(WIDEST, max(4, round(pixels.shape[1] * float(rng.uniform(0.85, 1.18)))))
        pixels = np.asarray(Image.fromarray(pixels).resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR))
    ends = [x + font.getlength(text[: index + 1]) for index in range(len(text))]
    places = np.array(list(zip([x, *ends[:-1]], ends, strict=True)), np.float32)
    scaled = (places - np.float32(x0)) * np.float32(pixels.shape[1] / (x1 - x0))
    return Line(pixels, text, scaled.astype(np.float32))


def _jitter(rng: np.random.Generator, size: int) -> float:
    """How much further out than the annotation a found box reaches, in pixels."""
    return float(np.clip(rng.normal(0.02, 0.05), -0.06, 0.2)) * size


def _clutter(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int], edge: int, ink: int, font: Any
) -> None:
    width, height = size
    form = int(rng.integers(4))
    if form == 0:
        draw.line((0, height - edge * 0.4, width, height - edge * 0.4), fill=ink, width=1)
    elif form == 1:
        x = edge * 0.35 if rng.random() < 0.5 else width - edge * 0.35
        draw.line((x, 0, x, height), fill=ink, width=1)
    elif form == 2:
        draw.text((width - edge * 0.4, edge), _one(rng, SYLLABLES), font=font, fill=ink)
    else:
        tone = int(rng.integers(120, 210))
        centre = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        radius = height * float(rng.uniform(0.5, 1.2))
        ring = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        draw.ellipse(ring, outline=tone, width=2)


def _scanned(image: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    if rng.random() < 0.7:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.95)) * max(1.0, size / 30)))
    if rng.random() < 0.15 and size >= 22:
        small = float(rng.uniform(0.55, 0.9))
        size_then = image.size
        image = image.resize((max(8, int(size_then[0] * small)), max(8, int(size_then[1] * small)))).resize(size_then)
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape
    if rng.random() < 0.4:
        lean = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(rng.uniform(-18, 18))
        pixels = pixels + lean
    pixels = pixels + rng.standard_normal((height, width), dtype=np.float32) * np.float32(rng.uniform(0, 8))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.6:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=int(rng.integers(38, 85)))
        image = Image.open(packed).convert("L")
    return image


def frame_classes(line: Line, frames: int) -> npt.NDArray[np.int64]:
    """The class of each frame: a character's on its inner part, blank (0) between characters and after the last.

    Every frame has a label: leaving some out makes the network insert characters there. Each character gets at least
    the frame nearest to its middle.
    """
    centres = (np.arange(frames) + 0.5) * WIDTH_PER_FRAME
    classes = np.zeros(frames, np.int64)
    numbers = [_CLASS[char] for char in line.text]
    for (start, end), number in zip(line.places, numbers, strict=True):
        margin = 0.2 * (end - start)
        classes[(centres > start + margin) & (centres < end - margin)] = number
    for (start, end), number in zip(line.places, numbers, strict=True):
        nearest = int(np.clip((start + end) / 2 / WIDTH_PER_FRAME, 0, frames - 1))
        if classes[nearest] == 0:
            classes[nearest] = number
    return classes


_CLASS = {char: index + 1 for index, char in enumerate(CHARSET)}


def classes_of(text: str) -> list[int]:
    """The classes of a text's characters."""
    return [_CLASS[char] for char in text]


def lines(seed: int, count: int, kind: Kind) -> list[Line]:
    """`count` lines of a kind from a seed of their own, in fonts that training does not use, for evaluation."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, tuple(_TEXTS).index(kind), 77))))
    fonts = find_fonts("evaluation")
    return [draw_line(rng, fonts, kind) for _ in range(count)]
