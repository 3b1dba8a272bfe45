"""What the terminal shows while npubench works. Quiet when stdout is no terminal; with --json all of it is on stderr.

The remaining time is honest: it counts every launch's warm-up and window as planned, and what launches really took once
some are done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text as RichText

from npubench.cards import build_name
from npubench.cli import metered
from npubench.engine.holding import added_s, held_s
from npubench.engine.idling import around_s
from npubench.engine.launching import Watcher
from npubench.engine.loading import CONFIRM_SHARE
from npubench.engine.lock import Holder
from npubench.engine.protocol import Event, Phase
from npubench.engine.select import OWN
from npubench.evidence import Certificate
from npubench.lang import here, language
from npubench.metrics import METRICS, THROUGHPUT
from npubench.report import servers
from npubench.report.capacity import brief as found_load
from npubench.report.loads import written
from npubench.report.quality import line as quality_line
from npubench.scenarios import searched
from npubench.schema import Launch, Plan, PlannedCell, Quality, Run, Scenario
from npubench.units import show, show_duration_s, show_ns

# Process start, imports and model loading, before anything of this run has been seen.
_ASSUMED_LOAD_S = 2.0


def title_of(cell: PlannedCell) -> str:
    """A cell in a few words."""
    form = cell.precision if cell.variant == "portable" else f"{cell.precision} {cell.variant}"
    mix = "" if cell.mix is None else here(" · at once", " · 동시")
    return f"{cell.model} {form} · {cell.backend} · {written(cell.scenario)} · {cell.scope}{mix}"


def planned_s(cell: PlannedCell, added_s: float = 0.0) -> float:
    """What a launch of this cell is planned to take, its loading apart. `added_s`: what holding adds (`holding`).

    Slow requests make it longer: a window with too few samples goes on for up to three times as long (`making.EXTEND`).
    """
    return cell.window_s + cell.warmup_s + added_s


class Console:
    """Where things are printed."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._rich = RichConsole(stderr=as_json, highlight=False)

    def say(self, text: str) -> None:
        """A line for people."""
        self._rich.print(RichText(text), soft_wrap=True)

    def lines(self, texts: Iterable[str]) -> None:
        """Several lines for people."""
        for text in texts:
            self.say(text)

    def drawn(self, parts: Iterable[RenderableType]) -> None:
        """What was laid out elsewhere."""
        for part in parts:
            self._rich.print(part)

    def document(self, data: bytes) -> None:
        """The one JSON document on stdout."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    @property
    def live_terminal(self) -> bool:
        """Whether somebody watches."""
        return self._rich.is_terminal

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, tight: bool = False) -> None:
        """A plain table; the first `left` columns hold words, the others numbers.

        `tight`: as narrow as can be, with the first column whole.
        """
        drawn = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0) if tight else (0, 1))
        for index, name in enumerate(head):
            drawn.add_column(
                name, justify="left" if index < left else "right", overflow="fold", no_wrap=tight and index == 0
            )
        for row in rows:
            drawn.add_row(*(escape(cell) for cell in row))
        self._rich.print(drawn)

    def probing(self, backend: str) -> None:
        """A backend is being asked whether it is here."""
        if self._rich.is_terminal:
            self.say(here(f"looking for {backend} …", f"{backend} 확인 중 …"))

    def waiting(self, holder: Holder) -> None:
        """Another run holds the devices."""
        self.say(
            here(
                f"waiting: process {holder.pid} is measuring on this machine ({holder.run})",
                f"대기 중: 프로세스 {holder.pid}가 이 장비에서 측정하고 있습니다({holder.run})",
            )
        )

    def plan(self, plan: Plan) -> None:
        """What will be measured, what is absent and what to mind."""
        measured = [cell for cell in plan.cells if cell.purpose == "measure"]
        launches = 1 + (plan.launches - 1) * CONFIRM_SHARE
        held = plan.launches * sum(added_s(plan, cell) for cell in measured)
        seconds = (
            len(plan.order) * _ASSUMED_LOAD_S
            + held
            + around_s(plan)
            + sum(planned_s(cell) * (launches if searched(cell.scenario) else plan.launches) for cell in measured)
        )
        self.say(
            here(
                f"{len(measured)} cells × {plan.launches} launches, profile {plan.profile}, "
                f"about {show_duration_s(seconds)} of measuring",
                f"셀 {len(measured)}개 × 실행 {plan.launches}회, 프로파일 {plan.profile}, "
                f"측정 약 {show_duration_s(seconds)}",
            )
        )
        self._held(plan, measured, held)
        if around := around_s(plan):
            length = show_duration_s(around)
            self.say(
                here(
                    f"  + {length} (counted in): idle power before and after, and what reading the meters costs",
                    f"  + {length}(위 시간에 포함): 앞뒤의 유휴 전력과 전력 측정의 영향을 잽니다",
                )
            )
        for cell in measured if self._rich.is_terminal else ():
            self.say(f"  {title_of(cell)}")
        for absent in plan.absent:
            self.say(here(f"not here: {absent.backend}: {absent.reason}", f"없음: {absent.backend}: {absent.reason}"))
            if absent.fix:
                self.say(f"  → {absent.fix[language()]}")
        for model, inputs in plan.inputs.items():
            if inputs.source == OWN:
                self.say(
                    here(
                        f"{model} reads your own data ({inputs.files} files): compare only with the same data",
                        f"{model}: 자체 데이터 사용({inputs.files}개 파일). 같은 데이터의 결과와만 비교하세요",
                    )
                )
        for item in plan.unsupported:
            self.say(
                here("unsupported: ", "미지원: ")
                + f"{item.model} {item.precision} · {item.backend}: {item.reason[language()]}"
            )
        self.lines(metered.lines(plan))
        for note in plan.notes:
            if note.severity == "warning" or note.code == "inputs-cycled":
                self.say(here("mind: ", "주의: ") + note.text[language()])

    def _held(self, plan: Plan, measured: Sequence[PlannedCell], seconds: float) -> None:
        """The time that energy asks for beyond the profile's."""
        each = show_duration_s(plan.hold_s)
        if seconds:
            whole = show_duration_s(seconds)
            self.say(
                here(
                    f"  + up to {whole} (counted in): each confirmed load is held for {each} for its energy",
                    f"  + 최대 {whole}(위 시간에 포함): 확정한 부하를 {each}씩 유지해 에너지를 측정합니다",
                )
            )
        if any(held_s(plan, cell) and not searched(cell.scenario) for cell in measured):
            self.say(
                here(
                    f"  given loads last for at least {each} for their energy",
                    f"  지정한 부하는 에너지 측정을 위해 {each} 이상 유지합니다",
                )
            )

    def result(self, run: Run, folder: Path) -> None:
        """The finished run; the last line is its folder."""
        if self._as_json:
            from npubench.schema import encode

            self.document(encode(run))
            self.say(str(folder))
            return
        from npubench.cli.look import print_run

        print_run(run, folder, self._rich)
        self.say(str(folder))

    @contextmanager
    def live(self, plan: Plan) -> Iterator[Watcher]:
        """Progress of a run: a live table on a terminal, a line per launch elsewhere."""
        if not self._rich.is_terminal:
            yield _Lines(self)
            return
        watcher = _LiveTable(plan, self._rich)
        with Live(get_renderable=watcher.render, console=self._rich, refresh_per_second=4, transient=True):
            yield watcher


class _Lines:
    """One line per finished launch."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._index = (0, 0)

    def building(self, model: str, text: str) -> None:
        self._console.say(text)

    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None:
        self._index = (index + 1, total)

    def event(self, event: Event, completed: int) -> None:
        pass

    def finished(self, cell: PlannedCell, launch: Launch) -> None:
        at, total = self._index
        self._console.say(f"[{at}/{total}] {title_of(cell)}: {outcome(launch, cell.scenario)}")
        if launch.failure is not None and launch.failure.hint:
            self._console.say(f"  → {launch.failure.hint}")

    def asking(self, cell: PlannedCell) -> None:
        pass

    def answered(self, record: Quality) -> None:
        self._console.say(answers(record))

    def placing(self, cell: PlannedCell) -> None:
        pass

    def placed(self, found: Certificate) -> None:
        self._console.say(where(found))


def answers(record: Quality) -> str:
    """What became of the quality of one build on one backend, in a line."""
    build = build_name(record.precision, record.variant)
    lead = here("quality", "품질")
    return f"{lead} {record.model} {build} · {record.backend}: {quality_line(record)[language()]}"


def where(found: Certificate) -> str:
    """Where one build ran on one backend, in a line."""
    build = build_name(found.precision, found.variant)
    lead = here("placement", "실행 위치")
    said = "; ".join(reason[language()] for reason in found.reasons)
    if found.server is not None:
        said = servers.sentence(found.server)[language()]
    if not said and found.extent == "full":
        said = here(f"all of it on {found.requested}", f"전부 {found.requested}")
    return f"{lead} {found.model} {build} · {found.backend}: {said or here('unknown', '알 수 없음')}"


def outcome(launch: Launch, scenario: Scenario | None = None) -> str:
    """A launch in a few words: what a search found, else its service value and p50; or what went wrong."""
    if launch.failure is not None:
        first = next(iter(launch.failure.message.splitlines()), "")
        return f"{launch.failure.kind.value}: {first[:160]}"
    if launch.capacity is not None and scenario is not None:
        said = found_load(launch.capacity, scenario, launch.unit)[language()]
        return said if launch.verdict == "valid" else f"{said}, {launch.verdict}"
    # A workload of somebody else's may count in a unit of its own.
    key = THROUGHPUT.get(launch.unit, THROUGHPUT["sample"])[0]
    rate = launch.summary.get(key)
    parts = [show(rate.value if rate else None, METRICS[key].unit)]
    p50 = launch.summary.get("latency_p50_ns")
    if p50 is not None and p50.value is not None:
        parts.append(f"p50 {show_ns(p50.value)}")
    if launch.verdict != "valid":
        parts.append(launch.verdict)
    return ", ".join(parts)


class _LiveTable:
    """The last few launches, the one in flight, and the time that is left."""

    _SHOWN = 8

    def __init__(self, plan: Plan, console: RichConsole) -> None:
        self._plan = plan
        self._console = console
        self._done: list[str] = []
        self._paces: list[float] = []
        self._planned_s = {cell.id: planned_s(cell, added_s(plan, cell)) + _ASSUMED_LOAD_S for cell in plan.cells}
        self._now = here("starting", "시작 중")
        self._phase = ""
        self._completed = 0
        self._started = time.monotonic()
        self._left = len(plan.order)

    def building(self, model: str, text: str) -> None:
        self._phase = text

    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None:
        self._now = f"[{index + 1}/{total}] {title_of(cell)}"
        self._phase, self._completed = here("starting", "시작 중"), 0
        self._started = time.monotonic()
        self._left = total - index

    def event(self, event: Event, completed: int) -> None:
        if isinstance(event, Phase):
            self._phase = event.name
        self._completed = completed

    def finished(self, cell: PlannedCell, launch: Launch) -> None:
        self._paces.append((time.monotonic() - self._started) / self._planned_s[cell.id])
        mark = "✓" if launch.failure is None else "✗"
        self._done.append(f"{mark} {title_of(cell)}: {outcome(launch, cell.scenario)}")
        self._left -= 1

    def asking(self, cell: PlannedCell) -> None:
        self._phase = here("answering for quality", "품질 확인 중")

    def answered(self, record: Quality) -> None:
        mark = {"passed": "✓", "failed": "✗"}.get(record.verdict, "–")
        self._done.append(f"{mark} {answers(record)}")
        # What answering took is no part of a launch's pace.
        self._started = time.monotonic()

    def placing(self, cell: PlannedCell) -> None:
        self._phase = here("looking where it runs", "실행 위치 확인 중")

    def placed(self, found: Certificate) -> None:
        mark = {"full": "✓", "none": "✗", "assisted": "✗"}.get(found.extent, "–")
        self._done.append(f"{mark} {where(found)}")
        self._started = time.monotonic()

    def remaining_s(self) -> float:
        """Launches left times what one takes."""
        planned = [self._planned_s[name] for name, _ in self._plan.order]
        ahead = sum(planned[len(planned) - self._left :])
        # What launches really took, against what was planned for them.
        pace = median(self._paces) if self._paces else 1.0
        return max(0.0, ahead * pace - (time.monotonic() - self._started))

    def render(self) -> Table:
        drawn = Table.grid(padding=(0, 1))
        for line in self._done[-self._SHOWN :]:
            drawn.add_row(RichText(line, overflow="ellipsis", no_wrap=True))
        elapsed = time.monotonic() - self._started
        drawn.add_row(RichText(f"▸ {self._now} ({self._phase}, {elapsed:.0f} s)", overflow="ellipsis", no_wrap=True))
        left = show_duration_s(self.remaining_s())
        drawn.add_row(RichText(here(f"about {left} left", f"약 {left} 남음"), style="dim"))
        return drawn
