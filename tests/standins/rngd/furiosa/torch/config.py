"""`furiosa.torch.config`: the compiler's configuration and the CPU fallback, which is on until somebody says no."""

import os

_faults = os.environ.get("NPUBENCH_STANDIN_RNGD", "").split()
_fallback = True


class CompilerConfig:
    """Takes nothing here: its arguments are not known."""


def set_cpu_fallback(enabled):
    global _fallback
    if "fallback-on" not in _faults:
        _fallback = bool(enabled)


if "fallback-unknown" not in _faults:

    def get_cpu_fallback():
        return _fallback
