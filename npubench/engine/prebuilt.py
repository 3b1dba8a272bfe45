"""Model files that were compiled elsewhere, and stand in for those that npubench would make (a card's `prebuilt`,
`--artifact`).

Guarantees: such a file is used only where its bytes are those that were named and it says that it was compiled from the
very graph that this model card pins; it then goes through everything that any other file goes through: the quality
gate, the placement certificate. Who compiled it is repeated there. Not aware of: what is in it (the adapter opens it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from npubench.cards import (
    PRECISIONS,
    BackendCard,
    GraphSpec,
    ModelCard,
    PrebuiltSpec,
    build_name,
    did_you_mean,
    graphs_of,
)
from npubench.errors import ArtifactError, CardError
from npubench.evidence import Origin
from npubench.lang import here
from npubench.spi import Artifact
from npubench.store import sha256_file

Specs = Mapping[str, PrebuiltSpec]
"""Role → the file that stands in for this graph."""


def of(card: BackendCard, model: str, precision: str, variant: str) -> Specs:
    """What the backend card brings for a build; empty where it brings nothing."""
    return card.prebuilt.get(model, {}).get(build_name(precision, variant), {})


def graphs(card: ModelCard, precision: str, variant: str) -> dict[str, GraphSpec] | None:
    """The graphs of a build, by role; a user's own ONNX file is what it is, under no precision of ours."""
    return card.graphs if precision not in PRECISIONS else graphs_of(card, precision, variant)


def origin(specs: Specs) -> Origin:
    """Who compiled the files, for the certificate. Different hands are all named."""

    def named(parts: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(part for part in parts if part))

    return Origin(
        compiled_by=named(spec.compiled_by for spec in specs.values()),
        compiler=named(spec.compiler for spec in specs.values()),
        quantiser=named(spec.quantiser for spec in specs.values()),
        sha256={role: spec.sha256 for role, spec in specs.items()},
        source_sha256={role: spec.source_sha256 for role, spec in specs.items()},
    )


def source(spec: PrebuiltSpec) -> str:
    """The key of the file's path in `Plan.sources`: results name no path, cards only one beside themselves."""
    return f"prebuilt:{spec.sha256}"


def paths(card: BackendCard, folder: Path) -> dict[str, str]:
    """Where the files are that the card brings, by `source`; their paths are relative to `folder`, the card's own."""
    specs = [spec for builds in card.prebuilt.values() for roles in builds.values() for spec in roles.values()]
    return {source(spec): str((folder / spec.path).absolute()) for spec in specs}


def check(card: BackendCard, models: Mapping[str, ModelCard], sources: Mapping[str, str]) -> None:
    """Raises CardError for names that mean nothing, ArtifactError for files that are not those that were named.

    `models`: all that are known; `sources`: where files are, by `source`. What a file was compiled from is the question
    of `stand_in`, because it may be a graph that is only made at build.
    """
    for model, builds in card.prebuilt.items():
        if model not in models:
            raise CardError([f"{card.id}: prebuilt.{model}: no such model{did_you_mean(model, list(models))}"])
        for build, specs in builds.items():
            precision, _, variant = build.partition("+")
            known_graphs = graphs(models[model], precision, variant or "portable")
            if known_graphs is None:
                raise CardError([f"{card.id}: prebuilt.{model}.{build}: {model} has no such build"])
            for role, spec in specs.items():
                if role not in known_graphs:
                    known = ", ".join(known_graphs)
                    raise CardError([f"{card.id}: prebuilt.{model}.{build}.{role}: no such graph; it has {known}"])
                _check_bytes(sources[source(spec)], spec)


def stand_in(
    built: tuple[Artifact, ...], specs: Specs, known: Mapping[str, GraphSpec], sources: Mapping[str, str]
) -> tuple[Artifact, ...]:
    """The artefacts with the prebuilt ones in place. Raises ArtifactError.

    `known`: the model card's graphs; where a build is made from them by fixing shapes, a file may have been compiled
    from either.
    """
    found = []
    for artifact in built:
        spec = specs.get(artifact.role)
        if spec is None:
            found.append(artifact)
            continue
        path = sources[source(spec)]
        _check_bytes(path, spec)
        pinned = known[artifact.role].sha256
        if spec.source_sha256 != pinned and spec.source_sha256 != sha256_file(Path(artifact.path)):
            raise ArtifactError(
                here(
                    f"{path}: compiled from another graph: {spec.source_sha256[:16]}…, but the graph of this "
                    f"model is {pinned[:16]}… ({artifact.role})",
                    f"{path}: 다른 그래프에서 컴파일됨: {spec.source_sha256[:16]}…, 이 모델의 그래프는 "
                    f"{pinned[:16]}… ({artifact.role})",
                ),
                hint=here(
                    "compile it from the graph that `npubench build` makes",
                    "`npubench build`가 만드는 그래프에서 컴파일하세요",
                ),
            )
        found.append(msgspec.structs.replace(artifact, path=path, sha256=spec.sha256))
    return tuple(found)


def _check_bytes(path: str, spec: PrebuiltSpec) -> None:
    if not Path(path).is_file():
        raise ArtifactError(here(f"{path}: no such file", f"{path}: 파일이 없습니다"))
    if (sha256 := sha256_file(Path(path))) != spec.sha256:
        raise ArtifactError(
            here(
                f"{path}: not the file that was named: SHA-256 {sha256[:16]}…, expected {spec.sha256[:16]}…",
                f"{path}: 지정한 파일이 아님: SHA-256 {sha256[:16]}…, 기대값 {spec.sha256[:16]}…",
            )
        )
