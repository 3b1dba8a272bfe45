"""`--endpoint URL --served-model NAME`: a server of a language model, without a card of its own.

They say where the endpoints that `--backend` names are (none: `openai-completions`), under which name the model is
served, in which variable the key is, and with `--precision` in what the server computes. A card is better wherever
somebody else is to repeat the measurement.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from npubench.cards import ENDPOINT, KEY_VARIABLE, PRECISIONS, BackendCard, Precision
from npubench.cli.asked import Asked
from npubench.discovery import Catalogue, Found, pick
from npubench.errors import UsageError
from npubench.lang import here

USUAL = "openai-completions"


def given(asked: Asked) -> dict[str, Any]:
    """The options of an endpoint's card that were typed."""
    typed = {"url": asked.endpoint, "model": asked.served_model, "api_key_env": asked.api_key_env}
    return {name: value for name, value in typed.items() if value is not None}


def backends(asked: Asked) -> tuple[str, ...]:
    """The backends that were asked for; the usual one where only an endpoint was."""
    return asked.backends or ((USUAL,) if asked.endpoint is not None else ())


def with_endpoint(asked: Asked, cards: Catalogue) -> Catalogue:
    """The catalogue with what was typed in the cards of the endpoints that were asked for. Raises UsageError."""
    typed = given(asked)
    remote = [name for name in backends(asked) if pick(cards.backends, name, "backend").card.device.type == ENDPOINT]
    if remote and asked.scopes and "service" not in asked.scopes:
        raise UsageError(
            here(
                f"--scope {asked.scopes[0]}: {remote[0]} is an endpoint, which is measured as a service",
                f"--scope {asked.scopes[0]}: {remote[0]}은(는) 엔드포인트라 service 범위로만 측정합니다",
            ),
            hint="--scope service",
        )
    if asked.api_key_env is not None and not re.fullmatch(KEY_VARIABLE, asked.api_key_env):
        # Not what was typed: it may be the key itself, and would be in the plan of a run.
        raise UsageError(
            here(
                "--api-key-env: expected the name of an environment variable (capitals, digits and _), never the key "
                "itself",
                "--api-key-env: 키가 아니라 환경 변수 이름을 지정하세요(영문 대문자, 숫자, _)",
            ),
            hint="export LLM_API_KEY=…; --api-key-env LLM_API_KEY",
        )
    own = [name for name in remote if cards.backends[name].card.serve is not None]
    if own and asked.endpoint is not None:
        # What is seen of the server that the run starts would be told of the other.
        raise UsageError(
            here(
                f"--endpoint: {own[0]} is a server that the run starts itself, and is measured where that listens",
                f"--endpoint: {own[0]}은(는) 실행이 직접 시작하는 서버이며 그 주소에서 측정합니다",
            ),
            hint=here(f"leave --endpoint out, or --backend {USUAL}", f"--endpoint를 빼거나 --backend {USUAL}"),
        )
    if not typed:
        return cards
    changed: dict[str, Found[BackendCard]] = {}
    for name in remote:
        found = cards.backends[name]
        card = msgspec.structs.replace(found.card, options={**found.card.options, **typed})
        if asked.precisions and asked.precisions[0] in PRECISIONS:
            card = msgspec.structs.replace(card, precisions=cast("tuple[Precision, ...]", asked.precisions[:1]))
        changed[name] = msgspec.structs.replace(found, card=card)
    if not changed:
        raise UsageError(
            here(
                "--endpoint, --served-model and --api-key-env are for backends that are endpoints; none was asked for",
                "--endpoint, --served-model, --api-key-env는 엔드포인트 백엔드용인데 지정된 것이 없습니다",
            ),
            hint=f"--backend {USUAL}",
        )
    return msgspec.structs.replace(cards, backends={**cards.backends, **changed})
