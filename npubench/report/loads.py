"""How load arrives, in words: the human title of a scenario in both languages, and its written form.

Guarantees: the written form is what one types after `--scenario` to measure the same again. How a backend is driven
(sessions, requests in flight) is left out of it where it is the scenario's own default, because it is filled in again.

Not aware of: what a load gave (`capacity`).
"""

from __future__ import annotations

from npubench import scenarios, traffic
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.words import same, scope
from npubench.schema import Scenario

_TITLES: dict[str, Text] = {
    "single-stream": Text(en="one at a time", ko="하나씩"),
    "server": Text(en="random arrivals", ko="무작위 도착"),
    "offline": Text(en="all at once (offline)", ko="한꺼번에(오프라인)"),
    "users": Text(en="users", ko="사용자"),
}
# Parameters that only say how the backend is driven.
_DRIVING = ("instances", "inflight")
# With real video: whether a frame's time holds its decoding.
_DECODING = {
    "inside": Text(en="video, decoding included", ko="영상, 디코딩 포함"),
    "outside": Text(en="video, decoding left out", ko="영상, 디코딩 제외"),
}


def exact(value: object) -> str:
    """A parameter as it was given: somebody's choice, no measurement, so that nothing is rounded."""
    return f"{value:g}" if isinstance(value, (int, float)) else clean(value)


def searched(scenario: Scenario) -> str | None:
    """What is searched (`rate`, `cameras`, `users`); None for a given load and for an unknown scenario."""
    return scenarios.searched(scenario) if scenario.name in scenarios.KINDS else None


def written(scenario: Scenario) -> str:
    """The scenario as it is typed, without what it would be given anyway."""
    kind = scenarios.KINDS.get(scenario.name)
    known = {} if kind is None else kind.params
    kept = {
        key: value
        for key, value in scenario.params.items()
        if key not in _DRIVING or key not in known or known[key].default != value
    }
    return clean(scenarios.written(Scenario(name=scenario.name, params=kept)))


def whole(scenario: Scenario) -> str:
    """The scenario as it is typed, with every parameter that it had."""
    return clean(scenarios.written(scenario))


def _load(scenario: Scenario) -> Text:
    params = scenario.params
    if scenario.name == "cameras":
        fps = exact(params.get("fps", 15))
        if "cameras" not in params:
            return Text(en=f"cameras at {fps} fps", ko=f"{fps} fps 카메라")
        n = exact(params["cameras"])
        plural = "" if n == "1" else "s"
        return Text(en=f"{n} camera{plural} at {fps} fps", ko=f"{fps} fps 카메라 {n}대")
    if scenario.name == "multi-stream":
        n = exact(params.get("batch", 8))
        return Text(en=f"{n} at a time", ko=f"{n}개씩")
    title = _TITLES.get(scenario.name)
    if title is None:
        return same(scenario.name)
    if "rate" in params:
        n = exact(params["rate"])
        return Text(en=f"{title.en}, {n} a second", ko=f"{title.ko}, 초당 {n}건")
    if "users" in params:
        n = exact(params["users"])
        return Text(en=f"{n} user{'' if n == '1' else 's'}", ko=f"사용자 {n}명")
    return title


def use(scenario: Scenario) -> Text | None:
    """Which use of a model it is: traffic, lengths, video, several devices; None for the usual one.

    Cells that differ in it never share a row.
    """
    params, parts = scenario.params, []
    if "traffic" in params:
        name = clean(params["traffic"])
        known = traffic.known().get(name)
        parts.append(known.title if known is not None else same(name))
    if "in" in params:
        n = exact(params["in"])
        parts.append(Text(en=f"{n} tokens in", ko=f"입력 {n}토큰"))
    if "out" in params:
        n = exact(params["out"])
        parts.append(Text(en=f"{n} tokens out", ko=f"출력 {n}토큰"))
    if params.get("decode") in _DECODING:
        parts.append(_DECODING[params["decode"]])
    if params.get("devices", 1) != 1:
        n = exact(params["devices"])
        parts.append(Text(en=f"{n} devices", ko=f"장치 {n}개"))
    return _listed(parts) if parts else None


def driving(scenario: Scenario) -> Text | None:
    """How the backend is driven, where it is not in the plain way."""
    params, parts = scenario.params, []
    kind = scenarios.KINDS.get(scenario.name)
    if scenario.name != "multi-stream" and params.get("batch", 1) != 1:
        n = exact(params["batch"])
        parts.append(Text(en=f"batches of {n}", ko=f"{n}개 묶음"))
    for key, en, ko in (("instances", "sessions", "세션"), ("inflight", "in flight", "동시 요청")):
        default = kind.params[key].default if kind is not None and key in kind.params else 1
        # 0 in flight: any number, as an endpoint takes them.
        if params.get(key, default) not in (default, 0):
            n = exact(params[key])
            parts.append(Text(en=f"{n} {en}", ko=f"{ko} {n}개"))
    if "threads" in params:
        n = exact(params["threads"])
        parts.append(Text(en=f"{n} threads", ko=f"스레드 {n}개"))
    if params.get("tune"):
        parts.append(Text(en="tuned", ko="최적 구성 탐색"))
    return _listed(parts) if parts else None


def _listed(parts: list[Text]) -> Text:
    return Text(en=", ".join(part.en for part in parts), ko=", ".join(part.ko for part in parts))


def title(scenario: Scenario) -> Text:
    """How load arrives, in words."""
    return _listed([part for part in (_load(scenario), use(scenario), driving(scenario)) if part is not None])


def plain(scenario: Scenario) -> Text:
    """How load arrives, without how the backend is driven."""
    return _listed([part for part in (_load(scenario), use(scenario)) if part is not None])


def in_scope(scenario: Scenario, name: str) -> Text:
    """How load arrives and what is measured of it: `one at a time · Device only`."""
    how, where = title(scenario), scope(name)[0]
    return Text(en=f"{how.en} · {where.en}", ko=f"{how.ko} · {where.ko}")
