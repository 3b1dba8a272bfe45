"""Scanned-looking pages of Korean administrative documents, drawn from a seed, with the place of every word.

Eight kinds: application form, public notice, official letter, receipt, minutes, resident extract, plate list,
statistics. Guarantees: the same seed and fonts give the same page with the same Pillow and FreeType; words (text between
spaces) come in reading order, their quads follow the skew of the scan; every character is one that `ocr-korean` reads.
The few characters inside seals are no words. Names, numbers and places are invented.

Not aware of: files, recognition, training.
"""

# ruff counts Hangul as two columns and the formatter cannot break texts; rows are appended one by one so that it is seen in
# which order the generator is asked.
# ruff: noqa: E501, PERF401, SIM905

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from PIL import Image

from npubench.build.data import officialese as vocabulary
from npubench.build.data import scanning
from npubench.build.data.fonts import FontFile, find_fonts
from npubench.build.data.officialese import MINUTES, Writer
from npubench.build.data.sheet import HEIGHT_PX, MARGIN_PX, WIDTH_PX, Align, Sheet, Type
from npubench.errors import DataError

__all__ = ["KINDS", "PAGE_SIZE_PX", "Page", "Word", "draw_page", "find_fonts"]

PAGE_SIZE_PX = (WIDTH_PX, HEIGHT_PX)

# Sets these random numbers apart from others of the same seed; of all values the first with which the ten pages of the
# committed set are of every kind.
_STREAM = 10

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


class Word(msgspec.Struct, frozen=True):
    """A word and its corners tl, tr, br, bl in pixels of the scan."""

    text: str
    quad: Quad


class Page(msgspec.Struct, frozen=True):
    """A scanned page, RGB 1240×1754."""

    image: Image.Image
    words: tuple[Word, ...]
    kind: str


class _Desk(msgspec.Struct):
    """What a page is written with."""

    sheet: Sheet
    writer: Writer
    title: Type
    head: Type
    body: Type
    small: Type

    def seal(self, x: int, y: int, size: int, text: str) -> None:
        """A seal whose centre is at (x, y), kept on the page."""
        half = size // 2 + 2
        centre = (min(max(x, half), WIDTH_PX - half), min(max(y, half), HEIGHT_PX - half))
        scanning.add_seal(self.sheet.image, centre, size, text, self.head.path, self.writer.rng)


def draw_page(seed: int, fonts: Sequence[FontFile], kind: str | None = None) -> Page:
    """The page of this seed; `kind` (a key of KINDS) is drawn from the seed when it is not given.

    Raises DataError without fonts.
    """
    if not fonts:
        raise DataError("pages cannot be drawn without a font", hint="apt install fonts-nanum")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _STREAM))))
    drawn = tuple(KINDS)[int(rng.integers(len(KINDS)))]
    name = kind if kind is not None else drawn
    desk = _desk(rng, fonts)
    KINDS[name](desk)
    scanned, matrix = scanning.scan(desk.sheet.image, rng)
    words = []
    for placed in desk.sheet.words:
        x0, y0, x1, y1 = placed.box
        corners = [_moved(matrix, x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        words.append(Word(placed.text, (corners[0], corners[1], corners[2], corners[3])))
    return Page(scanned, tuple(words), name)


def _moved(matrix: scanning.Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    moved_x, moved_y = a * x + b * y + c, d * x + e * y + f
    return round(min(max(moved_x, 0.0), float(WIDTH_PX)), 2), round(min(max(moved_y, 0.0), float(HEIGHT_PX)), 2)


def _desk(rng: np.random.Generator, fonts: Sequence[FontFile]) -> _Desk:
    """One font for the body and a bold one, where there is one, of the same family for headings."""
    plain = [font for font in fonts if not font.bold] or list(fonts)
    body = plain[int(rng.integers(len(plain)))]
    bolds = [font for font in fonts if font.bold and font.family.split()[0][:8] == body.family.split()[0][:8]]
    heavy = bolds[int(rng.integers(len(bolds)))] if bolds else body
    size = int(rng.integers(21, 27))
    dark = int(rng.integers(14, 62))
    ink = (dark, dark, dark + int(rng.integers(0, 8)))
    return _Desk(
        sheet=Sheet(),
        writer=Writer(rng),
        title=Type(heavy.path, int(size * rng.uniform(1.7, 2.3)), ink),
        head=Type(heavy.path, size, ink),
        body=Type(body.path, size, ink),
        small=Type(body.path, max(18, size - 3), ink),
    )


def _footer(desk: _Desk, office: str) -> None:
    """The date, the office in large letters and its square seal."""
    sheet, writer = desk.sheet, desk.writer
    if sheet.room < 190:
        return
    sheet.y += 26
    sheet.centred(f"{writer.number(2021, 2027)}년 {writer.number(1, 12)}월 {writer.number(1, 28)}일", desk.body)
    sheet.y += 14
    y = sheet.y
    sheet.centred(office, desk.title)
    half = desk.title.width(office) / 2
    desk.seal(
        int(WIDTH_PX / 2 + half + 6),
        y + desk.title.size // 2,
        writer.number(112, 148),
        f"{office.replace(' ', '')[:4]}의인"[:9],
    )


def _application(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.line(
        MARGIN_PX, sheet.y, f"■ {writer.phrase(2)} 조례 시행규칙 [별지 제{writer.number(1, 40)}호서식]", desk.small
    )
    sheet.y += desk.small.leading + 16
    sheet.centred(f"{writer.phrase(2)} 신청서", desk.title)
    sheet.line(
        MARGIN_PX,
        sheet.y,
        "※ 어두운 칸은 신청인이 적지 않으며, [ ]에는 해당되는 곳에 √표를 합니다.".replace("√", "○"),
        desk.small,
    )
    sheet.y += desk.small.leading
    sheet.table(
        [["접수번호", f"{writer.number(2021, 2027)}-{writer.number(1, 99999):05d}", "접수일", writer.date(), "처리기간", f"{writer.number(1, 30)}일"]],
        (1.2, 1.8, 1, 2, 1.2, 1), desk.small, labels=(0, 2, 4),
    )  # fmt: skip
    person = writer.name()
    sheet.table(
        [
            ["성명", person, "생년월일", writer.date()],
            ["주소", writer.address(), "전화번호", writer.phone()],
            ["상호", writer.business(), "사업자번호", f"000-{writer.number(0, 99):02d}-{writer.number(0, 99999):05d}"],
            ["대리인", writer.name(), "신청인과의 관계", writer.one("본인 배우자 자녀 부모 형제 직원".split())],
        ],
        (1, 2.6, 1.3, 2), desk.body, labels=(0, 2), aligns=("left", "left", "left", "left"), pad=13,
    )  # fmt: skip
    rows = [["구분", "내용", "비고"]]
    for _ in range(writer.number(4, 7)):
        mark = writer.one(("□", "■", "☆", "○"))
        rows.append(
            [
                f"{mark} {writer.phrase(1)}",
                f"{writer.phrase(2)} {writer.amount()}원",
                writer.one(("해당 없음", "별첨", writer.date(), "-")),
            ]
        )
    sheet.table(rows, (1.4, 3, 1.4), desk.body, head=desk.head, aligns=("left", "left", "centre"), pad=11)
    sheet.paragraph(writer.sentence(), desk.body)
    sheet.paragraph("위와 같이 신청하오니 처리하여 주시기 바랍니다.", desk.body)
    sheet.y += 20
    sheet.line(MARGIN_PX, sheet.y, writer.date(), desk.body, "right", WIDTH_PX - 2 * MARGIN_PX)
    sheet.y += desk.body.leading
    y = sheet.y
    sheet.line(MARGIN_PX, y, f"신청인 {person} (서명 또는 인)", desk.body, "right", WIDTH_PX - 2 * MARGIN_PX)
    desk.seal(WIDTH_PX - MARGIN_PX - 30, y + 14, writer.number(70, 92), person)
    sheet.y += desk.body.leading + 20
    sheet.line(MARGIN_PX, sheet.y, f"{writer.city()}장 귀하", desk.head)
    sheet.y += desk.head.leading + 6
    sheet.table(
        [["첨부서류", " ".join(f"{index}. {writer.phrase(2)} {writer.number(1, 3)}부" for index in range(1, writer.number(3, 5))), f"수수료 {writer.amount(500, 20000)}원"]],
        (1, 4, 1.2), desk.small, labels=(0,), aligns=("left", "left", "centre"),
    )  # fmt: skip


def _notice(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    city = writer.city()
    sheet.line(MARGIN_PX, sheet.y, f"{city} 공고 제{writer.number(2021, 2027)}-{writer.number(1, 2400)}호", desk.head)
    sheet.y += desk.head.leading + 12
    sheet.centred(f"{writer.phrase(2)} 공고", desk.title)
    sheet.y += 16
    sheet.paragraph(writer.sentence(), desk.body)
    sheet.paragraph(writer.sentence(), desk.body)
    sheet.y += 10
    for number in range(1, writer.number(4, 6)):
        sheet.paragraph(f"{number}. {writer.phrase(2)}", desk.head)
        for letter in "가나다라"[: writer.number(1, 3)]:
            sheet.paragraph(f"{letter}. {writer.sentence()}", desk.body, indent=34, hang=34)
        if number == 2:
            rows = [["연번", "사업명", "위치", "금액(원)", "기간"]]
            for index in range(1, writer.number(4, 7)):
                rows.append([str(index), writer.phrase(2), writer.place(), writer.amount(), writer.date()])
            sheet.table(rows, (0.6, 2, 1.5, 1.5, 1.7), desk.small, head=Type(desk.head.path, desk.small.size, desk.head.ink),
                        aligns=("centre", "left", "left", "right", "centre"))  # fmt: skip
        sheet.y += 8
        if sheet.room < 330:
            break
    sheet.paragraph(f"※ {writer.sentence()}", desk.small)
    _footer(desk, f"{city}장")


def _letter(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    city = writer.city()
    sheet.centred(
        writer.one(("함께 만드는 내일, 시민이 주인입니다", "깨끗하고 안전한 우리 마을", "공정한 행정, 따뜻한 복지")),
        desk.small,
    )
    sheet.centred(city, desk.title)
    sheet.y += 24
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"수신 {', '.join(writer.one(vocabulary.DEPARTMENTS) for _ in range(writer.number(1, 4)))}",
        desk.body,
    )
    sheet.y += desk.body.leading
    sheet.line(MARGIN_PX, sheet.y, "(경유)", desk.body)
    sheet.y += desk.body.leading
    sheet.paragraph(f"제목 {writer.phrase(3)} 알림", desk.head)
    sheet.rule()
    for number in range(1, writer.number(7, 11)):
        sheet.paragraph(f"{number}. {writer.sentence()}", desk.body, indent=10, hang=30)
        for letter in "가나다"[: writer.number(0, 3)]:
            sheet.paragraph(f"{letter}. {writer.phrase(1)}: {writer.sentence()}", desk.body, indent=44, hang=32)
        if sheet.room < 520:
            break
    sheet.y += 8
    sheet.paragraph(f"붙임 1. {writer.phrase(2)} 1부. 2. {writer.phrase(3)} {writer.number(1, 5)}부. 끝.", desk.body)
    if sheet.room > 400:
        _footer(desk, f"{city}장")
    sheet.y = max(sheet.y, HEIGHT_PX - MARGIN_PX - 130)
    sheet.rule(3)
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"주무관 {writer.name()} 팀장 {writer.name()} 과장 전결 {writer.number(1, 12)}/{writer.number(1, 28)} {writer.name()}",
        desk.small,
    )
    sheet.y += desk.small.leading
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"시행 {writer.document_number()} ({writer.date()}) 우 {writer.number(10000, 63000)} {writer.address()}",
        desk.small,
    )
    sheet.y += desk.small.leading
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"전화 {writer.phone()} 전송 {writer.phone()} / office@example.go.kr / {writer.one(('대국민공개', '부분공개', '비공개'))}",
        desk.small,
    )


def _receipt(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(writer.one(("영수증", "납부 영수증", "간이영수증", "거래명세서", "물품 검수 조서")), desk.title)
    sheet.y += 12
    shop, owner = writer.business(), writer.name()
    y = sheet.y
    sheet.table(
        [["등록번호", f"000-{writer.number(0, 99):02d}-{writer.number(0, 99999):05d}"], ["상호", shop], ["대표자", f"{owner} (인)"],
         ["주소", writer.address()], ["전화", writer.phone()]],
        (1, 3), desk.body, labels=(0,), aligns=("left", "left"), x=MARGIN_PX + 420, width=WIDTH_PX - 2 * MARGIN_PX - 420,
    )  # fmt: skip
    desk.seal(WIDTH_PX - MARGIN_PX - 70, y + 128, writer.number(92, 124), shop[:6] if len(shop) > 4 else owner)
    after, sheet.y = sheet.y, y + 20
    sheet.line(MARGIN_PX, sheet.y, f"No. {writer.number(1, 99999):06d}", desk.body)
    sheet.line(MARGIN_PX, sheet.y + 50, writer.date(), desk.body)
    sheet.line(MARGIN_PX, sheet.y + 100, f"{writer.one(vocabulary.DEPARTMENTS)} 귀하", desk.head)
    sheet.y = after + 10
    rows, total = [["월일", "품목", "규격", "수량", "단가", "금액"]], 0
    for _ in range(writer.number(9, 18)):
        count, price = writer.number(1, 60), writer.number(5, 4000) * 100
        total += count * price
        size = writer.one(("A4", "B5", "대", "중", "소", "10㎏", "500g", "1.5m", "3×4", "-"))
        rows.append(
            [
                f"{writer.number(1, 12)}/{writer.number(1, 28)}",
                writer.one(vocabulary.ITEMS),
                size,
                str(count),
                f"{price:,}",
                f"{count * price:,}",
            ]
        )
    rows.append(["합계", "", "", "", "", f"{total:,}"])
    aligns: tuple[Align, ...] = ("centre", "left", "centre", "right", "right", "right")
    sheet.table(rows, (0.8, 2.2, 0.9, 0.8, 1.3, 1.6), desk.body, head=desk.head, aligns=aligns)
    tax = total // 11
    sheet.table(
        [["공급가액", f"{total - tax:,}", "부가세", f"{tax:,}", "합계", f"{total:,}원"]],
        (1.1, 1.6, 1, 1.4, 0.9, 1.9),
        desk.body,
        labels=(0, 2, 4),
    )
    sheet.y += 10
    sheet.paragraph("위 금액을 정히 영수(청구)함.", desk.body)
    for _ in range(writer.number(1, 3)):
        sheet.paragraph(f"※ {writer.sentence()}", desk.small)


def _minutes(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(f"제{writer.number(1, 320)}회 {writer.phrase(1)}위원회 회의록", desk.title)
    sheet.y += 12
    people = [writer.name() for _ in range(writer.number(4, 9))]
    sheet.table(
        [["일시", f"{writer.date()} {writer.time()}"], ["장소", f"{writer.place()} {writer.phrase(1)} 회의실"],
         ["참석자", ", ".join(people)], ["안건", " ".join(f"{mark} {writer.phrase(2)}" for mark in "①②③"[: writer.number(2, 3)])]],
        (1, 5.2), desk.body, labels=(0,), aligns=("left", "left"), pad=11,
    )  # fmt: skip
    sheet.y += 6
    while sheet.room > 230:
        sheet.paragraph(f"{writer.one(('○', '●', '◎', '◇'))} {writer.sentence(MINUTES)}", desk.body, hang=30)
        if writer.rng.random() < 0.4:
            sheet.paragraph(f"- {writer.sentence()}", desk.body, indent=34, hang=20)
    sheet.y += 14
    for role, person in (("위원장", people[0]), ("간사", people[1])):
        if sheet.room < desk.body.leading:
            return
        sheet.line(MARGIN_PX, sheet.y, f"{role} {person} (인)", desk.body, "right", WIDTH_PX - 2 * MARGIN_PX)
        desk.seal(WIDTH_PX - MARGIN_PX - 18, sheet.y + 14, writer.number(58, 74), person)
        sheet.y += desk.body.leading + 12


def _register(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"문서확인번호 {writer.number(1000, 9999)}-{writer.number(1000, 9999)}-{writer.number(1000, 9999)}",
        desk.small,
    )
    sheet.y += desk.small.leading + 6
    sheet.centred("주민등록표 (등본)", desk.title)
    sheet.paragraph("이 등본은 세대별 주민등록표의 원본 내용과 틀림없음을 증명합니다.", desk.small)
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"담당자: {writer.name()} 전화: {writer.phone()} 발급일: {writer.date()}",
        desk.small,
        "right",
        WIDTH_PX - 2 * MARGIN_PX,
    )
    sheet.y += desk.small.leading
    head = writer.name()
    sheet.table(
        [["세대주 성명", head, "세대구성 사유 및 일자", f"{writer.one(('전입', '세대분리', '혼인', '출생'))} {writer.date()}"]],
        (1.2, 1.6, 1.6, 2), desk.body, labels=(0, 2), pad=12,
    )  # fmt: skip
    moves = [["번호", "주소", "전입일 / 변동일", "변동 사유"]]
    for index in range(1, writer.number(4, 8)):
        moves.append(
            [
                str(index),
                f"{writer.address()} ({writer.place()})",
                f"{writer.date()} {writer.date()}",
                writer.one("전입 전출 정정 분가 합가 재등록".split()),
            ]
        )
    sheet.table(
        moves, (0.6, 3.6, 2, 1.1), desk.body, head=desk.head, aligns=("centre", "left", "centre", "centre"), pad=10
    )
    family = [["번호", "관계", "성명", "주민등록번호", "등록상태"]]
    for index in range(1, writer.number(4, 9)):
        kin = "본인" if index == 1 else writer.one("배우자 자 모 부 손 형제 동거인".split())
        family.append(
            [
                str(index),
                kin,
                head if index == 1 else writer.name(),
                writer.resident_number(),
                writer.one(("거주자", "재외국민", "거주불명")),
            ]
        )
    sheet.table(family, (0.6, 1, 1.6, 2.2, 1.3), desk.body, head=desk.head, pad=11)
    sheet.centred("= 이하 여백 =", desk.small)
    sheet.paragraph(f"수수료 {writer.number(2, 10) * 100}원 · 용도: {writer.phrase(2)}", desk.small)
    sheet.paragraph(f"※ {writer.sentence()}", desk.small)
    _footer(desk, f"{writer.city()} {writer.place()[:-1]}동장")


def _plates(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(
        writer.one(("주정차 단속 대장", "관용차량 운행 일지", "거주자 우선주차 배정 현황", "자동차 과태료 부과 내역")),
        desk.title,
    )
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"작성: {writer.one(vocabulary.DEPARTMENTS)} 기준일: {writer.date()}",
        desk.small,
        "right",
        WIDTH_PX - 2 * MARGIN_PX,
    )
    sheet.y += desk.small.leading
    rows = [["연번", "차량번호", "일시", "장소", "금액", "비고"]]
    for index in range(1, 60):
        rows.append([str(index), writer.plate(), f"{writer.number(1, 12):02d}-{writer.number(1, 28):02d} {writer.time()}", writer.place(),
                     writer.amount(20000, 300000), writer.one(("", "", "계도", "이의신청", "납부", "체납", "확인"))])  # fmt: skip
    aligns: tuple[Align, ...] = ("centre", "centre", "centre", "left", "right", "centre")
    sheet.table(
        rows,
        (0.6, 1.6, 1.7, 1.5, 1.2, 1.2),
        desk.small,
        head=Type(desk.head.path, desk.small.size, desk.head.ink),
        aligns=aligns,
        pad=6,
    )


def _statistics(desk: _Desk) -> None:
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(f"{writer.number(2021, 2027)}년 {writer.phrase(2)} 현황", desk.title)
    sheet.paragraph(f"□ {writer.sentence()}", desk.body, hang=30)
    sheet.line(
        MARGIN_PX,
        sheet.y,
        f"(단위: {writer.one(('명, %', '백만원', '건, ㎡', '㎞, 개소', '천원'))})",
        desk.small,
        "right",
        WIDTH_PX - 2 * MARGIN_PX,
    )
    sheet.y += desk.small.leading
    year = writer.number(2019, 2023)
    rows = [["구분", *(f"{year + step}년" for step in range(4)), "증감(%)"]]
    for _ in range(writer.number(9, 16)):
        values = [f"{writer.number(10, 98000):,}" for _ in range(4)]
        change = writer.rng.uniform(-30, 30)
        rows.append(
            [
                writer.place() if writer.rng.random() < 0.5 else writer.phrase(1),
                *values,
                f"{'△' if change < 0 else ''}{abs(change):.1f}",
            ]
        )
    aligns: tuple[Align, ...] = ("left", "right", "right", "right", "right", "right")
    sheet.table(rows, (1.8, 1.2, 1.2, 1.2, 1.2, 1.1), desk.body, head=desk.head, aligns=aligns)
    sheet.line(MARGIN_PX, sheet.y, f"자료: {writer.city()} {writer.one(vocabulary.DEPARTMENTS)}", desk.small)
    sheet.y += desk.small.leading + 10
    while sheet.room > 140:
        sheet.paragraph(f"{writer.one(('○', '→', '★', '▷')).replace('▷', '▲')} {writer.sentence()}", desk.body, hang=30)


KINDS: dict[str, Callable[[_Desk], None]] = {
    "application": _application,
    "notice": _notice,
    "letter": _letter,
    "receipt": _receipt,
    "minutes": _minutes,
    "register": _register,
    "plates": _plates,
    "statistics": _statistics,
}
