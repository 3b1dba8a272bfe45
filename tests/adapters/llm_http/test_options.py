"""What a card says of an endpoint: mistakes all at once, and no key anywhere."""

from __future__ import annotations

import pytest

from npubench.adapters.llm_http.options import VARIABLE, Endpoint, Secret, address, endpoint, proxy_of
from npubench.adapters.llm_http.requests import Requests
from npubench.cards import KEY_VARIABLE
from npubench.errors import AbsentBackendError, CardError

OPTIONS = {"url": "http://127.0.0.1:8000/v1", "model": "m"}


def test_every_mistake_is_named_at_once() -> None:
    wrong = {"url": "ftp://x", "api": "embeddings", "timeout_s": 900, "extra": 3, "modle": "m", "prompt": "tokens"}
    with pytest.raises(CardError) as caught:
        endpoint(wrong)
    keys = [line.split(":")[0] for line in caught.value.mistakes]
    assert set(keys) == {f"options.{name}" for name in (*wrong, "model")}


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/v1/completions"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000", "/v1/completions"),
        ("https://llm.example/team/v1", "https://llm.example/team", "/team/v1/completions"),
        ("http://[::1]:8000", "http://[::1]:8000", "/v1/completions"),
    ],
)
def test_addresses(url: str, shown: str, path: str) -> None:
    assert address(url).url == shown
    assert Requests(endpoint({**OPTIONS, "url": url})).path == path


@pytest.mark.parametrize(
    "url", ["http://me:pw@h", "http://h/?api_key=pw", "http://h:port", "h:80", None, "http://h\r\nX: y"]
)
def test_addresses_that_are_refused(url: object) -> None:
    with pytest.raises(ValueError, match=r"expected|holds") as caught:
        address(url)
    assert "pw" not in str(caught.value)


def test_the_key_is_in_no_repr_and_in_nothing_a_server_echoes() -> None:
    where = endpoint({**OPTIONS, "api_key_env": "KEY"}, {"KEY": "sk-secret-1"})
    assert "sk-secret" not in repr(where)
    assert where.clean("wrong key: Bearer sk-secret-1\nask for one") == "wrong key: Bearer … ask for one"
    assert b"Authorization: Bearer sk-secret-1\r\n" in Requests(where).of([1], 2)


def test_a_key_that_is_not_there_and_one_that_stands_in_the_card() -> None:
    with pytest.raises(AbsentBackendError, match="KEY"):
        endpoint({**OPTIONS, "api_key_env": "KEY"}, {})
    for typed in ("sk-secret", "hf_abcdef", "gsk_1A2b"):
        with pytest.raises(CardError) as caught:
            endpoint({**OPTIONS, "api_key_env": typed}, {})
        assert "api_key_env" in str(caught.value)
        assert typed not in str(caught.value)
    assert VARIABLE == KEY_VARIABLE
    with pytest.raises(CardError) as caught:
        endpoint({**OPTIONS, "api_key_env": "KEY"}, {"KEY": "sk\r\nsecret"})
    assert "secret" not in str(caught.value)


def test_only_what_all_servers_take_is_sent_and_a_card_may_change_that() -> None:
    sent = Requests(endpoint(OPTIONS)).body([1, 2], 8)
    assert sent == {
        "model": "m",
        "prompt": [1, 2],
        "max_tokens": 8,
        "min_tokens": 8,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    extra = {"min_tokens": "omit", "top_k": 1}
    chat = Requests(endpoint({**OPTIONS, "api": "chat", "extra": extra})).body("hello", 8)
    assert chat["messages"] == [{"role": "user", "content": "hello"}]
    assert chat["top_k"] == 1
    assert "min_tokens" not in chat
    assert "prompt" not in chat


def test_a_proxy_is_seen_and_no_proxy_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    where = address("http://llm.example:8000")
    assert proxy_of(where) is None
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_of(where) == "http_proxy"
    monkeypatch.setenv("no_proxy", "llm.example")
    assert proxy_of(where) is None


def test_a_secret_has_a_repr_without_it() -> None:
    assert repr(Secret("x")) == "Secret(…)"
    assert isinstance(endpoint(OPTIONS), Endpoint)
