"""`npubench selftest tuner`: what the offline tuner's choice loses against trying everything, on this machine, now.

First every point equally often in interleaved blocks, the default twice in each; then the tuner, in a box of less than
a quarter of the time that this took, which sees nothing of it; then the best point of the former and the tuner's choice
again, side by side, with the default twice. The last judges: what the choice loses against the best (regret), beside
what the default "loses" against itself (A/A). In the exhaustive search itself the best of two dozen points is the
luckiest as well, so that its lead there is an upper bound; it is shown too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from npubench import store
from npubench.build.materialise import cache_root
from npubench.cards import to_builtins
from npubench.cli.progress import Console
from npubench.cli.session import devices, stoppable
from npubench.discovery import catalogue
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.files import Files
from npubench.engine.launcher import Limits
from npubench.engine.machine import facts
from npubench.engine.tuner import Tuner
from npubench.errors import MeasurementError
from npubench.lang import here
from npubench.rules import load
from npubench.schema import Plan
from npubench.stats.regret import best_of, loss, regret, spread
from npubench.tuning import Point, Tuning

_WAIT_S, _STALL_S = 60.0, 600.0
BACKEND, MODEL, PRECISION = "cpu", "cctv-detect", "int8"
# Seven blocks give 128 ways to name A/A; with a second each, two dozen points take three to four minutes.
REPETITIONS, SLICE_S = 7, 1.0
# The best and the choice again, and the default twice: 11 blocks of four slices take less than a minute.
AGAIN = 11
# Of the time of the exhaustive search: with the start of a process, less than the quarter that is allowed.
BOX_SHARE = 0.23
# Where the same point differs from itself by more than this, any choice would pass: nothing is said about the tuner.
TELLING = 0.10


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The tuner beside the exhaustive search. `seen`, `regret` and `spread` are shares of a rate, times are ns.

    `seen`: how far the choice was from the best in the exhaustive search itself; `regret`: when both were measured
    `again`.
    `spread`: 95 % of what the default loses against itself in the same blocks by chance (`stats.regret.spread`).
    """

    tuned: Tuning
    exhaustive: Tuning
    again: Tuning
    best: Point | None
    seen: float | None
    regret: float | None
    spread: float | None
    time_ratio: float

    @property
    def telling(self) -> bool:
        """Whether the session was quiet enough to tell a good choice from a bad one."""
        return self.regret is not None and self.spread is not None and self.spread <= TELLING

    @property
    def passed(self) -> bool:
        """Regret within a telling A/A spread, in a quarter of the time."""
        within = self.regret is not None and self.spread is not None and self.regret <= self.spread
        return self.telling and within and self.time_ratio <= 0.25


def selftest_tuner(models: Sequence[str], as_json: bool) -> None:
    """Prints the comparison for each model. Raises MeasurementError where regret or time is too large, or the
    machine too noisy to tell.
    """
    console = Console(as_json=as_json)
    judged = []
    with tempfile.TemporaryDirectory(prefix="npubench-selftest-") as temporary:
        for model in models or (MODEL,):
            judged.append(_judged(Path(temporary) / model, model, console))
            if not as_json:
                _show(judged[-1], console)
    if as_json:
        rows = [{"passed": one.passed, **to_builtins(one)} for one in judged]
        console.document(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    failed = [one for one in judged if not one.passed]
    if failed:
        raise MeasurementError(
            "; ".join(f"{one.tuned.model}: {_verdict(one)}" for one in failed),
            hint=here(
                "a busy machine makes both searches noisy: look at its load, and test again when it is idle",
                "장비가 바쁘면 두 탐색이 모두 부정확합니다. 부하를 확인하고 한가할 때 다시 시험하십시오",
            ),
        )


def _judged(root: Path, model: str, console: Console) -> Judged:
    root.mkdir(parents=True)
    with stoppable() as stop, devices(root, _WAIT_S, console, stop):
        plan = _plan(model)
        (cell,) = (cell for cell in plan.cells if cell.purpose == "measure")
        with console.live(plan) as watcher:
            limits = Limits(stall_s=_STALL_S)
            files = Files(plan, cache_root(), root / "work", watcher, limits, stop)
            tuner = Tuner(plan, root / "work", files, limits, stop)
            # Building is neither's time.
            files.of(cell)
            exhaustive = tuner.exhaust(cell, REPETITIONS, round(SLICE_S * 1e9))
            tuned = tuner.tune(cell, round(BOX_SHARE * exhaustive.duration_ns))
            best = best_of(exhaustive)
            finalists = (tuned.best,) if best is None else (tuned.best, best)
            again = tuner.again(cell, finalists, AGAIN, round(SLICE_S * 1e9))
            if (failure := tuned.failure or exhaustive.failure or again.failure) is not None:
                raise MeasurementError(f"{model}: {failure.message}")
    return Judged(
        tuned=tuned,
        exhaustive=exhaustive,
        again=again,
        best=best,
        seen=regret(exhaustive, tuned.best),
        regret=None if best is None else loss(again, best, tuned.best),
        spread=spread(again.pairs),
        time_ratio=tuned.duration_ns / exhaustive.duration_ns,
    )


def _plan(name: str) -> Plan:
    cards = catalogue()
    model = selection.model_of(cards, name)
    sources = {f"room:{name}": str(model.room)}
    if model.data is not None:
        sources[f"data:{name}"] = str(model.data)
    precision = PRECISION if PRECISION in model.card.precisions else model.card.precisions[0]
    return planning.make(
        run=store.new_run_id(),
        wanted=[
            planning.Wanted(model=name, precisions=(precision,), scenarios=("offline:tune=1",), scopes=("device",))
        ],
        models={name: model.card},
        backends={BACKEND: cards.backends[BACKEND].card},
        inputs={name: model.inputs} if model.inputs is not None else {},
        machine=facts(),
        rules=load(),
        budget=planning.Budget(profile="smoke", seconds=1.0, launches=1, max_window_s=1.0),
        seed=0,
        suite=None,
        sources=sources,
    )


def words(point: Point | None) -> str:
    """A point in a few words: `batch 8 · 2 × 1 threads · 1 in flight`."""
    if point is None:
        return "–"
    threads = f"{point.threads} threads" if point.threads is not None else "session"
    return here(
        f"batch {point.batch} · {point.instances} × {threads} · {point.inflight} in flight",
        f"배치 {point.batch} · 인스턴스 {point.instances} · 스레드 {point.threads or '–'} · 동시 {point.inflight}",
    )


def _verdict(one: Judged) -> str:
    if one.regret is None or one.spread is None:
        return here("regret is unknown: the choice did not run every time", "손실을 알 수 없음")
    seen = (
        ""
        if one.seen is None
        else here(f" ({one.seen:.1%} in the exhaustive search)", f" (전수 탐색에서는 {one.seen:.1%})")
    )
    said = here(
        f"regret {one.regret:.1%} beside an A/A spread of {one.spread:.1%}, in {one.time_ratio:.0%} of the time{seen}",
        f"손실 {one.regret:.1%}, A/A 폭 {one.spread:.1%}, 시간 비율 {one.time_ratio:.0%}{seen}",
    )
    if one.telling:
        return said
    return f"{said}: " + here(
        f"too noisy to tell (more than {TELLING:.0%} between equals)", f"잡음이 커서 판정할 수 없음({TELLING:.0%} 초과)"
    )


def _show(one: Judged, console: Console) -> None:
    tuned, exhaustive = one.tuned, one.exhaustive
    final = {tried.point: tried for tried in tuned.surface}
    rows = []
    for tried in exhaustive.surface:
        rates = sorted(tried.rates)
        seen = final[tried.point]
        marks = [
            text
            for text, there in (
                (here("default", "기본"), tried.point == tuned.default),
                (here("chosen", "선택"), tried.point == tuned.best),
                (here("best", "최고"), tried.point == one.best),
            )
            if there
        ]
        rows.append(
            (
                words(tried.point),
                f"{rates[len(rates) // 2]:.1f}" if rates else "–",
                f"{rates[0]:.1f}–{rates[-1]:.1f}" if rates else "–",
                str(len(seen.rates)),
                seen.reason.kind if seen.reason is not None else "",
                " ".join(marks),
            )
        )
    unit = f"{exhaustive.unit}s/s"
    console.table(
        (
            tuned.model,
            unit,
            here("range", "범위"),
            here("blocks (tuner)", "블록(튜너)"),
            here("reason", "사유"),
            "",
        ),
        rows,
    )
    gain = tuned.gain
    console.lines(
        [
            here(
                f"tuner: {tuned.duration_ns / 1e9:.0f} s, {tuned.slices} slices; exhaustive search: "
                f"{exhaustive.duration_ns / 1e9:.0f} s, {exhaustive.slices} slices",
                f"튜너 {tuned.duration_ns / 1e9:.0f}초, 전수 탐색 {exhaustive.duration_ns / 1e9:.0f}초",
            ),
            here("gain over the default", "기본 대비")
            + ": "
            + (f"×{gain.median:.3f} ({gain.low:.3f}–{gain.high:.3f})" if gain is not None else "–"),
            _verdict(one),
        ]
    )
