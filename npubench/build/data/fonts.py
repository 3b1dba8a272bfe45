"""Korean fonts under free licences that this machine has, found by family in the standard font folders.

No font is committed; a set's list names family and SHA-256 of those that it was drawn with. Of a collection (.ttc) the
first face is taken: its Hangul is that of the others. Not aware of: pages.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Literal

import msgspec
from PIL import ImageFont

from npubench.errors import DataError
from npubench.lang import here
from npubench.store import sha256_file

# Families published under the SIL Open Font Licence, by the start of their file names. What is trained on the first
# never sees the second, a sans serif and a serif of their own, so that scores are those of fonts not learned.
TRAINING: tuple[str, ...] = (
    "nanumgothic", "nanumbarun", "nanummyeongjo", "d2coding", "notosanskr", "notosanscjk",
    "pretendard", "gowun", "ibmplexsanskr", "hahmlet",
)  # fmt: skip
EVALUATION: tuple[str, ...] = ("nanumsquare", "notoserifkr", "notoserifcjk")
Purpose = Literal["training", "evaluation"]
SUFFIXES = (".ttf", ".otf", ".ttc")

# A code point that no font has: its picture is the font's box for signs that it lacks.
_NO_CHARACTER = "\uffff"


class FontFile(msgspec.Struct, frozen=True):
    """A font file. `family` and `style` are the names that the font gives itself."""

    path: str
    family: str
    style: str
    sha256: str

    @property
    def bold(self) -> bool:
        """Whether it is made for headings."""
        return "bold" in self.style.lower() or Path(self.path).stem.endswith("B")


def font_folders() -> list[Path]:
    """The standard font folders of a Linux system and of its user."""
    data_home = os.environ.get("XDG_DATA_HOME", "")
    own = Path(data_home) if data_home else Path.home() / ".local" / "share"
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), own / "fonts", Path.home() / ".fonts"]


def find_fonts(purpose: Purpose = "evaluation") -> tuple[FontFile, ...]:
    """The Korean fonts of this machine in the order of their file names. Raises DataError when there is none."""
    families = {"training": TRAINING, "evaluation": EVALUATION}[purpose]
    found: dict[str, FontFile] = {}
    for folder in font_folders():
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() in SUFFIXES and path.name.lower().startswith(families) and path.name not in found:
                family, style = ImageFont.truetype(str(path), 20).getname()
                found[path.name] = FontFile(str(path), family or path.stem, style or "", sha256_file(path))
    if not found:
        raise DataError(
            here("pages cannot be drawn: no Korean font is installed", "한글 글꼴이 없어 페이지를 그릴 수 없습니다"),
            hint="apt install fonts-nanum",
        )
    return tuple(found[name] for name in sorted(found))


@functools.lru_cache(maxsize=256)
def opened(path: str, size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels."""
    return ImageFont.truetype(path, size)


def has_glyphs(path: str, text: str) -> bool:
    """Whether the font has a sign for every character of `text`."""
    return all(_has_glyph(path, char) for char in text)


@functools.lru_cache(maxsize=50_000)
def _has_glyph(path: str, char: str) -> bool:
    return _picture(path, char) != _picture(path, _NO_CHARACTER)


def _picture(path: str, char: str) -> tuple[tuple[int, int], bytes]:
    mask = opened(path, 32).getmask(char)
    return mask.size, bytes(mask)
