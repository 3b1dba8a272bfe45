"""Pages that are one large table: list of number plates, statistics.

Each function writes one page on a desk and draws all that is on it from the desk's generator.
Not aware of: fonts, scanning.
"""

from __future__ import annotations

from npubench.build.data.desk import Desk
from npubench.build.data.sheet import Align

_LISTS = ("주정차 단속 대장", "관용차량 운행 일지", "거주자 우선주차 배정 현황", "자동차 과태료 부과 내역")
_REMARKS = ("", "", "계도", "이의신청", "납부", "체납", "확인")
_UNITS = ("명, %", "백만원", "건, ㎡", "㎞, 개소", "천원")


def plates(desk: Desk) -> None:
    """A list of number plates with time, place and amount, and who drew it up."""
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(writer.one(_LISTS), desk.title)
    sheet.aligned(f"작성: {writer.one(writer.lists.departments)} 기준일: {writer.date()}", desk.small, "right")
    rows = [["연번", "차량번호", "일시", "장소", "금액", "비고"]]
    for index in range(1, writer.number(14, 23)):
        when = f"{writer.number(1, 12):02d}-{writer.number(1, 28):02d} {writer.time()}"
        amount, remark = writer.amount(20000, 300000), writer.one(_REMARKS)
        rows.append([str(index), writer.plate(), when, writer.place(), amount, remark])
    aligns: tuple[Align, ...] = ("centre", "centre", "centre", "left", "right", "centre")
    pad = writer.number(6, 14)
    with sheet.reserved(130):
        sheet.table(rows, (0.7, 1.6, 1.7, 1.5, 1.2, 1.2), desk.small, head=desk.small_head, aligns=aligns, pad=pad)
    name = writer.name()
    desk.signed(f"확인자 {name} (인)", name)


def statistics(desk: Desk) -> None:
    """Figures of four years by place or matter, and what they mean."""
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(f"{writer.number(2021, 2027)}년 {writer.phrase(2)} 현황", desk.title)
    sheet.paragraph(f"□ {writer.sentence()}", desk.body, hang=30)
    sheet.aligned(f"(단위: {writer.one(_UNITS)})", desk.small, "right")
    year = writer.number(2019, 2023)
    rows = [["구분", *(f"{year + step}년" for step in range(4)), "증감(%)"]]
    for _ in range(writer.number(9, 15)):
        values = [f"{writer.number(10, 98000):,}" for _ in range(4)]
        change = writer.rng.uniform(-30, 30)
        matter = writer.place() if writer.rng.random() < 0.5 else writer.phrase(1)
        rows.append([matter, *values, f"{'△' if change < 0 else ''}{abs(change):.1f}"])
    aligns: tuple[Align, ...] = ("left", "right", "right", "right", "right", "right")
    sheet.table(rows, (1.8, 1.2, 1.2, 1.2, 1.2, 1.2), desk.body, head=desk.head, aligns=aligns)
    sheet.aligned(f"자료: {writer.city()} {writer.one(writer.lists.departments)}", desk.small)
    sheet.y += 10
    while desk.wanting and sheet.paragraph(
        f"{writer.one(('○', '→', '★', '▲'))} {writer.sentence()}", desk.body, hang=30
    ):
        pass
