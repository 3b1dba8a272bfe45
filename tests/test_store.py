"""Result files are written once, whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from npubench import store
from npubench.errors import StoreError, UsageError


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    store.write_once(tmp_path / "a.json", b"first")
    with pytest.raises(StoreError, match="never changed"):
        store.write_once(tmp_path / "a.json", b"second")
    assert (tmp_path / "a.json").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    where = tmp_path / "tiny"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(where)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tiny file system needs root")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_full_disk_while_writing(tiny_disk: Path) -> None:
    store.write_once(tiny_disk / "before.json", b"kept")
    with pytest.raises(StoreError, match="the disk is full") as caught:
        store.write_once(tiny_disk / "big.json", os.urandom(1 << 20))
    assert "resume" in str(caught.value.hint)
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["before.json"]
    assert (tiny_disk / "before.json").read_bytes() == b"kept"


def test_full_disk_that_shows_only_at_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        store.write_once(tmp_path / "a.json", b"data")
    assert list(tmp_path.iterdir()) == []


def test_results_folder_not_writable() -> None:
    with pytest.raises(UsageError, match="results cannot be written there") as caught:
        store.ensure_writable(Path("/proc/npubench-results"))
    assert "--out" in str(caught.value.hint)


def test_results_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="results cannot be written there"):
        store.ensure_writable(tmp_path / "file")


def test_runs_are_found_by_folder_id_and_latest(tmp_path: Path) -> None:
    older = store.RunFolder.create(tmp_path, "m", "20260101T000000Z-aaaaaa")
    newer = store.RunFolder.create(tmp_path, "m", "20260102T000000Z-bbbbbb")
    for folder in (older, newer):
        store.write_once(folder.path / store.PLAN, b"{}")
    assert store.open_run("latest", tmp_path) == newer
    assert store.open_run("20260101", tmp_path) == older
    assert store.open_run(str(newer.path), tmp_path) == newer
    with pytest.raises(UsageError, match="several runs"):
        store.open_run("2026", tmp_path)
    with pytest.raises(UsageError, match="no run"):
        store.open_run("1999", tmp_path)
    with pytest.raises(UsageError, match="not a run folder"):
        store.open_run(str(tmp_path), tmp_path)


def test_runs_are_found_by_the_names_of_their_folders(tmp_path: Path) -> None:
    for machine, run in (("b", "20260102T000000Z-aaaaaa"), ("a", "20260103T000000Z-bbbbbb"), ("a", "20260101T0Z-c")):
        (tmp_path / machine / run).mkdir(parents=True)
    (tmp_path / "a" / "zzz-kept").mkdir()
    (tmp_path / "a" / "zzz-kept" / store.PLAN).touch()
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    found = [(item.machine, item.run) for item in store.listed(tmp_path)]
    assert found == [
        ("a", "20260101T0Z-c"),
        ("a", "20260103T000000Z-bbbbbb"),
        ("a", "zzz-kept"),
        ("b", "20260102T000000Z-aaaaaa"),
    ]
    assert [item.run for item in store.listed(tmp_path, "b")] == ["20260102T000000Z-aaaaaa"]
    assert list(store.listed(tmp_path / "nowhere")) == []
    assert store.latest(tmp_path / "nowhere") is None
    # Of those with a plan the newest by the time in its id; a name that holds none is older.
    assert store.open_run("latest", tmp_path).path.name == "zzz-kept"
    (tmp_path / "b" / "20260102T000000Z-aaaaaa" / store.PLAN).touch()
    assert store.open_run("latest", tmp_path).path.name == "20260102T000000Z-aaaaaa"
    assert not next(iter(store.listed(tmp_path, "b"))).sealed
    (tmp_path / "b" / "20260102T000000Z-aaaaaa" / store.RUN).touch()
    assert next(iter(store.listed(tmp_path, "b"))).sealed


def test_a_whole_id_is_not_the_beginning_of_another(tmp_path: Path) -> None:
    for run in ("20260101T000000Z-aaaaaa", "20260101T000000Z-aaaaaa2"):
        (tmp_path / "a" / run).mkdir(parents=True)
    assert store.open_run("20260101T000000Z-aaaaaa", tmp_path).path.name == "20260101T000000Z-aaaaaa"
    with pytest.raises(UsageError, match="means several runs"):
        store.open_run("2026", tmp_path)
    (tmp_path / "b" / "20260101T000000Z-aaaaaa").mkdir(parents=True)
    with pytest.raises(UsageError, match="means several runs"):
        store.open_run("20260101T000000Z-aaaaaa", tmp_path)
    for name in ("*", "[2]*", "../a", "20260101T000000Z-x"):
        with pytest.raises(UsageError, match="no run"):
            store.open_run(name, tmp_path / "results" if name == "../a" else tmp_path)


def test_machines_are_the_folders_that_hold_runs(tmp_path: Path) -> None:
    for name in ("b/20260102T000000Z-aaaaaa", "a/20260102T000000Z-aaaaaa", "empty", ".hidden/20260102T000000Z-aaaaaa"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "baseline.toml").write_text("", encoding="utf-8")
    assert store.machines(tmp_path) == ["a", "b"]
    assert store.machines(tmp_path / "nowhere") == []
