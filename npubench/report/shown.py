"""Everything that a report shows, decided and formatted: frozen structs of text, in both languages.

`view` fills these; `html` and `text` draw them without deciding anything. A `Text` is our own sentence in two
languages; a plain `str` is a name, a number or somebody else's words, already cleaned (`foreign`).
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.latency import Chart
from npubench.report.page_data import PageData
from npubench.report.shown_base import Name as Name
from npubench.report.shown_base import Number as Number
from npubench.report.shown_base import Shown
from npubench.report.shown_base import Tone as Tone
from npubench.report.shown_lead import Beside, Changes, Claims, Histories, Lead, Standings
from npubench.report.shown_loads import LoadFigure, Mix, Scaling, StageRow, Tuned
from npubench.report.shown_pictures import Pictures
from npubench.report.shown_power import EnergyTable, Power, Timeline


class Fault(Shown, frozen=True, kw_only=True):
    """Why a launch gave nothing: our explanation, the runtime's message, what to do, the last lines it printed."""

    kind: str
    explanation: Text
    message: str
    where: str
    hint: str = ""
    stderr: tuple[str, ...] = ()
    times: int = 1


class Row(Shown, frozen=True, kw_only=True):
    """One cell in the table of all measurements. `anchor` is empty where the cell has no sheet (unsupported)."""

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


class Group(Shown, frozen=True, kw_only=True):
    """Cells of one execution kind: kinds never share a table."""

    key: str
    title: Text
    meaning: Text
    rows: tuple[Row, ...]
    notes: tuple[Text, ...] = ()


class ServiceRow(Shown, frozen=True, kw_only=True):
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


class Panel(Shown, frozen=True, kw_only=True):
    """One scope of one service: its own table, because scopes are never mixed. `leading`: columns that stand out."""

    scope: Text
    columns: tuple[Text, ...]
    leading: int
    rows: tuple[ServiceRow, ...]
    notes: tuple[Text, ...] = ()


class Bar(Shown, frozen=True, kw_only=True):
    """The requested provider's share as a number, and all providers' shares drawn: (start, width, colour) of 100."""

    number: Number
    parts: tuple[tuple[float, float, int], ...] = ()


class ProviderRow(Shown, frozen=True, kw_only=True):
    """What one provider took: `numbers` follow `certificate.COLUMNS`. `colour` is that of its part in the bars."""

    name: str
    role: Text | None
    colour: int | None
    numbers: tuple[Number, ...]


class Certified(Shown, frozen=True, kw_only=True):
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


class Place(Shown, frozen=True, kw_only=True):
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


class Service(Shown, frozen=True, kw_only=True):
    """One service (CCTV, OCR, language model) in one execution kind."""

    key: str
    title: Text
    kind: Text | None
    panels: tuple[Panel, ...]


class SeriesRow(Shown, frozen=True, kw_only=True):
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


class BinRow(Shown, frozen=True, kw_only=True):
    """One bin of the histograms; `numbers` are two of each column: requests (pre-empted), share done by its end."""

    span: str
    numbers: tuple[str, ...]


class Histogram(Shown, frozen=True, kw_only=True):
    """A latency picture in numbers. `columns`: the places of its cells in the table beside; launches stand apart."""

    columns: tuple[int, ...]
    rows: tuple[BinRow, ...]


class Figure(Shown, frozen=True, kw_only=True):
    """A latency chart of one model, scope and execution kind, with the same numbers as tables.

    `undrawn`: why there is no picture, where there is none.
    """

    key: str
    model: Name
    context: Text
    description: Text
    chart: Chart | None
    rows: tuple[SeriesRow, ...]
    undrawn: Text
    histogram: Histogram | None = None
    notes: tuple[Text, ...] = ()


class Value(Shown, frozen=True, kw_only=True):
    """A metric of one cell: the median, and what each launch said."""

    key: str
    title: Text
    number: Number
    launches: tuple[str, ...]


class Fact(Shown, frozen=True, kw_only=True):
    """A named fact. `code` marks a hash, a version, a command: set in a fixed-width face."""

    name: Text
    value: str | Text
    code: bool = False


class Sheet(Shown, frozen=True, kw_only=True):
    """Everything about one cell. `certificate` and `load` are ids of where it ran and of its load curve, or empty.

    `undrawn`: why it has no time line though its power was read.
    """

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
    cold: StageRow | None = None
    tuned: Tuned | None = None
    energy: EnergyTable | None = None
    timeline: Timeline | None = None
    undrawn: Text | None = None


class Absent(Shown, frozen=True, kw_only=True):
    """A backend that could not run here."""

    backend: str
    title: Text
    device: str
    reason: str
    fix: Text | None = None


class Remark(Shown, frozen=True, kw_only=True):
    """A warning about the machine or the run."""

    text: Text
    code: str
    tone: Tone


class CardRow(Shown, frozen=True, kw_only=True):
    """A card that was used and its hashes."""

    kind: Text
    id: str
    title: Text
    sha256: str
    parts: tuple[Fact, ...] = ()


class Floor(Shown, frozen=True, kw_only=True):
    """What the harness itself costs per request on one backend."""

    backend: Name
    p50: Number
    samples: Number


class Term(Shown, frozen=True, kw_only=True):
    """A glossary entry."""

    key: str
    title: Text
    meaning: Text


class RunView(Shown, frozen=True, kw_only=True):
    """One run."""

    key: str
    id: str
    machine: str
    created: str
    sentence: Text
    verdict: Text
    tone: Tone
    caveats: tuple[Text, ...]
    claims: tuple[Claims, ...]
    changes: Changes | None
    histories: Histories | None
    services: tuple[Service, ...]
    scopes: tuple[Term, ...]
    groups: tuple[Group, ...]
    places: tuple[Place, ...]
    pictures: Pictures
    figures: tuple[Figure, ...]
    curves: tuple[LoadFigure, ...]
    mixes: tuple[Mix, ...]
    scalings: tuple[Scaling, ...]
    stages: tuple[StageRow, ...]
    tuned: tuple[Tuned, ...]
    power: Power
    sheets: tuple[Sheet, ...]
    absent: tuple[Absent, ...]
    remarks: tuple[Remark, ...]
    machine_facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    devices: tuple[Fact, ...]
    floors: tuple[Floor, ...]
    cards: tuple[CardRow, ...]
    run_facts: tuple[Fact, ...]


class View(Shown, frozen=True, kw_only=True):
    """A whole report. `lead` None: there is no run. `beside`: of several runs. `data`: its numbers unrounded, which
    the page holds but does not show.
    """

    title: Text
    lead: Lead | None
    standings: Standings | None
    beside: Beside | None
    runs: tuple[RunView, ...]
    method: tuple[Term, ...]
    limits: tuple[Text, ...]
    words: tuple[Term, ...]
    metrics: tuple[Term, ...]
    data: PageData = PageData()
