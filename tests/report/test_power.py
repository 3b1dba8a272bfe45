"""Power in the report: scopes stay apart, every figure names its own, and what is unknown says why."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from npubench.energy import EnergyLedger, PowerEvent, Window
from npubench.lang import Language, Text
from npubench.report import html, text, timeline, traces, view
from npubench.report.power_words import figure
from npubench.report.shown import RunView
from npubench.report.shown_power import Timeline
from npubench.report.timeline_chart import timeline_chart
from npubench.spi import Channel
from npubench.stats import cell_energy
from npubench.stats.readings import OK, RECORD, Readings
from npubench.units import UNKNOWN
from tests.report import powered, sample

FILES = powered.powered()
DARK = powered.powered(dark=True)


@pytest.fixture(scope="module")
def lit() -> RunView:
    return view.build([FILES]).runs[0]


@pytest.fixture(scope="module")
def dark() -> RunView:
    return view.build([DARK]).runs[0]


def hot(run: RunView) -> Timeline:
    (found,) = [sheet.timeline for sheet in run.sheets if sheet.timeline is not None and sheet.timeline.moments]
    return found


def test_a_table_holds_one_scope_and_one_service(lit: RunView) -> None:
    assert [scope.title.en for scope in lit.power.scopes] == [
        "card", "processor package", "whole machine", "wall socket",
    ]  # fmt: skip
    by_scope = {scope.title.en: scope for scope in lit.power.scopes}
    assert {row.backend.id for panel in by_scope["card"].panels for row in panel.rows} == {"sample-npu"}
    assert {row.backend.id for panel in by_scope["processor package"].panels for row in panel.rows} == {"cpu"}
    assert {row.backend.id for panel in by_scope["whole machine"].panels for row in panel.rows} == {"cpu", "sample-npu"}
    for scope in lit.power.scopes:
        for panel in scope.panels:
            assert len({row.model.id for row in panel.rows}) == 1
            assert all(len(row.numbers) == len(panel.columns) == len(panel.keys) for row in panel.rows)


def test_the_same_load_on_several_backends_stands_together(lit: RunView) -> None:
    (node,) = [scope for scope in lit.power.scopes if scope.title.en == "whole machine"]
    cctv = node.panels[0]
    assert [row.written for row in cctv.rows[0::2]] == [row.written for row in cctv.rows[1::2]]
    assert {row.backend.id for row in cctv.rows[0:2]} == {"cpu", "sample-npu"}


def test_the_services_name_the_scope_of_their_energy(lit: RunView) -> None:
    energy = [
        [column.en for column in service.panels[0].columns if column.en.startswith("Energy")]
        for service in lit.services
    ]
    # Both backends were read as a whole machine, so that this alone stands in the tables that put them side by side;
    # it was too slow for the language model.
    assert energy == [["Energy, whole machine"], ["Energy, whole machine"], ["Energy, wall socket", "Energy, card"]]
    cctv = lit.services[0].panels[0]
    # Beside the number that leads.
    assert [column.en for column in cctv.columns].index("Energy, whole machine") == cctv.leading
    number = cctv.rows[1].numbers[cctv.leading]
    assert number.unit == Text(en="cameras/W", ko="카메라/W")
    assert number.said is not None
    assert "cameras at" in number.said.en


def test_without_a_meter_every_place_says_unavailable_and_why(dark: RunView) -> None:
    assert dark.power.missing is not None
    assert "not readable" in dark.power.missing.en
    for service in dark.services:
        for panel in service.panels:
            assert panel.columns[panel.leading].en == "Energy"
            for row in panel.rows:
                number = row.numbers[panel.leading]
                assert number.text == UNKNOWN
                assert number.said == Text(en="unavailable", ko="확인 불가")
                assert panel.notes[number.note - 1] == dark.power.missing
    (meter,) = dark.power.meters
    assert "libnvidia-ml.so.1" in meter.said.en
    assert "→" in meter.said.en


def test_gross_idle_and_net_are_three_numbers_of_each_channel(lit: RunView) -> None:
    sheet = next(sheet for sheet in lit.sheets if "sample-npu" in sheet.title.en and "5 fps" in sheet.title.en)
    assert sheet.energy is not None
    first, log, *_ = sheet.energy.parts
    assert first.title.en == "Launch 1 · a window of 30.0 s · 410 requests"
    assert "pdu.csv" in log.title.en
    assert "−2.980 s ± 0.080 s" in log.title.en
    names = {row.name: row for row in first.rows if not row.total}
    card = names[powered.CARD.name]
    assert card.gross.said is not None
    assert card.gross.said.en.startswith("± ")
    assert len({card.gross.text, card.idle.text, card.net.text}) == 3
    assert "sensor's average" in card.where.en
    assert powered.NPU in card.where.en
    assert card.said is not None
    assert "lag" in card.said.en
    package = names[powered.PACKAGE.name]
    assert package.said is not None
    assert "not of the device under test" in package.said.en
    assert names[powered.NODE.name].readings == Text(en="292, 8 bad", ko="292, 불량 8")
    assert [row.title.en for row in first.rows if row.total] == [
        "Device under test: card", "Device under test: whole machine",
    ]  # fmt: skip


def test_a_log_has_a_part_of_its_own_whoever_added_it_to_the_launch(lit: RunView) -> None:
    launches = {name: cell_energy.attached(launch, FILES.run.logs) for name, launch in FILES.launches.items()}
    again = view.build([msgspec.structs.replace(FILES, launches=launches)]).runs[0]
    assert [sheet.energy for sheet in again.sheets] == [sheet.energy for sheet in lit.sheets]


def test_a_channel_that_was_too_slow_says_what_it_needs(lit: RunView) -> None:
    sheet = next(sheet for sheet in lit.sheets if "llm" in sheet.title.en and sheet.energy is not None)
    assert sheet.energy is not None
    node = next(row for row in sheet.energy.parts[0].rows if row.name == powered.NODE.name)
    assert node.gross.text == UNKNOWN
    assert node.said is not None
    assert "take a window of 40 s or more" in node.said.en


def test_where_each_channel_was_read_and_whose_it_is(lit: RunView) -> None:
    whose = {row.name: row.whose.en for row in lit.power.sources}
    assert whose[powered.CARD.name] == "counted for sample-npu"
    assert whose[powered.PACKAGE.name] == "counted for cpu"
    assert whose[powered.HEAT.name] == "shown on the time line"
    assert {row.meter for row in lit.power.sources} >= {"rapl", "npu-smi", "redfish", "pdu"}


def test_drift_a_dead_meter_and_a_log_are_remarked(lit: RunView) -> None:
    said = " ".join(remark.en for remark in lit.power.remarks)
    assert "redfish.chassis-1" in said
    assert "401 Unauthorized" in said
    assert "aligned by a pulse of load" in said


def test_the_cost_of_measuring_is_in_the_method() -> None:
    method = {term.key: term.meaning for term in view.build([FILES]).method}
    assert "rapl 0.210 %" in method["metering"].en
    assert "−0.16 % to +0.37 %" in method["metering"].en
    assert "energy" not in {term.key for term in view.build([sample.one()]).method}


def test_power_of_two_scopes_shares_no_axis_and_begins_at_zero(lit: RunView) -> None:
    line = hot(lit)
    assert [track.title.en for track in line.tracks] == ["W, card", "W, whole machine", "temperature, °C", "clock, MHz"]
    for track in line.tracks[:2]:
        assert track.y_domain[0] == 0
        assert len(track.traces) == 1
    # Not of the device under test: an accelerator's launch does not show the host's package.
    assert powered.PACKAGE.name not in {row.name for row in line.rows}


def test_a_line_breaks_where_nothing_was_read(lit: RunView) -> None:
    node = hot(lit).tracks[1].traces[0]
    assert len(node.pieces) == 2


def test_what_slowed_a_device_is_told_from_what_did_not(lit: RunView) -> None:
    line = hot(lit)
    slowed = {moment.number for moment in line.moments if moment.slowed}
    assert [moment.what.en for moment in line.moments if moment.slowed] == ["held back: heat"]
    assert {span.number for span in line.spans if span.slowed} == slowed
    assert [lane.en for lane in line.lanes] == ["held back", "clock", "power limit"]
    assert line.title.en == "Launch 2 of 2, second by second"


def _walk(element: ElementTree.Element) -> list[str]:
    return [str(found.tag) for found in element.iter()]


def test_the_picture_is_inert_and_names_no_channel(lit: RunView) -> None:
    picture = timeline_chart(hot(lit))
    root = ElementTree.fromstring(picture)
    assert set(_walk(root)) <= {"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "clipPath", "defs"}
    assert powered.CARD.name not in picture
    for words in ("W, card", "W, 카드", "측정 구간", "held back", "제한됨"):
        assert words in picture


def test_a_hostile_channel_name_stays_text() -> None:
    evil = '"><script>alert(1)</script>'
    channel = msgspec.structs.replace(powered.CARD, name=evil, source=evil)
    meter = msgspec.structs.replace(powered.METERS[1], channels=(channel,))
    run = msgspec.structs.replace(FILES.run, meters=(meter,))
    page = html.render(view.build([msgspec.structs.replace(FILES, run=run, readings=lambda _: None)]), "en")
    assert "<script>alert" not in page
    assert page.count("<script>") == 1


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("files", [FILES, DARK], ids=["lit", "dark"])
def test_the_console_has_80_columns(files: view.RunFiles, language: Language) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    for part in text.run_table(view.build([files]), language):
        console.print(part)
    said = out.getvalue()
    assert ("Power and energy" if language == "en" else "전력과 에너지") in said
    if files is FILES:
        assert ("whole machine" if language == "en" else "장비 전체") in said
    else:
        assert ("unavailable" if language == "en" else "확인 불가") in said


@pytest.mark.parametrize("files", [FILES, DARK], ids=["lit", "dark"])
def test_both_languages_say_something_everywhere(files: view.RunFiles) -> None:
    page = html.render(view.build([files]), "ko")
    assert not re.search(r'<span class="(en|ko)" lang="(en|ko)"></span>', page)


def test_figures_read_well() -> None:
    assert figure("tokens_per_j", 31.0).unit == Text(en="tokens/J", ko="토큰/J")
    assert figure("energy_per_frame_j", 0.00123).text == "1.23 mJ"


@given(
    st.lists(st.floats(0, 1e4, allow_nan=False), min_size=1, max_size=900),
    st.integers(1, 120),
)
def test_thinning_keeps_the_ends_and_the_extremes(values: list[float], slices: int) -> None:
    times, found = np.arange(len(values), dtype=np.float64), np.array(values)
    kept = traces.thinned(times, found, max(float(times[-1]), 1e-9), slices)
    assert kept[0] == (0.0, values[0])
    assert kept[-1] == (times[-1], values[-1])
    assert min(y for _, y in kept) == min(values)
    assert max(y for _, y in kept) == max(values)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert len(kept) <= max(2 * slices + 2, len(values) if len(values) <= 2 * slices else 0)


@given(st.floats(-50, 1e5), st.floats(1e-3, 1e5), st.integers(2, 12))
def test_ticks_are_round_and_inside(low: float, span: float, most: int) -> None:
    found = traces.ticks(low, low + span, most)
    assert len(found) <= 2 * most + 1
    assert all(low - 1e-6 * span <= value <= low + span + 1e-6 * span for value, _ in found)


def counter(values: list[float], wraps_at: float | None = None) -> Readings:
    channel = Channel(
        name="c", unit="J", scope="package", kind="counter", quantity="energy", source="s", wraps_at=wraps_at
    )
    table = np.zeros(len(values), RECORD)
    table["before_ns"] = table["after_ns"] = sample.START_NS + np.arange(len(values)) * 1_000_000_000
    table["value"] = values
    return Readings((channel,), (OK,), table)


def line_of(readings: Readings) -> Timeline:
    window = Window(start_ns=sample.START_NS, end_ns=sample.START_NS + 10_000_000_000)
    launch = next(iter(FILES.launches.values()))
    launch = msgspec.structs.replace(launch, energy=EnergyLedger(window=window), window=window)
    found = timeline.timeline("t", Text(en="t", ko="t"), launch, readings, None)
    assert found is not None
    return found


def test_a_counter_is_drawn_as_power_over_its_wrap() -> None:
    track = line_of(counter([80, 90, 0, 10, 20, 30], wraps_at=100)).tracks[0]
    values = {round(value, 6) for trace in track.traces for piece in trace.pieces for _, value in piece}
    assert values == {10.0}


def test_a_counter_that_goes_back_is_not_drawn_as_power() -> None:
    track = line_of(counter([80, 90, 5, 15, 25, 35])).tracks[0]
    values = [value for trace in track.traces for piece in trace.pieces for _, value in piece]
    assert min(values) >= 0


def test_nothing_but_faults_is_no_time_line() -> None:
    readings = counter([1.0, 2.0, 3.0])
    broken = msgspec.structs.replace(readings, statuses=(OK, "N/A"), table=readings.table.copy())
    broken.table["status"] = 1
    broken.table["value"] = np.nan
    launch = next(iter(FILES.launches.values()))
    assert timeline.timeline("t", Text(en="t", ko="t"), launch, broken, None) is None


def test_an_event_of_no_length_is_drawn() -> None:
    at = Window(start_ns=sample.START_NS, end_ns=sample.START_NS)
    event = PowerEvent(device="x", what="limit", low=40, high=60, window=at)
    window = Window(start_ns=sample.START_NS, end_ns=sample.START_NS + 10_000_000_000)
    launch = msgspec.structs.replace(
        next(iter(FILES.launches.values())), energy=EnergyLedger(window=window, events=(event,)), window=window
    )
    found = timeline.timeline("t", Text(en="t", ko="t"), launch, counter([1.0, 2.0, 3.0, 4.0]), None)
    assert found is not None
    assert found.moments[0].values == "40.0 W – 60.0 W"
    assert "<svg" in timeline_chart(found)
