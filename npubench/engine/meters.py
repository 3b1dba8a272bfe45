"""Which meters this machine has for these backends: found and asked before a run, so that the plan can name them.

They come from the backends' cards, from the meters file and, always, from the host itself: its package counters (rapl)
say what it drew beside an accelerator, a board may have a meter of the whole machine (hwmon). Each is asked in a
sampler process of its own, all at the same time, for a bounded time: one that hangs is a meter that did not answer.

Not aware of: readings during a run (`metering`), what a meter's options mean.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from npubench.cards import BackendCard
from npubench.discovery import code, names
from npubench.energy import PlannedMeter
from npubench.engine.launcher import SECRETS, Environment, child_environment
from npubench.engine.power import PowerSampler, answered, ended
from npubench.engine.select import environment_of
from npubench.meterfile import Entry, read
from npubench.spi import Availability, Reading

HOST_METERS = ("rapl", "hwmon")
"""Always asked: package power of the host is context for whatever is measured on it, and a meter of the whole machine
is the scope in which unlike devices are ranked.
"""
REDFISH = "redfish"
SURVEY_S = 30.0
"""Only a meter that hangs takes so long; on a machine that had just started, one needed more than 10 s (seen)."""
# Slow enough to cost nothing, fast enough for sensors that refresh once a second or quicker (METRICS.md, Energy).
INTERVAL_S = 0.1
# What people named with their own options is a name of its own: two BMCs are two meters.
_NUMBERED = "{name}-{number}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A meter that is to be asked: its entry point, a name that is its own, and whose cards name it."""

    use: str
    name: str
    options: dict[str, Any] = {}
    backends: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What one meter answered, with its first reading of each channel."""

    meter: PlannedMeter
    readings: tuple[Reading, ...] = ()


def wanted(cards: Mapping[str, BackendCard], entries: Sequence[Entry], host: bool = True) -> tuple[Wanted, ...]:
    """The meters to ask. An entry of the meters file that a card names too is one meter, with the file's options."""
    named: dict[str, list[str]] = {name: [] for name in HOST_METERS} if host else {}
    for card in cards.values():
        for name in card.meters:
            named.setdefault(name, []).append(card.id)
    found: list[Wanted] = []
    taken: dict[str, int] = {}
    for entry in entries:
        taken[entry.use] = taken.get(entry.use, 0) + 1
        number = taken[entry.use]
        name = entry.use if number == 1 else _NUMBERED.format(name=entry.use, number=number)
        found.append(Wanted(use=entry.use, name=name, options=entry.options, backends=tuple(named.get(entry.use, ()))))
    found += [Wanted(use=use, name=use, backends=tuple(ids)) for use, ids in named.items() if use not in taken]
    return tuple(found)


def environment_for(meter: str, place: Environment, folder: Path) -> dict[str, str]:
    """The variables of the sampler of `meter` (`module:attr`): the credentials of a BMC reach the meter that asks one,
    and no other.
    """
    variables = child_environment(place, folder)
    if meter == code("meters", REDFISH):
        variables |= {name: os.environ[name] for name in SECRETS if name in os.environ}
    return variables


def _places(item: Wanted, cards: Mapping[str, BackendCard]) -> list[tuple[str, Environment]]:
    """Where its binding may be: npubench's own environment, then those of the backends that name it."""
    places = [("", Environment())]
    pythons = {Environment().python}
    for name in item.backends:
        place = environment_of(cards[name])
        if place.python not in pythons or place.variables:
            pythons.add(place.python)
            places.append((name, place))
    return places


class Survey:
    """Meters that are being asked. `begin` early and collect `found` later: they answer meanwhile."""

    def __init__(self, seconds: float = SURVEY_S) -> None:
        self._seconds = seconds
        self._folder = tempfile.TemporaryDirectory(prefix="npubench-meters-")
        self._started = time.monotonic()
        self._asking: dict[str, tuple[Wanted, list[tuple[str, PowerSampler]]]] = {}
        self._count = 0

    def begin(self, items: Sequence[Wanted], cards: Mapping[str, BackendCard] = MappingProxyType({})) -> None:
        """Starts to ask these, in all the places where each may be. One that is being asked is asked in new places."""
        for item in items:
            _, samplers = self._asking.get(item.name, (item, []))
            known = {where for where, _ in samplers}
            places = [(where, place) for where, place in _places(item, cards) if where not in known]
            samplers += [(where, self._ask(item, place)) for where, place in places]
            self._asking[item.name] = (item, samplers)

    def _ask(self, item: Wanted, place: Environment) -> PowerSampler:
        self._count += 1
        folder = Path(self._folder.name) / str(self._count)
        folder.mkdir()
        ref = code("meters", item.use)
        return PowerSampler.begin(
            ref,
            INTERVAL_S,
            folder,
            place.python,
            options=item.options,
            environment=environment_for(ref, place, folder),
        )

    def found(self) -> tuple[Asked, ...]:
        """What each answered, within the time that there is; their samplers have ended then."""
        answered(self._samplers(), max(0.0, self._started + self._seconds - time.monotonic()))
        found = tuple(self._outcome(item, places) for item, places in self._asking.values())
        self.close()
        return found

    def _samplers(self) -> list[PowerSampler]:
        return [sampler for _, places in self._asking.values() for _, sampler in places]

    def _outcome(self, item: Wanted, places: Sequence[tuple[str, PowerSampler]]) -> Asked:
        there = [(where, sampler) for where, sampler in places if sampler.availability.available]
        where, sampler = (there or list(places))[0]
        availability = sampler.availability
        if not sampler.answered:
            availability = Availability(
                available=False,
                reason=f"it did not answer within {self._seconds:g} s",
                fix="see whether its driver or its address answers at all; the run goes on without it",
            )
        elif not there and len(places) > 1:
            reasons = dict.fromkeys(found.availability.reason for _, found in places)
            availability = msgspec.structs.replace(availability, reason="; ".join(reasons))
        planned = PlannedMeter(
            name=item.name,
            code=code("meters", item.use),
            place=where if there else "",
            backends=item.backends,
            options=item.options,
            availability=availability,
            channels=sampler.channels,
        )
        return Asked(meter=planned, readings=sampler.first)

    def close(self) -> None:
        """Ends what still runs."""
        # Nothing of what they read is kept: one that hangs is not waited for; another may log out first.
        ended(self._samplers(), 2.0)
        self._folder.cleanup()

    def __enter__(self) -> Survey:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def survey(
    cards: Mapping[str, BackendCard], entries: Sequence[Entry] = (), seconds: float = SURVEY_S, *, host: bool = True
) -> tuple[PlannedMeter, ...]:
    """Asks the meters of these cards and entries, for `seconds` in all at most. Never raises for a meter's faults."""
    with Survey(seconds) as asking:
        asking.begin(wanted(cards, entries, host), cards)
        return tuple(item.meter for item in asking.found())


def entries_of(asked: Path | None = None) -> tuple[Entry, ...]:
    """The entries of the meters file: the one that was asked for, else NPUBENCH_METERS, else the user's own if there
    is one. Raises CardError.
    """
    path = asked
    if path is None and (named := os.environ.get("NPUBENCH_METERS")):
        path = Path(named).expanduser()
    if path is None:
        from platformdirs import user_config_dir

        path = Path(user_config_dir("npubench")) / "meters.toml"
        if not path.is_file():
            return ()
    return read(path, tuple(names("meters")))
