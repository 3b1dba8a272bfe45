"""A made-up grid of K-Perf's axes for the tests of the report: precision × lengths × concurrency on two devices.

Nothing here was measured: every number is drawn from a formula.
"""

from __future__ import annotations

import itertools

import msgspec

from npubench.report.view import RunFiles
from npubench.schema import Cell, Launch, PlannedCell, Spread, Value
from tests.report import loaded, sample

MODEL = "llm-chat-135m"
BACKENDS = {"sample-npu": 1.0, "sample-gpu": 0.7}
PRECISIONS = {"fp16": 1.0, "int8": 0.62}
LENGTHS = ((128, 128), (1024, 128), (1024, 1024))
USERS = (1, 4, 16, 64)
WATTS = {"sample-npu": 41.0, "sample-gpu": 212.0}


def _values(backend: str, precision: str, ins: int, users: int) -> dict[str, float]:
    slow = BACKENDS[backend] * PRECISIONS[precision]
    tpot_ns = 9e6 * slow * (1 + users / 24)
    ttft_ns = 22e6 * slow * (ins / 128) * (1 + users / 10)
    return {
        "tokens_per_s": users * 1e9 / tpot_ns,
        "tokens_per_s_user_p50": 1e9 / tpot_ns,
        **{f"ttft_{p}_ns": ttft_ns * at for p, at in (("p50", 1.0), ("p90", 1.3), ("p99", 1.9))},
        **{f"tpot_{p}_ns": tpot_ns * at for p, at in (("p50", 1.0), ("p90", 1.1), ("p99", 1.25))},
        "output_tokens_p50": 128.0,
    }


def grid() -> RunFiles:
    """The grid; one point of it failed, and one has too few requests for its p99."""
    cells: list[PlannedCell] = []
    launches: list[Launch] = []
    found = sample.samples(1e7, 20, seed=1, units=4, tokens=True)
    for backend, precision, (ins, outs), users in itertools.product(BACKENDS, PRECISIONS, LENGTHS, USERS):
        written = f"users:in={ins},out={outs},users={users}"
        cell = loaded.planned(MODEL, backend, written, precision=precision)
        key = {**cell.key, "precision": precision}
        cell = msgspec.structs.replace(cell, key=key, id=sample.cell_id(key))
        cells.append(cell)
        if (backend, precision, ins, outs, users) == ("sample-npu", "fp16", 1024, 1024, 64):
            launches.append(sample.failed(cell, 1, message="=cmd|'/c calc'!A1 out of device memory"))
            continue
        summary = {key: Value(value=value) for key, value in _values(backend, precision, ins, users).items()}
        if users == 1:
            summary["ttft_p99_ns"] = Value(value=None, reason="640 samples; p99 needs at least 662, 22 more")
        launches += [sample.launched(cell, n, found, "token", summary=summary) for n in (1, 2)]
    files = sample.files(cells, launches, {})
    run = msgspec.structs.replace(files.run, cells=tuple(map(_with_energy, files.run.cells)))
    return RunFiles(run=run, launches=files.launches, samples=files.samples)


def _with_energy(cell: Cell) -> Cell:
    rate = cell.summary.get("tokens_per_s")
    if rate is None or rate.median is None:
        return cell
    watts = WATTS[cell.backend]
    figures = {
        "power_mean_w": Spread(median=watts, launches=(watts, watts)),
        "tokens_per_j": Spread(median=rate.median / watts, launches=(rate.median / watts,) * 2),
    }
    return msgspec.structs.replace(cell, efficiency={"card": figures})
