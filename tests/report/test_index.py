"""The index over a results folder: machines and nights, rubbish named and never fatal, text of others harmless."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench import store
from npubench.cli.index import write_index
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.report import assets, index_page
from npubench.report import index as view
from npubench.report.index import Ended, Index
from npubench.schema import Cell, Run, Scenario, encode
from npubench.stats.history import nights
from npubench.stats.indexed import index
from tests.report.test_html import EVIL, GOLDEN, Page
from tests.stats.made_nights import night, run_id
from tests.stats.made_runs import cell, spread

NAME = "npu-node-7"


def put(root: Path, made: Run, machine: str = NAME, folder: str = "") -> Path:
    made = msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, name=machine))
    path = root / store.slug(machine) / (folder or made.id) / store.RUN
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(made))
    return path.parent


def cameras(count: float, **changes: Any) -> Cell:
    made = cell(scenario="cameras", backend="npu", **changes)
    return msgspec.structs.replace(
        made,
        scenario=Scenario(name="cameras", params={"fps": 15}),
        summary={**made.summary, "capacity_cameras": spread([count] * 3)},
    )


def shown(root: Path, ended: dict[tuple[str, str], Ended] | None = None) -> Index:
    return view.build(index(root), ended=ended or {}, accepted={}, page=lambda run: "")


def checked(page: str) -> Page:
    """Every promise that a page keeps."""
    found = Page(page)
    assert (found.counts["script"], found.counts["style"]) == (1, 1)
    assert "img" not in found.counts
    assert len(found.ids) == len(set(found.ids))
    for tag, key, value in found.attributes:
        assert key != "style", tag
        assert not key.startswith("on"), (tag, key)
        if key in ("href", "src"):
            assert value.startswith(("#", "data:,", "./")), (tag, value)
        if key == "aria-labelledby":
            assert set(value.split()) <= set(found.ids), value
    for forbidden in ("http://", "https://", "\x00", "\x1b"):
        assert forbidden not in page
    page.encode("utf-8")
    style, script = (re.search(rf"<{name}>(.*?)</{name}>", page, re.S) for name in ("style", "script"))
    assert style is not None
    assert script is not None
    policy = next(value for _, key, value in found.attributes if key == "content" and "default-src" in value)
    assert policy == assets.policy(style[1], script[1])
    return found


def test_a_machine_is_told_by_its_newest_night_its_headlines_and_its_course(tmp_path: Path) -> None:
    for number in range(20):
        cams = 14.0 if number < 10 else 11.0
        cells = [cameras(cams), cell(backend="npu"), cell(factor=4), cell(model="ocr-korean", unit="page")]
        put(tmp_path, night(number, *cells, suite="public-sector"))
    put(tmp_path, night(18, cell(verdict="degraded")), machine="gpu-node-1")
    found = shown(tmp_path)
    assert [machine.name for machine in found.machines] == ["gpu-node-1", NAME]  # what needs a look comes first
    assert (found.tone, found.verdict.en) == ("warn", "1 of 2 machines needs a look")
    assert found.sentence.en.endswith("21 runs of 2 machines, 2026-01-01 to 2026-01-20.")
    machine = found.machines[1]
    assert machine.newest.id == run_id(19)
    assert machine.newest.suite == "public-sector"
    assert [(head.backend, head.value) for head in machine.headlines] == [
        ("npu", "11"),
        ("cpu", "100 ms"),
        ("cpu", "25.0 ms"),
    ]
    first = machine.headlines[0]
    assert (first.service.en, first.load.en) == ("CCTV monitoring", "cameras at 15 fps · Device only")
    assert first.unit == Text(en="cameras", ko="카메라")
    assert "−21.4 % since 2026-01-11" in first.said.en
    assert first.spark is not None
    assert len(first.spark.steps) == 1
    assert machine.calendar is not None
    assert sum(day.tone is not None for day in machine.calendar.days) == 20
    page = index_page.render(found, "ko")
    checked(page)
    assert '<html lang="ko"' in page
    assert page.count('class="en" lang="en"') == page.count('class="ko" lang="ko"')


def test_how_a_night_ended_counts_before_its_cells(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    put(tmp_path, night(1, cell(verdict="invalid"), cell(backend="npu")))
    put(tmp_path, night(2, cell(verdict="invalid")))
    put(tmp_path, night(3, cell(), comparable=False, profile="smoke"))
    put(tmp_path, night(4))
    put(tmp_path, night(5, cell()))
    said = Ended(3, Text(en="1 of 3 metrics regressed", ko="지표 3개 중 1개 악화"))
    found = shown(tmp_path, {(NAME, run_id(5)): said})
    rows = [(row.verdict.en, row.tone) for row in found.runs]
    assert rows == [
        ("regressed", "bad"),
        ("no cells", "plain"),
        ("quick look", "plain"),
        ("all invalid", "bad"),
        ("some invalid", "warn"),
        ("valid", "good"),
    ]
    assert found.machines[0].newest.sentence == said.sentence
    assert [len(head.said.en) > 0 for head in found.machines[0].headlines] == [True]


def test_a_night_that_nobody_judged_is_not_called_fine(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    assert shown(tmp_path).verdict.en == "The newest nights are fine"
    put(tmp_path, night(0, cell(), comparable=False, profile="smoke"), machine="gpu-node-1")
    found = shown(tmp_path)
    assert (found.tone, found.verdict.en) == ("good", "1 of 2 machines fine, 1 not judged")
    assert found.verdict.ko == "장비 2대 중 1대 이상 없음, 1대 미판정"


def test_only_quick_looks_are_shown_and_said(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell(), comparable=False))
    (machine,) = shown(tmp_path).machines
    assert machine.quick
    assert machine.headlines[0].value == "25.0 ms"
    assert machine.headlines[0].spark is None


def test_a_headline_that_the_newest_night_lacks_says_of_which_night_it_is(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    why = Text(en="it ran on the CPU", ko="CPU에서 실행됨")
    put(tmp_path, night(1, cell(verdict="invalid", reasons=(why,))))
    (head,) = shown(tmp_path).machines[0].headlines
    assert head.value == "25.0 ms"
    assert head.reason is not None
    assert head.reason.en == "of 2026-01-01; the newest night has none: it ran on the CPU"


def test_rubbish_is_named_and_hides_nothing(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    home = tmp_path / NAME
    put(tmp_path, night(0, cell()), folder=f"{run_id(0)}-copy")
    for name, data in (
        ("20260103T000000Z-broken", b'{"schema": "npubench.run/2", '),
        ("20260104T000000Z-newer0", b'{"schema": "npubench.run/9", "cells": 7}'),
        ("20260105T000000Z-other0", b'{"schema": "npubench.compare/1"}'),
        ("20260106T000000Z-bytes0", b"\xff\x00\x7f" * 50),
        ("20260107T000000Z-empty0", b""),
    ):
        (home / name).mkdir()
        (home / name / store.RUN).write_bytes(data)
    (home / "20260108T000000Z-folder" / store.RUN).mkdir(parents=True)
    (home / "notes").mkdir()
    half = home / "20260109T000000Z-half00"
    (half / store.LAUNCHES).mkdir(parents=True)
    (half / store.PLAN).write_text(json.dumps({"order": [["a", 1], ["a", 2], ["b", 1]]}))
    (half / store.LAUNCHES / "a-1.json").write_text("{}")
    torn = home / "20260109T000001Z-torn00"
    torn.mkdir()
    (torn / store.PLAN).write_text('{"order": [["a"')
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "around").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "thesis.docx").write_text("x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "baseline.toml").write_text("not toml [")
    (tmp_path / ".hidden").write_text("x")
    (home / "machine.toml").write_text("x")
    put(tmp_path, night(3, cell()), machine="elsewhere").rename(home / run_id(3))
    found = shown(tmp_path)
    assert [machine.name for machine in found.machines] == [NAME]
    assert len(found.runs) == 1
    told = dict(found.left_out)
    assert told.keys() >= {
        f"{NAME}/{name}"
        for name in (
            f"{run_id(0)}-copy", "20260103T000000Z-broken", "20260104T000000Z-newer0", "20260105T000000Z-other0",
            "20260106T000000Z-bytes0", "20260107T000000Z-empty0", "20260108T000000Z-folder", "notes", run_id(3),
        )
    } | {"thesis.docx", "loop"}  # fmt: skip
    assert not {"README.md", "baseline.toml", ".hidden", f"{NAME}/machine.toml"} & told.keys()
    assert "newer npubench" in told[f"{NAME}/20260104T000000Z-newer0"].en
    assert told["loop"].en == "a link that leads nowhere"
    assert 'of machine "elsewhere"' in told[f"{NAME}/{run_id(3)}"].en
    assert str(tmp_path) not in " ".join(reason.en for reason in told.values())
    halves = dict(found.unfinished)
    assert "1 of 3 launches" in halves[f"{NAME}/{half.name}"].en
    assert "cannot be read" in halves[f"{NAME}/{torn.name}"].en
    checked(index_page.render(found, "en"))


def test_runs_of_every_format_are_in_one_index(tmp_path: Path) -> None:
    paths = sorted(GOLDEN.glob("run-*.json"))
    assert len(paths) > 1
    for number, path in enumerate(paths):
        document = json.loads(path.read_bytes())
        document["id"] = run_id(number)
        folder = tmp_path / store.slug(document["machine"]["name"]) / document["id"]
        folder.mkdir(parents=True)
        (folder / store.RUN).write_text(json.dumps(document))
    found = shown(tmp_path)
    assert len(found.runs) == len(paths)
    assert found.left_out == ()
    checked(index_page.render(found, "en"))


def test_what_others_wrote_does_no_harm(tmp_path: Path) -> None:
    bad = msgspec.structs.replace(cell(), model=EVIL, backend=EVIL, precision=EVIL, unit=EVIL, scope=EVIL)
    made = night(0, bad, cell(verdict="invalid", reasons=(Text(en=EVIL, ko=EVIL),), backend="b"))
    made = msgspec.structs.replace(made, profile=EVIL, suite=EVIL, npubench=EVIL, created=EVIL)
    put(tmp_path, made, machine=EVIL)
    for number, when in ((1, "9999-99-99"), (2, "0001-01-01T00:00:00Z"), (3, "9999-12-31T00:00:00Z")):
        put(tmp_path, msgspec.structs.replace(night(number, cell()), created=when), machine=f"m{number}")
    (tmp_path / store.slug(EVIL) / "<script>x`").mkdir()
    (tmp_path / store.slug(EVIL) / os.fsdecode(b"\xff\xfe")).mkdir()
    page = index_page.render(shown(tmp_path, {(store.slug(EVIL), run_id(0)): Ended(7, Text(en=EVIL, ko=EVIL))}), "en")
    checked(page)
    assert "<script>alert" not in page
    assert "A" * 500 not in page


def test_a_wrong_clock_moves_no_calendar_but_its_own(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    put(tmp_path, msgspec.structs.replace(night(1, cell()), created="2099-01-01T00:00:00Z"), machine="ahead")
    found = view.build(index(tmp_path), ended={}, accepted={}, page=lambda run: "", today=date(2026, 1, 3))
    ahead, right = sorted(found.machines, key=lambda machine: machine.name)
    assert ahead.calendar is None
    assert right.calendar is not None
    assert right.calendar.days[-1].title.startswith("2026-01-01: valid")


def test_an_empty_folder_has_a_page(tmp_path: Path) -> None:
    found = shown(tmp_path)
    assert found.verdict.en == "No runs yet"
    checked(index_page.render(found, "en"))
    assert shown(tmp_path / "missing").machines == ()


def test_the_file_links_to_the_pages_beside_it_and_to_no_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, pages = tmp_path / "results", tmp_path / "pages"
    put(root, night(0, cell()))
    odd = "20260102T000000Z-a b#%3Fjavascript:x"
    put(root, night(1, cell()), folder=odd)
    pages.mkdir()
    (pages / f"{odd}.html").write_text("x")
    (root / "baseline.toml").write_text(f'"{NAME}" = "{run_id(0)}"\n')
    path = write_index(root, pages / "all.html", "en")
    page = path.read_text(encoding="utf-8")
    links = [value for tag, key, value in checked(page).attributes if tag == "a" and key == "href"]
    assert set(links) == {"./20260102T000000Z-a%20b%23%253Fjavascript%3Ax.html"}
    assert page.count(">accepted<") == 1
    # Runs that came with git have no launches and make a page all the same; a damaged one is named.
    (root / NAME / run_id(0) / store.LAUNCHES).mkdir()
    (root / NAME / run_id(0) / store.LAUNCHES / "a-1.json").write_text("{")
    again = write_index(root, pages / "all.html", "en", pages=5).read_text(encoding="utf-8")
    assert len([value for tag, key, value in checked(again).attributes if tag == "a"]) == len(links)
    assert f"no page of {run_id(0)}" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no results folder"):
        write_index(tmp_path / "nowhere", None, "en")


def test_missing_pages_are_written(tmp_path: Path) -> None:
    root = tmp_path / "results"
    for number in range(3):
        put(root, night(number, cell()))
    page = write_index(root, tmp_path / "index.html", "ko", pages=2).read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob("2026*.html")) == [f"{run_id(1)}.html", f"{run_id(2)}.html"]
    assert f'href="./{run_id(2)}.html"' in page
    assert f'href="./{run_id(0)}.html"' not in page


def test_a_link_that_leads_to_itself_hides_no_machine(tmp_path: Path) -> None:
    put(tmp_path, night(0, cell()))
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / NAME / "loop").symlink_to("loop")
    assert store.machines(tmp_path) == [NAME]
    assert [found.id for found in nights(tmp_path)] == [run_id(0)]
