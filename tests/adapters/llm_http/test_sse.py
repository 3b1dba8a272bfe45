"""The reader of answers: the same from any cutting of the bytes, and a status for whatever a server may send."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import statuses
from npubench.adapters.llm_http.sse import MOST_HEAD, Reply, complaint
from npubench.spi import RequestError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def event(**fields: Any) -> str:
    return "data: " + json.dumps(fields, ensure_ascii=False) + "\n\n"


def text(words: str) -> str:
    return event(choices=[{"index": 0, "text": words, "finish_reason": None}])


USAGE = event(
    choices=[], usage={"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
)
ANSWER = text("가") + text(" 나") + text(" 다") + USAGE + "data: [DONE]\n\n"


def chunked(body: bytes, sizes: list[int]) -> bytes:
    """`body` in chunks of these sizes, in turn."""
    found, at, turn = b"", 0, 0
    while at < len(body):
        piece = body[at : at + sizes[turn % len(sizes)]]
        found += b"%x\r\n%b\r\n" % (len(piece), piece)
        at, turn = at + len(piece), turn + 1
    return found + b"0\r\n\r\n"


def fed(*pieces: bytes) -> tuple[Reply, list[int]]:
    """A reply that read `pieces`, the n-th at time n, and the times of its events."""
    times: list[int] = []
    reply = Reply(times.append)
    for now, piece in enumerate(pieces):
        reply.feed(piece, now)
    return reply, times


def failing(*pieces: bytes, closed: bool = False) -> RequestError:
    def all_of_it() -> None:
        reply, _ = fed(*pieces)
        if closed:
            reply.closed(99)

    with pytest.raises(RequestError) as caught:
        all_of_it()
    return caught.value


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 2000), max_size=30),
    line_end=st.sampled_from(["\n", "\r\n"]),
    comments=st.booleans(),
)
def test_the_answer_is_the_same_however_the_bytes_are_cut(
    sizes: list[int], cuts: list[int], line_end: str, comments: bool
) -> None:
    body = ANSWER.replace("data: {", ": still here\n\ndata: {") if comments else ANSWER
    raw = CHUNKED + chunked(body.replace("\n", line_end).encode(), sizes)
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    reply, times = fed(*(raw[start:end] for start, end in itertools.pairwise(places)))
    assert reply.complete
    assert reply.keeps
    assert reply.done
    assert (reply.status, reply.events, len(times)) == (200, 3, 3)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cached_tokens) == (9, 3, 4)
    assert times == sorted(times)
    assert reply.completed_ns == len(places) - 2


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_nothing_a_server_sends_raises_anything_else(rubbish: bytes, cuts: list[int]) -> None:
    for start in (b"", CHUNKED, HEAD + b"\r\n", CHUNKED + b"40\r\n"):
        raw = start + rubbish
        places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
        with suppress(RequestError):
            reply, _ = fed(*(raw[one:other] for one, other in itertools.pairwise(places)))
            reply.closed(9)


def test_an_event_has_the_time_of_the_read_that_completed_it() -> None:
    body = text("a").encode()
    whole = b"%x\r\n%b\r\n" % (len(body), body)
    _, times = fed(CHUNKED, whole, whole[:20], whole[20:-2], whole[-2:] + whole + whole)
    assert times == [1, 3, 4, 4]


def test_a_role_alone_and_an_empty_text_are_no_tokens() -> None:
    role = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    empty = event(choices=[{"index": 0, "delta": {}, "finish_reason": None}])
    thought = event(choices=[{"index": 0, "delta": {"content": None, "reasoning_content": "hm"}}])
    said = event(choices=[{"index": 0, "delta": {"content": "x"}, "finish_reason": "length"}])
    reply, times = fed(CHUNKED, *(chunked(one.encode(), [999])[:-5] for one in (role, empty, thought, said)))
    assert times == [3, 4]
    assert reply.finish == "length"


def test_an_answer_without_done_or_a_last_line_end_is_complete() -> None:
    body = (text("a") + USAGE).encode().rstrip(b"\n")
    reply, _ = fed(CHUNKED + chunked(body, [1000]))
    assert reply.complete
    assert not reply.done
    assert reply.usage is not None


def test_other_framings() -> None:
    body = (text("a") + USAGE).encode()
    counted, _ = fed(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert counted.complete
    until_closed, _ = fed(HEAD + b"\r\n" + body)
    assert not until_closed.complete
    until_closed.closed(7)
    assert until_closed.complete
    assert not until_closed.keeps
    assert until_closed.completed_ns == 7
    interim, _ = fed(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert interim.complete
    assert not interim.keeps


def test_more_than_was_asked_for_makes_a_connection_useless() -> None:
    reply, _ = fed(CHUNKED + chunked(b"data: [DONE]\n\n", [99]) + b"HTTP/1.1 500 No\r\n")
    assert reply.complete
    assert not reply.keeps


@pytest.mark.parametrize(
    ("pieces", "closed", "status"),
    [
        ((CHUNKED + chunked(text("a").encode(), [999])[:-5],), True, statuses.CLOSED),
        ((b"HTTP/1.1 200",), True, statuses.CLOSED),
        ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), False, statuses.BROKEN),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"y" * MOST_HEAD,), False, statuses.BROKEN),
        ((CHUNKED + b"zz\r\n",), False, statuses.BROKEN),
        ((CHUNKED + b"2\r\nabcd\r\n",), False, statuses.BROKEN),
        ((CHUNKED + chunked(b'data: {"choices": [{"text": " t1\n\n', [999]),), False, statuses.BROKEN),
        ((CHUNKED + chunked(b'data: {"choices": 7}\n\n', [999]),), False, statuses.BROKEN),
        ((CHUNKED + chunked(b'data: {"choices": [{"text": "\xff"}]}\n\n', [999]),), False, statuses.BROKEN),
        ((HEAD + b"Content-Encoding: gzip\r\n\r\n",), False, statuses.BROKEN),
        ((CHUNKED + chunked(event(error={"message": "lost"}).encode(), [999]),), False, statuses.ERROR_EVENT),
        ((CHUNKED + chunked(event(object="error", message="lost").encode(), [999]),), False, statuses.ERROR_EVENT),
    ],
)
def test_what_cannot_be_read_has_a_status(pieces: tuple[bytes, ...], closed: bool, status: int) -> None:
    assert failing(*pieces, closed=closed).status == status


def test_the_message_of_an_error_is_kept() -> None:
    raw = CHUNKED + chunked(event(error={"message": "the device was lost", "code": 500}).encode(), [7])
    assert str(failing(raw)) == "the device was lost"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no model"}}', "no model"),
        (b'{"error": "no model"}', "no model"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b"<html>", "<html>"),
        (b"", ""),
    ],
)
def test_complaints(body: bytes, said: str) -> None:
    assert complaint(body) == said
