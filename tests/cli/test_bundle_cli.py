"""The air gap: a bundle is made, unpacked elsewhere, and the two commands work where there is no network at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import write_backend
from tests.wheels import make_wheel

pytestmark = pytest.mark.slow

REQUIRES = '[environment]\nrequires = ["{name}"]\n\n'
PROPRIETARY = """\
[environment.proprietary]
tiny-secret = {{ en = "for the eyes of a few", ko = "일부만 열람" }}

"""


def without_network() -> list[str]:
    """The command that runs another in a network namespace without interfaces and routes."""
    for command in (["unshare", "--map-root-user", "--net"], ["unshare", "--net"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            return command
    pytest.skip("no network namespace may be made here")


def test_a_bundle_works_where_there_is_no_network(tmp_path: Path) -> None:
    alone = without_network()
    open_wheels, secret_wheels = tmp_path / "open", tmp_path / "secret"
    make_wheel(open_wheels, "tiny-runtime")
    secret = make_wheel(secret_wheels, "tiny-secret")
    cards = write_backend(tmp_path / "cards", "needy", environment=REQUIRES.format(name="tiny-runtime==1.0"))
    closed = REQUIRES.format(name="tiny-secret==1.0") + PROPRIETARY.format()
    write_backend(cards, "closed", environment=closed)
    archive = tmp_path / "out" / "npubench.tar"
    command = [sys.executable, "-m", "npubench", "bundle", "-o", str(archive), "--cards", str(cards)]
    command += ["--backend", "cpu", "--backend", "needy", "--backend", "closed", "--model", "overhead-floor"]
    command += ["--no-tests", "--profile", "smoke"]
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {open_wheels} {secret_wheels}".strip()
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_FIND_LINKS": links}
    )
    assert made.returncode == 0, made.stderr
    assert "left out, because it is proprietary: tiny-secret==1.0 (for the eyes of a few)" in made.stdout
    assert [path.name for path in archive.parent.iterdir()] == [archive.name], "nothing else is left beside it"

    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "there", filter="data")
    (root,) = (tmp_path / "there").iterdir()
    assert not list((root / "bundle/wheels").glob("tiny_secret*"))
    assert list((root / "bundle/wheels").glob("tiny_runtime*"))
    assert list((root / "bundle/cache/overhead-floor").rglob("model.onnx"))

    # Nothing of this machine's configuration, home or caches: what is not in the folder is not there.
    variables = {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin",
        "PIP_CONFIG_FILE": os.devnull,
        "NPUBENCH_LOCK_DIR": str(tmp_path / "lock"),
        "LANG": "C.UTF-8",
    }

    def there(*command: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*alone, *command],
            cwd=root,
            env={**variables, **(more or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    assert len(there("cat", "/proc/net/route").stdout.splitlines()) <= 1, "there is a route"
    installed = there("./install.sh")
    assert installed.returncode == 4, installed.stdout + installed.stderr
    assert "INSTALL.txt says what was left out" in installed.stderr
    assert "tiny-secret==1.0" in (root / "INSTALL.txt").read_text(encoding="utf-8")
    shutil.copy(secret, root / "bundle" / "wheels")
    installed = there("./install.sh")
    assert installed.returncode == 0, installed.stdout + installed.stderr

    bench = ("make", "bench", "PROFILE=smoke", "MODELS=overhead-floor", "BACKENDS=cpu needy closed")
    done = there(*bench)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((root / "reports").glob("*.html"))
    (run,) = (json.loads(path.read_bytes()) for path in (root / "results").glob("*/*/run.json"))
    assert {cell["backend"] for cell in run["cells"]} >= {"cpu", "needy", "closed"}
    assert run["environments"]["closed"]["packages"]["tiny-secret"] == "1.0"
    assert not (tmp_path / "home" / ".cache" / "npubench").exists(), "everything stays in the folder"

    damaged = next((root / "bundle/cache/overhead-floor").rglob("model.onnx"))
    damaged.write_bytes(b"x")
    refused = there("./install.sh", more={"LANG": "ko_KR.UTF-8"})
    assert refused.returncode == 2
    assert "손상되거나 빠진 파일" in refused.stderr
