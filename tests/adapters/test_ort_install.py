"""Two distributions that overwrite each other's onnxruntime, seen from what pip recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from npubench.adapters.ort_install import OWNED, conflicting
from npubench.engine.launcher import Environment, run_job
from npubench.engine.protocol import AdapterRef, Probed, ProbeJob
from tests.wheels import record_line

CONTENT = b"__version__ = '1.32.0'\n"


def install(site: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """What pip leaves behind."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(record_line(path, content) for path, content in files.items()))
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)


def test_one_distribution_and_plug_ins_are_fine(tmp_path: Path) -> None:
    assert conflicting([str(tmp_path)]) is None
    install(tmp_path, "onnxruntime", "1.32.0", {OWNED: CONTENT})
    install(tmp_path, "onnxruntime-qnn", "2.7.0", {"onnxruntime_qnn/__init__.py": b"", f"vendored/{OWNED}": b"x"})
    assert conflicting([str(tmp_path)]) is None


def test_two_owners_are_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", {OWNED: CONTENT})
    install(tmp_path, "onnxruntime-openvino", "1.24.1", {OWNED: b"__version__ = '1.24.1'\n"})
    found = conflicting([str(tmp_path)])
    assert found is not None
    assert not found.available
    assert "onnxruntime 1.32.0 and onnxruntime-openvino 1.24.1" in found.reason
    pip = f"{sys.executable} -m pip"
    uninstall = f"{pip} uninstall -y onnxruntime onnxruntime-openvino"
    assert found.fix == f"{uninstall} && {pip} install onnxruntime-openvino==1.24.1"


@pytest.mark.parametrize("left", [None, b"__version__ = '1.24.1'\n"])
def test_what_uninstalling_one_of_two_leaves_behind_is_refused(tmp_path: Path, left: bytes | None) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", {OWNED: CONTENT})
    if left is None:
        (tmp_path / OWNED).unlink()
    else:
        (tmp_path / OWNED).write_bytes(left)
    found = conflicting([str(tmp_path)])
    assert found is not None
    assert "not the one that onnxruntime 1.32.0 installed" in found.reason
    assert found.fix.endswith("install onnxruntime==1.32.0")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real environment in which the OpenVINO wheel has overwritten the plain one."""
    folder = tmp_path_factory.mktemp("mixed")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    for wheel in ("onnxruntime", "onnxruntime-openvino"):
        subprocess.run([*install, wheel, "msgspec"], check=True, capture_output=True)
    return python


@pytest.mark.slow
def test_a_real_mixture_is_refused_by_the_probe(mixed: Path, tmp_path: Path) -> None:
    """pip said nothing; importing works, and would run whatever came last."""
    job = ProbeJob(adapter=AdapterRef(code="npubench.adapters.ort:OrtAdapter", provider="CPUExecutionProvider"))

    def probe(name: str) -> Probed:
        answer = run_job(job, tmp_path / name, Environment(python=str(mixed)))
        assert isinstance(answer, Probed)
        return answer

    found = probe("both").availability
    assert not found.available
    assert "onnxruntime " in found.reason
    assert "onnxruntime-openvino " in found.reason
    assert f"{mixed} -m pip uninstall -y onnxruntime onnxruntime-openvino" in found.fix
    subprocess.run([str(mixed), "-m", "pip", "uninstall", "-q", "-y", "onnxruntime-openvino"], check=True)
    found = probe("left").availability
    assert not found.available
    assert "not the one that onnxruntime" in found.reason
    subprocess.run(["/bin/sh", "-ec", found.fix], check=True, capture_output=True)
    assert probe("mended").availability.available
