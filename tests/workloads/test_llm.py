from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.errors import CardError, DataError, UnsupportedError, UsageError
from npubench.spi import Feeds, Outputs, Request
from npubench.workloads.bpe import byte_characters
from npubench.workloads.llm import Generation
from tests.workloads.fakes import CountingClock, FakeSession, prompts_folder, specs

VOCAB = 300
TEXTS = ["민원 접수 안내", "How do I renew a permit?", "구청 위치"]
TOKENIZER = {
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "model": {"type": "BPE", "vocab": {char: byte for byte, char in enumerate(byte_characters())}, "merges": []},
}
PARAMS = {"prompt_tokens": 40, "new_tokens": 6, "inputs": 8, "vocab": VOCAB}


def decode_step(feeds: Feeds) -> Outputs:
    """The next id is the sum of all ids so far, by way of the cache: a wrong cache gives other tokens."""
    ids = feeds["input_ids"]
    past = feeds["past.0.key"]
    batch, tokens = ids.shape
    new = np.repeat(ids[:, None, :, None].astype(np.float32), 4, axis=3)
    key = np.concatenate([past, np.repeat(new, 2, axis=1)], axis=2)
    logits = np.zeros((batch, VOCAB), np.float32)
    logits[np.arange(batch), key[:, 0, :, 0].sum(axis=1).astype(int) * 7 % VOCAB] = 1
    assert key.shape[2] == past.shape[2] + tokens
    return {"logits": logits, "present.0.key": key, "present.0.value": key}


def decoder(past: int | str = "past") -> FakeSession:
    cache = {"past.0.key": ("batch", 2, past, 4), "past.0.value": ("batch", 2, past, 4)}
    present = {name.replace("past", "present"): ("batch", 2, "all", 4) for name in cache}
    inputs = specs({"input_ids": ("batch", "tokens")}, "int64") + specs(cache)
    return FakeSession(inputs, specs({"logits": ("batch", VOCAB), **present}), decode_step)


def greedy(ids: list[int], count: int) -> list[int]:
    out: list[int] = []
    for _ in range(count):
        out.append((sum(ids) + sum(out)) * 7 % VOCAB)
    return out


def bound(
    session: Any, folder: Path | None, scope: str = "device", batch: int = 1, **params: Any
) -> tuple[Any, CountingClock]:
    clock = CountingClock()
    request = Request(scope=scope, batch=batch, params={**PARAMS, **params}, data=str(folder) if folder else None)
    return Generation().bind({"decoder": session}, request, clock), clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prompts_folder(tmp_path / "p", TEXTS, TOKENIZER)


@pytest.mark.parametrize("scope", ["device", "service"])
def test_a_step_is_prefill_and_greedy_decoding(folder: Path, scope: str) -> None:
    session = decoder()
    bind, clock = bound(session, folder, scope)
    assert bind.count == 3
    assert bind.step(4) == 6
    assert clock.ticks == 6
    shapes = [fed["input_ids"].shape for fed in session.fed]
    assert shapes == [(1, 40)] + [(1, 1)] * 5
    assert session.fed[0]["past.0.key"].shape == (1, 2, 0, 4)
    assert session.fed[5]["past.0.key"].shape == (1, 2, 44, 4)
    prompt = session.fed[0]["input_ids"][0].tolist()
    assert prompt == list("\n".join([TEXTS[1], TEXTS[2], TEXTS[0]]).encode())[:40]
    assert [fed["input_ids"][0, 0] for fed in session.fed[1:]] == greedy(prompt, 5)
    assert bind.tokens(4).tolist() == [greedy(prompt, 6)]
    assert clock.ticks == 6


def test_both_scopes_feed_the_same_ids(folder: Path) -> None:
    one, two = decoder(), decoder()
    bound(one, folder)[0].step(2)
    bound(two, folder, "service")[0].step(2)
    assert [fed["input_ids"].tolist() for fed in one.fed] == [fed["input_ids"].tolist() for fed in two.fed]


@pytest.mark.parametrize("scope", ["device", "service"])
def test_a_batch_ticks_once_per_decoding_step(folder: Path, scope: str) -> None:
    session = decoder()
    bind, clock = bound(session, folder, scope, batch=2)
    assert bind.count == 2
    assert bind.step(1) == 12
    assert clock.ticks == 6
    assert session.fed[0]["input_ids"].shape == (2, 40)
    single, _ = bound(decoder(), folder)
    assert bind.tokens(0).tolist() == [*single.tokens(0).tolist(), *single.tokens(1).tolist()]
    assert len(bind.prompt(0)) == 2


def test_the_cache_is_fed_back_without_a_copy(folder: Path) -> None:
    given: list[Any] = []

    def keep(feeds: Feeds) -> Outputs:
        outputs = decode_step(feeds)
        if given:
            assert feeds["past.0.key"] is given[-1]
        given.append(outputs["present.0.key"])
        return outputs

    session = decoder()
    session.run = keep
    bound(session, folder)[0].step(0)
    assert len(given) == 6


def test_ids_above_the_vocabulary_read_as_replacement(folder: Path) -> None:
    bind, _ = bound(decoder(), folder)
    (row,) = bind.tokens(0).tolist()
    (text,) = bind.texts(0)
    assert any(token >= 256 for token in row)
    assert text == b"".join(bytes([t]) if t < 256 else "\ufffd".encode() for t in row).decode(errors="replace")


def test_one_new_token_needs_no_decoding_step(folder: Path) -> None:
    session = decoder()
    bind, clock = bound(session, folder, new_tokens=1)
    assert bind.step(0) == clock.ticks == len(session.fed) == 1


def test_inspect_is_the_last_decode_step(folder: Path) -> None:
    raw = bound(decoder(), folder)[0].inspect(0)
    assert raw["logits"].shape == (1, VOCAB)
    assert raw["present.0.value"].shape == (1, 2, 40 + 5, 4)


class Endpoint(FakeSession):
    """A session that generates by itself."""

    def __init__(self) -> None:
        super().__init__([], [], lambda feeds: feeds)
        self.prompts: list[list[int]] = []

    def generate(self, prompt: Sequence[int], new_tokens: int, tick: Callable[[], None]) -> Sequence[int]:
        self.prompts.append(list(prompt))
        for _ in range(new_tokens):
            tick()
        return greedy(list(prompt), new_tokens)


@pytest.mark.parametrize("scope", ["device", "service"])
def test_a_session_that_generates_is_asked_to(folder: Path, scope: str) -> None:
    session = Endpoint()
    bind, clock = bound(session, folder, scope)
    assert bind.step(0) == 6
    assert clock.ticks == 6
    assert len(session.prompts[0]) == 40
    assert bind.inspect(0)["tokens"].tolist() == [greedy(session.prompts[0], 6)]
    assert clock.ticks == 6
    with pytest.raises(UsageError, match="batch 1"):
        bound(Endpoint(), folder, scope, batch=2)


def test_prompts_that_cannot_be_used(folder: Path) -> None:
    with pytest.raises(DataError):
        bound(decoder(), None)
    with pytest.raises(DataError, match=r"tokenizer\.json.*300|tokenizer\.json"):
        bound(decoder(), folder, vocab=100)
    (folder / "prompts.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": 3}\n')
    with pytest.raises(DataError, match=r"prompts\.jsonl: (line )?2"):
        bound(decoder(), folder)
    (folder / "prompts.jsonl").write_text('{"id": "a", "text": ""}\n')
    with pytest.raises(DataError, match=r"prompts\.jsonl"):
        bound(decoder(), folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        bound(decoder(), folder)


def test_a_static_cache_is_refused(folder: Path) -> None:
    with pytest.raises(CardError, match="past symbolic"):
        bound(decoder(past=64), folder)


def test_following_gives_the_logits_of_given_tokens(folder: Path) -> None:
    """Teacher forcing: what is fed back is what was given, whatever the model would have said."""
    bind, _ = bound(decoder(), folder)
    own, chosen = bind.follow(0, None)
    fed = np.array([5, 4, 3, 2, 1, 0])
    forced, followed = bind.follow(0, fed)
    assert own["logits"].shape == forced["logits"].shape == (6, VOCAB)
    assert followed.tolist() == fed.tolist()
    assert chosen.tolist() == bind.tokens(0)[0].tolist()
    assert (own["logits"][0] == forced["logits"][0]).all()


def test_perplexity_of_a_text_of_the_users_own(folder: Path) -> None:
    """The fake decoder gives one class a logit of 1 and 0 to the other 299."""
    text = bytes(range(65, 91)).decode() * 8
    (folder / "text.txt").write_text(text, encoding="utf-8")
    bind, _ = bound(decoder(), folder)
    ids = list(text.encode())
    total = np.log(np.e + VOCAB - 1)
    losses = []
    for start in range(0, len(ids) - 45, 46):
        window = ids[start : start + 46]
        losses += [total - (window[place] == sum(window[:place]) * 7 % VOCAB) for place in range(40, 46)]
    assert bind.score() == {"token_likelihood": pytest.approx(float(np.exp(-np.mean(losses))))}


def test_without_a_text_nothing_is_scored_and_a_short_one_is_refused(folder: Path) -> None:
    bind, _ = bound(decoder(), folder)
    assert bind.score() == {}
    (folder / "text.txt").write_text("short", encoding="utf-8")
    # A cell with other lengths than the card's needs no text.
    longer, _ = bound(decoder(), folder)
    with pytest.raises(DataError, match="5 tokens; expected at least 46"):
        longer.score()
    (folder / "text.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        bound(decoder(), folder)


def lengths(ids: list[list[int]]) -> set[int]:
    return {len(one) for one in ids}


def fed_prompts(session: FakeSession, bind: Any) -> list[list[int]]:
    """The ids of every prompt, as the graph gets them."""
    found = []
    for index in range(bind.count):
        session.fed.clear()
        bind.step(index)
        found += session.fed[0]["input_ids"].tolist()
    return found


@pytest.mark.parametrize("scope", ["device", "service"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("prompt", "new", "shared"), [(8, 3, 0), (100, 12, 0), (40, 2, 20), (40, 2, 35)])
def test_lengths_of_a_scenario(folder: Path, scope: str, batch: int, prompt: int, new: int, shared: int) -> None:
    """Exactly so long, from as many texts as it takes, the same every time; the first ids shared, the others not."""
    session = decoder()
    params = {"prompt_tokens": prompt, "new_tokens": new, "shared_tokens": shared}
    bind, clock = bound(session, folder, scope, batch, **params)
    prompts = fed_prompts(session, bind)
    assert lengths(prompts) == {prompt}
    assert clock.ticks == new * bind.count
    assert bind.step(0) == bind.units_asked == new * batch
    assert len({tuple(one[:shared]) for one in prompts}) == 1
    # Three texts; a batch of two fills its last one up with the first.
    assert len({tuple(one) for one in prompts}) == 3
    assert len({tuple(one[shared:]) for one in prompts}) == 3
    again = decoder()
    assert fed_prompts(again, bound(again, folder, scope, batch, **params)[0]) == prompts
    texts = [text for index in range(bind.count) for text in bind.prompt(index)]
    assert [list(text.encode())[:prompt] for text in texts] == prompts


def test_what_is_shared_is_less_than_a_prompt(folder: Path) -> None:
    with pytest.raises(CardError, match="shared_tokens: found 40; expected fewer than prompt_tokens, 40"):
        bound(decoder(), folder, shared_tokens=40)
    with pytest.raises(DataError, match=r"no 39 tokens can be shared|39토큰"):
        bound(decoder(), folder, shared_tokens=39)


def test_beyond_the_length_of_the_model(folder: Path) -> None:
    assert bound(decoder(), folder, max_positions=46)[0].step(0) == 6
    with pytest.raises(UnsupportedError, match="40 input and 6 output tokens are 46 positions; the model takes 45"):
        bound(decoder(), folder, max_positions=45)


def test_texts_without_tokens_do_not_go_on_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npubench.workloads.bpe.Tokenizer.pieces", lambda self, text: iter(()))
    with pytest.raises(DataError, match=r"no tokens|토큰이 없습니다"):
        bound(decoder(), folder)


def test_a_generator_that_stops_early_has_fewer_units(folder: Path) -> None:
    class Short(Endpoint):
        def generate(self, prompt: Sequence[int], new_tokens: int, tick: Callable[[], None]) -> Sequence[int]:
            return super().generate(prompt, new_tokens - 2, tick)

    for scope in ("device", "service"):
        bind, clock = bound(Short(), folder, scope)
        assert bind.step(0) == clock.ticks == 4
        assert bind.units_asked == 6
