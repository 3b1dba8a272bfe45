"""What npubench expects of this package. Passes without a device; with one it also runs npubench's conformance kit."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import npubench_your_npu
import pytest
from npubench_your_npu.adapter import Adapter, Session
from npubench_your_npu.meter import Meter

from npubench.spi import Availability

BACKEND = "your-npu"
PACKAGE = Path(npubench_your_npu.__file__).parent


def npubench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "npubench", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", [Adapter, Meter])
def test_a_probe_never_raises_and_says_why(part: type[Adapter] | type[Meter]) -> None:
    found = part().probe()
    assert isinstance(found, Availability)
    assert found.available or found.reason


def test_the_contract_is_whole() -> None:
    taken = inspect.signature(Adapter).parameters
    assert list(taken)[:2] == ["provider", "device"]
    for kind, methods in (
        (Adapter, ("probe", "open", "describe")),
        (Session, ("infer", "placement", "close")),
        (Meter, ("probe", "channels", "read", "close")),
    ):
        for name in methods:
            assert callable(getattr(kind, name, None)), f"{kind.__name__}.{name}"


def test_only_the_public_contract_is_imported() -> None:
    """In the worker's Python there is nothing else of npubench that stays as it is."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [item.name for item in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name == "npubench.spi" or name.partition(".")[0] != "npubench", f"{path}: {name}"


def test_the_cards_are_right() -> None:
    done = npubench("check")
    assert done.returncode == 0, done.stderr
    assert BACKEND in npubench("list", "backends").stdout


def test_it_conforms() -> None:
    found = Adapter().probe()
    if not found.available:
        pytest.skip(found.reason)
    done = npubench("conform", BACKEND, "--only", "contract")
    assert done.returncode == 0, done.stdout + done.stderr
