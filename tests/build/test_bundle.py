"""What goes into a bundle, and how npubench knows that it runs in one."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pytest

from npubench import discovery
from npubench.build import bundle
from npubench.build.materialise import cache_root
from npubench.engine.installing import pip_variables
from npubench.errors import StoreError, UsageError
from npubench.lang import Text

SECRET = bundle.LeftOut(
    backend="closed",
    requirement="tiny-secret==1.0",
    licence=Text(en="for the eyes of a few", ko="일부만 열람"),
    command="python -m pip download tiny-secret==1.0",
)


def checkout(root: Path) -> Path:
    """As little of a checkout as a bundle takes, and some litter."""
    for name in ("npubench/cards.py", "backends/cpu.toml", "models/x/model.toml", "Makefile", "tests/test_x.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("npubench/__pycache__/cards.cpython-311.pyc", "results/vm/run/run.json", ".venv/bin/python"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling>=1"]\n[project]\ndependencies = ["numpy"]\n'
        '[project.optional-dependencies]\ncpu = ["onnxruntime"]\ndev = ["pytest"]\ntorch = ["torch"]\n'
    )
    return root


def test_the_source_comes_without_results_environments_and_caches(tmp_path: Path) -> None:
    root, target = checkout(tmp_path / "checkout"), tmp_path / "target"
    bundle.take_source(root, target, tests=False)
    taken = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert taken == {"npubench/cards.py", "backends/cpu.toml", "models/x/model.toml", "Makefile", "pyproject.toml"}
    bundle.take_source(root, target, tests=True)
    assert (target / "tests/test_x.py").is_file()


def test_every_file_of_a_real_checkout_that_make_names_is_taken() -> None:
    root = Path(__file__).parents[2]
    missing = [name for name in bundle.SOURCE if not (root / name).exists()]
    assert set(missing) <= {"results/baseline.toml", "results/examples"}, "these come with the first accepted run"


def test_wheels_are_those_of_the_two_commands(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    assert bundle.own_requirements(root, tests=False) == (["numpy", "onnxruntime"], ["hatchling>=1", "editables"])
    assert bundle.own_requirements(root, tests=True)[0] == ["numpy", "onnxruntime", "pytest"]
    wheel = Path("onnxruntime_qnn-2.7.0-cp311-cp311-manylinux_2_35_x86_64.whl")
    assert bundle.wheel_of(wheel) == ("onnxruntime-qnn", "2.7.0")


@pytest.mark.parametrize(
    ("name", "closed"), [("tiny-secret", True), ("nvidia-cublas-cu12", True), ("tiny", False), ("not-nvidia-x", False)]
)
def test_what_must_not_be_passed_on_is_named_or_meant_by_a_pattern(name: str, closed: bool) -> None:
    licences = {"Tiny_Secret": SECRET.licence, "nvidia-*": SECRET.licence}
    assert (bundle.licence_of(name, licences) is not None) == closed


def test_two_card_folders_with_the_same_file_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "backends").mkdir(parents=True)
        (tmp_path / name / "backends" / "npu.toml").write_text(name)
    bundle.take_cards([tmp_path / "a"], tmp_path / "target")
    assert (tmp_path / "target/backends/npu.toml").read_text() == "a"
    with pytest.raises(UsageError, match="another --cards folder"):
        bundle.take_cards([tmp_path / "b"], tmp_path / "target")


def test_a_bundle_says_what_it_is_what_is_left_out_and_how_to_get_it(tmp_path: Path) -> None:
    found = bundle.manifest(["cpu", "closed"], ["cctv-detect"], False, [SECRET])
    bundle.write_scripts(tmp_path, found)
    read = msgspec.json.decode((tmp_path / "bundle/bundle.json").read_bytes(), type=bundle.Manifest)
    assert read == found
    text = (tmp_path / "INSTALL.txt").read_text(encoding="utf-8")
    for part in (SECRET.requirement, SECRET.licence.en, SECRET.licence.ko, SECRET.command, "make bench"):
        assert part in text
    assert (tmp_path / "install.sh").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(tmp_path / "install.sh")], check=True)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/weights 가중치.bin").write_bytes(b"right")
    bundle.seal(tmp_path)
    check = ["sha256sum", "--quiet", "--check", bundle.SUMS]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "models/weights 가중치.bin").write_bytes(b"wrong")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_packing_is_whole_or_not_at_all_and_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "npubench-1").mkdir()
    (tmp_path / "npubench-1/file").write_text("x")
    output = tmp_path / "out" / "b.tar.gz"
    assert bundle.pack(tmp_path / "npubench-1", output, lambda text: None) == output.stat().st_size
    with tarfile.open(output) as archive:
        assert {(item.name, item.uid, item.uname) for item in archive} == {
            ("npubench-1", 0, ""),
            ("npubench-1/file", 0, ""),
        }
    (tmp_path / "dir.tar").mkdir()
    with pytest.raises(StoreError):
        bundle.pack(tmp_path / "npubench-1", tmp_path / "dir.tar", lambda text: None)
    assert not list(tmp_path.glob(".*.part"))


def test_in_an_unpacked_bundle_everything_stays_in_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NPUBENCH_CACHE")
    monkeypatch.setenv("PIP_FIND_LINKS", "/their/own")
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    assert "PIP_NO_INDEX" not in pip_variables()
    root = checkout(tmp_path)
    monkeypatch.setattr(discovery, "PACKAGE", root / "npubench")
    assert discovery.bundle_folder() is None
    bundle.write_scripts(root, bundle.manifest(["cpu"], [], False, []))
    assert discovery.bundle_folder() == root / "bundle"
    assert cache_root() == root / "bundle" / "cache"
    variables = pip_variables()
    assert variables["PIP_NO_INDEX"] == "1"
    assert variables["PIP_FIND_LINKS"].split() == ["/their/own", str(root / "bundle" / "wheels")]


def test_a_bundle_is_for_the_python_that_makes_it() -> None:
    assert bundle.python_version() == f"{sys.version_info.major}.{sys.version_info.minor}"
