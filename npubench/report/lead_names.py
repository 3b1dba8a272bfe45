"""What runs and their devices are called where several stand together.

Guarantees: no two runs and no two devices of one page share a name; a name is no longer than it takes for that. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name
from npubench.schema import Run


def places(runs: Sequence[Run]) -> tuple[str, ...]:
    """What each run is called beside the others: its machine, with its id where that is not enough."""
    machines = [clean(run.machine.name) for run in runs]
    return tuple(
        name if machines.count(name) == 1 else f"{name} {clean(run.id)}"
        for name, run in zip(machines, runs, strict=True)
    )


def devices(runs: Sequence[Run]) -> dict[tuple[str, str], Text]:
    """(what the run is called, backend) → the device's title; with its machine where another run has that title too."""
    titles = {
        (place, backend): backend_name(run, backend).title
        for place, run in zip(places(runs), runs, strict=True)
        for backend in dict.fromkeys(cell.backend for cell in run.cells if cell.purpose == "measure")
    }
    held = [title.en for title in titles.values()]
    return {
        (place, backend): title
        if held.count(title.en) == 1
        else Text(en=f"{title.en} in {place}", ko=f"{title.ko}, {place}")
        for (place, backend), title in titles.items()
    }


def all_of(runs: Sequence[Run]) -> Text:
    """What all of these runs together are called: `Both machines`, `All 3 runs`."""
    n = len(runs)
    machines = len({run.machine.name for run in runs}) == n
    what, what_ko = ("machines", "장비") if machines else ("runs", "실행")
    if n == 2:
        return Text(en=f"Both {what}", ko=f"두 {what_ko} 공통")
    unit = "대" if machines else "건"
    return Text(en=f"All {n} {what}", ko=f"{what_ko} {n}{unit} 공통")
