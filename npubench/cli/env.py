"""`npubench env`: the Python environments of backends, listed, made and removed. Nothing here is done silently."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from npubench.cards import BackendCard
from npubench.cli.options import Cards, Json
from npubench.lang import here

# Installing would disturb a run, and removing would break it: both wait for the devices, as long as a run does.
_WAIT_S = 600.0

Backends = Annotated[
    list[str] | None, typer.Argument(metavar="[BACKEND]...", help=here("Backends' names.", "백엔드 이름."))
]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here(
        "The Python environments that backends run in: list, sync, remove.",
        "백엔드가 실행되는 파이썬 환경: list, sync, remove.",
    ),
)


class BackendEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """One backend's environment. `state`: ready or missing, with a reason; `packages` are exact versions.

    `kind`: own (npubench's), python (an interpreter that the card names), requires (made by npubench).
    """

    backend: str
    kind: str
    python: str
    state: str
    requires: tuple[str, ...] = ()
    packages: dict[str, str] = {}
    reason: str = ""
    fix: str = ""


class StaleEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment on disk that no card asks for now."""

    folder: str
    requires: tuple[str, ...]


class Environments(msgspec.Struct, frozen=True, kw_only=True):
    """What `npubench env list --json` prints. `root`: where environments lie."""

    root: str
    backends: tuple[BackendEnvironment, ...]
    stale: tuple[StaleEnvironment, ...]


def found(folders: Sequence[Path], names: Sequence[str] = ()) -> Environments:
    """The environments of these backends, or of all that are not hidden."""
    from npubench.discovery import catalogue, pick
    from npubench.engine import environments as places
    from npubench.engine import interpreters

    known = catalogue(folders)
    cards = {name: item.card for name, item in known.backends.items()}
    chosen = [pick(known.backends, name, "backend").card for name in names] or [
        card for card in cards.values() if not card.hidden
    ]
    backends = []
    for card in chosen:
        lacking = interpreters.lacking(card)
        marker = places.place_of(card.environment.requires).marker() if card.environment.requires else None
        backends.append(
            BackendEnvironment(
                backend=card.id,
                kind=places.kind_of(card.environment),
                python=places.interpreter(card.environment),
                state="ready" if lacking is None else "missing",
                requires=card.environment.requires,
                packages=marker.packages if marker else {},
                reason=lacking.reason if lacking else "",
                fix=lacking.fix if lacking else "",
            )
        )
    stale = []
    for folder in places.stale(cards):
        left = places.read_marker(folder)
        stale.append(StaleEnvironment(folder=str(folder), requires=left.requires if left else ()))
    return Environments(root=str(places.root()), backends=tuple(backends), stale=tuple(stale))


def _lines(seen: Environments) -> list[str]:
    lines = [here(f"environments: {seen.root}", f"환경 폴더: {seen.root}")]
    for item in seen.backends:
        sign = "+" if item.state == "ready" else "-"
        if item.kind == "own":
            lines.append(f"  {sign} {item.backend}: " + here("npubench's own", "npubench 자체 환경"))
        else:
            lines.append(f"  {sign} {item.backend}: " + (", ".join(item.requires) or item.python))
        if item.state != "ready":
            lines.append(f"      {item.reason}")
            if item.fix:
                lines.append(f"      → {item.fix}")
        elif item.kind == "requires":
            lines.append(f"      {item.python}")
    for left in seen.stale:
        listed = ", ".join(left.requires) or here("half made", "미완성")
        lines.append(
            here(f"  ! no card asks for it: {left.folder} ({listed})", f"  ! 미사용: {left.folder} ({listed})")
        )
    if seen.stale:
        lines.append("      → npubench env remove --stale")
    return lines


@app.command(
    "list",
    help=here("What each backend runs in, and what is missing.", "백엔드마다 실행 환경과 빠진 것을 보여 줍니다."),
)
def list_(json: Json = False, cards: Cards = None) -> None:
    """One entry per backend, then environments that no card asks for."""
    seen = found(cards or [])
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(seen), indent=1) + b"\n")
        return
    for line in _lines(seen):
        typer.echo(line)


@app.command(
    help=here(
        "Install what these backends' cards require.",
        "백엔드 카드가 요구하는 것을 설치합니다.",
    ),
)
def sync(
    names: Backends = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help=here("Every card's (gigabytes).", "모든 카드(수 GB).")),
    ] = False,
    cards: Cards = None,
) -> None:
    """Makes what is missing; one that fails does not stop the next. Raises the last InstallError at the end."""
    from npubench.discovery import catalogue, pick
    from npubench.engine.environments import place_of
    from npubench.errors import InstallError, UsageError

    if not names and not everything:
        raise UsageError(
            here("say which: BACKEND… or --all", "BACKEND 또는 --all을 지정하십시오"), hint="npubench env list"
        )
    known = catalogue(cards or [])
    chosen = [pick(known.backends, name, "backend").card for name in dict.fromkeys(names or ())] or [
        item.card for item in known.backends.values() if item.card.environment.requires and not item.card.hidden
    ]
    failed: list[InstallError] = []
    for card in chosen:
        place = place_of(card.environment.requires)
        try:
            if card.environment.requires and place.marker() is not None:
                text = here(f"is installed: {place.folder}", f"설치되어 있음: {place.folder}")
                typer.echo(f"{card.id}: {text}")
            else:
                _sync(card)
        except InstallError as error:
            for line in error.output:
                typer.echo(f"{card.id}:   {line}")
            failed.append(error)
    for earlier in failed[:-1]:
        typer.echo(f"npubench: {earlier}", err=True)
    if failed:
        raise failed[-1]


def _sync(card: BackendCard) -> None:
    """Makes the environment of one backend; of one whose Python is not of our making, looks at it. Raises InstallError.

    Imports of weight happen here: that nothing has to be installed shall be known at once.
    """
    from npubench.cli.progress import Console
    from npubench.cli.session import devices, stoppable
    from npubench.engine import installing, interpreters
    from npubench.engine.environments import place_of
    from npubench.errors import InstallError

    console = Console(as_json=False)

    def say(text: str) -> None:
        console.say(f"{card.id}: {text}")

    if not card.environment.requires:
        if (lacking := interpreters.lacking(card)) is not None:
            raise InstallError(lacking.reason, hint=lacking.fix or None)
        say(here("nothing to install", "설치할 것이 없습니다"))
        return
    with stoppable() as stop, devices(place_of(card.environment.requires).folder, _WAIT_S, console, stop):
        installing.sync_card(card, say, stop)


@app.command(
    help=here(
        "Remove backends' environments, or those that no card asks for.",
        "백엔드의 환경, 또는 카드가 요구하지 않는 환경을 지웁니다.",
    ),
)
def remove(
    names: Backends = None,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale",
            help=here("Those that no card asks for (mind --cards).", "카드가 요구하지 않는 환경(--cards에 유의)."),
        ),
    ] = False,
    cards: Cards = None,
) -> None:
    """Removes environments of npubench's making; an interpreter that a card names is never touched."""
    from npubench.cli.progress import Console
    from npubench.cli.session import devices, stoppable
    from npubench.discovery import catalogue, pick
    from npubench.engine import environments as places
    from npubench.engine import installing
    from npubench.errors import UsageError

    known = catalogue(cards or [])
    chosen = [pick(known.backends, name, "backend").card for name in dict.fromkeys(names or ())]
    if not chosen and not stale:
        raise UsageError(
            here("say which: BACKEND… or --stale", "BACKEND 또는 --stale을 지정하십시오"), hint="npubench env list"
        )
    for card in chosen:
        if not card.environment.requires:
            raise UsageError(
                here(
                    f"{card.id}: its Python is not of npubench's making and is left alone",
                    f"{card.id}: npubench가 만든 환경이 아니므로 지우지 않습니다",
                )
            )
    everyone = {name: item.card for name, item in known.backends.items()}
    folders = {places.place_of(card.environment.requires).folder: card.id for card in chosen}
    if stale:
        folders |= dict.fromkeys(places.stale(everyone), "")
    console = Console(as_json=False)
    with stoppable() as stop, devices(places.root(), _WAIT_S, console, stop):
        for folder, backend in folders.items():
            gone = installing.remove(folder, console.say, stop)
            console.say(
                here(f"removed: {folder}", f"지움: {folder}")
                if gone
                else here(f"{backend}: was not installed", f"{backend}: 설치되어 있지 않았습니다")
            )
            sharing = [
                card.id
                for card in everyone.values()
                if gone and card.id != backend and card.environment.requires
                and places.place_of(card.environment.requires).folder == folder
            ]  # fmt: skip
            if sharing:
                listed = ", ".join(sharing)
                console.say(here(f"  it was also the environment of {listed}", f"  {listed}의 환경이기도 했습니다"))
