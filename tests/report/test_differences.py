"""What two readers found differently: every finding once, words by character, pages line by line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from npubench.exhibits import Finding
from npubench.report.differences import bounds, compare, page, pieces


def box(label: str, x: float, y: float, width: float = 40, height: float = 20) -> Finding:
    return Finding(label=label, place=(x, y, x + width, y + height))


def quad(label: str, x: float, y: float, tilt: float = 0.0) -> Finding:
    y += tilt * x
    return Finding(label=label, place=(x, y, x + 40, y + tilt * 40, x + 40, y + 20 + tilt * 40, x, y + 20))


def test_the_four_kinds_of_difference() -> None:
    reference = [box("car", 0, 0), box("bus", 100, 0), box("person", 200, 0)]
    found = [box("car", 1, 1), box("truck", 101, 0), box("bicycle", 300, 0)]
    got = compare(found, reference)
    assert [(a.label, b.label) for a, b in got.same] == [("car", "car")]
    assert [(a.label, b.label) for a, b in got.changed] == [("bus", "truck")]
    assert [item.label for item in got.missing] == ["person"]
    assert [item.label for item in got.new] == ["bicycle"]
    assert not got.none


def test_where_two_boxes_lie_over_each_other_the_same_label_is_preferred() -> None:
    rider, cycle = box("person", 0, 0), box("motorcycle", 0, 2)
    got = compare([cycle, rider], [rider, cycle])
    assert got.none
    assert len(got.same) == 2


findings = st.lists(
    st.builds(
        box,
        st.sampled_from(["car", "bus", "가", ""]),
        st.floats(0, 200),
        st.floats(0, 200),
        st.floats(0, 60),
        st.floats(0, 60),
    ),
    max_size=12,
)


@given(findings, findings)
def test_every_finding_of_either_side_occurs_once(found: list[Finding], reference: list[Finding]) -> None:
    got = compare(found, reference)
    theirs = [a for a, _ in (*got.same, *got.changed)] + list(got.missing)
    ours = [b for _, b in (*got.same, *got.changed)] + list(got.new)
    assert sorted(theirs, key=repr) == sorted(reference, key=repr)
    assert sorted(ours, key=repr) == sorted(found, key=repr)
    assert all(a.label == b.label for a, b in got.same)
    assert all(a.label != b.label for a, b in got.changed)


def test_a_place_that_is_neither_a_box_nor_four_corners_is_left_out() -> None:
    odd = Finding(label="car", place=(1.0, 2.0, 3.0))
    assert compare([odd], [odd]).none


@given(st.text(max_size=12), st.text(max_size=12))
def test_pieces_give_both_texts_again(reference: str, found: str) -> None:
    parts = pieces(reference, found)
    assert "".join(part.text for part in parts if part.state != "added") == reference
    assert "".join(part.text for part in parts if part.state != "gone") == found


def test_pieces_name_the_characters() -> None:
    assert [(part.text, part.state) for part in pieces("협의회", "협외회")] == [
        ("협", "same"),
        ("의", "gone"),
        ("외", "added"),
        ("회", "same"),
    ]


def test_a_tilted_page_is_read_line_by_line() -> None:
    """A scan's slope carries the end of a line further down than its next line begins."""
    words = [quad(f"{line}{place}", 60 * place, 30 * line, tilt=0.04) for line in range(6) for place in range(16)]
    lines = page(compare(words, words))
    said = ["".join(piece.text for word in line for piece in word.pieces) for line in lines]
    assert said == ["".join(f"{line}{place}" for place in range(16)) for line in range(6)]


def test_a_page_has_missing_and_new_words_in_their_places() -> None:
    reference = [quad("가", 0, 0), quad("나", 60, 0), quad("다", 120, 0)]
    found = [quad("가", 0, 0), quad("라", 120, 0), quad("마", 180, 0)]
    (line,) = page(compare(found, reference))
    assert [[(piece.text, piece.state) for piece in word.pieces] for word in line] == [
        [("가", "same")],
        [("나", "gone")],
        [("다", "gone"), ("라", "added")],
        [("마", "added")],
    ]


def test_nothing_is_a_page_too() -> None:
    assert page(compare([], [])) == ()
    assert bounds(quad("가", 0, 0)) == (0, 0, 40, 20)
