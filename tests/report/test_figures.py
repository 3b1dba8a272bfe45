"""Latency pictures: bars that count every request once, pre-empted ones marked, many cells shared out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.report import charts, figures, latency, view
from tests.report import sample


def seen(values: list[int], taken: list[bool] | None = None) -> latency.Seen:
    ordered = np.sort(np.array(values, dtype=np.int64))
    marked = np.array(taken if taken is not None else [False] * len(values), dtype=bool)
    return latency.Seen(series=0, colour=0, dash=0, values=ordered, taken=marked)


@given(st.lists(st.tuples(st.integers(1, 10**12), st.booleans()), min_size=1, max_size=300))
def test_the_bars_hold_every_request_once_and_the_crosses_lie_on_the_line(found: list[tuple[int, bool]]) -> None:
    launch = seen([value for value, _ in found], [taken for _, taken in found])
    drawn = latency.chart([launch], [])
    assert drawn is not None
    (bars,) = drawn.bars
    assert sum(n for _, n, _ in bars.bins) == bars.total == len(found)
    assert sum(n for _, _, n in bars.bins) == sum(taken for _, taken in found)
    assert drawn.edges[0] <= launch.values[0] * (1 + 1e-9)
    assert launch.values[-1] <= drawn.edges[-1] * (1 + 1e-9)
    for index, n, taken in bars.bins:
        assert 0 <= index < latency.BINS
        assert 0 <= taken <= n
    (line,) = drawn.lines
    assert len(line.taken) <= latency.MOST_TAKEN
    places = {(float(value), latency.level(i / len(found))) for i, value in enumerate(launch.values)}
    assert set(line.taken) <= places


def test_nothing_seen_is_no_picture() -> None:
    assert latency.chart([], []) is None
    assert latency.chart([seen([])], []) is None


def test_the_picture_in_numbers_counts_launch_by_launch() -> None:
    source = sample.realistic()
    figure = view.build([source]).runs[0].figures[0]
    assert figure.histogram is not None
    assert figure.histogram.columns == (0, 1, 2)
    rows = figure.histogram.rows
    last = rows[-1].numbers
    assert last[1::2] == ("100 %",) * 3
    counted = [row.numbers[0].partition(" (") for row in rows]
    launches = [[int(n.replace(",", "")) for n in head.split(" · ")] for head, _, _ in counted]
    assert [sum(each[0] for each in launches), sum(each[-1] for each in launches)] == [833, 833]
    preempted = [tail.rstrip(")").split(" · ") for _, _, tail in counted if tail]
    assert sum(int(n) for each in preempted for n in each) == 42


def test_marks_say_where_their_number_stands() -> None:
    figure = view.build([sample.realistic()]).runs[0].figures[0]
    assert figure.chart is not None
    picture = charts.latency_chart(figure.chart, figure.key)
    assert 'data-key="r1-f1"' in picture
    for place in ("k:0:1", "k:2:3", "h:0:5"):
        assert f'data-at="{place}"' in picture
    assert "aria-label=" not in picture


def test_many_cells_are_shared_out_and_a_limit_of_pictures_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_PICTURES", 2)
    source = sample.many(200)
    found = view.build([source]).runs[0].figures
    assert all(len(figure.rows) <= figures.MOST_CELLS for figure in found)
    assert sum(len(figure.rows) for figure in found) == 200
    assert found[0].context.en.endswith("· 1 of 3")
    assert found[0].rows[0].missing is not None
    assert found[2].chart is None
    assert "more than" in found[2].undrawn.en
    assert found[2].rows[0].missing is None
