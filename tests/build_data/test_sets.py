"""Data sets: written whole or not at all, and refused when a byte differs from what the card pins."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from npubench import cards
from npubench.build.data import sets
from npubench.cards import DataCard
from npubench.discovery import builtin_cards
from npubench.errors import ArtifactError, CardError, DataError, NpubenchError
from npubench.lang import Text
from npubench.workloads import images, pages

BUILTIN = builtin_cards() / "models" / "data"


class Seen(msgspec.Struct):
    class_name: str
    box: tuple[float, float, float, float]


class Scene(msgspec.Struct):
    image: Any
    objects: tuple[Seen, ...]
    conditions: dict[str, str]


class Word(msgspec.Struct):
    text: str
    quad: tuple[tuple[float, float], ...]


class Page(msgspec.Struct):
    image: Any
    words: tuple[Word, ...]


class Font(msgspec.Struct):
    path: str
    family: str
    sha256: str


def draw_scene(seed: int, size: tuple[int, int] = (1280, 720)) -> Scene:
    colour = tuple(random.Random(seed).randbytes(3))
    objects = (Seen("person", (10, 20, 30.26, 80)), Seen("bicycle", (100, 200, 180, 260)))
    return Scene(Image.new("RGB", size, colour), objects, {"light": "day"})


def draw_page(seed: int, fonts: Any, lists: Any = None) -> Page:
    shade = seed % 200
    quad = ((10.0, 10.0), (60.04, 10.0), (60.0, 30.0), (10.0, 30.0))
    return Page(Image.new("RGB", (1240, 1754), (shade, shade, shade)), (Word("민원", quad),))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for the drawing code, which has tests of its own."""
    streets, documents = types.ModuleType("streets"), types.ModuleType("documents")
    streets.__dict__["draw_scene"] = draw_scene
    documents.__dict__["draw_page"] = draw_page
    documents.__dict__["find_fonts"] = lambda purpose: (Font("font.otf", "Some Sans", "0" * 64),)
    monkeypatch.setitem(sys.modules, "npubench.build.data.streets", streets)
    monkeypatch.setitem(sys.modules, "npubench.build.data.documents", documents)


@pytest.fixture
def frames(tmp_path: Path, drawn: None) -> tuple[Path, DataCard]:
    folder = tmp_path / "set" / "some-frames"
    return folder, sets.write_set("frames", 3, "some-frames/1", folder)


@pytest.mark.parametrize("name", [name for name in sets.STANDARD if (BUILTIN / name).exists()])
def test_the_committed_sets_are_what_their_cards_pin(name: str) -> None:
    card = cards.load(BUILTIN / name / "data.toml", DataCard)
    sets.verify_set(BUILTIN / name, card)
    standard = sets.STANDARD[name]
    assert (card.id, card.kind, card.count, card.seed) == (name, standard.kind, standard.count, f"{name}/1")
    size = sum(path.stat().st_size for path in (BUILTIN / name).iterdir())
    # Evaluation sets are committed bytes: compact enough to ship, all of them below 60 MB.
    assert size < (28_000_000 if card.kind == "pages" else 32_000_000)


def test_the_digest_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_bytes(b"b")
    (tmp_path / "sub" / "a.txt").write_bytes(b"a")
    (tmp_path / "data.toml").write_bytes(b"the card itself does not count")
    (tmp_path / "sub" / "data.toml").write_bytes(b"another does")
    lines = [
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("b.txt", "sub/a.txt", "sub/data.toml")
    ]
    expected = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    assert sets.digest_folder(tmp_path) == expected


def test_frames_are_written_in_coco_format(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    sets.verify_set(folder, card)
    assert cards.load(folder / "data.toml", DataCard) == card
    assert (card.id, card.kind, card.count, card.seed) == ("some-frames", "frames", 3, "some-frames/1")
    coco = json.loads((folder / "annotations.json").read_text("utf-8"))
    assert [path.name for path in images.image_files(folder)] == [image["file_name"] for image in coco["images"]]
    assert {(image["width"], image["height"]) for image in coco["images"]} == {(1280, 720)}
    assert coco["images"][0]["conditions"] == {"light": "day"}
    assert [category["name"] for category in coco["categories"]] == list(sets.CLASSES)
    assert [box["image_id"] for box in coco["annotations"]] == [1, 1, 2, 2, 3, 3]
    first, second = coco["annotations"][:2]
    assert (first["bbox"], first["category_id"]) == ([10, 20, 20.3, 60], 1)
    assert (second["bbox"], second["category_id"], second["area"]) == ([100, 200, 80, 60], 6, 4800)


def test_pages_are_written_as_the_workload_reads_them(tmp_path: Path, drawn: None) -> None:
    folder = tmp_path / "some-pages"
    card = sets.write_set("pages", 2, "some-pages/1", folder)
    sets.verify_set(folder, card)
    names = [path.name for path in images.image_files(folder)]
    read = pages.reference_pages(folder, names)
    assert read is not None
    assert [(page.file, page.width, page.height) for page in read] == [(name, 1240, 1754) for name in names]
    assert read[0].words[0] == pages.Word("민원", ((10, 10), (60, 10), (60, 30), (10, 30)))
    fonts = json.loads((folder / "annotations.json").read_text("utf-8"))["fonts"]
    assert fonts == [{"family": "Some Sans", "sha256": "0" * 64}]
    with Image.open(folder / names[0]) as image:
        assert image.mode == "L"  # a page without colour is kept as grey


def test_writing_again_gives_the_same_bytes(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "stale.jpg").write_bytes(b"of an earlier, larger set")
    assert sets.write_set("frames", 3, "some-frames/1", folder) == card
    assert not (folder / "stale.jpg").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["some-frames"]


def test_items_depend_on_seed_text_and_place_only(tmp_path: Path, frames: tuple[Path, DataCard]) -> None:
    folder, _ = frames
    sets.write_set("frames", 1, "some-frames/1", tmp_path / "fewer")
    sets.write_set("frames", 1, "training/1", tmp_path / "training")
    first = (folder / "frame-0001.jpg").read_bytes()
    assert (tmp_path / "fewer" / "frame-0001.jpg").read_bytes() == first
    assert (tmp_path / "training" / "frame-0001.jpg").read_bytes() != first
    assert sets.item_seed("street-frames/1", 0) == 0x7FFF_FFFF_FFFF_FFFF & (
        int.from_bytes(hashlib.sha256(b"street-frames/1/0").digest()[:8], "big") >> 1
    )


def test_a_failure_while_drawing_leaves_the_old_set(
    frames: tuple[Path, DataCard], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, card = frames

    def broken(*_: object) -> Scene:
        raise RuntimeError("no paint left")

    monkeypatch.setattr(sys.modules["npubench.build.data.streets"], "draw_scene", broken)
    with pytest.raises(RuntimeError):
        sets.write_set("frames", 3, "some-frames/2", folder)
    sets.verify_set(folder, card)
    assert [path.name for path in folder.parent.iterdir()] == ["some-frames"]


def test_a_folder_that_is_no_data_set_is_not_replaced(tmp_path: Path, drawn: None) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="is no data set"):
        sets.write_set("frames", 1, "x/1", tmp_path)
    with pytest.raises(DataError, match="is no data set"):
        sets.write_set("frames", 1, "x/1", tmp_path / "holiday.jpg")
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"


def test_a_name_that_is_no_id(tmp_path: Path, drawn: None) -> None:
    with pytest.raises(CardError, match="id"):
        sets.write_set("frames", 1, "x/1", tmp_path / "No Id")
    assert not (tmp_path / "No Id").exists()


def test_prompts_keep_the_tokeniser_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "more-prompts"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(b'{"kept": true}')
    (folder / "data.toml").touch()
    card = sets.write_set("prompts", 7, "more-prompts/1", folder)
    assert (folder / "tokenizer.json").read_bytes() == b'{"kept": true}'
    assert len((folder / "prompts.jsonl").read_bytes().splitlines()) == card.count == 7
    sets.verify_set(folder, card)


def differs(folder: Path, card: DataCard) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        sets.verify_set(folder, card)
    assert str(folder) in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 4
    return caught.value


def test_a_missing_folder(tmp_path: Path, frames: tuple[Path, DataCard]) -> None:
    assert "no such folder" in str(differs(tmp_path / "absent", frames[1]))


def test_a_missing_file_is_named(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "frame-0002.jpg").unlink()
    assert "frame-0002.jpg is missing" in str(differs(folder, card))


def test_missing_annotations_are_named(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "annotations.json").unlink()
    assert "annotations.json is missing" in str(differs(folder, card))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": [{}]}', '{"images": 3}', "\udcff"])
def test_damaged_annotations_are_named(frames: tuple[Path, DataCard], content: str) -> None:
    folder, card = frames
    (folder / "annotations.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "annotations.json is damaged" in str(differs(folder, card))


def test_a_surplus_file_is_named(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "Thumbs.db").touch()
    assert "Thumbs.db does not belong to it" in str(differs(folder, card))


def test_an_empty_file_is_named(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "frame-0003.jpg").write_bytes(b"")
    assert "frame-0003.jpg is empty" in str(differs(folder, card))


def test_a_truncated_picture_is_named(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    path = folder / "frame-0001.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    assert "frame-0001.jpg: not a readable picture" in str(differs(folder, card))


def test_a_tampered_picture_is_refused(frames: tuple[Path, DataCard], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, card = frames
    Image.new("RGB", (1280, 720)).save(folder / "frame-0001.jpg")
    error = differs(folder, card)
    assert card.sha256[:16] in str(error)
    assert sets.digest_folder(folder)[:16] in str(error)
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    assert "카드와 다릅니다" in str(differs(folder, card))


def test_a_renamed_file_is_refused(frames: tuple[Path, DataCard]) -> None:
    folder, card = frames
    (folder / "frame-0001.jpg").rename(folder / "frame-0009.jpg")
    assert "frame-0001.jpg is missing" in str(differs(folder, card))


def test_broken_prompts_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "some-prompts"
    folder.mkdir()
    (folder / "data.toml").touch()
    (folder / "tokenizer.json").write_bytes(b"{}")
    card = sets.write_set("prompts", 2, "some-prompts/1", folder)
    whole = (folder / "prompts.jsonl").read_bytes()
    (folder / "prompts.jsonl").write_bytes(whole[:-20])
    assert "prompts.jsonl is damaged" in str(differs(folder, card))
    (folder / "prompts.jsonl").write_bytes(whole.splitlines(keepends=True)[0])
    differs(folder, card)
    (folder / "prompts.jsonl").write_bytes(whole)
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in str(differs(folder, card))


def test_an_unreadable_file_is_an_artifact_error(
    frames: tuple[Path, DataCard], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, card = frames

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sets, "sha256_file", refuse)
    assert "annotations.json: cannot be read (Permission denied)" in str(differs(folder, card))


def test_a_card_is_valid_toml_whatever_its_texts_hold(tmp_path: Path) -> None:
    card = DataCard(
        schema="npubench.data/1", id="a", kind="frames", title=Text('a "quoted" \\ line\n', "한글 'ㄱ'\t"),
        generator="g", seed="s/1", license="Apache-2.0", count=1, sha256="0" * 64,
    )  # fmt: skip
    (tmp_path / "data.toml").write_text(sets.card_toml(card), encoding="utf-8")
    assert cards.load(tmp_path / "data.toml", DataCard) == card


@pytest.mark.slow
def test_the_command_line(tmp_path: Path, drawn: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert sets.main(["street-frames", "admin-pages", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "street-frames: 512 frames" in out
    assert "admin-pages: 128 pages" in out
    for name in ("street-frames", "admin-pages"):
        card = cards.load(tmp_path / name / "data.toml", DataCard)
        assert card.title == sets.STANDARD[name].title
        sets.verify_set(tmp_path / name, card)


def test_the_command_line_refuses_an_unknown_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert sets.main(["street-frame"]) == NpubenchError.exit_code
    assert "civic-prompts" in capsys.readouterr().err
