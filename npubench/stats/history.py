"""The nights of a machine, newest first: of each sealed run only what a history needs.

Guarantees: nothing but run.json is opened, one at a time, and only while it is asked for; every part of it that is not
named below is skipped while decoding. Runs of every format up to the current one are read. What cannot be used
(damaged, of a newer format, of another machine, a second run of the same id) is left out and named in `skipped`; it is
never an error. Runs that are not sealed are left out.

Not aware of: which nights may be compared with which (`identity_sha256` of their cells says so), how they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.schema import CURRENT, RUN_SCHEMA, ExecutionKind, Purpose, Scenario, Validity
from npubench.spi import MeterScope
from npubench.store import ID, RUN, Listed, listed, slug

_NAME = RUN_SCHEMA.rpartition("/")[0]


class NightSpread(msgspec.Struct, frozen=True, gc=False):
    """A metric over the launches of one night (`schema.Spread`), in the metric's stored unit."""

    median: float | None = None
    launches: tuple[float | None, ...] = ()
    reason: str | None = None


class NightFailure(msgspec.Struct, frozen=True, gc=False):
    """Why a launch gave no result."""

    message: str = ""


class NightCell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A cell of one night. Values of two nights belong to one line only where `identity_sha256` and kind agree.

    Its values are asked for by `spread`: `summary`, and `efficiency` by scope, are structs of the metrics that were
    wanted (`nights`), because a metric that nobody wants costs nothing to skip and ten times that to keep.
    """

    id: str
    identity_sha256: str
    key: dict[str, str]
    model: str
    backend: str
    precision: str
    scenario: Scenario
    scope: str
    unit: str
    execution_kind: ExecutionKind | None = None
    verdict: Validity
    reasons: tuple[Text, ...] = ()
    failures: tuple[NightFailure, ...] = ()
    purpose: Purpose = "measure"
    summary: Any = None
    efficiency: Any = {}

    @property
    def sound(self) -> bool:
        """Whether its values count."""
        return self.verdict in ("valid", "degraded")

    def spread(self, metric: str, scope: MeterScope | None = None) -> NightSpread | None:
        """Its launches of a metric; of an energy metric in `scope`. None where it has none, or it was not wanted."""
        found: NightSpread | None = getattr(self.summary if scope is None else self.efficiency.get(scope), metric, None)
        return found


class Night(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sealed run. `created` is ISO 8601 UTC; `varying` are versions of driver, SDK, kernel and npubench.

    `unsupported`: how many models and precisions no backend takes; they have no cells. `folder`: the name of the run's.
    """

    id: str
    machine: str
    created: str
    comparable: bool
    profile: str
    ruleset: str
    npubench: str
    varying: dict[str, str]
    cells: tuple[NightCell, ...]
    suite: str | None = None
    unsupported: int = 0
    folder: str = ""


class Skipped(msgspec.Struct, frozen=True):
    """A run folder that gave no night, and why."""

    path: Path
    reason: Text


class _Head(msgspec.Struct):
    schema: str


class _Machine(msgspec.Struct):
    name: str


class _Unsupported(msgspec.Struct, gc=False):
    """Only counted."""


class _Document(msgspec.Struct, kw_only=True):
    schema: str
    id: str
    created: str
    npubench: str
    profile: str
    comparable: bool
    ruleset: str
    machine: _Machine
    varying: dict[str, str] = {}
    suite: str | None = None
    unsupported: tuple[_Unsupported, ...] = ()
    cells: tuple[NightCell, ...]


_HEAD = msgspec.json.Decoder(_Head)


@lru_cache(maxsize=16)
def _decoder(metrics: tuple[str, ...]) -> msgspec.json.Decoder[_Document]:
    """Reads a run.json with these metrics of its cells.

    An older format differs from the current one only in parts that are not read here (`schema.MIGRATIONS`).
    """
    wanted = [(key, NightSpread | None, None) for key in metrics]
    spreads = msgspec.defstruct("NightSpreads", wanted, frozen=True, gc=False)
    values = [("summary", spreads, spreads()), ("efficiency", dict[MeterScope, spreads], {})]  # type: ignore[valid-type]
    cell = msgspec.defstruct("WantedCell", values, bases=(NightCell,), frozen=True, kw_only=True, gc=False)
    cells = [("cells", tuple[cell, ...], ())]  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("WantedDocument", cells, bases=(_Document,), kw_only=True))


def _refused(data: bytes, error: Exception) -> Text:
    """Why a run.json cannot be read: of another kind or version, else damaged."""
    try:
        schema = _HEAD.decode(data).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Text(en=f"damaged: {error}", ko=f"손상됨: {error}")
    return _unfit(schema) or Text(en=f"damaged: {error}", ko=f"손상됨: {error}")


def _unfit(schema: str) -> Text | None:
    """Why a schema is not one that is read here; None where it is."""
    name, _, version = schema.rpartition("/")
    if name != _NAME or not version.isdecimal():
        return Text(en=f'schema is "{schema}", expected "{RUN_SCHEMA}"', ko=f'스키마 "{schema}", 기대 "{RUN_SCHEMA}"')
    if int(version) > CURRENT[_NAME]:
        return Text(
            en=f"written by a newer npubench ({schema}; this one reads up to {RUN_SCHEMA})",
            ko=f"더 새로운 npubench가 쓴 파일({schema}, 이 버전은 {RUN_SCHEMA}까지 읽음)",
        )
    return None


def read_night(data: bytes, metrics: Iterable[str] | None = None) -> Night | Text:
    """The night in the bytes of a run.json with these metrics (None: all), or why there is none."""
    try:
        found = _decoder(tuple(METRICS if metrics is None else metrics)).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refused(data, error)
    if (reason := _unfit(found.schema)) is not None:
        return reason
    return Night(
        id=found.id,
        machine=found.machine.name,
        created=found.created,
        comparable=found.comparable,
        profile=found.profile,
        ruleset=found.ruleset,
        npubench=found.npubench,
        varying=found.varying,
        cells=found.cells,
        suite=found.suite,
        unsupported=len(found.unsupported),
    )


def stamp(name: str) -> str:
    """The second of a run id or an ISO time, in a form that sorts: 20261124T010203Z."""
    return name.replace("-", "").replace(":", "")[:16] if name[4:5] == "-" else name[:16]


def _second(night: Night) -> str:
    return stamp(night.id if ID.match(night.id) else night.created)


def _folder(root: Path, machine: str) -> str:
    """The folder of a machine, which may be named as its folder is."""
    return machine if Path(machine).name == machine and (root / machine).is_dir() else slug(machine)


def _folders(root: Path, machines: Sequence[str] | None) -> list[Listed]:
    """The run folders of these machines (names or folders; None: of all), newest first, those of other names last."""
    if machines is None:
        found = list(listed(root))
    else:
        names = dict.fromkeys(_folder(root, name) for name in machines)
        found = [item for name in names for item in listed(root, name)]
    # Of several folders of one second the shortest name is first: a copy's is longer than the run's own.
    found.sort(key=lambda item: (len(item.run), item.run))
    found.sort(key=lambda item: (ID.match(item.run) is not None, item.run[:16]), reverse=True)
    return found


def nights(
    root: Path,
    machine: str | Sequence[str] | None = None,
    *,
    before: str | None = None,
    most: int | None = None,
    metrics: Iterable[str] | None = None,
    skipped: list[Skipped] | None = None,
) -> Iterator[Night]:
    """The sealed runs of a machine (of several, of all: None), newest first, at most `most`.

    `before`: a run id or an ISO time; only runs of an earlier second are given. `metrics` are those that will be asked
    for (None: any of `METRICS`). `skipped` gets what was left out, as it is met. A machine is named as in its runs or
    as its folder is.
    """
    machines = [machine] if isinstance(machine, str) else machine
    left_out = skipped if skipped is not None else []
    wanted = tuple(METRICS if metrics is None else metrics)
    limit = stamp(before) if before is not None else None
    seen: dict[str, Path] = {}
    given = 0
    for item in _folders(root, machines):
        if most is not None and given >= most:
            return
        named = ID.match(item.run) is not None
        if named and limit is not None and item.run[:16] >= limit:
            continue
        found = _open(item, machines is not None, wanted)
        if isinstance(found, Text):
            left_out.append(Skipped(item.path, found))
        elif found is not None and not (limit is not None and _second(found) >= limit):
            if found.id in seen:
                left_out.append(Skipped(item.path, _twice(found.id, seen[found.id])))
                continue
            seen[found.id] = item.path
            given += 1
            yield msgspec.structs.replace(found, folder=item.run)


def _open(item: Listed, own: bool, metrics: tuple[str, ...]) -> Night | Text | None:
    """The night in a folder, why there is none, or None for a run that is not sealed."""
    try:
        data = (item.path / RUN).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Text(en=f"cannot be read: {error.strerror}", ko=f"읽을 수 없음: {error.strerror}")
    found = read_night(data, metrics)
    if own and isinstance(found, Night) and slug(found.machine) != slug(item.machine):
        return Text(
            en=f'of machine "{found.machine}", in the folder of "{item.machine}"',
            ko=f'장비 "{found.machine}"의 실행이 "{item.machine}" 폴더에 있음',
        )
    return found


def _twice(run: str, other: Path) -> Text:
    return Text(en=f"claims the id {run}, as {other} does", ko=f"{other}와 같은 id {run} 사용")


def log_costs(spread: NightSpread | None, metric: str) -> tuple[float, ...]:
    """ln(cost) of every launch with a positive, finite value. More is worse: a throughput is inverted."""
    sign = -1.0 if METRICS[metric].worse == "lower" else 1.0
    values = spread.launches if spread is not None else ()
    return tuple([sign * math.log(value) for value in values if value is not None and 0.0 < value < math.inf])
