"""Do the conditions around a launch leave its result sound? Reasons say which device, how long, and what to do.

Only what slows a device down against its own will counts: heat, a failing supply, a pause. A power limit that is
reached under load is how many accelerators work; it is shown and changes no verdict. Thresholds are the ruleset's.
Unknown is no reason. Device and program names come from drivers and other processes; reports escape them.
"""

from __future__ import annotations

from collections.abc import Iterator

from npubench.conditions import Cause, Conditions, DeviceCondition, Slowed
from npubench.lang import Text
from npubench.rules import DisturbanceRule
from npubench.schema import Validity
from npubench.units import show_ns

_RANK: tuple[Validity, ...] = ("valid", "degraded", "invalid", "unsupported")

# The kernel counts stolen time in ticks of 10 ms, in another rhythm than it happens: a few of them are no share.
_LEAST_STOLEN_NS = 50_000_000

CAUSES: dict[Cause, Text] = {
    "thermal": Text(en="heat", ko="발열"),
    "power-brake": Text(en="an external power brake", ko="외부 전력 제동 신호"),
    "hardware": Text(en="its own hardware, which names no cause", ko="하드웨어(원인 미표시)"),
    "power-cap": Text(en="its power limit", ko="전력 한도"),
    "sync-boost": Text(en="the slowest device of its group", ko="그룹의 가장 느린 장치"),
}
ADVICE: dict[Cause, Text] = {
    "thermal": Text(en="check cooling and airflow", ko="냉각과 통풍을 점검하세요"),
    "power-brake": Text(en="check the power supply", ko="전원 공급을 점검하세요"),
    "hardware": Text(en="check cooling and power supply", ko="냉각과 전원 공급을 점검하세요"),
}


def worse(first: Validity, second: Validity) -> Validity:
    """The worse of two verdicts."""
    return max(first, second, key=_RANK.index)


def label(condition: DeviceCondition) -> str:
    """A device by name and id."""
    state = condition.before
    return f"{state.name} ({state.id})" if state.name else state.id


def how_long(item: Slowed) -> Text:
    """For how long, as far as is known."""
    if item.slowed_ns is None or item.observed_ns is None:
        return Text(en="for a time that is not known", ko="알 수 없는 시간 동안")
    part, whole = show_ns(item.slowed_ns), show_ns(item.observed_ns)
    if item.source == "samples":
        return Text(en=f"for about {part} of {whole}", ko=f"{whole} 중 약 {part} 동안")
    return Text(en=f"for {part} of {whole}", ko=f"{whole} 중 {part} 동안")


def gone(conditions: Conditions) -> tuple[Text, ...]:
    """The devices that are not there after the launch, but for those that it certainly did not use."""
    return tuple(
        Text(
            en=f"{label(item)} is gone: it was there when the run was planned and not after this launch; see the "
            "kernel log",
            ko=f"{label(item)} 사라짐: 실행을 계획할 때는 있었으나 이 실행 뒤에는 없습니다. 커널 로그를 확인하세요",
        )
        for item in conditions.devices
        if item.after is None and item.used is not False
    )


def _slowed(item: DeviceCondition, rules: DisturbanceRule) -> Iterator[Text]:
    for found in item.slowed:
        if found.cause not in rules.slowing_causes:
            continue
        known = found.slowed_ns is not None and found.observed_ns
        if known and (found.slowed_ns or 0) <= rules.slowed_share * (found.observed_ns or 0):
            continue
        cause, length, do = CAUSES[found.cause], how_long(found), ADVICE.get(found.cause, ADVICE["hardware"])
        yield Text(
            en=f"{label(item)} was slowed by {cause.en} {length.en}: {do.en}",
            ko=f"{label(item)}: {length.ko} {cause.ko}(으)로 느려짐. {do.ko}",
        )


def _shared(item: DeviceCondition) -> Iterator[Text]:
    names: dict[int, str] = {}
    for state in (item.before, item.after):
        for process in (state.processes or ()) if state is not None else ():
            if process.computes:
                names.setdefault(process.pid, process.name)
    if names:
        listed = ", ".join(f"{name} (pid {pid})" for pid, name in list(names.items())[:5])
        yield Text(
            en=f"{label(item)} was not ours alone: {listed}; stop it, then measure again",
            ko=f"{label(item)}을(를) 다른 프로세스가 함께 사용: {listed}. 종료한 뒤 다시 측정하세요",
        )


def _host(found: Conditions, rules: DisturbanceRule) -> Iterator[Text]:
    span_ns = (found.end_ns or 0) - (found.start_ns or 0)
    if span_ns <= 0:
        return
    hot_ns, events = found.throttled_ns, found.throttle_events or 0
    if (hot_ns is not None and hot_ns > rules.slowed_share * span_ns) or (hot_ns is None and events > 0):
        times = f"{show_ns(hot_ns)} / {show_ns(span_ns)}" if hot_ns is not None else f"{events} ×"
        yield Text(
            en=f"the processor was slowed by heat ({times}): check cooling and airflow",
            ko=f"프로세서가 발열로 느려짐({times}): 냉각과 통풍을 점검하세요",
        )
    if found.cooling:
        listed = ", ".join(found.cooling)
        yield Text(
            en=f"the system was holding the processor's clocks down against heat ({listed}): check cooling and airflow",
            ko=f"시스템이 발열 때문에 프로세서 클럭을 낮추고 있었음({listed}): 냉각과 통풍을 점검하세요",
        )
    paused, periods = found.quota_paused_periods or 0, found.quota_periods or 0
    if periods and paused > rules.quota_paused_share * periods:
        length = show_ns(found.quota_paused_ns)
        yield Text(
            en=f"the CPU quota paused this machine's work in {paused} of {periods} periods ({length} over all "
            "processors): give whole CPUs instead of a quota",
            ko=f"CPU 할당량 때문에 {periods}개 구간 중 {paused}개에서 멈춤(모든 프로세서 합계 {length}): 할당량 대신 "
            "CPU를 통째로 배정하세요",
        )
    if found.stolen_ns is not None and found.processors:
        share = found.stolen_ns / (span_ns * found.processors)
        if share > rules.stolen_share and found.stolen_ns > _LEAST_STOLEN_NS:
            yield Text(
                en=f"the hypervisor gave {share:.0%} of this machine's processor time to others: measure when the host "
                "is quiet",
                ko=f"하이퍼바이저가 프로세서 시간의 {share:.0%}를 다른 곳에 사용: 호스트가 한가할 때 측정하세요",
            )
    if (stalled_ns := found.memory_stalled_ns or 0) > rules.memory_stalled_share * span_ns:
        yield Text(
            en=f"work waited for memory for {show_ns(stalled_ns)} of {show_ns(span_ns)}: free memory",
            ko=f"{show_ns(span_ns)} 중 {show_ns(stalled_ns)} 동안 메모리를 기다림: 메모리를 확보하세요",
        )


def disturbed(found: Conditions, rules: DisturbanceRule) -> bool:
    """Whether other work took processor time from a launch: others ran, and our own threads waited; or a hypervisor
    took it. Unknown is no.
    """
    span_ns = (found.end_ns or 0) - (found.start_ns or 0)
    whole_ns = span_ns * (found.processors or 0)
    if whole_ns <= 0:
        return False
    stolen = found.stolen_ns or 0
    if stolen > _LEAST_STOLEN_NS and stolen > rules.stolen_share * whole_ns:
        return True
    # Of the window: what a launch that mostly sleeps waits for a processor slows nothing.
    return (found.others_ns or 0) > rules.others_share * whole_ns and (
        (found.waited_ns or 0) > rules.waited_share * span_ns
    )


def judge_conditions(conditions: Conditions, rules: DisturbanceRule) -> tuple[Validity, tuple[Text, ...]]:
    """The verdict that these conditions allow at best, and why. Devices that may not have been used are not held
    against it.
    """
    missing = gone(conditions)
    disturbed = [
        *(reason for item in conditions.devices if item.used for reason in (*_slowed(item, rules), *_shared(item))),
        *_host(conditions, rules),
    ]
    verdict: Validity = "invalid" if missing else "degraded" if disturbed else "valid"
    return verdict, (*missing, *disturbed)
