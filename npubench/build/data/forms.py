"""Pages that are mostly fields: application form, receipt, resident extract.

Each function writes one page on a desk and draws all that is on it from the desk's generator.
Not aware of: fonts, scanning.
"""

from __future__ import annotations

from npubench.build.data.desk import Desk
from npubench.build.data.officialese import Writer
from npubench.build.data.sheet import COLUMN_PX, MARGIN_PX, WIDTH_PX, Align

_RELATIONS = ("본인", "배우자", "자녀", "부모", "형제", "직원")
_ARRIVALS = ("전입", "세대분리", "혼인", "출생")
_MOVES = ("전입", "전출", "정정", "분가", "합가", "재등록")
_KIN = ("배우자", "자", "모", "부", "손", "형제", "동거인")
_STATES = ("거주자", "재외국민", "거주불명")
_RECEIPTS = ("영수증", "납부 영수증", "간이영수증", "거래명세서", "물품 검수 조서")
_SIZES = ("A4", "B5", "대", "중", "소", "10㎏", "500g", "1.5m", "3×4", "-")


def _business_number(writer: Writer) -> str:
    return f"000-{writer.number(0, 99):02d}-{writer.number(0, 99999):05d}"


def application(desk: Desk) -> None:
    """An application: who applies, for what, a signature, enclosures."""
    sheet, writer = desk.sheet, desk.writer
    sheet.aligned(f"■ {writer.phrase(2)} 조례 시행규칙 [별지 제{writer.number(1, 40)}호서식]", desk.small)
    sheet.y += 16
    sheet.centred(f"{writer.phrase(2)} 신청서", desk.title)
    sheet.paragraph("※ 어두운 칸은 신청인이 적지 않으며, [ ]에는 해당되는 곳에 ○표를 합니다.", desk.small)
    number = f"{writer.number(2021, 2027)}-{writer.number(1, 99999):05d}"
    sheet.table(
        [["접수번호", number, "접수일", writer.date(), "처리기간", f"{writer.number(1, 30)}일"]],
        (1.3, 1.8, 1, 2, 1.3, 0.9),
        desk.small,
        labels=(0, 2, 4),
    )
    person = writer.name()
    fields = [
        ["성명", person, "생년월일", writer.date()],
        ["주소", writer.address(), "전화번호", writer.phone()],
        ["상호", writer.business(), "사업자번호", _business_number(writer)],
        ["대리인", writer.name(), "신청인과의 관계", writer.one(_RELATIONS)],
    ]
    sheet.table(fields, (1, 2.6, 1.3, 2), desk.body, labels=(0, 2), aligns=("left",) * 4, pad=12)
    rows = [["구분", "내용", "비고"]]
    rows += [
        [
            f"{writer.one(('□', '■', '☆', '○'))} {writer.phrase(1)}",
            f"{writer.phrase(2)} {writer.amount()}원",
            writer.one(("해당 없음", "별첨", writer.date(), "-")),
        ]
        for _ in range(writer.number(3, 6))
    ]
    sheet.table(rows, (1.4, 3, 1.4), desk.body, head=desk.head, aligns=("left", "left", "centre"), pad=10)
    with sheet.reserved(430):
        sheet.paragraph(writer.sentence(), desk.body)
    sheet.paragraph("위와 같이 신청하오니 처리하여 주시기 바랍니다.", desk.body)
    sheet.y += 12
    sheet.aligned(writer.date(), desk.body, "right")
    desk.signed(f"신청인 {person} (서명 또는 인)", person)
    sheet.y += 8
    sheet.aligned(f"{writer.city()}장 귀하", desk.head)
    sheet.y += 6
    papers = " ".join(f"{index}. {writer.phrase(2)} {writer.number(1, 3)}부" for index in range(1, writer.number(3, 4)))
    sheet.table(
        [["첨부서류", papers, f"수수료 {writer.amount(500, 20000)}원"]],
        (1.1, 4, 1.3),
        desk.small,
        labels=(0,),
        aligns=("left", "left", "centre"),
    )


def receipt(desk: Desk) -> None:
    """A receipt or bill: who sells, what, how much, and the sum with its tax."""
    sheet, writer = desk.sheet, desk.writer
    sheet.centred(writer.one(_RECEIPTS), desk.title)
    sheet.y += 12
    shop, owner = writer.business(), writer.name()
    y, inset = sheet.y, 420
    seller = [
        ["등록번호", _business_number(writer)],
        ["상호", shop],
        ["대표자", f"{owner} (인)"],
        ["주소", writer.address()],
        ["전화", writer.phone()],
    ]
    sheet.table(
        seller,
        (1, 3),
        desk.body,
        labels=(0,),
        aligns=("left", "left"),
        x=MARGIN_PX + inset,
        width=COLUMN_PX - inset,
    )
    row_px = (sheet.y - y) // len(seller)
    text = shop[:6] if len(shop) > 4 else owner
    desk.seal(WIDTH_PX - MARGIN_PX - 70, y + 2 * row_px, writer.number(92, 124), text)
    after, sheet.y = sheet.y, y + 20
    sheet.aligned(f"No. {writer.number(1, 99999):06d}", desk.body)
    sheet.aligned(writer.date(), desk.body)
    sheet.aligned(f"{writer.one(writer.lists.departments)} 귀하", desk.head)
    sheet.y = after + 10
    rows, total = [["월일", "품목", "규격", "수량", "단가", "금액"]], 0
    for _ in range(writer.number(9, 17)):
        count, price = writer.number(1, 60), writer.number(5, 4000) * 100
        day = f"{writer.number(1, 12)}/{writer.number(1, 28)}"
        total += count * price
        rows.append(
            [day, writer.one(writer.lists.items), writer.one(_SIZES), str(count), f"{price:,}", f"{count * price:,}"],
        )
    rows.append(["합계", "", "", "", "", f"{total:,}"])
    aligns: tuple[Align, ...] = ("centre", "left", "centre", "right", "right", "right")
    sheet.table(rows, (0.8, 2.2, 0.9, 0.8, 1.3, 1.6), desk.body, head=desk.head, aligns=aligns, pad=8)
    tax = total // 11
    sums = [["공급가액", f"{total - tax:,}", "부가세", f"{tax:,}", "합계", f"{total:,}원"]]
    sheet.table(sums, (1.1, 1.6, 1, 1.4, 0.9, 1.9), desk.body, labels=(0, 2, 4))
    sheet.y += 10
    sheet.paragraph("위 금액을 정히 영수(청구)함.", desk.body)
    for _ in range(writer.number(1, 3)):
        sheet.paragraph(f"※ {writer.sentence()}", desk.small)


def register(desk: Desk) -> None:
    """An extract of the residents' register: addresses, members of the household, who certifies it."""
    sheet, writer = desk.sheet, desk.writer
    confirmation = "-".join(str(writer.number(1000, 9999)) for _ in range(3))
    sheet.aligned(f"문서확인번호 {confirmation}", desk.small)
    sheet.y += 6
    sheet.centred("주민등록표 (등본)", desk.title)
    sheet.paragraph("이 등본은 세대별 주민등록표의 원본 내용과 틀림없음을 증명합니다.", desk.small)
    sheet.aligned(f"담당자: {writer.name()} 전화: {writer.phone()} 발급일: {writer.date()}", desk.small, "right")
    head = writer.name()
    since = f"{writer.one(_ARRIVALS)} {writer.date()}"
    sheet.table(
        [["세대주 성명", head, "세대구성 사유 및 일자", since]],
        (1.2, 1.6, 1.6, 2),
        desk.body,
        labels=(0, 2),
        pad=11,
    )
    moves = [["번호", "주소", "전입일 / 변동일", "변동 사유"]]
    moves += [
        [str(index), f"{writer.address()} ({writer.place()})", f"{writer.date()} {writer.date()}", writer.one(_MOVES)]
        for index in range(1, writer.number(4, 6))
    ]
    aligns: tuple[Align, ...] = ("centre", "left", "centre", "centre")
    sheet.table(moves, (0.7, 3.6, 2, 1.2), desk.body, head=desk.head, aligns=aligns)
    family = [["번호", "관계", "성명", "주민등록번호", "등록상태"]]
    for index in range(1, writer.number(4, 7)):
        kin, name = ("본인", head) if index == 1 else (writer.one(_KIN), writer.name())
        family.append([str(index), kin, name, writer.resident_number(), writer.one(_STATES)])
    sheet.table(family, (0.7, 1, 1.6, 2.2, 1.3), desk.body, head=desk.head)
    sheet.centred("= 이하 여백 =", desk.small)
    sheet.paragraph(f"수수료 {writer.number(2, 10) * 100}원 · 용도: {writer.phrase(2)}", desk.small)
    city = writer.city()
    desk.footer(f"{city} {writer.neighbourhood(city)}장")
