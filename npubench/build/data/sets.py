"""Data sets: writes the folders `models/data/<id>/` and checks that they are what their cards pin.

    python -m npubench.build.data.sets [SET…] [--data DIR]

writes the standard sets anew, a developer's tool; users get their bytes. Guarantees: picture n of a set depends on the
set's seed text and on n only, so that training draws other pictures from other seed texts; a folder appears complete or
stays as it was. The bytes of a JPEG depend on Pillow's version too, those of a clip on PyAV's: what counts are the
committed bytes and the digest in the card.

Not aware of: what is drawn (`streets`, `documents`, `clips`), models, folders of the user's own (`userdata`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from npubench import cards
from npubench.build.userdata import check_picture, digest_lines
from npubench.cards import DataCard
from npubench.discovery import checkout_root
from npubench.errors import ArtifactError, DataError, NpubenchError, UnknownNameError
from npubench.lang import Text, here
from npubench.store import sha256_file

if TYPE_CHECKING:
    from PIL.Image import Image

    from npubench.build.data.fonts import Purpose

Kind = Literal["frames", "pages", "prompts", "clips"]

CARD = "data.toml"
ANNOTATIONS = "annotations.json"
PROMPTS = "prompts.jsonl"
TOKENIZER = "tokenizer.json"
CLIPS = "clips.json"

# In the order of cctv-detect's class scores; COCO category ids count from 1.
CLASSES = ("person", "car", "bus", "truck", "motorcycle", "bicycle")
FRAME_SIZE_PX = (1280, 720)
# About 60 kB a frame and 200 kB a page, as network cameras and office scanners compress.
FRAME_JPEG_QUALITY = 60
PAGE_JPEG_QUALITY = 55


class Standard(msgspec.Struct, frozen=True):
    """A set that the repository holds."""

    kind: Kind
    count: int
    title: Text


STANDARD: dict[str, Standard] = {
    "street-frames": Standard("frames", 512, Text("Drawn street scenes, 1280×720", "그려낸 거리 장면, 1280×720")),
    "admin-pages": Standard(
        "pages", 128, Text("Drawn scans of administrative documents, 150 dpi", "그려낸 행정 문서 스캔, 150 dpi")
    ),
    "civic-prompts": Standard(
        "prompts", 96, Text("Public-sector prompts, Korean and English", "공공 부문 프롬프트, 한국어와 영어")
    ),
    "street-clips": Standard(
        "clips",
        4,
        Text("A drawn street in motion, 720p and 1080p, H.264 and H.265", "그려낸 거리 영상, 720p·1080p, H.264·H.265"),
    ),
}


def digest_folder(path: Path) -> str:
    """DataCard.sha256 of a folder: SHA-256 (hex) over the sorted lines `<sha256>  <file>\\n` of all files but the card.

    Files are named relative to `path` in POSIX form. Raises ArtifactError for a folder that cannot be read.
    """
    try:
        return digest_lines((sha256_file(path / name), name) for name in _files(path))
    except OSError as error:
        raise _not_as_pinned(
            path,
            here(f"{error.filename}: cannot be read", f"{error.filename}: 읽을 수 없음") + f" ({error.strerror})",
        ) from None


def verify_set(folder: Path, card: DataCard) -> None:
    """Raises ArtifactError unless the folder's bytes have the digest that `card` pins.

    The digest is one for all files, so a file can only be named when the set's own list shows that it is missing, too
    many or broken.
    """
    if not folder.is_dir():
        raise _not_as_pinned(folder, here("no such folder", "폴더가 없음"))
    found = digest_folder(folder)
    if found != card.sha256:
        raise _not_as_pinned(
            folder,
            _suspect(folder, card)
            or here(
                f"a file's content differs: data.toml pins sha256 {card.sha256[:16]}…, the files have {found[:16]}…",
                f"파일 내용이 다름: data.toml의 sha256은 {card.sha256[:16]}…, 파일은 {found[:16]}…",
            ),
        )


def item_seed(seed: str, index: int) -> int:
    """The integer seed, 0 ≤ s < 2**63, of item `index` of the set with the seed text `seed`: from SHA-256."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:8], "big") >> 1


def write_set(kind: Kind, count: int, seed: str, folder: Path, purpose: Purpose = "evaluation") -> DataCard:
    """Writes `count` items of `kind` and their card to `folder`, whose name is the set's id, and returns the card.

    Pages are drawn in the fonts and the words of `purpose`: those of evaluation never serve training or calibration.

    A set that is already there is replaced, except that a set of prompts keeps its tokenizer.json: language models are
    trained for its ids. Raises DataError for a folder that holds something else, CardError for a name that is no id.
    """
    if folder.exists() and not (folder / CARD).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            here(
                f"{folder}: is no data set (it has no {CARD}), so it is not replaced",
                f"{folder}: {CARD}이 없어 데이터 세트가 아니므로 덮어쓰지 않습니다",
            ),
            hint=here("name a new or empty folder", "새 폴더나 빈 폴더를 지정하십시오"),
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        if kind == "prompts":
            _write_prompts(made, count, seed, folder / TOKENIZER)
        elif kind == "clips":
            _write_clips(made, count, seed)
        else:
            (_write_frames if kind == "frames" else partial(_write_pages, purpose=purpose))(made, count, seed)
        card = DataCard(
            schema="npubench.data/1",
            id=folder.name,
            kind=kind,
            title=STANDARD[folder.name].title if folder.name in STANDARD else Text(folder.name, folder.name),
            generator="npubench.build.data.sets",
            seed=seed,
            license="Apache-2.0",
            count=count,
            sha256=digest_folder(made),
        )
        (made / CARD).write_text(card_toml(card), encoding="utf-8")
        cards.load(made / CARD, DataCard)
        if folder.exists():
            folder.rename(Path(scratch) / "replaced")
        made.rename(folder)
    return card


def card_toml(card: DataCard) -> str:
    """The text of a data.toml."""

    def value(field: Any) -> str:
        if isinstance(field, dict):
            return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in field.items()) + " }"
        # JSON's strings and whole numbers are TOML's.
        return json.dumps(field, ensure_ascii=False)

    return "".join(f"{key} = {value(field)}\n" for key, field in msgspec.to_builtins(card).items())


def _files(folder: Path) -> list[str]:
    """Every file of a set but its card, in POSIX form, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in names if name != CARD)


def _write_frames(folder: Path, count: int, seed: str) -> None:
    from npubench.build.data.streets import draw_scene

    frames: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for index in range(count):
        scene = draw_scene(item_seed(seed, index), FRAME_SIZE_PX)
        name = f"frame-{index + 1:04d}.jpg"
        _save_jpeg(scene.image, folder / name, FRAME_JPEG_QUALITY)
        width, height = scene.image.size
        frames.append(
            {
                "id": index + 1,
                "file_name": name,
                "width": width,
                "height": height,
                "conditions": msgspec.to_builtins(scene.conditions),
            }
        )
        for seen in scene.objects:
            x0, y0, x1, y1 = (round(float(edge), 1) for edge in seen.box)
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": index + 1,
                    "category_id": 1 + CLASSES.index(seen.class_name),
                    "bbox": [x0, y0, round(x1 - x0, 1), round(y1 - y0, 1)],
                    "area": round((x1 - x0) * (y1 - y0), 1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    _write_lists(folder / ANNOTATIONS, {"images": frames, "annotations": boxes, "categories": categories})


def _write_pages(folder: Path, count: int, seed: str, purpose: Purpose) -> None:
    from npubench.build.data.documents import draw_page, find_fonts
    from npubench.build.data.wordlists import EVALUATION, TRAINING

    fonts, words_from = find_fonts(purpose), {"training": TRAINING, "evaluation": EVALUATION}[purpose]
    pages: list[dict[str, Any]] = []
    for index in range(count):
        page = draw_page(item_seed(seed, index), fonts, lists=words_from)
        name = f"page-{index + 1:04d}.jpg"
        _save_jpeg(page.image, folder / name, PAGE_JPEG_QUALITY)
        words = [
            {"text": word.text, "quad": [[round(float(x), 1), round(float(y), 1)] for x, y in word.quad]}
            for word in page.words
        ]
        pages.append({"file": name, "width": page.image.width, "height": page.image.height, "words": words})
    used = [{"family": font.family, "sha256": font.sha256} for font in fonts]
    _write_lists(folder / ANNOTATIONS, {"fonts": used, "pages": pages})


def _write_prompts(folder: Path, count: int, seed: str, kept: Path) -> None:
    from npubench.build.data import prompts

    lines = [msgspec.json.encode(prompt) + b"\n" for prompt in prompts.compose(count, seed)]
    (folder / PROMPTS).write_bytes(b"".join(lines))
    (folder / TOKENIZER).write_bytes(kept.read_bytes() if kept.is_file() else prompts.train_tokenizer())


def _write_clips(folder: Path, count: int, seed: str) -> None:
    from npubench.build.data.clips import write_clips

    _write_lists(folder / CLIPS, {"clips": write_clips(folder, item_seed(seed, 0), count)})


def _save_jpeg(image: Image, path: Path, quality: int) -> None:
    """Saves a picture; one without colour as grey, a third smaller. Nothing of the machine or the date is in it."""
    grey = image.convert("L")
    colourless = image.mode == "RGB" and all(channel.tobytes() == grey.tobytes() for channel in image.split())
    (grey if colourless else image).save(path, "JPEG", quality=quality, optimize=True)


def _write_lists(path: Path, lists: dict[str, list[dict[str, Any]]]) -> None:
    """JSON with one list item a line, so that a change of one picture reads as one."""
    parts = []
    for key, items in lists.items():
        lines = ",\n".join(msgspec.json.encode(item).decode() for item in items)
        parts.append(f'"{key}": [\n{lines}\n]')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _suspect(folder: Path, card: DataCard) -> str | None:
    """The first file that is evidently wrong, and why."""
    present = _files(folder)
    try:
        listed = _listed(folder, card)
    except FileNotFoundError as error:
        return here(f"{Path(error.filename).name} is missing", f"{Path(error.filename).name} 파일이 없음")
    # Any broken JSON: no key, wrong type, no UTF-8.
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        name = {"prompts": PROMPTS, "clips": CLIPS}.get(card.kind, ANNOTATIONS)
        return here(f"{name} is damaged", f"{name} 파일이 손상됨")
    missing = sorted(listed - set(present))
    if missing:
        return here(f"{missing[0]} is missing", f"{missing[0]} 파일이 없음")
    surplus = [name for name in present if name not in listed]
    if surplus:
        return here(f"{surplus[0]} does not belong to it", f"{surplus[0]}은(는) 이 세트의 파일이 아님")
    for name in present:
        if not (folder / name).stat().st_size:
            return here(f"{name} is empty", f"{name} 파일이 비어 있음")
        if name not in (ANNOTATIONS, PROMPTS, TOKENIZER) and card.kind != "clips":
            try:
                check_picture(folder / name)
            except DataError as error:
                return str(error)
    return None


def _listed(folder: Path, card: DataCard) -> set[str]:
    """The files that the set's own list says it has."""
    if card.kind == "prompts":
        for line in (folder / PROMPTS).read_bytes().splitlines():
            msgspec.json.decode(line)
        return {PROMPTS, TOKENIZER}
    if card.kind == "clips":
        document = msgspec.json.decode((folder / CLIPS).read_bytes())
        return {CLIPS, *(str(clip["file"]) for clip in document["clips"])}
    document = msgspec.json.decode((folder / ANNOTATIONS).read_bytes())
    items, key = (document["images"], "file_name") if card.kind == "frames" else (document["pages"], "file")
    return {ANNOTATIONS, *(str(item[key]) for item in items)}


def _not_as_pinned(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(
        here(f"data set {folder}: not what its card pins: {why}", f"데이터 세트 {folder}: 카드와 다릅니다: {why}"),
        hint=here(
            f"restore the folder (git checkout, or install npubench again); if the change is meant, correct sha256 "
            f"and count in {CARD}",
            f"폴더를 되돌리십시오(git checkout 또는 npubench 재설치). 의도한 변경이면 {CARD}의 sha256과 count를 "
            f"고치십시오",
        ),
    )


def _run(arguments: Sequence[str], tell: Callable[[str], object]) -> None:
    parser = argparse.ArgumentParser(prog="python -m npubench.build.data.sets", description="Writes the data sets.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"any of {', '.join(STANDARD)}; all when none is named")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of data sets; the checkout's models/data")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.sets if name not in STANDARD]
    if unknown:
        raise UnknownNameError(f"no standard set is called {unknown[0]!r}", hint=f"there are {', '.join(STANDARD)}")
    checkout = checkout_root()
    root: Path | None = given.data or (checkout / "models" / "data" if checkout else None)
    if root is None:
        raise DataError("npubench does not run from a checkout", hint="name the folder: --data DIR")
    for name in given.sets or STANDARD:
        standard = STANDARD[name]
        card = write_set(standard.kind, standard.count, f"{name}/1", root / name)
        size = sum(path.stat().st_size for path in (root / name).iterdir())
        tell(f"{name}: {card.count} {card.kind}, {size / 1e6:.2f} MB, sha256 {card.sha256}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    try:
        _run(sys.argv[1:] if arguments is None else arguments, sys.stdout.write)
    except NpubenchError as error:
        sys.stderr.write(f"{error}\n" + (f"  → {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
