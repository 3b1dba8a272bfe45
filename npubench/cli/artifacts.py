"""`--artifact [MODEL/BUILD/ROLE=]FILE`: a model file that was compiled elsewhere, named on the command line.

What must be known of it stands in FILE.toml beside it, with the keys of a card's `prebuilt` table; or, for one file,
`--compiled-from GRAPH` says which graph it was made from, and `--compiled-by TEXT` by whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from npubench.cards import BackendCard, ModelCard, PrebuiltSpec, build_name, read_toml, table
from npubench.cli.asked import Asked
from npubench.engine import prebuilt
from npubench.engine.planned import NATIVE, variant_of
from npubench.errors import UsageError
from npubench.lang import here
from npubench.store import sha256_file

UNKNOWN = "unknown"


def brought(asked: Asked, models: Mapping[str, ModelCard], card: BackendCard) -> tuple[BackendCard, dict[str, str]]:
    """The backend with the files that were named, and their paths for `Plan.sources`. Raises UsageError, CardError.

    `models`: those that are to be measured.
    """
    found = {model: {build: dict(roles) for build, roles in builds.items()} for model, builds in card.prebuilt.items()}
    sources: dict[str, str] = {}
    for text in asked.artifacts:
        place, _, name = text.rpartition("=")
        path = Path(name)
        if not path.is_file():
            raise UsageError(here(f"--artifact {name}: no such file", f"--artifact {name}: 파일이 없습니다"))
        model, build, role = _place(place, text, asked, models, card)
        spec = _spec(path, asked)
        found.setdefault(model, {}).setdefault(build, {})[role] = spec
        sources[prebuilt.source(spec)] = str(path.absolute())
    return msgspec.structs.replace(card, prebuilt=found), sources


def _place(
    place: str, text: str, asked: Asked, models: Mapping[str, ModelCard], card: BackendCard
) -> tuple[str, str, str]:
    """Model, build and role; those that were not named must be the only ones."""
    if place:
        parts = place.split("/")
        if len(parts) != 3 or not all(parts):
            raise UsageError(
                here(
                    f"--artifact {text}: expected MODEL/BUILD/ROLE=FILE",
                    f"--artifact {text}: MODEL/BUILD/ROLE=FILE 형식이어야 합니다",
                ),
                hint=here(
                    "for example cctv-detect/int8+static/detector=detector_ctx.onnx",
                    "예: cctv-detect/int8+static/detector=detector_ctx.onnx",
                ),
            )
        return parts[0], parts[1], parts[2]
    if len(models) == 1:
        ((name, model),) = models.items()
        precision = NATIVE if asked.onnx else asked.precisions[0] if asked.precisions else model.precisions[0]
        variant = variant_of(model, card, precision) or "portable"
        roles = tuple(prebuilt.graphs(model, precision, variant) or ())
        if len(asked.precisions) <= 1 and len(roles) == 1:
            return name, build_name(precision, variant), roles[0]
    raise UsageError(
        here(
            f"--artifact {text}: which model, build and graph is it for?",
            f"--artifact {text}: 어느 모델, 빌드, 그래프의 파일입니까?",
        ),
        hint=here("name them: MODEL/BUILD/ROLE=FILE", "MODEL/BUILD/ROLE=FILE로 지정하세요"),
    )


def _spec(path: Path, asked: Asked) -> PrebuiltSpec:
    beside = path.with_name(path.name + ".toml")
    facts: dict[str, Any] = {"path": path.name, "compiled_by": UNKNOWN, "compiler": UNKNOWN}
    if beside.is_file():
        facts |= read_toml(beside)
    if asked.compiled_by is not None:
        facts["compiled_by"] = asked.compiled_by
    if asked.compiled_from is not None:
        if len(asked.artifacts) > 1:
            raise UsageError(
                here(
                    "--compiled-from is for one --artifact; several have a FILE.toml each",
                    "--compiled-from은 --artifact 하나에만 씁니다. 여럿이면 각각 FILE.toml이 필요합니다",
                )
            )
        if not asked.compiled_from.is_file():
            said = str(asked.compiled_from)
            raise UsageError(here(f"--compiled-from {said}: no such file", f"--compiled-from {said}: 파일이 없습니다"))
        facts["source_sha256"] = sha256_file(asked.compiled_from)
    if "source_sha256" not in facts:
        raise UsageError(
            here(
                f"--artifact {path}: which graph was it compiled from?",
                f"--artifact {path}: 어느 그래프에서 컴파일했습니까?",
            ),
            hint=here(
                f"--compiled-from GRAPH.onnx (the one that `npubench build` makes), or say it in {beside.name}: "
                "source_sha256, compiled_by, compiler, quantiser",
                f"--compiled-from GRAPH.onnx(`npubench build`가 만드는 파일)로 지정하거나 {beside.name}에 적으세요: "
                "source_sha256, compiled_by, compiler, quantiser",
            ),
        )
    facts.setdefault("sha256", sha256_file(path))
    return table(facts, PrebuiltSpec, beside.name)
