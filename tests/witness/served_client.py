"""The official OpenAI client as a load generator: `python served_client.py PORT MODEL RATE`, until it is ended.

Asks for 32 tokens after 128 visible words, no prompt twice: RATE times a second, by chance (Poisson), or with a RATE
of 0 one request after the other. Each request is a line of JSON: when it was sent (CLOCK_MONOTONIC, s), time to first
token, time per output token, tokens, and when it ended. Times are those at which the client hands out its chunks.
Needs the package openai; nothing of npubench.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from openai import AsyncOpenAI

PROMPT, NEW, VOCABULARY = 128, 32, 8192


async def one(client: AsyncOpenAI, model: str, draw: random.Random) -> tuple[float, float, float, int, float]:
    """(sent, time to first token, time per output token, tokens, ended) of a request, in seconds."""
    prompt = " ".join(f"t{draw.randrange(VOCABULARY)}" for _ in range(PROMPT))
    started = time.perf_counter()
    first, ended, tokens = None, started, 0
    stream = await client.completions.create(model=model, prompt=prompt, max_tokens=NEW, temperature=0, stream=True)
    last = started
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].text:
            last = time.perf_counter()
            first = first or last
        if chunk.usage is not None:
            tokens = chunk.usage.completion_tokens
    ended = time.perf_counter()
    assert first is not None
    assert tokens == NEW, tokens
    return started, first - started, (last - first) / (tokens - 1), tokens, ended


async def main(port: int, model: str, rate: float) -> None:
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    draw = random.Random(time.time_ns())

    async def ask() -> None:
        asked = await one(client, model, draw)
        sys.stdout.write(json.dumps(asked) + "\n")
        sys.stdout.flush()

    under_way = set()
    while True:
        if not rate:
            await ask()
            continue
        await asyncio.sleep(draw.expovariate(rate))
        under_way.add(task := asyncio.create_task(ask()))
        task.add_done_callback(under_way.discard)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
