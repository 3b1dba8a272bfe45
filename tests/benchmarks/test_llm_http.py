"""The client of endpoints against a server of known rate, on one core, beside the least that httpx can do.

Goals (stated, not asserted): 256 streams at 5 000 tokens/s together take half a core or less, and the medians of TTFT
and TPOT are within 2 % of what the server wrote. Server and client are processes of their own, on a core each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from npubench.adapters.llm_http.sse import Reply
from tests.standins.openai_process import standin

SCRIPT = Path(__file__).with_name("known_rate.py")
TTFT_MS = 200.0
SECONDS, STAGGER = 20.0, 2.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = (
    b'data: {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, '
    b'"text": " t1234", "logprobs": null, "finish_reason": null}]}\n\n'
)


def measured_only(benchmark: Any) -> None:
    """Skips where nothing is measured: what is tested here besides is tested elsewhere."""
    if benchmark.disabled:
        pytest.skip("part of make benchmarks only")


def test_an_event_is_read(benchmark: Any) -> None:
    """µs per event of one token, as servers send them."""
    reply = Reply(lambda _: None)
    reply.feed(HEAD, 0)
    chunk = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
    benchmark(reply.feed, chunk, 1)


def row(client: str, streams: int, tokens_per_s: float) -> dict[str, float]:
    """One client's figures, and how far its medians are from what the server wrote."""
    tpot_ms = streams / tokens_per_s * 1e3
    with standin("--lifetime", "120", ttft_ms=TTFT_MS, tpot_ms=tpot_ms) as server:
        command = [sys.executable, str(SCRIPT), client, server.url, str(streams), str(SECONDS), "128"]
        done = subprocess.run(
            [*command, "--stagger", str(STAGGER), "--cpu", "1"], capture_output=True, text=True, check=True
        )
        log = server.log()
    found: dict[str, float] = json.loads(done.stdout)
    written = [one["times_ns"] for one in log["requests"] if len(one.get("times_ns", ())) == 128]
    found["tpot_off"] = found["tpot_p50_ms"] / median((one[-1] - one[0]) / 127e6 for one in written) - 1
    begun = [one["times_ns"][0] - one["at_ns"] for one in log["requests"] if one.get("times_ns")]
    found["ttft_off"] = found["ttft_p50_ms"] / (median(begun) / 1e6) - 1
    found["known_off"] = found["tpot_p50_ms"] / tpot_ms - 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("streams", "tokens_per_s"), [(16, 300), (64, 1250), (256, 5000)])
def test_known_rates(benchmark: Any, streams: int, tokens_per_s: float) -> None:
    measured_only(benchmark)
    rows: dict[str, dict[str, float]] = {}

    def each() -> None:
        for client in ("npubench", "httpx"):
            rows[client] = row(client, streams, tokens_per_s)

    benchmark.pedantic(each, rounds=1)
    for client, found in rows.items():
        print(  # noqa: T201
            f"\n{client:9} {streams:4} streams: {found['tokens_per_s']:6.0f} tokens/s, {found['cores']:.2f} cores, "
            f"TTFT {found['ttft_p50_ms']:.1f} ms ({found['ttft_off']:+.1%}), "
            f"TPOT {found['tpot_p50_ms']:.3f} ms ({found['tpot_off']:+.2%} of what was written, "
            f"{found['known_off']:+.2%} of what is known), issue lag p50 {found['lag_p50_us']:.0f} µs, "
            f"p99 {found['lag_p99_us']:.0f} µs",
            end="",
        )
    benchmark.extra_info.update({f"{client}.{name}": value for client in rows for name, value in rows[client].items()})
