"""Columns of metrics: titles from `metrics.METRICS`, the unit in the head, values scaled to it; and what a cell is.

Guarantees: times are in ms, sizes in MiB, shares in percent, everything else in its stored unit (joules of a frame in
mJ): one unit for a whole column, whatever its values. What is no result (an invalid cell) has no number here.

Not aware of: which columns a sheet has (`cells`, `services`, `llm`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from npubench.lang import Text
from npubench.metrics import METRICS, QUALITY
from npubench.report import loads, reasons
from npubench.report.cells import own_words
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, model_name
from npubench.report.placement import time_share
from npubench.report.power_figures import Sayings, spoken
from npubench.report.power_words import scope_name
from npubench.report.words import EXTENTS, KINDS, SERVICES, VERDICTS, scope
from npubench.report.xlsx.parts import Column, Figure, Form, Head, Tone, led, listed, text
from npubench.schema import Cell, Launch, Run, Spread
from npubench.spi import MeterScope

# Stored unit → (factor, unit of the column).
_UNITS: dict[str, tuple[float, Text]] = {
    "ns": (1e-6, Text(en="ms", ko="ms")),
    "B": (1 / (1 << 20), Text(en="MiB", ko="MiB")),
    "ratio": (1.0, Text(en="%", ko="%")),
    "count": (1.0, Text(en="", ko="개")),
    "frames/s": (1.0, Text(en="frames/s", ko="프레임/s")),
    "pages/min": (1.0, Text(en="pages/min", ko="페이지/min")),
    "tokens/s": (1.0, Text(en="tokens/s", ko="토큰/s")),
    "samples/s": (1.0, Text(en="samples/s", ko="샘플/s")),
    "requests/s": (1.0, Text(en="requests/s", ko="요청/s")),
    "tokens": (1.0, Text(en="tokens", ko="토큰")),
    "cameras": (1.0, Text(en="cameras", ko="대")),
    "users": (1.0, Text(en="users", ko="명")),
    "J/frame": (1e3, Text(en="mJ/frame", ko="mJ/프레임")),
    "J/page": (1.0, Text(en="J/page", ko="J/페이지")),
    "J/request": (1.0, Text(en="J/request", ko="J/요청")),
    "tokens/J": (1.0, Text(en="tokens/J", ko="토큰/J")),
    "cameras/W": (1.0, Text(en="cameras/W", ko="대/W")),
    "users/W": (1.0, Text(en="users/W", ko="명/W")),
}
_COUNTED = ("count", "cameras", "users", "tokens")
_INVALID = Text(en="invalid, so not a result", ko="무효이므로 결과가 아님")
_UNSUPPORTED = Text(en="not supported", ko="미지원")
_NO_CERTIFICATE = Text(en="no placement certificate", ko="실행 위치 증명서 없음")

VERDICT = Text(en="Verdict", ko="판정")
REASONS = Text(en="Why this verdict, and what to know", ko="판정 이유와 참고")


class Item(NamedTuple):
    """A cell with its run, what the ledgers of that run say, its launches, and what tells its run apart from others.

    `launches` maps `<cell>-<n>`; `where` is empty where one run stands alone.
    """

    run: Run
    cell: Cell
    said: Sayings
    launches: Mapping[str, Launch]
    where: str = ""

    @property
    def usable(self) -> bool:
        return self.cell.verdict in ("valid", "degraded")

    @property
    def tone(self) -> Tone:
        return VERDICTS[self.cell.verdict][0]


_WHOLE: tuple[MeterScope, ...] = ("node", "wall")


def alike(where: MeterScope, items: Iterable[Item]) -> bool:
    """Whether bars of a scope of metering may stand side by side: what a scope smaller than the machine covers differs
    between unlike devices (METRICS.md, Energy).
    """
    return where in _WHOLE or len({item.cell.backend for item in items if item.cell.efficiency.get(where)}) == 1


def unit_of(unit: str) -> tuple[float, Text]:
    """(factor, the column's unit) of a stored unit."""
    return _UNITS.get(unit, (1.0, Text(en=unit, ko=unit)))


def with_unit(title: Text, unit: Text) -> Text:
    """`title (unit)`."""
    return Text(
        en=f"{title.en} ({unit.en})" if unit.en else title.en, ko=f"{title.ko} ({unit.ko})" if unit.ko else title.ko
    )


def capital(title: Text) -> Text:
    """A title as it stands at the head of a column; `mAP50` stays."""
    word = title.en.partition(" ")[0].strip(",")
    small = word.isalpha() and word.islower()
    return Text(en=title.en[:1].upper() + title.en[1:] if small else title.en, ko=title.ko)


def column_of(title: Text, unit: str) -> Column:
    """The column of values that are stored in `unit`."""
    form: Form = "percent" if unit == "ratio" else "count" if unit in _COUNTED else "number"
    return Column(title=with_unit(capital(title), unit_of(unit)[1]), form=form)


def scaled(spread: Spread | None, unit: str, why: Text | None = None) -> Figure:
    """A cell's value in the column's unit, or why there is none."""
    if spread is None:
        return Figure(None, why or reasons.NOT_MEASURED)
    if spread.median is None:
        return Figure(None, reasons.short(spread.reason))
    return Figure(spread.median * unit_of(unit)[0])


def checked(item: Item, says: Callable[[Item], Figure]) -> Figure:
    """What `says` says of a cell that is a result."""
    if item.usable:
        return says(item)
    return Figure(None, _UNSUPPORTED if item.cell.verdict == "unsupported" else _INVALID)


def metric(key: str, title: Text | None = None) -> Head:
    """A metric of a cell's summary."""
    known = METRICS[key]
    return Head(
        column_of(title or known.title, known.unit),
        lambda item: checked(item, lambda each: scaled(each.cell.summary.get(key), known.unit)),
    )


def efficiency(key: str, where: MeterScope, title: Text | None = None) -> Head:
    """A metric of energy in one scope of metering, which the head names."""
    known, name = METRICS[key], scope_name(where)
    said = title or known.title
    named = Text(en=f"{said.en}, {name.en}", ko=f"{said.ko}, {name.ko}")

    def says(item: Item) -> Figure:
        spread = item.cell.efficiency.get(where, {}).get(key)
        if spread is not None and spread.median is None:
            return Figure(None, spoken(spread.reason, item.said))
        return scaled(spread, known.unit, _dark(item))

    return Head(column_of(named, known.unit), lambda item: checked(item, says))


def _dark(item: Item) -> Text:
    why = item.cell.energy_reason
    return own_words([why])[0] if why is not None else Text(en="not read in this scope", ko="이 범위에서 읽지 못함")


def quality(key: str, title: Text | None = None, *, error: bool = False) -> Head:
    """A quality figure; `error`: one minus it."""
    known = QUALITY[key]

    def says(item: Item) -> Figure:
        if item.cell.quality is None:
            return Figure(None, reasons.short(item.cell.quality_reason))
        score = next((each for each in item.cell.quality.scores if each.metric == key), None)
        if score is None or score.value is None:
            return Figure(None, reasons.short(score.reason) if score is not None else reasons.NOT_MEASURED)
        return Figure(1 - score.value if error else score.value)

    # A figure of quality is why a cell is invalid, so that it stands there, too.
    return Head(column_of(title or known.title, known.unit), says)


def label(item: Item) -> Text:
    """What a cell is called beside others of its table: backend, precision, and what else tells it apart."""
    parts = [backend_name(item.run, item.cell.backend).title, _same(item.cell.precision)]
    variant = item.cell.key.get("variant", "portable")
    parts += [_same(variant)] if variant != "portable" else []
    use = loads.use(item.cell.scenario)
    parts += [use] if use is not None else []
    parts += [_same(item.where)] if item.where else []
    return listed(parts, " · ")


def _same(name: object) -> Text:
    shown = clean(name)
    return Text(en=shown, ko=shown)


def _of(says: Callable[[Item], Text | str | float]) -> Callable[[Item], Figure]:
    return lambda item: Figure(says(item))


LABEL = led(Head(text("Configuration", "구성"), _of(label)))
MODEL = led(Head(text("Model", "모델"), _of(lambda item: model_name(item.run, item.cell.model).title)))
PRECISION = Head(text("Precision", "정밀도"), _of(lambda item: clean(item.cell.precision)))
BACKEND = Head(text("Backend", "백엔드"), _of(lambda item: clean(item.cell.backend)))
LOAD = Head(text("Load", "부하"), _of(lambda item: loads.title(item.cell.scenario)))
WRITTEN = Head(text("Scenario", "시나리오"), _of(lambda item: loads.whole(item.cell.scenario)))
JUDGED = led(Head(Column(title=VERDICT, form="text"), _of(lambda item: VERDICTS[item.cell.verdict][1])))


def _why(item: Item) -> Figure:
    said = [*own_words(item.cell.reasons), *own_words(item.cell.lacks)]
    said += [_same(f"{failure.kind.value}: {failure.message}") for failure in item.cell.failures[:1]]
    return Figure(listed(list(dict.fromkeys(said)), "; ") if said else "")


WHY = Head(Column(title=REASONS, form="long"), _why)


def _extent(item: Item) -> Figure:
    found = item.cell.certificate
    if found is None:
        return Figure(None, reasons.short(item.cell.certificate_reason) if item.cell.certificate_reason else None)
    return Figure(EXTENTS[found.extent][1])


def _share(item: Item) -> Figure:
    found = item.cell.certificate
    if found is None:
        return Figure(None, _NO_CERTIFICATE)
    return Figure(found.macs_share, reasons.short(found.macs_reason) if found.macs_reason else None)


def _time(item: Item) -> Figure:
    found = item.cell.certificate
    if found is None:
        return Figure(None, _NO_CERTIFICATE)
    return Figure(time_share(found), reasons.short(found.profile_reason) if found.profile_reason else None)


WHERE = (
    led(Head(text("Ran there?", "실행 위치"), _extent)),
    led(Head(Column(title=Text(en="Arithmetic on the device (%)", ko="장치의 연산량 (%)"), form="percent"), _share)),
    Head(Column(title=Text(en="Time on the device (%)", ko="장치의 시간 (%)"), form="percent"), _time),
)
"""Where a build ran: the requested provider's share of the arithmetic and of the time, never made into one."""


class Kind(NamedTuple):
    """What may stand in one table: one execution kind, one scope, one service unit, alone or beside others."""

    kind: str | None
    scope: str
    unit: str
    mixed: bool

    @property
    def title(self) -> Text:
        """Told in full, so that no table is read for another."""
        service = SERVICES.get(self.unit, SERVICES["sample"])[1]
        kind = KINDS[self.kind][0] if self.kind in KINDS else KINDS["unknown"][0]
        # What no launch finished of has no service unit either.
        parts = [service, scope(self.scope)[0], kind] if self.kind is not None else [kind, scope(self.scope)[0]]
        parts += [Text(en="beside other services", ko="다른 서비스와 동시에")] if self.mixed else []
        return listed(parts, " · ")


def kind_of(cell: Cell) -> Kind:
    unit = cell.unit if cell.unit in SERVICES and cell.execution_kind is not None else "sample"
    return Kind(cell.execution_kind, cell.scope, unit, cell.mix is not None)


def grouped(items: list[Item]) -> dict[Kind, list[Item]]:
    """What may stand together, hardware first, the services in their order."""
    found: dict[Kind, list[Item]] = {}
    for item in items:
        found.setdefault(kind_of(item.cell), []).append(item)
    kinds, units, scopes = list(KINDS), list(SERVICES), ("service", "device", "resident")

    def place(kind: Kind) -> tuple[int, ...]:
        at = scopes.index(kind.scope) if kind.scope in scopes else len(scopes)
        known = kinds.index(kind.kind) if kind.kind in kinds else len(kinds)
        return known, kind.mixed, units.index(kind.unit), at

    return {kind: found[kind] for kind in sorted(found, key=place)}
