from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from npubench.build import weights
from npubench.build.materialise import WEIGHTS_FILE, materialise
from npubench.build.own_vision import MOST_NAMED, card_with_weights
from npubench.build.tensor_files import read_tensors
from npubench.cards import ModelCard
from npubench.discovery import catalogue
from npubench.errors import DataError, UsageError

Arrays = dict[str, npt.NDArray[np.float32]]


def room_of(name: str) -> tuple[ModelCard, Path]:
    found = catalogue().models[name]
    return found.card, found.path.parent


def made_weights(name: str, role: str, seed: int = 1) -> Arrays:
    card, room = room_of(name)
    spec = card.graphs[role].weights
    assert spec is not None
    rng = np.random.default_rng(seed)
    table = weights.load_table(room / spec.table)
    return {tensor.name: rng.standard_normal(tensor.shape).astype(np.float32) for tensor in table.tensors}


def save_safetensors(path: Path, arrays: Arrays, dtype: str = "F32") -> Path:
    header, data = {}, b""
    for name, values in arrays.items():
        if dtype == "BF16":
            raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            raw = values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("kind", ["npz", "F32", "F16", "BF16"])
def test_the_detector_with_the_users_weights(tmp_path: Path, kind: str) -> None:
    card, room = room_of("cctv-detect")
    arrays = made_weights("cctv-detect", "detector")
    if kind == "npz":
        path = tmp_path / "City 7.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        path = save_safetensors(tmp_path / "City 7.safetensors", arrays, kind)
    own = card_with_weights(card, room, str(path), tmp_path / "cache")
    assert own.card.id == "cctv-detect-own-city-7"
    assert "City 7" in own.card.title.en
    assert own.card.graphs["detector"].weights != card.graphs["detector"].weights
    assert own.notes == ()
    artifacts = materialise(own.card, Path(own.room), tmp_path / "cache")
    content = (Path(artifacts["detector"].path).parent / WEIGHTS_FILE).read_bytes()
    spec = card.graphs["detector"].weights
    assert spec is not None
    for tensor in weights.load_table(room / spec.table).tensors[:5]:
        found = np.frombuffer(content[tensor.offset : tensor.end], "<f4").reshape(tensor.shape)
        expected = arrays[tensor.name]
        assert found == pytest.approx(expected, rel={"F16": 1e-3, "BF16": 1e-2}.get(kind, 0), abs=1e-6)
    again = card_with_weights(card, room, str(path), tmp_path / "other")
    assert again.card == own.card
    changed = dict(arrays, **{"stem.bias": arrays["stem.bias"] + 1})
    other = card_with_weights(
        card, room, str(save_safetensors(tmp_path / "City 7.safetensors", changed)), tmp_path / "cache"
    )
    assert other.card.graphs != own.card.graphs
    assert other.room != own.room


def test_the_role_is_found_by_the_names_or_said(tmp_path: Path) -> None:
    card, room = room_of("ocr-korean")
    path = save_safetensors(tmp_path / "r.safetensors", made_weights("ocr-korean", "line_recogniser"))
    for given in (str(path), f"line_recogniser={path}"):
        own = card_with_weights(card, room, given, tmp_path / "cache")
        assert own.card.graphs["text_detector"].weights == card.graphs["text_detector"].weights
        assert own.card.graphs["line_recogniser"].weights != card.graphs["line_recogniser"].weights
        assert "text_detector" in own.notes[0]
        assert set(materialise(own.card, Path(own.room), tmp_path / "cache")) == {"text_detector", "line_recogniser"}
    other = save_safetensors(tmp_path / "d.safetensors", made_weights("ocr-korean", "text_detector"))
    both = card_with_weights(card, room, f"text_detector={other},line_recogniser={path}", tmp_path / "cache")
    assert both.notes == ()
    with pytest.raises(DataError, match="is missing"):
        card_with_weights(card, room, f"text_detector={path}", tmp_path / "cache")
    with pytest.raises(UsageError, match="two files for line_recogniser"):
        card_with_weights(card, room, f"{path},{path}", tmp_path / "cache")
    with pytest.raises(UsageError, match="no role text"):
        card_with_weights(card, room, f"text_detectr={path}", tmp_path / "cache")


def test_every_mistake_is_named(tmp_path: Path) -> None:
    card, room = room_of("cctv-detect")
    arrays = made_weights("cctv-detect", "detector")
    arrays["stem.weight"] = arrays["stem.weight"][:, :1]
    arrays["strange"] = np.zeros(3, np.float32)
    del arrays["down4.bias"]
    path = save_safetensors(tmp_path / "w.safetensors", arrays)
    with pytest.raises(DataError) as caught:
        card_with_weights(card, room, str(path), tmp_path / "cache")
    said = str(caught.value)
    assert "down4.bias is missing" in said
    assert "strange is not in detector" in said
    assert "stem.weight has shape [16, 1, 3, 3]; expected [16, 3, 3, 3]" in said
    np.savez(tmp_path / "e.npz", other=np.zeros(1))
    with pytest.raises(DataError) as caught:
        card_with_weights(card, room, str(tmp_path / "e.npz"), tmp_path / "cache")
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_NAMED + 1
    assert "more" in lines[-1]
    whole = made_weights("cctv-detect", "detector")
    np.savez(tmp_path / "i.npz", **dict(whole, **{"stem.bias": np.zeros(16, np.int64)}))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"stem\.bias has type int64"):
        card_with_weights(card, room, str(tmp_path / "i.npz"), tmp_path / "cache")
    whole["stem.bias"][3] = np.nan
    with pytest.raises(DataError, match=r"stem\.bias holds NaN"):
        card_with_weights(card, room, str(save_safetensors(path, whole)), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_files_that_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="never opened"):
        read_tensors(tmp_path / "p.npz")
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 1000)})
        file.write(b"\0" * 16)
    with pytest.raises(DataError, match="holds 16"):
        read_tensors(tmp_path / "lie.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:60])
    (tmp_path / "w.pt").write_bytes(b"\x80\x02")
    (tmp_path / "w.safetensors").write_bytes((10**9).to_bytes(8, "little") + b"{}")
    for name in ("cut.npz", "w.pt", "w.safetensors", "absent.npz"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            read_tensors(tmp_path / name)
    card, room = room_of("cctv-detect")
    for given in (str(tmp_path), str(tmp_path / "absent.npz"), ""):
        with pytest.raises(DataError):
            card_with_weights(card, room, given, tmp_path / "cache")
    with pytest.raises(UsageError, match="takes no weights"):
        card_with_weights(*room_of("overhead-floor"), str(tmp_path / "p.npz"), tmp_path / "cache")


def test_bad_floor_of_our_weights_is_not_theirs() -> None:
    from npubench.build.own_vision import _quality
    from npubench.cards import QualitySpec, TaskSpec

    card, _ = room_of("cctv-detect")
    import msgspec

    task = TaskSpec(metric="map50", absolute_floor=0.9, relative_floor=0.99, reason="x")
    found = _quality(msgspec.structs.replace(card, quality=QualitySpec(task=(task,))))
    assert found is not None
    assert found.task[0].absolute_floor is None
    assert found.task[0].relative_floor == 0.99
    assert _quality(msgspec.structs.replace(card, quality=None)) is None
