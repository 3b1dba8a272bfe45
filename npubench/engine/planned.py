"""One planned cell: its canonical key, its identity, and whether a backend takes it at all.

Pure: everything that it needs to know of the machine and its backends is passed in. Not aware of: budgets and order,
which are `plan`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.cards import ENDPOINT, BackendCard, ModelCard, Variant, claimed, graphs_of, semantics, served
from npubench.engine import prebuilt
from npubench.engine.protocol import SATURATING
from npubench.errors import UsageError
from npubench.lang import Text
from npubench.scenarios import KINDS, Scenario, parse, with_defaults, written
from npubench.schema import InputFacts, Machine, PlannedCell, Purpose, cell_id
from npubench.units import show_bytes

NATIVE = "native"
"""The precision of a user's own ONNX file: whatever is in it. Nothing is converted, so every backend is asked."""

FLOOR_WINDOW_S = 0.5

CAMERAS = ("detection",)
"""The workloads whose inputs are a camera's frames."""


def machine_identity(machine: Machine) -> dict[str, Any]:
    """Given name, CPU model and core count, accelerators; never kernel or driver (DESIGN.md, Decisions)."""
    return {
        "name": machine.name,
        "cpu": machine.cpu,
        "threads": machine.threads,
        "governor": machine.governor,
        "accelerators": [{"id": device.id, "name": device.name} for device in machine.accelerators],
    }


def scenarios_of(text: str, card: ModelCard, backend: BackendCard | None = None) -> tuple[Scenario, ...]:
    """The scenarios that `text` stands for, with their parameters for a model: offline takes the card's batch.

    A server takes one prompt per request and any number of requests at once; offline it gets `SATURATING` at once.
    """
    if backend is None or backend.device.type != ENDPOINT:
        return tuple(with_defaults(scenario, {"batch": card.offline_batch}) for scenario in parse(text))
    at_once = {"batch": 1, "inflight": SATURATING}
    return tuple(
        with_defaults(scenario, at_once if KINDS[scenario.name].arrival == "at-once" else {"inflight": 0})
        for scenario in parse(text)
    )


def scenario_of(text: str, card: ModelCard, backend: BackendCard | None = None) -> Scenario:
    """The one scenario that `text` stands for. Raises UsageError where it stands for several."""
    found = scenarios_of(text, card, backend)
    if len(found) != 1:
        raise UsageError(f'"{text}" stands for {len(found)} scenarios; expected one')
    return found[0]


def planned_cell(
    card: ModelCard,
    backend: BackendCard,
    precision: str,
    scenario: Scenario,
    scope: str,
    *,
    variant: str = "portable",
    inputs: InputFacts | None,
    machine: Machine,
    ruleset: str,
    purpose: Purpose = "measure",
) -> PlannedCell:
    """One cell with its key and identity."""
    key = {
        "model": card.id,
        "variant": variant,
        "precision": precision,
        "backend": backend.id,
        "devices": str(backend.device.count * scenario.params.get("devices", 1)),
        "scenario": scenario.name,
        **{f"scenario.{name}": str(value) for name, value in scenario.params.items() if name != "devices"},
        "scope": scope,
        "ruleset": ruleset,
    }
    identity = {
        **semantics(card, precision, variant),
        **semantics(backend),
        **claimed(backend),
        **_brought(backend, card.id, precision, variant),
        "data": inputs.sha256 if inputs else None,
        "scenario": {"name": scenario.name, **scenario.params},
        "scope": scope,
        "ruleset": ruleset,
        "machine": machine_identity(machine),
    }
    return PlannedCell(
        id=cell_id(key),
        key=key,
        identity=identity,
        model=card.id,
        backend=backend.id,
        precision=precision,
        variant=variant,
        scenario=scenario,
        scope=scope,
        window_s=FLOOR_WINDOW_S,
        warmup_s=FLOOR_WINDOW_S,
        purpose=purpose,
    )


def beside(cells: Sequence[PlannedCell]) -> tuple[PlannedCell, ...]:
    """The same cells, measured at the same time: another measurement, with keys and identities of its own."""
    together = " + ".join(
        f"{cell.model} {cell.precision} {cell.backend} {written(cell.scenario)} {cell.scope}" for cell in cells
    )
    mix = cell_id({"mix": together})
    found = []
    for cell in cells:
        key = {**cell.key, "mix": together}
        found.append(
            msgspec.structs.replace(
                cell,
                id=cell_id(key),
                key=key,
                identity={**cell.identity, "mix": together},
                mix=mix,
                alone=cell.id,
            )
        )
    return tuple(found)


def _brought(backend: BackendCard, model: str, precision: str, variant: str) -> dict[str, Any]:
    """Files compiled elsewhere are part of what is measured."""
    specs = prebuilt.of(backend, model, precision, variant)
    return {"prebuilt": {role: spec.sha256 for role, spec in sorted(specs.items())}} if specs else {}


def variant_of(card: ModelCard, backend: BackendCard, precision: str) -> Variant | None:
    """The first of the backend's variants that the model is built in; None when there is none."""
    if precision == NATIVE:
        return "portable"
    return next((name for name in backend.variants if graphs_of(card, precision, name) is not None), None)


def reason_unsupported(card: ModelCard, backend: BackendCard, precision: str, machine: Machine) -> Text | None:
    if backend.device.type == ENDPOINT:
        return _not_served(card, backend, precision)
    if precision == NATIVE:
        return None
    if precision not in card.precisions:
        offered = ", ".join(card.precisions)
        return Text(
            en=f"the model is not built in {precision} (it has {offered})", ko=f"{precision} 모델 없음({offered} 제공)"
        )
    if precision not in backend.precisions:
        taken = ", ".join(backend.precisions)
        if (why := backend.refuses.get(precision)) is not None:
            return why
        return Text(en=f"this backend takes {taken}", ko=f"이 백엔드가 받는 정밀도: {taken}")
    if variant_of(card, backend, precision) is None:
        wanted = ", ".join(backend.variants)
        return Text(
            en=f"the model has no {precision} build in the form that this backend takes ({wanted})",
            ko=f"이 백엔드가 받는 형태({wanted})의 {precision} 모델 없음",
        )
    need = (card.requires_memory_gb or 0) * 1e9
    if machine.memory_bytes is not None and need > machine.memory_bytes:
        have = show_bytes(machine.memory_bytes)
        return Text(
            en=f"needs {show_bytes(need)} of memory; this machine has {have}",
            ko=f"메모리 {show_bytes(need)} 필요, 이 장비는 {have}",
        )
    return None


def _not_served(card: ModelCard, backend: BackendCard, precision: str) -> Text | None:
    """Why a server is not asked for this model: it has weights of its own, in the precision that its card claims."""
    if card.workload != "llm":
        return Text(en="an endpoint answers language models only", ko="엔드포인트는 언어 모델만 측정")
    serves = backend.options.get("serves")
    if serves is not None and serves != card.id:
        name = served(backend)
        return Text(
            en=f'this endpoint serves "{name}", which its card says is {serves} (options.serves)',
            ko=f'이 엔드포인트의 "{name}"은(는) 카드에 따르면 {serves}입니다(options.serves)',
        )
    if precision != (taken := backend.precisions[0]):
        return Text(en=f"its card claims {taken}", ko=f"카드에 적힌 정밀도: {taken}")
    return None


def scopes_of(card: ModelCard, backend: BackendCard, asked: Sequence[str]) -> Sequence[str]:
    """The scopes that are measured where `asked` are (none: the card's own); of a server always the whole service."""
    return ("service",) if backend.device.type == ENDPOINT else asked or card.scopes


def unfit(scenario: Scenario, card: ModelCard, backend: BackendCard, devices: int | None) -> Text | None:
    """Why a model is not loaded in this way on this backend; None where it is. `devices`: how many there are."""
    if scenario.name == "cameras" and card.workload not in CAMERAS:
        return Text(en="cameras send frames, and this model takes none", ko="프레임을 받는 모델이 아니므로 카메라 없음")
    if scenario.name == "users" and backend.device.type != "endpoint":
        return Text(
            en="users are served by an endpoint; on a device, scenario server gives the rate of requests",
            ko="사용자 수는 서비스 엔드포인트에서 측정합니다. 장치에서는 server 시나리오가 요청률을 냅니다",
        )
    if scenario.params.get("inflight") == 0 and backend.device.type != ENDPOINT:
        return Text(en="inflight=0 is for endpoints", ko="inflight=0은 엔드포인트에만 해당")
    if backend.device.type == ENDPOINT and (scenario.name == "multi-stream" or scenario.params.get("batch", 1) != 1):
        return Text(
            en="an endpoint takes one prompt per request; users or inflight say how many at once",
            ko="엔드포인트는 요청당 프롬프트 하나만 받습니다. 동시 요청 수는 users나 inflight로 정합니다",
        )
    if backend.device.type == ENDPOINT and (
        scenario.params.get("tune")
        or scenario.params.get("instances", 1) != 1
        or scenario.params.get("devices", 1) != 1
    ):
        return Text(
            en="how a server uses its devices is the server's to say: no tune, instances or devices",
            ko="서버의 장치 사용 방식은 서버가 정합니다. tune, instances, devices는 쓸 수 없습니다",
        )
    if card.workload != "llm" and {"traffic", "in", "out"} & set(scenario.params):
        return Text(en="traffic and token counts are for language models", ko="토큰 길이는 언어 모델에만 해당")
    if "threads" in scenario.params and backend.threads_option is None:
        return Text(en="this backend has no number of threads to choose", ko="스레드 수를 정할 수 없는 백엔드")
    wanted = backend.device.count * scenario.params.get("devices", 1)
    if "devices" in scenario.params and devices is not None and devices < wanted:
        return Text(
            en=f"{wanted} devices were asked for; there are {devices}", ko=f"장치 {wanted}개 필요, {devices}개 있음"
        )
    return None


def headline(card: ModelCard, backend: BackendCard, machine: Machine) -> str:
    """The precision in which a model is measured where nobody names one: its own first, else the backend's first.

    An NPU that takes no fp32 is then measured in what it is made for, and the precision is shown beside every figure.
    An endpoint serves what it serves: its card's first claim.
    """
    own = card.precisions[0] if backend.device.type != ENDPOINT else backend.precisions[0]
    if reason_unsupported(card, backend, own, machine) is None:
        return own
    taken = (name for name in backend.precisions if reason_unsupported(card, backend, name, machine) is None)
    return next(taken, own)
