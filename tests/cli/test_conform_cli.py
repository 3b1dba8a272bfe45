"""`npubench conform` as a person uses it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from npubench.conformance import CHECKS
from tests.cli.inside import inside
from tests.cli.test_run_cli import npubench
from tests.support import write_backend

pytest.importorskip("onnxruntime")

FEW = ["--operator", "Ceil", "--operator", "Celu"]


def test_operators_as_a_table_of_80_columns_and_as_markdown(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "cpu.md"
    pack = tmp_path / "cpu.zip"
    done = npubench("conform", "cpu", *FEW, "-o", str(page), "--pack", str(pack))
    assert done.returncode == 0, done.stderr
    assert f"written: {pack}" in done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(cell_len, lines)) <= 80
    assert "passed whole (2): Ceil, Celu" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert "| Celu | 3 | 2 |" in text
    assert "CPUExecutionProvider, cpu): numpy" in text
    assert "a tensor of bfloat16, which numpy lacks: `celu_bfloat16`" in text
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_the_whole_contract_as_one_json_document() -> None:
    done = npubench("conform", "cpu", "--only", "contract", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "npubench.conformance/1"
    assert [check["id"] for check in found["checks"]] == list(CHECKS)
    memory = next(check for check in found["checks"] if check["id"] == "memory")
    assert memory["figures"]["inferences"] == 1000
    assert found["environment"]["packages"]["onnxruntime"] == found["versions"]["onnxruntime"]


@pytest.mark.slow
def test_a_broken_contract_is_exit_4_and_the_row_says_how() -> None:
    done = npubench("conform", "stale", "--only", "contract")
    assert done.returncode == 4
    assert "right answers to distinct inputs   violated" in done.stdout
    assert max(map(cell_len, done.stdout.splitlines())) <= 80


def test_a_crash_in_a_node_test_is_exit_4(tmp_path: Path) -> None:
    cards = write_backend(tmp_path / "cards", "crashing", fault="crash")
    done = npubench("conform", "crashing", "--cards", str(cards), "--operator", "Ceil")
    assert done.returncode == 4
    assert "test_ceil: crashed: ended by SIGSEGV" in done.stdout


def test_names_that_do_not_exist_are_usage_errors() -> None:
    done = inside("conform", "cpu", "--operator", "Concatt")
    assert done.returncode == 2
    assert 'no node test of an operator "Concatt" (did you mean "Concat"?)' in done.stderr
    assert inside("conform", "cpuu").returncode == 2
    assert "--timeout" in inside("conform", "cpu", "--timeout", "soon").stderr


def test_a_backend_that_is_not_here_is_exit_4_with_the_fix(tmp_path: Path) -> None:
    cards = write_backend(tmp_path / "cards", "elsewhere", environment='[environment]\npython = "/no/such/python"\n\n')
    done = npubench("conform", "elsewhere", "--cards", str(cards))
    assert done.returncode == 4
    assert "elsewhere: /no/such/python" in done.stderr


def test_the_page_in_korean_and_a_pack_of_all_of_it_with_its_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = tmp_path / "out" / "cpu.zip"
    # The page that comes with it is in another language: a check of its own would take as long again.
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    page = tmp_path / "cpu.md"
    done = npubench("conform", "cpu", "--operator", "Ceil", "-o", str(page), "--pack", str(pack))
    assert done.returncode == 0, done.stderr
    assert "모두 통과(1): Ceil" in done.stdout
    assert "| 연산자 | 시험 | 통과 |" in page.read_text(encoding="utf-8")
    assert str(pack) in done.stdout + done.stderr
    with zipfile.ZipFile(pack) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["schema"] == "npubench.conformance-pack/1"
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert set(files) == {"conformance.json", "conformance.md", "conformance.ko.md", "card.toml"}
    assert json.loads(files["conformance.json"])["backend"] == "cpu"
    assert b"adapter" in files["card.toml"]
    assert not any(str(tmp_path).encode() in data for data in files.values())


def test_a_pack_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = npubench("conform", "cpu", "--operator", "Ceil", "--pack", str(tmp_path / "file" / "cpu.zip"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
