"""Quality records in words."""

from __future__ import annotations

import msgspec

from npubench.lang import Text
from npubench.report.quality import facts, headline, line, number, remarks, table
from npubench.schema import Quality, Score, UnsupportedCell
from npubench.units import UNKNOWN
from tests.report import sample


def record(**changes: object) -> Quality:
    made = Quality(
        model="cctv-detect",
        precision="fp32",
        variant="portable",
        backend="cpu",
        verdict="failed",
        scores=(
            Score(metric="map50", value=0.8, reference=0.9, floor=0.891, passed=False),
            Score(metric="map50_95", value=0.5, reference=0.6),
            Score(metric="sqnr_db", value=12.0, floor=10.0, passed=True),
            Score(metric="repeat_db", value=150.0, floor=10.0, passed=True),
        ),
        reasons=(Text(en="quality: mAP50 80.0 % is below", ko="품질: mAP50 80.0 %"),),
        inputs=48,
        available=512,
        fidelity_inputs=8,
        drawn=True,
    )
    return msgspec.structs.replace(made, **changes)


def test_a_line_names_the_figure_that_decides_and_how_many_inputs_it_is_of() -> None:
    assert line(record()).en == "failed: mAP50 80.0 % (48 of 512 inputs)"
    assert line(record(available=0)).en == "failed: mAP50 80.0 % (48 inputs)"
    assert "48" in line(record()).ko
    assert headline(record(scores=())) is None
    assert line(record(scores=())).en == "failed: quality: mAP50 80.0 % is below"


def test_every_score_is_a_fact_with_its_floor_and_the_reference() -> None:
    shown = {fact.name.en: fact.value for fact in facts(record()) if isinstance(fact.value, Text)}
    assert "drew" in shown["Quality"].en
    assert shown["Quality: mAP50"].en == "80.0 %; fp32 reference 90.0 %; at least 89.1 %: failed"
    assert shown["Quality: mAP50-95"].en == "50.0 %; fp32 reference 60.0 %"


def test_an_unknown_figure_is_a_dash_with_its_reason() -> None:
    cell = sample.with_cell(sample.one(), quality=record(verdict="unknown", scores=())).run.cells[0]
    shown, why = number(cell)
    assert shown.text == UNKNOWN
    assert why is not None
    known, none = number(sample.with_cell(sample.one(), quality=record()).run.cells[0])
    assert (known.text, none) == ("80.0 %", None)


def test_the_table_has_a_line_for_each_figure_that_decides() -> None:
    run = sample.with_cell(sample.one(), quality=record(), model="cctv-detect", precision="fp32").run
    lacking = UnsupportedCell(model="cctv-detect", backend="cpu", precision="bf16", reason=Text(en="no", ko="없음"))
    run = msgspec.structs.replace(run, unsupported=(lacking,))
    first, second, third = table(run)
    assert first[:6] == ("cctv-detect", "fp32", "mAP50", "80.0 %", "≥ 89.1 %", "failed")
    assert second[:5] == ("", "", "SQNR", "12.0 dB", "≥ 10.0 dB")
    assert third[:2] == ("cctv-detect", "bf16")
    assert third[5] == "unsupported"
    said = [text.en for text in remarks(run)]
    assert said[0] == "cctv-detect bf16: no"
    assert said[1].startswith("cctv-detect fp32: quality: mAP50")
    assert "we drew" in said[2]
