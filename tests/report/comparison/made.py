"""Made-up comparisons: one of each outcome, hostile ones, huge ones. Nothing here was measured."""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.lang import Text
from npubench.stats.compare import compare
from npubench.stats.compared import Comparison
from npubench.stats.headline import headline
from tests.stats.made_runs import cell, run

NOISY = (1.0, 1.03, 0.97, 1.02, 0.985)
BASE, NEW = "20261124T010203Z-aaaaaa", "20261125T010203Z-bbbbbb"


def each() -> Comparison:
    """One regressed, one improved, one inconclusive, one not comparable, invalid, missing, new and refuted."""
    why = (Text(en="a launch crashed", ko="실행 하나가 비정상 종료되었습니다"),)
    base = run(
        *(cell(model=name) for name in ("slower", "faster", "other", "broken", "gone", "refuted")),
        cell(NOISY, model="noisy"),
        id=BASE,
    )
    new = run(
        cell(model="faster", factor=0.9),
        cell(model="slower", factor=1.123),
        cell(NOISY, model="noisy", factor=1.01),
        cell(model="other", identity={"options": {"threads": 4}}),
        cell(model="broken", verdict="invalid", reasons=why),
        cell(model="refuted", factor=1.05),
        cell(model="added"),
        id=NEW,
        created="2026-11-25T01:02:03Z",
        varying={"onnxruntime": "1.33.0", "kernel": "6.0"},
    )
    found = compare(base, new)
    cells = []
    for item in found.cells:
        metrics = item.metrics[:1]
        if item.model == "refuted":
            metrics = tuple(msgspec.structs.replace(metric, confirmed=False) for metric in metrics)
        cells.append(msgspec.structs.replace(item, metrics=metrics))
    return msgspec.structs.replace(found, cells=tuple(cells), sentence=headline(cells, found.rule))


def named(name: str, **changes: Any) -> Comparison:
    """Every text of others is `name`: one regressed cell, one that is not comparable, notes, versions, reasons."""
    # A lone surrogate cannot stand in a document, and so in no name that was read from one.
    name = name.encode("utf-8", "replace").decode()
    told = (Text(en=name, ko=name),)
    names: dict[str, Any] = {"model": name, "backend": name, "precision": name}
    base = run(cell(**names), cell(model="b", backend=name), id=name, varying={name: name}, created=name)
    new = run(
        cell(factor=2.0, verdict="degraded", reasons=told, **names),
        cell(model="b", backend=name, identity={name: {"x": name}}, reasons=told),
        id=name + "2",
        created=name,
        varying={name: name + "2", "b": name},
        machine=msgspec.structs.replace(run().machine, name=name),
    )
    found = compare(base, new, notes=told)
    return msgspec.structs.replace(found, allow=(name,), only=(name,), machine_class=name, **changes)


def huge(cells: int, name: str = "m") -> Comparison:
    """Half of the cells regressed, half inconclusive."""
    return compare(
        run(*(cell(model=f"{name}{index}") for index in range(cells)), id=BASE),
        run(*(cell(model=f"{name}{index}", factor=1.2 if index % 2 else 1.004) for index in range(cells)), id=NEW),
    )
