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

from npubench.build.data.wordlists import TRAINING, Lists

SURNAMES = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍 전 고 문 손 양 배 백 허 남 심 노 하 곽 성 차 주 우 구 민 진".split()
GIVEN_FIRST = "민 서 지 현 은 수 도 하 예 준 태 영 정 성 유 재 승 주 미 윤 혜 경 동 상 진 선 보 소 채 기 명 종 순 병 가 나 다 라".split()
GIVEN_SECOND = (
    "준 연 우 민 아 호 영 수 희 진 현 은 훈 석 원 경 규 빈 숙 철 환 식 자 란 솔 율 담 겸 건 후 린 찬 온 슬 별".split()
)
PLACE_ENDS = "동 읍 면 리 로 길 대로".split()
CITY_ENDS = "시 군 구".split()
STREET_SUFFIX = "번길 로 길".split()
PLATE_SYLLABLES = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자하허호"

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
    """Composes words and sentences from `lists`. Only its generator changes."""

    def __init__(self, rng: np.random.Generator, lists: Lists = TRAINING) -> None:
        self.rng = rng
        self.lists = lists

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
        return self.one(self.lists.place_stems) + self.one(CITY_ENDS)

    def place(self) -> str:
        """A neighbourhood, village or street."""
        return self.one(self.lists.place_stems) + self.one(PLACE_ENDS)

    def neighbourhood(self, city: str) -> str:
        """A neighbourhood of `city` that has an office: towns and townships are a county's, a district has none."""
        ends = {"구": ("동",), "군": ("읍", "면")}.get(city[-1], ("동", "읍", "면"))
        return self.one(self.lists.place_stems) + self.one(ends)

    def address(self) -> str:
        """A street address."""
        return f"{self.city()} {self.one(self.lists.place_stems)}{self.one(STREET_SUFFIX)} {self.number(1, 420)}-{self.number(1, 60)}"

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
        return f"{self.one(self.lists.departments)}-{self.number(100, 28000)}"

    def business(self) -> str:
        """A shop or firm."""
        return self.one(self.lists.place_stems) + self.one(self.lists.business_ends)

    def phrase(self, nouns: int) -> str:
        """Some nouns in a row, as headings have them."""
        return " ".join(self.one(self.lists.nouns) for _ in range(nouns))

    def sentence(self, patterns: Sequence[str] = SENTENCES) -> str:
        """A sentence with its slots filled and its particles fitted."""
        fill: dict[str, Callable[[], str]] = {
            "n": lambda: self.one(self.lists.nouns), "a": lambda: self.one(self.lists.adjectives), "d": lambda: self.one(self.lists.adverbs),
            "v": lambda: self.one(self.lists.verbs).replace("제출하시기", "제출하시기 바랍니다"), "c": self.city, "p": self.place,
            "q": lambda: self.one(self.lists.departments), "w": lambda: f"{self.name()} {self.one(self.lists.ranks)}", "y": self.date,
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
