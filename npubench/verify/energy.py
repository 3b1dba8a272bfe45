"""Energy again: the ledger of a launch from its raw power readings."""

from __future__ import annotations

from pathlib import Path

from npubench.lang import Text
from npubench.schema import Launch
from npubench.store import sha256_file
from npubench.verify.found import Tally

_WINDOW = Text(en="gross energy over the window", ko="측정 구간의 총에너지")


def check_energy(tally: Tally, file: str, launch: Launch, launches: Path) -> None:
    """Names a power file that is missing or another, and joules that do not follow from the readings."""
    power = launch.power
    if power is not None:
        path = launches / power.file
        name = f"{launches.name}/{power.file}"
        if not path.is_file():
            tally.wrong(name, "", "missing", f"the file that {file} names")
        else:
            tally.files.add(name)
            tally.same(name, "", sha256_file(path), power.sha256)
    ledger = launch.energy
    window = ledger.window
    if window is None:
        return
    seconds = (window.end_ns - window.start_ns) / 1e9
    for channel, item in ledger.channels.items():
        at = f"energy.channels.{channel}"
        if item.energy_j is not None and item.mean_w is not None:
            tally.same(file, f"{at}.energy_j", item.energy_j, item.mean_w * seconds, why=_WINDOW)
