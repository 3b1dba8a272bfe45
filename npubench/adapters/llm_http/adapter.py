"""The adapter of OpenAI-compatible servers: a session sends prompts and counts what comes back, and loads nothing.

A request succeeds when the stream came to its end, the server counted its tokens (usage), the count can be right, and
the answer has the length that was asked for. `ids` are sent as they are, so that the server's count of the prompt must
be theirs (one more for a token of its own at the beginning); a text's count is the server's business, and is recorded.
No answer is more than a tenth shorter than asked (METRICS.md, Audits): such a request has failed.

What the server says of itself is a claim (`Placement.sources`); evidence of where it ran is not this module's. Options:
`options`. Not aware of: when requests are due, how many are under way (`engine.streaming`), what a prompt is made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npubench import statuses
from npubench.adapters.llm_http import claims, probes
from npubench.adapters.llm_http.client import Client
from npubench.adapters.llm_http.options import Endpoint, endpoint, proxy_of
from npubench.adapters.llm_http.requests import Prompt, Requests
from npubench.adapters.llm_http.sse import Reply
from npubench.errors import AbsentBackendError, CardError, UnsupportedError
from npubench.lang import here
from npubench.spi import (
    Answer,
    Artifact,
    Availability,
    Device,
    Feeds,
    Likely,
    Outputs,
    Placement,
    RequestError,
    TensorSpec,
)

# METRICS.md, Audits: an answer's length within a tenth of what was asked.
LENGTH = 0.10
PROBE_S = 10.0
# A server that answers so to token ids may take text.
_NO_IDS = (400, 415, 422, 500, 501)


class LlmHttpSession:
    """A client of one endpoint, with an event loop of its own. One thread at a time."""

    def __init__(self, where: Endpoint, detail: Mapping[str, str]) -> None:
        """`detail`: what the server says of itself."""
        self.inputs: Sequence[TensorSpec] = ()
        self.outputs: Sequence[TensorSpec] = ()
        self.loop = asyncio.new_event_loop()
        self._endpoint = where
        self._detail = dict(detail)
        self._client = Client(where, self.loop)
        self._requests = Requests(where)
        self._takes_ids: bool | None = {"ids": True, "words": True, "text": False}.get(where.prompt)

    @property
    def options(self) -> dict[str, Any]:
        """What was sent, and how; no secrets."""
        where = self._endpoint
        taken = {True: "ids", False: "text", None: "not asked"}[self._takes_ids]
        fields = {
            name: value for name, value in self._requests.body("", 0).items() if name not in ("prompt", "messages")
        }
        return {"url": where.address.url, "path": self._requests.path, "prompts": taken, "fields": fields}

    @property
    def takes_ids(self) -> bool:
        """Whether prompts are token ids; asked once where the card leaves it open."""
        if self._takes_ids is None:
            self._takes_ids = self.loop.run_until_complete(self._accepts([1, 2, 3, 4]))
        return self._takes_ids

    async def _accepts(self, prompt: Prompt) -> bool:
        try:
            await self._client.ask(self._requests.of(prompt, 1), Reply(_unnoted))
        except RequestError as error:
            if error.status in _NO_IDS:
                return False
            raise RequestError(self._endpoint.clean(str(error)), error.status) from None
        return True

    async def connect(self, count: int) -> None:
        await self._client.connect(count)

    async def answer(self, prompt: Sequence[int] | str, new_tokens: int, note: Callable[[int], None]) -> Answer:
        """Sends one request. Raises RequestError with a status of `statuses`."""
        reply = Reply(note)
        try:
            await self._client.ask(self._requests.of(prompt, new_tokens), reply)
        except RequestError as error:
            raise RequestError(self._endpoint.clean(str(error)), error.status) from None
        return counted(reply, new_tokens, None if isinstance(prompt, str) else len(prompt))

    def predict(self, prompt: Prompt, most: int) -> Sequence[Likely]:
        """What the server says comes next; see `probes`."""
        return probes.predict(self._endpoint, self._requests.body(prompt, 1), most)

    def infer(self, feeds: Feeds) -> Outputs:
        """Raises UnsupportedError: an endpoint takes prompts."""
        raise UnsupportedError(
            here(
                "an endpoint answers prompts; it takes no tensors",
                "엔드포인트는 프롬프트만 받으며 텐서는 받지 않습니다",
            )
        )

    def placement(self) -> Placement:
        """What is claimed: nothing here has seen where the server runs."""
        where = self._endpoint
        return Placement(
            requested="endpoint",
            device_type="endpoint",
            sources=("claimed",),
            devices=(Device(id=where.address.url, type="endpoint", name=where.model, detail=self._detail),),
        )

    def close(self) -> None:
        self._client.close()
        # What was dropped tells its protocol so in the next turn of the loop.
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


def counted(reply: Reply, asked: int, prompt_tokens: int | None) -> Answer:
    """The answer that a complete reply is. `prompt_tokens`: how many the prompt has, where that is known.

    Raises RequestError for a count that is missing or cannot be right, and for an answer that ended early.
    """
    usage = reply.usage
    if usage is None or usage.completion_tokens is None or usage.prompt_tokens is None:
        raise RequestError("the stream ended without usage, which was asked for (stream_options)", statuses.NO_USAGE)
    made, fed = usage.completion_tokens, usage.prompt_tokens
    if not reply.events:
        raise RequestError(f"no event had text; usage counts {made} tokens", statuses.EMPTY)
    if made > asked or made < reply.events:
        raise RequestError(
            f"usage counts {made} tokens; {asked} were asked for and {reply.events} events had text",
            statuses.WRONG_USAGE,
        )
    if prompt_tokens is not None and fed not in (prompt_tokens, prompt_tokens + 1):
        raise RequestError(f"usage counts {fed} tokens of a prompt of {prompt_tokens} ids", statuses.WRONG_USAGE)
    if made < asked and reply.finish == "length":
        raise RequestError(
            f"usage counts {made} tokens, and the answer ended at its length, {asked}", statuses.WRONG_USAGE
        )
    if made < asked * (1 - LENGTH):
        raise RequestError(
            f"the answer ended ({reply.finish}) after {made} of {asked} tokens: the server does not take ignore_eos",
            statuses.SHORT,
        )
    return Answer(tokens=made, prompt_tokens=fed, cached_tokens=usage.cached_tokens, completed_ns=reply.completed_ns)


def _unnoted(now: int) -> None:
    """For requests that are not timed."""


class LlmHttpAdapter:
    """Speaks to one server; opens nothing before it is asked to."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._versions: dict[str, str] = {}

    def probe(self) -> Availability:
        return Availability(available=False, reason="the card has no [options]: url and model are missing")

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        """Whether a server there takes what it will be asked. What it says of itself becomes the device's claims."""
        try:
            where = endpoint(options)
            refuse_proxy(where)
            found = claims.look(where, str(options.get("api_key_env", "")))
            if not found.ready:
                reason = f"{where.address.url}: {found.reason}"
                return Availability(available=False, reason=reason, fix=found.fix)
            said = claims.read(where)
        except (CardError, AbsentBackendError, RequestError) as error:
            return Availability(available=False, reason=str(error), fix=getattr(error, "hint", None) or "")
        self._versions = said.versions
        detail = {**said.detail, **where.claims}
        device = Device(id=where.address.url, type="endpoint", name=where.model, detail=detail)
        return Availability(available=True, devices=(device,), versions=dict(self._versions))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> LlmHttpSession:
        """A client. The artefact is what the server is claimed to serve; it is not read."""
        where = endpoint(options)
        refuse_proxy(where)
        said = claims.read(where)
        self._versions = said.versions
        return LlmHttpSession(where, {**said.detail, **where.claims})

    def describe(self) -> Mapping[str, str]:
        return dict(self._versions)


def refuse_proxy(where: Endpoint) -> None:
    """Raises AbsentBackendError where the environment puts a proxy in front of the server: it is in every time then."""
    variable = proxy_of(where.address)
    if variable is not None:
        host = where.address.host
        raise AbsentBackendError(
            here(
                f"{where.address.url}: the environment ({variable}) puts a proxy in front of it, whose buffers would "
                "be in every time",
                f"{where.address.url}: 환경 변수({variable})의 프록시를 거치면 모든 시간에 프록시의 버퍼가 섞입니다",
            ),
            hint=f"export NO_PROXY={host}",
        )
