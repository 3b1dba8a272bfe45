"""The Furiosa meter over modules in place of both bindings, with their names. The real ones: test_furiosa_wheels."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.meters.furiosa import FuriosaMeter
from npubench.spi import THROTTLE_BITS, Channel

OLD_BITS = {
    "IDLE": 1, "THERMAL_SLOWDOWN": 2, "APP_POWER_CAP": 4, "APP_CLOCK_CAP": 8,
    "HW_CLOCK_CAP": 16, "HW_BUS_LIMIT": 32, "HW_POWER_CAP": 64, "OTHER_REASON": 128,
}  # fmt: skip


def says(value: Any) -> Any:
    """A method that returns `value`, or raises it."""

    def method(*_: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return method


class Reason:
    """A member of the newer binding's ThrottleReason, with its words: `HW Clock Cap`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return re.sub(r"(?<!^)([A-Z])", r" \1", self._name).replace("Hw", "HW")


def newer(*devices: Any) -> ModuleType:
    module = ModuleType("furiosa_smi")
    vars(module)["list_devices"] = says(list(devices))
    return module


def older(*devices: Any) -> ModuleType:
    module = ModuleType("furiosa_smi_py")
    constants = {f"THROTTLE_REASON_{name}": bit for name, bit in OLD_BITS.items()}
    vars(module).update(list_devices=says(list(devices)), init=says(None), **constants)
    return module


def new_device(address: str = "0000:41:00.0", **more: Any) -> Any:
    domain, bus, rest = address.split(":")
    device, function = rest.split(".")
    numbers = {"domain": domain, "bus": bus, "device": device, "function": function}
    bdf = SimpleNamespace(**{name: says(int(text, 16)) for name, text in numbers.items()})
    said = {
        "arch": "Arch.Rngd",
        "bdf": bdf,
        "power_consumption": 42.5,
        "power_limit": 180000,
        "device_temperature": SimpleNamespace(soc_peak=says(47.25), ambient=says(31.5)),
        "core_frequency": {0: 2000, 1: 1900},
        "throttle_reason": [],
        **more,
    }
    return SimpleNamespace(**{name: says(value) for name, value in said.items()})


def old_device(address: str = "0000:41:00.0", **more: Any) -> Any:
    info = SimpleNamespace(bdf=says(address), arch=says("Arch.Warboy"))
    core = [SimpleNamespace(frequency=says(frequency)) for frequency in (2000, 1900)]
    said = {
        "device_info": info,
        "power_consumption": 42.5,
        "device_temperature": SimpleNamespace(soc_peak=says(47.25), ambient=says(31.5)),
        "core_frequency": SimpleNamespace(pe_frequency=says(core)),
        "throttle_reason": 0,
        **more,
    }
    return SimpleNamespace(**{name: says(value) for name, value in said.items()})


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "furiosa_smi", None)
    monkeypatch.setitem(sys.modules, "furiosa_smi_py", None)


def install(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module.__name__, module)


def ready(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[FuriosaMeter, dict[str, Channel]]:
    install(module, monkeypatch)
    meter = FuriosaMeter()
    said = meter.probe()
    assert said.available, said.reason
    return meter, {channel.name: channel for channel in meter.channels()}


def values(meter: FuriosaMeter) -> dict[str, float | None]:
    return {reading.channel.rpartition(".")[2]: reading.value for reading in meter.read()}


def test_the_newer_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    meter, channels = ready(newer(new_device()), monkeypatch)
    power = channels["furiosa-smi.0000:41:00.0.power"]
    assert (power.unit, power.scope, power.device) == ("W", "card", "0000:41:00.0")
    assert power.source == "furiosa-smi, Rngd: power_consumption, the whole card"
    assert values(meter) == {
        "power": 42.5, "limit": 180.0, "temperature": 47.25, "ambient": 31.5, "clock": 1900.0, "throttle": 0.0,
    }  # fmt: skip
    meter.close()
    assert list(meter.channels()) == []


def test_the_older_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    meter, channels = ready(older(old_device()), monkeypatch)
    assert channels["furiosa-smi.0000:41:00.0.power"].source.startswith("furiosa-smi-py, Warboy")
    assert values(meter) == {"power": 42.5, "temperature": 47.25, "ambient": 31.5, "clock": 1900.0, "throttle": 0.0}


def test_the_newer_binding_goes_first_where_both_are(monkeypatch: pytest.MonkeyPatch) -> None:
    install(older(old_device()), monkeypatch)
    _, channels = ready(newer(new_device()), monkeypatch)
    assert "furiosa-smi," in channels["furiosa-smi.0000:41:00.0.power"].source


def test_a_warboy_beside_an_rngd_is_read_through_the_older_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    install(older(old_device(), old_device("0000:42:00.0")), monkeypatch)
    _, channels = ready(newer(new_device()), monkeypatch)
    assert "furiosa-smi," in channels["furiosa-smi.0000:41:00.0.power"].source
    assert "furiosa-smi-py," in channels["furiosa-smi.0000:42:00.0.power"].source


def test_the_older_binding_is_asked_where_the_newer_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(newer(), monkeypatch)
    _, channels = ready(older(old_device()), monkeypatch)
    assert next(iter(channels)) == "furiosa-smi.0000:41:00.0.power"


CAUSES = {
    "Idle": 0,
    "ThermalSlowdown": THROTTLE_BITS["thermal"],
    "AppPowerCap": THROTTLE_BITS["power-cap"],
    "HwPowerCap": THROTTLE_BITS["power-cap"],
    "HwClockCap": THROTTLE_BITS["hardware"],
    "HwBusLimit": THROTTLE_BITS["hardware"],
    "OtherReason": THROTTLE_BITS["hardware"],
    "Unknown": THROTTLE_BITS["hardware"],
    "AppClockCap": 0,
    "GovClockCap": 0,
}


def expected(names: set[str]) -> float:
    bits = 0
    for name in names:
        bits |= CAUSES[name]
    return float(bits)


@given(st.sets(st.sampled_from(sorted(CAUSES))))
def test_reasons_become_the_causes_of_the_contract(names: set[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        device = new_device(throttle_reason=[Reason(name) for name in names])
        meter, _ = ready(newer(device), patch)
        assert values(meter)["throttle"] == expected(names)


@given(st.sets(st.sampled_from(sorted(set(CAUSES) - {"Unknown", "GovClockCap"}))))
def test_bits_of_the_older_binding_become_the_same_causes(names: set[str]) -> None:
    constants = {"".join(word.capitalize() for word in name.split("_")): bit for name, bit in OLD_BITS.items()}
    with pytest.MonkeyPatch.context() as patch:
        meter, _ = ready(older(old_device(throttle_reason=sum(constants[name] for name in names))), patch)
        assert values(meter)["throttle"] == expected(names)


def test_a_call_that_fails_when_probed_is_no_channel_but_power_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = new_device("0000:42:00.0", power_consumption=RuntimeError("IO error"), core_frequency=ValueError("parse"))
    meter, channels = ready(newer(new_device(), broken), monkeypatch)
    assert "furiosa-smi.0000:42:00.0.clock" not in channels
    readings = {reading.channel: reading for reading in meter.read()}
    assert readings["furiosa-smi.0000:42:00.0.power"].value is None
    assert readings["furiosa-smi.0000:42:00.0.power"].status == "RuntimeError: IO error"


def test_a_card_that_gives_no_power_is_no_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    install(newer(new_device(power_consumption=RuntimeError("Device lost error"))), monkeypatch)
    said = FuriosaMeter().probe()
    assert (said.available, said.reason) == (
        False,
        "furiosa-smi.0000:41:00.0.power: RuntimeError: Device lost error",
    )


def test_no_binding_no_device_and_a_binding_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    said = FuriosaMeter().probe()
    assert said.reason == "furiosa_smi is not installed; furiosa_smi_py is not installed"
    assert "pip install furiosa-smi" in said.fix
    install(newer(), monkeypatch)
    assert "finds no device" in FuriosaMeter().probe().reason
    broken = older()
    vars(broken)["init"] = says(RuntimeError("libfuriosa"))
    monkeypatch.setitem(sys.modules, "furiosa_smi", None)
    install(broken, monkeypatch)
    assert "furiosa_smi_py: RuntimeError: libfuriosa" in FuriosaMeter().probe().reason


def test_a_module_that_something_else_misses_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "furiosa_smi.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.delitem(sys.modules, "furiosa_smi")
    monkeypatch.syspath_prepend(tmp_path)
    assert "a_library_that_is_not_there" in FuriosaMeter().probe().reason
