"""Power beside launches: read once for the whole run, in the meter's own Python, and never a failed launch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench.cards import BackendCard, EnvironmentSpec, to_builtins
from npubench.energy import PlannedMeter, Window
from npubench.engine.metering import Meters, explained, metering
from npubench.rules import EnergyRule
from npubench.schema import Plan
from npubench.spi import Availability, Channel
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import OK, Readings
from tests.engine import faulty_meters
from tests.support import null_card, null_plan

SYNTHETIC = "npubench.meters.synthetic:SyntheticMeter"
THERE = Availability(available=True)

METER = '''
"""A meter of another environment: our Python cannot import it."""
from npubench.meters.synthetic import SyntheticMeter as Meter
'''


def planned(code: str = SYNTHETIC, name: str = "", **more: object) -> PlannedMeter:
    given = {"availability": THERE, "channels": (faulty_meters.CHANNEL,), **more}
    return PlannedMeter(name=name or code.rpartition(":")[2].lower(), code=code, **given)  # type: ignore[arg-type]


def plan_of(*meters: PlannedMeter, card: BackendCard | None = None) -> Plan:
    plan = null_plan(card or null_card())
    return msgspec.structs.replace(plan, meters=meters)


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(faulty_meters.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")


def window(seconds: float) -> Window:
    """A window that has just ended."""
    start_ns = time.perf_counter_ns()
    time.sleep(seconds)
    return Window(start_ns=start_ns, end_ns=time.perf_counter_ns())


def statuses(found: Readings, channel: str) -> set[str]:
    return {found.statuses[code] for code in found.of(channel)["status"]}


def test_a_window_has_readings_on_both_sides_and_earlier_ones_are_left_out(tmp_path: Path) -> None:
    with metering(plan_of(planned()), tmp_path) as meters:
        assert meters.any
        assert meters.names == ("syntheticmeter",)
        time.sleep(2.2)
        at = window(0.3)
        found = meters.readings(at)
    begun = found.of("synthetic.power")["before_ns"]
    assert begun.min() < at.start_ns
    assert begun.min() >= at.start_ns - 2_000_000_000
    assert begun.max() >= at.end_ns
    assert set(found.of("synthetic.power")["value"]) == {25.0}
    cost = meters.costs()["syntheticmeter"]
    assert cost.readings > 20
    assert cost.ended is None


def test_without_meters_the_reason_says_so(tmp_path: Path) -> None:
    with metering(plan_of(), tmp_path) as meters:
        assert not meters.any
        assert "--no-power" in meters.reason.en
        assert meters.readings(Window(start_ns=0, end_ns=1)).channels == ()
    no = planned(availability=Availability(available=False, reason="no driver"), channels=())
    with metering(plan_of(no), tmp_path) as meters:
        assert "syntheticmeter: no driver" in meters.reason.en


def test_a_meter_that_blocks_holds_up_neither_the_run_nor_another_meter(tmp_path: Path) -> None:
    with metering(plan_of(planned("faulty_meters:Blocks"), planned()), tmp_path) as meters:
        time.sleep(0.3)
        at = window(0.3)
        started = time.monotonic()
        found = meters.readings(at)
        waited_s = time.monotonic() - started
        closing = time.monotonic()
    assert waited_s < 4, "it was given 2 s, and blocks for 5"
    assert time.monotonic() - closing < 8
    (fault,) = statuses(found.between(at.start_ns, at.end_ns), "bad") - {OK}
    assert "has given nothing for" in fault
    assert statuses(found, "synthetic.power") == {OK}
    assert found.of("synthetic.power")["before_ns"].max() >= at.end_ns


def test_a_meter_that_disappears_says_why_and_the_other_goes_on(tmp_path: Path) -> None:
    with metering(plan_of(planned("faulty_meters:Vanishes"), planned()), tmp_path) as meters:
        at = window(1.8)
        found = meters.readings(at)
        assert statuses(found, "bad") == {OK, "the meter stopped: its process ended without a word"}
        assert statuses(found, "synthetic.energy") == {OK}
        rule = EnergyRule(window_s=0.3, coverage=0.9, refreshes=2, idle_s=0.4, drift=0.05)
        work = Work(requests=1, units=1, unit="sample")
        bare = ledger(found, at, work, ours=lambda channel: True, idle={}, rule=rule)
        energy = explained(bare, found, at)
        assert energy.channels["bad"].energy_j is None
        assert str(energy.channels["bad"].reason).count("ended without a word") == 2, "in both languages"
        assert energy.channels["synthetic.energy"] == bare.channels["synthetic.energy"]
        assert energy.channels["synthetic.energy"].energy_j == pytest.approx(25 * 1.8, rel=0.05)
        started = time.monotonic()
        later = window(0.2)
        again = meters.readings(later)
        assert time.monotonic() - started < 1.5, "nobody waits for what is gone"
        assert statuses(again.between(later.start_ns, later.end_ns), "bad") == {
            "the meter stopped: its process ended without a word"
        }
        assert meters.any
    assert "ended without a word" in str(meters.costs()["vanishes"].ended)


def test_a_sampler_that_is_killed_says_so(tmp_path: Path) -> None:
    with metering(plan_of(planned()), tmp_path) as meters:
        meters._running[0].sampler._process.kill()  # type: ignore[union-attr]
        meters._running[0].sampler._process.wait()  # type: ignore[union-attr]
        found = meters.readings(window(0.1))
        assert "the meter stopped: its process ended without a word" in statuses(found, "synthetic.power")
        assert not meters.any


def test_a_meter_that_answered_when_the_run_was_planned_and_not_now_has_its_channels(tmp_path: Path) -> None:
    with metering(plan_of(planned("faulty_meters:Dies")), tmp_path) as meters:
        found = meters.readings(window(0.1))
    (fault,) = statuses(found, "bad")
    assert "did not answer again" in fault
    assert "no driver here" in fault


def test_a_meter_that_answers_late_joins_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from npubench.engine import metering as under_test

    monkeypatch.setattr(under_test, "_ANSWER_S", 0.1)
    monkeypatch.setenv("LATE_S", "2")
    with metering(plan_of(planned("faulty_meters:Late")), tmp_path) as meters:
        found = meters.readings(window(0.1))
        assert statuses(found, "bad") == {"the meter has not answered since the run began"}
        deadline = time.monotonic() + 20
        while not meters.any and time.monotonic() < deadline:
            time.sleep(0.05)
        assert statuses(meters.readings(window(0.2)), "bad") == {OK}


def test_sampling_can_be_switched_off_and_on(tmp_path: Path) -> None:
    with metering(plan_of(planned()), tmp_path) as meters:
        meters.sample(False)
        time.sleep(0.3)
        off = window(0.5)
        meters.sample(True)
        on = window(0.5)
        found = meters.readings(on)
    assert len(found.between(off.start_ns, off.end_ns).table) == 0
    assert len(found.between(on.start_ns, on.end_ns).table) > 0


@pytest.fixture
def foreign_python(tmp_path: Path) -> Path:
    """An environment with numpy, msgspec and a meter of its own, in which npubench is not installed."""
    folder = tmp_path / "foreign"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in (np, msgspec):
        home = Path(str(package.__file__)).parent
        (site / home.name).symlink_to(home)
        if (libraries := home.with_name(f"{home.name}.libs")).exists():
            (site / libraries.name).symlink_to(libraries)
    (site / "foreign_meter.py").write_text(METER, encoding="utf-8")
    return folder / "bin" / "python"


def test_a_meter_is_read_in_the_environment_of_its_binding(tmp_path: Path, foreign_python: Path) -> None:
    spec = EnvironmentSpec(python=str(foreign_python), variables={"NPUBENCH_SYNTHETIC_POWER": "constant:7"})
    card = msgspec.structs.replace(null_card(), environment=spec)
    plan = plan_of(planned("foreign_meter:Meter", place="null"), card=card)
    assert plan.backends["null"] == to_builtins(msgspec.convert(plan.backends["null"], BackendCard))
    with metering(plan, tmp_path) as meters:
        found = meters.readings(window(0.1))
    assert set(found.of("synthetic.power")["value"]) == {7.0}


def test_credentials_reach_the_meter_of_a_bmc_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from npubench.engine import meters as surveying

    monkeypatch.setenv("NPUBENCH_REDFISH_PASSWORD", "open sesame")
    told, steady = "faulty_meters:Told", {"address": "https://bmc.example"}

    def source() -> str:
        with metering(plan_of(planned(told, options=steady)), tmp_path) as meters:
            (channel,) = meters.readings(window(0.1)).channels
        return channel.source

    assert source().endswith("without credentials")
    known = surveying.code
    monkeypatch.setattr(surveying, "code", lambda group, name: told if name == "redfish" else known(group, name))
    assert source().endswith("with credentials")


def test_the_samplers_end_with_a_body_that_fails(tmp_path: Path) -> None:
    kept: list[Meters] = []

    def fails() -> None:
        with metering(plan_of(planned()), tmp_path) as meters:
            kept.append(meters)
            raise KeyError("the body's own")

    with pytest.raises(KeyError, match="the body's own"):
        fails()
    assert not any(item.sampler.alive for item in kept[0]._running)
    assert kept[0]._running[0].sampler.log().ended == "asked to end"


def test_a_channel_knows_the_backends_whose_cards_name_its_meter(tmp_path: Path) -> None:
    channel = Channel(name="other", unit="W", scope="card", kind="instant", source="t")
    with metering(plan_of(planned(backends=("a", "b"), channels=(channel,))), tmp_path) as meters:
        assert meters.backends_of("synthetic.power") == ("a", "b")
        assert meters.backends_of("other") == ("a", "b")
        assert meters.backends_of("unknown") == ()
