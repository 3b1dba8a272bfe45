"""What this machine can measure, what is missing and how to get it: plain data, and lines for a terminal of 80 columns.

Not aware of: how backends were probed, how facts were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from npubench.cards import BackendCard
from npubench.conditions import DeviceState, ProcessorState
from npubench.engine.condition_words import device_words, processor_words
from npubench.engine.preflight import device_label, unserved
from npubench.lang import Language, Text
from npubench.schema import AbsentBackend, Machine, Note
from npubench.spi import Availability, Device
from npubench.units import UNKNOWN, show_bytes

_COLUMNS = 80

# `verified.how` of a card that nobody has tried on its device.
_UNTRIED = ("not verified", "stand-in")
_NOT_TRIED = Text(en="not verified on hardware", ko="실제 장치에서 검증되지 않음")


class ReadyBackend(msgspec.Struct, frozen=True, kw_only=True):
    """A backend that can run here, with the devices and versions that its probe saw."""

    backend: str
    title: Text
    device_type: str
    devices: tuple[Device, ...] = ()
    versions: dict[str, str] = {}
    verified: str = ""


class Doctor(msgspec.Struct, frozen=True, kw_only=True):
    """The findings. `idle` are accelerators that are here but that no ready backend uses.

    `processor` and `devices` are how the host processor and each accelerator are now; an accelerator that is listed in
    `machine` and not in `devices` does not answer.
    """

    machine: Machine
    processor: ProcessorState = ProcessorState()
    devices: tuple[DeviceState, ...] = ()
    ready: tuple[ReadyBackend, ...]
    absent: tuple[AbsentBackend, ...]
    idle: tuple[Device, ...]
    notes: tuple[Note, ...]

    def lines(self, language: Language = "en") -> list[str]:
        """The findings as lines of at most 80 columns (Korean characters take two)."""
        return list(_lines(self, language))


def report(
    machine: Machine,
    notes: Iterable[Note],
    availability: Mapping[str, Availability],
    cards: Mapping[str, BackendCard],
    processor: ProcessorState = ProcessorState(),  # noqa: B008 - frozen
    devices: Iterable[DeviceState] = (),
) -> Doctor:
    """Findings from the machine's facts, the preflight notes, and each probed backend's answer, all by backend id.

    Hidden backends (the harness's own) are left out; a card without an answer counts as absent, "not probed".
    """
    ready: list[ReadyBackend] = []
    absent: list[AbsentBackend] = []
    for name, card in sorted(cards.items()):
        if card.hidden:
            continue
        answer = availability.get(name, Availability(available=False, reason="not probed"))
        if answer.available:
            ready.append(
                ReadyBackend(
                    backend=name,
                    title=card.title,
                    device_type=card.device.type,
                    devices=answer.devices,
                    versions=answer.versions,
                    verified=card.verified.how,
                )
            )
        else:
            absent.append(
                AbsentBackend(
                    backend=name,
                    title=card.title,
                    reason=answer.reason or "the adapter gave no reason",
                    fix=Text(en=answer.fix, ko=answer.fix) if answer.fix else card.install,
                    device_type=card.device.type,
                )
            )
    shown = {name: card for name, card in cards.items() if not card.hidden}
    return Doctor(
        machine=machine,
        processor=processor,
        devices=tuple(devices),
        ready=tuple(ready),
        absent=tuple(absent),
        idle=unserved(machine.accelerators, availability, shown),
        notes=tuple(notes),
    )


def _width(text: str) -> int:
    # rich knows how wide characters are on terminals; imported here because `--json` does not need it.
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, first: str = "", rest: str = "") -> Iterator[str]:
    """`text` as lines of at most 80 columns, breaking at spaces, and inside words only where one is too long itself."""
    line, empty = first, True
    for word in text.split():
        gap = "" if empty else " "
        if not empty and _width(line + gap + word) > _COLUMNS:
            yield line
            line, gap = rest, ""
        while _width(line + gap + word) > _COLUMNS:
            kept = len(word)
            while kept > 1 and _width(line + gap + word[:kept]) > _COLUMNS:
                kept -= 1
            yield line + gap + word[:kept]
            line, gap, word = rest, "", word[kept:]
        line, empty = line + gap + word, False
    yield line.rstrip()


def _facts(machine: Machine, processor: ProcessorState, ko: bool) -> Iterator[tuple[str, str]]:
    count = f"{machine.cores or UNKNOWN} / {machine.threads or UNKNOWN}"
    yield "장비" if ko else "machine", machine.name
    yield "CPU", machine.cpu or UNKNOWN
    yield "코어/스레드" if ko else "cores/threads", count
    yield "메모리" if ko else "memory", show_bytes(machine.memory_bytes)
    yield "운영체제" if ko else "system", f"{machine.os}, {machine.kernel}"
    for title, value in (
        ("컨테이너" if ko else "container", machine.container),
        ("가상 머신" if ko else "virtual machine", machine.virtual_machine),
    ):
        if value:
            yield title, value
    yield "CPU 상태" if ko else "CPU condition", processor_words(processor, ko)
    labels = [device_label(device) for device in machine.accelerators]
    yield "가속기" if ko else "accelerators", ", ".join(labels) or ("없음" if ko else "none seen")


def _lines(found: Doctor, language: Language) -> Iterator[str]:
    ko = language == "ko"
    for title, value in _facts(found.machine, found.processor, ko):
        pad = " " * max(1, 18 - _width(title))
        yield from wrap(value, title + pad, " " * 18)
    answering = {state.id: state for state in found.devices}
    for device in found.machine.accelerators:
        yield ""
        yield from wrap(device_label(device), "", "  ")
        if device.id not in answering:
            yield from wrap("장치가 응답하지 않음" if ko else "the device does not answer", "  ! ", "    ")
            continue
        for line in device_words(answering[device.id], ko):
            yield from wrap(line, "  ", "    ")
    yield ""
    yield f"준비된 백엔드 {len(found.ready)}개" if ko else f"{len(found.ready)} backends ready"
    for ready in found.ready:
        devices = ", ".join(dict.fromkeys(device.name or device.id for device in ready.devices))
        versions = ", ".join(f"{name} {version}" for name, version in sorted(ready.versions.items()))
        tried = _NOT_TRIED[language] if ready.verified in _UNTRIED else ""
        detail = "; ".join(part for part in (devices, versions, tried) if part)
        yield from wrap(f"{ready.title[language]}{': ' if detail else ''}{detail}", f"  + {ready.backend}  ", "      ")
    if found.absent:
        yield ""
        yield f"준비되지 않은 백엔드 {len(found.absent)}개" if ko else f"{len(found.absent)} backends not ready"
    for absent in found.absent:
        yield from wrap(f"{absent.title[language]}: {absent.reason}", f"  - {absent.backend}  ", "      ")
        if absent.fix:
            yield from wrap(absent.fix[language], "      해결: " if ko else "      fix: ", "           ")
    if found.idle:
        yield ""
        yield "준비된 백엔드가 없는 가속기" if ko else "accelerators that no ready backend uses"
        for device in found.idle:
            yield from wrap(device_label(device), "  ! ", "    ")
    if found.notes:
        yield ""
        yield "측정 전에 볼 것" if ko else "before you measure"
        for note in found.notes:
            yield from wrap(note.text[language], "  ! " if note.severity == "warning" else "  i ", "    ")
