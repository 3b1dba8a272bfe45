"""What becomes of a cell, in a line for the terminal: its title, its launches, its quality, where it ran.

Not aware of: how lines are laid out (`progress`, `live`).
"""

from __future__ import annotations

from npubench.cards import build_name
from npubench.evidence import Certificate
from npubench.lang import here, language
from npubench.metrics import METRICS, THROUGHPUT
from npubench.report import servers
from npubench.report.capacity import brief as found_load
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.loads import written
from npubench.report.quality import line as quality_line
from npubench.schema import VALIDITY_TEXT, Launch, PlannedCell, Quality, Scenario
from npubench.units import show, show_ns


def title_of(cell: PlannedCell) -> str:
    """A cell in a few words."""
    form = cell.precision if cell.variant == "portable" else f"{cell.precision} {cell.variant}"
    mix = "" if cell.mix is None else here(" · at once", " · 동시")
    return f"{cell.model} {form} · {cell.backend} · {written(cell.scenario)} · {cell.scope}{mix}"


def answers(record: Quality) -> str:
    """What became of the quality of one build on one backend, in a line."""
    build = build_name(record.precision, record.variant)
    lead = here("quality", "품질")
    return f"{lead} {record.model} {build} · {record.backend}: {quality_line(record)[language()]}"


def where(found: Certificate) -> str:
    """Where one build ran on one backend, in a line."""
    build = build_name(found.precision, found.variant)
    lead = here("placement", "실행 위치")
    said = "; ".join(reason[language()] for reason in found.reasons)
    if found.server is not None:
        said = servers.sentence(found.server)[language()]
    if not said and found.extent == "full":
        said = here(f"all of it on {found.requested}", f"전부 {found.requested}")
    return f"{lead} {found.model} {build} · {found.backend}: {said or here('unknown', '알 수 없음')}"


def outcome(launch: Launch, scenario: Scenario | None = None) -> str:
    """A launch in a few words: what a search found, else its service value and p50; or what went wrong."""
    if launch.failure is not None:
        first = next(iter(clean(launch.failure.message, MESSAGE_LIMIT).splitlines()), "")
        return f"{launch.failure.kind.value}: {first[:160]}"
    if launch.capacity is not None and scenario is not None:
        said = found_load(launch.capacity, scenario, launch.unit)[language()]
        return said if launch.verdict == "valid" else f"{said}, {VALIDITY_TEXT[launch.verdict][language()]}"
    # A workload of somebody else's may count in a unit of its own.
    key = THROUGHPUT.get(launch.unit, THROUGHPUT["sample"])[0]
    rate = launch.summary.get(key)
    parts = [show(rate.value if rate else None, METRICS[key].unit)]
    p50 = launch.summary.get("latency_p50_ns")
    if p50 is not None and p50.value is not None:
        parts.append(f"p50 {show_ns(p50.value)}")
    if launch.verdict != "valid":
        parts.append(VALIDITY_TEXT[launch.verdict][language()])
    return ", ".join(parts)
