"""Does the measuring process leak? From what it held at the start, middle and end of its window.

A cache that fills, or a pool that grows to its largest request, grows in the first half of the window and then stops; a
leak grows in both. Python objects that only the garbage collector frees count as well: it is off in the window, and an
adapter that makes cycles of arrays grows a service's memory between two collections.

Not aware of: how it was read (`engine.memory`).
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import MemoryUse, Window
from npubench.units import show_bytes, show_ns

# The second half of a steady leak grows like the first; less than this share of it is a cache that is nearly full.
STEADY_SHARE = 0.5


def leak(use: MemoryUse | None, window: Window, rules: Ruleset) -> Text | None:
    """Why the launch is degraded: growth per request, and how long the machine's memory would last. None: no leak."""
    if use is None or use.requests <= 0:
        return None
    early, late = use.middle_bytes - use.start_bytes, use.end_bytes - use.middle_bytes
    if early < rules.leak_bytes or late < rules.leak_bytes or late < STEADY_SHARE * early:
        return None
    grown = early + late
    each, total = show_bytes(grown / use.requests), show_bytes(grown)
    lasts = ("", "")
    if use.left_bytes is not None:
        left = show_ns(use.left_bytes / grown * (window.end_ns - window.start_ns))
        lasts = (f"; at this pace the machine's memory lasts {left} more", f"; 이 속도면 남은 메모리는 {left} 뒤 소진")
    return Text(
        en=f"it leaks memory: {each} a request ({total} in the timed window){lasts[0]}: report it to the runtime's "
        "vendor, and restart a service in time",
        ko=f"메모리 누수: 요청당 {each}(측정 구간에서 {total}){lasts[1]}: 런타임 공급사에 알리고 "
        "서비스는 그 전에 재시작하세요",
    )
