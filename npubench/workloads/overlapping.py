"""Requests in flight without a thread each, for a workload whose step is one call of one session (`spi.Begins`).

Guarantees: `done` is called once for each input that began: with its units, or with 0 where the session gave no outputs
because the request failed. Not aware of: what the inputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npubench.spi import Feeds, Outputs, Submits

Begin = Callable[[int, Callable[[int], None]], None]
"""`spi.Begins.begin`."""


def beginner(session: Submits, feeds: Sequence[Feeds], units: int) -> Begin:
    """Starts input i on `feeds[i % len(feeds)]`, which nobody writes meanwhile."""
    submit, count = session.submit, len(feeds)

    def begin(index: int, done: Callable[[int], None]) -> None:
        def completed(outputs: Outputs) -> None:
            done(units if outputs else 0)

        submit(feeds[index % count], completed)

    return begin
