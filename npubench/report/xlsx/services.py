"""The sheets of CCTV and OCR: a row for each build on each backend, in the units that a buyer counts in.

Guarantees: a table holds one scope and one execution kind; an energy column holds one scope of metering and names it;
a chart's bars start at zero and are of one model and one use.

Not aware of: language models (`llm`), single cells (`cells`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import loads
from npubench.report.cells import own_words
from npubench.report.power_figures import covering, spoken
from npubench.report.power_words import scope_name
from npubench.report.quality import DRAWN
from npubench.report.xlsx import heads
from npubench.report.xlsx.builds import (
    BOUNDS,
    JUDGED,
    WHERE,
    WHY,
    Build,
    any_of,
    builds,
    first,
    held,
    held_p99,
    of_scenario,
    rather,
    sustained,
    under,
)
from npubench.report.xlsx.heads import Item, checked, efficiency, grouped, metric, quality
from npubench.report.xlsx.parts import Chart, Column, Figure, Head, Sheet, Table, bars, charted, led, listed, table
from npubench.schema import Cell
from npubench.spi import MeterScope

_USUAL_FPS = 15
_J_PER_KWH = 3.6e6
_CAMERAS = Text(en="cameras", ko="대")
_PAGES = Text(en="pages/min", ko="페이지/min")
_NOT_HERE = Text(en="not read in this scope", ko="이 범위에서 읽지 못함")

CCTV = Text(en="CCTV", ko="CCTV")
OCR = Text(en="OCR", ko="OCR")
_TITLES = {
    "frame": (CCTV, Text(en="CCTV monitoring: cameras for each device", ko="CCTV 관제: 장치별 카메라 수")),
    "page": (OCR, Text(en="Reading documents (OCR): pages for each device", ko="문서 판독(OCR): 장치별 처리 페이지")),
}
_SAID = {
    "frame": Text(
        en="Cameras: the largest number whose frames were all done in time (within one frame interval, at the "
        "percentile stated), confirmed at full length. Sustained: without a bound. Cameras per watt: the cameras "
        "served over the mean power.",
        ko="카메라 수는 모든 프레임을 제때(프레임 간격 안에, 표시한 백분위수로) 처리함을 전체 시간 동안 확인한 최댓값"
        "입니다. 지속 프레임은 한계 없이 잰 값이며, 와트당 카메라는 감당한 카메라 수를 평균 전력으로 나눈 값입니다.",
    ),
    "page": Text(
        en="CER: one minus the characters read right; of whole pages it counts words that were missed or invented. "
        "Pages per kWh: from the joules of one page, idle power included.",
        ko="CER(문자 오류율)은 문자 정확도를 1에서 뺀 값이며, 쪽 전체 CER은 놓치거나 지어낸 단어도 셉니다. kWh당 "
        "페이지는 유휴 전력을 포함한 페이지당 에너지에서 구합니다.",
    ),
}


def cameras_at(fps: object) -> Text:
    shown = loads.exact(fps)
    return Text(en=f"Cameras at {shown} fps", ko=f"{shown} fps 카메라")


def _fps(items: Sequence[Item]) -> list[float]:
    """The camera rates that were searched."""
    found = {item.cell.scenario.params.get("fps") for item in items if loads.searched(item.cell.scenario) == "cameras"}
    return sorted(fps for fps in found if isinstance(fps, (int, float)))


def _at(fps: float, cell: Cell) -> bool:
    return loads.searched(cell.scenario) == "cameras" and cell.scenario.params.get("fps") == fps


def _searched(cell: Cell) -> bool:
    return loads.searched(cell.scenario) is not None


def _scopes(rows: Sequence[Build]) -> tuple[MeterScope, ...]:
    return covering([[item.cell for item in row.items] for row in rows])


_HELD = Chart(
    Text(en="Cameras served within the bound", ko="한계 안에서 감당하는 카메라"), Text(en="cameras", ko="카메라(대)")
)
_STEADY = Chart(METRICS["sustained_frames_per_s"].title, Text(en="frames/s", ko="프레임/s"))
_WITHIN = Text(en="Pages per minute within the bound", ko="한계 안의 분당 페이지")
_PAGES_HELD = Chart(_WITHIN, _PAGES)
_OFFLINE = Chart(Text(en="Pages per minute, all at once", ko="분당 페이지, 한꺼번에"), _PAGES)


def _energy_chart(en: str, ko: str, axis: Text, where: MeterScope) -> Chart:
    """One scope of metering in a chart, never two."""
    name = scope_name(where)
    return Chart(Text(en=f"{en}, {name.en}", ko=f"{ko}, {name.ko}"), axis)


def _per_watt(fps: float, where: MeterScope, drawn: bool) -> Head:
    """The cameras of a watt."""
    name = scope_name(where)
    said = Text(
        en=f"Cameras per watt at {loads.exact(fps)} fps, {name.en}",
        ko=f"와트당 카메라, {loads.exact(fps)} fps, {name.ko}",
    )

    def says(item: Item) -> Figure:
        spread = item.cell.efficiency.get(where, {}).get("cameras_per_w")
        if spread is None or spread.median is None:
            why = spoken(spread.reason, item.said) if spread is not None else item.cell.energy_reason
            return Figure(None, own_words([why])[0] if why is not None else _NOT_HERE)
        return Figure(spread.median)

    axis = Text(en="cameras per watt", ko="와트당 카메라(대)")
    chart = _energy_chart("Cameras per watt", "와트당 카메라", axis, where) if drawn else None
    return under(partial(_at, fps), Head(Column(title=said, chart=chart, lead=True), lambda item: checked(item, says)))


def _per_kwh(where: MeterScope, drawn: bool) -> Head:
    """Pages of a kilowatt-hour, from the joules of a page."""
    head = efficiency("energy_per_page_j", where)
    name = scope_name(where)
    said = Text(en=f"Pages per kWh, {name.en}", ko=f"kWh당 페이지, {name.ko}")

    def says(item: Item) -> Figure:
        found = head.says(item)
        return Figure(_J_PER_KWH / found.value) if isinstance(found.value, float) and found.value else found

    axis = Text(en="pages/kWh", ko="페이지/kWh")
    chart = _energy_chart("Pages per kWh", "kWh당 페이지", axis, where) if drawn else None
    return Head(Column(title=said, chart=chart, lead=True), says)


_P = Text(en="one at a time", ko="하나씩")


def _single(key: str) -> Head:
    title = METRICS[key].title
    said = Text(en=f"{title.en}, {_P.en}", ko=f"{title.ko}, {_P.ko}")
    return under(of_scenario("single-stream"), metric(key, said))


def _offline(key: str) -> Head:
    title = METRICS[key].title
    said = Text(en=f"{title.en}, all at once", ko=f"{title.ko}, 한꺼번에")
    return under(of_scenario("offline"), metric(key, said))


def _head_columns() -> list[Head]:
    return [first(heads.LABEL), first(heads.MODEL), first(heads.PRECISION), first(heads.BACKEND)]


def _tail_columns() -> list[Head]:
    return [*WHERE, BOUNDS, JUDGED, WHY]


def _cctv(rows: Sequence[Build], items: Sequence[Item]) -> list[Head]:
    rates = _fps(items)
    found = _head_columns()
    found += [charted(held(partial(_at, fps), cameras_at(fps), _CAMERAS), _HELD) for fps in rates]
    found.append(charted(sustained(_searched, "frame"), _STEADY))
    if rates:
        usual = _USUAL_FPS if _USUAL_FPS in rates else rates[0]
        found += [_per_watt(usual, where, heads.alike(where, items)) for where in _scopes(rows)]
    found.append(led(any_of(quality("map50"))))
    for fps in rates:
        at = cameras_at(fps)
        found.append(
            held_p99(partial(_at, fps), Text(en=f"p99 with these cameras, {loads.exact(fps)} fps", ko=f"{at.ko}의 p99"))
        )
    found += [_single("latency_p50_ns"), _single("latency_p99_ns"), led(_offline("frames_per_s"))]
    return found + _tail_columns()


def _ocr(rows: Sequence[Build], items: Sequence[Item]) -> list[Head]:
    found = _head_columns()
    found += [
        charted(held(_searched, _WITHIN, _PAGES), _PAGES_HELD),
        sustained(_searched, "page"),
        charted(_offline("pages_per_min"), _OFFLINE),
        led(_single("latency_p99_ns")),
        led(any_of(quality("page_char_accuracy", Text(en="CER of whole pages", ko="쪽 전체 CER"), error=True))),
        any_of(quality("char_accuracy", Text(en="CER of words in their places", ko="단어 CER"), error=True)),
    ]
    found += [rather(_searched, _per_kwh(where, heads.alike(where, items))) for where in _scopes(rows)]
    found += [_single("latency_p50_ns"), held_p99(_searched, Text(en="p99 at that load", ko="그 부하의 p99"))]
    return found + _tail_columns()


_HEADS = {"frame": _cctv, "page": _ocr}


def _parts(rows: Sequence[Build]) -> list[tuple[int, int, Text]]:
    """Rows of one model and use, which may stand in one chart: (first, the one after the last, name)."""
    found: list[tuple[int, int, Text]] = []
    for at, row in enumerate(rows):
        name = heads.MODEL.says(row.first).value
        assert isinstance(name, Text)
        use = loads.use(row.first.cell.scenario)
        name = name if use is None else listed([name, use])
        if found and found[-1][2] == name:
            found[-1] = (found[-1][0], at + 1, name)
        else:
            found.append((at, at + 1, name))
    return found


def tables(items: list[Item], unit: str) -> tuple[Table, ...]:
    """The tables of one service: one for each execution kind and scope."""
    found = []
    for kind, together in grouped([item for item in items if item.cell.unit == unit]).items():
        if kind.mixed or kind.kind is None:
            continue
        rows = builds(together)
        columns = _HEADS[unit](rows, together)
        drawn = any(item.cell.quality is not None and item.cell.quality.drawn for item in together)
        notes = [Text(en=f"Quality is {DRAWN.en}.", ko=f"품질: {DRAWN.ko}.")] if drawn else []
        made = table(
            kind.title, columns, rows, said=[_SAID[unit]], notes=notes, tone=lambda row: row.tone, toned=heads.VERDICT
        )
        found.append(bars(made, _parts(rows), (0, 0), heads.LABEL.column.title))
    return tuple(found)


def sheet(items: list[Item], unit: str) -> Sheet | None:
    """The sheet of one service (`frame`, `page`); None where nothing of it was measured."""
    found = tables(items, unit)
    name, title = _TITLES[unit]
    return Sheet(name=name, title=title, tables=found) if found else None
