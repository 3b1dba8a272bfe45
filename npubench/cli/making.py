"""`npubench build` beyond the suite's rooms: your own weights, and other formats.

Not aware of: how anything is built (child processes do it).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from npubench.build.materialise import cache_root
from npubench.cli.asked import check_variant
from npubench.discovery import catalogue, pick
from npubench.engine import select as selection
from npubench.engine.protocol import BuildJob, Event, Said
from npubench.errors import UsageError
from npubench.lang import here

FORMATS = ("onnx", "hf")
TOKENIZERS = ("model", "words")


def check(
    models: Sequence[str],
    precision: str,
    variant: str | None,
    weights: Path | None,
    form: str,
    output: Path | None,
    tokenizer: str = TOKENIZERS[0],
) -> None:
    """Raises UsageError for options that contradict each other."""
    check_variant(variant)
    if tokenizer not in TOKENIZERS:
        raise UsageError(f'no tokenizer "{tokenizer}"; known: {", ".join(TOKENIZERS)}')
    if tokenizer != TOKENIZERS[0] and form != "hf":
        raise UsageError(
            here("--tokenizer goes with --format hf", "--tokenizer는 --format hf와 함께 씁니다"),
        )
    if form not in FORMATS:
        raise UsageError(f'no format "{form}"; known: {", ".join(FORMATS)}')
    if form == "hf" and (weights is not None or variant is not None or precision != "fp32"):
        raise UsageError(
            here(
                "--format hf writes a room's fp32 weights; --weights, --variant and --precision do not go with it",
                "--format hf는 모델의 fp32 가중치를 씁니다. --weights, --variant, --precision과 함께 쓸 수 없습니다",
            )
        )
    if (form == "hf") != (output is not None):
        raise UsageError(
            here("--format hf goes with -o DIR and the other way round", "--format hf와 -o DIR은 함께 씁니다"),
            hint=here("for example --format hf -o my-folder", "예: --format hf -o my-folder"),
        )
    if (form == "hf" or weights is not None) and len(models) != 1:
        raise UsageError(here("name exactly one model", "모델을 하나만 지정하십시오"))
    if weights is not None and precision != "fp32":
        raise UsageError(here("your own weights are built in fp32", "자체 가중치는 fp32로만 만듭니다"))


def export(models: Sequence[str], output: Path | None, folders: Sequence[Path], tokenizer: str) -> None:
    """Writes a language model as a Hugging Face folder."""
    assert output is not None
    model = selection.model_of(catalogue(folders), models[0])
    job = BuildJob(
        builder="npubench.build.verbs:export_hf",
        arguments={
            "card": msgspec.to_builtins(model.card),
            "room": str(model.room),
            "data": str(model.data) if model.data else None,
            "output": str(output),
            "words": tokenizer == "words",
        },
    )
    for line in selection.run_build(job, _say):
        _print(line)


def own(models: Sequence[str], weights: Path, variant: str | None, folders: Sequence[Path]) -> None:
    """Builds a model from the user's own weights and says where it is."""
    cards = catalogue(folders)
    pick(cards.models, models[0], "model")
    found = selection.own_model(selection.model_of(cards, models[0]), weights, _say)
    for note in found.notes:
        _print(note)
    _print(found.model.card.id)
    job = selection.own_job(found.model.card, found.source, cache_root(), "fp32", variant or "portable")
    if job is None:
        arguments = {
            "card": msgspec.to_builtins(found.model.card),
            "room": str(found.model.room),
            "cache": str(cache_root()),
            "precision": "fp32",
            "variant": variant or "portable",
        }
        job = BuildJob(builder="npubench.build.verbs:materialise_card", arguments=arguments)
    for artifact in selection.run_build(job, _say):
        _print(f"  {artifact['role']}: {artifact['path']}")


def _say(event: Event) -> None:
    if isinstance(event, Said):
        _print(f"  {event.text}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
