"""Red cells are measured once more: in turns where the baseline's environment can be rebuilt, else alone."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench import store
from npubench.cards import BackendCard, EnvironmentSpec
from npubench.engine import confirming, installing
from npubench.engine.environments import Marker
from npubench.engine.launcher import Limits
from npubench.engine.protocol import Probed
from npubench.engine.run import Execution
from npubench.errors import InstallError, NotComparableError
from npubench.schema import Cell, Plan, Run
from npubench.sides import plain, side_of
from npubench.spi import Availability, EnvironmentFacts
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import Comparison
from npubench.stats.confirmation import confirmed
from npubench.stats.speed import Tolerated
from tests.engine.test_run import Quiet
from tests.stats.made_runs import cell as made
from tests.stats.made_runs import run
from tests.support import null_card, null_plan

TODAY = platform.python_version()
OLD = EnvironmentFacts(python=TODAY, packages={"runtime": "1.0", "numpy": "2.0", "npubench": "9", "pip": "25"})
NEW = EnvironmentFacts(python=TODAY, packages={"runtime": "1.1", "numpy": "2.0", "npubench": "9", "pip": "25"})
# Night means as factors of each other, with a launch's spread of half a percent.
STEADY = (1.000, 1.004, 0.997, 1.002, 0.998)


def needy(id: str = "needy", **options: Any) -> BackendCard:  # noqa: A002
    """A backend on an environment of its own; times on the null adapter count as those of hardware here."""
    return msgspec.structs.replace(null_card(id, **options), environment=EnvironmentSpec(requires=("runtime>=1",)))


def measured(plan: Plan, folder: store.RunFolder, factors: Mapping[str, float]) -> Run:
    """What carrying out `plan` would have given where cells take `factors` × 1 ms, sealed."""
    cells: list[Cell] = []
    for planned in plan.cells:
        factor = factors.get(planned.backend, factors.get(plain(planned.backend), 1.0))
        one = made(STEADY[: plan.launches], factor=factor)
        cells.append(
            msgspec.structs.replace(
                one,
                id=planned.id,
                key=planned.key,
                identity=planned.identity,
                model=planned.model,
                backend=planned.backend,
                precision=planned.precision,
                scenario=planned.scenario,
                purpose=planned.purpose,
                launches=tuple(f"{planned.id}-{number}" for number in range(1, plan.launches + 1)),
            )
        )
    found = run(
        *cells,
        id=plan.run,
        backends=plan.backends,
        environments=plan.environments,
        notes=plan.notes,
        machine=plan.machine,
    )
    folder.write_run(found)
    return found


def giving(factors: Mapping[str, float]) -> confirming.Measure:
    """Measures what takes `factors` × 1 ms."""

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        return measured(plan, folder, factors)

    return measure


def never(plan: Plan, folder: store.RunFolder) -> Run:
    raise AssertionError("measured")


class Nights:
    """Two nights in a store: the baseline, and a new one in which `factors` of the backends' cells got slower."""

    def __init__(
        self,
        root: Path,
        *cards: BackendCard,
        facts: tuple[EnvironmentFacts, EnvironmentFacts] = (OLD, NEW),
        **factors: float,
    ) -> None:
        plan = null_plan(*cards, launches=5)

        def night(number: int, slower: Mapping[str, float]) -> tuple[store.RunFolder, Run]:
            one = msgspec.structs.replace(
                plan,
                run=f"2026112{number}T000000Z-abc12{number}",
                environments={card.id: facts[number] for card in cards},
                availability={card.id: Availability(available=True) for card in cards},
            )
            folder = store.RunFolder.create(root, "test-machine", one.run)
            folder.write_plan(one)
            return folder, measured(one, folder, slower)

        (base, before), (new, after) = night(0, {}), night(1, factors)
        self.folders, self.runs = (base, new), (before, after)
        self.found = compare(before, after)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What would have been installed; everything answers."""
    asked: list[tuple[str, ...]] = []

    def sync(requires: Any, *more: Any) -> Marker:
        asked.append(tuple(requires))
        return Marker(requires=tuple(requires), python=TODAY, packages={}, made="")

    def answers(*args: Any, **more: Any) -> Probed:
        return Probed(availability=Availability(available=True), environment=OLD)

    monkeypatch.setattr(installing, "sync", sync)
    monkeypatch.setattr(confirming, "probe", answers)
    return asked


def notes(found: Comparison) -> str:
    return "\n".join(note.en for note in found.notes)


def test_a_red_cell_is_measured_in_turns_with_the_baselines_build(tmp_path: Path, pip: list[tuple[str, ...]]) -> None:
    nights = Nights(tmp_path, needy(), needy("calm"), needy=1.2)
    assert nights.found.exit_code == 3
    carried: list[Plan] = []

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        carried.append(plan)
        return measured(plan, folder, {"needy@a": 1.0, "needy@b": 1.2})

    second = confirming.confirm(nights.found, *nights.folders, measure, command=("npubench", "compare"))
    assert second is not None
    (plan,) = carried
    assert pip == [("numpy==2.0", "runtime==1.0")]
    assert [cell.backend for cell in plan.cells] == ["needy@a", "needy@b"]
    assert msgspec.convert(plan.backends["needy@a"], BackendCard).environment.requires == pip[0]
    assert msgspec.convert(plan.backends["needy@b"], BackendCard).environment.requires == ("runtime>=1",)
    assert plan.environments == {"needy@a": OLD, "needy@b": NEW}
    # The same windows and launches as that night.
    that_night = next(cell for cell in nights.folders[1].plan().cells if cell.backend == "needy")
    assert {(cell.window_s, cell.warmup_s) for cell in plan.cells} == {(that_night.window_s, that_night.warmup_s)}
    assert len(plan.order) == 10
    assert "in turns with the baseline's build" in notes(second)
    (cell,) = second.cells
    assert cell.id == that_night.id
    assert cell.metrics[0].paired is not None
    whole = confirmed(nights.found, second)
    assert whole.exit_code == 3
    assert [item.confirmed for item in whole.cells] == [True, None]


def test_what_was_the_nights_doing_is_refuted(tmp_path: Path, pip: list[tuple[str, ...]]) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)
    second = confirming.confirm(nights.found, *nights.folders, giving({"needy": 1.2}))
    assert second is not None
    whole = confirmed(nights.found, second)
    assert (whole.exit_code, whole.cells[0].confirmed) == (0, False)
    assert pip


def test_asking_again_gives_the_same_answer(tmp_path: Path, pip: list[tuple[str, ...]]) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)
    count = 0

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        nonlocal count
        count += 1
        return measured(plan, folder, {"needy@b": 1.2})

    first = confirming.confirm(nights.found, *nights.folders, measure)
    assert confirming.confirm(nights.found, *nights.folders, measure) == first
    assert (count, len(pip)) == (1, 1)
    # Beside the night, where nobody takes it for another one.
    place = confirming.folder_of(nights.folders[1], nights.runs[0].id)
    assert place.sealed()
    assert store.open_run("latest", tmp_path).path == nights.folders[1].path


def test_one_that_was_cut_short_goes_on_with_its_plan(tmp_path: Path, pip: list[tuple[str, ...]]) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)

    def killed(plan: Plan, folder: store.RunFolder) -> Run:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confirming.confirm(nights.found, *nights.folders, killed)
    written = confirming.folder_of(nights.folders[1], nights.runs[0].id).plan()

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        assert plan == written
        return measured(plan, folder, {})

    assert confirming.confirm(nights.found, *nights.folders, measure) is not None
    assert len(pip) == 1


def test_what_a_question_about_a_part_left_out_is_measured_when_it_is_asked_for(
    tmp_path: Path, pip: list[tuple[str, ...]]
) -> None:
    nights = Nights(tmp_path, needy(), needy("calm"), needy=1.2, calm=1.2)
    part = compare(*nights.runs, Wanted(backends=("needy",)))
    carried: list[Plan] = []

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        carried.append(plan)
        return measured(plan, folder, {"needy@a": 1.0, "needy@b": 1.2})

    first = confirming.confirm(part, *nights.folders, measure)
    second = confirming.confirm(nights.found, *nights.folders, measure)
    assert second is not None
    assert [{cell.backend for cell in plan.cells} for plan in carried] == [{"needy@a", "needy@b"}, {"calm@a", "calm@b"}]
    assert carried[1].run == f"{carried[0].run}--2"
    assert carried[0].run in notes(second)
    whole = confirmed(nights.found, second)
    assert {cell.backend: cell.confirmed for cell in whole.cells} == {"needy": True, "calm": False}
    # Whichever part is asked for, nothing is measured until it is green.
    assert confirming.confirm(nights.found, *nights.folders, never) == second
    assert confirming.confirm(part, *nights.folders, never) == first
    assert {cell.id for cell in nights.found.cells} <= confirming.begun(nights.folders[1], nights.runs[0].id)
    assert len(pip) == 2


def test_a_part_that_was_cut_short_is_finished_beside_what_it_left_out(
    tmp_path: Path, pip: list[tuple[str, ...]]
) -> None:
    nights = Nights(tmp_path, needy(), needy("calm"), needy=1.2, calm=1.2)

    def killed(plan: Plan, folder: store.RunFolder) -> Run:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confirming.confirm(compare(*nights.runs, Wanted(backends=("needy",))), *nights.folders, killed)
    second = confirming.confirm(nights.found, *nights.folders, giving({"needy@b": 1.2, "calm@b": 1.2}))
    assert second is not None
    assert [cell.confirmed for cell in confirmed(nights.found, second).cells] == [True, True]
    assert len(pip) == 2


def test_nothing_red_nothing_measured(tmp_path: Path) -> None:
    nights = Nights(tmp_path, needy())
    assert confirming.confirm(nights.found, *nights.folders, never) is None


def _other(facts: EnvironmentFacts) -> EnvironmentFacts:
    return msgspec.structs.replace(facts, python="3.4.1")


@pytest.mark.parametrize(
    ("card", "facts", "said"),
    [
        (null_card("needy"), (OLD, NEW), "npubench's own environment"),
        (
            msgspec.structs.replace(needy(), environment=EnvironmentSpec(python=sys.executable)),
            (OLD, NEW),
            "names its own Python",
        ),
        (needy(), (OLD, OLD), "its environment is that of the baseline"),
        (needy(), (_other(OLD), NEW), "of Python 3.4.1"),
        (needy(), (EnvironmentFacts(python=TODAY), NEW), "does not say what was installed"),
    ],
)
def test_else_the_candidate_alone_and_it_is_said(
    tmp_path: Path, card: BackendCard, facts: tuple[EnvironmentFacts, EnvironmentFacts], said: str
) -> None:
    nights = Nights(tmp_path, card, facts=facts, needy=1.2)

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        assert [cell.backend for cell in plan.cells] == ["needy"]
        assert len(plan.order) == 5
        return measured(plan, folder, {"needy": 1.2})

    second = confirming.confirm(nights.found, *nights.folders, measure)
    assert second is not None
    assert said in notes(second)
    assert "shares the night's effect" in notes(second)
    assert second.cells[0].metrics[0].paired is None
    assert confirmed(nights.found, second).exit_code == 3


def test_an_index_that_nobody_reaches_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)

    def sync(*args: Any) -> Marker:
        raise InstallError("runtime==1.0: cannot be installed: no index answers")

    monkeypatch.setattr(installing, "sync", sync)
    second = confirming.confirm(nights.found, *nights.folders, giving({"needy": 1.0}))
    assert second is not None
    assert "no index answers" in notes(second)
    # The candidate is as fast as the baseline was: refuted.
    assert confirmed(nights.found, second).exit_code == 0


def test_the_tolerance_is_that_of_the_first_verdict(tmp_path: Path, pip: list[tuple[str, ...]]) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)

    def history(*_: Any) -> Tolerated:
        return Tolerated(0.1, "history", 0.03, 9)

    wide = compare(*nights.runs, Wanted(tolerances=history))
    second = confirming.confirm(wide, *nights.folders, giving({"needy@b": 1.05}))
    assert second is not None
    item = second.cells[0].metrics[0]
    assert (item.tolerance, item.tolerance_from, item.nights, item.verdict) == (0.1, "history", 9, "equivalent")
    assert pip


def test_without_a_plan_nothing_is_measured_again(tmp_path: Path) -> None:
    nights = Nights(tmp_path, needy(), needy=1.2)
    (nights.folders[1].path / store.PLAN).unlink()
    with pytest.raises(NotComparableError, match=r"no plan\.json"):
        confirming.confirm(nights.found, *nights.folders, never)


def test_exact_packages_and_revisions() -> None:
    requires = ("rt @ git+https://example.org/rt@v1", "/wheels/other_pkg-1-py3-none-any.whl", "numpy<3")
    packages = {"rt": "0.1", "other-pkg": "1", "numpy": "2.0", "Pillow": "11", "setuptools": "70"}
    assert confirming.exact(requires, packages) == (*requires[:2], "numpy==2.0", "Pillow==11")


def test_a_crash_is_run_once_more_and_stays_invalid(tmp_path: Path, model_cache: Path) -> None:
    """Really measured: the null adapter crashes in NEW, and again."""
    folders = []
    for number, options in enumerate(({}, {"fault": "crash"})):
        plan = msgspec.structs.replace(null_plan(null_card(**options)), run=f"2026112{number}T000000Z-abc12{number}")
        folder = store.RunFolder.create(tmp_path, "test-machine", plan.run)
        folder.write_plan(plan)
        Execution(plan, folder, model_cache, Quiet(), Limits(stall_s=20), lambda: False).carry_out()
        folders.append(folder)
    found = compare(folders[0].run(), folders[1].run(), Wanted(allow=("options", "profile")))
    assert (found.cells[0].status, found.exit_code) == ("invalid", 4)

    def measure(plan: Plan, folder: store.RunFolder) -> Run:
        assert [side_of(cell.backend) for cell in plan.cells] == [None]
        return Execution(plan, folder, model_cache, Quiet(), Limits(stall_s=20), lambda: False).carry_out()

    second = confirming.confirm(found, folders[0], folders[1], measure)
    assert second is not None
    assert "again when it was run once more (crashed)" in notes(second)
    assert confirmed(found, second).exit_code == 4
