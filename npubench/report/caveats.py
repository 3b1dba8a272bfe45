"""What a reader who stops after the first paragraph must still know, the gravest first.

Guarantees: everything that makes a figure less than it looks is among them: quick looks, failures, what ran elsewhere
or nowhere, drawn data, seeded weights, unknown energy. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npubench.lang import Text
from npubench.report import audits, facts, inputs, placement, places
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


def _builds(found: Sequence[Cell]) -> list[Cell]:
    """One cell of each model × precision × backend."""
    return list({(cell.model, cell.precision, cell.backend): cell for cell in found}.values())


def _grave(run: Run, measured: list[Cell]) -> Iterator[Text]:
    if not run.comparable:
        profile = clean(run.profile)
        yield Text(
            en=f"Profile “{profile}” is a quick look with few samples: do not compare these numbers with another run "
            "or machine. `npubench run --profile standard` gives comparable ones.",
            ko=f"‘{profile}’ 프로파일은 표본이 적은 간이 측정입니다. 다른 실행이나 장비와 비교하지 마십시오. "
            "비교하려면 `npubench run --profile standard`로 측정하십시오.",
        )
    if failed := sum(1 for cell in measured if cell.failures and cell.verdict != "unsupported"):
        n = count(failed)
        yield Text(
            en=f"Cells with a failed launch: {n}; the reason and the last output are in the table of all cells.",
            ko=f"실패한 실행이 있는 셀이 {n}개 있습니다. 이유와 마지막 출력은 전체 셀 표에 있습니다.",
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
        n, names = count(len(shared)), joined([same(f"{c.model} {c.precision} · {c.backend}") for c in _builds(shared)])
        yield Text(
            en=f"CPU-assisted cells, whose arithmetic ran on the CPU in part: {n} ({names.en}).",
            ko=f"연산의 일부를 CPU에서 실행한 셀(CPU 보조)이 {n}개 있습니다({names.ko}).",
        )


def _others(run: Run, measured: list[Cell]) -> Iterator[Text]:
    if (fed := inputs.sentence(run)) is not None:
        yield fed
    if any(cell.quality is not None and cell.quality.drawn for cell in measured):
        yield Text(
            en="Quality scores are on drawings of our own: they compare devices, not detectors or readers.",
            ko="품질 점수는 직접 그린 자료 기준입니다. 장치를 비교할 뿐 실제 성능이 아닙니다.",
        )
    if seeded := ", ".join(facts.seeded_models(run)):
        yield Text(
            en=f"Weights are seeded, not trained, in {seeded}: the speed is real, and no ability is claimed.",
            ko=f"{seeded}의 가중치는 학습된 것이 아니라 난수입니다. 속도는 실측이며 성능은 주장하지 않습니다.",
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
            ko=f"에너지를 알 수 없는 셀이 {n}개 있으며 이유는 셀별 기록에 있습니다.",
        )
    if any(cell.energy for cell in measured):
        return Text(
            en="Energy is unknown; each cell's sheet says why.",
            ko="에너지는 알 수 없으며 이유는 셀별 기록에 있습니다.",
        )
    return Text(en="Energy is unknown: no meter was read.", ko="전력·에너지는 측정하지 않아 알 수 없습니다.")
