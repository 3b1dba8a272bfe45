"""Where the Python environments lie that backend cards ask for, and what is known of them without starting anything.

An environment is a venv in `<root>/<slug>-<digest>`. The digest is over what the card requires, what every worker needs
and the Python that makes it, so that cards with equal requirements share one, and another Python or another requirement
is another folder. Its marker is written last: a folder without a marker that fits is half made and counts as missing.
Reading a marker is all that it costs to know that an environment is there.

Not aware of: how environments are made (`installing`), what a runtime finds in them (the adapter's probe).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from npubench.cards import BackendCard, EnvironmentSpec, digest

# The worker and the workloads (DESIGN.md, Processes): the lower bounds of pyproject.toml.
FLOOR = ("msgspec>=0.19", "numpy>=1.24", "pillow>=10.3")

MARKER = "npubench-environment.json"
FOLDER = "environments"

Kind = Literal["own", "python", "requires"]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What was installed: written last, so that an environment that has it is whole.

    `python`: the full version that made it; `packages`: each distribution's exact version; `made`: ISO 8601.
    """

    schema: Literal["npubench.environment/1"] = "npubench.environment/1"
    requires: tuple[str, ...]
    python: str
    packages: dict[str, str]
    made: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The environment for some requirements, made or not."""

    requires: tuple[str, ...]
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def marker(self) -> Marker | None:
        """What is installed in it; None where it is missing, half made, or its base Python has gone."""
        found = read_marker(self.folder)
        # The interpreter is a link to its base Python, which an upgrade of the system may have removed.
        if found is None or found.requires != self.requires or not self.python.exists():
            return None
        return found


def root() -> Path:
    """Where environments lie: NPUBENCH_ENVIRONMENTS, else a folder of the model cache."""
    named = os.environ.get("NPUBENCH_ENVIRONMENTS", "")
    if named:
        return Path(named).expanduser().absolute()
    from npubench.build.materialise import cache_root

    return cache_root() / FOLDER


def normalised(name: str) -> str:
    """A distribution's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(requirement: str) -> str:
    """The normalised name in a requirement: `Foo_Bar[x]==1.2` → `foo-bar`; of a wheel's path, the wheel's name."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.rpartition("/")[2] if requirement[0] == "/" else requirement)[0]
    return normalised(name.partition("-")[0] if requirement[0] == "/" else name)


def place_of(requires: Iterable[str]) -> Place:
    """The environment of these requirements, whose order does not matter, for the Python that runs now."""
    wanted = tuple(sorted(set(requires)))
    key = {
        "requires": wanted,
        "floor": FLOOR,
        "python": sys.implementation.cache_tag,
        "machine": platform.machine(),
    }
    slug = distribution(wanted[0])[:40] if wanted else "bare"
    return Place(requires=wanted, folder=root() / f"{slug}-{digest(key)[:12]}")


def read_marker(folder: Path) -> Marker | None:
    """The marker in a folder; None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / MARKER).read_bytes(), type=Marker)
    except (OSError, msgspec.DecodeError):
        return None


def kind_of(spec: EnvironmentSpec) -> Kind:
    """Whose Python it is: npubench's own, one that the card names, or one that is made from requirements."""
    if spec.python is not None:
        return "python"
    return "requires" if spec.requires else "own"


def interpreter(spec: EnvironmentSpec) -> str:
    """The Python that a backend's worker runs in, whether it is there or not."""
    if spec.python is not None:
        return spec.python
    return str(place_of(spec.requires).python) if spec.requires else sys.executable


def sync_command(backend: str) -> str:
    """What to type to get a backend's environment."""
    return f"npubench env sync {backend}"


def folders() -> Iterator[Path]:
    """Every environment on disk, whole or not."""
    where = root()
    if where.is_dir():
        yield from sorted(path for path in where.iterdir() if path.is_dir())


def stale(cards: Mapping[str, BackendCard]) -> list[Path]:
    """The environments on disk that none of these cards asks for with this Python."""
    wanted = {place_of(card.environment.requires).folder for card in cards.values() if card.environment.requires}
    return [path for path in folders() if path not in wanted]
