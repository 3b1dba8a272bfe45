"""What the terminal says of a launch, in words that hold for every workload and both languages."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console as RichConsole

from npubench import cli
from npubench.cli.live import LiveView
from npubench.cli.outcomes import outcome
from npubench.cli.progress import Console
from npubench.lang import Text
from npubench.scenarios import parse
from npubench.schema import AbsentBackend, Failure, FailureKind, InputFacts, Launch, Value
from tests.engine.test_holding import planned
from tests.report.loaded import cameras, no_camera, rate
from tests.support import null_card, null_plan

PLAN = null_plan(null_card())
CELL = PLAN.cells[0]
GOOD = Launch(
    run="r",
    cell=CELL.id,
    number=1,
    started="2026-11-24T00:00:00Z",
    status="ok",
    summary={"samples_per_s": Value(value=12.0), "latency_p50_ns": Value(value=1e6)},
)
BAD = msgspec.structs.replace(
    GOOD,
    status="failed",
    failure=Failure(kind=FailureKind.RAISED, message="it broke\nin many lines", hint="mend it"),
)


def console(text: io.StringIO, terminal: bool = False) -> Console:
    found = Console(as_json=False)
    found._rich = RichConsole(file=text, force_terminal=terminal, width=100, highlight=False)
    return found


def test_a_unit_that_somebody_else_counts_in_is_shown_in_samples() -> None:
    assert outcome(msgspec.structs.replace(GOOD, unit="parcel")) == outcome(GOOD)
    assert "12" in outcome(GOOD)


@pytest.mark.parametrize(
    ("spoken", "said", "caution"),
    [
        ("en", "cameras at 15 fps: 3 confirmed (p99 61.3 ms), 4 failed: latency", "with caution"),
        ("ko", "15 fps 카메라: 3 확인(p99 61.3 ms), 4 실패: 지연 시간", "주의"),
    ],
)
def test_a_search_is_one_line(monkeypatch: pytest.MonkeyPatch, spoken: str, said: str, caution: str) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    (scenario,) = parse("cameras:fps=15,instances=1,inflight=2")
    cell = msgspec.structs.replace(CELL, scenario=scenario)
    launch = msgspec.structs.replace(GOOD, unit="frame", capacity=cameras(15, 3))
    text = io.StringIO()
    with console(text).live(PLAN) as watcher:
        watcher.starting(cell, 1, 0, 1)
        watcher.finished(cell, launch)
    assert said in text.getvalue()
    assert " · cameras:fps=15 · " in text.getvalue()
    assert outcome(msgspec.structs.replace(launch, verdict="degraded"), scenario).endswith(caution)


def test_a_search_without_an_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", "en")
    (scenario,) = parse("server:traffic=citizens")
    late = Text(en="the time was over", ko="시간 초과")
    unknown = msgspec.structs.replace(GOOD, unit="token", capacity=rate(None, {"ttft_p99_ns": 2e9}, reason=late))
    assert outcome(unknown, scenario) == "random arrivals, citizens' questions: unknown (the time was over)"
    none = msgspec.structs.replace(GOOD, unit="frame", capacity=no_camera(30))
    assert outcome(none, parse("cameras:fps=30")[0]) == "cameras at 30 fps: 0 confirmed, 1 failed: latency"
    pages = msgspec.structs.replace(GOOD, unit="page", capacity=rate(1.5, {"latency_p99_ns": 2e9}))
    assert outcome(pages, parse("server")[0]).startswith(
        "random arrivals: 90.0 pages/min confirmed (p90 1.28 s), 108 failed:"
    )


def test_a_failure_without_a_message_is_shown_too() -> None:
    assert outcome(msgspec.structs.replace(BAD, failure=Failure(kind=FailureKind.RAISED, message=""))) == "raised: "


def test_a_failed_launch_is_followed_by_what_to_do() -> None:
    text = io.StringIO()
    with console(text).live(PLAN) as watcher:
        watcher.starting(CELL, 1, 0, 1)
        watcher.finished(CELL, BAD)
    assert "raised: it broke\n" in text.getvalue()
    assert "→ mend it" in text.getvalue()


def test_the_live_table_tells_failed_launches_from_good_ones() -> None:
    text = io.StringIO()
    with console(text, terminal=True).live(PLAN) as watcher:
        for launch in (GOOD, BAD):
            watcher.starting(CELL, 1, 0, 2)
            watcher.finished(CELL, launch)
        drawn = io.StringIO()
        RichConsole(file=drawn, width=100).print(watcher.render())  # type: ignore[attr-defined]
    good, bad = [line for line in drawn.getvalue().splitlines() if line[:1] in "✓✗"][:2]
    assert good.startswith("✓")
    assert bad.startswith("✗")
    assert "raised" in bad


@pytest.mark.parametrize(
    ("spoken", "fix", "own"), [("en", "install it", "your own data"), ("ko", "설치", "자체 데이터")]
)
def test_a_plan_says_what_is_missing_and_whose_data_it_reads(
    monkeypatch: pytest.MonkeyPatch, spoken: str, fix: str, own: str
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    absent = AbsentBackend(
        backend="npu", title=Text(en="N", ko="N"), reason="no driver", fix=Text(en="install it", ko="설치")
    )
    inputs = {"tiny": InputFacts(source="own", sha256="0" * 64, files=7)}
    text = io.StringIO()
    console(text).plan(msgspec.structs.replace(PLAN, absent=(absent,), inputs=inputs))
    assert f"→ {fix}" in text.getvalue()
    assert own in text.getvalue()
    assert "7" in text.getvalue()


@pytest.mark.parametrize(
    ("spoken", "lines"),
    [
        (
            "en",
            (
                "4 cells × 2 launches, profile standard, about 5 min of measuring",
                "  + up to 2 min (counted in): each confirmed load is held for 30 s for its energy",
                "  given loads last for at least 30 s for their energy",
                "  + 24 s (counted in): idle power before and after, and what reading the meters costs",
            ),
        ),
        (
            "ko",
            (
                "셀 4개 × 실행 2회, 프로파일 standard, 측정 약 5 min",
                "  + 최대 2 min(위 시간에 포함): 확정한 부하를 30 s씩 유지해 에너지를 측정합니다",
                "  지정한 부하는 에너지 측정을 위해 30 s 이상 유지합니다",
                "  + 24 s(위 시간에 포함): 앞뒤의 유휴 전력과 전력 측정의 영향을 잽니다",
            ),
        ),
    ],
)
def test_what_energy_adds_is_said_before_the_run(
    monkeypatch: pytest.MonkeyPatch, spoken: str, lines: tuple[str, ...]
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    metered = {"en": "power: not measured (--no-power)", "ko": "전력: 측정하지 않음(--no-power)"}[spoken]
    names = ("single-stream", "cameras:fps=15", "server", "cameras:cameras=2")
    said, plain = io.StringIO(), io.StringIO()
    plan = planned(*names)
    console(said).plan(plan)
    assert said.getvalue().splitlines()[:4] == list(lines)
    console(plain).plan(planned(*names, meters=()))
    assert "30 s" not in plain.getvalue()
    assert plain.getvalue().splitlines()[1:] == [metered]
    # Of the time that is left it is a part, too.
    watcher = LiveView(plan, RichConsole(file=io.StringIO()))
    without = LiveView(msgspec.structs.replace(plan, hold_s=0.0), RichConsole(file=io.StringIO()))
    assert watcher.remaining_s() - without.remaining_s() == pytest.approx(120, abs=5)


@pytest.mark.parametrize(("spoken", "said"), [("en", "interrupted"), ("ko", "중단됨")])
def test_an_interruption_is_said_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoken: str, said: str
) -> None:
    def interrupted(prog_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    monkeypatch.setattr("npubench.cli.app.app", interrupted)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == f"npubench: {said}\n"
