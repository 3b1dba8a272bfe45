"""A vendor's package from its wheel to a report, and the one that `npubench new backend` writes, without our help.

`tests/vendor_plugin` is a third party: what it needs from npubench must be in `npubench.spi` and in entry points.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomllib

from npubench import cards
from npubench.cards import BackendCard
from npubench.cli.new_backend import new_backend
from tests.conftest import Installed

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "tests" / "vendor_plugin"
RUN = ("--profile", "smoke", "--scenario", "single-stream")


def imported(path: Path) -> set[str]:
    """The modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
    return found


def test_the_vendor_imports_the_public_contract_and_nothing_else_of_ours() -> None:
    ours = {
        name for path in (VENDOR / "src").rglob("*.py") for name in imported(path) if name.split(".")[0] == "npubench"
    }
    assert ours == {"npubench.spi"}


def test_the_vendors_cards_are_right() -> None:
    entries = tomllib.loads((VENDOR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    for path in (VENDOR / "src/npubench_hanbit/cards/backends").glob("*.toml"):
        card = cards.load(path, BackendCard)
        assert card.id == path.stem
        assert card.adapter in entries["npubench.adapters"]
        assert set(card.meters) <= set(entries["npubench.meters"])


def pip(python: Path | str, *arguments: str | Path) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Site:
    """npubench and the vendor's wheel installed, as a customer has them: no checkout, nothing on PYTHONPATH."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.folder = folder
        self.python = installed.python
        pip(sys.executable, "wheel", "--no-deps", "-w", folder, VENDOR)
        (self.vendor,) = folder.glob("npubench_hanbit-*.whl")
        pip(self.python, "install", self.vendor, "pytest")

    def run(self, *arguments: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`npubench …` there; asserts its exit code."""
        return self.python_m("npubench", *arguments, cwd=cwd, code=code)

    def python_m(self, *arguments: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`python -m …` there."""
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables["HANBIT_STATE"] = str(self.folder / "registers")
        command = [str(self.python), "-m", *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def site(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(installed, tmp_path_factory.mktemp("vendor"))
    yield site
    pip(site.python, "uninstall", "-y", "npubench-hanbit")


def read_w(folder: Path, channel: str) -> list[float]:
    """Mean power of a channel in each launch that has one, as the launch files in a results folder below say."""
    files = [path for path in folder.rglob("launches/*.json") if path.is_file()]
    channels = [json.loads(path.read_bytes())["energy"]["channels"].get(channel) for path in files]
    return [found["mean_w"] for found in channels if found is not None and found["mean_w"] is not None]


def write_card(folder: Path, name: str, change: dict[str, str], environment: str) -> Path:
    """A `--cards` folder with the virtual device's card under another name."""
    text = (VENDOR / "src/npubench_hanbit/cards/backends/hanbit-virtual.toml").read_text(encoding="utf-8")
    text = text.replace('id = "hanbit-virtual"', f'id = "{name}"').partition("[environment]")[0]
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "backends").mkdir(parents=True)
    (folder / "backends" / f"{name}.toml").write_text(f"{text}\n[environment]\n{environment}\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_wheel_has_everything_and_is_found(site: Site, tmp_path: Path) -> None:
    names = zipfile.ZipFile(site.vendor).namelist()
    assert "npubench_hanbit/cards/backends/hanbit-virtual.toml" in names
    assert not any(name.startswith(("npubench/", "tests/")) for name in names)
    site.run("check", cwd=tmp_path)
    listed = site.run("list", "backends", cwd=tmp_path).stdout
    (line,) = (line for line in listed.splitlines() if line.startswith("hanbit-virtual"))
    assert "stand-in" in line
    found = json.loads(site.run("doctor", "--json", cwd=tmp_path).stdout)
    ready = {item["backend"]: item for item in found["ready"]}
    assert ready["hanbit-virtual"]["devices"][0]["name"] == "HB-1 (virtual)"
    assert ready["hanbit-virtual"]["verified"] == "stand-in"
    (absent,) = (item for item in found["absent"] if item["backend"] == "hanbit")
    assert "the SDK sees 0 devices" in absent["reason"]
    assert "HANBIT_VIRTUAL=1" in absent["fix"]["en"]


@pytest.mark.slow
def test_its_own_tests_pass_where_it_is_installed(site: Site, tmp_path: Path) -> None:
    shutil.copytree(VENDOR / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    site.python_m("pytest", "-q", "-p", "no:cacheprovider", tmp_path / "tests", cwd=tmp_path)


def measured(done: subprocess.CompletedProcess[str], backend: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(done.stdout)["cells"] if cell["backend"] == backend]


@pytest.mark.slow
def test_it_is_measured_like_ours(site: Site, tmp_path: Path) -> None:
    """Cells, where they ran, what it cost, and how far the backend has been tried, from wheels alone."""
    done = site.run(
        "run", "--backend", "hanbit-virtual", "--model", "cctv-detect", *RUN, "--budget", "8s", "--json", cwd=tmp_path
    )
    cells = [cell for cell in measured(done, "hanbit-virtual") if cell["model"] == "cctv-detect"]
    assert sorted(cell["scope"] for cell in cells) == ["device", "service"]
    for cell in cells:
        assert cell["verdict"] in ("valid", "degraded"), cell
        assert cell["execution_kind"] == "virtual"
        assert cell["key"]["variant"] == "static"
        assert cell["placement"]["requested"] == "HanbitNPU"
        assert cell["placement"]["providers"] == {"HanbitNPU": 158, "HanbitHost": 2}
        assert cell["placement"]["fallback_ops"] == {"Resize": 2}
        assert cell["quality"]["verdict"] == "passed"
        # So short a window publishes no joules; what was read of its power is kept all the same.
        assert set(cell["energy"]) == {"hanbit.energy", "hanbit.power"}
        assert all("the window took" in found["reason"] for found in cell["energy"].values()), cell["energy"]
    for watts in read_w(tmp_path, "hanbit.power"):
        # 4 W at least and 25 W at most, as its data sheet has it.
        assert 4 <= watts <= 25
        found = cell["certificate"]
        assert (found["extent"], found["macs_share"], found["crossings"] > 0) == ("full", 1.0, True)
        assert (found["strict"], found["fallback_ops"]) == ("refused", {"Resize": 2})
        assert "left to the host: Resize" in found["strict_reason"]
        assert set(found["self_time_ns"]) == {"HanbitNPU", "HanbitHost"}
        assert found["startup"]["compile_ns"] > 0
    run = json.loads(done.stdout)
    assert run["backends"]["hanbit-virtual"]["verified"]["how"] == "stand-in"
    assert run["environments"]["hanbit-virtual"]["packages"]["npubench-hanbit"] == "1.0.0"
    assert run["environments"]["hanbit-virtual"]["libraries"].keys() == {"__init__.py", "_compiler.py"}
    for language, said in (("en", "stand-in"), ("ko", "대체물")):
        site.run("report", "latest", "-o", f"{language}.html", "--lang", language, cwd=tmp_path)
        assert said in (tmp_path / f"{language}.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_keeps_the_contract(site: Site, tmp_path: Path) -> None:
    done = site.run("conform", "hanbit-virtual", "--only", "contract", cwd=tmp_path)
    assert "0 broken" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_what_is_not_there_is_never_measured(site: Site, tmp_path: Path) -> None:
    done = site.run("run", "--backend", "hanbit", "--model", "cctv-detect", *RUN, cwd=tmp_path, code=4)
    assert "the SDK sees 0 devices" in done.stderr


@pytest.mark.slow
def test_a_full_queue_and_a_graph_that_is_not_taken_are_results(site: Site, tmp_path: Path) -> None:
    folder = write_card(
        tmp_path / "cards", "hanbit-busy", {}, 'variables = { HANBIT_VIRTUAL = "1", HANBIT_INJECT = "busy:7" }'
    )
    done = site.run(
        "run", "--cards", folder, "--backend", "hanbit-busy", "--model", "overhead-floor", *RUN, "--budget", "2s",
        "--json", cwd=tmp_path,
    )  # fmt: skip
    (cell,) = measured(done, "hanbit-busy")
    assert cell["verdict"] == "degraded"
    assert "requests failed" in " ".join(reason["en"] for reason in cell["reasons"])
    refused = site.run(
        "run", "--backend", "hanbit-virtual", "--model", "cctv-detect", "--variant", "portable", *RUN, "--budget", "2s",
        "--json", cwd=tmp_path,
    )  # fmt: skip
    cells = [cell for cell in measured(refused, "hanbit-virtual") if cell["model"] == "cctv-detect"]
    assert {cell["verdict"] for cell in cells} == {"unsupported"}
    assert all("fixed shapes" in cell["reasons"][0]["en"] for cell in cells)


@pytest.mark.slow
def test_a_python_of_its_own(site: Site, tmp_path: Path) -> None:
    """The SDK's Python has no npubench. Without the vendor's wheel it says what to install, with it it measures."""
    own = tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", str(own)], check=True)
    python = own / "bin" / "python"
    pip(python, "install", "numpy", "msgspec", "onnx", "onnxruntime")
    folder = write_card(
        tmp_path / "cards", "hanbit-own", {}, f'python = "{python}"\nvariables = {{ HANBIT_VIRTUAL = "1" }}'
    )
    asked = ("run", "--cards", folder, "--backend", "hanbit-own", "--model", "overhead-floor", *RUN, "--budget", "1s")
    done = site.run(*asked, cwd=tmp_path, code=4)
    assert "package npubench_hanbit is not installed in this backend's Python" in done.stderr
    assert f"{python} -m pip install --no-deps" in done.stderr
    pip(python, "install", "--no-deps", site.vendor)
    (cell,) = measured(site.run(*asked, "--json", cwd=tmp_path), "hanbit-own")
    assert cell["verdict"] in ("valid", "degraded")
    assert cell["placement"]["providers"] == {"HanbitNPU": 1}
    assert read_w(tmp_path, "hanbit.energy")


@pytest.mark.slow
def test_what_new_backend_writes_installs_and_keeps_the_contract(site: Site, tmp_path: Path) -> None:
    new_backend("acme-1", package=True, out=tmp_path)
    place = tmp_path / "npubench-acme-1"
    pip(site.python, "install", "-e", place)
    try:
        site.python_m("pytest", "-q", "-p", "no:cacheprovider", cwd=place)
        found = json.loads(site.run("doctor", "--json", cwd=tmp_path).stdout)
        (absent,) = (item for item in found["absent"] if item["backend"] == "acme-1")
        assert "acme_1_sdk cannot be imported" in absent["reason"]
        done = site.run("run", "--backend", "acme-1", "--model", "overhead-floor", *RUN, cwd=tmp_path, code=4)
        assert "acme_1_sdk cannot be imported" in done.stderr
    finally:
        pip(site.python, "uninstall", "-y", "npubench-acme-1")
    pip(sys.executable, "wheel", "--no-deps", "-w", tmp_path / "dist", place)
    names = zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))).namelist()
    assert "npubench_acme_1/cards/backends/acme-1.toml" in names
