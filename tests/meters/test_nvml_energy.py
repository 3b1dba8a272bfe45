"""From a card to joules: the real binding over an NVML of known power, the real sampler, the real ledger.

The counter and the integral of power are two ways to the same joules; both must reach the truth within what they state.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from npubench import rules
from npubench.energy import EnergyLedger, Window
from npubench.engine.power import PowerSampler, all_readings
from npubench.meters.synthetic import energy_j, parse
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import Readings

from .looking import built, environment

METER = "npubench.meters.nvml:NvmlMeter"
GPU = "nvml.0000:01:00.0"
SECOND_NS = 1_000_000_000
# A window that a test can wait for, on a machine that may be busy.
RULE = msgspec.structs.replace(rules.load().energy, window_s=1.0, coverage=0.5)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("nvml"))


def sampled(library: Path, folder: Path, script: str, seconds: float, origin_ns: int) -> tuple[Readings, Window]:
    """What the sampler read at 50 Hz, and a window that lies within."""
    surroundings = {**environment(library), "FAKE_NVML": f"{script} origin={origin_ns}"}
    with PowerSampler.start(METER, 0.02, folder, environment=surroundings) as sampler:
        assert sampler.availability.available, sampler.availability.reason
        start_ns = time.perf_counter_ns() + SECOND_NS // 5
        time.sleep(seconds)
        end_ns = time.perf_counter_ns() - SECOND_NS // 5
    return all_readings(sampler), Window(start_ns=start_ns, end_ns=end_ns)


def judged(readings: Readings, window: Window) -> EnergyLedger:
    work = Work(requests=10, units=10, unit="frame")
    return ledger(readings, window, work, ours=lambda channel: True, idle={}, rule=RULE)


@pytest.mark.parametrize(
    ("form", "script"),
    [
        ("constant:150", "low=150 noise=8"),
        ("square:100:300:0.5", "low=100 high=300 period=0.5 noise=8"),
        ("square:100:300:2", "low=100 high=300 period=2 refresh=0.1 noise=8"),
    ],
)
def test_joules_by_counter_and_by_power(library: Path, tmp_path: Path, form: str, script: str) -> None:
    origin_ns = time.perf_counter_ns()
    readings, window = sampled(library, tmp_path, script, 2.4, origin_ns)
    found = judged(readings, window)
    function = parse(form)
    start_s, end_s = ((moment - origin_ns) / 1e9 for moment in (window.start_ns, window.end_ns))
    exact_j = energy_j(function, end_s) - energy_j(function, start_s)
    counter, power = found.channels[f"{GPU}.energy"], found.channels[f"{GPU}.power"]
    for channel in (counter, power):
        assert channel.energy_j is not None, channel.reason
        assert channel.uncertainty_j is not None
        # The last digits of the power are in motion by 8 mW.
        assert abs(channel.energy_j - exact_j) <= channel.uncertainty_j + 0.008 * (end_s - start_s)
    assert (counter.kind, counter.scope, power.kind, power.scope) == ("counter", "card", "instant", "card")
    # The card counts once, by its counter.
    assert found.scopes["card"].energy_j == counter.energy_j


def test_a_lost_card_has_no_joules_but_a_reason(library: Path, tmp_path: Path) -> None:
    readings, window = sampled(library, tmp_path, "lost=40", 1.8, time.perf_counter_ns())
    found = judged(readings, window)
    assert "NVML: GPU is lost (error 15)" in readings.statuses
    for what in ("energy", "power", "power-average"):
        channel = found.channels[f"{GPU}.{what}"]
        assert channel.energy_j is None
        assert channel.reason is not None
        assert channel.faults > 0
    assert found.reason is not None
    assert found.scopes["card"].energy_j is None


def test_heat_in_the_window_is_an_event(library: Path, tmp_path: Path) -> None:
    readings, window = sampled(library, tmp_path, "bits=72", 1.6, time.perf_counter_ns())
    (event,) = (event for event in judged(readings, window).events if event.what == "throttle")
    assert (event.device, event.causes) == ("0000:01:00.0", ("thermal",))
