"""The nightly workflow: what linters say of it, what it may do, and its scripts with ids that nobody has."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "nightly.yml"
SCRIPTS = ROOT / ".github" / "scripts"
ENDINGS = ("html", "md", "xml", "json")
NASTY = (
    '$(touch pwned)`touch pwned`"; touch pwned #\n::set-output name=x::y\n::error::hi @everyone '
    "<b>|</b> ${{ github.token }} 😀"
)


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed (a binary of its own: see docs/nightly.md)")
    return found


def workflow() -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "command",
    [
        ("actionlint", "-no-color"),
        ("zizmor", "--offline", "--no-progress", "--color", "never"),
    ],
    ids=["actionlint", "zizmor"],
)
def test_linters_have_nothing_to_say(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [tool(command[0]), *command[1:], str(WORKFLOW)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_scripts_are_sound() -> None:
    done = subprocess.run(
        [tool("shellcheck"), *map(str, sorted(SCRIPTS.glob("*.sh")))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_only_githubs_own_actions_pinned_by_version() -> None:
    used = re.findall(r"uses:\s*(\S+)", WORKFLOW.read_text(encoding="utf-8"))
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used), used


def test_no_expression_reaches_a_shell() -> None:
    """Inputs and names go through the environment: what is between ${{ }} in a script is pasted into it."""
    steps = [step for job in workflow()["jobs"].values() for step in job["steps"]]
    scripts = [step["run"] for step in steps if "run" in step]
    assert scripts
    assert not any("${{" in script for script in scripts)
    # What a script does is in files that tests run.
    assert all(len(script.splitlines()) == 1 for script in scripts)


def test_permissions_and_concurrency() -> None:
    found = workflow()
    assert found["permissions"] == {}
    assert found["jobs"]["night"]["permissions"] == {"contents": "read"}
    assert found["jobs"]["tell"]["permissions"] == {"contents": "read", "issues": "write"}
    night = found["jobs"]["night"]
    assert "${{ matrix.device }}" in night["concurrency"]["group"]
    assert night["concurrency"]["cancel-in-progress"] is False
    assert night["runs-on"][0] == "self-hosted"
    # Nothing that a stranger can start: it would run on the centre's machines.
    assert set(found.get("on", found.get(True))) == {"schedule", "workflow_dispatch"}
    checkouts = [step for job in found["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    # An unfinished night lies in results/, which git ignores and a clean checkout would remove.
    assert checkouts[0]["with"]["clean"] is False


def test_pages_of_the_night_before_go_before_anything_can_fail(tmp_path: Path) -> None:
    """Summary and pages are published whatever failed, setting up included."""
    first = workflow()["jobs"]["night"]["steps"][0]
    assert "if" not in first
    for _ in range(2):
        subprocess.run(["bash", "-c", first["run"]], check=True, cwd=tmp_path)
        (tmp_path / "reports").mkdir(exist_ok=True)
        for name in ("README.md", *(f"nightly.{ending}" for ending in ENDINGS)):
            (tmp_path / "reports" / name).touch()
    subprocess.run(["bash", "-c", first["run"]], check=True, cwd=tmp_path)
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["README.md"]


FAKE = """#!/usr/bin/env bash
printf '%s\\n' "$@" > "$CALLED"
printf '%s\\n' "$SAID"
if [[ -n "$DOCUMENT" ]]; then mkdir -p "$REPORTS"; printf '%s' "$DOCUMENT" > "$REPORTS/nightly.json"; fi
exit "$CODE"
"""


class Called:
    """One call of nightly.sh with a program in npubench's place."""

    def __init__(self, folder: Path, code: int = 0, said: str = "", document: str = "", **more: str) -> None:
        program = folder / "npubench"
        program.write_text(FAKE, encoding="utf-8")
        program.chmod(0o755)
        self.outputs = folder / "outputs"
        arguments = folder / "called"
        environment = {
            **os.environ, "NPUBENCH": str(program), "REPORTS": str(folder / "pages"), "CALLED": str(arguments),
            "SAID": said, "CODE": str(code), "DOCUMENT": document, "GITHUB_OUTPUT": str(self.outputs),
            "GITHUB_ACTIONS": "true", **more,
        }  # fmt: skip
        self.done = subprocess.run(
            [str(SCRIPTS / "nightly.sh")], capture_output=True, text=True, check=False, env=environment, cwd=folder
        )
        self.arguments = arguments.read_text(encoding="utf-8").splitlines() if arguments.exists() else None

    def output(self) -> dict[str, str]:
        lines = self.outputs.read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("code", [0, 2, 3, 4, 5, 130])
def test_the_exit_code_is_npubenchs(tmp_path: Path, code: int) -> None:
    called = Called(tmp_path, code)
    assert called.done.returncode == code
    assert called.output() == {"exit_code": str(code)}
    assert called.arguments == ["nightly", "--measured-by", "ci", "--report", str(tmp_path / "pages")]


def test_inputs_become_arguments(tmp_path: Path) -> None:
    called = Called(tmp_path, BUDGET="1h30m", BACKENDS="cpu  cuda\n")
    assert called.arguments is not None
    assert called.arguments[5:] == ["--budget", "1h30m", "--backend", "cpu", "--backend", "cuda"]


@pytest.mark.parametrize(
    "inputs", [{"BUDGET": NASTY}, {"BACKENDS": NASTY}, {"BACKENDS": "--out=/"}, {"BUDGET": "3h --out /"}]
)
def test_hostile_inputs_are_refused(tmp_path: Path, inputs: dict[str, str]) -> None:
    called = Called(tmp_path, **inputs)
    assert called.done.returncode == 2
    assert called.arguments is None
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("inputs", [{"BUDGET": NASTY}, {"BACKENDS": NASTY}, {}])
def test_neither_pages_nor_the_run_of_the_night_before(tmp_path: Path, inputs: dict[str, str]) -> None:
    """Refused by the script, or by npubench before it looks at the folder."""
    pages = tmp_path / "pages"
    pages.mkdir()
    for ending in ENDINGS:
        (pages / f"nightly.{ending}").write_text('{\n "run": "20261123T010203Z-a1b2c3"\n}', encoding="utf-8")
    called = Called(tmp_path, 2, **inputs)
    assert called.done.returncode == 2
    assert called.output() == {"exit_code": "2"}
    assert not list(pages.iterdir())


def test_what_is_printed_is_no_command_to_the_runner(tmp_path: Path) -> None:
    called = Called(tmp_path, said=NASTY)
    lines = called.done.stdout.splitlines()
    stopped = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert stopped is not None
    assert lines[-1] == f"::{stopped[1]}::"
    # The token cannot be known to whom it is to stop.
    assert Called(tmp_path).done.stdout.splitlines()[0] != lines[0]


@pytest.mark.parametrize(
    ("run", "expected"),
    [("20261124T010203Z-a1b2c3", "20261124T010203Z-a1b2c3"), (NASTY, None), ("../../etc", None), (None, None)],
)
def test_the_run_is_put_out_only_where_it_is_an_id(tmp_path: Path, run: str | None, expected: str | None) -> None:
    document = json.dumps({"machine": NASTY, "run": run, "sentence": {"en": f'"run": "{NASTY}"'}}, indent=1)
    assert Called(tmp_path, 3, document=document).output().get("run") == expected


def test_the_summary_is_the_page(tmp_path: Path) -> None:
    pages, summary = tmp_path / "pages", tmp_path / "summary"
    pages.mkdir()
    environment = {**os.environ, "REPORTS": str(pages), "GITHUB_STEP_SUMMARY": str(summary)}
    subprocess.run([str(SCRIPTS / "summary.sh")], check=True, env=environment)
    assert "No page was written" in summary.read_text(encoding="utf-8")
    (pages / "nightly.md").write_text(NASTY, encoding="utf-8")
    subprocess.run([str(SCRIPTS / "summary.sh")], check=True, env=environment)
    assert summary.read_text(encoding="utf-8").endswith(NASTY)


# Issues: the script against a server that behaves as GitHub's does, as far as it is asked.


class GitHub(ThreadingHTTPServer):
    """Issues in memory."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.comments: list[tuple[int, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, document: Any, status: int = 200) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer secret"
        label = re.search(r"labels=([a-z-]+)", self.path)
        assert label is not None
        found = [issue for issue in self.server.issues if label[1] in issue["labels"] and issue["state"] == "open"]
        self._answer(found if "&page=1" in self.path else [])

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if match := re.fullmatch(r"/repos/o/r/issues/(\d+)/comments", self.path):
            self.server.comments.append((int(match[1]), document["body"]))
            self._answer({}, 201)
        else:
            assert self.path == "/repos/o/r/issues"
            issue = {**document, "number": len(self.server.issues) + 1, "state": "open"}
            self.server.issues.append(issue)
            self._answer(issue, 201)


@pytest.fixture
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def tell(github: GitHub, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "GITHUB_TOKEN": "secret", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7",
        "GITHUB_API_URL": f"http://127.0.0.1:{github.server_port}", "GITHUB_SERVER_URL": "https://hub", "no_proxy": "*",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "issue.py"), str(folder)], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip


def night(folder: Path, *codes: int, confirmed: bool | None = None, machine: str = "node", page: str = "page") -> Path:
    metrics = [{"verdict": "regressed" if 3 in codes else "equivalent", "confirmed": confirmed}]
    document = {
        "machine": machine, "codes": codes, "comparison": {"cells": [{"metrics": metrics}]},
        "sentence": {"en": f"p50 +12 % {NASTY}"},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nightly.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "nightly.md").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("codes", "confirmed", "labels"),
    [
        ((), None, []),
        ((2,), None, []),
        ((5,), None, []),
        ((3,), None, []),
        ((3,), False, []),
        ((3,), True, ["npubench-regression"]),
        ((4,), None, ["npubench-invalid"]),
        ((5, 4, 3), True, ["npubench-regression", "npubench-invalid"]),
    ],
)
def test_what_opens_an_issue(
    github: GitHub, tmp_path: Path, codes: tuple[int, ...], confirmed: bool | None, labels: list[str]
) -> None:
    night(tmp_path / "night-cpu", *codes, confirmed=confirmed)
    tell(github, tmp_path)
    assert [issue["labels"][0] for issue in github.issues] == labels


def test_an_open_issue_is_commented_and_a_closed_one_is_not(github: GitHub, tmp_path: Path) -> None:
    night(tmp_path / "night-cpu", 3, confirmed=True)
    night(tmp_path / "night-npu", 3, confirmed=True, machine=NASTY)
    tell(github, tmp_path)
    assert len(github.issues) == 2
    tell(github, tmp_path)
    assert (len(github.issues), [number for number, _ in github.comments]) == (2, [1, 2])
    github.issues[0]["state"] = "closed"
    tell(github, tmp_path)
    assert len(github.issues) == 3


def test_hostile_names_stay_text_in_an_issue(github: GitHub, tmp_path: Path) -> None:
    night(tmp_path / "night-cpu", 3, confirmed=True, machine=f"--> {NASTY}", page="x\n" * 100_000)
    done = tell(github, tmp_path)
    (issue,) = github.issues
    assert "\n" not in issue["title"]
    assert "@everyone" not in issue["title"]
    assert len(issue["title"]) <= 200
    assert len(issue["body"]) <= 65_536
    assert issue["body"].endswith("-->\n")
    assert "https://hub/o/r/actions/runs/7" in issue["body"]
    assert done.stdout == "opened #1 (npubench-regression)\n"
    assert not (tmp_path / "pwned").exists()


def test_a_page_keeps_its_size_in_characters() -> None:
    spec = importlib.util.spec_from_file_location("issue", SCRIPTS / "issue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.plain("a\x1b[31m\u202eb\n@c") == "a [31m b @\u200bc"
