"""The conditions around a launch, on made trees with a vendor's tool that is a function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from npubench.conditions import Conditions, DeviceState, Slowed
from npubench.energy import PlannedMeter
from npubench.engine import devices, watching
from npubench.engine.launcher import StopRequested
from npubench.engine.nvidia import parse
from npubench.engine.protocol import Phase
from npubench.engine.watching import slowed
from npubench.rules import load
from npubench.schema import Machine
from npubench.spi import Availability, Channel
from npubench.stats.conditions import judge_conditions
from tests.engine.made_tools import gpu_xml, process_info, smi_xml
from tests.engine.test_devices import BUS, GPU, OTHER, tree
from tests.engine.test_preflight import card

CUDA = card("cuda", "gpu", "NVIDIA")
RULES = load().disturbance


class Tool:
    """Stands in for nvidia-smi: answers what it is set to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gpus: tuple[str, ...] = (gpu_xml(counters={}),)
        self.asked = 0
        monkeypatch.setattr(devices, "_tools", self)
        monkeypatch.setattr(devices, "_asks_tools", lambda root: True)

    def __call__(self, wanted: object, own: set[int]) -> dict[str, tuple[tuple[DeviceState, ...], str]]:
        self.asked += 1
        return {"NVIDIA": (parse(smi_xml(*self.gpus), own), "nvidia-smi")}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(monkeypatch)


@contextmanager
def launch(root: Path, *found: object, meters: tuple[PlannedMeter, ...] = ()) -> Iterator[watching.Watching]:
    machine = Machine(name="m", cpu="c", accelerators=(GPU, *found))  # type: ignore[arg-type]
    with watching.watching(CUDA, machine, tree(root, GPU, *found), meters=meters) as watch:  # type: ignore[arg-type]
        for name in ("open", "warm-up", "check", "measure", "check"):
            watch.event(Phase(name=name))
        yield watch


def reasons(found: Conditions) -> str:
    return " | ".join(reason.en for reason in judge_conditions(found, RULES)[1])


def test_a_backend_without_an_accelerator_starts_no_tool(tmp_path: Path, tool: Tool) -> None:
    machine = Machine(name="m", cpu="c", accelerators=(GPU,))
    with watching.watching(card("cpu", "cpu"), machine, tree(tmp_path, GPU)) as watch:
        for name in ("check", "measure", "check"):
            watch.event(Phase(name=name))
    assert tool.asked == 0
    assert watch.found.devices == ()
    assert watch.found.cost_ns > 0
    assert watch.found.start_ns is not None


def test_a_launch_that_never_reached_its_window_has_no_figures(tmp_path: Path, tool: Tool) -> None:
    machine = Machine(name="m", cpu="c", accelerators=(GPU,))
    with watching.watching(CUDA, machine, tree(tmp_path, GPU)) as watch:
        watch.event(Phase(name="open"))
    assert watch.found.start_ns is None
    assert [item.after is not None for item in watch.found.devices] == [True]


def test_time_slowed_by_heat_is_the_drivers_counter(tmp_path: Path, tool: Tool) -> None:
    tool.gpus = (gpu_xml(counters={"hw_therm_slowdown": 100, "sw_power_cap": 5}),)
    with launch(tmp_path) as watch:
        tool.gpus = (gpu_xml(counters={"hw_therm_slowdown": 60_000_100, "sw_power_cap": 9}),)
    (item,) = watch.found.devices
    assert {found.cause: (found.slowed_ns, found.source) for found in item.slowed} == {
        "power-cap": (4000, "counter"),
        "thermal": (60_000_000_000, "counter"),
    }
    verdict, _ = judge_conditions(watch.found, RULES)
    assert verdict == "degraded"
    assert "NVIDIA H100 PCIe (0000:01:00.0) was slowed by heat for 60.0 s" in reasons(watch.found)
    assert "power limit" not in reasons(watch.found)


def test_another_process_on_the_device_degrades(tmp_path: Path, tool: Tool) -> None:
    tool.gpus = (gpu_xml(counters={}, processes=process_info(4242, "/usr/bin/train --secret")),)
    with launch(tmp_path) as watch:
        pass
    assert judge_conditions(watch.found, RULES)[0] == "degraded"
    assert "train (pid 4242)" in reasons(watch.found)
    assert "secret" not in reasons(watch.found)


def test_a_device_that_vanishes_is_invalid(tmp_path: Path, tool: Tool) -> None:
    with launch(tmp_path) as watch:
        tool.gpus = ()
    assert judge_conditions(watch.found, RULES)[0] == "invalid"
    assert "is gone" in reasons(watch.found)


def test_a_device_that_was_gone_before_is_invalid_too(tmp_path: Path) -> None:
    machine = Machine(name="m", cpu="c", accelerators=(GPU,))
    (tmp_path / BUS).mkdir(parents=True)
    with watching.watching(CUDA, machine, tmp_path) as watch:
        pass
    assert judge_conditions(watch.found, RULES)[0] == "invalid"
    assert "0000:01:00.0" in reasons(watch.found)


def test_a_neighbour_on_a_card_that_was_not_used_is_no_reason(
    tmp_path: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = process_info(500, "python"), process_info(4242, "train")
    second = "00000000:02:00.0"
    tool.gpus = (gpu_xml(counters={}), gpu_xml(second, counters={}, processes=theirs))
    # Nothing says which card was used: the facts stay, and no verdict is made of them.
    with launch(tmp_path, OTHER) as watch:
        pass
    assert [item.used for item in watch.found.devices] == [None, None]
    assert judge_conditions(watch.found, RULES) == ("valid", ())
    # Our process is seen on the first one.
    monkeypatch.setattr(watching, "ours", lambda root: {500})
    idle, busy = gpu_xml(counters={}), gpu_xml(counters={}, processes=ours)
    neighbour = gpu_xml(second, counters={}, processes=theirs)
    machine = Machine(name="m", cpu="c", accelerators=(GPU, OTHER))
    tool.gpus = (idle, neighbour)
    with watching.watching(CUDA, machine, tmp_path) as watch:
        for name in ("check", "measure"):
            watch.event(Phase(name=name))
        tool.gpus = (busy, neighbour)
        watch.event(Phase(name="check"))
        tool.gpus = (idle, neighbour)
    assert [item.used for item in watch.found.devices] == [True, False]
    assert judge_conditions(watch.found, RULES)[0] == "valid"


def test_cards_that_the_tool_does_not_know_are_not_ours(tmp_path: Path, tool: Tool) -> None:
    with launch(tmp_path, OTHER) as watch:
        pass
    assert [item.before.id for item in watch.found.devices] == [GPU.id]
    assert watch.found.devices[0].used is True


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The devices of each nvidia-smi that was started and stopped."""
    stopped: list[list[str]] = []

    class Stub:
        def __init__(self, addresses: list[str]) -> None:
            self.addresses = addresses

        def stop(self) -> tuple[()]:
            stopped.append(self.addresses)
            return ()

    monkeypatch.setattr(watching.nvidia, "Watch", Stub)
    return stopped


def test_a_stopped_launch_leaves_no_watch(tmp_path: Path, tool: Tool, watched: list[list[str]]) -> None:
    tool.gpus = (gpu_xml(),)  # a driver without counters
    with pytest.raises(StopRequested), launch(tmp_path):
        raise StopRequested
    assert watched == [[GPU.id]]


@pytest.mark.parametrize(
    ("here", "quantity", "device", "starts"),
    [
        (True, "throttle", GPU.id, []),
        # The card beside it, a meter that does not answer, and one that reads something else say nothing of this one.
        (True, "throttle", OTHER.id, [[GPU.id]]),
        (False, "throttle", GPU.id, [[GPU.id]]),
        (True, "clock", GPU.id, [[GPU.id]]),
    ],
)
def test_no_tool_watches_what_a_meter_reads(
    tmp_path: Path,
    tool: Tool,
    watched: list[list[str]],
    here: bool,
    quantity: Any,
    device: str,
    starts: list[list[str]],
) -> None:
    channel = Channel(
        name="nvml.why", unit="", scope="card", kind="state", source="made", quantity=quantity, device=device
    )
    meter = PlannedMeter(
        name="nvml", code="made:Meter", availability=Availability(available=here, reason=""), channels=(channel,)
    )
    tool.gpus = (gpu_xml(),)
    with launch(tmp_path, meters=(meter,)) as watch:
        pass
    assert watched == starts
    assert [item.used for item in watch.found.devices] == [True]


def test_looks_within_the_window_are_a_share_of_it_and_states_have_no_length() -> None:
    before = DeviceState(id="a", slowed=())
    hot = DeviceState(id="a", slowed=("thermal",))
    assert slowed(before, before, (), 10, (4, {"thermal": 1}), 2000) == (
        Slowed(cause="thermal", slowed_ns=500, observed_ns=2000, source="samples"),
    )
    assert slowed(before, before, (hot,), 10, None, 2000) == (
        Slowed(cause="thermal", slowed_ns=None, observed_ns=None, source="state"),
    )
    assert slowed(before, None, (), 10, (0, {}), 2000) == ()
