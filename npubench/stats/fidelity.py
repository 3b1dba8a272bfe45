"""How far a candidate's raw outputs are from the fp32 CPU reference's.

Outputs come as arrays named `<input>:<output>` (`engine.answering`). Of each output the signal is centred: the mean of
each channel over all inputs, as the reference has it, is taken off before its power is measured, because a constant
channel would pass anything as faithful. Channels are axis 1 of a map with four axes, else the last axis.

Guarantees: sums in float64; equal outputs give `EQUAL_DB`, not infinity, which JSON has no word for.
Not aware of: floors, models, how outputs were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

EQUAL_DB = 150.0
AGAIN = "again:"
"""Prefix of the outputs of input 0, asked a second time after the others."""
TOKENS = "tokens:"
"""Prefix of the tokens that a generating model followed, by input."""


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of `metrics.QUALITY`; None where they cannot be known. `worst` names the output with least SQNR.

    `constant`: outputs that are the same for different inputs although the reference's are not. `missing`: outputs that
    only one side has, or in another shape.
    """

    sqnr_db: float | None = None
    contrast_db: float | None = None
    top1: float | None = None
    kl: float | None = None
    repeat_db: float | None = None
    worst: str = ""
    each_db: dict[str, float] = {}
    constant: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def decibel(signal: float, noise: float) -> float:
    """10·log10(signal/noise), within ±EQUAL_DB."""
    if noise <= 0:
        return EQUAL_DB
    if signal <= 0:
        return -EQUAL_DB
    # The quotient itself may leave the range of a float.
    return float(np.clip(10 * (np.log10(signal) - np.log10(noise)), -EQUAL_DB, EQUAL_DB))


def _rows(value: npt.NDArray[Any]) -> Floats:
    """[values, channels] in float64."""
    if value.ndim == 4:
        value = np.moveaxis(value, 1, -1)
    return np.asarray(value, np.float64).reshape(-1, value.shape[-1] if value.ndim else 1)


def _softmax(rows: Floats) -> Floats:
    raised = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _divergence(reference: Floats, candidate: Floats) -> float:
    p, q = _softmax(reference), _softmax(candidate)
    return float(np.mean(np.sum(p * (np.log(np.maximum(p, 1e-30)) - np.log(np.maximum(q, 1e-30))), axis=1)))


def _contrast(values: list[npt.NDArray[Any]]) -> float | None:
    """The mean square distance of the answers to different inputs from their mean; None where shapes differ."""
    if len(values) < 2 or len({value.shape for value in values}) > 1:
        return None
    stacked = np.stack([np.asarray(value, np.float64) for value in values])
    return float(np.mean((stacked - stacked.mean(axis=0)) ** 2))


def compare(reference: Arrays, candidate: Arrays, logits: tuple[str, ...] = ()) -> Fidelity:
    """The fidelity of `candidate`; `logits` names the outputs that are logits over classes."""
    # Integers are decisions (class numbers, counts): a distance between them means nothing.
    names = [
        name
        for name, value in reference.items()
        if not name.startswith((AGAIN, TOKENS)) and np.asarray(value).dtype.kind == "f"
    ]
    missing = sorted(
        {
            name.partition(":")[2]
            for name in names
            if name not in candidate or candidate[name].shape != reference[name].shape
        }
    )
    if missing or not names:
        return Fidelity(missing=tuple(missing))
    each_db: dict[str, float] = {}
    contrasts, agreements, divergences, repeats = [], [], [], []
    constant = []
    for output in dict.fromkeys(name.partition(":")[2] for name in names):
        mine = [name for name in names if name.partition(":")[2] == output]
        wanted = np.concatenate([_rows(reference[name]) for name in mine])
        found = np.concatenate([_rows(candidate[name]) for name in mine])
        if not wanted.size:
            continue
        error = float(np.mean((wanted - found) ** 2))
        signal = float(np.mean((wanted - wanted.mean(axis=0)) ** 2))
        each_db[output] = decibel(signal, error)
        between = _contrast([reference[name] for name in mine])
        if between is not None:
            contrasts.append(decibel(between, error))
            if between > 0 and _contrast([candidate[name] for name in mine]) == 0:
                constant.append(output)
        if output in logits:
            agreements.append(float(np.mean(wanted.argmax(axis=1) == found.argmax(axis=1))))
            divergences.append(_divergence(wanted, found))
        again = candidate.get(f"{AGAIN}{output}")
        if again is not None and again.shape == candidate[mine[0]].shape:
            first = _rows(candidate[mine[0]])
            repeats.append(decibel(signal, float(np.mean((first - _rows(again)) ** 2))))
    if not each_db:
        return Fidelity()
    worst = min(each_db, key=lambda name: each_db[name])
    return Fidelity(
        sqnr_db=each_db[worst],
        contrast_db=min(contrasts, default=None),
        top1=min(agreements, default=None),
        kl=max(divergences, default=None),
        repeat_db=min(repeats, default=None),
        worst=worst,
        each_db=each_db,
        constant=tuple(constant),
    )
