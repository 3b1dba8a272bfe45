"""A made-up results tree of many nights. Nothing here was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench import store
from npubench.metrics import METRICS
from npubench.schema import Cell, Run, encode
from tests.stats.made_runs import cell, run, spread

FIRST = datetime(2026, 1, 1, 1, 2, 3, tzinfo=timezone.utc)
MACHINE = "test-machine"
Factor = Callable[[int], float]
"""Night number → latency of that night as a multiple of the first."""


def created(number: int) -> str:
    return f"{FIRST + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}"


def run_id(number: int) -> str:
    return f"{FIRST + timedelta(days=number):%Y%m%dT%H%M%SZ}-{number:06x}"


def put(root: Path, made: Run, folder: str = "") -> Path:
    """Writes a sealed run as one accepted into git is: nothing but its run.json."""
    path = root / MACHINE / (folder or made.id) / store.RUN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(made))
    return path.parent


def night(number: int, *cells: Cell, **changes: Any) -> Run:
    return run(*cells, id=run_id(number), created=created(number), **changes)


def launches(random: np.random.Generator, sd: float = 0.005, count: int = 5) -> Sequence[float]:
    return [float(value) for value in np.exp(random.normal(0, sd, count))]


def history(root: Path, count: int, factor: Factor = lambda _: 1.0, **changes: Any) -> None:
    """`count` nights of one cell."""
    random = np.random.default_rng(0)
    for number in range(count):
        put(root, night(number, cell(launches(random), factor=factor(number)), **changes))


def year(root: Path, nights: int, cells: int) -> int:
    """A tree of `nights` × `cells` as heavy as real ones (10 kB a cell, half of it its summary); its size in bytes."""
    random, size = np.random.default_rng(0), 0
    options = {f"option-{number}": {"value": number, "source": "card"} for number in range(25)}
    for number in range(nights):
        made = []
        for place in range(cells):
            values = launches(random)
            one = cell(
                values,
                model=f"model-{place}",
                factor=1.05 if number > nights // 2 and place % 10 == 0 else 1.0,
                options={"detector": options},
                identity={"graphs": {"detector": {"graph": "f" * 64, "weights": "e" * 64}}, "options": options},
            )
            more = {key: spread(values) for key in list(METRICS)[-22:] if key not in one.summary}
            made.append(msgspec.structs.replace(one, summary={**one.summary, **more}))
        folder = put(root, night(number, *made))
        size += (folder / store.RUN).stat().st_size
    return size
