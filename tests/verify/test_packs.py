"""Packs: the same bytes for the same run, verifiable anywhere; edited ones are named, dangerous ones refused."""

from __future__ import annotations

import errno
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from npubench.errors import NotComparableError, SchemaTooNewError, StoreError, UsageError
from npubench.store import RunFolder
from npubench.verify import unpacking
from npubench.verify.found import Tally
from npubench.verify.packing import pack
from npubench.verify.unpacking import verify_pack
from tests.verify.test_folder import said


@pytest.fixture(scope="session")
def packed(original: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packs") / "run.zip"
    pack(original, path)
    return path


def rewritten(packed: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The pack with other contents."""
    with zipfile.ZipFile(packed) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
    change(contents)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return to


def test_a_pack_agrees_and_holds_all_evidence(packed: Path, original: RunFolder) -> None:
    found = verify_pack(packed)
    assert said(found) == []
    assert (found.kind, found.run, found.sealed) == ("pack", original.run().id, True)
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.testzip() is None
    assert names[0] == "manifest.json"
    assert names[1:] == sorted(manifest["files"])
    assert {"report.html", "cards.json", "environments.json", "run/plan.json", "run/run.json"} < set(names)
    assert sum(name.endswith(".npz") for name in names) == 4
    assert found.files == len(names)


def test_the_same_run_gives_the_same_bytes(packed: Path, original: RunFolder, tmp_path: Path) -> None:
    pack(original, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_pack_names_no_path_of_the_machine(packed: Path, original: RunFolder) -> None:
    room = original.plan().sources["room:tiny"]
    assert "/" in room
    with zipfile.ZipFile(packed) as archive:
        plan = archive.read("run/plan.json").decode()
    assert room not in plan
    assert json.loads(plan)["sources"] == {"room:tiny": Path(room).name}


def test_only_a_sealed_run_is_packed(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "run.json").unlink()
    with pytest.raises(UsageError, match="not sealed"):
        pack(run, tmp_path / "run.zip")


def test_one_byte_edited_anywhere_is_named(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        members = [info for info in archive.infolist() if info.filename != "manifest.json"]
        data = packed.read_bytes()
        for info in members:
            head = info.header_offset
            name_length, extra_length = struct.unpack_from("<HH", data, head + 26)
            start = head + 30 + name_length + extra_length
            edited = bytearray(data)
            edited[start + info.compress_size // 2] ^= 1
            path = tmp_path / "edited.zip"
            path.write_bytes(edited)
            tally = Tally()
            with unpacking.opened(path, tally):
                assert {item.file for item in tally.mismatches} == {info.filename}
    # The last one in full.
    assert verify_pack(path).mismatches


def test_contents_that_do_not_fit_the_manifest(packed: Path, tmp_path: Path) -> None:
    def change(contents: dict[str, bytes]) -> None:
        contents["run/run.json"] = contents["run/run.json"].replace(b'"sealed": "2', b'"sealed": "3')
        contents["malware.sh"] = b"rm"
        del contents["cards.json"]

    found = verify_pack(rewritten(packed, tmp_path / "run.zip", change))
    files = {item.file for item in found.mismatches}
    assert {"run/run.json", "malware.sh", "cards.json"} <= files, said(found)


def test_a_forged_manifest_does_not_hide_a_forged_number(packed: Path, tmp_path: Path) -> None:
    import hashlib

    def change(contents: dict[str, bytes]) -> None:
        name = next(name for name in contents if name.endswith("-1.json"))
        launch = json.loads(contents[name])
        launch["summary"]["samples_per_s"]["value"] = 1e6
        contents[name] = json.dumps(launch).encode()
        manifest = json.loads(contents["manifest.json"])
        entry = {"sha256": hashlib.sha256(contents[name]).hexdigest(), "bytes": len(contents[name])}
        manifest["files"][name] = entry
        contents["manifest.json"] = json.dumps(manifest).encode()

    found = verify_pack(rewritten(packed, tmp_path / "run.zip", change))
    assert any(item.path == "summary.samples_per_s.value" for item in found.mismatches), said(found)


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x", (2026, 1, 1, 0, 0, 0))
    # Past what the constructor makes of it.
    info.filename = name
    info.create_system, info.external_attr = 3, mode << 16
    return info


BAD: dict[str, tuple[list[tuple[zipfile.ZipInfo, bytes]], str]] = {
    "absolute": ([(entry("/etc/passwd"), b"x")], "absolute"),
    "drive": ([(entry("C:/x"), b"x")], "absolute"),
    "up": ([(entry("run/../../x"), b"x")], r"\.\."),
    "backslash": ([(entry("run\\..\\x"), b"x")], "backslash"),
    "control": ([(entry("run/a\x1bb"), b"x")], "control"),
    "empty part": ([(entry("run//x"), b"x")], "empty part"),
    "symlink": ([(entry("run/plan.json", stat.S_IFLNK | 0o777), b"/etc/passwd")], "a link"),
    "device": ([(entry("run/plan.json", stat.S_IFCHR | 0o644), b"")], "not a plain file"),
    "folder": ([(entry("run/", stat.S_IFDIR | 0o755), b"")], "not a plain file"),
    "twice": ([(entry("run/a"), b"x"), (entry("run/A"), b"x")], "twice"),
    "a file and its folder": ([(entry("report.html"), b"x"), (entry("report.html/x"), b"x")], "its folder is a file"),
    "a folder and its file": ([(entry("run/a/b/c"), b"x"), (entry("run/A"), b"x")], "its folder is a file"),
    "a long part": ([(entry(f"run/{'x' * 256}/y"), b"x")], "too long"),
    "a long part in bytes": ([(entry(f"run/{'가' * 86}"), b"x")], "too long"),
}


@pytest.mark.parametrize("what", BAD)
def test_dangerous_archives_are_refused_before_anything_is_written(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, why = BAD[what]
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "{}")
        for info, data in entries:
            archive.writestr(info, data)

    def never(*arguments: Any) -> None:
        raise AssertionError("something was written")

    monkeypatch.setattr(unpacking, "_unpacked", never)
    with pytest.raises(NotComparableError, match=why):
        verify_pack(path)


def test_a_name_with_a_nul(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("run/plan_json", "x")
    path.write_bytes(path.read_bytes().replace(b"run/plan_json", b"run/plan\0json"))
    with pytest.raises(NotComparableError, match="control character"):
        verify_pack(path)


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("run/run.json", bytes(20_000_000))
    with pytest.raises(NotComparableError, match="bomb"):
        verify_pack(path)
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(unpacking, "MOST_RATIO", 10_000)
    with pytest.raises(NotComparableError, match="more than"):
        verify_pack(path)


def test_a_file_that_unpacks_to_more_than_it_declares(packed: Path, tmp_path: Path) -> None:
    """Sizes in the directory are somebody's claim: what is written is bounded by it."""

    def change(contents: dict[str, bytes]) -> None:
        contents["report.html"] = b"a" * 200_000

    path = rewritten(packed, tmp_path / "run.zip", change)
    data = path.read_bytes().replace(struct.pack("<L", 200_000), struct.pack("<L", 1_000))
    path.write_bytes(data)
    found = verify_pack(path)
    assert any(item.file == "report.html" for item in found.mismatches)


def test_what_is_no_pack(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(NotComparableError, match="not a pack"):
        verify_pack(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "x")
    with pytest.raises(NotComparableError, match=r"no manifest\.json"):
        verify_pack(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", '{"schema": "npubench.pack/9"}')
    with pytest.raises(SchemaTooNewError, match="newer npubench"):
        verify_pack(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", '{"schema": "npubench.pack/1"}')
    with pytest.raises(NotComparableError, match="damaged"):
        verify_pack(path)


def test_a_truncated_pack(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.zip"
    data = packed.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(NotComparableError, match="not a pack"):
        verify_pack(path)


def test_a_full_disk_is_no_fault_of_the_pack(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Path.open

    def full(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        return known(Path("/dev/full"), "wb") if mode == "xb" else known(path, mode, *arguments, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match="No space left on device"):
        verify_pack(packed)


def test_no_room_for_a_folder_is_no_fault_of_the_pack(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**named: Any) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(unpacking.tempfile, "TemporaryDirectory", full)
    with pytest.raises(StoreError, match="Disk quota exceeded"):
        verify_pack(packed)


def test_a_pack_on_a_bad_disk_is_not_read_and_not_accused(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(stream: Any, size: int = -1) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", bad)
    with pytest.raises(NotComparableError, match="Input/output error"):
        verify_pack(packed)


def test_documents_nested_too_deep(packed: Path, tmp_path: Path) -> None:
    deep = b"[" * 200_000

    def cards(contents: dict[str, bytes]) -> None:
        contents["cards.json"] = deep

    found = verify_pack(rewritten(packed, tmp_path / "cards.zip", cards))
    assert any(item.file == "cards.json" and "not JSON" in item.found for item in found.mismatches), said(found)

    def manifest(contents: dict[str, bytes]) -> None:
        contents["manifest.json"] = deep

    with pytest.raises(NotComparableError, match="damaged"):
        verify_pack(rewritten(packed, tmp_path / "manifest.zip", manifest))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("run/é", "x")
    path.write_bytes(path.read_bytes().replace("run/é".encode(), b"run/\xff\xfe"))
    with pytest.raises(NotComparableError, match="not a pack"):
        verify_pack(path)


def test_a_file_that_lies_before_the_archive(packed: Path, tmp_path: Path) -> None:
    data = bytearray(packed.read_bytes())
    # The last 22 bytes say where the directory begins: further on than it does.
    struct.pack_into("<L", data, len(data) - 6, struct.unpack_from("<L", data, len(data) - 6)[0] + 5)
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    with pytest.raises(NotComparableError, match="read"):
        verify_pack(path)
