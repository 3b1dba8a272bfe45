"""A look at the launch in flight, for whoever watches: how fast it answers now, and what its device draws now.

Guarantees: reads and never writes; a look costs one read of at most 64 KiB of the mapped sample file and one of each
meter's file, however long the launch has run; nothing is asked of the worker or a meter. What it says is for the eye:
it is never kept, and no result is made from it. What is not there (yet) is None.

Not aware of: how often somebody looks (`cli.progress`), what a launch's figures are in the end (`stats.summary`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from npubench.cards import BackendCard
from npubench.engine.metering import FOLDER
from npubench.engine.power import NAME, read_log
from npubench.engine.preflight import serves
from npubench.engine.table import COMPLETED, HEADER_WORDS, MAGIC, WIDTH
from npubench.schema import SAMPLE_COLUMNS, Plan, PlannedCell
from npubench.spi import HOST, Channel, MeterScope
from npubench.stats.readings import RECORD, Records
from npubench.stats.series import TO_J, TO_W
from npubench.store import WORK

_WORD = 8
# So many requests are looked at, and none that ended longer before the newest: what is shown is how it goes now.
_MOST_ROWS = 1000
_RECENT_NS = 3_000_000_000
# A counter is read over about so long: it may rise in steps.
_COUNTED_NS = 1_000_000_000
# A reading that is older says nothing of now.
_STALE_NS = 5_000_000_000
_LEAST_POWER_ROWS = 256

# Of several scopes that count for a backend, the one nearest to its device is shown, then the whole machine's.
_NEAREST: tuple[MeterScope, ...] = ("card", "device", "chip", "package")
_WHOLE: tuple[MeterScope, ...] = ("node", "wall")


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of the launch in flight. `completed` so far; the others are of the last few seconds.

    `units_per_s`: frames, pages, tokens or samples; `p50_ns` of the requests that were answered; `lost`: how many of
    `recent` were not. `quiet_s`: since the newest one ended.
    """

    completed: int
    recent: int = 0
    lost: int = 0
    units_per_s: float | None = None
    p50_ns: float | None = None
    quiet_s: float | None = None


class Drawn(msgspec.Struct, frozen=True):
    """What all channels of one scope draw together, in watt."""

    scope: MeterScope
    power_w: float


def requests(folder: Path) -> Requests | None:
    """The requests in the sample file of a launch's work folder; None before there is one."""
    try:
        descriptor = os.open(folder / "samples.bin", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        head = np.frombuffer(os.pread(descriptor, HEADER_WORDS * _WORD, 0), dtype=np.int64)
        if len(head) < HEADER_WORDS or head[0] != MAGIC:
            return None
        # A worker that is only starting, or a damaged file, is not followed anywhere.
        completed = max(0, min(int(head[COMPLETED]), os.fstat(descriptor).st_size // (WIDTH * _WORD)))
        first = max(0, completed - _MOST_ROWS)
        at = (HEADER_WORDS + first * WIDTH) * _WORD
        data = os.pread(descriptor, (completed - first) * WIDTH * _WORD, at)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    rows = np.frombuffer(data[: len(data) // (WIDTH * _WORD) * WIDTH * _WORD], dtype=np.int64).reshape(-1, WIDTH)
    return _of(rows, completed, time.perf_counter_ns())


def _of(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]], completed: int, now_ns: int) -> Requests:
    """What the rows say, of which some may still be running."""
    scheduled, ended, units, status = (
        rows[:, SAMPLE_COLUMNS.index(name)] for name in ("scheduled_ns", "completed_ns", "units", "status")
    )
    newest = int(ended.max(initial=0))
    if newest == 0:
        return Requests(completed=completed)
    recent = (ended > 0) & (ended >= newest - _RECENT_NS)
    answered = recent & (status == 0)
    # The first of them opens the span, so its own units are not in it.
    oldest = int(ended[recent].min())
    span_ns = newest - oldest
    done = int(units[recent & (ended > oldest)].sum())
    return Requests(
        completed=completed,
        recent=int(recent.sum()),
        lost=int(recent.sum() - answered.sum()),
        units_per_s=done * 1e9 / span_ns if span_ns > 0 else None,
        p50_ns=float(np.median((ended - scheduled)[answered])) if answered.any() else None,
        quiet_s=max(0, now_ns - newest) / 1e9,
    )


class PowerGlance:
    """Looks at the files of a run's meters. Lives as long as somebody watches the run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder / WORK / FOLDER
        self._channels: dict[str, tuple[Channel, ...]] = {}

    def of(self, cell: PlannedCell) -> tuple[Drawn, ...]:
        """What counts for the cell's backend: its device's power, then the machine's; empty where none is read."""
        found: dict[MeterScope, float] = {}
        for meter in self._plan.meters:
            if not meter.availability.available:
                continue
            for scope, power_w in self._read(cell, meter.name, meter.backends).items():
                found[scope] = found.get(scope, 0.0) + power_w
        near = next(((scope, found[scope]) for scope in _NEAREST if scope in found), None)
        whole = next(((scope, found[scope]) for scope in _WHOLE if scope in found), None)
        return tuple(Drawn(*item) for item in (near, whole) if item is not None)

    def _read(self, cell: PlannedCell, meter: str, named: Sequence[str]) -> dict[MeterScope, float]:
        stem = self._folder / meter / NAME
        if not self._channels.get(meter):
            self._channels[meter] = read_log(stem.with_name(f"{NAME}.jsonl")).channels
        channels = self._channels[meter]
        card = msgspec.convert(self._plan.backends[cell.backend], BackendCard)
        rows = _tail(stem.with_name(f"{NAME}.bin"), max(_LEAST_POWER_ROWS, 16 * len(channels)))
        now_ns = time.perf_counter_ns()
        found: dict[tuple[MeterScope, bool], dict[str, float]] = {}
        for place, channel in enumerate(channels):
            counter = channel.kind == "counter"
            if not (counter or channel.quantity == "power") or not self._counts(card, channel, named):
                continue
            power_w = _power_w(rows[(rows["channel"] == place) & (rows["status"] == 0)], channel, now_ns)
            if power_w is not None:
                # Instant and averaged power of one device are the same watts.
                device = channel.name if counter or not channel.device else channel.device
                found.setdefault((channel.scope, counter), {}).setdefault(device, power_w)
        sums: dict[MeterScope, float] = {}
        for (scope, _), parts in sorted(found.items(), key=lambda item: item[0][1]):
            # So are power and a counter of energy, where a meter has both of a scope.
            sums.setdefault(scope, sum(parts.values()))
        return sums

    def _counts(self, card: BackendCard, channel: Channel, named: Sequence[str]) -> bool:
        """Whether a channel is the backend's, as far as can be told while it runs (`belonging` knows more)."""
        if channel.scope in _WHOLE:
            return True
        if channel.device == HOST:
            return card.device.type == "cpu"
        device = next((device for device in self._plan.machine.accelerators if device.id == channel.device), None)
        return serves(card, device) if device is not None else card.id in named


def _tail(path: Path, most: int) -> Records:
    """The last rows of a sampler's file; one that is not whole is left out."""
    try:
        with path.open("rb") as stream:
            count = os.fstat(stream.fileno()).st_size // RECORD.itemsize
            stream.seek(max(0, count - most) * RECORD.itemsize)
            data = stream.read(min(count, most) * RECORD.itemsize)
    except OSError:
        data = b""
    found: Records = np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], dtype=RECORD)
    return found


def _power_w(rows: Records, channel: Channel, now_ns: int) -> float | None:
    if not len(rows) or now_ns - int(rows["after_ns"][-1]) > _STALE_NS:
        return None
    last = float(rows["value"][-1])
    if channel.kind != "counter":
        return last * TO_W[channel.unit] if channel.unit in TO_W else None
    earlier = rows[rows["after_ns"] <= rows["after_ns"][-1] - _COUNTED_NS]
    if channel.unit not in TO_J or not len(earlier):
        return None
    risen = last - float(earlier["value"][-1])
    seconds = (int(rows["after_ns"][-1]) - int(earlier["after_ns"][-1])) / 1e9
    # A counter that started anew: the next look knows more.
    return risen * TO_J[channel.unit] / seconds if risen >= 0 else None
