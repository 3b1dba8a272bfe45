"""The sampler as a process: it reads, survives its meter, ends with its parent, and leaves readable files."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine import recording as under_test
from npubench.engine.power import PowerSampler, all_readings, mapped, read_log
from npubench.engine.recording import Times, take
from npubench.engine.sampler import Job
from npubench.spi import Availability, Channel, Reading
from npubench.stats.readings import OK, RECORD
from tests.engine import faulty_meters

SYNTHETIC = "npubench.meters.synthetic:SyntheticMeter"


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


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(faulty_meters.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")


def start(tmp_path: Path, meter: str = SYNTHETIC, interval_s: float = 0.01, **more: object) -> PowerSampler:
    return PowerSampler.start(meter, interval_s, tmp_path, **more)


def rows(sampler: PowerSampler) -> int:
    return len(mapped(sampler.rows))


def said(sampler: PowerSampler) -> set[str]:
    """The statuses of all readings."""
    found = all_readings(sampler)
    return {found.statuses[code] for code in found.table["status"]}


def test_readings_are_taken_and_the_end_is_recorded(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    assert sampler.availability.available
    assert [channel.name for channel in sampler.channels] == ["synthetic.power", "synthetic.energy"]
    assert {reading.channel for reading in sampler.first} == {"synthetic.power", "synthetic.energy"}
    assert until(lambda: rows(sampler) >= 20)
    sampler.stop()
    log = sampler.log()
    assert log.ended == "asked to end"
    assert log.channels == sampler.channels
    assert log.interval_ns == sampler.interval_ns == 10_000_000
    found = all_readings(sampler)
    assert set(found.of("synthetic.power")["value"]) == {25.0}
    assert said(sampler) == {OK}
    times = found.table["before_ns"].tolist()
    assert times == sorted(times)


def test_a_row_is_a_record() -> None:
    assert under_test._ROW.size == RECORD.itemsize
    packed = under_test._ROW.pack(-5, 1 << 40, 2.5, 7, 9, 0)

    assert np.frombuffer(packed, RECORD)[0].tolist() == (-5, 1 << 40, 2.5, 7, 9, 0)


def test_what_reading_costs_is_told(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    assert until(lambda: rows(sampler) >= 20)
    sampler.stop()
    cost = sampler.log().cost
    assert cost.readings == rows(sampler) // 2
    assert cost.cpu_share is not None
    assert 0 < cost.cpu_share < 1
    assert cost.read_p50_ns is not None
    assert cost.read_p99_ns is not None
    assert 0 < cost.read_p50_ns <= cost.read_p99_ns


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=200))
def test_percentiles_of_read_times_are_within_a_place(durations: list[int]) -> None:
    times = Times()
    for duration in durations:
        times.add(duration)
    ordered = sorted(durations)
    for share in (0.5, 0.99, 1.0):
        exact = ordered[math.ceil(len(ordered) * share) - 1]
        assert times.percentile(share) == pytest.approx(exact, rel=0.012, abs=1)


def test_no_reads_have_no_percentile() -> None:
    assert Times().percentile(0.5) is None


def test_it_pauses_and_goes_on(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    sampler.pause()
    # The pause has been heard when it writes what reading has cost.
    assert until(lambda: sampler.log().cost.readings > 0)
    before = rows(sampler)
    time.sleep(0.1)
    assert rows(sampler) == before
    sampler.resume()
    assert until(lambda: rows(sampler) > before + 10)
    sampler.pause()
    sampler.stop()
    assert sampler.log().ended == "asked to end", "it ends while it is paused, too"


def test_sampler_killed_the_files_are_readable(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    assert until(lambda: rows(sampler) >= 10)
    sampler._process.kill()  # type: ignore[union-attr]
    sampler.stop()
    log, count = sampler.log(), rows(sampler)
    assert log.ended is None
    assert len(log.channels) == 2
    assert count >= 10
    with sampler.rows.open("ab") as stream:
        stream.write(b"half a record")
    with sampler.lines.open("ab") as stream:
        stream.write(b'{"line":"cost","ti')
    assert rows(sampler) == len(all_readings(sampler).table) == count
    assert sampler.log() == log


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    sampler._process.terminate()  # type: ignore[union-attr]
    sampler._process.wait(20)  # type: ignore[union-attr]
    sampler.stop()
    assert sampler.log().ended == "SIGTERM"


def test_a_terminal_interrupt_does_not_end_it(tmp_path: Path) -> None:
    sampler = start(tmp_path)
    before = rows(sampler)
    os.kill(sampler._process.pid, signal.SIGINT)  # type: ignore[union-attr]
    assert until(lambda: rows(sampler) > before + 8)
    sampler.stop()
    assert sampler.log().ended == "asked to end"


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    parent = """
import os, sys
from pathlib import Path
from npubench.engine.power import PowerSampler
sampler = PowerSampler.start(sys.argv[1], 0.01, Path(sys.argv[2]))
print(sampler._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", parent, SYNTHETIC, str(tmp_path)], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    assert until(lambda: gone(pid))
    assert len(mapped(tmp_path / "power.bin")) >= 2


def test_a_hung_meter_does_not_outlive_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    monkeypatch.setenv("BAD_MARK", str(mark))
    sampler = start(tmp_path, "faulty_meters:Hangs")
    assert sampler.availability.available
    assert until(mark.exists)
    process = sampler._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    sampler.stop()
    assert said(sampler) == {"the meter gave no reading for this channel"}


def test_a_meter_raising_becomes_a_status(tmp_path: Path) -> None:
    sampler = start(tmp_path, "faulty_meters:Raises")
    assert until(lambda: rows(sampler) >= 6)
    sampler.stop()
    assert sampler.log().ended == "asked to end"
    assert said(sampler) == {OK, "raised SystemExit: vendor library gave up"}
    found = all_readings(sampler).table
    assert all(math.isnan(row["value"]) == (row["status"] > 0) for row in found)


@pytest.mark.parametrize(("name", "word"), [("Silent", "no reading"), ("Wrong", "expected a Reading")])
def test_a_meter_that_answers_nonsense_becomes_a_status(tmp_path: Path, name: str, word: str) -> None:
    sampler = start(tmp_path, f"faulty_meters:{name}")
    assert until(lambda: rows(sampler) >= 2)
    sampler.stop()
    assert all(word in status for status in said(sampler))


def test_what_is_no_number_has_a_status_that_names_it() -> None:
    found = take(faulty_meters.Odd(), [faulty_meters.CHANNEL])
    values = dict(zip(map(repr, faulty_meters.Odd.VALUES), found, strict=True))
    for text in ("'N/A'", "nan", "inf", "'12'"):
        assert values[text].value is None
        assert values[text].status == f"the value was {text}"
    assert values["None"].status == "no value"
    # As the source gave it: what a negative power means is the ledger's to say.
    assert values["-1.0"].value == -1.0
    assert [type(reading.value) for reading in found if reading.value is not None] == [float] * 4
    assert {reading.status for reading in found if reading.value is not None} == {OK}


@pytest.mark.parametrize(
    "reading",
    [
        None,
        "text",
        Reading(channel=["not hashable"], value=1.0, before_ns=0, after_ns=0),  # type: ignore[arg-type]
        Reading(channel="bad", value=1.0, before_ns=0.5, after_ns=0),  # type: ignore[arg-type]
        Reading(channel="bad", value=1.0, before_ns=1 << 70, after_ns=0),
        Reading(channel="bad", value=1.0, before_ns=0, after_ns=0, status=None),  # type: ignore[arg-type]
    ],
)
def test_a_reading_that_cannot_be_written_is_a_fault_of_this_read_only(reading: object) -> None:
    class Meter(faulty_meters.Steady):
        def read(self) -> object:
            return (reading,)

    (found,) = take(Meter(), [faulty_meters.CHANNEL])
    assert found.value is None
    assert found.status.startswith("raised ")


def test_channels_that_were_never_announced_are_left_out_and_silent_ones_are_filled_in() -> None:
    extra = Channel(name="extra", unit="W", scope="rail", kind="instant", source="t")
    assert [reading.channel for reading in take(faulty_meters.Steady(), [extra])] == ["extra"]
    assert len(take(faulty_meters.Steady(), [faulty_meters.CHANNEL, extra])) == 2


def test_a_meter_with_ever_new_faults_does_not_fill_the_statuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_MOST_STATUSES", 5)
    writer = under_test.Writer(str(tmp_path / "m"), 1 << 20)
    writer.head(under_test.Header(meter="m", interval_ns=1, pid=1, channels=(faulty_meters.CHANNEL,)))
    writer.rows(Reading(channel="bad", value=None, before_ns=at, after_ns=at, status=f"fault {at}") for at in range(50))
    log = read_log(tmp_path / "m.jsonl")
    assert len(log.statuses) == 6
    assert log.statuses[-1] == "another fault than those before"
    assert mapped(tmp_path / "m.bin")["status"].max() == 5


@pytest.mark.parametrize(
    ("meter", "word"),
    [
        ("faulty_meters:Dies", "no driver here"),
        ("faulty_meters:Exits", "without an answer"),
        ("faulty_meters:Missing", "AttributeError"),
        ("no_such_module:X", "ModuleNotFoundError"),
        ("npubench.meters.none:NoMeter", "no power meter"),
        (SYNTHETIC, "NPUBENCH_SYNTHETIC_POWER"),
    ],
)
def test_a_meter_that_is_not_there_gives_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meter: str, word: str
) -> None:
    monkeypatch.delenv("NPUBENCH_SYNTHETIC_POWER")
    with start(tmp_path, meter, 0.01) as sampler:
        assert not sampler.availability.available
        assert word in sampler.availability.reason
        assert sampler.channels == ()
    assert rows(sampler) == 0


def test_a_python_that_is_not_there_gives_a_reason(tmp_path: Path) -> None:
    sampler = start(tmp_path, python=str(tmp_path / "no-python"))
    assert "No such file" in sampler.availability.reason
    sampler.pause()
    assert rows(sampler) == len(all_readings(sampler).table) == 0


def test_options_reach_a_meter_before_it_is_asked(tmp_path: Path) -> None:
    with start(tmp_path, "faulty_meters:Told", options={"address": "https://bmc.example"}) as sampler:
        assert sampler.channels[0].source.startswith("https://bmc.example")


def test_options_that_a_meter_refuses_are_its_reason(tmp_path: Path) -> None:
    with start(tmp_path, "faulty_meters:Told", options={"address": "http://x"}) as sampler:
        assert sampler.availability == Availability(
            available=False, reason="address: found 'http://x'; expected an address that begins with https://"
        )
    with start(tmp_path, "faulty_meters:Steady", options={"address": "x"}) as sampler:
        assert sampler.availability.reason == "options: found address; this meter takes none"


def test_a_paced_meter_is_not_read_more_often_than_it_says(tmp_path: Path) -> None:
    with start(tmp_path, "faulty_meters:Paced") as sampler:
        assert sampler.interval_ns == 200_000_000
        assert until(lambda: rows(sampler) >= 3)
        begun = mapped(sampler.rows)["before_ns"][:3]
    assert begun[2] - begun[0] >= 200_000_000, "deadlines are absolute: one late, the next in time"


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
    job = Job(meter=SYNTHETIC, interval_ns=1_000_000, out=str(tmp_path / "power"), most_bytes=4000)
    process = subprocess.Popen(
        [sys.executable, "-m", "npubench.engine.sampler"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    process.stdin.flush()
    assert process.wait(30) == 0
    process.stdin.close()
    assert "size limit" in str(read_log(tmp_path / "power.jsonl").ended)
    assert (tmp_path / "power.bin").stat().st_size < 6000


def test_its_imports_stay_small() -> None:
    code = "import npubench.engine.sampler, npubench.meters.synthetic, npubench.meters.none, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert not {"psutil", "rich", "scipy", "onnx", "onnxruntime"} & set(done.stdout.split())
