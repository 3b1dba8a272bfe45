"""What documents and pages say of themselves where names and addresses were taken out of them (`redact`)."""

from __future__ import annotations

from npubench.lang import Text

REDACTED_FROM = "redacted_from"
"""The key under which a card that was changed keeps the SHA-256 that it had before."""

SAID = Text(
    en="Redacted copy: names of machines and people, serial numbers, network addresses and paths were replaced "
    "(`host-1`, `path-1` …), the same ones by the same word. No figure was changed.",
    ko="가린 사본: 장비와 사람의 이름, 일련번호, 네트워크 주소, 경로를 같은 것끼리 같은 말(`host-1`, `path-1` 등)로 "
    "바꾸었습니다. 수치는 바꾸지 않았습니다.",
)
