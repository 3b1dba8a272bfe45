"""What is asked of the operating system: in effect, or refused with the reason; and as it was afterwards."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from types import SimpleNamespace

import pytest

from npubench.engine import hosting
from npubench.engine.hosting import hosted, timer_slack
from npubench.engine.protocol import Host
from npubench.schema import HostEffect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def state() -> tuple[object, ...]:
    return timer_slack(), os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)


def entered(host: Host, lanes: int = 1) -> tuple[HostEffect, ...]:
    with hosted(host) as made:
        for lane in range(lanes):
            made.enter(lane)
        return made.effects


def test_sleeps_are_exact_inside_and_as_they_were_afterwards() -> None:
    before = state()
    with hosted(Host(timer_slack_ns=1)) as made:
        made.enter(0)
        assert timer_slack() == 1
    assert state() == before
    assert made.effects == (HostEffect(what="timer slack", asked="1 ns", in_effect="1 ns"),)


def test_lanes_are_pinned_in_turn_and_each_in_its_own_thread() -> None:
    processors = sorted(os.sched_getaffinity(0))
    seen: dict[int, set[int]] = {}
    with hosted(Host(pin=tuple(processors))) as made:

        def lane(number: int) -> None:
            made.enter(number)
            seen[number] = os.sched_getaffinity(0)

        threads = [threading.Thread(target=lane, args=(number,)) for number in range(len(processors) + 1)]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == {number: {processors[number % len(processors)]} for number in range(len(processors) + 1)}
    assert os.sched_getaffinity(0) == set(processors)


def test_a_processor_that_is_not_there_is_refused_with_the_reason() -> None:
    before = state()
    _, pin = entered(Host(pin=(4095,)), lanes=2)
    assert (pin.what, pin.asked) == ("pin", "4095")
    assert pin.refused
    assert pin.in_effect == ", ".join(map(str, sorted(os.sched_getaffinity(0))))
    assert state() == before


@pytest.mark.parametrize(("priority", "asked"), [("high", "nice -10"), ("realtime", "SCHED_FIFO")])
def test_a_priority_is_in_effect_or_refused(priority: str, asked: str) -> None:
    before = state()
    effect = entered(Host(priority=priority))[-1]  # type: ignore[arg-type]
    assert effect.what == "priority"
    assert effect.asked == asked
    assert (effect.in_effect == asked) != bool(effect.refused)
    assert state() == before


def test_who_may_not_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    effect = entered(Host(priority="high"))[-1]
    assert effect.refused is not None
    assert "not permitted" in effect.refused
    assert effect.in_effect == f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def test_another_system_has_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "ctypes", SimpleNamespace(CDLL=lambda *_, **__: object(), c_ulong=ctypes.c_ulong))
    for name in ("sched_setaffinity", "sched_getaffinity", "sched_setscheduler", "sched_getscheduler"):
        monkeypatch.delattr(os, name)
    effects = entered(Host(pin=(0,), priority="realtime"))
    assert [effect.what for effect in effects] == ["timer slack", "pin", "priority"]
    assert all(effect.refused == "not possible on this system" for effect in effects)
