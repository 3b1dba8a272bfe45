"""`npubench conform` of vendors' adapters against their stand-ins, as it is typed: named so, never "verified"."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.discovery import catalogue
from tests.standins.using import variables

VENDORS = {"rebellions-atom": "rebellions", "furiosa-warboy": "warboy", "furiosa-rngd": "rngd"}
# What none of them offers: open shapes, requests in flight in the mode as shipped, and a report of operators.
DECLINED = {"zero-size", "batch", "submit", "placement"}


def write_card(folder: Path, backend: str, vendor: str) -> str:
    """The shipped card under another name, with the stand-in on the worker's path."""
    text = catalogue().backends[backend].path.read_text(encoding="utf-8")
    name = f"{backend}-stand-in"
    text = text.replace(f'id = "{backend}"', f'id = "{name}"')
    listed = ", ".join(f'{key} = "{value}"' for key, value in variables(vendor).items())
    text = re.sub(r"\[environment\]\nrequires = .*\n", f"[environment]\nvariables = {{ {listed} }}\n", text)
    (folder / "backends").mkdir(parents=True)
    (folder / "backends" / f"{name}.toml").write_text(text, encoding="utf-8")
    return name


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["rebellions-atom", "furiosa-warboy"])
def test_the_contract_is_kept_and_the_page_says_that_it_was_a_stand_in(tmp_path: Path, backend: str) -> None:
    pytest.importorskip("onnxruntime")
    name = write_card(tmp_path / "cards", backend, VENDORS[backend])
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "npubench", "conform", name, "--cards", str(tmp_path / "cards")]
    done = subprocess.run(
        [*command, "--only", "contract", "-o", str(page)],
        env={**os.environ, "NPUBENCH_CACHE": str(tmp_path / "cache"), "NPUBENCH_LANG": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text(encoding="utf-8")
    assert "not verified on hardware (tried on a stand-in only)" in text
    assert "(stand-in)" in text
    assert "violated" not in text.lower().replace("0 violated", "")


def test_every_vendors_card_says_that_it_was_not_verified_on_hardware() -> None:
    for backend in (*VENDORS, "rebellions-rebel"):
        card = catalogue().backends[backend].card
        assert card.verified.how == "stand-in"
        assert "at hand" in card.verified.on
        assert card.device.type == "npu"
        assert card.variants == ("static",)
        assert set(card.refuses).isdisjoint(card.precisions)
