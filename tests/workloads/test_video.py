"""Cameras that play clips, and a detector that is fed by them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.clips import read
from npubench.errors import CardError, DataError, UnsupportedError
from npubench.spi import Decodes, Request, Scores, Staged, Streams
from npubench.workloads.cameras import Cameras
from npubench.workloads.detection import Detection
from npubench.workloads.video import VideoBound
from tests import clips as made
from tests.workloads.fakes import CountingClock, FakeSession
from tests.workloads.test_detection import PARAMS, detector


def bound(session: FakeSession, path: Path, decode: str | None = None, batch: int = 1, **params: Any) -> VideoBound:
    told = {} if decode is None else {"decode": decode}
    request = Request(
        scope="service", batch=batch, seed=3, params={**PARAMS, "video_frames": 900, **told, **params}, data=str(path)
    )
    found: Any = Detection().bind({"detector": session}, request, CountingClock())
    assert isinstance(found, VideoBound)
    return found


def levels(cameras: Cameras, stream: int, numbers: range) -> list[int]:
    """Which frame of its clip a camera shows, by the grey level of `made.picture`."""
    return [round((made.level_of(cameras.frame(stream, number)) - 40) / 8) for number in numbers]


@pytest.mark.parametrize("inside", [True, False])
def test_a_camera_plays_its_clip_over_and_over_from_a_seeded_place(tmp_path: Path, inside: bool) -> None:
    clip = read(made.write(tmp_path / "a.mp4"))
    cameras = Cameras([clip], 3, inside=inside)
    cameras.start(4)
    seen = [levels(cameras, stream, range(30)) for stream in range(4)]
    for shown in seen:
        assert shown == [(shown[0] + number) % 24 for number in range(30)]
    assert len({shown[0] for shown in seen}) > 1
    again = Cameras([clip], 3, inside=inside)
    again.start(4)
    assert [levels(again, stream, range(1))[0] for stream in range(4)] == [shown[0] for shown in seen]
    # A new load begins where the cameras are; more cameras join.
    cameras.start(5)
    assert len(levels(cameras, 4, range(3))) == 3
    cameras.close()
    again.close()


def test_dropped_frames_are_decoded_all_the_same(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.mp4")
    truth = made.independent(path)
    cameras = Cameras([read(path)], 3, inside=True)
    cameras.start(1)
    (first,) = levels(cameras, 0, range(1))
    assert cameras.decoded == 1
    # Frames 1 to 6 were dropped: number 7 is the frame that it would have been, to the bit.
    camera = cameras._cameras[0]
    camera.frame(7)
    assert cameras.decoded == 8
    assert made.luma(camera._held[7]) == truth[(first + 7) % 24]
    cameras.close()


def test_cameras_take_the_clips_by_turns(tmp_path: Path) -> None:
    small, large = made.write(tmp_path / "a.mp4"), made.write(tmp_path / "b.mp4", "hevc", size=(128, 96))
    for inside in (True, False):
        cameras = Cameras([read(small), read(large)], 0, inside=inside)
        cameras.start(3)
        assert [cameras.frame(stream, 0).size for stream in range(3)] == [(96, 64), (128, 96), (96, 64)]
        cameras.close()


def test_lanes_that_overtake_each_other_get_the_right_frames(tmp_path: Path) -> None:
    cameras = Cameras([read(made.write(tmp_path / "a.mp4"))], 3, inside=True)
    cameras.start(1)
    (first,) = levels(cameras, 0, range(1))
    assert levels(cameras, 0, range(2, 3)) == [(first + 2) % 24]
    # Another lane took frame 1 and comes late.
    assert levels(cameras, 0, range(1, 2)) == [(first + 1) % 24]
    cameras.frame(0, 5)
    # Long passed: the newest is shown, and nothing is decoded twice.
    assert levels(cameras, 0, range(1, 2)) == [(first + 5) % 24]
    assert cameras.decoded == 6
    cameras.close()


def test_two_lanes_share_cameras(tmp_path: Path) -> None:
    """Every frame of every camera is fed once, to whichever lane took it, and is the frame that it should be."""
    path = made.write(tmp_path / "a.mp4")
    sessions = [detector(), detector()]
    lanes = [bound(session, path, "inside") for session in sessions]
    feed = lanes[0].feed()
    for lane in lanes:
        lane.take(feed)
    feed.start(3)

    # A camera's frames are 1/F s apart: two of them may be in lanes at once, not twenty.
    with ThreadPoolExecutor(2) as pool:
        for number in range(0, 20, 2):
            due = [(stream, number + later) for later in (0, 1) for stream in range(3)]
            halves = [(lanes[0], due[::2]), (lanes[1], due[1::2])]
            done = pool.map(lambda half: sum(half[0].stream_step(*item) for item in half[1]), halves)
            assert sum(done) == 6
    assert feed.decoded == 60
    fed = [float(one["images"][0, :, 20:24, :4].mean()) for session in sessions for one in session.fed]
    alone = bound(detector(), path, "inside")
    own = alone.feed()
    own.start(3)
    session = detector()
    single = bound(session, path, "inside")
    single.take(own)
    for number in range(20):
        for stream in range(3):
            single.stream_step(stream, number)
    expected = [float(one["images"][0, :, 20:24, :4].mean()) for one in session.fed]
    assert sorted(fed) == pytest.approx(sorted(expected))
    for made_feed in (feed, own):
        made_feed.close()


def test_inside_and_outside_feed_the_same_pictures(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.mp4", size=(320, 180))
    fed = []
    for decode in ("inside", "outside"):
        session = detector()
        lane = bound(session, path, decode)
        feed = lane.feed()
        lane.take(feed)
        feed.start(2)
        for number in range(5):
            for stream in range(2):
                assert lane.stream_step(stream, number) == 1
        fed.append([one["images"] for one in session.fed])
        feed.close()
        lane.close()
    assert all(np.array_equal(one, other) for one, other in zip(*fed, strict=True))


def test_steps_cost_what_a_cameras_frame_costs(tmp_path: Path) -> None:
    """Outside: key frames, decoded before. Inside: consecutive frames, decoded in the step."""
    path = made.write(tmp_path / "a.mp4")
    session = detector()
    lane = bound(session, path, "outside")
    assert isinstance(lane, Streams)
    assert isinstance(lane, Staged)
    assert isinstance(lane, Scores)
    assert lane.count == 3
    assert [lane.names(index) for index in range(4)] == [["a.mp4:0"], ["a.mp4:8"], ["a.mp4:16"], ["a.mp4:0"]]
    assert lane.step(1) == 1
    stepped, kept = session.fed[-1]["images"], lane.recall()
    raw = lane.inspect(1)
    assert np.array_equal(session.fed[-1]["images"], stepped)
    assert set(raw) == {"box_s8", "cls_s8", "box_s16", "cls_s16"}
    assert all(np.array_equal(raw[name], kept[name]) for name in raw)
    assert len(lane.detections(2)) == 1
    assert lane.score() == {}
    assert set(lane.stages(0)) == {"pre", "infer", "post"}
    # As a placement or quality job asks, without a scenario and for fewer inputs.
    assert bound(detector(), path, inputs=2).count == 2

    other = detector()
    moving = bound(other, path, "inside")
    assert np.array_equal(moving.inspect(1)["cls_s8"], raw["cls_s8"])
    other.fed.clear()
    for _ in range(3):
        assert moving.step(0) == 1
        # `inspect(0)` is another picture.
        assert moving.recall() == {}
    assert len({one["images"].tobytes() for one in other.fed}) == 3
    assert set(moving.stages(0)) == {"decode", "pre", "infer", "post"}
    for one in (lane, moving):
        one.close()


def test_the_decoder_alone(tmp_path: Path) -> None:
    made.write(tmp_path / "a.mp4")
    made.write(tmp_path / "b.mkv", "hevc")
    feed = bound(detector(), tmp_path, "inside").feed()
    assert isinstance(feed, Decodes)
    rates = feed.decoder_rates(lanes=2, seconds=0.02)
    assert set(rates) == {"a.mp4", "b.mkv"}
    assert all(rate > 0 for rate in rates.values())


def test_requests_that_cannot_be_served(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.mp4")
    with pytest.raises(UnsupportedError, match="batch 2"):
        bound(detector(), path, batch=2)
    with pytest.raises(CardError, match=r"params\.decode"):
        bound(detector(), path, "sideways")
    with pytest.raises(DataError, match="no such file"):
        bound(detector(), tmp_path / "absent.mp4")


def test_damage_that_is_met_while_a_camera_plays(tmp_path: Path) -> None:
    clip = read(made.write(tmp_path / "a.mp4"))
    import msgspec

    broken = msgspec.structs.replace(clip, packets=(*clip.packets[:12], b"\0\0\0\1\xff", *clip.packets[13:]))
    cameras = Cameras([broken], 0, inside=True)
    with pytest.raises(DataError, match=r"a\.mp4"):  # noqa: PT012
        cameras.start(1)
        for number in range(24):
            cameras.frame(0, number)
    cameras.close()
