"""`npubench pack` and `npubench export`: a run for those who were not there."""

from __future__ import annotations

import sys
from pathlib import Path

from npubench import store
from npubench.discovery import checkout_root
from npubench.errors import UsageError
from npubench.lang import here
from npubench.stats.runs import assembled
from npubench.units import show, show_bytes


def pack(name: str, output: Path, out: Path | None) -> None:
    """Writes the evidence pack and says what is in it."""
    from npubench.verify.packing import pack as packed

    folder = store.open_run(name, store.results_root(out, checkout_root()))
    manifest = packed(folder, output)
    size = sum(item.bytes for item in manifest.files.values())
    said = here("{} files, {} unpacked, {} packed", "파일 {}개, 원본 {}, 압축 {}")
    count = show(len(manifest.files), "count")
    print(said.format(count, show_bytes(size), show_bytes(output.stat().st_size)))  # noqa: T201
    print(output)  # noqa: T201


def export(name: str, form: str, output: Path | None, out: Path | None, *, launches: bool) -> None:
    """Writes the run in another form, to a file or to stdout."""
    from npubench.report import export_benchmark, export_csv

    if launches and form != "csv":
        raise UsageError(f"--launches goes with --format csv; {form} holds every launch")
    run = assembled(store.open_run(name, store.results_root(out, checkout_root())))
    data = export_csv.export(run, launches=launches) if form == "csv" else export_benchmark.export(run)
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}", hint="name another file with -o") from error
    print(output)  # noqa: T201
