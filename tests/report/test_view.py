"""What a report decides: sentences, verdicts, footnotes, what is kept apart, what is safe to show."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npubench.errors import NotComparableError
from npubench.lang import Text
from npubench.report import latency, reasons, view
from npubench.report.foreign import clean
from npubench.report.shown import RunView
from npubench.schema import FailureKind, Run
from npubench.spi import Placement
from npubench.stats.samples import Samples
from npubench.stats.summary import percentile
from npubench.units import UNKNOWN
from tests.report import sample


def built(files: view.RunFiles) -> RunView:
    return view.build([files]).runs[0]


def test_the_sentence_tells_what_services_get_and_the_verdict_counts_cells() -> None:
    run = built(sample.realistic())
    assert run.sentence.en.startswith(
        "On sample-node-7 — CCTV (random weights, speed only): 455 frames per second all at once on Sample GPU"
    )
    assert "250 tokens per second all at once on Sample GPU (test data), 22.7 on CPU" in run.sentence.en
    assert "no result on Sample NPU (test data)." in run.sentence.en
    assert run.verdict.en == "30 of 36 measurements valid, 2 with caution, 4 invalid"
    assert run.verdict.ko == "측정 36건 중 30건 유효, 2건 주의, 4건 무효"
    assert run.tone == "warn"


def test_without_a_service_number_the_sentence_counts_cells_and_names_machine_and_backends() -> None:
    run = built(sample.realistic(backends=("sample-sim",)))
    assert "sample-node-7 (Sample CPU 9000 16-Core, 32 threads)" in run.sentence.en
    assert (
        "3 models on Sample simulator (test data): of 12 measurements, 12 valid, 0 with caution, 0 invalid"
        in run.sentence.en
    )
    assert "측정 12건 가운데 유효 12건, 주의 0건, 무효 0건" in run.sentence.ko


def test_the_floor_is_not_a_cell_of_the_table_but_is_shown() -> None:
    run = built(sample.realistic())
    assert "overhead-floor" not in {row.model.id for group in run.groups for row in group.rows}
    assert len(run.floors) == 3
    assert all(floor.p50.text != UNKNOWN for floor in run.floors)


def test_a_smoke_run_says_that_it_is_not_comparable() -> None:
    run = built(sample.one())
    assert "not comparable" in run.verdict.en
    assert any("smoke" in caveat.en and "do not compare" in caveat.en for caveat in run.caveats)


def test_no_valid_cell() -> None:
    run = built(sample.nothing())
    assert run.verdict.en == "No usable result"
    assert run.tone == "bad"
    assert run.services == ()
    assert run.figures == ()
    (group,) = run.groups
    assert group.key == "none"
    assert group.rows[0].faults[0].stderr[-1] == "Segmentation fault"


def test_no_cell_at_all() -> None:
    run = built(sample.files([], [], {}))
    assert run.verdict.en == "Nothing was measured"
    assert "nothing was measured" in run.sentence.en


def test_only_nulls_show_dashes_with_reasons_and_never_zero() -> None:
    run = built(sample.only_nulls())
    (row,) = run.groups[0].rows
    assert {row.rate.text, row.p50.text, row.p90.text, row.p99.text} == {UNKNOWN}
    assert row.p50.note == 1
    no_request, no_quality = run.groups[0].notes
    assert no_request == Text(en="no request was completed", ko="완료된 요청이 없습니다")
    assert "no quality is claimed" in no_quality.en
    assert "품질" in no_quality.ko


def test_one_sample_has_no_percentile_but_a_line() -> None:
    run = built(sample.one(1))
    (figure,) = run.figures
    assert figure.rows[0].p50.text == UNKNOWN
    assert figure.rows[0].p50.reason is not None
    assert figure.chart is not None
    ((_, level),) = figure.chart.lines[0].points
    assert level == 0.0


def test_a_missing_samples_file_is_said_and_the_numbers_stay() -> None:
    source = sample.one()
    run = built(view.RunFiles(run=source.run, launches=source.launches, samples=lambda _: None))
    (figure,) = run.figures
    assert figure.chart is None
    assert figure.rows[0].missing is not None
    assert "samples file missing" in figure.rows[0].missing.en
    assert figure.rows[0].p99.text != UNKNOWN


def test_a_damaged_samples_file_is_said() -> None:
    def broken(_: str) -> Samples | None:
        raise NotComparableError("x.npz: not a readable samples file")

    source = sample.one()
    run = built(view.RunFiles(run=source.run, launches=source.launches, samples=broken))
    missing = run.figures[0].rows[0].missing
    assert missing is not None
    assert "x.npz" in missing.en


def test_missing_launch_files_are_said() -> None:
    source = sample.one()
    run = built(view.RunFiles(run=source.run, launches={}, samples=source.samples))
    assert any("its file is missing" in str(fact.value) for fact in run.sheets[0].facts)


def test_kinds_and_scopes_are_never_in_one_table_or_chart() -> None:
    run = built(sample.realistic(backends=("cpu", "sample-sim")))
    assert [group.key for group in run.groups] == ["hardware", "simulated", "none"]
    for group in run.groups[:2]:
        assert {row.backend.id for row in group.rows} == {"cpu" if group.key == "hardware" else "sample-sim"}
    assert len(run.figures) == 3 * 2 * 2
    assert all(len({row.backend.id for row in figure.rows}) == 1 for figure in run.figures)
    assert [service.kind is None for service in run.services] == [True, False] * 3
    assert all(len(service.panels) == 2 for service in run.services)


def test_an_invalid_cell_publishes_no_service_number_and_no_line() -> None:
    source = sample.with_cell(sample.one(), verdict="invalid", reasons=(Text(en="wrong", ko="오답"),))
    run = built(source)
    row = run.services[0].panels[0].rows[0]
    assert {number.text for number in row.numbers} == {UNKNOWN}
    assert "invalid" in run.services[0].panels[0].notes[0].en
    assert run.figures[0].chart is None


def test_footnotes_are_shared() -> None:
    run = built(sample.realistic())
    hardware = run.groups[0]
    assert len(hardware.notes) == 4
    assert len({row.quality.note for row in hardware.rows}) == 1
    assert max(row.p99.note for row in hardware.rows) == 4


def test_unsupported_and_absent_are_there_with_reasons() -> None:
    run = built(sample.realistic())
    unsupported = [row for group in run.groups for row in group.rows if row.verdict == "unsupported"]
    assert unsupported[0].reasons[0].en == "this backend takes fp32, int8"
    assert run.absent[0].fix is not None
    assert run.absent[0].fix.ko == "pip install onnxruntime-gpu"


def test_placement_unknown_has_its_reason_and_known_is_counted() -> None:
    source = sample.one()
    values = {fact.name.en: fact.value for fact in built(source).sheets[0].facts}
    assert values["Graph nodes per provider"] == "CPUExecutionProvider: 118"
    bare = sample.with_cell(source, placement=Placement(requested="X"))
    values = {fact.name.en: fact.value for fact in built(bare).sheets[0].facts}
    assert values["Graph nodes per provider"] == Text(en="– (no evidence)", ko="– (증거 없음)")
    none = sample.with_cell(source, placement=None, placement_reason="the adapter gave no placement evidence")
    assert any(UNKNOWN in str(fact.value) for fact in built(none).sheets[0].facts)


def sheet_facts(files: view.RunFiles) -> dict[str, Any]:
    return {fact.name.en: fact.value for fact in built(files).sheets[0].facts}


def test_the_sheet_shows_the_options_in_effect_threads_first() -> None:
    source = sample.one()
    assert sheet_facts(source)["Options in effect"] == "intra_op_num_threads 32 · graph_optimization_level all"
    two = sample.with_cell(source, options={"a": {"threads": 2}, "b": {"threads": 4, "spin": True}})
    found = sheet_facts(two)
    assert found["Options in effect, graph a"] == "threads 2"
    assert found["Options in effect, graph b"] == "threads 4 · spin true"
    assert UNKNOWN in str(sheet_facts(sample.with_cell(source, options={}))["Options in effect"])


def test_whose_data_was_read_is_said_at_the_head_in_the_method_and_in_the_sheet() -> None:
    page = view.build([sample.realistic()])
    told = next(caveat for caveat in page.runs[0].caveats if "own data" in caveat.en)
    assert told.en == (
        "The user's own data was read by ocr-korean (the first 32 of 1,204 files, in turn); "
        "npubench's own drawn data (street-frames and civic-prompts) by cctv-detect and llm-chat-135m."
    )
    (term,) = [term for term in page.method if term.key == "inputs"]
    assert term.meaning.ko.endswith(told.ko)
    assert sheet_facts(sample.one())["Input data"] == Text(
        en="npubench's drawn set street-frames (32 files)", ko="npubench가 그린 자료 street-frames(파일 32개)"
    )
    assert any("no model read the user's data" in caveat.en for caveat in built(sample.one()).caveats)
    both = view.build([sample.one(), sample.realistic()])
    assert any(told.en in term.meaning.en for term in both.method)


def test_a_cell_of_which_nothing_proves_where_it_ran_stands_alone() -> None:
    source = sample.realistic()
    cells = tuple(
        msgspec.structs.replace(cell, execution_kind="unknown") if cell.backend == "sample-gpu" else cell
        for cell in source.run.cells
    )
    run = built(msgspec.structs.replace(source, run=msgspec.structs.replace(source.run, cells=cells)))
    assert [group.key for group in run.groups] == ["hardware", "unknown", "none"]
    in_services = {row.backend.id for s in run.services for panel in s.panels for row in panel.rows}
    assert "sample-gpu" not in in_services
    unproven = [figure for figure in run.figures if figure.rows[0].backend.id == "sample-gpu"]
    assert len(unproven) == 6
    assert all(len(figure.rows) == 1 for figure in unproven)
    assert any("nothing proves on which device: 12" in caveat.en for caveat in run.caveats)


def test_energy_is_shown_per_channel_with_its_scope_and_never_added_up() -> None:
    cell = sample.planned("cctv-detect", "cpu", "single-stream", "device")
    other = sample.planned("cctv-detect", "cpu", "offline", "device")
    found = sample.samples(24e6, 700, seed=5)
    launches = [
        sample.metered(sample.launched(cell, n, found, "frame"), joules) for n, joules in ((1, 410.0), (2, 420.0))
    ]
    plain = sample.launched(other, 1, found, "frame")
    source = sample.files([cell, other], [*launches, plain], {})
    assert sheet_facts(source)["Energy, package-0"] == Text(
        en="415 J per launch, gross, the median of 410 J · 420 J; metered: the processor package",
        ko="실행당 415 J(총량), 410 J · 420 J의 중앙값. 측정 위치: 프로세서 패키지",
    )
    assert [caveat.en for caveat in built(source).caveats if "Energy" in caveat.en] == [
        "Energy is unknown in 1 cell; each one's sheet says why."
    ]
    whole = sample.files([cell], launches, {})
    assert not any("Energy" in caveat.en for caveat in built(whole).caveats)
    holes = sample.files([cell], [sample.metered(launches[0], None)], {})
    assert sheet_facts(holes)["Energy, package-0"].en == "– (readings cover only 40% of the window)"
    assert any(caveat.en == "Energy is unknown; each measurement's sheet says why." for caveat in built(holes).caveats)
    missing = msgspec.structs.replace(whole, launches={})
    assert "metered: not known" in sheet_facts(missing)["Energy, package-0"].en


def test_a_hint_is_shown_and_an_unsupported_launch_is_a_result_not_a_failure() -> None:
    (fault,) = built(sample.nothing()).groups[0].rows[0].faults
    assert fault.hint == "reset the device with the vendor's tool"
    cell = sample.planned("cctv-detect", "cpu", "single-stream", "device")
    refused = sample.failed(cell, 2, FailureKind.UNSUPPORTED, message="takes batch 1 only", hint=None)
    good = sample.launched(cell, 1, sample.samples(24e6, 700, seed=5), "frame")
    run = built(sample.files([cell], [good, refused], {}))
    (row,) = run.groups[0].rows
    assert row.verdict == "unsupported"
    assert row.reasons == ()
    assert row.faults[0].message == "takes batch 1 only"
    assert "nothing was measured" in run.sentence.en
    assert not any("failed launch" in caveat.en for caveat in run.caveats)
    assert any("does not support: 1" in caveat.en for caveat in run.caveats)
    assert {number.text for number in run.services[0].panels[0].rows[0].numbers} == {UNKNOWN}


def test_versions_have_a_line_per_backend() -> None:
    found = {fact.name.en: fact.value for fact in built(sample.one()).versions}
    assert found["CPU (ONNX Runtime)"] == "onnxruntime 1.32.0 · python 3.11.2"
    assert "cpu.onnxruntime" not in found
    assert found["npubench"] == "0.1.0"


def test_the_command_names_no_folder() -> None:
    source = sample.one()
    run = msgspec.structs.replace(source.run, command=("npubench", "run", "--frames", "/home/somebody/frames"))
    shown = built(msgspec.structs.replace(source, run=run))
    assert next(fact.value for fact in shown.run_facts if fact.name.en == "Command") == "npubench run --frames frames"


def test_remarks_name_defaulted_shapes_and_devices_their_model() -> None:
    run = built(sample.realistic())
    assert "shape-defaulted" in {remark.code for remark in run.remarks if remark.tone == "plain"}
    assert run.devices[0].value == "Sample Silicon NP-1 NP-1 Max (0000:41:00.0)"


def test_three_hundred_cells() -> None:
    run = built(sample.many(300))
    assert sum(len(group.rows) for group in run.groups) == 300
    assert len(run.sheets) == 300
    assert len({sheet.anchor for sheet in run.sheets}) == 300


def test_a_card_that_is_no_card_is_named_by_its_id() -> None:
    source = sample.one()
    run = msgspec.structs.replace(source.run, models={"cctv-detect": ["?"]}, backends={})
    shown = built(view.RunFiles(run=run, launches=source.launches, samples=source.samples))
    assert shown.groups[0].rows[0].model.title.en == "cctv-detect"
    assert shown.cards[0].title.en == "cctv-detect"


def test_unknown_machine_facts_are_dashes_with_a_reason() -> None:
    source = sample.one()
    blank = sample.machine(cpu=None, cores=None, threads=None, memory_bytes=None, governor=None, load_average=None)
    run: Run = msgspec.structs.replace(source.run, machine=blank)
    shown = built(view.RunFiles(run=run, launches={}, samples=source.samples))
    unknown = [fact.name.en for fact in shown.machine_facts if UNKNOWN in str(fact.value)]
    assert unknown == ["Processor", "Cores · threads", "Memory", "Frequency governor", "Load when it began"]


def test_several_runs_have_ids_of_their_own() -> None:
    both = view.build([sample.one(), sample.one()])
    assert both.title.en == "npubench · 2 runs"
    assert both.runs[0].sheets[0].anchor != both.runs[1].sheets[0].anchor


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=3000))
def test_a_thinned_line_rises_ends_where_the_data_ends_and_is_short(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    points = latency.thin(array)
    assert 1 <= len(points) <= latency.MOST_POINTS
    assert points[0][0] == array.min()
    assert points[-1][0] == array.max()
    assert all(a[0] <= b[0] and a[1] < b[1] for a, b in itertools.pairwise(points))


def test_a_line_passes_through_its_percentiles() -> None:
    array = np.random.default_rng(1).integers(1, 10**9, 150)
    points = {round(y, 9): x for x, y in latency.thin(array)}
    for share in (0.5, 0.9):
        assert points[round(latency.level(share), 9)] == percentile(array, share * 100)


@given(st.floats(1, 1e12), st.floats(1, 1e6))
def test_the_axis_holds_the_data_with_few_distinct_labels(low: float, ratio: float) -> None:
    ticks, (start, end), _ = latency.axis(low, low * ratio)
    assert start <= low * (1 + 1e-9)
    assert end >= low * ratio * (1 - 1e-9)
    assert 1 <= len(ticks) <= 16
    assert len({label for _, label in ticks}) == len(ticks)


@given(st.text())
def test_cleaned_text_can_be_written_and_holds_no_control(text: str) -> None:
    found = clean(text)
    found.encode("utf-8")
    assert not any(ord(char) < 32 and char not in "\n\t" for char in found)
    assert not any(0x202A <= ord(char) <= 0x202E or 0x7F <= ord(char) <= 0x9F for char in found)


def test_clean_names_what_it_hides() -> None:
    assert clean("a\x1b[31mred\x1b[0m\x00b") == "ared�b"
    assert clean("gpj\u202e.exe") == "gpj⟨U+202E⟩.exe"
    assert clean("x" * 10_000).endswith("… (+9,880)")
    assert clean("\ud800") == "�"


def test_reasons_are_translated_and_unknown_ones_kept() -> None:
    few = "312 samples; p99 needs at least 662, 350 more"
    assert reasons.full(few).ko == "표본 312개. p99에는 최소 662개가 필요합니다(350개 부족)"
    assert reasons.short(few).en == "too few samples: p99 needs at least 662"
    assert reasons.full("the moon was full") == Text(en="the moon was full", ko="the moon was full")
    assert reasons.full(None).en == "the result file gives no reason"


def test_a_servers_weights_are_its_claim_and_not_ours() -> None:
    def told(**card: Any) -> str:
        files = sample.one()
        backends = {"cpu": {**files.run.backends["cpu"], **card}}
        run = msgspec.structs.replace(files.run, backends=backends)
        return " ".join(
            text.en for text in built(view.RunFiles(run=run, launches=files.launches, samples=files.samples)).caveats
        )

    endpoint = {"device": {"type": "endpoint"}, "options": {"model": "<b>theirs</b>"}}
    assert "random, untrained weights" in told()
    assert "which calls its model <b>theirs</b>: weights" in told(**endpoint)
    assert "seeded" not in told(**endpoint)
    # A server that the run started itself serves what the run gave it.
    assert "random, untrained weights" in told(**endpoint, serve={"command": ["x"]})
