"""Decoding: a clip's frames, one after the other, in an endless loop.

Guarantees: frames come in the order in which they are shown, each with the pixels that the standard says; a file that
is damaged, or changes its size in the middle, is a DataError that names it. One thread per decoder: a machine with many
cameras has as many decoders, and its processors are shared by lanes. Not aware of: cameras, what is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from npubench.clips import Clip, library
from npubench.errors import DataError
from npubench.lang import here

if TYPE_CHECKING:
    from PIL.Image import Image

# AVCOL_SPC_BT709, AVCOL_SPC_UNSPECIFIED; SWS_CS_ITU709, SWS_CS_ITU601; AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG (libavutil
# pixfmt.h, libswscale swscale.h).
_BT709, _UNSPECIFIED, _ITU709, _ITU601, _LIMITED, _FULL = 1, 2, 1, 5, 1, 2
# Unmarked video of this height or more is BT.709 (ITU-R BT.709 is HD's, BT.601 that of standard definition).
_HD_HEIGHT = 720


class Decoder:
    """Plays a clip in an endless loop, one frame after the other, on one thread. Lives from `Decoder` to `close`."""

    def __init__(self, clip: Clip) -> None:
        self._av = library()
        self._clip = clip
        self._context = self._opened()
        self._frames = self._played(0)
        self._converter = self._av.video.reformatter.VideoReformatter()
        # Newer libraries convert on as many threads as there are processors unless asked.
        said = self._av.video.reformatter.VideoReformatter.reformat.__doc__ or ""
        self._alone = {"threads": 1} if "threads" in said else {}

    def seek(self, index: int) -> None:
        """Makes frame `index` (0 ≤ index < `frames`) the next one: from its key frame on, all are decoded."""
        first = max(key for key in self._clip.keys if key <= index)
        self._frames = self._played(first)
        for _ in range(index - first):
            next(self._frames)

    def next(self) -> Any:
        """The next frame, decoded, in the decoder's own format. Raises DataError for a damaged file."""
        return next(self._frames)

    def picture(self, frame: Any) -> Image:
        """A decoded frame as 8-bit RGB of its own size. Raises DataError where that is not the clip's."""
        from PIL.Image import frombuffer

        clip = self._clip
        if (frame.width, frame.height) != (clip.width, clip.height):
            raise _other_size(clip, frame)
        space = frame.colorspace
        if space == _UNSPECIFIED:
            space = _ITU709 if clip.height >= _HD_HEIGHT else _ITU601
        pixels = self._converter.reformat(
            frame,
            format="rgb24",
            src_colorspace=_ITU709 if space == _BT709 else space,
            src_color_range=_FULL if frame.color_range == _FULL else _LIMITED,
            dst_color_range=_FULL,
            **self._alone,
        ).planes[0]
        # PyAV's own `to_image` copies row by row in Python: 1.5 ms more at 1280×720.
        return frombuffer("RGB", (clip.width, clip.height), pixels, "raw", "RGB", pixels.line_size, 1)

    def close(self) -> None:
        """Frees the decoder's frames."""
        self._frames = iter(())
        self._context = None

    def _opened(self) -> Any:
        context = self._av.CodecContext.create(self._clip.codec, "r")
        context.thread_count = 1
        if self._clip.extradata:
            context.extradata = self._clip.extradata
        return context

    def _played(self, first: int) -> Iterator[Any]:
        """Frames from the packet `first`, a key frame, on; after the last one the clip begins again."""
        if self._context.is_open:
            self._context.flush_buffers()
        while True:
            shown = 0
            try:
                for packet in self._clip.packets[first:]:
                    for frame in self._context.decode(self._av.Packet(packet)):
                        shown += 1
                        yield frame
                # What is held back for frames that are shown in another order than they are sent in.
                for frame in self._context.decode(None):
                    shown += 1
                    yield frame
            except (self._av.FFmpegError, OSError, ValueError) as error:
                raise _damaged(self._clip, first + shown, str(error)) from None
            if not shown:
                raise _damaged(self._clip, first, here("nothing can be decoded", "디코딩할 수 없음"))
            self._context.flush_buffers()
            first = 0


def check(clip: Clip) -> None:
    """Decodes every frame once. Raises DataError for one that is damaged, missing or of another size."""
    av = library()
    decoder = Decoder(clip)
    context, found = decoder._context, 0
    try:
        for packet in (*map(av.Packet, clip.packets), None):
            for frame in context.decode(packet):
                if (frame.width, frame.height) != (clip.width, clip.height):
                    raise _other_size(clip, frame)
                if frame.is_corrupt:
                    raise _damaged(clip, found, here("its data is incomplete", "데이터가 불완전함"))
                found += 1
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _damaged(clip, found, str(error)) from None
    finally:
        decoder.close()
    # Frames that lead up to the first key frame cannot be decoded (open groups of pictures); half of them can.
    if 2 * found < clip.frames:
        raise _damaged(clip, found, here(f"{found} of {clip.frames} frames", f"{clip.frames}개 중 {found}개"))


def _damaged(clip: Clip, frame: int, why: str) -> DataError:
    return DataError(
        here(f"{clip.name}: frame {frame + 1} is damaged: {why}", f"{clip.name}: {frame + 1}번째 프레임 손상: {why}"),
        hint=here("replace the file by an undamaged copy", "손상되지 않은 파일로 바꾸십시오"),
    )


def _other_size(clip: Clip, frame: Any) -> DataError:
    size = f"{frame.width}×{frame.height}"
    return DataError(
        here(
            f"{clip.name}: the size changes from {clip.width}×{clip.height} to {size} in the middle",
            f"{clip.name}: 중간에 크기가 {clip.width}×{clip.height}에서 {size}(으)로 바뀝니다",
        ),
        hint=here("cut it where the size changes", "크기가 바뀌는 곳에서 잘라 두 파일로 나누십시오"),
    )
