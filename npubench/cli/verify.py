"""`npubench verify`: recomputes runs, packs and reports from their evidence and names what does not agree."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from npubench import __version__, store
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError, NpubenchError, UsageError, combine_exit_codes
from npubench.lang import Language, Text, language
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.units import show
from npubench.verify.folder import verify_document, verify_folder
from npubench.verify.found import Kind, Mismatch, Verified
from npubench.verify.pages import verify_page
from npubench.verify.unpacking import is_pack, verify_pack

MISMATCH = 4
"""The exit code where evidence and figures disagree: the result is invalid."""

# Of one run so many mismatches are printed; --json has all.
MOST = 40


def verify(names: Sequence[str], *, as_json: bool, out: Path | None) -> None:
    """Prints what was checked. Exits with 4 where anything does not agree, 5 where something cannot be read.

    Raises UsageError for a name that means nothing. A run is also what a report beside it is checked against.
    """
    root = store.results_root(out, checkout_root())
    given: list[tuple[str, store.RunFolder | Path]] = []
    for name in names:
        path = Path(name)
        file = path.is_file() and path.name not in (store.RUN, store.PLAN)
        given.append((name, path if file else store.open_run(name, root)))
    folders = [item for _, item in given if isinstance(item, store.RunFolder)]
    runs = _by_id(folders)
    found = [_verified(name, item, runs) for name, item in given]
    if as_json:
        document: object = found[0] if len(found) == 1 else found
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    else:
        for line in lines(found, language()):
            print(line)  # noqa: T201
    if code := combine_exit_codes(_code(item) for item in found):
        sys.stdout.flush()
        sys.exit(code)


def _by_id(folders: Iterable[store.RunFolder]) -> dict[str, store.RunFolder]:
    """Run id → folder. Raises UsageError for two folders that claim one id: a report cannot be of both."""
    found: dict[str, store.RunFolder] = {}
    for folder in folders:
        try:
            run = folder.plan().run
        except NpubenchError:
            # What is wrong with it is said when it is verified.
            continue
        other = found.setdefault(run, folder)
        if other.path.resolve() != folder.path.resolve():
            raise UsageError(
                f"{other.path} and {folder.path} both claim to be run {clean(run)}", hint="verify one at a time"
            )
    return found


def _verified(name: str, item: store.RunFolder | Path, runs: Mapping[str, store.RunFolder]) -> Verified:
    kind: Kind = "run"
    try:
        if isinstance(item, store.RunFolder):
            return verify_folder(item, name)
        if is_pack(item):
            kind = "pack"
            return verify_pack(item, name)
        if item.suffix == ".json":
            return verify_document(item, name)
        kind = "report"
        return verify_page(item, runs, name)
    except NotComparableError as error:
        said = f"{error}\n{error.hint}" if error.hint else str(error)
        return Verified(of=name, kind=kind, verified_by=__version__, refused=said)


def _code(item: Verified) -> int:
    return NotComparableError.exit_code if item.refused is not None else MISMATCH if item.mismatches else 0


def lines(found: Iterable[Verified], spoken: Language) -> Iterator[str]:
    """What people read: per run the verdict in a line, then each mismatch, remarks and what could not be recomputed."""
    for item in found:
        if item.refused is not None:
            said = Text(en="nothing could be verified", ko="검증할 수 없음")
            yield f"{clean(item.of)}: {said[spoken]}: {clean(item.refused, LINE_LIMIT)}"
            continue
        yield f"{clean(item.of)}: {_headline(item)[spoken]}"
        for mismatch in item.mismatches[:MOST]:
            yield from _mismatch(mismatch, spoken)
        if (more := len(item.mismatches) - MOST) > 0:
            said = Text(en=f"… and {more} more (--json names all)", ko=f"… 외 {more}건(--json으로 모두 표시)")
            yield f"  {said[spoken]}"
        for remark in item.remarks:
            yield f"  · {clean(remark[spoken], LINE_LIMIT)}"
        if item.stated:
            title = Text(en="stated, not recomputable:", ko="기록된 값이며 다시 계산할 수 없음:")
            yield f"  {title[spoken]} " + "; ".join(text[spoken] for text in item.stated)


def _headline(item: Verified) -> Text:
    numbers, files, samples = (show(value, "count") for value in (item.numbers, item.files, item.samples))
    english = f"{numbers} numbers, {files} files, {samples} samples"
    korean = f"수치 {numbers}개, 파일 {files}개, 표본 {samples}개"
    if item.readings:
        readings = show(item.readings, "count")
        english, korean = f"{english}, {readings} power readings", f"{korean}, 전력 측정값 {readings}개"
    wrong = len(item.mismatches)
    if not wrong:
        return Text(en=f"{english}: all agree", ko=f"{korean}: 모두 일치")
    count, plural = show(wrong, "count"), "es" if wrong > 1 else ""
    return Text(en=f"{english}: {count} mismatch{plural}", ko=f"{korean}: 불일치 {count}건")


def _mismatch(item: Mismatch, spoken: Language) -> Iterator[str]:
    where = f"{clean(item.file)} {clean(item.path)}".rstrip()
    why = f" ({clean(item.why[spoken], LINE_LIMIT)})" if item.why is not None else ""
    found, expected = Text(en="found", ko="실제"), Text(en="expected", ko="기대")
    yield f"  ✗ {where}"
    yield f"      {found[spoken]:<9} {_line(item.found)}"
    yield f"      {expected[spoken]:<9} {_line(item.expected)}{why}"


def _line(text: str) -> str:
    return clean(text, LINE_LIMIT).replace("\n", " ")
