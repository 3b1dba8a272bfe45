"""Whether a worker can start in the Python that a backend card asks for.

An interpreter that the card names is asked: it starts, it is new enough, it has what a worker needs; nothing is ever
installed into it. An environment that npubench makes is whole where its marker says so.

Not aware of: runtimes, which the adapter's probe looks for.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping

from npubench.cards import BackendCard
from npubench.engine.environments import place_of, sync_command
from npubench.spi import Availability

OLDEST = (3, 10)
# The worker imports these whatever it measures; the lower bounds of pyproject.toml.
NEEDED = {"numpy": (1, 24), "msgspec": (0, 19)}
# A cold interpreter on a network file system.
_START_S = 60.0

# Runs in any Python 3, so that an old one can say how old it is.
_ASK = """
import json, sys
found = {}
try:
    from importlib.metadata import version
    for name in %r:
        try:
            found[name] = version(name)
        except Exception:
            found[name] = None
except ImportError:
    pass
print("npubench:" + json.dumps([list(sys.version_info[:3]), found]))
""" % (sorted(NEEDED),)  # noqa: UP031 - the text has braces of its own


def lacking(card: BackendCard) -> Availability | None:
    """None where a worker can start in this backend's environment, else why not and what to type."""
    spec = card.environment
    if spec.python is not None:
        return check(spec.python, spec.variables)
    if spec.requires and place_of(spec.requires).marker() is None:
        return _no(f"its environment is not installed ({', '.join(spec.requires)})", sync_command(card.id))
    return None


def check(python: str, variables: Mapping[str, str]) -> Availability | None:
    """None where a worker can start in `python` with these environment variables, else why not and what to type."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    try:
        answer = subprocess.run(
            [python, "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_S,
            env={**kept, **variables},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _no(f"{python}: does not answer within {_START_S:g} s")
    except OSError as error:
        return _no(
            f"{python}: cannot be started: {error.strerror}", "name a Python in [environment] python of the card"
        )
    line = next((text for text in answer.stdout.splitlines() if text.startswith("npubench:")), None)
    if line is None:
        said = (answer.stderr.strip().splitlines() or [f"it ended with code {answer.returncode}"])[-1]
        return _no(
            f"{python}: is no Python that starts: {said[:300]}", "name another in [environment] python of the card"
        )
    version, found = json.loads(line.removeprefix("npubench:"))
    if tuple(version[:2]) < OLDEST:
        shown, least = ".".join(map(str, version)), ".".join(map(str, OLDEST))
        return _no(
            f"{python}: is Python {shown}; a worker needs {least} or newer",
            f"name a Python ≥ {least} in [environment] python of the card",
        )
    missing = [name for name in NEEDED if not _enough(found.get(name), NEEDED[name])]
    if not missing:
        return None
    listed = ", ".join(f"{name} {found[name]}" if found.get(name) else name for name in missing)
    needed = [f"{name}>={'.'.join(map(str, NEEDED[name]))}" for name in missing]
    verb = "lacks or has too old" if any(found.get(name) for name in missing) else "lacks"
    return _no(
        f"{python}: {verb} {listed}; a worker needs numpy and msgspec besides the runtime",
        shlex.join([python, "-m", "pip", "install", *needed]),
    )


def _enough(version: str | None, least: tuple[int, int]) -> bool:
    if version is None:
        return False
    numbers = [int(part) if part.isdigit() else 0 for part in version.split(".")[:2]]
    return tuple(numbers) >= least


def _no(reason: str, fix: str = "") -> Availability:
    return Availability(available=False, reason=reason, fix=fix)
