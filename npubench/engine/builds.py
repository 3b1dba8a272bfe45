"""What `npubench ab --a X --b Y` takes for a build of a backend, and the card that it becomes.

    cpu, new-card.toml              a backend card by id, or a card file: two versions of one card
    onnxruntime==1.31.0             requirements, separated by commas, instead of the same distributions in the card
    pkg @ git+https://…@v2          a revision of a package as pip understands it; a wheel's path
    /opt/vendor/bin/python          a Python that exists, used as it is; or the folder of an environment

Guarantees: what cannot be told apart is an error that says what was understood; a branch or tag is pinned to the commit
that it names now, so that the environment is that commit's; nothing is installed here (`installing`).

Not aware of: how builds are measured (`ab`), whether an environment works (the adapter's probe).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench.cards import BackendCard, did_you_mean, load, to_builtins
from npubench.discovery import Catalogue
from npubench.engine import installing
from npubench.engine.ab import renamed
from npubench.engine.environments import distribution, kind_of
from npubench.errors import UnknownNameError, UsageError
from npubench.lang import Text, here
from npubench.sides import SIDES, Side

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = r"(?:\[[A-Za-z0-9._, -]*\])?"
# PEP 508, as far as a mistake in it can be told from a mistyped name: pip has the last word.
_VERSIONED = re.compile(rf"{_NAME}\s*{_EXTRAS}\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[^;]+(?:;.*)?")
_DIRECT = re.compile(rf"{_NAME}\s*{_EXTRAS}\s*@\s*\S+.*")
_GIT = re.compile(
    r"(?P<head>.*@\s*git\+)(?P<url>[a-z+]+://(?:[^@/#\s]+@)?[^@#\s]+)(?:@(?P<rev>[^@#\s]+))?(?P<rest>[#;\s].*)?"
)
# What is written here is repeated in every result.
_SECRET = re.compile(r"://[^/@\s]+:[^/@\s]+@")
_COMMIT = re.compile(r"[0-9a-f]{40}")

FACTS = ("adapter", "provider", "device", "plugin")
"""What two builds of one backend have in common; where these differ they are two backends, which `rank` compares."""


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two. `typed`: as it was asked for; `path`: the card's file, which its other files lie beside."""

    side: Side
    typed: str
    card: BackendCard
    path: Path
    about: Text


def understood(
    a: str, b: str, backend: str | None, cards: Catalogue, stop: Callable[[], bool] = lambda: False
) -> tuple[Build, Build]:
    """Both builds. `backend`: whose builds they are, where neither is a card of its own.

    Raises UsageError, UnknownNameError, CardError; StopRequested while a revision is looked up.
    """
    texts = {"a": a.strip(), "b": b.strip()}
    found = {side: _card(texts[side], cards, side) for side in SIDES}
    own = [item for item in found.values() if item is not None]
    if backend is not None:
        if backend not in cards.backends:
            raise UnknownNameError(
                f'no backend "{backend}"{did_you_mean(backend, list(cards.backends))}',
                hint="`npubench list backends` shows what there is",
            )
        card = cards.backends[backend]
        whose = card.card, card.path
    elif own:
        whose = own[0]
    else:
        raise UsageError(
            here(
                f"--a {a} and --b {b}: of which backend? Name it with --backend",
                f"--a {a}, --b {b}: 어느 백엔드인지 --backend로 지정하십시오",
            ),
            hint="npubench ab -b cpu --a onnxruntime==1.31.0 --b onnxruntime==1.32.0",
        )
    first, second = (_build(side, texts[side], found[side], whose, cards, stop) for side in SIDES)
    _check(first, second)
    return first, second


def _card(text: str, cards: Catalogue, side: Side) -> tuple[BackendCard, Path] | None:
    """The card that `text` names, by id or file. Raises UsageError for a file that is not there, CardError."""
    if text in cards.backends:
        return cards.backends[text].card, cards.backends[text].path
    if not text.endswith(".toml"):
        return None
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(
            here(f"--{side} {text}: taken for a card file, and there is none", f"--{side} {text}: 카드 파일이 없습니다")
        )
    return load(path, BackendCard), path.absolute()


def _build(
    side: Side,
    text: str,
    card: tuple[BackendCard, Path] | None,
    whose: tuple[BackendCard, Path],
    cards: Catalogue,
    stop: Callable[[], bool],
) -> Build:
    if card is not None:
        made, path = card
        about = Text(en=f"the card {made.id}", ko=f"카드 {made.id}")
        if text.endswith(".toml"):
            about = Text(en=f"the card file {path.name}", ko=f"카드 파일 {path.name}")
    else:
        (made, path), python = whose, _python(text, side)
        if python is not None:
            made = _with(made, python=python)
            about = Text(en=f"the Python {python}", ko=f"파이썬 {python}")
        else:
            wanted = tuple(pinned(item, stop) for item in _requirements(text, side, made, cards))
            made = _with(made, requires=replaced(made.environment.requires, wanted))
            about = Text(en=", ".join(wanted), ko=", ".join(wanted))
    name = whose[0].id
    titled = Text(
        en=f"{whose[0].title.en} · {side.upper()}: {about.en}", ko=f"{whose[0].title.ko} · {side.upper()}: {about.ko}"
    )
    made = renamed(msgspec.structs.replace(made, id=name, title=titled, hidden=False), side)
    return Build(side=side, typed=text, card=made, path=path, about=about)


def _with(card: BackendCard, *, python: str | None = None, requires: tuple[str, ...] = ()) -> BackendCard:
    environment = msgspec.structs.replace(card.environment, python=python, requires=requires)
    return msgspec.structs.replace(card, environment=environment)


def _python(text: str, side: Side) -> str | None:
    """The interpreter that a path names, as it was written: a venv is found by its link. None: not a path of one."""
    if "/" not in text or "://" in text or " @ " in text or text.endswith((".whl", ".tar.gz", ".zip")):
        return None
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        path = path / "bin" / "python"
    if path.is_file() and os.access(path, os.X_OK):
        return str(path)
    raise UsageError(
        here(
            f"--{side} {text}: taken for the path of a Python, and {path} is no file that can be started",
            f"--{side} {text}: 파이썬 경로로 보았으나 {path}은(는) 실행할 수 있는 파일이 아닙니다",
        ),
        hint=here("name its interpreter, bin/python in an environment", "환경의 bin/python을 지정하십시오"),
    )


def split(text: str) -> list[str]:
    """Requirements at the commas between them; those within one (`>=1,<2`, `pkg[x,y]`) are left."""
    parts = re.split(r",(?![^\[]*\])(?=\s*[A-Za-z/])", text)
    return [part.strip() for part in parts if part.strip()]


def _requirements(text: str, side: Side, card: BackendCard, cards: Catalogue) -> list[str]:
    found = []
    for part in split(text):
        if _SECRET.search(part):
            raise UsageError(
                here(
                    f"--{side}: an address with a password in it would be written into every result",
                    f"--{side}: 비밀번호가 든 주소는 모든 결과에 기록되므로 쓸 수 없습니다",
                ),
                hint=here("use git's credential helper or an ssh key", "git credential helper나 ssh 키를 쓰십시오"),
            )
        if part.endswith(".whl"):
            wheel = Path(part).expanduser().absolute()
            if not wheel.is_file():
                raise UsageError(here(f"--{side}: no wheel {wheel}", f"--{side}: wheel 파일 {wheel}이 없습니다"))
            found.append(str(wheel))
        elif _DIRECT.fullmatch(part) or _VERSIONED.fullmatch(part):
            found.append(part)
        elif part.startswith("git+"):
            raise UsageError(
                here(f"--{side} {part}: of which package?", f"--{side} {part}: 패키지 이름이 없습니다"),
                hint=f"--{side} 'NAME @ {part}'",
            )
        else:
            guess = did_you_mean(part, list(cards.backends))
            raise UsageError(
                here(
                    f'--{side}: found "{part}"{guess}; expected a backend, a card file (.toml), requirements with '
                    "their versions (onnxruntime==1.31.0), NAME @ git+URL@REVISION, or the path of a Python",
                    f'--{side}: "{part}"{guess}; 백엔드, 카드 파일(.toml), 버전을 적은 요구 사항(onnxruntime==1.31.0), '
                    "이름 @ git+URL@리비전, 파이썬 경로 중 하나여야 합니다",
                ),
                hint=here(
                    "`npubench list backends` shows the cards", "`npubench list backends`로 카드를 볼 수 있습니다"
                ),
            )
    if not found:
        raise UsageError(here(f"--{side} is empty", f"--{side}가 비어 있습니다"))
    if kind_of(card.environment) == "python":
        raise UsageError(
            here(
                f"--{side} {text}: the card {card.id} names its own Python ({card.environment.python}), into which "
                "nothing is installed",
                f"--{side} {text}: 카드 {card.id}는 자체 파이썬({card.environment.python})을 쓰며, 거기에는 설치하지 "
                "않습니다",
            ),
            hint=here("give the path of another Python instead", "대신 다른 파이썬의 경로를 지정하십시오"),
        )
    return found


def replaced(requires: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """`requires` with `wanted` instead of the same distributions, and what is new behind."""
    names = {distribution(item) for item in wanted}
    return (*(item for item in requires if distribution(item) not in names), *wanted)


def pinned(requirement: str, stop: Callable[[], bool] = lambda: False) -> str:
    """A branch or a tag of a git repository as the commit that it is now; anything else as it is.

    Else an environment that was made from a branch last week would pass for today's. Raises UsageError for a
    repository that does not answer, or has no such revision.
    """
    found = _GIT.fullmatch(requirement)
    if found is None:
        return requirement
    url, rev, rest = found["url"], found["rev"] or "HEAD", found["rest"] or ""
    if _COMMIT.fullmatch(rev):
        return requirement
    try:
        code, lines = installing.run(["git", "ls-remote", "--", url, rev, f"refs/tags/{rev}^{{}}"], stop)
    except FileNotFoundError:
        raise UsageError(
            here(f"{requirement}: git is not installed", f"{requirement}: git이 설치되어 있지 않습니다"),
            hint="apt-get install git",
        ) from None
    if code:
        said = next((line for line in lines if line.startswith("fatal:")), lines[-1] if lines else "")
        raise UsageError(f"{requirement}: {said.removeprefix('fatal: ')}")
    known = {name: commit for commit, _, name in (line.partition("\t") for line in lines) if _COMMIT.fullmatch(commit)}
    if not known:
        if re.fullmatch(r"[0-9a-f]{7,39}", rev):
            # The beginning of a commit's name never means another one; only its repository can tell which.
            return requirement
        raise UsageError(
            here(f'{requirement}: {url} has no revision "{rev}"', f'{requirement}: {url}에 리비전 "{rev}" 없음')
        )
    # An annotated tag is an object of its own; with ^{} it is the commit.
    commit = known.get(f"refs/tags/{rev}^{{}}") or next(iter(known.values()))
    return f"{found['head']}{url}@{commit}{rest}"


def _check(a: Build, b: Build) -> None:
    """Raises UsageError where these are two backends, or one and the same build."""
    for name in FACTS:
        first, second = to_builtins(getattr(a.card, name)), to_builtins(getattr(b.card, name))
        if first != second:
            raise UsageError(
                here(
                    f"--a {a.typed} and --b {b.typed} are two backends: {name} is {_said(first)} and {_said(second)}",
                    f"--a {a.typed}, --b {b.typed}: {name}이 {_said(first)}, {_said(second)}인 서로 다른 백엔드입니다",
                ),
                hint=here(
                    "ab compares two builds of one backend; measure both and use `npubench rank` for two",
                    "ab는 한 백엔드의 두 빌드를 비교합니다. 서로 다른 백엔드는 `npubench rank`로 보십시오",
                ),
            )


def _said(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def same(a: Build, b: Build) -> bool:
    """Whether nothing tells the two apart: an A/A, which shows what the night alone does."""
    return msgspec.structs.replace(a.card, id="", title=b.card.title) == msgspec.structs.replace(b.card, id="")
