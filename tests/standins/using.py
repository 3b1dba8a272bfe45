"""How tests put a stand-in in the place of a vendor's SDK: in this process, or in a worker's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.build import contract_graphs
from npubench.cards import BackendCard, EnvironmentSpec
from npubench.conformance import Check
from npubench.discovery import catalogue
from npubench.engine import conforming
from npubench.engine.contract import Kit

FOLDER = Path(__file__).parent


def variables(vendor: str, faults: str = "", **more: str) -> dict[str, str]:
    """The environment of a worker in which the vendor's SDK is its stand-in, with these faults."""
    path = [str(FOLDER / vendor), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {"PYTHONPATH": os.pathsep.join(filter(None, path)), f"NPUBENCH_STANDIN_{vendor.upper()}": faults, **more}


def card(backend: str, vendor: str, faults: str = "", **more: str) -> BackendCard:
    """A backend card as shipped, in npubench's own Python, with the stand-in on its path."""
    shipped = catalogue().backends[backend].card
    return msgspec.structs.replace(shipped, environment=EnvironmentSpec(variables=variables(vendor, faults, **more)))


def forget(*packages: str) -> None:
    """Modules of these packages are imported anew."""
    for name in list(sys.modules):
        if name in packages or name.startswith(tuple(f"{package}." for package in packages)):
            del sys.modules[name]


Switch = Callable[..., None]


def switched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str, *packages: str) -> Iterator[Switch]:
    """Yields a function that puts the stand-in with some faults on this process's path, as often as it is called.

    Compiled models go into a cache of the test's own; compilers' processes see the same stand-in.
    """
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    kept = list(sys.path)

    def use(faults: str = "") -> None:
        forget(*packages)
        sys.path[:] = [str(FOLDER / vendor), *kept]
        for name, value in variables(vendor, faults).items():
            monkeypatch.setenv(name, value)

    use()
    yield use
    sys.path[:] = kept
    forget(*packages)


def checks(
    make: Callable[..., Any], options: Mapping[str, Any], folder: Path, form: str, names: tuple[str, ...]
) -> dict[str, Check]:
    """The rows of these checks of the contract, in this process."""
    contract_graphs.write(folder, form)
    return {name: conforming.check(name, Kit(make, options, folder, form, lambda: None)) for name in names}
