"""`npubench power list`: every meter that is known, what it reads here and now, or what it lacks.

Guarantees: a meter that is not there has its reason and what to do; a live value names its scope and device. Readable
in 80 columns, in both languages.

Not aware of: how good a channel is (`power_check`), which cells it will count for (`metered`).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Drawn

from npubench.cards import BackendCard, EnvironmentSpec
from npubench.discovery import catalogue, names
from npubench.engine.meters import Asked, Survey, Wanted, entries_of, wanted
from npubench.engine.pci import accelerators
from npubench.engine.select import environment_of
from npubench.lang import Text, here, language
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.power_words import device_name, kind_name, scope_name
from npubench.spi import Channel, Reading
from npubench.units import UNKNOWN, show, show_ns

if TYPE_CHECKING:
    from rich.console import RenderableType

# A test function and the meter that reads nothing are no news to anybody who did not ask for them.
_NAME_WIDTH = 12
_QUIET = ("none", "synthetic")
_SYNTHETIC = "NPUBENCH_SYNTHETIC_POWER"
_UNITS = {"C": "°C", "uW": "µW", "uJ": "µJ"}


# Meters that any machine can have once somebody has set them up.
_TOLD = {
    "redfish": (
        Text(
            en="the whole machine as its management controller (BMC) sees it, the scope in which unlike devices can be "
            "ranked",
            ko="관리 제어기(BMC)가 보는 장비 전체 전력. 서로 다른 장치의 순위를 매길 수 있는 범위",
        ),
        Text(
            en="name its address in a meters file: docs/power.md", ko="전력계 파일에 주소를 적으십시오: docs/power.md"
        ),
    ),
    "meter-csv": (
        Text(en="the log of an outside meter: a PDU, a wall socket", ko="PDU나 콘센트 등 외부 계측기의 기록"),
        Text(
            en="npubench run --power-pulse, then npubench power attach RUN LOG",
            ko="npubench run --power-pulse로 측정한 뒤 npubench power attach RUN LOG",
        ),
    ),
}


class ListedChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and its reading just now; None where it gave none."""

    channel: Channel
    reading: Reading | None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One meter as `--json` has it. Options are left out: they may name hosts and files; `set_up`: it has some."""

    name: str
    available: bool
    reason: str = ""
    fix: str = ""
    place: str = ""
    set_up: bool = False
    backends: tuple[str, ...] = ()
    channels: tuple[ListedChannel, ...] = ()


def cards_of(folders: Sequence[Path]) -> dict[str, BackendCard]:
    """The backend cards that may name a meter. Of one whose environment has not been made a meter is looked for in
    npubench's own: what is missing there is worth telling, that the environment is missing `env list` says.
    """
    cards = {name: found.card for name, found in catalogue(folders).backends.items()}
    return {
        name: card if _made(card) else structs.replace(card, environment=EnvironmentSpec())
        for name, card in cards.items()
    }


def _made(card: BackendCard) -> bool:
    return shutil.which(environment_of(card).python) is not None


def ask(
    meters: Path | None, cards: Mapping[str, BackendCard], only: Sequence[str] = (), *, all_known: bool = True
) -> tuple[Asked, ...]:
    """Asks the meters of the cards and the meters file, and with `all_known` every other that is installed.

    `only`: these and no others. Raises CardError for a meters file with mistakes.
    """
    items = list(wanted(cards, entries_of(meters)))
    if all_known:
        there = {item.use for item in items}
        more = [name for name in names("meters") if name not in there and name not in _QUIET]
        if os.environ.get(_SYNTHETIC):
            more.append("synthetic")
        items += [Wanted(use=name, name=name) for name in more]
    if only:
        items = [item for item in items if item.name in only]
    with Survey() as asking:
        asking.begin(items, cards)
        return asking.found()


def listed(asked: Asked) -> Listed:
    live = {reading.channel: reading for reading in asked.readings}
    meter = asked.meter
    return Listed(
        name=meter.name,
        available=meter.availability.available,
        reason=meter.availability.reason,
        fix=meter.availability.fix,
        place=meter.place,
        set_up=bool(meter.options),
        backends=meter.backends,
        channels=tuple(ListedChannel(channel=each, reading=live.get(each.name)) for each in meter.channels),
    )


def list_meters(meters: Path | None, folders: Sequence[Path], *, as_json: bool) -> None:
    """Prints every meter."""
    found = [listed(item) for item in ask(meters, cards_of(folders))]
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    devices = {device.id: clean(f"{device.vendor} {device.name}".strip()) for device in accelerators()}
    console = RichConsole(highlight=False)
    for part in lines(found, devices):
        console.print(part)


def lines(found: Sequence[Listed], devices: Mapping[str, str]) -> Iterator[RenderableType]:
    """What is printed. `devices`: PCI address → the device's name."""
    there = [meter for meter in found if meter.available]
    for meter in there:
        n = len(meter.channels)
        head = Drawn(clean(meter.name), style="bold green")
        where = f" · {here('environment of', '환경:')} {clean(meter.place)}" if meter.place else ""
        head.append(here(f" · {n} {'channel' if n == 1 else 'channels'}", f" · 채널 {n}개") + where, style="dim")
        yield head
        for item in meter.channels:
            yield from _channel(item, devices)
        yield Drawn("")
    if not there:
        yield Drawn(
            here(
                "No power meter answers on this machine. A run here measures speed and leaves energy unavailable.",
                "이 장비에서 응답하는 전력계가 없습니다. 속도는 측정하지만 에너지는 확인 불가로 남습니다.",
            ),
            style="bold",
        )
        yield Drawn("")
    # What nobody has set up lacks no more than that, and is told below.
    away = [meter for meter in found if not meter.available and (meter.set_up or meter.name not in _TOLD)]
    if away:
        yield Drawn(here("Not here", "없는 전력계"), style="bold")
        yield _table([(clean(meter.name), *_lack(meter)) for meter in away])
        yield Drawn("")
    yield from _advice(bool(there))


def _lack(meter: Listed) -> tuple[str, str]:
    return clean(meter.reason, MESSAGE_LIMIT) or UNKNOWN, clean(meter.fix, MESSAGE_LIMIT)


def _table(rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    """Name, what is said, what to do."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    for name, said, fix in rows:
        told = Drawn(said)
        if fix:
            told.append(f"\n→ {fix}", style="cyan")
        table.add_row(Drawn(name, style="bold"), told)
    return Padding(table, (0, 0, 0, 2))


def _channel(item: ListedChannel, devices: Mapping[str, str]) -> Iterator[RenderableType]:
    channel = item.channel
    line = Drawn.assemble((clean(channel.name), "bold"), "  ", (_value(channel, item.reading), "cyan"))
    yield Padding(line, (0, 0, 0, 2))
    device = devices.get(channel.device) or device_name(clean(channel.device))[language()]
    parts = [scope_name(channel.scope)[language()], kind_name(channel)[language()], device]
    if channel.refresh_ns:
        every = show_ns(channel.refresh_ns)
        parts.append(here(f"new every {every} (documented)", f"{every}마다 갱신(문서)"))
    if channel.lag_bound_ns:
        lag = show_ns(channel.lag_bound_ns)
        parts.append(here(f"lags by up to {lag}", f"최대 {lag} 늦음"))
    yield Padding(Drawn(" · ".join(parts), style="dim"), (0, 0, 0, 4))
    yield Padding(Drawn(clean(channel.source, LINE_LIMIT), style="dim"), (0, 0, 0, 4))


def _value(channel: Channel, reading: Reading | None) -> str:
    if reading is None:
        return UNKNOWN
    if reading.value is None:
        return f"{UNKNOWN} ({clean(reading.status, LINE_LIMIT)})"
    if channel.quantity == "throttle":
        return f"{int(reading.value):#x}"
    return show(reading.value, _UNITS.get(channel.unit, channel.unit))


def _advice(some: bool) -> Iterator[RenderableType]:
    """What any machine can have, whatever its devices."""
    yield Drawn(here("Whatever the device", "어떤 장치든 가능한 방법"), style="bold")
    yield _table([(name, said[language()], fix[language()]) for name, (said, fix) in _TOLD.items()])
    if some:
        yield Drawn("")
        yield Drawn(
            here("How good they are: npubench power check", "얼마나 믿을 만한지: npubench power check"), style="dim"
        )
