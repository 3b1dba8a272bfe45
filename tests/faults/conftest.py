"""The faulty provider, compiled once, and its adapter, found by its entry point like any vendor's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.parts import compiled, installed

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled provider library."""
    return compiled(tmp_path_factory.mktemp("faulty"))


@pytest.fixture(scope="package", autouse=True)
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the adapter, on the path of this process and of every worker."""
    folder = installed(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        patch.setenv("NPUBENCH_LANG", "en")
        yield folder
