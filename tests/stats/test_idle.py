"""The idle baseline of each channel, and its drift over a run."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from npubench.energy import IdlePower, Window
from npubench.spi import Channel
from npubench.stats.idle import drifted, idle
from tests.stats.made_power import COUNTER, POWER, RULE, S, constant, moments, noisy, one, table

QUIET = Window(start_ns=80 * S, end_ns=90 * S)
HEAT = Channel(name="t", unit="C", scope="card", kind="state", quantity="temperature", source="test", device="gpu")


def test_every_channel_of_power_or_energy_has_a_baseline() -> None:
    at_s = moments()
    milliwatts = msgspec.structs.replace(POWER, unit="mW")
    readings = table(
        (milliwatts, COUNTER, HEAT),
        {"p": (at_s, noisy(at_s, 5000, 10)), "e": (at_s, constant(5).j(at_s)), "t": (at_s, noisy(at_s, 40))},
    )
    found = idle(readings, QUIET)
    assert set(found) == {"p", "e"}
    assert found["p"].mean_w == pytest.approx(5.0, rel=1e-3)
    assert found["p"].sd_w == pytest.approx(0.01, rel=0.2)
    assert found["e"].mean_w == pytest.approx(5.0)
    for item in found.values():
        assert item.window == QUIET
        assert (item.readings, item.faults) == (100, 0)
        assert item.changed >= 99
        assert item.refresh_ns == pytest.approx(S / 10, rel=0.01)
        assert item.min_w is not None
        assert item.mean_w is not None
        assert item.min_w <= item.mean_w


def test_what_was_not_read_is_null_with_a_reason() -> None:
    at_s = moments()
    for channel, values, words in (
        (POWER, at_s * 0, "0 W throughout"),
        (POWER, at_s * np.nan, "0 readings while idle: the value is no number"),
        (COUNTER, at_s * 0 + 7, "did not move"),
        (COUNTER, np.where(at_s < 85, 7.0, 8.0), "hardly moved"),
        (COUNTER, np.where(at_s < 85, at_s, at_s - 50), "backwards"),
        (msgspec.structs.replace(POWER, unit="V"), at_s, "'V'"),
    ):
        found = idle(table((channel,), {channel.name: (at_s, values)}), QUIET)[channel.name]
        assert found.mean_w is None
        assert found.reason is not None
        assert words in found.reason.en
        assert found.reason.ko


def test_a_value_that_is_the_same_idle_and_loaded_is_no_measurement() -> None:
    at_s = moments()
    same = np.full(len(at_s), 75.0)
    before = idle(table((POWER,), {"p": (at_s, same)}), QUIET)
    assert before["p"].changed == 0
    found = one(POWER, at_s, same, idle=before)
    assert found.energy_j is None
    assert found.reason is not None
    assert "frozen, or an estimate" in found.reason.en
    assert found.mean_w == 75.0


def test_drift_is_flagged_beyond_the_rule_and_the_scatter() -> None:
    def quiet(mean_w: float | None, sd_w: float = 0.1, changed: int = 50) -> IdlePower:
        return IdlePower(mean_w=mean_w, sd_w=sd_w, changed=changed)

    before = {"a": quiet(20.0), "b": quiet(20.0), "c": quiet(20.0), "d": quiet(None), "e": quiet(0.5, 1.0, 3)}
    after = {"a": quiet(20.5), "b": quiet(22.0), "d": quiet(20.0), "e": quiet(0.9, 1.0, 3), "x": quiet(1.0)}
    found = drifted(before, after, RULE)
    assert set(found) == {"b"}
    assert "20.0 W idle before the run and 22.0 W after it (+10%)" in found["b"].en
    assert "20.0 W" in found["b"].ko
