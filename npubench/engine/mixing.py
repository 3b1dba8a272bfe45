"""A mix: several services measured at the same time, each by a process of its own, their windows started at once.

Guarantees: either all of a mix's launches were under way together, or each says what was missing; a launch that is
written already is measured again with its neighbours, because alone they would be another measurement, and thrown away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from npubench.engine.launching import Launching, Prepared
from npubench.engine.protocol import CLOSED, Event, Together
from npubench.schema import Failure, Launch, PlannedCell
from npubench.store import RunFolder

GATE = "gate"


def launched(
    launching: Launching,
    cells: Sequence[PlannedCell],
    number: int,
    folder: RunFolder,
    say: Callable[[Event, int], None],
) -> list[tuple[PlannedCell, Launch]]:
    """The launches of the cells of one mix. `say` is told of one of them, from one thread at a time."""
    prepared = [(cell, launching.prepare(cell, number)) for cell in cells]
    if missing := [launch for _, launch in prepared if isinstance(launch, Launch)]:
        why = missing[0].failure
        assert why is not None
        return [
            (cell, ready if isinstance(ready, Launch) else _alone(ready, missing[0].cell, why))
            for cell, ready in prepared
        ]
    ready = [item for _, item in prepared if isinstance(item, Prepared)]
    gate = folder.work(f"{GATE}-{cells[0].mix}", number)
    gate.mkdir(parents=True, exist_ok=True)
    together = Together(folder=str(gate), count=len(ready))
    telling = threading.Lock()

    def tell(event: Event, completed: int) -> None:
        with telling:
            say(event, completed)

    def one(item: Prepared) -> Launch:
        try:
            launch = launching.measure(item, tell, together)
        except BaseException:
            (gate / CLOSED).touch()
            raise
        if launch.status == "failed":
            # Nobody waits for one that will not come.
            (gate / CLOSED).touch()
        return launch

    with ThreadPoolExecutor(len(ready)) as pool:
        launches = list(pool.map(one, ready))
    return list(zip(cells, launches, strict=True))


def _alone(ready: Prepared, missing: str, why: Failure) -> Launch:
    """A launch that could not be measured because another of its mix could not."""
    message = f"measured beside {missing}, which could not be: {why.message}"
    return msgspec.structs.replace(ready.blank, failure=Failure(kind=why.kind, message=message, phase=why.phase))
