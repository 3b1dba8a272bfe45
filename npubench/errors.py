"""Every error that npubench raises on purpose, and the exit code that each one carries.

    NpubenchError                         2
     ├─ UsageError                        2   the command line asks for something that makes no sense
     │   ├─ UnknownNameError              2   … a name that does not exist ("did you mean")
     │   └─ UnsupportedError              2   … a combination that this code does not take (a result when measured)
     ├─ CardError                         2   one or more mistakes in cards, all of them at once
     ├─ DataError                         2   frames, pages, prompts or an ONNX file that cannot be used
     ├─ InstallError                      4   a backend's environment, or a bundle's wheels, could not be installed
     ├─ ArtifactError                     4   a graph or weights file that is missing or not what it should be
     ├─ MeasurementError                  4   the measurement is invalid
     │   ├─ AbsentBackendError            4   … a backend asked for by name is not there
     │   └─ DeviceBusyError               4   … another run holds this machine's devices
     ├─ StoreError                        4   results could not be written (disk full, read-only)
     ├─ NotComparableError                5   identity, schema or baseline do not allow a comparison
     │   └─ SchemaTooNewError             5   … the file was written by a newer npubench
     ├─ RegressionError                   3   a confirmed regression
     └─ RunInterruptedError             130   Ctrl-C; what was measured is kept

Not aware of: how errors are shown (`cli`). Exit code 1 is left to uncaught exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable

# When several outcomes meet in one invocation, the first of these wins (DESIGN.md, Exit codes).
EXIT_CODE_ORDER = (2, 5, 4, 3)


class NpubenchError(Exception):
    """Base of all deliberate errors. `hint` says what to do next; it is shown on a line of its own."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(NpubenchError):
    """The command line or a parameter makes no sense."""


class UnknownNameError(UsageError):
    """A backend, model, scenario … of this name does not exist."""


class UnsupportedError(UsageError):
    """A combination (batch, scope, capability) that an adapter or workload does not take. In a run it is a result."""


class CardError(NpubenchError):
    """Mistakes in cards. `mistakes` holds one line each: file, key, what was found, what was expected."""

    def __init__(self, mistakes: Iterable[str], *, hint: str | None = None) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes), hint=hint)


class DataError(NpubenchError):
    """Input data (frames, pages, prompts, a user's ONNX file) cannot be used."""


class InstallError(NpubenchError):
    """pip could not install or fetch what a card requires. `output`: the last lines that it wrote."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str | None = None, output: Iterable[str] = ()) -> None:
        self.output = tuple(output)
        super().__init__(message, hint=hint)


class ArtifactError(NpubenchError):
    """A graph or weights file is missing, truncated or does not have the pinned SHA-256."""

    exit_code = 4


class MeasurementError(NpubenchError):
    """The measurement is invalid: crash, fallback, quality, throttling."""

    exit_code = 4


class AbsentBackendError(MeasurementError):
    """A backend that was asked for by name cannot run here."""


class DeviceBusyError(MeasurementError):
    """Another npubench run holds the devices of this machine."""


class StoreError(NpubenchError):
    """Results could not be written. Nothing that was already written is lost."""

    exit_code = 4


class NotComparableError(NpubenchError):
    """Two results must not be compared."""

    exit_code = 5


class SchemaTooNewError(NotComparableError):
    """A result file was written by a newer npubench than this one."""


class RegressionError(NpubenchError):
    """A confirmed regression."""

    exit_code = 3


class RunInterruptedError(NpubenchError):
    """The user stopped the run; everything measured so far is kept and can be resumed."""

    exit_code = 130


def combine_exit_codes(codes: Iterable[int]) -> int:
    """The exit code of an invocation with several outcomes: 2, 5, 4, 3 in that order, else 0."""
    seen = set(codes)
    for code in EXIT_CODE_ORDER:
        if code in seen:
            return code
    return max(seen, default=0)
