"""Named kinds of use of a language model (`traffic.toml`): how much goes in and comes out, and what is shared.

Not aware of: workloads (they read the parameters that `params` gives), arrival (`scenarios`).
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import UnknownNameError
from npubench.lang import Text
from npubench.scenarios import Scenario

FILE = Path(__file__).resolve().with_name("traffic.toml")


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of use. The first `shared_tokens` of a prompt's `prompt_tokens` are the same in all requests.

    `think_s`: how long a user takes before the next request (scenario `users`).
    """

    title: Text
    prompt_tokens: int
    new_tokens: int
    shared_tokens: int = 0
    think_s: float = 0.0


@cache
def known() -> dict[str, Traffic]:
    """Every kind of use, by name."""
    return msgspec.toml.decode(FILE.read_bytes(), type=dict[str, Traffic])


def named(name: str) -> Traffic:
    """The kind of use called `name`. Raises UnknownNameError."""
    found = known()
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        raise UnknownNameError(f'no traffic "{name}"{meant}; known: {", ".join(found)}')
    return found[name]


def params(scenario: Scenario) -> dict[str, Any]:
    """The parameters of a language workload that a scenario's `traffic`, `in` and `out` decide. The latter two win; of
    another length of input the same part is shared."""
    found: dict[str, Any] = {}
    if "traffic" in scenario.params:
        traffic = named(scenario.params["traffic"])
        found = {
            "prompt_tokens": traffic.prompt_tokens,
            "new_tokens": traffic.new_tokens,
            "shared_tokens": traffic.shared_tokens,
        }
    if "in" in scenario.params:
        usual, length = found.get("prompt_tokens", 1), scenario.params["in"]
        found["prompt_tokens"] = length
        found["shared_tokens"] = found.get("shared_tokens", 0) * length // usual
    if "out" in scenario.params:
        found["new_tokens"] = scenario.params["out"]
    return found


def think_s(scenario: Scenario) -> float:
    """How long a user of this scenario thinks before the next request."""
    if "think_s" in scenario.params:
        return float(scenario.params["think_s"])
    return named(scenario.params["traffic"]).think_s if "traffic" in scenario.params else 0.0
