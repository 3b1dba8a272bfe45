"""A command in a real pseudo-terminal, and what somebody would see on its screen.

The screen knows what `rich` uses: line feeds, carriage returns, moving up, erasing lines, hiding the cursor, colours.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len

_CONTROL = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b.|[\r\n\a]")
# Of a terminal's attributes those below are weights and lines.
_FIRST_COLOUR = 30
_BROKEN_OFF = re.compile(r"\x1b(\[[\d;?]*)?$")


class Screen:
    """What stands in a terminal of endless height. `widest`: the most columns that a line ever took."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = 0
        self.cursor_shown = True
        self.widest = 0
        self.colours = 0

    def feed(self, text: str) -> None:
        at = 0
        for found in _CONTROL.finditer(text):
            self._put(text[at : found.start()])
            at = found.end()
            self._obey(found)
        self._put(text[at:])

    def _put(self, text: str) -> None:
        # Everything that is drawn here is drawn from the first column on, over an erased line.
        self.lines[self.row] += text
        self.widest = max(self.widest, cell_len(self.lines[self.row]))

    def _obey(self, found: re.Match[str]) -> None:
        if found.group() == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        elif found[2] == "A":
            self.row = max(0, self.row - int(found[1] or 1))
        elif found[2] == "K":
            self.lines[self.row] = ""
        elif found[2] in ("h", "l") and found[1] == "?25":
            self.cursor_shown = found[2] == "h"
        elif found[2] == "m":
            self.colours += any(code.isdigit() and int(code) >= _FIRST_COLOUR for code in found[1].split(";"))

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


class Seen:
    """How a command went: the screen as it was left, every screen on the way, the exit code, whether it echoes."""

    def __init__(self, screen: Screen, frames: Sequence[str], code: int, sane: bool) -> None:
        self.screen, self.frames, self.code, self.sane = screen, frames, code, sane


def watched(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    rows: int = 24,
    act: Callable[[int, str], bool] = lambda pid, screen: True,
    patience_s: float = 60.0,
) -> Seen:
    """Runs `command` in a terminal of that size. `act` gets its process id and the screen until it returns True."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(child)
    pid = os.fork()
    if pid == 0:
        os.login_tty(child) if hasattr(os, "login_tty") else _login(child)
        os.execvpe(command[0], list(command), {**os.environ, **environment})
    screen, acted = Screen(), False
    frames: list[str] = []
    decoder, pending = codecs.getincrementaldecoder("utf-8")("replace"), ""
    end = time.monotonic() + patience_s
    try:
        while time.monotonic() < end:
            gone = os.waitpid(pid, os.WNOHANG) if not select.select([parent], [], [], 0.1)[0] else (0, 0)
            if gone[0]:
                return Seen(screen, frames, os.waitstatus_to_exitcode(gone[1]), termios.tcgetattr(child) == before)
            if not select.select([parent], [], [], 0)[0]:
                continue
            pending += decoder.decode(os.read(parent, 1 << 16))
            broken_off = _BROKEN_OFF.search(pending)
            whole = pending[: broken_off.start()] if broken_off else pending
            pending = pending[len(whole) :]
            screen.feed(whole)
            frames.append(screen.text)
            acted = acted or act(pid, screen.text)
        raise AssertionError(f"still running after {patience_s:g} s:\n{screen.text}")
    finally:
        _ended(pid)
        os.close(parent)
        os.close(child)


def _login(child: int) -> None:
    os.setsid()
    fcntl.ioctl(child, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(child, descriptor)


def _ended(pid: int) -> None:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def interrupt(pid: int) -> None:
    """Ctrl-C, as the terminal sends it: to the process group in the foreground."""
    os.killpg(os.getpgid(pid), signal.SIGINT)
