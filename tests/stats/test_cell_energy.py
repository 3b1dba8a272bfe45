"""A cell's energy from its launches: joules by channel, figures by scope, external logs, drift."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from npubench.energy import (
    Alignment,
    Attachment,
    ChannelEnergy,
    EnergyLedger,
    IdlePower,
    PlannedMeter,
    PowerSession,
    ScopeEnergy,
    Window,
)
from npubench.lang import Text
from npubench.rules import load
from npubench.schema import Capacity, Cell, Launch, Plan, Run, encode, parse
from npubench.spi import Availability
from npubench.stats.assemble import assemble
from npubench.stats.efficiency import Work, scopes
from tests.stats.made_power import S
from tests.support import null_card, null_plan

WHY = Text(en="the window took 8.0 s; a published energy needs 30 s", ko="구간이 8.0 s였습니다")


def ledger(joules: float | None, name: str = "nvml.gpu.energy", **changes: Any) -> EnergyLedger:
    """A ledger of one channel, with its scope."""
    idle_w = changes.pop("idle_w", 10.0)
    channel = ChannelEnergy(
        energy_j=joules,
        reason=WHY if joules is None else None,
        idle_w=idle_w,
        net_j=None if joules is None or idle_w is None else joules - idle_w * 30,
        kind="counter",
        **{"scope": "card", "device": "gpu", **changes},
    )
    work = Work(requests=100, units=100, unit="sample", searched="cameras", load=6.0)
    return EnergyLedger(
        reason=WHY if joules is None else None,
        window=Window(start_ns=0, end_ns=30 * S),
        requests=100,
        units=100,
        channels={name: channel},
        scopes=scopes({name: channel}, 30 * S, work),
    )


def launches_of(plan: Plan, *ledgers: EnergyLedger, searched: bool = True) -> list[Launch]:
    capacity = Capacity(searched="cameras", confirmed=6.0) if searched else None
    return [
        Launch(
            run=plan.run,
            cell=plan.cells[0].id,
            number=number,
            started="2026-11-24T00:00:00Z",
            status="ok",
            execution_kind="virtual",
            energy=found,
            capacity=capacity,
        )
        for number, found in enumerate(ledgers, 1)
    ]


def assembled(*ledgers: EnergyLedger, logs: tuple[Attachment, ...] = (), searched: bool = True) -> Cell:
    plan = null_plan(null_card(), launches=max(len(ledgers), 1))
    return assemble(plan, launches_of(plan, *ledgers, searched=searched), load(), logs=logs).cells[0]


def attachment(plan: Plan, *ledgers: EnergyLedger, name: str = "pdu") -> Attachment:
    cell = plan.cells[0].id
    return Attachment(
        run=plan.run,
        name=name,
        of="pdu.csv",
        of_sha256="0",
        alignment=Alignment(how="clock", offset_s=0.5, uncertainty_s=1.0),
        channels=(),
        ledgers={f"{cell}-{number}": found for number, found in enumerate(ledgers, 1)},
    )


def test_channels_and_figures_are_spreads_over_the_launches() -> None:
    cell = assembled(ledger(3000.0), ledger(3300.0))
    assert cell.energy["nvml.gpu.energy"].launches == (3000.0, 3300.0)
    assert cell.energy_reason is None
    figures = cell.efficiency["card"]
    assert list(figures) == ["power_mean_w", "energy_per_request_j", "net_energy_per_request_j", "cameras_per_w"]
    assert figures["power_mean_w"].median == pytest.approx(105)
    assert figures["energy_per_request_j"].launches == (30.0, 33.0)
    assert figures["net_energy_per_request_j"].launches == (27.0, 30.0)
    assert figures["cameras_per_w"].launches == pytest.approx((0.06, 6 / 110))


def test_one_launch_without_energy_makes_it_null_with_its_reason() -> None:
    cell = assembled(ledger(3000.0), ledger(None))
    spread = cell.efficiency["card"]["energy_per_request_j"]
    assert (spread.median, spread.launches) == (None, (30.0, None))
    assert spread.reason == f"nvml.gpu.energy: {WHY.en}"
    assert cell.energy_reason is None
    assert cell.energy["nvml.gpu.energy"].median is None
    dark = assembled(ledger(None), ledger(None))
    assert dark.energy_reason == WHY
    assert all(item.median is None and item.reason for item in dark.efficiency["card"].values())
    other = assembled(ledger(3000.0), EnergyLedger(reason=WHY))
    assert other.efficiency["card"]["power_mean_w"].reason == WHY.en


def test_what_a_figure_lacks_is_said() -> None:
    cell = assembled(ledger(3000.0, idle_w=None), searched=False)
    assert "cameras_per_w" not in cell.efficiency["card"]
    assert cell.efficiency["card"]["net_energy_per_request_j"].reason == (
        "no net energy: the idle power of nvml.gpu.energy is not known"
    )
    none = ledger(3000.0)
    bare = msgspec.structs.replace(none, scopes={"card": ScopeEnergy(channels=("x",), energy_j=1.0)})
    assert "no work was completed" in str(assembled(bare).efficiency["card"]["cameras_per_w"].reason)


def test_no_launch_and_no_meter() -> None:
    assert assembled().energy_reason == Text(en="no launch finished", ko="끝난 실행이 없음")
    silent = assembled(EnergyLedger(reason=WHY))
    assert (silent.energy, silent.efficiency, silent.energy_reason) == ({}, {}, WHY)


def test_a_log_adds_its_scope_to_the_launches() -> None:
    plan = null_plan(null_card(), launches=2)
    wall = [ledger(joules, "pdu.outlet", scope="wall", device="") for joules in (9000.0, 9300.0)]
    log = attachment(plan, *wall)
    silent = (EnergyLedger(reason=WHY), EnergyLedger(reason=WHY))
    cell = assembled(*silent, logs=(log,))
    assert cell.energy_reason is None
    assert cell.energy["pdu.outlet"].median == 9150.0
    assert cell.efficiency["wall"]["energy_per_request_j"].launches == (90.0, 93.0)
    both = assembled(ledger(3000.0), ledger(3300.0), logs=(log,))
    assert set(both.efficiency) == {"card", "wall"}
    partly = assembled(ledger(3000.0), ledger(3300.0), logs=(attachment(plan, wall[0]),))
    assert partly.efficiency["wall"]["power_mean_w"].median is None


def test_a_launch_that_has_the_scope_keeps_its_own() -> None:
    plan = null_plan(null_card(), launches=1)
    own = ledger(8000.0, "bmc.power", scope="node", device="")
    log = attachment(plan, ledger(9000.0, "pdu.outlet", scope="node", device=""))
    cell = assembled(own, logs=(log, attachment(plan, ledger(1.0, "bmc.power", scope="node", device=""), name="z")))
    assert cell.efficiency["node"]["energy_per_request_j"].median == 80.0
    assert {name: item.median for name, item in cell.energy.items()} == {
        "bmc.power": 8000.0,
        "pdu.outlet": 9000.0,
        "z: bmc.power": 1.0,
    }


def test_the_run_has_meters_without_options_sessions_logs_and_drift() -> None:
    plan = null_plan(null_card(), launches=1)
    meter = PlannedMeter(
        name="redfish", code="x:y", options={"password_file": "a-local-file"}, availability=Availability(available=True)
    )
    plan = msgspec.structs.replace(plan, meters=(meter,))
    sessions = [
        PowerSession(
            run=plan.run, number=number, before={"a": IdlePower(mean_w=20.0)}, after={"a": IdlePower(mean_w=after)}
        )
        for number, after in ((2, 20.1), (1, 25.0))
    ]
    log = attachment(plan, ledger(9000.0, "pdu.outlet", scope="wall", device=""))
    run = assemble(plan, launches_of(plan, ledger(3000.0)), load(), sessions=sessions, logs=[log])
    assert [item.name for item in run.meters] == ["redfish"]
    assert run.meters[0].options == {}
    assert [session.number for session in run.power] == [1, 2]
    assert run.logs == (log,)
    assert [(note.code, note.severity) for note in run.notes if note.code == "idle-drift"] == [
        ("idle-drift", "warning")
    ]
    assert b"secret" not in encode(run)
    assert parse(encode(run), Run, "run") == run
