"""Which run is accepted (`<root>/baseline.toml`), and which machines form a class (`<root>/<machine>/machine.toml`).

    "npu-node-7" = "20261124T010203Z-a1b2c3"      # machine, or class of machines = accepted run id

    schema = "npubench.machine/1"
    machine_class = "pool-a"

Guarantees: a machine's own entry counts before its class's; a class never has a machine's name; a run id that points
nowhere, to two folders or to another run is an error that says so. Accepting edits one line of the file and leaves
every other byte, comments and order included.

Not aware of: whether a run deserves to be accepted (`cli.baseline`).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from npubench import store
from npubench.errors import NotComparableError, StoreError, UsageError
from npubench.schema import Run

BASELINE, BASELINE_FILE, MACHINE_FILE = "baseline", "baseline.toml", "machine.toml"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`machine.toml`."""

    schema: Literal["npubench.machine/1"]
    machine_class: str


class Baseline(msgspec.Struct, frozen=True):
    """The accepted run for a machine; `machine_class` where the entry is its class's, not its own."""

    name: str
    folder: store.RunFolder
    machine_class: str | None = None


class Edit(msgspec.Struct, frozen=True):
    """One changed line of the baseline file; `removed` None where it is new. `text` is the whole new content."""

    path: Path
    removed: str | None
    added: str
    text: str


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(text: object) -> str:
    """Somebody else's words in a message."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:200]


def line(name: str, run: str = "RUN-ID") -> str:
    """The line that accepts `run` for `name`."""
    return f"{_quoted(name)} = {_quoted(run)}"


def accepted(root: Path) -> dict[str, str]:
    """Machine or class → accepted run id, in the file's order; empty where there is no file. NotComparableError."""
    path = root / BASELINE_FILE
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise NotComparableError(
            f"{path}: not readable as machine = run id: {_shown(error)}",
            hint='expected lines such as "node-7" = "RUN-ID"',
        ) from error


def class_of(root: Path, machine: str) -> str | None:
    """The class that `machine.toml` of a machine names; None without one. UsageError where it is broken or clashes."""
    path = root / store.slug(machine) / MACHINE_FILE
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Machine).machine_class
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{path}: {_shown(error)}",
            hint='expected two lines: schema = "npubench.machine/1" and machine_class = "NAME"',
        ) from error
    if not found.strip():
        raise UsageError(f"{path}: machine_class is empty", hint="name a class, or remove the file")
    if found == machine or (root / store.slug(found)).is_dir():
        other = root / store.slug(found)
        raise UsageError(
            f'{path}: machine_class "{_shown(found)}" is also the name of a machine ({other})',
            hint="classes and machines share one namespace in baseline.toml: give the class another name",
        )
    return found


def members(root: Path) -> dict[str, tuple[str, ...]]:
    """Class → folders of its machines."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.glob(f"*/{MACHINE_FILE}")):
        if (name := class_of(root, path.parent.name)) is not None:
            found.setdefault(name, []).append(path.parent.name)
    return {name: tuple(folders) for name, folders in found.items()}


def shared_class(root: Path, one: str, other: str) -> str | None:
    """The class that two machines belong to; None where they share none."""
    found = class_of(root, one)
    return found if found is not None and found == class_of(root, other) else None


def entry(root: Path, machine: str) -> tuple[str, str, str | None] | None:
    """(name in the file, run id, class) that counts for a machine: its own, else its class's; None without one."""
    known = accepted(root)
    if machine in known:
        return machine, known[machine], None
    pool = class_of(root, machine)
    return (pool, known[pool], pool) if pool is not None and pool in known else None


def resolve(root: Path, machine: str) -> Baseline:
    """The accepted run for `machine`. Raises NotComparableError with what to do."""
    path = root / BASELINE_FILE
    advice = f"`npubench baseline accept RUN` names a run that you accept (the line {_shown(line(machine))} in {path})"
    if not path.is_file():
        raise NotComparableError(f"{path}: no baseline has been accepted yet", hint=advice)
    found = entry(root, machine)
    if found is None:
        pool = class_of(root, machine)
        also = f' nor for its class "{_shown(pool)}"' if pool is not None else ""
        raise NotComparableError(f'{path}: no baseline for machine "{_shown(machine)}"{also}', hint=advice)
    name, run, pool = found
    return Baseline(name, folder(root, name, run, advice), pool)


def folder(root: Path, name: str, run: str, advice: str | None = None) -> store.RunFolder:
    """The one folder under `root` of an accepted run. Raises NotComparableError."""
    path = root / BASELINE_FILE
    named = Path(run).name == run
    found = [
        candidate
        for candidate in (store.named(root, run) if named else ())
        if candidate.name == run and ((candidate / store.RUN).is_file() or (candidate / store.PLAN).is_file())
    ]
    if not found:
        raise NotComparableError(
            f'{path}: the baseline of "{_shown(name)}" is run "{_shown(run)}", which is not under {root}',
            hint="put that run's folder (run.json is enough) there, or accept another"
            + (f": {advice}" if advice else ""),
        )
    if len(found) > 1:
        listed = " and ".join(str(item) for item in found)
        raise NotComparableError(
            f'{path}: the baseline of "{_shown(name)}" is run "{_shown(run)}", which several folders claim: {listed}',
            hint="keep the true one (`npubench verify` says which) and remove the other",
        )
    return store.RunFolder(found[0])


def check(found: Baseline, run: Run) -> None:
    """Raises NotComparableError where the folder of the accepted run holds another run."""
    if run.id != found.folder.path.name:
        raise NotComparableError(
            f"{found.folder.path}: holds run {_shown(run.id)}, not the accepted {found.folder.path.name}",
            hint="the folder was renamed, or its run.json replaced; put the accepted run back",
        )


_COMMENT = re.compile(r"""^(?:[^"'#]|"(?:[^"\\]|\\.)*"|'[^']*')*?(?P<comment>\s*\#.*)?$""")


def _comment(found: str) -> str:
    """A line's own comment, with the space before it."""
    match = _COMMENT.match(found)
    return (match.group("comment") or "") if match is not None else ""


def edit(root: Path, name: str, run: str, reason: str = "") -> Edit | None:
    """The change of the baseline file that accepts `run` for `name`; None where it is accepted already.

    `reason` becomes the line's comment, in place of an earlier one. Raises NotComparableError for a file that cannot be
    read, UsageError for one whose entry cannot be edited as a line.
    """
    path = root / BASELINE_FILE
    known = accepted(root)
    if known.get(name) == run and not reason:
        return None
    text = path.read_bytes().decode() if path.is_file() else ""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    comment = f"  # {_shown(reason).strip()}" if reason.strip() else ""
    removed: str | None = None
    added = line(name, run) + comment
    for place, old in enumerate(lines):
        if _names(old, name):
            removed = old.rstrip("\r\n")
            added = line(name, run) + (comment or _comment(removed))
            lines[place] = added + (old[len(removed) :])
            break
    else:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        lines.append(added + end)
    new = "".join(lines)
    if _decoded(new) != {**known, name: run}:
        raise UsageError(
            f"{path}: the entry of {_shown(name)} cannot be changed as one line",
            hint=f"write it by hand: {_shown(line(name, run))}",
        )
    return None if removed == added else Edit(path, removed, added, new)


def _decoded(text: str) -> dict[str, str] | None:
    try:
        return msgspec.toml.decode(text, type=dict[str, str])
    except (ValueError, msgspec.MsgspecError):
        return None


def _names(found: str, name: str) -> bool:
    """Whether a line is the entry of `name`."""
    decoded = _decoded(found)
    return decoded is not None and list(decoded) == [name]


def write(change: Edit) -> None:
    """Puts the changed file in place, whole or not at all. Raises StoreError."""
    path = change.path.resolve()
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(change.text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
