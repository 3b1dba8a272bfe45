"""Everything that a report shows, decided and formatted: frozen structs of text, in both languages.

`view` fills these; `html` and `text` draw them without deciding anything. A `Text` is our own sentence in two
languages; a plain `str` is a name, a number or somebody else's words, already cleaned (`foreign`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from npubench.lang import Text
from npubench.report.latency import Chart

Tone = Literal["good", "warn", "bad", "plain"]


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class Number(_Shown, frozen=True, kw_only=True):
    """A number as text. Unknown is an en dash with `reason`; `note` is its footnote's number in its table (0: none).

    `said`: what the number cannot be read without (the bound that was held), in small letters below it.
    """

    text: str
    unit: Text | None = None
    reason: Text | None = None
    note: int = 0
    said: Text | None = None


class Name(_Shown, frozen=True, kw_only=True):
    """A model or a backend: its card's title, and the id that one types."""

    id: str
    title: Text


class Fault(_Shown, frozen=True, kw_only=True):
    """Why a launch gave nothing: our explanation, the runtime's message, what to do, the last lines it printed."""

    kind: str
    explanation: Text
    message: str
    where: str
    hint: str = ""
    stderr: tuple[str, ...] = ()
    times: int = 1


class Row(_Shown, frozen=True, kw_only=True):
    """One cell in the table of all cells. `anchor` is empty where the cell has no sheet (unsupported)."""

    anchor: str
    model: Name
    precision: str
    backend: Name
    scenario: Text
    scenario_id: str
    scope: Text
    verdict: str
    verdict_text: Text
    tone: Tone
    rate: Number
    p50: Number
    p90: Number
    p99: Number
    samples: Number
    quality: Number
    assisted: Text | None = None
    reasons: tuple[Text, ...] = ()
    faults: tuple[Fault, ...] = ()


class Group(_Shown, frozen=True, kw_only=True):
    """Cells of one execution kind: kinds never share a table."""

    key: str
    title: Text
    meaning: Text
    rows: tuple[Row, ...]
    notes: tuple[Text, ...] = ()


class ServiceRow(_Shown, frozen=True, kw_only=True):
    """One model on one backend in one scope; `numbers` follow the panel's columns."""

    backend: Name
    model: Name
    precision: str
    numbers: tuple[Number, ...]
    tone: Tone
    verdict_text: Text
    anchor: str
    assisted: Text | None = None
    use: Text | None = None


class Panel(_Shown, frozen=True, kw_only=True):
    """One scope of one service: its own table, because scopes are never mixed. `leading`: columns that stand out."""

    scope: Text
    columns: tuple[Text, ...]
    leading: int
    rows: tuple[ServiceRow, ...]
    notes: tuple[Text, ...] = ()


class Bar(_Shown, frozen=True, kw_only=True):
    """The requested provider's share as a number, and all providers' shares drawn: (start, width, colour) of 100."""

    number: Number
    parts: tuple[tuple[float, float, int], ...] = ()


class ProviderRow(_Shown, frozen=True, kw_only=True):
    """What one provider took: `numbers` follow `certificate.COLUMNS`. `colour` is that of its part in the bars."""

    name: str
    role: Text | None
    colour: int | None
    numbers: tuple[Number, ...]


class Certified(_Shown, frozen=True, kw_only=True):
    """Where one build of a model ran on one backend. `brief` is None where there is nothing to say in a line."""

    anchor: str
    model: Name
    build: str
    tone: Tone
    label: Text
    sentence: Text
    brief: Text | None
    remarks: tuple[Text, ...]
    arithmetic: Bar
    time: Bar
    compute: Number
    subgraphs: Number
    crossings: Number
    strict: Text
    providers: tuple[ProviderRow, ...]
    facts: tuple[Fact, ...]


class Place(_Shown, frozen=True, kw_only=True):
    """One backend in one execution kind: how its card was verified, what its worker ran in, its certificates."""

    key: str
    backend: Name
    kind: Text | None
    meaning: Text
    verified: Text
    verified_tone: Tone
    environment: Text
    environment_facts: tuple[Fact, ...]
    rows: tuple[Certified, ...]
    notes: tuple[Text, ...] = ()


class Service(_Shown, frozen=True, kw_only=True):
    """One service (CCTV, OCR, language model) in one execution kind."""

    key: str
    title: Text
    kind: Text | None
    panels: tuple[Panel, ...]


class SeriesRow(_Shown, frozen=True, kw_only=True):
    """The numbers and the key of one line in a latency chart."""

    colour: int
    dash: int
    drawn: bool
    backend: Name
    precision: str
    scenario: Text
    samples: str
    counted: Text
    p50: Number
    p90: Number
    p99: Number
    assisted: Text | None = None
    missing: Text | None = None


class Figure(_Shown, frozen=True, kw_only=True):
    """A latency chart of one model, scope and execution kind, with the same numbers as a table."""

    key: str
    model: Name
    context: Text
    description: Text
    chart: Chart | None
    rows: tuple[SeriesRow, ...]
    notes: tuple[Text, ...] = ()


class Curve(_Shown, frozen=True, kw_only=True):
    """All that a load curve draws. Loads are in what a buyer counts, latencies in ns, ticks are (value, label).

    `beyond`: loads whose p99 dropped requests make infinite. `drops`: (load, share dropped), empty where none was.
    """

    lines: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]
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


class LoadRow(_Shown, frozen=True, kw_only=True):
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


class LoadFigure(_Shown, frozen=True, kw_only=True):
    """How much load one cell holds: the finding, the curve, and the same as a table."""

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
    invalid: bool
    curve: Curve | None
    rows: tuple[LoadRow, ...]
    notes: tuple[Text, ...] = ()


class MixRow(_Shown, frozen=True, kw_only=True):
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


class Mix(_Shown, frozen=True, kw_only=True):
    """Several services that were measured at once."""

    key: str
    title: Text
    kind: Text
    rows: tuple[MixRow, ...]
    notes: tuple[Text, ...] = ()


class StagePart(_Shown, frozen=True, kw_only=True):
    """One stage of an input's way: its median and its share of the sum."""

    title: Text
    colour: int
    time: str
    share: str


class StageRow(_Shown, frozen=True, kw_only=True):
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


class Value(_Shown, frozen=True, kw_only=True):
    """A metric of one cell: the median, and what each launch said."""

    key: str
    title: Text
    number: Number
    launches: tuple[str, ...]


class Fact(_Shown, frozen=True, kw_only=True):
    """A named fact. `code` marks a hash, a version, a command: set in a fixed-width face."""

    name: Text
    value: str | Text
    code: bool = False


class Sheet(_Shown, frozen=True, kw_only=True):
    """Everything about one cell. `certificate` and `load` are ids of where it ran and of its load curve, or empty."""

    anchor: str
    certificate: str
    title: Text
    tone: Tone
    verdict_text: Text
    values: tuple[Value, ...]
    facts: tuple[Fact, ...]
    reasons: tuple[Text, ...]
    faults: tuple[Fault, ...]
    load: str = ""
    stages: StageRow | None = None


class Absent(_Shown, frozen=True, kw_only=True):
    """A backend that could not run here."""

    backend: str
    title: Text
    device: str
    reason: str
    fix: Text | None = None


class Remark(_Shown, frozen=True, kw_only=True):
    """A warning about the machine or the run."""

    text: Text
    code: str
    tone: Tone


class CardRow(_Shown, frozen=True, kw_only=True):
    """A card that was used and its hashes."""

    kind: Text
    id: str
    title: Text
    sha256: str
    parts: tuple[Fact, ...] = ()


class Floor(_Shown, frozen=True, kw_only=True):
    """What the harness itself costs per request on one backend."""

    backend: Name
    p50: Number
    samples: Number


class Term(_Shown, frozen=True, kw_only=True):
    """A glossary entry."""

    key: str
    title: Text
    meaning: Text


class RunView(_Shown, frozen=True, kw_only=True):
    """One run."""

    key: str
    id: str
    machine: str
    created: str
    sentence: Text
    verdict: Text
    tone: Tone
    caveats: tuple[Text, ...]
    services: tuple[Service, ...]
    scopes: tuple[Term, ...]
    groups: tuple[Group, ...]
    places: tuple[Place, ...]
    figures: tuple[Figure, ...]
    curves: tuple[LoadFigure, ...]
    mixes: tuple[Mix, ...]
    stages: tuple[StageRow, ...]
    sheets: tuple[Sheet, ...]
    absent: tuple[Absent, ...]
    remarks: tuple[Remark, ...]
    machine_facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    devices: tuple[Fact, ...]
    floors: tuple[Floor, ...]
    cards: tuple[CardRow, ...]
    run_facts: tuple[Fact, ...]


class View(_Shown, frozen=True, kw_only=True):
    """A whole report."""

    title: Text
    runs: tuple[RunView, ...]
    method: tuple[Term, ...]
    limits: tuple[Text, ...]
    words: tuple[Term, ...]
    metrics: tuple[Term, ...]
