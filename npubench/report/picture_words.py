"""The sentences under pictures: what differs, how much of the truth was found, what a picture shows."""

from __future__ import annotations

from collections.abc import Sequence

from npubench.exhibits import Exhibit, Finding, Kind
from npubench.lang import Text
from npubench.report.differences import Difference, bounds
from npubench.report.foreign import clean
from npubench.report.numbers import count
from npubench.report.words import same
from npubench.units import show

REFERENCE = Text(en="fp32 reference", ko="fp32 기준")
OURS = Text(en="this backend", ko="이 백엔드")
# Korean has another particle after a consonant.
_WHO_FOUND = {REFERENCE: "fp32 기준이", OURS: "이 백엔드가"}

# Classes of our own detectors and conditions of our own frames; others are shown as they are called.
_CLASSES = {
    "person": "사람",
    "car": "승용차",
    "bus": "버스",
    "truck": "트럭",
    "motorcycle": "오토바이",
    "bicycle": "자전거",
}
_CONDITIONS = {
    "day": Text(en="day", ko="낮"),
    "dusk": Text(en="dusk", ko="해 질 녘"),
    "night": Text(en="night", ko="밤"),
    "infrared": Text(en="infrared", ko="적외선"),
    "clear": Text(en="clear", ko="맑음"),
    "rain": Text(en="rain", ko="비"),
    "fog": Text(en="fog", ko="안개"),
    "motion-blur": Text(en="motion blur", ko="흔들림"),
    "noise": Text(en="noise", ko="잡음"),
    "tilt": Text(en="tilted", ko="기울어짐"),
}

NONE = Text(
    en="No pictures were kept in this run: it is older, or no model in it shows what it finds.",
    ko="이 실행에는 보관한 그림이 없습니다. 이전 버전의 실행이거나 찾은 것을 보여 주는 모델이 없습니다.",
)
HEAVY = Text(
    en="The page would become too heavy: the boxes are drawn without the picture.",
    ko="페이지가 너무 커지므로 그림 없이 상자만 그렸습니다.",
)


def kept_out(models: Text) -> Text:
    """Of inputs that are the user's own."""
    return Text(
        en=f"{models.en} read the user's own data, which is not put into a report unless "
        "`npubench report --embed-media` asks for it.",
        ko=f"사용자 자료를 읽은 모델({models.ko})의 그림은 `npubench report --embed-media`로 요청하지 않으면 "
        "보고서에 넣지 않습니다.",
    )


def label(name: str) -> Text:
    """A class in both languages."""
    shown = clean(name)
    return Text(en=shown, ko=_CLASSES.get(name, shown))


def title(exhibit: Exhibit, number: int, *, named: bool) -> Text:
    """`frame-0001.jpg · night, rain`; an input that is not shown has a number and no name."""
    if not named:
        return Text(en=f"input {number}", ko=f"입력 {number}")
    told = [_CONDITIONS.get(name, same(name)) for name in exhibit.conditions]
    name = clean(exhibit.file)
    if not told:
        return Text(en=name, ko=name)
    return Text(
        en=f"{name} · {', '.join(part.en for part in told)}", ko=f"{name} · {', '.join(part.ko for part in told)}"
    )


def _things(kind: Kind, number: int) -> tuple[str, str]:
    if kind == "objects":
        return f"{count(number)} {'object' if number == 1 else 'objects'}", f"객체 {count(number)}개"
    return f"{count(number)} {'word' if number == 1 else 'words'}", f"단어 {count(number)}개"


def summary(kind: Kind, found: Difference) -> Text:
    """`2 of 14 objects that the reference found are missing; 1 is new.`"""
    known = len(found.same) + len(found.changed) + len(found.missing)
    english, korean = _things(kind, known)
    if found.none:
        return Text(
            en=f"No difference: {english}, as the reference found.", ko=f"차이 없음: 기준과 같은 {korean}를 찾았습니다."
        )
    en, ko = [], []
    if n := len(found.missing):
        en.append(f"{count(n)} of {english} that the reference found {'is' if n == 1 else 'are'} missing")
        ko.append(f"기준이 찾은 {korean} 가운데 {count(n)}개 누락")
    if n := len(found.changed):
        taken = "taken for another kind" if kind == "objects" else "read differently"
        en.append(f"{count(n)} {'is' if n == 1 else 'are'} {taken}" if en else f"{count(n)} of {english} {taken}")
        read = "다른 종류로 판단" if kind == "objects" else "다르게 읽음"
        ko.append(f"{count(n)}개는 {read}" if ko else f"기준이 찾은 {korean} 가운데 {count(n)}개를 {read}")
    if n := len(found.new):
        extra = f"{count(n)} {'is' if n == 1 else 'are'} new"
        en.append(extra if en else f"All {english} of the reference were found; {extra}")
        ko.append(f"새로 찾은 것 {count(n)}개" if ko else f"기준이 찾은 {korean} 모두 찾음, 새로 찾은 것 {count(n)}개")
    return Text(en="; ".join(en) + ".", ko=", ".join(ko) + ".")


def alone(kind: Kind, number: int) -> Text:
    """Without a reference to stand beside."""
    english, korean = _things(kind, number)
    return Text(
        en=f"{english} found; the reference was not asked about this input.",
        ko=f"{korean}를 찾았습니다. 이 입력은 기준에 묻지 않았습니다.",
    )


def truth(kind: Kind, true: int, reference: int | None, found: int) -> Text:
    """How much of what is really there each reader has."""
    english, korean = _things(kind, true)
    if kind == "objects":
        first = f"Labelled in this picture: {english}."
        first_ko = f"이 그림에 표시된 {korean}."
        verb, verb_ko = "found", "찾음"
    else:
        first = f"Written on this page: {english}."
        first_ko = f"이 쪽에 적힌 {korean}."
        verb, verb_ko = "read to the letter", "글자 그대로 읽음"
    if reference is None:
        return Text(
            en=f"{first} This backend {verb} {count(found)}.", ko=f"{first_ko} 이 백엔드: {count(found)}개 {verb_ko}."
        )
    return Text(
        en=f"{first} The reference {verb} {count(reference)}, this backend {count(found)}.",
        ko=f"{first_ko} 기준은 {count(reference)}개, 이 백엔드는 {count(found)}개를 {verb_ko}.",
    )


def _score(finding: Finding) -> str:
    return f" ({show(finding.score, '')})" if finding.score is not None else ""


def difference(kind: Kind, reference: Finding | None, found: Finding | None) -> Text:
    """One difference, by what is gone, what is there instead."""
    if kind == "words":
        if reference is None:
            assert found is not None
            return Text(en=f"New: “{clean(found.label)}”", ko=f"새로 읽음: “{clean(found.label)}”")
        if found is None:
            return Text(en=f"Missing: “{clean(reference.label)}”", ko=f"누락: “{clean(reference.label)}”")
        before, after = clean(reference.label), clean(found.label)
        return Text(en=f"“{before}” is read as “{after}”", ko=f"“{before}” → “{after}”")
    if reference is None:
        assert found is not None
        what = label(found.label)
        return Text(en=f"New: {what.en}{_score(found)}", ko=f"새로 찾음: {what.ko}{_score(found)}")
    what = label(reference.label)
    if found is None:
        return Text(en=f"Missing: {what.en}{_score(reference)}", ko=f"누락: {what.ko}{_score(reference)}")
    other = label(found.label)
    return Text(
        en=f"{what.en}{_score(reference)} is taken for {other.en}{_score(found)}",
        ko=f"{what.ko}{_score(reference)} → {other.ko}{_score(found)}",
    )


def description(reader: Text, kind: Kind, found: Sequence[Finding], width: int) -> Text:
    """What a drawing shows, for those who do not see it: kinds and where they stand across the picture.

    `reader` is REFERENCE or OURS.
    """
    if kind == "words":
        english, korean = _things(kind, len(found))
        return Text(
            en=f"The page with the {english} outlined that {reader.en} found.",
            ko=f"{_WHO_FOUND[reader]} 찾은 {korean}에 테두리를 그린 쪽.",
        )
    places: dict[str, list[int]] = {}
    for item in found:
        left, _, right, _ = bounds(item)
        third = min(2, max(0, int((left + right) / 2 * 3 / max(1, width))))
        places.setdefault(item.label, [0, 0, 0])[third] += 1
    if not places:
        return Text(en=f"{reader.en}: nothing was found.", ko=f"{reader.ko}: 찾은 것이 없습니다.")
    said, said_ko = [], []
    for name, (left_n, middle, right_n) in places.items():
        sides = [(left_n, "left", "왼쪽"), (middle, "middle", "가운데"), (right_n, "right", "오른쪽")]
        said.append(f"{label(name).en}: " + ", ".join(f"{count(n)} {side}" for n, side, _ in sides if n))
        said_ko.append(f"{label(name).ko}: " + ", ".join(f"{side} {count(n)}" for n, _, side in sides if n))
    return Text(en=f"{reader.en}. {'; '.join(said)}.", ko=f"{reader.ko}. {'; '.join(said_ko)}.")


def whole(kind: Kind, found: Sequence[Difference], inputs: int) -> Text:
    """All inputs of a build in a line."""
    differing = sum(not item.none for item in found)
    frames = ("frame", "frames", "프레임") if kind == "objects" else ("page", "pages", "쪽")
    if not differing:
        return Text(
            en=f"as the reference in {'the one' if inputs == 1 else f'all {count(inputs)}'} "
            f"{frames[0] if inputs == 1 else frames[1]}",
            ko=f"{frames[2]} {count(inputs)}개 모두 기준과 같음",
        )
    missing = sum(len(item.missing) for item in found)
    changed = sum(len(item.changed) for item in found)
    new = sum(len(item.new) for item in found)
    taken = ("taken for another kind", "다른 종류") if kind == "objects" else ("read differently", "다르게 읽음")
    parts = [(missing, "missing", "누락"), (changed, *taken), (new, "new", "새로 찾음")]
    known = sum(len(item.same) + len(item.changed) + len(item.missing) for item in found)
    english, korean = _things(kind, known)
    said = ", ".join(f"{count(n)} {en}" for n, en, _ in parts if n)
    said_ko = ", ".join(f"{ko} {count(n)}" for n, _, ko in parts if n)
    return Text(
        en=f"of {english} in {count(inputs)} {frames[0] if inputs == 1 else frames[1]}: {said}",
        ko=f"{frames[2]} {count(inputs)}개, 기준 {korean} 가운데: {said_ko}",
    )


def rule(kind: Kind) -> Text:
    """How the inputs were chosen."""
    if kind == "objects":
        return Text(
            en="Frames: of those that were answered, the ones with most labelled objects, each in another light; "
            "without labels, the first, the middle and the last.",
            ko="프레임: 답한 것 가운데 표시된 객체가 가장 많은 것을 서로 다른 조명에서 하나씩. "
            "표시가 없으면 처음, 가운데, 마지막.",
        )
    return Text(
        en="Pages: of those that were answered, the one with most words and the one with fewest; without a "
        "transcript, the first and the last.",
        ko="쪽: 답한 것 가운데 단어가 가장 많은 쪽과 가장 적은 쪽. 정답이 없으면 처음과 마지막.",
    )
