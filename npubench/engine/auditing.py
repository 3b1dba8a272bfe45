"""Three audits of what was timed: it gave the right answers, it did not remember them, and all of them in full length.

`same-outputs`: answers taken from the timed run (`Sampler`) are those that the workload gives when it is looked at.
`no-cache`: see `repeating`. `output-length`: a generation is as long as was asked, within a tenth (METRICS.md, Audits).
Each tells in words what it saw; what could not be audited is neither passed nor failed.

What they cannot see: an answer that is wrong whenever nobody looks and right for every sampled row.

Not aware of: rulesets, scores. Runs in the worker, outside timed intervals.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import numpy as np

from npubench.engine.repeating import audited, no_cache
from npubench.schema import Audit
from npubench.spi import Array, Bound, Outputs, Recalls

SAMPLES = 32
# How distances between samples grow: of a hundred rows where a million were promised, ten are kept.
GROWTH = 1.5
# Of one lane: the outputs of a large detector are a third of a megabyte, a page's letters several.
MOST_BYTES = 128 << 20
# Where answers differ, so many inputs are run so often: their differences say how exactly this backend repeats itself.
REPEATED_INPUTS, REPEATS = 4, 4
# A few repetitions see most of the spread, not all of it.
MARGIN = 2.0

# METRICS.md, Audits.
LENGTH = 0.10


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

    `row` is what `step` was called with. About one in `rows / count` is kept, at most `count`, at seeded distances that
    grow from one step to that, so that a run shorter than was thought has some. `rows`: about how many this lane will
    run.
    """

    def __init__(self, bound: Bound, seed: int, count: int = SAMPLES, rows: int = 1024) -> None:
        self.bound = bound
        self.kept: list[tuple[int, dict[str, Kept]]] = []
        self._recalls = bound if isinstance(bound, Recalls) else None
        self._count = count if self._recalls is not None else 0
        self._random = random.Random(seed)
        self._gap = max(1, rows // max(1, count))
        self._near = 1.0
        self._left = self._next()
        self._bytes = 0

    def _next(self) -> int:
        """Steps until the next answer is kept; fewer at the beginning."""
        near, self._near = min(self._near, self._gap), self._near * GROWTH
        return self._random.randint(1, max(1, round(2 * near) - 1))

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
    """All that apply. `bound`: of one lane; `samplers`: of all of them; `units`: of the good requests of the window;
    `most_ns`: for each of the first two audits."""
    made = [same_outputs(samplers, most_ns), no_cache(bound, most_ns, seed)]
    if isinstance(bound, Asked):
        made.append(output_length(units, bound.units_asked))
    return tuple(made)


def same_outputs(samplers: Sequence[Sampler], most_ns: int) -> Audit:
    """Were the sampled answers of the timed run those that `inspect` gives for the same inputs?

    Stops after `most_ns`, and tells how many of them it compared.
    """
    name = "same-outputs"
    if not any(isinstance(sampler.bound, Recalls) for sampler in samplers):
        return audited(name, None, "the workload does not keep its last outputs", "작업이 마지막 출력을 보관하지 않음")
    until = time.perf_counter_ns() + most_ns
    count = 0
    worst: dict[str, tuple[float, int]] = {}
    spread: dict[str, float] = {}
    repeated = 0
    for sampler, row, kept in _in_turn(samplers):
        if count and time.perf_counter_ns() > until:
            break
        count += 1
        off = _off(kept, sampler.bound.inspect(row))
        for part, value in off.items():
            worst[part] = max(worst.get(part, (0.0, row)), (value, row))
        if any(off.values()) and repeated < REPEATED_INPUTS:
            repeated += 1
            for part, value in _own(sampler.bound, row, kept).items():
                spread[part] = max(spread.get(part, 0.0), value)
    if not count:
        return audited(name, None, "no answer of the timed run was kept", "측정 중 보관된 답이 없음")
    far = [part for part, (value, _) in worst.items() if value > MARGIN * spread.get(part, 0.0)]
    if far:
        part = max(far, key=lambda one: worst[one])
        value, row = worst[part]
        own = spread.get(part, 0.0)
        return audited(
            name,
            False,
            f"request {row} of the timed run gave another {part} than the same input when it is looked at: off by "
            f"{value:.2g}, repeated runs by {own:.2g} ({count} compared)",
            f"측정 중 요청 {row}의 {part}이(가) 같은 입력을 확인한 결과와 다름: 차이 {value:.2g}, 반복 실행끼리는 "
            f"{own:.2g} ({count}건 비교)",
        )
    if not any(value for value, _ in worst.values()):
        return audited(
            name,
            True,
            f"{count} answers of the timed run are exactly those of the quality run",
            f"측정 중 표본 {count}건이 품질 실행의 답과 정확히 같음",
        )
    most, own = max(value for value, _ in worst.values()), max(spread.values())
    return audited(
        name,
        True,
        f"{count} answers of the timed run are those of the quality run, as closely as it repeats itself: off by "
        f"{most:.2g}, repeated runs by {own:.2g}",
        f"측정 중 표본 {count}건이 반복 실행의 편차 안에서 품질 실행과 같음: 차이 {most:.2g}, 반복 실행끼리 {own:.2g}",
    )


def _in_turn(samplers: Sequence[Sampler]) -> Iterator[tuple[Sampler, int, dict[str, Kept]]]:
    """The last answer of each lane, then the ones before: a run may change its mind after a while."""
    for back in range(1, 1 + max((len(sampler.kept) for sampler in samplers), default=0)):
        for sampler in samplers:
            if back <= len(sampler.kept):
                yield (sampler, *sampler.kept[-back])


def _own(bound: Bound, row: int, kept: Mapping[str, Kept]) -> dict[str, float]:
    """How far repeated runs of one input are from each other, by output; of what was kept of it."""
    runs = []
    for _ in range(REPEATS):
        outputs = bound.inspect(row)
        runs.append(
            {name: np.array(one.of(np.asarray(outputs[name]))) for name, one in kept.items() if name in outputs}
        )
    pairs = [(Kept(one[name]), other, name) for one, other in combinations(runs, 2) for name in one]
    found: dict[str, float] = {}
    for one, other, name in pairs:
        found[name] = max(found.get(name, 0.0), _distance(one, other[name]))
    return found


def _off(kept: Mapping[str, Kept], outputs: Outputs) -> dict[str, float]:
    """How far outputs are from those kept: relative RMS error of floats, share of other whole numbers."""
    return {name: _distance(one, outputs.get(name)) for name, one in kept.items()}


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


def output_length(units: Sequence[int] | Array, asked: int) -> Audit:
    """Were as many units made as were asked for, on the average of all requests? The shortest is told as well."""
    name = "output-length"
    made: Any = np.asarray(units, np.float64)
    if not made.size:
        return audited(name, None, "no request was answered", "응답한 요청이 없음")
    ratio, shortest = float(made.mean()) / asked, int(made.min())
    return audited(
        name,
        abs(ratio - 1) <= LENGTH,
        f"{made.size} answers have {made.mean():.1f} tokens on the average, the shortest {shortest}; {asked} were asked"
        f" for ({ratio:.1%}, within {LENGTH:.0%} is allowed)",
        f"응답 {made.size}건의 평균 토큰 {made.mean():.1f}개, 최소 {shortest}개, 요청 {asked}개 "
        f"({ratio:.1%}, 허용 ±{LENGTH:.0%})",
    )
