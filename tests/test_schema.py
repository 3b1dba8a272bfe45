"""Result documents: versions, round trips, keys, and the golden files that must stay readable for ever."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.cli.look import schemas
from npubench.errors import NotComparableError, SchemaTooNewError
from npubench.exhibits import Exhibits
from npubench.schema import CURRENT, Launch, Run, cell_id, encode, parse

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def test_a_document_survives_the_round_trip() -> None:
    launch = Launch(run="r", cell="c", number=1, started="2026-11-24T00:00:00Z", status="ok")
    assert parse(encode(launch), Launch, "x") == launch


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(SchemaTooNewError, match="newer npubench") as caught:
        parse(b'{"schema": "npubench.run/99"}', Run, "run.json")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema": 3}', b'{"schema": "npubench.launch/1"}', b"\xff"])
def test_what_is_no_run_is_refused(data: bytes) -> None:
    with pytest.raises(NotComparableError, match="x"):
        parse(data, Run, "x")


def test_a_newer_minor_field_does_not_break_an_older_reader() -> None:
    launch = Launch(run="r", cell="c", number=1, started="s", status="ok")
    document = msgspec.json.decode(encode(launch))
    document["added_later"] = 1
    assert parse(msgspec.json.encode(document), Launch, "x") == launch


@pytest.mark.parametrize("version", range(1, CURRENT["npubench.run"] + 1))
def test_every_version_ever_written_is_read(version: int) -> None:
    run = parse((GOLDEN / f"run-{version}.json").read_bytes(), Run, "golden")
    assert run.cells


@pytest.mark.parametrize("version", range(1, CURRENT["npubench.exhibits"] + 1))
def test_every_version_of_exhibits_is_read(version: int) -> None:
    found = parse((GOLDEN / f"exhibits-{version}.json").read_bytes(), Exhibits, "golden")
    assert found.items[0].reference


keys = st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=10), min_size=1)


@given(keys)
def test_a_cell_id_does_not_depend_on_order(key: dict[str, str]) -> None:
    assert cell_id(key) == cell_id(dict(reversed(key.items())))
    assert len(cell_id(key)) == 12


def test_the_exported_schemas_are_those_in_docs() -> None:
    """Undeclared drift of a format fails here: run `npubench schema -o docs/schemas` and write it into CHANGELOG.md."""
    for name, data in schemas().items():
        assert (SCHEMAS / name).read_bytes() == data, f"docs/schemas/{name} is not what the code says"
