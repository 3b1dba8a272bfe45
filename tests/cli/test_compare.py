"""`npubench compare` as a person reads it: the sentence first, 80 columns, exit codes, the baseline file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len

from npubench import baselines, store
from npubench.cli.compare import compare
from npubench.errors import NotComparableError, UsageError
from npubench.lang import Text
from npubench.schema import Run, encode
from tests.stats.made_runs import STEADY, cell, run, spread
from tests.support import MACHINE

BASE, NEW = "20261124T010203Z-aaaaaa", "20261125T010203Z-bbbbbb"
NASTY = "[red]m[/red]<b>|`\x1b[31mx\x1b]8;;http://e\x07\u202eyx\n[/]\\[end😀"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path / "results"


def put(root: Path, made: Run) -> Path:
    """A run folder that holds nothing but its run.json, as one accepted into git does."""
    path = root / "test-machine" / made.id / store.RUN
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(made))
    return path.parent


def ask(root: Path, base: str = BASE, new: str = NEW, **options: Any) -> int:
    """The exit code."""
    asked: dict[str, Any] = {"allow": [], "as_json": False, "out": root, **options}
    try:
        compare(base, new, **asked)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_one_sentence_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell(), id=BASE))
    put(root, run(cell(factor=1.123), id=NEW, varying={"onnxruntime": "1.33.0"}))
    assert ask(root) == 3
    out = capsys.readouterr().out
    assert " ".join(out.split()).startswith(
        "3 of 3 metrics regressed, the worst: cctv-detect fp32 cpu single-stream device latency p50 +12.3 %"
    )
    assert "+12.3 %" in out
    assert "1.32.0" in out
    assert "1.33.0" in out


@pytest.mark.parametrize("spoken", ["en", "ko"])
def test_everything_fits_80_columns(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    tokens = {"ttft_p50_ns": spread(STEADY), "tpot_p50_ns": spread((1.0, 9.0, None))}
    chat = cell(model="llm-chat-135m", unit="token")
    chat = msgspec.structs.replace(chat, summary={**chat.summary, **tokens})
    wild = cell((1.0, 2000.0, 30.0, 4.0), model="wild", unit="page")
    reason = (Text(en="a driver said no " * 12, ko="드라이버가 거부했습니다 " * 12),)
    put(root, run(cell(), chat, wild, cell(model="b"), cell(model="c"), cell(model="d"), id=BASE))
    other = cell(model="b", identity={"graphs": {"detector": {"graph": "f" * 64}}})
    broken = cell(model="c", verdict="invalid", reasons=reason)
    put(root, run(cell(factor=0.01), chat, wild, other, broken, cell(model="e"), id=NEW))
    assert ask(root) == 5
    out = capsys.readouterr().out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    for shown in ("TTFT p50", "TPOT p50", "frames/s", "pages/min", "f" * 60):
        assert shown in out
    assert "missing" in out or "누락" in out


def test_names_full_of_markup_do_not_break_the_output(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = msgspec.structs.replace(MACHINE, name=NASTY)
    told = (Text(en=NASTY, ko=NASTY),)
    names: dict[str, Any] = {"model": NASTY, "backend": NASTY}
    base = run(cell(**names), cell(model="b", backend=NASTY), id=BASE, machine=machine, varying={NASTY: NASTY})
    put(root, base)
    changed = cell(model="b", backend=NASTY, identity={NASTY: {"x": NASTY}}, reasons=told)
    slow = cell(factor=2.0, verdict="degraded", reasons=told, **names)
    put(root, run(slow, changed, id=NEW, machine=machine, varying={}))
    assert ask(root) == 5
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]m[/red]<b>|`x" in out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    assert ask(root, as_json=True) == 5
    assert json.loads(capsys.readouterr().out)["new"]["machine"] == NASTY


def test_json_is_one_document(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell(), id=BASE))
    put(root, run(cell(factor=1.5, identity={"data": "x"}), id=NEW))
    assert ask(root, as_json=True, allow=["data"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "npubench.compare/1"
    assert found["allow"] == ["data"]
    assert found["exit_code"] == 3
    assert found["cells"][0]["allowed"] == [{"field": "data", "base": None, "new": "x"}]
    assert {item["verdict"] for item in found["cells"][0]["metrics"]} == {"regressed"}


def test_not_comparable_prints_the_fields_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell(), cell(model="b"), id=BASE))
    four: dict[str, Any] = {"identity": {"options": {"threads": 4}}}
    put(root, run(cell(**four), cell(model="b", **four), id=NEW))
    assert ask(root) == 5
    out = capsys.readouterr().out
    assert out.startswith("nothing was compared; 2 cells not comparable\n")
    assert out.count("options.threads") == 1
    assert "options.threads BASE 2 NEW 4 → measure" in " ".join(out.split())


def test_a_short_profile_needs_allow(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell(), id=BASE, profile="smoke", comparable=False))
    put(root, run(cell(), id=NEW, profile="smoke", comparable=False))
    assert ask(root) == 5
    out = " ".join(capsys.readouterr().out.split())
    assert "profile BASE smoke NEW smoke" in out
    assert "--allow FIELD" in out
    assert ask(root, allow=["profile"]) == 0


def test_inconclusive_says_what_would_settle_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell((1.0, 1.01, None)), id=BASE))
    put(root, run(cell((1.1, 1.11)), id=NEW))
    assert ask(root) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("none of 3 metrics regressed: 3 inconclusive")
    assert "fewer than 4 launches a side (2 and 2); 2 more launches a side would settle it" in out
    assert out.count("would settle it") == 1
    assert "1 of 3 launches of BASE gave no value" in out


def test_the_baseline_of_the_new_runs_machine(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(cell(), id=BASE))
    put(root, run(cell(factor=1.5), id=NEW))
    (root / "baseline.toml").write_text(f'other = "x"\n"{MACHINE.name}" = "{BASE}"\n')
    assert ask(root, base="baseline") == 3
    assert BASE in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no baseline has been accepted yet"),
        ("", 'no baseline for machine "test-machine"'),
        (f'test-machine = "{BASE}"', "which is not under"),
        ('test-machine = "../test-machine/x"', "which is not under"),
        ('test-machine = ""', "which is not under"),
        ("test-machine = 3", "not readable as machine = run id"),
        ("test-machine = ", "not readable as machine = run id"),
        (b"\xff\xfe", "not readable as machine = run id"),
    ],
)
def test_a_baseline_that_points_nowhere_is_exit_5(root: Path, content: str | bytes | None, said: str) -> None:
    put(root, run(cell(), id=NEW))
    if content is not None:
        (root / "baseline.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NotComparableError, match=said) as caught:
        ask(root, base="baseline")
    assert caught.value.exit_code == 5
    assert '"test-machine" = "RUN-ID"' in str(caught.value.hint) or "expected lines" in str(caught.value.hint)


def test_the_baseline_names_a_run_exactly(root: Path) -> None:
    put(root, run(cell(), id=BASE))
    (root / "baseline.toml").write_text(f'test-machine = "{BASE[:8]}"')
    with pytest.raises(NotComparableError, match="which is not under"):
        baselines.resolve(root, "test-machine")


def test_damaged_and_unknown_runs(root: Path) -> None:
    put(root, run(cell(), id=BASE))
    folder = put(root, run(cell(), id=NEW))
    data = (folder / store.RUN).read_bytes()
    (folder / store.RUN).write_bytes(data[: len(data) // 2])
    with pytest.raises(NotComparableError, match="not an npubench result document"):
        ask(root)
    with pytest.raises(UsageError, match='no run "nowhere"'):
        ask(root, new="nowhere")
