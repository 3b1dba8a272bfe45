"""Which sensor speaks for a device, sums within one scope, and what work a joule paid for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from npubench.energy import ChannelEnergy
from npubench.lang import Text
from npubench.metrics import ENERGY, METRICS
from npubench.spi import HOST
from npubench.stats.efficiency import Work, figures, metrics_of, scopes
from tests.stats.made_power import COUNTER, POWER, WORK, book, constant, moments, noisy, table

LENGTH_NS = 30_000_000_000
WHY = Text(en="the counter jumped", ko="카운터가 튀었습니다")


def channel(energy_j: float | None = 3000.0, **changes: Any) -> ChannelEnergy:
    found = ChannelEnergy(
        energy_j=energy_j,
        reason=None if energy_j is not None else WHY,
        uncertainty_j=None if energy_j is None else 10.0,
        idle_w=20.0,
        net_j=None if energy_j is None else energy_j - 600,
        scope="card",
        kind="counter",
        device="gpu0",
    )
    return msgspec.structs.replace(found, **changes)


def test_the_devices_of_one_scope_are_summed_and_scopes_are_not() -> None:
    found = scopes(
        {
            "a.energy": channel(),
            "b.energy": channel(1000.0, device="gpu1", net_j=400.0),
            "board": channel(9000.0, scope="node", device=""),
            "rapl.package-0": channel(500.0, scope="package", device=HOST, ours=False),
            "vdd": channel(100.0, scope="rail", ours=False),
        },
        LENGTH_NS,
        WORK,
    )
    assert set(found) == {"card", "node"}
    card = found["card"]
    assert card.channels == ("a.energy", "b.energy")
    assert (card.energy_j, card.uncertainty_j, card.idle_w, card.net_j) == (4000.0, 20.0, 40.0, 2800.0)
    assert card.mean_w == pytest.approx(4000 / 30)
    assert card.reason is None
    assert found["node"].energy_j == 9000.0


def test_one_channel_per_device_counter_before_average_before_instant() -> None:
    sensors = {
        "z.instant": channel(2990.0, kind="instant"),
        "a.average": channel(3010.0, kind="average"),
        "b.average": channel(3020.0, kind="average"),
    }
    assert scopes(sensors, LENGTH_NS, WORK)["card"].channels == ("a.average",)
    card = scopes({**sensors, "y.energy": channel(3000.0)}, LENGTH_NS, WORK)["card"]
    assert (card.channels, card.energy_j, card.notes) == (("y.energy",), 3000.0, ())


def test_two_sensors_of_one_device_that_disagree_are_noted_and_never_summed() -> None:
    found = scopes({"a": channel(3000.0), "b": channel(2600.0, kind="instant")}, LENGTH_NS, WORK)["card"]
    assert found.energy_j == 3000.0
    assert [note.en for note in found.notes] == [
        "two sensors of one device disagree: a 3,000 J, b 2,600 J; the first one counts"
    ]


def test_what_may_not_be_published_has_no_joules_in_any_scope_and_keeps_what_its_sensors_saw() -> None:
    sensors = {"a.energy": channel(), "board": channel(9000.0, scope="node", device="")}
    found = scopes(sensors, LENGTH_NS, msgspec.structs.replace(WORK, withheld=WHY))
    for scope in found.values():
        assert (scope.energy_j, scope.net_j, scope.figures, scope.reason) == (None, None, {}, WHY)
    assert sensors["a.energy"].energy_j == 3000.0


def test_a_sensor_without_energy_is_replaced_by_another_of_the_device_and_that_is_said() -> None:
    found = scopes({"a": channel(None), "b": channel(2600.0, kind="instant")}, LENGTH_NS, WORK)["card"]
    assert (found.channels, found.energy_j) == (("b",), 2600.0)
    assert [note.en for note in found.notes] == ["b stands in for a: the counter jumped"]


def test_a_total_that_lacks_a_device_is_null_and_names_the_channel() -> None:
    found = scopes({"a": channel(), "b": channel(None, device="gpu1")}, LENGTH_NS, WORK)["card"]
    assert (found.energy_j, found.net_j, found.mean_w, found.figures) == (None, None, None, {})
    assert found.reason is not None
    assert (found.reason.en, found.reason.ko) == ("b: the counter jumped", "b: 카운터가 튀었습니다")


def test_which_device_was_used_is_not_known() -> None:
    found = scopes({"a": channel(ours=None), "b": channel(device="gpu1", ours=None)}, LENGTH_NS, WORK)["card"]
    assert found.energy_j is None
    assert found.reason is not None
    assert found.reason.en == "which of the devices was used is not known"


def test_the_packages_of_the_host_are_summed_but_other_meters_of_them_are_not() -> None:
    host = {"scope": "package", "device": HOST}
    packages = {"rapl.package-0": channel(500.0, **host), "rapl.package-1": channel(700.0, **host)}
    other = {"hwmon.cpu.power1": channel(450.0, kind="instant", **host)}
    found = scopes({**packages, **other}, LENGTH_NS, WORK)["package"]
    assert (found.channels, found.energy_j) == (("rapl.package-0", "rapl.package-1"), 1200.0)
    lacking = scopes({**packages, "rapl.package-1": channel(None, **host)}, LENGTH_NS, WORK)["package"]
    assert lacking.energy_j is None


@pytest.mark.parametrize(("scope", "device"), [("wall", ""), ("node", ""), ("rail", "npu0")])
def test_what_nothing_tells_apart_makes_no_total(scope: Any, device: str) -> None:
    two = {name: channel(scope=scope, device=device) for name in ("pdu.a", "pdu.b")}
    found = scopes(two, LENGTH_NS, WORK)[scope]
    assert found.energy_j is None
    assert found.reason is not None
    assert "pdu.a, pdu.b" in found.reason.en
    assert scopes({"pdu.a": two["pdu.a"]}, LENGTH_NS, WORK)[scope].energy_j == 3000.0
    other = scopes({"pdu.a": two["pdu.a"], "bmc.power": channel(scope=scope, device=device)}, LENGTH_NS, WORK)
    assert other[scope].channels == ("bmc.power",)


def test_net_needs_every_idle_and_more_than_idle() -> None:
    unknown = scopes({"a": channel(), "b": channel(device="gpu1", idle_w=None, net_j=None)}, LENGTH_NS, WORK)["card"]
    assert (unknown.energy_j, unknown.idle_w, unknown.net_j) == (6000.0, None, None)
    assert "net_energy_per_request_j" not in unknown.figures
    assert unknown.notes[0].en == "no net energy: the idle power of b is not known"
    less = scopes({"a": channel(idle_w=120.0, net_j=-600.0)}, LENGTH_NS, WORK)["card"]
    assert less.net_j == -600.0
    assert "net_energy_per_request_j" not in less.figures
    assert "idle took as much (120 W)" in less.notes[0].en


def test_figures_are_those_of_the_unit_and_the_load() -> None:
    frames = figures(3000.0, 1500.0, LENGTH_NS, WORK)
    assert frames == {
        "power_mean_w": 100.0,
        "energy_per_request_j": 30.0,
        "net_energy_per_request_j": 15.0,
        "energy_per_frame_j": 7.5,
        "cameras_per_w": 0.08,
    }
    tokens = figures(3000.0, None, LENGTH_NS, Work(requests=10, units=6000, unit="token", searched="users", load=5.0))
    assert tokens == {"power_mean_w": 100.0, "energy_per_request_j": 300.0, "tokens_per_j": 2.0, "users_per_w": 0.05}
    pages = figures(3000.0, None, LENGTH_NS, Work(requests=10, units=20, unit="page", searched="rate", load=5.0))
    assert pages == {"power_mean_w": 100.0, "energy_per_request_j": 300.0, "energy_per_page_j": 150.0}
    nothing = figures(3000.0, None, LENGTH_NS, Work(requests=0, units=0, unit="page", searched="cameras", load=0.0))
    assert nothing == {"power_mean_w": 100.0}
    for found, unit, searched in ((frames, "frame", "cameras"), (tokens, "token", "users"), (pages, "page", "rate")):
        assert set(found) <= set(metrics_of(unit, searched))
        assert list(found) == [key for key in ENERGY if key in found]


def test_every_energy_metric_is_declared() -> None:
    assert all(key in METRICS for key in ENERGY)
    assert set(ENERGY) == set(metrics_of("frame", "cameras")) | set(metrics_of("page", None)) | set(
        metrics_of("token", "users")
    )


def test_the_ledger_sums_what_is_ours() -> None:
    at_s = moments()
    card = msgspec.structs.replace(POWER, name="other", device="gpu9")
    readings = table(
        (POWER, COUNTER, card),
        {"p": (at_s, noisy(at_s, 25)), "e": (at_s, constant().j(at_s)), "other": (at_s, noisy(at_s, 300))},
    )
    found = book(readings, ours=lambda channel: channel.device == "gpu")
    assert set(found.channels) == {"p", "e", "other"}
    assert found.channels["other"].ours is False
    assert found.scopes["card"].channels == ("e",)
    assert found.scopes["card"].energy_j == pytest.approx(750)
    assert found.scopes["card"].figures["cameras_per_w"] == pytest.approx(8 / 25)
    assert found.reason is None
