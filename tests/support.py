"""Cards and plans that tests build runs from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from npubench.cards import BackendCard, ModelCard
from npubench.discovery import catalogue
from npubench.engine import plan as planning
from npubench.rules import load
from npubench.schema import FLOOR_MODEL, Machine, Plan

MACHINE = Machine(name="test-machine", cpu="Test CPU", threads=2, kernel="6.0", os="Test OS", memory_bytes=8 << 30)

BACKEND_TOML = """\
schema = "npubench.backend/1"
id = "{id}"
title = {{ en = "{title}", ko = "시험" }}
summary = {{ en = "For tests.", ko = "시험용." }}
adapter = "null"
device = {{ type = "none" }}
precisions = ["fp32"]
install = {{ en = "nothing", ko = "없음" }}
verified = {{ how = "not verified" }}

{environment}[options]
{options}
"""


def backend_toml(id: str = "fake", title: str = "Fake", environment: str = "", **options: Any) -> str:  # noqa: A002
    """A backend card on the null adapter with these options."""
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    return BACKEND_TOML.format(id=id, title=title, options=lines, environment=environment)


def write_backend(folder: Path, id: str = "fake", **options: Any) -> Path:  # noqa: A002
    """A `--cards` folder with one more backend in it."""
    path = folder / "backends" / f"{id}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(backend_toml(id, **options), encoding="utf-8")
    return folder


def null_card(id: str = "null", **options: Any) -> BackendCard:  # noqa: A002
    """The null backend with options."""
    card = catalogue().backends["null"].card
    return msgspec.structs.replace(card, id=id, options=options)


def floor_model() -> tuple[ModelCard, Path]:
    """The one-node model and its room."""
    found = catalogue().models[FLOOR_MODEL]
    return found.card, found.path.parent


def tensor_model(id: str = "tiny") -> ModelCard:  # noqa: A002
    """The one-node graph under a name of its own, so that it is a model and not the floor."""
    return msgspec.structs.replace(floor_model()[0], id=id)


def null_plan(
    *backends: BackendCard,
    launches: int = 1,
    window_s: float = 0.2,
    models: tuple[str, ...] = ("tiny",),
    scenarios: tuple[str, ...] = ("single-stream",),
    seed: int = 0,
) -> Plan:
    """A plan of tiny models on null backends, without floors."""
    room = floor_model()[1]
    cells = len(backends) * len(models) * len(scenarios) * launches
    return planning.make(
        run="20261124T000000Z-abc123",
        wanted=[planning.Wanted(model=name, scenarios=scenarios) for name in models],
        models={name: tensor_model(name) for name in models},
        backends={card.id: card for card in backends},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(
            profile="standard", seconds=window_s / 0.75 * 2 * cells, launches=launches, max_window_s=window_s
        ),
        seed=seed,
        suite=None,
        sources={f"room:{name}": str(room) for name in models},
    )
