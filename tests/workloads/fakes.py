"""Stand-ins for sessions and data folders, drawn and computed by the tests themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from npubench.spi import Feeds, Outputs, TensorSpec


class FakeSession:
    """A session over a plain function; keeps copies of what it was fed."""

    def __init__(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], run: Callable[[Feeds], Outputs]
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.run = run
        self.fed: list[dict[str, Any]] = []

    def infer(self, feeds: Feeds) -> Outputs:
        self.fed.append({name: np.array(value) for name, value in feeds.items()})
        return self.run(feeds)

    def close(self) -> None:
        pass


class CountingClock:
    """Counts ticks."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self) -> None:
        self.ticks += 1


def specs(names: Mapping[str, Sequence[int | str]], dtype: str = "float32", **more: Any) -> list[TensorSpec]:
    return [TensorSpec(name=name, dtype=dtype, shape=tuple(shape), **more) for name, shape in names.items()]


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def scene(seed: int, width: int = 320, height: int = 180) -> Image.Image:
    """A small street: sky, road, a few boxes."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (120, 150, 190))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height // 2, width, height), fill=(70, 70, 75))
    for _ in range(5):
        x, y = int(rng.integers(0, width - 40)), int(rng.integers(0, height - 30))
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        draw.rectangle((x, y, x + 30, y + 20), fill=colour)
    return image


def frames_folder(folder: Path, count: int, width: int = 320, height: int = 180) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(count):
        (folder / f"frame-{index:03}.jpg").write_bytes(encoded(scene(index, width, height)))
    return folder


def prompts_folder(folder: Path, texts: Sequence[str], tokenizer: Mapping[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"id": f"p{n}", "lang": "ko", "demand": "x", "text": text}) for n, text in enumerate(texts)]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder
