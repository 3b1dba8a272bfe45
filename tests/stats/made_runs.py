"""Made-up sealed runs to compare. Nothing here was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.cards import digest
from npubench.metrics import THROUGHPUT
from npubench.schema import Cell, Run, Scenario, Spread, cell_id
from tests.support import MACHINE

STEADY = (1.000, 1.004, 0.997, 1.002, 0.998)
"""Launches that agree to half a percent."""


def spread(values: Sequence[float | None], reason: str | None = None) -> Spread:
    known = sorted(value for value in values if value is not None)
    return Spread(median=known[len(known) // 2] if known else None, launches=tuple(values), reason=reason)


def cell(
    latency: Sequence[float | None] = STEADY,
    *,
    factor: float = 1.0,
    model: str = "cctv-detect",
    backend: str = "cpu",
    precision: str = "fp32",
    scenario: str = "single-stream",
    unit: str = "frame",
    identity: dict[str, Any] | None = None,
    **changes: Any,
) -> Cell:
    """A cell whose p50, p99 and throughput follow `latency` × `factor` (× 25 ms)."""
    key = {"model": model, "backend": backend, "precision": precision, "scenario": scenario, "scope": "device"}
    p50 = [value if value is None else value * factor * 25e6 for value in latency]
    rate, scale = THROUGHPUT[unit]
    facts = {**key, "options": {"threads": 2}, **(identity or {})}
    made = Cell(
        id=cell_id(key),
        key=key,
        identity=facts,
        identity_sha256=digest(facts),
        model=model,
        backend=backend,
        precision=precision,
        scenario=Scenario(name=scenario),
        scope="device",
        unit=unit,
        execution_kind="hardware",
        verdict="valid",
        summary={
            "latency_p50_ns": spread(p50),
            "latency_p99_ns": spread([value and value * 1.2 for value in p50]),
            rate: spread([scale * 1e9 / value if value else value for value in p50]),
        },
    )
    return msgspec.structs.replace(made, **changes)


def run(*cells: Cell, id: str = "20261124T010203Z-aaaaaa", **changes: Any) -> Run:  # noqa: A002
    """A sealed run of the nightly profile."""
    made = Run(
        id=id,
        created="2026-11-24T01:02:03Z",
        sealed="2026-11-24T01:12:03Z",
        npubench="1.0.0",
        profile="nightly",
        comparable=True,
        suite=None,
        ruleset="npubench-1",
        seed=0,
        command=(),
        machine=MACHINE,
        cells=cells,
        varying={"onnxruntime": "1.32.0", "kernel": "6.0"},
    )
    return msgspec.structs.replace(made, **changes)
