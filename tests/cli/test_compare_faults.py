"""What can be wrong with two runs, and what `npubench compare` says of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len

from npubench import baselines, store
from npubench.errors import NotComparableError, SchemaTooNewError
from npubench.schema import Run, encode, parse
from npubench.stats.compare import compare as compare_runs
from npubench.stats.confirmation import confirmed
from tests.cli.test_compare import BASE, NASTY, NEW, ask, put, root  # noqa: F401
from tests.stats.made_runs import STEADY, cell, run, spread

GOLDEN = Path(__file__).parents[1] / "golden" / "run-1.json"


def test_a_run_cut_in_half(root: Path) -> None:  # noqa: F811
    put(root, run(cell(), id=BASE))
    path = put(root, run(cell(), id=NEW)) / store.RUN
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for base, new in ((BASE, NEW), (NEW, BASE)):
        with pytest.raises(NotComparableError) as caught:
            ask(root, base, new)
        assert str(path) in str(caught.value)
        assert caught.value.exit_code == 5


def test_samples_are_not_needed(root: Path) -> None:  # noqa: F811
    put(root, run(cell(), id=BASE))
    folder = put(root, run(cell(factor=1.2), id=NEW))
    (folder / store.LAUNCHES).mkdir()
    for name in ("x-1.npz", "x-1.json"):
        (folder / store.LAUNCHES / name).write_bytes(b"PK\x03\x04 cut")
    assert ask(root) == 3


def test_a_newer_format_is_refused_by_name(root: Path) -> None:  # noqa: F811
    put(root, run(cell(), id=BASE))
    path = put(root, run(cell(), id=NEW)) / store.RUN
    path.write_bytes(path.read_bytes().replace(b"npubench.run/2", b"npubench.run/99"))
    with pytest.raises(SchemaTooNewError, match="newer npubench") as caught:
        ask(root)
    assert caught.value.exit_code == 5
    assert caught.value.hint is not None


def test_an_older_format_is_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """The golden file of the first format with itself, one launch a cell: nothing can be called slower."""
    old = parse(GOLDEN.read_bytes(), Run, "golden")
    folder = root / store.slug(old.machine.name) / old.id
    folder.mkdir(parents=True)
    (folder / store.RUN).write_bytes(GOLDEN.read_bytes())
    put(root, msgspec.structs.replace(old, id=NEW))
    code = ask(root, old.id, NEW, allow=["profile"], as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert code == found["exit_code"]
    assert {cell["status"] for cell in found["cells"]} <= {"compared", "untimed", "unsupported", "invalid"}
    assert not any(metric["verdict"] == "regressed" for cell in found["cells"] for metric in cell["metrics"])


@pytest.mark.parametrize("launches", [1, 2, 3])
def test_too_few_launches_convict_nobody(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    launches: int,
) -> None:
    put(root, run(cell(STEADY[:launches]), id=BASE))
    put(root, run(cell(STEADY[:launches], factor=3.0), id=NEW))
    assert ask(root) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "none of 3 metrics regressed: 3 inconclusive" in out
    assert "launches" in out


@pytest.mark.parametrize(
    ("launches", "factor", "code"),
    [
        ((1.0,) * 5, 1.0, 0),
        ((1.0,) * 5, 1.2, 3),
        ((1.0, 1.004, 0.997, 1.002, 1.9), 1.0, 0),
        ((1.0, float("nan"), 0.997, 1.002, 1.001), 1.0, 0),
        ((1.0, None, 0.0, 1.002, 1.001, 0.999), 1.2, 3),
    ],
)
def test_equal_values_outliers_and_holes(root: Path, launches: Any, factor: float, code: int) -> None:  # noqa: F811
    put(root, run(cell(STEADY), id=BASE))
    put(root, run(cell(launches, factor=factor), id=NEW))
    assert ask(root) == code


def test_a_missing_cell_is_red_and_a_part_can_be_compared(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(root, run(cell(), cell(model="b"), id=BASE))
    put(root, run(cell(), id=NEW))
    assert ask(root) == 4
    assert "--model, --backend" in " ".join(capsys.readouterr().out.split())
    assert ask(root, models=["cctv-detect"]) == 0
    assert ask(root, backends=["cpu"]) == 4


def test_two_folders_that_claim_one_run(root: Path) -> None:  # noqa: F811
    put(root, run(cell(), id=BASE))
    put(root, run(cell(), id=NEW))
    other = root / "other-machine" / BASE / store.RUN
    other.parent.mkdir(parents=True)
    other.write_bytes(encode(run(cell(factor=0.5), id=BASE)))
    (root / "baseline.toml").write_text(f'test-machine = "{BASE}"')
    with pytest.raises(NotComparableError, match="several folders claim"):
        ask(root, base="baseline")
    with pytest.raises(NotComparableError, match="two runs claim the id"):
        ask(root, str(other.parent), str(root / "test-machine" / BASE))


def test_a_baseline_folder_that_holds_another_run(root: Path) -> None:  # noqa: F811
    folder = put(root, run(cell(), id=BASE))
    put(root, run(cell(), id=NEW))
    (folder / store.RUN).write_bytes(encode(run(cell(), id="20200101T000000Z-ffffff")))
    (root / baselines.BASELINE_FILE).write_text(f'test-machine = "{BASE}"')
    with pytest.raises(NotComparableError, match="not the accepted"):
        ask(root, base="baseline")


def test_damaged_earlier_runs_are_told_and_harm_nothing(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(root, run(cell(), id=BASE))
    put(root, run(cell(), id=NEW))
    for day in (1, 2):
        broken = root / "test-machine" / f"2026110{day}T010203Z-00000{day}" / store.RUN
        broken.parent.mkdir()
        broken.write_bytes(b"{")
    assert ask(root) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "an earlier run gives no history: 20261102T010203Z-000002: damaged" in out
    assert "(+1)" in out


@pytest.mark.parametrize("spoken", ["en", "ko"])
def test_hostile_names_in_everything_that_is_new(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoken: Any,
) -> None:
    """Energy, confirmation, tolerances and lacks, with foreign text in each, in 80 columns."""
    from rich.console import Console

    from npubench.cli.compare import draw
    from npubench.lang import Text

    names: dict[str, Any] = {"model": NASTY, "backend": NASTY, "lacks": (Text(en=NASTY, ko=NASTY),)}

    def with_energy(factor: float) -> Any:
        energy = {"card": {"energy_per_frame_j": spread([value * factor for value in STEADY])}}
        return cell(factor=factor, efficiency=energy, **names)

    first = compare_runs(run(with_energy(1.0)), run(with_energy(1.2), id=NEW, varying={}))
    second = compare_runs(run(with_energy(1.0)), run(with_energy(1.0), id=NEW))
    found = msgspec.structs.replace(confirmed(first, second), machine_class=NASTY, only=(NASTY,))
    console = Console(highlight=False, width=80)
    for part in draw(found, spoken):
        console.print(part)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    assert "J/frame" in out
    assert "card" in out
    assert ("not confirmed" if spoken == "en" else "확인되지 않음") in out
