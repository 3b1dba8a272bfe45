"""Asks a server which token comes next after a given text: its choice, and log-probabilities where it offers them.

One request of one token without sampling, not streamed. Guarantees: what the server does not take (a route, logprobs,
token ids) is UnsupportedError, so that quality stays unknown with the reason, and no server is convicted for it; every
other failure is a RequestError, as for any request. One that may pass is waited out: nothing is timed here, and a
limiter that says no once would cost the quality of the whole run.

Sources: the OpenAI API reference, completions (`logprobs`: up to 5) and chat (`logprobs`, `top_logprobs`); transformers
serve ignores `logprobs` with a warning; vLLM and furiosa-llm give both forms.
Not aware of: what the right token is, tokenizers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from npubench import statuses, words
from npubench.adapters.llm_http.options import Endpoint
from npubench.adapters.llm_http.plain import Said, call
from npubench.adapters.llm_http.sse import complaint
from npubench.errors import UnsupportedError
from npubench.lang import here
from npubench.spi import Likely, RequestError

# What a server answers to fields and routes that it does not take.
_REFUSED = (400, 404, 405, 415, 422, 501)
# What may be over soon: too many requests, a server or a gateway that is overloaded, no answer.
_PASSING = (408, 429, 500, 502, 503, 504, statuses.SILENT, statuses.UNREACHABLE)
PAUSES_S = (1.0, 2.0, 4.0)
"""Before each further try."""


def predict(where: Endpoint, body: Mapping[str, Any], most: int) -> Sequence[Likely]:
    """The server's choice, then up to `most` likely tokens. `body`: the fields of a request of one token.

    Raises UnsupportedError, RequestError.
    """
    for pause_s in PAUSES_S:
        try:
            return _predict(where, body, most)
        except RequestError as error:
            if error.status not in _PASSING:
                raise
        time.sleep(pause_s)
    return _predict(where, body, most)


def _predict(where: Endpoint, body: Mapping[str, Any], most: int) -> Sequence[Likely]:
    chat = where.api == "chat"
    asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    if "logprobs" not in where.extra:
        asked |= {"logprobs": True, "top_logprobs": most} if chat else {"logprobs": most}
    path = f"/v1/{'chat/completions' if chat else 'completions'}"
    said = call(where, path, asked)
    if said.status in _REFUSED and "logprobs" not in where.extra:
        # Perhaps it is the log-probabilities alone that it does not take.
        plain = {name: value for name, value in asked.items() if name not in ("logprobs", "top_logprobs")}
        said = call(where, path, plain)
    if said.status in _REFUSED:
        raise UnsupportedError(
            here(
                f"this server cannot be asked for next tokens: {_why(where, said)}",
                f"이 서버에는 다음 토큰을 물을 수 없습니다: {_why(where, said)}",
            )
        )
    if said.status != 200:
        raise RequestError(_why(where, said), said.status if said.status >= 400 else statuses.BROKEN)
    found = list(_likely(said.json(), chat))
    if not found:
        raise RequestError("the answer to a request of one token has no text", statuses.EMPTY)
    return found if where.prompt != "words" else [_of_word(one) for one in found]


def _why(where: Endpoint, said: Said) -> str:
    text = where.clean(complaint(said.body))
    return f"HTTP {said.status}" + (f": {text}" if text else "")


def _likely(reply: Any, chat: bool) -> Iterator[Likely]:
    """What a reply shows, whatever else is in it; nothing of one in another form."""
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"] if chat else choice["text"]
    except (LookupError, TypeError):
        return
    if not isinstance(text, str) or not text:
        return
    yield Likely(text=text)
    shown = choice.get("logprobs")
    if not isinstance(shown, Mapping):
        return
    try:
        if chat:
            tops = [(one["token"], one["logprob"]) for one in shown["content"][0]["top_logprobs"]]
        else:
            tops = list(shown["top_logprobs"][0].items())
    except (LookupError, TypeError, AttributeError):
        return
    for token, value in tops:
        if isinstance(token, str) and isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
            yield Likely(text=token, logprob=float(value))


def _of_word(one: Likely) -> Likely:
    """With its id, where the text is one visible word."""
    tokens = words.tokens(one.text)
    return Likely(text=one.text, token=tokens[0] if tokens and len(tokens) == 1 else -1, logprob=one.logprob)
