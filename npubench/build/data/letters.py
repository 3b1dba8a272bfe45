"""Pages of running text: public notice, official letter, minutes.

Each function writes one page on a desk and draws all that is on it from the desk's generator.
Not aware of: fonts, scanning.
"""

from __future__ import annotations

from npubench.build.data.desk import FOOTER_PX, Desk
from npubench.build.data.officialese import MINUTES
from npubench.build.data.sheet import HEIGHT_PX, MARGIN_PX

_MOTTOES = ("함께 만드는 내일, 시민이 주인입니다", "깨끗하고 안전한 우리 마을", "공정한 행정, 따뜻한 복지")
_OPENNESS = ("대국민공개", "부분공개", "비공개")
_BULLETS = ("○", "●", "◎", "◇")
# Room for the rule and the three small lines at a letter's end.
_COLOPHON_PX = 150
# Room for two signed lines.
_SIGNATURES_PX = 220


def notice(desk: Desk) -> None:
    """A public notice: numbered sections, a table, date and seal."""
    sheet, writer = desk.sheet, desk.writer
    city = writer.city()
    with sheet.reserved(FOOTER_PX):
        sheet.aligned(f"{city} 공고 제{writer.number(2021, 2027)}-{writer.number(1, 2400)}호", desk.head)
        sheet.y += 12
        sheet.centred(f"{writer.phrase(2)} 공고", desk.title)
        sheet.y += 16
        sheet.paragraph(writer.sentence(), desk.body)
        sheet.paragraph(writer.sentence(), desk.body)
        sheet.y += 10
        with sheet.reserved(2 * desk.small.leading, words=20):
            number = 0
            while desk.wanting and sheet.room > 4 * desk.body.leading:
                number += 1
                sheet.paragraph(f"{number}. {writer.phrase(2)}", desk.head)
                for letter in "가나다라"[: writer.number(1, 3)]:
                    sheet.paragraph(f"{letter}. {writer.sentence()}", desk.body, indent=34, hang=34)
                if number == 2:
                    _works(desk)
                sheet.y += 8
        sheet.paragraph(f"※ {writer.sentence()}", desk.small)
    desk.footer(f"{city}장")


def _works(desk: Desk) -> None:
    writer = desk.writer
    rows = [["연번", "사업명", "위치", "금액(원)", "기간"]]
    rows += [
        [str(index), writer.phrase(2), writer.place(), writer.amount(), writer.date()]
        for index in range(1, writer.number(4, 6))
    ]
    desk.sheet.table(
        rows,
        (0.6, 2, 1.5, 1.5, 1.7),
        desk.small,
        head=desk.small_head,
        aligns=("centre", "left", "left", "right", "centre"),
    )


def letter(desk: Desk) -> None:
    """An official letter: addressee, subject, numbered paragraphs, seal, and the small print at the foot."""
    sheet, writer = desk.sheet, desk.writer
    city = writer.city()
    with sheet.reserved(FOOTER_PX + _COLOPHON_PX):
        sheet.centred(writer.one(_MOTTOES), desk.small)
        sheet.centred(city, desk.title)
        sheet.y += 24
        sheet.aligned(
            f"수신 {', '.join(writer.one(writer.lists.departments) for _ in range(writer.number(1, 3)))}", desk.body
        )
        sheet.aligned("(경유)", desk.body)
        sheet.paragraph(f"제목 {writer.phrase(3)} 알림", desk.head)
        sheet.rule()
        with sheet.reserved(2 * desk.body.leading + 8, words=12):
            number = 1
            while desk.wanting and sheet.paragraph(f"{number}. {writer.sentence()}", desk.body, indent=10, hang=30):
                for mark in "가나다"[: writer.number(0, 3)]:
                    sheet.paragraph(f"{mark}. {writer.phrase(1)}: {writer.sentence()}", desk.body, indent=44, hang=32)
                number += 1
        sheet.y += 8
        sheet.paragraph(
            f"붙임 1. {writer.phrase(2)} 1부. 2. {writer.phrase(3)} {writer.number(1, 5)}부. 끝.", desk.body
        )
    desk.footer(f"{city}장")
    sheet.y = max(sheet.y, HEIGHT_PX - MARGIN_PX - _COLOPHON_PX)
    sheet.rule(3)
    approved = f"{writer.number(1, 12)}/{writer.number(1, 28)} {writer.name()}"
    sent = f"{writer.document_number()} ({writer.date()})"
    office = f"우 {writer.number(10000, 63000)} {writer.address()}"
    sheet.aligned(f"주무관 {writer.name()} 팀장 {writer.name()} 과장 전결 {approved}", desk.small)
    sheet.aligned(f"시행 {sent} {office}", desk.small)
    sheet.aligned(
        f"전화 {writer.phone()} 전송 {writer.phone()} / office@example.go.kr / {writer.one(_OPENNESS)}", desk.small
    )


def minutes(desk: Desk) -> None:
    """Minutes of a committee: when, where and who, what was said, two signatures."""
    sheet, writer = desk.sheet, desk.writer
    with sheet.reserved(_SIGNATURES_PX):
        sheet.centred(f"제{writer.number(1, 320)}회 {writer.phrase(1)}위원회 회의록", desk.title)
        sheet.y += 12
        people = [writer.name() for _ in range(writer.number(4, 9))]
        agenda = " ".join(f"{mark} {writer.phrase(2)}" for mark in "①②③"[: writer.number(2, 3)])
        rows = [
            ["일시", f"{writer.date()} {writer.time()}"],
            ["장소", f"{writer.place()} {writer.phrase(1)} 회의실"],
            ["참석자", ", ".join(people)],
            ["안건", agenda],
        ]
        sheet.table(rows, (1, 5.2), desk.body, labels=(0,), aligns=("left", "left"), pad=11)
        sheet.y += 6
        while desk.wanting and sheet.paragraph(
            f"{writer.one(_BULLETS)} {writer.sentence(MINUTES)}", desk.body, hang=30
        ):
            if writer.rng.random() < 0.4:
                sheet.paragraph(f"- {writer.sentence()}", desk.body, indent=34, hang=20)
    sheet.y += 14
    desk.signed(f"위원장 {people[0]} (인)", people[0])
    desk.signed(f"간사 {people[1]} (인)", people[1])
