"""What a reader who stops after the first paragraph must still know, the gravest first.

Guarantees: everything that makes a figure less than it looks is among them: quick looks, failures, what ran elsewhere
or nowhere, drawn data, seeded weights, unknown energy. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npubench import rules
from npubench.lang import Text
from npubench.report import audits, facts, inputs, lead_names, placement, places
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, count
from npubench.report.words import joined, same
from npubench.schema import Cell, Run


def grave(run: Run) -> tuple[Text, ...]:
    """Those without which the first sentence would mislead."""
    return tuple(_grave(run, _measured(run)))


def others(run: Run) -> tuple[Text, ...]:
    """All others."""
    return tuple(_others(run, _measured(run)))


def _measured(run: Run) -> list[Cell]:
    return [cell for cell in run.cells if cell.purpose == "measure"]


def together(runs: Sequence[Run], each: Sequence[Sequence[Text]]) -> tuple[Text, ...]:
    """What is said of these runs, each thing once, with the runs that it is said of."""
    names, found = lead_names.places(runs), dict[Text, list[str]]()
    for name, texts in zip(names, each, strict=True):
        for text in texts:
            found.setdefault(text, []).append(name)
    said = []
    for text, those in found.items():
        whose = joined([same(name) for name in those])
        if len(those) == len(names) > 1:
            whose = lead_names.all_of(runs)
        said.append(Text(en=f"{whose.en}: {text.en}", ko=f"{whose.ko}: {text.ko}"))
    return tuple(said)


def _counted(found: Sequence[Cell]) -> Text:
    """`ocr-korean fp32 ×2 and ocr-korean int8 ×1 on sample-npu`, a device after the other."""
    parts = []
    for backend in dict.fromkeys(cell.backend for cell in found):
        own = [f"{clean(cell.model)} {clean(cell.precision)}" for cell in found if cell.backend == backend]
        builds = joined([same(f"{build} ×{count(own.count(build))}") for build in dict.fromkeys(own)])
        parts.append(Text(en=f"{builds.en} on {clean(backend)}", ko=f"{clean(backend)}의 {builds.ko}"))
    return joined(parts)


def _quick(run: Run) -> bool:
    """Whether its very profile is one that nothing is compared by; a profile that nobody knows is."""
    known = rules.load(run.ruleset).profiles if run.ruleset in rules.known() else {}
    return run.profile not in known or not known[run.profile].comparable


def _grave(run: Run, measured: list[Cell]) -> Iterator[Text]:
    if not run.comparable:
        profile = clean(run.profile)
        quick = Text(
            en=f"Profile “{profile}” is a quick look with few samples",
            ko=f"‘{profile}’ 프로파일은 표본이 적은 간이 측정입니다",
        )
        if not _quick(run):
            quick = Text(
                en=f"A quick look: profile “{profile}” with less time or fewer launches than it asks for",
                ko=f"‘{profile}’ 프로파일이 요구하는 시간이나 실행 횟수를 채우지 않은 간이 측정입니다",
            )
        yield Text(
            en=f"{quick.en}: do not compare these numbers with another run or machine. "
            "`npubench run --profile standard` gives comparable ones.",
            ko=f"{quick.ko}. 다른 실행이나 장비와 비교하지 마십시오. "
            "비교하려면 `npubench run --profile standard`로 측정하십시오.",
        )
    if failed := sum(1 for cell in measured if cell.failures and cell.verdict != "unsupported"):
        n = count(failed)
        yield Text(
            en=f"Cells with a failed launch: {n}; the reason and the last output are in the table of all measurements.",
            ko=f"실패한 실행이 있는 셀이 {n}개 있습니다. 이유와 마지막 출력은 전체 측정 결과 표에 있습니다.",
        )
    if unproven := sum(1 for cell in measured if cell.execution_kind == "unknown"):
        n = count(unproven)
        yield Text(
            en=f"Cells that ran, but nothing proves on which device: {n}; they are neither ranked nor compared.",
            ko=f"실행했으나 장치가 확인되지 않은 셀이 {n}개 있으며, 순위와 비교에서 제외합니다.",
        )
    if simulated := sum(1 for cell in measured if cell.execution_kind == "simulated"):
        n = count(simulated)
        yield Text(
            en=f"Cells that ran in a simulator: {n}; their speed is not the device's, and they are never ranked.",
            ko=f"시뮬레이터에서 실행한 셀이 {n}개 있습니다. 장치의 속도가 아니며 순위에서 제외합니다.",
        )
    if shared := [cell for cell in measured if placement.assisted(cell.certificate)]:
        n, names = count(len(shared)), _counted(shared)
        what = "measurement" if len(shared) == 1 else "measurements"
        yield Text(
            en=f"{n} CPU-assisted {what}: part of the arithmetic ran on the CPU instead: {names.en}.",
            ko=f"실행 위치가 CPU 보조인 측정 {n}건(연산의 일부를 CPU에서 실행): {names.ko}.",
        )


def _others(run: Run, measured: list[Cell]) -> Iterator[Text]:
    if (fed := inputs.sentence(run)) is not None:
        yield fed
    if any(cell.quality is not None and cell.quality.drawn for cell in measured):
        yield Text(
            en="Quality scores come from drawn test data: they compare devices and say nothing about real footage or "
            "documents.",
            ko="품질 점수는 직접 그린 시험 자료로 잰 것입니다. 장치 비교에만 쓰며 실제 영상이나 문서의 성능을 뜻하지 "
            "않습니다.",
        )
    if facts.started_servers(run):
        yield Text(
            en="The run started the server that answered, on this model's own weights; its times include HTTP.",
            ko="응답한 서버는 이 모델의 가중치로 실행이 직접 시작했습니다. 시간에는 HTTP가 포함됩니다.",
        )
    if served := ", ".join(facts.served_models(run)):
        yield Text(
            en=f"A server answered, which calls its model {served}: weights, precision and device are its claims, "
            "and its times include the network.",
            ko=f"서버가 응답한 결과이며 서버의 모델 이름은 {served}입니다. "
            "가중치, 정밀도, 장치는 서버의 주장이고 시간에는 네트워크가 포함됩니다.",
        )
    if seeded := ", ".join(facts.seeded_models(run)):
        yield Text(
            en=f"{seeded} has random, untrained weights: its speed is real, but its answers mean nothing.",
            ko=f"{seeded}의 가중치는 학습된 것이 아니라 난수입니다. 속도는 실측이지만 답의 내용은 의미가 없습니다.",
        )
    if untried := places.untried(run):
        names = joined([backend_name(run, name).title for name in untried])
        yield Text(
            en=f"Nobody has tried these backend cards on their device before: {names.en}.",
            ko=f"해당 장치에서 검증한 적이 없는 백엔드 카드: {names.ko}.",
        )
    yield from (text for text in (audits.caveat(run), audits.failed(run)) if text is not None)
    if (dark := _dark(measured)) is not None:
        yield dark
    if run.absent:
        names = joined([item.title for item in facts.absent(run)])
        yield Text(
            en=f"Not measured, because absent on this machine: {names.en}.",
            ko=f"이 장비에 없어 측정하지 못한 백엔드: {names.ko}.",
        )
    unsupported = len(run.unsupported) + sum(1 for cell in measured if cell.verdict == "unsupported")
    if unsupported:
        n = count(unsupported)
        yield Text(
            en=f"Combinations that a backend does not support: {n}; they are listed with their reasons.",
            ko=f"백엔드가 지원하지 않는 조합이 {n}개 있으며 이유와 함께 표에 있습니다.",
        )


def _dark(measured: list[Cell]) -> Text | None:
    dark = sum(1 for cell in measured if all(spread.median is None for spread in cell.energy.values()))
    if not dark:
        return None
    if dark < len(measured):
        n = count(dark)
        return Text(
            en=f"Energy is unknown in {n} {'cell' if dark == 1 else 'cells'}; each one's sheet says why.",
            ko=f"에너지를 알 수 없는 셀이 {n}개 있으며 이유는 측정별 기록에 있습니다.",
        )
    if any(cell.energy for cell in measured):
        return Text(
            en="Energy is unknown; each measurement's sheet says why.",
            ko="에너지는 알 수 없으며 이유는 측정별 기록에 있습니다.",
        )
    return Text(en="Energy is unknown: no meter was read.", ko="전력·에너지는 측정하지 않아 알 수 없습니다.")
