"""One client against the stand-in server at a known rate: `python known_rate.py CLIENT URL STREAMS SECONDS TOKENS`.

CLIENT is `npubench`, the path that is measured with, or `httpx`, the least that can be done with that library: an
AsyncClient whose `aiter_raw` is read by the same reader of events. Prints one line of JSON: medians of TTFT and TPOT
in ms, tokens per second, processor time of this process as a share of one core, how late issues were. A process of its
own, so that its processor time is the client's and it can be kept to one core (`--cpu N`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npubench.adapters.llm_http.adapter import LlmHttpAdapter
from npubench.adapters.llm_http.options import endpoint
from npubench.adapters.llm_http.requests import Requests
from npubench.adapters.llm_http.sse import Reply
from npubench.engine.streaming import conversing
from npubench.engine.table import SampleTable
from npubench.spi import Artifact, ServerTally
from npubench.stats.percentiles import percentile
from npubench.stats.samples import Samples
from npubench.stats.tokens import token_times

PROMPT = list(range(1, 65))


class Ours:
    """The session of the adapter, as a Bound."""

    def __init__(self, url: str, tokens: int) -> None:
        self.session = LlmHttpAdapter().open(Artifact(role="decoder", path="", sha256=""), options(url))
        self.loop, self.connect, self.tokens = self.session.loop, self.session.connect, tokens

    async def ask(self, index: int, note: Callable[[int], None]) -> tuple[int, int]:
        answer = await self.session.answer(PROMPT, self.tokens, note)
        return answer.tokens, answer.completed_ns

    def tally(self) -> ServerTally | None:
        return None

    def close(self) -> None:
        self.session.close()


class Httpx:
    """The same with httpx: a stream per request, read as it comes, on as many connections as there are streams."""

    def __init__(self, url: str, tokens: int) -> None:
        import httpx

        self.loop = asyncio.new_event_loop()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False)
        self.requests, self.tokens = Requests(endpoint(options(url))), tokens

    async def connect(self, count: int) -> None:
        await asyncio.gather(*(self.client.get("/health") for _ in range(count)))

    async def ask(self, index: int, note: Callable[[int], None]) -> tuple[int, int]:
        reply = Reply(note)
        reply.feed(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 0)
        async with self.client.stream("POST", self.requests.path, json=self.requests.body(PROMPT, self.tokens)) as told:
            async for piece in told.aiter_raw():
                now = time.perf_counter_ns()
                reply.feed(piece, now)
        assert reply.usage is not None
        assert reply.usage.completion_tokens is not None
        return reply.usage.completion_tokens, now

    def tally(self) -> ServerTally | None:
        return None

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.close()


def options(url: str) -> dict[str, Any]:
    return {"url": url, "model": "stand-in", "prompt": "ids"}


def measured(client: str, url: str, streams: int, seconds: float, tokens: int, stagger_s: float) -> dict[str, float]:
    bound = Ours(url, tokens) if client == "npubench" else Httpx(url, tokens)
    rows = round(streams * (seconds * 100 + 10))
    with tempfile.TemporaryDirectory() as folder:
        table = SampleTable(Path(folder), rows, 4_000_000)
        gc.collect()
        window_ns = round(seconds * 1e9)
        before = resource.getrusage(resource.RUSAGE_SELF)
        driven = conversing(
            bound, table, 0, users=streams, window_ns=window_ns, least=1, last_ns=window_ns,
            stagger_ns=round(stagger_s * 1e9),
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_SELF)
        samples = Samples(*table.between(0, driven.next_row))
        bound.close()
    good = samples.column("status") == 0
    times = token_times(samples)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lasted_s = (driven.end_ns - driven.start_ns) / 1e9
    # While every stream was running: after the last user's first request, and before the window's end.
    inside = (samples.tokens[:, 1] > driven.start_ns + stagger_s * 1e9) & (
        samples.tokens[:, 1] < driven.start_ns + window_ns
    )
    return {
        "requests": int(good.sum()),
        "failed": int((~good).sum()),
        "ttft_p50_ms": statistics.median(times.ttft_ns[good]) / 1e6,
        "tpot_p50_ms": statistics.median(times.tpot_ns[good]) / 1e6,
        "tpot_p99_ms": percentile(np.sort(times.tpot_ns[good]), 99) / 1e6,
        "tokens_per_s": int(inside.sum()) / max(1e-9, seconds - stagger_s),
        "cores": spent_s / lasted_s,
        "lag_p50_us": float(np.median(samples.waiting_ns)) / 1e3,
        "lag_p99_us": float(np.quantile(samples.waiting_ns, 0.99)) / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=("npubench", "httpx"))
    parser.add_argument("url")
    parser.add_argument("streams", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("tokens", type=int)
    parser.add_argument("--stagger", type=float, default=1.0)
    parser.add_argument("--cpu", type=int)
    asked = parser.parse_args()
    if asked.cpu is not None:
        os.sched_setaffinity(0, {asked.cpu})
    found = measured(asked.client, asked.url, asked.streams, asked.seconds, asked.tokens, asked.stagger)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
