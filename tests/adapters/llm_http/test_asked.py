"""What an endpoint is asked beside its measured requests: ready or not, claims, next tokens. Against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from npubench.adapters.llm_http import claims, probes
from npubench.adapters.llm_http.adapter import LlmHttpAdapter
from npubench.adapters.llm_http.options import endpoint
from npubench.errors import UnsupportedError
from npubench.spi import Artifact, Predicts, RequestError
from tests.standins.openai_process import Standin, standin

ARTIFACT = Artifact(role="decoder", path="", sha256="", precision="fp32")


@pytest.fixture(scope="module")
def started() -> Iterator[Standin]:
    with standin(ttft_ms=1, tpot_ms=1, device="npu0") as server:
        yield server


@pytest.fixture
def server(started: Standin) -> Standin:
    started.reset()
    return started


def _options(server: Standin, **more: Any) -> dict[str, Any]:
    return {"url": server.url, "model": "stand-in", **more}


def _predicted(server: Standin, **more: Any) -> list[tuple[str, int | None, float | None]]:
    session = LlmHttpAdapter().open(ARTIFACT, _options(server, **more))
    try:
        assert isinstance(session, Predicts)
        prompt = "t1 t2" if more.get("api") == "chat" and more.get("prompt") != "words" else [1, 2]
        return [(one.text, one.token, one.logprob) for one in session.predict(prompt, 3)]
    finally:
        session.close()


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_the_choice_comes_first_then_the_likely_ones(server: Standin, api: str) -> None:
    server.set(answers={"1,2": {"next": 7, "logprobs": {"7": -0.25, "9": -2.0}}})
    assert _predicted(server, api=api) == [(" t7", None, None), (" t7", None, -0.25), (" t9", None, -2.0)]
    body = server.asked()[-1]["body"]
    assert body["max_tokens"] == 1
    assert "stream" not in body


def test_words_are_tokens(server: Standin) -> None:
    server.set(answers={"1,2": {"next": 7}}, logprobs=False)
    assert _predicted(server, prompt="words") == [(" t7", 7, None)]
    assert server.asked()[-1]["body"]["prompt"] == "t1 t2"
    assert _predicted(server, prompt="words", api="chat") == [(" t7", 7, None)]


def test_what_a_server_does_not_take_is_unsupported_and_what_breaks_is_not(
    server: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PAUSES_S", ())
    server.set(max_model_len=2)
    with pytest.raises(UnsupportedError, match="cannot be asked for next tokens: HTTP 400: maximum context length"):
        _predicted(server)
    server.set(max_model_len=1000, status=500)
    with pytest.raises(RequestError, match="HTTP 500"):
        _predicted(server)


def test_a_refusal_that_may_pass_is_waited_out(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer of a limiter would cost the quality of the whole run, and a run is judged once."""
    monkeypatch.setattr(probes, "PAUSES_S", (0.0, 0.0, 0.0))
    server.set(answers={"1,2": {"next": 7}}, logprobs=False, status=503, times=3)
    assert _predicted(server) == [(" t7", None, None)]
    server.set(status=429, times=0)
    asked = len(server.asked())
    with pytest.raises(RequestError, match="HTTP 429"):
        _predicted(server)
    assert len(server.asked()) == asked + 4
    server.set(status=403)
    with pytest.raises(RequestError, match="HTTP 403"):
        _predicted(server)
    assert len(server.asked()) == asked + 5


def test_ready_or_not_and_why(server: Standin) -> None:
    adapter = LlmHttpAdapter()
    found = adapter.probe_with(_options(server))
    assert found.available
    assert found.versions == {"version": "stand-in 1.0"}
    assert found.devices[0].detail == {"device": "npu0", "owned_by": "stand-in"}
    server.set(slow_start_s=1e6)
    assert "/health: HTTP 503" in adapter.probe_with(_options(server)).reason
    server.set(slow_start_s=0, health_status=307)
    assert "redirects to" in adapter.probe_with(_options(server)).reason


def test_a_wrong_key_is_found_before_anything_is_measured(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """/health is not guarded, as in vLLM."""
    adapter = LlmHttpAdapter()
    server.set(key="right")
    monkeypatch.setenv("SERVER_KEY", "wrong")
    wrong = adapter.probe_with(_options(server, api_key_env="SERVER_KEY"))
    assert (wrong.available, wrong.fix) == (False, "export SERVER_KEY=…")
    assert "refuses the API key (HTTP 401)" in wrong.reason
    assert adapter.probe_with(_options(server)).fix == "--api-key-env VARIABLE"
    monkeypatch.setenv("SERVER_KEY", "right")
    assert adapter.probe_with(_options(server, api_key_env="SERVER_KEY")).available
    server.set(health_status=401)
    assert adapter.probe_with(_options(server)).fix == "--api-key-env VARIABLE"


@pytest.mark.parametrize("health", [200, 404])
@pytest.mark.parametrize("api", ["completions", "chat"])
def test_a_model_that_is_not_served_is_found_before_anything_is_measured(
    server: Standin, api: str, health: int
) -> None:
    server.set(health_status=health)
    found = LlmHttpAdapter().probe_with({"url": server.url, "model": "default", "api": api})
    assert (found.available, found.fix) == (False, "--served-model stand-in")
    assert "it serves stand-in, not default (HTTP 404)" in found.reason


def test_a_list_is_no_proof(server: Standin) -> None:
    """Some servers load what is asked for, and some list nothing; a name as long as a path is no other one."""
    adapter = LlmHttpAdapter()
    server.set(listed="another")
    assert adapter.probe_with(_options(server)).available
    long = "/models/" + "x" * 400
    server.set(listed="", model=long, health_status=404)
    assert adapter.probe_with(_options(server, model=long)).available
    server.set(models_status=500)
    assert adapter.probe_with(_options(server, model=long)).available
    server.set(health_status=200)
    assert adapter.probe_with(_options(server)).available


def test_a_server_that_says_nothing_of_itself_claims_nothing(server: Standin) -> None:
    server.set(version_status=404, models_status=500)
    assert claims.read(endpoint(_options(server))) == ({}, {})
    nested = dict(claims._flat({"a": {"version": "1", "npu": "rngd"}, "b": [1], "c": True, "d": 2}, str))
    assert nested == {"a.version": "1", "a.npu": "rngd", "d": "2"}


def test_a_claim_is_cleaned_before_it_is_shortened(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the first half of a key would stay."""
    monkeypatch.setenv("SERVER_KEY", "sk-never-to-be-seen")
    server.set(version="x" * 110 + "sk-never-to-be-seen")
    versions, _ = claims.read(endpoint(_options(server, api_key_env="SERVER_KEY")))
    assert versions == {"version": "x" * 110 + "…"}
