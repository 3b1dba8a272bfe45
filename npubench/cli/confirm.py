"""`npubench compare BASE NEW --confirm`: red cells are measured once more, on this machine, before the verdict."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from npubench import baselines, store
from npubench.build.materialise import cache_root
from npubench.cli.asked import duration_s
from npubench.cli.progress import Console
from npubench.cli.session import devices, stoppable
from npubench.engine import confirming
from npubench.engine.launcher import Limits
from npubench.engine.machine import facts
from npubench.engine.resume import check_inputs, check_machine, given_name
from npubench.engine.run import Execution
from npubench.errors import NpubenchError
from npubench.lang import Text, here
from npubench.schema import Plan, Run
from npubench.stats.compared import Comparison
from npubench.stats.confirmation import confirmed
from npubench.stats.runs import assembled
from npubench.store import RunFolder


def folders_of(base: str, new: str, root: Path) -> tuple[RunFolder, RunFolder]:
    """The folders of two runs as they are named on the command line. Raises NpubenchError."""
    after = store.open_run(new, root)
    if base != baselines.BASELINE:
        return store.open_run(base, root), after
    return baselines.resolve(root, assembled(after).machine.name).folder, after


def confirmed_now(
    found: Comparison,
    base: RunFolder,
    new: RunFolder,
    *,
    wait: str = "10m",
    machine: str | None = None,
    say: Callable[[str], None] | None = None,
    limits: Limits | None = None,
    ends_s: float | None = None,
) -> Comparison:
    """`found` with its red cells confirmed or refuted; as it is where nothing is red. `ends_s`: a time of the monotonic
    clock at which it is given up, as by Ctrl-C.

    What goes on is said on stderr, or through `say`. Raises NotComparableError where this is not the machine of NEW,
    RunInterruptedError on Ctrl-C (asking again goes on), DeviceBusyError.
    """
    console = Console(as_json=True)
    tell = say or console.say
    with stoppable() as asked:

        def over() -> bool:
            return asked() or (ends_s is not None and time.monotonic() >= ends_s)

        def measure(plan: Plan, folder: RunFolder) -> Run:
            tell(here("measuring red cells once more", "악화된 셀을 다시 측정합니다"))
            check_machine(plan, facts(given_name(machine) or plan.machine.name))
            check_inputs(plan)
            with console.live(plan, folder) as watcher:
                return Execution(plan, folder, cache_root(), watcher, limits or Limits(), over).carry_out()

        if not any(cell.doubtful or cell.status == "invalid" for cell in found.cells):
            return found
        with devices(new.path, duration_s(wait, "--wait"), console, asked):
            second = confirming.confirm(
                found, base, new, measure, say=tell, stop=over, command=("npubench", *sys.argv[1:])
            )
        return found if second is None else confirmed(found, second)


def not_again(error: NpubenchError) -> Text:
    """What stands beside a verdict that could not be confirmed: why, and what to do."""
    said = f"{error}" if error.hint is None else f"{error} → {error.hint}"
    return Text(en=f"red cells were not measured again: {said}", ko=f"악화된 셀을 다시 측정하지 못함: {said}")
