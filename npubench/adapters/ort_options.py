"""What is known of options: which belong to the session, and which keys a provider takes.

ONNX Runtime's own providers either refuse a key that they do not know, or answer with the options in effect, so that a
key which is not among them was ignored. Some plug-ins take anything and give it back unread (Qualcomm's does): for
those the keys that the vendor documents are listed here, and any other is worth a note, not a refusal, because a newer
version may have learned it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SESSION_KEYS = ("graph_optimization_level", "inter_op_num_threads", "intra_op_num_threads")
"""Keys of the card's [options] that belong to the session; everything else goes to the provider."""

REFUSES_UNKNOWN = frozenset({"OpenVINOExecutionProvider"})
"""Providers that raise for a key that they do not know and tell no options in effect (seen with 1.24.1)."""

LEVELS = ("disable", "basic", "extended", "all")


def level_of(options: Mapping[str, Any]) -> str:
    """The graph optimisation level. Raises ValueError."""
    level = str(options.get("graph_optimization_level", "all"))
    if level not in LEVELS:
        raise ValueError(f'options.graph_optimization_level: "{level}"; expected one of {", ".join(LEVELS)}')
    return level


def provider_options(options: Mapping[str, Any]) -> dict[str, str]:
    """The options that go to the provider, as the text that ONNX Runtime takes."""
    return {key: _text(value) for key, value in options.items() if key not in SESSION_KEYS}


def _text(value: Any) -> str:
    # Python's "True" is not what every provider reads; where a vendor wants "1", its card says so.
    return str(value).lower() if isinstance(value, bool) else str(value)
