"""Power beside a launch: the first meter that answers, in the backend's own Python, and never a failed launch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench.cards import BackendCard, EnvironmentSpec
from npubench.discovery import code
from npubench.engine import metering as under_test
from npubench.engine.metering import metering
from npubench.engine.power import read_log, read_readings
from npubench.meters.synthetic import VARIABLE
from npubench.schema import Window
from tests.support import null_card

METER = '''
"""A meter of another environment: our Python cannot import it."""
from npubench.meters.synthetic import SyntheticMeter as Meter
'''


def card(*meters: str, python: str | None = None, **variables: str) -> BackendCard:
    environment = EnvironmentSpec(python=python, variables=variables)
    return msgspec.structs.replace(null_card(), meters=meters, environment=environment)


@pytest.fixture
def foreign_python(tmp_path: Path) -> Path:
    """An environment with numpy, msgspec and a meter of its own, in which npubench is not installed."""
    folder = tmp_path / "foreign"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in (np, msgspec):
        home = Path(str(package.__file__)).parent
        (site / home.name).symlink_to(home)
        if (libraries := home.with_name(f"{home.name}.libs")).exists():
            (site / libraries.name).symlink_to(libraries)
    (site / "foreign_meter.py").write_text(METER, encoding="utf-8")
    python = folder / "bin" / "python"
    assert subprocess.run([python, "-c", "import npubench"], capture_output=True, check=False, cwd=folder).returncode
    return python


def test_without_a_meter_energy_is_unknown_with_the_reason(tmp_path: Path) -> None:
    with metering(card(), tmp_path) as power:
        pass
    ledger = power.ledger(Window(start_ns=0, end_ns=1))
    assert "no power meter" in str(ledger.reason)
    assert ledger.channels == {}
    assert power.file is None


def test_meters_that_do_not_answer_are_named_with_their_reasons(tmp_path: Path) -> None:
    with metering(card("none", "synthetic"), tmp_path) as power:
        pass
    assert power.sampler is None
    reason = str(power.ledger(Window(start_ns=0, end_ns=1)).reason)
    assert "none: " in reason
    assert f"synthetic: {VARIABLE} is not set" in reason


def test_the_first_meter_that_answers_is_read_with_the_cards_variables(tmp_path: Path) -> None:
    with metering(card("none", "synthetic", **{VARIABLE: "constant:25"}), tmp_path) as power:
        assert power.sampler is not None
        assert power.sampler.availability.available
        assert power.ledger(Window(start_ns=0, end_ns=1)).reason, "nothing is known while it still reads"
    assert power.file is not None
    log = read_log(power.file)
    assert log.ended == "asked to end"
    watts = [reading.value for reading in log.readings if reading.channel == "synthetic.power"]
    assert set(watts) == {25.0}
    assert len(watts) >= 2, "one before the body and one after it"
    ledger = power.ledger(Window(start_ns=log.readings[0].before_ns, end_ns=log.readings[-1].after_ns))
    assert set(ledger.channels) == {"synthetic.power", "synthetic.energy"}


def test_a_meter_is_read_in_the_backends_own_python(
    tmp_path: Path, foreign_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        under_test, "code", lambda group, name: "foreign_meter:Meter" if name == "foreign" else code(group, name)
    )
    variables = {VARIABLE: "constant:7"}
    (tmp_path / "ours").mkdir()
    with metering(card("foreign", **variables), tmp_path / "ours") as power:
        assert power.sampler is None
        assert "foreign_meter" in power.reason, "it is importable in the other environment only"
    (tmp_path / "theirs").mkdir()
    with metering(card("foreign", python=str(foreign_python), **variables), tmp_path / "theirs") as power:
        assert power.sampler is not None, power.reason
    assert power.file is not None
    assert {reading.value for reading in read_readings(power.file) if reading.channel == "synthetic.power"} == {7.0}


def test_a_python_that_is_not_there_is_a_reason_and_not_a_failure(tmp_path: Path) -> None:
    body = False
    with metering(card("synthetic", python=str(tmp_path / "no-python")), tmp_path) as power:
        body = True
    assert body
    assert "no-python" in str(power.ledger(Window(start_ns=0, end_ns=1)).reason)


def test_the_sampler_ends_with_a_body_that_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError, match="the body's own"),
        metering(card("synthetic", **{VARIABLE: "constant:25"}), tmp_path) as power,
    ):
        raise KeyError("the body's own")
    assert power.file is not None
    assert read_log(power.file).ended == "asked to end"
