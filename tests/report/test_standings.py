"""The ranking, the changes and the histories as a page shows them."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from npubench.lang import Text
from npubench.report import changes, histories, html, standings, view
from npubench.report.pareto_chart import pareto_chart
from npubench.report.shown_lead import ChangeRow, Changes, Histories, Standings
from npubench.schema import Run, cell_id
from npubench.stats.compare import Wanted, compare
from npubench.stats.ranking import rank
from npubench.stats.trend import Trend
from tests.report import hall, sample
from tests.report.test_html import hostile
from tests.report.test_trend import change, of
from tests.stats.made_runs import cell, run


@cache
def ranked(*which: str) -> Standings:
    runs = [hall.night(name).run for name in which]
    return standings.standings([(run, f"r{n}") for n, run in enumerate(runs, 1)], rank(runs))


BOTH = ("sample-npu", "sample-gpu")


def test_service_numbers_come_first_best_first_with_place_interval_and_energy_beside() -> None:
    first = ranked(*BOTH).items[0]
    assert first.title.en == "CCTV detector (compact): cameras at 15 fps"
    (table,) = first.tables
    assert table.title.en == "All at int8, which is also each one's best precision that passed quality"
    assert table.columns[-1].en == "cameras per watt, whole machine"
    best = table.rows[0]
    assert (best.mark, best.place, best.front, best.backend.id) == ("A", "1", True, "sample-gpu")
    assert (best.number, best.interval, best.others[-1]) == ("31", "31 … 32", "0.0715 (1)")
    assert (best.beside, best.anchor[:3]) == ("gpu-node-2", "r2-")
    assert [row.place for row in table.rows] == ["1", "2", "3=", "3="]
    assert table.better.en == "more is better"
    assert (table.metered, table.interval.en) == (True, "held … least that failed")
    others = [each.interval.en for item in ranked(*BOTH).items for each in item.tables]
    assert "mean of launches, 99 % interval" in others


def test_scales_begin_at_zero_and_hold_every_interval() -> None:
    for item in ranked(*BOTH).items:
        for table in item.tables:
            assert table.scale.ticks[0] == (0.0, "0")
            assert table.scale.ticks[-1][0] == 100.0
            assert len(table.scale.ticks) == 2
            for row in table.rows:
                known = [value for value in (row.strip.low, row.strip.mid, row.strip.high) if value is not None]
                assert all(0 <= value <= 100 for value in known)
                assert known == sorted(known)


def test_speed_over_energy_is_drawn_of_the_whole_machine_once_a_model() -> None:
    drawn = [item for item in ranked(*BOTH).items if item.pareto is not None]
    assert [item.title.en.partition(":")[0] for item in drawn] == [
        "CCTV detector (compact)", "Korean document OCR", "Chat model, 135 M parameters",
    ]  # fmt: skip
    found = drawn[0].pareto
    assert found is not None
    assert found.x_title.en == "cameras per watt (whole machine)"
    assert found.best.en.startswith("Best is to the upper right.")
    # Two entries lie on each other: one label has both letters.
    assert [point.mark for point in found.points] == ["A", "B", "C, D", ""]
    assert [point.front for point in found.points] == [True, False, False, False]
    picture = pareto_chart(found)
    assert 'class="ko"' in picture
    assert "Sample" not in picture


def test_smaller_scopes_have_tables_of_their_own_without_places_for_unlike_devices() -> None:
    first = ranked(*BOTH).items[0]
    assert [small.title.en.partition(" ·")[0] for small in first.small] == ["Energy, processor package", "Energy, card"]
    card = first.small[1]
    assert {place for place, *_ in card.rows} == {"–"}
    assert "no places" in card.notes[0].en


def test_what_is_in_no_table_is_named_with_its_reason() -> None:
    told = {why.en: names for why, names in ranked(*BOTH).unranked}
    assert any(why.startswith("unsupported: this backend takes fp32, int8") for why in told)
    assert any(why.startswith("invalid: whole pages 61.1 %") for why in told)
    assert any(why.startswith("not there:") for why in told)


def test_work_of_one_backend_alone_is_said_and_not_ranked() -> None:
    found = ranked("sample-npu")
    assert found.missing is None
    assert any("cctv-detect, one at a time: cpu" in text.en for text in found.alone) is False
    assert all(len(table.rows) > 1 for item in found.items for table in item.tables)
    alone = standings.standings([(sample.one().run, "r1")], rank([sample.one().run], allow=["profile"]))
    assert alone.missing is not None
    assert alone.missing.en.startswith("Nothing to rank")
    assert alone.alone[0].en == "cctv-detect, one at a time · Device only: cpu · fp32"


def test_a_quick_look_ranks_nothing_and_says_why() -> None:
    found = view.build([sample.one()]).standings
    assert found is not None
    assert found.items == ()
    assert "quick look" in found.unranked[0][0].en


def test_hostile_names_stay_text() -> None:
    files = hostile()
    page = html.render(view.build([files, files]), "en")
    assert "<script>alert" not in page


def compared(base: Run, new: Run, **wanted: Any) -> Changes:
    found = changes.changes(new, "r1", compare(base, new, Wanted(**wanted)))
    assert found is not None
    return found


def histories_of(made: Run, found: Trend) -> Histories:
    shown = histories.histories(made, "r1", found)
    assert shown is not None
    return shown


def rows(found: Changes) -> dict[str, ChangeRow]:
    return {row.metric.en: row for row in (*found.told, *found.more, *found.calm)}


def test_a_regression_is_told_with_its_interval_and_what_could_have_been_seen() -> None:
    found = compared(run(cell()), run(cell(factor=1.2), id="20261125T010203Z-bbbbbb"))
    assert found.missing is None
    assert found.tone == "bad"
    assert "regressed" in found.sentence.en
    row = rows(found)["latency p50"]
    assert row in found.told
    assert (row.tone, row.verdict_text.en) == ("bad", "regressed")
    assert row.numbers[:3] == ("25.0 ms", "30.0 ms", "+20.0 %")
    assert row.anchor.startswith("r1-")
    assert row.launches == "5 + 5"
    assert row.strip is not None
    assert row.strip.zero == 50.0
    assert row.strip.band is not None
    assert row.strip.low is not None
    assert row.strip.band[1] < row.strip.low


def test_nothing_to_look_at_is_folded_and_green() -> None:
    found = compared(run(cell()), run(cell(), id="20261125T010203Z-bbbbbb"))
    assert (found.tone, found.told, found.more) == ("good", (), ())
    assert len(found.calm) == 3


def test_what_cannot_be_compared_says_which_fields_differ() -> None:
    other = cell(identity={"options": {"threads": 4}})
    found = compared(run(cell()), run(other, id="20261125T010203Z-bbbbbb"))
    (row,) = found.told
    assert (row.numbers, row.tone, row.verdict_text.en) == ((), "warn", "not comparable")
    assert "threads" in row.said.en


def test_many_findings_are_cut_and_counted() -> None:
    base = run(*(cell(model=f"m{n}") for n in range(12)))
    new = run(*(cell(model=f"m{n}", factor=1.3) for n in range(12)), id="20261125T010203Z-bbbbbb")
    found = compared(base, new)
    assert len(found.told) == changes.MOST
    assert len(found.told) + len(found.more) == 36


def test_versions_that_differ_are_listed() -> None:
    new = run(cell(), id="20261125T010203Z-bbbbbb", varying={"onnxruntime": "1.33.0", "kernel": "6.0"})
    (row,) = compared(run(cell()), new).versions
    assert (row.name, row.base, row.new) == ("onnxruntime", "1.32.0", "1.33.0")


def test_no_comparison_and_no_history_are_a_calm_line_each() -> None:
    why = Text(en="not today", ko="오늘은 아님")
    page = html.render(view.build([msgspec.structs.replace(sample.one(), changes=why, history=why)]), "en")
    assert page.count("not today") == 2


def test_what_nobody_asked_for_has_no_section() -> None:
    page = html.render(view.build([sample.one()]), "en")
    assert 'id="r1-changes"' not in page
    assert 'id="r1-trend"' not in page


@given(st.floats(0.2, 5.0), st.floats(0.2, 5.0))
def test_a_strip_stays_on_its_scale(one: float, other: float) -> None:
    found = compared(run(cell(factor=one)), run(cell(factor=other), id="20261125T010203Z-bbbbbb"))
    for row in (*found.told, *found.calm):
        assert row.strip is not None
        for value in (row.strip.low, row.strip.mid, row.strip.high, *(row.strip.band or ())):
            assert value is None or 0 <= value <= 100


def trend(*cells: Any, nights: int = 9, **more: Any) -> Trend:
    return Trend(
        machine="test-machine", nights=nights, first=cells[0].nights[0].created, last=cells[0].nights[-1].created,
        cells=tuple(cells), **more,
    )  # fmt: skip


def of_cell(base: Any, *values: float | None, **more: Any) -> Any:
    """A history of a cell that the run has."""
    return of(*values, id=base.id, model=base.model, **more)


def test_what_got_worse_is_told_and_drawn_first() -> None:
    one, two = cell(model="a"), cell(model="b")
    flat = of_cell(one, *[25e6] * 9)
    worse = of_cell(two, *[25e6] * 5, *[37e6] * 4, changes=(change(5),))
    found = histories_of(run(one, two), trend(flat, worse))
    assert [item.name.split()[0] for item in found.cells] == ["b", "a"]
    assert (found.cells[0].tone, found.cells[1].tone) == ("warn", "plain")
    assert "1 of 2 cells has changed in level" in found.sentence.en
    assert len(found.cells[0].rows) == 9
    assert found.cells[0].rows[0].value == "37.0 ms"
    assert found.cells[0].anchor.startswith("r1-")


def test_only_a_few_histories_are_drawn() -> None:
    made = [cell(model=f"m{n}") for n in range(7)]
    found = histories_of(run(*made), trend(*(of_cell(each, *[25e6] * 9) for each in made)))
    assert sum(item.picture is not None for item in found.cells) == histories.MOST_PICTURES
    assert all(item.blocks for item in found.cells)


def test_cameras_are_counted_in_a_history() -> None:
    one = cell()
    held = of_cell(one, *[14.0] * 3, metric="capacity_cameras", unit="cameras")
    found = histories_of(run(one), trend(held, nights=3))
    assert (found.cells[0].value, found.cells[0].range) == ("14", "14 … 14")


def test_one_night_is_no_trend() -> None:
    one = cell()
    found = histories_of(run(one), trend(of_cell(one, 25e6), nights=1))
    assert found.missing is not None
    assert "second complete run" in found.missing.en


def test_cells_that_this_run_does_not_have_are_left_out() -> None:
    found = histories_of(run(cell()), trend(of(*[25e6] * 9)))
    assert found.missing is not None


def test_one_load_in_two_scopes_is_told_apart_everywhere() -> None:
    key = {**cell().key, "scope": "service"}
    made = [cell(), msgspec.structs.replace(cell(), id=cell_id(key), key=key, scope="service")]
    both = {"one at a time · Device only", "one at a time · Whole service"}
    found = compared(run(*made), run(*made, id="20261125T010203Z-bbbbbb"))
    assert {row.load.en for row in found.calm} == both
    past = trend(*(of_cell(each, *[25e6] * 3, scope=each.scope) for each in made), nights=3)
    assert {item.load.en for item in histories_of(run(*made), past).cells} == both
    lonely = standings.standings([(run(*made), "r1")], rank([run(*made)]))
    assert [text.en for text in lonely.alone] == [
        "cctv-detect, one at a time: cpu · fp32", "cctv-detect, one at a time · Device only: cpu · fp32",
    ]  # fmt: skip
    ((_, names),) = lonely.unranked
    assert sorted(names) == [
        "cctv-detect · fp32 · cpu · single-stream", "cctv-detect · fp32 · cpu · single-stream · device",
    ]  # fmt: skip


def test_all_of_it_is_on_the_page_in_order() -> None:
    one, two = cell(model="a"), cell(model="b", factor=1.3)
    base, new = run(one, two), run(one, cell(model="b", factor=1.6), id="20261125T010203Z-bbbbbb")
    files = view.RunFiles(
        run=new, launches={}, samples=lambda _: None, changes=compare(base, new, Wanted()),
        history=trend(of_cell(one, *[25e6] * 9), of_cell(two, *[25e6] * 5, *[37e6] * 4, changes=(change(5),))),
    )  # fmt: skip
    page = html.render(view.build([files]), "en")
    order = [
        page.index(f'id="{name}"') for name in ("lead", "r1-services", "ranking", "r1-changes", "r1-trend", "r1-cells")
    ]
    assert order == sorted(order)
    assert page.count('class="strip"') >= 2
    assert 'id="r1-h1-t"' in page
