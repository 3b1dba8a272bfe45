"""What a searched load gave, as a buyer reads it: numbers with their bounds, reasons, curves, stages, audits."""

from __future__ import annotations

import io
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from npubench.lang import Text
from npubench.report import capacity, charts, curves, html, loads, method, text, view
from npubench.report.shown import Panel, RunView
from npubench.report.view import RunFiles
from npubench.scenarios import KINDS, Scenario, parse, with_defaults
from npubench.schema import Capacity, Stages, Window
from npubench.units import UNKNOWN
from tests.report import loaded, sample
from tests.report.test_html import EVIL, checked


def built(files: RunFiles) -> RunView:
    return view.build([files]).runs[0]


def panel(run: RunView, service: str) -> Panel:
    (found,) = [item for item in run.services if service in item.key]
    return found.panels[0]


@pytest.mark.parametrize(
    ("written", "shown", "en", "ko"),
    [
        ("single-stream", "single-stream", "one at a time", "하나씩"),
        ("cameras:fps=15,instances=1,inflight=2", "cameras:fps=15", "cameras at 15 fps", "15 fps 카메라"),
        ("cameras:fps=29.97,cameras=1", "cameras:fps=29.97,cameras=1", "1 camera at 29.97 fps", "29.97 fps 카메라 1대"),
        ("multi-stream:batch=8", "multi-stream:batch=8", "8 at a time", "8개씩"),
        (
            "offline:batch=4,instances=2,inflight=1",
            "offline:batch=4,instances=2",
            "all at once (offline), batches of 4, 2 sessions",
            "한꺼번에(오프라인), 4개 묶음, 세션 2개",
        ),
        (
            "server:rate=20,traffic=citizens",
            "server:rate=20,traffic=citizens",
            "random arrivals, 20 a second, citizens' questions",
            "무작위 도착, 초당 20건, 시민 질의응답",
        ),
        (
            "cameras:fps=15,decode=outside",
            "cameras:fps=15,decode=outside",
            "cameras at 15 fps, video, decoding left out",
            "15 fps 카메라, 영상, 디코딩 제외",
        ),
        ("users:users=4,devices=2", "users:users=4,devices=2", "4 users, 2 devices", "사용자 4명, 장치 2개"),
    ],
)
def test_a_scenario_in_words_and_as_it_is_typed(written: str, shown: str, en: str, ko: str) -> None:
    (scenario,) = parse(written)
    assert loads.written(scenario) == shown
    assert loads.title(scenario) == Text(en=en, ko=ko)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_written_form_measures_the_same_again(name: str) -> None:
    whole = with_defaults(Scenario(name=name), {"batch": 8})
    (again,) = parse(loads.written(whole))
    assert with_defaults(again, {"batch": 8}) == whole


def test_a_scenario_that_is_not_known_here_is_named_as_it_stands() -> None:
    foreign = Scenario(name=EVIL, params={EVIL: [EVIL], "fps": None})
    assert "\x1b" not in loads.title(foreign).en + loads.written(foreign)
    assert loads.searched(foreign) is None


def test_cameras_come_first_each_rate_in_its_column_with_what_was_confirmed() -> None:
    found = panel(built(loaded.services()), "cctv")
    assert [column.en for column in found.columns[:4]] == [
        "cameras at 5 fps",
        "cameras at 15 fps",
        "cameras at 30 fps",
        "Energy",
    ]
    assert found.columns[4].en == "frames/s sustained, no bound"
    assert found.leading == 3
    npu = next(row for row in found.rows if row.backend.id == "sample-npu")
    assert [number.text for number in npu.numbers[:3]] == ["42", "14", "7"]
    assert npu.numbers[4].text == "218"
    said = npu.numbers[1].said
    assert said is not None
    assert said.en == "p99 ≤ 66.7 ms"


def test_no_camera_is_a_result_with_its_reason() -> None:
    cpu = panel(built(loaded.services()), "cctv").rows[0]
    number = cpu.numbers[2]
    assert number.text == "0"
    assert number.said == Text(
        en="1 camera failed: latency, p99 35.5 ms of 33.3 ms",
        ko="카메라 1대 실패: 지연 시간, p99 35.5 ms / 한계 33.3 ms",
    )


def test_pages_are_per_minute_and_a_lower_percentile_is_said() -> None:
    row = panel(built(loaded.services()), "ocr").rows[0]
    number = row.numbers[0]
    assert (number.text, number.unit and number.unit.en) == ("96.0", "pages/min")
    assert number.said is not None
    assert number.said.en == "p90 ≤ 2.00 s; p99 needs 398 more pages"
    assert number.said.ko == "p90 ≤ 2.00 s; p99에는 페이지 398장 더 필요"


def test_an_unknown_capacity_is_a_dash_with_its_reason() -> None:
    found = panel(built(loaded.services()), "llm")
    cpu = next(row for row in found.rows if row.use is not None and row.backend.id == "cpu")
    assert cpu.use is not None
    assert cpu.use.en == "citizens' questions"
    assert cpu.numbers[0].text == UNKNOWN
    assert found.notes[cpu.numbers[0].note - 1].en == "the time was over before a load was confirmed"
    # What it costs stands right behind what it does.
    assert [column.en for column in found.columns[1:2]] == ["Energy"]
    assert cpu.numbers[2].text == "1.30"


def test_of_several_offline_cells_the_fastest_is_shown_with_how_it_was_driven() -> None:
    found = panel(built(loaded.services()), "cctv")
    at = [column.en for column in found.columns].index("frames/s, all at once")
    driven = [row.numbers[at].said for row in found.rows]
    assert all(said is not None and "batches of" in said.en for said in driven)


def test_an_invalid_cell_publishes_no_capacity() -> None:
    source = loaded.services()
    cells = tuple(
        msgspec.structs.replace(cell, verdict="invalid") if cell.capacity is not None else cell
        for cell in source.run.cells
    )
    run = built(msgspec.structs.replace(source, run=msgspec.structs.replace(source.run, cells=cells)))
    assert {row.numbers[0].text for row in panel(run, "cctv").rows} == {UNKNOWN}
    assert all(figure.invalid for figure in run.curves)


def test_the_sentence_says_what_held_what_failed_and_what_is_sustained() -> None:
    sentences = {figure.key: figure.sentence for figure in built(loaded.services()).curves}
    assert sentences["r1-l2"].en == (
        "It holds 1 camera with p99 ≤ 66.7 ms, confirmed. The smallest load that failed was 2 cameras: latency, "
        "p99 93.3 ms of 66.7 ms. Without a bound it completes 15.6 frames/s in a closed loop. npubench itself sent "
        "requests at most 20.0 µs late (p99)."
    )
    assert sentences["r1-l3"].en.startswith("Not even 1 camera is held: latency, p99 35.5 ms of 33.3 ms.")
    assert {figure.timed for figure in built(loaded.services()).curves} == {"", "TTFT"}
    assert "a queue that only grew" in sentences["r1-l4"].en
    assert sentences["r1-l5"].en.startswith("How much it holds is unknown: the time was over")


@pytest.mark.parametrize("failed_by", [*capacity.FAILED_BY, None, "fire"])
def test_every_reason_has_words_in_both_languages(failed_by: Any) -> None:
    late = loaded.trial(2, 80.0, passed=False, failed_by=failed_by, dropped=7, queries=70)
    found = Capacity(
        searched="cameras",
        confirmed=0.0,
        failed=2.0,
        failed_by=failed_by,
        bound={"latency_p99_ns": 5e7},
        trials=(late,),
    )
    said = capacity.why(found, "frame")
    assert said is not None
    assert said.en != said.ko
    for unit in ("frame", "page", "token", "parcel"):
        assert capacity.why(found, unit) is not None


def test_every_trial_is_a_row_and_one_per_load_is_drawn() -> None:
    found = loaded.cameras(15, 3)
    figure = next(figure for figure in built(loaded.services()).curves if figure.written == "cameras:fps=15")
    assert len(figure.rows) == len(loaded.cameras(15, 1).trials)
    drawn = curves.curve(found, "frame")
    assert drawn is not None
    assert [x for x, _, _ in dict(drawn.lines)["p99"]] == [1.0, 3.0, 4.0]
    assert dict(drawn.lines)["p99"][1][1] == pytest.approx(1e9 / 15 * 0.92)
    assert [enough for _, _, enough in dict(drawn.lines)["p99"]] == [False, True, True]
    assert drawn.beyond == (7.0,)
    assert (drawn.held, drawn.failed) == (3.0, 4.0)
    assert drawn.drops[-1] == (7.0, 90 / 210)


def test_a_load_that_was_held_for_its_energy_is_told_and_was_not_searched() -> None:
    figures = built(loaded.services()).curves
    figure = next(each for each in figures if (each.written, each.backend.id) == ("cameras:fps=15", "sample-npu"))
    plain = loaded.cameras(15, 14)
    assert len(figure.rows) == len(plain.trials)
    assert figure.curve == curves.curve(plain, "frame")
    assert "sent requests at most 20.0 µs late (p99). Held for its energy: " in figure.sentence.en
    assert figure.sentence.en.endswith("14 cameras for 30 s (p99 62.4 ms); 14 cameras for 30 s (p99 63.1 ms).")
    assert figure.sentence.ko.endswith(
        "에너지 측정을 위해 유지: 카메라 14대, 30 s(p99 62.4 ms); 카메라 14대, 30 s(p99 63.1 ms)."
    )
    assert sum("energy" in each.sentence.en for each in figures) == 1


@pytest.mark.parametrize("failed_by", [*capacity.FAILED_BY, "fire"])
def test_a_hold_that_failed_is_no_load_that_failed(failed_by: Any) -> None:
    plain = msgspec.structs.replace(loaded.cameras(15, 14), failed=None, failed_by=None)
    found = loaded.held(plain, None, failed_by=failed_by)
    (cell,) = sample.one().run.cells
    cell = msgspec.structs.replace(cell, capacity=found, unit="frame")
    said, parsed = capacity.sentence(cell), parse("cameras:fps=15")[0]
    assert "No load that was tried failed." in said.en
    assert "14 cameras for 30 s (not held: " in said.en
    assert "유지하지 못함" in said.ko
    assert capacity.brief(found, parsed, "frame") == capacity.brief(plain, parsed, "frame")
    # Also where another launch confirmed less, so that the load of the hold is the one that failed.
    less = msgspec.structs.replace(found, confirmed=13.0, failed=14.0, failed_by="latency")
    assert capacity.first_failing(less) is None


def test_a_trial_with_too_few_requests_is_undecided_not_failed() -> None:
    few = loaded.trial(3, 20.0, passed=False, queries=12)
    found = Capacity(searched="cameras", confirmed=None, bound={"latency_p99_ns": 5e7}, trials=(few,))
    cell = loaded.planned("cctv-detect", "cpu", "cameras:fps=15")
    rows = sample.samples(24e6, 700, seed=5)
    source = sample.files([cell], [sample.launched(cell, 1, rows, "frame")], {}, profile="smoke")
    (figure,) = built(loaded.searching(source, {cell.id: found})).curves
    assert figure.rows[0].result.en == "undecided: too few requests"
    assert "gives no reason" in figure.sentence.en


def test_percentiles_of_few_requests_are_marked_and_never_a_reason() -> None:
    few = loaded.trial(1, 80.0, passed=False, failed_by="latency", queries=70, over=9)
    found = Capacity(
        searched="cameras", confirmed=0.0, failed=1.0, failed_by="latency", bound={"latency_p99_ns": 5e7}, trials=(few,)
    )
    assert capacity.why(found, "frame") == Text(
        en="latency, 9 of 70 frames over the bound", ko="지연 시간, 프레임 70개 중 9건 한계 초과"
    )
    cell = loaded.planned("cctv-detect", "cpu", "cameras:fps=20")
    rows = sample.samples(24e6, 700, seed=5)
    source = sample.files([cell], [sample.launched(cell, 1, rows, "frame")], {}, profile="smoke")
    (figure,) = built(loaded.searching(source, {cell.id: found})).curves
    row = figure.rows[0]
    assert (row.p50.note, row.p90.note, row.p99.note) == (0, 0, 1)
    assert "p99 662" in figure.notes[0].en


def test_nothing_to_draw_is_said() -> None:
    assert curves.curve(Capacity(searched="rate", confirmed=None), "page") is None
    assert curves.curve(Capacity(searched="rate", confirmed=None, trials=(loaded.trial(None, 3.0),)), "page") is None


@given(st.floats(1e-3, 1e5), st.booleans())
def test_load_ticks_hold_the_load_and_are_few_and_distinct(highest: float, whole: bool) -> None:
    ticks = curves.load_ticks(highest, whole=whole)
    assert ticks[0][0] == 0
    assert ticks[-1][0] >= highest * (1 - 1e-6)
    assert 2 <= len(ticks) <= 12
    assert len({label for _, label in ticks}) == len(ticks)
    assert all(a < b for (a, _), (b, _) in itertools.pairwise(ticks))


def test_where_the_time_goes_names_the_largest_part_and_whose_it_is() -> None:
    run = built(loaded.services())
    row = run.stages[0]
    assert row.sentence.en.startswith("The largest part is decoding, 49.2 %, the work of the host's decoder.")
    assert "디코딩" in row.sentence.ko
    assert [stage.title.en for stage in row.stages] == ["decoding", "pre-processing", "inference", "post-processing"]
    assert row.parts[0][0] == 0
    assert all(start + width <= 100 for start, width, _ in row.parts)
    assert len(run.stages) == 6
    assert run.sheets[0].stages is None or run.sheets[0].stages.total == row.total


def test_a_stage_of_somebody_else_is_shown_and_no_time_at_all_is_not() -> None:
    source = sample.with_cell(sample.one(), stages=Stages(inputs=1, median_ns={"melt": 3.0, "infer": 1.0}))
    (row,) = built(source).stages
    assert row.stages[1].title.en == "melt"
    assert "1 input," in row.sentence.en
    assert built(sample.with_cell(sample.one(), stages=Stages(inputs=0, median_ns={}))).stages == ()


def mixed() -> RunFiles:
    """A service alone and beside another one, which was never alone."""
    alone = loaded.planned("cctv-detect", "cpu", "cameras:fps=5,cameras=4")
    beside = loaded.planned("cctv-detect", "cpu", "cameras:fps=5,cameras=4", alone=alone.id, mix="m", id="beside")
    other = loaded.planned("ocr-korean", "cpu", "server:rate=0.5", mix="m")
    rows = {cell.id: sample.samples(ns, 700, seed=5) for cell, ns in ((alone, 20e6), (beside, 30e6), (other, 600e6))}
    launches = [
        sample.launched(cell, 1, rows[cell.id], unit)
        for cell, unit in ((alone, "frame"), (beside, "frame"), (other, "page"))
    ]
    found = sample.files([alone, beside, other], launches, {f"{name}-1": each for name, each in rows.items()})
    cells = tuple(
        msgspec.structs.replace(cell, mix=plan.mix, alone=plan.alone)
        for cell, plan in zip(found.run.cells, (alone, beside, other), strict=True)
    )
    return msgspec.structs.replace(found, run=msgspec.structs.replace(found.run, cells=cells))


def test_a_mix_says_what_each_service_loses_and_stays_out_of_the_other_tables() -> None:
    run = built(mixed())
    (mix,) = run.mixes
    first, second = mix.rows
    assert first.numbers[5].text == "+50.0 %"
    assert first.numbers[2].text.startswith("−")
    assert second.numbers[5].text == UNKNOWN
    assert "not measured alone" in mix.notes[-1].en
    assert [len(service.panels[0].rows) for service in run.services] == [1]
    assert sum("beside other services" in figure.context.en for figure in run.figures) == 2
    page = html.render(view.build([mixed()]), "ko")
    checked(page)
    assert "여러 서비스를 동시에" in page
    stream = io.StringIO()
    for part in text.run_table(view.build([mixed()]), "en"):
        Console(file=stream, width=80).print(part)
    assert "2 services at once" in stream.getvalue()


def test_more_devices_of_a_kind_are_set_beside_each_other() -> None:
    cells, launches = [], []
    for n, median_ns in ((1, 20e6), (2, 14e6)):
        cell = loaded.planned("cctv-detect", "sample-npu", f"offline:batch=8,devices={n}")
        key = {**cell.key, "devices": str(n), "scenario": "offline"}
        cells.append(msgspec.structs.replace(cell, key=key))
        rows = sample.samples(median_ns, 700, seed=5, offline=True)
        launches.append(sample.launched(cells[-1], 1, rows, "frame"))
    source = sample.files(cells, launches, {}, profile="smoke")
    run = built(source)
    (found,) = run.scalings
    assert [row.devices for row in found.rows] == ["1", "2"]
    assert found.rows[0].efficiency.text == "100 %"
    assert found.rows[1].efficiency.text == "71.4 %"
    assert len(run.services[0].panels[0].rows) == 2
    checked(html.render(view.build([source]), "ko"))
    odd = tuple(msgspec.structs.replace(cell, key={**cell.key, "devices": EVIL}) for cell in source.run.cells)
    assert built(msgspec.structs.replace(source, run=msgspec.structs.replace(source.run, cells=odd))).scalings == ()


def tuned(**changes: Any) -> RunFiles:
    """An offline cell that was tuned."""
    cell = loaded.planned("cctv-detect", "cpu", "offline:batch=8,tune=1")
    rows = sample.samples(24e6, 700, seed=5, offline=True)
    source = sample.files([cell], [sample.launched(cell, 1, rows, "frame")], {}, profile="smoke")
    return sample.with_cell(source, tuning=loaded.tuning(cell.id, **changes))


def test_the_tuners_choice_its_gain_and_its_noise_are_said() -> None:
    run = built(tuned())
    (found,) = run.tuned
    assert found.sentence.en == (
        "3 of 6 points were measured in 2 min; the best is batches of 16, 2 sessions, 2 threads each, 2 in flight "
        "each. Throughput is 1.32 times the default's (1.29 to 1.36 with 98.4 % confidence, 7 pairs; measured again "
        "after the choice). The default against itself in the same session: 1.00 times (0.980 to 1.02 with 98.4 % "
        "confidence, 7 pairs)."
    )
    assert [(row.batch, row.chosen, row.default) for row in found.rows[:2]] == [("16", True, False), ("8", False, True)]
    assert {row.rate.text for row in found.rows[3:]} == {UNKNOWN}
    assert len(found.notes) == 3
    assert run.sheets[0].tuned == found
    said = run.services[0].panels[0].rows[0].numbers[0].said
    assert said is not None
    assert said.en.startswith("batches of 16")


def test_a_tuner_that_found_nothing_better_or_nothing_at_all() -> None:
    same_point = built(tuned(chosen=loaded.tuning().default, gain=None, same=None)).tuned[0]
    assert "none was shown to be better than the default" in same_point.sentence.en
    lost = loaded.Reason(kind="crashed", message=EVIL)
    failed = built(tuned(failure=lost, chosen=None, surface=(), gain=None)).tuned[0]
    assert failed.sentence.en.startswith("Nothing was tuned: The process crashed.")
    assert failed.sentence.ko.startswith("최적 구성을 찾지 못했습니다")
    odd = built(
        tuned(surface=(loaded.Tried(point=loaded.Point(batch=2), reason=loaded.Reason(kind="x", message="y")),))
    )
    assert odd.tuned[0].notes[0].en == "x: y"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_surface_is_on_the_page_and_in_80_columns(language: Any) -> None:
    page = html.render(view.build([tuned()]), language)
    checked(page)
    assert page.count('class="small surface"') == 1
    stream = io.StringIO()
    for part in text.run_table(view.build([tuned()]), language):
        Console(file=stream, width=80, highlight=False).print(part)
    assert all(cell_len(line) <= 80 for line in stream.getvalue().splitlines())
    assert ("chosen" if language == "en" else "선택") in stream.getvalue()


def facts(files: RunFiles) -> dict[str, Any]:
    return {fact.name.en: fact.value for fact in built(files).sheets[0].facts}


def test_the_sheet_says_what_the_ruleset_lacks_and_what_audits_found() -> None:
    source = sample.with_cell(sample.one(), lacks=loaded.LACKS, audits=loaded.AUDITS)
    found = facts(source)
    assert found["Ruleset"] == Text(
        en="does not conform to npubench-1: 212 more queries for p99", ko="npubench-1에 미달: p99에 질의 212개 더 필요"
    )
    assert found["Audit: repeating an input is not faster"].en == "passed: repeating is 1 % faster"
    assert found["Audit: same answers as in the quality run"].en.startswith("failed:")
    assert found["Audit: length of the answers"].ko == "하지 않음: 기준 길이 없음"
    caveats = [caveat.en for caveat in built(source).caveats]
    assert any(caveat.startswith("Of 1 cell with a result, 0 have all that npubench-1 asks for") for caveat in caveats)
    assert any("Failed audits: 1" in caveat for caveat in caveats)
    assert facts(sample.one())["Ruleset"].en == "conforms to npubench-1"
    assert UNKNOWN in facts(sample.with_cell(sample.one(), verdict="invalid"))["Ruleset"].en


def test_only_the_window_that_counts_is_in_the_latency_chart() -> None:
    source = sample.one()
    (launch,) = source.launches.values()
    assert launch.window is not None
    half = Window(start_ns=launch.window.start_ns, end_ns=(launch.window.start_ns + launch.window.end_ns) // 2)
    short = msgspec.structs.replace(launch, window=half, capacity=loaded.cameras(15, 1))
    cut = msgspec.structs.replace(source, launches=dict.fromkeys(source.launches, short))
    whole, part = built(source).figures[0].chart, built(cut).figures[0].chart
    assert whole is not None
    assert part is not None
    assert part.lines[0].points[-1][1] < whole.lines[0].points[-1][1]


def test_the_method_explains_loads_where_there_are_any() -> None:
    keys = {term.key for term in method.LOADS}
    assert keys <= {term.key for term in view.build([loaded.services()]).method}
    assert not keys & {term.key for term in view.build([sample.one()]).method}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_a_curve_and_a_table_for_each_search(language: Any) -> None:
    shown = view.build([loaded.services()])
    page = html.render(shown, language)
    found = checked(page)
    assert page.count('<table class="key trials"') == len(shown.runs[0].curves) == 10
    assert page.count('<svg class="bar stack"') > 6
    assert "cameras:fps=15" in page
    assert "14" in page
    assert found.counts["figure"] >= 10
    assert len(page.encode()) < 1_500_000


def test_a_curve_has_its_words_in_both_languages_and_names_nothing_foreign() -> None:
    drawn = curves.curve(loaded.cameras(15, 3), "frame")
    assert drawn is not None
    picture = charts.load_chart(drawn, "l1")
    for word in ("held", "확인", "failed", "실패", "bound", "한계", "dropped", "버려짐", "cameras", "카메라"):
        assert f">{word}</text>" in picture, word
    assert "style=" not in picture
    assert 'aria-labelledby="l1-t"' in picture
    assert charts.load_chart(curves.curve(loaded.many_loads(60), "frame") or drawn, "l2")


def test_hostile_searches_are_cleaned() -> None:
    evil = Text(en=EVIL, ko=EVIL)
    found = Capacity(
        searched=EVIL,
        confirmed=None,
        reason=evil,
        failed=-2.0,
        bound={EVIL: 1e9},
        trials=(loaded.trial(1, 5.0),),
    )
    source = sample.with_cell(
        sample.one(),
        scenario=Scenario(name="cameras", params={"fps": EVIL, "cameras": EVIL, "devices": EVIL, "batch": EVIL}),
        capacity=found,
        lacks=(evil,),
        audits=(msgspec.structs.replace(loaded.AUDITS[0], name=EVIL, said=evil),),
        stages=Stages(inputs=2, median_ns={EVIL: 1.0}),
    )
    page = html.render(view.build([source]), "en")
    checked(page)
    assert "<script>alert" not in page


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_console_shows_the_curve_in_80_columns(language: Any) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False)
    for part in text.run_table(view.build([loaded.services()]), language):
        console.print(part)
    found = stream.getvalue()
    assert "…" not in found
    assert all(cell_len(line) <= 80 for line in found.splitlines())
    assert "cameras:fps=15" in found
    assert ("held p99" if language == "en" else "지킴 p99") in found
    assert ("work of the host's decoder" if language == "en" else "호스트의 디코더") in found
