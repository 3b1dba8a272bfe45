"""Brings an external meter's log to a run that is measured: alignment, joules of every launch, one write-once record.

Guarantees: no file of the run is changed; `power/log-<name>.json` and its readings are added. A launch whose time
cannot be told (another boot of which no clock was kept) gets no ledger, and a launch that the log does not cover has
the reason in its ledger.

Not aware of: how logs are written (`metering_log`), how what was attached is shown (`stats.cell_energy`, `report`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from npubench import metering_log
from npubench.energy import Alignment, Attachment, EnergyLedger, IdlePower, PowerSession, Window
from npubench.errors import DataError, StoreError, UsageError
from npubench.metering_log import MeterLog, Wanted
from npubench.rules import EnergyRule, load
from npubench.schema import SAMPLE_COLUMNS, Launch, Plan
from npubench.spi import MeterScope
from npubench.stats import samples
from npubench.stats.alignment import Tie, by_clock, by_pulse, tie
from npubench.stats.held import energy_window, work_of
from npubench.stats.idle import idle
from npubench.stats.ledger import Work, ledger
from npubench.stats.logged import channels, readings
from npubench.stats.readings import Readings
from npubench.store import RunFolder, write_once

# How long after a launch's first moment its window may begin, and how far a clock may be set in between.
_LATEST_S, _EARLIEST_S = 6 * 3600.0, -60.0


class Aligning(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says of the log's clock: log time + `offset_s` is this machine's wall time."""

    how: Literal["pulse", "clock"]
    offset_s: float = 0.0
    uncertainty_s: float | None = None


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what to say about it. `untied`: launches whose time no recorded clock tells."""

    attachment: Attachment
    log: MeterLog
    path: Path
    untied: tuple[str, ...] = ()


class _Boot(msgspec.Struct, frozen=True):
    """One invocation's clock, the log on it, and what the log's channels drew while nothing ran."""

    clocks: Tie
    readings: Readings
    idle: dict[str, IdlePower]


def attach(
    folder: RunFolder,
    path: Path,
    aligning: Aligning,
    *,
    scope: MeterScope,
    name: str = "",
    wanted: Wanted | None = None,
) -> Attached:
    """Aligns the log at `path` and writes its record into the run. `name` is the log's file name unless given.

    Raises DataError for a log that cannot be read or aligned, UsageError for a name that makes no file name, StoreError
    where a log of that name was attached already.
    """
    name = name or re.sub(r"[^\w.-]+", "-", path.stem).strip("-.") or "log"
    if not re.fullmatch(r"[\w][\w.-]{0,63}", name):
        raise UsageError(f'--name "{name}": expected letters, digits, ".", "_" and "-"')
    target = folder.attachment_path(name)
    if target.exists():
        raise StoreError(
            f"{target}: a log of that name is attached; result files are never changed",
            hint="give this one another --name",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the log cannot be read: {error.strerror}") from error
    plan, sessions = folder.plan(), tuple(folder.sessions())
    log = metering_log.parse(data, path.name, wanted)
    alignment = _aligned(log, aligning, sessions)
    named = channels(log.sources, f"meter-csv.{name}", path.name, scope, log.interval_ns)
    boots = []
    for session in sessions:
        if session.clock:
            clocks = tie(session.clock)
            found = readings(log, named, alignment, clocks)
            rest = _rest(session)
            boots.append(_Boot(clocks, found, idle(found, rest) if rest is not None else {}))
    if not boots:
        tie(())
    ledgers, untied = _ledgers(folder, plan, boots, load(plan.ruleset).energy)
    _overlapping(log, alignment, ledgers, boots)
    raw = boots[0].readings.encode()
    raw_path = target.with_suffix(".npz")
    attachment = Attachment(
        run=plan.run,
        name=name,
        of=path.name,
        of_sha256=hashlib.sha256(data).hexdigest(),
        alignment=alignment,
        channels=named,
        idle=boots[0].idle,
        ledgers=ledgers,
        raw=raw_path.name,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
    )
    _write(folder, raw_path, raw, attachment)
    return Attached(attachment=attachment, log=log, path=target, untied=untied)


def _write(folder: RunFolder, raw_path: Path, raw: bytes, attachment: Attachment) -> None:
    """Readings first: a record always finds them. What a killed attempt left is the same bytes, or is in the way."""
    if not (raw_path.is_file() and raw_path.read_bytes() == raw):
        write_once(raw_path, raw)
    folder.write_attachment(attachment)


def _aligned(log: MeterLog, aligning: Aligning, sessions: Sequence[PowerSession]) -> Alignment:
    if aligning.how == "clock":
        found = by_clock(aligning.offset_s, aligning.uncertainty_s)
        # Stamps that are rounded down are early by up to that, and this machine's wall clock may have been set.
        more_ns = log.resolution_ns + max(
            (tie(session.clock).uncertainty_ns for session in sessions if session.clock), default=0
        )
        return msgspec.structs.replace(found, uncertainty_s=found.uncertainty_s + more_ns / 1e9)
    if aligning.offset_s or aligning.uncertainty_s is not None:
        raise UsageError("--offset and --uncertainty go with --align clock; a pulse tells them itself")
    place = next((place for place, source in enumerate(log.sources) if source.quantity == "power"), None)
    if place is None:
        raise DataError(
            f"{log.name}: it has no column of power, and a pulse is not seen in an energy counter",
            hint="name one with --columns, or say --align clock with --offset and --uncertainty",
        )
    good = log.codes[:, place] == 0
    pulsed = [session for session in sessions if session.pulses and session.clock]
    if not pulsed:
        return by_pulse(log.times_ns[good], log.values[good, place], log.resolution_ns, (), Tie(pairs=()))
    # A resumed run may have pulses in each invocation, and a log need not cover the first.
    failed: DataError | None = None
    for session in pulsed:
        try:
            return by_pulse(
                log.times_ns[good], log.values[good, place], log.resolution_ns, session.pulses, tie(session.clock)
            )
        except DataError as error:  # noqa: PERF203 - a few invocations at most
            failed = failed or DataError(f"{log.name}: {error}", hint=error.hint)
    assert failed is not None
    raise failed


def _overlapping(log: MeterLog, alignment: Alignment, ledgers: dict[str, EnergyLedger], boots: Sequence[_Boot]) -> None:
    """Raises DataError where the log has no reading in any launch: what is attached stays."""
    if any(channel.readings for found in ledgers.values() for channel in found.channels.values()):
        return
    spans = [int(log.times_ns[0]), int(log.times_ns[-1])]
    begun, ended = (_utc(moment + round(alignment.offset_s * 1e9)) for moment in spans)
    windows = [found.window for found in ledgers.values() if found.window is not None]
    said = "the run has no finished launch whose time is known"
    if windows:
        clocks = boots[0].clocks
        first, last = min(found.start_ns for found in windows), max(found.end_ns for found in windows)
        said = f"the launches were measured from {_utc(clocks.wall_ns(first))} to {_utc(clocks.wall_ns(last))}"
    raise DataError(
        f"{log.name}: the log covers no launch: it is from {begun} to {ended}, {said}",
        hint="look at --timezone and --offset; attach the log of that day",
    )


def _utc(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _rest(session: PowerSession) -> Window | None:
    """When the machine was left alone before the launches of an invocation."""
    before = (found.window for found in session.before.values() if found.window is not None)
    return session.rest or next(before, None)


def _ledgers(
    folder: RunFolder, plan: Plan, boots: Sequence[_Boot], rule: EnergyRule
) -> tuple[dict[str, EnergyLedger], tuple[str, ...]]:
    """Launch → its energy from this log; and the launches whose time is not known."""
    found: dict[str, EnergyLedger] = {}
    untied: list[str] = []
    for launch in folder.launches():
        if launch.status != "ok" or launch.window is None:
            continue
        label = f"{launch.cell}-{launch.number}"
        window = launch.energy.window or energy_window(launch.window, launch.capacity)
        boot = _boot_of(launch, window, boots)
        if boot is None:
            untied.append(label)
            continue
        work = _work(folder, plan, launch, window)
        # Whoever attaches a log says that it is of this machine.
        found[label] = ledger(boot.readings, window, work, ours=lambda channel: True, idle=boot.idle, rule=rule)
    return found, tuple(untied)


def _boot_of(launch: Launch, window: Window, boots: Sequence[_Boot]) -> _Boot | None:
    """The invocation on whose clock the window lies just after the moment at which the launch was started."""
    started_s = datetime.fromisoformat(launch.started.replace("Z", "+00:00")).timestamp()
    after = [(boot.clocks.wall_ns(window.start_ns) / 1e9 - started_s, boot) for boot in boots]
    likely = [(seconds, place) for place, (seconds, _) in enumerate(after) if _EARLIEST_S <= seconds <= _LATEST_S]
    return boots[min(likely)[1]] if likely else None


def _work(folder: RunFolder, plan: Plan, launch: Launch, window: Window) -> Work:
    """What was done in the window: as the launch recorded it, else by its samples."""
    scenario = next(cell.scenario for cell in plan.cells if cell.id == launch.cell)
    path = folder.samples_path(launch.cell, launch.number)
    kept = samples.read(path) if path.is_file() else samples.Samples(_NO_ROWS, _NO_TOKENS)
    counted = work_of(kept, window, launch.unit, scenario, launch.capacity)
    own = launch.energy
    if own.window is None or own.requests is None or own.units is None:
        return counted
    return msgspec.structs.replace(counted, requests=own.requests, units=own.units)


_NO_ROWS, _NO_TOKENS = np.empty((0, len(SAMPLE_COLUMNS)), np.int64), np.empty((0, 2), np.int64)
