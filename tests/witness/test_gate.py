"""The gate with real launches, as short as they may be. `python -m tests.witness.gate` does the same at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench.stats.compared import Comparison, MetricComparison
from tests.witness import gate
from tests.witness.loadgen import matrix_model

pytest.importorskip("onnxruntime")


@pytest.fixture
def asked(tmp_path: Path) -> gate.Asked:
    """A test machine is shared: the median of short steps in one thread is what other work disturbs least."""
    model = Path(matrix_model(tmp_path / "chain.onnx"))
    return gate.Asked(folder=tmp_path, pairs=1, launches=5, window_s=0.5, slowdown=1.0, onnx=model)


def p50(found: Comparison) -> MetricComparison:
    (cell,) = found.cells
    return next(item for item in cell.metrics if item.metric == "latency_p50_ns")


@pytest.mark.slow
def test_work_that_was_added_is_seen_in_turns_and_none_is_not(asked: gate.Asked) -> None:
    with gate.installed(asked.folder, threads=1):
        slower, same = gate.in_turns(asked, "0", "1"), gate.in_turns(asked, "0", "0")
    found = p50(slower)
    assert found.paired is not None
    assert found.paired.rounds == 5
    assert [item.field for item in slower.cells[0].allowed] == ["options.extra_share"]
    assert found.verdict == "regressed"
    assert slower.exit_code == 3
    assert p50(same).verdict != "regressed"


@pytest.mark.slow
def test_what_got_slower_overnight_is_caught_and_confirmed_by_measuring_again(asked: gate.Asked) -> None:
    with gate.installed(asked.folder, threads=1):
        found = gate.caught(asked)
    if any("other work took processor time" in reason.en for cell in found.cells for reason in cell.reasons):
        pytest.skip("this machine is busy with other work, and then nothing is called slower")
    assert found.confirmed_by is not None
    assert p50(found).verdict == "regressed"
    assert p50(found).confirmed is True
    assert found.exit_code == 3
    assert any("the candidate alone was measured again" in note.en for note in found.notes)
