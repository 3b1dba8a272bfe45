"""Cameras: clips that play at once, from seeded places on, in endless loops.

Camera k plays clip k mod the number of clips. `Cameras` is one object for all lanes of a launch, with locks.
Guarantees: memory depends on how many cameras there are and never on how long they play; frames of one camera are
decoded in order, whichever lane asks; frames that nobody asked for (dropped) are decoded when the next one is wanted,
because later frames refer to them, so that their cost counts. Not aware of: models, how load arrives, what is dropped.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from npubench.clips import Clip
from npubench.decoding import Decoder

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_AHEAD_BYTES = 256 << 20
# Pillow keeps four bytes of each RGB pixel.
_PIXEL_BYTES = 4
# The newest frames of a camera, for a lane that another one overtook between taking a frame and decoding it.
_HELD = 2


class Camera:
    """One camera: a clip and, in a lane or none, the place where it is. Threads may call `frame` at once."""

    def __init__(self, clip: Clip, offset: int) -> None:
        self._lock = threading.Lock()
        self._decoder = Decoder(clip)
        self._decoder.seek(offset)
        self._next = 0
        self._held: dict[int, Any] = {}
        self.decoded = 0

    def start(self) -> None:
        """The frame that comes next is number 0."""
        with self._lock:
            self._next = 0
            self._held.clear()

    def frame(self, number: int) -> Image:
        """Frame `number` as RGB; those before it that nobody asked for are decoded too.

        A number that another lane has passed gives that frame while it is held, else the newest.
        """
        with self._lock:
            while self._next <= number:
                if len(self._held) == _HELD:
                    del self._held[min(self._held)]
                self._held[self._next] = self._decoder.next()
                self._next += 1
                self.decoded += 1
            return self._decoder.picture(self._held.get(number, self._held[self._next - 1]))

    def close(self) -> None:
        """Frees the decoder."""
        with self._lock:
            self._held.clear()
            self._decoder.close()


class Cameras:
    """The clips of a launch as cameras (`spi.Feed`). One object for all lanes."""

    def __init__(self, clips: Sequence[Clip], seed: int, *, inside: bool) -> None:
        """Decodes ahead where `inside` is false. Raises DataError for a clip that cannot be decoded."""
        self._clips, self._seed, self._inside = tuple(clips), seed, inside
        self._cameras: list[Camera] = []
        self._offsets: list[int] = []
        self._ahead = [] if inside else [_ahead(clip, MOST_AHEAD_BYTES // len(self._clips)) for clip in self._clips]

    def start(self, count: int) -> None:
        """Makes `count` cameras ready: their next frame is number 0. Decoders go on from where they were."""
        while len(self._offsets) < count:
            self._offsets.append(self._offset(len(self._offsets)))
        if not self._inside:
            return
        new = range(len(self._cameras), count)
        # A camera's place in its clip is reached by decoding from the key frame before it on.
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            self._cameras += pool.map(lambda number: Camera(self._clip(number), self._offsets[number]), new)
        for camera in self._cameras[:count]:
            camera.start()

    def frame(self, stream: int, number: int) -> Image:
        """Frame `number` of camera `stream`, RGB. Raises DataError for a damaged clip."""
        if self._inside:
            return self._cameras[stream].frame(number)
        frames = self._ahead[stream % len(self._ahead)]
        return frames[(self._offsets[stream] + number) % len(frames)]

    @property
    def decoded(self) -> int:
        """Frames that were decoded inside steps, those of dropped frames among them."""
        return sum(camera.decoded for camera in self._cameras)

    def decoder_rates(self, lanes: int, seconds: float) -> dict[str, float]:
        """Frames per second that `lanes` threads decode to RGB when nothing else runs, by clip, `seconds` for each."""
        return {clip.name: _rate(clip, lanes, seconds) for clip in self._clips}

    def close(self) -> None:
        """Frees all decoders."""
        for camera in self._cameras:
            camera.close()
        self._cameras.clear()
        self._ahead.clear()

    def _clip(self, camera: int) -> Clip:
        return self._clips[camera % len(self._clips)]

    def _offset(self, camera: int) -> int:
        """Where camera number `camera` begins: anywhere in its clip, so that key frames do not come all at once."""
        digest = hashlib.sha256(f"{self._seed}/{camera}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self._clip(camera).frames


def _ahead(clip: Clip, most_bytes: int) -> list[Image]:
    """The first frames of a clip, RGB, as many as fit; at least one."""
    fitting = max(1, most_bytes // (clip.width * clip.height * _PIXEL_BYTES))
    decoder = Decoder(clip)
    try:
        return [decoder.picture(decoder.next()) for _ in range(min(clip.frames, fitting))]
    finally:
        decoder.close()


def _rate(clip: Clip, lanes: int, seconds: float) -> float:
    now = time.perf_counter_ns
    ready = threading.Barrier(lanes)

    def play(lane: int) -> tuple[int, int, int]:
        decoder, frames = Decoder(clip), 0
        try:
            decoder.seek(lane * clip.frames // lanes)
            ready.wait()
            start = now()
            while now() - start < seconds * 1e9 or not frames:
                decoder.picture(decoder.next())
                frames += 1
            return frames, start, now()
        except BaseException:
            ready.abort()
            raise
        finally:
            decoder.close()

    with ThreadPoolExecutor(max_workers=lanes) as pool:
        done = list(pool.map(play, range(lanes)))
    span_ns = max(end for _, _, end in done) - min(start for _, start, _ in done)
    return sum(frames for frames, _, _ in done) * 1e9 / span_ns
