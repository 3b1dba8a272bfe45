"""Asks many backends at once whether they are here, quickly and without one hiding another.

Importing a runtime is what a probe costs, so backends that would import the same one in the same interpreter with the
same variables share a process; a backend with a plug-in library of its own does not, because what it registers would be
seen by the next. When a shared process dies or hangs, each of its backends is asked again alone: the one at fault says
so itself, the others answer. Processes run side by side, as many as there are processors. A backend that needs an
environment which is not there costs no process (`select.probe`).

Not aware of: what is made of the answers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from npubench.cards import BackendCard
from npubench.engine.launcher import Limits, run_job
from npubench.engine.protocol import Surveyed, SurveyJob
from npubench.engine.select import PROBE_STALL_S, adapter_ref, environment_of, probe
from npubench.spi import Availability

Group = Mapping[str, BackendCard]


def groups(cards: Mapping[str, BackendCard]) -> tuple[Group, ...]:
    """Which backends are asked in one process, in the order of the cards."""
    shared: dict[tuple[object, ...], dict[str, BackendCard]] = {}
    for name, card in cards.items():
        key: tuple[object, ...] = (name,)
        if not card.environment.requires and card.plugin is None and card.serve is None:
            place = environment_of(card)
            key = (place.python, tuple(sorted(place.variables.items())), card.adapter)
        shared.setdefault(key, {})[name] = card
    return tuple(shared.values())


def survey(
    cards: Mapping[str, BackendCard], folder: Path, stop: Callable[[], bool] = lambda: False
) -> dict[str, Availability]:
    """Each backend's answer, by id in the order of `cards`. Never raises for a backend's faults.

    Raises StopRequested when `stop()` turns true; no process is left behind then, nor on Ctrl-C.
    """
    given_up = threading.Event()

    def stopped() -> bool:
        return given_up.is_set() or stop()

    parts = groups(cards)
    found: dict[str, Availability] = {}
    # A thread starts each child and waits for it: the kernel ends a worker together with the thread that started it.
    with ThreadPoolExecutor(max_workers=max(2, len(os.sched_getaffinity(0)))) as pool:
        try:
            for answers in pool.map(lambda part: _ask(part, folder, stopped), parts):
                found.update(answers)
        except BaseException:
            given_up.set()
            raise
    return {name: found[name] for name in cards}


def _ask(group: Group, folder: Path, stop: Callable[[], bool]) -> dict[str, Availability]:
    names: Sequence[str] = tuple(group)
    found: Mapping[str, Availability] = {}
    if len(names) > 1:
        job = SurveyJob(adapters={name: adapter_ref(card) for name, card in group.items()})
        place = environment_of(group[names[0]])
        answer = run_job(job, folder / f"{names[0]}+", place, Limits(stall_s=PROBE_STALL_S), stop=stop)
        if isinstance(answer, Surveyed):
            found = answer.found
    return {
        name: found[name] if name in found else probe(group[name], folder / name, stop).availability for name in names
    }
