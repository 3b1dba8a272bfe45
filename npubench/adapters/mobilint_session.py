"""One `.mxq` file launched on an NPU of Mobilint.

Guarantees: channels first is forced (`infer_chw`), because the runtime else guesses the layout by shape; outputs get
the names, the shapes and the order of axes of the graph that was compiled, or the request fails; a file that would run
in part on the processor is refused. Not verified on hardware. Source: the Python part of `qbruntime` 1.5.0.

Not aware of: how the file was made (`mobilint_compile`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.adapters import vendor_cache
from npubench.adapters.vendor_feeds import ordered
from npubench.adapters.vendor_outputs import matched, told
from npubench.adapters.vendor_sdk import Sdk
from npubench.errors import ArtifactError, UnsupportedError
from npubench.spi import Array, Artifact, Device, Feeds, Outputs, Placement, TensorSpec

_MODES = {"single": "Single", "multi": "Multi", "global4": "Global4", "global8": "Global8"}


def configured(runtime: Any, options: Mapping[str, Any]) -> Any:
    """The model configuration of a card's options. Raises UnsupportedError where the runtime does not take it."""
    config = runtime.ModelConfig()
    mode = str(options.get("core_mode", "single"))
    cores = options.get("cores")
    if mode == "single":
        # Unset, every local core that the device has is used, each for itself.
        taken = config.set_single_core_mode(int(cores)) if cores is not None else config.set_auto_core_mode()
    else:
        taken = getattr(config, f"set_{mode}_core_mode")()
    if not taken:
        raise UnsupportedError(f"qbruntime refuses core_mode {mode!r}{f' with {cores} cores' if cores else ''}")
    # A bundle of its own: nothing of it may run on the processor.
    if not config.force_single_npu_bundle(0):
        raise UnsupportedError("qbruntime refuses to run this without the processor (force_single_npu_bundle)")
    return config


class MobilintSession:
    """A launched model; one request at a time."""

    def __init__(
        self, sdk: Sdk, artifact: Artifact, family: str, number: int, options: Mapping[str, Any], provider: str
    ) -> None:
        runtime, path = sdk.module, artifact.path
        self._sdk, self._provider, self._family, self._number = sdk, provider, family, number
        self._model = runtime.Model(path, configured(runtime, options))
        made_for = [str(name) for name in self._model.get_device_names()]
        accelerator = runtime.Accelerator(family, number)
        self._name = str(accelerator.get_device_name())
        if made_for and not any(self._name.lower().startswith(name.lower()) for name in made_for):
            raise ArtifactError(
                f"{Path(path).name}: compiled for {', '.join(made_for)}, but {family}{number} is {self._name}",
                hint=f"compile it for {family}, or measure it on {made_for[0]}",
            )
        self._model.launch(accelerator)
        mode = str(self._model.get_core_mode().name)
        wanted = _MODES[str(options.get("core_mode", "single"))]
        if mode not in (wanted, "Error"):
            raise ArtifactError(
                f"{Path(path).name}: launched in core mode {mode}, but the card asks for {wanted}",
                hint="compile the file for this core mode: it is part of what is measured",
            )
        cores = [f"{core.cluster.name}.{core.core.name}" for core in self._model.get_target_cores()]
        self.inputs, self.outputs = self._specs(path)
        self.options: dict[str, Any] = {"core_mode": mode, "cores": ", ".join(cores), "device": self._name}

    def _specs(self, path: str) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """From the record of the compilation; else from the file, whose names are then positions."""
        record = vendor_cache.beside(path)
        if record is not None and "inputs" in record.facts:
            return told(record.facts["inputs"]), told(record.facts["outputs"])
        ends = []
        for side, shapes in (
            ("input", self._model.get_model_input_shape()),
            ("output", self._model.get_model_output_shape()),
        ):
            # The runtime's shapes are height, width, channels.
            ends.append(
                tuple(
                    TensorSpec(name=f"{side}{place}", dtype="float32", shape=(1, shape[2], shape[0], shape[1]))
                    for place, shape in enumerate(shapes)
                )
            )
        return ends[0], ends[1]

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the model on host arrays; the outputs are fresh host arrays."""
        return self._run(ordered(self.inputs, feeds))

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """A call that runs the model on what `feeds` hold then."""
        arrays = ordered(self.inputs, feeds)
        return lambda: self._run(arrays)

    def _run(self, arrays: Sequence[Array]) -> Outputs:
        # A batch of one goes without its axis, as in the vendor's examples.
        found = self._model.infer_chw([array[0] if array.shape[0] == 1 else array for array in arrays])
        return matched(self.outputs, found)

    def placement(self) -> Placement:
        """By the runtime's own word: the file has one NPU bundle, which was forced, and these cores run it."""
        device = Device(id=f"{self._family}{self._number}", type="npu", vendor="Mobilint", name=self._name)
        notes = (self._sdk.note("Mobilint"),) if self._sdk.stand_in else ()
        return Placement(
            requested=self._provider,
            registered=(self._provider,),
            selected=(self._provider,),
            # One compiled piece, without the processor: see `configured`.
            providers={self._provider: 1},
            fallback_ops={},
            device_type="cpu" if self._sdk.stand_in else "npu",
            sources=("vendor",),
            devices=(device,),
            notes=notes,
        )

    def close(self) -> None:
        """Frees the NPU."""
        if self._model is not None:
            self._model.dispose()
            self._model = None
