"""Exhibits as evidence: sealed, packed and checked; what shows the user's own inputs stays where it is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import msgspec
import pytest

from npubench.cli.report import files_of
from npubench.exhibits import Exhibits
from npubench.report import html, media, view
from npubench.report.files import run_files
from npubench.stats.runs import assembled, derived
from npubench.store import EXHIBITS, RUN, RunFolder
from npubench.verify.folder import verify_folder
from npubench.verify.packing import pack
from npubench.verify.pages import verify_page
from npubench.verify.unpacking import verify_pack
from tests.report import exhibited
from tests.verify.made import edit
from tests.verify.test_folder import said

NAME = f"{EXHIBITS}/cctv-detect--fp32--sample-npu.json"


def with_exhibits(folder: RunFolder, *found: Exhibits) -> RunFolder:
    """The run as if its quality runs had shown this."""
    (folder.path / RUN).unlink()
    inputs = {"cctv-detect": {"source": "street-frames", "sha256": "0", "files": 1}}
    edit(folder.path / "plan.json", lambda plan: plan["inputs"].update(inputs))
    for item in found:
        folder.write_exhibits(item)
    folder.write_run(derived(folder))
    return folder


@pytest.fixture
def shown(run: RunFolder) -> RunFolder:
    return with_exhibits(run, exhibited.frames())


def test_exhibits_are_sealed_and_agree(shown: RunFolder) -> None:
    assert NAME in shown.run().files
    assert list(shown.exhibits()) == [exhibited.frames()]
    found = verify_folder(shown)
    assert said(found) == []
    assert any("the inputs that a report shows" in text.en for text in found.stated)


def test_a_changed_exhibit_is_named(shown: RunFolder) -> None:
    edit(shown.path / NAME, lambda item: item["items"][0]["exhibit"]["found"].pop())
    assert [item.file for item in verify_folder(shown).mismatches] == [NAME]


def test_a_missing_exhibit_and_one_too_many_are_named(shown: RunFolder) -> None:
    (shown.path / NAME).rename(shown.path / EXHIBITS / "cctv-detect--int8--sample-npu.json")
    names = {item.file for item in verify_folder(shown).mismatches}
    assert names == {NAME, f"{EXHIBITS}/cctv-detect--int8--sample-npu.json"}


def test_an_exhibit_of_other_data_or_without_a_place_is_named(run: RunFolder) -> None:
    found = exhibited.frames()
    (item,) = found.items
    flat = msgspec.structs.replace(item.exhibit.found[0], place=(1.0, 2.0))
    bad = msgspec.structs.replace(item, exhibit=msgspec.structs.replace(item.exhibit, found=(flat,)))
    folder = with_exhibits(run, msgspec.structs.replace(found, source="admin-pages", items=(bad,)))
    paths = [mismatch.path for mismatch in verify_folder(folder).mismatches]
    assert paths == ["source", "items[0].exhibit.found[0].place"]


def test_a_damaged_one_is_named(shown: RunFolder) -> None:
    (shown.path / NAME).write_text("{", encoding="utf-8")
    assert NAME in {item.file for item in verify_folder(shown).mismatches}


def test_what_shows_the_users_own_inputs_is_neither_sealed_nor_packed(run: RunFolder, tmp_path: Path) -> None:
    own = msgspec.structs.replace(exhibited.private(exhibited.pages()), model="ocr-korean")
    folder = with_exhibits(run, exhibited.frames(), own)
    assert (folder.path / EXHIBITS / "own" / "ocr-korean--int8--sample-npu.json").is_file()
    assert [name for name in folder.run().files if name.startswith(EXHIBITS)] == [NAME]
    assert said(verify_folder(folder)) == []
    pack(folder, tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
    assert f"run/{NAME}" in names
    assert not [name for name in names if "/own/" in name]
    assert "호박과일가게".encode() not in everything
    assert json.dumps("호박과일가게").encode() not in everything
    # Its page was made where those inputs are known, and is the one that anybody draws from the pack.
    assert said(verify_pack(tmp_path / "run.zip")) == []


def test_a_page_with_pictures_agrees_with_its_run_even_where_the_pictures_are_not(
    shown: RunFolder, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        html.render(view.build([run_files(shown, assembled(shown), media.reader())]), "en"), encoding="utf-8"
    )
    assert "data:image/jpeg" in page.read_text(encoding="utf-8")
    found = verify_page(page, {shown.run().id: shown})
    assert said(found) == []
    assert found.remarks == ()


def test_a_sentence_under_a_picture_that_was_changed_is_named(shown: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = html.render(view.build(files_of([shown])), "en")
    page.write_text(text.replace("1 of 11 objects", "0 of 11 objects"), encoding="utf-8")
    assert len(verify_page(page, {shown.run().id: shown}).mismatches) >= 1


def test_a_redacted_page_says_so_and_agrees_with_its_run(shown: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(html.render(view.build(files_of([shown], redact=True)), "en"), encoding="utf-8")
    assert shown.run().machine.name not in page.read_text(encoding="utf-8")
    alone = verify_page(page, {})
    assert said(alone) == []
    assert any("a redacted copy" in text.en for text in alone.remarks)
    beside = verify_page(page, {shown.run().id: shown})
    assert said(beside) == []
    assert [text.en for text in beside.remarks] == [
        "a redacted copy: names, addresses and paths in it were replaced, so its texts are not those of run.json; its "
        "figures were held against the run, redacted in the same way",
        "changes against another run and the history come from other runs' evidence: they were not drawn anew",
    ]


def test_a_redacted_page_with_another_number_is_named(shown: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = html.render(view.build(files_of([shown], redact=True)), "en")
    cell = next(cell for cell in shown.run().cells if cell.purpose == "measure")
    rate = cell.summary["samples_per_s"].median
    assert rate is not None
    shown_rate = json.dumps(rate)
    assert shown_rate in text
    page.write_text(text.replace(shown_rate, json.dumps(rate * 2)), encoding="utf-8")
    assert verify_page(page, {shown.run().id: shown}).mismatches


def test_a_page_with_the_users_own_pictures_is_not_drawn_anew(run: RunFolder, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    own = exhibited.private(exhibited.frames())
    source = media.builtin_data("street-frames")
    assert source is not None
    (folder / exhibited.FRAME).write_bytes((source / exhibited.FRAME).read_bytes())
    run = with_exhibits(run, own)
    edit(run.path / "plan.json", lambda plan: plan["sources"].update({"data:cctv-detect": str(folder)}))
    page = tmp_path / "page.html"
    page.write_text(html.render(view.build(files_of([run], embed_media=True)), "en"), encoding="utf-8")
    assert "data:image/jpeg" in page.read_text(encoding="utf-8")
    found = verify_page(page, {run.run().id: run})
    assert said(found) == []
    assert any("pictures of the user's own" in text.en for text in found.remarks)
