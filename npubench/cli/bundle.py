"""`npubench bundle`: one archive with which the two commands work on a machine that has no network."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from npubench import __version__
from npubench.build import bundle as bundling
from npubench.cards import BackendCard, ModelCard
from npubench.cli.asked import Asked
from npubench.cli.planned import choose
from npubench.cli.progress import Console
from npubench.cli.session import stoppable
from npubench.discovery import catalogue, checkout_root, pick
from npubench.engine import installing
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.environments import FLOOR, distribution
from npubench.engine.planned import scenarios_of, variant_of
from npubench.engine.protocol import BuildJob, Event, Said
from npubench.errors import UsageError
from npubench.lang import here, language
from npubench.schema import FLOOR_MODEL
from npubench.units import show_bytes

DEFAULT_BACKEND = "cpu"

Say = Callable[[str], None]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were typed."""

    output: Path
    backends: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    profile: str | None = None
    tests: bool = True
    proprietary: bool = False
    cards: tuple[Path, ...] = ()


def bundle(wish: Wish) -> None:
    """Fetches wheels, builds models, packs. Raises UsageError outside a checkout, InstallError, ArtifactError …"""
    root = checkout_root()
    if root is None:
        raise UsageError(
            here("a bundle is made from a checkout of npubench", "번들은 npubench 소스 폴더에서 만듭니다"),
            hint=here(
                "get its source and run `make bundle` in it", "소스를 받아 그 안에서 `make bundle`을 실행하십시오"
            ),
        )
    console = Console(as_json=False)
    known = catalogue(wish.cards)
    names = dict.fromkeys(wish.backends or (DEFAULT_BACKEND,))
    backends = [pick(known.backends, name, "backend").card for name in names]
    wish.output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the archive: a bundle has gigabytes, and the system's folder for temporary files may lie in memory.
    with stoppable() as stop, tempfile.TemporaryDirectory(prefix=".npubench-bundle-", dir=wish.output.parent) as work:
        target = Path(work) / f"npubench-{__version__}"
        asked = Asked(models=wish.models, profile=wish.profile, cards=wish.cards)
        chosen = choose(asked, console, stop)
        console.say(here("copying the source …", "소스 복사 중 …"))
        bundling.take_source(root, target, wish.tests)
        bundling.take_cards(wish.cards, target / "bundle" / "cards")
        left_out = _wheels(backends, root, target / "bundle" / "wheels", wish, console.say, stop)
        models = {**chosen.models, FLOOR_MODEL: selection.model_of(known, FLOOR_MODEL)}
        for model, precision, variant, batch in _builds(chosen.wanted, models, backends):
            _build(models[model], target / "bundle" / "cache", precision, variant, batch, console.say, stop)
        found = bundling.manifest(names, models, wish.tests, left_out)
        bundling.write_scripts(target, found)
        bundling.seal(target)
        size = bundling.pack(target, wish.output.absolute(), console.say)
    for item in found.left_out:
        console.say(
            here(
                f"left out, because it is proprietary: {item.requirement} ({item.licence[language()]})",
                f"독점 라이선스라서 뺐습니다: {item.requirement} ({item.licence[language()]})",
            )
        )
        console.say(f"  → {item.command}")
    console.say(
        here(
            f"{show_bytes(size)}; there: tar xf, ./install.sh, make bench",
            f"{show_bytes(size)}: tar xf, ./install.sh, make bench",
        )
    )
    console.say(str(wish.output))


def _wheels(
    backends: Sequence[BackendCard], root: Path, folder: Path, wish: Wish, say: Say, stop: Callable[[], bool]
) -> list[bundling.LeftOut]:
    """Every wheel that is needed, each group resolved by itself: what two environments require may not go together."""
    folder.mkdir(parents=True)
    own, building = bundling.own_requirements(root, wish.tests)
    for wanted in (own, building):
        _fetch("npubench", wanted, folder, say, stop)
    # What npubench itself needs stays, whatever a card says of it.
    kept = set(folder.iterdir())
    closed = {} if wish.proprietary else {k: v for card in backends for k, v in card.environment.proprietary.items()}
    left_out = []
    for card in backends:
        spec = card.environment
        if spec.python is not None:
            say(
                here(
                    f"{card.id}: its card names {spec.python}, which is not npubench's to bring along",
                    f"{card.id}: 카드가 지정한 {spec.python}은(는) 번들에 넣지 않습니다",
                )
            )
        if not spec.requires:
            continue
        refused = {
            name: item for item in spec.requires if bundling.licence_of(name := distribution(item), closed) is not None
        }
        _fetch(card.id, [*FLOOR, *(item for item in spec.requires if item not in refused.values())], folder, say, stop)
        # What is free may still depend on what is not.
        for path in set(folder.iterdir()) - kept:
            name, version = bundling.wheel_of(path)
            if bundling.licence_of(name, closed) is not None:
                path.unlink()
                refused.setdefault(name, f"{name}=={version}")
        for name, requirement in refused.items():
            command = f"python{bundling.python_version()} -m pip download --no-deps -d bundle/wheels '{requirement}'"
            licence = bundling.licence_of(name, closed)
            assert licence is not None
            left_out.append(
                bundling.LeftOut(backend=card.id, requirement=requirement, licence=licence, command=command)
            )
    return left_out


def _fetch(what: str, wanted: Sequence[str], folder: Path, say: Say, stop: Callable[[], bool]) -> None:
    say(here(f"{what}: fetching wheels …", f"{what}: wheel 받는 중 …"))
    # `wheel` rather than `download`: what has no wheel is built here, where a compiler and an index may be.
    command = [sys.executable, "-m", "pip", "wheel", "--prefer-binary", "--wheel-dir", str(folder), *wanted]
    code, output = installing.run(command, stop)
    if code:
        raise installing.pip_failed(what, output)


def _builds(
    wanted: Iterable[planning.Wanted], models: dict[str, selection.Model], backends: Sequence[BackendCard]
) -> Iterator[tuple[str, str, str, int]]:
    """Model, precision, variant and batch of every build that a run on these backends measures or compares with."""
    found: dict[tuple[str, str, str, int], None] = {}
    for name in models:
        found[name, "fp32", "portable", 1] = None
    for item in wanted:
        card: ModelCard = models[item.model].card
        for precision in item.precisions or (card.precisions[0],):
            for backend in backends:
                variant = variant_of(card, backend, precision)
                if precision not in card.precisions or precision not in backend.precisions or variant is None:
                    continue
                for text in item.scenarios:
                    for scenario in scenarios_of(text, card, backend):
                        batch = scenario.params.get("batch", 1) if variant == "static" else 1
                        found[item.model, precision, variant, batch] = None
    yield from found


def _build(
    model: selection.Model,
    cache: Path,
    precision: str,
    variant: str,
    batch: int,
    say: Say,
    stop: Callable[[], bool],
) -> None:
    def progress(event: Event) -> None:
        if isinstance(event, Said):
            say(f"  {event.text}")

    job = BuildJob(
        builder="npubench.build.verbs:materialise_card",
        arguments={
            "card": msgspec.to_builtins(model.card),
            "room": str(model.room),
            "cache": str(cache),
            "precision": precision,
            "variant": variant,
            "batch": batch,
        },
    )
    selection.run_build(job, progress, stop)
