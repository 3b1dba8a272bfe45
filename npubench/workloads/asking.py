"""What a workload is asked for: typed reading of card parameters, roles, data folders and declared inputs.

Guarantees that a parameter, a role or a declared layout that cannot be served is refused before anything is measured,
with its name, what was found and what was expected. Not aware of: any task, images, tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.errors import CardError, DataError, UnsupportedError
from npubench.lang import here
from npubench.spi import Request, Session, TensorSpec


def role(sessions: Mapping[str, Session], name: str) -> Session:
    """The session of role `name`. Raises CardError when the model card has no such graph."""
    if name not in sessions:
        found = ", ".join(sessions) or "none"
        raise CardError((f"graphs: found roles {found}; this workload expects a graph named {name}",))
    return sessions[name]


def check_scope(request: Request, scopes: Sequence[str]) -> None:
    """Raises UnsupportedError for a scope that the workload does not have, or a batch below one."""
    if request.scope not in scopes:
        raise UnsupportedError(f"scope {request.scope!r} does not exist for this workload; it has {', '.join(scopes)}")
    if request.batch < 1:
        raise UnsupportedError(f"batch {request.batch} makes no sense; expected 1 or more")


def whole(params: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    """The whole number `params[key]`, at least `least`. Raises CardError."""
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CardError((f"params.{key}: found {value!r}; expected a whole number ≥ {least}",))
    return value


def fraction(params: Mapping[str, Any], key: str, default: float) -> float:
    """The number `params[key]`, strictly between 0 and 1. Raises CardError."""
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise CardError((f"params.{key}: found {value!r}; expected a number > 0 and < 1",))
    return float(value)


def wholes(params: Mapping[str, Any], key: str, default: Sequence[int]) -> tuple[int, ...]:
    """The list of positive whole numbers `params[key]`. Raises CardError."""
    value = params.get(key, default)
    listed = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if not listed or any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in listed):
        raise CardError((f"params.{key}: found {value!r}; expected a list of whole numbers ≥ 1",))
    return listed


def height_width(params: Mapping[str, Any], key: str, default: tuple[int, int]) -> tuple[int, int]:
    """The size `params[key]`: [height, width], or one number for a square. Raises CardError."""
    if isinstance(params.get(key), int):
        return (whole(params, key, 1),) * 2
    sizes = wholes(params, key, default)
    if len(sizes) != 2:
        raise CardError((f"params.{key}: found {list(sizes)}; expected [height, width]",))
    return sizes[0], sizes[1]


def words(params: Mapping[str, Any], key: str, default: Sequence[str]) -> tuple[str, ...]:
    """The list of texts `params[key]`. Raises CardError."""
    value = params.get(key, default)
    listed = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if any(not isinstance(v, str) for v in listed) or (value and not listed):
        raise CardError((f"params.{key}: found {value!r}; expected a list of texts",))
    return listed


def data_folder(request: Request, what: str) -> Path:
    """The folder with the input data. Raises DataError when none was named or it is not there.

    `what` names its contents (frames, pages, prompts) in the message.
    """
    if request.data is None:
        raise DataError(
            here(f"this workload needs a folder of {what}; none was given", f"입력 폴더({what})가 지정되지 않았습니다"),
            hint=here(
                f"name a data set in the model card (data = …), or give a folder of your own (--{what} DIR)",
                f"모델 카드에 data = …를 적거나 --{what} DIR로 폴더를 지정하십시오",
            ),
        )
    folder = Path(request.data)
    if not folder.is_dir():
        raise DataError(
            here(f"{folder}: no such folder", f"{folder}: 폴더가 없습니다"),
            hint=here(f"check the path of the {what} folder", "폴더 경로를 확인하십시오"),
        )
    return folder


def read_bytes(path: Path) -> bytes:
    """The bytes of `path`. Raises DataError naming the file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            here(f"{path}: cannot be read: {error.strerror}", f"{path}: 읽을 수 없습니다: {error.strerror}"),
            hint=here("check that the file exists and is readable", "파일이 있는지, 읽기 권한이 있는지 확인하십시오"),
        ) from None


def the_input(session: Session, name: str, role_name: str) -> TensorSpec:
    """The declared input `name` of a session. Raises CardError when the graph has another one."""
    for spec in session.inputs:
        if spec.name == name:
            return spec
    found = ", ".join(spec.name for spec in session.inputs) or "none"
    raise CardError((f"graphs.{role_name}: found inputs {found}; expected one named {name}",))


def fixed_batch(spec: TensorSpec, batch: int, role_name: str) -> None:
    """Raises UnsupportedError when a graph that was compiled for one batch size is asked for another."""
    declared = spec.shape[0] if spec.shape else None
    if isinstance(declared, int) and declared != batch:
        found = f"graphs.{role_name}: input {spec.name} has a fixed batch of {declared}"
        raise UnsupportedError(f"{found}; batch {batch} was asked for")
