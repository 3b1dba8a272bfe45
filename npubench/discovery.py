"""Finds cards and the code that entry points name. Nothing is read from the current directory by magic.

Cards come from the folders that the entry-point group `npubench.cards` returns (the built-in ones too) and from
folders named with `--cards`. A checkout's cards are preferred to the wheel's copy only when its pyproject.toml is
there. A broken card or a duplicate id is always an error that names both places. Code is *named* here as
`module:attr`, never imported: the worker imports it, in the environment of its backend.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from npubench import cards
from npubench.cards import BackendCard, DataCard, ModelCard, SuiteCard
from npubench.errors import CardError, UnknownNameError

PACKAGE = Path(__file__).resolve().parent

T = TypeVar("T", ModelCard, BackendCard, SuiteCard, DataCard)


class Found(msgspec.Struct, Generic[T], frozen=True):
    """A card and the file it came from."""

    card: T
    path: Path


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All cards by id."""

    models: dict[str, Found[ModelCard]]
    backends: dict[str, Found[BackendCard]]
    suites: dict[str, Found[SuiteCard]]
    data: dict[str, Found[DataCard]]


def checkout_root() -> Path | None:
    """The repository's root when this package runs from a checkout, else None."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "backends").is_dir() else None


def bundle_folder() -> Path | None:
    """`bundle/` of a checkout that was unpacked from a bundle (`npubench bundle`): its wheels and models; else None."""
    root = checkout_root()
    return root / "bundle" if root is not None and (root / "bundle" / "bundle.json").is_file() else None


def cache_root() -> Path:
    """Where models are kept: NPUBENCH_CACHE, else the bundle that this is, else the user's cache folder."""
    named = os.environ.get("NPUBENCH_CACHE", "")
    if named:
        return Path(named).expanduser().absolute()
    if (bundle := bundle_folder()) is not None:
        return bundle / "cache"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("npubench"))


def builtin_cards() -> Path:
    """The folder with our own `backends/` and `models/`: the checkout, else the copy in the wheel."""
    return checkout_root() or PACKAGE / "_cards"


def builtin_data(name: str) -> Path | None:
    """The folder of npubench's own data set of this id; None where it has none, or not here."""
    folder = builtin_cards() / "models" / "data" / name
    return folder if name == folder.name and (folder / "data.toml").is_file() else None


def _card_files(root: Path) -> Iterable[tuple[str, Path]]:
    for kind, pattern in (
        ("backend", "backends/*.toml"),
        ("suite", "models/suites/*.toml"),
        ("data", "models/data/*/data.toml"),
        ("model", "models/*/model.toml"),
    ):
        for path in sorted(root.glob(pattern)):
            yield kind, path


def catalogue(extra: Sequence[Path] = ()) -> Catalogue:
    """Every card of every folder. Raises CardError with all mistakes of all cards, and all duplicate ids, at once."""
    mistakes: list[str] = []
    roots: list[Path] = []
    for entry in entry_points(group="npubench.cards"):
        try:
            roots.append(Path(entry.load()()))
        except Exception as error:  # noqa: PERF203 - a plug-in may raise anything
            mistakes.append(
                f"entry point {entry.name} = {entry.value} (npubench.cards): {type(error).__name__}: {error}"
            )
    for folder in extra:
        if not folder.is_dir():
            mistakes.append(f"{folder}: --cards expects a folder with backends/ or models/ in it")
        elif not any(True for _ in _card_files(folder)):
            mistakes.append(f"{folder}: no card found; expected backends/*.toml or models/<id>/model.toml in it")
        else:
            roots.append(folder)
    found: dict[str, dict[str, Found[Any]]] = {"model": {}, "backend": {}, "suite": {}, "data": {}}
    seen: set[Path] = set()
    for root in roots:
        for kind, path in _card_files(root):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                card: Any = cards.load(path, cards.CARD_TYPES[kind])  # type: ignore[type-var]
            except CardError as error:
                mistakes.extend(error.mistakes)
                continue
            if (before := found[kind].get(card.id)) is not None:
                mistakes.append(f'{path}: id: "{card.id}" is already the {kind} card {before.path}; ids must be unique')
                continue
            found[kind][card.id] = Found(card, path)
    mistakes.extend(_reference_mistakes(found))
    if mistakes:
        raise CardError(mistakes, hint="`npubench check` lists every mistake; docs/cards.md explains each key")
    return Catalogue(models=found["model"], backends=found["backend"], suites=found["suite"], data=found["data"])


def _reference_mistakes(found: Mapping[str, Mapping[str, Found[Any]]]) -> Iterable[str]:
    """Names in cards that name nothing: a model's data and workload, a backend's adapter, a suite's models …"""
    adapters, workloads, meters = names("adapters"), names("workloads"), names("meters")

    def unknown(path: Path, key: str, name: str, kind: str, known: Iterable[str]) -> str:
        listed = sorted(known)
        guess = cards.did_you_mean(name, listed)
        return f'{path}: {key}: no {kind} "{name}"{guess}; known: {", ".join(listed) or "none"}'

    for item in found["model"].values():
        if item.card.data is not None and item.card.data not in found["data"]:
            yield unknown(item.path, "data", item.card.data, "data set", found["data"])
        if item.card.workload not in workloads:
            yield unknown(item.path, "workload", item.card.workload, "workload", workloads)
        builds = {f"builds.{name}": graphs for name, graphs in item.card.builds.items()}
        for name, graphs in {"graphs": item.card.graphs, **builds}.items():
            for role, graph in graphs.items():
                if not (item.path.parent / graph.file).is_file():
                    yield f"{item.path}: {name}.{role}.file: {graph.file} is not in the model's folder"
    for item in found["backend"].values():
        if item.card.adapter not in adapters:
            yield unknown(item.path, "adapter", item.card.adapter, "adapter", adapters)
        for meter in item.card.meters:
            if meter not in meters:
                yield unknown(item.path, "meters", meter, "meter", meters)
    for item in found["suite"].values():
        for index, entry in enumerate(item.card.entries):
            if entry.model not in found["model"]:
                yield unknown(item.path, f"entries[{index}].model", entry.model, "model", found["model"])


def names(group: str) -> dict[str, str]:
    """Name → `module:attr` of every entry point in `npubench.<group>`; a name claimed twice is a CardError."""
    known: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"npubench.{group}"):
        before = known.setdefault(entry.name, entry)
        if before.value != entry.value:
            places = " and ".join(_origin(item) for item in (before, entry))
            raise CardError([f'entry point "{entry.name}" of npubench.{group} is claimed by {places}'])
    return {name: entry.value for name, entry in sorted(known.items())}


def _origin(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist else "an unknown package"
    return f"{entry.value} ({package})"


def code(group: str, name: str) -> str:
    """The `module:attr` behind a name. Raises UnknownNameError."""
    known = names(group)
    if name not in known:
        raise UnknownNameError(
            f'no {group[:-1]} "{name}"{cards.did_you_mean(name, list(known))}; known: {", ".join(known)}'
        )
    return known[name]


def pick(found: Mapping[str, Found[T]], name: str, kind: str) -> Found[T]:
    """The card called `name`. Raises UnknownNameError with the nearest name and the command that lists all."""
    if name in found:
        return found[name]
    raise UnknownNameError(
        f'no {kind} "{name}"{cards.did_you_mean(name, list(found))}',
        hint=f"`npubench list {kind}s` shows what there is",
    )
