"""The official OpenAI client as a load generator: `python served_client.py PORT MODEL USERS SECONDS` prints JSON.

Each of USERS asks for 32 tokens after 128 visible words, no prompt twice, one request after the other, for SECONDS.
Times are those at which the client hands out its chunks. Needs the package openai; nothing of npubench.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time

from openai import AsyncOpenAI

PROMPT, NEW, VOCABULARY = 128, 32, 8192


async def one(client: AsyncOpenAI, model: str, draw: random.Random) -> tuple[float, float, int, float]:
    """(time to first token, time per output token, tokens, when it ended) of a request, in seconds."""
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
    return first - started, (last - first) / (tokens - 1), tokens, ended


async def main(port: int, model: str, users: int, seconds: float) -> dict[str, float]:
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    started = time.perf_counter()

    async def user(number: int) -> list[tuple[float, float, int, float]]:
        draw, done = random.Random(f"{number} {time.time_ns()}"), []
        while time.perf_counter() - started < seconds:
            done.append(await one(client, model, draw))
        return done

    found = [item for done in await asyncio.gather(*(user(number) for number in range(users))) for item in done]
    lasted = max(item[3] for item in found) - started
    return {
        "ttft_ms": 1e3 * statistics.median(item[0] for item in found),
        "tpot_ms": 1e3 * statistics.median(item[1] for item in found),
        "tokens_per_s": sum(item[2] for item in found) / lasted,
        "requests": len(found),
    }


if __name__ == "__main__":
    asked = asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    sys.stdout.write(json.dumps(asked))
