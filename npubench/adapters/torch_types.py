"""Element types and stored tensors: what an ONNX file holds, as torch tensors.

Guarantees: a tensor kept as external data is read through a memory map, so that it is in memory once; a file outside
the model's folder is refused. torch computes little in uint16, uint32 and the 4-bit types, so these are carried in
the next wider one (`Carried`), and arithmetic on them is refused where the model is read (`torch_import`).

Not aware of: operators, devices.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

from npubench.errors import ArtifactError, UnsupportedError
from npubench.spi import Array


class Carried(NamedTuple):
    """`stored`: how the file and numpy hold one element; `tensor`: what torch computes in."""

    name: str
    stored: str
    tensor: torch.dtype


TYPES: dict[int, Carried] = {
    TensorProto.FLOAT: Carried("float32", "<f4", torch.float32),
    TensorProto.FLOAT16: Carried("float16", "<f2", torch.float16),
    TensorProto.BFLOAT16: Carried("bfloat16", "<i2", torch.bfloat16),
    TensorProto.DOUBLE: Carried("float64", "<f8", torch.float64),
    TensorProto.INT8: Carried("int8", "<i1", torch.int8),
    TensorProto.INT16: Carried("int16", "<i2", torch.int16),
    TensorProto.INT32: Carried("int32", "<i4", torch.int32),
    TensorProto.INT64: Carried("int64", "<i8", torch.int64),
    TensorProto.UINT8: Carried("uint8", "<u1", torch.uint8),
    TensorProto.UINT16: Carried("uint16", "<u2", torch.int32),
    TensorProto.UINT32: Carried("uint32", "<u4", torch.int64),
    TensorProto.BOOL: Carried("bool", "|b1", torch.bool),
    TensorProto.INT4: Carried("int4", "", torch.int8),
    TensorProto.UINT4: Carried("uint4", "", torch.uint8),
}

# Wider than the type they stand for, so that a sum would not wrap as it does in ONNX.
WIDENED = (TensorProto.UINT16, TensorProto.UINT32, TensorProto.INT4, TensorProto.UINT4)

WIDE_ON_HOST = {"uint16": torch.int32, "uint32": torch.int64}
"""The same by the numpy types that arrays are fed and given back in."""


def type_name(kind: int) -> str:
    return str(TensorProto.DataType.Name(kind)).lower()


def carried(kind: int, what: str) -> Carried:
    """How elements of the ONNX type `kind` are held. Raises UnsupportedError, which begins with `what`."""
    if kind not in TYPES:
        known = ", ".join(item.name for item in TYPES.values())
        raise UnsupportedError(f"{what}: type {type_name(kind)}; the torch adapter computes in {known}")
    return TYPES[kind]


def host_dtype(kind: int, what: str) -> str:
    """The numpy type of a graph's input or output. Raises UnsupportedError for what numpy has no type for."""
    found = carried(kind, what)
    if found.name in ("bfloat16", "int4", "uint4"):
        raise UnsupportedError(f"{what}: type {found.name} cannot be fed: numpy has no such type")
    return found.name


def stored(proto: TensorProto, folder: Path) -> torch.Tensor:
    """The tensor that `proto` describes, its external data in `folder`. Raises ArtifactError, UnsupportedError."""
    found = carried(proto.data_type, f"tensor {proto.name}")
    if proto.data_location == TensorProto.EXTERNAL:
        raw: Array = _external(proto, folder)
    elif proto.HasField("raw_data"):
        raw = np.frombuffer(proto.raw_data, np.uint8)
    elif found.name in ("bfloat16", "int4", "uint4"):
        width = "<u2" if found.name == "bfloat16" else np.uint8
        raw = np.array(proto.int32_data, np.int64).astype(width).view(np.uint8)
    else:
        return _torch(numpy_helper.to_array(proto), found)
    shape = tuple(proto.dims)
    if found.name in ("int4", "uint4"):
        return shared(_unpacked(raw, found.name == "int4", int(np.prod(shape, dtype=np.int64)))).reshape(shape)
    return _torch(raw.view(found.stored).reshape(shape), found)


def shared(array: Array) -> torch.Tensor:
    """A tensor in the array's memory, which is read and never written."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _torch(array: Array, found: Carried) -> torch.Tensor:
    """Shares the array's memory where torch has the type."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    tensor = shared(np.asarray(native))
    return tensor.view(torch.bfloat16) if found.name == "bfloat16" else tensor.to(found.tensor)


def _unpacked(raw: Array, signed: bool, count: int) -> Array:
    """Two 4-bit elements a byte, the first in the low half (ONNX IR, "4-bit integer types")."""
    both = np.stack([raw & 0x0F, raw >> 4], axis=-1).reshape(-1)[:count]
    return ((both ^ 8).astype(np.int8) - 8).astype(np.int8) if signed else both


def _external(proto: TensorProto, folder: Path) -> Array:
    info = {item.key: item.value for item in proto.external_data}
    path = (folder / info["location"]).resolve()
    if folder.resolve() not in path.parents:
        raise ArtifactError(f"tensor {proto.name}: its data lies outside the model's folder ({info['location']})")
    offset, length = int(info.get("offset", 0)), info.get("length")
    try:
        size = path.stat().st_size - offset if length is None else int(length)
        if size == 0:
            return np.empty(0, np.uint8)
        return np.memmap(path, np.uint8, "r", offset, (size,))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"tensor {proto.name}: {path} cannot be read at {offset}: {error}") from error


def attribute(proto: onnx.AttributeProto) -> Any:
    """An attribute's value; bytes as text."""
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, (list, tuple)) or hasattr(value, "add") else value
