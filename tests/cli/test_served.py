"""A server named on the command line: which card it goes into, and a whole run against one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.cli import served
from npubench.cli.asked import Asked
from npubench.cli.conform import Wish, conform
from npubench.discovery import catalogue
from npubench.errors import UsageError
from tests.standins.openai_process import standin

URL = "http://10.0.0.7:8000"
KEY = "sk-never-to-be-seen"


def test_nothing_typed_changes_nothing() -> None:
    cards = catalogue()
    assert served.with_endpoint(Asked(), cards) is cards
    assert served.backends(Asked(backends=("cpu",))) == ("cpu",)
    assert served.backends(Asked(endpoint=URL)) == ("openai-completions",)


def test_what_is_typed_goes_into_the_endpoints_that_were_asked_for() -> None:
    asked = Asked(
        backends=("openai-chat", "cpu"), endpoint=URL, served_model="theirs", api_key_env="KEY", precisions=("fp8",)
    )
    cards = served.with_endpoint(asked, catalogue())
    options = cards.backends["openai-chat"].card.options
    assert options == {"url": URL, "model": "theirs", "api": "chat", "api_key_env": "KEY"}
    assert cards.backends["openai-chat"].card.precisions == ("fp8",)
    assert "url" not in cards.backends["cpu"].card.options
    assert cards.backends["openai-completions"].card.options["model"] == "default"


def test_an_endpoint_beside_a_device_alone_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--served-model"):
        served.with_endpoint(Asked(backends=("cpu",), served_model="theirs"), catalogue())


def test_an_address_is_not_for_a_server_that_the_run_starts() -> None:
    """What is seen of the one would be told of the other."""
    cards = catalogue()
    with pytest.raises(UsageError, match="--endpoint: transformers-serve is a server that the run starts"):
        served.with_endpoint(Asked(backends=("transformers-serve",), endpoint=URL), cards)
    named = served.with_endpoint(Asked(backends=("transformers-serve",), api_key_env="KEY"), cards)
    assert named.backends["transformers-serve"].card.options["api_key_env"] == "KEY"


def test_a_key_in_the_place_of_its_variable_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="--api-key-env: expected the name") as caught:
        served.with_endpoint(Asked(endpoint=URL, api_key_env="hf_secret"), catalogue())
    assert "hf_secret" not in f"{caught.value} {caught.value.hint}"


def test_the_scope_of_a_server_is_the_service() -> None:
    with pytest.raises(UsageError, match="measured as a service"):
        served.with_endpoint(Asked(backends=("openai-chat",), scopes=("device",)), catalogue())
    both = Asked(backends=("openai-chat",), scopes=("device", "service"))
    assert served.with_endpoint(both, catalogue()).backends.keys() == catalogue().backends.keys()


def test_the_contract_of_graphs_is_not_asked_of_a_server() -> None:
    with pytest.raises(UsageError, match="takes no graphs"):
        conform(Wish(backend="openai-chat"))


@pytest.mark.slow
def test_a_run_against_a_server_whose_key_is_nowhere(tmp_path: Path) -> None:
    with standin(ttft_ms=10, tpot_ms=2, key=KEY, echo_key=True, prefix_cache=True) as server:
        command = [
            sys.executable, "-m", "npubench", "run", "--model", "llm-chat-8m", "--endpoint", server.url,
            "--served-model", "stand-in", "--api-key-env", "SERVED_KEY", "--scenario", "single-stream:in=64,out=8",
            "--scenario", "users:users=4,in=64,out=8", "--scenario", "server:rate=5,in=64,out=8",
            "--scenario", "offline:in=64,out=8", "--profile", "smoke", "--budget", "8s", "--no-power",
            "--out", str(tmp_path / "results"), "--report", str(tmp_path / "report.html"),
        ]  # fmt: skip
        variables = {**os.environ, "SERVED_KEY": KEY, "NPUBENCH_LOCK_DIR": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=variables)
        assert done.returncode == 0, done.stderr + done.stdout
        # With the wrong key the server says what it was sent: it is not repeated.
        variables["SERVED_KEY"] = KEY + "-wrong"
        wrong = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=variables)
        assert wrong.returncode == 4
        asked = server.asked()
    folder = Path(done.stdout.splitlines()[-1])
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert {cell["execution_kind"] for cell in run["cells"]} == {"endpoint"}
    assert {cell["verdict"] for cell in run["cells"]} <= {"valid", "degraded"}
    for cell in run["cells"]:
        audits = {audit["name"]: audit["passed"] for audit in cell["audits"]}
        assert audits == {"prompt-cache": True, "prompt-length": True}
    assert (
        len({tuple(one["body"]["prompt"][:4]) for one in asked if "body" in one and "temperature" in one["body"]}) > 40
    )
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    for output in (done, wrong):
        assert KEY not in output.stdout + output.stderr
    verified = subprocess.run(
        [sys.executable, "-m", "npubench", "verify", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert verified.returncode == 0, verified.stdout
