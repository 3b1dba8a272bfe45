"""Two builds of one backend in one run, measured in turns: the order of their launches, and a plan of them.

Whatever drifts in a night (temperature, other tenants, a BMC's fans) hits both builds alike: in every round the two
launches of a cell stand next to each other, and which of them comes first changes from round to round (ABBA or BAAB,
drawn from the seed). Everything else is an ordinary run: quality and placement once per build, energy, resuming.

Not aware of: what a build is made of (`builds`), how pairs are judged (`stats.paired`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.cards import BackendCard, to_builtins
from npubench.schema import PlannedCell, cell_id
from npubench.sides import SIDES, Side, plain, side_of, sided


def order(cells: Sequence[PlannedCell], launches: int, seed: int) -> tuple[tuple[str, int], ...]:
    """Floors first, then round by round; each round is shuffled by pairs. A cell of one side only counts as a pair.

    Two rounds are a block: the first side of the first is drawn anew for each pair and block, the second round turns
    it round, so that a steady drift cancels out within the block.
    """
    found = [(cell.id, 1) for cell in cells if cell.purpose == "floor"]
    generator = random.Random(seed)
    pairs: dict[str, dict[Side | None, list[str]]] = {}
    for cell in cells:
        if cell.purpose == "measure":
            pairs.setdefault(_pair(cell), {}).setdefault(side_of(cell.backend), []).append(cell.id)
    shuffled = list(pairs.items())
    first: dict[str, Side] = {}
    for number in range(1, launches + 1):
        generator.shuffle(shuffled)
        for key, sides in shuffled:
            if number % 2:
                first[key] = generator.choice(SIDES)
            begins = first[key] if number % 2 else SIDES[1 - SIDES.index(first[key])]
            for _, group in sorted(sides.items(), key=lambda item: item[0] != begins):
                found.extend((name, number) for name in group)
    return tuple(found)


def _pair(cell: PlannedCell) -> str:
    """What both sides of a cell share; the cells of a mix are measured at once."""
    if cell.mix is not None:
        return plain(cell.key["mix"])
    return " ".join(f"{name}={plain(value)}" for name, value in sorted(cell.key.items()))


def renamed(card: BackendCard, side: Side) -> BackendCard:
    """The card as one of two builds."""
    return msgspec.structs.replace(card, id=sided(plain(card.id), side))


def placed(cell: PlannedCell, card: BackendCard) -> PlannedCell:
    """A planned cell on one of two builds of its backend; `card` is that build's. Not for cells of a mix.

    The identity is that of the build's own card: what differs between the builds is then seen by whoever compares.
    """
    key = {**cell.key, "backend": card.id}
    identity: dict[str, Any] = {
        **cell.identity,
        "backend": card.id,
        "options": to_builtins(card.options),
        "variables": to_builtins(card.environment.variables),
    }
    return msgspec.structs.replace(cell, id=cell_id(key), key=key, identity=identity, backend=card.id)
