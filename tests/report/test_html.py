"""The page: self-contained, escaped, both languages, every fault case renders."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.evidence import Origin
from npubench.lang import Text
from npubench.report import charts, html, svg, view
from npubench.schema import (
    AbsentBackend,
    FailureKind,
    InputFacts,
    Note,
    Quality,
    Run,
    Score,
    Spread,
    UnsupportedCell,
    parse,
)
from npubench.spi import Device, EnvironmentFacts
from npubench.stats.trend import Trend
from tests.report import certificates, exhibited, powered, sample
from tests.report.test_trend import of

GOLDEN = Path(__file__).parents[1] / "golden"
VOID = {"meta", "link", "input", "br"}
EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u202egnp\u2066\x00\x1b[31mred\x9b" + "A" * 10_000
)


class Page(HTMLParser):
    """Balanced tags, ids, attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.counts: dict[str, int] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> Page:
    """Every promise that any page keeps."""
    found = Page(page)
    assert found.counts["script"] == 2  # the code, and the data, which is none
    assert found.counts["style"] == 1
    assert "img" not in found.counts
    assert len(found.ids) == len(set(found.ids))
    for tag, key, value in found.attributes:
        assert key != "style", tag
        assert not key.startswith("on"), (tag, key)
        if key in ("href", "src"):
            assert value.startswith(("#", "data:,")), (tag, value)
            if value.startswith("#"):
                assert value[1:] in found.ids
        if key == "aria-labelledby":
            assert set(value.split()) <= set(found.ids), value
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "\x00" not in page
    assert "\x1b" not in page
    page.encode("utf-8")
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert style is not None
    assert script is not None
    policy = next(value for _, key, value in found.attributes if key == "content" and "default-src" in value)
    assert policy == html.policy(style[1], script[1])
    return found


def rendered(files: view.RunFiles, language: Any = "en") -> str:
    return html.render(view.build([files]), language)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_realistic_run(language: Any) -> None:
    page = rendered(sample.realistic(), language)
    found = checked(page)
    assert f'<html lang="{language}">' in page
    assert found.counts["figure"] == 6
    assert re.search(rf'id="lang-{language}" checked', page)
    assert page.count('class="en" lang="en"') == page.count('class="ko" lang="ko"')
    assert len(page.encode()) < 3_000_000


@pytest.mark.parametrize(
    "files",
    [
        sample.nothing(),
        sample.only_nulls(),
        sample.one(1),
        sample.one(),
        sample.many(300),
        sample.files([], [], {}),
        certificates.placed(),
        msgspec.structs.replace(sample.one(), samples=lambda _: None),
    ],
    ids=["no-valid-cell", "only-nulls", "one-sample", "one-cell", "300-cells", "no-cell", "placed", "missing-samples"],
)
def test_fault_cases_render(files: view.RunFiles) -> None:
    checked(rendered(files, "ko"))


def test_whatever_is_drawn_has_an_id_of_its_own() -> None:
    """One cell with a meter that was read, nights before, pictures, and a mix that it was part of."""
    files = sample.with_cell(sample.one(), mix="m")
    (cell,) = files.run.cells
    line = of(24e6, 24e6, 24e6, id=cell.id, model=cell.model)
    past = Trend(machine="m", nights=3, first=line.nights[0].created, last=line.nights[-1].created, cells=(line,))
    crowded = msgspec.structs.replace(
        files, history=past, readings=lambda _: powered.readings("cpu"), exhibits=(exhibited.frames(),)
    )
    assert {"r1-t1", "r1-h1", "r1-x1", "r1-mix1"} <= set(checked(rendered(crowded, "ko")).ids)


def test_two_pictures_of_one_id_are_refused() -> None:
    once = view.build([sample.one()])
    with pytest.raises(ValueError, match="r1-f1"):
        html.render(msgspec.structs.replace(once, runs=once.runs * 2), "en")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("run-*.json")), ids=lambda path: path.stem)
def test_golden_documents_still_make_a_page(path: Path) -> None:
    run = parse(path.read_bytes(), Run, path.name)
    checked(rendered(view.RunFiles(run=run, launches={}, samples=lambda _: None), "ko"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_certificates_on_the_page(language: Any) -> None:
    page = rendered(certificates.placed(), language)
    found = checked(page)
    assert page.count('<details class="sheet certificate"') == len(certificates.EACH)
    assert page.count('<svg class="bar"') > len(certificates.EACH)
    assert "SampleNpuExecutionProvider" in page
    assert "Simulated: an emulator" in page
    assert found.counts["rect"] > 20


def test_no_runs_at_all() -> None:
    checked(html.render(view.build([]), "en"))


def test_several_runs_on_one_page() -> None:
    checked(html.render(view.build([sample.one(), sample.realistic("smoke")]), "ko"))


def hostile() -> view.RunFiles:
    """A run all of whose free texts are hostile."""
    evil = Text(en=EVIL, ko=EVIL)
    cell = sample.planned("cctv-detect", "cpu", EVIL, EVIL, EVIL)
    other = sample.planned(EVIL, EVIL, "offline", "device")
    found = sample.samples(1e6, 700, seed=1)
    source = sample.files(
        [cell, other],
        [
            sample.launched(cell, 1, found, EVIL, reasons=(evil,)),
            sample.failed(
                other, 1, FailureKind.RAISED, message=EVIL, phase=EVIL, signal=EVIL, hint=EVIL, stderr=(EVIL, EVIL)
            ),
        ],
        {f"{cell.id}-1": found},
        machine=sample.machine(
            name=EVIL, cpu=EVIL, governor=EVIL, os=EVIL, versions={EVIL: EVIL}, busy_processes=(EVIL,), container=EVIL
        ),
        models={"cctv-detect": {"title": {"en": EVIL, "ko": EVIL}}, EVIL: {"graphs": {EVIL: {"sha256": EVIL}}}},
        backends={"cpu": {"title": {"en": EVIL}, "verified": {"how": "hardware", "on": EVIL}}},
        notes=(Note(code=EVIL, text=evil),),
        absent=(AbsentBackend(backend=EVIL, title=evil, reason=EVIL, fix=evil, device_type=EVIL),),
        unsupported=(UnsupportedCell(model=EVIL, backend=EVIL, precision=EVIL, reason=evil),),
        inputs={"cctv-detect": InputFacts(source=EVIL, sha256=EVIL, files=3)},
        command=(EVIL,),
        suite=EVIL,
    )
    source = sample.with_cell(
        source,
        placement_reason=EVIL,
        certificate=certificates.assisted(
            EVIL,
            EVIL,
            variant=EVIL,
            execution_kind=EVIL,
            requested=EVIL,
            registered=(EVIL,),
            device_type=EVIL,
            devices=(Device(id=EVIL, type=EVIL, vendor=EVIL, name=EVIL),),
            versions={EVIL: EVIL},
            nodes={EVIL: 1, "x": 2},
            fallback_ops={EVIL: 3},
            macs={EVIL: 1, "x": 1},
            strict_reason=EVIL,
            sources=(EVIL,),
            flags=(evil,),
            reasons=(evil,),
            origin=Origin(compiled_by=EVIL, compiler=EVIL, quantiser=EVIL, sha256={EVIL: EVIL}),
        ),
        quality=Quality(
            model=EVIL,
            precision=EVIL,
            variant=EVIL,
            backend=EVIL,
            verdict="failed",
            scores=(Score(metric=EVIL, value=0.5, reference=0.6, floor=0.7, passed=False, reason=EVIL),),
            reasons=(Text(en=EVIL, ko=EVIL),),
        ),
        energy={EVIL: Spread(median=None, launches=(None,), reason=EVIL), "x": Spread(median=1, launches=(1,))},
        options={EVIL: {EVIL: EVIL}, "x": {"y": [EVIL]}},
    )
    environment = EnvironmentFacts(python=EVIL, packages={EVIL: EVIL}, libraries={EVIL: EVIL})
    run = msgspec.structs.replace(
        source.run, varying={EVIL: EVIL, f"cpu.{EVIL}": EVIL}, environments={"cpu": environment}
    )
    return msgspec.structs.replace(source, run=run)


def test_hostile_texts_are_escaped_bounded_and_visible() -> None:
    page = rendered(hostile())
    checked(page)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{7*7}}" in page
    assert "⟨U+202E⟩" in page
    assert len(page.encode()) < 1_000_000


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_have_the_contrast_that_wcag_asks_for() -> None:
    css = (html.FOLDER / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    schemes = [dict(re.findall(r"--(\w[\w-]*): (#\w{6})", block)) for block in blocks]
    assert len(schemes) == 3  # light, dark, paper
    for scheme in schemes:
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "link"):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
        assert contrast(scheme["ink"], scheme["hair"]) >= 4.5
        for tone in ("good", "warn", "bad", "plain"):
            assert contrast(scheme[tone], scheme[f"{tone}-bg"]) >= 4.5, tone
        for index in range(len(charts.PALETTE)):
            assert contrast(scheme[f"c{index}"], scheme["card"]) >= 3, index


def test_charts_carry_no_style_no_foreign_element_and_text_in_both_languages() -> None:
    (figure,) = view.build([sample.one()]).runs[0].figures
    assert figure.chart is not None
    drawn = charts.latency_chart(figure.chart, "f1")
    assert set(re.findall(r"<(\w+)", drawn)) <= {
        "svg",
        "g",
        "path",
        "line",
        "rect",
        "text",
        "tspan",
        "clipPath",
        "defs",
    }
    assert "style=" not in drawn
    assert '<text text-anchor="middle"' in drawn
    assert 'lang="ko">요청 하나의 지연 시간</text>' in drawn
    assert "p99" in drawn
    assert 'aria-labelledby="f1-t"' in drawn


def test_the_svg_sanitiser_drops_what_the_page_must_not_hold() -> None:
    dirty = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="x()"><script>x()</script><style>*{}</style>'
        '<g clip-path="url(#c)"><path d="M0,0" style="stroke:red;behavior:url(x)" onclick="x()"/></g>'
        '<rect fill="url(https://example.invalid/x)" width="1" height="1"/><image href="http://x"/>'
        '<clipPath id="c"><rect width="1" height="1"/></clipPath><a href="x"><text>t</text></a></svg>'
    )
    assert svg.inline(dirty, "p", {}, {}) == (
        '<svg viewBox="0 0 1 1"><g clip-path="url(#p-i0)"><path d="M0,0" stroke="red" /></g>'
        '<rect width="1" height="1" /><clipPath id="p-i0"><rect width="1" height="1" /></clipPath></svg>'
    )
    with pytest.raises(ValueError, match="no SVG"):
        svg.inline("<svg", "p", {}, {})
