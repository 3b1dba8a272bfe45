"""What may stand beside each other where a page opens: one execution kind, one model, one load, and the precision."""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.report import beside, claims, lead, lead_table
from npubench.report.shown_lead import Beside, Claims, HeadTable
from npubench.report.view import RunFiles
from npubench.schema import Cell
from tests.report import certificates, hall
from tests.report.test_lead import changed, mapped


def claimed(*files: RunFiles) -> list[tuple[Claims, ...]]:
    return [claims.claims(each.run, f"r{n}") for n, each in enumerate(files, 1)]


def table(*files: RunFiles) -> HeadTable:
    found = lead_table.head_table([each.run for each in files], claimed(*files))
    assert found is not None
    return found


def sides(*files: RunFiles) -> Beside:
    return beside.beside([each.run for each in files], [f"r{n}" for n in range(len(files))], claimed(*files))


def endpoint(model: str) -> Any:
    return certificates.unproven(model, "sample-gpu", execution_kind="endpoint", device_type="endpoint")


def served() -> RunFiles:
    """A language model on an NPU and behind an endpoint."""
    return certificates.placed((certificates.prebuilt("llm-chat-135m", "sample-npu"), endpoint("llm-chat-135m")))


def test_an_endpoint_is_no_column_beside_an_npu() -> None:
    found = table(served(), served())
    assert [title.en for title, _ in found.columns] == ["Sample NPU (test data)"] * 2
    groups = [group.title.en for group in sides(served(), served()).groups]
    assert groups[0].startswith("Language model: ")
    assert groups[1].startswith("Language model (Network endpoint): ")
    opening = lead.together([served().run] * 2, claimed(served(), served()))
    assert "Sample GPU" not in opening.en


def test_endpoints_alone_are_a_table() -> None:
    alone = certificates.placed((endpoint("llm-chat-135m"),))
    assert [title.en for title, _ in table(alone, alone).columns] == ["Sample GPU (test data)"] * 2


def test_what_failed_is_missed_only_where_it_would_have_run() -> None:
    files = certificates.placed(
        (certificates.assisted("ocr-korean", "sample-npu"), endpoint("ocr-korean"), endpoint("llm-chat-135m"))
    )
    failing: dict[str, Any] = {"execution_kind": None, "verdict": "invalid", "summary": {}}
    one = changed(files, {"backend": "sample-gpu", "model": "ocr-korean"}, **failing)
    every = changed(files, {"backend": "sample-gpu"}, **failing)
    card = {**every.run.backends["sample-gpu"], "device": {"type": "endpoint"}}
    run = msgspec.structs.replace(every.run, backends={**every.run.backends, "sample-gpu": card})
    for found in (one, msgspec.structs.replace(every, run=run)):
        rows = [row.backend.id for service in claimed(found)[0] if service.key == "ocr" for row in service.rows]
        assert rows == ["sample-npu"]
    # Of a card that says nothing else a device of this machine is missed.
    rows = [row.backend.id for service in claimed(every)[0] if service.key == "ocr" for row in service.rows]
    assert rows == ["sample-npu", "sample-gpu"]


def test_precisions_that_differ_are_said_beside_the_values() -> None:
    cpu = changed(hall.night(), {"backend": "cpu", "unit": "frame", "precision": "int8"}, precision="fp16")
    opening = lead.sentence(cpu.run, claimed(cpu)[0])
    assert "14 cameras at 15 fps on Sample NP-1 (NPU) in int8, 2 on CPU (ONNX Runtime) in fp16;" in opening.en
    assert "견본 NP-1(NPU)·int8 15 fps 카메라 14대" in opening.ko
    gpu = changed(hall.night("sample-gpu"), {"unit": "frame", "precision": "int8"}, precision="fp16")
    shown = [row for row in table(hall.night(), gpu).rows if row.model]
    rows = {row.model: [value.precision for value in row.values] for row in shown}
    assert rows == {"cctv-detect": ["int8", "fp16"], "ocr-korean": ["", ""], "llm-chat-135m": ["", ""]}


def test_runs_that_begin_with_other_models_are_told_by_model() -> None:
    other = changed(hall.night("sample-gpu"), {"model": "llm-chat-135m"}, model="llm-chat-8m")
    found = lead.together([hall.night().run, other.run], claimed(hall.night(), other)).en
    assert (
        "language model, Chat model, 135 M parameters (random weights, speed only): 3.75 requests per second on Sample "
        "NP-1 (NPU); language model, llm-chat-8m: "
    ) in found
    assert [row.model for row in table(hall.night(), other).rows][3:] == ["llm-chat-135m", "llm-chat-8m"]


def test_the_best_device_is_the_best_at_one_load() -> None:
    def lost(cell: Cell) -> Cell:
        npu = cell.backend == "sample-npu" and cell.scenario.name == "cameras"
        return msgspec.structs.replace(cell, verdict="invalid") if npu else cell

    files = mapped(hall.night(), lost)
    rows = {row.title.en: row.values[0].en for row in sides(files, hall.night("sample-gpu")).groups[0].rows}
    assert (rows["Best device"], rows["Delivers"]) == ("CPU (ONNX Runtime)", "2 cameras at 15 fps")
    opening = lead.together([files.run, hall.night("sample-gpu").run], claimed(files, hall.night("sample-gpu"))).en
    assert "CCTV: 31 cameras at 15 fps on Sample GX-9 (GPU), 2 on CPU (ONNX Runtime)" in opening
