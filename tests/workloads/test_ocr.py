from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from npubench.errors import CardError, DataError, UsageError
from npubench.spi import Feeds, Outputs, Request
from npubench.workloads.lines import LineBuffers, shape_for, straighten
from npubench.workloads.ocr import Ocr
from tests.workloads.fakes import CountingClock, FakeSession, encoded, specs

CHARSET = "abcdefgh"
PARAMS = {
    "charset": CHARSET,
    "page_size": [128, 96],
    "line_height": 32,
    "line_widths": [64, 128],
    "batch_lines": 2,
    "text_threshold": 0.5,
    "text_shrink": 0.4,
    "min_box_area": 2,
    "max_boxes": 50,
    "inputs": 4,
}

# Word bars of a 192×256 page: x, y, width, height, darkness. The last is the widest.
BARS = [(20, 20, 30, 20, 40), (80, 20, 40, 20, 90), (20, 100, 30, 20, 140), (20, 180, 140, 20, 190)]


def page_image(bars: list[tuple[int, int, int, int, int]] = BARS) -> Image.Image:
    image = Image.new("RGB", (192, 256), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for x, y, width, height, level in bars:
        # A little larger than its box, so that sampling at the edges meets no white.
        draw.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), fill=(level, level, level))
    return image


def pages_folder(folder: Path, count: int, annotated: bool = True) -> Path:
    folder.mkdir()
    pages = []
    for number in range(count):
        bars = BARS[: len(BARS) - number]
        (folder / f"page-{number}.png").write_bytes(encoded(page_image(bars), "PNG"))
        words = [{"text": "x", "quad": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]} for x, y, w, h, _ in bars]
        pages.append({"file": f"page-{number}.png", "width": 192, "height": 256, "words": words, "seed": 1})
    if annotated:
        (folder / "annotations.json").write_text(json.dumps({"pages": pages}), encoding="utf-8")
    return folder


def find_text(feeds: Feeds) -> Outputs:
    """Dark cells of the page, at stride 4, are text."""
    page = feeds["page"]
    batch, _, height, width = page.shape
    cells = page.mean(axis=1).reshape(batch, 1, height // 4, 4, width // 4, 4).mean(axis=(3, 5))
    return {"text": ((0.9 - cells) * 20).astype(np.float32)}


def read_lines(feeds: Feeds) -> Outputs:
    """A class for each frame: by the darkness of its four columns, blank where white."""
    lines = feeds["lines"]
    count, _, height, width = lines.shape
    levels = lines.reshape(count, height, width // 4, 4).mean(axis=(1, 3))
    classes = np.where(levels > 0.97, 0, 1 + (levels * len(CHARSET)).astype(int).clip(0, len(CHARSET) - 1))
    chars: npt.NDArray[np.float32] = np.eye(len(CHARSET) + 1, dtype=np.float32)[classes]
    return {"chars": chars}


def sessions(
    batch: int | str = "batch", lines: int | str = "lines", width: int | str = "width"
) -> dict[str, FakeSession]:
    return {
        "text_detector": FakeSession(
            specs({"page": (batch, 3, 128, 96)}), specs({"text": (batch, 1, 32, 24)}), find_text
        ),
        "line_recogniser": FakeSession(
            specs({"lines": (lines, 1, 32, width)}), specs({"chars": (lines, "frames", len(CHARSET) + 1)}), read_lines
        ),
    }


def bound(
    made: dict[str, FakeSession], folder: Path | None, scope: str = "device", batch: int = 1, **params: Any
) -> Any:
    request = Request(scope=scope, batch=batch, params={**PARAMS, **params}, data=str(folder) if folder else None)
    return Ocr().bind(made, request, CountingClock())


def texts(bind: Any, index: int = 0) -> list[list[str]]:
    return [[text for _, text in page] for page in bind.read(index)]


def sent(made: dict[str, FakeSession]) -> list[npt.NDArray[np.float32]]:
    return [fed["lines"] for fed in made["line_recogniser"].fed]


def test_both_scopes_feed_and_read_the_same(tmp_path: Path) -> None:
    folder = pages_folder(tmp_path / "p", 3)
    one, two = sessions(), sessions()
    device, service = bound(one, folder), bound(two, folder, "service")
    assert device.count == service.count == 3
    for index in (0, 1, 2, 0):
        one["line_recogniser"].fed.clear()
        two["line_recogniser"].fed.clear()
        assert device.step(index) == service.step(index) == 1
        assert len(sent(one)) == len(sent(two)) == 3 - index
        for a, b in zip(sent(one), sent(two), strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(one["text_detector"].fed[-1]["page"], two["text_detector"].fed[-1]["page"])
        assert texts(device, index) == texts(service, index)
        assert device.names(index) == [f"page-{index}.png"]
    assert texts(device) == [["b", "c", "e", "f"]]


def test_lines_are_upright_grey_padded_white_and_bucketed(tmp_path: Path) -> None:
    made = sessions()
    bound(made, pages_folder(tmp_path / "p", 1)).step(0)
    first, second, third = sent(made)
    assert first.shape == (2, 1, 32, 64)
    assert second.shape == (1, 1, 32, 64)
    assert third.shape == (1, 1, 32, 128)
    # 30×20 becomes 48×32, dark; the rest of the bucket is white. 140×20 is squeezed into the widest bucket.
    assert first[0, 0, 16, 5] == pytest.approx(40 / 255, abs=0.01)
    assert first[0, 0, :, 48:].min() == 1
    assert third[0, 0, 16, 120] == pytest.approx(190 / 255, abs=0.01)


def test_static_lines_are_padded_with_white(tmp_path: Path) -> None:
    folder = pages_folder(tmp_path / "p", 1)
    for made, params in ((sessions(), {"static_lines": True}), (sessions(lines=2), {"batch_lines": 8})):
        for scope in ("device", "service"):
            made["line_recogniser"].fed.clear()
            bind = bound(made, folder, scope, **params)
            bind.step(0)
            assert [fed.shape[0] for fed in sent(made)] == [2, 2, 2]
            assert sent(made)[1][1].min() == 1
            assert texts(bind) == [["b", "c", "e", "f"]]
            assert bind.inspect(0)["line_recogniser/chars"].shape == (4, 32, 9)


def test_a_fixed_width_is_the_only_bucket(tmp_path: Path) -> None:
    made = sessions(width=64)
    bound(made, pages_folder(tmp_path / "p", 1)).step(0)
    assert {fed.shape[3] for fed in sent(made)} == {64}


def test_detected_regions_are_the_words(tmp_path: Path) -> None:
    annotated = pages_folder(tmp_path / "a", 1)
    plain = pages_folder(tmp_path / "b", 1, annotated=False)
    for folder, boxes in ((annotated, "detected"), (plain, "reference")):
        for scope in ("device", "service"):
            bind = bound(sessions(), folder, scope, text_shrink=0.999, boxes=boxes)
            ((*words,),) = bind.read(0)
            assert len(words) == 4
            for (quad, _), (x, y, width, height, _) in zip(words, BARS, strict=True):
                assert quad.shape == (4, 2)
                assert abs(quad[0] - [x, y]).max() <= 9
                assert abs(quad[2] - [x + width, y + height]).max() <= 9
            assert bind.step(0) == 1


def test_a_batch_pools_the_words_of_its_pages(tmp_path: Path) -> None:
    folder = pages_folder(tmp_path / "p", 3)
    for scope in ("device", "service"):
        made = sessions()
        bind = bound(made, folder, scope, batch=2)
        assert bind.count == 2
        assert bind.step(0) == 2
        assert made["text_detector"].fed[-1]["page"].shape == (2, 3, 128, 96)
        assert texts(bind) == [["b", "c", "e", "f"], ["b", "c", "e"]]
        assert bind.names(1) == ["page-2.png", "page-0.png"]
        assert texts(bind, 1) == [["b", "c"], ["b", "c", "e", "f"]]


def test_inspect_has_a_row_per_word(tmp_path: Path) -> None:
    for scope in ("device", "service"):
        raw = bound(sessions(), pages_folder(tmp_path / scope, 1), scope).inspect(0)
        assert raw["text_detector/text"].shape == (1, 1, 32, 24)
        chars = raw["line_recogniser/chars"]
        assert chars.shape == (4, 32, 9)
        assert chars[:, 2].argmax(axis=1).tolist() == [2, 3, 5, 6]
        assert chars[0, 16:].max() == 0


def test_a_page_without_words(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "blank.png").write_bytes(encoded(page_image([]), "PNG"))
    for scope in ("device", "service"):
        bind = bound(sessions(), folder, scope)
        assert bind.step(0) == 1
        assert bind.read(0) == [[]]
        assert bind.inspect(0)["line_recogniser/chars"].shape == (0, 0, 9)


def test_a_tilted_quad_is_straightened() -> None:
    upright = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(upright).rectangle((60, 80, 139, 119), fill=60)
    ImageDraw.Draw(upright).rectangle((60, 80, 79, 119), fill=0)
    angle = np.deg2rad(10)
    turned = upright.rotate(-10, Image.Resampling.BICUBIC, fillcolor=255)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[60, 80], [140, 80], [140, 120], [60, 120]]) - 100
    word = straighten(turned, corners @ turn.T + 100, 32, 320)
    assert word.shape == (32, 64)
    assert word[4:-4, 3:13].mean() < 25
    assert abs(word[4:-4, 20:-3].mean() - 60) < 8


def test_a_large_word_is_averaged_and_one_beyond_the_page_is_white() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8).repeat(2), (256, 160))
    word = straighten(Image.fromarray(stripes), [[0, 0], [640, 0], [640, 256], [0, 256]], 32, 320)
    assert abs(word.astype(int) - 127).max() < 8
    beyond = straighten(Image.new("L", (50, 50), 0), [[60, 60], [90, 60], [90, 80], [60, 80]], 32, 320)
    assert beyond.min() == 255
    flat = straighten(Image.new("L", (50, 50), 0), [[10, 10], [10, 10], [10, 10], [10, 10]], 32, 320)
    assert flat.shape == (32, 4)


def test_declared_layouts_of_lines() -> None:
    (spec,) = specs({"lines": ("n", 32, "w", 1)}, "uint8", layout="NHWC", fused=("scale",))
    fake = FakeSession([spec], [], lambda feeds: {"chars": feeds["lines"]})
    buffers = LineBuffers(fake, spec, shape_for(spec, 32, [64], 2, False))
    (batch,) = buffers.batches([np.full((32, 10), 7, np.uint8)])
    out = batch.run()["chars"]
    assert out.shape == (1, 32, 64, 1)
    assert out.dtype == np.uint8
    assert out[0, 5, :12, 0].tolist() == [7] * 10 + [255] * 2


def test_pages_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        bound(sessions(), None)
    folder = pages_folder(tmp_path / "p", 1)
    annotations = (folder / "annotations.json").read_text()
    (folder / "annotations.json").write_text(annotations.replace("256", "255"))
    with pytest.raises(DataError, match=r"page-0\.png"):
        bound(sessions(), folder)
    (folder / "annotations.json").write_text(annotations.replace("page-0", "page-9"))
    with pytest.raises(DataError, match=r"annotations\.json.*page-0\.png"):
        bound(sessions(), folder)
    (folder / "annotations.json").write_text("{")
    with pytest.raises(DataError, match=r"annotations\.json"):
        bound(sessions(), folder, "service")
    (folder / "annotations.json").unlink()
    (folder / "page-0.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"page-0\.png"):
        bound(sessions(), folder, "service")


def test_requests_that_the_graphs_cannot_serve(tmp_path: Path) -> None:
    folder = pages_folder(tmp_path / "p", 1)
    for params, named in (
        ({"charset": "ab"}, "charset"),
        ({"charset": None}, "charset"),
        ({"boxes": "guessed"}, "boxes"),
        ({"page_size": [128]}, "page_size"),
        ({"line_height": 48}, "line_recogniser"),
    ):
        with pytest.raises(CardError, match=named):
            bound(sessions(), folder, **params)
    with pytest.raises(UsageError, match="fixed batch"):
        bound(sessions(batch=1), folder, batch=2)
    with pytest.raises(CardError, match="line_recogniser"):
        bound({"text_detector": sessions()["text_detector"]}, folder)


def test_scores_say_what_was_found_and_read(tmp_path: Path) -> None:
    folder = pages_folder(tmp_path / "p", 1)
    assert bound(sessions(), pages_folder(tmp_path / "q", 1, annotated=False), "service").score() == {}
    # What the fake reads in the true boxes becomes the truth.
    said = texts(bound(sessions(), folder, boxes="reference"))[0]
    document = json.loads((folder / "annotations.json").read_text())
    for word, text in zip(document["pages"][0]["words"], said, strict=True):
        word["text"] = text
    (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    # The fake marks whole words, not shrunken ones.
    scores = bound(sessions(), folder, "service", boxes="detected", text_shrink=0.99).score()
    assert scores["char_accuracy"] == 1.0
    # Its coarse cells find the lowest bar too large to count: three of four pairs.
    assert scores["text_f1"] == pytest.approx(2 * 3 / (4 + 4))
    # A word more in the truth is missed, and read where nothing is written.
    document["pages"][0]["words"].append({"text": "aaaa", "quad": [[150, 60], [180, 60], [180, 80], [150, 80]]})
    (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    missed = bound(sessions(), folder, "service", boxes="detected", text_shrink=0.99).score()
    assert missed["text_f1"] == pytest.approx(2 * 3 / (4 + 5))
    assert missed["char_accuracy"] == pytest.approx(1 - 4 / 8)


def test_outputs_are_those_of_the_true_words_whatever_is_found(tmp_path: Path) -> None:
    """Two backends that find different words must still be comparable."""
    folder = pages_folder(tmp_path / "p", 1)
    chars = "line_recogniser/chars"
    found = bound(sessions(), folder, "service", boxes="detected", text_threshold=0.9).inspect(0)
    given = bound(sessions(), folder, "device").inspect(0)
    assert found[chars].shape == given[chars].shape == (len(BARS), *given[chars].shape[1:])
    assert np.array_equal(found[chars], given[chars])
