"""A run as somebody sees it who watches the terminal: what is done, what runs and how fast, what is left.

    ✓ cctv-detect fp32 · cpu · single-stream · service: 41.2 frames/s, p50 24.1 ms
    ▸ cctv-detect fp32 · cpu · cameras:fps=15 · service
      launch 1 of 2 · measuring 12 s · 41.3 frames/s · p50 24.1 ms · processor 18.4 W
    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    7 of 24 launches · 3 of 8 cells done · about 6 min left

Guarantees: fits the terminal as it is now, whatever its size, and leaves nothing behind when it ends (lines may remain
where the terminal was made narrower, which wraps what stands there); the launch in flight is looked at LOOKS_PER_S
times a second at most (`glance`), of which the worker knows nothing. Rate and p50 are those of the last seconds and no
result.

Not aware of: terminals (`rich`), how long things take (`remaining`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.text import Text as RichText

from npubench.cli.outcomes import answers, outcome, title_of, where
from npubench.cli.remaining import Remaining
from npubench.engine import glance
from npubench.engine.protocol import Event, Phase
from npubench.evidence import Certificate
from npubench.lang import Text, here, language
from npubench.metrics import METRICS, THROUGHPUT
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.schema import Launch, Plan, PlannedCell, Quality
from npubench.spi import MeterScope
from npubench.store import RunFolder
from npubench.units import show, show_duration_s, show_ns

LOOKS_PER_S = 2
# Two looks and frames a second take 0.4 % of a core (benchmarks/test_live); nobody reads faster.
_MOST_LINES = 10
_QUIET_S = 5.0
_UNITS = {"detection": "frame", "ocr": "page", "llm": "token"}
"""Workload → what it counts, until a launch has said so."""

_PHASES = {
    "start": Text(en="starting", ko="시작 중"),
    "open": Text(en="loading the model", ko="모델 불러오는 중"),
    "bind": Text(en="preparing inputs", ko="입력 준비 중"),
    "first": Text(en="first inference", ko="첫 추론"),
    "warm-up": Text(en="warming up", ko="예열 중"),
    "check": Text(en="checking", ko="확인 중"),
    "gate": Text(en="waiting for the other services", ko="다른 서비스 대기 중"),
    "measure": Text(en="measuring", ko="측정 중"),
    "close": Text(en="closing", ko="마무리 중"),
    "exit": Text(en="closing", ko="마무리 중"),
}
# The scopes that are looked at (`glance`), shorter than a report says them.
_SCOPES: dict[MeterScope, Text] = {
    "card": Text(en="card", ko="카드"),
    "device": Text(en="device", ko="장치"),
    "chip": Text(en="chip", ko="칩"),
    "package": Text(en="processor", ko="프로세서"),
    "node": Text(en="machine", ko="장비"),
    "wall": Text(en="wall", ko="콘센트"),
}
_ASKING = Text(en="checking the quality of its answers", ko="답의 품질 확인 중")
_PLACING = Text(en="looking where it runs", ko="실행 위치 확인 중")


class _Done(NamedTuple):
    """A line of what is done; `mark` has a colour of its own."""

    mark: str
    text: str


class LiveView:
    """An `engine.launching.Watcher` that draws. `folder` None: the launch in flight cannot be looked at."""

    def __init__(self, plan: Plan, console: RichConsole, folder: RunFolder | None = None) -> None:
        self._plan = plan
        self._console = console
        self._folder = folder
        self._power = None if folder is None else glance.PowerGlance(plan, folder.path)
        there = [at for at in plan.order if folder is not None and folder.launch_path(*at).exists()]
        self._remaining = Remaining(plan, there)
        self._units = {name: _UNITS.get(card.get("workload", ""), "sample") for name, card in plan.models.items()}
        self._done: list[_Done] = []
        self._index: int | None = None
        self._cell: PlannedCell | None = None
        self._number = 0
        self._phase = _PHASES["start"][language()]
        self._begun = self._started = self._entered = self._seen = time.monotonic()
        self._measuring = False
        self._facts: list[str] = []

    def building(self, model: str, text: str) -> None:
        self._enter(clean(text, LINE_LIMIT).replace("\n", " "))

    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None:
        self._cell, self._number, self._index = cell, number, index
        self._begun = self._started = time.monotonic()
        self._enter(_PHASES["start"][language()])

    def event(self, event: Event, completed: int) -> None:
        if isinstance(event, Phase):
            if event.name == "open" and self._cell is not None:
                self._remaining.looked(self._cell, self._started - self._begun)
            known = _PHASES.get(event.name)
            self._enter(known[language()] if known else clean(event.name), event.name == "measure")

    def finished(self, cell: PlannedCell, launch: Launch) -> None:
        failed = launch.failure is not None
        self._remaining.took(cell, launch.number, time.monotonic() - self._started, failed)
        if not failed:
            self._units[cell.model] = launch.unit
        self._tell("✗" if failed else "✓", f"{title_of(cell)}: {outcome(launch, cell.scenario)}")
        self._cell = None
        self._enter("")

    def asking(self, cell: PlannedCell) -> None:
        self._enter(_ASKING[language()])

    def answered(self, record: Quality) -> None:
        self._tell({"passed": "✓", "failed": "✗"}.get(record.verdict, "–"), answers(record))
        self._looked()

    def placing(self, cell: PlannedCell) -> None:
        self._enter(_PLACING[language()])

    def placed(self, found: Certificate) -> None:
        self._tell({"full": "✓", "none": "✗", "assisted": "✗"}.get(found.extent, "–"), where(found))
        self._looked()

    def _tell(self, mark: str, text: str) -> None:
        self._done = [*self._done[1 - _MOST_LINES :], _Done(mark, text)]

    def _looked(self) -> None:
        # What answering and placing took is no part of a launch's pace.
        self._started = time.monotonic()
        self._enter(_PHASES["start"][language()])

    def _enter(self, phase: str, measuring: bool = False) -> None:
        self._phase, self._measuring, self._facts = phase, measuring, []
        self._entered = time.monotonic()

    def remaining_s(self) -> float:
        """How long the run still takes."""
        return self._remaining.seconds(self._index, time.monotonic() - self._started)

    def _look(self) -> None:
        """At the launch in flight, but never twice within the time of one look."""
        now = time.monotonic()
        if self._folder is None or self._cell is None or now - self._seen < 0.9 / LOOKS_PER_S:
            return
        self._seen = now
        facts = list(self._speed(self._folder, self._cell)) if self._measuring else []
        if self._power is not None and self._phase:
            spoken = language()
            facts += [f"{_SCOPES[item.scope][spoken]} {show(item.power_w, 'W')}" for item in self._power.of(self._cell)]
        self._facts = facts

    def _speed(self, folder: RunFolder, cell: PlannedCell) -> Iterator[str]:
        found = glance.requests(folder.work_path(cell.id, self._number))
        if found is None or not found.recent:
            return
        if found.quiet_s is not None and found.quiet_s > _QUIET_S:
            quiet = show_duration_s(found.quiet_s)
            yield here(f"no answer for {quiet}", f"{quiet} 동안 응답 없음")
            return
        key, factor = THROUGHPUT.get(self._units[cell.model], THROUGHPUT["sample"])
        if found.units_per_s is not None:
            yield show(found.units_per_s * factor, METRICS[key].unit)
        if found.p50_ns is not None:
            yield f"p50 {show_ns(found.p50_ns)}"
        if found.lost:
            yield here(f"{found.lost} of {found.recent} lost", f"{found.recent}건 중 {found.lost}건 실패")

    def render(self) -> RenderableType:
        """The view as it fits the terminal now."""
        self._look()
        width, height = self._console.size
        below = [*self._current(width), *self._left(width)][1 - height :]
        above: list[RichText] = []
        for item in reversed(self._done):
            lines = _folded(item, width)
            if len(above) + len(lines) > min(_MOST_LINES, height - len(below) - 1):
                break
            above = [*lines, *above]
        return Group(*above, *below)

    def _current(self, width: int) -> Iterator[RichText]:
        facts = [self._doing(), *self._facts] if self._phase else []
        if self._cell is not None:
            yield _line(f"▸ {title_of(self._cell)}", "bold")
            facts = [self._which(), *facts]
        yield from (_line(text) for text in _wrapped(facts, width))

    def _which(self) -> str:
        total = self._plan.launches
        return here(f"launch {self._number} of {total}", f"실행 {self._number}/{total}")

    def _doing(self) -> str:
        seconds = time.monotonic() - self._entered
        return self._phase if seconds < 1 else f"{self._phase} {show_duration_s(seconds)}"

    def _left(self, width: int) -> Iterator[RenderableType]:
        order, finished = self._plan.order, self._remaining.finished
        elapsed = time.monotonic() - self._started
        yield _bar(self._remaining.share(self._index, elapsed), width)
        done = sum(at in finished for at in order)
        waiting = {name for name, number in order if (name, number) not in finished}
        cells = len({name for name, _ in order})
        left = show_duration_s(self.remaining_s())
        parts = [
            here(f"{done} of {len(order)} launches", f"실행 {done}/{len(order)}"),
            here(f"{cells - len(waiting)} of {cells} cells done", f"셀 {cells - len(waiting)}/{cells} 완료"),
            here(f"about {left} left", f"약 {left} 남음"),
        ]
        yield from (_line(text, "dim") for text in _wrapped(parts, width, indent=""))


def _bar(share: float, width: int) -> RichText:
    """Told apart without colour, too."""
    done = min(width, round(share * width))
    return RichText.assemble(("━" * done, "green"), ("─" * (width - done), "dim"))


def _line(text: str, style: str = "") -> RichText:
    return RichText(text, style=style, overflow="ellipsis", no_wrap=True)


def _wrapped(parts: Sequence[str], width: int, indent: str = "  ") -> list[str]:
    """The parts in as few lines as they fit, none of them broken."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else ""
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"{indent}{part}")
    return lines


_COLOURS = {"✓": "green", "✗": "red"}


def _folded(item: _Done, width: int) -> list[RichText]:
    """What is done in one line, or in two where it does not fit: what came of it is never cut off before its title."""
    mark = (f"{item.mark} ", _COLOURS.get(item.mark, ""))
    if cell_len(item.text) + 2 <= width:
        lines = [RichText.assemble(mark, item.text)]
    else:
        title, _, said = item.text.partition(": ")
        lines = [RichText.assemble(mark, title), RichText(f"    {said}")]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines
