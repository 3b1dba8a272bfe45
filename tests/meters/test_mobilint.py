"""The Mobilint meter over a module in mbltml's place, with its names and errors. No device was at hand."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from npubench.meters import mobilint
from npubench.meters.mobilint import MobilintMeter
from npubench.spi import Channel
from tests.meters.trees import link, pci

ARIES, REGULUS = 1, 2


class MBLTMLError(Exception):
    """As mbltml has it: the text is looked up by code, so an unknown code cannot be printed."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __str__(self) -> str:
        return {1: "Uninitilized mbltml.", 2: "Driver is not found"}[self.code]


class MBLTMLUninitializedError(MBLTMLError):
    """What mbltmlInit raises where there is no device."""


class Library(ModuleType):
    """mbltml with the devices in `kinds`. Setting a rail is a failure of the test."""

    MBLTML_DEVICE_ARIES = ARIES

    def __init__(self, *kinds: int) -> None:
        super().__init__("mbltml")
        self.kinds = kinds
        self.power: dict[int, Any] = {}
        self.open = False

    def mbltmlInit(self) -> None:
        if not self.kinds:
            raise MBLTMLUninitializedError(1)
        self.open = True

    def mbltmlShutdown(self) -> None:
        self.open = False

    def mbltmlGetDeviceCount(self) -> int:
        return len(self.kinds)

    def mbltmlGetDeviceType(self, number: int) -> int:
        return self.kinds[number]

    def mbltmlGetNodeName(self, number: int) -> str:
        return f"/dev/aries{number}"

    def mbltmlGetTotalPower(self, number: int) -> float:
        said = self.power.get(number, 11.5 + number)
        if isinstance(said, Exception):
            raise said
        return said  # type: ignore[no-any-return]

    def mbltmlGetTemperature(self, number: int) -> int:
        return 40 + number

    def mbltmlSetExtraPmicID(self, number: int, rail: int) -> None:
        raise AssertionError("a rail was selected")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    return installed(Library(ARIES), monkeypatch)


def installed(library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setitem(sys.modules, "mbltml", library)
    return library


def channels(meter: MobilintMeter) -> dict[str, Channel]:
    said = meter.probe()
    assert said.available, said.reason
    return {channel.name: channel for channel in meter.channels()}


def card(root: Path, address: str) -> Path:
    return pci(root, address, 0x209F, 0x0000, 0x078000, "aries")


def test_one_device_has_the_one_address(library: Library, tmp_path: Path) -> None:
    card(tmp_path, "0000:41:00.0")
    meter = MobilintMeter(tmp_path)
    found = channels(meter)
    power = found["mbltml.0000:41:00.0.power"]
    assert (power.unit, power.scope, power.kind, power.device) == ("W", "device", "instant", "0000:41:00.0")
    assert {reading.channel: reading.value for reading in meter.read()} == {
        "mbltml.0000:41:00.0.power": 11.5,
        "mbltml.0000:41:00.0.temperature": 40.0,
    }
    assert library.open
    meter.close()
    assert not library.open


def test_several_devices_are_named_by_their_nodes_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(Library(ARIES, ARIES), monkeypatch)
    card(tmp_path, "0000:41:00.0")
    card(tmp_path, "0000:42:00.0")
    found = channels(MobilintMeter(tmp_path))
    assert {channel.device for channel in found.values()} == {"aries0", "aries1"}
    assert "nothing says which is which" in found["mbltml.aries1.power"].source


def test_sysfs_says_which_address_a_node_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(Library(ARIES, ARIES), monkeypatch)
    folders = [card(tmp_path, address) for address in ("0000:42:00.0", "0000:41:00.0")]
    numbers = {}
    for number, folder in enumerate(folders):
        link(tmp_path / f"sys/dev/char/240:{number}/device", folder)
        numbers[str(tmp_path / f"dev/aries{number}")] = os.makedev(240, number)
    real = os.stat

    def seen(path: Any, *more: Any, **kinds: Any) -> Any:
        if str(path) not in numbers:
            return real(path, *more, **kinds)
        return type("Node", (), {"st_rdev": numbers[str(path)], "st_mode": stat.S_IFCHR})

    monkeypatch.setattr(mobilint.os, "stat", seen)
    meter = MobilintMeter(tmp_path)
    channels(meter)
    values = {reading.channel: reading.value for reading in meter.read()}
    assert values["mbltml.0000:42:00.0.power"] == 11.5
    assert values["mbltml.0000:41:00.0.power"] == 12.5


def test_a_device_of_another_kind_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(Library(REGULUS, ARIES), monkeypatch)
    card(tmp_path, "0000:41:00.0")
    meter = MobilintMeter(tmp_path)
    assert list(channels(meter)) == ["mbltml.0000:41:00.0.power", "mbltml.0000:41:00.0.temperature"]
    assert meter.read()[0].value == 12.5
    only = installed(Library(REGULUS), monkeypatch)
    said = MobilintMeter(tmp_path).probe()
    assert "1 of the other kinds" in said.reason
    assert not only.open


def test_no_device_is_the_librarys_own_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(Library(), monkeypatch)
    said = MobilintMeter(tmp_path).probe()
    assert not said.available
    assert said.reason.startswith("mbltmlInit: MBLTMLUninitializedError: Uninitilized mbltml.")
    assert "driver" in said.fix


def test_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mbltml", None)
    said = MobilintMeter(tmp_path).probe()
    assert (said.available, said.reason) == (False, "mbltml is not installed")


@pytest.mark.parametrize(
    ("power", "status"),
    [
        (MBLTMLError(2), "MBLTMLError: Driver is not found"),
        (MBLTMLError(77), "MBLTMLError"),
        (float("nan"), "the source gave no finite number"),
        (-1.0, "the source gave a negative power"),
        ("N/A", "the source gave no number"),
        (None, "the source gave no number"),
        (True, "the source gave no number"),
    ],
)
def test_a_power_that_fails_is_a_status(library: Library, tmp_path: Path, power: Any, status: str) -> None:
    meter = MobilintMeter(tmp_path)
    found = channels(meter)
    library.power[0] = power
    readings = {reading.channel: reading for reading in meter.read()}
    assert list(readings) == list(found)
    assert (readings["mbltml.aries0.power"].value, readings["mbltml.aries0.power"].status) == (None, status)
    assert readings["mbltml.aries0.temperature"].value == 40.0


def test_devices_none_of_which_gives_power_are_no_meter(library: Library, tmp_path: Path) -> None:
    library.power[0] = MBLTMLError(2)
    said = MobilintMeter(tmp_path).probe()
    assert (said.available, said.reason) == (False, "mbltml.aries0.power: MBLTMLError: Driver is not found")
    assert not library.open
