"""What a run is set against on its page: the accepted run of its machine, and the nights before it.

Both are looked for where the run is (`<root>/<machine>/<run>`), else under the results folder. Guarantees: what was
asked for by name and cannot be had is an error; what was not asked for and cannot be had is said on the page, without
paths, and on stderr with them. No results folder is changed.

Not aware of: how it is shown (`report.changes`, `report.histories`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from npubench import baselines, store
from npubench.baselines import BASELINE
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError, NpubenchError
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.schema import Run
from npubench.stats.compared import Comparison
from npubench.stats.history import Night, Skipped, nights, stamp
from npubench.stats.trend import HEADLINES, LeftOut, Trend, follow, followed, gather

NONE = "none"
MOST_NIGHTS = 60
"""Nights of a machine that a page looks back on; `npubench trend` looks back a year."""

NOT_WANTED = Text(en="No comparison was asked for.", ko="비교를 요청하지 않았습니다.")
NO_BASELINE = Text(
    en="No run has been accepted for this machine yet: `npubench baseline accept RUN` names one.",
    ko="이 장비에 승인된 실행이 아직 없습니다. `npubench baseline accept RUN`으로 지정합니다.",
)
ITSELF = Text(en="This run is the accepted one itself.", ko="이 실행이 바로 승인된 기준입니다.")


def home_of(folder: store.RunFolder, run: Run) -> Path:
    """The results folder that a run lies in; one that was copied elsewhere has the usual one."""
    path = folder.path.resolve()
    if path.parent.name == store.slug(run.machine.name):
        return path.parent.parent
    return store.results_root(None, checkout_root())


def changes(folder: store.RunFolder, run: Run, root: Path, baseline: str) -> Comparison | Text:
    """The comparison with the accepted run, or with the one that was named; a Text where there is none.

    Raises NpubenchError for a run that was named and cannot be had.
    """
    from npubench.cli.compare import found_between

    if baseline == NONE:
        return NOT_WANTED
    if baseline and baseline != BASELINE:
        if store.open_run(baseline, root).path.resolve() == folder.path.resolve():
            return ITSELF
        return found_between(baseline, str(folder.path), root)
    try:
        accepted = baselines.entry(root, run.machine.name)
        if accepted is None:
            return NO_BASELINE
        if accepted[1] == run.id:
            return ITSELF
        return found_between(BASELINE, str(folder.path), root)
    except NpubenchError as error:
        if baseline:
            raise
        print(f"npubench: {error}", file=sys.stderr)  # noqa: T201
        if isinstance(error, NotComparableError):
            return Text(
                en="The accepted run cannot be compared with this one: it is not among the results, or shares no cell.",
                ko="승인된 실행과 비교할 수 없습니다. 결과 폴더에 없거나 같은 셀이 없습니다.",
            )
        return Text(en="The accepted run cannot be read.", ko="승인된 실행을 읽을 수 없습니다.")


def history(run: Run, root: Path) -> Trend | Text:
    """The histories of a run's cells up to that run; a Text where there is none."""
    skipped: list[Skipped] = []
    until = stamp(run.id if store.ID.match(run.id) else run.created)

    def before(found: Iterable[Night]) -> Iterable[Night]:
        return (night for night in found if stamp(night.id if store.ID.match(night.id) else night.created) <= until)

    kept = gather(before(nights(root, run.machine.name, metrics=HEADLINES, skipped=skipped)), MOST_NIGHTS)
    if not kept.nights:
        n = kept.quick_looks
        if n:
            return Text(
                en="No trend: quick looks are left out, as no comparison takes them.",
                ko="추이가 없습니다. 간이 측정은 비교에 쓰이지 않아 제외합니다.",
            )
        return Text(
            en="No trend yet: no complete run of this machine is among the results.",
            ko="아직 추이가 없습니다. 결과 폴더에 이 장비의 완료된 실행이 없습니다.",
        )
    known = {cell.id for cell in run.cells}
    cells = follow(followed(kept, cell) for cell in kept.metric if cell in known)
    return Trend(
        machine=clean(run.machine.name),
        nights=len(kept.nights),
        first=kept.nights[-1].created,
        last=kept.nights[0].created,
        cells=tuple(cells),
        quick_looks=kept.quick_looks,
        left_out=tuple(LeftOut(path=item.path.name, reason=item.reason) for item in skipped),
    )
