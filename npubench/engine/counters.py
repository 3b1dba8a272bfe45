"""What the kernel counts about the host: slowed for heat, paused by a quota, stolen by a hypervisor, waited for memory.

Counters are read before and after a timed window and differenced, so nothing runs while something is timed. The files
are looked for once (`Counted`); one reading of them takes 0.1 ms on two processors and grows with their number.
Everything is read from below one `root`, so that a machine can be described from a copy of its files.

Sources: kernel documentation, admin-guide/cgroup-v2 (cpu.stat, memory.pressure), accounting/psi, proc_stat(5), and
ABI/testing/sysfs-devices-system-cpu (thermal_throttle, Intel only), sysfs-class-thermal. Verified on a virtual machine
with an AMD processor (cgroup v1, PSI, steal); thermal files, cooling devices and cgroup v2 on made trees only.

Not aware of: which of this spoils a result (`stats.conditions`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from npubench.conditions import Conditions, ProcessorState
from npubench.engine.machine import cgroup_folders, cpu_set
from npubench.engine.ours import OwnTimes, own_times

_CPU = "sys/devices/system/cpu"
# Names of sensors in or on the processor: hwmon drivers, then thermal zones (x86, Arm SoCs).
_SENSORS = re.compile(r"coretemp|k10temp|zenpower|x86_pkg_temp|cpu.?thermal|soc.?thermal|tcpu", re.IGNORECASE)
# Cooling devices that work by slowing the processor down: ACPI, then cpufreq's own (drivers/thermal/cpufreq_cooling.c).
_COOLING = re.compile(r"processor|(thermal-)?cpufreq-.+", re.IGNORECASE)


class Level(msgspec.Struct, frozen=True):
    """The CPU quota's counters in one cgroup: periods enforced, periods that ended in a pause, ns paused."""

    periods: int
    paused: int
    paused_ns: int


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. Lists have the order of the files, so that two readings can be differenced; unknown is None."""

    at_ns: int
    processors: int
    throttle_events: tuple[int | None, ...] = ()
    throttled_ns: tuple[int | None, ...] = ()
    quota: tuple[Level, ...] = ()
    stolen_ns: int | None = None
    busy_ns: int | None = None
    own: OwnTimes | None = None
    memory_stalled_ns: int | None = None
    swapped_in_bytes: int | None = None
    cooling: tuple[str, ...] | None = None
    clock_mhz: float | None = None
    temperature_c: float | None = None


def _read(path: Path | str) -> str:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read(65536).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _number(path: Path | str) -> int | None:
    text = _read(path)
    return int(text) if text.lstrip("-").isdigit() else None


def usable(root: Path) -> frozenset[int]:
    """The processors that this process may use; all that are online where `root` is not this machine's."""
    if root == Path("/") and hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    try:
        return frozenset(cpu_set(_read(root / _CPU / "online")))
    except ValueError:
        return frozenset()


def parse_cpu_stat(text: str) -> Level | None:
    """A cgroup's cpu.stat, version 2 (`throttled_usec`) or 1 (`throttled_time`, ns); None where it has no periods."""
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) == 2)
    if not found.get("nr_periods", "").isdigit() or not found.get("nr_throttled", "").isdigit():
        return None
    if found.get("throttled_usec", "").isdigit():
        paused_ns = int(found["throttled_usec"]) * 1000
    else:
        paused_ns = int(found["throttled_time"]) if found.get("throttled_time", "").isdigit() else 0
    return Level(int(found["nr_periods"]), int(found["nr_throttled"]), paused_ns)


def parse_pressure(text: str) -> int | None:
    """Total ns in which some task waited, of a PSI file; None for anything else."""
    found = re.search(r"^some .*\btotal=(\d+)", text, re.MULTILINE)
    return int(found[1]) * 1000 if found else None


def parse_stolen(text: str, processors: frozenset[int], ticks_per_s: int) -> int | None:
    """Stolen ns of `processors` together, of /proc/stat; None where no processor of them has the column."""
    found = [
        int(fields[8])
        for fields in (line.split() for line in text.splitlines() if line.startswith("cpu"))
        if len(fields) > 8 and fields[0][3:].isdigit() and int(fields[0][3:]) in processors
    ]
    return sum(found) * 1_000_000_000 // ticks_per_s if found else None


def parse_busy(text: str, processors: frozenset[int], ticks_per_s: int) -> int | None:
    """Ns in which `processors` ran something, of /proc/stat: user, nice, system, irq, softirq; None without a line."""
    found = [
        sum(int(fields[place]) for place in (1, 2, 3, 6, 7))
        for fields in (line.split() for line in text.splitlines() if line.startswith("cpu"))
        if len(fields) > 7 and fields[0][3:].isdigit() and int(fields[0][3:]) in processors
    ]
    return sum(found) * 1_000_000_000 // ticks_per_s if found else None


def _parts(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


class Counted:
    """Where this machine's counters are. `take` reads them."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.processors = usable(root)
        cpus = [root / _CPU / f"cpu{number}" for number in sorted(self.processors)]
        throttle = [cpu / "thermal_throttle" for cpu in cpus if (cpu / "thermal_throttle").is_dir()]
        self._events = [str(folder / f"{part}_throttle_count") for folder in throttle for part in ("core", "package")]
        # Since kernel 5.6.
        times = [folder / f"{part}_throttle_total_time_ms" for folder in throttle for part in ("core", "package")]
        self._times = [str(path) for path in times if path.exists()]
        clocks = [cpu / "cpufreq/scaling_cur_freq" for cpu in cpus]
        self._clocks = [str(path) for path in clocks if path.exists()]
        self._quota = [folder / "cpu.stat" for folder in cgroup_folders(root, "cpu")]
        pressures = [folder / "memory.pressure" for folder in cgroup_folders(root, "memory")[:1]]
        found = [path for path in (*pressures, root / "proc/pressure/memory") if path.exists()]
        self._pressure = found[0] if found else None
        self._temperatures = _temperature_files(root)
        self._cooling = [
            (name, path.parent / "cur_state")
            for path in _parts(root / "sys/class/thermal", "cooling_device*/type")
            if _COOLING.fullmatch(name := _read(path))
        ]

    def take(self) -> Counters:
        """One reading, its time in `at_ns`. Raises nothing."""
        stat, vmstat = _read(self._root / "proc/stat"), _read(self._root / "proc/vmstat")
        levels = [parse_cpu_stat(_read(path)) for path in self._quota]
        swapped = re.search(r"^pswpin (\d+)$", vmstat, re.MULTILINE)
        clocks = [value for path in self._clocks if (value := _number(path)) is not None]
        throttled = [_number(path) for path in self._times]
        return Counters(
            at_ns=time.perf_counter_ns(),
            processors=len(self.processors),
            throttle_events=tuple(_number(path) for path in self._events),
            throttled_ns=tuple(None if value is None else value * 1_000_000 for value in throttled),
            quota=tuple(level for level in levels if level is not None),
            stolen_ns=parse_stolen(stat, self.processors, os.sysconf("SC_CLK_TCK")),
            busy_ns=parse_busy(stat, self.processors, os.sysconf("SC_CLK_TCK")),
            # Only of this machine are our processes: a copy of its files has none.
            own=own_times() if self._root == Path("/") else None,
            memory_stalled_ns=parse_pressure(_read(self._pressure)) if self._pressure is not None else None,
            swapped_in_bytes=int(swapped[1]) * os.sysconf("SC_PAGE_SIZE") if swapped else None,
            cooling=tuple(sorted({name for name, path in self._cooling if (_number(path) or 0) > 0}))
            if self._cooling
            else None,
            clock_mhz=sum(clocks) / len(clocks) / 1000 if clocks else None,
            temperature_c=_hottest(self._temperatures),
        )


def _temperature_files(root: Path) -> list[Path]:
    zones = _parts(root / "sys/class/thermal", "thermal_zone*/type")
    found = [path.parent / "temp" for path in zones if _SENSORS.search(_read(path))]
    for path in _parts(root / "sys/class/hwmon", "hwmon*/name"):
        if _SENSORS.fullmatch(_read(path)):
            found += _parts(path.parent, "temp*_input")
    return found


def _hottest(files: Iterable[Path]) -> float | None:
    values = [value for path in files if (value := _number(path)) is not None]
    return max(values) / 1000 if values else None


def _most(before: Iterable[int | None], after: Iterable[int | None]) -> int | None:
    """The largest increase of a list of counters. Cores and packages overlap, so they are not added up."""
    pairs = zip(before, after, strict=False)
    return max((late - early for early, late in pairs if early is not None and late is not None), default=None)


def _increase(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _others(before: Counters, after: Counters) -> int | None:
    """Processor time that went to nobody of ours. Every process rounds its ticks down: it may come out below 0."""
    busy = _increase(before.busy_ns, after.busy_ns)
    if busy is None or before.own is None or after.own is None:
        return None
    return max(0, busy - max(0, after.own.ran_ns - before.own.ran_ns))


def between(before: Counters, after: Counters) -> Conditions:
    """What happened between two readings of the same `Counted`."""
    levels = [
        Level(late.periods - early.periods, late.paused - early.paused, late.paused_ns - early.paused_ns)
        for early, late in zip(before.quota, after.quota, strict=False)
    ]
    own: tuple[int | None, int | None] = (None, None)
    if before.own is not None and after.own is not None:
        # A thread that ended took its times along.
        ran, waited = after.own.ran_ns - before.own.ran_ns, after.own.waited_ns - before.own.waited_ns
        own = max(0, ran), max(0, waited)
    # Quotas may be nested: the one that paused most is the one that was felt.
    level = max(levels, key=lambda item: (item.paused, item.periods), default=None)
    cooling = None if after.cooling is None else tuple(sorted({*(before.cooling or ()), *after.cooling}))
    return Conditions(
        start_ns=before.at_ns,
        end_ns=after.at_ns,
        processors=after.processors,
        throttle_events=_most(before.throttle_events, after.throttle_events),
        throttled_ns=_most(before.throttled_ns, after.throttled_ns),
        cooling=cooling,
        quota_periods=level.periods if level else None,
        quota_paused_periods=level.paused if level else None,
        quota_paused_ns=level.paused_ns if level else None,
        stolen_ns=_increase(before.stolen_ns, after.stolen_ns),
        others_ns=_others(before, after),
        ran_ns=own[0],
        waited_ns=own[1],
        memory_stalled_ns=_increase(before.memory_stalled_ns, after.memory_stalled_ns),
        swapped_in_bytes=_increase(before.swapped_in_bytes, after.swapped_in_bytes),
        clock_mhz=(before.clock_mhz, after.clock_mhz),
        temperature_c=(before.temperature_c, after.temperature_c),
    )


def processor_state(root: Path = Path("/")) -> ProcessorState:
    """The host processor now: governor, what else decides its clocks, clocks, temperature."""
    counted = Counted(root)
    now = counted.take()
    base = root / _CPU
    policies = [base / f"cpu{number}/cpufreq" for number in sorted(counted.processors)]

    def said(name: str) -> str | None:
        return ", ".join(sorted({text for folder in policies if (text := _read(folder / name))})) or None

    most = [value for folder in policies if (value := _number(folder / "cpuinfo_max_freq")) is not None]
    boost = _number(base / "cpufreq/boost")
    off = _number(base / "intel_pstate/no_turbo")
    events = [value for value in now.throttle_events if value is not None]
    return ProcessorState(
        governor=said("scaling_governor"),
        frequency_driver=said("scaling_driver"),
        preference=said("energy_performance_preference"),
        platform_profile=_read(root / "sys/firmware/acpi/platform_profile") or None,
        boost=bool(boost) if boost is not None else None if off is None else not off,
        clock_mhz=now.clock_mhz,
        clock_most_mhz=max(most) / 1000 if most else None,
        temperature_c=now.temperature_c,
        throttle_events=max(events, default=None),
    )
