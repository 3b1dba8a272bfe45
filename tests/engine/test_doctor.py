"""The doctor's findings as data and as lines of 80 columns in both languages."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from npubench.cards import BackendCard, DeviceSpec, VerifiedSpec
from npubench.conditions import DeviceProcess, DeviceState, ProcessorState
from npubench.engine.doctor import Doctor, report, wrap
from npubench.lang import Text
from npubench.schema import Machine, Note
from npubench.spi import Availability, Device

NPU = Device(id="0000:41:00.0", type="npu", vendor="Rebellions", name="Rebellions 1eff:1220")
GPU = Device(
    id="0000:01:00.0", type="gpu", vendor="NVIDIA", name="NVIDIA 10de:2330", detail={"model": "H100 SXM5 80GB"}
)


def card(name: str, kind: str, vendor: str | None = None, hidden: bool = False) -> BackendCard:
    return BackendCard(
        schema="npubench.backend/1",
        id=name,
        title=Text(en=f"{name} title", ko=f"{name} 백엔드 제목"),
        summary=Text(en="s", ko="s"),
        adapter="null",
        device=DeviceSpec(type=kind, vendor=vendor),  # type: ignore[arg-type]
        precisions=("fp32",),
        install=Text(en=f"pip install {name}-sdk", ko=f"pip install {name}-sdk 실행"),
        verified=VerifiedSpec(how="hardware"),
        hidden=hidden,
    )


CARDS = {
    "cpu": card("cpu", "cpu"),
    "cuda": card("cuda", "gpu", "NVIDIA"),
    "rbln": card("rbln", "npu", "Rebellions"),
    "null": card("null", "none", hidden=True),
}
ANSWERS = {
    "cpu": Availability(
        available=True,
        devices=(Device(id="0", type="cpu", name="AMD EPYC"),),
        versions={"onnxruntime": "1.32.0"},
    ),
    "cuda": Availability(available=False, reason="libcuda.so.1 is missing", fix="install the NVIDIA driver"),
    "null": Availability(available=True),
}
NOTE = Note(
    code="smt",
    text=Text(en="Two threads share a core. " * 6, ko="스레드 두 개가 코어를 공유합니다. " * 6),
    severity="info",
)


@pytest.fixture
def found() -> Doctor:
    machine = Machine(name="node-1", cpu="AMD EPYC", cores=4, threads=8, accelerators=(GPU, NPU), container="docker")
    return report(machine, (NOTE,), ANSWERS, CARDS)


def test_ready_absent_and_idle(found: Doctor) -> None:
    assert [item.backend for item in found.ready] == ["cpu"]
    driver = Text(en="install the NVIDIA driver", ko="install the NVIDIA driver")
    assert [(item.backend, item.reason, item.fix) for item in found.absent] == [
        ("cuda", "libcuda.so.1 is missing", driver),
        ("rbln", "not probed", CARDS["rbln"].install),
    ]
    assert found.idle == (GPU, NPU)
    assert found.notes == (NOTE,)


def test_a_ready_backend_takes_its_device_off_the_idle_list(found: Doctor) -> None:
    now = report(found.machine, (), {**ANSWERS, "rbln": Availability(available=True)}, CARDS)
    assert now.idle == (GPU,)


def test_it_is_plain_data(found: Doctor) -> None:
    assert msgspec.json.decode(msgspec.json.encode(found), type=Doctor) == found


@pytest.mark.parametrize("language", ["en", "ko"])
def test_lines_fit_eighty_columns_and_say_everything(found: Doctor, language: str) -> None:
    lines = found.lines(language)  # type: ignore[arg-type]
    assert max(cell_len(line) for line in lines) <= 80
    text = "\n".join(lines)
    for part in (
        "node-1",
        "4 / 8",
        "onnxruntime 1.32.0",
        "libcuda.so.1",
        "install the NVIDIA driver",
        "H100",
        "1eff:1220",
    ):
        assert part in text
    assert "null" not in text
    assert ("해결:" in text) == (language == "ko")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_how_each_device_is_fits_eighty_columns(language: str) -> None:
    user = DeviceProcess(pid=4242, name="train-a-very-large-model", memory_bytes=40 << 30)
    state = DeviceState(
        id=GPU.id,
        name="NVIDIA H100 SXM5 80GB",
        driver="nvidia",
        driver_version="575.51.02",
        firmware_version="VBIOS 96.00.89.00.01, GSP 575.51.02",
        temperature_c=83.0,
        clock_mhz=1200.0,
        clock_most_mhz=1980.0,
        power_cap_w=300.0,
        power_cap_default_w=700.0,
        power_mode="persistence enabled, MIG disabled",
        memory_bytes=80 << 30,
        memory_free_bytes=40 << 30,
        processes=(user, DeviceProcess(pid=9, name="Xorg", computes=False)),
        slowed=("thermal",),
    )
    host = ProcessorState(
        governor="powersave",
        frequency_driver="intel_pstate",
        preference="balance_power",
        platform_profile="balanced",
        boost=False,
        clock_mhz=2500.0,
        clock_most_mhz=3800.0,
        temperature_c=61.0,
        throttle_events=3,
    )
    machine = Machine(name="node-1", cpu="c", accelerators=(GPU, NPU))
    lines = report(machine, (), ANSWERS, CARDS, host, (state,)).lines(language)  # type: ignore[arg-type]
    assert max(cell_len(line) for line in lines) <= 80
    text = " ".join(" ".join(lines).split())
    for part in (
        "nvidia 575.51.02",
        "VBIOS 96.00.89.00.01",
        "83 °C",
        "300 W",
        "700 W",
        "40.0 GiB",
        "train-a-very-large",
    ):
        assert part in text, part
    assert ("slowed by heat" in text) == (language == "en")
    assert ("감속 중: 발열" in text) == (language == "ko")
    for part in ("powersave (intel_pstate)", "balance_power", "61 °C"):
        assert part in text, part
    # The NPU is on the bus and gave no state.
    assert ("the device does not answer" if language == "en" else "장치가 응답하지 않음") in text


def test_a_device_of_which_nothing_is_known_says_so() -> None:
    state = DeviceState(id=NPU.id, processes=None, processes_reason="root can look")
    lines = report(Machine(name="m", cpu=None, accelerators=(NPU,)), (), {}, {}, devices=(state,)).lines("en")
    assert "  no driver bound" in lines
    assert "  other processes: not known (root can look)" in lines


def test_a_bare_machine_has_lines_too() -> None:
    lines = report(Machine(name="m", cpu=None), (), {}, {}).lines("en")
    assert any("none seen" in line for line in lines)
    assert any("0 backends ready" in line for line in lines)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")) | st.just(" "), max_size=300))
def test_wrap_keeps_every_word_and_the_width(text: str) -> None:
    lines = list(wrap(text, "  - ", "    "))
    assert all(cell_len(line) <= 80 for line in lines)
    assert "".join(lines).replace(" ", "") == ("-" + text).replace(" ", "")


def test_what_would_make_a_backend_ready_is_said_in_the_readers_language(found: Doctor) -> None:
    assert "fix: pip install rbln-sdk" in "\n".join(found.lines("en"))
    assert "해결: pip install rbln-sdk 실행" in "\n".join(found.lines("ko"))
