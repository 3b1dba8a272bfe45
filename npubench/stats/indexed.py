"""What lies in a results folder: its machines with their runs and headlines, and by name what is no run.

Guarantees: reads each run.json once and keeps of its cells only the headlines; nothing in the folder is an error:
damaged runs, runs of a newer format, foreign files, links that lead to themselves and runs that were never finished are
named with the reason. A headline is, for each service, backend and execution kind of a machine's newest night, what a
reader asks first: the load that was held, else the throughput, else the median latency, of the whole service before
that of the device.

Not aware of: how it is shown (`report.index`), whether a page of a run exists (`cli.index`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from npubench import store
from npubench.lang import Text
from npubench.metrics import CAPACITY, THROUGHPUT
from npubench.schema import ExecutionKind, Validity
from npubench.stats.changepoint import FindChanges, changes_of
from npubench.stats.history import Night, NightCell, Skipped, nights
from npubench.stats.trend import HEADLINES, CellTrend, follow, followed, gather, headline

YEAR = 365
"""Nights of a machine that its headlines are followed over."""
# Files that belong into a results folder and into a machine's.
_KNOWN = ("README.md", "baseline.toml"), ("machine.toml",)
_SCOPES = ("service", "device", "resident")


class IndexedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed run. `counts`: its measured cells by verdict, and what no backend takes under `unsupported`."""

    id: str
    machine: str
    folder: str
    created: str
    comparable: bool
    profile: str
    suite: str | None
    ruleset: str
    npubench: str
    counts: Mapping[Validity, int]


class IndexedMachine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine's runs, newest first, and the histories of its headlines. `quick`: they are of a quick look."""

    folder: str
    name: str
    runs: tuple[IndexedRun, ...]
    headlines: tuple[tuple[NightCell, CellTrend], ...]
    quick: bool = False


class Unfinished(msgspec.Struct, frozen=True):
    """A run that was begun and never sealed. `planned` None: its plan cannot be read."""

    path: Path
    measured: int
    planned: int | None


class Indexed(msgspec.Struct, frozen=True, kw_only=True):
    """What lies under `root`, machines by name."""

    root: Path
    machines: tuple[IndexedMachine, ...]
    unfinished: tuple[Unfinished, ...]
    left_out: tuple[Skipped, ...]


class _Planned(msgspec.Struct, gc=False):
    order: tuple[msgspec.Raw, ...]


def index(root: Path, find: FindChanges = changes_of) -> Indexed:
    """Reads the folder; an empty or missing one has no machines. `find`: change points, found here or elsewhere."""
    left_out = [*_strays(root, _KNOWN[0])]
    machines, unfinished = [], []
    for name in store.machine_folders(root):
        left_out += _strays(root / name, _KNOWN[1])
        for item in store.listed(root, name):
            if item.sealed:
                continue
            found = _unsealed(item.path)
            if isinstance(found, Unfinished):
                unfinished.append(found)
            else:
                left_out.append(found)
        skipped: list[Skipped] = []
        if (machine := _machine(root, name, skipped, find)) is not None:
            machines.append(machine)
        left_out += skipped
    return Indexed(root=root, machines=tuple(machines), unfinished=tuple(unfinished), left_out=tuple(left_out))


def _strays(folder: Path, known: Sequence[str]) -> Iterator[Skipped]:
    for name in store.strays(folder):
        if name not in known:
            yield Skipped(folder / name, _NO_FOLDER if (folder / name).is_file() else _NOWHERE)


def _unsealed(path: Path) -> Unfinished | Skipped:
    """A folder without a run.json."""
    try:
        data = (path / store.PLAN).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Skipped(path, _NO_RUN)
    except OSError as error:
        return Skipped(path, Text(en=f"cannot be read: {error.strerror}", ko=f"읽을 수 없음: {error.strerror}"))
    measured = sum(name.endswith(".json") for name in store.strays(path / store.LAUNCHES))
    try:
        return Unfinished(path, measured, len(msgspec.json.decode(data, type=_Planned).order))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Unfinished(path, measured, None)


_NO_FOLDER = Text(en="a file that is no part of the results", ko="결과에 속하지 않는 파일")
_NOWHERE = Text(en="a link that leads nowhere", ko="가리키는 곳이 없는 링크")
_NO_RUN = Text(en="neither a plan nor a run in it", ko="계획도 실행 결과도 없음")


def _machine(root: Path, name: str, skipped: list[Skipped], find: FindChanges) -> IndexedMachine | None:
    """None where no run of it can be used."""
    runs: list[IndexedRun] = []
    newest: list[Night] = []
    given = _told(nights(root, name, metrics=HEADLINES, skipped=skipped), runs, newest)
    kept = gather(given, YEAR)
    # Older nights are no part of a history, but are runs.
    for _ in given:
        pass
    if not runs:
        return None
    quick = not kept.nights
    if quick:
        kept = gather([_only_headlines(newest[0])], 1, quick_looks=True)
    cells = [cell for cell in kept.newest if cell in kept.metric]
    trends = follow((followed(kept, cell) for cell in cells), find)
    found = [(kept.newest[cell], trend) for cell, trend in zip(cells, trends, strict=True)]
    found.sort(key=lambda pair: _place(pair[0]))
    return IndexedMachine(folder=name, name=runs[0].machine, runs=tuple(runs), headlines=tuple(found), quick=quick)


def _told(found: Iterator[Night], runs: list[IndexedRun], newest: list[Night]) -> Iterator[Night]:
    """The nights with their headlines' cells only, those of the newest comparable one; all are written down."""
    wanted: frozenset[str] | None = None
    for night in found:
        runs.append(_run(night))
        if not newest:
            newest.append(night)
        if wanted is None and night.comparable:
            wanted = frozenset(cell.id for cell in headlines(night))
        yield msgspec.structs.replace(night, cells=tuple(cell for cell in night.cells if cell.id in (wanted or ())))


def _run(night: Night) -> IndexedRun:
    counts: dict[Validity, int] = {}
    for cell in night.cells:
        if cell.purpose == "measure":
            counts[cell.verdict] = counts.get(cell.verdict, 0) + 1
    if night.unsupported:
        counts["unsupported"] = counts.get("unsupported", 0) + night.unsupported
    return IndexedRun(
        id=night.id,
        machine=night.machine,
        folder=night.folder,
        created=night.created,
        comparable=night.comparable,
        profile=night.profile,
        suite=night.suite,
        ruleset=night.ruleset,
        npubench=night.npubench,
        counts=counts,
    )


def _only_headlines(night: Night) -> Night:
    return msgspec.structs.replace(night, cells=headlines(night))


def headlines(night: Night) -> tuple[NightCell, ...]:
    """The cells of a night that a reader asks for first: one of each service, backend and execution kind."""
    best: dict[tuple[str, str, ExecutionKind | None], NightCell] = {}
    for cell in night.cells:
        if cell.purpose != "measure" or "mix" in cell.key or cell.execution_kind is None:
            continue
        at = (cell.unit, cell.backend, cell.execution_kind)
        if at not in best or _rank(cell) < _rank(best[at]):
            best[at] = cell
    return tuple(best.values())


def _rank(cell: NightCell) -> tuple[bool, int, int]:
    """Lower is what is asked for first; among equals the plan's order decides."""
    metric = headline(cell)
    what = 0 if metric in CAPACITY else 1 if metric in {rate for rate, _ in THROUGHPUT.values()} else 2
    scope = _SCOPES.index(cell.scope) if cell.scope in _SCOPES else len(_SCOPES)
    return not cell.sound, what, scope


def _place(cell: NightCell) -> tuple[int, tuple[bool, int, int], str]:
    units = list(THROUGHPUT)
    return units.index(cell.unit) if cell.unit in units else len(units), _rank(cell), cell.backend
