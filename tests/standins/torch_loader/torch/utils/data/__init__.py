"""See `torch`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class DataLoader:
    """Items in their order, `batch_size` at a time, with a new first axis."""

    def __init__(self, dataset: Sequence[Any], batch_size: int = 1, shuffle: bool = False) -> None:
        self._dataset, self._size = dataset, batch_size

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self._dataset), self._size):
            yield np.stack(self._dataset[start : start + self._size])
