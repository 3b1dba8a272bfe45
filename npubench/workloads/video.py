"""Video as cameras see it, for a detector: packets or pixels → boxes. Service unit: one frame.

Two ways, by the parameter `decode`. `inside`: a camera's frames are decoded in the timed step. `outside`: the first
frames of every clip are decoded to RGB before anything is timed (`cameras.MOST_AHEAD_BYTES` of them), and a step begins
with pixels. The difference is what the host's decoder costs; `Cameras.decoder_rates` says how many frames it decodes
when nothing else runs. Not aware of: how load arrives, what is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from npubench.clips import MOST_FRAMES, Clip, clip_files, read
from npubench.decoding import Decoder
from npubench.errors import CardError, UnsupportedError
from npubench.spi import Feed, Outputs, Request, Session, Step
from npubench.workloads.asking import data_folder, whole
from npubench.workloads.cameras import Cameras
from npubench.workloads.detection import DetectionBound
from npubench.workloads.feeding import Feeding
from npubench.workloads.images import Canvas, Fit

if TYPE_CHECKING:
    from PIL.Image import Image

KEY = "video_frames"
"""The parameter that makes a model read clips: how many frames of each are used, over and over."""
DECODE = ("inside", "outside")

# Inputs of the quality run and of warming up: key frames, spread over the clips.
STILLS = 8


class VideoBound(DetectionBound):
    """A detector bound to clips (`spi.Streams`): `stream_step` takes a camera's frame, `step` a key frame.

    `step`, `inspect`, `detections` and quality take one of `count` key frames, decoded at each use whatever `decode`
    says: they are never timed. `stages` takes the next frame of cameras of its own. Clips have no labels, so no scores.
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
        self._stills = _stills([read(file, self._most) for file in self._files])
        self._feed: Cameras | None = None
        self._own: Cameras | None = None
        self._told = 0
        self._outputs: Outputs = {}
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

    def recall(self) -> Outputs:
        """The raw heads of the last step, copied."""
        return {name: np.array(value) for name, value in self._outputs.items()}

    def close(self) -> None:
        """Frees this lane's own decoder; the feed belongs to whoever made it."""
        if self._own is not None:
            self._own.close()

    def _bind_service(self) -> Step:
        canvas = self._canvas()
        call = self._prepared(canvas)
        self.count = len(self._stills)

        def run(index: int) -> tuple[Outputs, list[Fit]]:
            fit = _drawn(canvas, _first_frame(self._stills[index % self.count][1]))
            return call(), [fit]

        def answer(image: Image) -> None:
            fit = _drawn(canvas, image)
            self._outputs = {}
            self._outputs = call()
            # A service hands out plain numbers, not arrays.
            self._found(self._outputs, 0, fit).tolist()

        def step(index: int) -> int:
            answer(_first_frame(self._stills[index % self.count][1]))
            return 1

        def stages(index: int) -> dict[str, int]:
            if self._own is None:
                self._own = Cameras([read(file, self._most) for file in self._files[:STILLS]], self._seed, inside=True)
                self._own.start(STILLS)
            now = time.perf_counter_ns
            camera, number = self._told % STILLS, self._told // STILLS
            start = now()
            image = self._own.frame(camera, number)
            decoded = now()
            fit = _drawn(canvas, image)
            drawn = now()
            outputs = call()
            inferred = now()
            self._found(outputs, 0, fit).tolist()
            done = now()
            self._told += 1
            spent = {"pre": drawn - decoded, "infer": inferred - drawn, "post": done - inferred}
            return {"decode": decoded - start, **spent} if self._inside else spent

        self._answer: Callable[[Image], None] = answer
        self._run = run
        self.stages = stages
        return step


def _drawn(canvas: Canvas | Feeding, image: Image) -> Fit:
    return canvas.draw(image, 0) if isinstance(canvas, Feeding) else canvas.draw(image, 0, centred=True)


def _stills(clips: Sequence[Clip]) -> list[tuple[str, Clip]]:
    """Up to `STILLS` key frames by turns of the clips, each as a clip of its own with its name."""
    turns = max(len(clip.keys) for clip in clips)
    found = [(clip, clip.keys[turn]) for turn in range(turns) for clip in clips if turn < len(clip.keys)]
    return [
        # The packet after it completes a frame that is sent in two fields.
        (f"{clip.name}:{key}", msgspec.structs.replace(clip, packets=clip.packets[key : key + 2], keys=(0,)))
        for clip, key in found[:STILLS]
    ]


def _first_frame(clip: Clip) -> Image:
    decoder = Decoder(clip)
    try:
        return decoder.picture(decoder.next())
    finally:
        decoder.close()
