"""Where environments lie, when one counts, and what is said of a backend that has none."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import msgspec
import pytest

from npubench.cards import BackendCard, EnvironmentSpec
from npubench.discovery import Catalogue, Found, catalogue
from npubench.engine import environments, interpreters
from npubench.engine.environments import MARKER, Marker, place_of
from npubench.engine.installing import no_device
from npubench.engine.select import environment_of, find_backends, probe
from npubench.errors import AbsentBackendError
from npubench.spi import Device
from tests.support import null_card


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPUBENCH_ENVIRONMENTS", str(tmp_path / "environments"))


def needing(*requires: str, id: str = "needy") -> BackendCard:  # noqa: A002
    return msgspec.structs.replace(null_card(id), environment=EnvironmentSpec(requires=requires), hidden=False)


def pretend(*requires: str) -> environments.Place:
    """A whole environment, as far as its folder says."""
    place = place_of(requires)
    place.python.parent.mkdir(parents=True)
    place.python.symlink_to(sys.executable)
    marker = Marker(requires=place.requires, python="3", packages={"tiny": "1.0"}, made="2026-11-24T00:00:00Z")
    (place.folder / MARKER).write_bytes(msgspec.json.encode(marker))
    return place


def test_equal_requirements_share_an_environment(tmp_path: Path) -> None:
    assert place_of(["b==1", "a"]) == place_of(["a", "b==1", "a"])
    assert place_of(["a"]).folder != place_of(["a==1"]).folder
    assert place_of(["Some_Runtime[gpu]==1"]).folder.name.startswith("some-runtime-")
    assert place_of(["a"]).folder.parent == tmp_path / "environments"


def test_another_python_means_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = place_of(["a"]).folder
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    assert place_of(["a"]).folder != before


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("onnxruntime-qnn==2.7.*", "onnxruntime-qnn"),
        ("Foo.Bar_baz[x]>=1; python_version < '4'", "foo-bar-baz"),
        ("foo @ file:///opt/foo.whl", "foo"),
        ("/opt/vendor/some_sdk-1.2-cp311-cp311-linux_x86_64.whl", "some-sdk"),
    ],
)
def test_the_name_in_a_requirement(requirement: str, name: str) -> None:
    assert environments.distribution(requirement) == name


def test_an_environment_counts_when_its_marker_fits_and_its_python_is_there() -> None:
    place = pretend("a==1")
    found = place.marker()
    assert found is not None
    assert found.packages == {"tiny": "1.0"}
    place.python.unlink()
    place.python.symlink_to("/nowhere/python3")
    assert place.marker() is None


def test_a_half_made_environment_does_not_count() -> None:
    place = pretend("a==1")
    (place.folder / MARKER).write_bytes(b'{"schema": "npubench.envi')
    assert place.marker() is None
    (place.folder / MARKER).unlink()
    assert place.marker() is None


def test_a_backend_without_its_environment_is_absent_and_says_what_to_type(tmp_path: Path) -> None:
    found = probe(needing("runtime-of-tests==1"), tmp_path / "probe").availability
    assert not found.available
    assert "runtime-of-tests==1" in found.reason
    assert found.fix == "npubench env sync needy"
    assert not (tmp_path / "probe").exists(), "no worker was started for it"


def test_the_worker_runs_in_the_environment_or_the_named_interpreter(tmp_path: Path) -> None:
    card = needing("a")
    assert environment_of(card).python == str(place_of(["a"]).python)
    named = msgspec.structs.replace(card, environment=EnvironmentSpec(python="/opt/x/bin/python"))
    assert environment_of(named).python == "/opt/x/bin/python"
    assert environment_of(null_card()).python == sys.executable


def test_nothing_is_installed_that_was_not_named(tmp_path: Path) -> None:
    card = needing("runtime-of-tests==1")
    only = Catalogue(models={}, backends={card.id: Found(card, tmp_path)}, suites={}, data={})
    said: list[str] = []
    with pytest.raises(AbsentBackendError, match="not installed") as caught:
        find_backends(only, (), install=said.append)
    assert caught.value.hint == "npubench env sync needy"
    with pytest.raises(AbsentBackendError, match="not installed"):
        find_backends(only, [card.id])
    assert not said
    assert not (tmp_path / "environments").exists()


def test_environments_that_no_card_asks_for_are_stale() -> None:
    used, left = pretend("a"), pretend("b")
    (environments.root() / "half-made").mkdir()
    assert environments.stale({"x": needing("a")}) == [left.folder, environments.root() / "half-made"]
    assert used.folder not in environments.stale({"x": needing("a")})


def interpreter(folder: Path, body: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def answering(folder: Path, answer: str) -> str:
    return interpreter(folder, f"echo hello from a site hook; echo {shlex.quote('npubench:' + answer)}")


def test_an_interpreter_that_has_what_a_worker_needs_lacks_nothing() -> None:
    assert interpreters.check(sys.executable, {}) is None


@pytest.mark.parametrize(
    ("answer", "reason", "fix"),
    [
        ("[[3, 8, 10], {}]", "is Python 3.8.10; a worker needs 3.10", "Python ≥ 3.10"),
        ('[[3, 10, 2], {"numpy": null, "msgspec": "0.20"}]', "lacks numpy;", "-m pip install 'numpy>=1.24'"),
        ('[[3, 10, 2], {"numpy": null, "msgspec": null}]', "numpy, msgspec", "'numpy>=1.24' 'msgspec>=0.19'"),
        ('[[3, 10, 2], {"numpy": "1.21.6", "msgspec": "0.20"}]', "too old numpy 1.21.6", "'numpy>=1.24'"),
    ],
)
def test_what_an_interpreter_lacks_is_said_with_the_command(tmp_path: Path, answer: str, reason: str, fix: str) -> None:
    found = interpreters.check(answering(tmp_path, answer), {})
    assert found is not None
    assert reason in found.reason
    assert fix in found.fix


def test_numpy_1_24_in_python_3_10_is_enough(tmp_path: Path) -> None:
    assert interpreters.check(answering(tmp_path, '[[3, 10, 0], {"numpy": "1.24.4", "msgspec": "0.19.0"}]'), {}) is None


def test_what_is_no_python_is_said(tmp_path: Path) -> None:
    missing = interpreters.check(str(tmp_path / "nowhere"), {})
    assert missing is not None
    assert "cannot be started: No such file" in missing.reason
    broken = interpreters.check(interpreter(tmp_path, "echo libpython3.10.so: not found >&2; exit 127"), {})
    assert broken is not None
    assert "libpython3.10.so: not found" in broken.reason


def test_nothing_is_installed_for_a_device_that_is_not_here() -> None:
    cards = {name: found.card for name, found in catalogue().backends.items()}
    gpu = Device(id="0000:01:00.0", type="gpu", vendor="NVIDIA", name="10de:2330")
    for name in ("cuda", "tensorrt", "openvino-npu", "migraphx"):
        found = no_device(cards[name], [])
        assert found is not None
        assert found.fix == f"npubench env sync {name}"
    assert no_device(cards["cuda"], [gpu]) is None
    # An emulated device needs none, a processor is always here, and a vendor's own interpreter installs nothing.
    for name in ("qnn-htp-sim", "openvino-cpu", "vitisai", "cpu"):
        assert no_device(cards[name], []) is None
