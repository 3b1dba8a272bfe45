"""How far the next tokens that a server names are from the fp32 CPU reference's, where it shows no raw outputs.

Arrays are named `<input>:<what>` (`engine.answering`). Top-1 agreement is over all probes whose token is known. The
Kullback-Leibler divergence is that of two coarser distributions: the tokens that the server names one by one, all
others as one class. Merging classes only lowers it (data processing inequality; Cover and Thomas, Elements of
Information Theory, 2.8), so a server that is above a bound here is above it in full.

Not aware of: floors, requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.stats.fidelity import TOKENS, Fidelity

POSITIONS, NEXT, LIKELY, LOGPROBS = "positions", "next", "likely", "logprobs"
LOGITS = "logits"
PLACES = 8
"""How many places of each input are asked about: neighbours say much the same, and each costs a request."""

# Of fewer probes than these nothing is said: one of them would weigh more than what an honest server misses.
LEAST = 8

Arrays = Mapping[str, npt.NDArray[Any]]


def step_of(tokens: int, rows: int, values: int, most: int) -> int:
    """Every how manyth of `tokens` rows of `values` the reference kept, when it keeps at most `most` values in all."""
    return 1 if rows == tokens else -(-tokens * values // most)


def places(tokens: int, step: int) -> list[int]:
    """Up to PLACES of the places 0, step, 2·step … below `tokens`, evenly spaced."""
    kept = range(0, tokens, step)
    return [kept[round(index)] for index in np.linspace(0, len(kept) - 1, min(PLACES, len(kept)))]


def asked(found: Arrays) -> bool:
    """Whether these are answers to probes."""
    return any(name.endswith(f":{NEXT}") for name in found)


def known(found: Arrays) -> tuple[int, int]:
    """(probes whose token is known, probes)."""
    rows = [value for name, value in found.items() if name.endswith(f":{NEXT}")]
    return sum(int(np.sum(value >= 0)) for value in rows), sum(value.size for value in rows)


def compare(reference: Arrays, found: Arrays, most: int) -> Fidelity:
    """`top1` and `kl` over all probes; None where too few are known, or the server gives no log-probabilities.

    `most`: how many values of an output the reference keeps (`engine.answering`).
    """
    agreed: list[bool] = []
    divergences: list[float] = []
    for name in [name for name in found if name.endswith(f":{NEXT}")]:
        index = name.partition(":")[0]
        rows = np.asarray(reference[f"{index}:{LOGITS}"], np.float64)
        step = step_of(int(np.asarray(reference[f"{TOKENS}{index}"]).size), rows.shape[0], rows.shape[1], most)
        for place, position in enumerate(found[f"{index}:{POSITIONS}"]):
            logits = rows[int(position) // step]
            chosen = int(found[name][place])
            if chosen >= 0:
                agreed.append(chosen == int(logits.argmax()))
            divergence = coarse(logits, found[f"{index}:{LIKELY}"][place], found[f"{index}:{LOGPROBS}"][place])
            if divergence is not None:
                divergences.append(divergence)
    return Fidelity(
        top1=float(np.mean(agreed)) if len(agreed) >= LEAST else None,
        kl=float(np.mean(divergences)) if len(divergences) >= LEAST else None,
    )


def coarse(
    logits: npt.NDArray[np.float64], likely: Sequence[int] | npt.NDArray[np.int64], logprobs: npt.NDArray[np.float64]
) -> float | None:
    """The divergence of the named tokens' distribution from the reference's, one class for all others; None of none."""
    named = np.asarray(likely) >= 0
    if not named.any():
        return None
    raised = np.exp(logits - logits.max())
    whole = raised / raised.sum()
    p = whole[np.asarray(likely)[named]]
    q = np.exp(np.asarray(logprobs, np.float64)[named])
    p = np.append(p, max(0.0, 1 - p.sum()))
    q = np.append(q, max(0.0, 1 - q.sum()))
    # Rounding of printed log-probabilities may leave less than nothing for the others.
    return float(np.sum(p * (np.log(np.maximum(p, 1e-30)) - np.log(np.maximum(q, 1e-6)))))
