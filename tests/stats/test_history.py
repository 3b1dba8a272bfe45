"""The nights of a machine: newest first, nothing opened that is not asked for, nothing unusable fatal."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import store
from npubench.lang import Text
from npubench.schema import Run, encode, parse
from npubench.stats.history import Night, NightSpread, Skipped, log_costs, nights, read_night, stamp
from tests.stats.made_runs import cell, run, spread
from tests.support import MACHINE

GOLDEN = Path(__file__).parents[1] / "golden"


def run_id(day: int, tail: str = "aaaaaa") -> str:
    return f"202611{day:02d}T010203Z-{tail}"


def put(root: Path, made: Run, machine: str = "test-machine", folder: str = "") -> Path:
    path = root / machine / (folder or made.id) / store.RUN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(made))
    return path


def tree(root: Path, *days: int) -> None:
    for day in days:
        put(root, run(cell(), id=run_id(day), created=f"2026-11-{day:02d}T01:02:03Z"))


def test_newest_first_before_and_most(tmp_path: Path) -> None:
    tree(tmp_path, 3, 1, 5, 2)
    assert [night.id for night in nights(tmp_path, "test-machine")] == [run_id(day) for day in (5, 3, 2, 1)]
    assert [night.id for night in nights(tmp_path, "test-machine", before=run_id(5), most=2)] == [run_id(3), run_id(2)]
    assert [night.id for night in nights(tmp_path, before="2026-11-02T01:02:03Z")] == [run_id(1)]
    assert list(nights(tmp_path, "another")) == []
    assert list(nights(tmp_path / "nowhere")) == []


def test_is_lazy_and_opens_run_json_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, 1, 2, 3)
    (tmp_path / "test-machine" / run_id(3) / store.LAUNCHES).mkdir()
    opened: list[Path] = []
    real = Path.read_bytes

    def watched(path: Path) -> bytes:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    found = nights(tmp_path, "test-machine")
    assert not opened
    next(found)
    assert opened == [tmp_path / "test-machine" / run_id(3) / store.RUN]


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    tree(tmp_path, 1, 2, 9)
    for day, data in (
        (3, b""),
        (4, encode(run(cell(), id=run_id(4)))[:900]),
        (5, b'{"schema": "npubench.run/99", "cells": {"new": true}}'),
        (6, b'{"schema": "npubench.launch/2"}'),
        (7, b"\xff\xfe[]"),
        (8, b'{"schema": "npubench.run/2", "id": 7}'),
    ):
        path = tmp_path / "test-machine" / run_id(day) / store.RUN
        path.parent.mkdir()
        path.write_bytes(data)
    (tmp_path / "test-machine" / run_id(10)).mkdir()
    (tmp_path / "test-machine" / run_id(11)).write_text("a file", encoding="utf-8")
    (tmp_path / "test-machine" / run_id(12) / store.RUN).mkdir(parents=True)
    skipped: list[Skipped] = []
    assert [night.id for night in nights(tmp_path, "test-machine", skipped=skipped)] == [
        run_id(day) for day in (9, 2, 1)
    ]
    said = {item.path.name[6:8]: item.reason.en for item in skipped}
    assert sorted(said) == ["03", "04", "05", "06", "07", "08", "12"]
    assert "damaged" in said["03"]
    assert "damaged" in said["04"]
    assert "newer npubench (npubench.run/99" in said["05"]
    assert 'schema is "npubench.launch/2"' in said["06"]
    assert "damaged" in said["07"]
    assert "cannot be read" in said["12"]
    assert len(list(nights(tmp_path, "test-machine"))) == 3


def test_two_runs_of_one_id_are_named_and_the_first_is_kept(tmp_path: Path) -> None:
    tree(tmp_path, 1, 2)
    shutil.copytree(tmp_path / "test-machine" / run_id(2), tmp_path / "test-machine" / f"{run_id(2)}-copy")
    shutil.copytree(tmp_path / "test-machine" / run_id(1), tmp_path / "test-machine" / "kept")
    skipped: list[Skipped] = []
    assert [night.id for night in nights(tmp_path, "test-machine", skipped=skipped)] == [run_id(2), run_id(1)]
    assert [item.path.name for item in skipped] == [f"{run_id(2)}-copy", "kept"]
    assert str(tmp_path / "test-machine" / run_id(2)) in skipped[0].reason.en


def test_a_folder_of_another_name_keeps_the_rule_of_before(tmp_path: Path) -> None:
    put(tmp_path, run(cell(), id=run_id(4)), folder="accepted")
    assert [night.id for night in nights(tmp_path, "test-machine", before=run_id(5))] == [run_id(4)]
    assert list(nights(tmp_path, "test-machine", before=run_id(4))) == []


def test_another_machines_run_in_the_folder_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, 1)
    put(tmp_path, run(cell(), id=run_id(2), machine=msgspec.structs.replace(MACHINE, name="other")))
    skipped: list[Skipped] = []
    assert len(list(nights(tmp_path, "test-machine", skipped=skipped))) == 1
    assert 'machine "other"' in skipped[0].reason.en
    assert len(list(nights(tmp_path))) == 2


def test_a_machine_by_its_name_its_folder_or_several(tmp_path: Path) -> None:
    named = msgspec.structs.replace(MACHINE, name="NPU Node 7")
    put(tmp_path, run(cell(), id=run_id(1), machine=named), machine="npu-node-7")
    tree(tmp_path, 2)
    for name in ("NPU Node 7", "npu-node-7"):
        assert [night.machine for night in nights(tmp_path, name)] == ["NPU Node 7"]
    both = [night.id for night in nights(tmp_path, ("NPU Node 7", "test-machine"))]
    assert both == [run_id(2), run_id(1)]
    # A name never leads out of the results folder.
    assert list(nights(tmp_path / "npu-node-7", "../test-machine")) == []


@pytest.mark.parametrize("source", [*sorted(path.name for path in GOLDEN.glob("run-*.json")), "current"])
def test_says_what_the_whole_document_says(source: str) -> None:
    """Of every format: the slim reading must not differ from the migrated one."""
    data = (
        (GOLDEN / source).read_bytes() if source != "current" else encode(run(cell(), cell(unit="page", model="ocr")))
    )
    found, whole = read_night(data), parse(data, Run, source)
    assert isinstance(found, Night)
    assert (found.id, found.created, found.varying) == (whole.id, whole.created, whole.varying)
    assert len(found.cells) == len(whole.cells) > 0
    for slim, full in zip(found.cells, whole.cells, strict=True):
        for name in ("id", "identity_sha256", "key", "scenario", "unit", "verdict", "execution_kind", "reasons"):
            assert getattr(slim, name) == getattr(full, name)
        for key, item in full.summary.items():
            found_spread = slim.spread(key)
            assert found_spread is not None
            assert found_spread.launches == item.launches


def test_efficiency_by_scope() -> None:
    joules = {"card": {"energy_per_request_j": spread((1.0, 2.0))}}
    found = read_night(encode(run(cell(efficiency=joules))))
    assert isinstance(found, Night)
    one = found.cells[0].spread("energy_per_request_j", "card")
    assert one is not None
    assert one.launches == (1.0, 2.0)
    assert found.cells[0].spread("energy_per_request_j", "wall") is None
    assert found.cells[0].spread("energy_per_request_j") is None
    unwanted = read_night(encode(run(cell(efficiency=joules))), ["latency_p50_ns"])
    assert isinstance(unwanted, Night)
    assert unwanted.cells[0].spread("energy_per_request_j", "card") is None
    assert unwanted.cells[0].spread("latency_p50_ns") is not None


@given(st.binary(max_size=200))
def test_no_bytes_are_fatal(data: bytes) -> None:
    assert isinstance(read_night(data), Text)


@given(st.integers(0, 2000))
def test_no_truncation_is_fatal(length: int) -> None:
    assert isinstance(read_night(encode(run(cell()))[:length]), Text)


def test_costs_invert_a_throughput_and_drop_what_is_no_number() -> None:
    values = NightSpread(launches=(2.0, None, float("nan"), float("inf"), 0.0, -1.0))
    up, down = log_costs(values, "latency_p50_ns"), log_costs(values, "frames_per_s")
    assert len(up) == len(down) == 1
    assert up[0] == -down[0] > 0
    assert log_costs(None, "latency_p50_ns") == ()


def test_stamps_sort() -> None:
    assert stamp("20261124T010203Z-aaaaaa") == stamp("2026-11-24T01:02:03Z") == "20261124T010203Z"
