"""Every test gets its own results, lock and language; the model cache is shared within a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.environments import openvino_python, qnn_python

__all__ = ["isolated", "model_cache", "openvino_python", "qnn_python"]

# A time is never asserted in a test, and a busy machine must not fail a property.
settings.register_profile("npubench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("npubench")


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: building a model once is a test, building it thirty times is a wait."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_cache: Path) -> None:
    """No test sees the user's results, cache, lock or language."""
    monkeypatch.setenv("NPUBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("NPUBENCH_LOCK_DIR", str(tmp_path / "lock"))
    monkeypatch.setenv("NPUBENCH_CACHE", str(model_cache))
    monkeypatch.setenv("NPUBENCH_MACHINE", "test-machine")
    monkeypatch.setenv("NPUBENCH_LANG", "en")
