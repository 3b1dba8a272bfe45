"""The clips that we draw: they move as a street does, and are encoded as cameras encode."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench import cards
from npubench.build.data import clips, sets
from npubench.cards import DataCard
from npubench.clips import clip_files, read
from npubench.decoding import Decoder
from npubench.discovery import builtin_cards
from npubench.errors import ArtifactError

OURS = builtin_cards() / "models" / "data" / "street-clips"


def test_what_drives_moves_and_what_stands_does_not() -> None:
    scene = clips.MovingScene(5, (320, 180))
    first, soon, later = (np.asarray(scene.frame(number), np.int16) for number in (0, 1, 30))
    assert np.array_equal(first, np.asarray(clips.MovingScene(5, (320, 180)).frame(0), np.int16))
    assert not np.array_equal(first, np.asarray(clips.MovingScene(6, (320, 180)).frame(0), np.int16))
    # Noise is everywhere, motion in a part of the picture that grows with time.
    moved = [float((np.abs(other - first).max(axis=2) > 40).mean()) for other in (soon, later)]
    assert 0.001 < moved[0] < moved[1] < 0.5
    assert np.abs(soon - first).max(axis=2).astype(bool).mean() > 0.5


def test_traffic_keeps_to_its_lane_and_never_meets() -> None:
    scene = clips.MovingScene(5, (320, 180))
    vehicles = [mover for mover in scene._movers if mover.kind in ("car", "bus", "truck", "motorcycle")]
    assert len(vehicles) == 16
    assert all((mover.aside_m > 0) == (mover.speed > 0) for mover in vehicles)
    ring = clips._FAR_M - clips._NEAR_M
    for lane in {mover.aside_m for mover in vehicles}:
        queue = [mover for mover in vehicles if mover.aside_m == lane]
        assert len({mover.speed for mover in queue}) == 1
        for time_s in (0.0, 4.2, 9.9):
            places = sorted(mover.along(time_s) for mover in queue)
            gaps = [after - before for before, after in zip(places, [*places[1:], places[0] + ring], strict=True)]
            # A bus is 11.4 m long.
            assert min(gaps) > 12


def test_both_sizes_show_the_same_moment() -> None:
    small, large = (clips.MovingScene(5, size).frame(20) for size in ((320, 180), (640, 360)))
    difference = np.asarray(large.resize((320, 180)), np.int16) - np.asarray(small, np.int16)
    assert np.abs(difference).mean() < 12


def test_written_clips_are_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="PyAV is not installed (the extra video, part of dev)")
    few = tuple(
        msgspec.structs.replace(clip, size=(320, 180), bit_rate=64_000, file=clip.file) for clip in clips.CLIPS[:2]
    )
    monkeypatch.setattr(clips, "CLIPS", few)
    monkeypatch.setattr(clips.write_clips, "__defaults__", (2, 6))
    card = sets.write_set("clips", 2, "some-clips/1", tmp_path / "some-clips")
    assert (card.kind, card.count) == ("clips", 2)
    sets.verify_set(tmp_path / "some-clips", card)
    for file, codec in zip(clip_files(tmp_path / "some-clips"), ("h264", "hevc"), strict=True):
        clip = read(file)
        assert (clip.codec, clip.width, clip.height, clip.fps, clip.frames) == (codec, 320, 180, 15, 6)
        decoder = Decoder(clip)
        shown = np.asarray(decoder.picture(decoder.next()), np.int16)
        drawn = np.asarray(clips.MovingScene(sets.item_seed("some-clips/1", 0), (320, 180)).frame(0), np.int16)
        assert np.abs(shown - drawn).mean() < 12
    again = sets.write_set("clips", 2, "some-clips/1", tmp_path / "again" / "some-clips")
    assert again == card


def test_a_set_that_was_damaged_says_which_clip(tmp_path: Path) -> None:
    card = cards.load(OURS / "data.toml", DataCard)
    folder = tmp_path / "street-clips"
    folder.mkdir()
    for file in OURS.iterdir():
        (folder / file.name).symlink_to(file)
    sets.verify_set(folder, card)
    name = clips.CLIPS[0].file
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        sets.verify_set(folder, card)
    (folder / name).touch()
    with pytest.raises(ArtifactError, match=f"{name} is empty"):
        sets.verify_set(folder, card)
    (folder / "clips.json").unlink()
    (folder / "clips.json").write_bytes(b"{")
    with pytest.raises(ArtifactError, match=r"clips\.json is damaged"):
        sets.verify_set(folder, card)


def test_our_clips_are_those_of_a_camera() -> None:
    pytest.importorskip("av", reason="PyAV is not installed (the extra video, part of dev)")
    assert sum(path.stat().st_size for path in OURS.iterdir()) < 6_000_000
    found = {file.name: read(file) for file in clip_files(OURS)}
    assert list(found) == [clip.file for clip in clips.CLIPS]
    for told in clips.CLIPS:
        clip = found[told.file]
        assert (clip.codec, (clip.width, clip.height), clip.fps, clip.frames) == (told.codec, told.size, 15, 150)
        assert clip.keys == (0, 30, 60, 90, 120)
        assert not clip.variable
        rate = sum(map(len, clip.packets)) * 8 / 10
        assert rate == pytest.approx(told.bit_rate, rel=0.15)
        decoder = Decoder(clip)
        # Low delay: each packet is a frame at once, none is held back for another order.
        context, av = decoder._opened(), decoder._av
        assert [len(context.decode(av.Packet(packet))) for packet in clip.packets[:6]] == [1] * 6
