"""A whole run folder: every file accounted for, every launch derived again, the run document put together again.

Guarantees: files are read, never written; a damaged file is a mismatch and the rest is still checked; a file of a newer
format is an error (`SchemaTooNewError`), because nothing can be said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from npubench import __version__
from npubench.cards import build_name
from npubench.energy import Attachment, PowerSession
from npubench.errors import NotComparableError, SchemaTooNewError, UnknownNameError
from npubench.evidence import Certificate
from npubench.exhibits import Exhibits
from npubench.lang import Text
from npubench.rules import Ruleset, known, load
from npubench.schema import CURRENT, Launch, Plan, Quality, Run, parse
from npubench.stats.runs import derived
from npubench.stats.samples import Samples
from npubench.store import (
    EXHIBITS,
    LAUNCHES,
    PLACEMENT,
    PLAN,
    POWER,
    QUALITY,
    RUN,
    TUNING,
    WORK,
    RunFolder,
    is_attachment,
    is_private,
    sha256_file,
)
from npubench.tuning import Tuning
from npubench.verify.cells import check_cells, check_planned, check_spreads
from npubench.verify.energy import Energy
from npubench.verify.found import Kind, Tally, Verified, legible
from npubench.verify.launches import check_launch, stored_samples, way_of
from npubench.verify.records import check_certificate, check_exhibits, check_quality, check_tuning

D = TypeVar("D", Launch, Quality, Exhibits, Certificate, Tuning, PowerSession, Attachment)

MISSING = "missing"

# What documents raise that nobody has measured: figures that contradict each other, keys that are not there.
_UNDERIVABLE = (ArithmeticError, LookupError, TypeError, ValueError, AssertionError)
_SEAL = Text(en="the hash in run.json", ko="run.json에 적힌 해시와 다름")
_NAMED = Text(en="a file is named after what is in it", ko="파일 이름은 내용에서 나옵니다")
_TOGETHER = Text(en="put together again from plan and launches", ko="계획과 실행에서 다시 만든 값과 다름")
_MACHINE = Text(
    en="facts about the machine, versions of software, and what the backends' cards say",
    ko="장비 정보, 소프트웨어 버전, 백엔드 카드의 내용",
)


def verify_folder(folder: RunFolder, of: str = "", kind: Kind = "run") -> Verified:
    """Everything in one run folder.

    Raises UsageError where there is neither plan nor run, NotComparableError for a plan that cannot be read and what
    `legible` refuses, SchemaTooNewError for a document of a newer npubench.
    """
    with legible(of or str(folder.path)):
        return _Folder(folder).verified(of or str(folder.path), kind)


def verify_document(path: Path, of: str = "") -> Verified:
    """A run document without its folder, such as an accepted one in git: what must agree within it.

    Raises NotComparableError for what is none, SchemaTooNewError for one of a newer npubench.
    """
    run = parse(path.read_bytes(), Run, str(path))
    with legible(of or str(path)):
        return _Folder(RunFolder(path.parent)).document(run, of or str(path))


class _Folder:
    """One verification on its way."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._tally = Tally()
        self._expected = {PLAN, RUN}
        self._unreadable: set[str] = set()
        self._incomplete: set[str] = set()

    def verified(self, of: str, kind: Kind) -> Verified:
        sealed = self._folder.sealed()
        run = self._run() if sealed else None
        if not (self._folder.path / PLAN).is_file() and run is not None:
            self._alone(run)
            written, name = run.npubench, run.id
        else:
            plan = self._folder.plan()
            written, name = plan.npubench, plan.run
            self._tally.files.add(PLAN)
            self._all(plan, run)
        return self._finished(of, kind, name, written, sealed=sealed)

    def document(self, run: Run, of: str) -> Verified:
        """A run document alone."""
        self._tally.files.add(RUN)
        self._alone(run)
        return self._finished(of, "run", run.id, run.npubench, sealed=True)

    def _finished(self, of: str, kind: Kind, run: str, written: str, *, sealed: bool) -> Verified:
        tally = self._tally
        if written != __version__ and tally.mismatches:
            tally.remark(
                Text(
                    en=f"written by npubench {written}, verified by {__version__}: where only derived values differ, "
                    f"the way to derive them may have changed; npubench {written} can tell",
                    ko=f"npubench {written}에서 작성, {__version__}에서 검증: 계산값만 다르면 계산 방법이 바뀐 것일 수 "
                    f"있으니 npubench {written}으로 확인하세요",
                )
            )
        return Verified(
            of=of,
            kind=kind,
            run=run,
            npubench=written,
            verified_by=__version__,
            sealed=sealed,
            numbers=tally.numbers,
            samples=tally.samples,
            readings=tally.readings,
            files=len(tally.files),
            mismatches=tuple(tally.mismatches),
            stated=tuple(tally.stated.values()),
            remarks=tuple(tally.remarks),
        )

    def _run(self) -> Run | None:
        try:
            run = self._folder.run()
        except SchemaTooNewError:
            raise
        except (NotComparableError, OSError) as error:
            self._tally.wrong(RUN, "", _said(error), "a run document")
            return None
        self._tally.files.add(RUN)
        self._extra_keys(RUN, run)
        return run

    def _alone(self, run: Run) -> None:
        """A run document without its evidence: only what is consistent within it can be told."""
        self._tally.remark(
            Text(
                en="the run document alone: its launches and samples are not here, so no figure can be "
                "recomputed; only what must agree within it was checked",
                ko="실행 문서만 있고 실행 파일과 표본이 없어 수치를 다시 계산할 수 없습니다. 문서 안에서 일치해야 할 "
                "것만 검사했습니다",
            )
        )
        if run.ruleset not in known():
            self._tally.wrong(RUN, "ruleset", run.ruleset, f"one of {', '.join(known())}")
        check_cells(self._tally, RUN, run.cells)
        check_spreads(self._tally, RUN, run.cells)
        for name in run.files:
            self._tally.wrong(name, "", MISSING, "the file that run.json names", _SEAL)
        if not run.files:
            self._tally.wrong(f"{LAUNCHES}/", "", MISSING, "launch files and samples")

    def _all(self, plan: Plan, run: Run | None) -> None:
        tally = self._tally
        tally.state(_MACHINE)
        check_planned(tally, plan)
        rules = self._rules(plan)
        tunings = {item.cell: item for item in self._records(TUNING, Tuning, lambda item: item.cell)}
        qualities = list(self._records(QUALITY, Quality, _build))
        exhibits = list(self._records(EXHIBITS, Exhibits, _build))
        certificates = list(self._records(PLACEMENT, Certificate, _build))
        for quality in qualities:
            check_quality(tally, f"{QUALITY}/{_build(quality)}.json", quality, plan)
        for found in exhibits:
            check_exhibits(tally, f"{EXHIBITS}/{_build(found)}.json", found, plan)
        for tuning in tunings.values():
            check_tuning(tally, f"{TUNING}/{tuning.cell}.json", tuning, plan)
        if rules is not None:
            for certificate in certificates:
                check_certificate(tally, f"{PLACEMENT}/{_build(certificate)}.json", certificate, rules)
        sessions = list(self._records(POWER, PowerSession, lambda item: str(item.number)))
        logs = list(self._records(POWER, Attachment, lambda item: self._folder.attachment_path(item.name).stem))
        self._energy = Energy(tally, plan, self._folder, sessions)
        self._energy.check_sessions()
        launches = list(self._records(LAUNCHES, Launch, lambda item: f"{item.cell}-{item.number}"))
        for launch in launches:
            self._launch(plan, launch, tunings.get(launch.cell), rules)
        if rules is not None:
            self._energy.check_logs(logs, launches, rules)
        self._order(plan, launches, run)
        if run is not None:
            self._sealed(plan, run, rules)
        else:
            tally.remark(
                Text(
                    en=f"not sealed: {len(launches)} of {len(plan.order)} launches are there, and no run.json; "
                    "what is there was checked",
                    ko=f"완료되지 않은 실행: 실행 {len(plan.order)}회 중 {len(launches)}회, run.json 없음. 있는 것만 "
                    "검사했습니다",
                )
            )
        self._expected |= self._energy.files
        self._extra_files(sealed=run is not None)

    def _rules(self, plan: Plan) -> Ruleset | None:
        try:
            return load(plan.ruleset)
        except UnknownNameError:
            self._tally.wrong(PLAN, "ruleset", plan.ruleset, f"one of {', '.join(known())}")
            return None

    def _records(self, part: str, kind: type[D], named: Callable[[D], str]) -> Iterator[D]:
        """Every document of one kind; one that cannot be read is named and left out."""
        for path in sorted((self._folder.path / part).glob("*.json")):
            file = f"{part}/{path.name}"
            if path.name.startswith(".") or is_attachment(path) is not (kind is Attachment):
                continue
            self._expected.add(file)
            try:
                found = parse(path.read_bytes(), kind, file)
            except SchemaTooNewError:
                raise
            except (NotComparableError, OSError) as error:
                # A folder of a file's name is one that cannot be read, too.
                self._unreadable.add(file)
                self._tally.wrong(file, "", _said(error), "a document that can be read")
                continue
            self._tally.files.add(file)
            self._extra_keys(file, found)
            if path.stem != named(found):
                self._tally.wrong(file, "", path.name, f"{named(found)}.json", _NAMED)
            yield found

    def _extra_keys(self, file: str, found: Any) -> None:
        """Names keys that this version does not know, where the file says that it is of this version's format."""
        raw = msgspec.json.decode((self._folder.path / file).read_bytes())
        kind, _, version = raw["schema"].rpartition("/")
        if CURRENT.get(kind) == int(version):
            for at in _unknown(raw, msgspec.to_builtins(found), ""):
                self._tally.wrong(file, at, "a key that is not in the format", MISSING)

    def _launch(self, plan: Plan, launch: Launch, tuning: Tuning | None, rules: Ruleset | None) -> None:
        file = f"{LAUNCHES}/{launch.cell}-{launch.number}.json"
        tally = self._tally
        tally.same(file, "run", launch.run, plan.run)
        cell = next((item for item in plan.cells if item.id == launch.cell), None)
        if cell is None or (launch.cell, launch.number) not in plan.order:
            tally.wrong(file, "", f"launch {launch.number} of cell {launch.cell}", "a launch of the plan's order")
            return
        samples = self._samples(file, launch)
        for name in ("stdout", "stderr"):
            if launch.status == "failed":
                self._expected.add(f"{LAUNCHES}/{launch.cell}-{launch.number}.{name}.txt")
        if rules is not None:
            try:
                check_launch(tally, file, launch, way_of(cell, tuning), samples, rules, self._energy)
            except _UNDERIVABLE as error:
                tally.wrong(file, "", f"nothing can be derived from it: {error!r}", "a launch as npubench writes it")

    def _samples(self, file: str, launch: Launch) -> Samples | None:
        """The launch's samples, checked against what it says of them; None where they are not there or damaged."""
        tally, stated = self._tally, launch.samples
        if stated is None:
            if launch.status == "ok":
                tally.wrong(file, "samples", None, "the file of its samples")
            return None
        name = f"{LAUNCHES}/{stated.file}"
        self._expected.add(name)
        wanted = f"{launch.cell}-{launch.number}.npz"
        if stated.file != wanted:
            tally.wrong(file, "samples.file", stated.file, wanted, _NAMED)
            return None
        path = self._folder.path / LAUNCHES / stated.file
        if not path.is_file():
            tally.wrong(name, "", MISSING, f"the samples that {file} names")
            return None
        tally.files.add(name)
        tally.same(name, "SHA-256", sha256_file(path), stated.sha256, why=_hash_in(file))
        try:
            samples = stored_samples(path, stated)
        except NotComparableError as error:
            tally.wrong(name, "", _said(error), f"{stated.rows:,} samples")
            return None
        tally.same(file, "samples.rows", stated.rows, len(samples.table))
        tally.same(file, "samples.tokens", stated.tokens, len(samples.tokens))
        tally.samples += len(samples.table)
        return samples

    def _order(self, plan: Plan, launches: list[Launch], run: Run | None) -> None:
        """Every planned launch is there, and they follow each other as planned. A run that had to be done at a given
        time may have been sealed without some: then no cell and no hash of it names them.
        """
        named = set() if run is None else {f"{LAUNCHES}/{name}.json" for cell in run.cells for name in cell.launches}
        left_out = 0
        found = {(launch.cell, launch.number): launch for launch in launches}
        before = ""
        for cell, number in plan.order:
            launch = found.get((cell, number))
            file = f"{LAUNCHES}/{cell}-{number}.json"
            if launch is None:
                if run is not None and file not in self._unreadable:
                    if file in named or file in run.files:
                        self._incomplete.add(cell)
                        self._tally.wrong(file, "", MISSING, "a launch of the plan's order")
                    else:
                        # Its cell was sealed without it, so it is put together again without it, and compared.
                        left_out += 1
                continue
            if launch.started < before:
                self._tally.remark(
                    Text(
                        en=f"{file} started at {launch.started}, before the launch that the plan puts before it: "
                        "the clock was set back, or files were exchanged",
                        ko=f"{file}의 시작 시각({launch.started})이 계획상 앞선 실행보다 이릅니다: 시계가 되돌려졌거나 "
                        "파일이 바뀌었습니다",
                    )
                )
            before = max(before, launch.started)
        if left_out:
            self._tally.remark(
                Text(
                    en=f"sealed without {left_out} of {len(plan.order)} planned launches: there was no time for them",
                    ko=f"계획한 실행 {len(plan.order)}회 중 {left_out}회는 시간이 없어 빠진 채 완료된 실행",
                )
            )

    def _sealed(self, plan: Plan, run: Run, rules: Ruleset | None) -> None:
        """run.json against its hashes, and against the run put together again."""
        tally = self._tally
        tally.same(RUN, "id", run.id, plan.run)
        check_cells(tally, RUN, run.cells)
        if rules is None:
            return
        if self._unreadable:
            self._files(run, {})
            return
        try:
            again = derived(self._folder)
        except _UNDERIVABLE as error:
            tally.wrong(RUN, "", f"no run can be put together from the launches: {error!r}", "a run")
            return
        self._files(run, again.files)
        # What a missing launch changes is no news: it was named.
        skip = {f"cells[{index}]" for index, cell in enumerate(run.cells) if cell.id in self._incomplete}
        if skip and len(run.cells) == len(again.cells):
            tally.remark(
                Text(
                    en=f"{len(skip)} cells lack a launch and were not compared with run.json",
                    ko=f"실행이 빠진 셀 {len(skip)}개는 run.json과 비교하지 않았습니다",
                )
            )
        tally.same(RUN, "cells", run.cells, again.cells, skip=skip, why=_TOGETHER)
        skip = {"sealed", "files", "cells"}
        tally.same(RUN, "", run, again, skip=skip, why=_TOGETHER, counted=False)

    def _files(self, run: Run, now: dict[str, str]) -> None:
        """The hashes that the run was sealed with."""
        for name, sha256 in run.files.items():
            path = self._folder.path / name
            if not _inside(name):
                self._tally.wrong(RUN, f"files.{name}", name, "a file of the run folder")
            elif path.is_file():
                self._tally.files.add(name)
                self._tally.same(name, "SHA-256", sha256_file(path), sha256, why=_SEAL)
            else:
                self._tally.wrong(name, "", MISSING, f"the file with SHA-256 {sha256}", _SEAL)
        for name in now:
            if name not in run.files:
                self._tally.wrong(name, "", "not among the files that the run was sealed with", MISSING, _SEAL)

    def _extra_files(self, *, sealed: bool) -> None:
        """Nothing else lies in the folder. What a killed process left behind is no evidence, and is said."""
        for path in sorted(self._folder.path.rglob("*")):
            name = path.relative_to(self._folder.path).as_posix()
            if path.is_symlink():
                self._tally.wrong(name, "", "a link", "a file of the run itself")
            elif (
                path.is_dir()
                or name in self._expected
                or is_private(path)
                or (not sealed and name.startswith(f"{WORK}/"))
            ):
                continue
            elif path.name.startswith("."):
                self._tally.remark(
                    Text(
                        en=f"{name}: left by a process that was killed", ko=f"{name}: 강제 종료된 프로세스가 남긴 파일"
                    )
                )
            else:
                self._tally.wrong(name, "", "a file that nothing names", MISSING)


def _unknown(raw: Any, known: Any, at: str) -> Iterator[str]:
    """Paths of keys in `raw` that `known` does not have."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            path = f"{at}.{key}" if at else key
            if key not in known:
                yield path
            else:
                yield from _unknown(value, known[key], path)
    elif isinstance(raw, list) and isinstance(known, list | tuple):
        for index, (value, other) in enumerate(zip(raw, known, strict=False)):
            yield from _unknown(value, other, f"{at}[{index}]")


def _build(item: Quality | Exhibits | Certificate) -> str:
    return f"{item.model}--{build_name(item.precision, item.variant)}--{item.backend}"


def _hash_in(file: str) -> Text:
    return Text(en=f"the hash in {file}", ko=f"{file}에 적힌 해시와 다름")


def _inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _said(error: Exception) -> str:
    return str(error)
