"""A real server, measured by npubench and by somebody else's client, in turns, in one session.

    python -m tests.witness.served --python /path/to/venv/bin/python             in a venv with transformers[serving]
    python -m tests.witness.served --python … --rounds 3 --seconds 30 --users 4

Starts `transformers serve` with continuous batching on llm-chat-8m's weights (visible words), then, `--rounds` times:
the official OpenAI client (`served_client`), one request at a time and as `--users` users; then `npubench run` against
the same server. Prints the medians of time to first token, time per output token, and tokens per second side by side.

Not aware of: other work on this machine, which both clients see.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
            waited = readiness.wait(lambda path, body: ask(port, path, body, {}), "", 300, lambda: None)
            assert waited.answer.ready, waited.answer.reason
            yield model
        finally:
            process.terminate()
            process.wait(30)


def theirs(python: str, port: int, model: Path, users: int, seconds: float) -> dict[str, float]:
    """What the official client measures."""
    arguments = [str(port), str(model), str(users), str(seconds)]
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [python, str(HERE / "served_client.py"), *arguments], capture_output=True, text=True, check=True, env=variables
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def ours(folder: Path, users: int, seconds: float) -> dict[str, float]:
    """What npubench measures: a run with the one scenario."""
    scenario = "single-stream" if users == 1 else f"users:users={users}"
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
    path = Path(done.stdout.strip().splitlines()[-1])
    summary = assembled(store.RunFolder(path)).cells[0].summary

    def median(name: str) -> float:
        value = summary[name].median if name in summary else None
        return float("nan") if value is None else value

    return {
        "ttft_ms": median("ttft_p50_ns") / 1e6,
        "tpot_ms": median("tpot_p50_ns") / 1e6,
        "tokens_per_s": median("tokens_per_s"),
        "path": str(path),  # type: ignore[dict-item]
    }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="of a venv with transformers[serving]")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--port", type=int, default=18111)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args(arguments)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="served-"))
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    with served(asked.python, folder, asked.port) as model:
        cards = folder / "cards" / "backends"
        cards.mkdir(parents=True, exist_ok=True)
        (cards / "witnessed.toml").write_text(CARD.format(port=asked.port, model=model), encoding="utf-8")
        theirs(asked.python, asked.port, model, 1, 2)  # both meet a warm server
        for _ in range(asked.rounds):
            for users in (1, asked.users):
                found.setdefault(("openai", users), []).append(
                    theirs(asked.python, asked.port, model, users, asked.seconds)
                )
                found.setdefault(("npubench", users), []).append(ours(folder, users, asked.seconds))
    sys.stdout.write(
        "| users | client | TTFT p50, ms | TPOT p50, ms | tokens/s | rounds |\n|---|---|---|---|---|---|\n"
    )
    for (who, users), rounds in sorted(found.items(), key=lambda item: item[0][1]):
        shown = " | ".join(
            f"{statistics.median(one[key] for one in rounds):.1f} ({', '.join(f'{one[key]:.1f}' for one in rounds)})"
            for key in KEYS
        )
        sys.stdout.write(f"| {users} | {who} | {shown} | {len(rounds)} |\n")
    for rounds in found.values():
        for one in rounds:
            if "path" in one:
                sys.stdout.write(f"{one['path']}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
