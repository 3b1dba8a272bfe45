"""Many backends asked at once: real processes, adapters that answer, raise, die and hang."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.cards import BackendCard, EnvironmentSpec, PluginSpec
from npubench.engine import probing, select
from npubench.engine.launcher import StopRequested
from npubench.engine.probing import groups, survey
from tests.engine.test_preflight import card

ADAPTERS = """
import os, signal, time
from npubench.spi import Availability

class Made:
    def __init__(self, provider=None, device=None, **more):
        self.provider = provider
        with open(os.environ["MADE_LOG"], "a") as log:
            log.write(f"{os.getpid()} {provider}\\n")
        if provider == "raises":
            raise ValueError("no such provider")

    def probe(self):
        if self.provider == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.provider == "hangs":
            time.sleep(60)
        return Availability(available=self.provider != "absent", reason=f"{self.provider} said so")
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter of the test's own that writes down in which process it was made."""
    (tmp_path / "made_adapters.py").write_text(ADAPTERS, encoding="utf-8")
    monkeypatch.setenv("MADE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
    monkeypatch.setattr(select, "code", lambda group, name: "made_adapters:Made")
    return tmp_path


def backend(name: str, **changes: Any) -> BackendCard:
    return msgspec.structs.replace(card(name, "cpu"), provider=name, **changes)


def processes(folder: Path) -> dict[str, list[str]]:
    """Process id → the providers that it was asked for."""
    found: dict[str, list[str]] = {}
    for line in (folder / "log").read_text(encoding="utf-8").splitlines():
        pid, provider = line.split()
        found.setdefault(pid, []).append(provider)
    return found


def test_backends_of_one_runtime_share_a_process(made: Path) -> None:
    cards = {name: backend(name) for name in ("cpu", "absent", "other")}
    found = survey(cards, made)
    assert list(found) == ["cpu", "absent", "other"]
    assert [answer.available for answer in found.values()] == [True, False, True]
    assert found["absent"].reason == "absent said so"
    assert list(processes(made).values()) == [["cpu", "absent", "other"]]


def test_one_that_crashes_does_not_hide_the_others(made: Path) -> None:
    cards = {name: backend(name) for name in ("cpu", "dies", "other")}
    found = survey(cards, made)
    assert [answer.available for answer in found.values()] == [True, False, True]
    assert "SIGSEGV" in found["dies"].reason


def test_one_that_raises_says_why_and_is_the_only_one_asked_again(made: Path) -> None:
    cards = {name: backend(name) for name in ("cpu", "raises", "other")}
    found = survey(cards, made)
    assert "no such provider" in found["raises"].reason
    assert found["other"].available
    assert list(processes(made).values()) == [["cpu", "raises", "other"], ["raises"]]


@pytest.mark.slow
def test_one_that_hangs_is_given_up_and_the_others_answer(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PROBE_STALL_S", 6.0)
    monkeypatch.setattr(select, "PROBE_STALL_S", 6.0)
    found = survey({name: backend(name) for name in ("hangs", "cpu")}, made)
    assert found["cpu"].available
    assert "no sign of life" in found["hangs"].reason


def test_an_environment_that_is_not_there_costs_no_process(made: Path) -> None:
    needy = backend("needy", environment=EnvironmentSpec(requires=("some-runtime==1.0",)))
    found = survey({"needy": needy}, made)
    assert not found["needy"].available
    assert "some-runtime==1.0" in found["needy"].reason
    assert not (made / "log").exists()


def test_plugins_and_other_interpreters_have_processes_of_their_own() -> None:
    cards = {
        "cpu": backend("cpu"),
        "plugin": backend("plugin", plugin=PluginSpec(library="/opt/lib.so")),
        "elsewhere": backend("elsewhere", environment=EnvironmentSpec(python="/opt/bin/python")),
        "tuned": backend("tuned", environment=EnvironmentSpec(variables={"OMP_NUM_THREADS": "1"})),
        "cuda": backend("cuda"),
        "torch": backend("torch", adapter="torch"),
        "needy": backend("needy", environment=EnvironmentSpec(requires=("x==1",))),
    }
    assert [tuple(group) for group in groups(cards)] == [
        ("cpu", "cuda"),
        ("plugin",),
        ("elsewhere",),
        ("tuned",),
        ("torch",),
        ("needy",),
    ]


def test_a_stop_ends_every_probe(made: Path) -> None:
    cards = {"hangs": backend("hangs"), "tuned": backend("hangs", environment=EnvironmentSpec(variables={"A": "1"}))}

    def stop() -> bool:
        return (made / "log").exists() and len(processes(made)) == len(cards)

    with pytest.raises(StopRequested):
        survey(cards, made, stop)
    for pid in processes(made):
        assert not Path(f"/proc/{pid}").exists()
