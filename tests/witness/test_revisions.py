"""Two git revisions of a vendor's package, each in an environment of its own, measured in turns. Installs with pip."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.stats.compared import Comparison
from tests.witness import gate
from tests.witness.loadgen import matrix_model

pytest.importorskip("onnxruntime")

PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "slower-runtime"
version = "{version}"

[tool.setuptools]
py-modules = ["slower_adapter"]
"""


def repository(folder: Path) -> str:
    """The adapter as a package with two releases, of which the second takes twice as long; its address for pip."""

    def git(*command: str) -> None:
        options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *options, *command], cwd=folder, capture_output=True, check=True)

    folder.mkdir()
    git("init", "-q")
    adapter = (gate.HERE / "slower_adapter.py").read_text(encoding="utf-8")
    for number, extra in (("1.0", ""), ("2.0", "\n\ndef _share(options: object) -> float:\n    return 1.0\n")):
        (folder / "pyproject.toml").write_text(PYPROJECT.format(version=number))
        (folder / "slower_adapter.py").write_text(adapter + extra, encoding="utf-8")
        git("add", ".")
        git("commit", "-qm", number)
        git("tag", f"v{number}")
    return f"slower-runtime @ git+file://{folder}"


@pytest.mark.slow
def test_a_revision_that_got_slower_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    package = repository(tmp_path / "repository")
    asked = gate.Asked(folder=tmp_path, launches=5, window_s=0.5, onnx=Path(matrix_model(tmp_path / "chain.onnx")))
    with gate.installed(tmp_path, threads=1):
        card = tmp_path / "cards" / "backends" / "slower.toml"
        runtime = f'[environment]\nrequires = ["onnxruntime=={version("onnxruntime")}"]\n'
        card.write_text(card.read_text(encoding="utf-8") + runtime, encoding="utf-8")
        sides = [f"{package}@v1.0", f"{package}@v2.0"]
        done = gate.called("ab", "-b", "slower", "--a", sides[0], "--b", sides[1], "--json", *asked.options(sides=2))
    assert done.returncode == 3, done.stderr[-3000:]
    found = msgspec.json.decode(done.stdout, type=Comparison)
    (cell,) = found.cells
    p50 = next(item for item in cell.metrics if item.metric == "latency_p50_ns")
    assert p50.verdict == "regressed"
    assert cell.allowed == ()
    versions = {item.name: (item.base, item.new) for item in found.varying}
    assert versions["slower.environment.slower-runtime"] == ("1.0", "2.0")
    # The result says which commits these were, and what else was in the environments.
    run = store.open_run("latest", tmp_path / "results").run()
    (pinned,) = (item for item in run.backends["slower@b"]["environment"]["requires"] if "git+" in item)
    assert len(pinned.rpartition("@")[2]) == 40
    assert run.environments["slower@a"].packages["onnxruntime"] == version("onnxruntime")
