"""A history in blocks, words and as a picture."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.lang import Text
from npubench.report import trend as said
from npubench.report.trend_chart import trend_chart, trend_spec
from npubench.schema import Scenario
from npubench.stats.compared import Version
from npubench.stats.trend import CellTrend, TrendChange, TrendNight
from tests.stats.made_nights import created, run_id

NASTY = "<script>|\x1b[31m😀"


def of(*values: float | None, changes: tuple[TrendChange, ...] = (), **more: Any) -> CellTrend:
    nights = tuple(
        TrendNight(
            run=run_id(number),
            created=created(number),
            profile="nightly",
            verdict="valid" if value is not None else "invalid",
            execution_kind="hardware",
            line=0,
            value=value,
            launches=5 if value is not None else 0,
            unusable=0,
            reason=None if value is not None else Text(en="lost", ko="유실"),
        )
        for number, value in enumerate(values)
    )
    made = CellTrend(
        id="a" * 12,
        key={},
        model=NASTY,
        backend="cpu",
        precision="fp32",
        scenario=Scenario(name="single-stream"),
        scope="device",
        metric="latency_p50_ns",
        meter_scope=None,
        unit="ns",
        nights=nights,
        changes=changes,
    )
    return msgspec.structs.replace(made, **more)


def change(number: int) -> TrendChange:
    return TrendChange(run=run_id(number), created=created(number), change=0.5, before=1e6, after=1.5e6, worse=True)


def test_a_history_that_wavers_looks_flat_and_a_step_does_not() -> None:
    assert len(set(said.line(of(1e6, 1.003e6, 0.998e6, 1.001e6), 60).blocks)) <= 2
    assert said.line(of(1e6, 1e6, 1.5e6, 1.5e6), 60).blocks == "▁▁██"


def test_an_outlier_does_not_flatten_the_rest() -> None:
    cell = of(1e6, 1e6, 9e6, 1.2e6)
    nights = [msgspec.structs.replace(night, outlier=night.value == 9e6) for night in cell.nights]
    line = said.line(msgspec.structs.replace(cell, nights=tuple(nights)), 60)
    assert line.blocks == "▁▁██"
    assert (line.low, line.high) == (1e6, 9e6)
    assert line.marks == "  o "


def test_many_nights_keep_their_strongest_mark() -> None:
    values = [1e6 if number < 50 else 1.5e6 for number in range(100)]
    line = said.line(of(*values[:20], None, *values[21:], changes=(change(50),)), 10)
    assert (len(line.blocks), len(line.marks)) == (10, 10)
    assert line.marks == "  x  ^    "


@given(
    st.lists(st.one_of(st.none(), st.floats(1e-3, 1e12)), min_size=1, max_size=60),
    st.integers(1, 80),
    st.integers(1, 70),
)
def test_any_history_has_a_line(values: list[float | None], width: int, last: int) -> None:
    line = said.line(of(*values), width, last)
    assert len(line.blocks) == len(line.marks) <= width
    assert set(line.blocks) <= set(said.BLOCKS) | {" "}


def test_what_is_said_of_nights() -> None:
    cell = of(1e6, None, 1.5e6, changes=(change(2),))
    nights = list(cell.nights)
    nights[2] = msgspec.structs.replace(
        nights[2], changed=tuple(Version(name=f"{NASTY}{n}", base=None, new="2") for n in range(6)), unusable=1
    )
    told = said.remarks(msgspec.structs.replace(cell, nights=tuple(nights)))
    assert list(told) == [run_id(1), run_id(2)]
    assert told[run_id(1)] == [("x", Text(en="invalid: lost", ko="무효: 유실"))]
    marks = [mark for mark, _ in told[run_id(2)]]
    assert marks == ["^", "v", "v", "v", "v", "v", " "]
    text = " ".join(text.en for _, text in told[run_id(2)])
    assert "+50.0 % from here on, worse: 1.00 ms → 1.50 ms" in text
    assert "… (+2)" in text
    assert "1 of 6 launches gave no value" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("scope", [None, "card"])
def test_a_picture_of_it(scope: Any) -> None:
    energy = {"metric": "energy_per_request_j", "unit": "J/request"} if scope else {}
    cell = of(1e6, 1e6, None, 1.5e6, changes=(change(3),), meter_scope=scope, **energy)
    picture = trend_chart(cell, "t1")
    assert picture is not None
    assert ElementTree.fromstring(picture).get("role") == "img"
    assert "+50.0 %" in picture
    assert "script" not in picture
    assert 'class="ko"' in picture


def test_no_picture_of_nothing() -> None:
    assert trend_spec(of(None, None)) is None
    assert trend_chart(of(1e6), "t1") is not None
    odd = of(1e6, 2e6)
    nights = tuple(msgspec.structs.replace(night, created="yesterday") for night in odd.nights)
    assert trend_spec(msgspec.structs.replace(odd, nights=nights)) is None
