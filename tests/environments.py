"""Environments with a vendor's provider in them, made once per session for the tests that need one (all of them slow).

`NPUBENCH_TEST_QNN_PYTHON` and `NPUBENCH_TEST_OPENVINO_PYTHON` name interpreters that exist already, for people who run
such a test often.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from npubench.discovery import catalogue

# What the worker needs besides the runtime (DESIGN.md, Processes).
FLOOR = ("msgspec", "numpy", "pillow")


def made(folder: Path, requires: Sequence[str]) -> str:
    """The interpreter of a new environment with these requirements. Fails the test with pip's own words."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *FLOOR, *requires]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"pip could not install {', '.join(requires)}:\n{done.stderr[-2000:]}")
    return str(python)


def _python_of(backend: str, named: str, factory: pytest.TempPathFactory) -> str:
    if python := os.environ.get(named):
        return python
    return made(factory.mktemp(f"environment-{backend}"), catalogue().backends[backend].card.environment.requires)


@pytest.fixture(scope="session")
def qnn_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with what the card qnn-htp-sim requires."""
    return _python_of("qnn-htp-sim", "NPUBENCH_TEST_QNN_PYTHON", tmp_path_factory)


@pytest.fixture(scope="session")
def openvino_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with what the card openvino-cpu requires."""
    return _python_of("openvino-cpu", "NPUBENCH_TEST_OPENVINO_PYTHON", tmp_path_factory)
