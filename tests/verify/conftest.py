"""The run that the tests here verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench.store import RunFolder
from tests.verify.made import copied, measured


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> RunFolder:
    """Measured once; never changed."""
    return measured(tmp_path_factory.mktemp("verify"), model_cache)


@pytest.fixture
def run(original: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy to tamper with."""
    return copied(original, tmp_path / "copy")
