"""What was installed where a worker ran, as it goes into the result."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

from npubench.adapters.null import NullAdapter
from npubench.engine.installed import facts


class WithLibraries(NullAdapter):
    def __init__(self, *paths: Path) -> None:
        super().__init__()
        self._paths = paths

    def libraries(self) -> tuple[str, ...]:
        return tuple(map(str, self._paths))


def test_exact_versions_and_the_hashes_of_the_providers_libraries(tmp_path: Path) -> None:
    library = tmp_path / "libprovider.so"
    library.write_bytes(b"\x7fELF" * 1000)
    found = facts(WithLibraries(library, tmp_path / "absent.so"))
    assert found.python == platform.python_version()
    assert found.packages["numpy"] == version("numpy")
    assert list(found.packages) == sorted(found.packages, key=str.lower)
    assert found.libraries == {"libprovider.so": hashlib.sha256(library.read_bytes()).hexdigest()}


def test_an_adapter_that_names_no_libraries_has_none() -> None:
    assert facts(NullAdapter()).libraries == {}
