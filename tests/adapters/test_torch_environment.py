"""Where torch is missing: the adapter says so. And the adapter's other tests, in an environment that has it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from npubench.adapters.torch import TorchAdapter
from npubench.cards import BackendCard, load

ROOT = Path(__file__).parents[2]
TESTS = ("test_torch.py", "test_torch_operators.py", "test_torch_models.py")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
@pytest.mark.parametrize("provider", ["cpu", "cuda"])
def test_without_torch_it_is_absent_and_says_how_to_get_it(provider: str) -> None:
    found = TorchAdapter(provider, {"type": "cpu"}).probe()
    assert not found.available
    assert "No module named 'torch'" in found.reason
    assert found.fix == f"npubench env sync torch-{provider}"


def interpreter(folder: Path) -> Path:
    """A Python with what the card requires, ONNX Runtime to compare with, and pytest.

    NPUBENCH_TORCH_PYTHON names one that is there already: torch is a large download.
    """
    if named := os.environ.get("NPUBENCH_TORCH_PYTHON"):
        return Path(named)
    card = load(ROOT / "backends" / "torch-cpu.toml", BackendCard)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = [*card.environment.requires, "onnxruntime", "msgspec", "numpy", "pillow", "pytest", "hypothesis"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


@pytest.mark.slow
def test_everything_about_torch_passes_where_torch_is(tmp_path: Path, model_cache: Path) -> None:
    python = interpreter(tmp_path / "torch")
    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-rs", "-o", "addopts=--strict-config -p no:cacheprovider", *map(str, paths())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NPUBENCH_CACHE": str(model_cache)},
        capture_output=True,
        text=True,
    )
    sys.stdout.write(run.stdout)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
    assert "could not import" not in run.stdout


def paths() -> list[Path]:
    return [Path(__file__).parent / name for name in TESTS]
