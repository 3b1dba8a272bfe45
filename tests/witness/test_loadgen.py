"""MLPerf's LoadGen as a witness: the same model under both, the paired difference printed; percentiles agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from npubench.stats.summary import percentile
from tests.witness.loadgen import differences, matrix_model, pair, python_of, witnessed

PERCENTS = (50, 90, 95, 97, 99)


@pytest.mark.slow
def test_loadgen_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    python, model = python_of(tmp_path / "loadgen"), matrix_model(tmp_path / "model.onnx")
    found = witnessed(python, model, rounds=3)
    with capsys.disabled():
        print("", *differences(found), sep="\n")  # noqa: T201
    assert all(value > 0 for case in found for one in case["pairs"] for value in one["ours"].values())
    for scenario in ("single-stream", "server"):
        said = pair(python, model, scenario, 500, 1_000.0, trace=True)["loadgen"]
        raw = np.array(said["raw"], dtype=np.int64)
        assert len(raw) >= 500
        for percent in PERCENTS:
            assert percentile(raw, percent) == said[f"p{percent}_ns"]
