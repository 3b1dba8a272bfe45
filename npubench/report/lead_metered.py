"""Why it cannot be said which device does more for the same power, with what each one was seen to take.

Guarantees: a device is one backend of one run, whatever it is called elsewhere; lines stand beside each other only of
one model under one load in one scope, the one that most devices have figures of. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from npubench.lang import Text
from npubench.report import lead_names
from npubench.report.claims import each
from npubench.report.shown_lead import Claim, Claims, Spent
from npubench.schema import Run

_ONE = Text(en="Only one device has a figure", ko="수치가 있는 장치가 하나뿐입니다")
_OTHER_WORK = Text(
    en="Cannot be said: no two devices have figures of the same work",
    ko="말할 수 없습니다. 같은 작업의 수치가 있는 장치가 둘 이상 없습니다",
)
_UNLIKE = Text(
    en="Cannot be said: no two devices were metered in the same way",
    ko="말할 수 없습니다. 장치마다 측정 범위가 다릅니다",
)
_NOT_WHOLE = Text(
    en="Cannot be said: no whole-machine figures of the same work",
    ko="말할 수 없습니다. 같은 작업의 장비 전체 전력 수치가 없습니다",
)
_UNRANKED = Text(
    en="Cannot be said: these results cannot be ranked", ko="말할 수 없습니다. 순위를 매길 수 없는 결과입니다"
)


class Metered(NamedTuple):
    """What one device takes in one scope of metering. `device`: what its run is called, its backend."""

    device: tuple[str, str]
    row: Claim
    spent: Spent


def metered(runs: Sequence[Run], claims: Sequence[Sequence[Claims]]) -> list[Metered]:
    """Every figure of energy that these runs claim; those of hardware alone where there are any."""
    found = [
        (service.kind, Metered((place, row.backend.id), row, spent))
        for place, services in zip(lead_names.places(runs), claims, strict=True)
        for service in services
        for row in service.rows
        for spent in row.spent
    ]
    return [item for kind, item in found if kind is None] or [item for _, item in found]


def unsaid(runs: Sequence[Run], found: Sequence[Metered]) -> tuple[Text, tuple[Text, ...]]:
    """(why no device is named, a line for each figure). `found` is not empty."""
    works: dict[tuple[str, Text, Text | None], list[Metered]] = {}
    for item in found:
        works.setdefault((item.row.model.id, item.row.load, item.row.scope), []).append(item)
    told = max(works.values(), key=_devices)
    names = lead_names.devices(runs)
    lines = []
    for item in told:
        name, figure, where = names.get(item.device, item.row.backend.title), each(item.spent.number), item.spent.title
        lines.append(Text(en=f"{name.en}: {figure.en} ({where.en})", ko=f"{name.ko}: {figure.ko}({where.ko})"))
    return _why(found, told), tuple(dict.fromkeys(lines))


def _devices(found: Sequence[Metered]) -> int:
    return len({item.device for item in found})


def _why(found: Sequence[Metered], told: Sequence[Metered]) -> Text:
    if _devices(found) == 1:
        return _ONE
    if _devices(told) == 1:
        return _OTHER_WORK
    scopes = {item.spent.scope: item.spent.whole for item in told}
    shared = [scope for scope in scopes if _devices([item for item in told if item.spent.scope == scope]) > 1]
    if not shared:
        return _UNLIKE
    return _UNRANKED if any(scopes[scope] for scope in shared) else _NOT_WHOLE
