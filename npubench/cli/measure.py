"""`npubench run`: from what was typed to a sealed run, in the order in which it happens.

The devices are held from before the first probe until the run is sealed, so that a run folder is one that has begun,
and nothing of this machine is observed while another run measures on it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from npubench import store
from npubench.build.materialise import cache_root
from npubench.cli.asked import Asked, check_options, check_resume, duration_s
from npubench.cli.planned import choose, make_plan
from npubench.cli.progress import Console
from npubench.cli.session import Stop, devices, stoppable
from npubench.discovery import checkout_root
from npubench.engine.deadline import Deadline, confirming_share, fitted
from npubench.engine.launcher import Limits, StopRequested
from npubench.engine.machine import facts, slug
from npubench.engine.resume import check_inputs, check_machine, given_name
from npubench.engine.run import Execution
from npubench.errors import AbsentBackendError, MeasurementError, combine_exit_codes
from npubench.lang import here
from npubench.rules import DEFAULT, load
from npubench.schema import Plan, Run, encode


class Until(msgspec.Struct, frozen=True):
    """A time of the monotonic clock, in seconds, by which a run has to be done, and the command that asks for it again.

    A new plan gets the windows that fit; what does not fit is left out (`engine.deadline`). `confirms`: time is planned
    for measuring the largest cell again; launches that take longer than planned may use it up.
    """

    at_s: float
    command: tuple[str, ...]
    confirms: bool = False

    def seconds(self, plan: Plan) -> float:
        """What there is from now for the launches of a plan."""
        share = confirming_share(plan) if self.confirms else 0.0
        return max(0.0, self.at_s - time.monotonic()) * (1 - share)

    def planned(self, plan: Plan) -> Plan:
        """The plan as it fits from now."""
        found = fitted(plan, self.seconds(plan), load(plan.ruleset))
        return msgspec.structs.replace(found, command=self.command)


def limits_of(asked: Asked) -> Limits:
    """How long a worker may be silent. Raises UsageError."""
    return Limits(stall_s=duration_s(asked.stall_timeout, "--stall-timeout") if asked.stall_timeout else None)


def measured(asked: Asked, root: Path, console: Console, until: Until | None = None) -> tuple[store.RunFolder, Run]:
    """The run that was asked for, new or resumed. Raises what a run raises, RunInterruptedError on Ctrl-C."""
    limits = limits_of(asked)
    wait_s = duration_s(asked.wait, "--wait")
    with stoppable() as stop:
        return (_resumed if asked.resume else _fresh)(asked, root, limits, wait_s, console, stop, until)


def run(asked: Asked) -> None:
    """Measures what was asked, shows it, and exits with the code of what was found."""
    console = Console(as_json=asked.as_json)
    root = store.results_root(asked.out, checkout_root())
    if asked.dry_run and not asked.resume:
        with stoppable() as stop:
            _show_plan(asked, root, console, stop)
        return
    folder, result = measured(asked, root, console)
    if asked.report is not None:
        from npubench.cli.report import write_report

        console.say(here("report: ", "보고서: ") + str(write_report([folder], asked.report, "", result.id)))
    console.result(result, folder.path)
    # What the CPU had to help with is a figure of two devices: shown, labelled, and no success.
    codes = [
        MeasurementError.exit_code
        for cell in result.cells
        if cell.verdict == "invalid" or (cell.certificate is not None and cell.certificate.extent == "assisted")
    ]
    if (folder.path / store.PLAN).is_file() and folder.plan().named_absent:
        codes.append(AbsentBackendError.exit_code)
    code = combine_exit_codes(codes)
    if code:
        sys.exit(code)


def _show_plan(asked: Asked, root: Path, console: Console, stop: Stop) -> None:
    rules = load(asked.ruleset or DEFAULT)
    check_options(asked, rules)
    plan = make_plan(asked, choose(asked, console, stop), rules, root, console, stop)
    console.plan(plan)
    if asked.as_json:
        console.document(encode(plan))


def _fresh(
    asked: Asked, root: Path, limits: Limits, wait_s: float, console: Console, stop: Stop, until: Until | None
) -> tuple[store.RunFolder, Run]:
    rules = load(asked.ruleset or DEFAULT)
    check_options(asked, rules)
    store.ensure_writable(root)
    choice = choose(asked, console, stop)
    with devices(root, wait_s, console, stop) as lock:
        plan = make_plan(asked, choice, rules, root, console, stop)
        if until is not None:
            plan = until.planned(plan)
        console.plan(plan)
        if stop():
            raise StopRequested
        folder = store.RunFolder.create(root, slug(plan.machine.name), plan.run)
        lock.names(folder.path)
        folder.write_plan(plan)
        return folder, _carry_out(asked, plan, folder, limits, console, stop, until)


def _resumed(
    asked: Asked, root: Path, limits: Limits, wait_s: float, console: Console, stop: Stop, until: Until | None
) -> tuple[store.RunFolder, Run]:
    check_resume(asked)
    folder = store.open_run(asked.resume or "", root)
    if not folder.sealed():
        plan = folder.plan()
        with devices(folder.path, wait_s, console, stop):
            # Another resume may have finished the run while this one waited.
            if not folder.sealed():
                check_machine(plan, facts(given_name(asked.machine) or plan.machine.name))
                check_inputs(plan)
                return folder, _carry_out(asked, plan, folder, limits, console, stop, until)
    console.say(here("this run is complete already", "이미 완료된 실행입니다"))
    return folder, folder.run()


def _carry_out(
    asked: Asked,
    plan: Plan,
    folder: store.RunFolder,
    limits: Limits,
    console: Console,
    stop: Stop,
    until: Until | None,
) -> Run:
    deadline = None if until is None else Deadline(plan, until.at_s)
    with console.live(plan, folder) as watcher:
        going = Execution(plan, folder, cache_root(), watcher, limits, stop, pulse=asked.power_pulse, deadline=deadline)
        return going.carry_out()
