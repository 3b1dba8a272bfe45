"""`npubench run --video`: what it changes in a plan, and what is refused before anything is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from npubench.cli import video
from npubench.cli.asked import Asked
from npubench.discovery import catalogue
from npubench.engine import select as selection
from npubench.engine.plan import Wanted
from npubench.engine.resume import _digest
from npubench.errors import DataError, UsageError
from tests import clips as made
from tests.cli.inside import inside


def filmed(path: Path, *scenarios: str, models: tuple[str, ...] = ("cctv-detect",), wanted: Any = None) -> video.Filmed:
    cards = catalogue(())
    known = {name: selection.model_of(cards, name) for name in models}
    asked = wanted or [Wanted(model=name, scenarios=("single-stream",), scopes=("device",)) for name in models]
    return video.filmed(path, scenarios, asked, known, cards)


def test_a_model_that_reads_frames_becomes_cameras_that_play_clips(tmp_path: Path) -> None:
    clip = made.write(tmp_path / "a.mp4", fps=10)
    found = filmed(tmp_path)
    (wanted,) = found.wanted
    assert wanted.scenarios == ("cameras:fps=10,decode=inside", "cameras:fps=10,decode=outside")
    assert wanted.scopes == ("service",)
    model = found.models["cctv-detect"]
    assert model.card.params["video_frames"] == 900
    # Key frames, of which a quality run takes as many as there are, eight at most.
    assert model.card.params["inputs"] == 3
    assert model.data == tmp_path.resolve()
    assert model.inputs is not None
    assert (model.inputs.source, model.inputs.files) == ("own", 1)
    assert found.sources == {"kind:cctv-detect": "clips"}
    assert found.notes == ()
    # One file is one folder's only clip; another clip is another cell.
    alone = filmed(clip).models["cctv-detect"].inputs
    assert alone == model.inputs
    made.write(clip, frames=25)
    assert filmed(clip).models["cctv-detect"].inputs != alone
    # A resume reads the clips again.
    assert _digest(clip, model.inputs, "clips") != model.inputs.sha256


def test_scenarios_that_were_typed_are_kept_and_the_rest_of_a_suite_stays(tmp_path: Path) -> None:
    made.write(tmp_path / "a.mp4")
    found = filmed(
        tmp_path,
        "cameras:fps=5|30,cameras=2",
        "cameras:decode=outside",
        models=("cctv-detect", "ocr-korean"),
        wanted=[
            Wanted(model="cctv-detect", precisions=("fp32",), scenarios=("offline",)),
            Wanted(model="cctv-detect", precisions=("int8",), scenarios=("single-stream",)),
            Wanted(model="ocr-korean", scenarios=("single-stream",)),
        ],
    )
    cameras, pages = found.wanted
    assert cameras.precisions == ("fp32",)
    assert cameras.scenarios == (
        "cameras:fps=5,cameras=2,decode=inside",
        "cameras:fps=5,cameras=2,decode=outside",
        "cameras:fps=30,cameras=2,decode=inside",
        "cameras:fps=30,cameras=2,decode=outside",
        "cameras:decode=outside",
    )
    assert pages == Wanted(model="ocr-korean", scenarios=("single-stream",))
    assert "video_frames" not in found.models["ocr-korean"].card.params


def test_clips_without_one_rate_need_a_scenario(tmp_path: Path) -> None:
    made.write(tmp_path / "a.mp4", fps=10)
    made.write(tmp_path / "b.mp4", fps=15)
    with pytest.raises(UsageError, match="frame rate") as caught:
        filmed(tmp_path)
    assert caught.value.hint == "--scenario cameras:fps=15"
    assert filmed(tmp_path, "cameras:fps=15").wanted


def test_uneven_and_long_clips_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [6000, 6000, 18000] * 8
    made.write(tmp_path / "vfr.mkv", times=[sum(steps[:number]) for number in range(24)])
    (note,) = filmed(tmp_path).notes
    assert note.code == "video-variable-rate"
    assert "vfr.mkv" in note.text.en
    assert "vfr.mkv" in note.text.ko
    made.write(tmp_path / "long.mp4", frames=901, size=(32, 32))
    assert [note.code for note in filmed(tmp_path, "cameras:fps=15").notes] == ["video-variable-rate", "inputs-cycled"]


def test_our_own_clips_have_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = filmed(Path("street-clips"))
    inputs = found.models["cctv-detect"].inputs
    assert inputs is not None
    assert (inputs.source, inputs.files) == ("street-clips", 4)
    assert found.wanted[0].scenarios == ("cameras:fps=15,decode=inside", "cameras:fps=15,decode=outside")
    with pytest.raises(DataError, match="no such file or folder"):
        filmed(Path("street-clipz"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"scenarios": ("cameras:decode=inside",)}, "decode=… goes with --video"),
        ({"video": Path("a"), "frames": Path("b")}, "--frames and --video"),
        ({"video": Path("a"), "scenarios": ("cameras", "offline")}, "scenario offline has none"),
        ({"video": Path("a"), "scopes": ("device",)}, "scope service only"),
    ],
)
def test_what_does_not_go_together(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        video.check_options(Asked(**asked))
    assert caught.value.hint


def test_what_goes_together() -> None:
    video.check_options(Asked())
    video.check_options(Asked(video=Path("a"), scenarios=("cameras:fps=5,decode=outside",), scopes=("service",)))


def test_a_model_that_reads_no_frames(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--video reaches nothing: ocr-korean read no frames"):
        filmed(tmp_path, models=("ocr-korean",))


def test_the_command_line(tmp_path: Path) -> None:
    path = made.write(tmp_path / "gate.mp4")
    done = inside("run", "--backend", "null", "--model", "cctv-detect", "--video", path, "--dry-run", "--json")
    plan = json.loads(done.stdout)
    cells = [cell for cell in plan["cells"] if cell["purpose"] == "measure"]
    assert {cell["key"]["scenario.decode"] for cell in cells} == {"inside", "outside"}
    assert {cell["scope"] for cell in cells} == {"service"}
    assert {cell["identity"]["data"] for cell in cells} == {plan["inputs"]["cctv-detect"]["sha256"]}
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done = inside("run", "--backend", "null", "--model", "cctv-detect", "--video", path, "--dry-run")
    assert done.returncode == 2
    assert "gate.mp4" in done.stderr
    assert "Traceback" not in done.stderr
