"""The live view of a run: in a real terminal of 80 columns, without colour, without a cursor, and stopped by Ctrl-C."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console as RichConsole

from npubench.cards import DeviceType
from npubench.cli.live import LiveView
from npubench.energy import PlannedMeter
from npubench.engine import glance
from npubench.engine.protocol import Phase
from npubench.engine.recording import Header, Writer
from npubench.engine.table import COMPLETED, HEADER_WORDS, WIDTH, SampleTable
from npubench.schema import DROPPED, Failure, FailureKind, Launch, Plan, PlannedCell, Value
from npubench.spi import HOST, Availability, Channel, Reading
from npubench.store import RunFolder
from tests.cli.terminal import interrupt, watched
from tests.support import null_card, null_plan

MS, S = 1_000_000, 1_000_000_000
RUN = [sys.executable, "-m", "npubench", "run", "--backend", "null", "--model", "overhead-floor"]
RUN += ["--scenario", "single-stream", "--profile", "smoke", "--launches", "2", "--no-power"]


def samples(folder: Path, count: int, every_ns: int = 10 * MS, ago_ns: int = 0, lost: int = 0) -> SampleTable:
    """A launch in flight that has answered so many requests of two frames each in 8 ms, the last one `ago_ns` ago."""
    folder.mkdir(parents=True, exist_ok=True)
    table = SampleTable(folder, count + 10, 0)
    rows = np.frombuffer(table.rows, dtype=np.int64)[: count * WIDTH].reshape(-1, WIDTH)
    ended = time.perf_counter_ns() - ago_ns - every_ns * np.arange(count)[::-1]
    rows[:, 0], rows[:, 1], rows[:, 3], rows[:, 4] = ended - 8 * MS, ended - 8 * MS, ended, 2
    if lost:
        rows[-lost:, 6], rows[-lost:, 4] = DROPPED, 0
    table.header[COMPLETED] = count
    return table


def test_a_glance_says_how_it_goes_now(tmp_path: Path) -> None:
    assert glance.requests(tmp_path) is None
    table = samples(tmp_path, 5000)
    found = glance.requests(tmp_path)
    assert found is not None
    assert found.completed == 5000
    assert found.recent <= 1000
    assert found.units_per_s == pytest.approx(200, rel=0.01)
    assert found.p50_ns == 8 * MS
    assert found.lost == 0
    # A lane that is behind has not filled its row yet.
    table.rows[(5000 - 2) * WIDTH + 3] = 0
    again = glance.requests(tmp_path)
    assert again is not None
    assert again.recent == found.recent - 1


def test_a_glance_at_few_lost_or_no_requests(tmp_path: Path) -> None:
    samples(tmp_path / "one", 1)
    one = glance.requests(tmp_path / "one")
    assert one is not None
    assert (one.recent, one.units_per_s, one.p50_ns) == (1, None, 8 * MS)
    samples(tmp_path / "lost", 100, lost=40)
    lost = glance.requests(tmp_path / "lost")
    assert lost is not None
    assert (lost.recent, lost.lost, lost.p50_ns) == (100, 40, 8 * MS)
    SampleTable((tmp_path / "lost"), 10, 0)
    assert glance.requests(tmp_path / "lost") == glance.Requests(completed=0)


@pytest.mark.parametrize("content", [b"", b"x" * 40, bytes(64), np.full(80, -1, np.int64).tobytes(), b"\x7f" * 640])
def test_a_glance_survives_any_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "samples.bin").write_bytes(content)
    assert glance.requests(tmp_path) is None


def test_a_glance_follows_no_count_beyond_the_file(tmp_path: Path) -> None:
    table = SampleTable(tmp_path, 10, 0)
    table.header[COMPLETED] = (1 << 63) - 1
    found = glance.requests(tmp_path)
    assert found is not None
    assert found.completed <= (HEADER_WORDS + 10 * WIDTH) // WIDTH


def channel(name: str, unit: str, kind: str = "instant", **more: str) -> Channel:
    found = {"name": name, "unit": unit, "scope": "package", "kind": kind, "source": "made", "device": HOST, **more}
    return msgspec.convert(found, Channel)


CHANNELS = (
    channel("pkg-0", "uJ", "counter", quantity="energy"),
    channel("pkg-1", "uJ", "counter", quantity="energy"),
    channel("heat", "C", quantity="temperature"),
    channel("board", "mW", scope="wall", device=""),
    channel("card", "W", scope="card", device="0000:01:00.0"),
)


def metered(folder: Path, ago_ns: int = 0, channels: tuple[Channel, ...] = CHANNELS) -> None:
    """3 s of readings at 10 Hz: two packages of 20 W, a wall of 90 W, somebody else's card."""
    (folder / "work" / "power" / "made").mkdir(parents=True)
    writer = Writer(str(folder / "work" / "power" / "made" / "power"), 1 << 20)
    writer.head(Header(meter="made", interval_ns=S // 10, pid=1, channels=channels))
    now = time.perf_counter_ns() - ago_ns
    for tick in range(30):
        at = now - (29 - tick) * S // 10
        values = (2e6 * tick, 2e6 * tick + 5, 50.0, 90_000.0, 300.0)
        writer.rows(
            Reading(channel=item.name, value=value, before_ns=at, after_ns=at)
            for item, value in zip(channels, values, strict=False)
        )


def with_meter(kind: DeviceType = "cpu") -> tuple[Plan, PlannedCell]:
    card = null_card()
    card = msgspec.structs.replace(card, device=msgspec.structs.replace(card.device, type=kind))
    plan = null_plan(card)
    made = PlannedMeter(name="made", code="made:Meter", availability=Availability(available=True), channels=CHANNELS)
    return msgspec.structs.replace(plan, meters=(made,)), plan.cells[0]


def test_a_glance_at_power_takes_what_counts_for_the_backend(tmp_path: Path) -> None:
    plan, cell = with_meter()
    look = glance.PowerGlance(plan, tmp_path)
    assert look.of(cell) == ()
    metered(tmp_path)
    near, whole = look.of(cell)
    assert (near.scope, whole.scope) == ("package", "wall")
    assert near.power_w == pytest.approx(40)
    assert whole.power_w == pytest.approx(90)
    plan, cell = with_meter("npu")
    assert [item.scope for item in glance.PowerGlance(plan, tmp_path).of(cell)] == ["wall"]


def test_old_readings_say_nothing_of_now(tmp_path: Path) -> None:
    plan, cell = with_meter()
    metered(tmp_path, ago_ns=10 * S)
    assert glance.PowerGlance(plan, tmp_path).of(cell) == ()


def drawn(view: LiveView, width: int = 80, height: int = 24) -> list[str]:
    text = io.StringIO()
    RichConsole(file=text, width=width, height=height).print(view.render())
    return text.getvalue().splitlines()


def console(width: int = 80, height: int = 24) -> RichConsole:
    return RichConsole(file=io.StringIO(), width=width, height=height)


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        ("en", ["measuring · 200 samples/s · p50 8.00 ms · processor 40.0 W", "1 of 2 launches", "about"]),
        ("ko", ["측정 중 · 200 samples/s · p50 8.00 ms · 프로세서 40.0 W", "실행 1/2", "남음"]),
    ],
)
def test_the_view_shows_speed_power_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: str, said: list[str]
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    plan, cell = with_meter()
    plan = msgspec.structs.replace(plan, order=((cell.id, 1), (cell.id, 2)), launches=2)
    folder = RunFolder(tmp_path)
    view = LiveView(plan, console(), folder)
    view.starting(cell, 1, 0, 2)
    value = {"samples_per_s": Value(value=12.0)}
    launch = Launch(run="r", cell=cell.id, number=1, started="", status="ok", summary=value)
    view.finished(cell, launch)
    view.starting(cell, 2, 1, 2)
    samples(folder.work_path(cell.id, 2), 400)
    metered(tmp_path)
    view.event(Phase(name="measure"), 0)
    view._seen = 0.0
    lines = drawn(view)
    assert all(cell_len(line) <= 80 for line in lines)
    shown = "\n".join(lines)
    assert all(part in shown for part in said), shown
    assert lines[0].startswith("✓ ")


def test_a_worker_that_answers_nothing_any_more_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", "en")
    plan = null_plan(null_card())
    view = LiveView(plan, console(), RunFolder(tmp_path))
    view.starting(plan.cells[0], 1, 0, 1)
    samples(RunFolder(tmp_path).work_path(plan.cells[0].id, 1), 10, ago_ns=30 * S)
    view.event(Phase(name="measure"), 0)
    view._seen = 0.0
    assert any("no answer for 30 s" in line for line in drawn(view))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 6), (200, 60)])
def test_the_view_fits_any_terminal(tmp_path: Path, width: int, height: int) -> None:
    plan = null_plan(null_card(), launches=3)
    view = LiveView(plan, console(width, height), RunFolder(tmp_path))
    broken = Failure(kind=FailureKind.RAISED, message="\x1b[2J" + "no such device " * 30)
    for number in range(1, 4):
        view.starting(plan.cells[0], number, number - 1, 3)
        launch = Launch(run="r", cell=plan.cells[0].id, number=number, started="", status="failed", failure=broken)
        view.finished(plan.cells[0], launch)
    view.building("tiny", "packing " * 40 + "\nnext")
    lines = drawn(view, width, height)
    assert len(lines) < height
    assert all(cell_len(line) <= width for line in lines)
    assert "\x1b[2J" not in "\n".join(lines)


def test_a_launch_that_takes_longer_takes_no_time_from_those_behind_it() -> None:
    plan = null_plan(null_card(), launches=4, window_s=10)
    view = LiveView(plan, console())
    whole = view.remaining_s()
    view.starting(plan.cells[0], 1, 0, 4)
    view._started -= 10_000
    assert view.remaining_s() == pytest.approx(whole * 3 / 4, rel=0.05)
    view._started += 10_000
    launch = Launch(run="r", cell=plan.cells[0].id, number=1, started="", status="ok")
    view._started -= whole / 2
    view.finished(plan.cells[0], launch)
    # It took twice as long as planned: so will the others.
    view._started = time.monotonic()
    assert view.remaining_s() == pytest.approx(whole * 3 / 4 * 2, rel=0.05)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {"NPUBENCH_RESULTS": str(tmp_path / "results"), "NPUBENCH_LOCK_DIR": str(tmp_path), "TERM": "xterm-256color"}
    return {**kept, "NPUBENCH_LANG": "en", **more}


@pytest.mark.slow
@pytest.mark.parametrize(("spoken", "words"), [("en", ("measuring", "left")), ("ko", ("측정 중", "남음"))])
def test_a_run_in_a_real_terminal(tmp_path: Path, spoken: str, words: tuple[str, str]) -> None:
    seen = watched([*RUN, "--budget", "3s"], environment(tmp_path, NPUBENCH_LANG=spoken))
    assert seen.code == 0, seen.screen.text
    assert any(all(word in frame for word in words) for frame in seen.frames)
    assert any("samples/s · p50" in frame for frame in seen.frames)
    # Nothing of the live view is left, the cursor is back, and nothing was wider than the terminal but whole lines
    # of text, which the terminal wraps.
    assert "▸" not in seen.screen.text
    assert "━" not in seen.screen.text
    assert seen.screen.cursor_shown
    assert seen.sane
    for frame in seen.frames:
        assert all(cell_len(line) <= 80 for line in frame.splitlines() if line[:1] in ("▸", "━", "✓"))


@pytest.mark.slow
def test_without_colour_and_without_a_cursor(tmp_path: Path) -> None:
    plain = watched([*RUN, "--budget", "1s"], environment(tmp_path, NO_COLOR="1"))
    assert plain.code == 0, plain.screen.text
    assert plain.screen.colours == 0
    dumb = watched([*RUN, "--budget", "1s"], environment(tmp_path, TERM="dumb"))
    assert dumb.code == 0, dumb.screen.text
    assert "[1/2] " in dumb.screen.text
    assert "[2/2] " in dumb.screen.text
    assert "▸" not in "".join(dumb.frames)


@pytest.mark.slow
def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    def stop(pid: int, screen: str) -> bool:
        if "▸" not in screen or "p50" not in screen:
            return False
        interrupt(pid)
        return True

    seen = watched([*RUN, "--budget", "60s"], environment(tmp_path), act=stop)
    assert seen.code == 130, seen.screen.text
    assert any("stopping after the write in progress" in frame for frame in seen.frames)
    assert "npubench run --resume" in seen.screen.text
    assert "▸" not in seen.screen.text
    assert seen.screen.cursor_shown
    assert seen.sane
