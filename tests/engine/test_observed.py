"""What is seen of a server that a run started: its processes on made devices, and processor time of a real one."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from npubench.cards import BackendCard
from npubench.conditions import DeviceState
from npubench.energy import ChannelEnergy, EnergyLedger
from npubench.engine import served
from npubench.engine.protocol import Phase
from npubench.engine.serving import Server, Servers
from npubench.schema import Launch
from npubench.spi import Device, Placement
from tests.engine.test_holders import process
from tests.engine.test_serving import card
from tests.support import MACHINE

NPU = "0000:01:00.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    servers = Servers(tmp_path_factory.mktemp("work"), lambda *_: Path("/m"), lambda *_: None)
    assert isinstance(servers.ready(card(), "m"), BackendCard)
    found = servers.of("served")
    assert found is not None
    yield found
    servers.close()


def _launch(ledger: EnergyLedger | None = None) -> Launch:
    device = Device(id="http://x", type="endpoint", name="m", detail={"npu": "rngd"})
    return Launch(
        run="r",
        cell="c",
        number=1,
        started="",
        status="ok",
        energy=ledger or EnergyLedger(),
        placement=Placement(requested="endpoint", device_type="endpoint", devices=(device,)),
    )


ONE = Device(id=NPU, type="npu", vendor="Rebellions", name="ATOM")


def _seen(server: Server | None, root: Path, cards: tuple[Device, ...] = (ONE,)) -> served.Observing:
    found = served.Observing(server, msgspec.structs.replace(MACHINE, accelerators=cards), root)
    found.event(Phase(name="check"))
    found.event(Phase(name="measure"))
    if server is not None:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{server.port}/health")
    found.event(Phase(name="check"))
    return found


def _tree(root: Path, pid: int, *links: str, name: str = "vllm") -> Path:
    (root / f"sys/bus/pci/devices/{NPU}").mkdir(parents=True)
    (root / "dev").mkdir()
    (root / "dev/rbln0").touch()
    process(root, pid, name, *links)
    return root


def test_processes_that_hold_a_device_are_found_with_its_power(server: Server, tmp_path: Path) -> None:
    (pid,) = server.processes
    seen = _seen(server, _tree(tmp_path, pid, "/dev/rbln0"))
    power = ChannelEnergy(energy_j=50.0, idle_w=30.0, mean_w=80.0, scope="card", kind="instant", device=NPU)
    found = seen.evidence(_launch(EnergyLedger(channels={"card": power})))
    assert found.seen == "device"
    (device,) = found.devices
    assert (device.id, device.processes, device.computes) == (NPU, 1, False)
    assert (device.idle_w, device.load_w) == (30.0, 80.0)
    assert found.claims == {"npu": "rngd"}
    assert found.programs == ("python",) or found.programs[0].startswith("python")
    assert found.ready_by == "/health"


def test_what_others_hold_is_not_the_servers(server: Server, tmp_path: Path) -> None:
    found = _seen(server, _tree(tmp_path, 1, "/dev/rbln0")).evidence(_launch())
    assert found.devices == ()
    assert found.seen == "claimed"
    assert found.load_cores is not None


def test_a_process_that_the_vendors_tool_does_not_list_is_found_by_its_files(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nvidia-smi in a container that has process numbers of its own; and under the name of a known daemon."""
    (pid,) = server.processes
    root = _tree(tmp_path, pid, "/dev/rbln0", name="furiosa-llm")
    listed = DeviceState(id=NPU, processes=(), sources=("sysfs", "nvidia-smi"))
    monkeypatch.setattr(served, "look", lambda *_, **__: {NPU: listed})
    found = _seen(server, root).evidence(_launch())
    (device,) = found.devices
    assert (found.seen, device.id, device.processes, device.computes) == ("device", NPU, 1, False)


@pytest.mark.parametrize("vendor", ["Rebellions", "Nobody"])
def test_where_nobody_can_tell_who_holds_a_device_it_is_unseen(server: Server, tmp_path: Path, vendor: str) -> None:
    """The file of another kind of card, or one of two cards' that nothing ties to an address."""
    (pid,) = server.processes
    root = _tree(tmp_path, pid, "/dev/rbln0")
    other = "0000:02:00.0"
    (root / f"sys/bus/pci/devices/{other}").mkdir()
    cards = tuple(Device(id=one, type="npu", vendor=vendor, name="X") for one in (NPU, other))
    found = _seen(server, root, cards).evidence(_launch())
    assert (found.seen, found.devices, found.unseen) == ("claimed", (), (NPU, other))


def test_a_server_of_somebody_else_is_not_looked_at(tmp_path: Path) -> None:
    found = _seen(None, tmp_path).evidence(_launch())
    assert (found.seen, found.processes, found.load_cores) == ("claimed", None, None)
