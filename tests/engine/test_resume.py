"""A run goes on only on its own machine and with its own data."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from npubench.build.userdata import describe_folder
from npubench.discovery import catalogue
from npubench.engine.resume import check_inputs, check_machine, given_name
from npubench.errors import NotComparableError
from npubench.schema import InputFacts, Plan
from npubench.spi import Device
from tests.support import MACHINE, null_card, null_plan

NPU = Device(id="0000:41:00.0", type="npu", vendor="Rebellions", name="ATOM")


def with_data(folder: Path, inputs: InputFacts, **sources: str) -> Plan:
    plan = null_plan(null_card())
    return msgspec.structs.replace(
        plan, inputs={"tiny": inputs}, sources={**plan.sources, "data:tiny": str(folder), **sources}
    )


def test_the_same_machine_may_go_on_under_a_newer_kernel() -> None:
    check_machine(null_plan(null_card()), msgspec.structs.replace(MACHINE, kernel="7.0", load_average=(9, 9, 9)))


def test_another_machine_may_not_and_every_field_is_named() -> None:
    other = msgspec.structs.replace(MACHINE, name="other", threads=64, accelerators=(NPU,))
    with pytest.raises(NotComparableError) as caught:
        check_machine(null_plan(null_card()), other)
    assert caught.value.exit_code == 5
    for part in ("name: test-machine → other", "threads: 2 → 64", "accelerators: none → ATOM (0000:41:00.0)"):
        assert part in str(caught.value)
    assert "cpu" not in str(caught.value)


def test_a_machine_has_a_given_name_from_the_option_or_the_environment() -> None:
    assert given_name("a", {"NPUBENCH_MACHINE": "b"}) == "a"
    assert given_name(None, {"NPUBENCH_MACHINE": "b"}) == "b"
    assert given_name(None, {"NPUBENCH_MACHINE": ""}) is None


def test_own_pages_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    found = describe_folder(tmp_path, "pages")
    plan = with_data(tmp_path, InputFacts(source="own", sha256=found.sha256, files=1), **{"kind:tiny": "pages"})
    check_inputs(plan)
    (tmp_path / "annotations.json").write_text('{"pages": []}')  # decides what is read, and so is data too
    with pytest.raises(NotComparableError, match="the input data of tiny changed"):
        check_inputs(plan)


def test_a_data_set_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    found = catalogue().data["civic-prompts"]
    folder = tmp_path / "civic-prompts"
    shutil.copytree(found.path.parent, folder)
    plan = with_data(folder, InputFacts(source=found.card.id, sha256=found.card.sha256, files=found.card.count))
    check_inputs(plan)
    (folder / "prompts.jsonl").write_text("{}\n")
    with pytest.raises(NotComparableError, match="civic-prompts"):
        check_inputs(plan)
