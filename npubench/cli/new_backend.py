"""`npubench new backend`: a card, or a whole package with adapter, meter, card and tests. Asks nothing.

Guarantees: what was written passes `npubench check` (a package: once it is installed), and its backend is absent with a
reason until somebody has filled it in; it appears whole or not at all; nothing that exists is replaced.

The templates in `scaffold/` are real files about a backend called `your-npu`; writing means renaming it. In cards, a
comment line stands there once for each language (`#en`, `#ko`).
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench import cards
from npubench.cards import BackendCard
from npubench.discovery import catalogue, names
from npubench.errors import StoreError, UsageError
from npubench.lang import here, language
from npubench.store import write_once

DEFAULT_OUT = "my-backends"
SCAFFOLD = Path(__file__).parent / "scaffold"
_PATTERN = r"[a-z0-9]+([.-][a-z0-9]+)*"
_LONGEST = 64


def new_backend(name: str, package: bool, out: Path | None = None) -> None:
    """Writes `OUT/backends/NAME.toml`, or the folder `OUT/npubench-NAME`. Raises UsageError, StoreError, CardError."""
    _check(name, package)
    if package:
        _package(name, out or Path())
    else:
        _card(name, out or Path(DEFAULT_OUT))


def _check(name: str, package: bool) -> None:
    """Raises UsageError for a name that cannot be one, or that is taken."""
    if not re.fullmatch(_PATTERN, name) or len(name) > _LONGEST:
        raise UsageError(
            here(
                f'NAME "{name}": expected small letters, digits, single . and - between them, at most {_LONGEST}',
                f'NAME "{name}": 소문자, 숫자와 그 사이의 . 또는 -, {_LONGEST}자 이하',
            ),
            hint=here("for example my-npu", "예: my-npu"),
        )
    if package and name[0].isdigit():
        raise UsageError(
            here(
                f'NAME "{name}": an adapter\'s name starts with a letter',
                f'NAME "{name}": 어댑터 이름은 글자로 시작해야 합니다',
            ),
            hint=here(f"for example npu-{name}", f"예: npu-{name}"),
        )
    choose = here("choose another NAME", "다른 NAME을 쓰십시오")
    if (taken := catalogue().backends.get(name)) is not None:
        said = here(
            f'"{name}" is the backend card {taken.path} already', f'"{name}" 카드가 이미 있습니다: {taken.path}'
        )
        raise UsageError(said, hint=choose)
    for kind in ("adapters", "meters") if package else ():
        if (place := names(kind).get(name)) is not None:
            what = {"adapters": here("an adapter", "어댑터"), "meters": here("a meter", "전력계")}[kind]
            said = here(f'"{name}": {place} is {what} of that name', f'"{name}": 같은 이름의 {what} {place}')
            raise UsageError(said, hint=choose)


def _card(name: str, out: Path) -> None:
    path = out / "backends" / f"{name}.toml"
    _refuse(path)
    text = _filled((SCAFFOLD / "card.toml").read_text(encoding="utf-8"), name)
    _readable(text, str(path))
    write_once(path, text.encode())
    folder = shlex.quote(str(out))
    _say(str(path))
    _say(
        here(
            "Change what is marked ? and take the # away where you need a key; docs/cards.md explains each one.",
            "? 표시를 고치고, 필요한 키는 앞의 #을 지우십시오. 키 설명은 docs/cards.md에 있습니다.",
        )
    )
    _next(
        f"npubench check --cards {folder}",
        f"npubench doctor --cards {folder}",
        f"npubench run --cards {folder} --backend {name} --model cctv-detect --profile smoke",
    )


def _package(name: str, out: Path) -> None:
    place = out / f"npubench-{name}"
    _refuse(place)
    source = SCAFFOLD / "package"
    written: list[str] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=f".{place.name}-") as scratch:
            made = Path(scratch) / place.name
            for template in _templates(source):
                relative = _renamed(str(template.relative_to(source)), name)
                text = _filled(template.read_text(encoding="utf-8"), name)
                if template.match("cards/backends/*.toml"):
                    _readable(text, str(place / relative))
                (made / relative).parent.mkdir(parents=True, exist_ok=True)
                (made / relative).write_text(text, encoding="utf-8")
                written.append(relative)
            made.rename(place)
    except OSError as error:
        raise StoreError(
            f"{error.filename or place}: {error.strerror}",
            hint=here("name a folder that you may write with --out", "--out에 쓰기 가능한 폴더를 지정하십시오"),
        ) from error
    for relative in written:
        _say(str(place / relative))
    _say(
        here(
            "Everything marked FILL IN is yours; README.md tells the story. Until then the backend is absent.",
            "FILL IN을 채우십시오. 안내는 README.ko.md에 있습니다. 그때까지 이 백엔드는 준비되지 않음으로 표시됩니다.",
        )
    )
    folder = shlex.quote(str(place))
    # The Python of this npubench: entry points are found in its environment.
    python = shlex.quote(sys.executable)
    _next(
        f"{python} -m pip install -e {shlex.quote(f'{place}[test]')}",
        "npubench doctor",
        f"{python} -m pytest {folder}",
    )


def _templates(folder: Path) -> Iterator[Path]:
    """Every template; not what Python and tools leave beside them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in path.parts[-3:]):
            yield path


def _refuse(place: Path) -> None:
    if place.exists():
        raise UsageError(
            here(f"{place}: exists already", f"{place}: 이미 있습니다"),
            hint=here("choose another NAME or --out, or remove it", "다른 NAME이나 --out을 쓰거나 지우십시오"),
        )


def _readable(text: str, path: str) -> None:
    """Holds the templates to the schema: what is written can be read back."""
    cards.decode(msgspec.toml.decode(text), BackendCard, path)


def _renamed(text: str, name: str) -> str:
    words = re.split(r"[.-]", name)
    for template, word in (
        ("your-npu", name),
        ("your_npu", "_".join(words)),
        ("YOUR_NPU", "_".join(words).upper()),
        ("YourNpu", "".join(part.capitalize() for part in words)),
    ):
        text = text.replace(template, word)
    return text


def _filled(text: str, name: str) -> str:
    """A template about `name`, with the comments of the terminal's language."""
    mine, other = f"#{language()} ", "#en " if language() == "ko" else "#ko "
    lines = (line for line in text.splitlines() if not line.startswith(other))
    spoken = (f"# {line[len(mine) :]}" if line.startswith(mine) else line for line in lines)
    return _renamed("".join(f"{line}\n" for line in spoken), name)


def _next(*commands: str) -> None:
    _say(here("Next:", "다음:"))
    for command in commands:
        _say(f"  {command}")


def _say(text: str) -> None:
    RichConsole(highlight=False, markup=False).print(text, soft_wrap=True)
