"""Placement certificates: the sentence, the short line, the table, and what is kept apart."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.report import certificate, placement, text, view
from npubench.report.numbers import Footnotes, macs
from npubench.report.shown import Certified, Place, RunView
from npubench.report.words import KINDS
from npubench.spi import EnvironmentFacts, Placement
from npubench.units import UNKNOWN, show_share
from tests.report import certificates as made
from tests.report import sample

TITLE = Text(en="NPU X", ko="NPU X")
BOUND = 0.05


def said(found: Certificate) -> str:
    return placement.sentence(found, TITLE).en


def short(found: Certificate) -> str:
    brief = placement.brief(found, BOUND)
    return "" if brief is None else brief.en


def built(files: view.RunFiles) -> RunView:
    return view.build([files]).runs[0]


def every(run: RunView) -> dict[tuple[str, str], tuple[Place, Certified]]:
    return {(place.backend.id, row.model.id): (place, row) for place in run.places for row in place.rows}


def test_the_sentence_of_every_extent() -> None:
    assert said(made.certificate("m", "npu")) == (
        "Ran on NPU X: 100 % of the arithmetic, 98.0 % of the time; 2 conversions on the CPU."
    )
    assert said(made.certificate("m", "cpu")) == "Ran on NPU X: 100 % of the arithmetic, 100 % of the time."
    assert said(made.assisted("m", "npu")) == (
        "CPU-assisted: 38.0 % of the arithmetic ran on the CPU (MatMul × 3, Softmax × 2, Erf × 1)."
    )
    assert said(made.none("m", "npu")) == "Nothing ran on NPU X: all 120 nodes ran on the CPU. Not a result."
    assert said(made.unproven("m", "npu")) == (
        "Where it ran is not known: nothing says which provider took which node."
    )
    korean = placement.sentence(made.assisted("m", "npu"), TITLE).ko
    assert korean == "CPU 보조: 연산량의 38.0 %를 CPU에서 실행했습니다 (MatMul × 3, Softmax × 2, Erf × 1)."


def test_a_simulator_says_so_first_and_a_cpu_provider_beside_a_cpu_device_is_named() -> None:
    found = said(made.simulated("m", "sim"))
    assert found.startswith("Simulated: an emulator on this machine's CPU, not the device; never ranked. ")
    assert found.endswith("2 conversions on ONNX Runtime's own CPU provider.")
    both = said(made.assisted("m", "sim", execution_kind="simulated"))
    assert both.startswith("Simulated: ")
    assert "CPU-assisted: 38.0 %" in both


def test_what_has_no_graph_here_is_not_said_to_have_run_anywhere() -> None:
    assert said(made.unproven("m", "x", execution_kind="virtual")) == "Virtual: no model was computed; never ranked."
    assert "a server answered" in said(made.unproven("m", "x", execution_kind="endpoint"))


def test_other_providers_are_named_and_the_certificates_own_reason_is_used() -> None:
    split = made.certificate("m", "npu", nodes={made.NPU: 9, "CUDAExecutionProvider": 1}, compute_nodes={made.NPU: 9})
    assert said(split).endswith("1 conversion on CUDA.")
    why = Text(en="where 7 % of the arithmetic ran is not known: renamed", ko="7 %를 알 수 없음")
    told = said(made.certificate("m", "npu", extent="unknown", reasons=(why,)))
    assert told.startswith("Where 7 % of the arithmetic ran is not known: renamed; 57 of 57 computing nodes")
    failed = made.unproven("m", "npu", extent="none", reasons=(Text(en="no node ran there", ko="없음"),))
    assert said(failed) == "Nothing ran on NPU X: no node ran there. Not a result."


def test_arithmetic_that_could_not_be_counted_claims_no_share() -> None:
    blank = {"macs": None, "macs_share": None, "macs_reason": "no count is known for Einsum × 2", "self_time_ns": None}
    assert said(made.certificate("m", "npu", nodes={made.NPU: 120}, **blank)) == "Ran on NPU X: every node."
    assert said(made.assisted("m", "npu", **blank)).startswith("CPU-assisted: 6 computing nodes ran on the CPU")


def test_who_compiled_it_is_said_unless_it_was_npubench() -> None:
    assert "compiled by Sample Silicon (npc 3.2), not by npubench." in said(made.prebuilt("m", "npu"))
    here = made.prebuilt("m", "npu")
    assert here.origin is not None
    own = msgspec.structs.replace(here, origin=msgspec.structs.replace(here.origin, compiled_by="npubench"))
    assert "compiled by" not in said(own)


def test_the_short_line_is_there_only_where_there_is_something_to_say() -> None:
    assert placement.brief(made.certificate("m", "cpu"), BOUND) is None
    assert short(made.certificate("m", "npu")) == "100 % of MACs, refused without help of the CPU"
    assert short(made.assisted("m", "npu")) == "CPU-assisted, 62.0 % of MACs, 43.0 % of time unattributed"
    assert short(made.simulated("m", "sim")) == "simulated, 100 % of MACs"
    assert short(made.none("m", "npu")) == "fell back"
    assert short(made.unproven("m", "npu")) == "not proven"
    assert short(made.unproven("m", "x", execution_kind="endpoint")) == "endpoint"
    noted = made.certificate("m", "cpu", flags=(Text(en="option x is not known", ko="옵션 x"),))
    assert short(noted) == "100 % of MACs, 1 remark"


def test_shares_are_never_rounded_up_to_the_whole() -> None:
    assert [show_share(value) for value in (None, 0.0, 0.00001, 0.62, 0.99999, 1.0)] == [
        UNKNOWN, "0 %", "0.00100 %", "62.0 %", "99.9 %", "100 %",
    ]  # fmt: skip
    assert [macs(value) for value in (0, 12_000, 3_400_000, 2_540_000_000)] == [
        "0 MAC", "12.0 kMAC", "3.40 MMAC", "2.54 GMAC",
    ]  # fmt: skip


def test_the_table_has_a_row_for_each_provider_and_one_for_what_has_none() -> None:
    asked, other, lost = certificate.rows(made.assisted("m", "npu"), Footnotes())
    assert (asked.name, [number.text for number in asked.numbers]) == (
        made.NPU,
        ["106 (88.3 %)", "51 (89.5 %)", "620 MMAC (62.0 %)", "61.0 ms (61.0 %)"],
    )
    assert other.name == made.CPU
    assert lost.numbers[2].text == "50.0 MMAC (5.00 %)"
    assert lost.name == ""


def test_the_bars_hold_every_part_and_end_at_the_whole() -> None:
    bar = certificate.arithmetic(made.assisted("m", "npu"), Footnotes())
    assert bar.number.text == "62.0 %"
    assert [part[1] for part in bar.parts] == [62.0, 33.0, 5.0]
    assert bar.parts[0][2] == certificate.REQUESTED
    gone = certificate.time(made.none("m", "npu"), Footnotes())
    assert gone.number.text == "0 %"
    assert gone.parts == ((0.0, 100.0, certificate.ELSEWHERE),)


def test_unknown_figures_are_dashes_with_a_reason() -> None:
    place, row = every(built(made.placed()))["sample-gpu", "ocr-korean"]
    assert {row.arithmetic.number.text, row.time.number.text, row.compute.text, row.subgraphs.text} == {UNKNOWN}
    assert "nothing says which provider took which node" in {note.en for note in place.notes}
    facts = {fact.name.en: fact.value for fact in row.facts}
    assert facts["Seen executing"] == Text(
        en="– (this adapter records no profile)", ko="– (이 어댑터는 프로파일을 기록하지 않습니다)"
    )


def test_start_up_ends_with_the_cells_own_median_and_the_origin_names_the_compiler() -> None:
    run = built(made.placed())
    facts = {fact.name.en: fact.value for fact in every(run)["sample-npu", "llm-chat-135m"][1].facts}
    assert facts["Cold load (new process)"] == "310 ms"
    assert isinstance(facts["Steady state (p50)"], Text)
    assert facts["Steady state (p50)"].en.endswith("(one at a time, Device only)")
    assert facts["Compiled by"] == "Sample Silicon · npc 3.2"
    assert facts["Quantised by"] == "npq 1.4"
    compiled = {fact.name.en: fact.value for fact in every(run)["sample-sim", "cctv-detect"][1].facts}
    assert compiled["Compiled ahead in"] == "412 ms"


def test_kinds_never_share_a_table_even_on_one_backend() -> None:
    run = built(made.placed())
    order = [(place.backend.id, place.kind.en if place.kind else "") for place in run.places]
    assert order == [
        ("cpu", ""),
        ("sample-npu", ""),
        ("sample-sim", KINDS["simulated"][0].en),
        ("sample-gpu", KINDS["cpu_fallback"][0].en),
        ("sample-gpu", KINDS["endpoint"][0].en),
        ("sample-gpu", KINDS["unknown"][0].en),
    ]
    for group in run.groups:
        assert len({row.backend.id for row in group.rows if row.backend.id == "sample-sim"}) in (0, 1)
    beside = [group for group in run.groups if {"cpu", "sample-sim"} <= {row.backend.id for row in group.rows}]
    assert beside == []
    for service in run.services:
        names = {row.backend.id for panel in service.panels for row in panel.rows}
        assert "sample-sim" not in names or names == {"sample-sim"}
    for figure in run.figures:
        names = {row.backend.id for row in figure.rows}
        assert "sample-sim" not in names or names == {"sample-sim"}


def test_a_green_tag_is_never_a_simulators() -> None:
    tones = {key: row.tone for key, (_, row) in every(built(made.placed())).items()}
    assert tones["cpu", "cctv-detect"] == "good"
    assert tones["sample-sim", "cctv-detect"] == "plain"
    assert tones["sample-gpu", "cctv-detect"] == "bad"


def test_an_assisted_result_carries_its_label_wherever_it_stands_beside_others() -> None:
    run = built(made.placed())
    labelled = {
        (row.backend.id, row.model.id) for group in run.groups for row in group.rows if row.assisted is not None
    }
    assert labelled == {("sample-npu", "ocr-korean"), ("sample-sim", "ocr-korean")}
    assert {row.backend.id for s in run.services for p in s.panels for row in p.rows if row.assisted} == {
        "sample-npu", "sample-sim",
    }  # fmt: skip
    assert any(row.assisted for figure in run.figures for row in figure.rows)
    assert any(caveat.en.startswith("4 CPU-assisted measurements") for caveat in run.caveats)
    assert any("in a simulator: 4" in caveat.en for caveat in run.caveats)


def test_how_the_card_was_verified_and_what_the_worker_ran_in() -> None:
    run = built(made.placed())
    places = {place.backend.id: place for place in run.places}
    assert places["cpu"].verified.en == "verified on hardware: Sample CPU 9000, 16 cores · 2026-11-24"
    assert places["sample-npu"].verified_tone == "warn"
    assert places["sample-sim"].verified.ko.startswith("시뮬레이터에서만 검증함: ")
    assert places["sample-sim"].environment.en == (
        "Python 3.12.3 · numpy 1.26.4 · onnxruntime 1.32.0 · onnxruntime-sample 2.7.0"
    )
    assert "libSampleHtp.so" in {fact.name.en for fact in places["sample-sim"].environment_facts}
    assert places["sample-npu"].environment.en == "not recorded in this run"
    assert any("Nobody has tried" in caveat.en and "Sample NPU" in caveat.en for caveat in run.caveats)
    bare = built(made.placed(backends={}))
    assert bare.places[0].verified.en == "the card does not say how it was verified"
    odd = built(made.placed(environments={"cpu": EnvironmentFacts(python="3.10.1")}))
    assert odd.places[0].environment.en == "Python 3.10.1"


def test_a_build_without_a_certificate_has_its_row_and_says_why() -> None:
    (place,) = built(sample.one()).places
    (row,) = place.rows
    assert row.label.en == "no certificate"
    assert row.brief is None
    assert row.sentence.en == (
        "No certificate: no placement certificate was made in this run; the runtime gave 118 of 118 nodes to CPU."
    )
    old = sample.with_cell(sample.one(), placement=None, certificate_reason=None)
    assert "the result file gives no reason" in built(old).places[0].rows[0].sentence.en
    virtual = sample.with_cell(sample.one(), placement=Placement(requested="null"), execution_kind="virtual")
    assert built(virtual).places[0].rows[0].sentence.en == "Virtual: no model was computed; never ranked."


def test_a_ruleset_of_another_version_is_no_obstacle() -> None:
    source = made.placed()
    run = msgspec.structs.replace(source.run, ruleset="npubench-99")
    assert built(msgspec.structs.replace(source, run=run)).places


@pytest.mark.parametrize(
    ("elsewhere", "english", "korean"),
    [
        ({"Cast": 2}, "refused: only 2 conversions need the CPU", "불가: 변환 2개만 CPU 필요"),
        ({"Cast": 1}, "refused: only 1 conversion needs the CPU", "불가: 변환 1개만 CPU 필요"),
        ({"Cast": 2, "MatMul": 1}, "refused: 3 nodes need the CPU", "불가: 노드 3개에 CPU 필요"),
        ({"MatMul": 1}, "refused: 1 node needs the CPU", "불가: 노드 1개에 CPU 필요"),
        ({}, "refused", "불가"),
        (None, "refused", "불가"),
    ],
)
def test_a_refusal_says_what_the_cpu_is_needed_for(elsewhere: Any, english: str, korean: str) -> None:
    found = msgspec.structs.replace(made.certificate("cctv-detect", "cpu"), strict="refused", fallback_ops=elsewhere)
    assert certificate.strict(found) == Text(en=english, ko=korean)
    assert certificate.strict(msgspec.structs.replace(found, strict="passed")).en == "it runs"


def test_the_sheet_names_where_it_ran_and_leads_to_the_certificate() -> None:
    run = built(made.placed())
    anchors = {row.anchor for place in run.places for row in place.rows}
    assert {sheet.certificate for sheet in run.sheets} == anchors
    told = {fact.name.en for fact in run.sheets[0].facts}
    assert "Where it ran" in told
    assert "Requested provider" not in told


def printed(parts: list[Any]) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, color_system=None)
    for part in parts:
        console.print(part)
    return stream.getvalue()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_console_has_a_line_for_what_is_worth_one(language: Any) -> None:
    found = printed(text.run_table(view.build([made.placed()]), language))
    head = "Where it ran" if language == "en" else "실행 위치"
    _, _, below = found.partition(head)
    assert "cpu · cctv-detect" not in below
    assert "sample-npu · ocr-korean fp32" in below
    assert ("CPU-assisted, 62.0 % of MACs" if language == "en" else "CPU 보조, 연산량 62.0 %") in below
    assert "…" not in found
    plain = printed(text.run_table(view.build([made.placed((made.certificate("cctv-detect", "cpu"),))]), language))
    assert head not in plain


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_console_shows_certificates_whole(language: Any) -> None:
    found = printed(text.certificates(view.build([made.placed()]), language))
    assert "…" not in found
    assert "SampleNpuExecutionProvider" in found
    assert "620 MMAC" in found
    assert ("verified on hardware" if language == "en" else "실제 하드웨어에서 검증함") in found
    assert "npc 3.2" in found
