"""`npubench baseline accept|show`: which run counts as the accepted one, changed by one line that people can review.

`accept` refuses what would make a bad yardstick: a run that is not complete, has invalid cells, is too short to be
compared, or lies outside the results folder. The first three can be insisted on (`--allow`); the reason becomes the
line's comment.

Not aware of: git beyond naming what to commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole
from rich.text import Text as Drawn

from npubench import baselines, store
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError, NpubenchError, UsageError
from npubench.lang import Text, here, language
from npubench.report.foreign import LINE_LIMIT, NAME_LIMIT, clean
from npubench.schema import Run
from npubench.stats.history import Night, read_night
from npubench.stats.runs import assembled

UNSEALED, INVALID, PROFILE = "unsealed", "invalid", "profile"
ALLOWED = (UNSEALED, INVALID, PROFILE)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `baseline show`. `problem` says why it points nowhere; then `created` is null."""

    name: str
    run: str
    machines: tuple[str, ...] = ()
    machine: str | None = None
    created: str | None = None
    profile: str | None = None
    problem: str | None = None


def _line(text: object, limit: int = NAME_LIMIT) -> str:
    return clean(text, limit).replace("\n", " ")


def accept(run: str, *, machine_class: str | None, reason: str, allow: Sequence[str], out: Path | None) -> None:
    """Writes the line and prints it as a diff, with what to commit."""
    unknown = [name for name in allow if name not in ALLOWED]
    if unknown:
        raise UsageError(f"--allow {unknown[0]}: expected one of {', '.join(ALLOWED)}")
    root = store.results_root(out, checkout_root())
    folder = store.open_run(run, root)
    found = assembled(folder)
    for refusal, text in _refusals(folder, found):
        if refusal not in allow:
            raise NotComparableError(text, hint=f"accept it all the same with --allow {refusal}, and say why: --reason")
    _inside(root, folder, found)
    name = _name(root, found, machine_class)
    change = baselines.edit(root, name, found.id, reason)
    console = RichConsole(highlight=False, soft_wrap=True)
    if change is None:
        said = Text(
            en=f"{_line(name)}: {found.id} is the baseline already", ko=f"{_line(name)}: 이미 {found.id}가 기준임"
        )
        console.print(Drawn(said[language()]))
        return
    baselines.write(change)
    console.print(Drawn(f"{change.path}"), style="bold")
    if change.removed is not None:
        console.print(Drawn(f"-{_line(change.removed, LINE_LIMIT)}"), style="red")
    console.print(Drawn(f"+{_line(change.added, LINE_LIMIT)}"), style="green")
    for told in _consequences(folder, found, name, machine_class):
        console.print(Drawn(told[language()]), style="dim")


def _refusals(folder: store.RunFolder, run: Run) -> Iterator[tuple[str, str]]:
    """(what to allow, the message) for everything that speaks against accepting a run."""
    at = _line(run.id)
    if not folder.sealed():
        yield UNSEALED, f"{at}: not complete, so its numbers may still change (`npubench run --resume {at}`)"
    if not run.comparable:
        yield PROFILE, f"{at}: profile {_line(run.profile)} is a quick look, not comparable"
    cells = [cell for cell in run.cells if cell.purpose == "measure" and cell.verdict == "invalid"]
    if cells:
        named = ", ".join(_line(f"{cell.model} {cell.precision} {cell.backend}") for cell in cells[:3])
        more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
        yield INVALID, f"{at}: {len(cells)} invalid cell{'s' if len(cells) > 1 else ''} ({named}{more})"


def _inside(root: Path, folder: store.RunFolder, run: Run) -> None:
    """Raises UsageError for a run that the baseline file could not point to."""
    expected = root / store.slug(run.machine.name) / run.id
    try:
        at = baselines.folder(root, run.machine.name, run.id).path
    except NotComparableError as error:
        if "several folders" in str(error):
            raise
        raise UsageError(
            f"{folder.path}: not where baseline.toml finds it", hint=f"put the folder at {expected}"
        ) from error
    if at.resolve() != folder.path.resolve():
        raise UsageError(f"{folder.path}: another folder holds run {_line(run.id)}: {at}", hint="keep one of them")


def _name(root: Path, run: Run, machine_class: str | None) -> str:
    """The entry's name. Raises UsageError for a class that the run's machine is not in."""
    if machine_class is None:
        return run.machine.name
    found = baselines.class_of(root, run.machine.name)
    if found != machine_class:
        path = root / store.slug(run.machine.name) / baselines.MACHINE_FILE
        is_ = f'is in class "{_line(found)}"' if found is not None else "is in no class"
        raise UsageError(
            f'--class {_line(machine_class)}: machine "{_line(run.machine.name)}" {is_}',
            hint=f'write into {path}: schema = "npubench.machine/1" and machine_class = "{_line(machine_class)}"',
        )
    return machine_class


def _consequences(folder: store.RunFolder, run: Run, name: str, machine_class: str | None) -> Iterator[Text]:
    if busy := sum(2 * cell.disturbed > len(cell.launches) for cell in run.cells):
        yield Text(
            en=f"other work ran beside {busy} cell{'s' if busy > 1 else ''} of it: no later night will be called "
            "equivalent to or faster than those; a run of a quiet machine is the better baseline",
            ko=f"측정 중 다른 작업이 셀 {busy}개와 함께 실행됨: 이후 실행은 그 셀에서 동등·개선 판정을 받지 못합니다. "
            "한가한 장비에서 측정한 실행이 기준으로 더 적합합니다",
        )
    if machine_class is not None:
        yield Text(
            en=f"counts for every machine of class {_line(name)} that has no entry of its own",
            ko=f"자체 항목이 없는 {_line(name)} 등급의 모든 장비에 적용됩니다",
        )
    files = f"{folder.path.parent.parent / baselines.BASELINE_FILE} {folder.path / store.RUN}"
    yield Text(en=f"to be reviewed: git add -f {files}", ko=f"검토를 받으려면: git add -f {files}")


def show(*, as_json: bool, out: Path | None) -> None:
    """Every accepted run. Exits with 5 where one points nowhere."""
    root = store.results_root(out, checkout_root())
    pools = baselines.members(root)
    rows = [_shown(root, name, run, pools) for name, run in baselines.accepted(root).items()]
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    else:
        _print(rows, root)
    if any(row.problem is not None for row in rows):
        sys.stdout.flush()
        sys.exit(NotComparableError.exit_code)


def _shown(root: Path, name: str, run: str, pools: dict[str, tuple[str, ...]]) -> Shown:
    machines = pools.get(name, ())
    try:
        folder = baselines.folder(root, name, run)
    except NpubenchError as error:
        return Shown(name=name, run=run, machines=machines, problem=str(error))
    path = folder.path / store.RUN
    found: Night | Text = read_night(path.read_bytes()) if path.is_file() else Text(en="not complete", ko="미완료")
    if isinstance(found, Text):
        return Shown(name=name, run=run, machines=machines, problem=f"{path}: {found[language()]}")
    if found.id != run:
        return Shown(name=name, run=run, machines=machines, problem=f"{path}: holds run {found.id}")
    return Shown(
        name=name, run=run, machines=machines, machine=found.machine, created=found.created, profile=found.profile
    )


def _print(rows: Sequence[Shown], root: Path) -> None:
    console = RichConsole(highlight=False)
    if not rows:
        path = root / baselines.BASELINE_FILE
        said = here(
            f"{path}: no baseline has been accepted yet: `npubench baseline accept RUN`",
            f"{path}: 아직 승인된 기준이 없습니다: `npubench baseline accept RUN`",
        )
        console.print(Drawn(said))
    for row in rows:
        title = Drawn(_line(row.name), style="bold cyan")
        title.append(f" = {_line(row.run)}", style="not bold default")
        console.print(title)
        if row.machines:
            label = here("class of", "등급 장비")
            console.print(Drawn(f"  {label}: {_line(', '.join(row.machines), LINE_LIMIT)}", style="dim"))
        if row.problem is not None:
            console.print(Drawn(f"  · {_line(row.problem, LINE_LIMIT)}", style="red"))
        else:
            console.print(Drawn(f"  {_line(f'{row.machine} · {row.profile} · {row.created}')}", style="dim"))
