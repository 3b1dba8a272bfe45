"""Quality records in words, for the terminal and the page: what was scored, against which floor, on which data."""

from __future__ import annotations

from npubench.cards import PRECISIONS, build_name
from npubench.lang import Language, Text
from npubench.metrics import QUALITY
from npubench.report import reasons
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.shown import Fact, Number
from npubench.schema import Cell, Quality, Run, Score
from npubench.units import UNKNOWN, show, show_ns

VERDICTS: dict[str, Text] = {
    "passed": Text(en="passed", ko="통과"),
    "failed": Text(en="failed", ko="미달"),
    "unknown": Text(en="unknown", ko="알 수 없음"),
}
DRAWN = Text(
    en="on data that we drew: it compares devices, not detectors or readers",
    ko="직접 그린 자료 기준: 장치 비교용이며 실제 성능이 아님",
)


def value_of(score: Score) -> str:
    """A score's value as text."""
    return show(score.value, QUALITY[score.metric].unit if score.metric in QUALITY else "")


def title_of(score: Score) -> Text:
    """A score's name."""
    name = clean(score.metric)
    return QUALITY[score.metric].title if score.metric in QUALITY else Text(en=name, ko=name)


def headline(quality: Quality) -> Score | None:
    """The figure that stands for the rest: the first task metric, else the fidelity."""
    judged = [score for score in quality.scores if score.value is not None]
    return next((score for score in judged if score.passed is not None), next(iter(judged), None))


def line(quality: Quality) -> Text:
    """One record in a line."""
    score = headline(quality)
    if score is None:
        said = quality.reasons[0] if quality.reasons else Text(en="not judged", ko="판정 없음")
        verdict = VERDICTS[quality.verdict]
        return Text(en=f"{verdict.en}: {clean(said.en)}", ko=f"{verdict.ko}: {clean(said.ko)}")
    title, verdict = title_of(score), VERDICTS[quality.verdict]
    return Text(
        en=f"{verdict.en}: {title.en} {value_of(score)} ({_inputs(quality).en})",
        ko=f"{verdict.ko}: {title.ko} {value_of(score)} ({_inputs(quality).ko})",
    )


def _inputs(quality: Quality) -> Text:
    """How many inputs were answered; where they are made, not read, there is no whole to be a part of."""
    if not quality.available:
        return Text(en=f"{quality.inputs} inputs", ko=f"입력 {quality.inputs}개")
    return Text(
        en=f"{quality.inputs} of {quality.available} inputs",
        ko=f"입력 {quality.available}개 중 {quality.inputs}개",
    )


def number(cell: Cell) -> tuple[Number, Text | None]:
    """The figure for the table of cells; None where it is known, else why it is not."""
    score = headline(cell.quality) if cell.quality is not None else None
    if cell.quality is None or score is None:
        said = cell.quality.reasons[0] if cell.quality is not None and cell.quality.reasons else None
        why = Text(en=clean(said.en), ko=clean(said.ko)) if said else reasons.full(cell.quality_reason)
        return Number(text=UNKNOWN, reason=why), why
    return Number(text=value_of(score), unit=name_of(score)), None


def facts(quality: Quality) -> tuple[Fact, ...]:
    """Everything about one record: a line per score, with its floor and the reference's figure."""
    found = [Fact(name=Text(en="Quality", ko="품질"), value=_summary(quality))]
    for score in quality.scores:
        unit = QUALITY[score.metric].unit if score.metric in QUALITY else ""
        english, korean = [value_of(score)], [value_of(score)]
        if score.reference is not None:
            said = show(score.reference, unit)
            english.append(f"fp32 reference {said}")
            korean.append(f"fp32 기준 {said}")
        if score.floor is not None:
            said = show(score.floor, unit)
            bound = ("at most", "이하") if score.metric == "kl" else ("at least", "이상")
            english.append(f"{bound[0]} {said}: {'passed' if score.passed else 'failed'}")
            korean.append(f"{said} {bound[1]}: {'통과' if score.passed else '미달'}")
        if score.reason:
            why = reasons.full(score.reason)
            english.append(why.en)
            korean.append(why.ko)
        title = title_of(score)
        found.append(
            Fact(
                name=Text(en=f"Quality: {title.en}", ko=f"품질: {title.ko}"),
                value=Text(en="; ".join(english), ko="; ".join(korean)),
            )
        )
    return tuple(found)


SHORT: dict[str, Text] = {
    "char_accuracy": Text(en="words 1 − CER", ko="단어 1 − CER"),
    "page_char_accuracy": Text(en="pages 1 − CER", ko="쪽 1 − CER"),
    "token_likelihood": Text(en="1 / perplexity", ko="1 / 퍼플렉서티"),
    "sqnr_db": Text(en="SQNR", ko="SQNR"),
    "contrast_db": Text(en="contrast", ko="대비"),
    "top1": Text(en="top-1", ko="1순위 일치"),
    "kl": Text(en="KL", ko="KL"),
    "repeat_db": Text(en="repeat", ko="반복"),
}
"""Names for tables of 80 columns, where the metric's own title is long."""
FIDELITY = ("sqnr_db", "contrast_db", "top1", "kl", "repeat_db")

HEAD: tuple[Text, ...] = (
    Text(en="model", ko="모델"),
    Text(en="precision", ko="정밀도"),
    Text(en="figure", ko="지표"),
    Text(en="value", ko="값"),
    Text(en="floor", ko="하한"),
    Text(en="verdict", ko="판정"),
    Text(en="p50", ko="p50"),
)
"""Of `table`: model × precision on one backend, as the README shows it."""


def name_of(score: Score) -> Text:
    """A score's name in a table."""
    return SHORT.get(score.metric, title_of(score))


def table(run: Run, language: Language = "en") -> list[tuple[str, ...]]:
    """The rows under `HEAD`: per build a line for every figure that is judged, verdict and p50 beside the first."""
    rows: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for cell in run.cells:
        if cell.quality is None:
            continue
        build = build_name(cell.precision, cell.quality.variant)
        p50 = cell.summary.get("latency_p50_ns")
        ends = (VERDICTS[cell.quality.verdict][language], show_ns(p50.median if p50 is not None else None))
        lines = []
        for score in _judged(cell.quality):
            unit = QUALITY[score.metric].unit if score.metric in QUALITY else ""
            sign = "≤" if score.metric == "kl" else "≥"
            floor = f"{sign} {show(score.floor, unit)}" if score.floor is not None else UNKNOWN
            lines.append((name_of(score)[language], value_of(score), floor))
        lines = lines or [(UNKNOWN,) * 3]
        starts = (clean(cell.model), clean(build))
        blank = ("", "")
        shown: list[tuple[str, ...]] = [
            (*(blank if n else starts), *line, *(blank if n else ends)) for n, line in enumerate(lines)
        ]
        rows.setdefault((cell.model, build), shown)
    for item in run.unsupported:
        unsupported = Text(en="unsupported", ko="미지원")[language]
        starts = (clean(item.model), clean(item.precision))
        rows[item.model, item.precision] = [(*starts, *[UNKNOWN] * 3, unsupported, UNKNOWN)]
    order = [*PRECISIONS]

    def place(key: tuple[str, str]) -> tuple[str, int, str]:
        precision = key[1].partition("+")[0]
        return key[0], order.index(precision) if precision in order else len(order), key[1]

    return [row for key in sorted(rows, key=place) for row in rows[key]]


def _judged(quality: Quality) -> list[Score]:
    """The figures that decide, but for asking again, which only shows where it fails."""
    judged = [score for score in quality.scores if score.passed is not None]
    return [score for score in judged if score.metric != "repeat_db" or not score.passed]


def remarks(run: Run) -> list[Text]:
    """What a reader of the table should know: why something is unsupported or failed, and what data it was."""
    said: dict[Text, list[str]] = {}
    for item in run.unsupported:
        said.setdefault(item.reason, []).append(f"{item.model} {item.precision}")
    for cell in run.cells:
        if cell.quality is not None and cell.quality.verdict != "passed":
            name = f"{cell.model} {build_name(cell.precision, cell.quality.variant)}"
            for reason in cell.quality.reasons:
                said.setdefault(reason, []).append(name)
    found = []
    for reason, names in said.items():
        listed = clean(", ".join(dict.fromkeys(names)))
        found.append(Text(en=f"{listed}: {clean(reason.en)}", ko=f"{listed}: {clean(reason.ko)}"))
    if any(cell.quality is not None and cell.quality.drawn for cell in run.cells):
        found.append(Text(en=f"Scores are {DRAWN.en}.", ko=f"점수: {DRAWN.ko}."))
    return found


def _summary(quality: Quality) -> Text:
    verdict = VERDICTS[quality.verdict]
    english, korean = [verdict.en], [verdict.ko]
    if quality.inputs:
        english.append(f"{_inputs(quality).en} answered, raw outputs of {quality.fidelity_inputs} compared")
        korean.append(f"{_inputs(quality).ko} 응답, {quality.fidelity_inputs}개의 원시 출력 비교")
    if quality.drawn:
        english.append(DRAWN.en)
        korean.append(DRAWN.ko)
    english += [clean(reason.en, MESSAGE_LIMIT) for reason in quality.reasons]
    korean += [clean(reason.ko, MESSAGE_LIMIT) for reason in quality.reasons]
    return Text(en="; ".join(english), ko="; ".join(korean))
