"""What a launch's outputs are checked for, outside any timed region: declared shapes, finite values, the right request.

Guarantees: what is refused here cannot be right, whatever the model is for. A server is not asked: it has no
outputs to check, its answers are counted where they are read, and one that it refuses now would cost what was measured.
Not aware of: quality (`stats.quality`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
import numpy as np

from npubench.engine.answering import thinned
from npubench.schema import FailureKind
from npubench.spi import Array, Awaits, Bound, Outputs, RequestError, Session, TensorSpec
from npubench.stats.fidelity import decibel

# How long the outputs of further inputs are checked after the window.
CHECK_NS = 2_000_000_000

# A request that was refused while nothing is timed is made so many times before the launch fails.
ATTEMPTS = 3

# An answer given twice is nearer to itself than this: honest backends differ by rounding, 30 dB or better even from
# the reference (`select._SAME_FILE`).
REPEAT_DB = 30.0
# … and than this share of the power between answers to different inputs.
MIXED_SHARE = 0.25


class WrongOutputError(Exception):
    """An output that is not what the model declares, or not finite."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def check_outputs(bound: Bound, sessions: Mapping[str, Session], index: int) -> Outputs:
    """The outputs of input `index`, outside any timed region, of a server none.

    Raises WrongOutputError for what cannot be right.
    """
    if isinstance(bound, Awaits):
        return {}
    declared: dict[str, TensorSpec] = {}
    for role, session in sessions.items():
        for spec in session.outputs:
            # Under a role's name a workload gathers the rows of several calls (the lines of a page).
            gathered = msgspec.structs.replace(spec, shape=("rows", *spec.shape[1:]))
            declared[f"{role}/{spec.name}"] = gathered
            declared.setdefault(spec.name, spec)
    outputs = outputs_of(bound, index)
    for name, value in outputs.items():
        if name in declared:
            check_output(name, value, declared[name])
    return outputs


def check_all(bound: Bound, sessions: Mapping[str, Session]) -> None:
    """Checks every distinct input after the window, of a server none: at least two, and as many as fit into CHECK_NS.

    The first two are asked as A, B, B, A where that fits: an answer that is late by one request always shows, by more
    unless what was asked before makes a pair of it.
    """
    if isinstance(bound, Awaits):
        return
    started = time.perf_counter_ns()

    def asked(index: int) -> dict[str, Array]:
        return {name: thinned(value) for name, value in check_outputs(bound, sessions, index).items()}

    first = [asked(index) for index in range(min(bound.count, 2))]
    if len(first) == 2 and time.perf_counter_ns() - started <= CHECK_NS:
        again = [asked(index) for index in (1, 0)][::-1]
        check_consistent(first, again)
    for index in range(2, bound.count):
        if time.perf_counter_ns() - started > CHECK_NS:
            return
        check_outputs(bound, sessions, index)


def check_consistent(first: Sequence[Outputs], again: Sequence[Outputs]) -> None:
    """Two inputs' answers, and their answers when asked again; raises WrongOutputError where answers are mixed up.

    They are when an input's two answers lie as far apart as answers to different inputs do, and farther than honest
    ones that differ in the order of summation. Integers are decisions, which flip at a tie: only floats count.
    """
    for name, value in first[0].items():
        values = [np.asarray(outputs[name], np.float64) for outputs in (*first, *again) if name in outputs]
        if value.dtype.kind != "f" or len({found.shape for found in values}) > 1 or len(values) < 4 or not value.size:
            continue
        one, two, one_again, two_again = values
        between = max(_power(one - two), _power(one_again - two_again))
        for index, (before, after) in enumerate(((one, one_again), (two, two_again))):
            apart = _power(before - after)
            nearness_db = decibel(_power(after - after.mean()), apart)
            if apart > MIXED_SHARE * between and nearness_db < REPEAT_DB:
                raise WrongOutputError(
                    FailureKind.INCONSISTENT,
                    f"output {name}: input {index}, asked twice with another between, got two answers as far apart as "
                    f"answers to different inputs (signal to noise {nearness_db:.0f} dB)",
                )


def _power(value: Array) -> float:
    return float(np.mean(value**2))


def outputs_of(bound: Bound, index: int) -> Outputs:
    """The raw outputs for input `index` (modulo the number of distinct inputs); a refused request is made again."""
    for _ in range(ATTEMPTS - 1):
        with suppress(RequestError):
            return bound.inspect(index % max(bound.count, 1))
    return bound.inspect(index % max(bound.count, 1))


def check_output(name: str, value: Array, spec: TensorSpec) -> None:
    """Raises WrongOutputError when `value` does not have the declared shape and type, or holds NaN or infinity."""
    shape = tuple(value.shape)
    fits = len(shape) == len(spec.shape) and all(
        not isinstance(want, int) or have == want for have, want in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        raise WrongOutputError(FailureKind.WRONG_SHAPE, f"output {name}: shape {shape}, declared {spec.shape}")
    if value.dtype != np.dtype(spec.dtype):
        raise WrongOutputError(FailureKind.WRONG_SHAPE, f"output {name}: type {value.dtype}, declared {spec.dtype}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        bad = int(value.size - np.isfinite(value).sum())
        raise WrongOutputError(
            FailureKind.NON_FINITE, f"output {name}: {bad} of {value.size} values are NaN or infinite"
        )
