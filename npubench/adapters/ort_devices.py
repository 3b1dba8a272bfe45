"""How ONNX Runtime reaches a provider: by its name, or (a plug-in) through the devices that its library offers.

Guarantees: a plug-in library is registered once per process and under the provider's own name, because the name of the
registration can become the provider's name; a plug-in is never named in `providers=`, which ONNX Runtime takes without
a word and then runs everything on the CPU; what was not found is said together with what there is.

Source: onnxruntime.ai, "Plugin Execution Provider Libraries"; the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from npubench.adapters.cuda_device import cuda_device
from npubench.spi import Device

CPU = "CPUExecutionProvider"
CUDA = frozenset(("CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider", "TensorrtExecutionProvider"))
"""Providers that run on NVIDIA GPUs alone, and make no session where there is none."""

# Wheels that bring what a provider of ONNX Runtime's own links to, where the loader does not look.
_BROUGHT: Mapping[str, tuple[str, ...]] = {"CUDAExecutionProvider": (), "TensorrtExecutionProvider": ("tensorrt_libs",)}

_registered: dict[str, str] = {}
_preloaded: set[str] = set()


class Reach(msgspec.Struct, frozen=True):
    """A provider, the devices through which it is added (none: by its name), and its plug-in library."""

    provider: str
    devices: tuple[Any, ...] = ()
    library: str | None = None


def runtime_for(provider: str) -> Any:
    """`onnxruntime`, with the libraries loaded that this provider needs and that came as wheels.

    Raises what importing it raises: a broken installation raises more than ImportError. What is missing then is said
    when the provider itself is loaded.
    """
    import onnxruntime

    if provider in _BROUGHT and provider not in _preloaded:
        _preloaded.add(provider)
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        for package in _BROUGHT[provider]:
            with suppress(Exception):
                importlib.import_module(package)
    return onnxruntime


def reach(runtime: Any, provider: str, device: Mapping[str, Any], plugin: Mapping[str, Any] | None) -> Reach:
    """The way to `provider`. Raises RuntimeError that says what is missing and what there is instead."""
    if plugin is None:
        wants = bool(device.get("match"))
        return Reach(provider, chosen(runtime, provider, device) if wants else ())
    library = register(runtime, provider, plugin)
    return Reach(provider, chosen(runtime, provider, device), library)


def register(runtime: Any, provider: str, plugin: Mapping[str, Any]) -> str:
    """Registers a plug-in's library, once; its path. Raises RuntimeError."""
    if not hasattr(runtime, "register_execution_provider_library"):
        raise RuntimeError(f"onnxruntime {runtime.__version__} takes no plug-in providers; 1.22 and later do")
    path = _library(provider, plugin)
    if _registered.get(provider) != path:
        try:
            runtime.register_execution_provider_library(provider, path)
        except Exception as error:
            raise RuntimeError(f"{path}: not a provider library that this onnxruntime takes: {error}") from error
        _registered[provider] = path
    return path


def _library(provider: str, plugin: Mapping[str, Any]) -> str:
    if (package := plugin.get("package")) is not None:
        try:
            found = importlib.import_module(package)
            own, path = str(found.get_ep_name()), str(found.get_library_path())
        except Exception as error:  # vendors' packages raise more than ImportError
            raise RuntimeError(f"the package {package} of this plug-in cannot be used: {error}") from error
        if own != provider:
            raise RuntimeError(f"the package {package} brings {own}, but the card says provider = {provider}")
    elif (path := str(plugin.get("library") or "")) == "":
        raise RuntimeError("the card's [plugin] needs `package` or `library`")
    if not Path(path).is_file():
        raise RuntimeError(f"{path}: no such provider library")
    return path


def offered(runtime: Any, provider: str) -> list[Any]:
    """What ONNX Runtime offers `provider` on, in its own order."""
    try:
        return [item for item in runtime.get_ep_devices() if item.ep_name == provider]
    except Exception:  # before 1.22 there is no such call
        return []


def chosen(runtime: Any, provider: str, device: Mapping[str, Any]) -> tuple[Any, ...]:
    """The devices that a card's `match`, `index` and `count` choose. Raises RuntimeError."""
    items = offered(runtime, provider)
    if not items:
        names = sorted({item.ep_name for item in runtime.get_ep_devices()})
        raise RuntimeError(f"{provider} offers no device on this machine; providers that do: {', '.join(names)}")
    wanted = {str(key): str(value) for key, value in (device.get("match") or {}).items()}
    fitting = [item for item in items if _fits(facts(item), wanted)]
    first, count = int(device.get("index", 0)), int(device.get("count", 1))
    if len(fitting) < first + count:
        asked = ", ".join(f"{key}={value}" for key, value in wanted.items()) or "the card"
        have = "; ".join(describe(facts(item)) for item in items)
        short = f"only {len(fitting)} of its devices fit" if fitting else "none of its devices fits"
        more = f", and the card wants {count} from number {first} on" if fitting else ""
        raise RuntimeError(f"{provider}: {short} {asked}{more}; it offers {have}")
    return tuple(fitting[first : first + count])


def _fits(found: Device, wanted: Mapping[str, str]) -> bool:
    have = {**found.detail, "type": found.type, "vendor": found.vendor, "id": found.id}
    return all(have.get(key, "").casefold() == value.casefold() for key, value in wanted.items())


def facts(item: Any) -> Device:
    """What ONNX Runtime says of one device (an `OrtEpDevice`). Paths are left out: they say nothing about a device."""
    hardware = item.device
    detail = {**dict(item.ep_metadata), **dict(hardware.metadata)}
    return Device(
        id=str(hardware.device_id),
        type=str(hardware.type).rpartition(".")[2].lower(),
        vendor=str(hardware.vendor),
        name=str(detail.get("Description", "") or hardware.vendor),
        detail={str(key): str(value) for key, value in detail.items() if not str(value).startswith("/")},
    )


def describe(found: Device) -> str:
    """`npu Qualcomm (ov_device=NPU)`: enough to write a card's `match`."""
    detail = ", ".join(f"{key}={value}" for key, value in sorted(found.detail.items()))
    return f"{found.type} {found.vendor}" + (f" ({detail})" if detail else "")


def devices_of(runtime: Any, way: Reach, own: Mapping[str, str] = {}) -> tuple[Device, ...]:
    """The devices in use: those chosen, else those that ONNX Runtime names for a provider that is its own, else what
    NVIDIA's driver calls the number among the provider's own options.
    """
    found = tuple(facts(item) for item in (way.devices or offered(runtime, way.provider)))
    if found or way.provider not in CUDA:
        return found
    number = own.get("device_id", "0")
    named = cuda_device(int(number)) if number.isdecimal() else None
    return () if named is None else (named,)


def device_type(devices: Sequence[Device], provider: str, options: Mapping[str, Any]) -> str:
    """cpu, gpu, npu or virtual; empty where nothing is known or devices differ."""
    if provider == CPU:
        return "cpu"
    if provider in CUDA:
        return "gpu"
    if provider == "OpenVINOExecutionProvider" and not devices:
        # Its in-tree form names no devices, and makes no session for one that is not there. AUTO and HETERO stay open.
        kind = str(options.get("device_type", "")).partition(".")[0].lower()
        return kind if kind in ("cpu", "gpu", "npu") else ""
    types = {"virtual" if device.detail.get("is_virtual") == "1" else device.type for device in devices}
    return types.pop() if len(types) == 1 else ""
