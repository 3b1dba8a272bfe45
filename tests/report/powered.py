"""A made-up run with power for the tests of the report: meters, readings, sessions, an external log.

Nothing here was measured: readings are drawn from a seed. What is made of them (ledgers, figures, events) is made by
the code that makes it of real ones.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.energy import (
    Alignment,
    Attachment,
    ClockPair,
    Effect,
    EnergyLedger,
    IdlePower,
    MeterCost,
    PlannedMeter,
    PowerSession,
    Window,
)
from npubench.lang import Text
from npubench.report.view import RunFiles
from npubench.rules import load
from npubench.schema import Cell, Launch, Run
from npubench.spi import HOST, THROTTLE_BITS, Availability, Channel
from npubench.stats import cell_energy
from npubench.stats.idle import idle
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import OK, RECORD, Readings
from tests.report import loaded, sample

S = 1_000_000_000
NPU = "0000:41:00.0"
RULE = load().energy
SMI = "sample_smi 2.1"

PACKAGE = Channel(
    name="rapl.package-0", unit="uJ", scope="package", kind="counter", quantity="energy", device=HOST,
    source="/sys/class/powercap/intel-rapl:0", wraps_at=262143328850.0, lag_bound_ns=1_000_000, refresh_ns=1_000_000,
)  # fmt: skip
CARD = Channel(
    name=f"npu-smi.{NPU}.power", unit="mW", scope="card", kind="average", device=NPU, source=SMI, lag_bound_ns=S,
    refresh_ns=S, accuracy=0.05,
)  # fmt: skip
HEAT = Channel(
    name=f"npu-smi.{NPU}.temperature", unit="C", scope="chip", kind="instant", quantity="temperature", device=NPU,
    source=SMI,
)  # fmt: skip
CLOCK = Channel(
    name=f"npu-smi.{NPU}.clock", unit="MHz", scope="chip", kind="instant", quantity="clock", device=NPU, source=SMI
)
LIMIT = Channel(
    name=f"npu-smi.{NPU}.limit", unit="W", scope="card", kind="state", quantity="limit", device=NPU, source=SMI
)
THROTTLE = Channel(
    name=f"npu-smi.{NPU}.throttle", unit="", scope="chip", kind="state", quantity="throttle", device=NPU, source=SMI
)
NODE = Channel(
    name="redfish.chassis-1", unit="W", scope="node", kind="average", source="EnvironmentMetrics.PowerWatts",
    lag_bound_ns=2 * S,
)  # fmt: skip
WALL = Channel(name="pdu.outlet-7", unit="W", scope="wall", kind="average", source="pdu.csv")
CHANNELS = (PACKAGE, CARD, HEAT, CLOCK, LIMIT, THROTTLE, NODE)

# Watts idle, with the processor at work, with the accelerator at work; invented.
WATTS = {"package": (38.0, 96.0, 52.0), "card": (14.0, 14.0, 41.0), "node": (212, 290, 268), "wall": (230, 315, 291)}
LONG_S, BEFORE_S = 42, 6
NO_RAPL = Text(
    en="no power meter answered: rapl: /sys/class/powercap is not readable",
    ko="응답한 전력계가 없습니다: rapl: /sys/class/powercap을 읽을 수 없음",
)

Floats = npt.NDArray[np.float64]


def held() -> Window:
    """Where the load was held for the energy."""
    return Window(start_ns=sample.START_NS, end_ns=sample.START_NS + 30 * S)


def _values(channel: Channel, backend: str, hot: bool, slow: bool, draw: np.random.Generator) -> Floats:
    """42 s at 10 Hz from 6 s before the window on: idle, load, idle; `hot`: the card slows itself for some seconds."""
    n = LONG_S * 10
    seconds = np.arange(n) / 10 - BEFORE_S
    busy = ((seconds > -2) & (seconds < 31)).astype(float)
    npu = backend == "sample-npu"
    throttled = ((seconds > 18) & (seconds < 23.5)).astype(float) * hot
    if channel.quantity == "temperature":
        return 44 + 34 * (1 - np.exp(-np.clip(seconds + 2, 0, None) / 9)) * npu * busy + draw.normal(0, 0.2, n)
    if channel.quantity == "clock":
        return 1000 - 380 * throttled + draw.choice([-5, 0, 0, 5], n)
    if channel.quantity == "limit":
        return np.where((seconds > 9) & hot, 60.0, 75.0)
    if channel.quantity == "throttle":
        capped = ((seconds > 3) & (seconds < 4)) * hot
        return throttled * THROTTLE_BITS["thermal"] + capped * float(THROTTLE_BITS["power-cap"])
    rest, cpu, accelerated = WATTS[channel.scope]
    watts = rest + ((accelerated if npu else cpu) - rest) * busy * (1 - 0.35 * throttled * (channel is CARD))
    watts = watts * draw.normal(1, 0.01, n)
    if channel.kind == "average":
        every = 80 if slow and channel is NODE else 10
        watts = np.repeat(watts[::every], every)[:n]
    if channel.kind == "counter":
        return np.cumsum(watts * 0.1) * 1e6
    return watts * 1e3 if channel.unit == "mW" else watts


def readings(
    backend: str, *, hot: bool = False, slow: bool = False, seed: int = 0, channels: tuple[Channel, ...] = CHANNELS
) -> Readings:
    """What meters would have read; the BMC fails for a moment, and with `slow` is new only every 8 s."""
    draw = np.random.default_rng(seed)
    rows = []
    for place, channel in enumerate(channels):
        table = np.zeros(LONG_S * 10, RECORD)
        table["before_ns"] = sample.START_NS - BEFORE_S * S + np.arange(len(table)) * S // 10
        table["after_ns"] = table["before_ns"] + 200_000
        table["value"], table["channel"] = _values(channel, backend, hot, slow, draw), place
        if channel is NODE:
            table["status"][200:208], table["value"][200:208] = 1, np.nan
        rows.append(table)
    return Readings(channels, (OK, "503 Service Unavailable"), np.sort(np.concatenate(rows), order="before_ns"))


def _work(cell: Cell, launch: Launch) -> Work:
    found = cell.capacity
    requests = int(400 + 10 * launch.number)
    return Work(
        requests=requests,
        units=32 * requests if cell.unit == "token" else requests,
        unit=cell.unit,
        searched=None if found is None else found.searched,
        load=None if found is None else found.confirmed or None,
    )


def energy(cell: Cell, launch: Launch, found: Readings, before: dict[str, IdlePower]) -> EnergyLedger:
    """The ledger of these readings: an accelerator's launch owns the card, a processor's the package."""
    npu = cell.backend == "sample-npu"
    return ledger(
        found,
        held(),
        _work(cell, launch),
        ours=lambda channel: not channel.device or (channel.device == HOST) != npu,
        idle=before,
        rule=RULE,
    )


def calm(seed: int, scale: float = 1.0) -> dict[str, IdlePower]:
    """The idle baseline of the same meters."""
    found = readings("none", seed=seed, channels=(PACKAGE, CARD, NODE, WALL))
    table = found.table.copy()
    table["value"] *= scale
    window = Window(start_ns=sample.START_NS - BEFORE_S * S, end_ns=sample.START_NS - 2 * S)
    return idle(msgspec.structs.replace(found, table=table), window)


HERE = Availability(available=True)
METERS = (
    PlannedMeter(name="rapl", code="npubench.meters.rapl:RaplMeter", availability=HERE, channels=(PACKAGE,)),
    PlannedMeter(
        name="npu-smi", code="x:y", place="sample-npu", backends=("sample-npu",), availability=HERE,
        channels=(CARD, HEAT, CLOCK, LIMIT, THROTTLE),
    ),
    PlannedMeter(name="redfish", code="npubench.meters.redfish:RedfishMeter", availability=HERE, channels=(NODE,)),
    PlannedMeter(
        name="nvml",
        code="npubench.meters.nvml:NvmlMeter",
        availability=Availability(
            available=False, reason="libnvidia-ml.so.1 is not installed", fix="install the NVIDIA driver"
        ),
    ),
)  # fmt: skip


def session(run: str, before: dict[str, IdlePower]) -> PowerSession:
    """Power around the launches: the machine idled higher afterwards, and one meter died."""
    return PowerSession(
        run=run,
        number=1,
        meters=("rapl", "npu-smi", "redfish"),
        before=before,
        after=calm(3, 1.15),
        costs={
            "rapl": MeterCost(readings=9_120, cpu_share=0.0021, read_p50_ns=38_000, read_p99_ns=91_000),
            "npu-smi": MeterCost(readings=9_118, cpu_share=0.0112, read_p50_ns=2_100_000, read_p99_ns=4_800_000),
            "redfish": MeterCost(readings=640, missed=3, cpu_share=0.004, ended="401 Unauthorized"),
        },
        effect=Effect(ratio=1.0011, low=0.9984, high=1.0037, blocks=20),
        clock=(ClockPair(monotonic_ns=1, wall_ns=2, gap_ns=300),),
    )


def log(run: str, ledgers: dict[str, EnergyLedger]) -> Attachment:
    """A wall meter's log, brought afterwards."""
    return Attachment(
        run=run,
        name="pdu",
        of="pdu.csv",
        of_sha256="0" * 64,
        alignment=Alignment(how="pulse", offset_s=-2.98, uncertainty_s=0.08, correlation=0.97),
        channels=(WALL,),
        ledgers=ledgers,
    )


def _dark(base: RunFiles) -> RunFiles:
    launches = {
        name: msgspec.structs.replace(launch, energy=EnergyLedger(reason=NO_RAPL))
        for name, launch in base.launches.items()
    }
    cells = tuple(msgspec.structs.replace(cell, energy_reason=NO_RAPL) for cell in base.run.cells)
    run = msgspec.structs.replace(base.run, cells=cells, meters=METERS[3:])
    return RunFiles(run=run, launches=launches, samples=base.samples)


def powered(*, dark: bool = False) -> RunFiles:
    """The searched services of two backends, metered in three scopes and by a wall meter's log; `dark`: by nothing.

    The second launch of the accelerator's cameras at 15 fps is `hot`. The BMC is too slow for the language model.
    """
    base = loaded.services()
    if dark:
        return _dark(base)
    before = calm(2)
    launches: dict[str, Launch] = {}
    tables: dict[str, Readings] = {}
    logged: dict[str, EnergyLedger] = {}
    cells: list[Cell] = []
    for n, cell in enumerate(base.run.cells):
        for name in cell.launches:
            launch = base.launches[name]
            hot = cell.backend == "sample-npu" and cell.scenario.params.get("fps") == 15 and launch.number == 2
            tables[name] = readings(cell.backend, hot=hot, slow=cell.unit == "token", seed=n)
            launches[name] = msgspec.structs.replace(launch, energy=energy(cell, launch, tables[name], before))
            if cell.capacity is not None:
                logged[name] = energy(cell, launch, readings(cell.backend, seed=n, channels=(WALL,)), before)
        cells.append(cell)
    found = log(base.run.id, logged)
    run: Run = msgspec.structs.replace(
        base.run,
        cells=tuple(_with_energy(cell, launches, found) for cell in cells),
        meters=METERS,
        power=(session(base.run.id, before),),
        logs=(found,),
        notes=(*base.run.notes, *cell_energy.drift_notes([session(base.run.id, before)], RULE)),
    )
    return RunFiles(run=run, launches=launches, samples=base.samples, readings=tables.get)


def _with_energy(cell: Cell, launches: dict[str, Launch], found: Attachment) -> Cell:
    """As the assembly of a run makes it."""
    good = [cell_energy.attached(launches[name], [found]) for name in cell.launches]
    return msgspec.structs.replace(
        cell,
        energy=cell_energy.energy(good),
        energy_reason=cell_energy.energy_reason(good),
        efficiency=cell_energy.efficiency(good),
        verdict="degraded" if any(each.causes for launch in good for each in launch.energy.events) else cell.verdict,
    )
