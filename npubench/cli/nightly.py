"""`npubench nightly`: measure within a stated time, compare with the accepted run, confirm what is red, write.

Guarantees: whatever ends it, a second call goes on where it stopped, for a day; pages of an earlier night never stand
for tonight's; the exit code is DESIGN's, also where the night ended before there was anything to compare.

The budget is that of the call, from its start to its exit: probing, building, quality, placement, warm-up, windows,
holds, confirming and writing. A call that goes on with an unfinished night has its budget anew and less to do.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from npubench import baselines, store
from npubench.cli import nights
from npubench.cli.asked import Asked, check_options, duration_s
from npubench.cli.compare import draw, found_between
from npubench.cli.confirm import confirmed_now, not_again
from npubench.cli.measure import Until, limits_of, measured
from npubench.cli.nightly_pages import Pages, shown_past
from npubench.cli.planned import choose, make_plan
from npubench.cli.progress import Console
from npubench.cli.session import stoppable
from npubench.discovery import checkout_root
from npubench.engine.confirming import begun
from npubench.engine.deadline import again_s, expected_s
from npubench.engine.machine import machine_name
from npubench.errors import EXIT_CODE_ORDER, NotComparableError, NpubenchError, RunInterruptedError
from npubench.lang import Text, here, language
from npubench.rules import DEFAULT, load
from npubench.schema import Plan, Run
from npubench.stats import nightly as night
from npubench.stats.compared import Comparison
from npubench.stats.nightly import Nightly
from npubench.units import show_duration_s, utc_now

PROFILE = "nightly"
# What is kept free of the budget for writing the pages.
_WRITE_SHARE, _WRITE_S = 0.05, 30.0


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """The options. `run` are those that a night shares with `npubench run`; `baseline` names an entry or a run."""

    run: Asked
    budget: str
    baseline: str | None = None
    confirm: bool = True
    report: Path | None = None
    history: int = 7
    dry_run: bool = False


class Time(msgspec.Struct, frozen=True):
    """A call's budget; times of the monotonic clock, in seconds."""

    began_s: float
    budget_s: float

    @property
    def writes_s(self) -> float:
        """When the pages have to be begun, at the latest."""
        return self.began_s + self.budget_s - min(_WRITE_S, self.budget_s * _WRITE_SHARE)

    def took_s(self) -> float:
        return time.monotonic() - self.began_s


def command(asking: Asking) -> tuple[str, ...]:
    """The command that plans this night: a night is gone on with by the command that began it."""
    run = asking.run
    many = (
        ("--model", run.models),
        ("--backend", run.backends),
        ("--precision", run.precisions),
        ("--scenario", run.scenarios),
        ("--scope", run.scopes),
        ("--cards", tuple(str(path) for path in run.cards)),
    )
    one = (
        ("--suite", run.suite),
        ("--ruleset", run.ruleset),
        ("--launches", run.launches),
        ("--seed", run.seed),
        ("--machine", run.machine),
        ("--measured-by", run.measured_by),
        ("--meters", run.meters),
    )
    words = [word for option, values in many for value in values for word in (option, value)]
    words += [word for option, value in one if value is not None for word in (option, str(value))]
    return ("npubench", "nightly", "--budget", asking.budget, *words, *(("--no-power",) if run.no_power else ()))


def nightly(asking: Asking) -> None:
    """One night, or the rest of one; exits with its code."""
    began_s = time.monotonic()
    console = Console(as_json=asking.run.as_json)
    pages = Pages.at(asking.report, checkout_root())
    if not asking.dry_run:
        # Before an option is refused: what CI publishes then is no page at all, and not that of the night before.
        pages.clear()
    budget_s = duration_s(asking.budget, "--budget")
    check_options(asking.run, load(asking.run.ruleset or DEFAULT))
    root = store.results_root(asking.run.out, checkout_root())
    machine = machine_name(asking.run.machine)
    found = nights.unfinished(root, machine, command(asking), datetime.now(timezone.utc))
    spent = Time(began_s, budget_s)
    if asking.dry_run:
        _show(asking, found, spent, root, machine, pages, console)
        return
    try:
        ended = _night(asking, found, spent, root, machine, console)
    except RunInterruptedError:
        raise RunInterruptedError(
            here("stopped; what was measured is kept", "멈춤. 측정한 것은 보존됩니다"),
            hint=here("the same command goes on with this night", "같은 명령을 다시 실행하면 이어서 진행합니다"),
        ) from None
    except NpubenchError as error:
        ended = _ended_early(error, machine, spent)
    folder = None if ended.run is None else store.open_run(ended.run, root)
    written = pages.write(ended, folder, tuple(nights.past(root, machine, asking.history)))
    nights.write(root, ended)
    _tell(ended, written, console)
    if asking.run.as_json:
        console.document(msgspec.json.format(msgspec.json.encode(ended), indent=1) + b"\n")
    sys.stdout.flush()
    if ended.exit_code:
        sys.exit(ended.exit_code)


def _night(
    asking: Asking, found: nights.Unfinished | None, spent: Time, root: Path, machine: str, console: Console
) -> Nightly:
    """Measures what is missing, compares, confirms. Raises what ends a night before it can be judged."""
    if asking.baseline is not None:
        # Now: a name that means nothing is told before hours of measuring, and `latest` is not yet tonight's own run.
        with suppress(NotComparableError):
            asking = msgspec.structs.replace(asking, baseline=_base(asking, root, machine))
    console.say(
        here(
            f"night of {machine}: at most {show_duration_s(spent.budget_s)}, until {_clock(spent.budget_s)}",
            f"{machine} 야간 측정: 최대 {show_duration_s(spent.budget_s)}, {_clock(spent.budget_s)}까지",
        )
    )
    resumed = False
    until = _until(asking, spent)
    folder: store.RunFolder | None = None
    run: Run | None = None
    if found is not None:
        console.say(_going_on(found))
        try:
            folder, run = measured(_resuming(asking.run, found), root, console, until)
            resumed = True
        except NotComparableError as error:
            # Another machine or other data than when it was planned: it can never be finished here.
            console.say(here(f"that night is given up: {error}", f"그 측정은 이어갈 수 없습니다: {error}"))
    if folder is None or run is None:
        folder, run = measured(asking.run, root, console, until)
    plan = folder.plan()
    comparison, refused = _compared(asking, folder, root, machine)
    why, hint = _told(refused, run.id)
    notes: tuple[Text, ...] = ()
    if comparison is not None and asking.confirm:
        comparison, notes = _confirmed(asking, comparison, folder, spent, root, console)
    bad = night.unsound(run)
    absent = tuple(item.backend for item in plan.absent) if plan.named_absent else ()
    lacking = night.left_out(plan, run)
    codes = night.codes(comparison, bad, absent, lacking)
    if refused is not None:
        codes = tuple(sorted({*codes, refused.exit_code}, key=EXIT_CODE_ORDER.index))
    return Nightly(
        machine=machine,
        created=utc_now(),
        run=run.id,
        budget_s=spent.budget_s,
        took_s=spent.took_s(),
        resumed=resumed,
        planned=len(plan.order),
        launches=sum(len(cell.launches) for cell in run.cells),
        left_out=lacking,
        unsound=bad,
        absent=absent,
        baseline=None if comparison is None else comparison.base.id,
        comparison=comparison,
        why=why,
        hint=hint,
        notes=notes,
        codes=codes,
        exit_code=codes[0] if codes else 0,
        sentence=night.sentence(comparison, run, bad, why),
    )


def _until(asking: Asking, spent: Time) -> Until:
    # Also where there is no baseline yet: the windows of the first night are then as long as those of the next.
    return Until(spent.writes_s, command(asking), asking.confirm)


def _clock(seconds: float) -> str:
    """The time of day, so many seconds from now."""
    return f"{datetime.now().astimezone() + timedelta(seconds=seconds):%H:%M}"


def _going_on(found: nights.Unfinished) -> str:
    if found.sealed:
        return here(
            f"going on with {found.plan.run}: it is measured, and not compared yet",
            f"{found.plan.run} 이어서 진행: 측정은 끝났고 비교가 남음",
        )
    return here(
        f"going on with {found.plan.run}: {found.measured} of {found.planned} launches are there",
        f"{found.plan.run} 이어서 진행: 실행 {found.planned}회 중 {found.measured}회 완료",
    )


def _resuming(run: Asked, found: nights.Unfinished) -> Asked:
    return Asked(
        resume=str(found.folder.path),
        out=run.out,
        machine=run.machine,
        wait=run.wait,
        stall_timeout=run.stall_timeout,
        as_json=run.as_json,
    )


def _accepted(asking: Asking, root: Path, machine: str) -> store.RunFolder | None:
    """The folder of the accepted run; None where there is none or it cannot be found, which comparing will say."""
    with suppress(NpubenchError):
        return store.RunFolder(Path(_base(asking, root, machine)))
    return None


def _base(asking: Asking, root: Path, machine: str) -> str:
    """The folder of the run to compare with. Raises NotComparableError, UsageError."""
    if asking.baseline is None:
        return str(baselines.resolve(root, machine).folder.path)
    entries = baselines.accepted(root)
    if asking.baseline in entries:
        return str(baselines.folder(root, asking.baseline, entries[asking.baseline]).path)
    return str(store.open_run(asking.baseline, root).path)


def _compared(
    asking: Asking, folder: store.RunFolder, root: Path, machine: str
) -> tuple[Comparison | None, NpubenchError | None]:
    """The comparison; or what stands against one."""
    try:
        base = baselines.BASELINE if asking.baseline is None else _base(asking, root, machine)
        return found_between(base, str(folder.path), root), None
    except NpubenchError as error:
        return None, error


def _told(refused: NpubenchError | None, run: str) -> tuple[Text | None, Text | None]:
    """Why a run was compared with nothing, and what to do; None and None where it was compared."""
    if refused is None:
        return None, None
    why = Text(en=str(refused), ko=str(refused))
    if isinstance(refused, NotComparableError):
        return why, Text(
            en=f"look at the pages, then accept it: `npubench baseline accept {run}`",
            ko=f"보고서를 확인한 뒤 승인하세요: `npubench baseline accept {run}`",
        )
    return why, None if refused.hint is None else Text(en=refused.hint, ko=refused.hint)


def _confirmed(
    asking: Asking, comparison: Comparison, folder: store.RunFolder, spent: Time, root: Path, console: Console
) -> tuple[Comparison, tuple[Text, ...]]:
    """The comparison after red cells were measured again; as it is, and why, where they could not be."""
    again = [cell.id for cell in comparison.cells if cell.doubtful]
    try:
        fresh = set(again) - begun(folder, comparison.base.id)
        if fresh and again_s(folder.plan(), fresh) > spent.writes_s - time.monotonic():
            return comparison, (_no_time(len(again), folder.path.name),)
        base = store.RunFolder(Path(_base(asking, root, comparison.new.machine)))
        found = confirmed_now(
            comparison,
            base,
            folder,
            wait=asking.run.wait,
            machine=asking.run.machine,
            say=console.say,
            limits=limits_of(asking.run),
            ends_s=spent.writes_s,
        )
    except RunInterruptedError:
        if time.monotonic() < spent.writes_s:
            raise
        return comparison, (_no_time(len(again), folder.path.name),)
    except NpubenchError as error:
        return comparison, (not_again(error),)
    return found, ()


def _no_time(cells: int, run: str) -> Text:
    return Text(
        en=f"no time was left to measure {cells} cell{'s' if cells != 1 else ''} again, so the verdict stands "
        f"unconfirmed: `npubench compare baseline {run} --confirm` does it",
        ko=f"시간이 부족해 악화된 셀 {cells}개를 다시 측정하지 못해 판정이 확인되지 않음. "
        f"`npubench compare baseline {run} --confirm`으로 확인할 수 있음",
    )


def _ended_early(error: NpubenchError, machine: str, spent: Time) -> Nightly:
    """A night that ended before there was a run to judge."""
    said, hint = str(error), error.hint
    return Nightly(
        machine=machine,
        created=utc_now(),
        budget_s=spent.budget_s,
        took_s=spent.took_s(),
        why=Text(en=said, ko=said),
        hint=None if hint is None else Text(en=hint, ko=hint),
        codes=(error.exit_code,),
        exit_code=error.exit_code,
        sentence=Text(en=f"nothing was measured: {said}", ko=f"측정하지 못함: {said}"),
    )


def _tell(ended: Nightly, written: tuple[Path, ...], console: Console) -> None:
    """The comparison, what to mind, where the pages are."""
    spoken = language()
    if ended.comparison is not None:
        console.drawn(draw(ended.comparison, spoken))
    else:
        console.say(ended.sentence[spoken])
    if ended.hint is not None:
        console.say(f"  → {ended.hint[spoken]}")
    for item in ended.left_out:
        console.say(_left_out(item))
    for note in ended.notes:
        console.say(f"· {note[spoken]}")
    for path in written:
        console.say(here("written: ", "저장: ") + str(path))
    console.say(
        here(
            f"exit {ended.exit_code} after {show_duration_s(ended.took_s)} of {show_duration_s(ended.budget_s)}",
            f"종료 코드 {ended.exit_code}, {show_duration_s(ended.budget_s)} 중 {show_duration_s(ended.took_s)} 사용",
        )
    )


def _left_out(item: night.LeftOut) -> str:
    return here(
        f"no time for {item.launches} launch{'es' if item.launches > 1 else ''} of {item.cell}",
        f"시간 부족으로 {item.cell} 실행 {item.launches}회 생략",
    )


def _show(
    asking: Asking,
    found: nights.Unfinished | None,
    spent: Time,
    root: Path,
    machine: str,
    pages: Pages,
    console: Console,
) -> None:
    """What a night would do, and how long it would take. Writes nothing, installs nothing."""
    if found is None:
        with stoppable() as stop:
            asked = msgspec.structs.replace(asking.run, dry_run=True)
            rules = load(asked.ruleset or DEFAULT)
            plan = make_plan(asked, choose(asked, console, stop), rules, root, console, stop)
        plan = _until(asking, spent).planned(plan)
        console.plan(plan)
    else:
        console.say(_going_on(found))
        plan = found.plan
    _tell_time(plan, found, spent, _until(asking, spent), console)
    accepted = _accepted(asking, root, machine)
    if accepted is None:
        why = _no_base(asking, root, machine)
        console.say(here(f"compares with nothing: {why}", f"비교하지 않음: {why}"))
    else:
        again = here(", then measures red cells again", ", 악화된 셀은 다시 측정") if asking.confirm else ""
        console.say(here(f"compares with {accepted.path.name}", f"{accepted.path.name}와 비교") + again)
    console.say(here("writes ", "저장할 파일: ") + ", ".join(str(path) for path in pages.stable()))
    for line in shown_past(tuple(nights.past(root, machine, asking.history)), language()):
        console.say(line)


def _no_base(asking: Asking, root: Path, machine: str) -> str:
    try:
        _base(asking, root, machine)
    except NpubenchError as error:
        return str(error)
    return ""


def _tell_time(plan: Plan, found: nights.Unfinished | None, spent: Time, until: Until, console: Console) -> None:
    whole = expected_s(plan, load(plan.ruleset))
    left = 1.0 if found is None else 1 - found.measured / max(1, found.planned)
    console.say(
        here(
            f"takes about {show_duration_s(whole * left)} of at most {show_duration_s(spent.budget_s)} in all",
            f"약 {show_duration_s(whole * left)} 걸림, 전체 한도 {show_duration_s(spent.budget_s)}",
        )
    )
    available = until.at_s - time.monotonic()
    if whole * left > available:
        console.say(
            here(
                f"not all of it fits into the {show_duration_s(max(0.0, available))} for measuring: "
                "the last launches are left out",
                f"측정에 쓸 {show_duration_s(max(0.0, available))} 안에 다 들어가지 않아 마지막 실행들은 생략됩니다",
            )
        )
