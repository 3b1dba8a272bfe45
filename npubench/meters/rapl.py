"""RAPL: the energy counters that Intel and AMD processors keep of themselves, through the kernel's powercap zones.

    rapl.package-0       a processor package (scope package, device `cpu`); multi-die parts have one zone for each die
    rapl.package-0.core  its parts as the kernel names them: core, uncore, dram (scope rail, device `cpu`)
    rapl.psys            the platform, whose extent the machine's maker defines (scope rail: it ranks nothing)

It is host energy, never an accelerator's. A zone that both intel-rapl (registers) and intel-rapl-mmio (the same
counter through memory) show is read once. AMD's processors are under intel-rapl too and have no psys or dram.

Counters are in µJ and start anew at `max_energy_range_uj`: at 200 W after 20 minutes of a 262 kJ range. `most_w` is the
constraint `short_term` or `peak_power`: the package's electrical maximum (Intel SDM vol. 3B, PKG_POWER_INFO). That of
`long_term` is its thermal design power, which turbo exceeds, so it bounds nothing. Zones that a machine names twice are
told apart by the zone's own id.

Since CVE-2020-8694 (PLATYPUS) the kernel lets root alone read `energy_uj`, because fast readings leak secrets of other
processes; processors with the fix in microcode add noise to each reading for the same reason.

Sources: kernel documentation power/powercap/powercap and ABI/testing/sysfs-class-powercap; Intel SDM vol. 3B, "RAPL
interfaces". Not verified on hardware: no machine that was at hand shows powercap zones.

Not aware of: joules and unwrapping (`stats.ledger`), what else runs on the processor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from npubench.meters.taking import DeniedError, SensorError, listed, maybe, taken, text, whole
from npubench.spi import HOST, Availability, Channel, MeterScope, Reading
from npubench.virtual import described

CLASS = "sys/class/powercap"
# Intel SDM vol. 3B, "MSR_PKG_ENERGY_STATUS": updated about every 1 ms.
_REFRESH_NS = 1_000_000
_ZONE = re.compile(r"(intel-rapl(?:-mmio)?):([0-9]+(?::[0-9]+)*)")
_FIX = (
    "run as root, or: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next start); for good,"
    ' in /etc/udev/rules.d/99-rapl.rules: SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod a+r /sys%p/energy_uj"'
)


class _Zone(msgspec.Struct, frozen=True):
    """`path` of names from the package down; `id` as the kernel numbers zones, `mmio` which interface shows it."""

    path: tuple[str, ...]
    id: str
    mmio: bool
    folder: Path


def _zones(root: Path) -> list[_Zone]:
    """Every RAPL zone with an energy counter, once, in the order of the kernel's numbers."""
    base = root / CLASS
    found: list[_Zone] = []
    for entry in listed(base):
        zone = _ZONE.fullmatch(entry)
        if zone is None or not (base / entry / "energy_uj").exists():
            continue
        numbers = zone[2].split(":")
        above = (f"{zone[1]}:{':'.join(numbers[:length])}" for length in range(1, len(numbers)))
        names = (text(base / name / "name") or name for name in (*above, entry))
        found.append(_Zone(tuple(names), zone[2], zone[1].endswith("mmio"), base / entry))
    by_registers = {zone.path for zone in found if not zone.mmio}
    kept = [zone for zone in found if not (zone.mmio and zone.path in by_registers)]
    return sorted(kept, key=lambda zone: (zone.mmio, [int(part) for part in zone.id.split(":")]))


def _most_w(folder: Path) -> float | None:
    """The electrical maximum of a zone in W; None where no constraint gives it."""
    found = []
    for path in sorted(folder.glob("constraint_*_name")):
        most = maybe(path.with_name(path.name.removesuffix("name") + "max_power_uw"))
        # Zero is what registers hold that nobody filled in.
        if text(path) in ("short_term", "peak_power") and most:
            found.append(most / 1e6)
    return max(found, default=None)


def _channel(zone: _Zone, twice: bool) -> Channel:
    top, here = zone.path[0], zone.path[-1]
    scope: MeterScope = "rail"
    what = f"{here} of {top}"
    if len(zone.path) == 1:
        what = here
    if len(zone.path) == 1 and here.startswith("package"):
        scope, what = "package", f"{here}, the processor package with its caches and memory controller"
    if here.startswith("psys"):
        what = f"{here}, a platform domain whose extent the machine's maker defines"
    name = ".".join(("rapl", *zone.path))
    wraps = maybe(zone.folder / "max_energy_range_uj")
    return Channel(
        name=f"{name}.{zone.id}" if twice else name,
        unit="uJ",
        scope=scope,
        kind="counter",
        quantity="energy",
        source=f"RAPL (powercap {zone.folder.name}): {what}",
        device="" if here.startswith("psys") else HOST,
        wraps_at=float(wraps) if wraps else None,
        most_w=_most_w(zone.folder),
        refresh_ns=_REFRESH_NS,
    )


def _refusal(zone: _Zone) -> SensorError | None:
    """What reading a zone's counter raises; None: it can be read."""
    try:
        whole(zone.folder / "energy_uj")
    except SensorError as error:
        return error
    return None


def _absent(root: Path) -> Availability:
    """Why a system shows no RAPL zone."""
    why = "no RAPL zones in /sys/class/powercap"
    if (seen := described(root)) is not None:
        reason = f"{why}: {seen}, and those seldom see the processor's counters"
        fix = "measure on the host; a container sees them with the host's /sys/devices/virtual/powercap mounted into it"
        return Availability(available=False, reason=reason, fix=fix)
    if not (root / CLASS).exists():
        return Availability(available=False, reason=f"{why}: the kernel has no powercap support here")
    return Availability(available=False, reason=why, fix="sudo modprobe intel_rapl_msr (AMD too, from Linux 5.11 on)")


class RaplMeter:
    """A `spi.Meter` of the host's processors. `root` holds `sys/` and `proc/`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._sources: tuple[tuple[Channel, Path], ...] = ()

    def probe(self) -> Availability:
        zones = _zones(self._root)
        if not zones:
            return _absent(self._root)
        refusals = [_refusal(zone) for zone in zones]
        if None not in refusals:
            denied = [refusal for refusal in refusals if isinstance(refusal, DeniedError)]
            reason = f"{zones[0].folder.name}: {refusals[0]}"
            if denied:
                reason = f"{denied[0]}: root alone may read it, as the kernel has it since CVE-2020-8694 (PLATYPUS)"
            return Availability(available=False, reason=reason, fix=_FIX if denied else "")
        paths = [zone.path for zone in zones]
        self._sources = tuple((_channel(zone, paths.count(zone.path) > 1), zone.folder / "energy_uj") for zone in zones)
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        return tuple(channel for channel, _ in self._sources)

    def read(self) -> Sequence[Reading]:
        return tuple(taken(channel, partial(whole, path)) for channel, path in self._sources)

    def close(self) -> None:
        """Nothing is held."""
