"""Conformance as tables: counts add up, foreign text is harmless, what is not passed has its reason."""

from __future__ import annotations

from npubench.conformance import OUTCOMES, Check, Conformance, Tried
from npubench.lang import Text
from npubench.report import conformance as words
from npubench.spi import EnvironmentFacts


def row(operator: str, outcome: str, name: str = "test_x", **more: object) -> Tried:
    return Tried(name=name, operator=operator, outcome=outcome, **more)  # type: ignore[arg-type]


def document(*rows: Tried, device_type: str = "npu", **more: object) -> Conformance:
    facts = {
        "backend": "npu",
        "title": Text(en="An NPU", ko="어떤 NPU"),
        "provider": "Npu",
        "date": "2026-11-25T00:00:00Z",
    }
    facts |= {
        "npubench": "0.1",
        "onnx": "1.23",
        "versions": {"runtime": "3", "npubench-worker": "0.1"},
        "python": "3.11",
    }
    return Conformance(device_type=device_type, operators=rows, **facts, **more)  # type: ignore[arg-type]


def test_a_rows_counts_add_up_to_its_tests_and_near_is_part_of_wrong() -> None:
    rows = [row("Conv", outcome) for outcome in OUTCOMES] + [row("Conv", "wrong", error=0.004), row("Abs", "passed")]
    (abs_, conv) = words.operator_rows(rows)
    assert abs_[:3] == ("Abs", "1", "1")
    head = [title.en for title in words.HEAD]
    counts = {name: int(value or 0) for name, value in zip(head[1:], conv[1:], strict=True)}
    assert counts.pop("tests") == len(OUTCOMES) + 1
    assert counts.pop("near") == 1
    assert sum(counts.values()) == len(OUTCOMES) + 1
    assert counts["crash"] == 2  # a hang is one


def test_passed_whole_means_every_test_that_could_be_asked() -> None:
    rows = [
        row("A", "passed"),
        row("A", "not applicable"),
        row("B", "passed"),
        row("B", "wrong"),
        row("C", "not applicable"),
    ]
    assert words.whole(rows) == ["A"]


def test_every_verdict_outcome_and_check_has_words() -> None:
    assert set(words.OUTCOMES) == set(OUTCOMES)
    seen = Text(en="e", ko="k")
    rows = words.check_rows([Check(id="memory", verdict="violated", seen=seen)], "ko")
    assert rows == [("추론 1,000회 동안의 메모리", "위반", "k")]


def test_the_page_groups_tests_by_reason_and_keeps_foreign_text_harmless() -> None:
    reason = "no | kernel <b>for\x1b[31m it"
    found = document(
        row("A", "unsupported", "test_a", reason=reason),
        row("A", "unsupported", "test_b", reason=reason),
        row("A", "wrong", "test_c", reason="y: differs", error=0.001),
        row("A", "passed", "test_d_expanded", expanded=True, placed=True),
    )
    page = words.markdown(found)
    assert "- no \\| kernel &lt;b>for it: `a`, `b`" in page
    assert "| **total** | 3 |  | 1 | 1 |" in page
    assert "## Written out as functions" in page
    assert "near: 1 of the wrong results" in page


def test_an_accelerator_without_evidence_is_said_to_have_none() -> None:
    def said(found: Conformance) -> str:
        return " ".join(text.en for text in words.remarks(found))

    assert "nothing says where they ran" in said(document(row("A", "passed")))
    assert "nothing says" not in said(document(row("A", "passed", placed=True)))
    assert "nothing says" not in said(document(row("A", "passed"), device_type="cpu"))


def test_newer_opsets_are_counted_and_processes_that_ended_badly_named() -> None:
    newer = "Fail: ONNX Runtime only *guarantees* support for …. Opset 28 is under development and support is limited"
    found = document(row("A", "unsupported", reason=newer), row("A", "unsupported"), exits=("ended by SIGSEGV",))
    texts = [text.en for text in words.remarks(found)]
    assert texts[0].startswith("1 of the unsupported tests are written in a version")
    assert texts[-1] == "1 processes did not end well after their last answer: ended by SIGSEGV."


def test_versions_are_the_runtimes_and_its_plug_ins() -> None:
    packages = {"runtime": "3", "runtime-npu": "2.7", "unrelated": "1"}
    found = document(row("A", "passed"), environment=EnvironmentFacts(python="3.11", packages=packages))
    assert "runtime 3, runtime-npu 2.7; Python 3.11" in words.head_lines(found)[0].en
