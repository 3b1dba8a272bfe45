"""Turns a Vega-Lite specification into SVG: here, or in a process of its own.

vl-convert takes a second to start its engine and draws under Python's lock, so that a thread gains nothing. A process
that is started before anything is known of a page draws while the page is put together. Guarantees: the same SVG either
way; where there can be no such process, or it fails, the picture is drawn here; it ends with its owner, who waits for
nothing. The process finds modules where its owner does, and never in the current folder.

Not aware of: what is drawn (`charts`), in which order (`drawing`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import msgspec

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CODE = (
    "import sys; given = sys.argv.pop().splitlines(); sys.path[:] = given; "
    "from npubench.report.painter import serve; serve()"
)
_NOTHING = {"data": {"values": [{"x": 1}]}, "mark": "line", "encoding": {"x": {"field": "x", "type": "quantitative"}}}
_here = threading.local()


def convert(spec: dict[str, Any]) -> str:
    """The SVG of a specification, by the painter of this thread where it has one."""
    painter: Painter | None = getattr(_here, "painter", None)
    if painter is not None and (painted := painter.paint(spec)) is not None:
        return painted
    if painter is not None and painter.closed:
        raise RuntimeError("whoever asked for this picture does not want it any more")
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))


class Painter:
    """A process that draws, one picture after the other. Lives from here to `close`."""

    def __init__(self) -> None:
        self.closed = False
        path = [entry for entry in sys.path if entry]
        if _ROOT not in path:
            path.insert(0, _ROOT)
        # What it has to say of a failure is said again by who draws the picture then.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, "\n".join(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def for_this_thread(self) -> None:
        """`convert` asks this painter wherever it is called from the thread that this is called from."""
        _here.painter = self

    def paint(self, spec: dict[str, Any]) -> str | None:
        """Its SVG; None where the process has none to give."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(msgspec.json.encode(spec) + b"\n")
            self._process.stdin.flush()
            return msgspec.json.decode(self._process.stdout.readline(), type=str | None)
        # A process that has gone: a broken pipe, a closed one, or half a line.
        except (OSError, ValueError, msgspec.DecodeError):
            return None

    def close(self) -> None:
        """Ends the process, whatever it is doing: nothing that is still wanted is with it."""
        self.closed = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What was written to it and not read any more.
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()


def painter() -> Painter | None:
    """A painter, where one helps: not on a single processor."""
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if able < 2 or not sys.executable:
        return None
    try:
        return Painter()
    except OSError:
        return None


def serve() -> None:
    """The process: a specification a line on stdin, its SVG as a JSON string on stdout, null where it failed."""
    import vl_convert

    # Ctrl-C is for the owner, whose end closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = sys.stdout.buffer
    # What a library prints belongs beside it, not between the answers.
    sys.stdout = sys.stderr
    vl_convert.vegalite_to_svg(_NOTHING)
    for line in sys.stdin.buffer:
        try:
            painted = vl_convert.vegalite_to_svg(msgspec.json.decode(line))
        # What is wrong with a picture is said by who draws it next, where it was asked for.
        except Exception:
            painted = None
        answers.write(msgspec.json.encode(painted) + b"\n")
        answers.flush()
