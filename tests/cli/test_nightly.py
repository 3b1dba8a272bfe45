"""`npubench nightly` as a CI job sees it: exit codes, pages, killed and gone on with; real processes, tiny budgets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from npubench.cli import nights
from npubench.cli.asked import Asked
from npubench.cli.nightly import Asking, command, nightly
from npubench.cli.nightly_pages import Pages
from npubench.engine.deadline import Deadline, expected_s, fitted
from npubench.engine.lock import DeviceLock
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.report.nightly import LIMIT, Past, junit, markdown, shown
from npubench.rules import load
from npubench.schema import Plan, Run
from npubench.stats.compare import compare
from npubench.stats.nightly import LeftOut, Nightly, Unsound, codes, left_out, sentence
from npubench.store import RunFolder
from tests.stats.made_runs import cell, run
from tests.support import null_card, null_plan, write_backend

NASTY = "[red]m[/red]<b>|`\x1b[31mx\x1b]8;;http://e\x07\u202ey ::error::x @everyone ]]>&amp;😀"
# A runtime that really runs, with a wait of known length before each answer.
ADAPTER = """
import os, time
from npubench.adapters.ort import OrtAdapter

class Session:
    def __init__(self, session):
        self._session, self.inputs, self.outputs = session, session.inputs, session.outputs
    def infer(self, feeds):
        with open(os.environ["SLOWED_S"]) as file:
            time.sleep(float(file.read()))
        return self._session.infer(feeds)
    def prepare(self, feeds):
        return lambda: self.infer(feeds)
    def close(self):
        self._session.close()

class Slowed(OrtAdapter):
    def open(self, artifact, options):
        return Session(super().open(artifact, options))
"""


# Without processes.


def made(**more: Any) -> Nightly:
    values: dict[str, Any] = {
        "machine": "node", "created": "2026-11-26T01:02:03Z", "run": "20261126T010203Z-a1b2c3", "budget_s": 600.0,
        "took_s": 500.0, "exit_code": 0, "sentence": Text(en="fine", ko="좋음"), **more,
    }  # fmt: skip
    return Nightly(**values)


def test_every_reason_for_an_exit_code_is_kept() -> None:
    base = run(cell(), cell(model="b"), cell(model="c"), id="20261124T010203Z-aaaaaa")
    bad = cell(model="b", verdict="invalid")
    other = cell(model="c", identity={"graphs": "other"})
    found = compare(base, run(cell(factor=2.0), bad, other, id="20261125T010203Z-bbbbbb"))
    assert codes(found, (), ()) == (5, 4, 3)
    assert codes(compare(base, base), (), ()) == ()
    assert codes(None, (), ()) == (5,)
    assert codes(None, (Unsound(cell="b"),), ()) == (5, 4)
    assert codes(compare(base, base), (), ("cuda",)) == (4,)


def test_a_cell_without_time_for_a_verdict_is_not_fine() -> None:
    same = compare(run(cell(), id="20261124T010203Z-aaaaaa"), run(cell(), id="20261125T010203Z-bbbbbb"))
    assert codes(same, (), (), (LeftOut(cell="c", launches=1),)) == ()
    assert codes(same, (), (), (LeftOut(cell="c", launches=2, unjudged=True),)) == (4,)


def test_what_did_not_fit_is_named() -> None:
    plan = null_plan(null_card(), launches=5)
    name = plan.cells[0].id
    measured = msgspec.structs.replace(cell(), id=name, launches=tuple(f"{name}-{n}" for n in (1, 2, 3)))
    (found,) = left_out(plan, run(measured))
    assert (found.launches, found.unjudged) == (2, True)


@pytest.mark.parametrize("spoken", ["en", "ko"])
def test_pages_of_hostile_names(tmp_path: Path, spoken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    text = Text(en=NASTY, ko=NASTY)
    compared = compare(
        run(cell(model=NASTY, backend=NASTY), id="20261124T010203Z-aaaaaa"),
        run(cell(model=NASTY, backend=NASTY, factor=2.0), id="20261125T010203Z-bbbbbb"),
    )
    past = (Past(run=NASTY, created=NASTY, exit_code=3, sentence=text),)
    many = tuple(Unsound(cell=NASTY * 9, reasons=(text,) * 9) for _ in range(500))
    for night in (
        made(run=None, machine=NASTY, why=text, hint=text, unsound=many, exit_code=4, codes=(4,), sentence=text),
        made(machine=NASTY, comparison=compared, exit_code=3, codes=(3,), notes=(text,), sentence=compared.sentence),
        made(machine=NASTY, why=text, hint=text, left_out=(LeftOut(cell=NASTY, launches=2),) * 500, unsound=many),
    ):
        page = markdown(night, past, spoken)
        assert len(page.encode()) <= LIMIT
        assert page.startswith("### ")
        for forbidden in ("<b>", "\x1b", "\u202e", "\n::", "@everyone"):
            assert forbidden not in page
        suite = ElementTree.fromstring(junit(night, spoken))
        assert suite.find(".//testcase") is not None
        pages = Pages.at(tmp_path / "pages", None)
        pages.clear()
        written = pages.write(msgspec.structs.replace(night, run=None), None, past)
        html = written[0].read_text(encoding="utf-8")
        assert "<b>|" not in html
        assert "\x1b" not in html
        assert json.loads(written[3].read_text(encoding="utf-8"))["machine"] == NASTY
        assert shown(night, past).sentence.en


def test_a_page_that_is_there_is_tonights(tmp_path: Path) -> None:
    pages = Pages.at(tmp_path, None)
    pages.write(made(run=None), None, ())
    assert all(path.is_file() for path in pages.stable())
    pages.clear()
    assert not any(path.exists() for path in pages.stable())
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="is a file"):
        Pages.at(tmp_path / "file", None)


def test_windows_fit_into_the_time() -> None:
    plan = null_plan(null_card(), launches=5, models=("tiny", "small"), scenarios=("single-stream", "offline"))
    rules = load()
    plan = msgspec.structs.replace(plan, profile="nightly")
    long, short, none = (fitted(plan, seconds, rules) for seconds in (3600.0, 120.0, 1.0))
    assert 0.7 * 3600 < expected_s(long, rules) <= 3600 * 0.901
    assert expected_s(short, rules) <= 120 * 0.901
    # The shortest windows take what they take: the deadline then decides what is left out.
    assert expected_s(none, rules) > 1.0
    assert long.comparable
    assert [item.id for item in long.cells] == [item.id for item in plan.cells]
    assert long.order == plan.order


def test_a_launch_that_would_not_be_done_in_time_is_not_begun() -> None:
    plan = fitted(msgspec.structs.replace(null_plan(null_card(), launches=5), profile="nightly"), 60.0, load())
    cell_, now = plan.cells[0], [0.0]
    deadline = Deadline(plan, 60.0, lambda: now[0])
    assert deadline.begins(cell_, 1)
    now[0] = 11.0
    deadline.ended(cell_, 1)
    assert deadline.begins(cell_, 2)
    now[0] = 41.0  # three times as long as planned
    deadline.ended(cell_, 2)
    assert not deadline.begins(cell_, 3)
    assert deadline.left_out == [(cell_.id, 3)]
    assert not deadline.passed()
    now[0] = 60.0
    assert deadline.passed()


def planned(root: Path, plan: Plan) -> RunFolder:
    folder = RunFolder.create(root, "test-machine", plan.run)
    folder.write_plan(plan)
    return folder


def test_which_night_is_unfinished(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, 6, 0, tzinfo=timezone.utc)
    mine = ("npubench", "nightly", "--budget", "3h")
    plan = msgspec.structs.replace(null_plan(null_card(), launches=5), command=mine, run="20261124T000000Z-abc123")
    folder = planned(tmp_path, plan)

    def found(command: tuple[str, ...] = mine, now: datetime = now) -> str | None:
        night = nights.unfinished(tmp_path, "test-machine", command, now)
        return None if night is None else night.plan.run

    assert found() == plan.run
    assert found((*mine, "--backend", "cpu")) is None
    assert found(now=now + timedelta(days=1)) is None
    # Only the newest counts, and a night that is done is no longer one.
    newer = msgspec.structs.replace(plan, run="20261124T050000Z-abc124")
    planned(tmp_path, newer)
    assert found() == newer.run
    nights.write(tmp_path, made(machine="test-machine", run=newer.run))
    assert found() is None
    assert [item.run for item in nights.past(tmp_path, "test-machine", 7)] == [newer.run]
    nights.record(tmp_path, "test-machine", "20261124T060000Z-abc125").write_text("broken", encoding="utf-8")
    assert [item.run for item in nights.past(tmp_path, "test-machine", 7)] == [newer.run]
    assert folder.path.is_dir()


def test_a_night_is_known_by_what_it_measures_not_by_how_it_is_told(tmp_path: Path) -> None:
    one = Asking(run=Asked(backends=("cpu",), wait="1m"), budget="3h", report=tmp_path)
    assert command(one) == command(Asking(run=Asked(backends=("cpu",)), budget="3h", confirm=False))
    assert command(one) != command(Asking(run=Asked(backends=("cpu",)), budget="2h"))


def test_the_sentence_of_a_night_without_a_baseline() -> None:
    said = sentence(None, run(cell()), (), Text(en="none was accepted", ko="승인된 기준 없음"))
    assert said.en == "1 cell measured, compared with nothing: none was accepted"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Nightly]:
    """What the pages would have been of; drawing them takes longer than all of these tests."""
    found: list[Nightly] = []

    def kept(self: Pages, night: Nightly, *_: Any) -> tuple[Path, ...]:
        found.append(night)
        return ()

    monkeypatch.setattr(Pages, "write", kept)
    return found


def sealed(root: Path, name: str, factor: float = 1.0) -> tuple[RunFolder, Run]:
    """A run of one cell that nobody measured."""
    plan = msgspec.structs.replace(null_plan(null_card(), launches=5), run=name)
    (one,) = plan.cells
    launches = tuple(f"{one.id}-{number}" for number in range(1, 6))
    made_up = msgspec.structs.replace(cell(factor=factor, backend="null"), id=one.id, key=one.key, launches=launches)
    folder, found = planned(root, plan), run(made_up, id=name)
    folder.write_run(found)
    return folder, found


def ask(pages: Path, **options: Any) -> int | str | None:
    """The exit code of a night here and now."""
    asking: dict[str, Any] = {"run": Asked(backends=("null",)), "budget": "1s", "report": pages, **options}
    with pytest.raises(SystemExit) as stopped:
        nightly(Asking(**asking))
    return stopped.value.code


@pytest.mark.parametrize("options", [{"budget": "soon"}, {"run": Asked(scenarios=("sprint",))}])
def test_a_refused_option_leaves_no_page_of_the_night_before(tmp_path: Path, options: dict[str, Any]) -> None:
    page = tmp_path / "nightly.md"
    asking: dict[str, Any] = {"run": Asked(), "budget": "1s", "report": tmp_path, **options}
    page.touch()
    with pytest.raises(UsageError):
        nightly(Asking(**asking, dry_run=True))
    assert page.exists()
    with pytest.raises(UsageError):
        nightly(Asking(**asking))
    assert not page.exists()


def test_a_baseline_that_is_no_run_is_told_before_anything_is_measured(
    tmp_path: Path, told: list[Nightly], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("npubench.cli.nightly.measured", never)
    assert ask(tmp_path / "pages", baseline="20261124T0102o3Z") == 2
    (night,) = told
    assert (night.run, night.codes) == (None, (2,))
    assert 'no run "20261124T0102o3Z"' in night.sentence.en


def test_a_night_that_cannot_be_compared_keeps_its_run(
    tmp_path: Path, told: list[Nightly], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, name = tmp_path / "results", "20261126T010203Z-a1b2c3"
    (root / "test-machine").mkdir(parents=True)
    (root / "test-machine" / "machine.toml").write_text("machine_class = ", encoding="utf-8")
    (root / "baseline.toml").write_text('"another" = "20261124T010203Z-aaaaaa"\n', encoding="utf-8")
    monkeypatch.setattr("npubench.cli.nightly.measured", lambda *_: sealed(root, name))
    assert ask(tmp_path / "pages") == 2
    (night,) = told
    assert (night.run, night.launches, night.codes) == (name, 5, (2, 5))
    assert night.sentence.en.startswith("1 cell measured, compared with nothing: ")
    assert "machine.toml" in night.sentence.en
    assert night.hint is not None
    assert "machine_class" in night.hint.en
    assert nights.record(root, "test-machine", name).exists()


def test_the_latest_run_is_that_of_before_the_night(
    tmp_path: Path, told: list[Nightly], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "results"
    _, before = sealed(root, "20261125T010203Z-a1b2c3")
    monkeypatch.setattr("npubench.cli.nightly.measured", lambda *_: sealed(root, "20261126T010203Z-a1b2c3", 1.2))
    assert ask(tmp_path / "pages", baseline="latest") == 3
    (night,) = told
    assert night.baseline == before.id
    assert [note.en.partition(",")[0] for note in night.notes] == ["no time was left to measure 1 cell again"]


# With processes.


class Machine:
    """A computer with a device that can be made slower, and its nights."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results, self.pages = folder, folder / "results", folder / "pages"
        package = folder / "plugin" / "slowed-1.0.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: slowed\nVersion: 1.0\n", encoding="utf-8")
        (package / "entry_points.txt").write_text("[npubench.adapters]\nslowed = slowed:Slowed\n", encoding="utf-8")
        (package.parent / "slowed.py").write_text(ADAPTER, encoding="utf-8")
        write_backend(folder / "cards", "slowed")
        path = folder / "cards" / "backends" / "slowed.toml"
        card = path.read_text(encoding="utf-8").replace('adapter = "null"', 'adapter = "slowed"')
        card = card.replace(
            'device = { type = "none" }', 'device = { type = "cpu" }\nprovider = "CPUExecutionProvider"'
        )
        path.write_text(card, encoding="utf-8")
        self.slower(0.02)

    def slower(self, seconds: float) -> None:
        (self.folder / "seconds").write_text(str(seconds), encoding="utf-8")

    def arguments(self, *more: str | Path) -> list[str]:
        asked = (
            "--backend", "slowed", "--cards", self.folder / "cards", "--model", "overhead-floor", "--scenario",
            "single-stream", "--no-power", "--report", self.pages, *more,
        )  # fmt: skip
        return [sys.executable, "-m", "npubench", "nightly", *map(str, asked)]

    def environment(self) -> dict[str, str]:
        kept = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join(filter(None, (str(self.folder / "plugin"), kept)))
        return {**os.environ, "PYTHONPATH": path, "SLOWED_S": str(self.folder / "seconds")}

    def night(self, *more: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*more), capture_output=True, text=True, check=False, timeout=600, env=self.environment()
        )

    def accept(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "npubench", "baseline", "accept", "latest"], capture_output=True, text=True,
            check=False, env=self.environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.pages / "nightly.json").read_text(encoding="utf-8"))
        return found

    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.results.glob("*/*/plan.json"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.slow
def test_first_night_accepted_second_night_and_a_slowdown(machine: Machine) -> None:
    first = machine.night("--budget", "80s")
    assert first.returncode == 5, first.stdout + first.stderr
    assert "npubench baseline accept" in first.stdout
    assert {path.name for path in machine.pages.glob("nightly.*")} == {
        f"nightly.{e}" for e in ("html", "md", "xml", "json")
    }
    assert "npubench baseline accept" in machine.told()["hint"]["en"]
    machine.accept()

    second = machine.night("--budget", "80s")
    assert second.returncode == 0, second.stdout + second.stderr
    assert machine.told()["baseline"] == machine.runs()[0].name
    assert "Earlier nights" in (machine.pages / "nightly.md").read_text(encoding="utf-8")

    machine.slower(0.06)
    third = machine.night("--budget", "80s")
    assert third.returncode == 3, third.stdout + third.stderr
    told = machine.told()
    assert "regressed" in told["sentence"]["en"]
    assert "latency p50" in told["sentence"]["en"]
    assert told["sentence"]["en"] in " ".join(third.stdout.split())
    suite = ElementTree.fromstring((machine.pages / "nightly.xml").read_text(encoding="utf-8"))
    assert suite.find(".//failure") is not None
    assert told["took_s"] <= told["budget_s"] + 10


@pytest.mark.slow
def test_killed_in_the_middle_and_gone_on_with(machine: Machine) -> None:
    process = subprocess.Popen(
        machine.arguments("--budget", "80s"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=machine.environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(machine.results.glob("*/*/launches/*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()
    (begun,) = machine.runs()
    again = machine.night("--budget", "80s")
    assert again.returncode == 5, again.stdout + again.stderr
    assert f"going on with {begun.name}" in again.stdout
    assert machine.runs() == [begun]
    assert machine.told()["resumed"] is True
    # Done is done: the next call is a new night.
    machine.night("--budget", "80s")
    assert len(machine.runs()) == 2


@pytest.mark.slow
def test_killed_after_measuring_is_only_compared(machine: Machine) -> None:
    machine.night("--budget", "80s")
    (measured,) = machine.runs()
    nights.record(machine.results, "test-machine", measured.name).unlink()
    for path in machine.pages.iterdir():
        path.unlink()
    again = machine.night("--budget", "80s")
    assert again.returncode == 5
    assert "it is measured, and not compared yet" in again.stdout
    assert machine.runs() == [measured]
    assert machine.told()["run"] == measured.name


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(machine: Machine) -> None:
    process = subprocess.Popen(
        machine.arguments("--budget", "80s"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=machine.environment(),
    )  # fmt: skip
    while not list(machine.results.glob("*/*/work/*")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on with this night" in said


def null_night(pages: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "npubench", "nightly", "--model", "overhead-floor", "--scenario", "single-stream",
        "--no-power", "--budget", "30s", "--report", str(pages), *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def test_an_absent_backend_is_exit_4_and_has_pages(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "nightly.md").write_text("last night was fine", encoding="utf-8")
    done = null_night(tmp_path / "pages", "--backend", "cuda")
    assert done.returncode == 4
    told = json.loads((tmp_path / "pages" / "nightly.json").read_text(encoding="utf-8"))
    assert told["codes"] == [4]
    assert "no NVIDIA GPU" in told["sentence"]["en"]
    assert "fine" not in (tmp_path / "pages" / "nightly.md").read_text(encoding="utf-8")
    assert "<error" in (tmp_path / "pages" / "nightly.xml").read_text(encoding="utf-8")


def test_devices_in_use_are_exit_4_and_say_by_whom(tmp_path: Path) -> None:
    with DeviceLock("/results/somebody"):
        done = null_night(tmp_path / "pages", "--backend", "null", "--wait", "1s")
    assert done.returncode == 4
    told = json.loads((tmp_path / "pages" / "nightly.json").read_text(encoding="utf-8"))
    assert "/results/somebody" in told["why"]["en"]


def test_a_dry_run_says_what_it_would_do_and_how_long(tmp_path: Path) -> None:
    done = null_night(tmp_path / "pages", "--backend", "null", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "of at most 30 s in all" in done.stdout
    assert "no baseline has been accepted yet" in done.stdout
    assert not (tmp_path / "pages").exists()
    assert not (tmp_path / "results").exists()


def test_bad_usage_is_exit_2(tmp_path: Path) -> None:
    done = null_night(tmp_path / "pages", "--backend", "nul")
    assert done.returncode == 2
    assert 'no backend "nul"' in done.stdout + done.stderr


def test_a_document_is_decoded_as_it_was_written() -> None:
    night = made(left_out=(LeftOut(cell="c", launches=1),), codes=(4,), exit_code=4)
    assert msgspec.json.decode(msgspec.json.encode(night), type=Nightly) == night
