"""An external meter's log brought to a sealed run: joules of a known source, and everything that may be wrong."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench.cli.attach import attach as attach_command
from npubench.cli.look import show
from npubench.cli.report import write_report
from npubench.energy import ClockPair, EnergyLedger, PowerSession, Window
from npubench.engine import holding
from npubench.engine.attaching import Aligning, Attached, attach
from npubench.errors import DataError, NpubenchError, StoreError, UsageError
from npubench.lang import Text
from npubench.metering_log import Wanted
from npubench.rules import load
from npubench.schema import Launch
from npubench.stats.readings import Readings
from npubench.stats.runs import assembled
from npubench.store import RunFolder, sha256_file
from tests.support import null_card, null_plan

S = 10**9
BOOT, WALL = 5_000 * S, 1_795_600_000 * S
PULSES = tuple(Window(start_ns=BOOT + (2 + 6 * i) * S, end_ns=BOOT + (5 + 6 * i) * S) for i in range(3))
REST = Window(start_ns=BOOT + 22 * S, end_ns=BOOT + 40 * S)
LAUNCHES = (
    Window(start_ns=BOOT + 50 * S, end_ns=BOOT + 90 * S),
    Window(start_ns=BOOT + 100 * S, end_ns=BOOT + 140 * S),
)
IDLE_W, BUSY_W = 100.0, 250.0
APART_S = 3.0
NO_METER = Text(en="no power meter is set up", ko="전력 측정기 없음")


def utc(second: float) -> datetime:
    return datetime.fromtimestamp(WALL / S, tz=timezone.utc) + timedelta(seconds=second)


def power_w(seconds: Any) -> Any:
    """What the machine draws, in seconds after BOOT."""
    busy = np.zeros(np.shape(seconds), dtype=bool)
    for window in (*PULSES, *LAUNCHES):
        busy |= (seconds * S >= window.start_ns - BOOT) & (seconds * S < window.end_ns - BOOT)
    return np.where(busy, BUSY_W, IDLE_W)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A sealed run of two launches, 40 s each, and the session around it; nothing in it was measured."""
    plan = null_plan(null_card(), launches=2)
    made = RunFolder.create(tmp_path / "results", plan.machine.name, plan.run)
    made.write_plan(plan)
    (cell,) = plan.cells
    for number, window in enumerate(LAUNCHES):
        made.write_launch(
            Launch(
                run=plan.run,
                cell=cell.id,
                number=number,
                started=utc((window.start_ns - BOOT) / S - 4).strftime("%Y-%m-%dT%H:%M:%SZ"),
                status="ok",
                window=window,
                energy=EnergyLedger(reason=NO_METER, window=window, requests=1000, units=1000),
            )
        )
    made.write_session(
        PowerSession(
            run=plan.run,
            number=1,
            rest=REST,
            pulses=PULSES,
            clock=(
                ClockPair(monotonic_ns=BOOT, wall_ns=WALL, gap_ns=300),
                ClockPair(monotonic_ns=BOOT + 150 * S, wall_ns=WALL + 150 * S, gap_ns=300),
            ),
        )
    )
    made.write_run(assembled(made))
    return made


def written(
    path: Path, *, hertz: float = 10.0, apart_s: float = APART_S, zone: bool = True, hole: tuple[float, float] = (0, 0)
) -> Path:
    """A log whose clock is `apart_s` behind, of what the machine drew."""
    seconds = np.arange(-5, 150, 1 / hertz) + 0.013
    rows = ["Time,Power (W)"]
    noise = np.random.default_rng(0).normal(0, 1.0, len(seconds))
    for second, watt in zip(seconds, power_w(seconds) + noise, strict=True):
        if not hole[0] <= second < hole[1]:
            stamp = utc(float(second) - apart_s)
            text = stamp.isoformat(timespec="milliseconds") if zone else stamp.strftime("%Y-%m-%d %H:%M:%S.%f")
            rows.append(f"{text},{watt:.2f}")
    path.write_text("\n".join(rows) + "\n")
    return path


def joules(done: Attached) -> list[float | None]:
    return [
        channel.energy_j
        for _, ledger in sorted(done.attachment.ledgers.items())
        for channel in ledger.channels.values()
    ]


def by_pulse(folder: RunFolder, path: Path, **options: Any) -> Attached:
    return attach(folder, path, Aligning(how="pulse"), scope="wall", **options)


@pytest.mark.parametrize("hertz", [1.0, 10.0])
def test_joules_of_a_known_source_by_a_clock_that_is_3_s_apart(folder: RunFolder, tmp_path: Path, hertz: float) -> None:
    done = by_pulse(folder, written(tmp_path / "pdu.csv", hertz=hertz))
    alignment = done.attachment.alignment
    assert abs(alignment.offset_s - APART_S) <= alignment.uncertainty_s
    assert len(done.attachment.ledgers) == 2
    for ledger in done.attachment.ledgers.values():
        (channel,) = ledger.channels.values()
        assert channel.energy_j is not None
        assert channel.uncertainty_j is not None
        assert abs(channel.energy_j - BUSY_W * 40) <= channel.uncertainty_j
        assert channel.idle_w == pytest.approx(IDLE_W, abs=1.0)
        wall = ledger.scopes["wall"]
        assert wall.figures["energy_per_request_j"] == pytest.approx(BUSY_W * 40 / 1000, rel=0.05)
        assert wall.figures["net_energy_per_request_j"] == pytest.approx((BUSY_W - IDLE_W) * 40 / 1000, rel=0.08)
    # Ten readings a second leave little open.
    if hertz == 10.0:
        assert joules(done) == pytest.approx([BUSY_W * 40] * 2, rel=0.005)


def test_a_clock_that_is_said_to_be_3_s_apart(folder: RunFolder, tmp_path: Path) -> None:
    path = written(tmp_path / "pdu.csv")
    done = attach(folder, path, Aligning(how="clock", offset_s=3.0, uncertainty_s=0.1), scope="node")
    assert joules(done) == pytest.approx([BUSY_W * 40] * 2, rel=0.005)
    assert done.attachment.alignment.uncertainty_s >= 0.1
    with pytest.raises(DataError, match="none was given"):
        attach(folder, path, Aligning(how="clock", offset_s=3.0), scope="node", name="again")


def test_a_sealed_run_shows_it_and_is_not_changed(
    folder: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = {path: sha256_file(path) for path in folder.path.rglob("*") if path.is_file()}
    before = folder.run()
    done = by_pulse(folder, written(tmp_path / "pdu.csv"))
    assert {path: sha256_file(path) for path in kept} == kept
    run = assembled(folder)
    assert [log.name for log in run.logs] == ["pdu"]
    (cell,) = run.cells
    assert cell.energy["meter-csv.pdu.Power"].median == pytest.approx(BUSY_W * 40, rel=0.005)
    assert cell.efficiency["wall"]["energy_per_request_j"].median == pytest.approx(10.0, rel=0.005)
    assert cell.energy_reason is None
    # Nothing but energy is another.
    same = msgspec.structs.replace(
        cell, energy=before.cells[0].energy, energy_reason=before.cells[0].energy_reason, efficiency={}
    )
    assert same == before.cells[0]
    raw = done.path.with_name(done.attachment.raw)
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == done.attachment.raw_sha256
    assert len(Readings.decode(raw).table) == 1550
    show(str(folder.path), as_json=True, out=None)
    assert "meter-csv.pdu.Power" in capfd.readouterr().out
    page = write_report([folder], tmp_path / "report.html", "en", "report").read_text()
    assert "meter-csv.pdu.Power" in page


def test_the_command_says_what_it_did(folder: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    attach_command(str(folder.path), written(tmp_path / "pdu.csv", hole=(60, 75)), name="rack-7")
    said = capfd.readouterr().out
    assert "aligned by the pulses: log clock +3.0" in said
    assert "cells separated by a comma" in said
    assert "power from column 2 (Power), in W" in said
    assert "idle before the run, meter-csv.rack-7.Power: 100" in said
    assert "1 of 2 launches got an energy" in said
    assert "covered 100 %" in said or "covered 99" in said
    assert str(folder.attachment_path("rack-7")) in said.replace("\n", "")


def test_a_gap_in_the_window_is_no_energy(folder: RunFolder, tmp_path: Path) -> None:
    """15 s of 40 without a row: never filled."""
    done = by_pulse(folder, written(tmp_path / "pdu.csv", hole=(60, 75)))
    first, second = joules(done)
    assert first is None
    assert second == pytest.approx(BUSY_W * 40, rel=0.005)
    (channel,) = next(iter(sorted(done.attachment.ledgers.items())))[1].channels.values()
    assert channel.reason is not None


def test_a_time_zone(folder: RunFolder, tmp_path: Path) -> None:
    path = written(tmp_path / "pdu.csv", zone=False)
    with pytest.raises(DataError, match="names no time zone"):
        by_pulse(folder, path)
    with pytest.raises(DataError, match="does not cover the pulses"):
        by_pulse(folder, path, wanted=Wanted(timezone="+09:00"))
    clock = Aligning(how="clock", offset_s=3.0, uncertainty_s=0.1)
    with pytest.raises(DataError, match="the log covers no launch: it is from 2026-11-25 0") as error:
        attach(folder, path, clock, scope="wall", wanted=Wanted(timezone="+09:00"))
    assert "--timezone" in (error.value.hint or "")
    assert folder.attachments() == ()
    assert joules(by_pulse(folder, path, wanted=Wanted(timezone="UTC"))) == pytest.approx([BUSY_W * 40] * 2, rel=0.005)


def test_a_log_is_attached_once(folder: RunFolder, tmp_path: Path) -> None:
    path = written(tmp_path / "pdu.csv")
    by_pulse(folder, path)
    with pytest.raises(StoreError, match="never changed"):
        by_pulse(folder, path)
    by_pulse(folder, path, name="other")
    assert [log.name for log in folder.attachments()] == ["other", "pdu"]


def test_a_launch_of_another_boot_is_not_tied(folder: RunFolder, tmp_path: Path) -> None:
    plan = folder.plan()
    elsewhere = Window(start_ns=100 * S, end_ns=140 * S)
    launch = next(folder.launches())
    folder.write_launch(
        msgspec.structs.replace(
            launch, number=7, window=elsewhere, energy=EnergyLedger(reason=NO_METER, window=elsewhere)
        )
    )
    done = by_pulse(folder, written(tmp_path / "pdu.csv"))
    assert done.untied == (f"{plan.cells[0].id}-7",)
    assert len(done.attachment.ledgers) == 2


def test_a_run_whose_log_comes_later_holds_its_loads() -> None:
    """As if a meter answered: a confirmation is too short for a power sensor."""
    plan = null_plan(null_card(), scenarios=("server",))
    (cell,) = plan.cells
    assert holding.held_s(plan, cell) == 0
    assert holding.hold_s((), load(), "standard", external_log=True) == 30
    assert holding.hold_s((), load(), "smoke", external_log=True) == 0
    later = msgspec.structs.replace(plan, external_log=True, hold_s=30.0)
    assert holding.held_s(later, cell) == 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"align": "guess"}, '--align: found "guess"'),
        ({"scope": "house"}, '--scope: found "house"'),
        ({"offset_s": 3.0}, "go with --align clock"),
        ({"name": "../../x"}, "--name"),
    ],
)
def test_options_that_make_no_sense(folder: RunFolder, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        attach_command(str(folder.path), written(tmp_path / "pdu.csv"), **options)
    assert said in str(error.value)


def test_a_run_without_pulses_or_clocks(folder: RunFolder, tmp_path: Path) -> None:
    path = written(tmp_path / "pdu.csv")
    session = folder.session_path(1)
    (found,) = folder.sessions()
    session.unlink()
    folder.write_session(msgspec.structs.replace(found, pulses=()))
    with pytest.raises(DataError, match="no pulses were recorded"):
        by_pulse(folder, path)
    session.unlink()
    with pytest.raises(NpubenchError, match="recorded no clock"):
        attach(folder, path, Aligning(how="clock", offset_s=3.0, uncertainty_s=0.1), scope="wall")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        by_pulse(folder, tmp_path / "nothing.csv")
