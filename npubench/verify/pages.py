"""A report page against its own data, and its data against the runs that it was made from.

Three steps: the page, but for its data block, has the SHA-256 that the block states; the values in each cell's sheet
are those of the block, as this version writes them; with the runs at hand, the block's values are those of the runs
derived again, and the page is the one that is drawn from them.

Not aware of: what the page says in prose, which only drawing it anew can tell.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import msgspec

from npubench import __version__
from npubench.errors import NotComparableError, SchemaTooNewError
from npubench.lang import Language, Text
from npubench.metrics import METRICS
from npubench.report.embedded import shown_run
from npubench.report.files import run_files
from npubench.report.numbers import metric
from npubench.report.page_data import ID, SCHEMA, PageData, ShownCell, taken_apart
from npubench.report.redact import redacted
from npubench.schema import Run
from npubench.stats.runs import derived, with_logs
from npubench.store import RUN, RunFolder, sha256_file
from npubench.verify.found import Tally, Verified, legible

# A page with three hundred cells has 3 MB.
MOST_BYTES = 256 << 20

_SHOWN = Text(en="the page's own data", ko="페이지에 담긴 데이터와 다름")
_RUN = Text(en="recomputed from the run", ko="실행에서 다시 계산한 값과 다름")
_DRAWN = Text(en="the page drawn anew from the run", ko="실행에서 다시 그린 페이지와 다름")
# What is drawn, and what is said where a picture could not be: it may be here, or not.
_DRAWINGS = re.compile(r'<svg\b.*?</svg>|<p class="without">.*?</p>', re.S)
# What a page says of other runs: which were there to compare with, this run's evidence cannot tell.
# Derived from the headings, those of the past among them.
_CONTENTS = re.compile(r'<nav class="contents".*?</nav>', re.S)
_PAST = re.compile(r"<!-- past -->.*?<!-- /past -->", re.S)
_OTHERS = Text(
    en="changes against another run and the history come from other runs' evidence: they were not drawn anew",
    ko="다른 실행과 비교한 변화와 추이는 다른 실행의 증거에서 나오므로 다시 그려 비교하지 않았습니다",
)
_REDACTED = Text(
    en="a redacted copy: names, addresses and paths in it were replaced, so its texts are not those of run.json; its "
    "figures were held against the run, redacted in the same way",
    ko="가린 사본: 이름, 주소, 경로를 바꾼 페이지이므로 글은 run.json과 다릅니다. 수치는 같은 방식으로 가린 실행과 "
    "대조했습니다",
)
_REDACTED_ALONE = Text(
    en="a redacted copy: names, addresses and paths in it were replaced, so its texts are not those of run.json",
    ko="가린 사본: 이름, 주소, 경로를 바꾼 페이지이므로 글은 run.json과 다릅니다",
)
_OWN_PICTURES = Text(
    en="the page holds pictures of the user's own, which are no part of the evidence: it was not drawn anew",
    ko="사용자 자료의 그림이 든 페이지입니다. 그림은 증거에 들어 있지 않으므로 다시 그려 비교하지 않았습니다",
)


class _Sheets(HTMLParser):
    """The rows of each cell's table of values: (title, value, launches), by the sheet's id; and the page's language."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.language, self.follow = "en", False
        self.rows: dict[str, list[tuple[str, str, str]]] = {}
        self._sheet = ""
        self._values = False
        self._hidden = 0
        self._cell: list[str] | None = None
        self._row: list[str] = []
        self._data = False
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        if tag == "html":
            self.language, self.follow = given.get("lang") or "en", "data-reader" in given
        elif tag == "details" and "sheet" in classes:
            self._sheet = given.get("id") or ""
            self.rows.setdefault(self._sheet, [])
        elif tag == "table":
            self._values = "values" in classes and bool(self._sheet)
        elif tag == "tr":
            self._row, self._data = [], False
        elif tag in ("td", "th"):
            # The row of titles has no data.
            self._cell, self._data = [], self._data or tag == "td"
        elif tag == "span":
            # The other language, a unit beside a rate, and remarks are not part of the number.
            hidden = "ko" in classes or "unit" in classes or "said" in classes
            self._open.append((tag, hidden))
            self._hidden += hidden

    def handle_endtag(self, tag: str) -> None:
        if tag == "span" and self._open:
            self._hidden -= self._open.pop()[1]
        elif tag in ("td", "th") and self._cell is not None:
            self._row.append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "tr" and self._values and self._data and len(self._row) >= 3:
            self.rows[self._sheet].append((self._row[0], self._row[1], self._row[2]))
        elif tag == "table":
            self._values = False

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._hidden:
            self._cell.append(data)


def verify_page(path: Path, runs: Mapping[str, RunFolder], of: str = "") -> Verified:
    """One report. `runs`: the run folders at hand, by run id.

    Raises NotComparableError for what is no such report, SchemaTooNewError for one of a newer npubench.
    """
    if path.stat().st_size > MOST_BYTES:
        raise NotComparableError(f"{path}: larger than any report ({path.stat().st_size:,} bytes)")
    try:
        page = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NotComparableError(f"{path}: not a report: {error}") from error
    apart = taken_apart(page)
    if apart is None:
        raise NotComparableError(
            f'{path}: not a report of npubench, or one from before reports held their data (no block "{ID}")',
            hint="npubench report RUN writes it anew",
        )
    bare, text = apart
    data = _data(path, text)
    tally, file = Tally(), path.name
    tally.files.add(file)
    tally.same(
        file,
        "",
        hashlib.sha256(bare.encode()).hexdigest(),
        data.page_sha256,
        why=Text(
            en="the SHA-256 in the page's data: the page was edited", ko="페이지가 수정되었습니다(SHA-256 불일치)"
        ),
    )
    sheets = _Sheets()
    sheets.feed(bare)
    sheets.close()
    for run in data.runs:
        for cell in run.cells:
            _sheet(tally, file, cell, sheets)
    known = [runs[item.run] for item in data.runs if item.run in runs]
    if data.redacted:
        tally.remark(_REDACTED if known else _REDACTED_ALONE)
    if data.own_pictures:
        tally.remark(_OWN_PICTURES)
    with legible(of or str(path)):
        _against(tally, file, data, runs)
        whole = bool(data.runs) and len(known) == len(data.runs) and all(folder.sealed() for folder in known)
        if whole and not data.own_pictures:
            _drawn(tally, file, bare, known, data, sheets)
    if not known and data.runs:
        tally.remark(
            Text(
                en="the page was held against the data in it; whether that is what the samples give takes the run: "
                "npubench verify REPORT RUN",
                ko="페이지와 그 안의 데이터만 대조했습니다. 표본까지 확인하려면 실행이 필요합니다: "
                "npubench verify REPORT RUN",
            )
        )
    return Verified(
        of=of or str(path),
        kind="report",
        run=" ".join(item.run for item in data.runs),
        npubench=data.npubench,
        verified_by=__version__,
        numbers=tally.numbers,
        files=len(tally.files),
        mismatches=tuple(tally.mismatches),
        remarks=tuple(tally.remarks),
    )


def _data(path: Path, text: str) -> PageData:
    try:
        name, _, version = str(msgspec.json.decode(text)["schema"]).rpartition("/")
        if name == SCHEMA.rpartition("/")[0] and int(version) > int(SCHEMA.rpartition("/")[2]):
            raise SchemaTooNewError(
                f"{path}: written by a newer npubench (data {name}/{version}; this one reads {SCHEMA})",
                hint="install that npubench, or a newer one, to verify it",
            )
        return msgspec.json.decode(text, type=PageData)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotComparableError(f"{path}: the page's data is damaged: {error}") from error


def _sheet(tally: Tally, file: str, cell: ShownCell, sheets: _Sheets) -> None:
    """The sheet of one cell shows the data's values, all of them and no others."""
    if not cell.anchor:
        return
    shown = sheets.rows.get(cell.anchor)
    if shown is None:
        tally.wrong(file, f"#{cell.anchor}", "no sheet", f"the sheet of cell {cell.id}")
        return
    wanted = []
    for name, item in METRICS.items():
        if name in cell.summary:
            each = " · ".join(metric(name, value).text for value in cell.launches.get(name, ()))
            wanted.append((name, item.title.en, metric(name, cell.summary[name]).text, each))
            tally.numbers += 1 + len(cell.launches.get(name, ()))
    for row, (name, title, value, each) in zip(shown, wanted, strict=False):
        at = f"#{cell.anchor} {name}"
        if row[0] != title:
            tally.wrong(file, at, row[0], title, _SHOWN)
        if row[1] != value:
            tally.wrong(file, at, row[1], value, _SHOWN)
        if row[2] != each:
            tally.wrong(file, f"{at}, launches", row[2], each, _SHOWN)
    if len(shown) != len(wanted):
        tally.wrong(file, f"#{cell.anchor}", f"{len(shown)} values", f"{len(wanted)} values", _SHOWN)


def _against(tally: Tally, file: str, data: PageData, runs: Mapping[str, RunFolder]) -> None:
    """The data of the page against the runs at hand, derived again."""
    for index, item in enumerate(data.runs):
        folder = runs.get(item.run)
        if folder is None:
            continue
        at = f"{ID}.runs[{index}]"
        sha256 = sha256_file(folder.path / RUN) if folder.sealed() else None
        tally.same(file, f"{at}.sha256", item.sha256, sha256, why=_RUN)
        again = _anew(folder)
        if data.redacted:
            (files,) = redacted([run_files(folder, again)])
            again = files.run
        # Beside other runs a redacted machine has another number.
        skip = (f"{at}.machine",) if data.redacted and len(data.runs) > 1 else ()
        tally.same(file, at, item, shown_run(again, item.key, item.sha256), skip=skip, why=_RUN)


def _anew(folder: RunFolder) -> Run:
    """The run derived again, with the logs of external meters that were attached to it."""
    return with_logs(derived(folder), folder)


def _drawn(tally: Tally, file: str, bare: str, folders: list[RunFolder], data: PageData, head: _Sheets) -> None:
    """The page drawn anew. Charts are left out: another version of the drawing library may round otherwise."""
    if data.npubench != __version__:
        tally.remark(
            Text(
                en=f"the page was drawn by npubench {data.npubench}; this is {__version__}, which draws another one",
                ko=f"npubench {data.npubench}이 그린 페이지입니다. 지금 버전은 {__version__}이므로 다시 그려 비교하지 "
                "않았습니다",
            )
        )
        return
    from npubench.report import html, view

    spoken = cast(Language, head.language if head.language in ("en", "ko") else "en")
    # When a run was sealed is the one thing in it that cannot be derived.
    runs = [msgspec.structs.replace(_anew(folder), sealed=folder.run().sealed) for folder in folders]
    files = [run_files(folder, run) for folder, run in zip(folders, runs, strict=True)]
    files = redacted(files) if data.redacted else files
    page = html.render(view.build(files), spoken, follow=head.follow)
    again = taken_apart(page)
    assert again is not None
    if _PAST.findall(bare) != _PAST.findall(again[0]):
        tally.remark(_OTHERS)
    found, expected = (
        _DRAWINGS.sub("", _PAST.sub("", _CONTENTS.sub("", text))).splitlines() for text in (bare, again[0])
    )
    for number, (left, right) in enumerate(zip(found, expected, strict=False), 1):
        if left != right:
            tally.wrong(file, f"line {number} (charts left out)", left.strip(), right.strip(), _DRAWN)
            return
    if len(found) != len(expected):
        tally.wrong(file, "", f"{len(found)} lines", f"{len(expected)} lines", _DRAWN)
