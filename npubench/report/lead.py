"""What a report opens with: the verdict in a few words, and one sentence that may be quoted.

Guarantees: the sentence names service numbers of what ran on hardware or at an endpoint, and nothing that is not a
result; where there is none it counts measurements. The verdict counts every cell that was measured. Pure.

Not aware of: what else must be known (`caveats`), the questions below it (`answers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from npubench.lang import Text
from npubench.report import facts, lead_claims, lead_names
from npubench.report.foreign import clean
from npubench.report.lead_placed import SHORT
from npubench.report.numbers import backend_name, count
from npubench.report.shown import Tone
from npubench.report.shown_lead import Claim, Claims
from npubench.report.words import joined
from npubench.schema import VALIDITY_TEXT, Run
from npubench.units import UNKNOWN

_MOST_DEVICES = 3
_RANDOM = Text(en="random weights, speed only", ko="학습되지 않은 모델, 속도만 유효")
_UNKNOWN = Text(en="unknown", ko="알 수 없음")


def counts(runs: Sequence[Run]) -> dict[str, int]:
    """How many cells were found what; of unsupported ones also those that were never planned."""
    found = {"valid": 0, "degraded": 0, "invalid": 0, "unsupported": sum(len(run.unsupported) for run in runs)}
    for run in runs:
        for cell in run.cells:
            if cell.purpose == "measure":
                found[cell.verdict] += 1
    return found


def verdict(runs: Sequence[Run]) -> tuple[Text, Tone]:
    """How much of what was measured holds."""
    number = counts(runs)
    valid, degraded, invalid = number["valid"], number["degraded"], number["invalid"]
    n = valid + degraded + invalid
    if n == 0:
        return Text(en="Nothing was measured", ko="측정 결과 없음"), "bad"
    if valid + degraded == 0:
        return Text(en="No usable result", ko="쓸 수 있는 결과 없음"), "bad"
    tone: Tone = "good" if valid == n else "warn"
    if valid == n:
        text = Text(en=f"All {count(n)} measurements valid", ko=f"측정 {count(n)}건 모두 유효")
        if n == 1:
            text = Text(en="The one measurement is valid", ko="측정 1건 유효")
    else:
        rest = [(degraded, VALIDITY_TEXT["degraded"]), (invalid, VALIDITY_TEXT["invalid"])]
        en = "".join(f", {count(many)} {word.en}" for many, word in rest if many)
        ko = "".join(f", {count(many)}건 {word.ko}" for many, word in rest if many)
        text = Text(
            en=f"{count(valid)} of {count(n)} measurements valid{en}",
            ko=f"측정 {count(n)}건 중 {count(valid)}건 유효{ko}",
        )
    if not all(run.comparable for run in runs):
        text, tone = Text(en=f"{text.en}, not comparable", ko=f"{text.ko}, 비교 불가"), "warn"
    return text, tone


def machine(run: Run) -> Text:
    """The machine with its processor."""
    name = clean(run.machine.name)
    cpu = clean(run.machine.cpu) if run.machine.cpu else None
    threads = run.machine.threads
    extra = [part for part in (cpu, f"{count(threads)} threads" if threads else None) if part]
    extra_ko = [part for part in (cpu, f"스레드 {count(threads)}개" if threads else None) if part]
    return Text(
        en=f"{name} ({', '.join(extra)})" if extra else name, ko=f"{name}({', '.join(extra_ko)})" if extra else name
    )


def sentence(run: Run, found: Sequence[Claims]) -> Text:
    """What the services get on one machine, by device; where nothing can be claimed, what was measured."""
    parts = [_service(service.key, own(service), {}, _seeded([run])) for service in found]
    told = [part for part in parts if part is not None]
    if not told:
        return _counted(run)
    name = clean(run.machine.name)
    return Text(
        en=f"On {name} — {'; '.join(part.en for part in told)}.", ko=f"{name} — {'; '.join(part.ko for part in told)}."
    )


def together(runs: Sequence[Run], found: Sequence[Sequence[Claims]]) -> Text:
    """What the services get on several machines: of each machine its best device."""
    names = lead_names.places(runs)
    titles = lead_names.devices(runs)
    found = lead_claims.of_one_kind(found)
    work = lead_claims.work(found)
    told = []
    for key, model in work:
        rows: dict[Claim, Text] = {}
        for name, services in zip(names, found, strict=True):
            for best in lead_claims.of_model(services, key, model)[:1]:
                if best.value is not None:
                    rows[best] = titles.get((name, best.backend.id), best.backend.title)
        several = sum(each == key for each, _ in work) > 1
        part = _service(key, lead_claims.best_first(rows), rows, _seeded(runs), named=several)
        if part is not None:
            told.append(part)
    if not told:
        n = count(len(runs))
        return Text(en=f"{n} runs without a service number.", ko=f"서비스 수치가 없는 실행 {n}건입니다.")
    return Text(en=f"{_upper('; '.join(part.en for part in told))}.", ko=f"{'; '.join(part.ko for part in told)}.")


def _seeded(runs: Sequence[Run]) -> set[str]:
    return {model for run in runs for model in facts.seeded_models(run)}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def own(service: Claims) -> list[Claim]:
    """What a sentence on one machine tells of a service: its first model, CPUs after others, unknown ones last."""
    rows = lead_claims.of_model([service], service.key, service.rows[0].model.id)
    return sorted(rows, key=lambda row: (row.figure.text == UNKNOWN, row.on_cpu))


def _service(
    key: str, rows: Sequence[Claim], names: Mapping[Claim, Text], seeded: Set[str], *, named: bool = False
) -> Text | None:
    """`CCTV: 14 cameras at 15 fps on Sample NPU, 2 on CPU`; `named`: with the model, of which there are several."""
    if not rows or rows[0].figure.text == UNKNOWN:
        return None
    model = rows[0].model.title
    title = SHORT.get(key) if key != "other" else None
    called = title or model
    if named and title is not None:
        called = Text(en=f"{title.en}, {model.en}", ko=f"{title.ko}, {model.ko}")
    if rows[0].model.id in seeded:
        called = Text(en=f"{called.en} ({_RANDOM.en})", ko=f"{called.ko}({_RANDOM.ko})")
    english, korean = [], []
    for place, row in enumerate(rows[:_MOST_DEVICES]):
        at, precision = names.get(row, row.backend.title), lead_claims.precision(row, rows[:_MOST_DEVICES])
        if precision:
            at = Text(en=f"{at.en} in {precision}", ko=f"{at.ko}·{precision}")
        if row.figure.text == UNKNOWN:
            english.append(f"{_UNKNOWN.en if row.placed else 'no result'} on {at.en}")
            korean.append(f"{at.ko} {_UNKNOWN.ko if row.placed else '결과 없음'}")
        elif place == 0 or lead_claims.load_of(row) != lead_claims.load_of(rows[0]):
            english.append(f"{row.spelled.en} on {at.en}")
            korean.append(f"{at.ko} {row.spelled.ko}")
        else:
            english.append(f"{row.short.en} on {at.en}")
            korean.append(f"{at.ko} {row.short.ko}")
    more = len(rows) - _MOST_DEVICES
    if more > 0:
        english.append(f"{count(more)} more")
        korean.append(f"그 밖의 {count(more)}개")
    return Text(en=f"{called.en}: {', '.join(english)}", ko=f"{called.ko}: {', '.join(korean)}")


def _counted(run: Run) -> Text:
    """What was measured on what, and how much of it holds."""
    # A cell that turned out to be unsupported was tried, not measured; it is counted in a caveat.
    measured = [cell for cell in run.cells if cell.purpose == "measure" and cell.verdict != "unsupported"]
    where = machine(run)
    if not measured:
        return Text(en=f"On {where.en}, nothing was measured.", ko=f"{where.ko}에서 측정한 것이 없습니다.")
    models = len({cell.model for cell in measured})
    used = list(dict.fromkeys(cell.backend for cell in measured))
    backends = joined([backend_name(run, backend).title for backend in used])
    number = counts([run])
    n, valid, degraded, invalid = (
        count(value) for value in (len(measured), number["valid"], number["degraded"], number["invalid"])
    )
    return Text(
        en=f"On {where.en}, npubench measured {count(models)} {'model' if models == 1 else 'models'} on "
        f"{backends.en}: of {n} {'measurement' if len(measured) == 1 else 'measurements'}, {valid} valid, "
        f"{degraded} with caution, {invalid} invalid.",
        ko=f"{where.ko}에서 {backends.ko} 백엔드로 모델 {count(models)}개를 측정했습니다. "
        f"측정 {n}건 가운데 유효 {valid}건, 주의 {degraded}건, 무효 {invalid}건입니다.",
    )
