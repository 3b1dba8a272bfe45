"""Confirm on red: cells that regressed are measured once more, in turns with the baseline's build where it can be run.

Guarantees: once per cell and pair of runs. What was measured again is kept beside NEW, in
`<machine>/confirm/<new>--<base>`, and asking again gives the same answer, so that nobody asks until it is green. What a
later question finds red beside that (the first one was of a part of the backends, say) is measured in a folder of its
own (`…--2`). The baseline's environment is rebuilt from the exact packages that its run recorded; where that cannot be,
or would be tonight's own, the candidate alone is measured again, and the result says so: such a re-run shares the
night's effect. Windows and launches are NEW's.

What crashed is run once more, too, on NEW's build alone: whether it crashes again is said, the verdict stays invalid.

Not aware of: how two comparisons become one (`stats.confirmation`), what is shown.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import msgspec

from npubench.cards import BackendCard, EnvironmentSpec, to_builtins
from npubench.energy import PlannedMeter
from npubench.engine import installing
from npubench.engine.ab import order, placed, renamed
from npubench.engine.environments import distribution, kind_of, normalised
from npubench.engine.select import probe
from npubench.errors import InstallError, NotComparableError
from npubench.lang import Text
from npubench.schema import Cell, FailureKind, Note, Plan, PlannedCell, Run, cell_id
from npubench.sides import plain, side_of, sided
from npubench.spi import Availability, EnvironmentFacts, MeterScope
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import CellComparison, Comparison, RunRef, exit_code
from npubench.stats.headline import headline
from npubench.stats.paired import compare_sides
from npubench.stats.runs import assembled
from npubench.stats.speed import Tolerated, minimum
from npubench.store import LAUNCHES, PLAN, RunFolder
from npubench.units import utc_now

FOLDER = "confirm"
NOTE = "confirm"
"""The code of the notes that say how each backend was measured again."""

_CRASHES = (
    FailureKind.CRASHED,
    FailureKind.KILLED,
    FailureKind.HUNG,
    FailureKind.RAISED,
    FailureKind.DEVICE_LOST,
    FailureKind.PROTOCOL,
)
# What a venv brings itself, and what comes from here.
_NOT_INSTALLED = ("npubench", "pip", "setuptools", "wheel")

Say = Callable[[str], None]
Stop = Callable[[], bool]
Measure = Callable[[Plan, RunFolder], Run]
"""Carries a written plan out."""


def confirm(
    found: Comparison,
    base: RunFolder,
    new: RunFolder,
    measure: Measure,
    *,
    say: Say = lambda text: None,
    stop: Stop = lambda: False,
    command: Sequence[str] = (),
) -> Comparison | None:
    """The second comparison: of the red cells, and of those that would be red but for other work on the machine,
    measured again; None where there are none and nothing crashed.

    The devices should be held. Raises NotComparableError where NEW has no plan any more, what measuring raises, and
    StopRequested.
    """
    before, after = assembled(base), assembled(new)
    regressed = {cell.id for cell in found.cells if cell.doubtful}
    crashed = {cell.id for cell in found.cells if cell.status == "invalid" and _crashed(_by_id(after).get(cell.id))}
    if not regressed and not crashed:
        return None
    missing = regressed | crashed
    there = list(_parts(new, before.id))
    wanted: list[RunFolder] = []
    for folder in there:
        if held := _held(folder) & missing:
            wanted.append(folder)
            missing -= held
    if missing:
        if not (new.path / PLAN).is_file():
            raise NotComparableError(
                f"{new.path}: no {PLAN} in it, so that nothing of it can be measured again",
                hint="confirm on the machine and in the folder in which it was measured",
            )
        part = len(there) + 1
        folder = folder_of(new, before.id, part)
        plan = planned(before, new.plan(), regressed & missing, crashed & missing, say, stop)
        (folder.path / LAUNCHES).mkdir(parents=True, exist_ok=True)
        folder.write_plan(msgspec.structs.replace(plan, run=f"{plan.run}{_suffix(part)}", command=tuple(command)))
        wanted.append(folder)
    runs = [folder.run() if folder.sealed() else measure(folder.plan(), folder) for folder in wanted]
    return _together([judged(found, before, again) for again in runs])


def begun(new: RunFolder, base: str) -> set[str]:
    """The cells of NEW, by id, that were measured again for the run `base`, or whose plan for it is written.

    Raises NotComparableError where a file of that is damaged.
    """
    return {name for folder in _parts(new, base) for name in _held(folder)}


def folder_of(new: RunFolder, base: str, part: int = 1) -> RunFolder:
    """Where red cells of NEW against the run `base` are measured again: first, or what that left out."""
    return RunFolder(new.path.parent / FOLDER / f"{new.path.name}--{base}{_suffix(part)}")


def _suffix(part: int) -> str:
    return f"--{part}" if part > 1 else ""


def _parts(new: RunFolder, base: str) -> Iterator[RunFolder]:
    """Where cells of NEW were measured again for the run `base`, or are going to be."""
    for part in count(1):
        folder = folder_of(new, base, part)
        if not (folder.sealed() or (folder.path / PLAN).is_file()):
            return
        yield folder


def _held(folder: RunFolder) -> set[str]:
    """The cells, by id, that a part measures again: as NEW has them, and as the part itself does."""
    cells: Sequence[Cell | PlannedCell] = folder.run().cells if folder.sealed() else folder.plan().cells
    return {
        name
        for cell in cells
        if cell.purpose == "measure"
        for name in (cell.id, cell_id({part: plain(value) for part, value in cell.key.items()}))
    }


def _together(looks: Sequence[Comparison]) -> Comparison:
    """Second comparisons of different cells as one, which goes by the name of the last one."""
    last = looks[-1]
    if len(looks) == 1:
        return last
    cells = tuple(cell for look in looks for cell in look.cells)
    before = ", ".join(look.new.id for look in looks[:-1])
    earlier = Text(
        en=f"red cells were measured again earlier, too: {before}",
        ko=f"앞서 다시 측정한 악화된 셀: {before}",
    )
    return msgspec.structs.replace(
        last,
        exit_code=exit_code(cells),
        sentence=headline(cells, last.rule),
        cells=cells,
        notes=(earlier, *dict.fromkeys(note for look in looks for note in look.notes)),
    )


def _by_id(run: Run) -> dict[str, Cell]:
    return {cell.id: cell for cell in run.cells}


def _crashed(cell: Cell | None) -> bool:
    return cell is not None and any(failure.kind in _CRASHES for failure in cell.failures)


class Rebuilt(msgspec.Struct, frozen=True):
    """The baseline's build of a backend, as the one side: its card, and what answered in it."""

    card: BackendCard
    availability: Availability
    environment: EnvironmentFacts | None


def exact(requires: Sequence[str], packages: Mapping[str, str]) -> tuple[str, ...]:
    """What pip is to install for the very packages of an earlier run. A wheel's path, or a revision, stays what it is:
    its version alone would name another one.
    """
    direct = {distribution(item): item for item in requires if item.startswith("/") or "@" in item}
    pinned = [
        f"{name}=={version}"
        for name, version in packages.items()
        if normalised(name) not in direct and normalised(name) not in _NOT_INSTALLED
    ]
    return (*direct.values(), *sorted(pinned, key=str.lower))


def rebuilt(base: Run, plan: Plan, backend: str, say: Say, stop: Stop) -> Rebuilt | Text:
    """The baseline's build of a backend, installed and asked; or why the candidate has to be measured alone."""
    facts, today = base.environments.get(backend), plan.environments.get(backend)
    try:
        card = msgspec.convert(base.backends.get(backend), BackendCard)
    except msgspec.ValidationError:
        return Text(en="the baseline's card is of another form", ko="기준 실행의 카드 형식이 다름")
    kind = kind_of(card.environment)
    if kind == "own":
        return Text(
            en="it ran in npubench's own environment, which is not rebuilt",
            ko="npubench 자체 환경에서 실행되어 다시 만들 수 없음",
        )
    if kind == "python":
        return Text(
            en="the baseline's card names its own Python, which is not rebuilt",
            ko="기준 실행의 카드가 자체 파이썬을 지정하여 다시 만들 수 없음",
        )
    if facts is None or not facts.packages:
        return Text(
            en="the baseline does not say what was installed", ko="기준 실행에 설치된 패키지가 기록되어 있지 않음"
        )
    now = msgspec.convert(plan.backends[backend], BackendCard)
    if to_builtins(card.prebuilt) != to_builtins(now.prebuilt):
        return Text(
            en="the baseline's files, compiled elsewhere, are not here",
            ko="기준 실행에서 쓴, 외부에서 컴파일한 파일이 여기에 없음",
        )
    if today is not None and (today.packages, today.python) == (facts.packages, facts.python):
        return Text(en="its environment is that of the baseline", ko="환경이 기준 실행과 같음")
    if facts.python.split(".")[:2] != platform.python_version().split(".")[:2]:
        here, there = platform.python_version(), facts.python
        return Text(
            en=f"the baseline's environment was of Python {there}; this one makes those of {here}",
            ko=f"기준 환경은 파이썬 {there}, 여기서는 {here} 환경만 만들 수 있음",
        )
    requires = exact(card.environment.requires, facts.packages)
    spec = EnvironmentSpec(
        requires=requires, variables=card.environment.variables, proprietary=card.environment.proprietary
    )
    card = renamed(msgspec.structs.replace(card, environment=spec), "a")
    try:
        installing.sync_card(card, say, stop)
    except InstallError as error:
        return Text(
            en=f"the baseline's environment cannot be rebuilt: {error}", ko=f"기준 환경을 다시 만들 수 없음: {error}"
        )
    with tempfile.TemporaryDirectory(prefix="npubench-probe-") as work:
        answer = probe(card, Path(work), stop, thorough=True)
    if not answer.availability.available:
        why = answer.availability.reason
        return Text(
            en=f"the baseline's build does not answer here any more: {why}",
            ko=f"기준 빌드가 여기서 응답하지 않음: {why}",
        )
    return Rebuilt(card, answer.availability, answer.environment)


def planned(base: Run, plan: Plan, regressed: set[str], crashed: set[str], say: Say, stop: Stop) -> Plan:
    """The plan of what is measured again, from NEW's `plan`: its windows, its launches, its inputs."""
    mixed = {cell.mix for cell in plan.cells if cell.id in regressed | crashed and cell.mix is not None}
    again = [cell for cell in plan.cells if cell.id in regressed | crashed or cell.mix in mixed - {None}]
    builds: dict[str, Rebuilt] = {}
    notes: list[Note] = []
    for backend in dict.fromkeys(cell.backend for cell in again if cell.id in regressed):
        if all(cell.mix is not None for cell in again if cell.backend == backend and cell.id in regressed):
            one: Rebuilt | Text = Text(
                en="services side by side are not measured in turns", ko="동시 서비스는 번갈아 측정하지 않음"
            )
        else:
            one = rebuilt(base, plan, backend, say, stop)
        if isinstance(one, Rebuilt):
            builds[backend] = one
        notes.append(_told(backend, one))
    cells: list[PlannedCell] = []
    backends: dict[str, BackendCard] = {}
    for backend in dict.fromkeys(cell.backend for cell in again):
        now = msgspec.convert(plan.backends[backend], BackendCard)
        turns = [cell for cell in again if cell.backend == backend and _in_turns(cell, regressed, builds)]
        alone = [cell for cell in again if cell.backend == backend and cell not in turns]
        floors = [cell for cell in plan.cells if cell.purpose == "floor" and cell.backend == backend]
        if turns:
            for card in (builds[backend].card, renamed(now, "b")):
                backends[card.id] = card
                cells += [placed(cell, card) for cell in (*floors, *turns)]
        if alone:
            backends[backend] = now
            cells += [*floors, *alone]
    answers = {sided(name, "a"): (one.availability, one.environment) for name, one in builds.items()}
    return msgspec.structs.replace(
        plan,
        run=f"{plan.run}--{base.id}",
        created=utc_now(),
        suite=None,
        cells=tuple(cells),
        order=order(cells, plan.launches, plan.seed),
        backends={name: to_builtins(card) for name, card in backends.items()},
        availability={
            name: answers[name][0] if name in answers else plan.availability[_plain(name)]
            for name in backends
            if name in answers or _plain(name) in plan.availability
        },
        environments={
            name: facts
            for name in backends
            if (facts := answers[name][1] if name in answers else plan.environments.get(_plain(name))) is not None
        },
        meters=tuple(_metering(meter, list(backends)) for meter in plan.meters),
        notes=tuple(notes),
        absent=(),
        named_absent=False,
        unsupported=(),
    )


def _plain(backend: str) -> str:
    return backend[:-2] if side_of(backend) else backend


def _in_turns(cell: PlannedCell, regressed: set[str], builds: Mapping[str, Rebuilt]) -> bool:
    return cell.id in regressed and cell.mix is None and cell.backend in builds


def _metering(meter: PlannedMeter, backends: Sequence[str]) -> PlannedMeter:
    """The meter, for backends that are called otherwise now. Its binding lives where NEW's build does."""
    named = tuple(name for name in backends if _plain(name) in meter.backends)
    place = next((name for name in backends if _plain(name) == meter.place and side_of(name) != "a"), "")
    return msgspec.structs.replace(meter, backends=named, place=place)


def _told(backend: str, one: Rebuilt | Text) -> Note:
    if isinstance(one, Rebuilt):
        text = Text(
            en=f"{backend}: measured again in turns with the baseline's build, its environment rebuilt",
            ko=f"{backend}: 기준 환경을 다시 만들어 번갈아 다시 측정함",
        )
    else:
        text = Text(
            en=f"{backend}: the candidate alone was measured again ({one.en}): a re-run of the candidate alone shares "
            "the night's effect",
            ko=f"{backend}: 새 빌드만 다시 측정함({one.ko}). 같은 날 밤의 영향이 그대로 남을 수 있음",
        )
    return Note(code=NOTE, text=text, severity="info")


def judged(found: Comparison, base: Run, again: Run) -> Comparison:
    """The second comparison: of what was measured again, by rounds where both builds were, else against `base`."""
    known = {
        (cell.id, item.metric, item.scope): Tolerated(item.tolerance, item.tolerance_from, item.noise, item.nights)
        for cell in found.cells
        for item in cell.metrics
    }

    def tolerances(cell: Cell, metric: str, scope: MeterScope | None = None) -> Tolerated:
        return known.get((cell.id, metric, scope)) or minimum(cell, metric, scope)

    wanted = Wanted(allow=found.allow, machine_class=found.machine_class, tolerances=tolerances, rule=found.rule)
    cells: list[CellComparison] = []
    if any(side_of(cell.backend) for cell in again.cells):
        cells += compare_sides(again, wanted).cells
    single = {cell.id: cell for cell in again.cells if side_of(cell.backend) is None and cell.purpose == "measure"}
    if earlier := tuple(cell for cell in base.cells if cell.id in single):
        alone = msgspec.structs.replace(again, cells=tuple(single.values()))
        cells += compare(msgspec.structs.replace(base, cells=earlier), alone, wanted).cells
    crashes = tuple(
        _crash(cell, single[cell.id]) for cell in found.cells if cell.status == "invalid" and cell.id in single
    )
    return Comparison(
        base=found.base,
        new=RunRef.of(again),
        rule=found.rule,
        allow=found.allow,
        machine_class=found.machine_class,
        exit_code=exit_code(cells),
        sentence=headline(cells, found.rule),
        cells=tuple(cells),
        notes=(*(note.text for note in again.notes if note.code == NOTE), *crashes),
    )


def _crash(cell: CellComparison, again: Cell) -> Text:
    if not _crashed(again):
        return Text(
            en=f"{cell.name}: it crashed in NEW and did not when it was run once more; the cell stays invalid",
            ko=f"{cell.name}: NEW에서 비정상 종료, 다시 실행했을 때는 정상. 셀은 무효로 유지",
        )
    kind = again.failures[0].kind.value
    return Text(
        en=f"{cell.name}: it crashed in NEW and again when it was run once more ({kind})",
        ko=f"{cell.name}: NEW에서 비정상 종료, 다시 실행해도 같음({kind})",
    )
