"""`npubench power check`: reads the machine at rest and says how good each channel is, and what reading it costs.

Guarantees: nothing is measured but power; samplers are those of a run, in the same environments at the same rate.

Not aware of: how a channel is judged (`stats.metercheck`), how the effect is found (`engine.effect`).
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.text import Text as Drawn

from npubench import rules
from npubench.cards import BackendCard, did_you_mean
from npubench.cli.power_list import ask, cards_of
from npubench.discovery import names
from npubench.energy import Effect, MeterCost, PlannedMeter, Window
from npubench.engine.effect import effect
from npubench.engine.launcher import Environment
from npubench.engine.meters import INTERVAL_S, environment_for
from npubench.engine.power import PowerSampler, answered, ended
from npubench.engine.select import environment_of
from npubench.errors import MeasurementError, UnknownNameError
from npubench.lang import here, language
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.power_words import device_name, kind_name, scope_name
from npubench.rules import EnergyRule
from npubench.stats.metercheck import ChannelCheck, judged
from npubench.units import UNKNOWN, show, show_duration_s, show_ns, show_share

if TYPE_CHECKING:
    from rich.console import RenderableType

_ANSWER_S = 10.0
# Twice what comparing calls a change of energy (METRICS.md, Comparing: 3 %), about.
_MUCH = 0.05


class MeterCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One meter: what reading it cost, and each channel."""

    name: str
    cost: MeterCost
    ended: str | None
    channels: tuple[ChannelCheck, ...]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The answer as `--json` has it. `absent`: meter → why it did not answer."""

    seconds: float
    interval_s: float
    rule: str
    window_s: float
    meters: tuple[MeterCheck, ...]
    effect: Effect | None
    absent: dict[str, str]


def check(
    chosen: Sequence[str], seconds: float, meters: Path | None, folders: Sequence[Path], *, as_json: bool
) -> None:
    """Reads and prints. Raises UnknownNameError for a meter that does not exist, MeasurementError where one that was
    asked for by name does not answer.
    """
    cards = cards_of(folders)
    asked = ask(meters, cards, chosen)
    known = {item.meter.name for item in asked}
    for name in chosen:
        if name not in known:
            raise UnknownNameError(
                f'no meter "{name}"{did_you_mean(name, list(names("meters")))}',
                hint=here("npubench power list shows them all", "npubench power list로 모두 볼 수 있습니다"),
            )
    there = [item.meter for item in asked if item.meter.availability.available]
    absent = {item.meter.name: item.meter.availability.reason for item in asked if item.meter not in there}
    if not there or any(name in absent for name in chosen):
        said = "; ".join(f"{name}: {why}" for name, why in absent.items() if not chosen or name in chosen)
        raise MeasurementError(
            here(f"no power meter to check: {said}", f"확인할 전력계가 없습니다: {said}"),
            hint=here("npubench power list says what to do", "npubench power list에서 할 일을 확인하십시오"),
        )
    console = RichConsole(highlight=False, stderr=as_json)
    console.print(
        here(
            f"Reading {', '.join(meter.name for meter in there)} for {seconds:g} s; leave the machine at rest.",
            f"{', '.join(meter.name for meter in there)}: {seconds:g}초 동안 읽습니다. 장비를 쉬게 두십시오.",
        ),
        style="dim",
    )
    found = measured(there, cards, seconds, absent)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    for part in lines(found):
        console.print(part)


def _begin(meter: PlannedMeter, cards: Mapping[str, BackendCard], folder: Path) -> PowerSampler:
    own = folder / meter.name
    own.mkdir()
    place = environment_of(cards[meter.place]) if meter.place else Environment()
    return PowerSampler.begin(
        meter.code,
        INTERVAL_S,
        own,
        place.python,
        options=meter.options,
        environment=environment_for(meter.code, place, own),
    )


def measured(
    meters: Sequence[PlannedMeter], cards: Mapping[str, BackendCard], seconds: float, absent: Mapping[str, str]
) -> Checked:
    """Reads for `seconds` at rest, then finds the effect on fixed work."""
    rule = rules.load().energy
    with tempfile.TemporaryDirectory(prefix="npubench-power-") as folder, ExitStack() as stack:
        samplers = {meter.name: _begin(meter, cards, Path(folder)) for meter in meters}
        stack.callback(ended, list(samplers.values()))
        answered(samplers.values(), _ANSWER_S)
        start_ns = time.perf_counter_ns()
        time.sleep(seconds)
        window = Window(start_ns=start_ns, end_ns=time.perf_counter_ns())
        # A little longer, so that the window is bracketed.
        time.sleep(3 * INTERVAL_S)
        judgements = {name: _judged(sampler, window, rule) for name, sampler in samplers.items()}
        gone = {name: _gone(sampler) for name, sampler in samplers.items()}

        def sample(on: bool) -> None:
            for sampler in samplers.values():
                if on:
                    sampler.resume()
                else:
                    sampler.pause()

        slowed = effect(sample)
        # What reading cost is known once they have ended.
        ended(list(samplers.values()))
        checks = tuple(
            MeterCheck(name=name, cost=sampler.log().cost, ended=gone[name], channels=judgements[name])
            for name, sampler in samplers.items()
        )
    return Checked(
        seconds=seconds,
        interval_s=INTERVAL_S,
        rule=rules.DEFAULT,
        window_s=rule.window_s,
        meters=checks,
        effect=slowed,
        absent=dict(absent),
    )


def _judged(sampler: PowerSampler, window: Window, rule: EnergyRule) -> tuple[ChannelCheck, ...]:
    # What was read before the window tells how a sensor behaves, too.
    return judged(sampler.readings(window.start_ns - 10**10, time.perf_counter_ns()), window, rule)


def _gone(sampler: PowerSampler) -> str | None:
    if sampler.alive:
        return None
    return sampler.log().ended or here("its process ended without a word", "프로세스가 아무 말 없이 끝났습니다")


def lines(found: Checked) -> Iterator[RenderableType]:
    """What is printed."""
    for meter in found.meters:
        yield Drawn.assemble((clean(meter.name), "bold green"), (f" · {_cost(meter.cost)}", "dim"))
        if meter.ended:
            yield Padding(Drawn(clean(meter.ended, MESSAGE_LIMIT), style="red"), (0, 0, 0, 2))
        for each in meter.channels:
            yield from _channel(each, found)
        yield Drawn("")
    yield from _effect(found.effect)
    if found.absent:
        away = ", ".join(map(clean, found.absent))
        yield Drawn(
            here(f"not here: {away} (npubench power list says why)", f"없음: {away}(이유는 npubench power list)"),
            style="dim",
        )


def _cost(cost: MeterCost) -> str:
    read = here(
        f"a reading takes {show_ns(cost.read_p50_ns)} (p99 {show_ns(cost.read_p99_ns)})",
        f"한 번 읽기 {show_ns(cost.read_p50_ns)}(p99 {show_ns(cost.read_p99_ns)})",
    )
    share = here(f"{show_share(cost.cpu_share)} of a core", f"코어의 {show_share(cost.cpu_share)}")
    missed = here(f", {cost.missed} deadlines missed", f", 놓친 시점 {cost.missed}회") if cost.missed else ""
    return f"{read}, {share}{missed}"


def _channel(each: ChannelCheck, found: Checked) -> Iterator[RenderableType]:
    channel, seen = each.channel, each.idle
    parts = [scope_name(channel.scope), kind_name(channel), device_name(clean(channel.device))]
    yield Padding(
        Drawn.assemble((clean(channel.name), "bold"), (f" · {' · '.join(part[language()] for part in parts)}", "dim")),
        (0, 0, 0, 2),
    )
    faults = here(f", {seen.faults} bad", f", 불량 {seen.faults}") if seen.faults else ""
    rows = []
    if seen.mean_w is None:
        why = seen.reason[language()] if seen.reason is not None else ""
        rows.append((here("at rest", "쉬는 동안"), f"{UNKNOWN} {why}"))
    else:
        spread = f"{show(seen.min_w, '')} – {show(seen.max_w, 'W')}" if seen.min_w is not None else UNKNOWN
        noise = "" if seen.sd_w is None else here(f", sd {show(seen.sd_w, 'W')}", f", 표준편차 {show(seen.sd_w, 'W')}")
        rows.append((here("at rest", "쉬는 동안"), f"{show(seen.mean_w, 'W')} ({spread}{noise})"))
    if each.drift_w is not None:
        drift = f"{each.drift_w:+.2f} W".replace("-", "−")
        rows.append(
            (here("drift", "변화"), here(f"{drift} in {found.seconds:g} s", f"{found.seconds:g}초 동안 {drift}"))
        )
    n = here(f"{seen.readings} readings{faults}", f"{seen.readings}회 읽음{faults}")
    every = show_ns(seen.refresh_ns) if seen.refresh_ns else UNKNOWN
    rows.append(
        (
            here("new every", "갱신 주기"),
            here(f"{every}, {seen.changed} changes in {n}", f"{every}, {n} 중 변화 {seen.changed}회"),
        )
    )
    for name, said in rows:
        yield Padding(Drawn.assemble((f"{name:<10}", "dim"), said), (0, 0, 0, 4))
    tone, said = _answer(each, found.window_s)
    yield Padding(Drawn(said, style=tone), (0, 0, 0, 4))


def _answer(each: ChannelCheck, window_s: float) -> tuple[str, str]:
    length = show_duration_s(window_s)
    if each.answer == "enough":
        n, share = show(math.floor(each.refreshes or 0), "count"), show_share(each.uncertainty)
        said = here(f"a window of {length} is enough: {n} refreshes", f"{length} 구간이면 충분합니다: 갱신 {n}회")
        if each.uncertainty is None:
            return "green", said
        said += here(f", energy ± {share} by its times", f", 시각에 따른 에너지 불확실성 ± {share}")
        if each.uncertainty > _MUCH:
            return "yellow", said + here("; power that varies so much needs longer", ". 변동이 크므로 더 길어야 합니다")
        return "green", said
    if each.answer == "longer" and each.needed_s is not None:
        needed = show_duration_s(each.needed_s)
        return "yellow", here(
            f"a window of {length} is too short: hold the load for {needed}",
            f"{length} 구간은 짧습니다. 부하를 {needed} 유지해야 합니다",
        )
    if each.answer == "broken":
        return "red", here("nothing good was read", "쓸 수 있는 값을 읽지 못했습니다")
    return "yellow", here(
        "the value stood still, so its refresh cannot be seen at rest: look longer with --seconds 120, or under load",
        "값이 변하지 않아 쉬는 상태에서는 갱신 주기를 알 수 없습니다. --seconds 120으로 더 오래 보거나 부하를 주고 "
        "보십시오",
    )


def _effect(found: Effect | None) -> Iterator[RenderableType]:
    if found is None:
        yield Drawn(
            here("the effect on other work is not known", "다른 작업에 미치는 영향은 알 수 없습니다"), style="yellow"
        )
        return
    low, high = (f"{100 * (value - 1):+.2f} %".replace("-", "−") for value in (found.low, found.high))
    yield Drawn(
        here(
            f"Effect of reading on fixed work: {low} to {high} of its time (95 %, {found.blocks} blocks, on and off)",
            f"읽기가 같은 작업의 시간에 미치는 영향: {low} – {high}(95 % 구간, {found.blocks}개 블록 교대)",
        )
    )
