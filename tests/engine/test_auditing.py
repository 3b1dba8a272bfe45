"""The three audits, each on a backend that cheats in one way and on honest ones. Under a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.engine import auditing, repeating, staging
from npubench.engine.auditing import Sampler, audits, output_length, same_outputs
from npubench.engine.repeating import no_cache
from npubench.engine.staging import staged
from npubench.spi import Outputs, RequestError, Step

MS = 1_000_000


class Clock:
    """A time that only steps move."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (auditing, repeating, staging):
        monkeypatch.setattr(module, "time", made)
    return made


def answer(index: int) -> Outputs:
    return {"y": np.random.default_rng(index).random((2, 3), np.float32), "n": np.array([index])}


class Honest:
    """Inputs differ in work; what a step gave can be recalled."""

    unit = "frame"
    step: Step

    def __init__(self, clock: Clock, count: int = 7) -> None:
        self.count = count
        self.clock = clock
        self.last: Outputs = {}
        self.step = self._step

    def cost(self, index: int) -> int:
        return (1 + index) * MS

    def given(self, index: int) -> Outputs:
        return answer(index)

    def _step(self, index: int) -> int:
        index %= self.count
        self.clock.now += self.cost(index)
        self.last = self.given(index)
        return 1

    def inspect(self, index: int) -> Outputs:
        return answer(index % self.count)

    def recall(self) -> Outputs:
        return {name: value.copy() for name, value in self.last.items()}

    def close(self) -> None: ...


class Caching(Honest):
    """Remembers the last inputs."""

    def __init__(self, clock: Clock, kept: int) -> None:
        super().__init__(clock)
        self.known: list[int] = []
        self.size = kept

    def cost(self, index: int) -> int:
        hit = index in self.known
        self.known = [index, *(other for other in self.known if other != index)][: self.size]
        return MS // 100 if hit else super().cost(index)


class Wrong(Honest):
    """Answers another input's output when it is timed."""

    def given(self, index: int) -> Outputs:
        return answer((index + 1) % self.count)


class Shaky(Honest):
    """Never gives the same twice: `noise` when looked at, `off` more when timed."""

    def __init__(self, clock: Clock, noise: float, off: float = 0) -> None:
        super().__init__(clock)
        self.noise, self.off = noise, off
        self.random = np.random.default_rng(0)

    def noisy(self, index: int, scale: float) -> Outputs:
        found = answer(index)
        return {**found, "y": found["y"] + scale * self.random.standard_normal((2, 3)).astype(np.float32)}

    def given(self, index: int) -> Outputs:
        return self.noisy(index, self.noise + self.off)

    def inspect(self, index: int) -> Outputs:
        return self.noisy(index % self.count, self.noise)


def run(bound: Any, rows: int = 500, count: int = 32) -> Sampler:
    sampler = Sampler(bound, 3, count, rows)
    for row in range(rows):
        bound.step(row)
        sampler.after(row)
    return sampler


def test_an_honest_backend_passes(clock: Clock) -> None:
    bound = Honest(clock)
    same, cache = audits(bound, [run(bound)], [1] * 500, 2000 * MS, 1)
    assert (same.name, same.passed) == ("same-outputs", True)
    assert "exactly" in same.said.en
    assert (cache.name, cache.passed) == ("no-cache", True)
    assert "0.0%" in cache.said.en


@pytest.mark.parametrize("kept", [1, 3, 6])
def test_a_cache_by_input_is_found(clock: Clock, kept: int) -> None:
    """As long as it holds fewer inputs than there are."""
    found = no_cache(Caching(clock, kept), 2000 * MS, 1)
    assert found.passed is False
    assert "99." in found.said.en


def test_what_repetition_may_bring(clock: Clock) -> None:
    """Warm memory is no cache; a tenth is the bound."""

    class Warm(Honest):
        share = 0.95
        before = -1

        def cost(self, index: int) -> int:
            repeated, self.before = index == self.before, index
            return int(super().cost(index) * (self.share if repeated else 1))

    bound = Warm(clock)
    assert no_cache(bound, 2000 * MS, 1).passed
    bound.share = 0.85
    assert no_cache(bound, 2000 * MS, 1).passed is False


def test_a_machine_that_slows_down_is_no_cache(clock: Clock) -> None:
    class Drifting(Honest):
        def cost(self, index: int) -> int:
            return super().cost(index) * (1 + self.clock.now // (50 * MS)) // 8 + MS

    assert no_cache(Drifting(clock), 4000 * MS, 1).passed


def test_a_cache_needs_inputs_and_time(clock: Clock) -> None:
    assert no_cache(Honest(clock, count=1), 1000 * MS, 1).passed is None
    told = no_cache(Honest(clock), MS // 10, 1)
    assert told.passed is None
    assert "no time" in told.said.en


def test_noise_convicts_nobody(clock: Clock) -> None:
    """Steps of a busy machine take twice as long now and then: hardly ever is that called a cache."""
    told = []
    for seed in range(100):
        random = np.random.default_rng(seed)

        class Busy(Honest):
            def cost(self, index: int, random: Any = random) -> int:
                return int(super().cost(index) * (1 + 0.3 * abs(random.standard_normal()) + (random.random() < 0.2)))

        told.append(no_cache(Busy(clock, 3), 300 * MS, seed).passed)
    assert told.count(False) <= 2
    assert told.count(True) > 50


def test_one_block_convicts_nobody(clock: Clock) -> None:
    told = no_cache(Caching(clock, 1), 15 * MS, 1)
    assert told.passed is None
    assert "not sure" in told.said.en


def test_comparing_answers_keeps_to_its_time(clock: Clock) -> None:
    class Slow(Honest):
        def inspect(self, index: int) -> Outputs:
            self.clock.now += 100 * MS
            return super().inspect(index)

    found = same_outputs([run(Slow(clock)), run(Slow(clock))], 950 * MS)
    assert found.passed
    assert found.said.en.startswith("10 answers")


@settings(max_examples=30)
@given(budget_ms=st.integers(1, 500), count=st.integers(2, 40))
def test_the_cache_audit_keeps_to_its_time(budget_ms: int, count: int) -> None:
    clock = Clock()
    bound = Honest(clock, count)
    bound.cost = lambda index: MS  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeating, "time", clock)
        no_cache(bound, budget_ms * MS, 1)
    # One block is made where it takes no more than twice the time.
    assert clock.now <= (2 * budget_ms + 2) * MS + 10_000


def test_another_inputs_output_is_found(clock: Clock) -> None:
    found = same_outputs([run(Wrong(clock))], 1000 * MS)
    assert found.passed is False
    assert "another" in found.said.en


@pytest.mark.parametrize("noise", [1e-6, 1e-3])
def test_a_backend_that_does_not_repeat_itself_is_judged_by_that(clock: Clock, noise: float) -> None:
    honest = same_outputs([run(Shaky(clock, noise))], 1000 * MS)
    assert honest.passed
    assert "as closely as it repeats itself" in honest.said.en
    assert same_outputs([run(Shaky(clock, noise, off=20 * noise))], 1000 * MS).passed is False


def test_nan_and_other_shapes_are_no_answers(clock: Clock) -> None:
    for wrong in ({"y": np.full((2, 3), np.nan, np.float32)}, {"y": np.zeros((3, 2), np.float32)}, {"z": np.zeros(1)}):
        bound = Honest(clock)
        bound.given = lambda index, wrong=wrong: wrong  # type: ignore[method-assign, misc]
        assert same_outputs([run(bound)], 1000 * MS).passed is False


def test_rows_that_are_gone_are_not_compared(clock: Clock) -> None:
    class Partly(Honest):
        wrong = False

        def recall(self) -> Outputs:
            whole = self.last["y"] + np.array([[9], [float(self.wrong)]], np.float32)
            return {"y": np.ma.MaskedArray(whole, mask=np.broadcast_to([[True], [False]], whole.shape))}

    bound = Partly(clock)
    assert same_outputs([run(bound)], 1000 * MS).passed
    bound.wrong = True
    assert same_outputs([run(bound)], 1000 * MS).passed is False


def test_a_workload_without_memory_is_not_audited(clock: Clock) -> None:
    bound: Any = SimpleNamespace(unit="frame", count=1, step=lambda index: 1, inspect=answer, close=lambda: None)
    assert same_outputs([run(bound)], 1000 * MS).passed is None
    assert same_outputs([Sampler(Honest(clock), 1)], 1000 * MS).passed is None


@given(rows=st.integers(1, 5000), promised=st.integers(1, 100_000), count=st.integers(1, 32), seed=st.integers(0, 99))
def test_samples_are_few_seeded_and_there_from_the_start(rows: int, promised: int, count: int, seed: int) -> None:
    kept = []
    bound = Honest(Clock())
    bound.step(0)
    for _ in range(2):
        sampler = Sampler(bound, seed, count, promised)
        for row in range(rows):
            sampler.after(row)
        kept.append([row for row, _ in sampler.kept])
    assert kept[0] == kept[1]
    assert 1 <= len(kept[0]) <= count


@pytest.mark.parametrize(("rows", "least"), [(1, 1), (10, 3), (100, 8), (1000, 12)])
def test_a_run_shorter_than_was_promised_has_samples(clock: Clock, rows: int, least: int) -> None:
    counts = []
    for seed in range(20):
        bound = Honest(clock)
        bound.step(0)
        sampler = Sampler(bound, seed, rows=1_000_000)
        for row in range(rows):
            sampler.after(row)
        counts.append(len(sampler.kept))
    assert min(counts) >= 1
    assert sorted(counts)[10] >= least


def test_samples_are_spread_over_the_run(clock: Clock) -> None:
    rows = [row for row, _ in run(Honest(clock), rows=3200).kept]
    assert len(rows) > 24
    assert rows[-1] > 2000


def test_large_outputs_stop_being_kept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "MOST_BYTES", 100)
    assert len(run(Honest(clock)).kept) == 4  # 24 + 8 bytes each


def test_a_generator_that_stops_early_is_found(clock: Clock) -> None:
    class Generating(Honest):
        unit = "token"
        units_asked = 32

    bound = Generating(clock)
    *_, length = audits(bound, [run(bound)], [32] * 10, 1000 * MS, 1)
    assert (length.name, length.passed) == ("output-length", True)
    *_, length = audits(bound, [run(bound)], np.array([32] * 5 + [20] * 5), 1000 * MS, 1)
    assert length.passed is False
    assert "shortest 20" in length.said.en
    assert output_length([29] * 4, 32).passed
    assert output_length([40] * 4, 32).passed is False
    assert output_length([], 32).passed is None


class Telling(Honest):
    """Tells its stages; every second time in another length."""

    def __init__(self, clock: Clock, tell: Callable[[int], Mapping[str, int]]) -> None:
        super().__init__(clock)
        self.stages = tell


def test_stages_are_medians_in_their_order(clock: Clock) -> None:
    def tell(index: int) -> Mapping[str, int]:
        clock.now += 10 * MS
        # The first one finds everything cold.
        return {"post": 1, "infer": 1000 if index == 0 else 10 + index % 3, "decode": 2, "own": 7}

    found = staged(Telling(clock, tell), 100 * MS)
    assert found is not None
    assert found.inputs == 9
    assert list(found.median_ns) == ["decode", "infer", "post", "own"]
    assert found.median_ns["infer"] == 11


def test_stages_keep_to_their_time_and_skip_refused_requests(clock: Clock) -> None:
    def slow(index: int) -> Mapping[str, int]:
        clock.now += 500 * MS
        return {"infer": index}

    only = staged(Telling(clock, slow), 100 * MS)
    assert only is not None
    assert (only.inputs, only.median_ns) == (1, {"infer": 0.0})

    def refused(index: int) -> Mapping[str, int]:
        clock.now += MS
        if index % 2:
            raise RequestError("busy")
        return {"infer": 4} if index % 4 else {"infer": 4, "pre": 2}

    some = staged(Telling(clock, refused), 1000 * MS)
    assert some is not None
    assert some.inputs == 32
    assert list(some.median_ns) == ["pre", "infer"]
    assert staged(Honest(clock), MS) is None
