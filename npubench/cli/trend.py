"""`npubench trend`: how cells have changed from night to night, and what was new on the nights when they did.

Guarantees: reads each run.json once and keeps of it only the metric that is shown; fits 80 columns in both languages;
whatever others wrote is cleaned and drawn as text. A change point is a note: the exit code stays 0.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import get_args

import msgspec
from rich.console import Console as RichConsole

from npubench import store
from npubench.cards import did_you_mean
from npubench.discovery import checkout_root
from npubench.engine.machine import machine_name
from npubench.errors import UnknownNameError, UsageError
from npubench.lang import here, language
from npubench.metrics import ENERGY, METRICS
from npubench.report import text_trend
from npubench.report.foreign import clean
from npubench.report.loads import written
from npubench.scenarios import written as whole
from npubench.spi import MeterScope
from npubench.stats.changepoint import Changes, FindChanges, Series, changes_of, prepare
from npubench.stats.history import NightCell, Skipped, nights
from npubench.stats.speed import MINIMUM_EFFECT
from npubench.stats.trend import HEADLINES, LeftOut, Trend, follow, followed, gather

YEAR = 365
"""Nights that a change point is looked for in."""
MANY = 60
"""Run folders from which on change points are found in a process of their own."""
HEADLINE = "latency_p50_ns"
"""What a cell is followed by that never had a value."""
_AT_ONCE = 10
_ID_LENGTH = 4


PARTS = ("model", "backend", "precision", "scenario", "scope", "id")
"""By what a cell is chosen. A word means the first of them that has it."""


def _name(text: str) -> str:
    return clean(text).replace("\n", " ")


def _machine(root: Path, asked: str | None) -> str:
    """The machine whose history is wanted. Raises UsageError where there is none or it is not clear which."""
    known = store.machines(root)
    if not known:
        raise UsageError(f"{root}: no runs yet", hint="`npubench run` makes one")
    wanted = machine_name(asked)
    if asked is None and len(known) == 1:
        return known[0]
    if wanted in known or store.slug(wanted) in known:
        return wanted
    if asked is not None:
        raise UnknownNameError(
            here(f'no runs of machine "{_name(asked)}" under {root}', f'{root}에 장비 "{_name(asked)}"의 실행이 없음')
            + did_you_mean(asked, known),
            hint=_listing(known),
        )
    raise UsageError(
        here(f"{root} holds runs of {len(known)} machines", f"{root}에 장비 {len(known)}대의 실행이 있음"),
        hint=here("name one: --machine NAME; ", "하나를 지정하세요: --machine NAME; ") + _listing(known),
    )


def _listing(known: Sequence[str], most: int = 12) -> str:
    more = f" … (+{len(known) - most})" if len(known) > most else ""
    return ", ".join(_name(name) for name in known[:most]) + more


def _parts(cell: NightCell) -> dict[str, set[str]]:
    """By which words a cell can be chosen."""
    return {
        "model": {cell.model},
        "backend": {cell.backend},
        "precision": {cell.precision},
        "scenario": {cell.scenario.name, whole(cell.scenario), written(cell.scenario)},
        "scope": {cell.scope},
        "id": {cell.id},
    }


def chosen(cells: dict[str, NightCell], words: Sequence[str]) -> list[str]:
    """The ids of the cells that the words mean: words of one part are alternatives, and every part must hold.

    Raises UnknownNameError for a word that no cell has, UsageError where no cell has all of them.
    """
    parts = {key: _parts(cell) for key, cell in cells.items()}
    wanted: dict[str, set[str]] = {}
    for word in words:
        part = next((name for name in PARTS for known in parts.values() if _meets(word, name, known[name])), None)
        if part is None:
            known = dict.fromkeys(name for cell in parts.values() for part in PARTS for name in sorted(cell[part]))
            raise UnknownNameError(
                here(f'no cell of these nights has "{_name(word)}"', f'이 기록에 "{_name(word)}" 셀이 없음')
                + did_you_mean(word, list(known)),
                hint=here(
                    "a cell is chosen by model, backend, precision, scenario, scope or id: ",
                    "셀은 모델, 백엔드, 정밀도, 시나리오, 범위, id로 고릅니다: ",
                )
                + _listing([name for name in known if name not in cells]),
            )
        wanted.setdefault(part, set()).add(word)
    found = [
        key
        for key, known in parts.items()
        if all(any(_meets(word, part, known[part]) for word in either) for part, either in wanted.items())
    ]
    if not found:
        raise UsageError(
            here("no cell has all of: ", "다음을 모두 만족하는 셀이 없음: ") + ", ".join(map(_name, words)),
            hint=here("leave one out", "하나를 빼고 다시 시도하세요"),
        )
    return found


def _meets(word: str, part: str, names: set[str]) -> bool:
    return word in names or (part == "id" and len(word) >= _ID_LENGTH and any(name.startswith(word) for name in names))


def _metric(asked: str | None) -> tuple[str | None, MeterScope | None]:
    """`KEY` or `KEY@SCOPE`. Raises UnknownNameError for keys and scopes that do not exist."""
    if asked is None:
        return None, None
    key, at, scope = asked.partition("@")
    if key not in METRICS:
        raise UnknownNameError(
            here(f'--metric: found "{_name(key)}"', f'--metric: "{_name(key)}"은(는) 없음')
            + did_you_mean(key, list(METRICS)),
            hint=here("a metric is named as in `show --json`: ", "지표 이름은 `show --json`과 같습니다: ")
            + ", ".join(MINIMUM_EFFECT),
        )
    if not at:
        return key, None
    for known in get_args(MeterScope):
        if scope == known and key in ENERGY:
            return key, known
    expected = ", ".join(get_args(MeterScope))
    raise UnknownNameError(
        here(
            f'--metric: found scope "{_name(scope)}"; energy metrics have {expected}, others have none',
            f'--metric: 범위 "{_name(scope)}". 에너지 지표의 범위는 {expected}이고 다른 지표에는 범위가 없음',
        )
    )


@contextmanager
def beside(root: Path, machine: str | None) -> Iterator[FindChanges]:
    """`changes_of` in a process of its own where there is much to read: what that imports takes a second, in which a
    year of nights is half read; and it looks at some histories while others are made. `machine` None: of all.
    """
    folders = sum(1 for _ in store.listed(root, None if machine is None else store.slug(machine)))
    if folders < MANY:
        yield changes_of
        return
    # Spawned, not forked: a process may have threads by now.
    other = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    other.submit(prepare)

    def find(series: Iterable[Series]) -> list[Changes]:
        rest = iter(series)
        asked = [other.submit(changes_of, part) for part in iter(lambda: list(islice(rest, _AT_ONCE)), [])]
        return [one for part in asked for one in part.result()]

    try:
        yield find
    finally:
        # It ends while what was found is drawn; Python waits for it before this process ends.
        other.shutdown(wait=False)


def histories(
    root: Path, machine: str, words: Sequence[str], metric: str | None, last: int | None, quick_looks: bool
) -> Trend:
    """The document. Raises UsageError where nothing is to be shown."""
    with beside(root, machine) as find:
        return _histories(root, machine, words, metric, last, quick_looks, find)


def _histories(
    root: Path,
    machine: str,
    words: Sequence[str],
    metric: str | None,
    last: int | None,
    quick_looks: bool,
    find: FindChanges,
) -> Trend:
    key, scope = _metric(metric)
    skipped: list[Skipped] = []
    kept = gather(
        nights(root, machine, metrics=HEADLINES if key is None else (key,), skipped=skipped),
        max(YEAR, last or 0),
        metric=key,
        scope=scope,
        quick_looks=quick_looks,
    )
    if not kept.nights:
        raise UsageError(_nothing(root, machine, kept.quick_looks, skipped), hint=_why(kept.quick_looks, skipped))
    ids = chosen(kept.newest, words)
    if key is not None:
        ids = [cell for cell in ids if cell in kept.metric]
        if not ids:
            name = _name(metric or key)
            raise UsageError(here(f"none of these cells has a value of {name}", f"{name} 값이 있는 셀이 없음"))
    cells = follow((followed(kept, cell, HEADLINE) for cell in ids), find)
    return Trend(
        machine=kept.nights[0].machine,
        nights=len(kept.nights),
        first=kept.nights[-1].created,
        last=kept.nights[0].created,
        cells=tuple(cells),
        quick_looks=kept.quick_looks,
        left_out=tuple(LeftOut(path=str(item.path), reason=item.reason) for item in skipped),
    )


def _nothing(root: Path, machine: str, quick_looks: int, skipped: Sequence[Skipped]) -> str:
    name = _name(machine)
    said = here(f'no complete night of "{name}" under {root}', f'{root}에 "{name}"의 완료된 실행이 없음')
    if skipped and not quick_looks:
        said += f": {_name(skipped[0].path.name)}: {_name(skipped[0].reason[language()])}"
    return said


def _why(quick_looks: int, skipped: Sequence[Skipped]) -> str:
    if quick_looks:
        return here(
            f"quick looks are left out ({quick_looks}), as no comparison takes them; --all takes them in",
            f"비교에 쓰이지 않는 간이 실행 {quick_looks}회를 제외함. 포함하려면 --all",
        )
    return here("`npubench run --profile nightly` measures one", "`npubench run --profile nightly`로 측정하세요")


def trend(
    words: Sequence[str],
    *,
    machine: str | None,
    metric: str | None,
    last: int | None,
    quick_looks: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Prints the histories."""
    root = store.results_root(out, checkout_root())
    if last is not None and last < 1:
        raise UsageError(here(f"--last {last}: expected 1 or more", f"--last {last}: 1 이상이어야 합니다"))
    found = histories(root, _machine(root, machine), words, metric, last, quick_looks)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    console = RichConsole(highlight=False)
    for part in text_trend.draw(found, language(), last):
        console.print(part)
