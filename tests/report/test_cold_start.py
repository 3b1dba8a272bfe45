"""What a cell costs before it is warm."""

from __future__ import annotations

import msgspec

from npubench.report import view
from tests.report import sample


def test_the_way_to_a_warm_cell_has_its_parts_in_order_and_their_medians() -> None:
    sheet = view.build([sample.realistic()]).runs[0].sheets[0]
    assert sheet.cold is not None
    parts = [(stage.title.en, stage.time) for stage in sheet.cold.stages]
    assert parts == [
        ("loading the model", "310 ms"),
        ("first inference", "55.0 ms"),
        ("warm-up until steady", "2.00 s"),
    ]
    assert "came 365 ms after" in sheet.cold.sentence.en
    assert "2.29 times as long as a warm one (p50 24.0 ms)" in sheet.cold.sentence.en
    assert "2회의 중앙값" in sheet.cold.sentence.ko
    widths = [width for _, width, _ in sheet.cold.parts]
    assert 98 < sum(widths) <= 100


def test_a_latency_that_holds_waiting_or_many_tokens_is_not_compared_with_the_first_inference() -> None:
    sheets = view.build([sample.realistic()]).runs[0].sheets
    offline = next(sheet for sheet in sheets if "all at once" in sheet.title.en)
    tokens = next(sheet for sheet in sheets if "llm-chat" in sheet.title.en and "one at a time" in sheet.title.en)
    for sheet in (offline, tokens):
        assert sheet.cold is not None
        assert "times as long" not in sheet.cold.sentence.en


def test_what_nobody_timed_is_not_there() -> None:
    for source in (sample.only_nulls(), sample.nothing()):
        assert all(sheet.cold is None for sheet in view.build([source]).runs[0].sheets)
    source = sample.one()
    without = msgspec.structs.replace(source, launches={})
    (sheet,) = view.build([without]).runs[0].sheets
    assert sheet.cold is not None
    assert [stage.title.en for stage in sheet.cold.stages] == ["loading the model", "first inference"]
