"""Which meters there are: from cards, the meters file and the host itself, asked at the same time and not for long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from npubench.cards import BackendCard, EnvironmentSpec
from npubench.engine import meters as under_test
from npubench.engine.meters import Survey, Wanted, entries_of, survey, wanted
from npubench.errors import CardError
from npubench.meterfile import Entry
from tests.engine import faulty_meters
from tests.support import null_card


def card(name: str, *meters: str, **variables: str) -> BackendCard:
    environment = EnvironmentSpec(variables=variables)
    return msgspec.structs.replace(null_card(name), meters=meters, environment=environment)


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points by the name of the class, `synthetic` and `none` as they are."""
    folder = str(Path(faulty_meters.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))
    known = under_test.code
    monkeypatch.setattr(
        under_test,
        "code",
        lambda group, name: f"faulty_meters:{name}" if hasattr(faulty_meters, name) else known(group, name),
    )


def test_a_meter_that_several_cards_name_is_asked_once() -> None:
    found = wanted({"a": card("a", "nvml", "hwmon"), "b": card("b", "nvml")}, ())
    assert found == (
        Wanted(use="rapl", name="rapl"),
        Wanted(use="hwmon", name="hwmon", backends=("a",)),
        Wanted(use="nvml", name="nvml", backends=("a", "b")),
    )


def test_entries_of_the_file_have_names_of_their_own() -> None:
    entries = [Entry(use="redfish", options={"address": name}) for name in ("one", "two")]
    found = wanted({"a": card("a", "redfish")}, entries, host=False)
    assert [(item.name, item.options["address"], item.backends) for item in found] == [
        ("redfish", "one", ("a",)),
        ("redfish-2", "two", ("a",)),
    ]


def test_meters_answer_with_their_channels_or_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")
    cards = {"a": card("a", "synthetic", "none", "Dies")}
    entries = [Entry(use="Told", options={"address": "nonsense"}), Entry(use="Steady", options={"x": 1})]
    found = {meter.name: meter for meter in survey(cards, entries, host=False)}
    assert found["synthetic"].availability.available
    assert [channel.name for channel in found["synthetic"].channels] == ["synthetic.power", "synthetic.energy"]
    assert found["synthetic"].backends == ("a",)
    assert found["synthetic"].place == ""
    assert "no power meter is named" in found["none"].availability.reason
    assert found["none"].availability.fix
    assert "no driver here" in found["Dies"].availability.reason
    assert found["Told"].availability.reason.startswith("address: found 'nonsense'; expected")
    assert "takes none" in found["Steady"].availability.reason
    assert not any(found[name].channels for name in ("none", "Dies", "Told", "Steady"))


def test_a_binding_is_looked_for_in_the_environment_of_the_backend_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NPUBENCH_SYNTHETIC_POWER", raising=False)
    cards = {
        "plain": card("plain", "synthetic"),
        "metered": card("metered", "synthetic", NPUBENCH_SYNTHETIC_POWER="constant:7"),
    }
    (found,) = survey(cards, host=False)
    assert found.availability.available
    assert found.place == "metered"
    assert found.backends == ("plain", "metered")


def test_a_meter_that_hangs_is_given_up_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATE_S", "60")
    started = time.monotonic()
    found = {meter.name: meter for meter in survey({"a": card("a", "Late", "Steady")}, seconds=3.0, host=False)}
    assert time.monotonic() - started < 15
    assert found["Steady"].availability.available
    assert found["Late"].availability.reason == "it did not answer within 3 s"
    assert found["Late"].availability.fix


def test_a_meter_that_is_being_asked_is_asked_in_new_places_only() -> None:
    with Survey() as asking:
        asking.begin([Wanted(use="Steady", name="Steady")])
        backends = {"a": card("a", "Steady", ANYTHING="1")}
        asking.begin([Wanted(use="Steady", name="Steady", backends=("a",))], backends)
        asking.begin([Wanted(use="Steady", name="Steady", backends=("a",))], backends)
        assert len(asking._samplers()) == 2
        (found,) = asking.found()
    assert found.meter.backends == ("a",)
    assert found.meter.place == "", "its own environment comes first"
    assert [reading.value for reading in found.readings] == [5.0]


def test_the_file_is_the_one_that_was_named_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert entries_of() == ()

    def write(path: Path, use: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'schema = "npubench.meters/1"\n[[meters]]\nuse = "{use}"\n')
        return path

    write(tmp_path / "config" / "npubench" / "meters.toml", "rapl")
    assert [entry.use for entry in entries_of()] == ["rapl"]
    monkeypatch.setenv("NPUBENCH_METERS", str(write(tmp_path / "named.toml", "hwmon")))
    assert [entry.use for entry in entries_of()] == ["hwmon"]
    assert [entry.use for entry in entries_of(write(tmp_path / "asked.toml", "redfish"))] == ["redfish"]
    with pytest.raises(CardError, match="No such file"):
        entries_of(tmp_path / "none.toml")
