"""Files that were compiled elsewhere: used only where they are what they were said to be."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from npubench.cards import BackendCard, PrebuiltSpec
from npubench.engine import prebuilt
from npubench.engine.files import Files
from npubench.engine.launcher import Limits
from npubench.engine.planned import planned_cell, scenario_of
from npubench.errors import ArtifactError, CardError
from npubench.schema import FailureKind
from tests.support import MACHINE, floor_model, null_card, null_plan, tensor_model

MODEL = "tiny"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def spec_of(path: Path, source_sha256: str) -> PrebuiltSpec:
    return PrebuiltSpec(
        path=path.name,
        sha256=sha256(path),
        source_sha256=source_sha256,
        compiled_by="Acme NPU team",
        compiler="acmec 3.1",
        quantiser="acmeq 1.0",
    )


def bringing(spec: PrebuiltSpec, build: str = "fp32") -> BackendCard:
    return msgspec.structs.replace(null_card(), prebuilt={MODEL: {build: {"model": spec}}})


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """As if a compiler had written it."""
    path = tmp_path / "cards" / "m.bin"
    path.parent.mkdir()
    path.write_bytes(b"compiled")
    return path


GRAPH = tensor_model(MODEL).graphs["model"].sha256


class Quiet:
    def building(self, model: str, text: str) -> None:
        pass


def files(card: BackendCard, compiled: Path, tmp_path: Path) -> Files:
    plan = null_plan(card, models=(MODEL,))
    sources = {**plan.sources, **prebuilt.paths(card, compiled.parent)}
    plan = msgspec.structs.replace(plan, sources=sources)
    return Files(plan, tmp_path / "cache", tmp_path / "work", Quiet(), Limits(), lambda: False)


def test_it_stands_in_and_says_who_compiled_it(compiled: Path, tmp_path: Path) -> None:
    card = bringing(spec_of(compiled, GRAPH))
    ready = files(card, compiled, tmp_path).ready(MODEL, "fp32", "portable", 1, "null")
    (artifact,) = ready.artifacts
    (source,) = ready.sources
    assert (artifact.path, artifact.sha256) == (str(compiled), sha256(compiled))
    assert source.path != artifact.path
    assert ready.origin is not None
    assert ready.origin.compiled_by == "Acme NPU team"
    assert ready.origin.compiler == "acmec 3.1"
    assert ready.origin.quantiser == "acmeq 1.0"
    assert ready.origin.sha256 == {"model": sha256(compiled)}
    assert ready.origin.source_sha256 == {"model": GRAPH}


def test_one_that_was_compiled_from_another_graph_is_refused(compiled: Path, tmp_path: Path) -> None:
    card = bringing(spec_of(compiled, "0" * 64))
    ready = files(card, compiled, tmp_path).ready(MODEL, "fp32", "portable", 1, "null")
    assert ready.failure is not None
    assert ready.failure.kind is FailureKind.BAD_ARTIFACT
    assert "0000000000000000…" in ready.failure.message
    assert GRAPH[:16] in ready.failure.message


def test_other_bytes_than_those_that_were_named_are_refused(compiled: Path, tmp_path: Path) -> None:
    card = bringing(spec_of(compiled, GRAPH))
    compiled.write_bytes(b"changed")
    paths = prebuilt.paths(card, compiled.parent)
    with pytest.raises(ArtifactError, match="not the file that was named"):
        prebuilt.check(card, {MODEL: tensor_model(MODEL)}, paths)
    shutil.move(compiled, tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="no such file"):
        prebuilt.check(card, {MODEL: tensor_model(MODEL)}, paths)
    ready = files(card, compiled, tmp_path).ready(MODEL, "fp32", "portable", 1, "null")
    assert ready.failure is not None
    assert ready.failure.kind is FailureKind.BAD_ARTIFACT


def test_names_that_mean_nothing_are_named(compiled: Path) -> None:
    spec = spec_of(compiled, GRAPH)
    models = {MODEL: tensor_model(MODEL)}
    paths = prebuilt.paths(bringing(spec), compiled.parent)
    with pytest.raises(CardError, match="no such build"):
        prebuilt.check(bringing(spec, build="int8"), models, paths)
    role = msgspec.structs.replace(null_card(), prebuilt={MODEL: {"fp32": {"modle": spec}}})
    with pytest.raises(CardError, match="no such graph; it has model"):
        prebuilt.check(role, models, paths)
    model = msgspec.structs.replace(null_card(), prebuilt={"tinny": {"fp32": {"model": spec}}})
    with pytest.raises(CardError, match=r"no such model.*tiny"):
        prebuilt.check(model, models, paths)


def test_it_is_for_one_input_at_a_time(compiled: Path, tmp_path: Path) -> None:
    card = bringing(spec_of(compiled, GRAPH))
    ready = files(card, compiled, tmp_path).ready(MODEL, "fp32", "portable", 4, "null")
    assert ready.failure is not None
    assert ready.failure.kind is FailureKind.UNSUPPORTED


def test_it_is_part_of_what_is_measured(compiled: Path) -> None:
    def identity(card: BackendCard) -> dict[str, object]:
        model = tensor_model(MODEL)
        scenario = scenario_of("single-stream", model)
        cell = planned_cell(model, card, "fp32", scenario, "device", inputs=None, machine=MACHINE, ruleset="npubench-1")
        return cell.identity

    card = bringing(spec_of(compiled, GRAPH))
    assert identity(card) == {**identity(null_card()), "prebuilt": {"model": sha256(compiled)}}


def test_a_plan_names_no_path_but_in_its_sources(compiled: Path) -> None:
    card = bringing(spec_of(compiled, GRAPH))
    plan = null_plan(card, models=(MODEL,))
    assert str(compiled.parent) not in json.dumps(plan.backends)
    assert floor_model()[0].id not in plan.backends
