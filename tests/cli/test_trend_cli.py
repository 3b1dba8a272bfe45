"""`npubench trend` as a person reads it: 80 columns in both languages, notes and no failures, cells by their words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len

from npubench import store
from npubench.cli.trend import trend
from npubench.errors import UnknownNameError, UsageError
from npubench.lang import Text
from npubench.schema import cell_id
from tests.stats.made_nights import MACHINE, created, history, launches, night, put, run_id
from tests.stats.made_runs import cell, spread
from tests.support import MACHINE as FACTS

NASTY = "[red]m[/red]<b>|`\x1b[31mx\x1b]8;;http://e\x07\u202ey\n[/]\\[end😀"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NPUBENCH_LANG", "en")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NPUBENCH_MACHINE", raising=False)
    return tmp_path / "results"


def ask(root: Path, *words: str, **options: Any) -> None:
    asked: dict[str, Any] = {"machine": None, "metric": None, "last": None, "quick_looks": False, "as_json": False}
    trend(words, **{**asked, "out": root, **options})


def document(root: Path, capfdbinary: pytest.CaptureFixture[bytes], *words: str, **options: Any) -> dict[str, Any]:
    ask(root, *words, as_json=True, **options)
    found: dict[str, Any] = json.loads(capfdbinary.readouterr().out)
    return found


def stepped(number: int) -> float:
    return 1.05 if number >= 20 else 1.0


@pytest.mark.parametrize("spoken", ["en", "ko"])
def test_help_fits_80_columns(spoken: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npubench", "trend", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NPUBENCH_LANG": spoken, "COLUMNS": "80"},
    )
    assert max(cell_len(line) for line in done.stdout.splitlines()) <= 80


def test_a_change_is_a_note_with_what_was_new_that_night(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for number in range(24):
        versions = {
            "npubench": "1.0.0",
            "cpu.onnxruntime": "1.33.0" if number >= 20 else "1.32.0",
            "npu.sdk": f"{number}",
        }
        put(root, night(number, cell(launches(random), factor=stepped(number)), varying=versions))
    ask(root)
    out = capsys.readouterr().out
    assert "+5.0 % since 2026-01-21 (onnxruntime 1.32.0 → 1.33.0)" in " ".join(out.split())
    assert "^ +5.0 % from here on, worse: 25.0 ms →" in out
    assert "v onnxruntime 1.32.0 → 1.33.0" in out
    # The versions of another backend are none of this cell's.
    assert "sdk" not in out


def test_the_document(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    history(root, 24, stepped)
    found = document(root, capfdbinary)
    assert (found["schema"], found["machine"], found["nights"]) == ("npubench.trend/1", MACHINE, 24)
    assert (found["first"], found["last"]) == (created(0), created(23))
    (one,) = found["cells"]
    assert [item["run"] for item in one["nights"]] == [run_id(number) for number in range(24)]
    assert (one["metric"], one["unit"], one["meter_scope"]) == ("latency_p50_ns", "ns", None)
    (change,) = one["changes"]
    assert change["run"] == run_id(20)
    assert change["change"] == pytest.approx(0.05, abs=0.01)
    assert change["worse"] is True


def test_a_throughput_that_falls_is_worse(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    history(root, 24, stepped)
    (one,) = document(root, capfdbinary, metric="frames_per_s")["cells"]
    assert one["changes"][0]["change"] < 0
    assert one["changes"][0]["worse"] is True


@pytest.mark.parametrize("spoken", ["en", "ko"])
@pytest.mark.parametrize("words", [(), ("cctv-detect",)])
def test_everything_fits_80_columns(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoken: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    random = np.random.default_rng(0)
    reason = (Text(en="a driver said no " * 12, ko="드라이버가 거부했습니다 " * 12),)
    for number in range(100):
        cells = [
            cell(launches(random), factor=1.4 if number > 60 else 1.0),
            cell(launches(random), model="b" * 70, backend="c" * 50),
            cell(launches(random), model="ocr", unit="page", scenario="offline"),
        ]
        if number == 95:
            cells[0] = cell((None, None), verdict="invalid", reasons=reason)
        versions = {"npubench": "x" * 300 if number > 60 else "1.0.0", "kernel": "6.0"}
        put(root, night(number, *cells, varying=versions))
    for number in range(101, 104):
        broken = root / MACHINE / run_id(number) / store.RUN
        broken.parent.mkdir()
        broken.write_text('{"schema', encoding="utf-8")
    ask(root, *words)
    out = capsys.readouterr().out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    assert ("left out: " if spoken == "en" else "제외: ") in out


def test_what_others_wrote_is_text(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = (Text(en=NASTY, ko=NASTY),)
    for number in range(3):
        put(
            root,
            night(
                number,
                cell(model=NASTY, verdict="invalid" if number else "valid", reasons=why),
                varying={NASTY: f"{NASTY}{number}"},
            ),
        )
    ask(root)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]m[/red]<b>" in out


def test_a_gap_has_its_reason_and_ends_no_line(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    history(root, 10)
    why = (Text(en="throttled", ko="스로틀"),)
    put(root, night(10, cell(verdict="invalid", reasons=why, execution_kind=None)))
    put(root, night(11, cell((None, None))))
    put(root, night(12, cell()))
    (one,) = document(root, capfdbinary)["cells"]
    assert [item["value"] is None for item in one["nights"][9:]] == [False, True, True, False]
    assert one["nights"][10]["reason"] == {"en": "throttled", "ko": "스로틀"}
    assert one["nights"][11]["unusable"] == 2
    assert {item["line"] for item in one["nights"]} == {0}


def test_another_identity_begins_a_line_and_is_no_change(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    history(root, 12)
    for number in range(12, 24):
        put(root, night(number, cell(factor=2.0, identity={"graphs": "other"})))
    (one,) = document(root, capfdbinary)["cells"]
    assert [item["line"] for item in one["nights"]] == [0] * 12 + [1] * 12
    assert one["changes"] == []


def test_quick_looks_only_when_asked_for(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put(root, night(0, cell(), profile="smoke", comparable=False))
    with pytest.raises(UsageError, match="no complete night") as raised:
        ask(root)
    assert raised.value.hint is not None
    assert "--all" in raised.value.hint
    assert document(root, capfdbinary, quick_looks=True)["nights"] == 1


def test_cells_by_their_words(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cells = [
        cell(model=model, backend=backend, scenario=scenario)
        for model in ("cctv-detect", "ocr-korean")
        for backend in ("cpu", "npu")
        for scenario in ("single-stream", "offline")
    ]
    put(root, night(0, *cells))

    def names(*words: str) -> list[str]:
        found = document(root, capfdbinary, *words)["cells"]
        return [f"{item['model'][0]}{item['backend'][0]}{item['scenario']['name'][0]}" for item in found]

    assert len(names()) == 8
    assert names("ocr-korean", "npu") == ["ons", "ono"]
    assert names("cctv-detect", "ocr-korean", "cpu", "offline") == ["cco", "oco"]
    assert names(cell_id(cells[3].key)[:6]) == ["cno"]
    with pytest.raises(UnknownNameError, match=r'"ocr-koran" \(did you mean "ocr-korean"'):
        ask(root, "ocr-koran")
    put(root, night(1, cell(model="lonely", backend="gpu")))
    with pytest.raises(UsageError, match="no cell has all of: lonely, cpu"):
        ask(root, "lonely", "cpu")


def test_a_cell_that_the_newest_nights_lack_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(root, 9)
    put(root, night(9, cell(model="another")))
    put(root, night(10, cell(model="another")))
    ask(root, "cctv-detect")
    assert "not in the newest 2 nights" in " ".join(capsys.readouterr().out.split())


def test_energy_in_its_scope(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    joules = {name: {"energy_per_request_j": spread((value, value))} for name, value in (("card", 2.0), ("wall", 5.0))}
    put(root, night(0, cell(efficiency=joules), cell(model="unmetered")))
    for asked, scope, value in (
        ("energy_per_request_j@wall", "wall", 5.0),
        ("energy_per_request_j@card", "card", 2.0),
        ("energy_per_request_j", "card", 2.0),
    ):
        (one,) = document(root, capfdbinary, metric=asked)["cells"]
        assert (one["model"], one["meter_scope"], one["nights"][0]["value"]) == (
            "cctv-detect",
            scope,
            pytest.approx(value),
        )
    with pytest.raises(UsageError, match="none of these cells"):
        ask(root, metric="energy_per_request_j@node")
    for wrong in ("energy_per_request_j@wal", "latency_p50_ns@card"):
        with pytest.raises(UnknownNameError, match="found scope"):
            ask(root, metric=wrong)
    with pytest.raises(UnknownNameError, match="did you mean"):
        ask(root, metric="latency_p5_ns")


def test_machines(root: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no runs yet"):
        ask(root)
    history(root, 2)
    other = night(5, cell(), machine=msgspec.structs.replace(FACTS, name="NPU 7"))
    path = root / "npu-7" / other.id / store.RUN
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(other))
    with pytest.raises(UsageError, match="2 machines"):
        ask(root)
    with pytest.raises(UnknownNameError, match='did you mean "npu-7"'):
        ask(root, machine="npu-8")
    assert document(root, capfdbinary, machine="NPU 7")["machine"] == "NPU 7"
    monkeypatch.setenv("NPUBENCH_MACHINE", "test-machine")
    assert document(root, capfdbinary)["nights"] == 2
    with pytest.raises(UsageError, match="--last 0"):
        ask(root, last=0)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_few_nights_are_shown_without_a_verdict(root: Path, capsys: pytest.CaptureFixture[str], count: int) -> None:
    history(root, count, lambda number: 1.0 + number)
    ask(root)
    assert "too few nights for change points" in " ".join(capsys.readouterr().out.split())


def test_last_shows_fewer_and_finds_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(root, 40, stepped)
    ask(root, last=5)
    out = capsys.readouterr().out
    assert "from here on, worse: 25.0 ms" in out
    assert sum(line.startswith("2026-") for line in out.splitlines()) == 6
    assert "… 20 more" in out
