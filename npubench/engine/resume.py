"""Whether a plan may be carried on with here and now: the planned machine, and the planned input data.

Launches of two machines, or of two sets of pictures, must not end up in one cell.

Not aware of: models' graphs (pinned by hash and checked when they are built), backends (a missing one fails its cells).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.engine.planned import machine_identity
from npubench.engine.select import OWN
from npubench.errors import NotComparableError
from npubench.lang import here
from npubench.schema import InputFacts, Machine, Plan
from npubench.units import UNKNOWN


def given_name(name: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The name that somebody gave this machine, with `--machine` or NPUBENCH_MACHINE; None where nobody did."""
    return name or environ.get("NPUBENCH_MACHINE") or None


def check_machine(plan: Plan, found: Machine) -> None:
    """Raises NotComparableError naming every field of the machine's identity that differs from the plan's."""
    planned, now = machine_identity(plan.machine), machine_identity(found)
    differing = [name for name in planned if planned[name] != now[name]]
    if differing:
        lines = "; ".join(f"{name}: {_shown(planned[name])} → {_shown(now[name])}" for name in differing)
        raise NotComparableError(
            here(
                f"this is not the machine that the run was planned on: {lines}",
                f"실행을 계획한 장비가 아닙니다: {lines}",
            ),
            hint=here(
                "resume it there, or start a new run here",
                "그 장비에서 이어서 실행하거나 여기서 새 실행을 시작하세요",
            ),
        )


def check_inputs(plan: Plan) -> None:
    """Reads all input data again. Raises NotComparableError where it is not the planned data, and DataError or
    ArtifactError where it cannot be read.
    """
    for model, facts in plan.inputs.items():
        path = plan.sources.get(f"data:{model}")
        if path is not None and _digest(Path(path), facts, plan.sources.get(f"kind:{model}", "")) != facts.sha256:
            raise NotComparableError(
                here(
                    f"{path}: the input data of {model} changed since the run was planned",
                    f"{path}: 실행을 계획한 뒤 {model}의 입력 데이터가 바뀌었습니다",
                ),
                hint=here("put the files back, or start a new run", "파일을 되돌리거나 새 실행을 시작하세요"),
            )


def _digest(folder: Path, facts: InputFacts, kind: str) -> str:
    if facts.source == OWN and kind == "clips":
        from npubench.build.userclips import digest_clips

        return digest_clips(folder)
    if facts.source == OWN:
        from npubench.build.userdata import describe_folder

        return describe_folder(folder, "pages" if kind == "pages" else "frames").sha256
    from npubench.build.data.sets import digest_folder

    return digest_folder(folder)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{item['name']} ({item['id']})" for item in value) or here("none", "없음")
    return UNKNOWN if value is None else str(value)
