"""The workbook, read back by openpyxl: numbers, names of sheets, hostile texts, charts, the same bytes each time."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.lang import Text
from npubench.metrics import METRICS, QUALITY
from npubench.report import view, xlsx
from npubench.report.xlsx import names
from npubench.report.xlsx.book import created
from npubench.report.xlsx.heads import Item, kind_of
from npubench.report.xlsx.llm import concurrency
from npubench.report.xlsx.parts import Chart, Column, Figure, Head, bars, decimals, table
from npubench.scenarios import Scenario, parse
from npubench.schema import Spread
from npubench.stats.compare import compare
from tests.report import gridded, hall, loaded, powered, sample
from tests.report.office import read
from tests.report.test_html import EVIL, hostile

SERVICE = "CCTV monitoring · Whole service"
HANGUL = re.compile("[가-힣]")
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


@pytest.fixture(scope="module")
def night() -> Any:
    return hall.hall()


@pytest.fixture(scope="module")
def two(night: Any) -> bytes:
    return read.made(list(night))


def test_every_number_is_the_run_document_s(night: Any) -> None:
    """At full precision, in the unit that the head names; nothing is read back from a text."""
    npu = night[0]
    sheet = read.workbook(read.made([npu]))["npu-node-1"]
    found = {}
    for title in ("CCTV monitoring", "Reading documents (OCR)", "Language model"):
        found.update({row["Cell id"]: row for row in read.table(sheet, f"{title} · Whole service")})
    measured = [cell for cell in npu.run.cells if cell.purpose == "measure"]
    assert found.keys() == {cell.id for cell in measured}
    seen = 0
    for cell in measured:
        row = found[cell.id]
        for key, head, factor in (
            ("latency_p50_ns", "Latency p50 (ms)", 1e-6),
            ("frames_per_s", "Frames per second (frames/s)", 1.0),
            ("peak_rss_bytes", "Peak memory (MiB)", 1 / (1 << 20)),
            ("sample_count", "Samples", 1.0),
        ):
            if key not in cell.summary:
                continue
            median = cell.summary[key].median
            if median is None or cell.verdict == "invalid":
                assert row[head] is None
                assert row["Why cells are empty"]
                continue
            assert row[head] == pytest.approx(median * factor, rel=1e-15)
            seen += 1
    assert seen > 40


def test_services_by_the_buyer_s_units(night: Any) -> None:
    npu = night[0]
    book = read.workbook(read.made([npu]))
    first = {row["Backend"]: row for row in reversed(read.table(book["CCTV"], SERVICE))}
    row = first["sample-npu"]
    cell = next(c for c in npu.run.cells if c.backend == "sample-npu" and c.scenario.params.get("fps") == 15)
    assert [row[f"Cameras at {fps} fps (cameras)"] for fps in (5, 15, 30)] == [42, 14, 7]
    assert row["mAP50 (%)"] == 0.912
    assert row["Arithmetic on the device (%)"] == 1
    per_watt = cell.efficiency["node"]["cameras_per_w"].median
    assert row["Cameras per watt at 15 fps, whole machine"] == pytest.approx(per_watt, rel=1e-15)
    assert row["Frames per second sustained (frames/s)"] == pytest.approx(cell.capacity.sustained_per_s, rel=1e-15)
    pages = {row["Configuration"]: row for row in read.table(book["OCR"], "Reading documents (OCR) · Whole")}
    good, wrong = pages["Sample NP-1 (NPU) · fp32"], pages["Sample NP-1 (NPU) · int8"]
    assert good["CER of whole pages (%)"] == pytest.approx(0.038)
    cell = next(
        c for c in npu.run.cells if c.backend == "sample-npu" and c.scenario.name == "server" and c.unit == "page"
    )
    joules = cell.efficiency["node"]["energy_per_page_j"].median
    assert good["Pages per kWh, whole machine"] == pytest.approx(3.6e6 / joules, rel=1e-15)
    # What is no result has no speed, but the figure that condemned it.
    assert wrong["Verdict"] == "invalid"
    assert wrong["Latency p99, one at a time (ms)"] is None
    assert wrong["CER of whole pages (%)"] == pytest.approx(0.389)
    assert "invalid, so not a result" in wrong["Why cells are empty"]


def test_a_tuned_cell_stands_at_the_concurrency_that_was_chosen() -> None:
    (scenario,) = parse("offline:batch=8")
    files = sample.with_cell(sample.one(), scenario=scenario, tuning=loaded.tuning())
    (cell,) = files.run.cells
    item = Item(run=files.run, cell=cell, said={}, launches={})
    assert concurrency(item) == 16 * 2 * 2
    assert concurrency(item._replace(cell=msgspec.structs.replace(cell, tuning=None))) == 8


def test_the_grid_has_k_perf_s_axes() -> None:
    data = read.made([gridded.grid()])
    book = read.workbook(data)
    every = read.rows(book["LLM grid"])
    at = next(n for n, row in enumerate(every) if str(row[0]).startswith("Tokens per second (tokens/s)"))
    assert every[at + 1][:3] == ["Input → output tokens", "Concurrency", "Sample NPU (test data) · fp16"]
    body = every[at + 2 : at + 2 + 12]
    assert [row[0] for row in body if row[0]] == ["128 → 128", "1,024 → 128", "1,024 → 1,024"]
    assert [row[1] for row in body] == [1, 4, 16, 64] * 3
    cells = {tuple(cell.key.values()): cell for cell in gridded.grid().run.cells}
    found = next(
        c for c in cells.values()
        if (c.backend, c.precision) == ("sample-gpu", "int8")
        and c.scenario.params == {"in": 1024, "out": 128, "users": 16}
    )  # fmt: skip
    assert body[6][5] == pytest.approx(found.summary["tokens_per_s"].median, rel=1e-15)
    # The point that failed is empty, and the list of cells says why.
    assert body[11][2] is None
    failed = [row for row in read.table(book["LLM"], "Language model") if row["Verdict"] == "invalid"]
    assert len(failed) == 0
    lost = read.table(book["sample-node-7"], "Gave no result · Whole service")
    assert len(lost) == 1
    assert "=cmd" in lost[0]["Why this verdict, and what to know"]
    assert len(book["LLM grid"]._charts) == 5


def test_charts_begin_at_zero_and_say_what_they_show(two: bytes) -> None:
    charts = [
        ElementTree.fromstring(data) for name, data in read.parts(two).items() if name.startswith("xl/charts/chart")
    ]
    assert len(charts) >= 6
    for chart in charts:
        (axis,) = chart.iter(f"{CHART}valAx")
        (scaling,) = axis.iter(f"{CHART}min")
        assert scaling.get("val") == "0"
        titles = ["".join(text.itertext()) for text in chart.iter(f"{CHART}title")]
        assert len(titles) == 3, "the chart, and both axes"
        assert all(titles)
        assert not list(chart.iter(f"{CHART}externalData"))


def test_kinds_and_scopes_have_tables_of_their_own() -> None:
    files = sample.realistic(backends=("cpu", "sample-npu", "sample-sim"))
    every = xlsx.sheets(view.build([files]), [files])
    known = {cell.id: cell for cell in files.run.cells}
    own = next(sheet for sheet in every if sheet.name.en == "sample-node-7")
    seen = set()
    for found in own.tables[:-1]:
        at = next(n for n, column in enumerate(found.columns) if column.title.en == "Cell id")
        kinds = {kind_of(known[row[at]]) for row in found.rows}
        assert len(kinds) == 1
        (kind,) = kinds
        assert found.title == kind.title
        seen.add(kind)
    assert {kind.kind for kind in seen} == {"hardware", "simulated", None}
    cctv = next(sheet for sheet in every if sheet.name.en == "CCTV")
    for found in cctv.tables:
        simulated = {"sim" in str(row[3]) for row in found.rows}
        assert simulated == {"Simulated" in found.title.en}


def test_unlike_devices_share_no_chart_of_a_card(night: Any) -> None:
    files = list(night)
    energy = next(s for s in xlsx.sheets(view.build(files), files) if s.name.en == "Energy")
    of_card = [found for found in energy.tables if found.title.en.startswith("Metered: card")]
    of_node = [found for found in energy.tables if found.title.en.startswith("Metered: whole machine")]
    assert of_card
    assert not any(found.bars for found in of_card)
    assert all(found.bars for found in of_node)


def test_a_run_of_hostile_texts(night: Any) -> None:
    data = read.made([hostile()])
    parts = read.parts(data)
    shared = parts["xl/sharedStrings.xml"].decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\u202e]", shared)
    book = read.workbook(data)
    for sheet in book:
        assert len(sheet.title) <= 31
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", cell.coordinate
                assert not isinstance(cell.value, str) or len(cell.value) <= 32_767
                assert cell.hyperlink is None or cell.hyperlink.target is None
    assert not any("externalLink" in name or name.endswith("vbaProject.bin") for name in parts)


@pytest.mark.parametrize(
    "start", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/c calc'!A1", "＝1", "{=1}", "http://x.example/"]
)
def test_what_looks_like_a_formula_is_text(start: str) -> None:
    files = sample.one()
    evil = msgspec.structs.replace(files.run.cells[0], backend=start, reasons=(Text(en=start, ko=start),))
    run = msgspec.structs.replace(files.run, cells=(evil,), machine=sample.machine(name=start))
    files = msgspec.structs.replace(files, run=run)
    data = read.made([files])
    sheet = read.workbook(data)[names.fit(start)]
    found = [cell for row in sheet.iter_rows() for cell in row if cell.value == start]
    assert found
    assert {cell.data_type for cell in found} == {"s"}
    assert b"<f>" not in b"".join(read.parts(data).values())
    if start[0] in "=+-@＝":
        # Typed again it stays text.
        assert all(cell.quotePrefix for cell in found)


def test_sheets_of_machines_with_impossible_names() -> None:
    bad = ["a/b\\c:d*e?[f]", "A/B\\C:D*E?[F]", "x" * 40, "'quoted'", "", "History", "CCTV", "요약" * 20, "x" * 40]
    runs = []
    for n, name in enumerate(bad):
        files = sample.one()
        run = msgspec.structs.replace(files.run, machine=sample.machine(name=name), id=f"20261124T010203Z-{n:06x}")
        runs.append(msgspec.structs.replace(files, run=run))
    titles = read.workbook(read.made(runs)).sheetnames
    assert len({title.casefold() for title in titles}) == len(titles)
    assert {"a b c d e f", "A B C D E F (2)", "quoted", "sheet", "History (2)", "CCTV (2)"} <= set(titles)
    assert len([title for title in titles if title.startswith("xxxx")]) == 2


@given(st.lists(st.text(max_size=60), max_size=12))
def test_names_are_fit_and_unique(texts: list[str]) -> None:
    found = list(names.unique(texts))
    assert len({name.casefold() for name in found}) == len(texts)
    for name in found:
        assert 1 <= names.units(name) <= 31
        assert not re.search(r"[\[\]:*?/\\\x00-\x1f]", name)
        assert not name.startswith("'")
        assert not name.endswith("'")
        assert name.casefold() != "history"


@pytest.mark.parametrize(
    "files",
    [sample.nothing(), sample.only_nulls(), sample.one(1), sample.one(), loaded.services(), powered.powered(dark=True)],
    ids=["no valid cell", "only nulls", "one sample", "one cell", "searched", "no meter"],
)
def test_every_kind_of_run(files: Any) -> None:
    for language in ("en", "ko"):
        data = read.made([files], language)
        read.parts(data)
        assert read.workbook(data).sheetnames


def test_nothing_but_nulls_says_why() -> None:
    sheet = read.workbook(read.made([sample.only_nulls()]))["sample-node-7"]
    text = "\n".join(str(cell) for row in read.rows(sheet) for cell in row if cell is not None)
    assert "Left out, because no row has a value: Latency p50 (ms): no request was completed" in text
    assert "0" not in [cell for row in read.rows(sheet) for cell in row if isinstance(cell, float)]


def test_no_cell_at_all() -> None:
    files = sample.one()
    files = msgspec.structs.replace(files, run=msgspec.structs.replace(files.run, cells=()))
    book = read.workbook(read.made([files]))
    assert "No cell was measured." in [row[0] for row in read.rows(book["sample-node-7"])]
    assert "Nothing could be ranked." in [row[0] for row in read.rows(book["Ranking"])]


@pytest.mark.slow
def test_two_thousand_cells() -> None:
    files = sample.many(2000)
    sheet = read.workbook(read.made([files]))["sample-node-7"]
    assert len(read.table(sheet, "Other models · Device only")) == 2000


def test_infinity_is_no_number() -> None:
    cell = sample.with_cell(sample.one(), summary={"frames_per_s": Spread(median=float("inf"), launches=(1.0,))})
    sheet = read.workbook(read.made([cell]))["sample-node-7"]
    text = "\n".join(str(value) for row in read.rows(sheet) for value in row if value is not None)
    assert "Frames per second (frames/s): not a finite number" in text


def test_the_same_run_gives_the_same_bytes(two: bytes, night: Any) -> None:
    assert read.made(list(night)) == two


def test_one_language_in_a_file(two: bytes, night: Any) -> None:
    own = {"ko", "en"}
    for language in own:
        book = read.workbook(read.made([gridded.grid()], language))  # type: ignore[arg-type]
        heads = [str(value) for sheet in book for row in read.rows(sheet)[:1] for value in row if value]
        assert any(HANGUL.search(head) for head in heads) == (language == "ko")
    english = "\n".join(data.decode() for name, data in read.parts(two).items() if name.endswith("sharedStrings.xml"))
    assert not HANGUL.search(english)
    assert read.workbook(read.made([sample.one()], "ko")).sheetnames[0] == "요약"


def test_places_and_intervals(night: Any) -> None:
    book = read.workbook(read.made(list(night)))
    first = read.table(book["Ranking"], "cctv-detect · one at a time")
    assert [row["Entry"] for row in first][:2] == ["sample-gpu · gpu-node-2", "sample-npu · npu-node-1"]
    assert [row["Place"] for row in first] == [1, 2, 3, 3]
    for row in first:
        head = "Latency p50, 99 % {} (ms)"
        assert row[head.format("low")] < row["Latency p50 (ms)"] < row[head.format("high")]
    left = read.rows(book["Not ranked"])
    assert any("61.1 %" in str(row[1]) for row in left)


def test_changes_against_a_baseline() -> None:
    base, new = hall.night(number=20), hall.night(number=21, factor=1.2)
    found = compare(base.run, new.run)
    book = read.workbook(read.made([msgspec.structs.replace(new, changes=found)]))
    rows = read.table(book["Changes"], "Run on real hardware · Whole service")
    first = rows[0]
    assert first["Verdict"] == "regressed"
    assert 0.15 < first["Change (%)"] < 0.25
    assert first["Unit"] == "ms"
    assert first["99 % low (%)"] < first["Change (%)"] < first["99 % high (%)"]


def test_every_metric_is_explained() -> None:
    book = read.workbook(read.made([sample.one()]))
    text = [row[0] for row in read.rows(book["Glossary"])]
    for item in (*METRICS.values(), *QUALITY.values()):
        assert item.title.en in text


def test_it_prints_on_a4(two: bytes) -> None:
    book = read.workbook(two)
    assert book.properties.creator == "npubench"
    assert str(book.properties.created).startswith("2026-11-24 01:02:03")
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.page_setup.paperSize == 9
        assert sheet.freeze_panes is not None
    assert book["CCTV"].tables
    assert book["CCTV"].print_title_rows


def test_dates_of_runs() -> None:
    assert created("2026-11-24T01:02:03Z").hour == 1
    assert created("yesterday") == created("")


def test_decimals_show_three_digits() -> None:
    assert [decimals(values) for values in ([0.01234], [1.5, 2.5], [123.0], [], [0.0], [1e-9])] == [4, 2, 0, 0, 0, 6]


def test_columns_without_a_value_are_named() -> None:
    why = Text(en="because", ko="이유")
    head = Head(Column(title=Text(en="A", ko="A")), lambda item: Figure(None, why))
    other = Head(Column(title=Text(en="B", ko="B")), lambda item: Figure(item, why))
    found = table(why, [head, other], [1.0, None])
    assert [column.title.en for column in found.columns] == ["B", "Why cells are empty"]
    assert found.rows == ((1.0, None), (None, Text(en="B: because", ko="B: 이유")))
    assert found.notes[0].en == "Left out, because no row has a value: A: because"


def test_one_number_makes_no_chart() -> None:
    chart = Chart(Text(en="t", ko="t"), Text(en="s", ko="s"))
    head = Head(Column(title=Text(en="B", ko="B"), chart=chart), lambda item: Figure(item))
    name = Text(en="n", ko="n")
    assert not bars(table(name, [head], [1.0, None]), [(0, 2, name)], (0, 0), name).bars
    (found,) = bars(table(name, [head], [1.0, None, 2.0, None]), [(0, 4, name)], (0, 0), name).bars
    assert found.rows == (0, 3)


def test_lengths_of_a_request_from_a_card() -> None:
    from npubench.report.xlsx.llm import lengths

    files = sample.one()
    card = {"params": {"prompt_tokens": 128, "new_tokens": 32}}
    run = msgspec.structs.replace(files.run, models={"m": card})
    assert lengths(run, "m", Scenario(name="single-stream")) == (128, 32)
    assert lengths(run, "m", Scenario(name="users", params={"in": 9, "out": 7})) == (9, 7)
    assert lengths(run, "m", Scenario(name="users", params={"traffic": EVIL, "in": 9})) == (9, None)
    assert lengths(run, "other", Scenario(name="users")) == (None, None)
