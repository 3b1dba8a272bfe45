"""The device under test in one scope: which sensor speaks for each of its devices, their sum, and the work it paid for.

For each device one sensor counts: one that has an energy before one that has none, then a counter before an average
before an instant value, then the first by name. Two sensors of one device are never summed; where they disagree by more
than a tenth, a note says so. Not taken for two sensors of one thing: the packages of the host's processors, which are
summed, and what nothing tells apart: several rails of a device, several equal channels of a whole machine (two feeds,
or one of them seen twice). Those have no total.

Not aware of: how joules are computed (`channel_energy`), several launches (`assemble`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from npubench.energy import ChannelEnergy, ScopeEnergy
from npubench.lang import Text
from npubench.metrics import ENERGY
from npubench.spi import HOST, MeterScope
from npubench.units import show

# Two sensors of one device that differ by more than this do not measure the same.
_DISAGREE = 0.1
_KINDS = ("counter", "average", "instant")

Named = tuple[str, ChannelEnergy]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in the window: requests completed, their service units, and the load that was held (`searched` in
    `load`'s unit: cameras, users, rate; None where nothing was searched or confirmed). `withheld`: why what was done is
    nothing whose energy may be published; None where it may.
    """

    requests: int
    units: int
    unit: str
    searched: str | None = None
    load: float | None = None
    withheld: Text | None = None


class _Chosen(msgspec.Struct, frozen=True):
    """The channels that speak for one device; `reason` where none does."""

    channels: tuple[Named, ...]
    others: tuple[Named, ...] = ()
    reason: Text | None = None


def metrics_of(unit: str, searched: str | None) -> tuple[str, ...]:
    """The metrics of `metrics.ENERGY` that make sense for a service unit and what was searched."""
    wanted = {"power_mean_w", "energy_per_request_j", "net_energy_per_request_j"}
    wanted |= {f"energy_per_{unit}_j"} if unit in ("frame", "page") else set()
    wanted |= {"tokens_per_j"} if unit == "token" else set()
    wanted |= {f"{searched}_per_w"} if searched in ("cameras", "users") else set()
    return tuple(key for key in ENERGY if key in wanted)


def figures(energy_j: float, net_j: float | None, length_ns: int, work: Work) -> dict[str, float]:
    """Metric → value, as far as the work allows."""
    mean_w = energy_j / (length_ns / 1e9)
    found = {"power_mean_w": mean_w}
    if work.requests > 0:
        found["energy_per_request_j"] = energy_j / work.requests
        if net_j is not None and net_j > 0:
            found["net_energy_per_request_j"] = net_j / work.requests
    if work.units > 0:
        if work.unit in ("frame", "page"):
            found[f"energy_per_{work.unit}_j"] = energy_j / work.units
        if work.unit == "token":
            found["tokens_per_j"] = work.units / energy_j
    if work.searched in ("cameras", "users") and work.load is not None and work.load > 0:
        found[f"{work.searched}_per_w"] = work.load / mean_w
    return {key: found[key] for key in ENERGY if key in found}


def _meter(item: Named) -> str:
    """Which meter a channel is of; names that do not begin with it are told apart by their source."""
    meter, dot, _ = item[0].partition(".")
    return meter if dot else item[1].source


def _order(item: Named) -> tuple[bool, int, str]:
    name, channel = item
    kind = _KINDS.index(channel.kind) if channel.kind in _KINDS else len(_KINDS)
    return channel.energy_j is None, kind, name


def _choose(device: str, scope: MeterScope, found: list[Named]) -> _Chosen:
    ranked = sorted(found, key=_order)
    first = ranked[0]
    alike = [item for item in ranked if _meter(item) == _meter(first) and item[1].kind == first[1].kind]
    if device == HOST and scope == "package":
        # A package without an energy is one of them too.
        return _Chosen(tuple(alike), tuple(item for item in ranked if item not in alike))
    if len(alike) > 1 and (scope == "rail" or not device):
        names = ", ".join(name for name, _ in alike)
        return _Chosen(
            tuple(alike),
            reason=Text(
                en=f"whether {names} are parts of it or the same seen twice is not known, so they make no total",
                ko=f"{names}: 서로 다른 부분인지 같은 것을 두 번 잰 것인지 알 수 없어 합하지 않습니다",
            ),
        )
    return _Chosen((first,), tuple(ranked[1:]))


def _notes(chosen: _Chosen) -> Iterable[Text]:
    (name, channel), *more = chosen.channels
    for other, found in chosen.others:
        if more or channel.energy_j is None:
            return
        if found.energy_j is None:
            if _order((other, msgspec.structs.replace(found, energy_j=0.0))) < _order((name, channel)):
                why = found.reason or Text(en="no energy", ko="에너지 없음")
                yield Text(en=f"{name} stands in for {other}: {why.en}", ko=f"{other} 대신 {name} 사용: {why.ko}")
        elif abs(found.energy_j - channel.energy_j) > _DISAGREE * channel.energy_j:
            here, there = show(channel.energy_j, "J"), show(found.energy_j, "J")
            yield Text(
                en=f"two sensors of one device disagree: {name} {here}, {other} {there}; the first one counts",
                ko=f"한 장치의 두 센서가 다릅니다: {name} {here}, {other} {there}. 앞의 것을 씁니다",
            )


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


def _lacking(named: Iterable[Named], devices: Iterable[_Chosen]) -> Text | None:
    """Why there is no total."""
    if any(channel.ours is None for _, channel in named):
        return Text(en="which of the devices was used is not known", ko="어느 장치를 썼는지 알 수 없습니다")
    for device in devices:
        if device.reason is not None:
            return device.reason
        for name, channel in device.channels:
            if channel.energy_j is None:
                why = channel.reason or Text(en="no energy", ko="에너지 없음")
                return Text(en=f"{name}: {why.en}", ko=f"{name}: {why.ko}")
    return None


def _scope(scope: MeterScope, named: list[Named], length_ns: int, work: Work) -> ScopeEnergy:
    by_device: dict[str, list[Named]] = {}
    for name, channel in named:
        by_device.setdefault(channel.device, []).append((name, channel))
    devices = [_choose(device, scope, found) for device, found in sorted(by_device.items())]
    used = [item for device in devices for item in device.channels]
    notes = [note for device in devices for note in _notes(device)]
    reason = work.withheld or _lacking(named, devices)
    names = tuple(name for name, _ in used)
    idle_w = _sum(channel.idle_w for _, channel in used)
    if reason is not None:
        return ScopeEnergy(channels=names, energy_j=None, reason=reason, notes=tuple(notes))
    energy_j = _sum(channel.energy_j for _, channel in used) or 0.0
    net_j = _sum(channel.net_j for _, channel in used)
    if net_j is None:
        without = ", ".join(name for name, channel in used if channel.net_j is None)
        notes.append(
            Text(
                en=f"no net energy: the idle power of {without} is not known",
                ko=f"순 에너지 없음: {without} 유휴 전력 모름",
            )
        )
    elif net_j <= 0:
        notes.append(
            Text(
                en=f"no net energy figure: idle took as much ({show(idle_w, 'W')}), so the load cannot be told from it",
                ko=f"순 에너지 값 없음: 유휴 전력({show(idle_w, 'W')})이 그만큼이라 부하를 구별할 수 없습니다",
            )
        )
    return ScopeEnergy(
        channels=names,
        energy_j=energy_j,
        # Errors of sensors that share a window, a load and often a chip are not independent.
        uncertainty_j=_sum(channel.uncertainty_j for _, channel in used),
        idle_w=idle_w,
        net_j=net_j,
        mean_w=energy_j / (length_ns / 1e9),
        figures=figures(energy_j, net_j, length_ns, work),
        notes=tuple(notes),
    )


def scopes(channels: Mapping[str, ChannelEnergy], length_ns: int, work: Work) -> dict[MeterScope, ScopeEnergy]:
    """Each scope that a channel of the device under test has. What is not ours stays out; None is neither."""
    named: dict[MeterScope, list[Named]] = {}
    for name, channel in channels.items():
        if channel.ours is not False:
            named.setdefault(channel.scope, []).append((name, channel))
    return {scope: _scope(scope, found, length_ns, work) for scope, found in named.items()}
