"""`npubench` called in this process: what it prints and its exit code, without a new Python for each call.

For commands that look or refuse. What measures, is stopped or is piped is called as a process, as a person calls it.
"""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from npubench.cli import main


def inside(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with its outputs captured; there is no terminal."""
    words = ["npubench", *(str(argument) for argument in arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    kept, code = sys.argv, 0
    sys.argv = words
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.argv = kept
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, code, *texts)
