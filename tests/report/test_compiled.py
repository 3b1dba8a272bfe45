"""Compiled templates are read back from a folder of the user's own, and from no other."""

from __future__ import annotations

import os
from pathlib import Path

import jinja2
import pytest

from npubench.report import compiled
from npubench.report.assets import environment


def page(folder: Path, source: str = "{{ 6 * 7 }}", options: object = "") -> str:
    found = jinja2.Environment(
        loader=jinja2.DictLoader({"a": source}), autoescape=True, bytecode_cache=compiled.kept(folder, options)
    )
    return found.get_template("a").render()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_template_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "new" / "templates"
    assert page(folder) == "42"
    (kept,) = files(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(jinja2.Environment, "_generate", None)
    assert page(folder) == "42"


def test_what_changes_the_code_compiles_it_anew(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    assert page(folder) == "42"
    assert page(folder, "{{ 6 + 7 }}") == "13"
    assert page(folder, options="others") == "42"
    assert len(files(folder)) == 2


@pytest.mark.parametrize("content", [b"", b"rubbish", b"cut short"], ids=["empty", "rubbish", "cut short"])
def test_a_damaged_file_is_compiled_anew(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "templates"
    page(folder)
    (kept,) = files(folder)
    kept.write_bytes(kept.read_bytes()[:60] if content == b"cut short" else content)
    assert page(folder) == "42"
    assert files(folder) == [kept]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    folder.chmod(mode)
    assert compiled.kept(folder, "") is None
    assert page(folder) == "42"
    assert files(folder) == []


def test_neither_a_link_nor_a_file_is_a_folder(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(own)
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "file/below"):
        assert compiled.kept(tmp_path / name, "") is None


def test_a_file_that_others_may_write_or_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    page(folder)
    (kept,) = files(folder)
    bad = kept.read_bytes()
    foreign = tmp_path / "foreign"
    foreign.write_bytes(bad)
    cache = compiled.kept(folder, "")
    assert cache is not None
    bucket = jinja2.bccache.Bucket(
        jinja2.Environment(), kept.name, jinja2.BytecodeCache().get_source_checksum("{{ 6 * 7 }}")
    )
    cache.load_bytecode(bucket)
    assert bucket.code is not None
    kept.chmod(0o620)
    bucket.reset()
    cache.load_bytecode(bucket)
    assert bucket.code is None
    kept.unlink()
    kept.symlink_to(foreign)
    cache.load_bytecode(bucket)
    assert bucket.code is None


def test_another_users_folder_is_not_used_and_none_is_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert compiled.kept(folder, "") is None
    assert compiled.kept(tmp_path / "new", "") is None
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert page(tmp_path / "templates") == "42"
    assert files(tmp_path / "templates") == []
    monkeypatch.delattr(os, "geteuid")
    assert compiled.kept(tmp_path / "elsewhere", "") is None


def test_pages_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    environment().get_template("macros.html.j2")
    assert len(files(tmp_path / "cache" / "templates")) == 1
