"""`--ep-library PATH --ep-name NAME`: an ONNX Runtime plug-in provider without a card of its own.

It becomes a backend like any other, "not verified", which takes every precision: what it makes of them, the quality
gate and the placement certificate say. A card is better wherever somebody else is to repeat the measurement.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast, get_args

from npubench.cards import PRECISIONS, THREADS, BackendCard, DeviceSpec, DeviceType, PluginSpec, Precision, VerifiedSpec
from npubench.cli.asked import Asked
from npubench.errors import UsageError
from npubench.lang import Text, here

_DEVICES = ("npu", "gpu", "cpu")
_SUFFIX = "ExecutionProvider"


def check(asked: Asked) -> None:
    """Raises UsageError for plug-in options that contradict each other or name nothing."""
    beside = [
        option
        for option, given in (
            ("--ep-name", asked.ep_name is not None),
            ("--ep-device", asked.ep_device is not None),
            ("--ep-option", bool(asked.ep_options)),
        )
        if given
    ]
    if asked.ep_library is None:
        if beside:
            raise UsageError(
                here(f"{beside[0]} goes with --ep-library PATH", f"{beside[0]}은 --ep-library PATH와 함께 씁니다")
            )
        return
    if not asked.ep_library.is_file():
        said = str(asked.ep_library)
        raise UsageError(here(f"--ep-library {said}: no such file", f"--ep-library {said}: 파일이 없습니다"))
    if not asked.ep_name:
        raise UsageError(
            here("--ep-library goes with --ep-name NAME", "--ep-library는 --ep-name NAME과 함께 씁니다"),
            hint=here(
                "the name under which the vendor documents the provider, for example QNNExecutionProvider",
                "공급업체 문서에 나온 제공자 이름. 예: QNNExecutionProvider",
            ),
        )
    if asked.ep_device is not None and asked.ep_device not in _DEVICES:
        raise UsageError(f'--ep-device: no device "{asked.ep_device}"; known: {", ".join(_DEVICES)}')
    options(asked.ep_options)


def options(texts: tuple[str, ...]) -> dict[str, str]:
    """`K=V` → {K: V}. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals or key in found:
            raise UsageError(
                here(
                    f"--ep-option {text}: expected KEY=VALUE, each key once",
                    f"--ep-option {text}: KEY=VALUE 형식이어야 하며 키는 한 번씩만 씁니다",
                )
            )
        found[key] = value
    return found


def backend(asked: Asked) -> BackendCard | None:
    """The card of the plug-in that was named, if any."""
    if asked.ep_library is None or asked.ep_name is None:
        return None
    name = asked.ep_name
    slug = re.sub(r"[^a-z0-9]+", "-", name.removesuffix(_SUFFIX).lower()).strip("-")[:48] or "plugin"
    library = Path(asked.ep_library).absolute()
    assert set(_DEVICES) <= set(get_args(DeviceType))
    return BackendCard(
        schema="npubench.backend/1",
        id=f"ep-{slug}",
        title=Text(en=name, ko=name),
        summary=Text(
            en=f"The plug-in provider {name} in {library.name}, named on the command line.",
            ko=f"명령줄에서 지정한 {library.name}의 플러그인 제공자 {name}.",
        ),
        adapter="ort",
        provider=name,
        device=DeviceSpec(type=cast(DeviceType, asked.ep_device or "npu")),
        precisions=cast("tuple[Precision, ...]", PRECISIONS),
        # An NPU's compiler wants to know every shape; where a model is not built so, it gets what there is.
        variants=("static", "portable"),
        options={"intra_op_num_threads": THREADS, **options(asked.ep_options)},
        plugin=PluginSpec(library=str(library)),
        install=Text(
            en="look up --ep-name and --ep-option in the vendor's documentation",
            ko="--ep-name과 --ep-option을 공급업체 문서에서 확인하세요",
        ),
        verified=VerifiedSpec(how="not verified", on="named on the command line"),
    )
