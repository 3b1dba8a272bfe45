"""What on this machine would spoil a measurement, said before anything is measured.

`observe` reads what changes from minute to minute, `judge` turns facts into notes and is pure, `check` does both. Every
note has an enumerated code and says, in two languages, what to do next. A note never stops a run: it goes into the
result.

Not aware of: how facts are read (`machine`), whether a backend works (its adapter's probe).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.conditions import DeviceState
from npubench.engine.machine import cpu_quota, cpu_set
from npubench.engine.memory import available_bytes
from npubench.engine.notes import Code, device_notes, note
from npubench.schema import Machine, Note
from npubench.spi import Availability, Device
from npubench.units import show_bytes

# The run queue holding a quarter of the threads on average already shows in tail latencies (our judgement; the floor
# keeps one briefly active process on a small machine from being called load).
_LOAD_SHARE, _LOAD_LEAST = 0.25, 0.7
# Less free memory than this and the kernel starts reclaiming pages while models load (our judgement).
LEAST_MEMORY_BYTES = 2 << 30
# What a run writes at most: the launches' samples are a few megabytes each.
NEEDED_BYTES = 2 << 30
# Swap that was used once and never needed again stays occupied; below this it says nothing.
_SWAP_NOISE_BYTES = 64 << 20
# Not readable without a system call (clock_gettime(2), vDSO): each time stamp then costs around a microsecond.
_SLOW_CLOCKS = frozenset({"hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen", "pit"})


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What `observe` saw. Sizes in bytes, `quota` in CPUs; unknown is None."""

    quota: float | None = None
    processors: int | None = None
    memory_available_bytes: int | None = None
    swap_used_bytes: int | None = None
    disk_free_bytes: int | None = None
    throttle_events: int | None = None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _throttle_events(root: Path) -> int | None:
    counts = [
        int(text)
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        if (text := _read(path)).isdigit()
    ]
    return max(counts, default=None)


def observe(results_root: Path, *, root: Path = Path("/")) -> Surroundings:
    """What there is now. `root` is where proc/ and sys/ lie; a missing results folder counts as its parent."""
    meminfo: dict[str, int] = {}
    for line in _read(root / "proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        number = value.split()[0] if value.split() else ""
        if number.isdigit():
            meminfo[key] = int(number) * 1024
    swap = meminfo["SwapTotal"] - meminfo["SwapFree"] if {"SwapTotal", "SwapFree"} <= meminfo.keys() else None
    folder = results_root.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free: int | None = shutil.disk_usage(folder).free
    except OSError:
        free = None
    try:
        processors: int | None = len(cpu_set(_read(root / "sys/devices/system/cpu/online"))) or None
    except ValueError:
        processors = None
    if root == Path("/") and hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    return Surroundings(
        quota=cpu_quota(root),
        processors=processors,
        memory_available_bytes=available_bytes(root),
        swap_used_bytes=swap,
        disk_free_bytes=free,
        throttle_events=_throttle_events(root),
    )


def serves(card: BackendCard, device: Device) -> bool:
    """Whether a backend of this card runs on that accelerator: same type, and same vendor where the card names one."""
    if card.device.type != device.type:
        return False
    return card.device.vendor is None or card.device.vendor.casefold() == device.vendor.casefold()


def unserved(
    devices: Iterable[Device], availability: Mapping[str, Availability], cards: Mapping[str, BackendCard]
) -> tuple[Device, ...]:
    """The accelerators for which no backend is ready."""
    ready = [card for name, card in cards.items() if name in availability and availability[name].available]
    return tuple(device for device in devices if not any(serves(card, device) for card in ready))


def device_label(device: Device) -> str:
    """A device as people know it: its model where the system knows one, and its id."""
    model = device.detail.get("model", "")
    return f"{device.vendor} {model} ({device.id})".strip() if model else f"{device.name} ({device.id})"


def _load_notes(machine: Machine) -> Iterable[Note]:
    threads = machine.threads or 1
    if machine.load_average and machine.load_average[0] > max(_LOAD_LEAST, _LOAD_SHARE * threads):
        load = machine.load_average[0]
        yield note(
            Code.LOAD_HIGH,
            f"The load average is {load:.2f} on {threads} threads: latencies will be too high. Wait until other work "
            "has ended, then run again.",
            f"스레드 {threads}개에 부하 평균이 {load:.2f}입니다. 지연 시간이 높게 측정됩니다. 다른 작업이 끝난 뒤 다시 "
            "실행하세요.",
        )
    if machine.busy_processes:
        names = ", ".join(machine.busy_processes)
        yield note(
            Code.BUSY_PROCESS,
            f"Other processes are busy: {names}. Stop them, or keep them off the measured cores (taskset, cpuset).",
            f"다른 프로세스가 CPU를 사용 중입니다: {names}. 종료하거나 측정 코어에서 분리하세요(taskset, cpuset).",
        )


def _processor_notes(machine: Machine, around: Surroundings) -> Iterable[Note]:
    if machine.governor is not None and machine.governor != "performance":
        yield note(
            Code.GOVERNOR,
            f"The CPU frequency governor is {machine.governor}: clocks change with load. Set it with `sudo cpupower "
            "frequency-set -g performance`.",
            f"CPU 주파수 거버너가 {machine.governor}라서 부하에 따라 클럭이 변합니다. `sudo cpupower frequency-set -g "
            "performance`로 설정하세요.",
        )
    if around.quota is not None and around.quota < (around.processors or around.quota + 1):
        yield note(
            Code.CONTAINER_QUOTA,
            f"A CPU quota of {around.quota:g} CPUs is in force: the kernel pauses the process when it is used up, "
            "which shows in the tail. Give whole CPUs instead (docker: --cpuset-cpus, Kubernetes: static CPU policy).",
            f"CPU 할당량 {around.quota:g}개가 적용되어 있습니다. 소진되면 커널이 프로세스를 멈춰 꼬리 지연이 "
            "늘어납니다. CPU를 통째로 배정하세요(docker: --cpuset-cpus, Kubernetes: static CPU policy).",
        )
    if machine.virtual_machine is not None:
        yield note(
            Code.VIRTUAL_MACHINE,
            f"This is a virtual machine ({machine.virtual_machine}): neighbours on the same host can disturb results. "
            "Use more launches, and compare only with results of this machine.",
            f"가상 머신입니다({machine.virtual_machine}). 같은 호스트의 다른 작업이 결과에 영향을 줄 수 있으니 실행 "
            "횟수를 늘리고 이 장비의 결과끼리만 비교하세요.",
            info=True,
        )
    if machine.cores and machine.threads and machine.threads > machine.cores:
        yield note(
            Code.SMT,
            f"{machine.threads} threads share {machine.cores} cores (SMT): more threads than cores can be slower. Try "
            f"{machine.cores} threads in the backend card, or turn SMT off for steadier results.",
            f"스레드 {machine.threads}개가 코어 {machine.cores}개를 공유합니다(SMT). 코어 수보다 많은 스레드는 더 느릴 "
            f"수 있으니 백엔드 카드에서 {machine.cores}개로 시험하거나 SMT를 끄세요.",
            info=True,
        )
    if machine.clock_source in _SLOW_CLOCKS:
        yield note(
            Code.CLOCK_SLOW,
            f"The clock source is {machine.clock_source}: each time stamp is a slow system call. Boot with "
            "clocksource=tsc where the processor has a steady TSC.",
            f"클럭 소스가 {machine.clock_source}라서 시각을 읽을 때마다 느린 시스템 호출이 필요합니다. 안정적인 TSC가 "
            "있는 프로세서라면 clocksource=tsc로 부팅하세요.",
        )
    if around.throttle_events:
        yield note(
            Code.THERMAL_THROTTLE,
            f"The processor has slowed down for heat {around.throttle_events} times since the machine started. "
            "Check cooling and airflow if results vary.",
            f"부팅 이후 프로세서가 과열로 {around.throttle_events}번 느려졌습니다. 결과가 들쭉날쭉하면 냉각과 "
            "통풍을 점검하세요.",
            info=True,
        )


def _room_notes(around: Surroundings, needed_bytes: int, needed_memory_bytes: int) -> Iterable[Note]:
    memory, disk = around.memory_available_bytes, around.disk_free_bytes
    if memory is not None and memory < needed_memory_bytes:
        yield note(
            Code.MEMORY_LOW,
            f"Only {show_bytes(memory)} of memory are free ({show_bytes(needed_memory_bytes)} wanted). Close other "
            "programs, raise the container's limit, or choose smaller models with --model.",
            f"남은 메모리가 {show_bytes(memory)}뿐입니다({show_bytes(needed_memory_bytes)} 필요). 다른 프로그램을 "
            "종료하거나, 컨테이너 한도를 늘리거나, --model로 더 작은 모델을 고르세요.",
        )
    if (around.swap_used_bytes or 0) > _SWAP_NOISE_BYTES:
        swap = show_bytes(around.swap_used_bytes)
        yield note(
            Code.SWAP_IN_USE,
            f"{swap} of swap are in use: a page read back from disk shows as a latency peak. Free memory, then `sudo "
            "swapoff -a && sudo swapon -a`.",
            f"스왑 {swap}를 사용 중입니다. 디스크에서 되읽는 순간 지연 시간이 튑니다. 메모리를 확보한 뒤 `sudo swapoff "
            "-a && sudo swapon -a`를 실행하세요.",
        )
    if disk is not None and disk < needed_bytes:
        yield note(
            Code.DISK_LOW,
            f"Only {show_bytes(disk)} of disk are free where results go ({show_bytes(needed_bytes)} wanted). Free "
            "space, or name another folder with --out or NPUBENCH_RESULTS.",
            f"결과 폴더의 남은 디스크가 {show_bytes(disk)}뿐입니다({show_bytes(needed_bytes)} 필요). 공간을 확보하거나 "
            "--out 또는 NPUBENCH_RESULTS로 다른 폴더를 지정하세요.",
        )


def judge(
    machine: Machine,
    around: Surroundings,
    needed_bytes: int = 0,
    *,
    needed_memory_bytes: int = LEAST_MEMORY_BYTES,
    idle: Iterable[Device] = (),
    devices: Iterable[DeviceState] = (),
    named: bool = True,
) -> tuple[Note, ...]:
    """The notes that these facts call for, warnings first. `idle` are accelerators without a ready backend, `devices`
    how accelerators are now.

    `named` is whether somebody gave this machine its name; a container's host name is a new one each time.
    """
    notes = [
        *_load_notes(machine),
        *_processor_notes(machine, around),
        *_room_notes(around, needed_bytes, needed_memory_bytes),
        *(said for state in devices for said in device_notes(state, machine.container is not None)),
    ]
    if machine.container is not None and not named:
        notes.append(
            note(
                Code.NAME_NOT_GIVEN,
                f"This is a container ({machine.container}) and its host name ({machine.name}) may change: results "
                "would then never be comparable with each other. Name the machine with --machine or NPUBENCH_MACHINE.",
                f"컨테이너({machine.container})의 호스트 이름({machine.name})은 매번 바뀔 수 있어 결과끼리 비교할 수 "
                "없게 됩니다. --machine 또는 NPUBENCH_MACHINE으로 장비 이름을 지정하세요.",
            )
        )
    if labels := ", ".join(device_label(device) for device in idle):
        notes.append(
            note(
                Code.ACCELERATOR_UNUSED,
                f"Accelerators are here that no ready backend uses: {labels}. `npubench doctor` says what is missing.",
                f"준비된 백엔드가 없는 가속기가 있습니다: {labels}. `npubench doctor`로 무엇이 빠졌는지 확인하세요.",
            )
        )
    return tuple(sorted(notes, key=lambda item: item.severity != "warning"))


def check(
    machine: Machine,
    results_root: Path,
    needed_bytes: int,
    *,
    availability: Mapping[str, Availability] | None = None,
    cards: Mapping[str, BackendCard] | None = None,
    devices: Iterable[DeviceState] = (),
    needed_memory_bytes: int = LEAST_MEMORY_BYTES,
    named: bool = True,
    root: Path = Path("/"),
) -> tuple[Note, ...]:
    """Notes about this machine now. Give `availability` and `cards` once backends were probed, to hear of idle
    accelerators too; for `named` see `judge`. Raises nothing: what cannot be read gives no note.
    """
    idle = unserved(machine.accelerators, availability, cards or {}) if availability is not None else ()
    around = observe(results_root, root=root)
    return judge(
        machine,
        around,
        needed_bytes,
        needed_memory_bytes=needed_memory_bytes,
        idle=idle,
        devices=devices,
        named=named,
    )
