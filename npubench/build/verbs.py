"""What the worker's `build` verb calls: builders that take and give plain JSON values, run in a child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from npubench.cards import ModelCard
from npubench.errors import DataError
from npubench.lang import here
from npubench.spi import Artifact

Progress = Callable[[str], None]


def materialise_card(
    card: Mapping[str, Any],
    room: str,
    cache: str,
    precision: str,
    progress: Progress,
    variant: str = "portable",
    batch: int = 1,
) -> list[Any]:
    """The artefacts of a model card, in the card's order. Raises ArtifactError."""
    from npubench.build.materialise import materialise

    model = msgspec.convert(card, ModelCard)
    found = materialise(model, Path(room), Path(cache), precision, progress, variant, batch)
    return [msgspec.to_builtins(artifact) for artifact in found.values()]


def calibration_set(data: str, cache: str, count: int, progress: Progress) -> str | None:
    """The folder of `count` of our calibration inputs of the kind of the data set `data`, drawn once into the cache.

    None where we draw none of that kind (prompts, clips). None of them is an evaluation input.
    """
    from npubench.build.author_precisions import CALIBRATION
    from npubench.build.data.sets import CARD, STANDARD, write_set

    kind = STANDARD[data].kind if data in STANDARD else None
    if kind is None or kind not in CALIBRATION:
        return None
    seed = CALIBRATION[kind][0]
    folder = Path(cache) / "calibration" / f"{seed.partition('/')[0]}-{count}"
    if not (folder / CARD).is_file():
        progress(here(f"drawing {count} calibration inputs", f"보정 입력 {count}개를 그리는 중"))
        write_set(kind, count, seed, folder, "training")
    return str(folder)


def calibrate_card(
    card: Mapping[str, Any],
    room: str,
    cache: str,
    folder: str,
    kind: Literal["frames", "pages"],
    workload: str,
    adapter: str,
    progress: Progress,
) -> dict[str, Any]:
    """A room with the user's own calibration, as `calibrated.Calibrated`. Raises DataError, ArtifactError."""
    from npubench.build.calibrated import calibrate

    found = calibrate(
        msgspec.convert(card, ModelCard),
        Path(room),
        Path(cache),
        Path(folder),
        kind,
        workload=workload,
        adapter=adapter,
        progress=progress,
    )
    built: dict[str, Any] = msgspec.to_builtins(found)
    return built


def inspect_user_onnx(path: str, shapes: Mapping[str, Sequence[int]], progress: Progress) -> dict[str, Any]:
    """What is to be known of a user's ONNX file: its hash, the sizes of its symbolic dimensions, what was chosen."""
    from npubench.build.user_onnx import inspect_onnx

    found = inspect_onnx(Path(path), {name: tuple(shape) for name, shape in shapes.items()})
    for note in found.notes:
        progress(note)
    return {"sha256": found.sha256, "sizes": found.sizes, "notes": list(found.notes)}


def user_artifact(path: str, sha256: str, precision: str, progress: Progress) -> list[Any]:
    """The user's file where it lies. Raises DataError when it is no longer what was examined."""
    from npubench.build.user_onnx import inspect_onnx

    found = inspect_onnx(Path(path), {}).sha256
    if found != sha256:
        raise DataError(
            here(f"{path}: changed since the run was planned", f"{path}: 실행을 계획한 뒤 파일이 바뀌었습니다"),
            hint=here("start a new run", "새 실행을 시작하십시오"),
        )
    return [msgspec.to_builtins(Artifact(role="model", path=path, sha256=sha256, precision=precision))]


def damage(artifact: Mapping[str, Any], fault: str, folder: str, progress: Progress) -> Any:
    """A damaged copy of one artefact (`build.damage`), for `selftest quality`. Raises ArtifactError."""
    from npubench.build.damage import damaged
    from npubench.store import sha256_file

    path = damaged(Path(artifact["path"]), fault, Path(folder))
    return {**artifact, "path": str(path), "sha256": sha256_file(path)}


def describe_detector(path: str, progress: Progress) -> dict[str, Any]:
    """What a foreign detector's file says of itself (`foreign.Described`)."""
    from npubench.build.foreign import describe

    described: dict[str, Any] = msgspec.to_builtins(describe(Path(path)))
    return described


def own_weights(
    card: Mapping[str, Any],
    room: str,
    path: str,
    cache: str,
    data: str | None,
    text: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """A model card made of the user's own weights, and where its files are. Raises DataError."""
    from npubench.build.own_weights import with_own_weights

    model, folder = msgspec.convert(card, ModelCard), Path(data) if data else None
    own_text = Path(text) if text else None
    found = with_own_weights(
        model, Path(room), Path(path), cache=Path(cache), data=folder, text=own_text, progress=progress
    )
    answer: dict[str, Any] = msgspec.to_builtins(found)
    return answer


def own_artifacts(
    card: Mapping[str, Any], path: str, cache: str, precision: str, variant: str, progress: Progress
) -> list[Any]:
    """The artefacts of a card that `own_weights` made of a checkpoint. Raises DataError when that changed."""
    from npubench.build.own_llm import artifacts

    model = msgspec.convert(card, ModelCard)
    found = artifacts(model, Path(path), Path(cache), precision, variant, progress)
    return [msgspec.to_builtins(artifact) for artifact in found.values()]


def export_hf(
    card: Mapping[str, Any], room: str, data: str | None, output: str, progress: Progress, *, words: bool = False
) -> list[str]:
    """Writes a language model as a Hugging Face folder; sentences about it. Raises UsageError, ArtifactError."""
    from npubench.build.hf_export import export

    folder = Path(data) if data else None
    return list(export(msgspec.convert(card, ModelCard), Path(room), folder, Path(output), progress, words=words))


def contract_graphs(folder: str, form: str, progress: Progress) -> None:
    """The graphs that a backend's contract is checked with, as files in `folder`."""
    from npubench.build.contract_graphs import write

    write(Path(folder), form)


def node_cases(folder: str, operators: Sequence[str], cache: str, progress: Progress) -> dict[str, Any]:
    """The ONNX standard's node tests as files: their folder, the cases, every operator's name, and onnx's version."""
    import onnx

    from npubench.build.node_cases import cached

    found, cases = cached(Path(cache), operators, Path(folder))
    names = sorted({schema.name for schema in onnx.defs.get_all_schemas()})
    return {
        "folder": str(found),
        "cases": msgspec.to_builtins(cases),
        "operators": names,
        "onnx": onnx.__version__,
    }


def name_nodes(artifacts: Sequence[Mapping[str, Any]], folder: str, progress: Progress) -> list[Any]:
    """`named.named` for each artefact: the artefact to look at, and the graph's edges. Raises DataError."""
    from npubench.build.named import named

    found = [named(msgspec.convert(item, Artifact), Path(folder)) for item in artifacts]
    return [{"artifact": msgspec.to_builtins(artifact), "edges": edges} for artifact, edges in found]
