"""Three questions that everybody asks of a report, each answered in a line or two with the place where it is shown.

Which device does more with a watt: only of the whole machine can unlike devices be told apart, and only where their
intervals do. Did it run where it says: by placement certificates alone. May the numbers be trusted: how often each cell
was measured, whose answers were checked, and everything that speaks against it. Pure.

Not aware of: the sentence above them (`lead`), how places are found (`stats.ranking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import lead, loads, power_figures
from npubench.report.claims import DEVICES, WHOLE, each
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, count
from npubench.report.power_words import figure, scope_name, watts
from npubench.report.shown import Number, Tone
from npubench.report.shown_lead import Answer, Claims
from npubench.report.words import joined, same
from npubench.schema import Cell, Run
from npubench.stats.ranked import Figure, Ranking, Row, Table
from npubench.units import show_share, significant

_WATT = Text(en="Which device does more with a watt?", ko="같은 전력으로 더 많이 처리하는 장치는?")
_RAN = Text(en="Did it run on that device?", ko="정말 그 장치에서 실행되었는가?")
_TRUST = Text(en="May I trust the numbers?", ko="이 수치를 믿어도 되는가?")
_RANKING = Text(en="the ranking", ko="순위")
_PLACES = Text(en="the certificates", ko="배치 증명서")
_NOTES = Text(en="machine, versions, warnings", ko="장비, 버전, 경고")
_POWER = Text(en="power and energy", ko="전력과 에너지")
_MOST = 3
_GRAVEST: tuple[Tone, ...] = ("bad", "plain", "warn", "good")


def answers(
    runs: Sequence[Run], claims: Sequence[Sequence[Claims]], ranking: Ranking | None, keys: Sequence[str]
) -> tuple[Answer, ...]:
    """The answers for these runs, whose parts of the page have these keys. Nothing measured: none."""
    if not any(
        cell.purpose == "measure" and cell.verdict in ("valid", "degraded") for run in runs for cell in run.cells
    ):
        return ()
    return (_watt(runs, claims, ranking, keys[0]), _ran(runs, keys[0]), _trusted(runs, keys[0]))


def _watt(runs: Sequence[Run], claims: Sequence[Sequence[Claims]], ranking: Ranking | None, key: str) -> Answer:
    table = _energy_table(ranking) if ranking is not None else None
    if table is not None:
        return _ranked(runs, table)
    own = [(row, item) for found in claims for service in found for row in service.rows for item in row.spent]
    if own:
        first = own[0][0].load
        told = [
            Text(
                en=f"{row.backend.title.en}: {each(item.number).en} ({item.title.en})",
                ko=f"{row.backend.title.ko}: {each(item.number).ko}({item.title.ko})",
            )
            for row, item in own
            if row.load == first
        ]
        alone = len({row.backend.id for row, _ in own}) == 1
        said = Text(en="Only one device has a figure", ko="수치가 있는 장치가 하나뿐입니다")
        if not alone:
            said = Text(
                en="Not to be said: each device was metered in a scope of its own",
                ko="말할 수 없습니다. 장치마다 측정 범위가 다릅니다",
            )
        return Answer(
            question=_WATT, answer=said, more=tuple(dict.fromkeys(told))[:_MOST], tone="plain", href=f"{key}-power",
            link=_POWER,
        )  # fmt: skip
    measured = [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]
    return Answer(
        question=_WATT, answer=Text(en="Unknown", ko="알 수 없습니다"), more=(power_figures.why_dark(measured, {}),),
        tone="plain", href=f"{key}-power", link=_POWER,
    )  # fmt: skip


def _energy_table(ranking: Ranking) -> Table | None:
    """The table that a buyer reads first: cameras at 15 fps, else what is first, of the whole machine, of hardware."""

    def place(table: Table) -> tuple[float, ...]:
        searched = loads.searched(table.scenario)
        fps = table.scenario.params.get("fps", 15)
        away = abs(float(fps) - 15) if isinstance(fps, (int, float)) else 0.0
        metrics = ("cameras_per_w", "energy_per_page_j", "users_per_w", "tokens_per_j")
        what = metrics.index(table.metrics[0]) if table.metrics[0] in metrics else len(metrics)
        return searched is None, what, away, table.scope != "service", table.division == "fixed"

    known = [
        table
        for table in ranking.tables
        if table.meter_scope in WHOLE
        and table.kind == "hardware"
        and table.mix is None
        and sum(row.figures[0].value is not None for row in table.rows) > 1
    ]
    return min(known, key=place, default=None)


def _ranked(runs: Sequence[Run], table: Table) -> Answer:
    """Best first, with how many times as much as the next."""
    rows = [row for row in table.rows if row.figures[0].value is not None]
    names = {(run.id, run.machine.name): name for run, name in zip(runs, lead.places(runs), strict=True)}
    by_id = {(run.id, run.machine.name): run for run in runs}

    def name(row: Row) -> Text:
        at = row.entry.run, row.entry.machine
        title = backend_name(by_id[at], row.entry.backend).title
        if len(runs) == 1:
            return title
        return Text(en=f"{title.en} in {names[at]}", ko=f"{names[at]}의 {title.ko}")

    first, second = rows[0], rows[1]
    best, after = first.figures[0], second.figures[0]
    assert table.meter_scope is not None
    where, how = scope_name(table.meter_scope), loads.plain(table.scenario)
    told = [
        Text(
            en=f"{name(row).en}: {each(_number(row.figures[0])).en}",
            ko=f"{name(row).ko}: {each(_number(row.figures[0])).ko}",
        )
        for row in rows[:_MOST]
    ]
    if best.place == 1 and not best.shared:
        times = significant(_times(best, after), 2)
        said = Text(
            en=f"{name(first).en}: {times} times as much as {name(second).en}",
            ko=f"{name(first).ko}: {name(second).ko}의 {times}배",
        )
        tone: Tone = "good"
    else:
        said = Text(
            en=f"{name(first).en} and {name(second).en} cannot be told apart",
            ko=f"{name(first).ko}, {name(second).ko}의 차이를 확인할 수 없습니다",
        )
        tone = "plain"
    model = clean(table.model)
    about = Text(en=f"{model}, {how.en}, {where.en}", ko=f"{model}, {how.ko}, {where.ko}")
    return Answer(question=_WATT, answer=said, more=(about, *told), tone=tone, href="ranking", link=_RANKING)


def _times(best: Figure, after: Figure) -> float:
    assert best.value is not None
    assert after.value is not None
    return best.value / after.value if METRICS[best.metric].worse == "lower" else after.value / best.value


def _number(found: Figure) -> Number:
    """As in the claims: watts of a camera, joules of a page."""
    if found.metric == "cameras_per_w" and found.value:
        return Number(text=watts(1 / found.value), unit=power_figures.PER_CAMERA)
    return figure(found.metric, found.value)


def _ran(runs: Sequence[Run], key: str) -> Answer:
    by_backend: dict[tuple[str, str], list[tuple[Cell, Certificate | None]]] = {}
    titles: dict[tuple[str, str], Text] = {}
    for run, name in zip(runs, lead.places(runs), strict=True):
        for cell in run.cells:
            if cell.purpose != "measure" or cell.verdict == "unsupported":
                continue
            at = name, cell.backend
            title = backend_name(run, cell.backend).title
            titles[at] = title if len(runs) == 1 else Text(en=f"{title.en} in {name}", ko=f"{name}의 {title.ko}")
            found = by_backend.setdefault(at, [])
            if not any(_build(other) == _build(cell) for other, _ in found):
                found.append((cell, cell.certificate))
    asked = {at: found for at, found in by_backend.items() if not all(_is_cpu(each) for _, each in found)}
    told = [_told(titles[at], [each for _, each in found]) for at, found in (asked or by_backend).items()]
    tones = [tone for _, tone in told]
    worst: Tone = next((tone for tone in _GRAVEST if tone in tones), "plain")
    said = {
        "good": Text(en="Yes, all of it", ko="예, 전부 실행되었습니다"),
        "warn": Text(en="Not wholly", ko="일부는 아닙니다"),
        "plain": Text(en="Not proven of everything", ko="전부 확인되지는 않았습니다"),
        "bad": Text(en="Not everything", ko="전부는 아닙니다"),
    }[worst]
    if not asked and worst == "good":
        said = Text(en="Only CPUs were measured; it ran there", ko="CPU만 측정했으며 CPU에서 실행되었습니다")
    return Answer(
        question=_RAN, answer=said, more=tuple(text for text, _ in told[: _MOST + 1]),
        tone="warn" if worst == "bad" else worst, href=f"{key}-places", link=_PLACES,
    )  # fmt: skip


def _build(cell: Cell) -> tuple[str, str, str]:
    return cell.model, cell.precision, cell.key.get("variant", "")


def _proven(cell: Cell) -> bool:
    return cell.certificate is not None and cell.certificate.extent not in ("unknown", "none")


def _is_cpu(found: Certificate | None) -> bool:
    return found is not None and found.device_type == "cpu" and found.execution_kind == "hardware"


def _told(title: Text, found: Sequence[Certificate | None]) -> tuple[Text, Tone]:
    """`Sample NPU: 100 % of the arithmetic in 2 of 3 builds on the NPU; in part: ocr-korean fp32 (62 %)`."""
    known = [each for each in found if each is not None]
    sim = [each for each in known if each.execution_kind in ("simulated", "virtual")]
    if sim:
        return Text(en=f"{title.en}: an emulator, not the device", ko=f"{title.ko}: 장치가 아니라 에뮬레이터"), "bad"
    if known and all(each.execution_kind == "endpoint" for each in known):
        return Text(en=f"{title.en}: an endpoint, not seen", ko=f"{title.ko}: 엔드포인트라 알 수 없음"), "plain"
    full = [each for each in known if each.extent == "full"]
    part = [each for each in known if each.extent == "assisted"]
    none = [each for each in known if each.extent == "none"]
    doubt = len(found) - len(full) - len(part) - len(none)
    n = count(len(found))
    device = next((DEVICES[each.device_type] for each in full + part if each.device_type in DEVICES), None)
    on, on_ko = (f" on {device.en}", f"{device.ko}에서 ") if device is not None else ("", "")
    shares = [each.macs_share for each in full if each.macs_share is not None]
    english, korean = [], []
    if full:
        least = f"{show_share(min(shares))} of the arithmetic" if shares else "all of it"
        least_ko = f"연산의 {show_share(min(shares))}" if shares else "전부"
        many = "" if len(full) == len(found) else f" in {count(len(full))} of {n} builds"
        many_ko = "" if len(full) == len(found) else f"(빌드 {n}개 중 {count(len(full))}개)"
        english.append(f"{least}{on}{many}")
        korean.append(f"{on_ko}{least_ko}{many_ko}")
    for those, word, word_ko in ((part, "CPU-assisted", "CPU 보조"), (none, "fell back to the CPU", "CPU로 대체 실행")):
        if those:
            names = joined([_share(each) for each in those])
            english.append(f"{word}: {names.en}")
            korean.append(f"{word_ko}: {names.ko}")
    if doubt:
        english.append(f"not proven: {count(doubt)} of {n} builds")
        korean.append(f"미확인: 빌드 {n}개 중 {count(doubt)}개")
    tone: Tone = "bad" if none else "plain" if doubt else "warn" if part else "good"
    return Text(en=f"{title.en}: {'; '.join(english)}", ko=f"{title.ko}: {'; '.join(korean)}"), tone


def _share(found: Certificate) -> Text:
    share = f" ({show_share(found.macs_share)})" if found.macs_share is not None else ""
    return same(f"{clean(found.model)} {clean(found.precision)}{share}")


def _trusted(runs: Sequence[Run], key: str) -> Answer:
    against = list(_against(runs))
    told = [*_for(runs), *against]
    quick = any(not run.comparable for run in runs)
    tone: Tone = "warn"
    if quick:
        said = Text(en="Not yet: a quick look", ko="아직 아닙니다. 간이 측정입니다")
    elif _doubtful(runs):
        said = Text(en="With care", ko="주의해서 보십시오")
    elif against:
        n = count(len(against))
        said = Text(
            en=f"Yes, with {n} {'remark' if len(against) == 1 else 'remarks'}", ko=f"예, 참고할 점 {n}가지가 있습니다"
        )
    else:
        said, tone = Text(en="Yes", ko="예"), "good"
    return Answer(question=_TRUST, answer=said, more=tuple(told), tone=tone, href=f"{key}-machine", link=_NOTES)


def _doubtful(runs: Sequence[Run]) -> bool:
    """Whether what a number rests on is missing: checked answers, a proven place, more than one launch."""
    measured = [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]
    unchecked = all(cell.quality is None or cell.quality.verdict == "unknown" for cell in measured)
    unproven = any(not _proven(cell) for cell in measured)
    return unchecked or unproven or any(len(cell.launches) < 2 for cell in measured)


def _for(runs: Sequence[Run]) -> Iterator[Text]:
    """How it was measured and checked."""
    measured = [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]
    launches = [len(cell.launches) for cell in measured]
    if launches:
        least = count(min(launches))
        yield Text(
            en=f"{least} fresh {'launch' if min(launches) == 1 else 'launches'} of each cell, warm-up left out",
            ko=f"셀마다 새 프로세스로 {least}회 실행, 준비 구간 제외",
        )
    judged = {(*_build(cell), cell.backend): cell.quality for cell in measured if cell.quality is not None}
    if judged:
        passed, n = count(sum(found.verdict == "passed" for found in judged.values())), count(len(judged))
        yield Text(en=f"answers checked: {passed} of {n} builds pass", ko=f"답 검사: 빌드 {n}개 중 {passed}개 통과")


def _against(runs: Sequence[Run]) -> Iterator[Text]:
    """What speaks against it, in a few words each."""
    number = lead.counts(runs)
    for word, ko in (("degraded", "저하"), ("invalid", "무효")):
        if number[word]:
            n = count(number[word])
            yield Text(
                en=f"{n} {'cell' if number[word] == 1 else 'cells'} {word}, marked where they stand",
                ko=f"{ko} 셀 {n}개(해당 위치에 표시)",
            )
    measured = [cell for run in runs for cell in run.cells if cell.purpose == "measure" and cell.summary]
    if measured and all(cell.quality is None or cell.quality.verdict == "unknown" for cell in measured):
        yield Text(en="nobody checked the answers", ko="답을 검사하지 않음")
    unproven = {(*_build(cell), cell.backend) for cell in measured if not _proven(cell)}
    if unproven:
        n = count(len(unproven))
        yield Text(
            en=f"where {n} {'build' if len(unproven) == 1 else 'builds'} ran is not proven",
            ko=f"실행 위치가 확인되지 않은 빌드 {n}개",
        )
    launches = [len(cell.launches) for cell in measured]
    if launches and min(launches) < 2:
        yield Text(en="one launch has no interval", ko="실행 1회로는 구간을 알 수 없음")
    if warnings := sum(note.severity == "warning" for run in runs for note in run.notes):
        n = count(warnings)
        yield Text(
            en=f"{n} {'warning' if warnings == 1 else 'warnings'} about the machine", ko=f"장비에 관한 경고 {n}건"
        )
    if any(cell.quality is not None and cell.quality.drawn for cell in measured):
        yield Text(en="drawn test data: compares devices only", ko="직접 그린 자료: 장치 비교용")
