"""Where a model runs, seen from inside its backend's process: three sessions, none of them the one that is timed for a
result (METRICS.md, Placement).

1. as timed: how long it takes to open (cold, then warm), and what the runtime assigned to whom;
2. profiled: which provider spent the time, with the shapes that were seen;
3. strict: whether the provider takes the whole graph where it is not allowed to share it.

What an adapter cannot give stays unknown with a reason. Not aware of: figures (`stats.placement`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.evidence import RoleEvidence, StrictAnswer
from npubench.spi import (
    Adapter,
    Artifact,
    AssignedNode,
    Assigns,
    Bound,
    Places,
    Profile,
    Profiled,
    Profiles,
    Session,
    Strict,
)

Bind = Callable[[Mapping[str, Session]], Bound]
Enter = Callable[[str], None]


def look(
    adapter: Adapter,
    artifacts: Sequence[Artifact],
    options: Mapping[str, Any],
    bind: Bind,
    folder: Path,
    runs: int,
    strict: bool,
    enter: Enter,
) -> tuple[dict[str, RoleEvidence], int]:
    """Evidence by role, and the first inference of the session as timed in ns. Raises what opening it raises."""
    enter("open")
    cold, sessions = _opened(adapter, artifacts, options)
    try:
        enter("bind")
        bound = bind(sessions)
        enter("first")
        start = time.perf_counter_ns()
        bound.step(0)
        first_ns = time.perf_counter_ns() - start
        enter("place")
        placements = {role: item.placement() for role, item in sessions.items() if isinstance(item, Places)}
        assigned = {role: _assigned(item) for role, item in sessions.items()}
        in_effect = {role: dict(getattr(item, "options", {})) for role, item in sessions.items()}
        bound.close()
    finally:
        _close(sessions)
    enter("open")
    warm, sessions = _opened(adapter, artifacts, options)
    _close(sessions)
    profiles, profile_reason = _profiled(adapter, artifacts, options, bind, folder, runs, enter)
    answers = _strict(adapter, artifacts, options, enter) if strict else {}
    return {
        artifact.role: RoleEvidence(
            placement=placements.get(artifact.role),
            assigned=assigned[artifact.role],
            profile=profiles.get(artifact.role),
            profile_reason=None if artifact.role in profiles else profile_reason,
            strict=answers.get(artifact.role, ("unknown", None))[0],
            strict_reason=answers.get(artifact.role, (None, "this adapter cannot be strict"))[1],
            cold_load_ns=cold[artifact.role],
            warm_load_ns=warm[artifact.role],
            options=in_effect[artifact.role],
        )
        for artifact in artifacts
    }, first_ns


def _opened(
    adapter: Adapter, artifacts: Sequence[Artifact], options: Mapping[str, Any]
) -> tuple[dict[str, int], dict[str, Session]]:
    """Load time by role, and the sessions."""
    times: dict[str, int] = {}
    sessions: dict[str, Session] = {}
    for artifact in artifacts:
        start = time.perf_counter_ns()
        sessions[artifact.role] = adapter.open(artifact, options)
        times[artifact.role] = time.perf_counter_ns() - start
    return times, sessions


def _close(sessions: Mapping[str, Session]) -> None:
    for session in sessions.values():
        session.close()


def _assigned(session: Session) -> tuple[AssignedNode, ...] | None:
    found = session.assignment() if isinstance(session, Assigns) else None
    return None if found is None else tuple(found)


def _profiled(
    adapter: Adapter,
    artifacts: Sequence[Artifact],
    options: Mapping[str, Any],
    bind: Bind,
    folder: Path,
    runs: int,
    enter: Enter,
) -> tuple[dict[str, Profile], str | None]:
    """Profiles by role; none, and why, where the adapter has none or it fails: the timed session is what counts."""
    if not isinstance(adapter, Profiles):
        return {}, "this adapter records no profile"
    sessions: dict[str, Session] = {}
    try:
        enter("place")
        for artifact in artifacts:
            sessions[artifact.role] = adapter.open_profiled(artifact, options, str(folder))
        bound = bind(sessions)
        for _ in range(runs):
            bound.step(0)
        found = {role: item.profile() for role, item in sessions.items() if isinstance(item, Profiled)}
        bound.close()
    except Exception as error:
        return {}, f"profiling failed: {type(error).__name__}: {error}"[:500]
    finally:
        _close(sessions)
    return found, "this session records no profile"


def _strict(
    adapter: Adapter, artifacts: Sequence[Artifact], options: Mapping[str, Any], enter: Enter
) -> dict[str, tuple[StrictAnswer, str | None]]:
    if not isinstance(adapter, Strict):
        return {}
    answers: dict[str, tuple[StrictAnswer, str | None]] = {}
    for artifact in artifacts:
        enter("place")
        try:
            adapter.open_strict(artifact, options).close()
            answers[artifact.role] = "passed", None
        except NotImplementedError as error:
            answers[artifact.role] = "unknown", str(error)
        except Exception as error:
            answers[artifact.role] = "refused", f"{type(error).__name__}: {error}"[:500]
    return answers
