"""Joules, idle baselines and their raw readings: derived again, and every change is named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.energy import PlannedMeter
from npubench.engine import idling
from npubench.engine.attaching import Aligning, attach
from npubench.engine.launcher import Limits
from npubench.engine.run import Execution
from npubench.rules import EnergyRule, Ruleset, load
from npubench.schema import Launch, parse
from npubench.spi import Availability, Channel
from npubench.stats.readings import Readings
from npubench.store import RunFolder
from npubench.verify.folder import verify_folder
from npubench.verify.packing import pack
from npubench.verify.unpacking import verify_pack
from tests.engine.test_attaching import folder, written
from tests.support import null_card, null_plan
from tests.verify.made import Quiet, copied, edit, reseal, sha256
from tests.verify.test_folder import named, said

__all__ = ["folder"]

SYNTHETIC = PlannedMeter(
    name="synthetic",
    code="npubench.meters.synthetic:SyntheticMeter",
    backends=("null",),
    options={"name": "synthetic"},
    availability=Availability(available=True),
    channels=(
        Channel(name="synthetic.power", unit="W", scope="node", kind="instant", quantity="power", source="a function"),
    ),
)
RULE = EnergyRule(window_s=0.3, coverage=0.9, refreshes=2, idle_s=0.4, drift=0.05)


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """A ruleset with short windows, for the run and for its verification."""
    rules = msgspec.structs.replace(load(), energy=RULE)

    def short(name: str = "") -> Ruleset:
        return rules

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPUBENCH_SYNTHETIC_POWER", "ramp:20:5;throttle=thermal:0:1000")
        for module in ("engine.run", "engine.launching", "stats.runs", "verify.folder"):
            patch.setattr(f"npubench.{module}.load", short)
        known = idling.effect
        patch.setattr(
            idling, "effect", lambda sample, stop, seed: known(sample, stop, pairs=2, block_s=0.02, seed=seed)
        )
        yield


@pytest.fixture(scope="module")
def powered(patched: None, tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> RunFolder:
    """A run with a meter: a cell with a given load and one whose load is searched and then held, two launches each."""
    plan = null_plan(null_card(work_ns=200_000), launches=2, window_s=0.6, scenarios=("single-stream", "server"))
    plan = msgspec.structs.replace(plan, meters=(SYNTHETIC,), hold_s=1.5)
    folder = RunFolder.create(tmp_path_factory.mktemp("powered"), "test-machine", plan.run)
    folder.write_plan(plan)
    Execution(plan, folder, model_cache, Quiet(), Limits(stall_s=60), lambda: False).carry_out()
    return folder


@pytest.fixture
def copy(powered: RunFolder, tmp_path: Path) -> RunFolder:
    return copied(powered, tmp_path / "copy")


def first(run: RunFolder, scenario: str = "single-stream") -> Path:
    """The first launch of the cell with this scenario."""
    cell = next(cell for cell in run.plan().cells if cell.scenario.name == scenario)
    return run.launch_path(cell.id, 1)


@pytest.mark.slow
def test_joules_agree_with_their_readings(powered: RunFolder) -> None:
    searched = parse(first(powered, "server").read_bytes(), Launch, "launch")
    assert searched.capacity is not None
    # Where so short a search confirmed a load it was held, and the joules are of that time; on a busy machine the
    # confirming trial itself may have taken long enough.
    window = searched.window
    assert window is not None
    if searched.capacity.confirmed and window.end_ns - window.start_ns < 1.5e9:
        assert [trial.purpose for trial in searched.capacity.trials].count("hold") == 1
        assert searched.energy.window != window
    launch = parse(first(powered).read_bytes(), Launch, "launch")
    assert launch.energy.channels["synthetic.power"].energy_j
    assert launch.energy.channels["synthetic.power"].net_j is not None
    assert launch.energy.scopes
    found = verify_folder(powered)
    assert said(found) == []
    assert found.readings > 20
    assert found.files == len([path for path in powered.path.rglob("*") if path.is_file()])


def test_a_pack_holds_the_readings_and_no_options_of_meters(powered: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "run.zip"
    pack(powered, path)
    found = verify_pack(path)
    assert said(found) == []
    assert found.readings > 20
    with zipfile.ZipFile(path) as archive:
        plan = json.loads(archive.read("run/plan.json"))
    assert SYNTHETIC.options == {"name": "synthetic"}
    assert [meter["options"] for meter in plan["meters"]] == [{}]


def energy_value(run: RunFolder) -> None:
    def more(launch: Any) -> None:
        launch["energy"]["channels"]["synthetic.power"]["energy_j"] *= 0.5

    edit(first(run), more)


def scope_value(run: RunFolder) -> None:
    def more(launch: Any) -> None:
        scope = next(iter(launch["energy"]["scopes"].values()))
        scope["figures"]["energy_per_request_j"] = 1e-9

    edit(first(run), more)


def reading(run: RunFolder) -> None:
    path = first(run).with_suffix(".power.npz")
    found = Readings.decode(path)
    table = found.table.copy()
    table["value"] *= 0.5
    path.write_bytes(Readings(found.channels, found.statuses, table).encode())


def event_removed(run: RunFolder) -> None:
    edit(first(run), lambda launch: launch["energy"].update(events=[]))


def idle_baseline(run: RunFolder) -> None:
    edit(run.path / "power" / "1.json", lambda session: session["before"]["synthetic.power"].update(mean_w=1.0))


def another_window(run: RunFolder) -> None:
    def longer(launch: Any) -> None:
        launch["energy"]["window"]["end_ns"] += 10**9

    edit(first(run), longer)


def no_window(run: RunFolder) -> None:
    energy_value(run)
    edit(first(run), lambda launch: launch["energy"].update(window=None))


def no_channel(run: RunFolder) -> None:
    energy_value(run)
    first(run).with_suffix(".power.npz").write_bytes(Readings().encode())


def no_idle_window(run: RunFolder) -> None:
    def less(session: Any) -> None:
        for baseline in session["before"].values():
            baseline.update(mean_w=1.0, window=None)

    edit(run.path / "power" / "1.json", less)


def no_session(run: RunFolder) -> None:
    """The launches belong to no invocation, as if it had been killed: net energy cannot be told."""
    edit(run.path / "power" / "1.json", lambda session: session.update(clock=[]))


def scope_of_no_session(run: RunFolder) -> None:
    no_session(run)
    scope_value(run)


def event_of_no_session(run: RunFolder) -> None:
    no_session(run)
    event_removed(run)


TAMPERED: dict[str, tuple[Callable[[RunFolder], None], str, str]] = {
    "joules": (energy_value, "-1.json", "energy.channels.synthetic.power.energy_j"),
    "a figure": (scope_value, "-1.json", "figures.energy_per_request_j"),
    "a reading": (reading, "-1.json", "energy.channels.synthetic.power.energy_j"),
    "an event": (event_removed, "-1.json", "energy.events"),
    "an idle baseline": (idle_baseline, "power/1.json", "before.synthetic.power.mean_w"),
    "a window": (another_window, "-1.json", "energy.window.end_ns"),
    "joules, and no window": (no_window, "-1.json", "energy.window"),
    "joules, and no channel": (no_channel, "-1.power.npz", ""),
    "an idle baseline, and no window": (no_idle_window, "power/1.json", "before"),
    "a figure, and no invocation": (scope_of_no_session, "-1.json", "figures.energy_per_request_j"),
    "an event, and no invocation": (event_of_no_session, "-1.json", "energy.events"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_is_named(copy: RunFolder, what: str) -> None:
    change, file, path = TAMPERED[what]
    change(copy)

    def rehash(launch: Any) -> None:
        launch["power"]["sha256"] = sha256(first(copy).with_suffix(".power.npz"))

    edit(first(copy), rehash)
    reseal(copy)
    found = verify_folder(copy)
    assert named(found, file, path), said(found)


def test_readings_that_are_missing_or_damaged(copy: RunFolder) -> None:
    path = first(copy).with_suffix(".power.npz")
    path.write_bytes(path.read_bytes()[:-100])
    found = verify_folder(copy)
    assert any("not a file of power readings" in item.found for item in found.mismatches), said(found)
    path.unlink()
    (copy.path / "power" / "1-before.npz").unlink()
    found = verify_folder(copy)
    assert named(found, path.name)
    assert named(found, "power/1-before.npz")


def test_an_invocation_that_was_killed_leaves_gross_energy(copy: RunFolder) -> None:
    for path in (copy.path / "power").iterdir():
        path.unlink()
    (copy.path / "run.json").unlink()
    found = verify_folder(copy)
    assert said(found) == []
    assert any("net energy were not" in text.en for text in found.remarks)
    energy_value(copy)
    assert named(verify_folder(copy), "-1.json", "energy_j")


def test_an_invocation_that_states_no_baseline_has_no_readings_of_one(copy: RunFolder) -> None:
    edit(copy.path / "power" / "1.json", lambda session: session.update(before={}))
    assert named(verify_folder(copy), "power/1.json", "before")


def test_events_without_readings(copy: RunFolder) -> None:
    edit(first(copy), lambda launch: launch.update(power=None))
    edit(first(copy), lambda launch: launch["energy"].update(channels={}, scopes={}))
    assert named(verify_folder(copy), "-1.json", "power")


def test_an_attached_log_is_checked_and_is_no_part_of_what_was_sealed(folder: RunFolder, tmp_path: Path) -> None:
    attach(folder, written(tmp_path / "meter.csv"), Aligning(how="pulse"), scope="wall")
    found = verify_folder(folder)
    # Its launches were never measured: they have no samples, which is all that is wrong.
    about = [item for item in found.mismatches if item.file.startswith("power/")]
    assert about == []
    assert found.readings > 1000
    assert any("external meter" in text.en for text in found.stated)
    path = folder.attachment_path("meter")

    def more(log: Any) -> None:
        for ledger in log["ledgers"].values():
            for channel in ledger["channels"].values():
                channel["energy_j"] *= 2

    edit(path, more)
    assert named(verify_folder(folder), path.name, "energy_j")
    path.with_suffix(".npz").write_bytes(b"x")
    assert named(verify_folder(folder), "log-meter.npz")
