"""The NVML meter against an NVML that the test builds in C: channels, values, errors, and joules by both ways.

Not verified on hardware: how a real driver behaves is told by its documentation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from npubench.meters.nvml import NvmlMeter
from npubench.spi import THROTTLE_BITS, Meter

from .looking import Looker, built

GPU = "nvml.0000:01:00.0"
METER = "npubench.meters.nvml:NvmlMeter"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def looker(library: Path) -> Iterator[Looker]:
    found = Looker(METER, "FAKE_NVML", library)
    yield found
    found.close()


def test_without_a_driver_it_says_so() -> None:
    looker = Looker(METER, "FAKE_NVML")
    found = looker.look("")
    looker.close()
    if found.availability.available:
        pytest.skip("this machine has an NVIDIA driver")
    assert "libnvidia-ml.so.1" in found.availability.reason or "NVIDIA" in found.availability.reason
    assert found.availability.fix
    assert (found.channels, found.looks) == ((), ((),))


def test_without_the_binding_it_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meter: Meter = NvmlMeter()
    answer = meter.probe()
    assert not answer.available
    assert "nvidia-ml-py cannot be imported" in answer.reason
    assert answer.fix == "pip install nvidia-ml-py"


@pytest.mark.parametrize(
    ("script", "word", "fix"),
    [
        ("init=9", "kernel driver is not loaded", "modprobe nvidia"),
        ("init=18", "different versions", "reboot"),
        ("init=4", "as this user", "/dev/nvidia"),
        ("init=999", "Unknown Error (error 999)", "nvidia-smi"),
        ("gpus=0", "shows no GPU", "--gpus all"),
        ("handle=15", "GPU 0: GPU is lost", "nvidia-smi"),
        ("fields=0 usage=3 energy=3", "neither power nor energy of any GPU: 0000:01:00.0: Not Supported", "sensor"),
        ("f83=3 f185=3 f186=4 usage=4 energy=3", "Not Supported, Insufficient Permissions", "sensor"),
    ],
)
def test_why_it_is_not_there_and_what_to_do(looker: Looker, script: str, word: str, fix: str) -> None:
    found = looker.look(script)
    assert not found.availability.available
    assert word in found.availability.reason
    assert fix in found.availability.fix
    assert (found.channels, found.looks) == ((), ((),))


def test_channels_of_a_recent_card(looker: Looker) -> None:
    found = looker.look("")
    assert found.availability.available
    assert found.availability.versions["nvidia-driver"] == "555.42.06"
    shown = {
        name.removeprefix(f"{GPU}."): (channel.quantity, channel.unit, channel.kind, channel.scope)
        for name, channel in found.named().items()
    }
    assert shown == {
        "energy": ("energy", "mJ", "counter", "card"),
        "power": ("power", "mW", "instant", "card"),
        "power-average": ("power", "mW", "average", "card"),
        "limit": ("limit", "W", "state", "card"),
        "temperature": ("temperature", "C", "state", "chip"),
        "sm-clock": ("clock", "MHz", "state", "chip"),
        "memory-clock": ("clock", "MHz", "state", "chip"),
        "throttle": ("throttle", "", "state", "chip"),
    }
    channels = found.named()
    assert {channel.device for channel in found.channels} == {"0000:01:00.0"}
    assert channels[f"{GPU}.power"].source == "NVML field 186; seen to sample 25 % of the time, NVIDIA Test GPU"
    assert channels[f"{GPU}.power"].most_w == 700
    assert channels[f"{GPU}.power-average"].lag_bound_ns == 1_000_000_000
    # NVIDIA states an accuracy for Fermi and Kepler only, and no lag for what is "now".
    assert {channel.accuracy for channel in found.channels} == {None}
    assert channels[f"{GPU}.power"].lag_bound_ns is None
    assert found.values()[f"{GPU}.power"] == 100_000
    assert found.values()[f"{GPU}.limit"] == 300
    assert found.values()[f"{GPU}.sm-clock"] == 1980
    assert set(found.statuses().values()) == {"ok"}
    assert [reading.channel for reading in found.looks[0]] == [channel.name for channel in found.channels]


def test_a_superchip_has_its_module_and_its_memory(looker: Looker) -> None:
    found = looker.look("module=600 memory=45")
    assert found.named()[f"{GPU}.module-power"].scope == "package"
    assert found.named()[f"{GPU}.module-power"].most_w is None
    assert found.named()[f"{GPU}.memory-power"].scope == "rail"
    assert found.values()[f"{GPU}.module-power"] == 600_000
    assert f"{GPU}.module-power" not in looker.look("module=0").named()


@pytest.mark.parametrize(
    ("script", "kind", "lag_ns"),
    [
        ("arch=7 major=8 minor=6", "average", 1_000_000_000),
        ("arch=9 major=9", "average", 1_000_000_000),
        ("arch=7 major=8 minor=0", "instant", None),
        ("arch=5 major=7 minor=0", "instant", None),
        ("arch=4294967295", "instant", None),
    ],
)
def test_power_usage_means_what_the_architecture_makes_of_it(
    looker: Looker, script: str, kind: str, lag_ns: int | None
) -> None:
    power = looker.look(f"fields=0 {script}").named()[f"{GPU}.power"]
    assert "nvmlDeviceGetPowerUsage" in power.source
    assert (power.kind, power.lag_bound_ns) == (kind, lag_ns)


def test_an_old_card_and_an_old_driver(looker: Looker) -> None:
    found = looker.look("fields=0 energy=3 arch=2 major=3 old=1 bits=64")
    assert f"{GPU}.energy" not in found.named()
    assert found.named()[f"{GPU}.power"].accuracy == 0.05
    assert found.values()[f"{GPU}.throttle"] == THROTTLE_BITS["thermal"]
    assert found.values()[f"{GPU}.temperature"] == 40


def test_the_counter_by_its_function_where_the_field_fails(looker: Looker) -> None:
    energy = looker.look("f83=3").named()[f"{GPU}.energy"]
    assert "nvmlDeviceGetTotalEnergyConsumption" in energy.source


@pytest.mark.parametrize(
    ("script", "word"), [("mig=1", "MIG is on: the whole card"), ("vgpu=2", "a virtual GPU: the whole card")]
)
def test_a_shared_card_says_so(looker: Looker, script: str, word: str) -> None:
    found = looker.look(script)
    assert word in found.named()[f"{GPU}.power"].source
    assert found.named()[f"{GPU}.power"].scope == "card"


@pytest.mark.parametrize(
    ("bits", "causes"),
    [
        (0x0, ()),
        (0x1 | 0x2 | 0x100, ()),  # idle, clocks set by an application or for a display
        (0x4, ("power-cap",)),
        (0x8, ("hardware",)),
        (0x8 | 0x40, ("thermal",)),
        (0x8 | 0x80, ("power-brake",)),
        (0x10 | 0x20 | 0x4, ("power-cap", "sync-boost", "thermal")),
    ],
)
def test_throttle_reasons(looker: Looker, bits: int, causes: tuple[str, ...]) -> None:
    value = looker.look(f"bits={bits}").values()[f"{GPU}.throttle"]
    assert value == sum(THROTTLE_BITS[cause] for cause in causes)


@pytest.mark.parametrize(
    ("script", "value", "status"),
    [
        ("type=5 raw=-5", None, "NVML gave -5"),
        ("type=0 raw=nan", None, "NVML gave nan"),
        ("type=1 raw=4294967295", None, "NVML gave no value"),
        ("type=99 raw=1", None, "NVML gave no value"),
        ("type=0 raw=123456.5", 123456.5, "ok"),
        ("type=3 raw=90000", 90000.0, "ok"),
        ("type=6 raw=1000", 1000.0, "ok"),
        # Too much for this card; the ledger knows by `most_w`, the reading stays as it is.
        ("type=1 raw=2000000000", 2e9, "ok"),
    ],
)
def test_values_that_are_not_what_they_should_be(looker: Looker, script: str, value: float | None, status: str) -> None:
    found = looker.look(f"rawcall=3 {script}", times=2)
    assert found.statuses(0)[f"{GPU}.power"] == "ok"
    assert found.values()[f"{GPU}.power"] == value
    assert found.statuses()[f"{GPU}.power"] == status
    assert found.statuses()[f"{GPU}.energy"] == "ok"


def test_two_cards_one_of_which_cannot_be_opened(looker: Looker) -> None:
    found = looker.look("gpus=2 handle=4")
    assert found.availability.available
    assert found.availability.reason == "GPU 0: Insufficient Permissions"
    assert {channel.device for channel in found.channels} == {"0000:02:00.0"}


def test_each_card_has_its_channels_and_what_one_does_not_answer_is_not_offered(looker: Looker) -> None:
    found = looker.look("gpus=3 limit=4")
    assert [channel.device for channel in found.channels if channel.quantity == "energy"] == [
        "0000:01:00.0",
        "0000:02:00.0",
        "0000:03:00.0",
    ]
    assert not [channel for channel in found.channels if channel.quantity == "limit"]
    assert len({channel.name for channel in found.channels}) == len(found.channels)


@pytest.mark.parametrize(("error", "word"), [(15, "GPU is lost (error 15)"), (999, "Unknown Error (error 999)")])
def test_a_card_that_goes_becomes_a_status(looker: Looker, error: int, word: str) -> None:
    found = looker.look(f"lost=3 error={error}", times=2)
    assert set(found.statuses(0).values()) == {"ok"}
    assert set(found.statuses().values()) == {f"NVML: {word}"}
    assert set(found.values().values()) == {None}
    assert len(found.looks[-1]) == len(found.channels)


def test_a_lost_card_is_asked_once_a_round(looker: Looker) -> None:
    lost = looker.look("lost=3", times=2).looks[-1]
    fields = {f"{GPU}.{what}" for what in ("energy", "power", "power-average")}
    rest = [reading for reading in lost if reading.channel not in fields]
    # No time passed over the rest: after the first error nothing was called.
    assert len(rest) == 5
    assert {reading.after_ns - reading.before_ns for reading in rest} == {0}
