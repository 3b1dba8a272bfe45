"""A run that starts its own server: from the card to the report, with quality, claims and what was seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench import cards, discovery
from npubench.cards import BackendCard, DeviceSpec, ServeSpec
from npubench.engine import plan as planning
from npubench.engine.launcher import Limits
from npubench.engine.run import Execution
from npubench.report import places
from npubench.rules import load
from npubench.schema import Plan, Run
from npubench.spi import Request
from npubench.stats.probes import places as probed
from npubench.store import RunFolder
from npubench.workloads.llm import Generation
from tests.engine.test_serving import COMMAND
from tests.support import MACHINE
from tests.workloads.fakes import CountingClock

MODEL = "llm-chat-8m"
CATALOGUE = discovery.catalogue()


class Silent:
    """A watcher that hears everything and says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of a stand-in that answers as the fp32 reference does, with its log-probabilities."""
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter
    from npubench.build.materialise import cache_root, materialise

    card, room = CATALOGUE.models[MODEL].card, CATALOGUE.models[MODEL].path.parent
    files = materialise(card, room, cache_root())
    session = OrtAdapter("CPUExecutionProvider", None).open(files["decoder"], {"intra_op_num_threads": 1})
    data = room.parent / "data" / str(card.data)
    request = Request(scope="service", params={**card.params, "inputs": 2}, data=str(data))
    bound = Generation().bind({"decoder": session}, request, CountingClock())
    found: dict[str, Any] = {}
    for index in range(2):
        outputs, tokens = bound.follow(index, None)  # type: ignore[union-attr]
        prompt = bound._groups[index][0].ids  # type: ignore[union-attr]
        for place in probed(len(tokens), 1):
            row = outputs["logits"][place].astype(np.float64)
            logs = row - row.max() - np.log(np.exp(row - row.max()).sum())
            best = np.argsort(-logs)[:5]
            told = {str(token): float(logs[token]) for token in best}
            prefix = ",".join(map(str, [*prompt, *tokens[:place].tolist()]))
            found[prefix] = {"next": int(best[0]), "logprobs": told}
    session.close()
    path = tmp_path_factory.mktemp("answers") / "settings.json"
    path.write_text(json.dumps({"answers": found}))
    return path


def _card(*more: str) -> BackendCard:
    return BackendCard(
        schema="npubench.backend/1",
        id="served",
        title=CATALOGUE.backends["cpu"].card.title,
        summary=CATALOGUE.backends["cpu"].card.summary,
        adapter="llm_http",
        device=DeviceSpec(type="endpoint"),
        precisions=("fp32",),
        options={"url": "http://127.0.0.1:{port}", "model": "{model}", "prompt": "words"},
        serve=ServeSpec(command=(*COMMAND, *more), tokenizer="words", ready_s=60, grace_s=5),
        install=CATALOGUE.backends["cpu"].card.install,
        verified=cards.VerifiedSpec(how="stand-in"),
    )


def _plan(card: BackendCard, seconds: float) -> Plan:
    model = CATALOGUE.models[MODEL]
    room = model.path.parent
    return planning.make(
        run="20261126T000000Z-abc123",
        wanted=[planning.Wanted(model=MODEL, scenarios=("single-stream",), scopes=("service",))],
        models={MODEL: model.card},
        backends={card.id: card},
        inputs={},
        machine=MACHINE,
        rules=load(),
        budget=planning.Budget(profile="smoke", seconds=seconds, launches=1, max_window_s=seconds / 4),
        seed=0,
        suite=None,
        sources={f"room:{MODEL}": str(room), f"data:{MODEL}": str(room.parent / "data" / str(model.card.data))},
    )


def _run(card: BackendCard, folder: Path, seconds: float = 4.0) -> Run:
    from npubench.build.materialise import cache_root

    plan = _plan(card, seconds)
    store = RunFolder.create(folder, MACHINE.name, plan.run)
    store.write_plan(plan)
    return Execution(plan, store, cache_root(), Silent(), Limits(), lambda: False).carry_out()


def _scores(run: Run) -> Mapping[str, bool | None]:
    quality = run.cells[0].quality
    assert quality is not None
    return {score.metric: score.passed for score in quality.scores}


@pytest.mark.slow
def test_a_right_server_passes_and_is_a_claim_with_its_version(answers: Path, tmp_path: Path) -> None:
    more = ("--set", "ttft_ms=20", "--set", "tpot_ms=5", "--set", 'device="npu0"', "--settings", str(answers))
    run = _run(_card(*more), tmp_path)
    (cell,) = run.cells
    assert cell.execution_kind == "endpoint"
    assert _scores(run) == {"top1": True, "kl": True}
    found = cell.certificate
    assert found is not None
    assert found.server is not None
    assert found.server.claims["device"] == "npu0"
    assert found.server.processes == 1
    assert found.server.ready_by == "/health"
    # A stand-in computes nothing.
    assert found.server.seen == "claimed"
    assert cell.identity["graphs"]["decoder"]["weights"]
    (place,) = places.places(run, "x")
    assert place.rows[0].label.en == "claimed"
    assert "Claimed: none of its processes was seen" in place.rows[0].sentence.en


@pytest.mark.slow
def test_a_wrong_server_is_convicted(answers: Path, tmp_path: Path) -> None:
    more = ("--set", "ttft_ms=5", "--set", "tpot_ms=2", "--set", "wrong_answers=0.6", "--settings", str(answers))
    run = _run(_card(*more), tmp_path)
    assert _scores(run)["top1"] is False
    assert run.cells[0].verdict == "invalid"


@pytest.mark.slow
def test_a_server_that_dies_at_once_is_the_launchs_failure(tmp_path: Path) -> None:
    run = _run(_card("--dies", "3"), tmp_path)
    (failure,) = run.cells[0].failures
    assert failure.phase == "serve"
    assert "ended with exit code 3" in failure.message
    assert "no device found: /dev/stand-in0" in failure.stderr


@pytest.mark.slow
def test_a_server_that_dies_while_it_is_measured_is_the_launchs_failure(tmp_path: Path) -> None:
    """It ends by itself after some seconds, in the middle of warming up or the window."""
    run = _run(_card("--lifetime", "6", "--set", "ttft_ms=20", "--set", "tpot_ms=5"), tmp_path, 30.0)
    (failure,) = run.cells[0].failures
    assert "the server ended with exit code 0 during the launch" in failure.message
    assert "stopped" in failure.stderr
    assert run.cells[0].verdict == "invalid"
