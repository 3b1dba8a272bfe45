"""`npubench report --index`: one page over everything in a results folder.

Guarantees: whatever lies in the folder, there is a page, and it names what could not be used; nothing in the folder is
changed. Links are relative to the page and only to pages that are there; `--pages N` writes those of the newest N runs
first, and a page that cannot be made is named on stderr and left out.

Not aware of: what is on the page (`report.index`), what a run's page is made from (`cli.report`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from npubench import baselines, store
from npubench.cli import nights
from npubench.cli.outputs import spoken_language, write
from npubench.cli.report import place, write_report
from npubench.cli.trend import beside
from npubench.errors import NpubenchError, UsageError
from npubench.lang import here
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.index import Ended
from npubench.stats.indexed import Indexed, IndexedMachine, IndexedRun, index

STEM = "index"
_MOST_RECORDS = 10_000


def write_index(root: Path, output: Path | None, lang: str, pages: int = 0) -> Path:
    """Writes the page and returns where. Raises UsageError where `root` is no folder or the page cannot be written."""
    from npubench.report import index as view
    from npubench.report import index_page

    spoken = spoken_language(lang)
    if not root.is_dir():
        raise UsageError(
            here(f"{root}: no results folder", f"{root}: 결과 폴더가 없음"),
            hint=here(
                "`npubench run` makes one; --out names another", "`npubench run`으로 만들거나 --out으로 지정하세요"
            ),
        )
    path = place(output, STEM, "html")
    with beside(root, None) as find:
        found = index(root, find)
    for machine, run in _newest(found, pages):
        _page(root / machine.folder / run.folder, path.parent, lang)
    shown = view.build(
        found,
        ended={key: value for machine in found.machines for key, value in _ended(root, machine).items()},
        accepted=_accepted(root),
        page=lambda run: _address(path.parent, run),
        today=datetime.now(timezone.utc).date(),
    )
    write(path, index_page.render(shown, spoken, follow=not lang))
    return path


def _newest(found: Indexed, most: int) -> Sequence[tuple[IndexedMachine, IndexedRun]]:
    runs = [(machine, run) for machine in found.machines for run in machine.runs]
    return sorted(runs, key=lambda pair: pair[1].created, reverse=True)[: max(0, most)]


def _page(folder: Path, beside_it: Path, lang: str) -> None:
    """Writes a run's page where there is none."""
    path = beside_it / f"{folder.name}.html"
    if path.exists():
        return
    try:
        write_report([store.RunFolder(folder)], path, lang, folder.name)
    except (NpubenchError, OSError, ValueError) as error:
        said = clean(error, LINE_LIMIT)
        print(here(f"no page of {folder.name}: {said}", f"{folder.name}의 보고서 없음: {said}"), file=sys.stderr)  # noqa: T201


def _address(folder: Path, run: IndexedRun) -> str:
    """Where the page of a run lies, as an address relative to the index."""
    name = f"{run.folder}.html"
    return f"./{quote(name)}" if run.folder and (folder / name).is_file() else ""


def _ended(root: Path, machine: IndexedMachine) -> Mapping[tuple[str, str], Ended]:
    return {
        (machine.folder, past.run): Ended(past.exit_code, past.sentence)
        for past in nights.past(root, machine.folder, _MOST_RECORDS)
    }


def _accepted(root: Path) -> Mapping[str, str]:
    try:
        return baselines.accepted(root)
    except NpubenchError as error:
        print(clean(error, LINE_LIMIT), file=sys.stderr)  # noqa: T201
        return {}
