"""`npubench compare BASE NEW`: finds the two runs, shows what `stats.compare` says of them, and exits with its code.

`baseline` as BASE is the run that `baseline.toml` of the results folder names for the machine of NEW:

    "npu-node-7" = "20261124T010203Z-a1b2c3"      # machine = accepted run id; quotes where a name needs them

Whatever others wrote (ids, versions, reasons) is cleaned and drawn as text, never as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Drawn

from npubench import store
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError
from npubench.lang import Language, Text, language
from npubench.report import words
from npubench.report.foreign import LINE_LIMIT, NAME_LIMIT, clean
from npubench.report.loads import written
from npubench.schema import Run
from npubench.stats.compare import compare as compare_runs
from npubench.stats.compared import CellComparison, Comparison, MetricComparison, Status, Verdict, percent
from npubench.stats.runs import assembled
from npubench.units import UNKNOWN, show

if TYPE_CHECKING:
    from rich.console import RenderableType

BASELINE, BASELINE_FILE = "baseline", "baseline.toml"

_VERDICTS: dict[Verdict, tuple[str, Text]] = {
    "regressed": ("bold red", Text(en="regressed", ko="악화")),
    "improved": ("green", Text(en="improved", ko="개선")),
    "equivalent": ("green", Text(en="equivalent", ko="동등")),
    "inconclusive": ("dim", Text(en="inconclusive", ko="판단 불가")),
}
# In the order in which they are shown; compared cells come after them.
_STATUSES: dict[Status, tuple[str, Text]] = {
    "not_comparable": ("red", Text(en="Not comparable: these fields differ", ko="비교 불가: 다음 항목이 다름")),
    "invalid": ("red", Text(en="Invalid: no speed is compared", ko="무효: 속도를 비교하지 않음")),
    "missing": ("red", Text(en="Missing: only BASE has it", ko="누락: BASE에만 있음")),
    "unsupported": ("dim", Text(en="Unsupported on both sides", ko="미지원")),
    "untimed": ("dim", Text(en="Times mean nothing: no speed is judged", ko="시간이 의미 없음: 속도를 판정하지 않음")),
    "new": ("cyan", Text(en="New: only NEW has it", ko="신규: NEW에만 있음")),
}
_ALLOW = Text(
    en="  → measure with equal settings, or accept a difference: --allow FIELD (it is recorded)",
    ko="  → 같은 조건으로 측정하거나, 차이를 인정하려면 --allow FIELD (기록에 남음)",
)
_SHORT = {
    "latency_p50_ns": "p50",
    "latency_p99_ns": "p99",
    "ttft_p50_ns": "TTFT p50",
    "tpot_p50_ns": "TPOT p50",
    "capacity_cameras": "cameras",
    "capacity_pages_per_min": "held p/min",
    "capacity_frames_per_s": "held f/s",
    "capacity_requests_per_s": "held req/s",
    "capacity_users": "users",
    "sustained_frames_per_s": "sust. f/s",
    "sustained_pages_per_min": "sust.p/min",
    "sustained_requests_per_s": "sust. r/s",
}
# With one column of space between them no wider than 80.
_COLUMNS = (
    (Text(en="", ko=""), 10, "left"),
    (Text(en="base", ko="기준"), 9, "right"),
    (Text(en="new", ko="새 값"), 9, "right"),
    (Text(en="change", ko="변화"), 9, "right"),
    (Text(en="{} % interval", ko="{} % 구간"), 17, "right"),
    (Text(en="detects", ko="감지"), 8, "right"),
    (Text(en="verdict", ko="판정"), 12, "left"),
)
_LEGEND = Text(
    en="base, new: geometric mean over launches. detects: the smallest slowdown that launches like these would call "
    "regressed in {} of 100 repeats.",
    ko="기준, 새 값: 실행들의 기하평균. 감지: 이와 같은 실행을 100번 되풀이할 때 {}번 악화로 판정할 수 있는 "
    "가장 작은 성능 저하.",
)


def _line(text: object, limit: int = NAME_LIMIT) -> str:
    """Somebody else's words on one line."""
    return clean(text, limit).replace("\n", " ")


def baseline(root: Path, machine: str) -> store.RunFolder:
    """The run that `<root>/baseline.toml` names for `machine`. Raises NotComparableError with what to do."""
    path = root / BASELINE_FILE
    line = f'write the line "{_line(machine)}" = "RUN-ID" into {path}, with the id of a run that you accept'
    try:
        accepted = msgspec.toml.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        raise NotComparableError(f"{path}: no baseline has been accepted yet", hint=line) from None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise NotComparableError(
            f"{path}: not readable as machine = run id: {_line(error)}",
            hint='expected lines such as "node-7" = "RUN-ID"',
        ) from error
    run = accepted.get(machine)
    if run is None:
        raise NotComparableError(f'{path}: no baseline for machine "{_line(machine)}"', hint=line)
    folders = [found / run for found in sorted(root.iterdir()) if found.is_dir()] if Path(run).name == run else []
    for folder in folders:
        if (folder / store.RUN).is_file() or (folder / store.PLAN).is_file():
            return store.RunFolder(folder)
    raise NotComparableError(
        f'{path}: the baseline of machine "{_line(machine)}" is run "{_line(run)}", which is not under {root}',
        hint=f"put that run's folder (run.json is enough) there, or accept another: {line}",
    )


def compare(base: str, new: str, *, allow: Sequence[str], as_json: bool, out: Path | None) -> None:
    """Prints the comparison; exits with 3, 4 or 5 where it found something."""
    root = store.results_root(out, checkout_root())
    after_folder = store.open_run(new, root)
    after = assembled(after_folder)
    before_folder = baseline(root, after.machine.name) if base == BASELINE else store.open_run(base, root)
    before = assembled(before_folder)
    notes = [*_incomplete("BASE", before_folder, before), *_incomplete("NEW", after_folder, after)]
    found = compare_runs(before, after, allow=allow, notes=notes)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    else:
        console = RichConsole(highlight=False)
        for part in draw(found, language()):
            console.print(part)
    if found.exit_code:
        sys.stdout.flush()
        sys.exit(found.exit_code)


def _incomplete(side: str, folder: store.RunFolder, run: Run) -> Iterator[Text]:
    if not folder.sealed():
        yield Text(
            en=f"{side} is not complete: `npubench run --resume {_line(run.id)}` finishes it",
            ko=f"{side}의 실행이 끝나지 않음: `npubench run --resume {_line(run.id)}` 명령으로 마칠 수 있음",
        )


def draw(found: Comparison, spoken: Language) -> Iterator[RenderableType]:
    """The sentence, what could not be compared, a table per compared cell, the versions of both sides."""
    style = "bold red" if found.exit_code else "bold green"
    yield Drawn(_line(found.sentence[spoken], LINE_LIMIT), style=style)
    for side, run in (("BASE", found.base), ("NEW ", found.new)):
        yield Drawn(_line(f"{side} {run.id} · {run.machine} · {run.profile} · {run.created}", LINE_LIMIT), style="dim")
    for note in found.notes:
        yield Drawn(f"· {_line(note[spoken], LINE_LIMIT)}", style="yellow")
    if found.allow:
        yield Drawn(f"· --allow {_line(', '.join(found.allow), LINE_LIMIT)}", style="yellow")
    yield Drawn("")
    for status, (colour, title) in _STATUSES.items():
        cells = [cell for cell in found.cells if cell.status == status]
        if cells:
            yield Drawn(title[spoken], style=f"bold {colour}")
            yield from _listed(cells, spoken)
            if status == "not_comparable":
                yield Drawn(_ALLOW[spoken], style="dim")
            yield Drawn("")
    compared = [cell for cell in found.cells if cell.status == "compared"]
    for index, cell in enumerate(compared):
        yield from _cell(cell, spoken, f"{found.rule.confidence * 100:g}", head=index == 0)
    if compared:
        yield Drawn(_LEGEND[spoken].format(f"{found.rule.power * 100:g}"), style="dim")
        yield Drawn("")
    if found.varying:
        yield _versions(found, spoken)


def _name(cell: CellComparison, spoken: Language) -> Drawn:
    rest = " · ".join(_line(part) for part in (written(cell.scenario), cell.scope))
    title = Drawn(_line(f"{cell.model} {cell.precision} {cell.backend}"), style="bold cyan")
    title.append(f" · {rest}", style="not bold default")
    if cell.execution_kind not in (None, "hardware"):
        title.append(f" · {words.KINDS[cell.execution_kind][0][spoken]}", style="not bold yellow")
    return title


def _listed(cells: Sequence[CellComparison], spoken: Language) -> Iterator[RenderableType]:
    """Cells without numbers; those that differ in the same way share one list of fields."""
    together: dict[bytes, list[CellComparison]] = {}
    for cell in cells:
        together.setdefault(msgspec.json.encode((cell.differences, cell.allowed, cell.reasons)), []).append(cell)
    for same in together.values():
        for cell in same:
            yield Padding(_name(cell, spoken), (0, 0, 0, 2))
        for item in same[0].differences:
            values = [_line(_value(value), LINE_LIMIT) for value in (item.base, item.new)]
            told = Drawn.assemble((_line(item.field), "bold"), f"\nBASE {values[0]}\nNEW  {values[1]}")
            yield Padding(told, (0, 0, 0, 4))
        yield from _remarks(same[0], spoken)


def _value(value: object) -> str:
    return UNKNOWN if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _remarks(cell: CellComparison, spoken: Language) -> Iterator[RenderableType]:
    for reason in cell.reasons:
        yield Padding(Drawn(f"· {_line(reason[spoken], LINE_LIMIT)}", style="yellow"), (0, 0, 0, 4))
    for item in cell.allowed:
        values = f"{_line(_value(item.base))} → {_line(_value(item.new))}"
        yield Padding(Drawn(f"· --allow: {_line(item.field)}: {values}", style="yellow"), (0, 0, 0, 4))


def _cell(cell: CellComparison, spoken: Language, confidence: str, *, head: bool) -> Iterator[RenderableType]:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=head, header_style="dim")
    for title, width, side in _COLUMNS:
        justify: Literal["left", "right"] = "right" if side == "right" else "left"
        table.add_column(title[spoken].format(confidence), width=width, justify=justify, overflow="fold")
    remarks: dict[str, list[str]] = {}
    for metric in cell.metrics:
        style, verdict = _VERDICTS[metric.verdict]
        table.add_row(*_numbers(metric), Drawn(verdict[spoken], style=style))
        if told := _advice(metric):
            remarks.setdefault(told[spoken], []).append(_short(metric))
    yield _name(cell, spoken)
    yield table
    for remark, metrics in remarks.items():
        yield Padding(Drawn(_line(f"{', '.join(metrics)}: {remark}", LINE_LIMIT), style="dim"), (0, 0, 0, 2))
    yield from _remarks(cell, spoken)
    yield Drawn("")


def _short(metric: MetricComparison) -> str:
    return _SHORT.get(metric.metric, metric.unit)


def _numbers(metric: MetricComparison) -> Iterator[Drawn]:
    unit = metric.unit if metric.unit == "ns" else ""
    low, high = metric.low, metric.high
    yield Drawn(f" {_short(metric)}")
    yield Drawn(show(metric.base.mean, unit))
    yield Drawn(show(metric.new.mean, unit))
    yield Drawn(UNKNOWN if metric.change is None else f"{percent(metric.change)} %")
    yield Drawn(UNKNOWN if low is None or high is None else f"{percent(low)} … {percent(high)} %")
    seen = metric.minimum_detectable_change
    yield Drawn(UNKNOWN if seen is None else f"{percent(seen)} %")


def _advice(metric: MetricComparison) -> Text | None:
    """Why a verdict is withheld, what would settle it, and launches that gave no value."""
    english, korean = ([metric.reason.en], [metric.reason.ko]) if metric.reason else ([], [])
    if metric.more_launches is not None:
        plural = "es" if metric.more_launches > 1 else ""
        english.append(f"{metric.more_launches} more launch{plural} a side would settle it, if the spread stays")
        korean.append(f"산포가 같다면 양쪽에서 {metric.more_launches}회씩 더 실행하면 판정 가능")
    for name, side in (("BASE", metric.base), ("NEW", metric.new)):
        if side.unusable and side.launches:
            english.append(f"{side.unusable} of {side.launches + side.unusable} launches of {name} gave no value")
            korean.append(f"{name} 실행 {side.launches + side.unusable}회 중 {side.unusable}회에 값이 없음")
    return Text(en="; ".join(english), ko="; ".join(korean)) if english else None


def _versions(found: Comparison, spoken: Language) -> Table:
    """Both runs' versions; what changed stands out."""
    titles = (Text(en="versions", ko="버전"), Text(en="BASE", ko="BASE"), Text(en="NEW", ko="NEW"))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title, width in zip(titles, (20, 28, 28), strict=True):
        table.add_column(title[spoken], width=width, overflow="fold")
    for item in found.varying:
        style = "" if item.base == item.new else "yellow"
        sides = [UNKNOWN if value is None else _line(value) for value in (item.base, item.new)]
        table.add_row(Drawn(_line(item.name), style=style), *(Drawn(value, style=style) for value in sides))
    return table
