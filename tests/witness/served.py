"""A real server, measured by npubench and by somebody else's client at the same time.

    python -m tests.witness.served --python /path/to/venv/bin/python             in a venv with transformers[serving]
    python -m tests.witness.served --python … --rounds 3 --seconds 30 --rate 0 1.5

Starts `transformers serve` with continuous batching on llm-chat-8m's weights (visible words). Then, `--rounds` times
and for each of `--rate`: `npubench run`, and beside it another client: the official one of OpenAI (`served_client`),
then the least that can ask (`served_plain`). Rate 0 is one request after the other; else each client's requests
arrive by chance, so many a second, however many are under way. Both load the same server in the same moments, so that
what disturbs one disturbs the other; of the other client those requests count that it sent within npubench's timed
window. Prints the medians of time to first token and time per output token, and tokens per second, side by side.

Why by chance: users who ask as soon as they are answered fall into step. They end in one batch and ask in one moment,
and a server that takes first who comes first answers the quicker client first, request for request. (Seen, four users
each: time to first token 99 ms for npubench and 180 ms for either other client, at equal tokens per second.)

Not aware of: other work on this machine, which both clients see alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from npubench import readiness, store
from npubench.build.hf_export import export
from npubench.discovery import catalogue
from npubench.engine.serving import ask
from npubench.stats.runs import assembled

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
MODEL = "llm-chat-8m"
CARD = """\
schema = "npubench.backend/1"
id = "witnessed"
title = {{ en = "A real server", ko = "실제 서버" }}
summary = {{ en = "transformers serve.", ko = "transformers serve." }}
adapter = "llm_http"
device = {{ type = "endpoint" }}
precisions = ["fp32"]
install = {{ en = "none", ko = "없음" }}
verified = {{ how = "hardware" }}

[options]
url = "http://127.0.0.1:{port}"
model = "{model}"
prompt = "words"
serves = "llm-chat-8m"

[options.extra]
ignore_eos = "omit"
min_tokens = "omit"
"""
CLIENTS = {"openai": "served_client.py", "plain": "served_plain.py"}
KEYS = ("ttft_ms", "tpot_ms", "tokens_per_s")


@contextmanager
def served(python: str, folder: Path, port: int) -> Iterator[Path]:
    """The server on the model's weights; its folder, by which it calls the model."""
    found = catalogue().models[MODEL]
    model = folder / MODEL
    if not model.exists():
        export(found.card, found.path.parent, None, model, lambda text: None, words=True)
    (folder / "hub").mkdir(exist_ok=True)
    command = [
        str(Path(python).parent / "transformers"),
        "serve",
        str(model),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--device", "cpu", "--continuous-batching", "--cb-num-blocks", "256", "--cb-max-batch-tokens", "512"]
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)}
    for name in ("PYTHONPATH", "PYTHONHOME"):
        variables.pop(name, None)
    with (folder / "server.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        try:
            waited = readiness.wait(lambda path, body: ask(port, path, body), "", 300, lambda: None)
            assert waited.answer.ready, waited.answer.reason
            yield model
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def theirs(client: str, python: str, port: int, model: Path, rate: float, log: Path) -> Iterator[None]:
    """Somebody else's client at work; its requests go to `log`."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, str(HERE / CLIENTS[client]), str(port), str(model), str(rate)], stdout=out, env=variables
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def ours(folder: Path, rate: float, seconds: float) -> Path:
    """npubench at work: the folder of a run with the one scenario."""
    scenario = f"server:rate={rate:g}" if rate else "single-stream"
    command = [
        sys.executable,
        "-m",
        "npubench",
        "run",
        "--cards",
        str(folder / "cards"),
        "-b",
        "witnessed",
        "-m",
        MODEL,
    ]
    command += ["-p", "fp32", "-s", scenario, "--profile", "smoke", "--launches", "1"]
    command += ["--budget", f"{seconds / 0.75:g}s", "--out", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in (0, 4), done.stderr
    return Path(done.stdout.strip().splitlines()[-1])


def compared(path: Path, log: Path) -> tuple[dict[str, float], dict[str, float]]:
    """(npubench's figures, the other client's of the requests that it sent within the same window)."""
    run = assembled(store.RunFolder(path))
    summary = run.cells[0].summary
    (launch,) = store.RunFolder(path).launches()
    assert launch.window is not None
    start, end = launch.window.start_ns / 1e9, launch.window.end_ns / 1e9
    found = [json.loads(line) for line in log.read_text().splitlines()]
    inside = [one for one in found if start <= one[0] < end]
    done = [one for one in found if start <= one[4] < end]

    def median(name: str) -> float:
        value = summary[name].median if name in summary else None
        return float("nan") if value is None else value

    mine = {"ttft_ms": median("ttft_p50_ns") / 1e6, "tpot_ms": median("tpot_p50_ns") / 1e6}
    mine |= {"tokens_per_s": median("tokens_per_s"), "requests": median("sample_count")}
    other = {"ttft_ms": 1e3 * statistics.median(one[1] for one in inside)}
    other |= {"tpot_ms": 1e3 * statistics.median(one[2] for one in inside)}
    other |= {"tokens_per_s": sum(one[3] for one in done) / (end - start), "requests": len(inside)}
    return mine, other


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="of a venv with transformers[serving]")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, nargs="+", default=[0, 1.5], help="requests a second of each client")
    parser.add_argument("--client", nargs="+", choices=sorted(CLIENTS), default=sorted(CLIENTS))
    parser.add_argument("--port", type=int, default=18111)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args(arguments)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="served-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    with served(asked.python, folder, asked.port) as model:
        cards = folder / "cards" / "backends"
        cards.mkdir(parents=True, exist_ok=True)
        (cards / "witnessed.toml").write_text(CARD.format(port=asked.port, model=model), encoding="utf-8")
        for round_, rate, client in itertools.product(range(asked.rounds), asked.rate, asked.client):
            log = folder / f"{client}-{round_}-{rate:g}.jsonl"
            with theirs(client, asked.python, asked.port, model, rate, log):
                path = ours(folder, rate, asked.seconds)
            for who, figures in zip(("npubench", client), compared(path, log), strict=True):
                shown = " | ".join(f"{figures[key]:.1f}" for key in KEYS)
                asked_for = f"{rate:g}/s each" if rate else "one at a time"
                rows.append(f"| {round_ + 1} | {asked_for} | {who} | {shown} | {figures['requests']:.0f} |")
            sys.stdout.write(f"{path}\n")
    head = "| round | requests | client | TTFT p50, ms | TPOT p50, ms | tokens/s | counted |"
    sys.stdout.write("\n".join([head, "|---" * 7 + "|", *rows]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
