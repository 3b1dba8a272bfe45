"""What is installed in the environment that this process runs in. Called by the worker; imports no runtime itself."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import distributions
from pathlib import Path

from npubench.spi import Adapter, EnvironmentFacts, Libraries


def facts(adapter: Adapter) -> EnvironmentFacts:
    """Every distribution's exact version, and the SHA-256 of the provider libraries that the adapter names."""
    packages = {found.metadata["Name"]: found.version for found in distributions() if found.metadata["Name"]}
    paths = [Path(name) for name in adapter.libraries()] if isinstance(adapter, Libraries) else []
    return EnvironmentFacts(
        python=platform.python_version(),
        packages=dict(sorted(packages.items(), key=lambda item: item[0].lower())),
        libraries={path.name: _sha256(path) for path in paths if path.is_file()},
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()  # hashlib.file_digest is 3.11's
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
