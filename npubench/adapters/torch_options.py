"""The options of a torch backend card, checked; and what they set in torch, which is the same for a whole process."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import torch

from npubench.errors import CardError

Mode = Literal["eager", "compile", "cudagraphs"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`mode`: how the graph is run (`torch_runs`); `compile_mode`: torch.compile's own `mode`.

    `tf32`: products and convolutions of float32 may use 10 bits of mantissa on a GPU. `cudnn_benchmark`: cuDNN times
    its algorithms for each shape and keeps the best. `channels_last`: convolutions with channels innermost. A number of
    threads of 0 is torch's own choice; what is in effect is in the result.
    """

    mode: Mode = "eager"
    compile_mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = "default"
    tf32: bool = False
    cudnn_benchmark: bool = False
    channels_last: bool = False
    intra_op_num_threads: int = 0
    inter_op_num_threads: int = 0


def checked(options: Mapping[str, Any]) -> Options:
    """Raises CardError with every mistake."""
    fields = Options.__struct_fields__
    mistakes = []
    for key in options:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            meant = f' (did you mean "{close[0]}"?)' if close else f"; it takes {', '.join(fields)}"
            mistakes.append(f"options.{key}: unknown to the torch adapter{meant}")
    kept = {key: value for key, value in options.items() if key in fields}
    try:
        found = msgspec.convert(kept, Options, strict=False)
    except msgspec.ValidationError as error:
        mistakes.append(f"options: {error}")
    if mistakes:
        raise CardError(mistakes)
    return found


def apply(options: Options) -> None:
    """Sets threads and precision for this process."""
    if options.intra_op_num_threads > 0:
        torch.set_num_threads(options.intra_op_num_threads)
    # May be set once only, and not after the first parallel work.
    if options.inter_op_num_threads > 0 and torch.get_num_interop_threads() != options.inter_op_num_threads:
        torch.set_num_interop_threads(options.inter_op_num_threads)
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    torch.backends.cudnn.allow_tf32 = options.tf32
    torch.backends.cudnn.benchmark = options.cudnn_benchmark


def in_effect(options: Options, device: str) -> dict[str, Any]:
    """What a result says: only what means something for this device and mode."""
    found: dict[str, Any] = {
        "mode": options.mode,
        "channels_last": options.channels_last,
        "intra_op_num_threads": torch.get_num_threads(),
        "inter_op_num_threads": torch.get_num_interop_threads(),
    }
    if options.mode == "compile":
        found["compile_mode"] = options.compile_mode
    if device == "cuda":
        found["tf32"] = bool(torch.backends.cuda.matmul.allow_tf32)
        found["cudnn_benchmark"] = bool(torch.backends.cudnn.benchmark)
    return found
