"""The meters file: every mistake named with file, key, what was found and what was expected; secrets are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.errors import CardError
from npubench.meterfile import Entry, read

KNOWN = ("redfish", "meter-csv", "rapl")


def mistakes(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CardError) as caught:
        read(path, KNOWN)
    assert all(line.startswith(f"{path}: ") for line in caught.value.mistakes)
    return caught.value.mistakes


def test_entries_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "meters.toml"
    path.write_text(
        'schema = "npubench.meters/1"\n[[meters]]\nuse = "redfish"\n[meters.options]\naddress = "https://bmc"\n'
        'password_file = "/etc/bmc"\nca = { file = "ca.pem" }\n[[meters]]\nuse = "rapl"\n',
        encoding="utf-8",
    )
    options = {"address": "https://bmc", "password_file": "/etc/bmc", "ca": {"file": "ca.pem"}}
    assert read(path, KNOWN) == (Entry(use="redfish", options=options), Entry(use="rapl"))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path / "m.toml",
        'schema = "npubench.meters/2"\nmeterz = 1\n[[meters]]\nuse = "redfisch"\noption = 1\n[[meters]]\noptions = 3\n',
    )
    assert [line.partition(": ")[2] for line in found] == [
        'schema: found "npubench.meters/2"; expected "npubench.meters/1"',
        'meterz: unknown key (did you mean "meters"?); expected one of schema, meters',
        'meters[0].option: unknown key (did you mean "options"?); expected one of use, options',
        'meters[0].use: found "redfisch" (did you mean "redfish"?); known: meter-csv, rapl, redfish',
        "meters[1].use: found nothing; known: meter-csv, rapl, redfish",
        "meters[1].options: found 3; expected a table",
    ]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('password = "hunter2"', "meters[0].options.password: is a secret"),
        ('session_token = "hunter2"', "meters[0].options.session_token: is a secret"),
        ('auth = { Secret = "hunter2" }', "meters[0].options.auth.Secret: is a secret"),
        ('address = "https://root:hunter2@bmc"', "meters[0].options.address: has a user name and a password"),
    ],
)
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, line: str, word: str) -> None:
    text = f'schema = "npubench.meters/1"\n[[meters]]\nuse = "redfish"\n[meters.options]\n{line}\n'
    (found,) = mistakes(tmp_path / "m.toml", text)
    assert word in found
    assert "NPUBENCH_REDFISH_PASSWORD" in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('schema = "npubench.meters/1"', "meters: found nothing"),
        ('schema = "npubench.meters/1"\nmeters = []', "meters: found []"),
        ('schema = "npubench.meters/1"\nmeters = [1]', "meters[0]: found 1"),
        ("= 1", "is not TOML"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, word: str) -> None:
    assert word in mistakes(tmp_path / "m.toml", text)[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="cannot be read: No such file"):
        read(tmp_path / "none.toml", KNOWN)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_named_mistake(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("meters") / "m.toml"
    path.write_bytes(data)
    with pytest.raises(CardError):
        read(path, KNOWN)
