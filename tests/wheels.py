"""Wheels that tests make themselves, and what every worker needs as wheels, so that tests install without an index."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from npubench.engine.environments import FLOOR


def record_line(name: str, content: bytes) -> str:
    """A line of a RECORD file (PEP 376)."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """A pure wheel with these files, or with one empty module."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {item}\n" for item in requires)
    content = {
        **(files if files is not None else {f"{module}.py": ""}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(record_line(path, text.encode()) for path, text in content.items()) + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def fetch_floor(folder: Path) -> Path:
    """What every environment gets, as wheels in `folder`. Needs an index, once."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *FLOOR]
    subprocess.run(command, check=True, capture_output=True)
    return folder
