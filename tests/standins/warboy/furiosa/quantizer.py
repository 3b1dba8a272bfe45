"""`furiosa.quantizer` of 0.10 on ONNX Runtime's quantiser: `Calibrator`, `quantize`, which returns bytes."""

import enum
import tempfile
from pathlib import Path

from furiosa.runtime import FAULTS


class CalibrationMethod(enum.IntEnum):
    MIN_MAX_ASYM = 0
    MIN_MAX_SYM = 1


class _Ranges(dict):
    inputs = ()


class Calibrator:
    def __init__(self, model, calibration_method, *, percentage=99.99):
        self._model, self._seen = model, []

    def collect_data(self, calibration_dataset):
        self._seen += [list(item) for item in calibration_dataset]

    def compute_range(self, verbose=False):
        found = _Ranges({item.name: (0.0, 1.0) for item in self._model.graph.input})
        found.inputs = self._seen
        return found


def quantize(model, tensor_name_to_range):
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    if "quantiser-fails" in FAULTS:
        raise RuntimeError("thread '<unnamed>' panicked at 'unsupported operator: Resize'")
    constants = {item.name for item in model.graph.initializer}
    names = [item.name for item in model.graph.input if item.name not in constants]

    class Reader(CalibrationDataReader):
        def __init__(self):
            self._left = iter(tensor_name_to_range.inputs)

        def get_next(self):
            item = next(self._left, None)
            return None if item is None else dict(zip(names, item, strict=True))

    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        quantize_static(
            str(source),
            str(made),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return made.read_bytes()
