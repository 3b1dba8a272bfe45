"""`verify` on a good run says that all agrees, and names whatever somebody changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench import store
from npubench.errors import NotComparableError, SchemaTooNewError, UsageError
from npubench.stats.runs import derived
from npubench.store import RunFolder
from npubench.verify.folder import verify_document, verify_folder
from npubench.verify.found import Verified, legible
from tests.verify.made import edit, edit_samples, reseal

GOLDEN = Path(__file__).parents[1] / "golden"


def launch_of(run: RunFolder, scenario: str, number: int = 1) -> Path:
    cell = next(cell for cell in run.plan().cells if cell.scenario.name == scenario)
    return run.launch_path(cell.id, number)


def named(found: Verified, file: str = "", path: str = "") -> bool:
    return any(file in item.file and path in item.path for item in found.mismatches)


def said(found: Verified) -> list[str]:
    return [f"{item.file} {item.path}: {item.found} / {item.expected}" for item in found.mismatches]


def test_a_good_run_agrees(original: RunFolder) -> None:
    found = verify_folder(original)
    assert said(found) == []
    assert found.sealed
    assert found.numbers > 200
    assert found.samples > 0
    # Plan, run, certificate, the invocation, four launches with samples.
    assert found.files == 12
    assert any("start-up times" in text.en for text in found.stated)


def sample_value(run: RunFolder) -> None:
    def slower(columns: dict[str, Any]) -> None:
        columns["completed_ns"][:] += 50_000

    edit_samples(launch_of(run, "single-stream").with_suffix(".npz"), slower)


def summary_value(run: RunFolder) -> None:
    edit(launch_of(run, "single-stream"), lambda launch: launch["summary"]["samples_per_s"].update(value=123_456.0))


def verdict(run: RunFolder) -> None:
    def better(launch: Any) -> None:
        launch["verdict"] = "degraded" if launch["verdict"] == "valid" else "valid"

    edit(launch_of(run, "single-stream"), better)


def reason_removed(run: RunFolder) -> None:
    """The samples were late, and a forger takes the reason out."""

    def late(columns: dict[str, Any]) -> None:
        columns["status"][:3] = 1

    edit_samples(launch_of(run, "single-stream").with_suffix(".npz"), late)


def ruleset(run: RunFolder) -> None:
    edit(run.path / "run.json", lambda document: document.update(ruleset="mlperf-v6.1"))


def certificate(run: RunFolder) -> None:
    def assisted(document: Any) -> None:
        document["extent"] = "full"
        document["macs"] = {"Null": 500, "CPU": 500}
        document["macs_share"] = 0.5

    path = next((run.path / "placement").glob("*.json"))
    edit(path, assisted)

    def in_run(document: Any) -> None:
        for cell in document["cells"]:
            assisted(cell["certificate"])

    edit(run.path / "run.json", in_run)


def capacity(run: RunFolder) -> None:
    edit(launch_of(run, "server"), lambda launch: launch["capacity"].update(confirmed=99_999.0))


def launch_deleted(run: RunFolder) -> None:
    launch_of(run, "server", 2).unlink()


def identity(run: RunFolder) -> None:
    edit(run.path / "run.json", lambda document: document["cells"][0].update(identity_sha256="0" * 64))


def exchanged(run: RunFolder) -> None:
    first, second = (launch_of(run, "single-stream", number).with_suffix(".npz") for number in (1, 2))
    first.write_bytes(second.read_bytes())


TAMPERED: dict[str, tuple[Callable[[RunFolder], None], str, str]] = {
    "a sample": (sample_value, "1.json", "summary.latency_p50_ns"),
    "a summary value": (summary_value, "1.json", "summary.samples_per_s.value"),
    "a verdict": (verdict, "1.json", "verdict"),
    "a reason removed": (reason_removed, "1.json", "reasons"),
    "the ruleset": (ruleset, "run.json", "ruleset"),
    "a certificate": (certificate, "placement/tiny--fp32--null.json", "extent"),
    "a capacity": (capacity, "1.json", "capacity.confirmed"),
    "a launch deleted": (launch_deleted, "2.json", ""),
    "an identity": (identity, "run.json", "cells[0].identity_sha256"),
    "another launch's samples": (exchanged, "1.json", "summary"),
}


@pytest.mark.parametrize("what", TAMPERED)
@pytest.mark.parametrize("forger", ["careless", "careful"])
def test_what_was_changed_is_named(run: RunFolder, what: str, forger: str) -> None:
    change, file, path = TAMPERED[what]
    change(run)
    if forger == "careful":
        if what == "a launch deleted":

            def left_out(document: Any) -> None:
                document["files"] = {
                    name: value for name, value in document["files"].items() if (run.path / name).exists()
                }

            edit(run.path / "run.json", left_out)
        reseal(run)
    found = verify_folder(run)
    assert named(found, file, path), said(found)
    if forger == "careless" and what not in ("the ruleset", "an identity", "a launch deleted"):
        assert any(item.path == "SHA-256" for item in found.mismatches)


def test_joules_without_readings(run: RunFolder) -> None:
    def joules(launch: Any) -> None:
        launch["energy"]["window"] = launch["window"]
        launch["energy"]["channels"] = {"m.power": {"energy_j": 50.0, "scope": "card", "kind": "instant"}}

    edit(launch_of(run, "single-stream"), joules)
    reseal(run)
    found = verify_folder(run)
    assert named(found, "1.json", "power"), said(found)


def test_a_truncated_samples_file(run: RunFolder) -> None:
    path = launch_of(run, "single-stream").with_suffix(".npz")
    path.write_bytes(path.read_bytes()[:-200])
    found = verify_folder(run)
    assert named(found, path.name, "SHA-256")
    assert any("not a readable samples file" in item.found for item in found.mismatches)
    # What does not need it was checked nevertheless.
    assert found.numbers > 100


def test_samples_that_unpack_to_more_than_they_state_are_not_unpacked(run: RunFolder) -> None:
    path = launch_of(run, "single-stream").with_suffix(".npz")
    edit_samples(path, lambda columns: columns.update(bomb=np.zeros(100_000_000, np.uint8)))
    found = verify_folder(run)
    assert any("unpacks to" in item.found for item in found.mismatches), said(found)


def test_a_run_cut_in_half_is_checked_as_far_as_it_goes(run: RunFolder) -> None:
    (run.path / "run.json").unlink()
    for path in run.path.glob("launches/*-2.*"):
        path.unlink()
    found = verify_folder(run)
    assert said(found) == []
    assert found.sealed is False
    assert any("not sealed: 2 of 4 launches" in text.en for text in found.remarks)


def test_half_a_file(run: RunFolder) -> None:
    path = launch_of(run, "server")
    path.write_bytes(path.read_bytes()[:500])
    found = verify_folder(run)
    assert any("not an npubench result document" in item.found for item in found.mismatches)
    (run.path / "run.json").write_bytes(b"{")
    assert named(verify_folder(run), "run.json")


def test_a_newer_format_is_refused(run: RunFolder) -> None:
    edit(launch_of(run, "server"), lambda launch: launch.update(schema="npubench.launch/99"))
    with pytest.raises(SchemaTooNewError, match=r"npubench\.launch/99"):
        verify_folder(run)


def test_another_version_is_named_where_something_differs(run: RunFolder) -> None:
    for name in ("plan.json", "run.json"):
        edit(run.path / name, lambda document: document.update(npubench="0.0.9"))
    edit(launch_of(run, "server"), lambda launch: launch["summary"]["sample_count"].update(value=1.0))
    found = verify_folder(run)
    assert any("written by npubench 0.0.9" in text.en for text in found.remarks)


def test_files_that_nothing_names(run: RunFolder) -> None:
    (run.path / "launches" / "notes.txt").write_text("x")
    (run.path / "launches" / "abc.npz").write_bytes(b"x")
    (run.path / "launches" / ".abc.json-12").write_bytes(b"x")
    (run.path / "link").symlink_to("/etc/hostname")
    found = verify_folder(run)
    assert {item.file for item in found.mismatches} == {"launches/notes.txt", "launches/abc.npz", "link"}
    assert any(".abc.json-12" in text.en for text in found.remarks)


def test_a_key_that_is_not_in_the_format(run: RunFolder) -> None:
    edit(run.path / "run.json", lambda document: document["cells"][0].update(speed=7))
    assert named(verify_folder(run), "run.json", "cells[0].speed")


def test_a_launch_of_another_run_and_one_too_many(run: RunFolder) -> None:
    path = launch_of(run, "server", 2)
    other = path.with_name(path.name.replace("-2.json", "-3.json"))
    other.write_bytes(path.read_bytes())
    edit(path, lambda launch: launch.update(run="another"))
    found = verify_folder(run)
    assert named(found, path.name, "run")
    assert named(found, other.name)


def test_a_cell_that_is_not_its_key(run: RunFolder) -> None:
    edit(run.path / "plan.json", lambda plan: plan["cells"][0]["key"].update(backend="h100"))
    found = verify_folder(run)
    assert named(found, "plan.json", "cells[0].id")
    assert named(found, "plan.json", "cells[0].key.backend")


def test_a_card_exchanged_in_the_plan(run: RunFolder) -> None:
    edit(run.path / "plan.json", lambda plan: plan["backends"]["null"]["options"].update(work_ns=1))
    found = verify_folder(run)
    assert named(found, "plan.json", "cells[0].identity.options")
    assert named(found, "run.json", "backends.null.options")


def test_nonsense_in_a_launch_is_a_mismatch_and_no_crash(run: RunFolder) -> None:
    path = launch_of(run, "single-stream")
    edit(path, lambda launch: launch["window"].update(end_ns=launch["window"]["start_ns"] - 5))
    assert named(verify_folder(run), path.name, "window")
    edit(path, lambda launch: launch["summary"]["samples_per_s"].update(value=None, reason="gone"))
    assert verify_folder(run).mismatches


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run folder"):
        verify_folder(RunFolder(tmp_path))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("run-*.json")), ids=lambda path: path.stem)
def test_golden_documents_say_what_is_missing(path: Path) -> None:
    found = verify_document(path)
    assert all(item.found == "missing" for item in found.mismatches), said(found)
    assert any("the run document alone" in text.en for text in found.remarks)
    assert found.run == json.loads(path.read_bytes())["id"]


def test_a_document_alone_must_agree_with_itself(run: RunFolder) -> None:
    def slower(document: Any) -> None:
        document["cells"][0]["summary"]["load_ns"]["median"] += 5

    edit(run.path / "run.json", slower)
    found = verify_document(run.path / "run.json")
    assert named(found, "run.json", "summary.load_ns.median")


def test_two_folders_with_one_id_are_not_confused(run: RunFolder, tmp_path: Path) -> None:
    root = tmp_path / "results"
    for machine in ("a", "b"):
        (root / machine).mkdir(parents=True)
        (root / machine / run.path.name).symlink_to(run.path)
    with pytest.raises(UsageError, match="means several runs"):
        store.open_run(run.path.name, root)


def left_out(run: RunFolder) -> None:
    """The second launch of the cell whose load is searched was not measured, and the run was sealed without it."""
    for path in (launch_of(run, "server", 2), launch_of(run, "server", 2).with_suffix(".npz"), run.path / "run.json"):
        path.unlink()
    run.write_run(derived(run))


def test_a_run_sealed_without_a_launch_agrees(run: RunFolder) -> None:
    left_out(run)
    found = verify_folder(run)
    assert said(found) == []
    assert any("sealed without 1 of 4 planned launches" in text.en for text in found.remarks)


CELL: dict[str, Callable[[Any], None]] = {
    "summary.latency_p50_ns": lambda cell: cell["summary"]["latency_p50_ns"].update(median=1.0, launches=[1.0]),
    "launches": lambda cell: cell["launches"].clear(),
    "verdict": lambda cell: cell.update(verdict="valid" if cell["verdict"] != "valid" else "degraded"),
    "reasons": lambda cell: cell["reasons"].clear(),
    "efficiency": lambda cell: cell["efficiency"].update(card={"energy_per_request_j": {"median": 1, "launches": [1]}}),
}


@pytest.mark.parametrize("what", CELL)
def test_a_cell_that_lacks_a_launch_for_which_there_was_no_time_is_checked(run: RunFolder, what: str) -> None:
    left_out(run)
    index = next(index for index, cell in enumerate(run.run().cells) if cell.scenario.name == "server")
    edit(run.path / "run.json", lambda document: CELL[what](document["cells"][index]))
    found = verify_folder(run)
    assert named(found, "run.json", f"cells[{index}].{what}"), said(found)


def test_a_cell_without_any_launch_is_checked(run: RunFolder) -> None:
    left_out(run)
    for path in (launch_of(run, "server"), launch_of(run, "server").with_suffix(".npz"), run.path / "run.json"):
        path.unlink()
    run.write_run(derived(run))
    assert said(verify_folder(run)) == []
    index = next(index for index, cell in enumerate(run.run().cells) if cell.scenario.name == "server")
    edit(run.path / "run.json", lambda document: document["cells"][index].update(verdict="valid"))
    assert named(verify_folder(run), "run.json", f"cells[{index}].verdict")


def test_a_document_nested_too_deep_is_a_mismatch_and_the_rest_is_checked(run: RunFolder) -> None:
    launch_of(run, "server").write_bytes(b"[" * 200_000)
    found = verify_folder(run)
    assert named(found, launch_of(run, "server").name)
    assert found.numbers > 50
    (run.path / "run.json").write_bytes(b'{"schema":' * 200_000)
    assert named(verify_folder(run), "run.json")
    (run.path / "plan.json").write_bytes(b"[" * 200_000)
    with pytest.raises(NotComparableError):
        verify_folder(run)


def test_a_document_that_can_just_be_read_is_checked_or_refused(run: RunFolder) -> None:
    path = run.path / "run.json"
    edit(path, lambda document: document["cells"][0]["identity"].update(deep="?"))
    document, most = path.read_bytes(), sys.getrecursionlimit()
    for depth in range(most - 150, most):
        path.write_bytes(document.replace(b'"?"', b"[" * depth + b"]" * depth))
        with suppress(NotComparableError):
            assert named(verify_document(path), "run.json", "identity_sha256")
    # What can be read need not be what can be compared.
    with pytest.raises(NotComparableError, match="nested deeper"), legible("x"):
        raise RecursionError


def test_names_that_the_system_does_not_take(run: RunFolder) -> None:
    edit(run.path / "run.json", lambda document: document["files"].update({"launches/" + "x" * 300: "0" * 64}))
    with pytest.raises(NotComparableError, match="cannot be read"):
        verify_folder(run)


def test_a_folder_in_a_files_place(run: RunFolder) -> None:
    path = launch_of(run, "server", 2)
    path.unlink()
    path.mkdir()
    assert named(verify_folder(run), path.name)
