"""What a report shows of loads: curves, mixes, stages, the tuner's points, decided and formatted. See `shown`."""

from __future__ import annotations

from collections.abc import Mapping

from npubench.lang import Text
from npubench.report.shown_base import Name, Number, Shown, Tone


class Curve(Shown, frozen=True, kw_only=True):
    """All that a load curve draws. Loads are in what a buyer counts, latencies in ns, ticks are (value, label).

    Points are (load, latency, whether the percentile had the requests that it needs).
    `places`: load → the row of the table that says the same. `beyond`: loads whose p99 dropped requests make infinite.
    `drops`: (load, share dropped), empty where none was.
    """

    lines: tuple[tuple[str, tuple[tuple[float, float, bool], ...]], ...]
    places: Mapping[float, int]
    beyond: tuple[float, ...]
    drops: tuple[tuple[float, float], ...]
    bound: float | None
    held: float | None
    failed: float | None
    x_ticks: tuple[tuple[float, str], ...]
    x_domain: tuple[float, float]
    x_title: Text
    y_ticks: tuple[tuple[float, str], ...]
    y_domain: tuple[float, float]
    y_log: bool
    y_title: Text


class LoadRow(Shown, frozen=True, kw_only=True):
    """One trial of a search. `best`: it is of the load that was confirmed."""

    load: Text
    purpose: Text
    queries: str
    dropped: str
    p50: Number
    p90: Number
    p99: Number
    tone: Tone
    result: Text
    best: bool = False


class LoadFigure(Shown, frozen=True, kw_only=True):
    """How much load one cell holds: the finding, the curve, and the same as a table.

    `timed`: what the percentiles are of, where that is not a request's latency (TTFT).
    """

    key: str
    anchor: str
    model: Name
    backend: Name
    precision: str
    title: Text
    written: str
    context: Text
    sentence: Text
    counted_in: Text
    timed: str
    invalid: bool
    curve: Curve | None
    rows: tuple[LoadRow, ...]
    notes: tuple[Text, ...] = ()


class MixRow(Shown, frozen=True, kw_only=True):
    """One service of a mix. `numbers`: rate, p50 and p99, each alone, beside the others, and the change."""

    anchor: str
    model: Name
    backend: Name
    precision: str
    title: Text
    written: str
    numbers: tuple[Number, ...]
    tone: Tone
    verdict_text: Text


class Mix(Shown, frozen=True, kw_only=True):
    """Several services that were measured at once."""

    key: str
    title: Text
    kind: Text
    rows: tuple[MixRow, ...]
    notes: tuple[Text, ...] = ()


class ScalingRow(Shown, frozen=True, kw_only=True):
    """One number of devices. `limit`: what keeps them from delivering as much each as fewer do."""

    anchor: str
    devices: str
    rate: Number
    per_device: Number
    efficiency: Number
    host: Number
    limit: Text | None


class Scaling(Shown, frozen=True, kw_only=True):
    """One cell on several numbers of devices."""

    key: str
    model: Name
    backend: Name
    precision: str
    context: Text
    kind: Text
    sentence: Text
    rows: tuple[ScalingRow, ...]
    notes: tuple[Text, ...] = ()


class Point(Shown, frozen=True, kw_only=True):
    """One way to run a model offline that was tried. `rate` is the median of `blocks` measurements."""

    batch: str
    instances: str
    threads: str
    inflight: str
    rate: Number
    blocks: str
    chosen: bool
    default: bool


class Tuned(Shown, frozen=True, kw_only=True):
    """What the tuner found for one cell, the points that lasted longest first."""

    anchor: str
    model: Name
    backend: Name
    precision: str
    context: Text
    sentence: Text
    unit: Text
    rows: tuple[Point, ...]
    notes: tuple[Text, ...] = ()


class StagePart(Shown, frozen=True, kw_only=True):
    """One stage of an input's way: its median and its share of the sum."""

    title: Text
    colour: int
    time: str
    share: str


class StageRow(Shown, frozen=True, kw_only=True):
    """Where the time of one cell's inputs goes. `parts` are drawn as (start, width, colour) of 100."""

    anchor: str
    model: Name
    backend: Name
    precision: str
    context: Text
    sentence: Text
    total: str
    stages: tuple[StagePart, ...]
    parts: tuple[tuple[float, float, int], ...]
