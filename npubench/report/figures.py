"""Latency charts: one per model × scope × execution kind, one line per launch, the same numbers as tables below.

Launches are never pooled: they are the unit of replication, so each has its own line in its cell's colour and dash.
Offline cells have no latency of their own and cells that are not results are not drawn; both are said. A cell of which
nothing proves where it ran, or that ran beside other services, has a chart to itself. Many cells are shared out among
several charts, and a run of thousands has its first MOST_PICTURES drawn: nobody reads more, and the tables are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from npubench.errors import NpubenchError
from npubench.lang import Text
from npubench.report import loads
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.latency import Chart, Mark, Seen, chart, level
from npubench.report.numbers import Footnotes, backend_name, count, model_name, of_cell
from npubench.report.placement import assisted
from npubench.report.shown import BinRow, Figure, Histogram, Number, SeriesRow
from npubench.report.words import KINDS, scope
from npubench.schema import Cell, Launch, Run
from npubench.stats.samples import Samples
from npubench.units import UNKNOWN, show_ns, show_share

COLOURS, DASHES = 7, 6
# As many cells as can be told apart in one picture.
MOST_CELLS = 8
MOST_PICTURES = 60
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
_NOTHING = Text(en="Nothing to draw: the reasons are in the table.", ko="그릴 자료가 없습니다. 이유는 표에 있습니다.")
_TOO_MANY = Text(
    en=f"Not drawn: this run has more than {MOST_PICTURES} pictures of latency. The numbers are in the table.",
    ko=f"지연 시간 그림이 {MOST_PICTURES}개를 넘어 그리지 않았습니다. 수치는 표에 있습니다.",
)


def counting(read: ReadSamples, launches: Mapping[str, Launch]) -> ReadSamples:
    """Samples of the window that counts: a launch that searched holds those of every load that it tried."""

    def within(name: str) -> Samples | None:
        found, launch = read(name), launches.get(name)
        if found is None or launch is None or launch.capacity is None or launch.window is None:
            return found
        return found.within(launch.window.start_ns, launch.window.end_ns)

    return within


def _seen(cell: Cell, read: ReadSamples, series: int, look: tuple[int, int]) -> tuple[list[Seen], int, Text | None]:
    """(what each launch saw, pre-empted samples in all of them, what is missing)."""
    found, taken = [], 0
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
        good = np.flatnonzero(samples.column("status") == 0)
        order = good[np.argsort(samples.latency_ns[good], kind="stable")]
        taken += int(samples.preempted[order].sum())
        if len(order):
            values, marked = samples.latency_ns[order], samples.preempted[order]
            found.append(Seen(series=series, colour=look[0], dash=look[1], values=values, taken=marked))
        else:
            missing = missing or _EMPTY
    return found, taken, missing


def _bins(drawn: Chart) -> Iterator[BinRow]:
    """The bars as rows, a bin each: of every cell how many requests, and how many were done by the bin's end."""
    counts = [{index: (n, taken) for index, n, taken in bars.bins} for bars in drawn.bars]
    done = [0] * len(counts)
    columns = _columns(drawn)
    for index in drawn.bins:
        done = [before + found.get(index, (0, 0))[0] for before, found in zip(done, counts, strict=True)]
        numbers: list[str] = []
        for series in columns:
            mine = [i for i, bars in enumerate(drawn.bars) if bars.series == series]
            here = [counts[i].get(index, (0, 0)) for i in mine]
            taken = " · ".join(count(each) for _, each in here) if any(each for _, each in here) else ""
            numbers.append(_once([count(n) for n, _ in here]) + (f" ({taken})" if taken else ""))
            numbers.append(_once([show_share(done[i] / drawn.bars[i].total) for i in mine]))
        yield BinRow(span=f"{show_ns(drawn.edges[index])} – {show_ns(drawn.edges[index + 1])}", numbers=tuple(numbers))


def _once(each: list[str]) -> str:
    """What each launch says; `0` and `100 %` of all of them once, for most bins are empty for most cells."""
    return each[0] if len(set(each)) == 1 and each[0] in ("0", "0 %", "100 %") else " · ".join(each)


def _columns(drawn: Chart) -> tuple[int, ...]:
    return tuple(dict.fromkeys(bars.series for bars in drawn.bars))


def _counted(launches: int, preempted: int | None) -> Text:
    """`2 launches, 42 pre-empted`, under the number of samples."""
    n = count(launches)
    english, korean = f"{n} {'launch' if launches == 1 else 'launches'}", f"실행 {n}회"
    if preempted is None:
        return Text(en=english, ko=korean)
    return Text(en=f"{english}, {count(preempted)} pre-empted", ko=f"{korean}, 선점 {count(preempted)}개")


def _figure(
    run: Run, key: str, cells: list[Cell], read: ReadSamples | None, looks: dict[str, tuple[int, int]], part: Text
) -> Figure:
    """One picture and its tables. `read` None: it is not drawn. `part`: which of several it is, else empty."""
    seen: list[Seen] = []
    marks: list[Mark] = []
    rows = []
    notes = Footnotes()
    for series, cell in enumerate(cells):
        look = looks[cell.id]
        mine: list[Seen] = []
        preempted = 0
        missing: Text | None = None
        if cell.verdict not in ("valid", "degraded"):
            missing = _NO_RESULT
        elif read is not None:
            mine, preempted, missing = _seen(cell, read, series, look)
        seen += mine
        numbers: dict[str, Number] = {}
        for name, share in _MARKED:
            number, why = of_cell(cell, f"latency_{name}_ns")
            numbers[name] = notes.add(number, why)
            spread = cell.summary.get(f"latency_{name}_ns")
            if mine and spread is not None and spread.median is not None:
                marks.append(Mark(series=series, colour=look[0], name=name, x=spread.median, y=level(share)))
        rows.append(
            SeriesRow(
                colour=look[0],
                dash=look[1],
                drawn=bool(mine),
                backend=backend_name(run, cell.backend),
                precision=clean(cell.precision),
                scenario=loads.title(cell.scenario),
                samples=of_cell(cell, "sample_count")[0].text,
                counted=_counted(len(cell.launches), preempted if mine else None),
                assisted=assisted(cell.certificate),
                missing=missing,
                **numbers,
            )
        )
    drawn = chart(seen, marks)
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
        context=Text(en=f"{where.en} · {kind.en}{part.en}", ko=f"{where.ko} · {kind.ko}{part.ko}"),
        description=Text(
            en=f"Latency distribution: one line per launch, and a histogram per cell below. {say}".strip(),
            ko=f"지연 시간 분포: 실행마다 한 선, 아래는 측정별 히스토그램. {say}".strip(),
        ),
        chart=drawn,
        undrawn=_TOO_MANY if read is None else _NOTHING,
        histogram=None if drawn is None else Histogram(columns=_columns(drawn), rows=tuple(_bins(drawn))),
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
    shown: list[Figure] = []
    for cells in found.values():
        parts = [cells[i : i + MOST_CELLS] for i in range(0, len(cells), MOST_CELLS)]
        for n, some in enumerate(parts, 1):
            of = count(len(parts))
            part = Text(en=f" · {n} of {of}", ko=f" · {n}/{of}") if len(parts) > 1 else Text(en="", ko="")
            within = read if len(shown) < MOST_PICTURES else None
            shown.append(_figure(run, f"{key}-f{len(shown) + 1}", some, within, looks, part))
    return tuple(shown)
