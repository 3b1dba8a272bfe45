"""Seeded weights are the same bytes everywhere; tables and arrays that do not fit are named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench.build import weights
from npubench.build.weights import Channels, Stored, Tensor, Uniform
from npubench.errors import ArtifactError


def tensor(init: weights.Init, shape: tuple[int, ...] = (4, 3), name: str = "t") -> Tensor:
    return Tensor(name=name, shape=shape, offset=0, init=init)


def test_golden_values() -> None:
    # Written down once: a change here changes every model's weights.
    drawn = weights.whole(tensor(Uniform(gain=1.0), (5,)), "seed", {})
    integers = (drawn * 65536).astype(int).tolist()
    raw = np.random.PCG64(int.from_bytes(hashlib.sha256(b"seed:t").digest(), "big")).random_raw(2)
    shorts = [(int(word) >> shift) & 0xFFFF for word in raw for shift in (0, 16, 32, 48)][:5]
    assert integers == [2 * short - 65535 for short in shorts]
    assert integers == [-59023, 3909, -58727, -64721, 18729]


def test_uniform_is_centred_and_spans_the_gain() -> None:
    drawn = weights.whole(tensor(Uniform(gain=0.5), (100_000,)), "seed", {})
    assert drawn.dtype == np.float32
    assert abs(float(drawn.mean())) < 0.005
    assert 0.499 < float(np.abs(drawn).max()) < 0.5
    assert abs(float(drawn.std()) - 0.5 / np.sqrt(3)) < 0.003


def test_names_and_seeds_give_other_values() -> None:
    one, two, three = (
        weights.whole(tensor(Uniform(gain=1.0), name=name), seed, {})
        for name, seed in (("a", "s"), ("b", "s"), ("a", "t"))
    )
    assert (one != two).all()
    assert (one != three).all()


def test_offset_is_added_exactly() -> None:
    plain = weights.whole(tensor(Uniform(gain=0.125)), "s", {}).astype(np.float64)
    moved = weights.whole(tensor(Uniform(gain=0.125, offset=1.0)), "s", {}).astype(np.float64)
    assert (moved - plain == 1.0).all()


def test_chunks_do_not_change_values(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"c": np.arange(1, 8, dtype=np.float16)}
    tensors = [tensor(Uniform(gain=1.0), (7, 11)), tensor(Channels(scale="c"), (7, 11))]
    before = [weights.whole(item, "s", arrays) for item in tensors]
    monkeypatch.setattr(weights, "CHUNK_VALUES", 8)
    for item, expected in zip(tensors, before, strict=True):
        assert (weights.whole(item, "s", arrays) == expected).all()


def test_channels_scale_the_first_dimension() -> None:
    scale = np.array([1, 2, 0.5, 0], np.float16)
    plain = weights.whole(tensor(Uniform(gain=1.0)), "s", {})
    assert (weights.whole(tensor(Channels(scale="c")), "s", {"c": scale}) == plain * scale[:, None]).all()


def test_stored_is_the_array() -> None:
    array = np.linspace(-1, 1, 12, dtype=np.float16).reshape(4, 3)
    assert (weights.whole(tensor(Stored(array="a")), "s", {"a": array}) == array).all()


@pytest.mark.parametrize("init", [Stored(array="a"), Channels(scale="a")])
@pytest.mark.parametrize("array", [np.zeros((5, 3), np.float16), np.zeros((4, 3), np.float64)])
def test_an_array_that_does_not_fit(init: weights.Init, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a: found float"):
        weights.whole(tensor(init), "s", {"a": array})


def test_stream_puts_tensors_at_their_offsets() -> None:
    table = weights.lay_out(
        [("a", (3,), Uniform(gain=1.0)), ("b", (2000,), Uniform(gain=1.0)), ("c", (1,), Uniform(gain=2.0))]
    )
    assert [item.offset for item in table.tensors] == [0, 4096, 3 * 4096]
    content = b"".join(weights.stream(table, "s", {}))
    assert len(content) == table.bytes == 3 * 4096 + 4
    for item in table.tensors:
        found = np.frombuffer(content, "<f4", item.count, item.offset)
        assert (found == weights.whole(item, "s", {}).reshape(-1)).all()
    assert not any(content[12:4096])


def test_a_table_survives_writing(tmp_path: Path) -> None:
    table = weights.lay_out(
        [("a", (3, 4), Channels(scale="x")), ("b", (), Stored(array="y")), ("c", (2,), Uniform(gain=0.1))]
    )
    path = tmp_path / "t.json"
    path.write_bytes(weights.dump_table(table))
    assert weights.load_table(path) == table


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.update(bytes=1), "bytes: found 1"),
        (lambda t: t["tensors"][1].update(offset=4), "tensors.b: overlaps"),
        (lambda t: t["tensors"][1].update(offset=1 << 60), "tensors.b: overlaps"),
        (lambda t: t["tensors"][1].update(shape=[-1]), "tensors.b: overlaps"),
        (lambda t: t["tensors"][0]["init"].update(rule="normal"), "normal"),
        (lambda t: t["tensors"][0].update(colour=1), "colour"),
        (lambda t: t.update(schema="npubench.weights/9"), "npubench.weights/9"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, change: object, expected: str) -> None:
    table = weights.lay_out([("a", (3,), Uniform(gain=1.0)), ("b", (3,), Uniform(gain=1.0))])
    document = msgspec.json.decode(weights.dump_table(table))
    assert callable(change)
    change(document)
    path = tmp_path / "bad.json"
    path.write_bytes(msgspec.json.encode(document))
    with pytest.raises(ArtifactError, match=expected) as caught:
        weights.load_table(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"schema"'])
def test_no_table_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        weights.load_table(path)
    with pytest.raises(ArtifactError):
        weights.load_table(tmp_path / "absent.json")


def test_damaged_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(100.0))
    content = path.read_bytes()
    for damaged in (b"", content[:50], content[:-30], b"PK" + content[40:], content[:60] + b"\0" * 40 + content[100:]):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"a\.npz"):
            weights.load_arrays(path)
    np.savez(path, a=np.array([{"pickled": 1}], dtype=object))
    with pytest.raises(ArtifactError):
        weights.load_arrays(path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        weights.load_arrays(tmp_path / "absent.npz")
    assert weights.load_arrays(None) == {}
