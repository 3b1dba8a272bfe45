"""An AMD SMI that measures nothing: the functions, answers and exceptions of the binding's release 7.0.2, for tests.

FAKE_AMDSMI holds JSON: `import` (the library is missing), `init` (an error code), `bdf` (a list of addresses), `fails`
(function → error code), `from` (the metrics query with which `fails` begins), `values` (key → value in place of the
usual one), `old` (answers of releases before 6.4), `residencies` (a list of dicts, one for each metrics query; the last
one stays), `watts`. Power is constant; the accumulator starts at 1 MJ when this is imported.
"""

import ctypes
import json
import os
import sys
import time
from enum import IntEnum

__version__ = "7.0.2"
_SCRIPT = json.loads(os.environ.get("FAKE_AMDSMI") or "{}")
_START_NS = time.perf_counter_ns()
_RESOLUTION_UJ = ctypes.c_float(15.259).value
_TEXTS = {
    2: "AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported",
    9: "AMDSMI_STATUS_RETRY - Retry operation",
    10: "AMDSMI_STATUS_NO_PERM - Permission Denied",
    18: "AMDSMI_STATUS_INIT_ERROR - Initialization error",
    31: "AMDSMI_STATUS_NOT_FOUND - Device Not found",
    34: "AMDSMI_STATUS_DRIVER_NOT_LOADED - Driver not loaded",
}
_queries = 0

if _SCRIPT.get("import"):
    # What the binding does where it finds no library.
    sys.stdout.write("Unable to find libamd_smi.so library try installing amd-smi-lib from your package manager\n")
    raise KeyError("libamd_smi.so")


class AmdSmiException(Exception):
    pass


class AmdSmiLibraryException(AmdSmiException):
    def __init__(self, err_code):
        super().__init__(abs(err_code))
        self.err_code = abs(err_code)
        self.err_info = _TEXTS.get(self.err_code, "AMDSMI_STATUS_UNKNOWN_ERROR - An unknown error occurred")

    def __str__(self):
        return f"Error code:\n\t{self.err_code} | {self.err_info}"


class AmdSmiParameterException(AmdSmiException):
    pass


class AmdSmiInitFlags(IntEnum):
    INIT_AMD_GPUS = 2


class AmdSmiClkType(IntEnum):
    SYS = 0
    GFX = 0
    MEM = 4


class AmdSmiTemperatureType(IntEnum):
    EDGE = 0
    HOTSPOT = 1


class AmdSmiTemperatureMetric(IntEnum):
    CURRENT = 0


def _checked(name, handle=None):
    if handle is not None and not isinstance(handle, ctypes.c_void_p):
        raise AmdSmiParameterException(f"Invalid parameter: {handle!r}")
    if _queries >= _SCRIPT.get("from", 0) and (code := _SCRIPT.get("fails", {}).get(name)):
        raise AmdSmiLibraryException(code)


def _with(answer):
    values = _SCRIPT.get("values", {})
    return {key: values.get(key, value) for key, value in answer.items()}


def amdsmi_init(flag=AmdSmiInitFlags.INIT_AMD_GPUS):
    if not isinstance(flag, AmdSmiInitFlags):
        raise AmdSmiParameterException("flag")
    if code := _SCRIPT.get("init"):
        raise AmdSmiLibraryException(code)


def amdsmi_shut_down():
    _checked("amdsmi_shut_down")


def amdsmi_get_processor_handles():
    _checked("amdsmi_get_processor_handles")
    return [ctypes.c_void_p(index + 1) for index in range(len(_SCRIPT.get("bdf", ["0000:C1:00.0"])))]


def amdsmi_get_gpu_device_bdf(processor_handle):
    _checked("amdsmi_get_gpu_device_bdf", processor_handle)
    return _SCRIPT.get("bdf", ["0000:C1:00.0"])[processor_handle.value - 1]


def amdsmi_get_gpu_asic_info(processor_handle):
    _checked("amdsmi_get_gpu_asic_info", processor_handle)
    return {"market_name": "AMD Test GPU", "vendor_id": "0x1002"}


def amdsmi_get_energy_count(processor_handle):
    _checked("amdsmi_get_energy_count", processor_handle)
    microjoules = 1e12 + _SCRIPT.get("watts", 200) * (time.perf_counter_ns() - _START_NS) / 1e3
    key = "power" if _SCRIPT.get("old") else "energy_accumulator"
    return _with(
        {
            key: int(microjoules / _RESOLUTION_UJ),
            "counter_resolution": _RESOLUTION_UJ,
            "timestamp": time.perf_counter_ns(),
        }
    )


def amdsmi_get_power_info(processor_handle):
    _checked("amdsmi_get_power_info", processor_handle)
    return _with(
        {
            "socket_power": _SCRIPT.get("watts", 200),
            "current_socket_power": _SCRIPT.get("watts", 200),
            "average_socket_power": "N/A",
            "gfx_voltage": "N/A",
            "power_limit": 750_000_000,
        }
    )


def amdsmi_get_power_cap_info(processor_handle):
    _checked("amdsmi_get_power_cap_info", processor_handle)
    return _with(
        {
            "power_cap": 700_000_000,
            "default_power_cap": 750_000_000,
            "dpm_cap": 0,
            "min_power_cap": 0,
            "max_power_cap": 750_000_000,
        }
    )


def amdsmi_get_temp_metric(processor_handle, sensor_type, metric):
    if not isinstance(sensor_type, AmdSmiTemperatureType) or not isinstance(metric, AmdSmiTemperatureMetric):
        raise AmdSmiParameterException("sensor_type")
    _checked(f"amdsmi_get_temp_metric {sensor_type.name}", processor_handle)
    return 61 if sensor_type == AmdSmiTemperatureType.HOTSPOT else 54


def amdsmi_get_clock_info(processor_handle, clock_type):
    if not isinstance(clock_type, AmdSmiClkType):
        raise AmdSmiParameterException("clock_type")
    _checked("amdsmi_get_clock_info", processor_handle)
    return {
        "clk": 2100 if clock_type == AmdSmiClkType.GFX else 1300,
        "min_clk": 500,
        "max_clk": 2100,
        "clk_locked": False,
        "clk_deep_sleep": "N/A",
    }


def amdsmi_get_gpu_metrics_info(processor_handle):
    global _queries
    _checked("amdsmi_get_gpu_metrics_info", processor_handle)
    steps = _SCRIPT.get("residencies", [{}])
    step = steps[min(_queries, len(steps) - 1)]
    _queries += 1
    usual = {
        "accumulation_counter": 1000 * _queries,
        "prochot_residency_acc": 5,
        "ppt_residency_acc": 7,
        "socket_thm_residency_acc": 0,
        "vr_thm_residency_acc": 0,
        "hbm_thm_residency_acc": "N/A",
        "throttle_status": "N/A",
        "indep_throttle_status": False,
    }
    return {**usual, **step}
