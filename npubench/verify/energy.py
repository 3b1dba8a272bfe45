"""Energy again: idle baselines and ledgers from the raw power readings that lie beside them.

A launch belongs to the invocation in whose time its window lies; its baseline is that invocation's. Where that record
is missing (the run was killed), gross energy is recomputed and net energy is not, which is said.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench.conditions import Conditions
from npubench.energy import Attachment, ChannelEnergy, EnergyLedger, IdlePower, PowerSession, ScopeEnergy, Window
from npubench.engine.joules import joules
from npubench.errors import NotComparableError
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.scenarios import KINDS
from npubench.schema import Launch, Plan, PlannedCell, Trial
from npubench.stats.held import energy_window, held_load, no_load, work_of
from npubench.stats.idle import idle
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.stats.series import is_power
from npubench.store import LAUNCHES, POWER, RunFolder, sha256_file
from npubench.verify.found import Tally

# Ten minutes of a hundred channels at 10 Hz take 19 MB.
MOST_BYTES = 512 << 20

_READINGS = Text(en="recomputed from the power readings", ko="전력 측정값에서 다시 계산한 값과 다름")
_HASH = Text(en="the hash in the file that names it", ko="이름이 적힌 파일의 해시와 다름")
_METERS = Text(
    en="what reading the meters cost, and the wall clock beside the monotonic one",
    ko="전력 측정에 든 비용, 단조 시계와 함께 기록된 벽시계",
)
_NO_SESSION = Text(
    en="the record of the invocation that launches belong to is missing (it was killed): their gross energy was "
    "recomputed, idle and net energy were not",
    ko="실행이 속한 기록이 없어(강제 종료됨) 총에너지만 다시 계산했고 유휴·순에너지는 계산하지 않았습니다",
)
_LOGS = Text(
    en="how the clock of an external meter's log was tied to this machine's",
    ko="외부 측정기 기록의 시계를 이 장비의 시계에 맞춘 방법",
)
_GROSS = ("energy_j", "mean_w", "min_w", "max_w", "readings", "faults", "coverage", "refresh_ns", "reason")
_SCOPE_GROSS = ("channels", "energy_j", "mean_w", "reason", "figures")
_NET = "net_energy_per_request_j"


def stored_readings(path: Path) -> Readings:
    """Readings from a file. Raises NotComparableError for what is none, before a bomb is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise NotComparableError(f"{path.name}: not a file of power readings ({error})") from error
    if size > MOST_BYTES:
        raise NotComparableError(f"{path.name}: unpacks to {size:,} bytes, more than any launch's readings")
    return Readings.decode(path)


class Energy:
    """The energy of one run's launches. `files`: those of power readings, which it accounts for."""

    def __init__(self, tally: Tally, plan: Plan, folder: RunFolder, sessions: Sequence[PowerSession]) -> None:
        self._tally, self._plan, self._folder, self._sessions = tally, plan, folder, tuple(sessions)
        self.files: set[str] = set()

    def check_sessions(self) -> None:
        """The idle baselines of every invocation from their readings."""
        for session in self._sessions:
            file = f"{POWER}/{session.number}.json"
            self._tally.state(_METERS)
            self._tally.same(file, "run", session.run, self._plan.run)
            for when, stated in (("before", session.before), ("after", session.after)):
                name = f"{session.number}-{when}.npz"
                if not stated and name not in session.files:
                    continue
                readings = self._readings(POWER, name, session.files.get(name), file)
                if readings is None:
                    continue
                window = next((item.window for item in stated.values() if item.window is not None), None)
                if window is not None:
                    self._tally.same(file, when, stated, idle(readings, window), why=_READINGS)
                elif stated or any(is_power(channel) for channel in readings.channels):
                    self._tally.wrong(file, when, stated, "the window of each channel's baseline", _READINGS)

    def check_logs(self, logs: Sequence[Attachment], launches: Sequence[Launch], rules: Ruleset) -> None:
        """External meters' logs: their readings' hash, and the joules of each launch from them.

        The readings lie on the first invocation's clock: launches of another one are told from the log itself, which
        is not kept, and so are stated.
        """
        known = {f"{launch.cell}-{launch.number}": launch for launch in launches}
        for log in logs:
            file = f"{POWER}/{self._folder.attachment_path(log.name).name}"
            self._tally.state(_LOGS)
            self._tally.same(file, "run", log.run, self._plan.run)
            readings = self._readings(POWER, log.raw, log.raw_sha256, file)
            for name, stated in log.ledgers.items():
                launch = known.get(name)
                if launch is None or launch.window is None:
                    self._tally.wrong(file, f"ledgers.{name}", name, "a launch of this run that has a window")
                elif readings is not None and self._first_clock(launch.window):
                    again = self._logged(stated, launch, readings, log, rules)
                    self._tally.same(file, f"ledgers.{name}", stated, again, why=_READINGS)

    def _first_clock(self, window: Window) -> bool:
        times = [pair.monotonic_ns for pair in self._sessions[0].clock] if self._sessions else []
        return bool(times) and min(times) <= window.start_ns <= max(times)

    def _logged(
        self, stated: EnergyLedger, launch: Launch, readings: Readings, log: Attachment, rules: Ruleset
    ) -> EnergyLedger:
        assert launch.window is not None
        own = launch.energy
        window = own.window or energy_window(launch.window, launch.capacity)
        cell = next(cell for cell in self._plan.cells if cell.id == launch.cell)
        # What was done in the window was checked with the launch, or is as stated where that has no energy of its own.
        requests = own.requests if own.window is not None else stated.requests
        units = own.units if own.window is not None else stated.units
        searched, load = KINDS[cell.scenario.name].load, held_load(launch.capacity)
        work = Work(
            requests=requests or 0,
            units=units or 0,
            unit=launch.unit,
            searched=searched if load is not None else None,
            load=load,
            withheld=no_load(launch.capacity),
        )
        # Whoever attaches a log says that it is of this machine.
        return ledger(readings, window, work, ours=lambda channel: True, idle=log.idle, rule=rules.energy)

    def _readings(self, part: str, name: str, sha256: str | None, file: str) -> Readings | None:
        """A file of readings against the hash that `file` states; None where it cannot be read."""
        tally, path = self._tally, self._folder.path / part / name
        full = f"{part}/{name}"
        self.files.add(full)
        if Path(name).name != name or not path.is_file():
            tally.wrong(full, "", "missing", f"the readings that {file} names")
            return None
        tally.files.add(full)
        tally.same(full, "SHA-256", sha256_file(path), sha256, why=_HASH)
        try:
            readings = stored_readings(path)
        except NotComparableError as error:
            tally.wrong(full, "", str(error), "power readings")
            return None
        tally.readings += len(readings.table)
        return readings

    def readings_of(self, file: str, launch: Launch) -> Readings | None:
        """The readings of one launch, checked against its hash; None where it has none, or they cannot be read."""
        if launch.power is None:
            return None
        wanted = f"{launch.cell}-{launch.number}.power.npz"
        if launch.power.file != wanted:
            self._tally.wrong(file, "power.file", launch.power.file, wanted)
            return None
        readings = self._readings(LAUNCHES, launch.power.file, launch.power.sha256, file)
        if readings is not None and not readings.channels:
            # Where no meter has a channel no file is kept: without this, an empty one would excuse any joules.
            self._tally.wrong(f"{LAUNCHES}/{wanted}", "", "no channel", "the channels that were read", _READINGS)
        return readings

    def check(
        self,
        file: str,
        launch: Launch,
        cell: PlannedCell,
        samples: Samples | None,
        readings: Readings | None,
        given: Trial | None,
        rules: Ruleset,
    ) -> None:
        """The ledger of one launch. `cell`: as it was measured; `samples` None: they cannot be read."""
        stated = launch.energy
        if launch.power is None and (stated.channels or stated.scopes or stated.events):
            self._tally.wrong(file, "power", None, "the readings that these joules are from", _READINGS)
        if launch.window is None or samples is None:
            return
        if launch.power is None and stated == EnergyLedger(reason=stated.reason):
            # As it was written before energy had a window. Where anything is stated, a window is stated with it.
            return
        window = energy_window(launch.window, launch.capacity)
        batch = int(cell.scenario.params.get("batch", 1))
        work = work_of(samples, window, launch.unit, cell.scenario, launch.capacity, batch, given)
        self._tally.same(file, "energy.window", stated.window, window, why=_READINGS)
        self._tally.same(file, "energy.requests", stated.requests, work.requests, why=_READINGS)
        self._tally.same(file, "energy.units", stated.units, work.units, why=_READINGS)
        if readings is None or not readings.channels:
            return

        def again(baseline: Mapping[str, IdlePower]) -> EnergyLedger:
            return joules(
                self._plan,
                cell,
                launch.conditions or Conditions(),
                readings,
                window,
                work,
                idle=baseline,
                rule=rules.energy,
                named=self._named,
            )

        baselines = list(self._baselines(launch.window))
        if not baselines:
            self._tally.remark(_NO_SESSION)
            self._gross(file, stated, again({}))
            return
        tried = [again(baseline) for baseline in baselines]
        found = next((item for item in tried if item == stated), tried[0])
        self._tally.same(file, "energy", stated, found, why=_READINGS)

    def _baselines(self, window: Window) -> Iterator[Mapping[str, IdlePower]]:
        """What was idle before the invocation in whose time the window lies (of two boots there may be two)."""
        for session in self._sessions:
            times = [pair.monotonic_ns for pair in session.clock]
            if times and min(times) <= window.start_ns <= max(times):
                yield session.before

    def _named(self, channel: str) -> tuple[str, ...]:
        """The backends whose cards name the meter of a channel."""
        for meter in self._plan.meters:
            if any(item.name == channel for item in meter.channels):
                return meter.backends
        for meter in self._plan.meters:
            if channel.startswith(f"{meter.name}."):
                return meter.backends
        return ()

    def _gross(self, file: str, stated: EnergyLedger, again: EnergyLedger) -> None:
        """What no baseline is needed for."""
        for part, keys in (("channels", _GROSS), ("scopes", _SCOPE_GROSS)):
            left, right = (_entries(getattr(found, part), keys) for found in (stated, again))
            net = [f"energy.{part}.{name}.figures.{_NET}" for name in {**left, **right}]
            self._tally.same(file, f"energy.{part}", left, right, skip=net, why=_READINGS)
        self._tally.same(file, "energy.events", stated.events, again.events, why=_READINGS)


def _entries(found: Mapping[str, ChannelEnergy | ScopeEnergy], keys: Collection[str]) -> dict[str, Any]:
    """Of each channel or scope the entries `keys`, as JSON."""
    return {
        name: {key: value for key, value in msgspec.to_builtins(item).items() if key in keys}
        for name, item in found.items()
    }
