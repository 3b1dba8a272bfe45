"""Every test gets its own results, lock and language; the model cache is shared within a session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from tests.environments import openvino_python, qnn_python

__all__ = ["installed", "isolated", "model_cache", "openvino_python", "qnn_python"]

# A package of its own, with tests of its own: tests/test_vendor.py installs it and runs them.
collect_ignore = ["vendor_plugin"]

# Containers often tell Python to keep nothing compiled. Then each of the thousand processes that tests start compiles
# our modules anew, which is a third of what a short run costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A time is never asserted in a test, and a busy machine must not fail a property.
settings.register_profile("npubench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("npubench")


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: building a model once is a test, building it thirty times is a wait."""
    return tmp_path_factory.mktemp("cache")


# The files that take longest, longest first: a long file that begins last is waited for by the other process.
_LONGEST = (
    "report/test_browser.py", "test_vendor.py", "cli/test_bundle_cli.py", "witness/test_gate.py", "cli/test_nightly.py",
    "cli/test_quality_cli.py", "adapters/test_ort_plugins.py", "engine/test_exhibits.py", "cli/test_run_cli.py",
    "engine/test_installing.py", "cli/test_conform_vendors.py", "witness/test_revisions.py",
    "adapters/test_torch_environment.py", "engine/test_holding.py", "cli/test_own_weights_cli.py", "cli/test_new.py",
    "report/test_phone_browser.py", "test_wheel.py", "cli/test_live.py", "cli/test_conform_cli.py",
    "engine/test_conformance.py", "faults/test_faults.py", "cli/test_demo.py", "engine/test_quality.py",
    "faults/test_cli.py", "engine/test_run.py", "engine/test_served.py", "adapters/test_ort_install.py",
    "witness/test_loadgen.py", "report/test_index_browser.py", "report/office/test_xlsx.py", "test_boundary.py",
    "engine/test_metering.py", "stats/test_early_stopping.py", "cli/test_verify_cli.py", "cli/test_ab_cli.py",
    "engine/test_mixing.py", "report/test_html.py", "verify/test_energy.py", "build_data/test_documents.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, the others as they come."""
    root = Path(__file__).parent
    place = {root / name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


class Installed(msgspec.Struct, frozen=True):
    """npubench as a customer has it: its wheel, with ONNX Runtime, in an environment of its own."""

    folder: Path
    wheel: Path
    python: Path


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built and installed once for the session: it takes a minute."""
    folder = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, *pip, "wheel", "--no-deps", "-w", str(folder / "dist"), str(root)], check=True)
    (wheel,) = (folder / "dist").glob("npubench-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([str(python), *pip, "install", f"{wheel}[cpu]"], check=True)
    return Installed(folder, wheel, python)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_cache: Path) -> None:
    """No test sees the user's results, cache, lock or language."""
    monkeypatch.setenv("NPUBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("NPUBENCH_LOCK_DIR", str(tmp_path / "lock"))
    monkeypatch.setenv("NPUBENCH_CACHE", str(model_cache))
    monkeypatch.setenv("NPUBENCH_MACHINE", "test-machine")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NPUBENCH_METERS", raising=False)
    monkeypatch.setenv("NPUBENCH_LANG", "en")
