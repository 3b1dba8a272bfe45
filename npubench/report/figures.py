"""Latency charts: one per model × scope × execution kind, one line per launch, the same numbers as a table below.

Launches are never pooled: they are the unit of replication, so each has its own line in its cell's colour and dash.
Offline cells have no latency of their own and cells that are not results are not drawn; both are said. A cell of which
nothing proves where it ran, or that ran beside other services, has a chart to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from npubench.errors import NpubenchError
from npubench.lang import Text
from npubench.report import loads
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.latency import Line, Mark, chart, level, thin
from npubench.report.numbers import Footnotes, backend_name, count, model_name, of_cell
from npubench.report.placement import assisted
from npubench.report.shown import Figure, Number, SeriesRow
from npubench.report.words import KINDS, scope
from npubench.schema import Cell, Launch, Run
from npubench.stats.samples import Samples
from npubench.units import UNKNOWN

COLOURS, DASHES = 7, 6
# Every request is due from the start: completion minus scheduled time is the length of the run, not a latency.
WITHOUT_LATENCY = frozenset({"offline"})
_MARKED = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))

ReadSamples = Callable[[str], Samples | None]

_MISSING = Text(
    en="samples file missing: no line, the numbers are those of the launch file",
    ko="샘플 파일 없음: 선을 그리지 못했고, 수치는 실행 파일의 값입니다",
)
_EMPTY = Text(en="no request succeeded: no line", ko="성공한 요청이 없어 선이 없습니다")
_NO_RESULT = Text(en="not a result: not drawn", ko="결과가 아니므로 그리지 않습니다")


def counting(read: ReadSamples, launches: Mapping[str, Launch]) -> ReadSamples:
    """Samples of the window that counts: a launch that searched holds those of every load that it tried."""

    def within(name: str) -> Samples | None:
        found, launch = read(name), launches.get(name)
        if found is None or launch is None or launch.capacity is None or launch.window is None:
            return found
        return found.within(launch.window.start_ns, launch.window.end_ns)

    return within


def _lines(cell: Cell, read: ReadSamples, series: int, look: tuple[int, int]) -> tuple[list[Line], int, Text | None]:
    """(lines, preempted samples in all launches, what is missing)."""
    lines, preempted = [], 0
    missing: Text | None = None
    for name in cell.launches:
        try:
            samples = read(name)
        except NpubenchError as error:
            samples = None
            shown = clean(str(error), MESSAGE_LIMIT)
            missing = Text(en=f"samples cannot be read: {shown}", ko=f"샘플을 읽을 수 없음: {shown}")
        if samples is None:
            missing = missing or _MISSING
            continue
        good = samples.column("status") == 0
        preempted += int(samples.preempted[good].sum())
        points = thin(samples.latency_ns[good])
        if points:
            lines.append(Line(series=series, colour=look[0], dash=look[1], points=points))
        else:
            missing = missing or _EMPTY
    return lines, preempted, missing


def _counted(launches: int, preempted: int | None) -> Text:
    """`2 launches, 42 pre-empted`, under the number of samples."""
    n = count(launches)
    english, korean = f"{n} {'launch' if launches == 1 else 'launches'}", f"실행 {n}회"
    if preempted is None:
        return Text(en=english, ko=korean)
    return Text(en=f"{english}, {count(preempted)} pre-empted", ko=f"{korean}, 선점 {count(preempted)}개")


def _figure(run: Run, key: str, cells: list[Cell], read: ReadSamples, looks: dict[str, tuple[int, int]]) -> Figure:
    lines: list[Line] = []
    marks: list[Mark] = []
    rows = []
    notes = Footnotes()
    for series, cell in enumerate(cells):
        look = looks[cell.id]
        drawn: list[Line] = []
        preempted = 0
        missing: Text | None = _NO_RESULT
        if cell.verdict in ("valid", "degraded"):
            drawn, preempted, missing = _lines(cell, read, series, look)
        lines += drawn
        numbers: dict[str, Number] = {}
        for name, share in _MARKED:
            number, why = of_cell(cell, f"latency_{name}_ns")
            numbers[name] = notes.add(number, why)
            spread = cell.summary.get(f"latency_{name}_ns")
            if drawn and spread is not None and spread.median is not None:
                marks.append(Mark(series=series, colour=look[0], name=name, x=spread.median, y=level(share)))
        rows.append(
            SeriesRow(
                colour=look[0],
                dash=look[1],
                drawn=bool(drawn),
                backend=backend_name(run, cell.backend),
                precision=clean(cell.precision),
                scenario=loads.title(cell.scenario),
                samples=of_cell(cell, "sample_count")[0].text,
                counted=_counted(len(cell.launches), preempted if drawn else None),
                assisted=assisted(cell.certificate),
                missing=missing,
                **numbers,
            )
        )
    model = model_name(run, cells[0].model)
    where = scope(cells[0].scope)[0]
    if cells[0].mix is not None:
        where = Text(en=f"{where.en} · beside other services", ko=f"{where.ko} · 다른 서비스와 동시")
    kind = KINDS[cells[0].execution_kind][0]
    known = [row for row in rows if row.p50.text != UNKNOWN]
    say = "; ".join(f"{row.backend.title.en} p50 {row.p50.text}, p99 {row.p99.text}" for row in known[:6])
    return Figure(
        key=key,
        model=model,
        context=Text(en=f"{where.en} · {kind.en}", ko=f"{where.ko} · {kind.ko}"),
        description=Text(
            en=f"Latency distribution, one line per launch. {say}".strip(),
            ko=f"지연 시간 분포, 실행마다 한 선. {say}".strip(),
        ),
        chart=chart(lines, marks),
        rows=tuple(rows),
        notes=notes.texts,
    )


def figures(run: Run, key: str, read: ReadSamples) -> tuple[Figure, ...]:
    """Every chart of a run. `read` gives the samples of `<cell>-<n>`, or None where the file is missing."""
    drawable = [
        cell
        for cell in run.cells
        if cell.purpose == "measure"
        and cell.execution_kind is not None
        and cell.summary
        and cell.scenario.name not in WITHOUT_LATENCY
    ]
    backends = list(dict.fromkeys(cell.backend for cell in drawable))
    kinds = list(dict.fromkeys((cell.backend, cell.precision, loads.written(cell.scenario)) for cell in drawable))
    # The same backend has the same colour in every chart, and the same cell kind the same dash.
    looks = {
        cell.id: (
            backends.index(cell.backend) % COLOURS,
            kinds.index((cell.backend, cell.precision, loads.written(cell.scenario))) % DASHES,
        )
        for cell in drawable
    }
    found: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in drawable:
        alone = cell.id if cell.execution_kind == "unknown" or cell.mix is not None else ""
        found.setdefault((cell.model, cell.scope, str(cell.execution_kind), alone), []).append(cell)
    return tuple(_figure(run, f"{key}-f{n}", cells, read, looks) for n, cells in enumerate(found.values(), 1))
