"""Pictures that a process of its own draws: the same ones, and the page is made without it as well."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from npubench.report import charts, html, painter, view
from npubench.report.drawing import Drawing
from tests.report import sample


@pytest.fixture(scope="module")
def process() -> Iterator[painter.Painter]:
    found = painter.Painter()
    yield found
    found.close()


def picture(x: float) -> dict[str, Any]:
    scale = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
    return {"data": {"values": [{"x": x, "y": 1 / 3}, {"x": 7, "y": 2}]}, "mark": "line", "encoding": scale}


def test_the_same_pictures(process: painter.Painter) -> None:
    for x in (0.1 + 0.2, 1e-17, 5):
        assert process.paint(picture(x)) == painter.convert(picture(x))


def test_what_it_cannot_draw_is_drawn_here_and_says_so(process: painter.Painter) -> None:
    assert process.paint({"mark": "no such mark"}) is None
    assert process.paint(picture(1)) is not None
    with Drawing() as drawing:
        drawing.begin([("f", lambda: charts.drawn({"mark": "no such mark"}, "f", ()))])
        with pytest.raises(ValueError, match="conversion failed"):
            drawing.picture("f")


def test_it_finds_modules_where_its_owner_does_and_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vl_convert.py").write_text("def vegalite_to_svg(spec): return 'foreign'")
    (tmp_path / "msgspec.py").write_text("raise SystemExit('foreign')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    found = painter.Painter()
    painted = found.paint(picture(1))
    found.close()
    assert painted is not None
    assert "<svg" in painted


def test_one_that_died_is_done_without() -> None:
    with Drawing(early=True) as drawing:
        apart = drawing._painter
        if apart is None:
            pytest.skip("one processor")
        os.kill(apart._process.pid, signal.SIGKILL)
        drawing.begin([("f", lambda: painter.convert(picture(1)))])
        assert drawing.picture("f") == painter.convert(picture(1))
    assert apart._process.returncode == -signal.SIGKILL


def test_a_page_that_is_given_up_waits_for_no_picture() -> None:
    with Drawing(early=True) as drawing:
        if drawing._painter is None:
            pytest.skip("one processor")
        drawing.begin([("f", lambda: painter.convert(picture(1))), ("g", lambda: painter.convert(picture(2)))])
    for key in ("f", "g"):
        with pytest.raises((RuntimeError, CancelledError)):
            drawing.picture(key)


def test_a_page_that_is_drawn_while_it_is_put_together() -> None:
    files = sample.one()
    early: list[str] = []
    with Drawing(early=True) as drawing:

        def begin(part: object) -> None:
            pictures = list(html.pictures_of(part))
            early.extend(key for key, _ in pictures)
            drawing.begin(pictures)

        shown = view.build([files], begin)
        page = html.render(shown, "en", drawing=drawing)
    assert early
    assert page == html.render(view.build([files]), "en")


def test_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert painter.painter() is None
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert painter.painter() is None
