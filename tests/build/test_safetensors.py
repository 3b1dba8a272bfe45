"""A header is believed only when every byte is where it says."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.build import safetensors
from npubench.errors import DataError
from tests.build.made_checkpoints import safetensors_bytes


def file_of(path: Path, header: Any, data: int = 0) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(data))
    return path


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


BAD = {
    "a gap": ({"a": entry(0, 8, [2]), "b": entry(12, 16, [1])}, 16, "b: leaves a gap"),
    "an overlap": ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12, "b: overlaps"),
    "a rest": ({"a": entry(0, 8, [2])}, 12, "4 bytes behind the last tensor"),
    "a cut": ({"a": entry(0, 16, [4])}, 12, "a: data_offsets"),
    "turned offsets": ({"a": entry(8, 0, [2])}, 8, "a: data_offsets"),
    "a size that lies": ({"a": entry(0, 8, [3])}, 8, "a: F32 \\[3\\] needs 12 bytes"),
    "an overflowing size": ({"a": entry(0, 8, [1 << 62, 4])}, 8, "needs 7378"),
    "negative offsets": ({"a": entry(-8, 0, [2])}, 8, "a: data_offsets"),
    "a negative size": ({"a": entry(0, 8, [-2])}, 8, "a: shape"),
    "a fraction": ({"a": {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}}, 8, "a: shape"),
    "a strange type": ({"a": entry(0, 8, [2], "Q4")}, 8, "a: unknown type 'Q4'"),
    "no table": ({"a": [1, 2]}, 8, "a: expected a table"),
    "too many keys": ({"a": {**entry(0, 8, [2]), "code": "x"}}, 8, "a: expected a table"),
    "a list": ([1], 0, "no table of tensors"),
    "a name twice": (b'{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "a": 1}', 4, "'a' twice"),
    "no JSON": (b"\xff\xfe{", 0, "not JSON"),
    "deep nesting": (b"[" * 100_000, 0, "not JSON"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_a_header_that_lies(case: str, tmp_path: Path) -> None:
    header, data, expected = BAD[case]
    with pytest.raises(DataError, match=expected) as caught:
        safetensors.read(file_of(tmp_path / "x.safetensors", header, data))
    assert "x.safetensors" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\x01\x00", b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_a_header_longer_than_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="bytes long, but the file has"):
        safetensors.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.safetensors: cannot be read"):
        safetensors.read(tmp_path / "x.safetensors")


def test_a_type_that_is_no_weight(tmp_path: Path) -> None:
    file = safetensors.read(file_of(tmp_path / "x.safetensors", {"a": entry(0, 16, [2], "I64")}, 16))
    with pytest.raises(DataError, match="a: type I64; expected F32, F16, BF16"):
        list(safetensors.values(file, "a"))


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("turned", [False, True])
def test_values_in_both_directions(dtype: str, turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "CHUNK_VALUES", 7)
    wanted = (np.arange(30, dtype=np.float32) / 4 - 3).reshape(6, 5)
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes({"z": np.ones(3, np.float32), "a": wanted}, dtype))
    found = np.concatenate(list(safetensors.values(safetensors.read(path), "a", turned)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (wanted.T if turned else wanted).reshape(-1))


def test_our_own_header_is_read_back(tmp_path: Path) -> None:
    head = safetensors.header([("a", (2, 3)), ("b", (4,))], {"format": "pt"})
    path = tmp_path / "x.safetensors"
    path.write_bytes(head + bytes(40))
    found = safetensors.read(path)
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {"a": (2, 3), "b": (4,)}
    assert len(head) % 8 == 0


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
SIZES = st.lists(st.integers(0, 4), max_size=3)


@given(st.dictionaries(NAMES.filter(lambda name: name != "__metadata__"), SIZES, max_size=5))
@settings(deadline=None)
def test_what_holds_true_is_read(wanted: dict[str, list[int]]) -> None:
    path = PATH / "true.safetensors"
    path.write_bytes(safetensors_bytes({name: np.zeros(shape, np.float32) for name, shape in wanted.items()}))
    assert {name: list(t.shape) for name, t in safetensors.read(path).tensors.items()} == wanted


ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F64", "?", 3, None]),
        "shape": st.one_of(st.lists(st.integers(-1, 5), max_size=3), st.none()),
        "data_offsets": st.one_of(st.lists(st.integers(-4, 60), max_size=3), st.text(max_size=2)),
    }
)
HEADERS = st.one_of(
    st.binary(max_size=64), st.dictionaries(NAMES, ENTRY, max_size=4).map(lambda t: json.dumps(t).encode())
)


@given(HEADERS, st.integers(0, 64), st.integers(-2, 2))
@settings(deadline=None)
def test_whatever_it_holds_it_is_read_or_refused_by_name(header: bytes, data: int, off: int) -> None:
    """And what is read lies inside the file, without overlap."""
    path = PATH / "any.safetensors"
    path.write_bytes(max(0, len(header) + off).to_bytes(8, "little") + header + bytes(data))
    try:
        found = safetensors.read(path)
    except DataError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert str(path) in said
        return
    size = path.stat().st_size
    spans = sorted((t.offset, t.offset + t.count * safetensors._BYTES[t.dtype]) for t in found.tensors.values())
    assert all(0 <= begin <= end <= size for begin, end in spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global PATH
    PATH = tmp_path_factory.mktemp("safetensors")


PATH = Path()
