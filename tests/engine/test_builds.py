"""What `--a` and `--b` are taken for, and what is said where that cannot be told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.cards import EnvironmentSpec
from npubench.discovery import Catalogue, catalogue
from npubench.engine import builds, installing
from npubench.errors import CardError, UnknownNameError, UsageError
from tests.support import backend_toml, write_backend


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("cards")
    write_backend(folder, "needy", environment='[environment]\nrequires = ["runtime==1", "helper>=2"]\n\n')
    write_backend(folder, "vendor", environment='[environment]\npython = "/nowhere/bin/python"\n\n')
    return catalogue([folder])


def test_requirements_stand_instead_of_the_same_distributions(cards: Catalogue) -> None:
    a, b = builds.understood("needy", "Run_Time==2, new-thing>=1,<3", "needy", cards)
    assert a.card.id == "needy@a"
    assert a.card.environment.requires == ("runtime==1", "helper>=2")
    assert b.card.environment.requires == ("runtime==1", "helper>=2", "Run_Time==2", "new-thing>=1,<3")
    _, b = builds.understood("needy", "Runtime==2", None, cards)
    assert b.card.environment.requires == ("helper>=2", "Runtime==2")
    assert "Runtime==2" in b.card.title.en
    assert "Runtime==2" in b.card.title.ko


def test_a_card_without_an_environment_gets_one(cards: Catalogue) -> None:
    a, b = builds.understood("onnxruntime==1.31.0", "onnxruntime==1.32.0", "cpu", cards)
    assert a.card.environment.requires == ("onnxruntime==1.31.0",)
    assert b.card.environment.requires == ("onnxruntime==1.32.0",)
    assert a.card.options == b.card.options == cards.backends["cpu"].card.options
    assert not builds.same(a, b)


def test_a_python_that_exists_is_used_as_it_is(cards: Catalogue, tmp_path: Path) -> None:
    a, b = builds.understood(sys.executable, "cpu", None, cards)
    assert a.card.environment == EnvironmentSpec(python=sys.executable)
    assert b.card.environment == EnvironmentSpec()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    a, _ = builds.understood(str(tmp_path), "vendor", None, cards)
    # A virtual environment is found by its link, which must not be followed.
    assert a.card.environment.python == str(tmp_path / "bin" / "python")


def test_two_versions_of_a_card(cards: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(backend_toml("whatever", work_ns=5), encoding="utf-8")
    a, b = builds.understood("null", str(path), None, cards)
    assert (a.card.id, b.card.id) == ("null@a", "null@b")
    assert b.card.options == {"work_ns": 5}
    assert b.path == path


def test_a_a_is_told_from_a_b(cards: Catalogue) -> None:
    assert builds.same(*builds.understood("cpu", "cpu", None, cards))


@pytest.mark.parametrize(
    ("a", "b", "backend", "said"),
    [
        ("cpu", "torch-cpu", None, "two backends: adapter is ort and torch"),
        ("cpu", "openvino-cpu", None, "two backends: provider is CPUExecutionProvider and"),
        ("cpuu", "cpu", None, 'did you mean "cpu"'),
        ("onnxruntime", "cpu", None, "requirements with their versions"),
        ("onnxruntime==1", "onnxruntime==2", None, "of which backend"),
        ("git+https://example.org/x", "cpu", None, "of which package"),
        ("/nowhere/python", "cpu", None, "taken for the path of a Python"),
        ("no-such.toml", "cpu", None, "taken for a card file"),
        ("/nowhere/x-1-py3-none-any.whl", "cpu", None, "no wheel"),
        ("runtime==2", "vendor", None, "names its own Python"),
        ("", "cpu", None, "--a is empty"),
        ("x @ git+https://me:secret@example.org/x@v1", "cpu", None, "password"),
    ],
)
def test_what_cannot_be_told_is_said(cards: Catalogue, a: str, b: str, backend: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        builds.understood(a, b, backend, cards)
    assert "secret" not in str(caught.value)


def test_an_unknown_backend_and_a_broken_card(cards: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match='no backend "cpuu"'):
        builds.understood("cpu", "cpu", "cpuu", cards)
    path = tmp_path / "x.toml"
    path.write_text(backend_toml("null@a"), encoding="utf-8")
    with pytest.raises(CardError, match="expected no @"):
        builds.understood(str(path), "null", None, cards)


_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9.]{0,8}[A-Za-z0-9]", fullmatch=True)
_ONE = st.builds(
    lambda name, extras, spec: f"{name}{extras}{spec}",
    _NAMES,
    st.sampled_from(["", "[x]", "[x,y]"]),
    st.sampled_from(["==1.2", ">=1,<2", "~=3.1,!=3.1.4", " @ git+https://h/x.git@v1"]),
)


@given(st.lists(_ONE, min_size=1, max_size=4), st.sampled_from([",", ", ", " , "]))
def test_commas_within_a_requirement_do_not_part_it(wanted: list[str], comma: str) -> None:
    assert builds.split(comma.join(wanted)) == wanted


def git(folder: Path, *command: str) -> str:
    options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *options, *command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_branch_or_a_tag_is_pinned_to_the_commit_that_it_is_now(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "x").write_text("1")
    git(tmp_path, "add", "x")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "annotated")
    first = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "two")
    second = git(tmp_path, "rev-parse", "HEAD")
    url = f"git+file://{tmp_path}"
    assert builds.pinned(f"x @ {url}@v1") == f"x @ {url}@{first}"
    assert builds.pinned(f"x @ {url}@main#subdirectory=y") == f"x @ {url}@{second}#subdirectory=y"
    assert builds.pinned(f"x @ {url}") == f"x @ {url}@{second}"
    assert builds.pinned(f"x @ {url}@{first[:9]}") == f"x @ {url}@{first[:9]}"
    assert builds.pinned("x==1") == "x==1"
    with pytest.raises(UsageError, match='no revision "v9"'):
        builds.pinned(f"x @ {url}@v9")
    with pytest.raises(UsageError, match="nowhere"):
        builds.pinned("x @ git+file:///nowhere/repository@v1")
    # A revision is no option of git's.
    with pytest.raises(UsageError, match="no revision"):
        builds.pinned(f"x @ {url}@--upload-pack=touch")


def test_a_local_repository_is_spelled_as_every_pip_reads_it() -> None:
    assert installing.spelled("x @ git+file:///r@v1") == "git+file:///r@v1#egg=x"
    assert installing.spelled("x@git+file:///r@v1#subdirectory=y") == "git+file:///r@v1#egg=x&subdirectory=y"
    for other in ("x==1", "x @ git+https://example.org/r@v1", "/wheels/x-1-py3-none-any.whl"):
        assert installing.spelled(other) == other
