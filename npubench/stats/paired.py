"""The paired rule, for a run that measured two builds in turns: how much B costs over A, from their rounds.

Per round, the log ratio of cost B/A; over the rounds, Student's t interval of its mean; then the same tolerance, the
same outcomes and the same minimum detectable change as of two nights (METRICS.md, Comparing). What both launches of a
round share, the night's effect and its drift, is in neither. Contract and health are `compare`'s, on the run taken
apart into one run per side. Fewer rounds than the rule's least launches: at best inconclusive.

Not aware of: files, what a build is, how launches were ordered (`engine.ab`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from npubench.cards import digest
from npubench.errors import NotComparableError
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.schema import Cell, Run, Spread, cell_id
from npubench.sides import SIDES, Side, plain, side_of
from npubench.stats import searched
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import CellComparison, Comparison, MetricComparison, Paired, Rule, exit_code
from npubench.stats.headline import headline
from npubench.stats.speed import VERDICTS, endless, share, side, supported
from npubench.stats.student import MOST_LAUNCHES, Sample, Standing, half_width, place, quantile

SUBJECT = ("options", "variables", "prebuilt")
"""What two versions of one card may differ in: it is what A and B are compared for, so it need not be allowed."""


def halves(run: Run) -> tuple[Run, Run]:
    """A run of two builds as one run per side, each with its backends' plain names. Raises NotComparableError."""
    if not all(any(side_of(cell.backend) == name for cell in run.cells) for name in SIDES):
        raise NotComparableError(
            f"{run.id}: this run did not measure two builds", hint="`npubench ab --a X --b Y` measures them in turns"
        )
    first, second = (_half(run, name) for name in SIDES)
    return first, second


def _half(run: Run, name: Side) -> Run:
    def mine(backend: str) -> bool:
        return side_of(backend) == name

    def kept(found: Mapping[str, Any]) -> dict[str, Any]:
        return {plain(key): value for key, value in found.items() if side_of(key.partition(".")[0]) in (None, name)}

    versions = {
        key: value for key, value in run.varying.items() if side_of(_backend(key, run.backends)) in (None, name)
    }
    environments = kept(run.environments)
    return msgspec.structs.replace(
        run,
        id=f"{run.id}@{name}",
        # Both sides were measured at once and alike, however short a look it was.
        comparable=True,
        cells=tuple(plainly(cell) for cell in run.cells if mine(cell.backend)),
        absent=tuple(
            msgspec.structs.replace(item, backend=plain(item.backend)) for item in run.absent if mine(item.backend)
        ),
        unsupported=tuple(
            msgspec.structs.replace(item, backend=plain(item.backend)) for item in run.unsupported if mine(item.backend)
        ),
        backends=kept(run.backends),
        availability=kept(run.availability),
        environments=environments,
        varying={
            **{plain(key): value for key, value in versions.items()},
            **{
                f"{backend}.environment.{package}": version
                for backend, facts in environments.items()
                for package, version in facts.packages.items()
                if _differs(run, backend, package)
            },
        },
    )


def _backend(key: str, backends: Iterable[str]) -> str:
    """Which backend a varying version is of; ids may have dots."""
    return next((name for name in backends if key.startswith(f"{name}.")), "")


def _differs(run: Run, backend: str, package: str) -> bool:
    found = [facts.packages.get(package) for name, facts in run.environments.items() if plain(name) == backend]
    return len(set(found)) > 1


def plainly(cell: Cell) -> Cell:
    """The cell under its backend's plain name, with the key, the id and the identity that go with it."""
    key = {name: plain(value) for name, value in cell.key.items()}
    identity = {name: plain(value) if name in ("backend", "mix") else value for name, value in cell.identity.items()}
    return msgspec.structs.replace(
        cell,
        id=cell_id(key),
        key=key,
        identity=identity,
        identity_sha256=digest(identity),
        backend=plain(cell.backend),
    )


def compare_sides(run: Run, wanted: Wanted | None = None, *, notes: Sequence[Text] = ()) -> Comparison:
    """B against A, of a run that measured both. Raises NotComparableError where it did not."""
    wanted = wanted or Wanted()
    base, new = halves(run)
    asked = msgspec.structs.replace(wanted, allow=(*wanted.allow, *SUBJECT), in_turns=True)
    found = compare(base, new, asked)
    before, after = ({cell.id: cell for cell in half.cells} for half in (base, new))
    cells = tuple(
        _paired_cell(cell, before[cell.id], after[cell.id], wanted.rule) if cell.status == "compared" else cell
        for cell in found.cells
    )
    unused = {f"--allow {name}: " for name in SUBJECT if name not in wanted.allow}
    said = [note for note in found.notes if not any(note.en.startswith(start) for start in unused)]
    return msgspec.structs.replace(
        found,
        allow=wanted.allow,
        cells=cells,
        exit_code=exit_code(cells),
        sentence=headline(cells, wanted.rule),
        notes=(*said, *notes),
    )


def _paired_cell(cell: CellComparison, base: Cell, new: Cell, rule: Rule) -> CellComparison:
    metrics = tuple(paired(item, base, new, rule) for item in cell.metrics)
    return msgspec.structs.replace(cell, metrics=metrics)


def rounds(cell: Cell) -> tuple[int, ...]:
    """The round of each launch of a cell, in the order of its values.

    Empty where some launches have no values at all: which ones is not said in a run, and the cell is invalid anyway.
    """
    numbers = tuple(int(name.rpartition("-")[2]) for name in cell.launches if re.search(r"-\d+$", name))
    return numbers if not cell.failures else ()


def _spread(cell: Cell, item: MetricComparison) -> Spread | None:
    return cell.efficiency.get(item.scope, {}).get(item.metric) if item.scope else cell.summary.get(item.metric)


def _by_round(cell: Cell, item: MetricComparison) -> dict[int, float]:
    """Round → log cost, of the launches that have one."""
    spread, numbers = _spread(cell, item), rounds(cell)
    if spread is None or len(spread.launches) != len(numbers):
        return {}
    sign = -1.0 if METRICS[item.metric].worse == "lower" else 1.0
    values = zip(numbers, spread.launches, strict=True)
    return {number: sign * math.log(value) for number, value in values if value is not None and 0 < value < math.inf}


def paired(item: MetricComparison, base: Cell, new: Cell, rule: Rule) -> MetricComparison:
    """One metric that was compared as of two nights, compared by rounds instead.

    As it is where a side has no value, or held nothing at all: there is no ratio then.
    """
    a, b = _by_round(base, item), _by_round(new, item)
    both = sorted(set(a) & set(b))
    if not both or item.base.mean == 0 or item.new.mean == 0:
        return item
    ratios = [b[number] - a[number] for number in both]
    never = [endless(_spread(cell, item), item.metric) for cell in (base, new)]
    found = judged(
        msgspec.structs.replace(
            item,
            base=side([a[number] for number in both], len(a) - len(both) + item.base.unusable, item.metric),
            new=side([b[number] for number in both], len(b) - len(both) + item.new.unusable, item.metric),
        ),
        ratios,
        rule,
        searched.steps(item.metric, base, new),
    )
    return supported(found, *never)


def judged(
    item: MetricComparison, ratios: Sequence[float], rule: Rule, steps: searched.Steps = searched.NONE
) -> MetricComparison:
    """`item` with the verdict of these log ratios of cost, one per round. `steps`: as in `speed.compare_metric`."""
    found, band = Sample.of(ratios), math.log1p(item.tolerance)
    item = msgspec.structs.replace(
        item,
        verdict="inconclusive",
        change=share(found.mean, item.metric),
        low=None,
        high=None,
        minimum_detectable_change=None,
        more_launches=None,
        reason=None,
        paired=Paired(rounds=len(ratios), cost_ratios=tuple(math.exp(min(ratio, 700.0)) for ratio in ratios)),
    )
    at = standing(found)
    if at is None:
        reason = Text(
            en=f"one round has no spread; measure at least {rule.least_launches}",
            ko=f"1회로는 산포를 알 수 없음. {rule.least_launches}회 이상 측정하세요",
        )
        return msgspec.structs.replace(item, reason=reason)
    half = half_width(at, rule.confidence)
    low, high = found.mean - half - steps.new, found.mean + half + steps.base
    bounds = sorted((share(low, item.metric), share(high, item.metric)))
    seen = detectable(found, rule.confidence, rule.power, band + steps.new)
    item = msgspec.structs.replace(
        item,
        low=bounds[0] if math.isfinite(bounds[0]) else None,
        high=bounds[1] if math.isfinite(bounds[1]) else None,
        minimum_detectable_change=None if seen is None or math.isinf(steps.new) else share(seen, item.metric),
    )
    where = place(low, high, band)
    if where is not None and found.count >= rule.least_launches:
        return msgspec.structs.replace(item, verdict=VERDICTS[where])
    more = more_rounds(found, rule.confidence, band, rule.least_launches, steps)
    return msgspec.structs.replace(item, more_launches=more, reason=next(_withheld(found, more, steps, rule), None))


def _withheld(found: Sample, more: int | None, steps: searched.Steps, rule: Rule) -> Iterator[Text]:
    if found.count < rule.least_launches:
        yield Text(
            en=f"fewer than {rule.least_launches} rounds ({found.count})",
            ko=f"반복이 {rule.least_launches}회 미만({found.count}회)",
        )
    elif more is None and steps != searched.NONE:
        yield Text(
            en="the search found this load only to within its steps; rounds do not refine it, a longer search does",
            ko="부하를 탐색 간격까지만 찾았음. 반복을 늘려도 좁혀지지 않으며 더 긴 탐색이 필요함",
        )
    elif more is None:
        yield Text(
            en="the change is too close to the tolerance: no number of rounds can be named",
            ko="변화가 허용 폭에 너무 가까워 필요한 반복 횟수를 추정할 수 없음",
        )


def standing(ratios: Sample) -> Standing | None:
    """How well the mean of these ratios is known; None for fewer than two."""
    if ratios.variance is None:
        return None
    if ratios.variance == 0:
        return Standing(0.0, math.inf)
    return Standing(math.sqrt(ratios.variance / ratios.count), ratios.count - 1)


def detectable(ratios: Sample, confidence: float, power: float, tolerance: float) -> float | None:
    """The smallest true log ratio whose interval lies wholly above `tolerance` in a share `power` of repeats.

    None where `standing` is None. The repeats' t statistic about `tolerance` is noncentral t (one sample, so its
    degrees of freedom are known, unlike Welch's).
    """
    at = standing(ratios)
    if at is None or at.error == 0:
        return None if at is None else tolerance
    return tolerance + at.error * _errors_needed(ratios.count - 1, confidence, power)


@lru_cache(maxsize=4096)
def _errors_needed(freedom: int, confidence: float, power: float) -> float:
    from scipy import special  # type: ignore[import-untyped]

    edge = quantile(freedom, (1 + confidence) / 2)
    low, high = 0.0, 10.0
    while float(special.nctdtr(freedom, high, edge)) > 1 - power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if float(special.nctdtr(freedom, middle, edge)) > 1 - power:
            low = middle
        else:
            high = middle
    return high


def more_rounds(
    ratios: Sample, confidence: float, tolerance: float, least: int, steps: searched.Steps = searched.NONE
) -> int | None:
    """How many more rounds would decide, if mean and spread stay as they are now; at least `least` rounds in all.

    None where it cannot be estimated: a single round, or so close to the tolerance that MOST_LAUNCHES do not decide.
    """

    def enough(more: int) -> bool:
        at = standing(ratios.grown(more))
        if at is None:
            return False
        half = half_width(at, confidence)
        return place(ratios.mean - half - steps.new, ratios.mean + half + steps.base, tolerance) is not None

    low, high = max(0, least - ratios.count), MOST_LAUNCHES
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
