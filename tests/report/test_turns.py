"""What is said of two builds: one sentence per cell and metric, in both languages, whatever others called things."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from npubench.lang import Language
from npubench.report.turns import lines
from npubench.stats.compared import Comparison
from npubench.stats.paired import compare_sides
from tests.stats.test_paired import DRIFT, sided


def said(found: Comparison, spoken: Language = "en") -> list[tuple[str, str]]:
    return list(lines(found, spoken))


def found(factors: Sequence[float], **changes: object) -> Comparison:
    return compare_sides(sided(DRIFT, [value * by for value, by in zip(DRIFT, factors, strict=True)], **changes))


def test_a_slowdown_comes_first_and_says_how_much_of_what() -> None:
    told = said(found((1.041, 1.043, 1.042, 1.0425, 1.0415)))
    kind, text = told[0]
    assert kind == "regressed"
    assert text == (
        "B is 4.2 % slower than A (latency p50, cctv-detect fp32 cpu single-stream device), 99 % interval 4.0 to 4.4 %"
    )
    # A rate falls: as a share of itself by a little less.
    assert any("B is 4.0 % slower than A (frames per second" in text for _, text in told)
    assert any(text.startswith("5 rounds, detects +") for _, text in told)


def test_the_same_in_korean() -> None:
    text = said(found((1.041, 1.043, 1.042, 1.0425, 1.0415)), "ko")[0][1]
    assert text.startswith("B가 A보다 4.2 % 느림 (")
    assert "99 % 구간 4.0~4.4 %" in text


@pytest.mark.parametrize(
    ("factors", "first", "each"),
    [
        ((0.8, 0.801, 0.799, 0.8, 0.8), "B is not slower than A in any metric", "faster than A"),
        ((1.0, 1.001, 0.999, 1.0, 1.0), "B is not slower than A in any metric", "as fast as A within 2.0 %"),
        ((1.0, 1.2, 0.8, 1.1, 0.9), "nothing can be said of A and B yet", "undecided between A and B"),
    ],
)
def test_other_outcomes_are_said_calmly(factors: tuple[float, ...], first: str, each: str) -> None:
    told = said(found(factors))
    assert told[0] == ("head", first)
    assert any(each in text for _, text in told)


def test_names_of_others_stay_text() -> None:
    hostile = "x\x1b[31m\n::error::<b>|[red]🙂"
    told = found((1.1, 1.1, 1.1, 1.1, 1.1), model=hostile)
    for spoken in ("en", "ko"):
        for _, text in said(told, spoken):  # type: ignore[arg-type]
            assert "\x1b" not in text
            assert "\n" not in text


def test_what_was_not_compared_is_said() -> None:
    run = sided(DRIFT, DRIFT)
    broken = msgspec.structs.replace(run.cells[1], verdict="invalid")
    told = said(compare_sides(msgspec.structs.replace(run, cells=(run.cells[0], broken))))
    assert any(kind == "invalid" and "single-stream device: invalid" in text for kind, text in told)
