"""Looks at the user's own clips before anything is measured (`--video FILE|DIR`).

Guarantees: what a workload would play of every clip has been decoded once, so that a broken file is named now; the
digest changes with every byte and every name that a measurement depends on. Not aware of: cameras, models.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from npubench import clips, decoding
from npubench.build.userdata import digest_lines
from npubench.errors import DataError
from npubench.lang import here
from npubench.store import sha256_file


class UserClips(msgspec.Struct, frozen=True, kw_only=True):
    """Usable clips: files (POSIX names relative to the folder, sorted), their common SHA-256, and what they are.

    `fps`: the rate that all of them have; None where they differ or one has no clock. `variable`: those whose frames
    do not come evenly. `cut`: those of which only the first `clips.MOST_FRAMES` are used. `keys`: key frames of all.
    """

    files: tuple[str, ...]
    sha256: str
    fps: float | None
    variable: tuple[str, ...]
    cut: tuple[str, ...]
    keys: int


def digest_clips(path: Path) -> str:
    """SHA-256 over the sorted lines `<sha256>  <file>` of the clips at `path`. Raises DataError."""
    return digest_lines(_hashed(path, clips.clip_files(path)))


def describe_clips(path: Path) -> UserClips:
    """Checks every clip at `path`, a file or a folder. Raises DataError naming the first one that cannot be used."""
    files = clips.clip_files(path)
    # Before minutes of decoding, for want of a library.
    clips.library()
    rates: set[float | None] = set()
    variable: list[str] = []
    cut: list[str] = []
    keys = 0
    for file in files:
        clip = clips.read(file)
        decoding.check(clip)
        name = _name(path, file)
        rates.add(clip.fps)
        keys += len(clip.keys)
        if clip.variable:
            variable.append(name)
        if clip.frames == clips.MOST_FRAMES:
            cut.append(name)
    return UserClips(
        files=tuple(_name(path, file) for file in files),
        sha256=digest_lines(_hashed(path, files)),
        fps=rates.pop() if len(rates) == 1 else None,
        variable=tuple(variable),
        cut=tuple(cut),
        keys=keys,
    )


def _name(path: Path, file: Path) -> str:
    return file.name if file == path else file.relative_to(path).as_posix()


def _hashed(path: Path, files: list[Path]) -> list[tuple[str, str]]:
    try:
        return [(sha256_file(file), _name(path, file)) for file in files]
    except OSError as error:
        name = error.filename
        raise DataError(
            here(f"{name}: cannot be read: {error.strerror}", f"{name}: 읽을 수 없습니다: {error.strerror}"),
            hint=here("check that you may read it", "읽기 권한을 확인하십시오"),
        ) from None
