"""AMD GPUs through AMD SMI (`import amdsmi`, comes with ROCm): energy, socket power, limit, heat, clocks, throttling.

Per GPU, where it answers when probed:

    energy          amdsmi_get_energy_count: accumulator × resolution, µJ since the driver was loaded; 64 bits, does not
                    wrap. Not in a virtual machine. One card is known on which it stands still (ROCm/amdsmi issue 22).
    power           amdsmi_get_power_info: current socket power, whole watts; power-average: over a time not documented
    limit           amdsmi_get_power_cap_info
    temperature     the hottest spot, else the edge; gfx-clock, memory-clock
    throttle        from the accumulated residencies of amdsmi_get_gpu_metrics_info (gpu_metrics 1.6: MI300 and later):
                    a cause is in effect when its time grew since the reading before. PPT is power-cap; socket, HBM,
                    voltage regulator and PROCHOT are thermal.

amdsmi_get_violation_status says the same, but waits 100 ms in each call (amd_smi.cc), so it is not used. The scope is
`chip`: a socket's power leaves out what is beside it on a card. A partition of a GPU has no power of its own: only the
first of one PCI address is read.

Sources: amdsmi.h, the Python binding's reference (rocm.docs.amd.com), the binding of release 7.0.2 as read. Tested with
a package of the same functions; not verified on hardware.

Not aware of: which GPU a launch used, joules (`stats.ledger`), amdgpu's hwmon (`hwmon`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from npubench.meters.amdsmi_gpu import Gpu, says
from npubench.spi import Availability, Channel, Reading

# What probing says for an error of amdsmi_init, by a word of its message.
_ABSENT: Mapping[str, tuple[str, str]] = {
    "DRIVER_NOT_LOADED": ("the amdgpu kernel driver is not loaded", "sudo modprobe amdgpu"),
    "NO_DRV": ("the amdgpu kernel driver is not loaded", "sudo modprobe amdgpu"),
    "NO_PERM": ("AMD SMI may not open the devices", "sudo usermod -aG render,video $USER, then log in again"),
}
_INSTALL = "install ROCm's amd-smi-lib, then: pip install /opt/rocm/share/amd_smi"


class AmdSmiMeter:
    """A `spi.Meter` of every GPU that AMD SMI shows."""

    def __init__(self) -> None:
        self._smi: Any = None
        self._gpus: list[Gpu] = []

    def probe(self) -> Availability:
        self.close()
        try:
            smi = importlib.import_module("amdsmi")
        except ModuleNotFoundError:
            return Availability(available=False, reason="AMD's binding amdsmi is not installed", fix=_INSTALL)
        except Exception as error:
            # Without its library the binding of release 7.0.2 prints so and raises KeyError.
            reason = (
                f"amdsmi cannot be loaded, libamd_smi.so is missing or broken: {type(error).__name__}: {says(error)}"
            )
            return Availability(available=False, reason=reason, fix=_INSTALL)
        try:
            smi.amdsmi_init()
        except Exception as error:
            said = says(error)
            known = next((answer for word, answer in _ABSENT.items() if word in said), None)
            reason, fix = known or (f"AMD SMI does not start: {said}", "amd-smi list shows what is wrong")
            return Availability(available=False, reason=reason, fix=fix)
        self._smi = smi
        try:
            return self._probe(smi)
        except Exception as error:
            self.close()
            return Availability(available=False, reason=f"amdsmi failed: {says(error)}", fix="amd-smi list")

    def _probe(self, smi: Any) -> Availability:
        silent: list[str] = []
        addresses: set[str] = set()
        for handle in smi.amdsmi_get_processor_handles():
            found = self._opened(smi, handle, addresses)
            if isinstance(found, str):
                silent.append(found)
            elif found is not None:
                self._gpus.append(found)
        if any(channel.quantity in ("power", "energy") for gpu in self._gpus for channel in gpu.channels):
            return Availability(available=True, reason="; ".join(silent), versions=_versions(smi))
        reason, fix = "AMD SMI answers but shows no GPU", "containers: --device /dev/kfd --device /dev/dri"
        if silent or self._gpus:
            silent += [f"{gpu.address}: {', '.join(dict.fromkeys(gpu.refused.values()))}" for gpu in self._gpus]
            reason = f"AMD SMI gives neither power nor energy of any GPU: {'; '.join(silent)}"
            fix = "not possible in a virtual machine; amd-smi metric --power --energy shows it"
        self.close()
        return Availability(available=False, reason=reason, fix=fix)

    def _opened(self, smi: Any, handle: Any, addresses: set[str]) -> Gpu | str | None:
        """The GPU, why it does not open, or None for a further partition of one that is open."""
        try:
            address = str(smi.amdsmi_get_gpu_device_bdf(handle)).lower()
            # Partitions differ in the function only (MI300 in CPX mode).
            if address[:-1] in addresses:
                return None
            gpu = Gpu(smi, handle, address)
        except Exception as error:
            return says(error)
        addresses.add(address[:-1])
        return gpu

    def channels(self) -> Sequence[Channel]:
        return tuple(channel for gpu in self._gpus for channel in gpu.channels)

    def read(self) -> Sequence[Reading]:
        return [reading for gpu in self._gpus for reading in gpu.read()]

    def close(self) -> None:
        """Ends the AMD SMI session."""
        self._gpus = []
        if self._smi is not None:
            with suppress(Exception):
                self._smi.amdsmi_shut_down()
            self._smi = None


def _versions(smi: Any) -> dict[str, str]:
    found = getattr(smi, "__version__", None)
    return {"amdsmi": str(found)} if found else {}
