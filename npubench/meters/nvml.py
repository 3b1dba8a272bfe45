"""NVIDIA GPUs through NVML (nvidia-ml-py, `import pynvml`): energy, power, limit, heat, clocks and throttle reasons.

Per GPU, where it answers when probed:

    energy          the driver's counter, mJ since it was loaded (field 83, else nvmlDeviceGetTotalEnergyConsumption;
                    Volta and later). 64 bits: it does not wrap; a driver that is reloaded sets it to zero.
    power           field 186, now; power-average: field 185, the mean of 1 s (Ampere and later except GA100)
    module-power    field 186 in scope 1: GPU and CPU of a superchip (Grace Hopper); memory-power: in scope 2
    limit, temperature, sm-clock, memory-clock, throttle

Where fields 185 and 186 do not answer, `power` is nvmlDeviceGetPowerUsage: the mean of 1 s on Ampere and later except
GA100, else now. Readings are of the whole card, memory included ("this GPU and its associated circuitry"): a MIG
instance or a virtual GPU has no reading of its own, and the channel's source says so.

The open NVML session keeps the driver loaded, so that a GPU without persistence mode idles higher than with no session
at all. Tested with an NVML of our own making; not verified on hardware.

Not aware of: which GPU a launch used, joules (`stats.ledger`), nvidia-smi (`engine.nvidia`).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from npubench.meters.nvml_gpu import Gpu
from npubench.spi import Availability, Channel, Reading

_PACKAGE = "nvidia-ml-py"

# What probing says for each error of nvmlInit: reason and what to do.
_ABSENT: dict[int, tuple[str, str]] = {
    12: (
        "libnvidia-ml.so.1 is not there: no NVIDIA driver is installed, or this container was started without it",
        "install NVIDIA's driver; containers: docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ),
    9: ("NVIDIA's kernel driver is not loaded", "sudo modprobe nvidia, then nvidia-smi"),
    18: (
        "the NVML library and the loaded kernel driver are of different versions (the driver was updated)",
        "reboot, or unload and load the nvidia modules; containers: use the host's libnvidia-ml.so.1",
    ),
    4: ("NVML may not talk to the driver as this user", "give this user access to /dev/nvidia*; nvidia-smi shows it"),
    13: ("the NVML library lacks what nvidia-ml-py asks for: the driver is too old", "update NVIDIA's driver"),
}


class NvmlMeter:
    """A `spi.Meter` of every GPU that NVML shows, which in a container are those that were given to it."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._gpus: list[Gpu] = []

    def probe(self) -> Availability:
        self.close()
        try:
            nvml = importlib.import_module("pynvml")
        except Exception as error:
            reason = f"{_PACKAGE} cannot be imported: {type(error).__name__}: {error}"
            return Availability(available=False, reason=reason, fix=f"pip install {_PACKAGE}")
        try:
            return self._probe(nvml)
        except Exception as error:
            self.close()
            reason = f"{_PACKAGE} failed: {type(error).__name__}: {error}"
            return Availability(available=False, reason=reason, fix="nvidia-smi shows what is wrong")

    def _probe(self, nvml: Any) -> Availability:
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            why = f"NVML: {error} (error {error.value})"
            reason, fix = _ABSENT.get(error.value, (f"NVML does not start: {why}", "nvidia-smi shows what is wrong"))
            return Availability(available=False, reason=reason, fix=fix)
        self._nvml = nvml
        silent = self._open(nvml)
        versions = self._versions(nvml)
        metering = [gpu for gpu in self._gpus if any(item.quantity in ("power", "energy") for item in gpu.channels)]
        if metering:
            # A GPU that gives no power still says when it throttles.
            return Availability(available=True, reason="; ".join(silent), versions=versions)
        reason, fix = (
            "NVML answers but shows no GPU",
            "containers: --gpus all; NVIDIA_VISIBLE_DEVICES must not hide them",
        )
        if silent or self._gpus:
            silent += [f"{gpu.address}: {_said(gpu.refused)}" for gpu in self._gpus]
            reason = f"NVML gives neither power nor energy of any GPU: {'; '.join(silent)}"
            fix = "virtual GPUs and some laptop and older cards have no power sensor; nvidia-smi -q -d POWER shows it"
        self.close()
        return Availability(available=False, reason=reason, fix=fix, versions=versions)

    def _open(self, nvml: Any) -> list[str]:
        """Opens every GPU; what those say that do not open."""
        silent = []
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            return [f"NVML does not count its GPUs: {error}"]
        for index in range(count):
            found = self._opened(nvml, index)
            if isinstance(found, Gpu):
                self._gpus.append(found)
            else:
                silent.append(f"GPU {index}: {found}")
        return silent

    def _opened(self, nvml: Any, index: int) -> Gpu | str:
        try:
            return Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
        except nvml.NVMLError as error:
            return str(error)

    def _versions(self, nvml: Any) -> dict[str, str]:
        versions = {}
        with suppress(metadata.PackageNotFoundError):
            versions[_PACKAGE] = metadata.version(_PACKAGE)
        with suppress(nvml.NVMLError):
            said = nvml.nvmlSystemGetDriverVersion()
            versions["nvidia-driver"] = said.decode() if isinstance(said, bytes) else str(said)
        return versions

    def channels(self) -> Sequence[Channel]:
        return tuple(channel for gpu in self._gpus for channel in gpu.channels)

    def read(self) -> Sequence[Reading]:
        return [reading for gpu in self._gpus for reading in gpu.read()]

    def close(self) -> None:
        """Ends the NVML session. The library stays loaded (NVML's own rule)."""
        self._gpus = []
        if self._nvml is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None


def _said(refused: dict[str, str]) -> str:
    """The different complaints, each once."""
    return ", ".join(dict.fromkeys(refused.values())) or "no complaint"
