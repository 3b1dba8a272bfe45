"""Which device does more for the same power, and how sure that is.

Guarantees: only of the whole machine can unlike devices be told apart, and only where the intervals of all are known
and do not meet; where the order of a smaller scope is the other way round, it is said, and so is an idle power that
drifted. Pure.

Not aware of: how places are found (`stats.ranking`), what is said where there are none (`lead_metered`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import lead_names, loads, power_figures
from npubench.report.claims import OWN, WHOLE, each
from npubench.report.foreign import clean
from npubench.report.lead_drift import drift
from npubench.report.lead_metered import metered, unsaid
from npubench.report.power_words import figure, scope_name
from npubench.report.shown import Tone
from npubench.report.shown_lead import Answer, Claims
from npubench.report.words import joined
from npubench.schema import Cell, Run
from npubench.stats.ranked import Entry, Figure, Ranking, Row, Table
from npubench.units import significant

_WATT = Text(en="Which device does more for the same power?", ko="같은 전력으로 더 많이 처리하는 장치는?")
_RANKING = Text(en="The ranking", ko="순위")
_POWER = Text(en="Power and energy", ko="전력과 에너지")
_MOST = 3
# Metric → what there is more of, with the particle that follows it in Korean, and for the same what.
_MORE: dict[str, tuple[Text, Text]] = {
    "cameras_per_w": (Text(en="cameras", ko="카메라를"), Text(en="power", ko="전력으로")),
    "users_per_w": (Text(en="users", ko="사용자를"), Text(en="power", ko="전력으로")),
    "tokens_per_j": (Text(en="tokens", ko="토큰을"), Text(en="energy", ko="에너지로")),
    "energy_per_page_j": (Text(en="pages", ko="문서를"), Text(en="energy", ko="에너지로")),
    "energy_per_frame_j": (Text(en="frames", ko="프레임을"), Text(en="energy", ko="에너지로")),
    "energy_per_request_j": (Text(en="requests", ko="요청을"), Text(en="energy", ko="에너지로")),
}
_FIRST = ("cameras_per_w", "energy_per_page_j", "users_per_w", "tokens_per_j")
_USUAL_FPS = 15.0

At = tuple[str, str]
"""A run's id and its machine, as an entry of the ranking has them."""


def power(
    runs: Sequence[Run], claims: Sequence[Sequence[Claims]], ranking: Ranking | None, keys: Sequence[str]
) -> Answer:
    """The answer for these runs, whose parts of the page have these keys."""
    table = _energy_table(ranking) if ranking is not None else None
    if table is not None and ranking is not None:
        return _ranked(runs, table, ranking.confidence)
    links = _links(runs, keys)
    if found := metered(runs, claims):
        said, lines = unsaid(runs, found)
        return Answer(question=_WATT, answer=said, more=lines[:_MOST], tone="plain", links=links)
    measured = [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]
    return Answer(
        question=_WATT, answer=Text(en="Unknown", ko="알 수 없습니다"),
        more=(_brief(power_figures.why_dark(measured, {})),), tone="plain", links=links,
    )  # fmt: skip


def _brief(why: Text) -> Text:
    """Without what each meter lacks: the section that is linked tells it."""
    return Text(en=why.en.partition(": ")[0], ko=why.ko.partition(": ")[0])


def _links(runs: Sequence[Run], keys: Sequence[str]) -> tuple[tuple[str, Text], ...]:
    if len(runs) == 1:
        return ((f"{keys[0]}-power", _POWER),)
    return tuple(
        (f"{key}-power", Text(en=f"{_POWER.en}: {name}", ko=f"{_POWER.ko}: {name}"))
        for key, name in zip(keys, lead_names.places(runs), strict=True)
    )


def _energy_table(ranking: Ranking) -> Table | None:
    """The table that a buyer reads first: cameras at 15 fps, else what is first, of hardware, of the whole machine.

    Where nothing gives that, of a smaller scope in which there are places: those devices are alike.
    """

    def place(table: Table) -> tuple[float, ...]:
        smaller = OWN.index(table.meter_scope) + 1 if table.meter_scope in OWN else 0
        searched = loads.searched(table.scenario)
        fps = table.scenario.params.get("fps", _USUAL_FPS)
        away = abs(float(fps) - _USUAL_FPS) if isinstance(fps, (int, float)) else 0.0
        what = _FIRST.index(table.metrics[0]) if table.metrics[0] in _FIRST else len(_FIRST)
        return smaller, searched is None, what, away, table.scope != "service", table.division == "fixed"

    known = [
        table
        for table in ranking.tables
        if table.kind == "hardware"
        and table.mix is None
        and (table.meter_scope in WHOLE or (table.meter_scope in OWN and _has_places(table)))
        and len({_device(row.entry) for row in table.rows if row.figures[0].value is not None}) > 1
    ]
    return min(known, key=place, default=None)


def cells(ranking: Ranking) -> frozenset[tuple[str, str, str]]:
    """(run, machine, cell) of whatever the answer tells."""
    table = _energy_table(ranking)
    rows = [row for row in table.rows if row.figures[0].value is not None] if table is not None else []
    return frozenset((row.entry.run, row.entry.machine, row.entry.cell) for row in rows[:_MOST])


def _has_places(table: Table) -> bool:
    return any(row.figures[0].place is not None for row in table.rows)


def _device(entry: Entry) -> tuple[str, str, str]:
    return entry.run, entry.machine, entry.backend


def _ranked(runs: Sequence[Run], table: Table, confidence: float) -> Answer:
    """Best first, with how many times as much as the next."""
    rows = [row for row in table.rows if row.figures[0].value is not None]
    by_id: dict[At, tuple[Run, str]] = {
        (run.id, run.machine.name): (run, place) for run, place in zip(runs, lead_names.places(runs), strict=True)
    }
    names = lead_names.devices(runs)

    def name(row: Row) -> Text:
        return names[by_id[row.entry.run, row.entry.machine][1], row.entry.backend]

    first, second = rows[0], rows[1]
    best, after = first.figures[0], second.figures[0]
    one, other = name(first), name(second)
    tone: Tone = "plain"
    more: list[Text] = []
    blurred = [name(row) for row in rows if row.figures[0].place is None]
    if blurred:
        # Whoever has no interval may be better than the first and cannot be shown to be worse.
        whose = joined(list(dict.fromkeys(blurred)))
        said = Text(
            en=f"Not certain: no interval is known for {whose.en}",
            ko=f"확실하지 않습니다. 구간을 알 수 없는 장치: {whose.ko}",
        )
    elif best.place == 1 and not best.shared:
        tone = "good"
        said = _times_said(best, after, one, other)
        if _range(best, after):
            sure = f"{significant(confidence * 100, 2)} %"
            more.append(
                Text(en=f"In brackets: with the {sure} intervals of both.", ko=f"괄호 안: 두 값의 {sure} 구간을 반영")
            )
    else:
        said = Text(
            en=f"No difference can be shown between {one.en} and {other.en}",
            ko=f"{one.ko}, {other.ko}의 차이를 확인할 수 없습니다",
        )
    assert table.meter_scope is not None
    where, how, model = scope_name(table.meter_scope), loads.plain(table.scenario), clean(table.model)
    if table.scope != "service":
        how = loads.in_scope(table.scenario, table.scope)
    about = Text(
        en=f"{model}, {how.en}: {where.en}, idle power included.",
        ko=f"{model}, {how.ko}: {where.ko} 전력이며 유휴 전력을 포함합니다.",
    )
    told = [Text(en=f"{name(row).en}: {_each(row).en}", ko=f"{name(row).ko}: {_each(row).ko}") for row in rows[:_MOST]]
    flipped: list[Text] = []
    if not blurred and table.meter_scope in WHOLE:
        flipped = list(_flipped(by_id, (first, second), (one, other)))
    drifted = drift(by_id[at][0] for at in dict.fromkeys((row.entry.run, row.entry.machine) for row in rows[:2]))
    if drifted is not None:
        more.append(Text(en=f"{drifted.en}.", ko=f"{drifted.ko}."))
    return Answer(
        question=_WATT, answer=said, more=(about, *told, *flipped, *more),
        tone="warn" if tone == "good" and drifted is not None else tone, links=(("ranking", _RANKING),),
    )  # fmt: skip


def _times_said(best: Figure, after: Figure, one: Text, other: Text) -> Text:
    assert best.value is not None
    assert after.value is not None
    times, between = _told(_over(best.metric, best.value, after.value), _range(best, after))
    en, ko = (f" ({between[0]} to {between[1]})", f"({between[0]}~{between[1]})") if between else ("", "")
    if best.metric not in _MORE:
        return Text(
            en=f"{one.en}: {times} times as good as {other.en}{en}", ko=f"{one.ko}: {other.ko}보다 {times}배{ko} 우수"
        )
    more, same = _MORE[best.metric]
    return Text(
        en=f"{one.en}: {times}x{en} the {more.en} of {other.en} for the same {same.en}",
        ko=f"{one.ko}: 같은 {same.ko} {other.ko}보다 {more.ko} {times}배{ko} 처리",
    )


def _over(metric: str, best: float, after: float) -> float:
    return best / after if METRICS[metric].worse == "lower" else after / best


def _range(best: Figure, after: Figure) -> tuple[float, float] | None:
    """From how many to how many times, where both intervals are known on both sides."""
    if not best.low or not best.high or not after.low or not after.high:
        return None
    low, high = sorted((_over(best.metric, best.low, after.high), _over(best.metric, best.high, after.low)))
    return low, high


def _told(times: float, between: tuple[float, float] | None) -> tuple[str, tuple[str, str] | None]:
    """The ratio and its range with as few digits as keep the three apart: 1.4 (1.3 to 1.4) looks like a mistake."""
    for digits in (2, 3):
        said = significant(times, digits)
        low, high = (significant(ratio, digits) for ratio in between or (times, times))
        if between is not None and len({said, low, high}) == 3:
            return said, (low, high)
    return (said, (low, high)) if between is not None and low != high else (significant(times, 2), None)


def _flipped(by_id: Mapping[At, tuple[Run, str]], rows: tuple[Row, Row], names: tuple[Text, Text]) -> Iterator[Text]:
    """Where a sensor that sees less of the machine puts the two in the other order."""
    metric = rows[0].figures[0].metric
    cells = [_cell(by_id[row.entry.run, row.entry.machine][0], row.entry) for row in rows]
    for scope in OWN:
        spreads = [cell.efficiency.get(scope, {}).get(metric) if cell is not None else None for cell in cells]
        values = [spread.median for spread in spreads if spread is not None and spread.median]
        if len(values) < 2 or _over(metric, values[0], values[1]) >= 1:
            continue
        where = scope_name(scope)
        told = [each(figure(metric, value)) for value in values]
        (one, other), (a, b) = names, told
        yield Text(
            en=f"Measured at the {where.en} alone the order flips ({one.en} {a.en}, {other.en} {b.en}). Sensors of "
            "different devices differ, so do not compare these directly.",
            ko=f"{where.ko} 자체 센서 값은 {one.ko} {a.ko}, {other.ko} {b.ko}로 순서가 반대이지만, 장치마다 "
            "센서가 달라 비교에 쓸 수 없습니다.",
        )
        return


def _cell(run: Run, entry: Entry) -> Cell | None:
    return next((cell for cell in run.cells if cell.id == entry.cell), None)


def _each(row: Row) -> Text:
    return each(figure(row.figures[0].metric, row.figures[0].value))
