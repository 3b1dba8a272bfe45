"""Made-up runs to rank: backends of several speeds, energies, kinds and qualities. Nothing here was measured."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from npubench.scenarios import parse
from npubench.schema import Capacity, Cell, Quality, Spread, cell_id
from npubench.spi import MeterScope
from tests.stats.made_runs import STEADY, cell, spread

Judged = Literal["passed", "failed", "unknown"]


def quality(verdict: Judged = "passed", **of: Any) -> Quality:
    facts: dict[str, Any] = {"model": "cctv-detect", "precision": "fp32", "variant": "portable", "backend": "cpu", **of}
    return Quality(verdict=verdict, **facts)


def joules(factor: float, scope: MeterScope = "node") -> dict[MeterScope, dict[str, Spread]]:
    """0.8 J a frame, times `factor`."""
    each = [value * factor * 0.8 for value in STEADY]
    return {
        scope: {
            "power_mean_w": spread([30.0] * 5),
            "energy_per_request_j": spread(each),
            "energy_per_frame_j": spread(each),
        }
    }


def entry(factor: float, backend: str, *, judged: Judged = "passed", energy: float | None = None, **more: Any) -> Cell:
    """A cell in single-stream, `factor` times as slow as 25 ms."""
    facts = {"workload": "detection", "data": "d", "ruleset": "npubench-1", "params": {}, **more.pop("identity", {})}
    if energy is not None:
        more["efficiency"] = joules(energy, more.pop("scope_of_energy", "node"))
    return cell(
        factor=factor,
        backend=backend,
        quality=quality(judged, backend=backend, precision=more.get("precision", "fp32")),
        identity={"device": {"type": "npu", "vendor": None, "count": 1}, **facts},
        **more,
    )


def cameras(backend: str, held: float, failed: float | None, launches: int = 5, **more: Any) -> Cell:
    """A search that every launch confirmed."""
    (scenario,) = parse("cameras:fps=15")
    found = entry(1.0, backend, **more)
    key = {**found.key, "scenario": "cameras", "scenario.fps": "15"}
    return msgspec.structs.replace(
        found,
        id=cell_id(key),
        key=key,
        scenario=scenario,
        capacity=Capacity(searched="cameras", confirmed=held, failed=failed, percent=99.0),
        summary={
            "capacity_cameras": Spread(median=held, launches=(held,) * launches),
            "sustained_frames_per_s": spread([value * held * 20 for value in STEADY]),
        },
    )
