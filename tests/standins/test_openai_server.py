"""The stand-in server keeps its word: its rate, its forms, its faults, and that it ends."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.standins.openai_process import SCRIPT, Standin, standin


@pytest.fixture(scope="module")
def started() -> Iterator[Standin]:
    with standin(ttft_ms=5, tpot_ms=2) as server:
        yield server


@pytest.fixture
def server(started: Standin) -> Standin:
    started.reset()
    return started


def _stream(server: Standin, route: str = "completions", **body: Any) -> list[str]:
    """The `data:` of each event."""
    asked = {"prompt": [1, 2, 3]} if route == "completions" else {"messages": [{"role": "user", "content": "t1 t2"}]}
    sent = {"model": "stand-in", "max_tokens": 4, "stream": True, **asked, **body}
    with httpx.stream("POST", f"{server.url}/v1/{route}", json=sent) as reply:
        assert reply.status_code == 200
        return [line.removeprefix("data: ") for line in reply.iter_lines() if line.startswith("data: ")]


def test_a_completion_is_streamed_with_its_usage_and_done(server: Standin) -> None:
    *events, usage, done = _stream(server, stream_options={"include_usage": True})
    assert done == "[DONE]"
    assert json.loads(usage)["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    texts = [json.loads(event)["choices"][0]["text"] for event in events]
    assert len("".join(texts).split()) == len(events) == 4
    assert json.loads(events[-1])["choices"][0]["finish_reason"] == "length"


def test_a_chat_begins_with_a_role_and_can_end_without_done(server: Standin) -> None:
    server.set(done=False, usage="always")
    role, *tokens = _stream(server, "chat/completions")
    assert json.loads(role)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "usage" in json.loads(tokens[-1])
    assert [one["tokens"] for one in server.asked()] == [[1, 1, 1, 1]]


def test_a_reply_without_streaming_has_logprobs(server: Standin) -> None:
    body = {"model": "stand-in", "prompt": "t1 t2", "max_tokens": 2, "logprobs": 2}
    reply = httpx.post(f"{server.url}/v1/completions", json=body).json()
    choice = reply["choices"][0]
    assert choice["text"] == "".join(choice["logprobs"]["tokens"])
    assert [len(top) for top in choice["logprobs"]["top_logprobs"]] == [2, 2]


def test_the_prefix_cache_tells_what_it_held(server: Standin) -> None:
    server.set(prefix_cache=True)
    prompt = list(range(40))
    cached = []
    for _ in range(2):
        usage = json.loads(_stream(server, prompt=prompt, stream_options={"include_usage": True})[-2])["usage"]
        cached.append(usage["prompt_tokens_details"]["cached_tokens"])
    assert cached == [0, 32]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"error_after": 2}, "error"),
    ({"broken_after": 2}, "broken"),
    ({"eos_after": 2}, "stop"),
    ({"ignores_ignore_eos": 2}, "stop"),
    ({"merge": 2}, "merged"),
]


@pytest.mark.parametrize(("fault", "seen"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_faults_inside_a_stream(server: Standin, fault: dict[str, Any], seen: str) -> None:
    server.set(**fault)
    events = _stream(server, ignore_eos="eos_after" not in fault)[:-1]
    if seen == "error":
        assert json.loads(events[-1])["error"]["message"] == "the device was lost"
    elif seen == "broken":
        with pytest.raises(ValueError):
            json.loads(events[-1])
    elif seen == "stop":
        assert json.loads(events[1])["choices"][0]["finish_reason"] == "stop"
    else:
        assert [one["tokens"] for one in server.asked()] == [[2, 2]]


def test_an_early_close_breaks_the_body(server: Standin) -> None:
    server.set(close_after=2)
    with pytest.raises(httpx.RemoteProtocolError):
        _stream(server)


def test_a_stalled_stream_stays_open(server: Standin) -> None:
    server.set(stall_after=1)
    body = {"model": "stand-in", "prompt": [1], "stream": True}
    with (
        pytest.raises(httpx.ReadTimeout),
        httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=0.1) as reply,
    ):
        reply.read()
    assert server.asked()[0]["sent"] == 1


def test_characters_are_cut_between_segments_and_arrive_whole(server: Standin) -> None:
    server.set(korean=True, split_utf8=True)
    texts = [json.loads(event)["choices"][0]["text"] for event in _stream(server)[:-1]]
    assert all(text.startswith(" 말") for text in texts)


def test_faults_of_whole_replies(server: Standin) -> None:
    body = {"model": "stand-in", "prompt": [1], "max_tokens": 1}

    def ask() -> httpx.Response:
        return httpx.post(f"{server.url}/v1/completions", json=body)

    server.set(status=429, retry_after="2", times=1)
    refused = ask()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert ask().status_code == 200
    server.set(status=0, redirect="http://192.0.2.1/")
    assert ask().headers["location"] == "http://192.0.2.1/"
    server.set(redirect="", wrong_usage=3)
    assert ask().json()["usage"]["completion_tokens"] == 4
    server.set(wrong_usage=0, key="sesame")
    assert ask().status_code == 401
    assert [one["key"] for one in server.asked()][-1] == "none"


def test_a_slow_start_says_so(server: Standin) -> None:
    server.set(slow_start_s=1e6)
    assert httpx.get(f"{server.url}/health").status_code == 503
    server.set(slow_start_s=0, health_status=404)
    assert httpx.get(f"{server.url}/health").status_code == 404
    assert httpx.get(f"{server.url}/v1/models").json()["data"][0]["id"] == "stand-in"


def test_slots_make_requests_wait(server: Standin) -> None:
    server.set(slots=1)

    async def ask_twice() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"model": "stand-in", "prompt": [1], "max_tokens": 2}
            await asyncio.gather(*(client.post(f"{server.url}/v1/completions", json=body) for _ in range(2)))

    asyncio.run(ask_twice())
    first, second = sorted(server.asked(), key=lambda one: int(one["begun_ns"]))
    assert second["begun_ns"] >= first["ended_ns"]
    assert server.log()["most_running"] == 1


def test_it_refuses_until_it_listens_and_ends_by_itself() -> None:
    with standin("--listen-after-s", "60") as server, pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health")
    assert server.process.returncode == 0
    ended = subprocess.run([sys.executable, str(SCRIPT), "--idle", "0.1"], capture_output=True, timeout=30, text=True)
    assert ended.stdout.endswith("stopped\n")
    assert not ended.stderr
