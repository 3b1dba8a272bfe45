"""Compiling ahead of time: a model whose subgraphs are `EPContext` nodes, made by a provider's own compiler.

Such a file loads in milliseconds and runs on that provider only. What no provider took stays in it as it was. The
weights of compiled subgraphs are inside the context.

Source: onnxruntime.ai, "EP Context Design"; `onnxruntime.ModelCompiler` of 1.32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.adapters.ort_devices import Reach
from npubench.adapters.ort_session import configured, optimisation
from npubench.errors import UnsupportedError
from npubench.spi import Artifact

# A protobuf message holds 2 GiB at most; a context may be larger than the weights that it was made from.
EMBED_BYTES = 512 << 20


def compile_model(runtime: Any, artifact: Artifact, way: Reach, options: Mapping[str, Any], folder: Path) -> Artifact:
    """The compiled artefact in `folder`. Raises UnsupportedError where the provider compiles nothing, and what its
    compiler raises."""
    made = configured(runtime, way, options)
    if made.providers is not None:
        made.settings.add_provider(way.provider, made.own)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{artifact.role}_ctx.onnx"
    compiler = runtime.ModelCompiler(
        made.settings,
        artifact.path,
        embed_compiled_data_into_model=_bytes_of(artifact) <= EMBED_BYTES,
        flags=runtime.OrtCompileApiFlags.ERROR_IF_NO_NODES_COMPILED,
        graph_optimization_level=optimisation(runtime, made.in_effect["graph_optimization_level"]),
    )
    try:
        compiler.compile_to_file(str(path))
    except Exception as error:
        if "Unable to compile any nodes" in str(error):
            raise UnsupportedError(f"{way.provider} compiles nothing of this graph ahead of time: {error}") from error
        raise
    beside = sorted(found for found in folder.glob(f"{artifact.role}_ctx*") if found != path)
    return Artifact(
        role=artifact.role,
        path=str(path),
        sha256=digest([path, *beside]),
        precision=artifact.precision,
        variant=artifact.variant,
    )


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 of one file; of several, that of their lines `<sha256>  <name>`, as `sha256sum` prints them."""
    each = [(_sha256(path), path.name) for path in paths]
    if len(each) == 1:
        return each[0][0]
    return hashlib.sha256("".join(f"{sha}  {name}\n" for sha, name in each).encode()).hexdigest()


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _bytes_of(artifact: Artifact) -> int:
    """Of the graph and the external data beside it."""
    folder = Path(artifact.path).parent
    return sum(found.stat().st_size for found in folder.iterdir() if found.is_file())
