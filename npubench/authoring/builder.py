"""A torch network made of a vision definition in `npubench.build.nets`: torch trains exactly the graph that ships.

Each convolution is followed by a batch normalisation (a head: by its bias only). `fold` merges the two into the weight
and bias that the graph has, in fp32; `rounded` is what a room keeps, fp16. `Network(…, folded)` computes with such
arrays. Guarantees: parameters are called as in the definition; training nothing, then folding, changes nothing but
rounding.

Not aware of: data, losses, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from npubench.build.nets import Definition
from npubench.build.nets.vocabulary import Head, Pair

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

MOMENTUM = 0.1
EPSILON = 1e-3


def _unit(
    inputs: int, channels: int, kernel: Pair, stride: Pair, pad: Pair, groups: int, head: Head | None, plain: bool
) -> nn.Sequential:
    """A convolution and its normalisation, if it has one."""
    bias = plain or head is not None
    conv = nn.Conv2d(inputs, channels, kernel, stride, pad, groups=groups, bias=bias)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out" if groups == 1 else "fan_in", nonlinearity="relu")
    if head is not None:
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.constant_(conv.bias, head.mean)
        if head.first_mean is not None:
            with torch.no_grad():
                conv.bias[0] = head.first_mean
    return nn.Sequential(conv) if bias else nn.Sequential(conv, nn.BatchNorm2d(channels, EPSILON, MOMENTUM))


class _Plan:
    """Implements `Vision[int]` (a value is its number of channels) and makes the units."""

    def __init__(self, units: nn.ModuleDict, plain: bool) -> None:
        self._units = units
        self._plain = plain

    def image(self, name: str, channels: int, height: int, width: int | None) -> int:
        return channels

    def conv(
        self,
        x: int,
        name: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        depthwise: bool = False,
        same: bool = True,
        relu: bool = True,
        head: Head | None = None,
    ) -> int:
        pad = (kernel[0] // 2, kernel[1] // 2) if same else (0, 0)
        groups = channels if depthwise else 1
        # Module names may not hold dots.
        self._units[name.replace(".", "/")] = _unit(x, channels, kernel, stride, pad, groups, head, self._plain)
        return channels

    def relu(self, x: int) -> int:
        return x

    def add(self, a: int, b: int) -> int:
        return a

    def concat(self, parts: Sequence[int]) -> int:
        return sum(parts)

    def max_pool(self, x: int, kernel: int) -> int:
        return x

    def upsample(self, x: int, factor: int) -> int:
        return x

    def sequence(self, x: int, length: str) -> int:
        return x

    def channels(self, x: int) -> int:
        return x

    def output(self, name: str, x: int) -> None:
        pass


class _Pass:
    """Implements `Vision[Tensor]`: computes the definition with the units."""

    def __init__(self, units: nn.ModuleDict, image: Tensor) -> None:
        self._units = units
        self._image = image
        self.outputs: dict[str, Tensor] = {}

    def image(self, name: str, channels: int, height: int, width: int | None) -> Tensor:
        # Any multiple of 32 will do: crops train faster than whole frames.
        return self._image

    def conv(
        self,
        x: Tensor,
        name: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        depthwise: bool = False,
        same: bool = True,
        relu: bool = True,
        head: Head | None = None,
    ) -> Tensor:
        y: Tensor = self._units[name.replace(".", "/")](x)
        return functional.relu(y, inplace=True) if relu and head is None else y

    def relu(self, x: Tensor) -> Tensor:
        return functional.relu(x)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), dim=1)

    def max_pool(self, x: Tensor, kernel: int) -> Tensor:
        return functional.max_pool2d(x, kernel, 1, kernel // 2)

    def upsample(self, x: Tensor, factor: int) -> Tensor:
        return functional.interpolate(x, scale_factor=float(factor), mode="nearest")

    def sequence(self, x: Tensor, length: str) -> Tensor:
        return x[:, :, 0].transpose(1, 2)

    def channels(self, x: Tensor) -> int:
        return int(x.shape[1])

    def output(self, name: str, x: Tensor) -> None:
        self.outputs[name] = x


class Network:
    """A definition in torch: image [batch, channels, h, w] → its outputs by name. `units` holds the parameters."""

    def __init__(self, definition: Definition, folded: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """With `folded`, plain convolutions with these arrays. Raises KeyError for one that is missing."""
        self.definition = definition
        self.units = nn.ModuleDict()
        definition(_Plan(self.units, plain=folded is not None))
        if folded is not None:
            state = {}
            for key in self.units:
                for part in ("weight", "bias"):
                    array = folded[f"{key.replace('/', '.')}.{part}"]
                    state[f"{key}.0.{part}"] = torch.from_numpy(array.astype(np.float32))
            self.units.load_state_dict(state)
            self.units.eval()
        # The layout in which convolutions are fastest on CPUs.
        self.units.to(memory_format=torch.channels_last)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        run = _Pass(self.units, image.contiguous(memory_format=torch.channels_last))
        self.definition(run)
        return run.outputs


def fold(network: Network) -> Arrays:
    """`{name}.weight` and `{name}.bias` of each convolution, normalisation merged in, fp32."""
    arrays: Arrays = {}
    for key, unit in network.units.items():
        conv = unit[0]
        weight = conv.weight.detach().double()
        if len(unit) == 1:
            bias = conv.bias.detach().double()
        else:
            norm = unit[1]
            scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
            bias = norm.bias.detach().double() - norm.running_mean.double() * scale
            weight = weight * scale[:, None, None, None]
        name = key.replace("/", ".")
        arrays[f"{name}.weight"] = np.ascontiguousarray(weight.float().numpy())
        arrays[f"{name}.bias"] = bias.float().numpy()
    return arrays


def rounded(arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """The arrays in fp16. Raises ValueError for a value that fp16 cannot hold."""
    small: Arrays = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            small[name] = array.astype(np.float16)
        if not np.isfinite(small[name]).all():
            raise ValueError(f"{name}: largest value {np.abs(array).max():.4g}; expected below 65504, or train anew")
    return small
