"""What the measuring process asks of the operating system: exact sleeps, processors of its own, a higher priority.

Guarantees: everything is per thread and as it was afterwards; what is refused is said with the reason and never ends a
measurement. Only threads that `enter` is called in are changed: a runtime's own threads, which exist already, are not.

Sources: prctl(2) PR_SET_TIMERSLACK, sched(7), setpriority(2) (on Linux a thread has a nice value of its own).
Not aware of: what is measured, whether it helps (`npubench selftest timing` shows that).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from npubench.schema import Host, HostEffect

# linux/prctl.h
_SET_TIMERSLACK, _GET_TIMERSLACK = 29, 30
HIGH_NICE = -10

What = Literal["timer slack", "pin", "priority"]


class Hosting:
    """How the threads of one run are treated; see `hosted`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._effects: dict[What, HostEffect] = {}

    @property
    def effects(self) -> tuple[HostEffect, ...]:
        """What was asked for and is in effect, over all threads: where one of them was refused, that."""
        return tuple(self._effects.values())

    def enter(self, lane: int) -> None:
        """Applies everything to the calling thread, which runs `lane`."""
        host = self._host
        self._apply("timer slack", f"{host.timer_slack_ns} ns", lambda: set_timer_slack(host.timer_slack_ns), _slack)
        if host.pin:
            processor = host.pin[lane % len(host.pin)]
            shown = ", ".join(str(one) for one in host.pin)
            self._apply("pin", shown, lambda: pin_to({processor}), _pinned)
        if host.priority == "high":
            self._apply("priority", f"nice {HIGH_NICE}", lambda: _nice(HIGH_NICE), _priority)
        elif host.priority == "realtime":
            self._apply("priority", "SCHED_FIFO", _first_in_first_out, _priority)

    def _apply(self, what: What, asked: str, change: Callable[[], None], look: Callable[[], str | None]) -> None:
        known = self._effects.get(what)
        if known is not None and known.refused is not None:
            return
        refused = None
        try:
            change()
        except (OSError, NotImplementedError, ValueError) as error:
            refused = str(error)
        self._effects[what] = HostEffect(what=what, asked=asked, in_effect=_seen(look), refused=refused)


@contextmanager
def hosted(host: Host) -> Iterator[Hosting]:
    """`enter` of what is given is for the lanes of a run; the calling thread is afterwards as it was."""
    before = [keep for keep in (_keep_slack(), _keep_pins(), _keep_priority()) if keep is not None]
    try:
        yield Hosting(host)
    finally:
        for restore in before:
            # What could be raised may not be lowered again where rights were given up meanwhile.
            with suppress(OSError):
                restore()


def set_timer_slack(ns: int) -> None:
    """How late a sleep of this thread may end. Raises NotImplementedError where there is no such thing, OSError."""
    if _prctl(_SET_TIMERSLACK, ns):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def timer_slack() -> int:
    """The timer slack of this thread in ns. Raises NotImplementedError where there is no such thing."""
    return _prctl(_GET_TIMERSLACK, 0)


def pin_to(processors: set[int]) -> None:
    """This thread runs on these processors only. Raises NotImplementedError where that cannot be said, OSError."""
    if not hasattr(os, "sched_setaffinity"):
        raise NotImplementedError("not possible on this system")
    os.sched_setaffinity(0, processors)


def _prctl(option: int, value: int) -> int:
    function = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if function is None:
        raise NotImplementedError("not possible on this system")
    found: int = function(option, ctypes.c_ulong(value), 0, 0, 0)
    return found


def _seen(look: Callable[[], str | None]) -> str | None:
    try:
        return look()
    except (OSError, NotImplementedError):
        return None


def _slack() -> str:
    return f"{timer_slack()} ns"


def _pinned() -> str | None:
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return None if allowed is None else ", ".join(str(one) for one in sorted(allowed))


def _nice(value: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, value)


def _first_in_first_out() -> None:
    if not hasattr(os, "sched_setscheduler"):
        raise NotImplementedError("not possible on this system")
    lowest = os.sched_get_priority_min(os.SCHED_FIFO)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(lowest))


def _priority() -> str:
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        return "SCHED_FIFO"
    return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def _keep_slack() -> Callable[[], None] | None:
    try:
        before = timer_slack()
    except NotImplementedError:
        return None
    return lambda: set_timer_slack(before)


def _keep_pins() -> Callable[[], None] | None:
    if not hasattr(os, "sched_getaffinity"):
        return None
    before = os.sched_getaffinity(0)
    return lambda: os.sched_setaffinity(0, before)


def _keep_priority() -> Callable[[], None] | None:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if not hasattr(os, "sched_getscheduler"):
        return lambda: _nice(nice)
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)

    def restore() -> None:
        os.sched_setscheduler(0, policy, param)
        _nice(nice)

    return restore
