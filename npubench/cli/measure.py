"""`npubench run` and `selftest`: from what was typed to a sealed run, in the order in which it happens."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import msgspec

from npubench import store
from npubench.build.materialise import cache_root
from npubench.cards import BackendCard, ModelCard
from npubench.cli.progress import Console
from npubench.discovery import Catalogue, catalogue, checkout_root, pick
from npubench.engine import plan as planning
from npubench.engine import preflight
from npubench.engine import select as selection
from npubench.engine.launcher import Limits
from npubench.engine.lock import DeviceLock
from npubench.engine.machine import facts, slug
from npubench.engine.run import Execution
from npubench.errors import AbsentBackendError, MeasurementError, UsageError, combine_exit_codes
from npubench.lang import here
from npubench.rules import Ruleset, load
from npubench.schema import FLOOR_MODEL, Plan, Run, encode
from npubench.units import parse_duration_s, show

DEFAULT_SCENARIOS = ("single-stream", "offline")

# What a run writes at most besides samples that are a few megabytes each.
_NEEDED_BYTES = 2 << 30


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `npubench run`."""

    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    suite: str = "public-sector"
    profile: str = "standard"
    launches: int | None = None
    budget: str | None = None
    seed: int = 0
    onnx: tuple[Path, ...] = ()
    shapes: tuple[str, ...] = ()
    frames: Path | None = None
    pages: Path | None = None
    out: Path | None = None
    machine: str | None = None
    report: Path | None = None
    dry_run: bool = False
    resume: str | None = None
    stall_timeout: str | None = None
    wait: str = "10m"
    as_json: bool = False
    cards: tuple[Path, ...] = ()


class Stop:
    """Ctrl-C: once asks the run to stop, twice ends it at once."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self) -> bool:
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        text = here(
            "stopping after the write in progress; Ctrl-C again ends at once",
            "쓰기를 마치고 멈춥니다. 한 번 더 누르면 즉시 끝냅니다",
        )
        print(f"\nnpubench: {text}", file=sys.stderr)  # noqa: T201

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def run(asked: Asked) -> None:
    """Measures what was asked, shows it, and exits with the code of what was found."""
    console = Console(as_json=asked.as_json)
    limits = Limits(stall_s=_duration(asked.stall_timeout, "--stall-timeout") if asked.stall_timeout else None)
    root = store.results_root(asked.out, checkout_root())
    absent_named = False
    if asked.resume:
        folder = store.open_run(asked.resume, root)
        if folder.sealed():
            console.say(here("this run is complete already", "이미 완료된 실행입니다"))
        plan = folder.plan()
    else:
        rules = load()
        check_options(asked, rules)
        if not asked.dry_run:
            store.ensure_writable(root)
        plan, absent_named = make_plan(asked, rules, root, console)
        console.plan(plan)
        if asked.dry_run:
            if asked.as_json:
                console.document(encode(plan))
            return
        folder = store.RunFolder.create(root, slug(plan.machine.name), plan.run)
        folder.write_plan(plan)
    result = carry_out(plan, folder, limits, console, _duration(asked.wait, "--wait"))
    if asked.report is not None:
        from npubench.cli.look import write_report

        console.say(here("report: ", "보고서: ") + str(write_report([folder], asked.report, "", result.id)))
    console.result(result, folder.path)
    codes = [MeasurementError.exit_code for cell in result.cells if cell.verdict == "invalid"]
    if absent_named:
        codes.append(AbsentBackendError.exit_code)
    code = combine_exit_codes(codes)
    if code:
        sys.exit(code)


def check_options(asked: Asked, rules: Ruleset) -> None:
    """Raises UsageError for options that contradict each other or name nothing."""
    if asked.profile not in rules.profiles:
        known = ", ".join(rules.profiles)
        raise UsageError(f'no profile "{asked.profile}"; known: {known}')
    planning.check_scenarios(asked.scenarios)
    if asked.shapes and not asked.onnx:
        raise UsageError("--shape goes with --onnx FILE")
    if asked.onnx and asked.models:
        raise UsageError("--onnx and --model do not go together; run them one after the other")
    for scope in asked.scopes:
        if scope not in ("device", "service"):
            raise UsageError(f'no scope "{scope}"; known: device, service')


def _duration(text: str, option: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def wanted_models(
    asked: Asked, cards: Catalogue, console: Console
) -> tuple[list[planning.Wanted], dict[str, selection.Model], dict[str, str], str | None]:
    """What is to be measured: models and how, their rooms, the paths of the user's own files, and the suite's id."""
    sources: dict[str, str] = {}
    models: dict[str, selection.Model] = {}
    if asked.onnx:
        wanted = []
        shapes = selection.parse_shapes(asked.shapes)
        for path in asked.onnx:
            model, said = selection.user_model(path, shapes)
            for line in said:
                console.say(line)
            name = model.card.id
            if name in models:
                raise UsageError(f"two files would both be called {name}; rename one of them")
            models[name] = model
            sources[f"onnx:{name}"] = str(path.resolve())
            wanted.append(
                planning.Wanted(
                    model=name,
                    precisions=(planning.NATIVE,),
                    scenarios=asked.scenarios or DEFAULT_SCENARIOS,
                    scopes=("device",),
                )
            )
        return wanted, models, sources, None
    suite = pick(cards.suites, asked.suite, "suite").card
    entries = {item.model: item for item in planning.wanted_from_suite(suite, asked.profile)}
    names = list(dict.fromkeys(asked.models)) or list(entries)
    wanted = []
    for name in names:
        models[name] = selection.model_of(cards, name)
        known = entries.get(name, planning.Wanted(model=name, scenarios=DEFAULT_SCENARIOS))
        wanted.append(
            planning.Wanted(
                model=name,
                precisions=asked.precisions or known.precisions,
                scenarios=asked.scenarios or known.scenarios,
                scopes=asked.scopes or known.scopes,
            )
        )
    return wanted, models, sources, asked.suite if not asked.models else None


def make_plan(asked: Asked, rules: Ruleset, root: Path, console: Console) -> tuple[Plan, bool]:
    """The plan, and whether a backend that was named is absent. Raises UsageError, CardError, DataError …"""
    cards = catalogue(asked.cards)
    wanted, models, sources, suite = wanted_models(asked, cards, console)
    folders = {kind: path for kind, path in (("frames", asked.frames), ("pages", asked.pages)) if path is not None}
    if folders:
        models = {name: selection.with_user_data(model, folders, cards) for name, model in models.items()}
    backends = selection.find_backends(cards, asked.backends, console.probing)
    machine = facts(asked.machine)
    notes = preflight.check(machine, root, _NEEDED_BYTES, availability=backends.availability, cards=backends.ready)
    models[FLOOR_MODEL] = selection.model_of(cards, FLOOR_MODEL)
    for name, model in models.items():
        sources[f"room:{name}"] = str(model.room)
        if model.data is not None:
            sources[f"data:{name}"] = str(model.data)
    rule = rules.profiles[asked.profile]
    budget = planning.Budget(
        profile=asked.profile,
        seconds=_duration(asked.budget, "--budget") if asked.budget else rule.budget_s,
        launches=asked.launches or rule.launches,
        max_window_s=600.0 if asked.budget else rule.max_window_s,
    )
    plan = planning.make(
        run=store.new_run_id(),
        wanted=wanted,
        models={name: model.card for name, model in models.items()},
        backends=backends.ready,
        data_sha256={name: model.data_sha256 for name, model in models.items() if model.data_sha256},
        machine=machine,
        rules=rules,
        budget=budget,
        seed=asked.seed,
        suite=suite,
        command=("npubench", *sys.argv[1:]),
        sources=sources,
        absent=backends.absent,
        notes=notes,
        availability=backends.availability,
    )
    return plan, bool(asked.backends and backends.absent)


def carry_out(plan: Plan, folder: store.RunFolder, limits: Limits, console: Console, wait_s: float) -> Run:
    """Runs the plan under the machine's lock, with progress on the console; a sealed run is only read."""
    if folder.sealed():
        return folder.run()
    lock = DeviceLock(folder.path)
    with Stop() as stop:
        lock.acquire(wait_s, console.waiting)
        try:
            with console.live(plan) as watcher:
                return Execution(plan, folder, cache_root(), watcher, limits, stop).carry_out()
        finally:
            lock.release()


def selftest(as_json: bool) -> None:
    """Measures npubench itself: the null backend and the one-node model on every backend that is ready."""
    console = Console(as_json=as_json)
    cards = catalogue()
    rules = load()
    floor = selection.model_of(cards, FLOOR_MODEL)
    ready: dict[str, BackendCard] = {"null": cards.backends["null"].card}
    try:
        ready.update(selection.find_backends(cards, ()).ready)
    except AbsentBackendError as error:
        console.say(str(error))
    models: dict[str, ModelCard] = {FLOOR_MODEL: floor.card}
    with tempfile.TemporaryDirectory(prefix="npubench-selftest-") as temporary:
        plan = planning.make(
            run=store.new_run_id(),
            wanted=[planning.Wanted(model=FLOOR_MODEL, scenarios=("single-stream",))],
            models=models,
            backends=ready,
            data_sha256={},
            machine=facts(),
            rules=rules,
            budget=planning.Budget(profile="smoke", seconds=1.0, launches=1, max_window_s=1.0),
            seed=0,
            suite=None,
            sources={f"room:{FLOOR_MODEL}": str(floor.room)},
        )
        folder = store.RunFolder.create(Path(temporary), "selftest", plan.run)
        folder.write_plan(plan)
        result = carry_out(plan, folder, Limits(stall_s=60.0), console, 60.0)
    if as_json:
        console.document(encode(result))
    else:
        console.table(
            (here("backend", "백엔드"), here("floor p50", "하한 p50"), "p99", here("samples/s", "샘플/s")),
            [
                (
                    cell.backend,
                    *(
                        show(cell.summary[key].median if key in cell.summary else None, unit)
                        for key, unit in (
                            ("latency_p50_ns", "ns"),
                            ("latency_p99_ns", "ns"),
                            ("samples_per_s", "samples/s"),
                        )
                    ),
                )
                for cell in result.cells
            ],
        )
    bad = [cell for cell in result.cells if cell.verdict == "invalid"]
    if bad:
        raise MeasurementError(
            "; ".join(f"{cell.backend}: {cell.failures[0].message if cell.failures else cell.verdict}" for cell in bad)
        )
