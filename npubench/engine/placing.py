"""Where a model runs, seen from inside its backend's process: three sessions, none of them the one that is timed for a
result (METRICS.md, Placement).

`timed`: how long it takes to open (cold, then warm), and what the runtime assigned to whom. `profiled`: which provider
spent the time, with the shapes that were seen. `strict`: whether the provider takes the whole graph where it is not
allowed to share it.

What an adapter cannot give stays unknown with a reason. Not aware of: figures (`stats.placement`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench.evidence import RoleEvidence
from npubench.spi import Adapter, Artifact, Assigns, Bound, Places, Profiled, Profiles, Session, Strict

Bind = Callable[[Mapping[str, Session]], Bound]
Enter = Callable[[str], None]

# Where one step takes longer, another one only for its time shares is not worth it (an emulator, say).
LONG_STEP_NS = 20_000_000_000
# A profile says shares: a few runs are enough, and a slow model needs no more than this.
PROFILED_NS = 2_000_000_000


def look(
    adapter: Adapter,
    artifacts: Sequence[Artifact],
    options: Mapping[str, Any],
    bind: Bind,
    folder: Path,
    runs: int,
    sessions: Sequence[str],
    enter: Enter,
) -> tuple[dict[str, RoleEvidence], int | None]:
    """Evidence by role, and the first inference of the session as timed in ns. Raises what opening that one raises."""
    found = {artifact.role: RoleEvidence() for artifact in artifacts}
    first_ns = None
    if "timed" in sessions:
        found, first_ns = _timed(adapter, artifacts, options, bind, enter)
    if "profiled" in sessions and first_ns is not None and first_ns > LONG_STEP_NS:
        found = _without(found, profile_reason="not profiled: one step takes longer than 20 s")
    elif "profiled" in sessions:
        found = _profiled(found, adapter, artifacts, options, bind, folder, runs, enter)
    if "strict" in sessions:
        found = _strict(found, adapter, artifacts, options, enter)
    return found, first_ns


def _timed(
    adapter: Adapter, artifacts: Sequence[Artifact], options: Mapping[str, Any], bind: Bind, enter: Enter
) -> tuple[dict[str, RoleEvidence], int]:
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
        found = {role: _seen(session, cold[role]) for role, session in sessions.items()}
        bound.close()
    finally:
        _close(sessions)
    enter("open")
    warm, sessions = _opened(adapter, artifacts, options)
    _close(sessions)
    return {role: msgspec.structs.replace(item, warm_load_ns=warm[role]) for role, item in found.items()}, first_ns


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


def _seen(session: Session, cold_ns: int) -> RoleEvidence:
    assigned = session.assignment() if isinstance(session, Assigns) else None
    return RoleEvidence(
        placement=session.placement() if isinstance(session, Places) else None,
        assigned=None if assigned is None else tuple(assigned),
        cold_load_ns=cold_ns,
        options=dict(getattr(session, "options", {})),
    )


def _without(found: Mapping[str, RoleEvidence], **reasons: str) -> dict[str, RoleEvidence]:
    return {role: msgspec.structs.replace(item, **reasons) for role, item in found.items()}


def _profiled(
    found: Mapping[str, RoleEvidence],
    adapter: Adapter,
    artifacts: Sequence[Artifact],
    options: Mapping[str, Any],
    bind: Bind,
    folder: Path,
    runs: int,
    enter: Enter,
) -> dict[str, RoleEvidence]:
    """With profiles; none, and why, where the adapter has none or it fails: the timed session is what counts."""
    if not isinstance(adapter, Profiles):
        return _without(found, profile_reason="this adapter records no profile")
    sessions: dict[str, Session] = {}
    try:
        for artifact in artifacts:
            enter("open")
            sessions[artifact.role] = adapter.open_profiled(artifact, options, str(folder))
        enter("place")
        bound = bind(sessions)
        start = time.perf_counter_ns()
        for _ in range(runs):
            bound.step(0)
            if time.perf_counter_ns() - start > PROFILED_NS:
                break
        profiles = {role: item.profile() for role, item in sessions.items() if isinstance(item, Profiled)}
        bound.close()
    except Exception as error:
        return _without(found, profile_reason=f"profiling failed: {type(error).__name__}: {error}"[:500])
    finally:
        _close(sessions)
    return {
        role: msgspec.structs.replace(item, profile=profiles[role])
        if role in profiles
        else msgspec.structs.replace(item, profile_reason="this session records no profile")
        for role, item in found.items()
    }


def _strict(
    found: Mapping[str, RoleEvidence],
    adapter: Adapter,
    artifacts: Sequence[Artifact],
    options: Mapping[str, Any],
    enter: Enter,
) -> dict[str, RoleEvidence]:
    if not isinstance(adapter, Strict):
        return _without(found, strict_reason="this adapter cannot forbid sharing")
    answers = dict(found)
    for artifact in artifacts:
        enter("place")
        try:
            adapter.open_strict(artifact, options).close()
            changed: dict[str, Any] = {"strict": "passed"}
        except NotImplementedError as error:
            changed = {"strict": "unknown", "strict_reason": str(error)}
        except Exception as error:
            changed = {"strict": "refused", "strict_reason": f"{type(error).__name__}: {error}"[:500]}
        answers[artifact.role] = msgspec.structs.replace(found[artifact.role], **changed)
    return answers
