"""How far the power of an idle machine was from before to after a measurement, as the rules found it too far.

Guarantees: only channels of which a run itself says that they drifted are counted; a share that cannot be computed is
left out, never guessed. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from npubench.lang import Text
from npubench.schema import Run
from npubench.units import significant

CODE = "idle-drift"


def _shares(run: Run) -> Iterator[float]:
    told = [note.text.en for note in run.notes if note.code == CODE]
    for session in run.power:
        for channel, before in session.before.items():
            after = session.after.get(channel)
            if after is None or not before.mean_w or after.mean_w is None:
                continue
            if any(text.startswith(f"{channel} ") for text in told):
                yield abs(after.mean_w - before.mean_w) / before.mean_w


def drift(runs: Iterable[Run]) -> Text | None:
    """`Idle power changed by 14 to 16 % from before to after the measurement`; None where no run says so."""
    drifted: Sequence[Run] = [run for run in runs if any(note.code == CODE for note in run.notes)]
    if not drifted:
        return None
    shares = [share for run in drifted for share in _shares(run)]
    if not shares:
        return Text(
            en="Idle power differed before and after the measurement", ko="측정 전후의 유휴 전력이 서로 달랐습니다"
        )
    low, high = (significant(share * 100, 2) for share in (min(shares), max(shares)))
    by, by_ko = (low, low) if low == high else (f"{low} to {high}", f"{low}~{high}")
    return Text(
        en=f"Idle power changed by {by} % from before to after the measurement; no interval includes that",
        ko=f"측정 전후의 유휴 전력이 {by_ko} % 달라졌습니다(구간에는 포함되지 않음)",
    )
