"""The ONNX standard's node tests as files that a runtime's environment can read without onnx or protobuf.

The tests come from the onnx package that npubench depends on (`onnx.backend.test.case.node`); it computes their inputs
and expected outputs when it is imported, seeded anew for each. What cannot be written as numpy arrays is kept in the
list with its reason. Runs in a child, as a verb: importing all tests takes ten seconds.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from npubench.build.older_forms import older
from npubench.conformance import Case
from npubench.lang import Text
from npubench.spi import Array

INDEX = "cases.json"

# Part of the cached folder's name: raise it when the files change.
FORMAT = 2

# Types that numpy itself has; a session's `TensorSpec.dtype` is a numpy name.
_NUMPY = frozenset(
    (
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL),
        *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
        *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
    )
)

# Their expected output is one draw of a generator that the standard does not define; onnx's own reference evaluator
# leaves them out likewise (onnx/test/test_backend_reference.py). A ratio of zero draws nothing.
_RANDOM = re.compile(r"test_(bernoulli|training_dropout(?!_zero_ratio))")

_EXPANDED = re.compile(r"_expanded(_ver\d+)?$")


def cached(cache: Path, operators: Sequence[str], folder: Path) -> tuple[Path, list[Case]]:
    """The node tests of `operators`, or all of them, and the folder that they are in.

    All of them are made once per version of onnx and numpy and kept in `cache`; a few are made anew in `folder`.
    """
    whole = cache / "node-tests" / f"onnx-{onnx.__version__}-numpy-{np.__version__}-{FORMAT}"
    if (whole / INDEX).is_file():
        cases = msgspec.json.decode((whole / INDEX).read_bytes(), type=list[Case])
        return whole, [case for case in cases if not operators or case.operator in operators]
    if operators:
        return folder, export(folder, operators)
    whole.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=whole.parent))
    try:
        cases = export(work)
        with suppress(OSError):  # another process was faster
            work.rename(whole)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return whole, cases


def export(folder: Path, operators: Sequence[str] = ()) -> list[Case]:
    """Every node test, or those of `operators`, as files in `folder` and a list of cases in its `cases.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = list(_cases(folder, operators))
    (folder / INDEX).write_bytes(msgspec.json.encode(made))
    return made


def _cases(folder: Path, operators: Sequence[str]) -> Iterator[Case]:
    owner: dict[str, tuple[str, str]] = {}
    for test in _tests(operators):
        base = _EXPANDED.sub("", test.name)
        # A function's test comes right behind the operator's own, under its name.
        expanded = base != test.name and base in owner
        if not expanded:
            owner[test.name] = (test.model.graph.node[0].op_type, test.model.graph.node[0].domain)
        operator, domain = owner[base if expanded else test.name]
        if operators and operator not in operators:
            continue
        graph, (fed, expected) = test.model.graph, test.data_sets[0]
        skip, found = _skip(test.name, graph, (*fed, *expected)), None
        if skip is None:
            arrays = {f"input:{i}": _array(value) for i, value in enumerate(fed)}
            arrays |= {f"output:{i}": _array(value) for i, value in enumerate(expected)}
            np.savez(folder / f"{test.name}.npz", **arrays)  # type: ignore[arg-type]
            (folder / f"{test.name}.onnx").write_bytes(test.model.SerializeToString())
            if (found := older(test.model)) is not None:
                (folder / f"{test.name}.older.onnx").write_bytes(found[0].SerializeToString())
        yield Case(
            name=test.name,
            operator=operator,
            domain=domain,
            expanded=expanded,
            opset=max((item.version for item in test.model.opset_import if item.domain == domain), default=0),
            older=found[1] if found is not None else 0,
            file=test.name,
            inputs=tuple(item.name for item in graph.input),
            outputs=tuple(item.name for item in graph.output),
            rtol=test.rtol,
            atol=test.atol,
            skip=skip,
        )


def _tests(operators: Sequence[str]) -> list[Any]:
    """The package's test cases; only the modules that name one of `operators` are imported."""
    from onnx.backend.test.case import node

    with warnings.catch_warnings():
        # Overflow and division by zero are meant there.
        warnings.simplefilter("ignore")
        for module in sorted(_modules(Path(node.__path__[0]), node.__name__, operators)):
            importlib.import_module(module)
    return list(node._NodeTestCases)


def _modules(folder: Path, package: str, operators: Sequence[str]) -> Iterator[str]:
    for found in pkgutil.iter_modules([str(folder)]):
        if found.ispkg:
            yield from _modules(folder / found.name, f"{package}.{found.name}", operators)
            continue
        text = (folder / f"{found.name}.py").read_text(encoding="utf-8") if operators else ""
        if not operators or any(f'"{name}"' in text for name in operators):
            yield f"{package}.{found.name}"


def _skip(name: str, graph: onnx.GraphProto, values: Sequence[Any]) -> Text | None:
    """Why a test cannot be put to an adapter, None where it can."""
    for info in (*graph.input, *graph.output):
        kind = info.type.WhichOneof("value")
        if kind != "tensor_type":
            said = str(kind).removesuffix("_type")
            return Text(en=f"an input or output is of type {said}", ko=f"입출력이 {said} 형")
        element = info.type.tensor_type.elem_type
        if element not in _NUMPY:
            said = TensorProto.DataType.Name(element).lower()
            return Text(
                en=f"an input or output is a tensor of {said}, which numpy lacks",
                ko=f"입출력이 numpy에 없는 {said} 텐서",
            )
    if any(value is None for value in values):
        return Text(en="an input is left empty", ko="입력이 비어 있음")
    if _RANDOM.match(name):
        return Text(en="the expected output is one random draw", ko="기대 출력이 한 번의 난수 추출")
    return None


def _array(value: Any) -> Array:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
