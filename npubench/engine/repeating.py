"""The audit `no-cache`: repeating one input must not be more than a tenth faster than going through all of them.

MLPerf's audit TEST04 has the same bound (METRICS.md, Audits). What it cannot see: a backend that remembers every input
of the data set, whose first answers alone were honest. Guarantees: a machine whose speed changes convicts nobody; where
blocks disagree the audit is neither passed nor failed. Not aware of: rulesets, other audits (`auditing`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from math import comb
from statistics import median
from typing import NamedTuple

from npubench.lang import Text
from npubench.schema import Audit
from npubench.spi import Bound, RequestError

# METRICS.md, Audits.
FASTER = 0.10
# Repetitions in a slice.
REPEATED = 4
MOST_CYCLED = 32
# The fewest blocks that can convict; so many are aimed at when it is decided how many inputs a cycle has.
BLOCKS = 4


def no_cache(bound: Bound, most_ns: int, seed: int) -> Audit:
    """Is an input faster when it has just been answered?

    Blocks of four slices, cycle, repeat, repeat, cycle, so that what drifts hits both alike. A cycle begins behind the
    input that is repeated and ends with it, so that even a memory of one input has lost what comes next. Repetitions
    are compared with the median of the same input's own times in the cycles, for inputs differ in work, at the speed
    that all inputs had in this block; the figure is the median over blocks.
    """
    name = "no-cache"
    if bound.count < 2:
        return audited(name, None, "there is only one input", "입력이 하나뿐임")
    until = time.perf_counter_ns() + most_ns
    first_ns = max(1, _timed(bound, 0))
    cycled = min(bound.count, MOST_CYCLED, max(2, most_ns // (2 * BLOCKS * first_ns) - REPEATED))
    block_ns = 2 * (cycled + REPEATED) * first_ns
    if block_ns > 2 * most_ns:
        return audited(
            name,
            None,
            f"a request takes {first_ns / 1e9:.1f} s: there is no time to repeat it",
            f"요청 하나에 {first_ns / 1e9:.1f}초가 걸려 반복할 시간이 없음",
        )
    chosen = random.Random(seed).randrange(cycled)
    blocks: list[_Block] = []
    while not blocks or time.perf_counter_ns() + block_ns < until:
        started = time.perf_counter_ns()
        blocks.append(_block(bound, cycled, chosen))
        block_ns = time.perf_counter_ns() - started
    usual = [max(1.0, median(took for block in blocks for took in block.cycles[index])) for index in range(cycled)]
    found = [_faster(block, usual) for block in blocks]
    faster, beyond = median(found), sum(one > FASTER for one in found)
    # A busy neighbour can make one block look like a cache, and a few of many; a cache is in all of them.
    passed = True if faster <= FASTER else False if beyond >= _sure(len(blocks)) else None
    en, ko = ("faster", "빠름") if faster > 0 else ("slower", "느림")
    unsure_en, unsure_ko = ("", "")
    if passed is None:
        spread = f"{-min(found):+.1%} … {-max(found):+.1%}"
        unsure_en = f"; not sure, for blocks differ too much or are too few ({spread})"
        unsure_ko = f"; 블록마다 달라 판정할 수 없음({spread})"
    return audited(
        name,
        passed,
        f"repeating one input is {abs(faster):.1%} {en} than cycling {cycled} (median of {len(blocks)} blocks; at most "
        f"{FASTER:.0%} faster is allowed){unsure_en}",
        f"한 입력을 반복하면 {cycled}개를 순환할 때보다 {abs(faster):.1%} {ko} (블록 {len(blocks)}개의 중앙값; "
        f"허용 {FASTER:.0%}){unsure_ko}",
    )


class _Block(NamedTuple):
    """Times in ns of one block: in the cycles by input, and of the repetitions of one input."""

    chosen: int
    cycles: list[list[int]]
    repeats: list[int]


def _block(bound: Bound, cycled: int, chosen: int) -> _Block:
    made = _Block(chosen, [[] for _ in range(cycled)], [])
    for cycling in (True, False, False, True):
        if cycling:
            for behind in range(1, cycled + 1):
                index = (chosen + behind) % cycled
                made.cycles[index].append(_timed(bound, index))
        else:
            made.repeats.extend(_timed(bound, chosen) for _ in range(REPEATED))
    return made


def _faster(block: _Block, usual: Sequence[float]) -> float:
    """How much faster the repetitions were than the same input is usually, at the machine's speed in this block."""
    speed = median(took / usual[index] for index, times in enumerate(block.cycles) for took in times)
    return 1 - median(block.repeats) / (usual[block.chosen] * speed)


def _sure(blocks: int) -> int:
    """So many blocks beyond the bound convict: sign test at 1 %; all of a few; fewer than `BLOCKS` never do."""
    if blocks < BLOCKS:
        return blocks + 1
    chance = 0.0
    for count in range(blocks, 0, -1):
        chance += comb(blocks, count) / 2**blocks
        if chance > 0.01:
            return min(blocks, count + 1)
    return blocks


def _timed(bound: Bound, index: int) -> int:
    start = time.perf_counter_ns()
    # How long a refused request took is a time like any other.
    with suppress(RequestError):
        bound.step(index)
    return time.perf_counter_ns() - start


def audited(name: str, passed: bool | None, en: str, ko: str) -> Audit:
    """What an audit says."""
    return Audit(name=name, passed=passed, said=Text(en=en, ko=ko))
