"""What a backend found in a few inputs, beside the fp32 reference: boxes on frames, text of pages, differences marked.

Guarantees: of inputs that are not npubench's own, neither the picture nor its name nor what is written in it reaches a
page unless its reader was given the picture (`media`); a picture that several builds were asked about stands in the
page once; all pictures of a run together weigh at most `MOST_BYTES`. Pure but for the reader.

Not aware of: HTML, files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import msgspec

from npubench.cards import build_name
from npubench.exhibits import Exhibits, Finding, Kind, Shown
from npubench.lang import Text
from npubench.report import picture_words as words
from npubench.report.differences import Difference, bounds, compare, page
from npubench.report.foreign import clean
from npubench.report.inputs import OWN
from npubench.report.media import Media, Reader
from npubench.report.numbers import backend_name, count, model_name
from npubench.report.shown_base import Tone
from npubench.report.shown_pictures import Differing, Gallery, Mark, Outline, Picture, Pictures, Seen, Side
from npubench.report.words import joined, same
from npubench.schema import Run

# Of the `data:` addresses of a run; a page travels by mail.
MOST_BYTES = 600_000
# Differences of one input that are listed in words; the rest is counted.
MOST_LISTED = 24


class _Store:
    """The pictures of a run, each once. Lives while a section is put together."""

    def __init__(self, key: str, read: Reader) -> None:
        self._key, self._read = key, read
        self._kept: dict[str, Picture] = {}
        self._bytes = 0
        self.own = False

    def take(self, exhibits: Exhibits, shown: Shown) -> tuple[str, Media]:
        """(the picture's id, empty without one; the picture, or why there is none)."""
        exhibit = shown.exhibit
        if (kept := self._kept.get(exhibit.sha256)) is not None:
            return kept.key, Media(address=kept.address)
        media = self._read(exhibits, exhibit)
        if not media.address:
            return "", media
        if self._bytes + len(media.address) > MOST_BYTES:
            return "", Media(why=words.HEAVY)
        self._bytes += len(media.address)
        self.own = self.own or exhibits.private
        made = Picture(
            key=f"{self._key}-{len(self._kept) + 1}",
            address=media.address,
            width=exhibit.width,
            height=exhibit.height,
        )
        self._kept[exhibit.sha256] = made
        return made.key, media

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(self._kept.values())


def pictures(run: Run, key: str, exhibits: Sequence[Exhibits], read: Reader) -> Pictures:
    """The section of one run. `key` is the run's place in the page."""
    kept_out = _kept_out(run)
    shown = [found for found in exhibits if found.items]
    store = _Store(f"{key}-p", read)
    galleries = [_gallery(run, f"{key}-x{n}", found, store) for n, found in enumerate(shown, 1)]
    # Of the user's inputs nothing is said without their pictures: a pack of this run holds nothing of them either.
    able = [
        not found.private or any(seen.picture for seen in item.seen)
        for found, item in zip(shown, galleries, strict=True)
    ]
    shown, galleries = list(compress(shown, able)), list(compress(galleries, able))
    if not shown:
        return Pictures(none=kept_out or words.NONE)
    most: dict[str, tuple[int, str]] = {}
    for gallery in galleries:
        weight = sum(len(seen.differences) for seen in gallery.seen)
        if gallery.model.id not in most or weight > most[gallery.model.id][0]:
            most[gallery.model.id] = weight, gallery.key
    opened = {place for _, place in most.values()}
    kinds = dict.fromkeys(item.exhibit.kind for found in shown for item in found.items)
    return Pictures(
        store=store.pictures,
        galleries=tuple(msgspec.structs.replace(item, open=item.key in opened) for item in galleries),
        notes=(*(words.rule(kind) for kind in kinds), *((kept_out,) if kept_out and not store.own else ())),
        own=store.own,
    )


def _kept_out(run: Run) -> Text | None:
    """Which models read the user's own data, of which a page shows nothing unasked."""
    names = [same(model) for model, fed in run.inputs.items() if fed.source == OWN]
    return words.kept_out(joined(names)) if names else None


def _gallery(run: Run, key: str, found: Exhibits, store: _Store) -> Gallery:
    compared = [
        compare(item.exhibit.found, item.reference if item.reference is not None else item.exhibit.found)
        for item in found.items
    ]
    seen = tuple(
        _seen(f"{key}-{n}", n, found, item, difference, store)
        for n, (item, difference) in enumerate(zip(found.items, compared, strict=True), 1)
    )
    tone: Tone = "plain" if any(not difference.none for difference in compared) else "good"
    if any(item.reference is None for item in found.items):
        number = sum(len(item.exhibit.found) for item in found.items)
        summary, tone = words.alone(found.items[0].exhibit.kind, number), "plain"
    else:
        summary = words.whole(found.items[0].exhibit.kind, compared, len(compared))
    return Gallery(
        key=key,
        model=model_name(run, found.model),
        build=clean(build_name(found.precision, found.variant)),
        backend=backend_name(run, found.backend),
        summary=summary,
        tone=tone,
        open=False,
        seen=seen,
    )


def _seen(key: str, number: int, found: Exhibits, item: Shown, difference: Difference, store: _Store) -> Seen:
    exhibit = item.exhibit
    place, media = store.take(found, item)
    blank = Seen(
        key=key,
        title=words.title(exhibit, number, named=True),
        summary=words.summary(exhibit.kind, difference)
        if item.reference is not None
        else words.alone(exhibit.kind, len(exhibit.found)),
        truth=_truth(item),
        tone="good" if difference.none else "plain",
        picture=place,
        width=exhibit.width,
        height=exhibit.height,
        stroke=round(max(exhibit.width, exhibit.height) / (800 if exhibit.kind == "words" else 400), 2),
        why=media.why,
        sides=(),
        differences=(),
    )
    if found.private and not media.address:
        # What is written on somebody's page, or where people stand in somebody's street, is theirs.
        return msgspec.structs.replace(blank, title=words.title(exhibit, number, named=False))
    listed = _differences(exhibit.kind, difference)
    rest = len(listed) - MOST_LISTED
    return msgspec.structs.replace(
        blank,
        sides=_sides(key, item, difference),
        differences=tuple(listed[:MOST_LISTED]),
        more=Text(en=f"… and {count(rest)} more", ko=f"… 외 {count(rest)}개") if rest > 0 else None,
        lines=tuple(tuple(word.pieces for word in line) for line in page(_cleaned(difference)))
        if exhibit.kind == "words"
        else (),
    )


def _truth(item: Shown) -> Text | None:
    true = item.exhibit.truth
    if true is None:
        return None

    def right(found: Sequence[Finding]) -> int:
        return len(compare(found, true).same)

    reference = None if item.reference is None else right(item.reference)
    return words.truth(item.exhibit.kind, len(true), reference, right(item.exhibit.found))


def _differences(kind: Kind, found: Difference) -> list[Differing]:
    """Every difference with its number: what is missing first, then what is taken for something else, then new."""
    ours: list[tuple[Mark, Finding | None, Finding | None]] = [("gone", item, None) for item in found.missing]
    ours += [("changed", known, item) for known, item in found.changed]
    ours += [("added", None, item) for item in found.new]
    return [
        Differing(number=str(number), mark=mark, text=words.difference(kind, known, item))
        for number, (mark, known, item) in enumerate(ours, 1)
    ]


def _outline(finding: Finding, mark: Mark, number: str = "") -> Outline:
    left, top, right, bottom = bounds(finding)
    corners = finding.place if len(finding.place) == 8 else (left, top, right, top, right, bottom, left, bottom)
    return Outline(
        mark=mark,
        points=" ".join(f"{x:g},{y:g}" for x, y in zip(corners[0::2], corners[1::2], strict=True)),
        x=left,
        y=top,
        number=number,
    )


def _sides(key: str, item: Shown, found: Difference) -> tuple[Side, ...]:
    """The drawings: of a frame the reference's beside this backend's, of a page one with both."""
    exhibit = item.exhibit
    numbers = iter(range(1, 1 + len(found.missing) + len(found.changed) + len(found.new)))
    gone = [(finding, str(next(numbers))) for finding in found.missing]
    changed = [(pair, str(next(numbers))) for pair in found.changed]
    new = [(finding, str(next(numbers))) for finding in found.new]
    right = Side(
        key=f"{key}-b",
        title=words.OURS,
        description=words.description(words.OURS, exhibit.kind, exhibit.found, exhibit.width),
        outlines=(
            *(_outline(mine, "both") for _, mine in found.same),
            *(_outline(pair[1], "changed", number) for pair, number in changed),
            *(_outline(finding, "added", number) for finding, number in new),
        ),
    )
    if item.reference is None:
        return (right,)
    lost = tuple(_outline(finding, "gone", number) for finding, number in gone)
    if exhibit.kind == "words":
        # A page is high: one drawing holds both, beside the text.
        title = Text(
            en="this backend's words, and those of the reference alone", ko="이 백엔드가 찾은 단어와 기준만 찾은 단어"
        )
        return (msgspec.structs.replace(right, title=title, outlines=(*right.outlines, *lost)),)
    left = Side(
        key=f"{key}-a",
        title=words.REFERENCE,
        description=words.description(words.REFERENCE, exhibit.kind, item.reference, exhibit.width),
        outlines=(
            *(_outline(known, "both") for known, _ in found.same),
            *(_outline(pair[0], "changed", number) for pair, number in changed),
            *lost,
        ),
    )
    return left, right


def _cleaned(found: Difference) -> Difference:
    """Words as they may be shown: what a recogniser reads is foreign text."""

    def fit(item: Finding) -> Finding:
        return msgspec.structs.replace(item, label=clean(item.label))

    return Difference(
        same=tuple((fit(a), fit(b)) for a, b in found.same),
        changed=tuple((fit(a), fit(b)) for a, b in found.changed),
        missing=tuple(fit(item) for item in found.missing),
        new=tuple(fit(item) for item in found.new),
    )
