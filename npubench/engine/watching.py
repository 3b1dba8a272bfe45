"""The conditions around one launch: devices before its process starts and after it has ended, the host's counters at
both ends of the timed window.

Nothing of this runs within the window. The host's counters are read when the worker enters the check before it and the
check after it (0.1–0.3 ms on two processors, in the parent). Tools of vendors are called before and after the launch,
and once after the window where several devices could have been used; NVIDIA drivers that keep no counters of slowed
clocks are watched by one nvidia-smi at 1 Hz, which is the only thing that runs during a window, and only there: not
where a meter of the run reads what slows the device (`Channel.quantity` "throttle"), which says so on the time line of
power (`EnergyLedger.events`). What looking took is in the result (`Conditions.cost_ns`). On a backend without an
accelerator no tool is called and no process table is read.

Not aware of: verdicts (`stats.conditions`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.conditions import Cause, Conditions, DeviceCondition, DeviceState, Slowed
from npubench.energy import PlannedMeter
from npubench.engine import nvidia
from npubench.engine.counters import Counted, Counters, between
from npubench.engine.devices import SYSFS, from_sysfs, look, ours
from npubench.engine.preflight import serves
from npubench.engine.protocol import Event, Measured, Phase
from npubench.schema import Machine
from npubench.spi import Device


class Watching:
    """One launch's conditions, `found` once it has ended. Feed it the worker's events as they come.

    `metered`: ids of devices of which a meter reads what slows them, so that no tool is started for that.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        everything: Sequence[Device],
        root: Path,
        metered: Collection[str] = (),
    ) -> None:
        self.found = Conditions()
        self._root = root
        self._everything = tuple(everything)
        self._at: list[Counters] = []
        self._measuring = False
        self._pids: list[int] = []
        self._used: set[str] | None = None
        started = time.perf_counter_ns()
        self._counted = Counted(root)
        self._before = look(devices, all_devices=everything, root=root)
        self._before_ns = time.perf_counter_ns()
        self._devices = _given(devices, self._before)
        self._between: dict[str, list[DeviceState]] = {device.id: [] for device in self._devices}
        known = {device.id: self._before[device.id] for device in self._devices if device.id in self._before}
        self._listed = {name for name, state in known.items() if set(state.sources) - {SYSFS}}
        uncounted = [
            name
            for name, state in known.items()
            if nvidia.TOOL in state.sources and state.slowed_ns is None and name not in metered
        ]
        self._watch = nvidia.Watch(uncounted) if uncounted else None
        self._cost_ns = time.perf_counter_ns() - started

    def event(self, event: Event) -> None:
        """Reads the counters where the worker is between two things that are timed."""
        if isinstance(event, Measured):
            self._pids.append(event.pid)
        if not isinstance(event, Phase):
            return
        if event.name == "measure":
            self._measuring = True
        elif event.name == "check":
            started = time.perf_counter_ns()
            # The last before the window, then the one after it.
            self._at = [*self._at[:1], self._counted.take()] if self._measuring else [self._counted.take()]
            for device in self._devices:
                state = from_sysfs(device, self._root)
                if state is not None:
                    self._between[device.id].append(state)
            if self._measuring and len(self._devices) > 1:
                self._used = self._in_use()
            self._cost_ns += time.perf_counter_ns() - started

    def _in_use(self) -> set[str]:
        """The devices that our own processes compute on now; none where that cannot be told (in a container, say)."""
        mine = ours(self._root)
        states = look(self._devices, all_devices=self._everything, own=set(), root=self._root)
        return {
            name
            for name, state in states.items()
            if any(process.computes and process.pid in mine for process in state.processes or ())
        }

    def end(self) -> None:
        """The process has ended: looks once more and states what was found."""
        started = time.perf_counter_ns()
        seen = self._watch.stop() if self._watch is not None else ()
        # A driver may still be cleaning up after our worker, which is no longer a descendant of ours.
        own = ours(self._root) | set(self._pids) if self._devices else set()
        after = look(self._devices, all_devices=self._everything, own=own, listed=self._listed, root=self._root)
        span_ns = time.perf_counter_ns() - self._before_ns
        found = between(*self._at) if len(self._at) == 2 else Conditions()
        window = (found.start_ns or 0, found.end_ns or 0)
        shares = nvidia.shares(seen, *window)
        conditions = []
        for device in self._devices:
            before, name = self._before.get(device.id), device.id
            state = before or DeviceState(id=name, name=device.detail.get("model") or device.name, type=device.type)
            times = slowed(
                state, after.get(name), self._between[name], span_ns, shares.get(name), window[1] - window[0]
            )
            used = True if len(self._devices) == 1 else name in self._used if self._used else None
            conditions.append(DeviceCondition(before=state, after=after.get(name), used=used, slowed=times))
        cost_ns = self._cost_ns + time.perf_counter_ns() - started
        self.found = msgspec.structs.replace(found, devices=tuple(conditions), cost_ns=cost_ns)

    def abandon(self) -> None:
        """Leaves no process behind where the launch was stopped."""
        if self._watch is not None:
            self._watch.stop()


def _given(devices: Sequence[Device], before: Mapping[str, DeviceState]) -> tuple[Device, ...]:
    """The devices that this machine may use: sysfs shows a container the host's others too, a vendor's tool does not;
    and one that is bound to vfio-pci has been given to a virtual machine.
    """
    told = {device.vendor for device in devices if set(_sources(before, device)) - {SYSFS}}
    return tuple(
        device
        for device in devices
        if device.detail.get("driver") != "vfio-pci"
        and (device.vendor not in told or device.id not in before or set(_sources(before, device)) - {SYSFS})
    )


def _sources(before: Mapping[str, DeviceState], device: Device) -> tuple[str, ...]:
    return before[device.id].sources if device.id in before else ()


def slowed(
    before: DeviceState,
    after: DeviceState | None,
    during: Sequence[DeviceState],
    span_ns: int,
    looks: tuple[int, Mapping[Cause, int]] | None,
    window_ns: int,
) -> tuple[Slowed, ...]:
    """How long a device was slowed, from the best evidence that there is: its counters, looks within the window, or
    what it said before, between and after. Causes that were not in effect are left out.
    """
    if before.slowed_ns is not None and after is not None and after.slowed_ns is not None:
        increases = {cause: value - before.slowed_ns.get(cause, 0) for cause, value in after.slowed_ns.items()}
        return tuple(
            Slowed(cause=cause, slowed_ns=value, observed_ns=span_ns, source="counter")
            for cause, value in sorted(increases.items())
            if value > 0
        )
    if looks is not None and looks[0] > 0:
        return tuple(
            Slowed(cause=cause, slowed_ns=count * window_ns // looks[0], observed_ns=window_ns, source="samples")
            for cause, count in sorted(looks[1].items())
        )
    states = [before, *during, *([after] if after is not None else [])]
    causes = {cause for state in states for cause in state.slowed or ()}
    return tuple(Slowed(cause=cause, slowed_ns=None, observed_ns=None, source="state") for cause in sorted(causes))


def throttle_metered(meters: Iterable[PlannedMeter]) -> frozenset[str]:
    """The ids of the devices of which a meter that answers reads what slows them."""
    return frozenset(
        channel.device
        for meter in meters
        if meter.availability.available
        for channel in meter.channels
        if channel.quantity == "throttle" and channel.device
    )


@contextmanager
def watching(
    card: BackendCard, machine: Machine, root: Path = Path("/"), meters: Iterable[PlannedMeter] = ()
) -> Iterator[Watching]:
    """Watches the devices that this backend runs on, and the host, while the body runs one launch.

    `meters`: those of the run, which read on their own.
    """
    devices = [device for device in machine.accelerators if serves(card, device)]
    watch = Watching(devices, machine.accelerators, root, throttle_metered(meters))
    try:
        yield watch
    except BaseException:
        watch.abandon()
        raise
    watch.end()
