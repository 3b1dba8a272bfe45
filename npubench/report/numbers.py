"""From result values to shown numbers and their footnotes. Every digit passes through `units.show`."""

from __future__ import annotations

import msgspec

from npubench.lang import Text
from npubench.metrics import METRICS, THROUGHPUT
from npubench.report import reasons
from npubench.report.shown import Name, Number
from npubench.report.words import RATES, same
from npubench.schema import Cell, Run, Spread
from npubench.units import UNKNOWN, show


class Footnotes:
    """The footnotes of one table: equal reasons share a number. Lives while the table is put together."""

    def __init__(self) -> None:
        self._numbers: dict[Text, int] = {}

    def add(self, number: Number, reason: Text | None) -> Number:
        """`number` with its footnote, where it is unknown."""
        if number.text != UNKNOWN or reason is None:
            return number
        note = self._numbers.setdefault(reason, len(self._numbers) + 1)
        return msgspec.structs.replace(number, note=note)

    def mark(self, number: Number, reason: Text) -> Number:
        """`number`, which is known, with a footnote that says how far to trust it."""
        return msgspec.structs.replace(number, note=self._numbers.setdefault(reason, len(self._numbers) + 1))

    @property
    def texts(self) -> tuple[Text, ...]:
        return tuple(self._numbers)


def count(value: float) -> str:
    """A count as text."""
    return show(value, "count")


_MACS = ((1e9, "GMAC"), (1e6, "MMAC"), (1e3, "kMAC"))


def macs(value: float) -> str:
    """Multiply-accumulates with the prefix that reads best."""
    factor, unit = next((step for step in _MACS if value >= step[0]), (1.0, "MAC"))
    return show(value / factor, unit)


def metric(key: str, value: float | None) -> Number:
    """A metric's value; rates carry their unit apart, because it has a name in each language."""
    unit = METRICS[key].unit if key in METRICS else ""
    if key in RATES:
        return Number(text=show(value, ""), unit=RATES[key] if value is not None else None)
    return Number(text=show(value, unit))


def of_cell(cell: Cell, key: str) -> tuple[Number, Text | None]:
    """(the cell's number, the short reason when it is unknown)."""
    spread: Spread | None = cell.summary.get(key)
    if spread is None:
        why = reasons.NOT_MEASURED
        return Number(text=UNKNOWN, reason=why), why
    if spread.median is None:
        return Number(text=UNKNOWN, reason=reasons.full(spread.reason)), reasons.short(spread.reason)
    return metric(key, spread.median), None


def rate_key(cell: Cell) -> str:
    """The metric of the cell's service unit."""
    return THROUGHPUT.get(cell.unit, THROUGHPUT["sample"])[0]


def card_title(card: object, fallback: str) -> Text:
    """The title of a card as stored in a run, or the id where the card has none."""
    title = card.get("title") if isinstance(card, dict) else None
    if isinstance(title, dict) and title.get("en"):
        return Text(en=same(title["en"]).en, ko=same(title.get("ko") or title["en"]).ko)
    return same(fallback)


def model_name(run: Run, model: str) -> Name:
    return Name(id=same(model).en, title=card_title(run.models.get(model), model))


def backend_name(run: Run, backend: str) -> Name:
    return Name(id=same(backend).en, title=card_title(run.backends.get(backend), backend))
