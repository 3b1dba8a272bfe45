"""Lets long work make room for whoever needs the machine: while a named file exists, it sleeps.

Not aware of: what the work is.
"""

from __future__ import annotations

import time
from pathlib import Path

POLL_S = 1.0


def wait_while(pause_file: Path | None) -> None:
    """Returns at once when there is no such file, else when it is gone."""
    while pause_file is not None and pause_file.exists():
        time.sleep(POLL_S)
