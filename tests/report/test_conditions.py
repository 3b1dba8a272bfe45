"""Conditions and the measurer as a report shows them."""

from __future__ import annotations

import msgspec
import pytest

from npubench.conditions import Conditions, DeviceCondition, DeviceState, Slowed
from npubench.report import facts
from npubench.report.conditions import phrases
from npubench.report.sheets import sheets
from tests.report import sample

SECOND = 1_000_000_000
COOL = DeviceState(id="0000:41:00.0", name="NP-1 <b>Max</b>", temperature_c=41.0)
WARM = msgspec.structs.replace(COOL, temperature_c=83.0)
CAPPED = Slowed(cause="power-cap", slowed_ns=SECOND, observed_ns=10 * SECOND, source="counter")
FOUND = Conditions(
    start_ns=0,
    end_ns=10 * SECOND,
    processors=2,
    stolen_ns=SECOND // 5,
    clock_mhz=(3500.0, 3100.0),
    temperature_c=(54.0, 71.0),
    devices=(DeviceCondition(before=COOL, after=WARM, slowed=(CAPPED,)),),
)


def test_what_is_known_is_said_in_both_languages() -> None:
    said = " | ".join(text.en for text in phrases(FOUND))
    assert "processor 3500 → 3100 MHz, 54 → 71 °C" in said
    assert "1.00 % of processor time taken by the hypervisor" in said
    assert "(0000:41:00.0) 41 → 83 °C" in said
    assert "held back by its power limit for 1.00 s of 10.0 s" in said
    assert all(text.ko for text in phrases(FOUND))


def test_nothing_known_is_nothing_said() -> None:
    assert phrases(Conditions()) == ()
    unused = DeviceCondition(before=COOL, after=WARM, used=False)
    assert phrases(Conditions(devices=(unused,))) == ()


def test_a_launch_shows_its_conditions() -> None:
    files = sample.realistic()
    launches = {name: msgspec.structs.replace(launch, conditions=FOUND) for name, launch in files.launches.items()}
    shown = sheets(files.run, "r", launches)[0]
    row = next(fact for fact in shown.facts if "Launch" in getattr(fact.name, "en", ""))
    assert "held back by its power limit" in row.value.en  # type: ignore[union-attr]
    assert "전력 한도" in row.value.ko  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "en", "ko"),
    [
        ("vendor:Hanbit", "the vendor: Hanbit", "공급사: Hanbit"),
        ("ci", "an automatic job (CI)", "자동 작업(CI)"),
        ("unknown", "not stated", "밝히지 않음"),
    ],
)
def test_who_measured(said: str, en: str, ko: str) -> None:
    found = facts.measurer(msgspec.structs.replace(sample.realistic().run, measured_by=said))
    assert (found.en, found.ko) == (en, ko)  # type: ignore[union-attr]


def test_older_runs_hold_free_text() -> None:
    run = msgspec.structs.replace(sample.realistic().run, measured_by="the night shift")
    assert facts.measurer(run) == "the night shift"
