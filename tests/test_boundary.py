"""The process boundary: a worker in a bare old environment, and a parent that imports no runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.build.materialise import materialise
from npubench.engine.launcher import Environment, run_job
from npubench.engine.protocol import AdapterRef, CompileJob, Placed, PlaceJob, Probed, ProbeJob
from npubench.schema import Failure, FailureKind
from npubench.spi import Artifact, Request
from tests.support import floor_model, write_backend


def old_python() -> str | None:
    """A Python 3.10 or 3.11 that can make environments; numpy 1.24 has wheels for these."""
    found = [shutil.which(name, path=folder) for name in ("python3.10", "python3.11") for folder in os.get_exec_path()]
    if sys.version_info < (3, 12):
        found.append(sys.executable)
    for python in filter(None, found):
        # A version manager's shim is there without starting; Debian's Python may lack ensurepip.
        if not subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode:
            return python
    return None


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with numpy 1.24 and msgspec, and nothing of ours."""
    base = old_python()
    # What CI skips is never tried at all.
    give_up = pytest.fail if os.environ.get("CI") else pytest.skip
    if base is None:
        give_up("no Python 3.10 or 3.11 with venv and ensurepip here to make the old environment with")
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([base, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "numpy==1.24.*", "msgspec>=0.19"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        give_up(f"no numpy 1.24 can be installed here (no network?): {installed.stderr[-300:]}")
    return python


@pytest.mark.slow
def test_a_worker_runs_in_a_bare_environment_with_numpy_1_24(bare_python: Path, tmp_path: Path) -> None:
    """… under a parent in which onnxruntime cannot be imported at all."""
    cards = write_backend(tmp_path / "cards", "bare", environment=f'[environment]\npython = "{bare_python}"\n\n')
    blocker = tmp_path / "blocked"
    for runtime in ("onnxruntime", "torch"):
        (blocker / runtime).mkdir(parents=True)
        (blocker / runtime / "__init__.py").write_text("raise ImportError('the parent must not import a runtime')\n")
    command = [sys.executable, "-m", "npubench", "run", "--cards", str(cards), "--backend", "bare"]
    command += ["--model", "overhead-floor", "--scenario", "single-stream"]
    command += ["--profile", "smoke", "--budget", "1s", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(blocker)}
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    (cell,) = run["cells"]
    assert cell["verdict"] in ("valid", "degraded")
    assert run["varying"]["bare.numpy"].startswith("1.24.")
    assert run["backends"]["bare"]["environment"]["python"] == str(bare_python)


def test_an_environment_without_numpy_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    cards = write_backend(tmp_path / "cards", "empty", environment=f'[environment]\npython = "{python}"\n\n')
    command = [sys.executable, "-m", "npubench", "run", "--cards", str(cards), "--backend", "empty"]
    done = subprocess.run([*command, "--model", "overhead-floor"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "needs numpy and msgspec" in done.stderr


def test_the_workers_imports_stay_small() -> None:
    """What a worker loads before its adapter: nothing of the parent's libraries."""
    code = "import sys, npubench.engine.worker; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"rich", "typer", "jinja2", "altair", "psutil", "scipy", "PIL", "onnx", "onnxruntime", "httpx"}
    assert not heavy & {name.partition(".")[0] for name in loaded}


def floor_artifact(cache: Path) -> Artifact:
    """The one-node model, built."""
    card, room = floor_model()
    return materialise(card, room, cache)["model"]


def test_a_bare_environment_is_asked_where_a_model_runs_and_to_compile(
    bare_python: Path, tmp_path: Path, model_cache: Path
) -> None:
    """The verbs `place` and `compile` with numpy 1.24: what the fake cannot tell is unknown, with a reason."""
    null, here = AdapterRef(code="npubench.adapters.null:NullAdapter"), Environment(python=str(bare_python))
    artifacts = (floor_artifact(model_cache),)
    placing = PlaceJob(
        adapter=null,
        workload="npubench.workloads.tensor:Tensor",
        artifacts=artifacts,
        request=Request(scope="device"),
        folder=str(tmp_path / "place"),
        runs=2,
    )
    placed = run_job(placing, tmp_path / "place", here)
    assert isinstance(placed, Placed), placed
    assert placed.versions["numpy"].startswith("1.24.")
    assert set(placed.evidence) == {"model"}
    assert placed.evidence["model"].profile_reason
    compiling = CompileJob(adapter=null, artifacts=artifacts, folder=str(tmp_path / "compile"))
    refused = run_job(compiling, tmp_path / "compile", here)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.UNSUPPORTED


@pytest.mark.slow
def test_an_old_runtime_says_what_it_can(bare_python: Path, tmp_path: Path, model_cache: Path) -> None:
    """ONNX Runtime 1.20, the last that vendors' SDKs of that time are built on, with numpy 1.24: no newer call is made
    that it does not have."""
    pip = [str(bare_python), "-m", "pip", "install", "--quiet", "onnxruntime==1.20.*", "numpy==1.24.*"]
    subprocess.run(pip, check=True, capture_output=True)
    ort, here = AdapterRef(code="npubench.adapters.ort:OrtAdapter"), Environment(python=str(bare_python))
    probed = run_job(ProbeJob(adapter=ort, thorough=True), tmp_path / "probe", here)
    assert isinstance(probed, Probed), probed
    assert probed.availability.available, probed.availability.reason
    assert probed.environment is not None
    assert probed.environment.packages["onnxruntime"].startswith("1.20.")
    assert probed.environment.packages["numpy"].startswith("1.24.")
    placing = PlaceJob(
        adapter=ort,
        workload="npubench.workloads.tensor:Tensor",
        artifacts=(floor_artifact(model_cache),),
        request=Request(scope="device"),
        folder=str(tmp_path / "place"),
        runs=2,
    )
    placed = run_job(placing, tmp_path / "place", here)
    assert isinstance(placed, Placed), placed
    assert placed.evidence["model"].cold_load_ns
