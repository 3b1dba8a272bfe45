"""rbln-smi's answer, in the form that others published of an RBLN-CA22. No device was at hand."""

from __future__ import annotations

import pytest

from npubench.conditions import DeviceProcess
from npubench.engine.rebellions import parse
from tests.engine.made_tools import RBLN


def test_a_device_in_full() -> None:
    (state,) = parse(RBLN)
    assert (state.id, state.name) == ("0000:83:00.0", "RBLN-CA22")
    assert (state.driver_version, state.firmware_version, state.temperature_c) == ("3.2.2", "3.2.0", 38.0)
    assert state.power_mode == "performance state P14"
    assert state.memory_bytes == 16877879296
    assert state.memory_free_bytes == 16877879296 - 1048576
    assert state.processes == (DeviceProcess(pid=4242, name="?", memory_bytes=1048576),)
    assert state.slowed is None
    assert parse(RBLN, own={4242})[0].processes == ()


def test_newer_builds_write_numbers_and_other_names() -> None:
    newer = RBLN.replace('"KMD_version"', '"driver_version"').replace('"16877879296"', "16877879296")
    newer = newer.replace('"38C"', "38").replace('"normal"', '"error"').replace('"contexts"', '"other"')
    (state,) = parse(newer)
    assert (state.driver_version, state.memory_bytes) == ("3.2.2", 16877879296)
    assert state.temperature_c is None
    assert state.power_mode == "performance state P14, status error"
    assert state.processes is None


def test_warnings_before_the_json_hide_no_device() -> None:
    assert parse("[WARN] the driver is older than this tool\n" + RBLN) == parse(RBLN)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"devices": 3}'])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="rbln-smi"):
        parse(text)
