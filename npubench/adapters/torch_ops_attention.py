"""Rules for Attention (opsets 23 to 25) and RotaryEmbedding. See `torch_op`."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from npubench.adapters.torch_op import Call, Op, rule


@rule("RotaryEmbedding")
def _rotary(op: Op) -> Call:
    heads, size = op.attribute("num_heads", 0), op.attribute("rotary_embedding_dim", 0)
    interleaved = bool(op.attribute("interleaved", 0))
    return Call(rotary, (op.tensor(0), op.tensor(1), op.tensor(2), op.optional(3), heads, size, interleaved))


def rotary(
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    ids: torch.Tensor | None,
    heads: int,
    size: int,
    interleaved: bool,
) -> torch.Tensor:
    """x [b,heads,t,d] or [b,t,heads·d]; cos and sin [b,t,size/2], or [positions,size/2] with ids [b,t]."""
    flat = x.dim() == 3
    y = x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) if flat else x
    turn = y[..., :size] if size else y
    cos, sin = (table if ids is None else table[ids] for table in (cos, sin))
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    left, right = (turn[..., 0::2], turn[..., 1::2]) if interleaved else turn.chunk(2, -1)
    real, imaginary = cos * left - sin * right, sin * left + cos * right
    join = torch.stack if interleaved else torch.cat
    turned = join((real, imaginary), -1).reshape(turn.shape)
    result = torch.cat((turned, y[..., size:]), -1) if size else turned
    return result.transpose(1, 2).reshape(x.shape) if flat else result


@rule("Attention")
def _attention(op: Op) -> Call:
    if any(op.node.output[3:]):
        raise op.refuse("its output qk_matmul_output")
    causal = bool(op.attribute("is_causal", 0))
    if causal and op.has(4):
        raise op.refuse("is_causal beside a cache, whose meaning opset 23 leaves open; expected a mask")
    if op.has(6) or op.attribute("left_window_size", -1) >= 0 or op.attribute("right_window_size", -1) >= 0:
        raise op.refuse("nonpad_kv_seqlen or a window; expected a mask")
    tensors = [op.optional(index) for index in range(6)]
    heads = op.attribute("q_num_heads", 0), op.attribute("kv_num_heads", 0)
    whole = any(op.node.output[1:])
    return Call(attention, (*tensors, *heads, op.attribute("scale"), op.attribute("softcap", 0.0), causal, whole))


def _heads(x: torch.Tensor, count: int) -> torch.Tensor:
    """[b,t,count·d] → [b,count,t,d]"""
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(1, 2) if x.dim() == 3 else x


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    past_key: torch.Tensor | None,
    past_value: torch.Tensor | None,
    q_heads: int,
    kv_heads: int,
    scale: float | None,
    cap: float,
    causal: bool,
    whole: bool,
) -> Any:
    """Y, and the extended cache where `whole`. Grouped queries share keys and values, which are not copied."""
    flat = q.dim() == 3
    q, k, v = _heads(q, q_heads), _heads(k, kv_heads), _heads(v, kv_heads)
    k = k if past_key is None else torch.cat((past_key, k), 2)
    v = v if past_value is None else torch.cat((past_value, v), 2)
    if mask is not None and mask.shape[-1] < k.shape[2]:
        # Keys beyond the mask are not seen (opset 24).
        hidden = 0 if mask.dtype == torch.bool else float("-inf")
        mask = functional.pad(mask, (0, k.shape[2] - mask.shape[-1]), "constant", hidden)
    if causal:
        corner = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
        if mask is None:
            mask = corner
        elif mask.dtype == torch.bool:
            mask = mask & corner
        else:
            mask = mask.masked_fill(~corner, float("-inf"))
    grouped = q.shape[1] != k.shape[1]
    if cap:
        y = _capped(q, k, v, mask, scale, cap)
    else:
        y = functional.scaled_dot_product_attention(q, k, v, mask, scale=scale, enable_gqa=grouped)
    y = y.transpose(1, 2).reshape(y.shape[0], y.shape[2], -1) if flat else y
    return (y, k, v) if whole else y


def _capped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, scale: float | None, cap: float
) -> torch.Tensor:
    each = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(each, 1) if each > 1 else x for x in (k, v))
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    scores = torch.tanh(q @ k.transpose(-1, -2) * factor / cap) * cap
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return torch.softmax(scores, -1) @ v
