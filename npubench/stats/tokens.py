"""Token times per request: when the first came, how long each of the others took.

TTFT = first token − scheduled. TPOT = (end − first)/(tokens − 1), undefined for a single token. The number of tokens is
the sample's `units`, which the workload counts (tokenizer or server's usage), never the number of stream events: a
server may send several tokens in one.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.stats.samples import Int64, Samples

Float64 = npt.NDArray[np.float64]


class TokenTimes(msgspec.Struct, frozen=True):
    """Per request of a table, in its order. NaN where it is not known, or there is no such thing.

    `gaps_ns` are those between consecutive stream events of the successful requests, all together, but for `merged` of
    them: these had another number of events than of tokens, so their gaps are not those between tokens.
    """

    ttft_ns: Float64
    tpot_ns: Float64
    gaps_ns: Int64
    merged: int


def token_times(samples: Samples, per_event: int = 1) -> TokenTimes:
    """From the token events where there are any, else from `first_ns` and the completion.

    `per_event`: how many tokens an event is (a batch makes one of each of its answers at a time).
    """
    count = len(samples.table)
    scheduled, completed = samples.column("scheduled_ns"), samples.column("completed_ns")
    good = samples.column("status") == 0
    units, noted = samples.column("units"), samples.column("first_ns")
    first = np.where(noted > 0, noted, -1)
    end = completed.copy()
    gaps = np.zeros(0, dtype=np.int64)
    events, merged = np.zeros(count, dtype=np.int64), 0
    if len(samples.tokens):
        rows, times = np.ascontiguousarray(samples.tokens[:, 0]), np.ascontiguousarray(samples.tokens[:, 1])
        steps = np.diff(rows)
        if (steps < 0).any() or (np.diff(times)[steps == 0] < 0).any():
            # Lanes note their tokens side by side.
            order = np.lexsort((times, rows))
            rows, times = rows[order], times[order]
            steps = np.diff(rows)
        next_row = np.flatnonzero(steps)
        at, last = np.concatenate([[0], next_row + 1]), np.concatenate([next_row, [len(rows) - 1]])
        here, several = rows[at], last > at
        first[here] = times[at]
        events[here] = last - at + 1
        # With one event the rest came with it or was not seen: the completion is when all were there.
        end[here[several]] = times[last[several]]
        gaps = np.diff(times)[steps == 0]
        told = good & (events * per_event == units)
        merged = int((good & (events > 0) & ~told).sum())
        if not told.all():
            gaps = gaps[told[rows[1:][steps == 0]]]
    known = good & (first >= 0)
    ttft, tpot = np.full(count, np.nan), np.full(count, np.nan)
    ttft[known] = first[known] - scheduled[known]
    more = known & (units > 1)
    tpot[more] = (end[more] - first[more]) / (units[more] - 1)
    return TokenTimes(ttft, tpot, gaps, merged)
