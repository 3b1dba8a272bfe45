"""What a report shows of power and energy, decided and formatted: frozen structs of text. See `shown`.

Guarantees: whatever holds a figure also holds the name of its scope, so that nothing can be drawn without it.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.shown_base import Name, Number, Shown, Tone

Points = tuple[tuple[float, float], ...]
"""(seconds since the window's start, value)."""


class PowerRow(Shown, frozen=True, kw_only=True):
    """One cell in the table of one scope; `numbers` follow the panel's columns."""

    backend: Name
    model: Name
    precision: str
    load: Text
    written: str
    scope: Text
    numbers: tuple[Number, ...]
    tone: Tone
    verdict_text: Text
    anchor: str


class PowerPanel(Shown, frozen=True, kw_only=True):
    """One service in one scope and execution kind: what may stand side by side. `keys`: metrics, or idle, by column."""

    title: Text
    keys: tuple[str, ...]
    columns: tuple[Text, ...]
    rows: tuple[PowerRow, ...]
    notes: tuple[Text, ...] = ()


class PowerScope(Shown, frozen=True, kw_only=True):
    """All tables of one scope."""

    key: str
    title: Text
    meaning: Text
    panels: tuple[PowerPanel, ...]


class Source(Shown, frozen=True, kw_only=True):
    """Where one channel was read and whose it is."""

    name: str
    meter: str
    scope: Text
    kind: Text
    device: Text
    source: str
    refresh: str
    whose: Text


class MeterRow(Shown, frozen=True, kw_only=True):
    """A meter that was looked for. `answered` None where it did: then `said` counts its channels."""

    name: str
    place: Text
    tone: Tone
    said: Text


class Power(Shown, frozen=True, kw_only=True):
    """The power section of a run. `missing`: why there is no figure at all, else None."""

    missing: Text | None
    scopes: tuple[PowerScope, ...]
    sources: tuple[Source, ...]
    meters: tuple[MeterRow, ...]
    remarks: tuple[Text, ...]


class ChannelRow(Shown, frozen=True, kw_only=True):
    """One channel, or the total of one scope (`total`), in one launch. `where`: scope, kind, device, source."""

    name: str
    title: Text
    where: Text
    total: bool
    gross: Number
    idle: Number
    net: Number
    mean: Number
    range: str
    coverage: str
    refresh: str
    readings: Text
    said: Text | None = None


class LedgerPart(Shown, frozen=True, kw_only=True):
    """The energy of one launch by one source (its meters, or an external log)."""

    title: Text
    reason: Text | None
    rows: tuple[ChannelRow, ...]


class EnergyTable(Shown, frozen=True, kw_only=True):
    """The energy of a cell, launch by launch."""

    parts: tuple[LedgerPart, ...]


class Trace(Shown, frozen=True, kw_only=True):
    """One line of a time line. Pieces are apart where nothing good was read."""

    name: str
    colour: int
    dash: int
    pieces: tuple[Points, ...]


class Track(Shown, frozen=True, kw_only=True):
    """One picture of a time line: lines of one quantity (of power: of one scope) on an axis of their own."""

    title: Text
    traces: tuple[Trace, ...]
    y_ticks: tuple[tuple[float, str], ...]
    y_domain: tuple[float, float]


class Span(Shown, frozen=True, kw_only=True):
    """An event on the time line: its number in the table, the lane that it stands in, from when to when."""

    number: int
    lane: int
    slowed: bool
    start: float
    end: float


class Moment(Shown, frozen=True, kw_only=True):
    """An event as a row of the table."""

    number: int
    what: Text
    device: str
    when: Text
    values: str
    slowed: bool


class TraceRow(Shown, frozen=True, kw_only=True):
    """The numbers of one line within the window. `place`: its scope or device."""

    name: str
    colour: int
    dash: int
    drawn: bool
    place: Text
    mean: str
    low: str
    high: str


class StepRow(Shown, frozen=True, kw_only=True):
    """One slice of a time line's time. `numbers`: requests done, the slowest of them, the mean of each line in it."""

    when: str
    numbers: tuple[str, ...]


class Timeline(Shown, frozen=True, kw_only=True):
    """What happened during one launch, over one time axis in seconds from the window's start.

    `requests`: (seconds, latency ns) of each request, where there are few; else `band`: (seconds, fastest, slowest) of
    each slice of time. The numbers of `steps` follow `rows`, after the two of the requests.
    """

    key: str
    title: Text
    caption: Text
    requests: Points
    band: tuple[tuple[float, float, float], ...]
    requests_ticks: tuple[tuple[float, str], ...]
    requests_domain: tuple[float, float]
    requests_log: bool
    tracks: tuple[Track, ...]
    lanes: tuple[Text, ...]
    spans: tuple[Span, ...]
    window: tuple[float, float]
    x_ticks: tuple[tuple[float, str], ...]
    x_domain: tuple[float, float]
    rows: tuple[TraceRow, ...]
    moments: tuple[Moment, ...]
    steps: tuple[StepRow, ...] = ()
