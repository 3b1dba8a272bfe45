"""Video as cameras see it, for a detector: packets or pixels → boxes. Service unit: one frame.

Two ways, by the parameter `decode`. `inside`: a camera's frames are decoded in the timed step. `outside`: the first
frames of every clip are decoded to RGB before anything is timed (`cameras.MOST_AHEAD_BYTES` of them), and a step begins
with pixels. The difference is what the host's decoder costs; `Cameras.decoder_rates` says how many frames it decodes
when nothing else runs. Not aware of: how load arrives, what is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from npubench.clips import MOST_FRAMES, STILLS, Clip, clip_files, read
from npubench.decoding import Decoder
from npubench.errors import CardError, UnsupportedError
from npubench.spi import Exhibit, Feed, Outputs, Request, Session, Step
from npubench.workloads.asking import data_folder, whole
from npubench.workloads.cameras import Cameras
from npubench.workloads.detection import DetectionBound
from npubench.workloads.images import Fit
from npubench.workloads.laps import Laps

if TYPE_CHECKING:
    from PIL.Image import Image

KEY = "video_frames"
"""The parameter that makes a model read clips: how many frames of each are used, over and over."""
DECODE = ("inside", "outside")

# Ten seconds at 15 frames per second: several groups of pictures.
_OWN_FRAMES = 150


class VideoBound(DetectionBound):
    """A detector bound to clips (`spi.Streams`): `stream_step` takes a camera's frame.

    `inspect`, `detections` and quality take one of `count` key frames, in both ways. `step` does what a camera's frame
    costs: inside, it decodes the next frame of cameras that this lane has to itself; outside, it takes key frame
    `index`, already decoded. `stages` tells the same. Clips have no labels, so there are no scores.
    """

    def __init__(self, session: Session, request: Request) -> None:
        """Raises DataError for clips that cannot be used, UnsupportedError for a batch of more than one frame."""
        if request.batch != 1:
            raise UnsupportedError(f"batch {request.batch} was asked for; a camera's frames are taken one by one")
        path = Path(request.data) if request.data is not None else data_folder(request, "video")
        decode = request.params.get("decode", "outside")
        if decode not in DECODE:
            raise CardError((f"params.decode: found {decode!r}; expected {' or '.join(DECODE)}",))
        self._inside = decode == "inside"
        self._most = whole(request.params, KEY, MOST_FRAMES)
        self._files = clip_files(path)
        self._seed = request.seed
        clips = [read(file, self._most) for file in self._files]
        self._stills = _stills(clips, min(STILLS, whole(request.params, "inputs", STILLS)))
        # Outside, no step decodes; inside, memory must not depend on how many inputs there are.
        self._pixels = [] if self._inside else [_first_frame(still) for _, still in self._stills]
        self._feed: Cameras | None = None
        own = [_start(clip) for clip in clips[:STILLS]]
        self._own = Cameras(own, request.seed, inside=True) if self._inside else None
        self._own_cameras, self._taken = len(own), 0
        if self._own is not None:
            self._own.start(self._own_cameras)
        self._comparable: Outputs = {}
        super().__init__(session, msgspec.structs.replace(request, scope="service"), path, [])

    def feed(self) -> Cameras:
        """The cameras of a launch, made once and then given to every lane by `take`."""
        return Cameras([read(file, self._most) for file in self._files], self._seed, inside=self._inside)

    def take(self, feed: Feed) -> None:
        """From now on `stream_step` takes its frames there."""
        assert isinstance(feed, Cameras)
        self._feed = feed

    def stream_step(self, stream: int, number: int) -> int:
        """Frame `number` of camera `stream`, from its packets or pixels to a list of boxes."""
        assert self._feed is not None, "a feed is taken before streams are"
        self._answer(self._feed.frame(stream, number))
        return 1

    def names(self, index: int) -> list[str]:
        """Clip and number of the key frame that input `index` is."""
        return [self._stills[index % self.count][0]]

    def score(self) -> Mapping[str, float]:
        """Clips have no labels."""
        return {}

    def exhibits(self) -> Sequence[Exhibit]:
        """A clip's frames are no files of pictures that could be shown again."""
        return ()

    def recall(self) -> Outputs:
        """The raw heads of the last step, copied, where `inspect` takes the same picture; else nothing to compare."""
        return {name: np.array(value) for name, value in self._comparable.items()}

    def close(self) -> None:
        """Frees this lane's own decoder; the feed belongs to whoever made it."""
        if self._own is not None:
            self._own.close()

    def _bind_service(self) -> Step:
        canvas = self._canvas()
        call = self._prepared(canvas)
        self.count = len(self._stills)

        def run(index: int) -> tuple[Outputs, list[Fit]]:
            fit = self._draw(canvas, self._still(index), 0)
            return call(), [fit]

        def answer(image: Image) -> Outputs:
            self._comparable = {}
            fit = self._draw(canvas, image, 0)
            outputs = call()
            self._hand_out(outputs, [fit])
            return outputs

        def step(index: int) -> int:
            outputs = answer(self._still(index) if self._own is None else self._next_frame(self._own))
            if self._own is None:
                self._comparable = outputs
            return 1

        def stages(index: int) -> dict[str, int]:
            laps = Laps()
            if self._own is None:
                image = self._still(index)
            else:
                image = self._next_frame(self._own)
                laps.end("decode")
            fit = self._draw(canvas, image, 0)
            laps.end("pre")
            outputs = call()
            laps.end("infer")
            self._hand_out(outputs, [fit])
            laps.end("post")
            return laps.spent

        self._answer: Callable[[Image], Outputs] = answer
        self._run = run
        self.stages = stages
        return step

    def _still(self, index: int) -> Image:
        place = index % len(self._stills)
        return self._pixels[place] if self._pixels else _first_frame(self._stills[place][1])

    def _next_frame(self, own: Cameras) -> Image:
        camera, number = self._taken % self._own_cameras, self._taken // self._own_cameras
        self._taken += 1
        return own.frame(camera, number)


def _start(clip: Clip) -> Clip:
    """The first `_OWN_FRAMES` of a clip: many lanes must not hold a long recording each."""
    keys = tuple(key for key in clip.keys if key < _OWN_FRAMES)
    return msgspec.structs.replace(clip, packets=clip.packets[:_OWN_FRAMES], keys=keys)


def _stills(clips: Sequence[Clip], most: int) -> list[tuple[str, Clip]]:
    """Up to `most` key frames by turns of the clips, each as a clip of its own with its name."""
    turns = max(len(clip.keys) for clip in clips)
    found = [(clip, clip.keys[turn]) for turn in range(turns) for clip in clips if turn < len(clip.keys)]
    return [
        # The packet after it completes a frame that is sent in two fields.
        (f"{clip.name}:{key}", msgspec.structs.replace(clip, packets=clip.packets[key : key + 2], keys=(0,)))
        for clip, key in found[:most]
    ]


def _first_frame(clip: Clip) -> Image:
    decoder = Decoder(clip)
    try:
        return decoder.picture(decoder.next())
    finally:
        decoder.close()
