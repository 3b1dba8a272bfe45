"""What the terminal shows while npubench works; with --json all of it is on stderr.

A run is followed live where somebody watches (`live`), and by a line per launch where nobody does, or where the
terminal cannot move its cursor: a log of a CI server stays a log.

Not aware of: how a live view is drawn (`live`), what a launch's line says (`outcomes`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text as RichText

from npubench.cli import metered
from npubench.cli.live import LOOKS_PER_S, LiveView
from npubench.cli.outcomes import answers, outcome, title_of, where
from npubench.engine.deadline import launch_s
from npubench.engine.holding import added_s, held_s
from npubench.engine.idling import around_s
from npubench.engine.launching import Watcher
from npubench.engine.lock import Holder
from npubench.engine.protocol import Event
from npubench.engine.select import OWN
from npubench.evidence import Certificate
from npubench.lang import here, language
from npubench.scenarios import searched
from npubench.schema import Launch, Plan, PlannedCell, Quality, Run
from npubench.store import RunFolder
from npubench.units import show_duration_s


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
        cells = {cell.id: cell for cell in plan.cells}
        held = plan.launches * sum(added_s(plan, cell) for cell in measured)
        seconds = around_s(plan) + sum(launch_s(plan, cells[name], number) for name, number in plan.order)
        self.say(
            here(
                f"{_several(len(measured), 'cell')} × {_several(plan.launches, 'launch')}, profile {plan.profile}, "
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
                self.say(here("mind: ", "참고: ") + note.text[language()])

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
    def live(self, plan: Plan, folder: RunFolder | None = None) -> Iterator[Watcher]:
        """Progress of a run: a live view on a terminal, a line per launch elsewhere.

        `folder`: the run's, where the launch in flight can be looked at.
        """
        if not self._rich.is_terminal or self._rich.is_dumb_terminal:
            yield _Lines(self)
            return
        watcher = LiveView(plan, self._rich, folder)
        with Live(get_renderable=watcher.render, console=self._rich, refresh_per_second=LOOKS_PER_S, transient=True):
            yield watcher


def _several(count: int, noun: str) -> str:
    plural = "es" if noun.endswith("ch") else "s"
    return f"{count} {noun}{plural if count != 1 else ''}"


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
