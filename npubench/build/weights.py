"""Weights that are the same bytes on every machine, from a small table, streamed.

A weight table (JSON, kept in the model's room) lists the tensors of one external-data file: name, shape, offset and how
the values come about. Guarantees: only integer arithmetic and single float32 operations, so that the result does not
depend on CPU, BLAS or libm; raw PCG64 output only, which numpy promises never to change (NEP 19; its distributions are
not under that promise); at most a few tens of MB of memory, whatever the size of the model.

Not aware of: ONNX, cards, the cache.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.build.derived import RULES, Derivation, Dtype, Origin, Rule, byte_count
from npubench.errors import ArtifactError
from npubench.lang import here

# Page size of the common platforms: runtimes map external data, and a mapped tensor must start on a page.
ALIGNMENT = 4096
# Scales and biases of a few hundred bytes need no page of their own; a cache line is what kernels load by.
SMALL_ALIGNMENT = 64
CHUNK_VALUES = 1 << 20

Floats: TypeAlias = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common base: immutable, unknown keys refused."""


class Uniform(_Entry, frozen=True, kw_only=True, tag_field="rule", tag="uniform"):
    """`offset + gain·u`, u uniform in (−1, 1). With an offset, gain is a power of two: the sum is then exact."""

    gain: float
    offset: float = 0.0


class Channels(_Entry, frozen=True, kw_only=True, tag_field="rule", tag="channels"):
    """`scale[c]·u` for output channel c, the first dimension; `scale` names an array of the room."""

    scale: str


class Stored(_Entry, frozen=True, kw_only=True, tag_field="rule", tag="stored"):
    """The values of an array of the room (fp16 or fp32): calibrated biases, trained weights."""

    array: str


Init: TypeAlias = Uniform | Channels | Stored | Rule
"""How a tensor's values come about. A `Rule` (see `derived`) computes them from another table's fp32 values."""


class Tensor(_Entry, frozen=True, kw_only=True):
    """One tensor of the external-data file; little-endian, `offset` in bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: Dtype = "float32"
    offset: int
    init: Init

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def size(self) -> int:
        """In bytes."""
        return byte_count(self.dtype, self.count)


class Table(_Entry, frozen=True, kw_only=True):
    """The external-data file `bytes` long: its tensors, by rising offset; gaps (less than a page) are zero."""

    schema: Literal["npubench.weights/1"] = "npubench.weights/1"
    bytes: int
    tensors: tuple[Tensor, ...]


def lay_out(wanted: Sequence[tuple[str, tuple[int, ...], Init]]) -> Table:
    """A table with the (name, shape, init) in order, each float32 tensor on a page of its own."""
    return _placed([Tensor(name=name, shape=shape, offset=0, init=init) for name, shape, init in wanted], ALIGNMENT)


def lay_out_derived(wanted: Sequence[tuple[str, tuple[int, ...], Dtype, Rule]]) -> Table:
    """A table with the (name, shape, dtype, rule) in order; tensors smaller than a page share pages."""
    tensors = [Tensor(name=name, shape=shape, dtype=dtype, offset=0, init=rule) for name, shape, dtype, rule in wanted]
    return _placed(tensors, SMALL_ALIGNMENT)


def _placed(tensors: Sequence[Tensor], least: int) -> Table:
    placed: list[Tensor] = []
    end = 0
    for tensor in tensors:
        alignment = ALIGNMENT if tensor.size >= ALIGNMENT else least
        placed.append(msgspec.structs.replace(tensor, offset=-(-end // alignment) * alignment))
        end = placed[-1].end
    return Table(bytes=end, tensors=tuple(placed))


def dump_table(table: Table) -> bytes:
    """One tensor a line, so that a changed table reads well in a diff."""
    lines = b",\n".join(msgspec.json.encode(tensor) for tensor in table.tensors)
    return b'{"schema":"%s","bytes":%d,"tensors":[\n%s\n]}\n' % (table.schema.encode(), table.bytes, lines)


def load_table(path: Path) -> Table:
    """The table in `path`. Raises ArtifactError naming the file and what is wrong."""
    try:
        table = msgspec.json.decode(path.read_bytes(), type=Table)
    except OSError as error:
        reason = error.strerror
        raise room_error(path, here(f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise room_error(path, here(f"not a weight table: {error}", f"가중치 표가 아닙니다: {error}")) from None
    end = 0
    for tensor in table.tensors:
        if any(size < 0 for size in tensor.shape) or not end <= tensor.offset < end + ALIGNMENT:
            what = here("overlaps the one before it or lies far behind it", "앞의 텐서와 겹치거나 너무 떨어져 있습니다")
            raise room_error(path, f"tensors.{tensor.name}: {what}")
        end = tensor.end
    if table.bytes != end:
        raise room_error(path, here(f"bytes: found {table.bytes}; expected {end}", f"bytes: {table.bytes} ≠ {end}"))
    return table


def load_arrays(path: Path | None) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file in the room. Raises ArtifactError."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        reason = error.strerror or str(error)
        raise room_error(path, here(f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}")) from None
    except Exception as error:
        # A damaged archive raises BadZipFile, zlib.error, ValueError, EOFError or KeyError, as it comes.
        raise room_error(path, here(f"not an .npz of arrays: {error}", f".npz 배열이 아닙니다: {error}")) from None


def room_error(path: Path, what: str) -> ArtifactError:
    """The error for a file of a model's room that is missing or damaged."""
    return ArtifactError(
        f"{path}: {what}",
        hint=here(
            "restore the model's folder (git checkout, or reinstall npubench); after a wanted change run "
            "`python -m npubench.build.author`",
            "모델 폴더를 되돌리십시오(git checkout 또는 npubench 재설치). 의도한 변경이면 "
            "`python -m npubench.build.author`를 실행하십시오",
        ),
    )


def _centred(seed: str, name: str, count: int) -> Iterator[npt.NDArray[np.int32]]:
    """`count` odd integers in [−65535, 65535], four from each raw 64-bit output, little end first."""
    bits = np.random.PCG64(int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest(), "big"))
    for start in range(0, count, CHUNK_VALUES):
        size = min(CHUNK_VALUES, count - start)
        raw = bits.random_raw(-(-size // 4)).astype("<u8", copy=False).view("<u2")[:size]
        yield raw.astype(np.int32) * np.int32(2) - np.int32(65535)


def _multiplier(gain: npt.NDArray[Any] | float) -> Floats:
    """gain/65536 as float32: a power of two, so the division is exact for every gain that is not denormal."""
    return np.asarray(np.asarray(gain).astype(np.float32) * np.float32(2.0**-16), np.float32)


def values(tensor: Tensor, seed: str, arrays: Arrays) -> Iterator[Floats]:
    """The flat float32 values of `tensor` in chunks. Raises KeyError or ValueError for an array that does not fit."""
    init = tensor.init
    if isinstance(init, Stored):
        stored = arrays[init.array]
        if stored.shape != tensor.shape or stored.dtype not in (np.float16, np.float32):
            raise ValueError(f"{init.array}: found {stored.dtype} {stored.shape}; expected fp16 or fp32 {tensor.shape}")
        yield stored.astype(np.float32).reshape(-1)
        return
    if isinstance(init, RULES):
        raise ValueError(f"{tensor.name}: derived from another table, which `stream` takes as `origin`")
    if isinstance(init, Uniform):
        gain, offset = _multiplier(init.gain), np.float32(init.offset)
        for chunk in _centred(seed, tensor.name, tensor.count):
            drawn = chunk.astype(np.float32) * gain
            yield drawn + offset if init.offset else drawn
        return
    scale = arrays[init.scale]
    if scale.shape != tensor.shape[:1] or scale.dtype not in (np.float16, np.float32):
        raise ValueError(f"{init.scale}: found {scale.dtype} {scale.shape}; expected fp16 or fp32 {tensor.shape[:1]}")
    per_channel = _multiplier(scale)
    fan = tensor.count // max(1, tensor.shape[0])
    start = 0
    for chunk in _centred(seed, tensor.name, tensor.count):
        channels = np.arange(start, start + len(chunk)) // fan
        yield chunk.astype(np.float32) * per_channel[channels]
        start += len(chunk)


def whole(tensor: Tensor, seed: str, arrays: Arrays) -> Floats:
    """The values of `tensor` in its shape."""
    return np.concatenate([np.zeros(0, np.float32), *values(tensor, seed, arrays)]).reshape(tensor.shape)


class Source:
    """The fp32 tensors of a table, for tables derived from it. Implements `derived.Origin`."""

    def __init__(self, table: Table, seed: str, arrays: Arrays) -> None:
        self._tensors = {tensor.name: tensor for tensor in table.tensors}
        self._seed = seed
        self._arrays = arrays

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def values(self, name: str) -> Iterator[Floats]:
        return values(self._tensors[name], self._seed, self._arrays)


def stream(table: Table, seed: str, arrays: Arrays, origin: Origin | None = None) -> Iterator[bytes]:
    """The external-data file in pieces, gaps included; `origin` has the values of derived tensors' sources.

    Raises what `values` and `derived.Derivation.pieces` raise.
    """
    derivation = Derivation(origin) if origin is not None else None
    position = 0
    for tensor in table.tensors:
        if tensor.offset > position:
            yield bytes(tensor.offset - position)
        if derivation is not None and isinstance(tensor.init, RULES):
            yield from derivation.pieces(tensor.name, tensor.init, tensor.dtype, tensor.shape)
        else:
            for chunk in values(tensor, seed, arrays):
                yield chunk.astype("<f4", copy=False).tobytes()
        position = tensor.end
