"""Reads safetensors files: validates the header, gives values as float32, streamed.

Our own reader and not the library's: that one cannot read bfloat16 into numpy nor a block of a matrix, names no tensor
in its errors, and would be one more dependency. Guarantees: nothing is read beyond what the header names; the header is
believed only when every tensor's bytes are where and as many as it says, in order, without a gap, an overlap or a rest;
no code in the file exists or runs; memory stays at a few tens of MB whatever the file's size.

Source: the format's description in the safetensors repository (8 bytes of length, little-endian; JSON; the data).
Not aware of: models, which tensors are wanted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import DataError
from npubench.lang import here

Floats: TypeAlias = npt.NDArray[np.float32]

CHUNK_VALUES = 1 << 22

# The library's own limit for a header; a longer one is an attack on memory.
_LONGEST_HEADER = 100_000_000

_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
READABLE = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The types that `values` takes, and how their bytes are mapped."""


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor: where its bytes begin in the file, and what they are."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file with a header that holds true. Tensors by name."""

    path: Path
    tensors: dict[str, Tensor]


def read(path: Path) -> File:
    """The header of `path`. Raises DataError naming the file, the tensor and what is wrong."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise _wrong(
                    path,
                    f"the header should be {length} bytes long, but the file has {max(0, size - 8)} after its length",
                    f"헤더 길이가 {length}바이트라지만 파일에는 {max(0, size - 8)}바이트뿐입니다",
                )
            if length > _LONGEST_HEADER:
                limit = f"{length} > {_LONGEST_HEADER}"
                raise _wrong(path, f"the header is too long ({limit} bytes)", f"헤더가 너무 깁니다({limit}바이트)")
            raw = file.read(length)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}", f"읽을 수 없습니다: {error.strerror}") from None
    header = _parsed(path, raw)
    header.pop("__metadata__", None)
    start = 8 + length
    found = [_tensor(path, name, entry, start, size - start) for name, entry in header.items()]
    _check_order(path, found, start, size)
    return File(path=path, tensors={tensor.name: tensor for tensor in found})


def values(file: File, name: str, transposed: bool = False) -> Iterator[Floats]:
    """The float32 values of a tensor in row order, in flat chunks; `transposed`: of the matrix turned over.

    Raises DataError for a type that cannot be read or a file that shrank.
    """
    tensor = file.tensors[name]
    if tensor.dtype not in READABLE:
        known = ", ".join(READABLE)
        raise _wrong(file.path, f"{name}: type {tensor.dtype}; expected {known}", f"{name}: {tensor.dtype} ≠ {known}")
    if not tensor.count:
        return
    try:
        mapped = np.memmap(file.path, READABLE[tensor.dtype], "r", tensor.offset, tensor.shape)
    except (OSError, ValueError) as error:
        raise _wrong(file.path, f"{name}: cannot be read: {error}", f"{name}: 읽을 수 없습니다: {error}") from None
    if transposed:
        rows, columns = tensor.shape
        step = max(1, CHUNK_VALUES // rows)
        for first in range(0, columns, step):
            yield np.ascontiguousarray(_float32(mapped[:, first : first + step], tensor.dtype).T).reshape(-1)
        return
    flat = mapped.reshape(-1)
    for first in range(0, tensor.count, CHUNK_VALUES):
        yield _float32(flat[first : first + CHUNK_VALUES], tensor.dtype)


def header(tensors: list[tuple[str, tuple[int, ...]]], metadata: dict[str, str]) -> bytes:
    """The beginning of a file with these float32 tensors one after the other, padded to eight bytes."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, shape in tensors:
        begin, end = end, end + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _float32(stored: npt.NDArray[Any], dtype: str) -> Floats:
    if dtype == "BF16":
        # The upper half of a float32.
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32)


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _wrong(path, f"the header names {twice!r} twice", f"헤더에 {twice!r}가 두 번 나옵니다")
        return table

    try:
        found = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"the header is not JSON: {error}", f"헤더가 JSON이 아닙니다: {error}") from None
    if not isinstance(found, dict):
        raise _wrong(path, "the header is no table of tensors", "헤더가 텐서 표가 아닙니다")
    return found


def _tensor(path: Path, name: str, entry: Any, start: int, room: int) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        expected = "dtype, shape, data_offsets"
        raise _wrong(path, f"{name}: expected a table of {expected}", f"{name}: {expected} 표가 아닙니다")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise _wrong(path, f"{name}: unknown type {dtype!r}", f"{name}: 알 수 없는 자료형 {dtype!r}")
    if not _wholes(shape):
        raise _wrong(path, f"{name}: shape {shape!r}; expected sizes ≥ 0", f"{name}: 잘못된 모양 {shape!r}")
    if not _wholes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= room:
        raise _wrong(
            path,
            f"{name}: data_offsets {offsets!r}; expected [begin, end] within the {room} bytes of data",
            f"{name}: data_offsets {offsets!r}가 데이터 {room}바이트 안에 있지 않습니다",
        )
    needed, given = math.prod(shape) * _BYTES[dtype], offsets[1] - offsets[0]
    if needed != given:
        raise _wrong(
            path,
            f"{name}: {dtype} {shape} needs {needed} bytes; data_offsets give {given}",
            f"{name}: {dtype} {shape}는 {needed}바이트인데 data_offsets는 {given}바이트입니다",
        )
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), offset=start + offsets[0])


def _check_order(path: Path, found: list[Tensor], start: int, size: int) -> None:
    """Raises DataError unless the tensors fill the data from its first byte to its last, one after the other."""
    end = start
    for tensor in sorted(found, key=lambda tensor: (tensor.offset, tensor.count)):
        if tensor.offset != end:
            en, ko = ("overlaps the tensor before it", "앞의 텐서와 겹칩니다")
            if tensor.offset > end:
                en, ko = ("leaves a gap before it", "앞에 빈 곳이 있습니다")
            raise _wrong(path, f"{tensor.name}: {en}", f"{tensor.name}: {ko}")
        end = tensor.offset + tensor.count * _BYTES[tensor.dtype]
    if end != size:
        rest = size - end
        raise _wrong(path, f"{rest} bytes behind the last tensor", f"마지막 텐서 뒤에 {rest}바이트가 남습니다")


def _wholes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value
    )


def _wrong(path: Path, en: str, ko: str) -> DataError:
    return DataError(
        f"{path}: {here(en, ko)}",
        hint=here(
            "copy the file again, or save the checkpoint anew", "파일을 다시 복사하거나 체크포인트를 다시 저장하십시오"
        ),
    )
