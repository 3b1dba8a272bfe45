"""Trains `ocr-korean`'s line recogniser on drawn words.

    python -m npubench.authoring.recogniser --seconds 3600 --out OUT [--pages DIR]

First every frame learns its class (dense cross-entropy: where characters stand is known), then the text alone (CTC).
In OUT: `checkpoint.pt`, `curve.csv`, `line_recogniser.npz` (averaged weights, folded, fp16). Character error rates are
those of the fp16 weights on unseen lines: `words` of lists that training does not use, `official` ones, numbers, ASCII
and uniformly random `syllables`; with --pages also of the words of a set of pages, cut out by its own boxes.

The room ships what this gave; its curve is in docs/training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from npubench.authoring.builder import Arrays, Network, fold, rounded
from npubench.authoring.hangul import share_parts
from npubench.authoring.lines import Line, classes_of, draw_line, frame_classes, lines
from npubench.authoring.running import Run, fast_arithmetic, generator, options
from npubench.build.charset import CHARSET
from npubench.build.data.fonts import find_fonts
from npubench.build.nets.ocr import LINE_HEIGHT, line_recogniser
from npubench.workloads.ctc import Alphabet
from npubench.workloads.lines import straighten
from npubench.workloads.pages import reference_pages
from npubench.workloads.scoring import error_rate

RATE, DECAY = 2e-3, 0.02
CTC_SHARE = 0.35
# Lines of like width share a batch; the pixels of a batch are about the same for every width.
WIDTHS = (64, 96, 128, 176, 240, 320)
BATCH_PIXELS = 64 * 128
EVALUATION = ("words", "official", "numbers", "ascii", "syllables")
QUICK, THOROUGH = 200, 1000
UNSEEN_SEED = 9_000_001


def batches(seed: int, start: int) -> Iterator[list[Line]]:
    """Batches of lines of one width class, for ever. The stream depends on the seed and the step it starts at."""
    rng = generator(seed, start)
    fonts = find_fonts("training")
    waiting: dict[int, list[Line]] = {width: [] for width in WIDTHS}
    while True:
        line = draw_line(rng, fonts)
        width = next(width for width in WIDTHS if line.pixels.shape[1] <= width)
        waiting[width].append(line)
        if len(waiting[width]) * width >= BATCH_PIXELS:
            yield waiting[width]
            waiting[width] = []


def picture(batch: Sequence[Line | npt.NDArray[np.uint8]]) -> torch.Tensor:
    """Lines side by side in a tensor [lines, 1, 32, width] 0..1, right-padded with white to a width in WIDTHS."""
    pixels = [line.pixels if isinstance(line, Line) else line for line in batch]
    widest = max(one.shape[1] for one in pixels)
    tensor = np.full((len(pixels), 1, LINE_HEIGHT, next(w for w in WIDTHS if w >= widest)), 255, np.uint8)
    for row, one in zip(tensor, pixels, strict=True):
        row[0, :, : one.shape[1]] = one
    return torch.from_numpy(tensor).float() / 255


def dense_loss(chars: torch.Tensor, batch: Sequence[Line]) -> torch.Tensor:
    """Cross-entropy of every frame."""
    wanted = torch.from_numpy(np.stack([frame_classes(line, chars.shape[1]) for line in batch]))
    return functional.cross_entropy(chars.flatten(0, 1), wanted.flatten())


def ctc_loss(chars: torch.Tensor, batch: Sequence[Line]) -> torch.Tensor:
    """Connectionist temporal classification, per character. Frames of the padding are to be blank."""
    texts = [classes_of(line.text) for line in batch]
    lengths = torch.tensor([len(text) for text in texts])
    flat = torch.tensor([number for text in texts for number in text])
    frames = torch.full((len(batch),), chars.shape[1], dtype=torch.long)
    logs = functional.log_softmax(chars, dim=2).transpose(0, 1)
    return functional.ctc_loss(logs, flat, frames, lengths, reduction="sum", zero_infinity=True) / lengths.sum()


def read(network: Network, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[str]:
    """The text of each line, as the workload decodes it."""
    alphabet = Alphabet(CHARSET)
    texts = [""] * len(pixels)
    order = sorted(range(len(pixels)), key=lambda index: pixels[index].shape[1])
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        with torch.inference_mode():
            chars = network(picture([pixels[row] for row in rows]))["chars"].numpy()
        for row, text in zip(rows, alphabet.read(chars), strict=True):
            texts[row] = text
    return texts


def evaluate(arrays: Arrays, count: int, pages: Path | None) -> dict[str, float]:
    """The character error rate of each kind on `count` unseen lines."""
    network = Network(line_recogniser, arrays)
    rates = {}
    for kind in EVALUATION:
        drawn = lines(UNSEEN_SEED, count, kind)
        rates[kind] = error_rate(read(network, [line.pixels for line in drawn]), [line.text for line in drawn])
    if pages is not None:
        words, texts = words_of(pages)
        rates["pages"] = error_rate(read(network, words), texts)
    return rates


def words_of(folder: Path) -> tuple[list[npt.NDArray[np.uint8]], list[str]]:
    """The words of a set of pages, cut out by the set's own boxes, and their texts."""
    words, texts = [], []
    for page in reference_pages(folder, sorted(path.name for path in folder.glob("*.jpg"))) or []:
        grey = Image.open(folder / page.file).convert("L")
        for word in page.words:
            words.append(straighten(grey, word.quad, LINE_HEIGHT, WIDTHS[-1]))
            texts.append(word.text)
    return words, texts


def train(chosen: argparse.Namespace) -> None:
    """Trains until the budget is spent, evaluates, writes the weights."""
    run = Run(chosen, lambda: share_parts(Network(line_recogniser), "head.logits", CHARSET), RATE, DECAY)
    stream = batches(chosen.seed, run.step)
    losses: list[float] = []
    while run.going():
        batch = next(stream)
        run.network.units.train()
        with fast_arithmetic():
            chars = run.network(picture(batch))["chars"]
        by_text = run.share >= 1 - CTC_SHARE
        loss = ctc_loss(chars.float(), batch) if by_text else dense_loss(chars.float(), batch)
        run.learn(loss)
        losses.append(loss.item())
        if run.due():
            _report(run, losses, by_text, evaluate(rounded(fold(run.average.network)), QUICK, None))
            losses.clear()
    run.save()
    arrays = rounded(fold(run.average.network))
    _report(run, losses or [float("nan")], True, evaluate(arrays, THOROUGH, chosen.pages))
    np.savez_compressed(run.folder / "line_recogniser.npz", allow_pickle=False, **arrays)


def _report(run: Run, losses: Sequence[float], by_text: bool, rates: dict[str, float]) -> None:
    values = {"ctc": float(by_text), "loss": float(np.mean(losses)), **{f"cer_{k}": v for k, v in rates.items()}}
    run.record(values)
    sys.stdout.write(
        f"{run.spent_s:.0f} s, step {run.step}: " + " ".join(f"{k} {v:.4f}" for k, v in values.items()) + "\n"
    )
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = options("recogniser", __doc__.split("\n")[0])
    parser.add_argument("--pages", type=Path, help="a set of pages (models/data/admin-pages) to read at the end")
    train(parser.parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
