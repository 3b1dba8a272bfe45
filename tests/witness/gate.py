"""The gate on a real machine: false alarms of real A/A pairs before and after confirmation, and a real slowdown.

    python -m tests.witness.gate                                    two cells, 5 launches of 6 s a side, 10 pairs
    python -m tests.witness.gate --pairs 1 --launches 4 --window 1  a few minutes

Each pair is two runs, one after the other, as two nights are; what is red is measured again as `npubench compare
--confirm` does. The slowdown is `slower_adapter`: every step takes a share longer, which no identity sees. It is looked
for in a chain of matrices in one thread, which other work on a shared machine disturbs least: as of two nights,
confirmed, and in turns (`npubench ab`). Exits with 1 where an A/A pair is red after confirmation, or the slowdown is
not caught in turns; what two nights could have seen is printed (`smallest change`).

Not aware of: other work on this machine. On a busy one it says what such a machine does to a gate.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from npubench import store
from npubench.cli.confirm import confirmed_now
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import Comparison
from npubench.stats.runs import assembled
from tests.witness.loadgen import matrix_model
from tests.witness.slower_adapter import OPTION, VARIABLE

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
# Not comparable by its profile: less time than that states.
WANTED = Wanted(allow=("profile",))
# plan.py: the share of a launch that is its window.
_WINDOW_SHARE = 0.75
SHARES = (0.0, 0.1, 1.0)
CARD = """\
schema = "npubench.backend/1"
id = "slower"
title = { en = "CPU with work added", ko = "작업을 더한 CPU" }
summary = { en = "For tests.", ko = "시험용." }
adapter = "slower"
provider = "CPUExecutionProvider"
device = { type = "cpu" }
precisions = ["fp32", "fp16", "int8", "s8s8", "a16w8", "int4"]
install = { en = "part of the tests", ko = "시험의 일부" }
verified = { how = "hardware" }

[options]
intra_op_num_threads = %s
inter_op_num_threads = 1
graph_optimization_level = "all"
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How long to look. `cells`: (model, precision), or a file `onnx`; `window_s`: of a launch; `slowdown`: a share."""

    folder: Path
    pairs: int = 10
    launches: int = 5
    window_s: float = 6.0
    slowdown: float = 0.10
    cells: tuple[tuple[str, str], ...] = (("cctv-detect", "fp32"), ("cctv-detect", "int8"))
    onnx: Path | None = None

    def options(self, sides: int = 1) -> list[str]:
        """What `npubench` is called with, so that a window is as long as asked."""
        models = dict.fromkeys(name for name, _ in self.cells)
        precisions = dict.fromkeys(name for _, name in self.cells)
        count = 1 if self.onnx is not None else len(models) * len(precisions)
        budget_s = self.window_s / _WINDOW_SHARE * count * self.launches * sides
        if self.onnx is not None:
            chosen = ["--onnx", str(self.onnx)]
        else:
            chosen = [word for name in models for word in ("-m", name)]
            chosen += [word for name in precisions for word in ("-p", name)]
            chosen += ["--scope", "device"]
        # A short profile: quality is asked for in every run, and it is not what is looked at here.
        return [
            *chosen, "-s", "single-stream", "--profile", "smoke", "--launches", str(self.launches), "--budget",
            f"{budget_s:g}s", "--no-power", "--machine", "gate", "--out", str(self.folder / "results"), "--cards",
            str(self.folder / "cards"),
        ]  # fmt: skip


class Alarms(msgspec.Struct, frozen=True):
    """Pairs and metrics of cells that were red, before measuring again and after."""

    pairs: int
    metrics: int
    red: int
    confirmed: int


def install(folder: Path, threads: int | None = None) -> None:
    """The adapter with its entry point, as a wheel would have been unpacked, on the path of this process and workers;
    and its card.
    """
    site = folder / "site"
    facts = site / "slower-1.0.dist-info"
    facts.mkdir(parents=True, exist_ok=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: slower\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[npubench.adapters]\nslower = slower_adapter:SlowerAdapter\n")
    shutil.copy(HERE / "slower_adapter.py", site)
    card = folder / "cards" / "backends" / "slower.toml"
    card.parent.mkdir(parents=True, exist_ok=True)
    text = CARD % ('"{threads}"' if threads is None else threads)
    card.write_text(text, encoding="utf-8")
    for share in SHARES:
        (folder / f"extra-{share:g}.toml").write_text(text + f"{OPTION} = {share}\n", encoding="utf-8")


@contextmanager
def installed(folder: Path, threads: int | None = None) -> Iterator[None]:
    """`install`, undone on leaving but for the files."""
    install(folder, threads)
    site, before = str(folder / "site"), os.environ.get("PYTHONPATH")
    sys.path.insert(0, site)
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (site, str(ROOT), before) if part)
    try:
        yield
    finally:
        sys.path.remove(site)
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def slowed(share: float) -> Iterator[None]:
    """Everything that starts meanwhile is slower by `share`."""
    os.environ[VARIABLE] = str(share)
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def called(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "npubench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def night(asked: Asked) -> store.RunFolder:
    """One run. Raises RuntimeError where it came to nothing."""
    done = called("run", "-b", "slower", *asked.options())
    if done.returncode:
        raise RuntimeError(f"npubench run ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return store.RunFolder(Path(done.stdout.strip().splitlines()[-1]))


def between(base: store.RunFolder, new: store.RunFolder) -> Comparison:
    return compare(assembled(base), assembled(new), WANTED)


def red(found: Comparison) -> int:
    return sum(item.red for cell in found.cells for item in cell.metrics)


def confirm(found: Comparison, base: store.RunFolder, new: store.RunFolder) -> Comparison:
    return confirmed_now(found, base, new, machine="gate", say=lambda text: None)


def alarms(asked: Asked, say: bool = True) -> Alarms:
    """A/A pairs: nothing differs between the two runs of a pair but their night."""
    metrics = before = after = 0
    for number in range(1, asked.pairs + 1):
        base, new = night(asked), night(asked)
        first = between(base, new)
        second = confirm(first, base, new) if red(first) else first
        metrics += sum(len(cell.metrics) for cell in first.cells)
        before, after = before + red(first), after + red(second)
        if say:
            _print(
                f"A/A {number}/{asked.pairs}: {red(first)} red, {red(second)} after confirmation: {first.sentence.en}"
            )
    return Alarms(asked.pairs, metrics, before, after)


def caught(asked: Asked) -> Comparison:
    """The slowdown as of two nights, measured again where it is red."""
    base = night(asked)
    with slowed(asked.slowdown):
        new = night(asked)
        return confirm(between(base, new), base, new)


def in_turns(asked: Asked, a: str, b: str) -> Comparison:
    """`npubench ab` of two cards of `install`. Raises RuntimeError where it came to nothing."""
    sides = [str(asked.folder / f"extra-{share}.toml") for share in (a, b)]
    done = called("ab", "-b", "slower", "--a", sides[0], "--b", sides[1], "--json", *asked.options(sides=2))
    if done.returncode not in (0, 3):
        raise RuntimeError(f"npubench ab ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return msgspec.json.decode(done.stdout, type=Comparison)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.witness.gate", description="A gate on a real machine.")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--window", type=float, default=6.0, help="seconds of each launch")
    parser.add_argument("--folder", type=Path, help="where results stay (default: a temporary folder)")
    parser.add_argument("--onnx", type=Path, help="what is slowed (default: a chain of matrices)")
    given = parser.parse_args(words)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="npubench-gate-"))
    asked = Asked(folder=folder.absolute(), pairs=given.pairs, launches=given.launches, window_s=given.window)
    with installed(asked.folder):
        found = alarms(asked)
    _print(
        f"A/A: {found.pairs} pairs, {found.metrics} verdicts: {found.red} false alarms, "
        f"{found.confirmed} after confirmation"
    )
    slowed_folder = asked.folder / "slowed"
    slowed_folder.mkdir(exist_ok=True)
    model = given.onnx or Path(matrix_model(slowed_folder / "chain.onnx"))
    asked = msgspec.structs.replace(asked, folder=slowed_folder, onnx=model)
    with installed(asked.folder, 1):
        slow = caught(asked)
        _print(f"+10 % as of two nights, confirmed: {_said(slow)}")
        same, turns = in_turns(asked, "0", "0"), in_turns(asked, "0", "0.1")
        _print(f"A/A in turns: {_said(same)}")
        _print(f"+10 % in turns: {_said(turns)}")
    _print(f"results: {folder}")
    return int(bool(found.confirmed or red(same) or not red(turns)))


def _said(found: Comparison) -> str:
    """The sentence, and of p50 what was seen and what could have been."""
    item = next(item for cell in found.cells for item in cell.metrics if item.metric == "latency_p50_ns")
    seen = [item.change, item.low, item.high, item.minimum_detectable_change]
    change, low, high, least = (f"{share:+.1%}" if share is not None else "unknown" for share in seen)
    return f"{found.sentence.en} [p50 {change}, {low} to {high}; smallest change: {least}]"


if __name__ == "__main__":
    sys.exit(main())
