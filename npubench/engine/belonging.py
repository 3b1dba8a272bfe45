"""Which power channels belong to the device under test of one launch, and which it shares with others.

Pure. A channel that cannot be told apart belongs to nobody's total: unknown is never a guess. Not aware of: joules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from npubench.cards import BackendCard
from npubench.conditions import Conditions
from npubench.energy import EnergyLedger, ScopeEnergy
from npubench.engine.preflight import serves
from npubench.lang import Text
from npubench.schema import Machine
from npubench.spi import HOST, Channel

_WHOLE = ("node", "wall")


class Belonging:
    """Whose the channels are for a launch of `card`; `beside` are the backends of services that ran at the same time.

    `named`: the backends whose cards name a channel's meter.
    """

    def __init__(
        self,
        card: BackendCard,
        machine: Machine,
        conditions: Conditions,
        beside: Sequence[BackendCard] = (),
        named: Callable[[str], Sequence[str]] = lambda channel: (),
    ) -> None:
        self._card, self._beside, self._named = card, tuple(beside), named
        self._accelerators = {device.id: device for device in machine.accelerators}
        self._used = {item.before.id: item.used for item in conditions.devices}

    def shared(self, channel: Channel) -> bool:
        """Whether services that ran at the same time drew on this channel, too."""
        if not self._beside:
            return False
        device = self._accelerators.get(channel.device)
        return device is None or any(serves(card, device) for card in self._beside)

    def ours(self, channel: Channel) -> bool | None:
        """Whether this launch's devices are all that the channel measures; None where it cannot be told.

        The whole machine is everybody's device. The host's processors are the device of CPU backends only; beside an
        accelerator they are context.
        """
        if channel.scope in _WHOLE:
            return None if self._beside else True
        mine = self._mine(channel)
        return None if mine and self.shared(channel) else mine

    def _mine(self, channel: Channel) -> bool | None:
        kind = self._card.device.type
        if kind == "endpoint":
            # A server may run on any of this machine's devices, or on none of them.
            return None
        if channel.device == HOST:
            return kind == "cpu"
        if channel.device in self._accelerators:
            return self._used.get(channel.device, False)
        named = self._card.id in self._named(channel.name)
        if not channel.device:
            # A meter that does not say which device it reads is taken at its word by the cards that name it.
            return True if named else None
        return None if named else False


def apart(found: EnergyLedger, shared: Sequence[str], services: int) -> EnergyLedger:
    """The ledger without totals over channels that several services drew on at once."""
    if not shared:
        return found
    reason = Text(
        en=f"{services} services ran at the same time on what this reads: the energy of one cannot be told apart",
        ko=f"서비스 {services}개가 동시에 사용한 값이므로 하나의 에너지를 나눌 수 없습니다",
    )
    scopes = dict(found.scopes)
    for name in shared:
        if (channel := found.channels.get(name)) is None or channel.ours is False:
            continue
        known = scopes.get(channel.scope, ScopeEnergy(channels=(), energy_j=None))
        names = known.channels if name in known.channels else (*known.channels, name)
        scopes[channel.scope] = ScopeEnergy(channels=names, energy_j=None, reason=reason)
    return msgspec.structs.replace(found, scopes=scopes)
