"""What is asked for, against what there is: cards, inputs of the user's own, and backends that answer a probe.

Every absent backend is kept with its reason and the command that would make it ready, so that a CPU-only run on a
machine full of accelerators never passes silently.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench.cards import BackendCard, FidelitySpec, GraphSpec, ModelCard, QualitySpec, resolved, to_builtins
from npubench.discovery import Catalogue, code, pick
from npubench.engine import environments as places
from npubench.engine import installing, interpreters, serving
from npubench.engine.launcher import Environment, Limits, run_job
from npubench.engine.protocol import AdapterRef, BuildJob, Built, Event, Probed, ProbeJob
from npubench.errors import AbsentBackendError, ArtifactError, DataError, UsageError
from npubench.lang import Text, here, language
from npubench.schema import AbsentBackend, Failure, FailureKind, InputFacts, Note
from npubench.spi import Availability, Device, EnvironmentFacts

OWN = "own"
"""`InputFacts.source` of the user's own files; anything else is a data set's id."""

# The very same file on the CPU: what is left is another order of summation, TF32, and a step of rounding where the file
# is quantised.
_SAME_FILE = FidelitySpec(
    sqnr_db={"native": 20.0},
    reason="The file itself on the CPU is the reference. Honest backends differ by rounding, 30 dB or better.",
)

# A probe imports a vendor's library; one that takes longer than this is not going to answer.
PROBE_STALL_S = 120.0


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be measured: its card, its room and the data that its workload reads."""

    card: ModelCard
    room: Path
    data: Path | None = None
    inputs: InputFacts | None = None


class Backends(msgspec.Struct, frozen=True, kw_only=True):
    """Backends that answered, and those that did not."""

    ready: dict[str, BackendCard]
    absent: tuple[AbsentBackend, ...]
    availability: dict[str, Availability]
    environments: dict[str, EnvironmentFacts] = {}


def environment_of(card: BackendCard) -> Environment:
    """The Python that this backend's worker runs in, whether it is there or not (`probe` says)."""
    spec = card.environment
    return Environment(python=places.interpreter(spec), variables=dict(spec.variables))


def adapter_ref(card: BackendCard) -> AdapterRef:
    """What the worker needs to know of a backend card. A plan has decided how many threads; a probe takes them all."""
    card = resolved(card, len(os.sched_getaffinity(0)))
    return AdapterRef(
        code=code("adapters", card.adapter),
        provider=card.provider,
        device=to_builtins(card.device),
        plugin=to_builtins(card.plugin) if card.plugin is not None else None,
        options=dict(card.options),
    )


def probe(
    card: BackendCard, folder: Path, stop: Callable[[], bool] = lambda: False, *, thorough: bool = False
) -> Probed:
    """Asks a backend, in a process and environment of its own, whether it is here. Never raises for its faults.

    `thorough`: with the facts of its environment. Raises StopRequested when `stop()` turns true. A server that a run
    would start is not started: whether it could be is all that can be said.
    """
    if (lacking := interpreters.lacking(card)) is not None:
        return Probed(availability=lacking)
    if card.serve is not None:
        return Probed(availability=serving.available(card))
    job = ProbeJob(adapter=adapter_ref(card), thorough=thorough)
    answer = run_job(job, folder, environment_of(card), Limits(stall_s=PROBE_STALL_S), stop=stop)
    if isinstance(answer, Failure):
        reason = answer.message
        if answer.kind is FailureKind.CRASHED:
            reason = f"its library crashed when it was asked whether it is here ({answer.message})"
        return Probed(availability=Availability(available=False, reason=reason, fix=answer.hint or ""))
    assert isinstance(answer, Probed)
    return answer


def find_backends(
    catalogue: Catalogue,
    named: Sequence[str],
    say: Callable[[str], None] = lambda text: None,
    stop: Callable[[], bool] = lambda: False,
    install: Callable[[str], None] | None = None,
    devices: Sequence[Device] = (),
) -> Backends:
    """Probes the named backends, or every one that is not hidden. Raises UnknownNameError for a name that is none.

    `install`: where what is being installed is said; without it nothing is. Only what a *named* backend requires is
    ever installed, and nothing for a device of which this machine shows none (`devices` are its accelerators); one
    whose environment cannot be made is absent. Raises AbsentBackendError when none of the named ones is here,
    StopRequested when `stop()` turns true.
    """
    chosen = [pick(catalogue.backends, name, "backend").card for name in dict.fromkeys(named)] or [
        found.card for found in catalogue.backends.values() if not found.card.hidden
    ]
    ready: dict[str, BackendCard] = {}
    absent: list[AbsentBackend] = []
    availability: dict[str, Availability] = {}
    environments: dict[str, EnvironmentFacts] = {}
    with tempfile.TemporaryDirectory(prefix="npubench-probe-") as folder:
        for card in chosen:
            say(card.id)
            failed = None
            if named and install is not None:
                failed = installing.no_device(card, devices) or installing.failure(card, install, stop)
            if failed is not None:
                probed = Probed(availability=failed)
            else:
                probed = probe(card, Path(folder) / card.id, stop, thorough=True)
            answer = availability[card.id] = probed.availability
            if probed.environment is not None:
                environments[card.id] = probed.environment
            if answer.available:
                ready[card.id] = card
            else:
                absent.append(
                    AbsentBackend(
                        backend=card.id,
                        title=card.title,
                        reason=answer.reason,
                        fix=Text(en=answer.fix, ko=answer.fix) if answer.fix else card.install,
                        device_type=card.device.type,
                    )
                )
    if not ready:
        fix = next((item.fix for item in absent), None)
        lines = "; ".join(f"{item.backend}: {item.reason}" for item in absent)
        raise AbsentBackendError(
            f"no backend is ready ({lines})" if not named else f"what was asked for is not here ({lines})",
            hint=fix[language()] if fix else "`npubench list backends` shows what there is",
        )
    return Backends(ready=ready, absent=tuple(absent), availability=availability, environments=environments)


def model_of(catalogue: Catalogue, name: str) -> Model:
    """A model by id with its own data set, whose bytes are checked. Raises UnknownNameError, ArtifactError."""
    found = pick(catalogue.models, name, "model")
    data = catalogue.data[found.card.data] if found.card.data else None
    if data is not None:
        from npubench.build.data.sets import verify_set

        verify_set(data.path.parent, data.card)
    return Model(
        card=found.card,
        room=found.path.parent,
        data=data.path.parent if data else None,
        inputs=InputFacts(source=data.card.id, sha256=data.card.sha256, files=data.card.count) if data else None,
    )


def kind_of(model: Model, catalogue: Catalogue) -> str | None:
    """What the model's workload reads: frames, pages or prompts; None for one that reads nothing."""
    return catalogue.data[model.card.data].card.kind if model.card.data else None


def with_user_data(model: Model, folders: Mapping[str, Path], catalogue: Catalogue) -> Model:
    """`model` reading the user's own frames or pages where its workload takes that kind. Raises DataError."""
    kind = kind_of(model, catalogue)
    if kind is None or kind not in folders:
        return model
    from npubench.build.userdata import describe_folder

    found = describe_folder(folders[kind], kind)  # type: ignore[arg-type]
    inputs = InputFacts(source=OWN, sha256=found.sha256, files=len(found.files))
    return msgspec.structs.replace(model, data=folders[kind].resolve(), inputs=inputs)


# The adapter that runs fp32 models for calibration: ONNX Runtime's CPU provider, which every installation can have.
CALIBRATING = "ort"


def calibrated(
    model: Model,
    folder: Path,
    catalogue: Catalogue,
    cache: Path,
    say: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Model, Note]:
    """`model` with its quantised builds calibrated on the user's own frames or pages, and a note that says so.

    Raises UsageError for a model that reads no pictures, DataError for a folder that cannot be used or is too small.
    """
    kind, name = kind_of(model, catalogue), model.card.id
    if kind not in ("frames", "pages"):
        raise UsageError(
            here(f"--calibrate: {name} reads no pictures", f"--calibrate: {name}은(는) 그림을 읽지 않습니다"),
            hint=here("its weights are quantised without calibration", "이 모델의 가중치는 보정 없이 양자화됩니다"),
        )
    job = BuildJob(
        builder="npubench.build.verbs:calibrate_card",
        arguments={
            "card": to_builtins(model.card),
            "room": str(model.room),
            "cache": str(cache),
            "folder": str(folder.resolve()),
            "kind": kind,
            "workload": code("workloads", model.card.workload),
            "adapter": code("adapters", CALIBRATING),
        },
    )
    found = run_build(job, say, stop)
    used, files, digest = found["used"], found["files"], found["sha256"][:16]
    note = Note(
        code="own-calibration",
        text=Text(
            en=f"{name}: quantised with ranges from {used} of your own {files} {kind} (sha256 {digest}…); not "
            "comparable with the shipped calibration.",
            ko=f"{name}: 자체 파일 {files}개 중 {used}개(sha256 {digest}…)의 범위로 양자화했습니다. 기본 보정과 "
            "비교할 수 없습니다.",
        ),
        severity="info",
    )
    card = msgspec.convert(found["card"], ModelCard)
    return msgspec.structs.replace(model, card=card, room=Path(found["room"])), note


def cycled(model: Model) -> Note | None:
    """A note where fewer of the user's own files are used than there are (the model card's `inputs`)."""
    most = model.card.params.get("inputs")
    if model.inputs is None or model.inputs.source != OWN or not isinstance(most, int) or model.inputs.files <= most:
        return None
    have, name = model.inputs.files, model.card.id
    return Note(
        code="inputs-cycled",
        text=Text(
            en=f"{name}: of your own {have} files the first {most} are used, over and over.",
            ko=f"{name}: 자체 파일 {have}개 중 처음 {most}개를 되풀이해 사용합니다.",
        ),
        severity="info",
    )


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the user's own weights; `source` is the checkpoint that its files can be made anew from, if any."""

    model: Model
    source: str | None
    notes: tuple[str, ...]


def own_model(
    model: Model,
    path: Path,
    say: Callable[[Event], None],
    stop: Callable[[], bool] = lambda: False,
    text: Path | None = None,
) -> Own:
    """`model` with the user's own weights, read in a child, scored on `text`. Raises DataError, StopRequested."""
    from npubench.build.materialise import cache_root

    arguments = {
        "card": to_builtins(model.card),
        "room": str(model.room),
        "path": str(path),
        "cache": str(cache_root()),
        "data": str(model.data) if model.data else None,
        "text": str(text) if text else None,
    }
    found = run_build(BuildJob(builder="npubench.build.verbs:own_weights", arguments=arguments), say, stop)
    own = msgspec.structs.replace(model, card=msgspec.convert(found["card"], ModelCard), room=Path(found["room"]))
    if found["data"] is not None and model.inputs is not None:
        inputs = msgspec.structs.replace(model.inputs, sha256=found["data_sha256"], files=found["data_files"])
        own = msgspec.structs.replace(own, data=Path(found["data"]), inputs=inputs)
    return Own(model=own, source=found["source"], notes=tuple(found["notes"]))


def own_job(card: ModelCard, source: str | None, cache: Path, precision: str, variant: str) -> BuildJob | None:
    """What hands out the files of `own_model`'s card; None where they are made like any room's."""
    if source is None:
        return None
    arguments = {
        "card": to_builtins(card),
        "path": source,
        "cache": str(cache),
        "precision": precision,
        "variant": variant,
    }
    return BuildJob(builder="npubench.build.verbs:own_artifacts", arguments=arguments)


def parse_shapes(texts: Sequence[str]) -> dict[str, list[int]]:
    """`NAME=1x3x224x224` → {NAME: [1, 3, 224, 224]}. Raises UsageError."""
    shapes: dict[str, list[int]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not name or not re.fullmatch(r"\d+(x\d+)*", sizes) or name in shapes:
            raise UsageError(f"--shape {text}: expected NAME=1x3x224x224, each name once")
        shapes[name] = [int(size) for size in sizes.split("x")]
    return shapes


def user_model(
    path: Path, shapes: Mapping[str, list[int]], stop: Callable[[], bool] = lambda: False
) -> tuple[Model, tuple[str, ...]]:
    """A model made of any ONNX file, and sentences about the input shapes that were chosen.

    The file is examined in a child process. Raises DataError, and StopRequested when `stop()` turns true.
    """
    job = BuildJob(
        builder="npubench.build.verbs:inspect_user_onnx", arguments={"path": str(path), "shapes": dict(shapes)}
    )
    described = run_build(job, stop=stop)
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:48] or "model"
    card = ModelCard(
        schema="npubench.model/1",
        id=f"onnx-{slug}",
        title=Text(en=path.name, ko=path.name),
        summary=Text(en="An ONNX file of the user's own.", ko="사용자가 지정한 ONNX 파일."),
        workload="tensor",
        license="unknown",
        precisions=("fp32",),
        scopes=("device",),
        graphs={"model": GraphSpec(file=path.name, sha256=described["sha256"])},
        quality=QualitySpec(fidelity=_SAME_FILE, fidelity_inputs=4),
        params={"shapes": dict(shapes), "sizes": described["sizes"]},
    )
    return Model(card=card, room=path.resolve().parent), tuple(described["notes"])


def run_build(
    job: BuildJob, say: Callable[[Event], None] = lambda event: None, stop: Callable[[], bool] = lambda: False
) -> Any:
    """Runs a builder in a child process and returns its result. Raises DataError, ArtifactError or StopRequested."""
    answer = try_build(job, say, stop)
    if isinstance(answer, Failure):
        error = DataError if answer.kind is FailureKind.BAD_DATA else ArtifactError
        raise error(answer.message, hint=answer.hint)
    return answer.result


def try_build(
    job: BuildJob, say: Callable[[Event], None] = lambda event: None, stop: Callable[[], bool] = lambda: False
) -> Built | Failure:
    """What became of a builder in a child process. Raises StopRequested when `stop()` turns true."""
    with tempfile.TemporaryDirectory(prefix="npubench-build-") as folder:
        answer = run_job(job, Path(folder), say=say, stop=stop)
    assert isinstance(answer, (Built, Failure))
    return answer
