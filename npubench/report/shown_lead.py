"""What a report says first: claims, answers, standings, changes, histories, decided and formatted. See `shown`."""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.shown_base import Name, Number, Shown, Tone
from npubench.spi import MeterScope
from npubench.stats.trend import CellTrend


class Spent(Shown, frozen=True, kw_only=True):
    """What one unit of a service takes in one scope of metering. `whole`: unlike devices may be compared in it."""

    scope: MeterScope
    title: Text
    number: Number
    whole: bool


class Claim(Shown, frozen=True, kw_only=True):
    """What one backend delivers of one model: `sentence` says it all, the others are its parts.

    `figure`: the number alone, `short` with its counter, `much` what it is of, `spelled` the same with its unit in full
    words; `value`: the same unrounded, more is better, None: unknown. `assisted`: what a part on the CPU is called.
    `placed` None: there is no result that could have run anywhere. `on_cpu`: a certificate says that it was asked to
    run on the CPU. `limit`: what stopped it. `scope`: what the number covers; None: the whole service.
    `load` leaves out how a backend is driven, which is its own choice. `dark`: why `spent` lacks any.
    """

    backend: Name
    model: Name
    precision: str
    load: Text
    scope: Text | None
    figure: Number
    value: float | None
    much: Text
    spelled: Text
    short: Text
    sentence: Text
    spent: tuple[Spent, ...]
    dark: Text
    placed: Text | None
    assisted: Text | None
    on_cpu: bool
    quality: Text | None
    limit: Text | None
    tone: Tone
    verdict_text: Text
    anchor: str


class Claims(Shown, frozen=True, kw_only=True):
    """All claims of one service in one execution kind (None: hardware)."""

    key: str
    title: Text
    kind: Text | None
    rows: tuple[Claim, ...]


class Answer(Shown, frozen=True, kw_only=True):
    """A question that everybody asks, answered in a line or two. `links`: (id, name) of where the page shows it.

    `conditions` are numbered on the page; `elsewhere` are those of what the page's head does not tell; `checked` was
    found to hold.
    """

    question: Text
    answer: Text
    more: tuple[Text, ...]
    tone: Tone
    links: tuple[tuple[str, Text], ...]
    conditions: tuple[Text, ...] = ()
    elsewhere: tuple[Text, ...] = ()
    checked: tuple[Text, ...] = ()


class HeadValue(Shown, frozen=True, kw_only=True):
    """What one device delivers. `anchor`: the id of its cell, empty where there is none. `precision`: where the devices
    of a row do not share one. `why`: why it is unknown.
    """

    text: Text
    note: Text | None
    anchor: str
    precision: str = ""
    why: Text | None = None


class HeadRow(Shown, frozen=True, kw_only=True):
    """One service on every device. `note`: what its numbers cannot be read without. `model` is empty in a row that goes
    on about the one before it.
    """

    title: Text
    model: str
    note: Text | None
    values: tuple[HeadValue, ...]


class HeadTable(Shown, frozen=True, kw_only=True):
    """Services and devices. `columns`: (device, its machine, empty where there is one). `down`: devices go down."""

    columns: tuple[tuple[Text, str], ...]
    rows: tuple[HeadRow, ...]
    down: bool


class Strip(Shown, frozen=True, kw_only=True):
    """A value and its interval on a scale of 0 to 100. `high` None with `low` known: open to that side.

    `band`: what does not count as a change, on the same scale; `zero`: where nothing changed.
    """

    mid: float | None
    low: float | None
    high: float | None
    band: tuple[float, float] | None = None
    zero: float | None = None


class Scale(Shown, frozen=True, kw_only=True):
    """The scale above a column of strips: (place of 0 to 100, label)."""

    ticks: tuple[tuple[float, str], ...]


class StandingRow(Shown, frozen=True, kw_only=True):
    """One entry. `mark`: its letter in the picture, empty where it is in none. `others` follow the table's columns."""

    mark: str
    place: str
    front: bool
    backend: Name
    beside: str
    number: str
    interval: str
    strip: Strip
    others: tuple[str, ...]
    said: Text
    anchor: str


class StandingTable(Shown, frozen=True, kw_only=True):
    """Entries in one division, best first. `columns`: the ranked metric, then those of `others`.

    `metered`: the last column is energy.
    """

    key: str
    title: Text
    better: Text
    interval: Text
    columns: tuple[Text, ...]
    metered: bool
    scale: Scale
    rows: tuple[StandingRow, ...]
    notes: tuple[Text, ...] = ()


class Point(Shown, frozen=True, kw_only=True):
    """An entry in a picture of speed over energy, with what its intervals reach to."""

    mark: str
    x: float
    y: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    front: bool


class Pareto(Shown, frozen=True, kw_only=True):
    """Speed over energy in one scope of metering; `upper`: whether more energy figure is better (to the right)."""

    key: str
    title: Text
    x_title: Text
    y_title: Text
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    points: tuple[Point, ...]
    best: Text


class SmallTable(Shown, frozen=True, kw_only=True):
    """Energy in a scope that covers different things in unlike devices."""

    key: str
    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[str, str, tuple[str, ...], Text], ...]
    notes: tuple[Text, ...]


class Standing(Shown, frozen=True, kw_only=True):
    """One piece of work: everybody who did it."""

    key: str
    title: Text
    context: Text
    tables: tuple[StandingTable, ...]
    pareto: Pareto | None
    small: tuple[SmallTable, ...]


class Standings(Shown, frozen=True, kw_only=True):
    """The ranking of a page. `missing`: why nothing is ranked. `alone`: (work, entry) without anybody beside it."""

    missing: Text | None
    items: tuple[Standing, ...]
    alone: tuple[Text, ...]
    unranked: tuple[tuple[Text, tuple[str, ...]], ...]
    notes: tuple[Text, ...]
    legend: Text


class ChangeRow(Shown, frozen=True, kw_only=True):
    """One judged metric of a cell, or a cell that could not be judged (`numbers` empty): base, new, change, interval,
    minimum detectable change, tolerance. `anchor` is empty where this run does not have the cell.
    """

    cell: str
    load: Text
    metric: Text
    numbers: tuple[str, ...]
    tolerance: Text
    launches: str
    strip: Strip | None
    tone: Tone
    verdict_text: Text
    said: Text
    anchor: str


class VersionRow(Shown, frozen=True, kw_only=True):
    """A version on both sides."""

    name: str
    base: str
    new: str


class Changes(Shown, frozen=True, kw_only=True):
    """A run against the accepted one. `missing`: why there is no comparison; then the rest is empty.

    `told` are the findings that somebody should look at first, `more` further ones, `calm` all others. `interval`: what
    stands below a change.
    """

    missing: Text | None
    tone: Tone = "plain"
    sentence: Text = Text(en="", ko="")
    base: str = ""
    told: tuple[ChangeRow, ...] = ()
    more: tuple[ChangeRow, ...] = ()
    calm: tuple[ChangeRow, ...] = ()
    scale: Scale = Scale(ticks=())
    interval: Text = Text(en="", ko="")
    versions: tuple[VersionRow, ...] = ()
    notes: tuple[Text, ...] = ()
    legend: Text = Text(en="", ko="")


class NightRow(Shown, frozen=True, kw_only=True):
    """One night of a cell."""

    date: str
    value: str
    launches: str
    said: tuple[Text, ...]


class History(Shown, frozen=True, kw_only=True):
    """One cell from night to night: the newest value, a line of blocks, what changed; `picture`: it is drawn.

    `rows`: the nights of what is drawn, newest first.
    """

    key: str
    name: str
    load: Text
    metric: Text
    value: str
    range: str
    blocks: str
    sentence: Text
    tone: Tone
    anchor: str
    picture: CellTrend | None = None
    rows: tuple[NightRow, ...] = ()


class Histories(Shown, frozen=True, kw_only=True):
    """The trend section of a run. `missing`: why there is none."""

    missing: Text | None
    sentence: Text = Text(en="", ko="")
    cells: tuple[History, ...] = ()
    notes: tuple[Text, ...] = ()
    legend: Text = Text(en="", ko="")


class Lead(Shown, frozen=True, kw_only=True):
    """What a page opens with. `caveats` are said at once, `folded` on request.

    `title` heads the page: the sentence itself, or what `table` shows.
    """

    eyebrow: tuple[str, ...]
    verdict: Text
    tone: Tone
    title: Text
    sentence: Text
    table: HeadTable | None
    answers: tuple[Answer, ...]
    caveats: tuple[Text, ...]
    folded: tuple[Text, ...]


class BesideRow(Shown, frozen=True, kw_only=True):
    """One thing of every machine. `main`: it is a service number. `note`: what must not be made of it."""

    title: Text
    values: tuple[Text, ...]
    main: bool = False
    note: Text | None = None


class BesideGroup(Shown, frozen=True, kw_only=True):
    """Rows of one service, or facts."""

    title: Text
    rows: tuple[BesideRow, ...]


class Beside(Shown, frozen=True, kw_only=True):
    """Machines (runs) side by side, one a column. `columns`: (name, id of its part of the page, created)."""

    columns: tuple[tuple[str, str, str], ...]
    groups: tuple[BesideGroup, ...]
