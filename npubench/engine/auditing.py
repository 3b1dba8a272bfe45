"""Three audits of what was timed: it gave the right answers, it did not remember them, and all of them in full length.

`same-outputs`: answers taken from the timed run (`Sampler`) are those that the workload gives when it is looked at.
`no-cache`: repeating one input is not more than a tenth faster than going through all (MLPerf's audit TEST04 has the
same bound; METRICS.md, Audits). `output-length`: a generation is as long as was asked, within a tenth (as MLPerf's
Llama benchmarks require). Each tells in words what it saw; what could not be audited is neither passed nor failed.

What they cannot see: a backend that remembers every input of the data set, whose first answers alone were honest; an
answer that is wrong whenever nobody looks and right for every sampled row.

Not aware of: rulesets, scores. Runs in the worker, outside timed intervals.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, Protocol, runtime_checkable

import numpy as np

from npubench.lang import Text
from npubench.schema import Audit
from npubench.spi import Array, Bound, Outputs, Recalls, RequestError

SAMPLES = 32
# Of one lane: the outputs of a large detector are a third of a megabyte, a page's letters several.
MOST_BYTES = 128 << 20
# Repeated runs of one input whose differences say how exactly this backend repeats itself.
REPEATS = 4
# A few repetitions see most of the spread, not all of it.
MARGIN = 2.0

# METRICS.md, Audits.
FASTER, LENGTH = 0.10, 0.10
# A slice of repetitions; the first of them still follows another input and is not one.
REPEATED = 4
MOST_CYCLED = 32
# So many blocks are aimed at when it is decided how many inputs a cycle has.
BLOCKS = 3


@runtime_checkable
class Asked(Protocol):
    """A Bound that generates: how many units a step was asked for."""

    @property
    def units_asked(self) -> int: ...


class Kept:
    """An output as it was: all of it, or those rows that were still there (`numpy.ma`, masked by whole rows)."""

    def __init__(self, value: Array) -> None:
        self.rows: Array | None = None
        if isinstance(value, np.ma.MaskedArray):
            masked: Array = np.ma.getmaskarray(value)
            while masked.ndim > 1:
                masked = masked[:, 0]
            self.rows = np.flatnonzero(~masked)
            value = np.asarray(value.data)[self.rows]
        self.value: Array = value

    def of(self, whole: Array) -> Array:
        """The same part of another run's output."""
        if self.rows is None:
            return whole
        return whole[self.rows] if not len(self.rows) or self.rows[-1] < len(whole) else whole[:0]


class Sampler:
    """Answers of the timed run of one lane: `after(row)` follows each completion stamp, outside the timed interval.

    `row` is what `step` was called with. About one in `rows / count` is kept, at most `count`: the first ones at 1, 4,
    16 … steps, so that a run that is shorter than was thought has some, the others at seeded distances. `rows`: about
    how many this lane will run.
    """

    def __init__(self, bound: Bound, seed: int, count: int = SAMPLES, rows: int = 1024) -> None:
        self.bound = bound
        self.kept: list[tuple[int, dict[str, Kept]]] = []
        self._recalls = bound if isinstance(bound, Recalls) else None
        self._count = count if self._recalls is not None else 0
        self._random = random.Random(seed)
        self._gap = max(1, rows // max(1, count))
        self._near = 1
        self._left = self._next()
        self._bytes = 0

    def _next(self) -> int:
        """Steps until the next answer is kept; fewer at the beginning."""
        near, self._near = self._near, self._near * 4
        return self._random.randint(1, max(1, 2 * min(near, self._gap) - 1))

    def after(self, row: int) -> None:
        """A step has been completed."""
        self._left -= 1
        if self._left > 0 or len(self.kept) >= self._count or self._bytes >= MOST_BYTES:
            return
        self._left = self._next()
        assert self._recalls is not None
        found = {name: Kept(value) for name, value in self._recalls.recall().items()}
        if found:
            self._bytes += sum(one.value.nbytes for one in found.values())
            self.kept.append((row, found))


def audits(
    bound: Bound, samplers: Sequence[Sampler], units: Sequence[int] | Array, most_ns: int, seed: int
) -> tuple[Audit, ...]:
    """All that apply, of the lane whose Bound is given. `units`: of the good requests of the window; `most_ns`: for
    `no-cache`, which takes the longest."""
    made = [same_outputs(samplers), no_cache(bound, most_ns, seed)]
    if isinstance(bound, Asked):
        made.append(output_length(units, bound.units_asked))
    return tuple(made)


def same_outputs(samplers: Sequence[Sampler]) -> Audit:
    """Were the sampled answers of the timed run those that `inspect` gives for the same inputs?"""
    name = "same-outputs"
    if not any(isinstance(sampler.bound, Recalls) for sampler in samplers):
        return _audit(name, None, "the workload does not keep its last outputs", "작업이 마지막 출력을 보관하지 않음")
    count, worst, spread = 0, 0.0, 0.0
    for sampler in samplers:
        for row, kept in sampler.kept:
            count += 1
            outputs = sampler.bound.inspect(row)
            off = _off(kept, outputs)
            if off == 0:
                continue
            again = [_everything(sampler.bound.inspect(row), kept) for _ in range(REPEATS)]
            first = {part: Kept(value) for part, value in again[0].items()}
            # Whole of itself: the rows that were kept have been taken already.
            own = max(_off(first, one) for one in again[1:])
            worst, spread = max(worst, off), max(spread, own)
            if off > MARGIN * own:
                which = _differing(kept, outputs)
                return _audit(
                    name,
                    False,
                    f"request {row} of the timed run gave another {which} than the same input when it is looked at: "
                    f"off by {off:.2g}, repeated runs by {own:.2g}",
                    f"측정 중 요청 {row}의 {which}이(가) 같은 입력을 확인한 결과와 다름: 차이 {off:.2g}, "
                    f"반복 실행끼리는 {own:.2g}",
                )
    if not count:
        return _audit(name, None, "no answer of the timed run was kept", "측정 중 보관된 답이 없음")
    if worst == 0:
        return _audit(
            name,
            True,
            f"{count} answers of the timed run are exactly those of the quality run",
            f"측정 중 표본 {count}건이 품질 실행의 답과 정확히 같음",
        )
    return _audit(
        name,
        True,
        f"{count} answers of the timed run are those of the quality run, as closely as it repeats itself: off by "
        f"{worst:.2g}, repeated runs by {spread:.2g}",
        f"측정 중 표본 {count}건이 반복 실행의 편차 안에서 품질 실행과 같음: 차이 {worst:.2g}, "
        f"반복 실행끼리 {spread:.2g}",
    )


def _everything(outputs: Outputs, kept: Mapping[str, Kept]) -> dict[str, Array]:
    """Of a run's outputs what was kept of another's."""
    return {name: np.array(one.of(np.asarray(outputs[name]))) for name, one in kept.items() if name in outputs}


def _off(kept: Mapping[str, Kept], outputs: Outputs) -> float:
    """How far outputs are from those kept: relative RMS error of floats, share of other whole numbers; the worst."""
    return max((_distance(one, outputs.get(name)) for name, one in kept.items()), default=0.0)


def _distance(kept: Kept, whole: Array | None) -> float:
    if whole is None:
        return float("inf")
    one, other = kept.value, kept.of(np.asarray(whole))
    if one.shape != other.shape or one.dtype != other.dtype:
        return float("inf")
    if np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
        return 0.0
    if one.dtype.kind != "f":
        return float(np.mean(one != other))
    wide, right = one.astype(np.float64), other.astype(np.float64)
    size = float(np.sqrt(np.mean(right**2)))
    error = float(np.sqrt(np.mean((wide - right) ** 2)))
    # NaN is never as close as anything.
    return error / size if size > 0 and np.isfinite(error) else float("inf")


def _differing(kept: Mapping[str, Kept], outputs: Outputs) -> str:
    return max(kept, key=lambda name: _distance(kept[name], outputs.get(name)))


def no_cache(bound: Bound, most_ns: int, seed: int) -> Audit:
    """Is an input faster when it has just been answered?

    Blocks of four slices, cycle, repeat, repeat, cycle, so that what drifts hits both alike. A repetition is compared
    with the median of the same input's own times in the cycles, for inputs differ in work; the figure is the median
    over all repetitions.
    """
    name = "no-cache"
    if bound.count < 2:
        return _audit(name, None, "there is only one input", "입력이 하나뿐임")
    until = time.perf_counter_ns() + most_ns
    first_ns = max(1, _timed(bound, 0))
    cycled = min(bound.count, MOST_CYCLED, max(2, most_ns // (2 * BLOCKS * first_ns) - REPEATED))
    block_ns = 2 * (cycled + REPEATED) * first_ns
    if block_ns > 2 * most_ns:
        return _audit(
            name,
            None,
            f"a request takes {first_ns / 1e9:.1f} s: there is no time to repeat it",
            f"요청 하나에 {first_ns / 1e9:.1f}초가 걸려 반복할 시간이 없음",
        )
    drawn = random.Random(seed)
    cycles: dict[int, list[int]] = {index: [] for index in range(cycled)}
    repeats: list[tuple[int, int]] = []
    blocks = 0
    while not blocks or time.perf_counter_ns() + block_ns < until:
        started = time.perf_counter_ns()
        chosen = drawn.randrange(cycled)
        for cycling in (True, False, False, True):
            if cycling:
                for index, times in cycles.items():
                    times.append(_timed(bound, index))
            else:
                _timed(bound, chosen)
                repeats += [(chosen, _timed(bound, chosen)) for _ in range(REPEATED - 1)]
        blocks += 1
        block_ns = time.perf_counter_ns() - started
    usual = {index: max(1.0, median(times)) for index, times in cycles.items()}
    faster = 1 - median(took / usual[index] for index, took in repeats)
    en, ko = ("faster", "빠름") if faster > 0 else ("slower", "느림")
    return _audit(
        name,
        faster <= FASTER,
        f"repeating one input is {abs(faster):.1%} {en} than cycling {cycled} ({len(repeats)} repetitions in {blocks} "
        f"blocks; at most {FASTER:.0%} faster is allowed)",
        f"한 입력을 반복하면 {cycled}개를 순환할 때보다 {abs(faster):.1%} {ko} (반복 {len(repeats)}회, "
        f"블록 {blocks}개; 허용 {FASTER:.0%})",
    )


def _timed(bound: Bound, index: int) -> int:
    start = time.perf_counter_ns()
    # How long a refused request took is a time like any other.
    with suppress(RequestError):
        bound.step(index)
    return time.perf_counter_ns() - start


def output_length(units: Sequence[int] | Array, asked: int) -> Audit:
    """Were as many units made as were asked for, on the average of all requests? The shortest is told as well."""
    name = "output-length"
    made: Any = np.asarray(units, np.float64)
    if not made.size:
        return _audit(name, None, "no request was answered", "응답한 요청이 없음")
    ratio, shortest = float(made.mean()) / asked, int(made.min())
    return _audit(
        name,
        abs(ratio - 1) <= LENGTH,
        f"{made.size} answers have {made.mean():.1f} tokens on the average, the shortest {shortest}; {asked} were asked"
        f" for ({ratio:.1%}, within {LENGTH:.0%} is allowed)",
        f"응답 {made.size}건의 평균 토큰 {made.mean():.1f}개, 최소 {shortest}개, 요청 {asked}개 "
        f"({ratio:.1%}, 허용 ±{LENGTH:.0%})",
    )


def _audit(name: str, passed: bool | None, en: str, ko: str) -> Audit:
    return Audit(name=name, passed=passed, said=Text(en=en, ko=ko))
