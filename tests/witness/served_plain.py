"""The least that asks a server for tokens: `python served_plain.py PORT MODEL RATE`, until it is ended.

As `served_client`, request for request and line for line, with the standard library alone: a thread and a connection
per request, opened and with the request's bytes made before the clock starts, and a chunk timed before anything looks
into it. Where a client with a validated object for every chunk tells other times, this one tells whether they are the
server's or that client's.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time

PROMPT, NEW, VOCABULARY = 128, 32, 8192


def one(connection: http.client.HTTPConnection, body: bytes) -> tuple[float, float, float, int, float]:
    """(sent, time to first token, time per output token, tokens, ended) of a request, in seconds."""
    started = time.perf_counter()
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    seen: list[tuple[float, bytes]] = []
    while line := response.readline():
        seen.append((time.perf_counter(), line))
    ended = time.perf_counter()
    assert response.status == 200, response.status
    times, tokens = [], 0
    for at, line in seen:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[len(b"data: ") :])
        if any(choice["text"] for choice in chunk["choices"]):
            times.append(at)
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    assert tokens == NEW, tokens
    return started, times[0] - started, (times[-1] - times[0]) / (tokens - 1), tokens, ended


def ask(port: int, model: str, draw: random.Random) -> None:
    prompt = " ".join(f"t{draw.randrange(VOCABULARY)}" for _ in range(PROMPT))
    asked = {"model": model, "prompt": prompt, "max_tokens": NEW, "temperature": 0, "stream": True}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    found = one(connection, json.dumps(asked).encode())
    connection.close()
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main(port: int, model: str, rate: float) -> None:
    draw = random.Random(time.time_ns())
    while True:
        if not rate:
            ask(port, model, draw)
            continue
        time.sleep(draw.expovariate(rate))
        threading.Thread(target=ask, args=(port, model, random.Random(draw.random()))).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
