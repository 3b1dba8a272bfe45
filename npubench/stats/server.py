"""What is known of a server behind an endpoint, judged: its word, or what was seen of it.

Pure. A process of the server on a device is evidence that it is there, and no proof that all of the model is: what part
of it the host computes is not known, and is said. Not aware of: how anything is read (`engine.served`).
"""

from __future__ import annotations

import msgspec

from npubench.evidence import ServerEvidence
from npubench.lang import Text

# A server that waits uses next to nothing; one that computes on the host uses at least a good part of one core
# (our judgement).
_LEAST_CORES = 0.25

ELSEWHERE = Text(
    en="the server was not started by this run: where it runs is what it claims",
    ko="이 실행이 시작한 서버가 아니므로 실행 위치는 서버의 주장입니다",
)


def judged(found: ServerEvidence) -> ServerEvidence:
    """`found` with what it amounts to in `seen`, and why not more in `reasons`."""
    if found.processes is None:
        return msgspec.structs.replace(found, seen="claimed", reasons=(ELSEWHERE,))
    if found.devices:
        weak = () if any(device.computes for device in found.devices) else (_HELD,)
        return msgspec.structs.replace(found, seen="device", reasons=weak)
    if found.unseen:
        # Unknown is not none: processor time alone does not say that nothing else computed.
        return msgspec.structs.replace(found, seen="claimed", reasons=(_UNSEEN,))
    idle, load = found.idle_cores, found.load_cores
    if idle is not None and load is not None and load - idle >= _LEAST_CORES:
        return msgspec.structs.replace(found, seen="cpu", reasons=(_CPU,))
    return msgspec.structs.replace(found, seen="claimed", reasons=(_NOTHING,))


_HELD = Text(
    en="its processes have the device's files open; no tool says that they compute on it",
    ko="서버 프로세스가 장치 파일을 열고 있으나, 장치에서 계산 중이라고 알려 주는 도구가 없습니다",
)
_UNSEEN = Text(
    en="whether its processes hold an accelerator cannot be told: the device's files are not known here, or files of a "
    "process cannot be looked at",
    ko="서버 프로세스가 가속기를 쓰는지 알 수 없습니다: 장치 파일을 모르거나 프로세스의 파일을 볼 수 없습니다",
)
_CPU = Text(
    en="its processes hold no accelerator, and used the host's processors under load",
    ko="서버 프로세스가 가속기를 쓰지 않고 부하 중 호스트 CPU를 사용했습니다",
)
_NOTHING = Text(
    en="none of its processes was seen on an accelerator, nor did they use the host's processors under load",
    ko="서버 프로세스가 가속기에서도 호스트 CPU에서도 관측되지 않았습니다",
)
