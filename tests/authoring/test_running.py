"""A run goes on where it stopped, and its checkpoint and curve are whole."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from npubench.authoring.builder import Network  # noqa: E402
from npubench.authoring.running import Run, generator, options  # noqa: E402
from npubench.build.nets.ocr import line_recogniser  # noqa: E402


def chosen(folder: Path, seconds: str = "60") -> argparse.Namespace:
    return options("test", None).parse_args(["--seconds", seconds, "--out", str(folder)])


def stepped(run: Run) -> None:
    assert run.going()
    run.learn(run.network(torch.rand(2, 1, 32, 16))["chars"].square().mean())


def test_a_second_run_goes_on(tmp_path: Path) -> None:
    first = Run(chosen(tmp_path), lambda: Network(line_recogniser), 1e-3, 0.01)
    for _ in range(2):
        stepped(first)
    first.record({"loss": 1.0})
    first.save()
    second = Run(chosen(tmp_path), lambda: Network(line_recogniser), 1e-3, 0.01)
    assert second.step == 2
    assert second.spent_s == pytest.approx(first.spent_s)
    wanted, found = first.average.network.units.state_dict(), second.average.network.units.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())
    second.record({"loss": 0.5, "score": 0.25})
    lines = (tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "seconds,step,loss,score"
    assert lines[2].endswith(",2,0.5,0.25")


def test_a_spent_budget_ends(tmp_path: Path) -> None:
    run = Run(chosen(tmp_path, "0.000001"), lambda: Network(line_recogniser), 1e-3, 0.01)
    run.going()
    assert not run.going()


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    run = Run(chosen(tmp_path), lambda: Network(line_recogniser), 1e-3, 0.01)
    with pytest.raises(FloatingPointError, match="step 0"):
        run.learn(torch.tensor(float("nan")))


def test_steps_draw_apart() -> None:
    assert generator(1, 5).random() == generator(1, 5).random()
    assert generator(1, 5).random() != generator(1, 6).random()
