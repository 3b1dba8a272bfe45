"""The offline tuner against an exhaustive search, on an accelerator that sleeps: what it loses, in which share of the
time. Run with `make benchmarks`; two and a half minutes. `npubench selftest tuner` does the same on a real model.

Goal (stated, not asserted): regret within the A/A spread of the same session, in a quarter of the time or less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from npubench.engine import plan as planning
from npubench.engine import tuner
from npubench.engine.files import Files, Ready
from npubench.engine.launcher import Limits
from npubench.engine.protocol import AdapterRef
from npubench.engine.tuner import Tuner
from npubench.rules import load
from npubench.schema import Plan
from npubench.spi import Artifact
from npubench.stats.regret import best_of, regret, spread
from tests.support import MACHINE, null_card, tensor_model

REPETITIONS, SLICE_NS, BOX_SHARE = 7, 250_000_000, 0.23


class Made:
    """Files that are there already: the device reads none."""

    def ready(self, *build: Any) -> Ready:
        return Ready(artifacts=(Artifact(role="model", path="none", sha256="0"),))


def plan() -> Plan:
    card = msgspec.structs.replace(tensor_model(), offline_batch=8, params={"batch_dim": "batch"})
    return planning.make(
        run="20261125T000000Z-abc123",
        wanted=[planning.Wanted(model="tiny", scenarios=("offline:tune=1",))],
        models={"tiny": card},
        backends={"null": null_card()},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="standard", seconds=1.0, launches=1, max_window_s=1.0),
        seed=1,
        suite=None,
        sources={},
    )


@pytest.mark.slow
@pytest.mark.benchmark(group="tuner")
def test_regret_beside_the_spread(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if benchmark.disabled:
        pytest.skip("four minutes: part of make benchmarks only")
    monkeypatch.setattr(tuner, "adapter_ref", lambda card: AdapterRef(code="tests.engine.sleeping:Sleeping"))
    made = plan()
    searches = Tuner(made, tmp_path, cast(Files, Made()), Limits())
    everything = searches.exhaust(made.cells[0], REPETITIONS, SLICE_NS)
    box_ns = round(BOX_SHARE * everything.duration_ns)
    found = benchmark.pedantic(searches.tune, args=(made.cells[0], box_ns), rounds=1, iterations=1)
    assert everything.failure is None
    assert found.failure is None
    assert {len(tried.rates) for tried in everything.surface} == {REPETITIONS}
    lost, noise = regret(everything, found.best), spread(everything.pairs)
    assert lost is not None
    assert noise is not None
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{len(everything.surface)} points: regret {lost:.2%}, A/A spread {noise:.2%}, "
            f"time {found.duration_ns / everything.duration_ns:.0%}; chosen {found.best}, best {best_of(everything)}, "
            f"gain ×{found.gain.median if found.gain else 1:.2f}"
        )
