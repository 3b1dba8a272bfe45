"""`npubench power attach`: an external meter's log for a run that is measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from rich.console import Console as RichConsole

from npubench import store
from npubench.discovery import checkout_root
from npubench.energy import Attachment, EnergyLedger
from npubench.errors import UsageError
from npubench.lang import here, language
from npubench.metering_log import Wanted
from npubench.schema import encode
from npubench.spi import MeterScope
from npubench.units import show, show_duration_s, show_share


def attach(
    run: str,
    log: Path,
    *,
    align: str = "pulse",
    offset_s: float | None = None,
    uncertainty_s: float | None = None,
    scope: str = "wall",
    name: str | None = None,
    wanted: Wanted | None = None,
    out: Path | None = None,
    as_json: bool = False,
) -> None:
    """Aligns `log`, computes the energy of every launch of `run` from it and keeps that in the run's folder.

    Raises UsageError for options that make no sense, DataError for a log that cannot be read or aligned.
    """
    from npubench.engine.attaching import Aligning, attach

    if align not in ("pulse", "clock"):
        raise UsageError(f'--align: found "{align}"; expected pulse or clock')
    if scope not in get_args(MeterScope):
        raise UsageError(f'--scope: found "{scope}"; expected one of {", ".join(get_args(MeterScope))}')
    folder = store.open_run(run, store.results_root(out, checkout_root()))
    done = attach(
        folder,
        log,
        Aligning(how="clock" if align == "clock" else "pulse", offset_s=offset_s or 0.0, uncertainty_s=uncertainty_s),
        scope=cast("MeterScope", scope),
        name=name or "",
        wanted=wanted,
    )
    if as_json:
        sys.stdout.buffer.write(encode(done.attachment))
        return
    console = RichConsole(highlight=False, markup=False)
    for text in (*done.log.taken, *done.log.remarks):
        console.print(f"  {text[language()]}", soft_wrap=True)
    for line in _lines(done.attachment, done.untied):
        console.print(line, soft_wrap=True)
    console.print(str(done.path), soft_wrap=True)


def _lines(found: Attachment, untied: tuple[str, ...]) -> Iterator[str]:
    how = found.alignment
    by = here("the pulses", "부하 펄스") if how.how == "pulse" else here("the offset given", "지정한 차이")
    clock = f"{how.offset_s:+.3f} s ± {how.uncertainty_s:.3f} s"
    likeness = "" if how.correlation is None else here(", correlation ", ", 상관 ") + f"{how.correlation:.3f}"
    yield here(f"aligned by {by}: log clock {clock}{likeness}", f"{by} 기준으로 맞춤: 기록 시계 {clock}{likeness}")
    for name, idle in found.idle.items():
        said = show(idle.mean_w, "W") if idle.reason is None else f"{show(None, 'W')} ({idle.reason[language()]})"
        yield here(f"idle before the run, {name}: {said}", f"측정 전 유휴 전력, {name}: {said}")
    if not found.idle:
        yield here(
            "idle before the run: not recorded, so there is no net energy",
            "측정 전 유휴 전력: 기록이 없어 순 에너지를 계산할 수 없음",
        )
    known = [ledger for ledger in found.ledgers.values() if _energies(ledger)]
    count, total = len(known), len(found.ledgers) + len(untied)
    yield here(f"{count} of {total} launches got an energy", f"실행 {total}개 중 {count}개의 에너지를 얻음")
    for label, ledger in sorted(found.ledgers.items()):
        yield f"  {label}: {_shown(ledger)}"
    for label in untied:
        yield f"  {label}: " + here("no clock was recorded for its boot", "해당 부팅의 시계 기록이 없음")


def _energies(ledger: EnergyLedger) -> list[float]:
    return [channel.energy_j for channel in ledger.channels.values() if channel.energy_j is not None]


def _shown(ledger: EnergyLedger) -> str:
    """One launch: joules, mean power, how much of its window the log covers."""
    parts = []
    for channel in ledger.channels.values():
        if channel.energy_j is None or ledger.window is None:
            parts.append(channel.reason[language()] if channel.reason is not None else show(None, "J"))
            continue
        give = "" if channel.uncertainty_j is None else f" ± {show(channel.uncertainty_j, 'J')}"
        length = show_duration_s((ledger.window.end_ns - ledger.window.start_ns) / 1e9)
        covered = here("covered", "포함")
        parts.append(
            f"{show(channel.energy_j, 'J')}{give} ({show(channel.mean_w, 'W')}, {length}, {covered} "
            f"{show_share(channel.coverage)})"
        )
    return "; ".join(parts)
