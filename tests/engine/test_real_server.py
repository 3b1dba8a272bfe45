"""transformers serve, a real OpenAI-compatible server, started by a run on our weights: ready, right, and observed.

Needs the extra `hf` (pip install -e ".[hf,cpu]"), or a Python of its own with transformers[serving], numpy and msgspec,
named in NPUBENCH_TRANSFORMERS_PYTHON: skipped where transformers serve is not installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from npubench.discovery import catalogue
from tests.engine.test_served import _run, _scores

PYTHON = os.environ.get("NPUBENCH_TRANSFORMERS_PYTHON", sys.executable)
SERVER = Path(PYTHON).parent / "transformers"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.transformers,
    pytest.mark.skipif(not SERVER.exists(), reason='needs transformers serve: pip install -e ".[hf,cpu]"'),
]


def test_a_real_server_answers_as_the_reference_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    if subprocess.run([PYTHON, "-c", "import fastapi, openai, torch"], capture_output=True).returncode:
        pytest.skip('needs transformers serve: pip install "transformers[serving]" torch')
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    card = catalogue().backends["transformers-serve"].card
    python = PYTHON if sys.executable != PYTHON else None
    place = msgspec.structs.replace(card.environment, requires=(), python=python)
    own = msgspec.structs.replace(card, environment=place)
    run = _run(own, tmp_path / "results")
    (cell,) = run.cells
    assert not cell.failures
    assert _scores(run) == {"top1": True}
    assert cell.certificate is not None
    assert cell.certificate.server is not None
    assert cell.certificate.server.seen == "cpu"
    assert cell.summary["output_tokens_p50"].median == 32
