"""How a processor and a device are, as phrases for a terminal, in both languages. What is unknown is left out."""

from __future__ import annotations

from collections.abc import Iterator

from npubench.conditions import DeviceState, ProcessorState
from npubench.units import show, show_bytes

_SLOWED = {
    "thermal": ("heat", "발열"),
    "power-brake": ("external power brake", "외부 전력 제동"),
    "hardware": ("hardware slowdown", "하드웨어 감속"),
    "power-cap": ("power limit", "전력 한도"),
    "sync-boost": ("slowest of its group", "그룹 동기"),
}


def _clock(now_mhz: float | None, most_mhz: float | None, ko: bool) -> str:
    if now_mhz is None:
        return f"{'최대' if ko else 'up to'} {most_mhz:.0f} MHz" if most_mhz is not None else ""
    if most_mhz is None:
        return f"{now_mhz:.0f} MHz"
    return f"{now_mhz:.0f}/{most_mhz:.0f} MHz" if ko else f"{now_mhz:.0f} of {most_mhz:.0f} MHz"


def processor_words(state: ProcessorState, ko: bool) -> str:
    """The processor in one line; says so where the system reports nothing."""
    hot = state.throttle_events
    parts = [
        f"{'거버너' if ko else 'governor'} {state.governor}" if state.governor else "",
        f"({state.frequency_driver})" if state.governor and state.frequency_driver else "",
        f"{'선호' if ko else 'preference'} {state.preference}" if state.preference else "",
        f"{'전원 모드' if ko else 'power mode'} {state.platform_profile}" if state.platform_profile else "",
        "" if state.boost is None else (("부스트 " if ko else "boost ") + ("on" if state.boost else "off")),
        _clock(state.clock_mhz, state.clock_most_mhz, ko),
        f"{state.temperature_c:.0f} °C" if state.temperature_c is not None else "",
        (f"부팅 이후 과열 감속 {hot}회" if ko else f"slowed for heat {hot} × since start") if hot else "",
    ]
    said = ", ".join(part for part in parts if part).replace(", (", " (")
    return said or (
        "이 장비는 거버너, 클럭, 온도를 알려 주지 않음" if ko else "governor, clocks and heat not reported here"
    )


def _power(state: DeviceState, ko: bool) -> str:
    if state.power_cap_w is None:
        return ""
    said = f"{'전력 한도' if ko else 'power limit'} {show(state.power_cap_w, 'W')}"
    if state.power_cap_default_w is not None and state.power_cap_default_w != state.power_cap_w:
        said += f" ({'기본' if ko else 'default'} {show(state.power_cap_default_w, 'W')})"
    return said


def _users(state: DeviceState, ko: bool) -> str:
    title = "다른 프로세스: " if ko else "other processes: "
    if state.processes is None:
        return (
            title
            + ("알 수 없음" if ko else "not known")
            + (f" ({state.processes_reason})" * bool(state.processes_reason))
        )
    listed = []
    for process in state.processes:
        memory = f", {show_bytes(process.memory_bytes)}" if process.memory_bytes is not None else ""
        shows = "" if process.computes else (", 화면" if ko else ", display")
        listed.append(f"{process.name} (pid {process.pid}{memory}{shows})")
    return title + (", ".join(listed) or ("보이지 않음" if ko else "none seen"))


def device_words(state: DeviceState, ko: bool) -> Iterator[str]:
    """A device in a few lines: software; heat, clocks, power; memory; who else is on it."""
    software = [
        f"{'드라이버' if ko else 'driver'} {state.driver or ''} {state.driver_version or ''}".rstrip()
        if state.driver or state.driver_version
        else ("드라이버 없음" if ko else "no driver bound"),
        f"{'펌웨어' if ko else 'firmware'} {state.firmware_version}" if state.firmware_version else "",
    ]
    yield " ".join(", ".join(part for part in software if part).split())
    slowed = ", ".join(_SLOWED[cause][ko] for cause in state.slowed or ())
    now = [
        f"{state.temperature_c:.0f} °C" if state.temperature_c is not None else "",
        _clock(state.clock_mhz, state.clock_most_mhz, ko),
        _power(state, ko),
        state.power_mode or "",
        (f"감속 중: {slowed}" if ko else f"slowed by {slowed}") if slowed else "",
    ]
    if any(now):
        yield ", ".join(part for part in now if part)
    if state.memory_bytes is not None:
        free, total = show_bytes(state.memory_free_bytes), show_bytes(state.memory_bytes)
        yield f"메모리 {total} 중 {free} 남음" if ko else f"memory: {free} of {total} free"
    yield _users(state, ko)
