"""`npubench power list` and `npubench power check`, with the synthetic meter, without any, and with a slow one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from npubench.cli import power_check, power_list
from npubench.energy import Effect, IdlePower, MeterCost
from npubench.spi import Channel, Reading
from npubench.stats.metercheck import ChannelCheck
from tests.cli.inside import inside

SYNTHETIC = {"NPUBENCH_SYNTHETIC_POWER": "square:10:30:2"}


def npubench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in an environment with these variables; in a process of its own where it measures."""
    if arguments[:2] == ("power", "list"):
        with pytest.MonkeyPatch.context() as here:
            for name, value in variables.items():
                here.setenv(name, value)
            return inside(*arguments)
    command = [sys.executable, "-m", "npubench", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **variables}
    )


@pytest.fixture(autouse=True)
def no_meters_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's own meters file has no place in a test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NPUBENCH_METERS", raising=False)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_list_says_what_each_meter_lacks(language: str) -> None:
    done = npubench("power", "list", NPUBENCH_LANG=language, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert all(cell_len(line) <= 80 for line in done.stdout.splitlines()), done.stdout
    assert "nvml" in done.stdout
    assert "docs/power.md" in done.stdout
    assert "npubench power attach" in done.stdout
    assert "synthetic" not in done.stdout
    assert "bin/python" not in done.stdout  # environments that nobody has made are no fault of a meter


def test_the_list_has_a_live_value_with_its_scope() -> None:
    done = npubench("power", "list", COLUMNS="80", **SYNTHETIC)
    assert "synthetic · 2 channels" in done.stdout
    assert "card · energy counter" in done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert any(line in ("synthetic.power  10.0 W", "synthetic.power  30.0 W") for line in lines), done.stdout


def test_the_list_as_json_has_every_meter_and_no_option(tmp_path: Path) -> None:
    file = tmp_path / "meters.toml"
    file.write_text(
        'schema = "npubench.meters/1"\n[[meters]]\nuse = "redfish"\n[meters.options]\nurl = "https://127.0.0.1:1"\n'
    )
    done = npubench("power", "list", "--json", "--meters", str(file), **SYNTHETIC)
    assert done.returncode == 0, done.stderr
    found = {meter["name"]: meter for meter in json.loads(done.stdout)}
    assert {"rapl", "nvml", "hwmon", "redfish", "synthetic"} <= set(found)
    assert found["redfish"]["set_up"]
    assert not found["redfish"]["available"]
    assert found["redfish"]["reason"]
    assert "url" not in found["redfish"]
    assert [item["channel"]["name"] for item in found["synthetic"]["channels"]] == [
        "synthetic.power", "synthetic.energy",
    ]  # fmt: skip
    assert found["synthetic"]["channels"][0]["reading"]["value"] in (10.0, 30.0)


def test_a_meters_file_with_a_mistake_is_named(tmp_path: Path) -> None:
    file = tmp_path / "meters.toml"
    file.write_text('schema = "npubench.meters/1"\n[[meters]]\nuse = "redfsh"\n')
    done = npubench("power", "list", "--meters", str(file))
    assert done.returncode == 2
    assert "meters[0].use" in done.stderr
    assert 'did you mean "redfish"' in done.stderr


@pytest.mark.slow
def test_the_check_of_the_synthetic_meter() -> None:
    done = npubench("power", "check", "synthetic", "--seconds", "3", "--json", **SYNTHETIC)
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=power_check.Checked)
    (meter,) = found.meters
    power, energy = meter.channels
    assert power.idle.mean_w == pytest.approx(20, abs=8)
    assert (power.idle.min_w, power.idle.max_w) == (10, 30)
    assert energy.answer == "enough"
    assert meter.cost.readings > 10
    assert meter.cost.cpu_share is not None
    assert meter.ended is None
    assert found.effect is not None
    assert found.effect.low < found.effect.high
    assert "synthetic" in done.stderr


def test_a_meter_that_is_not_here_is_exit_code_4_and_one_that_does_not_exist_2() -> None:
    absent = npubench("power", "check", "nvml")
    assert absent.returncode in (0, 4)
    if absent.returncode == 4:
        assert "nvml" in absent.stderr
    unknown = npubench("power", "check", "nvmll")
    assert unknown.returncode == 2
    assert 'did you mean "nvml"' in unknown.stderr


POWER = Channel(name="slow.power", unit="W", scope="node", kind="average", source="a test", refresh_ns=8 * 10**9)


def shown(check: ChannelCheck, monkeypatch: pytest.MonkeyPatch, language: str) -> str:
    monkeypatch.setenv("NPUBENCH_LANG", language)
    found = power_check.Checked(
        seconds=20.0,
        interval_s=0.1,
        rule="npubench-1",
        window_s=30.0,
        meters=(
            power_check.MeterCheck(
                name="slow",
                cost=MeterCost(readings=200, missed=3, cpu_share=0.004, read_p50_ns=2_000_000, read_p99_ns=9_000_000),
                ended=None,
                channels=(check,),
            ),
        ),
        effect=Effect(ratio=1.001, low=0.998, high=1.004, blocks=22),
        absent={"nvml": "no driver"},
    )
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    for part in power_check.lines(found):
        console.print(part)
    assert all(cell_len(line) <= 80 for line in out.getvalue().splitlines())
    return " ".join(out.getvalue().split())


SLOW = ChannelCheck(
    channel=POWER,
    idle=IdlePower(
        mean_w=212.0, sd_w=1.5, min_w=209.0, max_w=216.0, readings=200, faults=2, changed=2, refresh_ns=8 * 10**9
    ),
    drift_w=-0.4,
    refreshes=3.75,
    needed_s=40.0,
    uncertainty=0.02,
    answer="longer",
)


def test_a_slow_sensor_says_how_long_the_load_must_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(SLOW, monkeypatch, "en")
    assert "hold the load for 40 s" in said
    assert "212 W (209 – 216 W, sd 1.50 W)" in said
    assert "−0.40 W in 20 s" in said
    assert "2 bad" in said
    assert "3 deadlines missed" in said
    assert "−0.20 % to +0.40 %" in said
    assert "nvml" in said
    assert "40 s 유지" in shown(SLOW, monkeypatch, "ko")


def test_each_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_answer(**changes: object) -> str:
        return shown(msgspec.structs.replace(SLOW, **changes), monkeypatch, "en")

    assert "a window of 30 s is enough: 30 refreshes" in with_answer(answer="enough", refreshes=30.0)
    assert "needs longer" in with_answer(answer="enough", refreshes=30.0, uncertainty=0.3)
    assert "stood still" in with_answer(answer="unknown", refreshes=None, needed_s=None)
    assert "nothing good was read" in with_answer(answer="broken", idle=IdlePower(mean_w=None))


def test_a_reading_that_failed_shows_its_status() -> None:
    listed = power_list.Listed(
        name="slow",
        available=True,
        channels=(
            power_list.ListedChannel(
                channel=POWER, reading=Reading(channel=POWER.name, value=None, before_ns=0, after_ns=0, status="503")
            ),
        ),
    )
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    for part in power_list.lines([listed], {}):
        console.print(part)
    assert "– (503)" in out.getvalue()
