"""`npubench new backend`: what it writes is right at once, and pretends nothing."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomllib

from npubench import cards, spi
from npubench.cards import BackendCard
from npubench.cli.new_backend import new_backend
from npubench.discovery import catalogue
from npubench.engine.select import probe
from npubench.errors import StoreError, UsageError
from tests.cli.test_run_cli import npubench

LANGUAGES = ("en", "ko")


def uncommented(text: str) -> str:
    """The card with every key in use, but for those that stand for another (`# or: `)."""
    return re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_card_is_right_at_once(
    spoken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    new_backend("acme-x1", package=False, out=tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == str(tmp_path / "backends/acme-x1.toml")
    assert [line.split()[:2] for line in said[-3:]] == [["npubench", verb] for verb in ("check", "doctor", "run")]
    found = catalogue([tmp_path]).backends["acme-x1"]
    assert found.card.provider == "AcmeX1ExecutionProvider"
    assert found.card.verified.how == "not verified"
    text = found.path.read_text(encoding="utf-8")
    assert ("바꾸" in text or "고치" in text) is (spoken == "ko")
    assert "#en" not in text
    assert "#ko" not in text
    assert not re.search("your.?npu", text, re.IGNORECASE)


def keys_of(kind: Any, prefix: str = "") -> set[str]:
    """The keys of a card's tables, down to those whose names are free."""
    found = set()
    for field in msgspec.structs.fields(kind):
        found.add(prefix + field.encode_name)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and field.type is not cards.Text:
            found |= keys_of(field.type, f"{prefix}{field.encode_name}.")
    return found


def test_a_card_shows_every_key_and_is_right_with_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = []
    for spoken in LANGUAGES:
        monkeypatch.setenv("NPUBENCH_LANG", spoken)
        new_backend("acme", package=False, out=tmp_path / spoken)
        text = uncommented((tmp_path / spoken / "backends/acme.toml").read_text(encoding="utf-8"))
        document = tomllib.loads(text)
        cards.decode(document, BackendCard, spoken)
        documents.append(document)
        shown = set(document)
        for name, part in document.items():
            shown |= {f"{name}.{key}" for key in part} if isinstance(part, dict) else set()
        shown |= {f"environment.{key}" for key in re.findall(r"(?m)^# or: (\w+) = ", text)}
        # Not what somebody needs who has a new device; a server is no device.
        rare = {"hidden", "verified.date", "environment.proprietary"}
        lacking = {key for key in keys_of(BackendCard) - shown if key.partition(".")[0] != "serve"}
        assert lacking <= rare
        assert set(document["prebuilt"]["cctv-detect"]["int8"]["detector"]) == keys_of(cards.PrebuiltSpec)
    assert documents[0] == documents[1]


def test_every_key_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs/cards.md").read_text(encoding="utf-8")
    parts = (
        BackendCard,
        cards.DeviceSpec,
        cards.PluginSpec,
        cards.EnvironmentSpec,
        cards.PrebuiltSpec,
        cards.ServeSpec,
    )
    tables = {"device", "options", "plugin", "environment", "prebuilt", "verified", "serve"}
    for key in {field.encode_name for kind in (*parts, cards.VerifiedSpec) for field in msgspec.structs.fields(kind)}:
        assert (f"## `[{key}" if key in tables else f"`{key}`") in text, key


def test_a_new_backend_is_absent_with_its_reason(tmp_path: Path) -> None:
    new_backend("acme", package=False, out=tmp_path)
    found = probe(catalogue([tmp_path]).backends["acme"].card, tmp_path / "work").availability
    assert not found.available
    assert "AcmeExecutionProvider" in found.reason


def package(tmp_path: Path, name: str = "acme.x-1") -> Path:
    new_backend(name, package=True, out=tmp_path)
    return tmp_path / f"npubench-{name}"


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_package_is_whole(
    spoken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", spoken)
    place = package(tmp_path)
    said = capsys.readouterr().out.splitlines()
    files = sorted(path for path in place.rglob("*") if path.is_file())
    assert sorted(said[: len(files)]) == [str(path) for path in files]
    assert "npubench doctor" in said[-2]
    for path in files:
        assert not re.search("your.?npu", path.read_text(encoding="utf-8"), re.IGNORECASE), path
        if path.suffix == ".py":
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    project = tomllib.loads((place / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "npubench-acme.x-1"
    for group, entry in (
        ("adapters", "npubench_acme_x_1.adapter:Adapter"),
        ("meters", "npubench_acme_x_1.meter:Meter"),
        ("cards", "npubench_acme_x_1:cards_folder"),
    ):
        assert project["entry-points"][f"npubench.{group}"] == {"acme.x-1": entry}
    text = (place / "src/npubench_acme_x_1/cards/backends/acme.x-1.toml").read_text(encoding="utf-8")
    card = cards.decode(tomllib.loads(text), BackendCard, "card")
    assert (card.adapter, card.meters) == ("acme.x-1", ("acme.x-1",))
    cards.decode(tomllib.loads(uncommented(text)), BackendCard, "card")
    assert sorted(path.name for path in tmp_path.iterdir()) == [place.name]


def test_a_package_pretends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path, "acme-absent") / "src"))
    from npubench_acme_absent import adapter, meter  # type: ignore[import-not-found]

    try:
        for part in (adapter.Adapter(provider="acme", device={"type": "npu"}), meter.Meter()):
            assert "acme_absent_sdk cannot be imported" in part.probe().reason
        session = adapter.Session.__new__(adapter.Session)
        assert not any(isinstance(session, kind) for kind in (spi.Submits, spi.Generates, spi.Prepares))
        # Its SDK is there, but nothing has been filled in.
        monkeypatch.setattr(adapter, "SDK", "math")
        monkeypatch.setattr(meter, "TOOL", "math")
        for part in (adapter.Adapter(), meter.Meter()):
            found = part.probe()
            assert not found.available
            assert "skeleton" in found.reason
        with pytest.raises(NotImplementedError, match="FILL IN"):
            adapter.Adapter().open(spi.Artifact(role="model", path="x.onnx", sha256=""), {})
    finally:
        for name in [name for name in sys.modules if name.startswith("npubench_acme_absent")]:
            del sys.modules[name]


def test_a_package_names_every_part_of_the_contract(tmp_path: Path) -> None:
    """A method that is added to the public contract must be shown to vendors too, with the same parameters."""
    folder = package(tmp_path) / "src/npubench_acme_x_1"
    shown: dict[str, list[str]] = {}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                shown[node.name] = [argument.arg for argument in node.args.args]
    asked_of_workloads = (
        *(spi.Bound, spi.Workload, spi.TokenClock, spi.Scores, spi.Follows, spi.Begins, spi.Staged, spi.Recalls),
        *(spi.Streams, spi.Feed, spi.Decodes, spi.Awaits, spi.Probes, spi.Shows),
    )
    for kind in vars(spi).values():
        if not (inspect.isclass(kind) and getattr(kind, "_is_protocol", False)) or kind in asked_of_workloads:
            continue
        for name, method in vars(kind).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                assert shown.get(name) == list(inspect.signature(method).parameters), f"{kind.__name__}.{name}"


@pytest.mark.parametrize(
    ("name", "as_package", "said"),
    [
        ("Acme", False, "expected small letters"),
        ("-acme", False, "expected small letters"),
        ("acme--x", False, "expected small letters"),
        ("../acme", True, "expected small letters"),
        ("a" * 65, False, "at most 64"),
        ("3d-npu", True, "starts with a letter"),
        ("cpu", False, "cpu.toml"),
        ("ort", True, "npubench.adapters.ort"),
        ("synthetic", True, "npubench.meters.synthetic"),
    ],
)
def test_names_that_cannot_be(name: str, as_package: bool, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        new_backend(name, as_package, tmp_path)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced(tmp_path: Path) -> None:
    for as_package in (False, True):
        new_backend("acme", as_package, tmp_path)
        with pytest.raises(UsageError, match="exists already"):
            new_backend("acme", as_package, tmp_path)
    (tmp_path / "file").write_text("")
    for as_package in (False, True):
        with pytest.raises(StoreError):
            new_backend("acme", as_package, tmp_path / "file")


def test_the_command(tmp_path: Path) -> None:
    made = npubench("new", "backend", "acme", "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    checked = npubench("check", "--cards", tmp_path)
    assert checked.returncode == 0, checked.stderr
    again = npubench("new", "backend", "acme", "--out", tmp_path)
    assert again.returncode == 2
    assert "→" in again.stderr
