"""What the status of a sample that failed means: one number per kind of failure, with its words.

A sample's `status` is 0 for a request that was answered, `schema.DROPPED` for a frame that was not run, 1 for a failure
that its adapter did not name, and from here on a kind: those of an answer over the network, or the HTTP status itself
(400 to 599). Numbers are never given another meaning: samples of old runs hold them.

Not aware of: who fails a request (`spi.RequestError` carries the number), what a failure does to a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from npubench.lang import Text

FAILED = 1
UNREACHABLE = 10
INSECURE = 11
SILENT = 12
CLOSED = 13
BROKEN = 14
ERROR_EVENT = 15
REDIRECTED = 16
NO_USAGE = 17
WRONG_USAGE = 18
SHORT = 19
EMPTY = 20

KINDS: dict[int, Text] = {
    UNREACHABLE: Text(en="no connection", ko="연결 안 됨"),
    INSECURE: Text(en="the server's certificate was not accepted", ko="서버 인증서를 신뢰할 수 없음"),
    SILENT: Text(en="the server fell silent", ko="서버 응답이 멈춤"),
    CLOSED: Text(en="the connection was closed before the answer was complete", ko="답이 끝나기 전에 연결이 닫힘"),
    BROKEN: Text(en="the answer could not be read", ko="읽을 수 없는 응답"),
    ERROR_EVENT: Text(en="an error inside the answer", ko="응답 도중 오류"),
    REDIRECTED: Text(en="redirected to another address", ko="다른 주소로 리디렉션됨"),
    NO_USAGE: Text(en="the server did not say how many tokens there were", ko="서버가 토큰 수를 알려 주지 않음"),
    WRONG_USAGE: Text(en="the server's token count cannot be right", ko="서버가 알린 토큰 수가 맞지 않음"),
    SHORT: Text(en="the answer ended before the length asked for", ko="요청한 길이 전에 답이 끝남"),
    EMPTY: Text(en="the answer has no text", ko="답에 글이 없음"),
}

# RFC 9110, 15.5 and 15.6, and RFC 6585: those that a server of language models is known to give.
_HTTP: dict[int, Text] = {
    400: Text(en="bad request", ko="잘못된 요청"),
    401: Text(en="not authorised", ko="인증 실패"),
    403: Text(en="forbidden", ko="권한 없음"),
    404: Text(en="not found", ko="찾을 수 없음"),
    413: Text(en="request too large", ko="요청이 너무 큼"),
    422: Text(en="request not understood", ko="처리할 수 없는 요청"),
    429: Text(en="too many requests", ko="요청이 너무 많음"),
    500: Text(en="server error", ko="서버 오류"),
    502: Text(en="bad gateway", ko="잘못된 게이트웨이"),
    503: Text(en="server not available", ko="서버 사용 불가"),
    504: Text(en="gateway timed out", ko="게이트웨이 시간 초과"),
}


def named(status: int) -> Text | None:
    """What a non-zero status says; None where its adapter did not name the failure."""
    if status in KINDS:
        return KINDS[status]
    if 400 <= status <= 599:
        words = _HTTP.get(status)
        return Text(
            en=f"HTTP {status}" + (f" ({words.en})" if words else ""),
            ko=f"HTTP {status}" + (f"({words.ko})" if words else ""),
        )
    return None


def counted(statuses: Iterable[int] | npt.NDArray[np.int64]) -> tuple[tuple[Text, int], ...]:
    """The kinds among these statuses with how many there are of each, the most frequent first; those without a name
    are left out."""
    values, counts = np.unique(np.asarray(list(statuses), np.int64), return_counts=True)
    found = [(named(int(value)), int(count)) for value, count in zip(values, counts, strict=True)]
    return tuple(sorted(((text, n) for text, n in found if text is not None), key=lambda pair: -pair[1]))
