"""The console tables: 80 columns, both languages, nothing of a driver's output is taken for markup."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from npubench.lang import Text
from npubench.report import text, view
from tests.report import sample
from tests.report.test_html import hostile


def printed(files: view.RunFiles, language: Any = "en", **options: Any) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, color_system=None, **options)
    for part in text.run_table(view.build([files]), language, "results/sample/run"):
        console.print(part)
    return stream.getvalue()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_realistic_run_in_80_columns(language: Any) -> None:
    found = printed(sample.realistic(), language)
    assert "…" not in found
    assert "cctv-detect fp32" in found
    assert ("256 frames/s" if language == "en" else "256 프레임/s") in found
    assert "pip install onnxruntime-gpu" in found
    assert found.rstrip().endswith("results/sample/run")


def test_failures_show_reason_and_last_lines() -> None:
    found = printed(sample.nothing())
    assert "The process crashed" in found
    assert "| Segmentation fault" in found
    assert "→ reset the device" in found
    assert "(1) no launch finished" in found


def test_square_brackets_of_others_are_no_markup() -> None:
    found = printed(sample.with_cell(sample.nothing(), failures=(), reasons=(Text(en="[red]x[/red]", ko="x"),)))
    assert "[red]x[/red]" in found


def test_hostile_texts_leave_no_control_characters() -> None:
    found = printed(hostile(), "ko")
    assert not any(ord(char) < 32 and char != "\n" for char in found)
