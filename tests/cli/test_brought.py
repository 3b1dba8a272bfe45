"""What `npubench run` can be given without a card: a plug-in provider, and files that were compiled elsewhere."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from npubench.cli import artifacts, plugged
from npubench.cli.asked import Asked, check_options
from npubench.discovery import catalogue
from npubench.engine import prebuilt
from npubench.engine.launcher import Environment, run_job
from npubench.engine.protocol import AdapterRef, Compiled, CompileJob
from npubench.errors import CardError, UsageError
from npubench.rules import load
from tests.adapters.made_graphs import perceptron
from tests.cli.test_run_cli import npubench, run_folder

GRAPH = Path(__file__).parents[2] / "models" / "cctv-detect"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "libacme_ep.so"
    path.write_bytes(b"\x7fELF")
    return path


def test_a_plug_in_becomes_a_backend(library: Path) -> None:
    asked = Asked(
        ep_library=library, ep_name="AcmeNPUExecutionProvider", ep_options=("mode=fast", "path=/a=b"), ep_device="npu"
    )
    plugged.check(asked)
    card = plugged.backend(asked)
    assert card is not None
    assert (card.id, card.provider, card.device.type) == ("ep-acmenpu", "AcmeNPUExecutionProvider", "npu")
    assert card.plugin is not None
    assert card.plugin.library == str(library)
    assert card.options == {"intra_op_num_threads": "{threads}", "mode": "fast", "path": "/a=b"}
    assert card.verified.how == "not verified"
    assert plugged.backend(Asked()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ep_name": "X"}, "--ep-name goes with --ep-library"),
        ({"ep_options": ("a=1",)}, "--ep-option goes with --ep-library"),
        ({"ep_device": "npu"}, "--ep-device goes with --ep-library"),
        ({"ep_library": Path("/nowhere/lib.so"), "ep_name": "X"}, "no such file"),
        ({"ep_library": "LIBRARY"}, "--ep-library goes with --ep-name"),
        ({"ep_library": "LIBRARY", "ep_name": "X", "ep_options": ("fast",)}, "expected KEY=VALUE"),
        ({"ep_library": "LIBRARY", "ep_name": "X", "ep_options": ("a=1", "a=2")}, "each key once"),
        ({"ep_library": "LIBRARY", "ep_name": "X", "ep_device": "tpu"}, "known: npu, gpu, cpu"),
    ],
)
def test_plug_in_options_that_mean_nothing(library: Path, given: dict[str, object], said: str) -> None:
    asked = Asked(**{key: library if value == "LIBRARY" else value for key, value in given.items()})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said):
        plugged.check(asked)


def test_options_of_artifacts_need_one() -> None:
    rules = load()
    with pytest.raises(UsageError, match="--compiled-by goes with --artifact"):
        check_options(Asked(compiled_by="me"), rules)
    with pytest.raises(UsageError, match="--artifact goes with one --backend"):
        check_options(Asked(artifacts=("x",), backends=("cpu", "cuda")), rules)
    check_options(Asked(artifacts=("x",), backends=("cpu",)), rules)


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    path = tmp_path / "detector_ctx.onnx"
    path.write_bytes(b"compiled")
    return path


def brought(compiled: Path, place: str = "", **given: object) -> tuple[dict[str, object], dict[str, str]]:
    """The specs by model/build/role, and the sources."""
    cards = catalogue()
    model = cards.models["cctv-detect"].card
    asked = Asked(artifacts=(f"{place}{compiled}",), **given)  # type: ignore[arg-type]
    card, sources = artifacts.brought(asked, {model.id: model}, cards.backends["cpu"].card)
    found = {
        f"{name}/{build}/{role}": spec
        for name, builds in card.prebuilt.items()
        for build, roles in builds.items()
        for role, spec in roles.items()
    }
    return dict(found), sources


def test_facts_from_the_command_line(compiled: Path) -> None:
    graph = GRAPH / "detector.onnx"
    found, sources = brought(compiled, compiled_from=graph, compiled_by="Acme, acmec 3.1", precisions=("int8",))
    ((place, spec),) = found.items()
    assert place == "cctv-detect/int8/detector"
    assert spec.compiled_by == "Acme, acmec 3.1"  # type: ignore[attr-defined]
    assert spec.compiler == "unknown"  # type: ignore[attr-defined]
    assert spec.source_sha256 == hashlib.sha256(graph.read_bytes()).hexdigest()  # type: ignore[attr-defined]
    assert sources == {prebuilt.source(spec): str(compiled)}  # type: ignore[arg-type]


def test_facts_from_a_file_beside_it(compiled: Path) -> None:
    beside = compiled.with_name(compiled.name + ".toml")
    beside.write_text(f'source_sha256 = "{"a" * 64}"\ncompiled_by = "Acme"\ncompiler = "acmec 3.1"\n')
    found, _ = brought(compiled, place="cctv-detect/int8+static/detector=")
    ((place, spec),) = found.items()
    assert place == "cctv-detect/int8+static/detector"
    assert (spec.compiled_by, spec.compiler) == ("Acme", "acmec 3.1")  # type: ignore[attr-defined]
    assert spec.sha256 == hashlib.sha256(b"compiled").hexdigest()  # type: ignore[attr-defined]
    beside.write_text('source_sha = "a"\n')
    with pytest.raises((CardError, UsageError)):
        brought(compiled)


def test_what_is_missing_is_asked_for(compiled: Path) -> None:
    with pytest.raises(UsageError, match="which graph was it compiled from"):
        brought(compiled)
    with pytest.raises(UsageError, match="expected MODEL/BUILD/ROLE=FILE"):
        brought(compiled, place="cctv-detect/detector=", compiled_from=GRAPH / "detector.onnx")
    with pytest.raises(UsageError, match="which model, build and graph"):
        brought(compiled, compiled_from=GRAPH / "detector.onnx", precisions=("fp32", "int8"))
    with pytest.raises(UsageError, match="no such file"):
        brought(compiled.with_name("nothing.onnx"))
    with pytest.raises(UsageError, match=r"--compiled-from .* no such file"):
        brought(compiled, compiled_from=compiled.with_name("nothing.onnx"))


@pytest.mark.slow
def test_a_run_on_a_plug_in_with_a_file_compiled_for_it(qnn_python: str, tmp_path: Path) -> None:
    """Qualcomm's library without a card, in npubench's own environment, and a file that its compiler made before."""
    said = subprocess.run(
        [qnn_python, "-c", "import onnxruntime_qnn as q; print(q.get_library_path())"],
        capture_output=True,
        text=True,
        check=True,
    )
    graph = perceptron(tmp_path / "m.onnx", foreign=True)
    options = (
        "run", "--ep-library", said.stdout.strip(), "--ep-name", "QNNExecutionProvider",
        "--ep-option", "backend_type=htp", "--ep-option", "htp_perfomance_mode=burst", "--onnx", graph.path,
        "--scenario", "single-stream", "--profile", "smoke", "--budget", "1s",
    )  # fmt: skip

    adapter = AdapterRef(
        code="npubench.adapters.ort:OrtAdapter",
        provider="QNNExecutionProvider",
        device={"type": "npu"},
        plugin={"package": "onnxruntime_qnn"},
        options={"backend_type": "htp"},
    )
    job = CompileJob(adapter=adapter, artifacts=(graph,), folder=str(tmp_path / "compiled"))
    compiled = run_job(job, tmp_path / "work", Environment(python=qnn_python))
    assert isinstance(compiled, Compiled), compiled
    (artifact,) = compiled.artifacts
    done = npubench(
        *options,
        "--artifact",
        artifact.path,
        "--compiled-from",
        graph.path,
        "--compiled-by",
        "Acme, q 1.0",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    (path,) = (run_folder(done) / "placement").glob("*.json")
    found = json.loads(path.read_bytes())
    assert found["execution_kind"] == "simulated"
    assert found["macs_share"] == 1.0
    assert found["fallback_ops"] == {"SampleOp": 1}
    assert found["origin"]["compiled_by"] == "Acme, q 1.0"
    assert found["origin"]["sha256"] == {"model": artifact.sha256}
    other = perceptron(tmp_path / "other.onnx")
    refused = npubench(*options, "--artifact", artifact.path, "--compiled-from", other.path, timeout=600)
    assert refused.returncode == 4
    assert "compiled from another graph" in refused.stdout + refused.stderr
