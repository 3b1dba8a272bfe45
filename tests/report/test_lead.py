"""What a report says first: claims of devices, the sentence and its verdict, three answers, machines side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest

from npubench.energy import IdlePower, PowerSession
from npubench.lang import Text
from npubench.report import (
    answers,
    caveats,
    claims,
    lead,
    lead_drift,
    lead_placed,
    lead_power,
    lead_table,
    lead_trust,
    view,
)
from npubench.report.shown import View
from npubench.report.shown_lead import Answer, Claim, Lead
from npubench.report.view import RunFiles
from npubench.schema import Cell, Failure, FailureKind, Spread
from npubench.stats import cell_energy
from npubench.stats.ranking import rank
from npubench.units import UNKNOWN
from tests.report import certificates, hall, loaded, powered, sample
from tests.report.test_html import hostile


def told(files: RunFiles) -> dict[tuple[str, str], Claim]:
    """Claims by service and backend."""
    found = claims.claims(files.run, "r1")
    return {(service.key, row.backend.id): row for service in found for row in service.rows}


@cache
def both() -> View:
    return view.build(hall.hall())


def head(*files: RunFiles) -> Lead:
    found = (both() if files == hall.hall() else view.build(files)).lead
    assert found is not None
    return found


def changed(files: RunFiles, wanted: dict[str, Any], **changes: Any) -> RunFiles:
    """`files` with the cells changed that have these fields."""

    def one(cell: Cell) -> Cell:
        fits = all(getattr(cell, name) == value for name, value in wanted.items())
        return msgspec.structs.replace(cell, **changes) if fits else cell

    return mapped(files, one)


def mapped(files: RunFiles, one: Callable[[Cell], Cell]) -> RunFiles:
    """`files` with every cell made another."""
    cells = tuple(one(cell) for cell in files.run.cells)
    return msgspec.structs.replace(files, run=msgspec.structs.replace(files.run, cells=cells))


def watts(*files: RunFiles) -> Answer:
    """The answer about power alone, without a page around it."""
    runs = [each.run for each in files]
    keys = [f"r{n}" for n in range(1, len(runs) + 1)]
    found = [claims.claims(run, key) for run, key in zip(runs, keys, strict=True)]
    return lead_power.power(runs, found, rank(runs), keys)


def test_a_claim_says_load_bound_energy_device_and_quality_in_a_sentence() -> None:
    found = told(hall.night())["cctv", "sample-npu"]
    assert found.sentence.en == (
        "14 cameras at 15 fps within 66.7 ms (p99), 0.0523 cameras per watt (whole machine), 0.341 cameras per watt "
        "(card), on the NPU for 100 % of the arithmetic; drawn test scenes, mAP50 91.2 %."
    )
    assert found.sentence.ko.startswith("15 fps 카메라 14대(p99 66.7 ms 이내), 와트당 카메라 0.0523대(장비 전체)")
    assert found.limit is not None
    assert found.limit.en == (
        "15 cameras failed: latency, p99 93.3 ms of 66.7 ms. The largest part of a request's time is decoding "
        "(49.2 %), the work of the host's decoder."
    )
    assert found.limit.ko.startswith("카메라 15대 실패: 지연 시간, p99 93.3 ms")
    assert (found.value, found.on_cpu) == (14.0, False)


def test_whoever_delivers_most_is_told_first() -> None:
    for service in claims.claims(hall.night("sample-gpu").run, "r1"):
        assert [row.backend.id for row in service.rows] == ["sample-gpu", "cpu"]


def test_what_the_cpu_helped_with_is_said_in_the_claim() -> None:
    found = told(hall.night())["ocr", "sample-npu"]
    assert "only 62.0 % of the arithmetic on the NPU, the rest on the CPU" in found.sentence.en
    assert found.tone == "warn"


def test_what_is_unknown_is_called_unknown_and_never_guessed() -> None:
    found = told(powered.powered(dark=True))["cctv", "sample-npu"]
    assert found.sentence.en == (
        "14 cameras at 15 fps within 66.7 ms (p99), energy unknown, where it ran is not proven; quality unknown."
    )
    assert found.spent == ()
    late = told(loaded.services())["llm", "cpu"]
    assert late.value is None
    assert "how much it holds is unknown (the time was over before a load was confirmed)" in late.sentence.en


def test_a_device_that_serves_none_says_so() -> None:
    none = changed(hall.night(), {"backend": "cpu", "unit": "frame"}, capacity=loaded.no_camera(15))
    found = told(none)["cctv", "cpu"]
    assert found.sentence.en.startswith("not even one camera at 15 fps")
    assert found.figure.text == "0"


def test_a_backend_without_a_result_claims_none() -> None:
    found = told(sample.realistic())["llm", "sample-npu"]
    assert found.sentence.en.startswith("no result: The process crashed.")
    assert (found.placed, found.value, found.figure.text) == (None, None, UNKNOWN)


def test_a_device_alone_is_never_told_like_a_whole_service() -> None:
    wanted = {"backend": "sample-gpu", "model": "cctv-detect", "scope": "service"}
    files = changed(sample.realistic(backends=("cpu", "sample-gpu")), wanted, verdict="invalid")
    found = told(files)
    gpu = found["cctv", "sample-gpu"]
    assert gpu.scope is not None
    assert (gpu.scope.en, found["cctv", "cpu"].scope) == ("device only", None)
    assert ", device only, energy unknown" in gpu.sentence.en
    assert gpu.spelled.ko.endswith("장(장치만)")
    opening = lead.sentence(files.run, claims.claims(files.run, "r1"))
    assert "frames per second all at once (device only) on Sample GPU (test data)" in opening.en


def test_simulators_claim_nothing() -> None:
    assert claims.claims(certificates.placed((certificates.simulated("cctv-detect", "sample-sim"),)).run, "r1") == ()


def test_an_endpoint_claims_without_a_device() -> None:
    (service,) = claims.claims(certificates.placed(certificates.EACH[-1:]).run, "r1")
    assert service.kind is not None
    assert "behind an endpoint, whose devices are not seen" in service.rows[0].sentence.en


def test_the_page_opens_with_the_sentence_and_the_verdict() -> None:
    found = head(hall.night())
    assert found.sentence.en == (
        "On npu-node-1 — CCTV: 14 cameras at 15 fps on Sample NP-1 (NPU), 2 on CPU (ONNX Runtime); OCR: 563 pages per "
        "minute on Sample NP-1 (NPU), 90.0 on CPU (ONNX Runtime); language model (random weights, speed only): 3.75 "
        "requests per second on Sample NP-1 (NPU), 0.600 on CPU (ONNX Runtime)."
    )
    assert "견본 NP-1(NPU) 15 fps 카메라 14대, CPU (ONNX Runtime) 2대" in found.sentence.ko
    assert (found.verdict.en, found.tone) == ("17 of 20 measurements valid, 2 with caution, 1 invalid", "warn")
    assert (found.title, found.table) == (found.sentence, None)
    assert found.verdict.ko == "측정 20건 중 17건 유효, 2건 주의, 1건 무효"
    assert len(found.caveats) <= view.MOST_CAVEATS
    assert "CPU-assisted" in found.caveats[0].en
    assert any("drawn test data" in text.en for text in found.folded)


def test_of_several_machines_the_best_device_of_each_is_told() -> None:
    found = head(*hall.hall())
    assert found.sentence.en.startswith(
        "CCTV: 31 cameras at 15 fps on Sample GX-9 (GPU), 14 on Sample NP-1 (NPU); OCR:"
    )
    assert found.eyebrow == ("npu-node-1", "gpu-node-2")
    assert found.verdict.en == "36 of 40 measurements valid, 2 with caution, 2 invalid"
    assert found.caveats[0].en.startswith("npu-node-1: 3 CPU-assisted measurements")
    assert "ocr-korean fp32 ×2 and ocr-korean int8 ×1 on sample-npu" in found.caveats[0].en


def test_machines_are_compared_in_a_table_with_a_unit_in_every_value() -> None:
    found = head(*hall.hall())
    assert found.title.en == "What 2 machines deliver"
    table = found.table
    assert table is not None
    assert [(device.en, machine) for device, machine in table.columns] == [
        ("Sample NP-1 (NPU)", "npu-node-1"),
        ("Sample GX-9 (GPU)", "gpu-node-2"),
    ]
    rows = {row.title.en: row for row in table.rows}
    assert [value.text.en for value in rows["CCTV"].values] == ["14 cameras at 15 fps", "31 cameras at 15 fps"]
    assert [value.text.ko for value in rows["OCR"].values] == ["분당 563쪽", "분당 1,286쪽"]
    assert [value.note is not None for value in rows["OCR"].values] == [True, False]
    weights = rows["Language model"].note
    assert weights is not None
    assert weights.en == "random weights: speed only"
    assert not table.down


@pytest.mark.slow
def test_many_devices_go_down_the_table_and_share_no_name() -> None:
    runs = [hall.night(number=n) for n in (24, 25, 26, 27, 28)]
    table = head(*runs).table
    assert table is not None
    assert table.down
    assert len({(device.en, machine) for device, machine in table.columns}) == len(runs)


def test_the_three_answers_of_one_machine() -> None:
    watt, ran, trust = head(hall.night()).answers
    assert watt.answer.en == (
        "Sample NP-1 (NPU): 7.6x (5.0 to 8.2) the cameras of CPU (ONNX Runtime) for the same power"
    )
    assert watt.more[0].en == "cctv-detect, cameras at 15 fps: whole machine, idle power included."
    assert watt.more[1].en == "Sample NP-1 (NPU): 0.0523 cameras per watt"
    assert (
        ran.answer.en
        == "CCTV and language model: yes; OCR: only 62.0 % of the arithmetic (the other 38.0 % on the CPU)"
    )
    assert ran.answer.ko == "CCTV·언어 모델: 예; OCR: 연산의 62.0 %만(나머지 38.0 %는 CPU)"
    assert (ran.tone, ran.more) == ("warn", ())
    assert trust.tone == "warn"
    assert trust.answer.en == f"With conditions: check these {len(trust.conditions)}"
    assert trust.answer.ko == f"조건부로 가능: 아래 {len(trust.conditions)}가지를 확인하십시오"
    assert trust.more == ()
    assert "Wrong answers: ocr-korean int8 on Sample NP-1 (NPU)" in [text.en for text in trust.elsewhere]
    assert [text.en for text in trust.checked] == [
        "Every measurement started afresh at least 5 times, warm-up left out",
        "Answers checked: good in 7 of 8 combinations of model, precision and device",
    ]


def test_the_answers_count_over_all_machines() -> None:
    watt, ran, trust = head(*hall.hall()).answers
    assert watt.answer.en == (
        "Sample GX-9 (GPU): 1.37x (1.27 to 1.42) the cameras of Sample NP-1 (NPU) for the same power"
    )
    assert watt.answer.ko == "견본 GX-9(GPU): 같은 전력으로 견본 NP-1(NPU)보다 카메라를 1.37배(1.27~1.42) 처리"
    assert ran.answer.en.startswith("Sample NP-1 (NPU) — CCTV and language model: yes; OCR: only 62.0 %")
    assert [text.en for text in ran.more] == ["Sample GX-9 (GPU) — CCTV, OCR and language model: yes"]
    assert trust.answer.en == "With conditions: check these 5"
    assert [text.en for text in trust.conditions] == [
        "Counts with caution: ocr-korean fp32 on Sample NP-1 (NPU) (placement: CPU-assisted)",
        "Idle power changed by 14 to 16 % from before to after the measurement; no interval includes that",
        "Other programs were busy on npu-node-1 and gpu-node-2 when the measurement began",
        "2 more warnings about the machines",
        "Inputs drawn for tests, no real footage or documents: good for comparing devices only",
    ]
    assert [text.en for text in trust.elsewhere] == [
        "1 measurement with caution, marked in the tables",
        "2 measurements invalid, marked in the tables",
        "Wrong answers: ocr-korean int8 on Sample NP-1 (NPU) and ocr-korean int8 on Sample GX-9 (GPU)",
    ]


def test_a_smaller_scope_with_the_other_order_is_said_and_not_compared() -> None:
    watt = head(*hall.hall()).answers[0]
    (said,) = (text for text in watt.more if "order flips" in text.en)
    assert "Sample GX-9 (GPU) 0.145 cameras per watt, Sample NP-1 (NPU) 0.341 cameras per watt" in said.en
    assert "비교에 쓸 수 없습니다" in said.ko
    assert not any("order flips" in text.en for text in head(hall.night()).answers[0].more)
    table = both().beside
    assert table is not None
    rows = {row.title.en: row.note for group in table.groups for row in group.rows}
    assert rows["Energy, whole machine"] is None
    assert rows["Energy, card"] is not None


def test_an_idle_power_that_drifted_takes_the_tick_away() -> None:
    watt, _, trust = head(hall.night()).answers
    assert watt.tone == "warn"
    (drifted,) = (text.en for text in watt.more if text.en.startswith("Idle power"))
    assert drifted.startswith("Idle power changed by 14 to 16 % from before to after the measurement; no interval")
    assert any(text.en.startswith("Idle power changed") for text in trust.conditions)
    files = hall.night()
    calm = tuple(note for note in files.run.notes if note.code != "idle-drift")
    run = msgspec.structs.replace(files.run, notes=calm)
    assert head(msgspec.structs.replace(files, run=run)).answers[0].tone == "good"


def test_an_idle_power_that_rose_tenfold_is_told() -> None:
    before = {"card": IdlePower(mean_w=5.0), "node": IdlePower(mean_w=200.0)}
    after = {"card": IdlePower(mean_w=61.0), "node": IdlePower(mean_w=230.0)}
    session = PowerSession(run="run", number=1, before=before, after=after)
    notes = tuple(cell_energy.drift_notes([session], powered.RULE))
    said = lead_drift.drift([msgspec.structs.replace(sample.one().run, power=(session,), notes=notes)])
    assert said is not None
    assert said.en.startswith("Idle power changed by 15 to 1,120 % from before to after the measurement;")


def test_every_device_has_a_link_to_its_own_certificates_npus_first() -> None:
    _, ran, trust = head(*reversed(hall.hall())).answers
    page = view.build(list(reversed(hall.hall())))
    anchors = {place.key: place.backend.title for run in page.runs for place in run.places}
    assert [anchors[anchor].en for anchor, _ in ran.links] == ["Sample NP-1 (NPU)", "Sample GX-9 (GPU)"]
    assert ran.links[0][1].en == "Placement certificates: Sample NP-1 (NPU)"
    assert [anchor for anchor, _ in trust.links] == ["r1-machine", "r2-machine"]


def test_what_both_machines_share_is_said_once() -> None:
    folded = [text.en for text in head(*hall.hall()).folded]
    assert len(folded) == len({text.partition(": ")[2] for text in folded})
    assert any(text.startswith("Both machines: llm-chat-135m has random, untrained weights") for text in folded)
    assert any(text.ko.startswith("두 장비 공통: ") for text in head(*hall.hall()).folded)


def test_watts_of_different_scopes_are_not_ranked() -> None:
    files = hall.night()

    def own(cell: Cell) -> Cell:
        kept = {scope: found for scope, found in cell.efficiency.items() if scope not in ("node", "wall")}
        return msgspec.structs.replace(cell, efficiency=kept)

    run = msgspec.structs.replace(files.run, cells=tuple(own(cell) for cell in files.run.cells))
    watt = head(msgspec.structs.replace(files, run=run)).answers[0]
    assert watt.answer.en == "Cannot be said: no two devices were metered in the same way"
    assert watt.tone == "plain"
    assert "Sample NP-1 (NPU): 0.341 cameras per watt (card)" in [text.en for text in watt.more]


def only_cards(files: RunFiles, *, launches: int = 5, name: str = "npu-node-1", times: float = 1.0) -> RunFiles:
    """`files` in a machine of this `name`, metered at the cards alone, `times` as frugal, in so many `launches`."""

    def one(cell: Cell) -> Cell:
        card = {
            key: msgspec.structs.replace(
                each,
                median=each.median and each.median * times,
                launches=tuple(value and value * times for value in each.launches[:launches]),
            )
            for key, each in cell.efficiency.get("card", {}).items()
        }
        return msgspec.structs.replace(cell, efficiency={"card": card} if card else {})

    found = mapped(files, one)
    machine = msgspec.structs.replace(found.run.machine, name=name)
    return msgspec.structs.replace(found, run=msgspec.structs.replace(found.run, machine=machine))


def test_like_devices_are_ranked_by_their_cards_where_nothing_saw_the_machine() -> None:
    found = watts(only_cards(hall.night()), only_cards(hall.night(), name="npu-node-9", times=1.5))
    assert found.answer.en.startswith("Sample NP-1 (NPU) in npu-node-9: 1.5x")
    assert found.more[0].en == "cctv-detect, cameras at 15 fps: card, idle power included."
    assert not any("order flips" in text.en for text in found.more)


def test_two_machines_with_one_backend_are_two_devices() -> None:
    found = watts(only_cards(hall.night(), launches=1), only_cards(hall.night(), launches=1, name="npu-node-9"))
    assert (found.answer.en, found.tone) == ("Cannot be said: no whole-machine figures of the same work", "plain")
    assert [text.en for text in found.more] == [
        f"Sample NP-1 (NPU) in {name}: 0.341 cameras per watt (card)" for name in ("npu-node-1", "npu-node-9")
    ]
    alone = watts(only_cards(hall.night()))
    assert alone.answer.en == "Only one device has a figure"


def test_who_has_no_interval_takes_the_certainty_from_the_others() -> None:
    def once(cell: Cell) -> Cell:
        if cell.backend != "sample-npu" or "node" not in cell.efficiency:
            return cell
        node = {
            key: msgspec.structs.replace(each, launches=each.launches[:1])
            for key, each in cell.efficiency["node"].items()
        }
        return msgspec.structs.replace(cell, efficiency={**cell.efficiency, "node": node})

    found = watts(mapped(hall.night(), once))
    assert (found.answer.en, found.tone) == ("Not certain: no interval is known for Sample NP-1 (NPU)", "plain")
    assert "Sample NP-1 (NPU): 0.0523 cameras per watt" in [text.en for text in found.more]


def test_without_a_meter_the_answer_is_unknown_with_the_reason() -> None:
    watt = head(powered.powered(dark=True)).answers[0]
    assert watt.answer.en == "Unknown"
    assert "no power meter answered" in watt.more[0].en


def test_equal_devices_cannot_be_told_apart() -> None:
    files = hall.night()
    same = {cell.id: cell for cell in files.run.cells if cell.backend == "sample-npu"}

    def twin(cell: Cell) -> Cell:
        if cell.backend != "cpu":
            return cell
        like = next(
            (each for each in same.values() if each.scenario == cell.scenario and each.model == cell.model), None
        )
        return (
            cell if like is None else msgspec.structs.replace(cell, efficiency=like.efficiency, capacity=like.capacity)
        )

    run = msgspec.structs.replace(files.run, cells=tuple(twin(cell) for cell in files.run.cells))
    watt = head(msgspec.structs.replace(files, run=run)).answers[0]
    assert watt.answer.en.startswith("No difference can be shown between")


@pytest.mark.parametrize(
    ("which", "said", "tone"),
    [
        (certificates.none, "cctv-detect: no, on the CPU instead", "warn"),
        (certificates.unproven, "CCTV: not proven", "plain"),
        (certificates.certificate, "Yes, all of it", "good"),
    ],
)
def test_where_it_ran_follows_the_certificates(which: Any, said: str, tone: str) -> None:
    files = certificates.placed((certificates.certificate("ocr-korean", "cpu"), which("cctv-detect", "sample-npu")))
    found = answers.answers([files.run], [claims.claims(files.run, "r1")], None, ["r1"], [()])[1]
    assert (found.answer.en, found.tone) == (said, tone)


def test_all_of_it_is_said_of_nothing_less() -> None:
    files = certificates.placed((certificates.certificate("cctv-detect", "sample-npu", macs_share=0.962),))
    found = lead_placed.placed([files.run], ["r1"], [()])
    assert (found.answer.en, found.tone) == ("Yes: at least 96.2 % of the arithmetic", "good")
    assert found.answer.ko == "예, 연산의 96.2 % 이상"
    assert found.more[0].en == "Sample NPU (test data) — CCTV: yes, at least 96.2 % of the arithmetic"


def test_a_quick_look_is_not_to_be_trusted_yet() -> None:
    found = head(sample.one())
    assert not set(found.answers[2].elsewhere) & set(found.answers[2].conditions)
    assert found.answers[2].answer.en == "Not yet: a quick look"
    assert "quick look" in found.caveats[0].en


def test_a_run_that_was_given_less_than_its_profile_asks_is_not_told_to_use_that_profile_only() -> None:
    run = msgspec.structs.replace(sample.one().run, profile="standard", comparable=False)
    said = caveats.grave(run)[0]
    assert said.en.startswith(
        "A quick look: profile “standard” with less time or fewer launches than it asks for: do not"
    )
    assert said.ko.startswith("‘standard’ 프로파일이 요구하는 시간이나 실행 횟수를 채우지 않은")
    unknown = msgspec.structs.replace(run, profile="own", ruleset="nobody's")
    assert "few samples" in caveats.grave(unknown)[0].en


def test_unchecked_and_unproven_numbers_ask_for_care() -> None:
    found = head(sample.realistic()).answers[2]
    assert found.answer.en == f"Not yet: check these {len(found.conditions)}"
    told = [text.en for text in found.conditions]
    assert "Nobody checked the answers" in told
    assert "Where it ran is not proven for 8 combinations of model, precision and device" in told


def test_answers_that_nobody_checked_and_launches_that_failed_are_counted() -> None:
    files = changed(hall.night(), {"backend": "cpu", "model": "ocr-korean"}, quality=None)
    found = lead_trust.trusted([files.run], ["r1"])
    said = "Answers not checked for 1 combination: ocr-korean fp32 on CPU (ONNX Runtime)"
    assert said in [text.en for text in found.conditions]
    assert "Answers checked: good in 6 of 8 combinations of model, precision and device" in [
        text.en for text in found.checked
    ]
    lost = Failure(kind=FailureKind.CRASHED, message="device lost")
    files = changed(files, {"backend": "cpu", "model": "ocr-korean"}, failures=(lost,) * 4)
    found = lead_trust.trusted([files.run], ["r1"])
    assert found.answer.en.startswith("Not yet")
    assert "What was measured only once has no interval" in [text.en for text in found.conditions]
    assert not any("started afresh" in text.en for text in found.checked)


def test_nothing_usable_has_no_answers_and_still_a_sentence() -> None:
    found = head(sample.nothing())
    assert found.answers == ()
    assert found.verdict.en == "No usable result"
    assert "npubench measured 1 model" in found.sentence.en


def test_no_run_has_no_lead() -> None:
    assert view.build([]).lead is None


def test_only_nulls_claim_nothing_known() -> None:
    (row,) = (row for service in claims.claims(sample.only_nulls().run, "r1") for row in service.rows)
    assert row.value is None
    assert row.figure.text == UNKNOWN


def test_machines_stand_side_by_side() -> None:
    found = both().beside
    assert found is not None
    assert [name for name, _, _ in found.columns] == ["npu-node-1", "gpu-node-2"]
    cctv = found.groups[0]
    rows = {row.title.en: [value.en for value in row.values] for row in cctv.rows}
    assert rows["Delivers"] == ["14 cameras at 15 fps", "31 cameras at 15 fps"]
    assert rows["Energy, whole machine"] == ["0.0523 cameras per watt", "0.0715 cameras per watt"]
    assert rows["Where it ran"][1] == "on the GPU for 100 % of the arithmetic"
    assert {row.title.en for row in found.groups[-1].rows} >= {"Processor", "Accelerators", "Run"}


def test_a_service_that_one_machine_lacks_is_a_dash() -> None:
    found = view.build([hall.night(), sample.one()]).beside
    assert found is not None
    ocr = next(group for group in found.groups if group.title.en.startswith("Reading"))
    assert all(row.values[1].en == UNKNOWN for row in ocr.rows)


def test_two_runs_of_one_machine_are_told_apart_by_their_ids() -> None:
    found = view.build([hall.night(), hall.night(number=25)]).beside
    assert found is not None
    names = [name for name, _, _ in found.columns]
    assert len(set(names)) == 2
    assert all(name.startswith("npu-node-1 2026112") for name in names)


def test_foreign_text_is_cleaned_in_what_comes_first() -> None:
    found = head(hostile())
    for text in (found.sentence, found.verdict, *found.caveats, *found.folded):
        assert "\x00" not in text.en + text.ko
        assert "\u202e" not in text.en + text.ko


def test_of_several_precisions_the_better_one_is_told() -> None:
    files = hall.night()
    slow = Spread(median=1.0, launches=(1.0,))
    fp32 = changed(files, {"precision": "fp32", "unit": "frame"}, summary={"frames_per_s": slow})
    assert told(fp32)["cctv", "cpu"].precision == "int8"


def test_every_text_has_both_languages() -> None:
    found = head(*hall.hall())

    def texts(value: object) -> list[Text]:
        if isinstance(value, Text):
            return [value]
        if isinstance(value, tuple):
            return [text for each in value for text in texts(each)]
        if isinstance(value, msgspec.Struct):
            return [text for name in value.__struct_fields__ for text in texts(getattr(value, name))]
        return []

    for text in texts(found):
        assert text.en
        assert text.ko


def test_processors_of_one_machine_are_compared_in_a_table_too() -> None:
    run = hall.night().run
    told = [
        msgspec.structs.replace(each, rows=tuple(msgspec.structs.replace(row, on_cpu=True) for row in each.rows))
        for each in claims.claims(run, "r1")
    ]
    alone = lead_table.head_table([run], [told])
    assert alone is not None
    assert [device.en for device, _ in alone.columns] == ["Sample NP-1 (NPU)", "CPU (ONNX Runtime)"]
    # Of each of several machines the first one stands for it.
    several = lead_table.head_table([run, run], [told, told])
    assert several is not None
    assert len(several.columns) == 2


def efficiency(*files: RunFiles) -> dict[str, list[tuple[str, str | None]]]:
    """Of the head's table the rows that tell cameras per watt: value, and why there is none."""
    table = head(*files).table
    assert table is not None
    return {
        row.title.en: [(value.text.ko, value.why.en if value.why else None) for value in row.values]
        for row in table.rows
        if not row.model
    }


def test_the_table_tells_cameras_per_watt_of_the_whole_machine() -> None:
    assert efficiency(*hall.hall()) == {"Cameras per watt (whole machine)": [("0.0523대", None), ("0.0715대", None)]}
    npu, gpu = hall.hall()

    def card_alone(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, efficiency={k: v for k, v in cell.efficiency.items() if k == "card"})

    def in_the_dark(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, efficiency={}, energy={}, energy_reason=None)

    title = "Cameras per watt (whole machine)"
    assert efficiency(npu, mapped(gpu, card_alone))[title][1] == (UNKNOWN, "only metered: card")
    assert efficiency(npu, mapped(gpu, in_the_dark))[title][1] == (
        UNKNOWN,
        "no power meter answered on this machine",
    )
    assert efficiency(mapped(npu, in_the_dark), mapped(gpu, in_the_dark)) == {}


def test_conditions_of_other_measurements_stand_apart() -> None:
    run = hall.night().run
    apart = lead_trust.trusted([run], ["r1"], set())
    assert not any("caution" in text.en or "Wrong" in text.en for text in apart.conditions)
    assert "Wrong answers: ocr-korean int8 on Sample NP-1 (NPU)" in [text.en for text in apart.elsewhere]
    together = lead_trust.trusted([run], ["r1"])
    assert together.elsewhere == ()
    calm = msgspec.structs.replace(
        run, notes=(), machine=msgspec.structs.replace(run.machine, busy_processes=()), cells=run.cells
    )
    quiet = mapped(
        msgspec.structs.replace(hall.night(), run=calm),
        lambda cell: msgspec.structs.replace(
            cell, quality=cell.quality and msgspec.structs.replace(cell.quality, drawn=False)
        ),
    ).run
    sure = lead_trust.trusted([quiet], ["r1"], set())
    assert (sure.answer.en, sure.tone, sure.conditions) == ("Yes, the figures above", "good", ())
    assert sure.elsewhere


def test_what_each_meter_lacks_is_told_where_power_is() -> None:
    lacking = Text(
        en="no power meter answered: rapl: no zones; hwmon: none", ko="응답한 전력 측정기가 없습니다: rapl: 없음"
    )
    assert lead_power._brief(lacking) == Text(en="no power meter answered", ko="응답한 전력 측정기가 없습니다")
