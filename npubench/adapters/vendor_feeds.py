"""Named feeds ↔ the positional arrays that vendors' runtimes take: what all vendors' adapters share.

Guarantees: feeds of another name, shape or type than declared raise ValueError before the runtime sees them (some
runtimes read past the end of a short array); arrays are C-contiguous; outputs are the caller's own, with the declared
type and shape.

Not aware of: runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npubench.spi import Array, Feeds, Outputs, TensorSpec


def ordered(specs: Sequence[TensorSpec], feeds: Feeds) -> list[Array]:
    """The arrays in the order of `specs`. Raises ValueError that says what was found and what was expected."""
    names = [spec.name for spec in specs]
    if set(feeds) != set(names):
        raise ValueError(f"inputs {', '.join(sorted(feeds)) or 'none'}; expected {', '.join(names)}")
    found = []
    for spec in specs:
        array = np.asarray(feeds[spec.name], order="C")
        if array.shape != tuple(spec.shape) or array.dtype != np.dtype(spec.dtype):
            raise ValueError(
                f"input {spec.name}: {array.dtype}{list(array.shape)}; expected {spec.dtype}{list(spec.shape)}"
            )
        found.append(array)
    return found


def named(specs: Sequence[TensorSpec], results: Any, *, copied: bool = True) -> Outputs:
    """The runtime's arrays (one, or a list in the order of `specs`) by name. Raises RuntimeError for another number.

    `copied`: the runtime may write its own buffers again.
    """
    arrays = list(results) if isinstance(results, (list, tuple)) else [results]
    if len(arrays) != len(specs):
        raise RuntimeError(f"the runtime gave {len(arrays)} outputs; the model has {len(specs)}")
    return {
        spec.name: np.array(array) if copied else np.asarray(array) for spec, array in zip(specs, arrays, strict=True)
    }
