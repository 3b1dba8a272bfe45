"""The sampler as a process: it reads, survives its meter, ends with its parent, and leaves a readable file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from npubench.engine.power import FILE, PowerSampler, ledger, read_log, read_readings
from npubench.engine.sampler import Job, take
from npubench.meters.none import NoMeter
from npubench.meters.synthetic import SyntheticMeter, energy_j, parse, power_w
from npubench.spi import Channel, Meter, Reading

SYNTHETIC = "npubench.meters.synthetic:SyntheticMeter"

# Meters that misbehave, each in its own way.
BAD = """
import os, sys, time
from npubench.spi import Availability, Channel, Reading

CHANNEL = Channel(name="bad", unit="W", scope="card", kind="instant", source="test")

class Raises:
    def __init__(self): self.n = 0
    def probe(self): return Availability(available=True)
    def channels(self): return (CHANNEL,)
    def read(self):
        self.n += 1
        if self.n % 2:
            raise SystemExit("vendor library gave up")
        print("noise on stdout")
        now = time.perf_counter_ns()
        return (Reading(channel="bad", value=5.0, before_ns=now, after_ns=now),)
    def close(self): raise RuntimeError("not even that")

class Silent(Raises):
    def read(self): return ()

class Wrong(Raises):
    def read(self): return ({"not": "a reading"},)

class Hangs(Raises):
    def read(self):
        self.n += 1
        if self.n == 1:
            return ()
        open(os.environ["BAD_MARK"], "w").close()
        time.sleep(600)

class Dies(Raises):
    def __init__(self): raise RuntimeError("no driver here")

class Exits(Raises):
    def __init__(self): os._exit(7)
"""


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "bad_meters.py").write_text(BAD)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def start(tmp_path: Path, meter: str = SYNTHETIC, power: str = "constant:25", interval_s: float = 0.01) -> PowerSampler:
    return PowerSampler.start(meter, interval_s, tmp_path, environment={"NPUBENCH_SYNTHETIC_POWER": power})


def ticks(file: Path) -> int:
    return len(read_readings(file))


def test_readings_are_taken_and_the_end_is_recorded(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    assert sampler.availability.available
    assert [channel.name for channel in sampler.channels] == ["synthetic.power", "synthetic.energy"]
    assert all("synthetic" in channel.source for channel in sampler.channels)
    assert until(lambda: ticks(sampler.file) >= 20)
    log = read_log(sampler.stop())
    assert log.ended == "asked to end"
    assert log.channels == sampler.channels
    assert log.interval_ns == 10_000_000
    assert log.cpu_ns > 0
    power = [reading for reading in log.readings if reading.channel == "synthetic.power"]
    assert {reading.value for reading in power} == {25.0}
    assert all(reading.status == "ok" for reading in log.readings)
    times = [reading.before_ns for reading in power]
    assert times == sorted(times)


def test_a_window_inside_start_and_stop_is_bracketed(tmp_path: Path) -> None:
    with start(tmp_path, power="square:10:30:0.2", interval_s=0.005) as sampler:
        begin = time.perf_counter_ns()
        time.sleep(0.4)
        end = time.perf_counter_ns()
    found = ledger(read_readings(sampler.file), sampler.channels, begin, end).channels
    assert found["synthetic.energy"]["energy_j"] is not None
    assert found["synthetic.energy"]["mean_w"] == pytest.approx(20, abs=10)


def test_sampler_killed_the_file_is_readable(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    assert until(lambda: ticks(sampler.file) >= 10)
    sampler._process.kill()  # type: ignore[union-attr]
    file = sampler.stop()
    log = read_log(file)
    assert log.ended is None
    assert len(log.readings) >= 10
    assert log.cpu_ns > 0
    file.write_bytes(file.read_bytes() + b'{"line":"tick","read')
    assert read_log(file) == log


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    sampler._process.terminate()  # type: ignore[union-attr]
    sampler._process.wait(20)  # type: ignore[union-attr]
    assert read_log(sampler.stop()).ended == "SIGTERM"


def test_a_terminal_interrupt_does_not_end_it(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    before = ticks(sampler.file)
    os.kill(sampler._process.pid, signal.SIGINT)  # type: ignore[union-attr]
    assert until(lambda: ticks(sampler.file) > before + 4)
    assert read_log(sampler.stop()).ended == "asked to end"


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    parent = """
import os, sys
from pathlib import Path
from npubench.engine.power import PowerSampler
sampler = PowerSampler.start(sys.argv[1], 0.01, Path(sys.argv[2]))
print(sampler._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", parent, SYNTHETIC, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "NPUBENCH_SYNTHETIC_POWER": "constant:1"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    assert until(lambda: gone(pid))
    assert ticks(tmp_path / FILE) >= 1


def test_a_hung_meter_does_not_outlive_its_parent(tmp_path: Path, bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    monkeypatch.setenv("BAD_MARK", str(mark))
    sampler = PowerSampler.start("bad_meters:Hangs", 0.01, tmp_path)
    assert sampler.availability.available
    assert until(mark.exists)
    process = sampler._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    sampler.stop()
    assert [reading.value for reading in read_readings(sampler.file)] == [None]


def test_a_meter_raising_becomes_a_status(tmp_path: Path, bad: Path) -> None:
    sampler = PowerSampler.start("bad_meters:Raises", 0.01, tmp_path)
    assert until(lambda: ticks(sampler.file) >= 6)
    log = read_log(sampler.stop())
    assert log.ended == "asked to end"
    assert {reading.status for reading in log.readings} == {"ok", "raised SystemExit: vendor library gave up"}
    assert {reading.value for reading in log.readings if reading.status != "ok"} == {None}


@pytest.mark.parametrize(("name", "word"), [("Silent", "no reading"), ("Wrong", "ValidationError")])
def test_a_meter_that_answers_nonsense_becomes_a_status(tmp_path: Path, bad: Path, name: str, word: str) -> None:
    sampler = PowerSampler.start(f"bad_meters:{name}", 0.01, tmp_path)
    assert until(lambda: ticks(sampler.file) >= 2)
    readings = read_readings(sampler.stop())
    assert all(word in reading.status and reading.value is None for reading in readings)


@pytest.mark.parametrize(
    ("meter", "word"),
    [
        ("bad_meters:Dies", "no driver here"),
        ("bad_meters:Exits", "without an answer"),
        ("bad_meters:Missing", "AttributeError"),
        ("no_such_module:X", "ModuleNotFoundError"),
        ("npubench.meters.none:NoMeter", "no power meter"),
        (SYNTHETIC, "NPUBENCH_SYNTHETIC_POWER"),
    ],
)
def test_a_meter_that_is_not_there_gives_a_reason(
    tmp_path: Path, bad: Path, monkeypatch: pytest.MonkeyPatch, meter: str, word: str
) -> None:
    monkeypatch.delenv("NPUBENCH_SYNTHETIC_POWER", raising=False)
    with PowerSampler.start(meter, 0.01, tmp_path) as sampler:
        assert not sampler.availability.available
        assert word in sampler.availability.reason
        assert sampler.channels == ()
    assert read_readings(sampler.stop()) == []


def test_a_python_that_is_not_there_gives_a_reason(tmp_path: Path) -> None:
    sampler = PowerSampler.start(SYNTHETIC, 0.1, tmp_path, python=str(tmp_path / "no-python"))
    assert "No such file" in sampler.availability.reason
    assert sampler.stop() == tmp_path / FILE


@pytest.mark.parametrize("interval_s", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_must_be_positive(tmp_path: Path, interval_s: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        start(tmp_path, interval_s=interval_s)


@pytest.mark.parametrize("line", ["", "{}", "not json", '{"meter":"a:b","interval_ns":0,"out":"x"}'])
def test_a_job_that_is_nonsense_is_refused(line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npubench.engine.sampler"],
        input=line.encode() + b"\n",
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["availability"]["available"] is False


def test_the_file_is_bounded(tmp_path: Path) -> None:
    job = Job(meter=SYNTHETIC, interval_ns=1_000_000, out=str(tmp_path / FILE), most_bytes=4000)
    process = subprocess.Popen(
        [sys.executable, "-m", "npubench.engine.sampler"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "NPUBENCH_SYNTHETIC_POWER": "constant:1"},
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    process.stdin.flush()
    assert process.wait(30) == 0
    process.stdin.close()
    assert "size limit" in str(read_log(tmp_path / FILE).ended)
    assert (tmp_path / FILE).stat().st_size < 6000


def test_its_imports_stay_small() -> None:
    code = "import npubench.engine.sampler, npubench.meters.synthetic, npubench.meters.none, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert not {"psutil", "rich", "scipy", "onnx", "onnxruntime"} & set(done.stdout.split())


def test_no_meter_never_reads() -> None:
    meter: Meter = NoMeter()
    assert not meter.probe().available
    assert "no power meter" in meter.probe().reason
    assert (list(meter.channels()), list(meter.read())) == ([], [])
    meter.close()


def test_synthetic_meter_needs_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPUBENCH_SYNTHETIC_POWER", raising=False)
    assert not SyntheticMeter().probe().available
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "sine:1")
    assert "expected constant:W" in SyntheticMeter().probe().reason
    assert list(SyntheticMeter().read()) == []
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25@5")
    meter = SyntheticMeter()
    assert meter.probe().available
    power, energy = meter.read()
    assert power.value == 25
    assert energy.value == pytest.approx(25 * (energy.before_ns - 5) / 1e9)


@pytest.mark.parametrize(
    "text", ["", "constant", "constant:x", "ramp:1", "square:1:2:0", "constant:1@x", "constant:nan"]
)
def test_synthetic_forms_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected constant:W"):
        parse(text)


@pytest.mark.parametrize("text", ["constant:25", "ramp:10:2", "square:10:30:2"])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.7, 4.2])
def test_synthetic_energy_is_the_integral_of_its_power(text: str, seconds: float) -> None:
    form, steps = parse(text), 20_000
    total = sum(power_w(form, (index + 0.5) * seconds / steps) for index in range(steps)) * seconds / steps
    assert energy_j(form, seconds) == pytest.approx(total, rel=1e-3)


def test_take_fills_in_silent_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")
    extra = Channel(name="extra", unit="W", scope="rail", kind="instant", source="t")
    meter = SyntheticMeter()
    found: tuple[Reading, ...] = take(meter, (*meter.channels(), extra))
    assert [reading.channel for reading in found] == ["synthetic.power", "synthetic.energy", "extra"]
    assert found[-1].value is None
