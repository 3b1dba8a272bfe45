"""An external meter's log as channels and readings on this machine's clock: pure.

A reading's `before_ns` and `after_ns` are its own time less and plus the alignment's uncertainty.

Not aware of: how the offset was found (`alignment`), joules (`ledger`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npubench.energy import Alignment
from npubench.metering_columns import Source
from npubench.metering_log import MeterLog
from npubench.spi import Channel, MeterScope
from npubench.stats.alignment import Ints, Tie
from npubench.stats.readings import RECORD, Readings


def channels(
    sources: Sequence[Source], name: str, of: str, scope: MeterScope, interval_ns: int | None
) -> tuple[Channel, ...]:
    """One channel for each source; `name` is the meter's, `of` the log's file name.

    A row does not say whether it is an instant or a mean, so it is taken for a mean over what lies between two rows.
    """
    return tuple(
        Channel(
            name=f"{name}.{source.name or source.quantity}",
            unit=source.unit,
            scope=scope,
            kind="counter" if source.quantity == "energy" else "average",
            quantity=source.quantity,
            source=f"log {of}, column {'+'.join(str(number + 1) for number in source.numbers)} ({source.name})",
            lag_bound_ns=interval_ns,
            refresh_ns=interval_ns,
        )
        for source in sources
    )


def monotonic_ns(times_ns: Ints, offset_s: float, clocks: Tie) -> Ints:
    """A log's times on CLOCK_MONOTONIC."""
    return clocks.monotonic_ns(times_ns + round(offset_s * 1e9))


def readings(log: MeterLog, named: Sequence[Channel], alignment: Alignment, clocks: Tie) -> Readings:
    """All rows of a log as readings of `named`, its channels in order."""
    times = monotonic_ns(log.times_ns, alignment.offset_s, clocks)
    margin = round(alignment.uncertainty_s * 1e9)
    table = np.zeros(log.values.size, RECORD)
    count = len(log.sources)
    table["before_ns"], table["after_ns"] = np.repeat(times - margin, count), np.repeat(times + margin, count)
    table["value"], table["status"] = log.values.ravel(), log.codes.ravel()
    table["channel"] = np.tile(np.arange(count), len(times))
    return Readings(tuple(named), log.statuses, table)
