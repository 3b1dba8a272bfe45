"""Quality with real parts: the reference, an honest backend, one whose answers are late, one that gives noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench import store
from npubench.cards import DeviceSpec, QualitySpec
from npubench.discovery import catalogue
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.launcher import Limits
from npubench.engine.quality import unheard, wanted_inputs
from npubench.engine.run import Execution
from npubench.engine.worker import failure_of
from npubench.errors import UnsupportedError
from npubench.rules import load
from npubench.schema import FailureKind, Quality, Run
from npubench.spi import RequestError
from tests.engine.test_run import Quiet
from tests.support import MACHINE, null_card

pytest.importorskip("onnxruntime")

MODEL = "llm-chat-8m"


def measured(tmp_path: Path, cache: Path, *backends: Any, watcher: Quiet | None = None) -> tuple[store.RunFolder, Run]:
    """A short run of the small decoder on these backends."""
    model = selection.model_of(catalogue(), MODEL)
    params = {**model.card.params, "prompt_tokens": 8, "new_tokens": 3, "inputs": 2}
    card = msgspec.structs.replace(model.card, params=params)
    plan = planning.make(
        run="20261125T000000Z-abcdef",
        wanted=[planning.Wanted(model=MODEL, scenarios=("single-stream",), scopes=("device",))],
        models={MODEL: card},
        backends={backend.id: backend for backend in backends},
        inputs={MODEL: model.inputs} if model.inputs else {},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="smoke", seconds=0.2, launches=1, max_window_s=0.2),
        seed=0,
        suite=None,
        sources={f"room:{MODEL}": str(model.room), f"data:{MODEL}": str(model.data)},
    )
    folder = store.RunFolder.create(tmp_path / "results", "test-machine", plan.run)
    folder.write_plan(plan)
    quiet = watcher or Quiet()
    return folder, Execution(plan, folder, cache, quiet, Limits(stall_s=120), quiet.stop).carry_out()


@pytest.mark.slow
def test_an_honest_backend_passes_and_a_late_one_is_invalid_however_fast(tmp_path: Path, model_cache: Path) -> None:
    cards = catalogue().backends
    folder, run = measured(tmp_path, model_cache, cards["cpu"].card, cards["stale"].card)
    found = {cell.backend: cell for cell in run.cells}
    honest, late = found["cpu"].quality, found["stale"].quality
    assert honest is not None
    assert honest.verdict == "passed"
    assert honest.inputs == 2
    assert honest.drawn
    assert found["cpu"].verdict != "invalid"
    assert late is not None
    assert late.verdict == "failed"
    assert found["stale"].verdict == "invalid"
    assert found["stale"].reasons[0].en.startswith("quality: signal to noise against fp32")
    assert "below its floor" in found["stale"].reasons[0].en
    # One record for each build and backend, sealed by its hash.
    names = sorted(path.name for path in (folder.path / store.QUALITY).iterdir())
    assert names == [f"{MODEL}--fp32--cpu.json", f"{MODEL}--fp32--stale.json"]
    assert {f"{store.QUALITY}/{name}" for name in names} <= set(run.files)


def test_a_backend_that_gives_no_answer_fails_with_its_reason(tmp_path: Path, model_cache: Path) -> None:
    """The null adapter does not have the decoder's inputs."""
    _, run = measured(tmp_path, model_cache, null_card("nothing"))
    (cell,) = run.cells
    assert cell.quality is not None
    assert cell.quality.verdict == "failed"
    assert cell.quality.failure is not None
    assert cell.quality.failure.kind is FailureKind.BAD_CARD
    assert cell.quality.reasons[0].en.startswith("quality: no answers: ")
    assert cell.verdict == "invalid"


@pytest.mark.slow
def test_the_reference_is_asked_once_per_model_and_data(tmp_path: Path) -> None:
    cards = catalogue().backends
    cache = tmp_path / "cache"
    measured(tmp_path / "a", cache, cards["cpu"].card)
    (kept,) = (cache / "references").iterdir()
    made = (kept / "answers.npz").stat().st_mtime_ns
    measured(tmp_path / "b", cache, cards["cpu"].card)
    (again,) = (cache / "references").iterdir()
    assert again == kept
    assert (again / "answers.npz").stat().st_mtime_ns == made


@pytest.mark.slow
def test_a_resumed_run_does_not_ask_again(tmp_path: Path, model_cache: Path) -> None:
    class Once(Quiet):
        asked = 0

        def answered(self, record: Quality) -> None:
            self.asked += 1

    cards = catalogue().backends
    watcher = Once()
    folder, _ = measured(tmp_path, model_cache, cards["cpu"].card, watcher=watcher)
    assert watcher.asked == 1
    (folder.path / store.RUN).unlink()
    for path in (folder.path / store.LAUNCHES).iterdir():
        path.unlink()
    Execution(folder.plan(), folder, model_cache, watcher, Limits(stall_s=120), watcher.stop).carry_out()
    assert watcher.asked == 1


def test_a_server_that_had_no_answer_has_given_no_wrong_one() -> None:
    """A device that refuses what it is to be judged by has given none either, and is convicted."""
    refused = failure_of(RequestError("HTTP 429", 429), "quality")
    assert (refused.kind, refused.status, refused.phase) == (FailureKind.RAISED, 429, "quality")
    device = null_card("device")
    server = msgspec.structs.replace(device, device=DeviceSpec(type="endpoint"))
    assert unheard(refused, server)
    assert not unheard(refused, device)
    assert not unheard(failure_of(RuntimeError("x"), "quality"), server)
    assert unheard(failure_of(UnsupportedError("x"), "quality"), device)


def test_how_many_inputs_a_profile_takes() -> None:
    spec = QualitySpec(inputs={"smoke": 4, "standard": 900})
    assert [wanted_inputs(spec, name, 512) for name in ("smoke", "standard", "nightly")] == [4, 512, 512]
    assert wanted_inputs(spec, "nightly", 0) == 0
