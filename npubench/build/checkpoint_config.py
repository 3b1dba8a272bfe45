"""A Hugging Face config.json → the shape of our decoder, for the families that it can compute exactly.

Guarantees: a key that changes the computation is either honoured or refused by name; nothing in the file is executed
(`auto_map` and the like are not looked at). Both spellings of rotary positions are read, `rope_parameters` and the
older `rope_theta` with `rope_scaling`. Source: the configuration and modelling files of transformers 5.

Not aware of: tensors, tokenizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from npubench.build.nets.llm import Shape
from npubench.build.nets.rope import Rope
from npubench.errors import DataError
from npubench.lang import here

CONFIG = "config.json"
FAMILIES = ("llama", "qwen2", "qwen3", "exaone4")

# What a config leaves out is this in transformers.
_EPSILON = {"llama": 1e-6, "qwen2": 1e-6, "qwen3": 1e-6, "exaone4": 1e-5}

# Larger sizes exist in no model; a broken number must not make a graph of a billion nodes.
_MOST = {"num_hidden_layers": 1024}
_MOST_ELSE = 1 << 24


class Reader:
    """Typed reading of one config.json, with every complaint naming file and key."""

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path, self._config = path, config

    def wrong(self, key: str, found: Any, expected: str) -> DataError:
        """The error for a key: what was found and what was expected."""
        shown = repr(found) if len(repr(found)) <= 80 else repr(found)[:77] + "…"
        return DataError(
            here(
                f"{self.path}: {key}: found {shown}; expected {expected}",
                f"{self.path}: {key}: {shown} 발견, {expected} 필요",
            ),
            hint=here(
                f"npubench computes decoders of the families {', '.join(FAMILIES)} exactly, and nothing else",
                f"npubench가 정확히 계산하는 디코더 계열: {', '.join(FAMILIES)}",
            ),
        )

    def get(self, key: str) -> Any:
        return self._config.get(key)

    def size(self, key: str, default: int | None = None) -> int:
        """A whole number ≥ 1."""
        value = self._config.get(key)
        if value is None and default is not None:
            return default
        most = _MOST.get(key, _MOST_ELSE)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.wrong(key, value, f"a whole number from 1 to {most}")
        return value

    def number(self, table: Mapping[str, Any], key: str, default: float | None = None) -> float:
        """A number > 0."""
        value = table.get(key.rpartition(".")[2])
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
            raise self.wrong(key, value, "a number > 0")
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._config.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value


def read_config(folder: Path) -> Reader:
    """The config.json in `folder`. Raises DataError."""
    path = folder / CONFIG
    try:
        config = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise DataError(
            here(f"{path}: cannot be read: {error.strerror}", f"{path}: 읽을 수 없습니다: {error.strerror}"),
            hint=here(
                "a checkpoint folder has config.json, model.safetensors and tokenizer.json",
                "체크포인트 폴더에는 config.json, model.safetensors, tokenizer.json이 있어야 합니다",
            ),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(here(f"{path}: not valid JSON: {error}", f"{path}: 올바른 JSON이 아닙니다: {error}")) from None
    if not isinstance(config, dict):
        raise DataError(here(f"{path}: found no table", f"{path}: 표가 아닙니다"))
    return Reader(path, config)


def shape_of(reader: Reader, positions: int) -> Shape:
    """The decoder that the config describes, to be run over `positions` positions. Raises DataError."""
    family = reader.get("model_type")
    if family not in FAMILIES:
        raise reader.wrong("model_type", family, "one of " + ", ".join(FAMILIES))
    if reader.get("quantization_config") is not None:
        raise reader.wrong(
            "quantization_config", reader.get("quantization_config"), "none (weights in fp32, fp16, bf16)"
        )
    if (act := reader.get("hidden_act")) not in (None, "silu"):
        raise reader.wrong("hidden_act", act, '"silu"')
    width, heads = reader.size("hidden_size"), reader.size("num_attention_heads")
    layers = reader.size("num_hidden_layers")
    kv_heads = reader.size("num_key_value_heads", heads)
    if heads % kv_heads:
        raise reader.wrong("num_key_value_heads", kv_heads, f"a divisor of num_attention_heads ({heads})")
    head_dim = reader.size("head_dim", 128 if family == "qwen3" else max(1, width // heads))
    if head_dim % 2:
        raise reader.wrong("head_dim", head_dim, "an even number")
    windows = _windows(reader, family, layers)
    hybrid = family == "exaone4" and any(window is not None for window in (*windows, reader.get("sliding_window")))
    return Shape(
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        inner=reader.size("intermediate_size"),
        vocab=reader.size("vocab_size"),
        rope=_rope(reader, head_dim // 2, positions),
        epsilon=reader.number({"rms_norm_eps": reader.get("rms_norm_eps")}, "rms_norm_eps", _EPSILON[family]),
        biased=_biased(reader, family),
        tied=reader.flag("tie_word_embeddings"),
        head_norms=family in ("qwen3", "exaone4"),
        post_norms=family == "exaone4",
        windows=windows if any(window is not None for window in windows) else (),
        # EXAONE 4 with windows has no rotary positions in the layers that see everything.
        unrotated=tuple(at for at, window in enumerate(windows) if window is None) if hybrid else (),
    )


def _biased(reader: Reader, family: str) -> tuple[str, ...]:
    if family == "qwen2":
        return ("query", "key", "value")
    if family == "exaone4":
        return ()
    attention = ("query", "key", "value", "out") if reader.flag("attention_bias") else ()
    feed = ("gate", "up", "down") if family == "llama" and reader.flag("mlp_bias") else ()
    return (*attention, *feed)


def _windows(reader: Reader, family: str, layers: int) -> tuple[int | None, ...]:
    """How many positions each layer sees; None for all."""
    if family == "llama":
        return (None,) * layers
    window = reader.get("sliding_window")
    if family != "exaone4" and not reader.flag("use_sliding_window"):
        window = None
    kinds = reader.get("layer_types")
    if kinds is None:
        kinds = _kinds(reader, family, layers, window is not None)
    known = ("full_attention", "sliding_attention")
    if not isinstance(kinds, list) or len(kinds) != layers or any(kind not in known for kind in kinds):
        raise reader.wrong("layer_types", kinds, f"{layers} of {', '.join(known)}")
    if "sliding_attention" not in kinds:
        return (None,) * layers
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise reader.wrong("sliding_window", window, "a whole number ≥ 1, because layer_types has sliding_attention")
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def _kinds(reader: Reader, family: str, layers: int, windowed: bool) -> list[str]:
    """The kinds of layers where the config does not list them, by the family's rule."""
    if not windowed:
        return ["full_attention"] * layers
    if family == "exaone4":
        pattern = reader.get("sliding_window_pattern")
        if isinstance(pattern, str):
            # transformers itself takes a number only, although its description allows letters.
            raise reader.wrong("sliding_window_pattern", pattern, "a whole number, or layer_types beside it")
        every = reader.size("sliding_window_pattern", 4)
        return ["full_attention" if (at + 1) % every == 0 else "sliding_attention" for at in range(layers)]
    first = reader.get("max_window_layers")
    first = 28 if first is None else first
    if isinstance(first, bool) or not isinstance(first, int) or first < 0:
        raise reader.wrong("max_window_layers", first, "a whole number ≥ 0")
    return ["sliding_attention" if at >= first else "full_attention" for at in range(layers)]


def _rope(reader: Reader, half: int, positions: int) -> Rope:
    table = reader.get("rope_parameters")
    key = "rope_parameters"
    if table is None:
        key, table = "rope_scaling", reader.get("rope_scaling") or {}
    if not isinstance(table, dict):
        raise reader.wrong(key, table, "a table")
    theta = reader.number(
        table if "rope_theta" in table else {"rope_theta": reader.get("rope_theta")}, f"{key}.rope_theta", 10_000.0
    )
    for place in (table.get("partial_rotary_factor"), reader.get("partial_rotary_factor")):
        if place not in (None, 1, 1.0):
            raise reader.wrong("partial_rotary_factor", place, "1 (heads rotated as a whole)")
    kind = table.get("rope_type", table.get("type", "default"))
    known = reader.size("max_position_embeddings", 2048)
    if kind == "default" or (kind == "dynamic" and positions <= known):
        # Dynamic scaling begins beyond the trained length.
        return Rope(theta=theta)
    if kind == "linear":
        return Rope(theta=theta, kind="linear", factor=reader.number(table, f"{key}.factor"))
    if kind == "llama3":
        return Rope(
            theta=theta,
            kind="llama3",
            factor=reader.number(table, f"{key}.factor"),
            low=reader.number(table, f"{key}.low_freq_factor"),
            high=reader.number(table, f"{key}.high_freq_factor"),
            original=int(reader.number(table, f"{key}.original_max_position_embeddings", float(known))),
        )
    if kind == "longrope":
        return _longrope(reader, key, table, theta, half, positions, known)
    what = "default, linear, llama3, longrope" + (f" (dynamic: up to {known} positions)" if kind == "dynamic" else "")
    raise reader.wrong(f"{key}.rope_type", kind, what)


def _longrope(
    reader: Reader, key: str, table: Mapping[str, Any], theta: float, half: int, positions: int, known: int
) -> Rope:
    """Its short form only: the longer one is chosen anew at every length, which no fixed graph does."""
    factors = table.get("short_factor")
    if not isinstance(factors, list) or len(factors) != half or any(not _positive(item) for item in factors):
        raise reader.wrong(f"{key}.short_factor", factors, f"{half} numbers > 0")
    original = reader.number(table, f"{key}.original_max_position_embeddings", float(known))
    if positions > original:
        raise reader.wrong(f"{key}.original_max_position_embeddings", original, f"≥ {positions}, what a run needs")
    scale = table.get("attention_factor")
    if scale is None:
        scale = 1.0 if reader.number(table, f"{key}.factor", known / original) <= 1 else None
    if scale != 1.0:
        raise reader.wrong(f"{key}.attention_factor", table.get("attention_factor"), "1")
    return Rope(theta=theta, kind="longrope", factors=tuple(float(item) for item in factors))


def _positive(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool) and 0 < item < 1e12
