"""Which claims of several runs may stand beside each other where a page opens.

Guarantees: one execution kind, hardware where there is any; of each run its best of one model; values are compared of
one load in one scope alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from npubench.lang import Text
from npubench.report.shown_lead import Claim, Claims


def of_one_kind(found: Sequence[Sequence[Claims]]) -> list[list[Claims]]:
    """The services of every run that ran on hardware; where no run has any, those behind endpoints."""
    own = [[service for service in services if service.kind is None] for services in found]
    return own if any(own) else [list(services) for services in found]


def work(found: Sequence[Sequence[Claims]]) -> list[tuple[str, str]]:
    """(service, model): of each service the model that a run has first; several where runs do not agree."""
    return list(dict.fromkeys((service.key, service.rows[0].model.id) for services in found for service in services))


def of_model(services: Sequence[Claims], key: str, model: str) -> list[Claim]:
    """The claims of one model in one service, in their order: whoever delivers most of its main load is first."""
    return [row for service in services if service.key == key for row in service.rows if row.model.id == model]


def load_of(row: Claim) -> tuple[Text, Text | None]:
    """What a value must share with another to be compared with it."""
    return row.load, row.scope


def best_first(rows: Iterable[Claim]) -> list[Claim]:
    """Those of the first one's load by what they deliver, then all others, whose values say nothing beside them."""
    given = list(rows)
    return sorted(given, key=lambda row: (load_of(row) != load_of(given[0]), -_value(row)))


def _value(row: Claim) -> float:
    return -1.0 if row.value is None else row.value


def precision(row: Claim, others: Iterable[Claim]) -> str:
    """The precision of a claim that has a value where those beside it do not all have the same; empty otherwise."""
    several = len({each.precision for each in others if each.value is not None}) > 1
    return row.precision if several and row.value is not None else ""
