"""`npubench selftest timing`: every part is there, in both forms."""

from __future__ import annotations

import json

import msgspec
import pytest

from npubench.cli import selftest_timing
from npubench.engine.timing_facts import Part, spread
from npubench.errors import MeasurementError

NAMES = ["clock", "sleep", "lag", "stamps", "collector", "preemption", "floor", "effects", "lindley"]


@pytest.fixture(autouse=True)
def _code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the installed metadata are older than the workload."""
    known = {
        "workloads": "npubench.workloads.synthetic:Synthetic",
        "adapters": "npubench.adapters.null:NullAdapter",
    }
    monkeypatch.setattr(selftest_timing, "code", lambda group, _: known[group])


def test_every_part_is_told_as_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    selftest_timing.selftest_timing(as_json=True, scale=0.05)
    document = json.loads(capfdbinary.readouterr().out)
    parts = msgspec.convert(document["parts"], list[Part])
    assert document["schema"] == selftest_timing.SCHEMA
    assert [part.name for part in parts] == NAMES
    for part in parts:
        for line in part.lines:
            told = [line.spread, line.value, line.word, line.refused]
            assert any(one is not None for one in told), (part.name, line.title.en)
            assert line.title.en
            assert line.title.ko
    (back,) = [line for line in parts[0].lines if line.title.en == "steps back"]
    assert back.value == 0


def test_every_part_is_shown_in_korean_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    selftest_timing.selftest_timing(as_json=False, scale=0.02)
    shown = capsys.readouterr().out
    for word in ("시계", "타이머 슬랙 1 ns", "린들리", "서버 2개", "최대"):
        assert word in shown


def test_what_keeps_it_from_being_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest_timing, "code", lambda *_: "npubench.nowhere:Nothing")
    with pytest.raises(MeasurementError) as caught:
        selftest_timing.selftest_timing(as_json=True, scale=0.01)
    assert "npubench.nowhere" in str(caught.value.hint)


def test_a_spread_of_nothing_is_unknown_and_one_of_many_is_sorted() -> None:
    assert spread([]).p50 is None
    found = spread(list(range(100, 0, -1)))
    assert (found.count, found.p50, found.p90, found.p99, found.most) == (100, 51, 91, 100, 100)
