"""The notes that are made before anything is measured: all their codes, and those about how a device is now.

Not aware of: the host's notes (`preflight`), how a device's state is read (`devices`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from npubench.conditions import DeviceState
from npubench.lang import Text
from npubench.schema import Note


class Code(str, enum.Enum):
    """Every preflight note there is."""

    LOAD_HIGH = "load-high"
    BUSY_PROCESS = "busy-process"
    GOVERNOR = "governor-not-performance"
    CONTAINER_QUOTA = "container-quota"
    VIRTUAL_MACHINE = "virtual-machine"
    SMT = "smt"
    CLOCK_SLOW = "clock-source-slow"
    MEMORY_LOW = "memory-low"
    SWAP_IN_USE = "swap-in-use"
    DISK_LOW = "disk-low"
    THERMAL_THROTTLE = "thermal-throttle"
    NAME_NOT_GIVEN = "machine-name-not-given"
    ACCELERATOR_UNUSED = "accelerator-without-backend"
    DEVICE_SHARED = "device-shared"
    DEVICE_USERS_UNKNOWN = "device-users-unknown"
    DEVICE_SLOWED = "device-slowed"
    POWER_LIMIT = "power-limit-changed"


def note(code: Code, en: str, ko: str, *, info: bool = False) -> Note:
    return Note(code=code.value, text=Text(en=en, ko=ko), severity="info" if info else "warning")


def device_notes(state: DeviceState, contained: bool) -> Iterable[Note]:
    """What another user, heat or a power limit would do to results of this device. `contained`: this is a container."""
    label = f"{state.name} ({state.id})" if state.name else state.id
    if users := [process for process in state.processes or () if process.computes]:
        listed = ", ".join(f"{process.name} (pid {process.pid})" for process in users[:5])
        yield note(
            Code.DEVICE_SHARED,
            f"{label} is in use by {listed}: its time and memory are not ours alone. Stop that, or measure another "
            "device.",
            f"{label}을(를) {listed}이(가) 사용 중입니다. 장치의 시간과 메모리를 나눠 쓰게 됩니다. 종료하거나 다른 "
            "장치를 측정하세요.",
        )
    elif state.processes is None or contained:
        why = state.processes_reason or "other containers cannot be seen from inside this one"
        yield note(
            Code.DEVICE_USERS_UNKNOWN,
            f"Whether others use {label} is not known: {why}. Look on the host, as root.",
            f"{label}을(를) 다른 프로세스가 쓰는지 알 수 없습니다({why}). 호스트에서 root로 확인하세요.",
            info=True,
        )
    if causes := set(state.slowed or ()) & {"thermal", "power-brake", "hardware"}:
        listed = ", ".join(sorted(causes))
        yield note(
            Code.DEVICE_SLOWED,
            f"{label} is slowed down now ({listed}). Check cooling and power supply, and wait until it has recovered.",
            f"{label}이(가) 지금 느려져 있습니다({listed}). 냉각과 전원을 점검하고 회복된 뒤 측정하세요.",
        )
    cap, default = state.power_cap_w, state.power_cap_default_w
    if cap is not None and default is not None and abs(cap - default) >= 1:
        yield note(
            Code.POWER_LIMIT,
            f"The power limit of {label} is {cap:.0f} W; it is made for {default:.0f} W. Results hold for this limit "
            "only; set the default unless it is meant.",
            f"{label}의 전력 한도가 {cap:.0f} W입니다(기본 {default:.0f} W). 결과는 이 한도에서만 유효합니다. 의도한 "
            "것이 아니면 기본값으로 되돌리세요.",
            info=True,
        )
