"""Faults as a person meets them: `npubench run` with cards of their own, exit 4, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

TINY = ["--model", "overhead-floor", "--scenario", "single-stream", "--profile", "smoke", "--budget", "2s"]
FINISHED = ("valid", "degraded")

CARD = """\
schema = "npubench.backend/1"
id = "{id}"
title = {{ en = "{id}", ko = "시험" }}
summary = {{ en = "For tests.", ko = "시험용." }}
adapter = "{adapter}"
provider = "{provider}"
device = {{ type = "{device}" }}
precisions = ["fp32"]
install = {{ en = "nothing", ko = "없음" }}
verified = {{ how = "not verified" }}
{more}
[environment]
variables = {{ {variables} }}

[options]
{options}
"""


def write(
    folder: Path,
    id: str,  # noqa: A002
    adapter: str = "faulty",
    provider: str = "CPUExecutionProvider",
    device: str = "cpu",
    more: str = "",
    variables: Mapping[str, Path] | None = None,
    **options: Any,
) -> None:
    """A backend card in a `--cards` folder."""
    path = folder / "backends" / f"{id}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    named = ", ".join(f"{key} = {json.dumps(str(value))}" for key, value in (variables or {}).items())
    text = CARD.format(
        id=id, adapter=adapter, provider=provider, device=device, more=more, options=lines, variables=named
    )
    path.write_text(text, encoding="utf-8")


def npubench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "npubench", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_provider_library_that_segfaults_on_load_is_absent_and_the_others_are_measured(
    tmp_path: Path, library: Path
) -> None:
    """ONNX Runtime's own way to a plug-in provider, as any vendor's card takes it."""
    cards = tmp_path / "cards"
    plugin = f"\n[plugin]\nlibrary = {json.dumps(str(library))}\n"
    write(cards, "broken-npu", adapter="ort", provider="FaultyExecutionProvider", device="npu", more=plugin)
    arguments = ["--cards", cards, "--backend", "broken-npu", *TINY]
    alone = npubench("run", *arguments)
    assert alone.returncode == 4
    assert "broken-npu: its library crashed when it was asked whether it is here (ended by SIGSEGV)" in alone.stderr
    beside = npubench("run", *arguments, "--backend", "null", "--json")
    assert beside.returncode == 4
    run = json.loads(beside.stdout)
    assert [cell["verdict"] for cell in run["cells"]] in [[verdict] for verdict in FINISHED]
    assert [item["backend"] for item in run["absent"]] == ["broken-npu"]


def test_a_crash_and_a_lost_device_are_exit_4_and_say_what_to_do(tmp_path: Path, library: Path) -> None:
    """With certificates: where it runs is looked at first, in a process of its own, which crashes as well."""
    node = tmp_path / "npu0"
    node.touch()
    cards = tmp_path / "cards"
    write(cards, "good")
    write(cards, "segv", fault="infer", at=1, library=str(library))
    write(cards, "gone", fault="lost", at=3, in_window=True, variables={"FAULTY_NODE": node})
    named = [word for name in ("good", "segv", "gone") for word in ("--backend", name)]
    done = npubench("run", "--cards", cards, *named, *TINY, "--launches", "2")
    assert done.returncode == 4, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    run = json.loads((folder / "run.json").read_bytes())
    found = {cell["backend"]: cell for cell in run["cells"]}
    assert found["good"]["verdict"] in FINISHED
    assert len(found["good"]["launches"]) == 2
    assert {failure["kind"] for failure in found["segv"]["failures"]} == {"crashed"}
    first, second = sorted(found["gone"]["failures"], key=lambda failure: failure["phase"])
    assert (first["kind"], second["kind"]) == ("device_lost", "device_lost")
    assert (first["phase"], second["phase"]) == ("measure", "probe")
    assert "npu0 is not there" in second["message"]
    shown = npubench("show", folder).stdout + done.stdout
    assert "SIGSEGV" in shown
    assert "device" in shown
    assert not (folder / "work").exists()
