"""One compilation by a vendor's compiler, in a process of its own: what all vendors' adapters share.

    answer = run("npubench.adapters.rebellions_compile:compile_model", {"path": …}, folder, limit_s=1500)

The process is one of the worker's children: a compiler that crashes, eats memory or never ends takes nothing with it.
Guarantees: the call returns within `limit_s` and a few seconds, and no process of the compiler's group is left then;
what the compiler printed is in `folder/compile.log`. The called function gets its arguments by name, writes its files
into the folder that it is given, and returns facts (text by name).

Not aware of: which vendor, what is kept (`vendor_cache`).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from npubench.adapters.vendor_sdk import one_line
from npubench.errors import AbsentBackendError, UnsupportedError

LOG = "compile.log"
_JOB, _ANSWER = ".job.json", ".answer.json"
_GRACE_S = 5.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

Outcome = Literal["made", "refused", "crashed", "timed out", "absent", "out of memory"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a compilation. `reason`: the vendor's words, empty where it was made.

    `refused`: the compiler raised; `absent`: the SDK is not here; neither this nor exhausted memory says anything about
    the model.
    """

    outcome: Outcome
    reason: str = ""
    facts: dict[str, str] = {}
    ns: int = 0


def run(code: str, arguments: Mapping[str, Any], folder: Path, limit_s: float) -> Answer:
    """Calls `code` (`module:function`) with `arguments` and `folder` in a new process. Raises OSError."""
    (folder / _JOB).write_bytes(msgspec.json.encode({"code": code, "arguments": dict(arguments)}))
    started = time.perf_counter_ns()
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "npubench.adapters.vendor_compile", str(folder), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return Answer(
                outcome="timed out",
                reason=f"the compiler did not finish within {limit_s:g} s",
                ns=time.perf_counter_ns() - started,
            )
        except BaseException:
            _end(process)
            raise
    # What the compiler started must not go on beside a measurement.
    _signal_group(process.pid, signal.SIGKILL)
    took = time.perf_counter_ns() - started
    try:
        answer = msgspec.json.decode((folder / _ANSWER).read_bytes(), type=Answer)
    except (OSError, msgspec.DecodeError):
        code_ = process.returncode
        how = f"was ended by {signal.Signals(-code_).name}" if code_ < 0 else f"ended with code {code_}"
        outcome: Outcome = "out of memory" if code_ == -signal.SIGKILL else "crashed"
        answer = Answer(outcome=outcome, reason=f"the compiler {how}{_last_words(folder)}")
    for name in (_JOB, _ANSWER):
        (folder / name).unlink(missing_ok=True)
    # The compiler's own time, without the start of Python, where it was told.
    return answer if answer.ns else msgspec.structs.replace(answer, ns=took)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL, to the compiler and what it started."""
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    # Where it had no time to make a group of its own.
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _last_words(folder: Path) -> str:
    """The last line that the compiler wrote."""
    with suppress(OSError):
        lines = [line for line in (folder / LOG).read_text("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            return f"; it says: {one_line(lines[-1])}"
    return ""


def main() -> int:
    """The child: does the job in the folder that argv names, writes the answer there."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    # A group of its own, in the worker's session: a limit ends all of it, and so does the worker's end.
    with suppress(OSError):
        os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    job = json.loads((folder / _JOB).read_bytes())
    module, _, name = job["code"].partition(":")
    started = time.perf_counter_ns()
    try:
        facts = getattr(importlib.import_module(module), name)(**job["arguments"], folder=folder)
        answer = Answer(outcome="made", facts={key: str(value) for key, value in facts.items()})
    except AbsentBackendError as error:
        answer = Answer(outcome="absent", reason=str(error))
    except MemoryError as error:
        answer = Answer(outcome="out of memory", reason=one_line(str(error) or "MemoryError"))
    except UnsupportedError as error:
        answer = Answer(outcome="refused", reason=str(error))
    except BaseException as error:  # a Rust compiler's panic is no Exception
        answer = Answer(outcome="refused", reason=one_line(f"{type(error).__name__}: {error}", 1000))
    answer = msgspec.structs.replace(answer, ns=time.perf_counter_ns() - started)
    staged = folder / f"{_ANSWER}.new"
    staged.write_bytes(msgspec.json.encode(answer))
    staged.replace(folder / _ANSWER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
