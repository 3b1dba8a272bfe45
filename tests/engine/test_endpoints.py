"""What is planned, loaded and said of a server of a language model, and what is not asked of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from npubench import statuses
from npubench.cards import BackendCard, ModelCard
from npubench.discovery import catalogue
from npubench.engine import loading
from npubench.engine import plan as planning
from npubench.engine.capacity import find
from npubench.engine.files import Files
from npubench.engine.planned import headline, planned_cell, reason_unsupported, scenario_of
from npubench.engine.protocol import SATURATING, Search, Target
from npubench.engine.remarks import remarks
from npubench.rules import load
from npubench.scenarios import NO_LIMIT, Scenario
from npubench.schema import CAVEATS, Audit, Plan, PlannedCell, Trial, TrialPurpose, Window
from npubench.spi import ServerTally
from npubench.stats.conclude import lanes_of
from npubench.stats.trials import Limits
from npubench.verify.cells import check_planned
from npubench.verify.found import Tally
from tests.support import MACHINE

CATALOGUE = catalogue()
LLM = CATALOGUE.models["llm-chat-8m"].card
DETECTOR = CATALOGUE.models["cctv-detect"].card


def endpoint(**options: Any) -> BackendCard:
    card = CATALOGUE.backends["openai-completions"].card
    return msgspec.structs.replace(card, options={**card.options, "model": "theirs", **options})


def plan(*scenarios: str, scopes: tuple[str, ...] = (), models: tuple[ModelCard, ...] = (LLM,), **options: Any) -> Plan:
    card = endpoint(**options)
    floor = CATALOGUE.models["overhead-floor"].card
    return planning.make(
        run="20261126T000000Z-abc123",
        wanted=[planning.Wanted(model=model.id, scenarios=scenarios, scopes=scopes) for model in models],
        models={model.id: model for model in (*models, floor)},
        backends={card.id: card},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="smoke", seconds=60, launches=1, max_window_s=5),
        seed=0,
        suite=None,
    )


def cell(scenario: str, **options: Any) -> PlannedCell:
    card = endpoint(**options)
    planned = scenario_of(scenario, LLM, card)
    return planned_cell(LLM, card, "bf16", planned, "service", inputs=None, machine=MACHINE, ruleset="npubench-1")


def test_a_server_is_measured_as_a_service_without_a_floor_and_in_what_its_card_claims() -> None:
    cells = plan("single-stream", "users:users=4", "server:rate=2", "offline").cells
    assert {(one.scope, one.precision, one.purpose) for one in cells} == {("service", "bf16", "measure")}
    assert headline(LLM, endpoint(), MACHINE) == "bf16"
    # A suite's scopes are meant for devices.
    assert {one.scope for one in plan("single-stream", scopes=("device",)).cells} == {"service"}
    inflight = {one.scenario.name: one.scenario.params.get("inflight") for one in cells}
    assert inflight == {"single-stream": None, "users": None, "server": 0, "offline": 64}
    assert {one.scenario.params.get("batch", 1) for one in cells} == {1}


def test_the_identity_says_what_is_served_in_place_of_our_weights() -> None:
    found = cell("single-stream").identity
    assert found["graphs"] == {"claimed": "theirs"}
    assert found["options"]["url"] == "http://127.0.0.1:8000"
    assert cell("single-stream", model="others").identity != found
    made = plan("single-stream", "users")
    tally = Tally()
    check_planned(tally, made)
    assert tally.mismatches == []


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("multi-stream", "one prompt per request"),
        ("offline:batch=2", "one prompt per request"),
        ("offline:tune=1", "the server's to say"),
        ("server:rate=1,instances=2", "the server's to say"),
        ("cameras", "takes none"),
    ],
)
def test_what_is_not_asked_of_a_server(scenario: str, said: str) -> None:
    (lacking,) = plan(scenario).unsupported
    assert said in lacking.reason.en


def test_other_models_and_precisions_are_not_a_servers() -> None:
    assert "language models" in plan("single-stream", models=(DETECTOR,)).unsupported[0].reason.en
    assert "llm-chat-8b" in plan("single-stream", serves="llm-chat-8b").unsupported[0].reason.en
    assert plan("single-stream", serves="llm-chat-8m").unsupported == ()
    large = CATALOGUE.models["llm-chat-8b"].card
    # Its memory is not this machine's.
    assert reason_unsupported(large, endpoint(), "bf16", MACHINE) is None
    assert "claims bf16" in str(reason_unsupported(LLM, endpoint(), "fp16", MACHINE))


def test_users_and_any_number_in_flight_are_for_servers() -> None:
    null = CATALOGUE.backends["cpu"].card
    assert "endpoint" in str(planning.unfit(Scenario(name="users"), LLM, null, 1))
    assert "inflight=0" in str(planning.unfit(Scenario(name="server", params={"inflight": 0}), LLM, null, 1))


def test_nothing_is_built_for_a_server() -> None:
    made = plan("single-stream")
    (planned,) = made.cells
    files = Files.__new__(Files)
    files._plan, files._ready, files._built = made, {}, {}
    (artifact,) = files.of(planned).artifacts
    assert (artifact.path, artifact.precision) == ("", "bf16")


def test_no_request_waits_for_room() -> None:
    assert lanes_of(cell("users").scenario) == NO_LIMIT
    assert lanes_of(cell("server").scenario) == NO_LIMIT
    assert lanes_of(cell("server:inflight=3").scenario) == 3
    assert loading.load_of(cell("server"), 0).inflight == 0


def test_users_are_looked_for_from_where_the_server_was_saturated() -> None:
    search = loading.search_of(cell("users"), None)
    assert search is not None
    assert (search.whole, search.per_load, search.abreast) == (True, None, SATURATING)
    tried: list[float | None] = []

    def attempt(load: float | None, duration_ns: int, purpose: TrialPurpose, holds: float) -> Trial:
        tried.append(load)
        failed = (load or 0) > holds or (load is None and holds < SATURATING)
        window = Window(start_ns=0, end_ns=duration_ns)
        return Trial(
            purpose=purpose, load=load, window=window, queries=200, over=200 if failed else 0, dropped=0, failed=0,
            passed=not failed, percent=None if failed else 99.0, failed_by="latency" if failed else None,
            completed_per_s=10.0, p50_ns=1e8,
        )  # fmt: skip

    target = Target(held={"token": Limits(ttft_ns=1)}, needed=((99.0, (100, 150)),))
    for holds in (100.0, 8.0):
        tried.clear()
        clock = iter(range(0, 10**15, 10**8))
        limited = Search(searched="users", whole=True, per_load=None, abreast=search.abreast, budget_ns=10**11)
        found = find(limited, target, Limits(), lambda *args, holds=holds: attempt(*args, holds), now=clock.__next__)
        assert tried[1] == (64 if holds >= 64 else 16)
        assert found.confirmed is not None
        assert found.confirmed <= holds


def told(**changes: Any) -> tuple[Audit, Audit]:
    usual = {
        "requests": 10, "prompt_tokens": 1280, "least_prompt_tokens": 128, "most_prompt_tokens": 128,
        "cached_tokens": 0, "asked_tokens": 128,
    }  # fmt: skip
    cache, length = remarks(ServerTally(**{**usual, **changes}))
    return cache, length


def test_what_a_server_remembers_is_said() -> None:
    assert remarks(None) == ()
    cache, length = told()
    assert (cache.passed, length.passed) == (True, True)
    cache, _ = told(cached_tokens=640)
    assert cache.passed is False
    assert "640 of 1280 prompt tokens" in cache.said.en
    # What is shared on purpose may be remembered.
    assert told(cached_tokens=640, shared_tokens=64)[0].passed is True
    assert told(cached_tokens=None)[0].passed is None
    assert {cache.name, length.name} == set(CAVEATS)


def test_a_text_may_have_another_length_than_was_asked_for() -> None:
    _, length = told(least_prompt_tokens=120, most_prompt_tokens=180)
    assert length.passed is False
    assert "120–180" in length.said.en


def test_kinds_of_failures_have_words_in_both_languages() -> None:
    found = statuses.counted([429, 429, statuses.SILENT, 1, 418])
    assert [(text.en, count) for text, count in found] == [
        ("HTTP 429 (too many requests)", 2),
        ("the server fell silent", 1),
        ("HTTP 418", 1),
    ]
    assert all(text.ko != text.en or text.en == "HTTP 418" for text, _ in found)
    assert statuses.named(1) is None
    assert statuses.named(302) is None
