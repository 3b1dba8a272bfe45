"""`npubench demo` as a person uses it: real models, real workers, real pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_run_cli import npubench
from tests.support import write_backend
from tests.workloads.fakes import encoded, frames_folder


def test_own_frames_and_a_page_without_text(tmp_path: Path) -> None:
    frames = frames_folder(tmp_path / "frames", 1)
    (frames / "deep").mkdir()
    (frames / "deep" / "frame-000.png").write_bytes(encoded(Image.new("L", (90, 200), 30), "PNG"))
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "blank.png").write_bytes(encoded(Image.new("RGB", (200, 280), "white"), "PNG"))
    done = npubench("demo", "--frames", frames, "--pages", pages, "-o", tmp_path / "out", "--truth")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["deep/frame-000.png", "frame-000.jpg", "blank.png"]
    assert "objects" in lines[0]
    assert "words" in lines[2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "blank.jpg",
        "deep__frame-000.jpg",
        "frame-000.jpg",
    ]
    with Image.open(tmp_path / "out" / "deep__frame-000.jpg") as drawn:
        assert drawn.size == (90, 200)


@pytest.mark.slow
def test_one_montage_of_our_own_pictures(tmp_path: Path) -> None:
    done = npubench("demo", "--montage", tmp_path / "docs" / "m.jpg", timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3 + 2 + 1
    with Image.open(tmp_path / "docs" / "m.jpg") as drawn:
        assert drawn.width == 1920
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["m.jpg"]


def test_labels_beside_it(tmp_path: Path) -> None:
    done = npubench("demo", "--model", "cctv-detect", "--count", "1", "--truth", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "frame-0001.jpg") as drawn:
        assert drawn.width > 2 * 1280


@pytest.mark.slow
def test_bad_input_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    frames = frames_folder(tmp_path / "frames", 1)
    (frames / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    for options, said, code in (
        (["--frames", empty], "holds no picture", 2),
        (["--frames", tmp_path / "absent"], "no such folder", 2),
        (["--frames", frames], "broken.jpg", 2),
        (["--model", "llm-chat-8m"], "reads no pictures", 2),
        (["--model", "cctv"], 'no model "cctv"', 2),
        (["--model", "ocr-korean", "--frames", frames], "--frames", 2),
        (["--backend", "cuda"], "npubench env sync cuda", 4),
    ):
        done = npubench("demo", *options, "-o", tmp_path / "out")
        assert done.returncode == code, (options, done.stderr)
        assert said in done.stderr
    cards = write_backend(tmp_path / "cards", "dying", fault="crash-on-open")
    assert npubench("demo", "--cards", cards, "-b", "dying", "-m", "cctv-detect").returncode in (2, 4)
