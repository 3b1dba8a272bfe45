"""Words and sentences of Korean administrative documents, composed from lists and templates with invented particulars.

Guarantees: every character is one that `ocr-korean` reads (ASCII, KS X 1001 syllables, a few document signs); names,
numbers and places are put together at random and mean nobody and nowhere; numbers of persons keep their last digits
masked. Not aware of: pages, fonts.
"""

# ruff counts Hangul as two columns; word lists are easier to read and to extend as text.
# ruff: noqa: E501, SIM905

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence

import numpy as np

SURNAMES = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍 전 고 문 손 양 배 백 허 남 심 노 하 곽 성 차 주 우 구 민 진".split()
GIVEN_FIRST = "민 서 지 현 은 수 도 하 예 준 태 영 정 성 유 재 승 주 미 윤 혜 경 동 상 진 선 보 소 채 기 명 종 순 병 가 나 다 라".split()
GIVEN_SECOND = (
    "준 연 우 민 아 호 영 수 희 진 현 은 훈 석 원 경 규 빈 숙 철 환 식 자 란 솔 율 담 겸 건 후 린 찬 온 슬 별".split()
)
PLACE_STEMS = (
    "가온 누리 다솜 라온 마루 바른 새솔 아람 자연 한빛 푸른 은하 달빛 해오름 물결 초록 단비 별내 햇살 산들 고운 도담 미르 "
    "나래 시원 온새미 여울 이든 하늘 큰숲 너울 윤슬 들샘 솔향 꽃뫼 청람 백운 금정 송현 월계 남산 서천 동림 북안 학동 용담"
).split()
PLACE_ENDS = "동 읍 면 리 로 길 대로".split()
CITY_ENDS = "시 군 구".split()
DEPARTMENTS = (
    "총무과 기획예산과 자치행정과 민원봉사과 세무과 회계과 사회복지과 여성가족과 환경위생과 교통행정과 건설과 도시계획과 건축과 "
    "안전총괄과 문화체육과 관광진흥과 농업정책과 산림녹지과 정보통신과 상하수도사업소 보건소 평생학습관 도서관운영과 일자리경제과 "
    "토지정보과 차량등록사업소 스마트도시과 청소행정과 공원관리사업소 감사담당관"
).split()
RANKS = "주무관 팀장 과장 국장 사무관 서기관 담당자 위원장 부위원장 간사 위원 이장 통장 동장 면장 센터장 소장".split()
NOUNS = (
    "계획 사업 예산 집행 결산 조례 규칙 규정 지침 시행 개정 고시 공고 신청 접수 처리 심사 승인 허가 신고 등록 변경 취소 발급 교부 "
    "제출 통보 안내 협조 요청 회의 안건 의결 심의 보고 점검 조사 평가 감사 교육 훈련 행사 축제 홍보 설명회 공청회 간담회 주민 시민 "
    "민원 민원인 신청인 대리인 보호자 세대주 납세자 사업자 수급자 어르신 청년 아동 장애인 다문화가정 한부모가정 자원봉사자 공무원 "
    "담당 부서 기관 단체 협회 조합 위원회 협의회 지원금 보조금 수당 급여 수수료 과태료 지방세 재산세 자동차세 주민세 취득세 부담금 "
    "사용료 임대료 계약 입찰 낙찰 공사 용역 물품 구매 납품 검수 준공 착공 설계 시공 감리 보수 정비 철거 도로 하천 교량 보도 주차장 "
    "공원 녹지 가로수 가로등 신호등 횡단보도 하수관 상수도 배수로 저수지 산책로 놀이터 체육관 도서관 경로당 어린이집 유치원 학교 "
    "병원 보건지소 주민센터 행정복지센터 시장 상가 공동주택 단독주택 건축물 토지 임야 농지 대지 지번 지목 면적 소유자 점유자 경계 "
    "측량 감정 보상 이주 재난 재해 화재 침수 폭염 한파 지진 태풍 산사태 대피 대피소 응급 구조 소방 경찰 순찰 방역 소독 예방접종 검진 "
    "위생 식품 음식점 폐기물 재활용 분리배출 종량제 미세먼지 소음 악취 수질 대기 온실가스 에너지 태양광 전기차 충전소 버스 노선 정류장 "
    "택시 철도 교통 주차 단속 운행 제한 우회 통제 정보 통계 자료 문서 대장 서식 증명서 확인서 동의서 위임장 영수증 고지서 납부서 "
    "명세서 내역서 견적서 계획서 보고서 결과서 회의록 서약서 인감 서명 날인 원본 사본 열람 공개 비공개 보존 기간 기한 일정 장소 대상 "
    "인원 금액 단가 수량 합계 잔액 비율 증감 현황 실적 목표 성과 효과 문제점 개선 방안 대책 향후 추진 분기 상반기 하반기 연도 회계연도"
).split()
ADJECTIVES = (
    "공정한 투명한 신속한 정확한 안전한 쾌적한 적극적인 체계적인 지속적인 효율적인 종합적인 단계적인 실질적인 다양한 새로운 노후된 "
    "긴급한 주요한 필요한 해당하는 관련된 예정된 누락된 보완된 승인된 제출된 접수된 지정된 확정된 변경된"
).split()
VERBS = (
    "추진합니다 시행합니다 안내합니다 알려드립니다 제출하시기 실시합니다 개최합니다 지원합니다 점검합니다 확인합니다 요청합니다 "
    "통보합니다 공고합니다 승인합니다 검토합니다 보고합니다 의결합니다 접수합니다 처리합니다 개선합니다 확대합니다 강화합니다 마련합니다 "
    "운영합니다 관리합니다 조치합니다 협의합니다 결정합니다 변경합니다 완료합니다 종료합니다 연장합니다 발급합니다 지급합니다 부과합니다"
).split()
ADVERBS = "적극 신속히 반드시 우선 별도로 매월 매년 수시로 즉시 상시 일괄 각각 함께 가급적 충분히 철저히 원활히 성실히 공정하게 정기적으로".split()
ITEMS = (
    "복사용지 토너 볼펜 서류철 청소용품 생수 현수막 안내판 소독제 마스크 장갑 안전모 형광조끼 소화기 손전등 건전지 의자 책상 책장 "
    "모니터 키보드 프린터 스캐너 공유기 냉난방기 공기청정기 제설제 모래주머니 묘목 비료 페인트 방수포 배수펌프 도시락 다과 꽃바구니 "
    "기념품 홍보물 인쇄물 도서 교재 문구류 의약품 체온계 혈압계"
).split()
STREET_SUFFIX = "번길 로 길".split()
PLATE_SYLLABLES = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자하허호"
BUSINESS_ENDS = "상사 건설 식당 문구 전기 조경 인쇄 약국 마트 철물 서점 카페 기획 통신 운수 농원 공업사 세탁소".split()

SENTENCES = (
    "{n}과/와 {n}에 관한 {a} {n}을/를 {d} {v}.",
    "{c} {p}에서는 {y}부터 {n} {n}을/를 {v}.",
    "{n}이/가 {a} {n}은/는 {y}까지 {q}(으)로 {v}.",
    "「{n} {n} 조례」 제{k}조에 따라 {a} {n}을/를 {v}.",
    "{n} {n}에 필요한 {n}은/는 {n}에서 {d} {v}.",
    "{p} {n}을/를 위하여 {n} {n} 등 {k}개 {n}을/를 {d} {v}.",
    "{a} {n}과/와 {n}의 {n}을/를 위해 {q}에서 {v}.",
    "{n} 대상자는 {n}과/와 {n}을/를 갖추어 {q}에 제출하여 주시기 바랍니다.",
    "{y} {t}에 {p} {n} 회의실에서 {n} {n}을/를 {v}.",
    "문의 사항은 {q} {w}({f})에게 연락하여 주시기 바랍니다.",
    "{n} {n} 결과 {r}%의 {n}이/가 {a} 것으로 나타났습니다.",
    "총 {m}원의 {n}을/를 {n}에 {d} {v}.",
)
MINUTES = (
    "{w}: {n} {n}은/는 {d} 검토가 필요합니다.",
    "{w}: {a} {n}에 대하여 {n}을/를 보완하여 주시기 바랍니다.",
    "{w}: {q}에서 {y}까지 {n} {n}을/를 마련하겠습니다.",
    "{w}: {n}이/가 {r}% 증가하였으므로 {n}을/를 조정하여야 합니다.",
    "{w}: {p} {n}에 관한 의견을 {d} 반영하겠습니다.",
    "{w}: 이의가 없으므로 제{k}호 안건은 원안대로 가결되었음을 선포합니다.",
)

_SLOT = re.compile(r"\{(\w)\}")
_PARTICLE = re.compile(r"(\S)(을/를|은/는|이/가|과/와|\(으\)로)")


class Writer:
    """Composes words and sentences. Only its generator changes."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def one(self, choices: Sequence[str]) -> str:
        """One of `choices`."""
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def name(self) -> str:
        """A person's name, put together at random."""
        second = self.one(GIVEN_SECOND) if self.rng.random() < 0.96 else ""
        return self.one(SURNAMES) + self.one(GIVEN_FIRST) + second

    def city(self) -> str:
        """A city, county or district."""
        return self.one(PLACE_STEMS) + self.one(CITY_ENDS)

    def place(self) -> str:
        """A neighbourhood, village or street."""
        return self.one(PLACE_STEMS) + self.one(PLACE_ENDS)

    def neighbourhood(self, city: str) -> str:
        """A neighbourhood of `city` that has an office: towns and townships are a county's, a district has none."""
        ends = {"구": ("동",), "군": ("읍", "면")}.get(city[-1], ("동", "읍", "면"))
        return self.one(PLACE_STEMS) + self.one(ends)

    def address(self) -> str:
        """A street address."""
        return (
            f"{self.city()} {self.one(PLACE_STEMS)}{self.one(STREET_SUFFIX)} {self.number(1, 420)}-{self.number(1, 60)}"
        )

    def date(self) -> str:
        """A date in one of the usual notations."""
        year, month, day = self.number(2019, 2027), self.number(1, 12), self.number(1, 28)
        weekday = "월화수목금토일"[datetime.date(year, month, day).weekday()]
        return self.one(
            (
                f"{year}. {month}. {day}.",
                f"{year}년 {month}월 {day}일",
                f"{year}-{month:02d}-{day:02d}",
                f"{year}.{month:02d}.{day:02d}.({weekday})",
                f"{year % 100}.{month}.{day}.",
            )
        )

    def time(self) -> str:
        """A time of day."""
        return f"{self.number(9, 18):02d}:{self.number(0, 5)}0"

    def phone(self) -> str:
        """A telephone number of an exchange that does not exist."""
        return self.one(
            (
                f"000-{self.number(0, 9999):04d}",
                f"0{self.number(31, 64)}-000-{self.number(0, 9999):04d}",
                f"010-0000-{self.number(0, 9999):04d}",
            )
        )

    def amount(self, low: int = 1_000, high: int = 90_000_000) -> str:
        """An amount of money, thousands separated, evenly over the orders of magnitude."""
        value = int(low * (high / low) ** float(self.rng.random()))
        return f"{value // 10 * 10:,}"

    def resident_number(self) -> str:
        """A resident number as extracts show it: masked but for the birth date and one digit."""
        return f"{self.number(40, 99):02d}{self.number(1, 12):02d}{self.number(1, 28):02d}-{self.number(1, 4)}******"

    def plate(self) -> str:
        """A licence plate of the 000 series, which is not issued."""
        return f"{self.one(('00', '000'))}{self.one(PLATE_SYLLABLES)}{self.number(0, 9999):04d}"

    def document_number(self) -> str:
        """A document number as offices give it."""
        return f"{self.one(DEPARTMENTS)}-{self.number(100, 28000)}"

    def business(self) -> str:
        """A shop or firm."""
        return self.one(PLACE_STEMS) + self.one(BUSINESS_ENDS)

    def phrase(self, nouns: int) -> str:
        """Some nouns in a row, as headings have them."""
        return " ".join(self.one(NOUNS) for _ in range(nouns))

    def sentence(self, patterns: Sequence[str] = SENTENCES) -> str:
        """A sentence with its slots filled and its particles fitted."""
        fill: dict[str, Callable[[], str]] = {
            "n": lambda: self.one(NOUNS), "a": lambda: self.one(ADJECTIVES), "d": lambda: self.one(ADVERBS),
            "v": lambda: self.one(VERBS).replace("제출하시기", "제출하시기 바랍니다"), "c": self.city, "p": self.place,
            "q": lambda: self.one(DEPARTMENTS), "w": lambda: f"{self.name()} {self.one(RANKS)}", "y": self.date,
            "t": self.time, "f": self.phone, "k": lambda: str(self.number(1, 48)),
            "r": lambda: f"{self.rng.uniform(1, 99):.1f}", "m": self.amount,
        }  # fmt: skip
        return fitted(_SLOT.sub(lambda found: fill[found[1]](), self.one(patterns)))


def fitted(text: str) -> str:
    """`text` with each pair of particles replaced by the one that the syllable before it asks for."""
    return _PARTICLE.sub(_fit, text)


def _fit(found: re.Match[str]) -> str:
    before, pair = found[1], found[2]
    # Composed syllables stand 28 apart for each vowel; the remainder is the final consonant, 8 is ㄹ.
    final = (ord(before) - 0xAC00) % 28 if "가" <= before <= "힣" else 0
    if pair == "(으)로":
        return before + ("으로" if final not in (0, 8) else "로")
    return before + pair.split("/")[0 if (final != 0) else 1]
