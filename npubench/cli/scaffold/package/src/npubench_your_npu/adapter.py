"""your-npu for npubench: speaks to its SDK. Whatever is marked FILL IN is yours.

Until READY is True `probe` says that this is a skeleton, so that nothing is ever measured with it. npubench runs this
module in the Python of your backend (3.10 or newer): import the standard library, numpy, `npubench.spi` and your SDK,
nothing else of npubench, and the SDK only inside functions, because it may raise on import where there is no device.

`npubench_your_npu/capabilities.py` has what else npubench can use: compiling ahead, profiles, several in flight.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from npubench.spi import Artifact, Availability, Feeds, Outputs, Placement, TensorSpec

# FILL IN: the module that your SDK is imported as.
SDK = "your_npu_sdk"

# FILL IN: True as soon as `open` returns a session that works.
READY = False


class Session:
    """A loaded model. npubench opens it, asks `infer` many times from one thread, and closes it."""

    inputs: Sequence[TensorSpec]
    """What the model takes: name, dtype (numpy's word), shape. Symbolic dimensions are their names. Where your compiler
    fused a pre-processing step, say so (`fused`) and the workload leaves it out."""
    outputs: Sequence[TensorSpec]
    """What it returns. An output that does not have the declared shape and type makes the launch invalid."""
    options: Mapping[str, Any]
    """The options in effect, defaults included: they are kept in the result."""

    def __init__(self, artifact: Artifact, options: Mapping[str, Any]) -> None:
        """Loads `artifact.path`. `options` is the card's `[options]`: raise ValueError for a key that you do not know.

        Raise UnsupportedError (npubench.spi) for a model that the device does not take: a result, not a failure.
        """
        raise NotImplementedError("FILL IN: load artifact.path; set inputs, outputs and options")

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the model once; returns when the outputs are on the host, as numpy arrays by name.

        Raise RequestError (npubench.spi) when only this request failed and the next may work; anything else ends the
        launch. Synchronise inside: a time that is taken before the device has finished is not a latency.
        """
        raise NotImplementedError("FILL IN: copy in, run, copy out")

    def placement(self) -> Placement:
        """Where the graph runs, from your compiler's or runtime's own report. Without it the result is `unknown`.

        `requested`: your provider's name; `providers`: nodes by provider, the host's too; `fallback_ops`: what did not
        land on the device, by operator. `device_type`: "npu", or "virtual" for a device that is not silicon, which is
        then never ranked. None means that you do not know; never guess, and never leave out what the host runs.
        """
        raise NotImplementedError("FILL IN: what ran where")

    def close(self) -> None:
        """Frees the model and its device memory. A model is opened and closed many times in one process."""
        raise NotImplementedError("FILL IN: unload")


class Adapter:
    """Made from the backend card: `provider`, and `device` (type, vendor, count, index, match) as a mapping."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider
        self._device = dict(device or {})

    def probe(self) -> Availability:
        """Is the device here? Never raises. Where it is not: why, and the command that would make it ready (`fix`)."""
        try:
            sdk = importlib.import_module(SDK)
        except Exception as error:  # some SDKs raise RuntimeError where a driver is missing
            return Availability(available=False, reason=f"{SDK} cannot be imported: {error}")
        if not READY:
            return Availability(available=False, reason=f"a skeleton: fill in {__name__} and set READY")
        # FILL IN: devices=(Device(id=serial, type="npu", vendor=…, name=…), …), and not available when there is none.
        return Availability(available=True, versions=_versions(sdk))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Session:
        """A session on a model file, whose SHA-256 npubench has checked. Compile here what is not compiled ahead."""
        return Session(artifact, options)

    def describe(self) -> Mapping[str, str]:
        """Versions of SDK, driver and firmware: shown beside every result. Called after a session was opened."""
        return _versions(importlib.import_module(SDK))


def _versions(sdk: Any) -> dict[str, str]:
    # FILL IN: driver and firmware too.
    return {SDK: str(getattr(sdk, "__version__", "unknown"))}
