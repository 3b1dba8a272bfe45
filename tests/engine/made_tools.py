"""Outputs of vendors' tools, made in the form that drivers 575 (NVIDIA) and 3.2.2 (Rebellions) are known to write, and
scripts that answer with them in the tools' place.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REASONS = ("gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "hw_thermal_slowdown",
           "hw_power_brake_slowdown", "sync_boost", "sw_thermal_slowdown", "display_clocks_setting")  # fmt: skip
COUNTERS = ("sw_power_cap", "sync_boost", "sw_therm_slowdown", "hw_therm_slowdown", "hw_power_brake")
PROCESS = """<process_info><gpu_instance_id>N/A</gpu_instance_id><pid>{pid}</pid><type>{type}</type>
<process_name>{name}</process_name><used_memory>{memory}</used_memory></process_info>"""


def process_info(pid: int, name: str, type: str = "C", memory: str = "1448 MiB") -> str:  # noqa: A002
    return PROCESS.format(pid=pid, name=name, type=type, memory=memory)


def gpu_xml(
    address: str = "00000000:01:00.0",
    active: tuple[str, ...] = ("gpu_idle",),
    counters: dict[str, int] | None = None,
    processes: str = "",
    kind: str = "clocks_event_reason",
    free: str = "80000 MiB",
) -> str:
    """One device. `counters` (µs) None: a driver that keeps none. `kind`: what the reasons are called."""
    reasons = "\n".join(
        f"<{kind}_{name}>{'Active' if name in active else 'Not Active'}</{kind}_{name}>" for name in REASONS
    )
    counted = ""
    if counters is not None:
        prefix = "clocks_event_reasons_counters"
        rows = "".join(f"<{prefix}_{name}>{counters.get(name, 0)} us</{prefix}_{name}>" for name in COUNTERS)
        counted = f"<{prefix}>{rows}</{prefix}>"
    return f"""<gpu id="{address}">
<product_name>NVIDIA H100 PCIe</product_name><persistence_mode>Enabled</persistence_mode>
<mig_mode><current_mig>Disabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode>
<vbios_version>96.00.89.00.01</vbios_version><gsp_firmware_version>575.51.02</gsp_firmware_version>
<pci><pci_bus_id>{address}</pci_bus_id></pci>
<{kind}s>{reasons}</{kind}s>{counted}
<fb_memory_usage><total>81559 MiB</total><reserved>551 MiB</reserved><used>1 MiB</used>
<free>{free}</free></fb_memory_usage>
<compute_mode>Default</compute_mode>
<temperature><gpu_temp>41 C</gpu_temp><memory_temp>N/A</memory_temp></temperature>
<gpu_power_readings><power_state>P0</power_state><average_power_draw>48.10 W</average_power_draw>
<current_power_limit>300.00 W</current_power_limit><default_power_limit>350.00 W</default_power_limit>
</gpu_power_readings>
<clocks><graphics_clock>345 MHz</graphics_clock><sm_clock>345 MHz</sm_clock><mem_clock>1593 MHz</mem_clock></clocks>
<max_clocks><graphics_clock>1755 MHz</graphics_clock><sm_clock>1755 MHz</sm_clock></max_clocks>
<voltage><graphics_volt>Requested functionality has been deprecated</graphics_volt></voltage>
<processes>{processes}</processes>
</gpu>"""


def smi_xml(*gpus: str) -> str:
    return f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log><timestamp>Mon Oct 13 00:25:36 2025</timestamp><driver_version>575.51.02</driver_version>
<cuda_version>12.9</cuda_version><attached_gpus>{len(gpus)}</attached_gpus>{"".join(gpus)}</nvidia_smi_log>
"""


RBLN = """{"KMD_version":"3.2.2","devices":[{"npu":0,"name":"RBLN-CA22","sid":"0000000022502229","uuid":"d86d3e84",
"device":"rbln0","status":"normal","fw_ver":"3.2.0","pci":{"dev":"0x1220","bus_id":"0000:83:00.0","numa_node":"1",
"link_speed":"32.0GT/s","link_width":"8"},"temperature":"38C","card_power":"18810987uW","pstate":"P14",
"memory":{"used":"1048576","total":"16877879296"},"util":"0.0"}],
"contexts":[{"npu":0,"pid":4242,"memalloc":"1048576"},{"npu":1,"pid":4243,"memalloc":"1"}]}"""


def install(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a shell script called `name` first on the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return path
