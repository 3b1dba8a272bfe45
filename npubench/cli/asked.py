"""The options of `npubench run`, and which of them do not go together.

An option that would reach nothing is an error: a result that looks like what was asked for, and is not, is worse.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast, get_args

import msgspec

from npubench.cards import VARIANTS, did_you_mean
from npubench.cli.measurer import OPTION, measured_by
from npubench.engine import plan as planning
from npubench.engine.builds import Build
from npubench.errors import UnknownNameError, UsageError
from npubench.lang import here
from npubench.rules import Ruleset
from npubench.schema import Host, Priority
from npubench.units import parse_duration_s

SUITE, PROFILE = "public-sector", "standard"

# What a plan is made from, and so has no say once there is one. Field → option.
_PLANNING = {
    "models": "--model",
    "backends": "--backend",
    "precisions": "--precision",
    "variant": "--variant",
    "weights": "--weights",
    "text": "--text",
    "scenarios": "--scenario",
    "scopes": "--scope",
    "mix": "--mix",
    "ruleset": "--ruleset",
    "pin": "--pin",
    "priority": "--priority",
    "suite": "--suite",
    "profile": "--profile",
    "launches": "--launches",
    "budget": "--budget",
    "seed": "--seed",
    "onnx": "--onnx",
    "shapes": "--shape",
    "frames": "--frames",
    "video": "--video",
    "pages": "--pages",
    "calibrate": "--calibrate",
    "measured_by": OPTION,
    "ep_library": "--ep-library",
    "ep_name": "--ep-name",
    "ep_device": "--ep-device",
    "ep_options": "--ep-option",
    "endpoint": "--endpoint",
    "served_model": "--served-model",
    "api_key_env": "--api-key-env",
    "artifacts": "--artifact",
    "compiled_by": "--compiled-by",
    "compiled_from": "--compiled-from",
    "cards": "--cards",
    "meters": "--meters",
    "no_power": "--no-power",
    "dry_run": "--dry-run",
    "builds": "--a and --b",
}
# What an ONNX file of the user's own decides by itself, or does not have.
_NOT_WITH_ONNX = (
    "models", "precisions", "variant", "weights", "text", "scopes", "suite", "frames", "video", "pages", "calibrate",
    "mix",
)  # fmt: skip


# What a mix says itself.
_NOT_WITH_MIX = ("models", "scenarios", "scopes", "suite", "weights", "calibrate", "precisions")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were typed; None, () or False where they were not.

    `builds`: the two that are measured in turns (`npubench ab`); `backends` are then what they are called.
    """

    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    variant: str | None = None
    weights: Path | None = None
    text: Path | None = None
    scenarios: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    mix: tuple[str, ...] = ()
    ruleset: str | None = None
    pin: str | None = None
    priority: str | None = None
    suite: str | None = None
    profile: str | None = None
    launches: int | None = None
    budget: str | None = None
    seed: int | None = None
    onnx: tuple[Path, ...] = ()
    shapes: tuple[str, ...] = ()
    frames: Path | None = None
    video: Path | None = None
    pages: Path | None = None
    calibrate: Path | None = None
    measured_by: str | None = None
    ep_library: Path | None = None
    ep_name: str | None = None
    ep_device: str | None = None
    ep_options: tuple[str, ...] = ()
    endpoint: str | None = None
    served_model: str | None = None
    api_key_env: str | None = None
    artifacts: tuple[str, ...] = ()
    compiled_by: str | None = None
    compiled_from: Path | None = None
    out: Path | None = None
    machine: str | None = None
    report: Path | None = None
    dry_run: bool = False
    resume: str | None = None
    stall_timeout: str | None = None
    wait: str = "10m"
    as_json: bool = False
    cards: tuple[Path, ...] = ()
    meters: Path | None = None
    no_power: bool = False
    power_pulse: bool = False
    builds: tuple[Build, ...] = ()

    def given(self, field: str) -> bool:
        """Whether this option was typed."""
        value = getattr(self, field)
        return value is not None and value is not False and value != ()

    def folders(self) -> dict[str, Path]:
        """The user's own input folders by the kind of what is in them."""
        return {kind: path for kind, path in (("frames", self.frames), ("pages", self.pages)) if path is not None}


def duration_s(text: str, option: str) -> float:
    """`10m` → 600.0. Raises UsageError naming the option."""
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def check_options(asked: Asked, rules: Ruleset) -> None:
    """Raises UsageError for options that contradict each other or name nothing."""
    if asked.profile is not None and asked.profile not in rules.profiles:
        known = ", ".join(rules.profiles)
        raise UsageError(f'no profile "{asked.profile}"; known: {known}')
    planning.check_scenarios(asked.scenarios)
    if asked.shapes and not asked.onnx:
        raise UsageError("--shape goes with --onnx FILE")
    if asked.onnx and (beside := [_PLANNING[field] for field in _NOT_WITH_ONNX if asked.given(field)]):
        raise UsageError(
            here(f"--onnx and {beside[0]} do not go together", f"--onnx와 {beside[0]}은 함께 쓸 수 없습니다"),
            hint=here(
                "an ONNX file is measured as it is, on the device, with made inputs",
                "ONNX 파일은 있는 그대로, 장치에서, 만들어 낸 입력으로 측정합니다",
            ),
        )
    if asked.mix and (beside := [_PLANNING[field] for field in _NOT_WITH_MIX if asked.given(field)]):
        raise UsageError(
            here(f"--mix and {beside[0]} do not go together", f"--mix와 {beside[0]}은 함께 쓸 수 없습니다"),
            hint=here("a mix names its models and their loads itself", "--mix가 모델과 부하를 직접 정합니다"),
        )
    if asked.no_power and asked.meters is not None:
        raise UsageError(
            here("--no-power and --meters do not go together", "--no-power와 --meters는 함께 쓸 수 없습니다"),
            hint=here("leave one of them out", "둘 중 하나만 쓰십시오"),
        )
    mixed(asked.mix)
    host(asked)
    check_variant(asked.variant)
    measured_by(asked.measured_by)
    if not asked.artifacts and (asked.compiled_by is not None or asked.compiled_from is not None):
        option = "--compiled-by" if asked.compiled_by is not None else "--compiled-from"
        raise UsageError(here(f"{option} goes with --artifact FILE", f"{option}은 --artifact FILE과 함께 씁니다"))
    if asked.artifacts and len({*asked.backends}) + (asked.ep_library is not None) != 1:
        raise UsageError(
            here(
                "--artifact goes with one --backend: a compiled file runs on the device that it was compiled for",
                "--artifact는 --backend 하나와 함께 씁니다. 컴파일한 파일은 그 장치에서만 실행됩니다",
            )
        )
    if asked.weights is not None and len(set(asked.models)) != 1:
        raise UsageError(
            here(
                "--weights goes with one --model: the room whose task, data and lengths your weights are measured with",
                "--weights는 --model 하나와 함께 씁니다. 그 모델의 과제와 데이터, 길이로 측정합니다",
            ),
            hint=here("for example --model llm-chat-8m --weights DIR", "예: --model llm-chat-8m --weights DIR"),
        )
    if asked.text is not None and asked.weights is None:
        raise UsageError(
            here("--text goes with --weights DIR", "--text는 --weights DIR과 함께 씁니다"),
            hint=here(
                "our own language models have seeded weights: no text is likely to them",
                "기본 언어 모델의 가중치는 난수이므로 텍스트 점수가 뜻이 없습니다",
            ),
        )
    for scope in asked.scopes:
        if scope not in ("device", "service"):
            raise UsageError(f'no scope "{scope}"; known: device, service')


def mixed(texts: tuple[str, ...]) -> tuple[planning.Part, ...]:
    """`--mix MODEL[@BACKEND]=SCENARIO`, taken apart; none where it was not given. Raises UsageError."""
    parts: list[planning.Part] = []
    for text in texts:
        left, equals, scenario = text.partition("=")
        model, at, backend = left.partition("@")
        if not (model and equals and scenario) or (at and not backend):
            raise UsageError(
                here(
                    f'--mix: found "{text}"; expected MODEL[@BACKEND]=SCENARIO',
                    f'--mix: "{text}"; MODEL[@BACKEND]=SCENARIO 형식이어야 합니다',
                ),
                hint="--mix cctv-detect=cameras:cameras=2 --mix ocr-korean=server:rate=0.5",
            )
        planning.check_scenarios((scenario,))
        parts.append(planning.Part(model=model, scenario=scenario, backend=backend or None))
    if len(parts) == 1:
        raise UsageError(
            here("--mix is given once; a mix has two services or more", "--mix를 둘 이상 지정하십시오"),
            hint="--mix cctv-detect=cameras:cameras=2 --mix ocr-korean=server:rate=0.5",
        )
    return tuple(parts)


def host(asked: Asked) -> Host:
    """What the measuring process asks of the operating system. Raises UsageError."""
    priorities = get_args(Priority)
    if asked.priority is not None and asked.priority not in priorities:
        raise UsageError(f'no priority "{asked.priority}"; known: {", ".join(priorities)}')
    pin: tuple[int, ...] = ()
    if asked.pin is not None:
        numbers = asked.pin.split(",")
        if not all(number.isdigit() for number in numbers):
            raise UsageError(
                here(
                    f'--pin: found "{asked.pin}"; expected processor numbers such as 0,1',
                    f'--pin: "{asked.pin}"; 0,1과 같은 프로세서 번호여야 합니다',
                )
            )
        pin = tuple(map(int, numbers))
        if hasattr(os, "sched_getaffinity") and (lacking := set(pin) - os.sched_getaffinity(0)):
            usable = ",".join(map(str, sorted(os.sched_getaffinity(0))))
            missing = ",".join(map(str, sorted(lacking)))
            raise UsageError(
                here(
                    f"--pin: processor {missing} is not usable here; usable: {usable}",
                    f"--pin: 프로세서 {missing} 사용 불가, 사용 가능: {usable}",
                )
            )
    return Host(pin=pin, priority=cast(Priority, asked.priority or "normal"))


def check_variant(name: str | None) -> None:
    """Raises UnknownNameError for a variant that does not exist."""
    if name is not None and name not in VARIANTS:
        raise UnknownNameError(f'no variant "{name}"{did_you_mean(name, VARIANTS)}; known: {", ".join(VARIANTS)}')


def check_resume(asked: Asked) -> None:
    """Raises UsageError for options beside `--resume` that the written plan has decided already."""
    if beside := [option for field, option in _PLANNING.items() if asked.given(field)]:
        listed = ", ".join(beside)
        raise UsageError(
            here(f"--resume and {listed} do not go together", f"--resume과 {listed}은 함께 쓸 수 없습니다"),
            hint=here(
                "a run is finished as it was planned; start a new one for anything else",
                "실행은 계획한 그대로 마칩니다. 다른 측정은 새로 시작하세요",
            ),
        )
