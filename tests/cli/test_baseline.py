"""`npubench baseline`: one reviewed line, nothing else of the file touched, nothing accepted that is no yardstick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import baselines, store
from npubench.cli.baseline import accept, show
from npubench.errors import NotComparableError, NpubenchError, UsageError
from npubench.lang import Text
from npubench.schema import Run, encode
from tests.cli.test_compare import NASTY
from tests.cli.test_compare import ask as ask_compare
from tests.stats.made_runs import cell, run
from tests.support import MACHINE

OLD, NEW = "20261124T010203Z-aaaaaa", "20261125T010203Z-bbbbbb"
FILE = f"""# accepted by review

"other machine" = "20260101T000000Z-000000"   # keep me
test-machine = "{OLD}" # driver 5.1
# the end
"""


def put(root: Path, made: Run) -> Path:
    path = root / store.slug(made.machine.name) / made.id / store.RUN
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(made))
    return path.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NPUBENCH_LANG", "en")
    found = tmp_path / "results"
    put(found, run(cell(), id=OLD))
    put(found, run(cell(factor=1.1), id=NEW))
    return found


def take(root: Path, name: str = NEW, **options: Any) -> None:
    accept(name, **{"machine_class": None, "reason": "", "allow": [], "out": root, **options})


def file(root: Path) -> str:
    return (root / baselines.BASELINE_FILE).read_text()


def test_accepting_is_a_one_line_diff(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / baselines.BASELINE_FILE).write_text(FILE)
    take(root, reason="driver 5.2, +10 % accepted")
    changed = file(root).splitlines()
    assert [line for line in changed if line not in FILE.splitlines()] == [
        f'"test-machine" = "{NEW}"  # driver 5.2, +10 % accepted'
    ]
    assert len(changed) == len(FILE.splitlines())
    out = capsys.readouterr().out
    assert f'-test-machine = "{OLD}" # driver 5.1' in out
    assert f'+"test-machine" = "{NEW}"  # driver 5.2, +10 % accepted' in out
    assert "git add -f" in out
    assert ask_compare(root, base="baseline", new=OLD) == 0
    take(root)
    assert "already" in capsys.readouterr().out


def test_a_new_line_goes_to_the_end_and_the_file_appears(root: Path) -> None:
    take(root, OLD)
    assert file(root) == f'"test-machine" = "{OLD}"\n'
    (root / baselines.BASELINE_FILE).write_bytes(b'other = "x"\r\n# no newline')
    take(root, OLD)
    assert (root / baselines.BASELINE_FILE).read_bytes().decode() == (
        f'other = "x"\r\n# no newline\r\n"test-machine" = "{OLD}"\r\n'
    )


def test_an_entry_that_is_no_line_is_left_alone(root: Path) -> None:
    text = f'test-machine = """\n{OLD}"""\n'
    (root / baselines.BASELINE_FILE).write_text(text)
    with pytest.raises(UsageError, match="cannot be changed as one line"):
        take(root)
    assert file(root) == text


names = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() or "\n" in text or "\x7f" in text)
entries = st.dictionaries(names, st.text("abc123-TZ", max_size=8), max_size=5)


@given(known=entries, name=names, value=st.text("abc123-TZ#\"'", min_size=1, max_size=8), said=st.text(max_size=30))
def test_any_names_survive_an_edit(
    tmp_path_factory: pytest.TempPathFactory, known: dict[str, str], name: str, value: str, said: str
) -> None:
    folder = tmp_path_factory.mktemp("results")
    lines = [f"{baselines.line(key, run)}  # of {key!r}".replace("\x7f", "") for key, run in known.items()]
    text = "".join(f"{line}\n" for line in ["# first", *lines, "# last"])
    (folder / baselines.BASELINE_FILE).write_bytes(text.encode())
    assert baselines.accepted(folder) == known
    change = baselines.edit(folder, name, value, said)
    if change is None:
        return
    baselines.write(change)
    assert baselines.accepted(folder) == {**known, name: value}
    before, after = text.split("\n"), (folder / baselines.BASELINE_FILE).read_bytes().decode().split("\n")
    assert sum(line not in before for line in after) <= 1
    assert [line for line in after if line.startswith("#")] == ["# first", "# last"]


@pytest.mark.parametrize(
    ("changes", "said", "allow"),
    [
        ({"profile": "smoke", "comparable": False}, "quick look", "profile"),
        ({"cells": (cell(verdict="invalid", reasons=(Text(en="hot", ko="뜨거움"),)),)}, "1 invalid cell", "invalid"),
    ],
)
def test_a_bad_yardstick_is_refused_unless_said(root: Path, changes: Any, said: str, allow: str) -> None:
    name = "20261126T010203Z-cccccc"
    put(root, msgspec.structs.replace(run(cell(), id=name), **changes))
    with pytest.raises(NotComparableError, match=said) as caught:
        take(root, name)
    assert f"--allow {allow}" in str(caught.value.hint)
    assert not (root / baselines.BASELINE_FILE).exists()
    take(root, name, allow=[allow])
    assert name in file(root)
    with pytest.raises(UsageError, match="expected one of"):
        take(root, name, allow=["everything"])


def test_a_run_elsewhere_or_twice_is_refused(root: Path, tmp_path: Path) -> None:
    away = put(tmp_path / "elsewhere", run(cell(), id="20261127T010203Z-dddddd"))
    with pytest.raises(UsageError, match="not where"):
        take(root, str(away))
    copy = root / "other" / NEW
    copy.mkdir(parents=True)
    (copy / store.RUN).write_bytes((root / "test-machine" / NEW / store.RUN).read_bytes())
    with pytest.raises(NpubenchError, match="several"):
        take(root, str(copy))
    (root / baselines.BASELINE_FILE).write_text(f'test-machine = "{NEW}"')
    with pytest.raises(NotComparableError, match="several folders claim"):
        baselines.resolve(root, "test-machine")


# --- classes ---------------------------------------------------------------------------------------------------------


def pool(root: Path, machine: str, name: str = "pool-a") -> None:
    path = root / machine / baselines.MACHINE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'schema = "npubench.machine/1"\nmachine_class = "{name}"\n')


def of(machine: str, device: str, **changes: Any) -> Any:
    """Identity of a machine of the pool."""
    return {
        "identity": {
            "machine": {"name": machine, "cpu": "x", "accelerators": [{"id": device, "name": "NPU-1"}], **changes}
        }
    }


def test_a_class_shares_a_baseline_with_a_wider_tolerance(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool(root, "test-machine")
    pool(root, "node-2")
    base = "20261126T010203Z-cccccc"
    put(root, run(cell(**of("test-machine", "0000:01:00.0")), id=base))
    with pytest.raises(UsageError, match="is in class"):
        take(root, base, machine_class="pool-b")
    take(root, base, machine_class="pool-a")
    assert file(root) == f'"pool-a" = "{base}"\n'
    other = msgspec.structs.replace(MACHINE, name="node-2")
    slower = cell(factor=1.035, **of("node-2", "0000:02:00.0"))
    newer = "20261127T010203Z-dddddd"
    put(root, run(slower, id=newer, machine=other))
    capsys.readouterr()
    # 3.5 % on the median is within the doubled minimum effect.
    assert ask_compare(root, base="baseline", new=newer) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "machine class pool-a" in out
    assert "tolerance 4.0 %: between machines of a class" in out
    assert ask_compare(root, base="baseline", new=newer, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine_class"] == "pool-a"
    assert [item["field"] for item in found["cells"][0]["waived"]] == ["machine.accelerators", "machine.name"]
    assert {item["tolerance_from"] for item in found["cells"][0]["metrics"]} == {"class"}
    # Another model or count of devices is another machine, class or not.
    unlike = of("node-2", "0000:02:00.0", accelerators=[{"id": "0", "name": "NPU-2"}])
    put(root, run(cell(**unlike), id="20261128T010203Z-eeeeee", machine=other))
    assert ask_compare(root, base="baseline", new="20261128T010203Z-eeeeee") == 5
    # Its own entry counts before the class's.
    take(root, newer)
    assert baselines.entry(root, "node-2") == ("node-2", newer, None)
    assert baselines.entry(root, "test-machine") == ("pool-a", base, "pool-a")


def test_a_class_named_like_a_machine_is_an_error_that_names_both(root: Path) -> None:
    pool(root, "node-2", "test-machine")
    with pytest.raises(UsageError) as caught:
        baselines.class_of(root, "node-2")
    assert str(root / "node-2" / "machine.toml") in str(caught.value)
    assert str(root / "test-machine") in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "schema = 1", 'schema = "npubench.machine/1"\nclass = "a"', 'schema = "npubench.machine/2"', "\udcff"]
)
def test_a_broken_machine_file_names_itself(root: Path, text: str) -> None:
    path = root / "test-machine" / baselines.MACHINE_FILE
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"machine\.toml"):
        baselines.class_of(root, "test-machine")


# --- show ------------------------------------------------------------------------------------------------------------


def test_show(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(as_json=False, out=root)
    assert "no baseline has been accepted yet" in " ".join(capsys.readouterr().out.split())
    take(root)
    capsys.readouterr()
    show(as_json=False, out=root)
    out = capsys.readouterr().out
    assert NEW in out
    assert "nightly" in out
    (root / baselines.BASELINE_FILE).write_text(file(root) + f"{baselines.line(NASTY, 'gone')}\n")
    with pytest.raises(SystemExit) as caught:
        show(as_json=False, out=root)
    assert caught.value.code == 5
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "which is not under" in " ".join(out.split())
    with pytest.raises(SystemExit):
        show(as_json=True, out=root)
    rows = json.loads(capsys.readouterr().out)
    assert [row["problem"] is None for row in rows] == [True, False]
