"""Who measured: the option, then the environment, then what CI systems set."""

from __future__ import annotations

import pytest

from npubench.cli.measurer import measured_by
from npubench.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "environ", "found"),
    [
        (None, {}, "unknown"),
        (None, {"CI": "true"}, "ci"),
        (None, {"CI": "false"}, "unknown"),
        (None, {"NPUBENCH_MEASURED_BY": "centre", "CI": "true"}, "centre"),
        ("vendor: Hanbit", {"NPUBENCH_MEASURED_BY": "centre"}, "vendor:Hanbit"),
        ("vendor:한빛", {}, "vendor:한빛"),
        ("unknown", {"CI": "true"}, "unknown"),
    ],
)
def test_who_it_was(asked: str | None, environ: dict[str, str], found: str) -> None:
    assert measured_by(asked, environ) == found


@pytest.mark.parametrize("asked", ["", "somebody", "vendor:", "vendor:\x1b[2J", f"ci:{'x' * 81}", "Vendor"])
def test_anything_else_is_a_usage_error_that_names_the_option(asked: str) -> None:
    with pytest.raises(UsageError, match="--measured-by"):
        measured_by(asked, {})


def test_the_variable_is_named_where_it_is_at_fault() -> None:
    with pytest.raises(UsageError, match="NPUBENCH_MEASURED_BY"):
        measured_by(None, {"NPUBENCH_MEASURED_BY": "the night shift"})
