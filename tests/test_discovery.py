"""Cards and code are found, and every mistake names its places."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench.discovery import catalogue, code, names, pick
from npubench.errors import CardError, UnknownNameError
from tests.support import write_backend


def test_the_built_in_cards_are_sound() -> None:
    found = catalogue()
    assert {"cpu", "null"} <= set(found.backends)
    assert {"cctv-detect", "ocr-korean", "llm-chat-135m", "overhead-floor"} <= set(found.models)


def test_two_cards_with_one_id_name_both_places(tmp_path: Path) -> None:
    folder = write_backend(tmp_path, "cpu")
    with pytest.raises(CardError) as caught:
        catalogue([folder])
    text = str(caught.value)
    assert str(folder / "backends" / "cpu.toml") in text
    assert "is already the backend card" in text
    assert text.count("cpu.toml") == 2


def test_mistakes_of_several_cards_come_together(tmp_path: Path) -> None:
    write_backend(tmp_path, "one")
    write_backend(tmp_path, "two")
    for name in ("one", "two"):
        path = tmp_path / "backends" / f"{name}.toml"
        path.write_text(path.read_text().replace('adapter = "null"', 'adapter = "nul"'))
    with pytest.raises(CardError) as caught:
        catalogue([tmp_path])
    assert len(caught.value.mistakes) == 2
    assert 'no adapter "nul" (did you mean "null"?)' in str(caught.value)


def test_a_cards_folder_without_cards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no card found"):
        catalogue([tmp_path])
    with pytest.raises(CardError, match="expects a folder"):
        catalogue([tmp_path / "absent"])


def test_a_wrong_name_suggests_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match=r'no model "cctv-detekt" \(did you mean "cctv-detect"\?\)'):
        pick(catalogue().models, "cctv-detekt", "model")
    with pytest.raises(UnknownNameError, match="did you mean"):
        code("workloads", "detectoin")


def test_our_own_code_is_found_through_entry_points() -> None:
    assert names("adapters")["null"] == "npubench.adapters.null:NullAdapter"
    assert {"detection", "ocr", "llm", "tensor"} <= set(names("workloads"))
