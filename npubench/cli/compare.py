"""`npubench compare BASE NEW`: finds the two runs, shows what `stats.compare` says of them, and exits with its code.

`baseline` as BASE is the run that `baseline.toml` of the results folder names for the machine of NEW, or for its class
(`baselines`). Earlier nights of that machine in the results folder give the noise floor.

Whatever others wrote (ids, versions, reasons) is cleaned and drawn as text, never as markup.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Drawn

from npubench import baselines, store
from npubench.baselines import BASELINE
from npubench.cli.outputs import NONE, Outputs
from npubench.discovery import checkout_root
from npubench.errors import NpubenchError, RunInterruptedError
from npubench.lang import Language, Text
from npubench.report import words
from npubench.report.foreign import LINE_LIMIT, NAME_LIMIT, clean
from npubench.report.loads import written
from npubench.schema import Run
from npubench.stats.compare import Wanted
from npubench.stats.compare import compare as compare_runs
from npubench.stats.compared import LABELS, CellComparison, Comparison, MetricComparison, Status, Verdict, percent
from npubench.stats.history import Skipped, nights
from npubench.stats.noise import History, Learned
from npubench.stats.runs import assembled
from npubench.units import UNKNOWN, show

if TYPE_CHECKING:
    from rich.console import RenderableType

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
    "energy_per_request_j": "J/req",
    "cameras_per_w": "cameras/W",
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
_CLASS = Text(
    en="· machine class {}: names and device ids of its machines do not count, the tolerance is wider",
    ko="· 장비 등급 {}: 장비 이름과 장치 id는 비교하지 않으며 허용 폭이 넓음",
)
_LACKS = Text(en="lacks by its ruleset", ko="규칙상 부족한 것")
_AGAIN = Text(en="red cells were measured again", ko="악화된 셀을 다시 측정함")
_LEGEND = Text(
    en="base, new: geometric mean over launches. detects: the smallest slowdown that launches like these would call "
    "regressed in {} of 100 repeats.",
    ko="기준, 새 값: 실행들의 기하평균. 감지: 이와 같은 실행을 100번 되풀이할 때 {}번 악화로 판정할 수 있는 "
    "가장 작은 성능 저하.",
)


def _line(text: object, limit: int = NAME_LIMIT) -> str:
    """Somebody else's words on one line."""
    return clean(text, limit).replace("\n", " ")


def compare(
    base: str,
    new: str,
    *,
    allow: Sequence[str] = (),
    models: Sequence[str] = (),
    backends: Sequence[str] = (),
    as_json: bool = False,
    out: Path | None = None,
    asked: Outputs = NONE,
    confirm: bool = False,
) -> None:
    """Prints the comparison and writes what was `asked`; exits with 3, 4 or 5 where it found something.

    `confirm`: red cells are measured once more first; where they cannot be, the verdict stands and says so. Raises
    NpubenchError where the runs cannot be compared or a file cannot be written; RunInterruptedError on Ctrl-C, when all
    is written.
    """
    spoken, root = asked.spoken(), store.results_root(out, checkout_root())
    found = found_between(base, new, root, allow=allow, models=models, backends=backends)
    stopped: RunInterruptedError | None = None
    if confirm:
        from npubench.cli.confirm import confirmed_now, folders_of, not_again

        try:
            found = confirmed_now(found, *folders_of(base, new, root))
        except NpubenchError as error:
            # What was compared stands, unconfirmed. First, since a page shows the first notes only.
            found = msgspec.structs.replace(found, notes=(not_again(error), *found.notes))
            stopped = error if isinstance(error, RunInterruptedError) else None
    asked.write(found, spoken)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    else:
        console = RichConsole(highlight=False)
        with asked.quiet():
            for part in draw(found, spoken):
                console.print(part)
    asked.annotate(found, spoken, to=sys.stderr if as_json else sys.stdout)
    if stopped is not None:
        sys.stdout.flush()
        raise stopped
    if found.exit_code:
        sys.stdout.flush()
        sys.exit(found.exit_code)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Half a million objects are made and kept; looking through them for garbage takes as long as making them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@_no_collection()
def found_between(
    base: str,
    new: str,
    root: Path,
    *,
    allow: Sequence[str] = (),
    models: Sequence[str] = (),
    backends: Sequence[str] = (),
) -> Comparison:
    """The comparison of two runs as they are named on the command line. Raises NpubenchError."""
    after_folder = store.open_run(new, root)
    after = assembled(after_folder)
    accepted = baselines.resolve(root, after.machine.name) if base == BASELINE else None
    before_folder = accepted.folder if accepted is not None else store.open_run(base, root)
    before = assembled(before_folder)
    if accepted is not None:
        baselines.check(accepted, before)
    machine_class: str | None = None
    if before.machine.name != after.machine.name:
        machine_class = accepted.machine_class if accepted is not None else None
        machine_class = machine_class or baselines.shared_class(root, before.machine.name, after.machine.name)
    skipped: list[Skipped] = []
    history = learned(root, after, skipped)
    notes = [
        *_incomplete("BASE", before_folder, before),
        *_incomplete("NEW", after_folder, after),
        *_unread(skipped),
    ]
    wanted = Wanted(
        allow=tuple(allow),
        models=tuple(models),
        backends=tuple(backends),
        machine_class=machine_class,
        tolerances=Learned(history, of_class=machine_class is not None),
    )
    return compare_runs(before, after, wanted, notes=notes)


def _unread(skipped: Sequence[Skipped]) -> Iterator[Text]:
    """The first of the earlier runs that could not be used; a damaged tree has many."""
    if skipped:
        first, more = skipped[0], f" (+{len(skipped) - 1})" if len(skipped) > 1 else ""
        yield Text(
            en=f"an earlier run gives no history: {first.path.name}: {first.reason.en}{more}",
            ko=f"이전 실행을 이력에 쓸 수 없음: {first.path.name}: {first.reason.ko}{more}",
        )


def learned(root: Path, run: Run, skipped: list[Skipped] | None = None) -> History:
    """The nights of a run's machine before it, since its accepted baseline. `skipped` gets what could not be read."""
    since: str | None = None
    try:
        accepted = baselines.entry(root, run.machine.name)
        since = accepted[1] if accepted is not None and store.ID.match(accepted[1]) else None
    except NpubenchError:
        # A broken baseline file is told where the baseline is asked for.
        pass
    before = run.id if store.ID.match(run.id) else run.created
    return History.of(nights(root, run.machine.name, before=before, skipped=skipped), since)


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
    if found.machine_class is not None:
        yield Drawn(_line(_CLASS[spoken].format(_line(found.machine_class)), LINE_LIMIT), style="yellow")
    if found.confirmed_by is not None:
        yield Drawn(_line(f"· {_AGAIN[spoken]}: {found.confirmed_by.id}", LINE_LIMIT), style="yellow")
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
    for label in cell.labels:
        if label in ("cpu_assisted", "overhead_bound"):
            title.append(f" · {LABELS[label][spoken]}", style="not bold yellow")
    return title


def _listed(cells: Sequence[CellComparison], spoken: Language) -> Iterator[RenderableType]:
    """Cells without numbers; those that differ in the same way share one list of fields."""
    together: dict[bytes, list[CellComparison]] = {}
    for cell in cells:
        together.setdefault(
            msgspec.json.encode((cell.differences, cell.allowed, cell.waived, cell.reasons, cell.lacks)), []
        ).append(cell)
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
    for said in cell.lacks:
        yield Padding(Drawn(f"· {_LACKS[spoken]}: {_line(said[spoken], LINE_LIMIT)}", style="dim"), (0, 0, 0, 4))


def _cell(cell: CellComparison, spoken: Language, confidence: str, *, head: bool) -> Iterator[RenderableType]:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=head, header_style="dim")
    for title, width, side in _COLUMNS:
        justify: Literal["left", "right"] = "right" if side == "right" else "left"
        table.add_column(title[spoken].format(confidence), width=width, justify=justify, overflow="fold")
    remarks: dict[str, list[str]] = {}
    for metric in cell.metrics:
        style, verdict = _VERDICTS[metric.verdict]
        style = "yellow" if metric.verdict == "regressed" and not metric.red else style
        table.add_row(*_numbers(metric), Drawn(verdict[spoken], style=style))
        for told in (_advice(metric), _tolerated(metric), _again(metric, cell.confirmation)):
            if told is not None:
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
    # Joules come with their prefix; what of is in the first column.
    unit = {"ns": "ns", "J": "J"}.get(metric.unit.partition("/")[0], "")
    low, high = metric.low, metric.high
    yield Drawn(f" {_short(metric)}" + (f"\n   {metric.scope}" if metric.scope is not None else ""))
    yield Drawn(show(metric.base.mean, unit))
    yield Drawn(show(metric.new.mean, unit))
    yield Drawn(UNKNOWN if metric.change is None else f"{percent(metric.change)} %")
    known = low is not None or high is not None
    bounds = ("−∞" if low is None else percent(low), "∞" if high is None else percent(high))
    yield Drawn(f"{bounds[0]} … {bounds[1]} %" if known else UNKNOWN)
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


def _tolerated(metric: MetricComparison) -> Text | None:
    """Where a tolerance other than the metric's minimum came from."""
    share = percent(metric.tolerance, signed=False)
    if metric.tolerance_from == "history" and metric.noise is not None:
        noise = percent(metric.noise, signed=False)
        return Text(
            en=f"tolerance {share} %: 3 × the noise of {metric.nights} earlier nights ({noise} %)",
            ko=f"허용 폭 {share} %: 이전 야간 측정 {metric.nights}회 변동({noise} %)의 3배",
        )
    if metric.tolerance_from == "class":
        return Text(en=f"tolerance {share} %: between machines of a class", ko=f"허용 폭 {share} %: 같은 등급 장비 간")
    return None


def _again(metric: MetricComparison, confirmation: Sequence[MetricComparison]) -> Text | None:
    """What measuring a regressed metric again found."""
    if metric.confirmed is None:
        return None
    again = next((item for item in confirmation if (item.metric, item.scope) == (metric.metric, metric.scope)), None)
    change = f" ({percent(again.change)} %)" if again is not None and again.change is not None else ""
    if metric.confirmed:
        return Text(en=f"measured again: confirmed{change}", ko=f"재측정: 확인됨{change}")
    return Text(en=f"measured again: not confirmed{change}", ko=f"재측정: 확인되지 않음{change}")


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
