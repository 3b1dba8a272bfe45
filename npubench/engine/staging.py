"""Where the time of an input goes: medians of what a workload tells of a few inputs, outside the timed window.

Guarantees: at most `most_ns`, and one input at least. Not aware of: what the stages are made of.
"""

from __future__ import annotations

import time
from statistics import median

from npubench.schema import Stages
from npubench.spi import Bound, RequestError, Staged

# In the order in which a request goes through them (`spi.Staged`).
STAGES = ("decode", "pre", "host-to-device", "infer", "device-to-host", "post")
# More tell nothing new: the median of 64 is known to a tenth of what single ones differ by.
MOST_INPUTS = 64


def staged(bound: Bound, most_ns: int) -> Stages | None:
    """The medians over as many inputs as `most_ns` allows; None where the workload cannot tell, or every request fails.

    The first of several inputs is not counted: it finds caches cold that no other one does.
    """
    if not isinstance(bound, Staged):
        return None
    until = time.perf_counter_ns() + most_ns
    rows: list[dict[str, int]] = []
    for index in range(1 + MOST_INPUTS):
        if index and time.perf_counter_ns() >= until:
            break
        try:
            rows.append(dict(bound.stages(index)))
        except RequestError:
            continue
    counted = rows[1:] or rows
    if not counted:
        return None
    told = {name for row in counted for name in row}
    # A stage of the author's own is shown as it is, behind the known ones.
    names = [name for name in STAGES if name in told] + sorted(told - set(STAGES))
    # What one input had no need of took it no time.
    return Stages(
        inputs=len(counted), median_ns={name: float(median(row.get(name, 0) for row in counted)) for name in names}
    )
