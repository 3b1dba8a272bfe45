"""Files of named arrays, .npz or .safetensors, read as one kind of thing: names, shapes and types now, values later.

Guarantees: nothing is unpickled and no code runs; sizes are believed only where the file's own headers agree with how
many bytes it has, so that a small file cannot ask for a large memory. Raises DataError naming file and tensor.
Not aware of: models, which tensors are wanted.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.build import safetensors
from npubench.errors import DataError
from npubench.lang import here

Floats = npt.NDArray[np.float32]

FLOATS = ("float16", "float32", "float64", "bfloat16")
SUFFIXES = (".npz", ".safetensors")

# The readers of numpy's header versions; version 3.0 only adds UTF-8 names of fields, which plain arrays have not.
_HEADERS: Mapping[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_SAFE_TYPES = {"F16": "float16", "F32": "float32", "BF16": "bfloat16", "F64": "float64"}


class _Opens(Protocol):
    def __call__(self) -> Floats: ...


class Tensor(msgspec.Struct, frozen=True):
    """One array of a file. `load` reads its values as float32 in its shape."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Floats]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The arrays of `path` by name. Raises DataError for a file that is neither kind, damaged, or lies about sizes."""
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    if path.suffix.lower() == ".npz":
        return _npz(path)
    known = ", ".join(SUFFIXES)
    raise _wrong(
        path,
        here(f"expected a file of {known}", f"{known} 파일이 필요합니다"),
        here(
            "save the weights as safetensors or with numpy.savez; a pickle (.pt, .pth, .bin) is never opened, because "
            "opening it may run code",
            "safetensors나 numpy.savez로 저장하십시오. pickle(.pt, .pth, .bin)은 코드를 실행할 수 있어 열지 않습니다",
        ),
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    file = safetensors.read(path)

    def loader(name: str) -> _Opens:
        def load() -> Floats:
            chunks = list(safetensors.values(file, name))
            flat = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
            return flat.reshape(file.tensors[name].shape)

        return load

    return {
        name: Tensor(tensor.shape, _SAFE_TYPES.get(tensor.dtype, tensor.dtype), loader(name))
        for name, tensor in file.tensors.items()
    }


def _npz(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in found:
                    raise _damaged(path, here(f"{name} occurs twice", f"{name}가 두 번 나옵니다"))
                found[name] = _member(path, archive, member, name)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        # numpy and zipfile tell damage in many ways; an encrypted member is a RuntimeError.
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise _damaged(path, here(f"not an .npz of arrays: {reason}", f".npz 배열이 아닙니다: {reason}")) from None
    return found


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Tensor:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{name}: .npy version {version}")
        shape, _, dtype = _HEADERS[version](stream)
        if dtype.hasobject:
            raise _damaged(
                path, here(f"{name}: pickled objects are never opened", f"{name}: pickle 객체는 열지 않습니다")
            )
        held, needed = member.file_size - stream.tell(), math.prod(shape) * dtype.itemsize
    if held != needed:
        shown = f"{dtype} {list(shape)}"
        raise _damaged(
            path,
            here(
                f"{name}: {shown} needs {needed} bytes; the file holds {held}",
                f"{name}: {shown}는 {needed}바이트인데 파일에는 {held}바이트입니다",
            ),
        )

    def load() -> Floats:
        try:
            with zipfile.ZipFile(path) as again, again.open(member) as stream:
                values: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise _damaged(path, f"{name}: {error}") from None
        return values.astype(np.float32)

    return Tensor(tuple(int(size) for size in shape), str(dtype), load)


def _damaged(path: Path, what: str) -> DataError:
    return _wrong(path, what, here("save or copy the file again", "파일을 다시 저장하거나 복사하십시오"))


def _wrong(path: Path, what: str, hint: str) -> DataError:
    return DataError(f"{path}: {what}", hint=hint)
