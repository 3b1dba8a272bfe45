"""Scenarios: how load arrives, with their parameters, and the one way to write them down.

    single-stream            cameras:fps=15           server:rate=20
    offline:batch=4|8        cameras:fps=5|15|30      multi-stream:batch=8

A `|` between values stands for one scenario each (a grid is their product). Written form and struct go into each other,
so that a suite, the command line and a result say the same words. A load that is not given (`rate`, `cameras`, `users`)
is searched: the answer is the largest load that was confirmed.

Not aware of: bounds (`rules`), how load is made (`engine.schedule`, `engine.generator`).
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from npubench.errors import UsageError
from npubench.lang import Text

Arrival = Literal["completion", "at-once", "poisson", "frames", "users"]
"""How requests become due: on completion of the last one; all at once; at Poisson moments; a frame every 1/F s of each
camera; per user on completion of that user's last one, plus think time."""

NO_LIMIT = 1 << 40
"""As many requests in flight as come (`inflight=0`): none of them waits for room."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """How load arrives. `params` holds what was given or is the scenario's own default; see `KINDS`."""

    name: str
    params: dict[str, Any] = {}


class Param(msgspec.Struct, frozen=True):
    """A parameter: its type, the least value, what it means, and its default (None: there is none).

    `choices`: the only names that it takes, where it is one of a few.
    """

    type: type
    least: float
    meaning: Text
    default: Any = None
    choices: tuple[str, ...] = ()


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario as such. `load` names the parameter that is searched where it is not given."""

    arrival: Arrival
    title: Text
    meaning: Text
    params: dict[str, Param]
    load: str | None = None


_BATCH = Param(int, 1, Text(en="inputs per request", ko="요청당 입력 수"))
_INSTANCES = Param(int, 1, Text(en="sessions of the model", ko="모델 세션 수"), 1)
_THREADS = Param(int, 1, Text(en="threads per session, instead of the card's", ko="세션당 스레드 수(카드 값 대신)"))
_DEVICES = Param(int, 1, Text(en="devices of the backend's kind", ko="장치 수"))
_TRAFFIC = Param(str, 0, Text(en="lengths of a named kind of use (language models)", ko="용도별 길이(언어 모델)"))
_IN = Param(int, 1, Text(en="input tokens per request", ko="요청당 입력 토큰"))
_OUT = Param(int, 1, Text(en="output tokens per request", ko="요청당 출력 토큰"))
_DECODE = Param(
    str,
    0,
    Text(en="with --video: is decoding part of a frame's time", ko="--video 사용 시: 디코딩을 시간에 포함할지"),
    choices=("inside", "outside"),
)
_TUNE = Param(int, 0, Text(en="1: search batch, instances, threads and in-flight first", ko="1: 최적 구성을 먼저 탐색"))


def _in_flight(default: int) -> Param:
    return Param(
        int,
        0,
        Text(
            en="requests in flight per session (0: any number, endpoints only)",
            ko="세션당 동시 요청 수(0: 제한 없음, 엔드포인트만)",
        ),
        default,
    )


_TEXT = {"traffic": _TRAFFIC, "in": _IN, "out": _OUT}
_COMMON = {"devices": _DEVICES, "threads": _THREADS, **_TEXT}

KINDS: dict[str, Kind] = {
    "single-stream": Kind(
        arrival="completion",
        title=Text(en="one at a time", ko="하나씩"),
        meaning=Text(
            en="The next request is due when the last one is complete.", ko="앞 요청이 끝나면 다음 요청을 보냅니다."
        ),
        params=_COMMON,
    ),
    "multi-stream": Kind(
        arrival="completion",
        title=Text(en="several samples per query", ko="한 번에 여러 샘플"),
        meaning=Text(
            en="Queries of several samples (8), the next one on completion; the latency is the query's.",
            ko="샘플 여러 개(8)로 된 질의를 앞 질의가 끝나면 보내며, 지연 시간은 질의 단위입니다.",
        ),
        params={**_COMMON, "batch": Param(int, 1, _BATCH.meaning, 8)},
    ),
    "server": Kind(
        arrival="poisson",
        title=Text(en="requests at random moments", ko="무작위 도착 요청"),
        meaning=Text(
            en="Independent requests at Poisson moments; the result is the highest rate that keeps its bound.",
            ko="서로 독립인 요청이 푸아송 시각에 도착하며, 한계를 지키는 가장 높은 도착률이 결과입니다.",
        ),
        params={
            **_COMMON,
            "rate": Param(float, 1e-6, Text(en="requests per second", ko="초당 요청 수")),
            "instances": _INSTANCES,
            "inflight": _in_flight(2),
        },
        load="rate",
    ),
    "offline": Kind(
        arrival="at-once",
        title=Text(en="all at once", ko="한꺼번에"),
        meaning=Text(
            en="All samples are there from the start; only the throughput counts.",
            ko="모든 샘플이 처음부터 준비되어 있고 처리량만 봅니다.",
        ),
        params={
            **_COMMON,
            "batch": _BATCH,
            "instances": _INSTANCES,
            "inflight": _in_flight(1),
            "tune": _TUNE,
        },
    ),
    "cameras": Kind(
        arrival="frames",
        title=Text(en="cameras", ko="카메라"),
        meaning=Text(
            en="Every camera sends a frame every 1/F s; a frame that finds its camera's previous one still waiting is "
            "dropped. The result is the largest number of cameras whose frames are done in time.",
            ko="카메라마다 1/F초 간격으로 프레임을 보내고, 앞 프레임이 아직 기다리고 있으면 새 프레임은 버려집니다. "
            "프레임을 제때 처리하는 가장 많은 카메라 수가 결과입니다.",
        ),
        params={
            **_COMMON,
            "fps": Param(float, 0.01, Text(en="frames per second of a camera", ko="카메라당 초당 프레임"), 15),
            "cameras": Param(int, 1, Text(en="number of cameras", ko="카메라 수")),
            "decode": _DECODE,
            "instances": _INSTANCES,
            "inflight": _in_flight(2),
        },
        load="cameras",
    ),
    "users": Kind(
        arrival="users",
        title=Text(en="users of a service", ko="서비스 사용자"),
        meaning=Text(
            en="Every user sends the next request when the answer is complete and a think time is over.",
            ko="사용자마다 답을 다 받고 생각하는 시간이 지나면 다음 요청을 보냅니다.",
        ),
        params={
            **_COMMON,
            "users": Param(int, 1, Text(en="number of users", ko="사용자 수")),
            "think_s": Param(float, 0, Text(en="think time in seconds", ko="생각하는 시간(초)")),
        },
        load="users",
    ),
}


def parse(text: str) -> tuple[Scenario, ...]:
    """The scenarios that `text` stands for. Raises UsageError that names what was expected."""
    name, _, rest = text.strip().partition(":")
    kind = KINDS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, KINDS, 1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        raise UsageError(
            f'no scenario "{name}"{meant}; known: {", ".join(KINDS)}',
            hint="`npubench list scenarios` says what each one is",
        )
    given: dict[str, list[Any]] = {}
    for part in filter(None, rest.split(",")):
        key, equals, values = part.partition("=")
        if key not in kind.params or not equals:
            raise UsageError(
                f'scenario {name}: found "{part}"; expected KEY=VALUE with a key of {", ".join(kind.params)}'
            )
        if key in given:
            raise UsageError(f"scenario {name}: {key} is given twice")
        given[key] = [_value(name, key, kind.params[key], value) for value in values.split("|")]
    return tuple(
        Scenario(name=name, params=dict(zip(given, values, strict=True)))
        for values in itertools.product(*given.values())
    )


def _value(name: str, key: str, param: Param, text: str) -> Any:
    try:
        value = param.type(text)
    except ValueError:
        value = None
    # NaN is not at least anything.
    if value is None or not (param.type is str or value >= param.least) or text == "":
        words = {int: "a whole number", float: "a number", str: "a name"}[param.type]
        least = "" if param.type is str else f" ≥ {param.least:g}"
        raise UsageError(f'scenario {name}: {key}: found "{text}"; expected {words}{least}')
    if param.choices and value not in param.choices:
        raise UsageError(f'scenario {name}: {key}: found "{text}"; expected {" or ".join(param.choices)}')
    if param.type is float and value == int(value) and abs(value) < 1e9:
        # 15 and 15.0 are one scenario, and look like one.
        return int(value)
    return value


def written(scenario: Scenario) -> str:
    """The scenario as `parse` takes it."""
    parts = ",".join(f"{key}={_shown(value)}" for key, value in scenario.params.items())
    return f"{scenario.name}:{parts}" if parts else scenario.name


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_defaults(scenario: Scenario, defaults: Mapping[str, Any] = {}) -> Scenario:
    """The scenario with every parameter that decides what it is: what was given, else `defaults`, else the kind's own.

    In the order of `KINDS`, so that the same scenario is always written alike.
    """
    own = {key: param.default for key, param in KINDS[scenario.name].params.items()}
    chosen = {key: scenario.params.get(key, defaults.get(key, value)) for key, value in own.items()}
    return Scenario(name=scenario.name, params={key: value for key, value in chosen.items() if value is not None})


def searched(scenario: Scenario) -> str | None:
    """The parameter that is searched (`rate`, `cameras`, `users`); None where the load is given or there is none."""
    load = KINDS[scenario.name].load
    return load if load is not None and load not in scenario.params else None
