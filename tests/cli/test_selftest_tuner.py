"""`npubench selftest tuner`, whole, on the smallest model: what it says, not how fast anything was."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest

from npubench.cli import selftest_tuner
from npubench.errors import MeasurementError
from npubench.tuning import Point


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [True, False])
def test_the_choice_is_put_beside_the_best(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(selftest_tuner, "REPETITIONS", 5)
    monkeypatch.setattr(selftest_tuner, "SLICE_S", 0.05)
    monkeypatch.setattr(selftest_tuner, "AGAIN", 5)
    with suppress(MeasurementError):
        selftest_tuner.selftest_tuner(["overhead-floor"], as_json)
    said = capfdbinary.readouterr().out
    if as_json:
        (found,) = msgspec.json.decode(said)
        assert found["exhaustive"]["surface"]
        assert found["tuned"]["chosen"]["batch"] == 1
        assert 0 <= found["regret"] < 1
        assert {"passed", "spread", "time_ratio", "best", "seen", "again"} <= found.keys()
    else:
        assert b"default" in said
        assert b"A/A" in said


def test_a_point_in_words() -> None:
    assert selftest_tuner.words(Point(batch=8, instances=2, threads=1)) == "batch 8 · 2 × 1 threads · 1 in flight"
    assert selftest_tuner.words(Point(batch=8)) == "batch 8 · 1 × session · 1 in flight"
    assert selftest_tuner.words(None) == "–"
