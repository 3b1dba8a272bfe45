"""Whose a power channel is: the devices that a launch used, never a guess."""

from __future__ import annotations

import msgspec
import pytest

from npubench.cards import BackendCard, DeviceSpec
from npubench.conditions import Conditions, DeviceCondition, DeviceState
from npubench.energy import ChannelEnergy, EnergyLedger, ScopeEnergy
from npubench.engine.belonging import Belonging, apart
from npubench.spi import HOST, Channel, Device, MeterScope
from tests.support import MACHINE, null_card

FIRST, SECOND, NPU = "0000:01:00.0", "0000:02:00.0", "0000:03:00.0"
DEVICES = tuple(
    Device(id=name, name=name, type=kind, vendor=vendor)
    for name, kind, vendor in ((FIRST, "gpu", "NVIDIA"), (SECOND, "gpu", "NVIDIA"), (NPU, "npu", "FuriosaAI"))
)
HERE = msgspec.structs.replace(MACHINE, accelerators=DEVICES)


def channel(device: str, scope: MeterScope = "card") -> Channel:
    return Channel(name=f"m.{device or 'none'}", unit="W", scope=scope, kind="instant", source="t", device=device)


def card(kind: str, vendor: str | None = None) -> BackendCard:
    device = DeviceSpec(type=kind, vendor=vendor)  # type: ignore[arg-type]
    return msgspec.structs.replace(null_card(kind), device=device)


def used(**by: bool | None) -> Conditions:
    found = {"first": FIRST, "second": SECOND, "npu": NPU}
    states = [(DeviceState(id=found[name]), value) for name, value in by.items()]
    return Conditions(devices=tuple(DeviceCondition(before=state, after=state, used=value) for state, value in states))


GPU, FURIOSA, CPU = card("gpu", "NVIDIA"), card("npu", "FuriosaAI"), card("cpu")


def ours(found: Belonging, device: str, scope: MeterScope = "card") -> bool | None:
    return found.ours(channel(device, scope))


@pytest.mark.parametrize("scope", ["node", "wall"])
def test_the_whole_machine_is_everybodys(scope: MeterScope) -> None:
    assert ours(Belonging(CPU, HERE, Conditions()), "", scope) is True
    assert ours(Belonging(GPU, HERE, used(first=True), [CPU]), "", scope) is None, "two services at once"


def test_processors_are_the_device_of_cpu_backends_only() -> None:
    assert ours(Belonging(CPU, HERE, Conditions()), HOST, "package") is True
    assert ours(Belonging(GPU, HERE, used(first=True)), HOST, "package") is False
    assert ours(Belonging(CPU, HERE, Conditions(), [GPU]), HOST, "package") is None, "the other one needs it, too"


def test_an_accelerator_is_ours_where_the_launch_used_it() -> None:
    found = Belonging(GPU, HERE, used(first=True, second=False))
    assert [ours(found, name) for name in (FIRST, SECOND, NPU)] == [True, False, False]
    found = Belonging(GPU, HERE, used(first=None, second=None))
    assert [ours(found, name) for name in (FIRST, SECOND)] == [None, None]
    assert ours(Belonging(CPU, HERE, Conditions()), FIRST) is False


def test_services_on_different_devices_keep_their_totals() -> None:
    found = Belonging(GPU, HERE, used(first=True, second=False), [FURIOSA])
    assert ours(found, FIRST) is True
    assert ours(Belonging(GPU, HERE, used(first=True), [GPU]), FIRST) is None
    assert not found.shared(channel(FIRST))
    assert found.shared(channel(HOST, "package"))


def test_a_server_may_run_anywhere() -> None:
    found = Belonging(card("endpoint"), HERE, Conditions())
    assert [ours(found, name) for name in (FIRST, HOST)] == [None, None]
    assert ours(found, "", "node") is True


def test_a_meter_that_names_no_device_is_taken_at_its_cards_word() -> None:
    assert ours(Belonging(GPU, HERE, used(first=True), named=lambda name: ("gpu",)), "") is True
    assert ours(Belonging(GPU, HERE, used(first=True)), "") is None
    assert ours(Belonging(GPU, HERE, used(first=True), named=lambda name: ("gpu",)), "0000:99:00.0") is None
    assert ours(Belonging(GPU, HERE, used(first=True)), "0000:99:00.0") is False


def test_totals_over_what_is_shared_are_unknown_with_the_reason() -> None:
    def energy(device: str, scope: MeterScope, mine: bool | None) -> ChannelEnergy:
        return ChannelEnergy(energy_j=5.0, scope=scope, kind="instant", device=device, ours=mine)

    found = EnergyLedger(
        channels={
            "card": energy(FIRST, "card", True),
            "package": energy(HOST, "package", None),
            "other": energy(SECOND, "device", False),
        },
        scopes={
            "card": ScopeEnergy(channels=("card",), energy_j=5.0),
            "package": ScopeEnergy(channels=(), energy_j=None),
        },
    )
    assert apart(found, [], 1) == found
    split = apart(found, ["package", "other", "unknown"], 2)
    assert split.scopes["card"].energy_j == 5.0
    assert split.scopes["package"].energy_j is None
    assert "2 services ran at the same time" in str(split.scopes["package"].reason)
    assert "device" not in split.scopes, "what is not ours has no total"
