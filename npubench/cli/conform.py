"""`npubench conform`: does a backend keep the contract, and which operators of the ONNX standard does it run?"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from npubench import __version__, store
from npubench.build.materialise import cache_root
from npubench.cards import BackendCard, did_you_mean, resolved
from npubench.cli import conform_pack
from npubench.cli.asked import duration_s
from npubench.cli.progress import Console
from npubench.cli.session import Stop, devices, stoppable
from npubench.conformance import BROKEN, Case, Check, Conformance, Tried
from npubench.discovery import catalogue, checkout_root, pick
from npubench.engine import conformance as asking
from npubench.engine.doctor import wrap
from npubench.engine.machine import facts
from npubench.engine.protocol import BuildJob, Probed
from npubench.engine.select import adapter_ref, environment_of, probe, run_build
from npubench.errors import AbsentBackendError, MeasurementError, UnknownNameError, UsageError
from npubench.lang import Text, here, language
from npubench.report import conformance as words
from npubench.units import utc_now

WAIT_S = 600.0
TIMEOUT = "60s"
# A line of progress for the tests at most this often.
_SAY_EVERY_S = 5.0


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed. `only`: contract, operators or None for both."""

    backend: str
    only: str | None = None
    operators: tuple[str, ...] = ()
    timeout: str = TIMEOUT
    markdown: Path | None = None
    pack: Path | None = None
    as_json: bool = False
    cards: tuple[Path, ...] = ()


def conform(wish: Wish) -> None:
    """Asks, prints, and exits with 4 where the contract is broken. Raises AbsentBackendError, UnknownNameError."""
    console = Console(as_json=wish.as_json)
    timeout_s = duration_s(wish.timeout, "--timeout")
    entry = pick(catalogue(wish.cards).backends, wish.backend, "backend")
    machine = facts()
    card = resolved(entry.card, machine.threads)
    root = store.results_root(None, checkout_root())
    with (
        tempfile.TemporaryDirectory(prefix="npubench-conform-") as name,
        stoppable() as stop,
        devices(root, WAIT_S, console, stop),
    ):
        folder = Path(name)
        probed = _available(card, folder / "probe", stop)
        found, onnx = _asked(wish, card, folder, timeout_s, console, stop)
    result = Conformance(
        backend=card.id,
        title=card.title,
        provider=card.provider,
        device_type=card.device.type,
        verified=card.verified.how,
        date=utc_now(),
        npubench=__version__,
        onnx=onnx,
        versions=found.versions,
        python=found.python,
        cpu=machine.cpu,
        cores=machine.cores,
        environment=probed.environment,
        devices=tuple(dict.fromkeys(device.name or device.id for device in probed.availability.devices)),
        form=asking.form_of(card),
        checks=tuple(found.checks),
        operators=tuple(found.tried),
        exits=tuple(found.exits),
    )
    _show(result, wish, console)
    if wish.pack is not None:
        conform_pack.write(result, entry.path, wish.pack)
        console.say(here(f"written: {wish.pack}", f"저장: {wish.pack}"))
    if result.broken:
        sys.exit(MeasurementError.exit_code)


def _available(card: BackendCard, folder: Path, stop: Stop) -> Probed:
    found = probe(card, folder, stop, thorough=True)
    answer = found.availability
    if not answer.available:
        raise AbsentBackendError(f"{card.id}: {answer.reason}", hint=answer.fix or card.install[language()])
    return found


def _asked(
    wish: Wish, card: BackendCard, folder: Path, timeout_s: float, console: Console, stop: Stop
) -> tuple[asking.Found, str]:
    """What came out, and the version of onnx whose tests were asked."""
    found = asking.Found()
    form = asking.form_of(card)
    who = asking.Asking(
        adapter=adapter_ref(card),
        environment=environment_of(card),
        timeout_s=timeout_s,
        said=_Progress(console),
        stop=stop,
    )
    if wish.only != "operators" and not wish.operators:
        graphs = BuildJob(
            builder="npubench.build.verbs:contract_graphs", arguments={"folder": str(folder / "graphs"), "form": form}
        )
        run_build(graphs, stop=stop)
        asking.contract(who, folder / "graphs", form, found)
    if wish.only == "contract":
        return found, ""
    console.say(here("the standard's node tests …", "표준 노드 시험 …"))
    tests = BuildJob(
        builder="npubench.build.verbs:node_cases",
        arguments={"folder": str(folder / "cases"), "operators": list(wish.operators), "cache": str(cache_root())},
    )
    made = run_build(tests, stop=stop)
    cases = msgspec.convert(made["cases"], list[Case])
    _check_names(wish.operators, {case.operator for case in cases}, made["operators"])
    asking.operators(who, cases, Path(made["folder"]), found)
    return found, str(made["onnx"])


def _check_names(wanted: Sequence[str], found: set[str], known: list[str]) -> None:
    for name in wanted:
        if name not in found:
            guess = did_you_mean(name, [other for other in known if other != name])
            raise UnknownNameError(
                here(f'no node test of an operator "{name}"{guess}', f'연산자 "{name}"의 노드 시험이 없습니다{guess}'),
                hint=here("spell it as the standard does, for example Conv", "표준의 표기를 쓰십시오. 예: Conv"),
            )


class _Progress:
    """Says on a terminal what has been asked: every check, and how many tests now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tests = 0
        self._said_at = time.monotonic()

    def __call__(self, row: Check | Tried) -> None:
        if not self._console.live_terminal:
            return
        if isinstance(row, Check):
            ((title, verdict, _),) = words.check_rows([row], language())
            self._console.say(f"  {title}: {verdict}")
            return
        self._tests += 1
        if time.monotonic() - self._said_at > _SAY_EVERY_S:
            self._said_at = time.monotonic()
            self._console.say(here(f"  {self._tests} tests", f"  시험 {self._tests}개"))


def _show(result: Conformance, wish: Wish, console: Console) -> None:
    if wish.markdown is not None:
        try:
            wish.markdown.parent.mkdir(parents=True, exist_ok=True)
            wish.markdown.write_text(words.markdown(result, language()), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{wish.markdown}: cannot be written: {error.strerror}") from error
    if wish.as_json:
        console.document(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
        return
    _say_wrapped(console, words.head_lines(result))
    if result.checks:
        console.say("")
        console.table(
            [here("check", "점검"), here("result", "결과"), here("seen", "관찰")],
            words.check_rows(result.checks, language()),
            left=3,
        )
        console.say(words.contract_line(result.checks)[language()])
    if result.operators:
        console.say("")
        _show_operators(result, console)
    _say_wrapped(console, words.remarks(result))
    if wish.markdown is not None:
        console.say(str(wish.markdown))


def _show_operators(result: Conformance, console: Console) -> None:
    """The totals, then the operators of which not every test passed; the others by name."""
    parts = words.parts(result)
    totals = [words.total_row(title[language()], rows) for title, rows in parts]
    plain = [row for row in result.operators if not row.expanded]
    passed = words.whole(plain)
    rest = [row for row in plain if row.operator not in passed]
    head = [title[language()] for title in words.HEAD]
    console.table(head, [*totals, *words.operator_rows(rest)], tight=True)
    if passed:
        console.say("")
        said = here(f"passed whole ({len(passed)}): ", f"모두 통과({len(passed)}): ")
        console.lines(wrap(said + ", ".join(passed), "", "  "))
        console.say("")
    for row in result.operators:
        if row.outcome in BROKEN:
            said = f"{row.name}: {words.OUTCOMES[row.outcome][language()]}: {row.reason}"
            console.lines(wrap(said, "", "  "))


def _say_wrapped(console: Console, texts: Sequence[Text]) -> None:
    for text in texts:
        console.lines(wrap(text[language()], "", "  "))
