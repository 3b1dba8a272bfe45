"""SIGTERM ends what a runtime computes, and then the worker, as any Python process ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from npubench.engine.stopping import EXIT_CODE
from tests.adapters.made_graphs import endless

WORKER = """\
import atexit
import sys
import traceback
from npubench.adapters.ort import OrtAdapter
from npubench.engine import stopping
from npubench.spi import Artifact, seeded_feeds

stopping.install()
adapter = OrtAdapter()
stopping.includes(adapter)
session = adapter.open(Artifact(role="model", path=sys.argv[1], sha256=""), {"intra_op_num_threads": 1})
call = session.prepare(seeded_feeds(session.inputs, 0)) if sys.argv[2] == "bound" else None
atexit.register(print, "ended")
print("running", flush=True)
try:
    call() if call else session.infer(seeded_feeds(session.inputs, 0))
except Exception:  # as the worker does
    traceback.print_exc()
"""


def test_a_request_in_flight_is_ended(tmp_path: Path) -> None:
    artifact = endless(tmp_path / "m.onnx")
    for how in ("plain", "bound"):
        command = [sys.executable, "-c", WORKER, artifact.path, how]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
            assert (out, err) == ("ended\n", err)
            assert process.returncode == EXIT_CODE
