"""Cards: every mistake at once, named with file, key and expectation."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import cards
from npubench.cards import BackendCard, ModelCard, decode, load, semantics
from npubench.errors import CardError
from tests.support import backend_toml


def test_a_card_with_three_mistakes_names_all_three(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        backend_toml().replace('id = "fake"', 'id = "Not An Id"').replace("adapter", "adaptor").replace("fp32", "fp33")
    )
    with pytest.raises(CardError) as caught:
        load(path, BackendCard)
    text = str(caught.value)
    assert all(line.startswith(str(path)) for line in caught.value.mistakes)
    assert 'adaptor: unknown key (did you mean "adapter"?)' in text
    assert "adapter: missing; expected text" in text
    assert "id: found 'Not An Id'; expected text matching" in text
    assert "precisions[0]: found 'fp33'; expected one of" in text
    assert len(caught.value.mistakes) == 4


def test_unknown_keys_are_refused_at_every_depth() -> None:
    document = msgspec.toml.decode(backend_toml())
    document["device"]["typ"] = "cpu"
    with pytest.raises(CardError, match=r'device.typ: unknown key \(did you mean "type"\?\)'):
        decode(document, BackendCard, "x.toml")


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("schema = ")
    with pytest.raises(CardError, match=r"x\.toml: not valid TOML"):
        load(path, BackendCard)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="cannot be read"):
        load(tmp_path / "absent.toml", BackendCard)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "≥ 1"), (True, "a whole number"), ("2", "a whole number"), (1.5, "a whole number")]
)
def test_numbers_are_numbers_within_bounds(value: object, expected: str) -> None:
    document = msgspec.toml.decode(backend_toml())
    document["device"]["count"] = value
    with pytest.raises(CardError, match=expected):
        decode(document, BackendCard, "x.toml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*BackendCard.__struct_fields__, "other"]), json_values, max_size=8))
def test_whatever_is_in_a_card_the_answer_is_a_card_error(document: dict[str, object]) -> None:
    with pytest.raises(CardError):
        decode(document, BackendCard, "x.toml")


@given(st.sampled_from(["id", "adapter", "provider", "options", "precisions", "meters", "hidden"]), json_values)
def test_our_check_and_msgspec_agree(key: str, value: object) -> None:
    """What our collector accepts converts; what msgspec refuses, our collector has named."""
    document = {**msgspec.toml.decode(backend_toml()), key: value}
    try:
        card = decode(document, BackendCard, "x.toml")
    except CardError:
        return
    assert isinstance(card, BackendCard)


def _backend(text: str) -> BackendCard:
    return decode(msgspec.toml.decode(text), BackendCard, "x.toml")


def test_a_changed_comment_title_or_sdk_pin_leaves_a_backend_comparable() -> None:
    before = backend_toml()
    pinned = '[environment]\nrequires = ["onnxruntime-gpu==1.31.*"]\n\n'
    after = "# a comment\n" + backend_toml(title="Another title", environment=pinned)
    assert semantics(_backend(before)) == semantics(_backend(after))
    assert cards.digest(semantics(_backend(before))) == cards.digest(semantics(_backend(after)))


@pytest.mark.parametrize("change", [{"intra_op_num_threads": 4}, {"precision_mode": "fast"}])
def test_a_changed_provider_option_does_not(change: dict[str, object]) -> None:
    before = _backend(backend_toml(intra_op_num_threads=2))
    after = _backend(backend_toml(**{"intra_op_num_threads": 2, **change}))
    assert semantics(before) != semantics(after)


def test_a_model_is_identified_by_hashes_not_titles() -> None:
    card = msgspec.convert(
        {
            "schema": "npubench.model/1",
            "id": "m",
            "title": {"en": "a", "ko": "가"},
            "summary": {"en": "a", "ko": "가"},
            "workload": "tensor",
            "license": "Apache-2.0",
            "graphs": {"g": {"file": "g.onnx", "sha256": "0" * 64}},
        },
        ModelCard,
    )
    renamed = msgspec.structs.replace(card, title=card.summary, license="MIT")
    retrained = msgspec.structs.replace(card, graphs={"g": msgspec.structs.replace(card.graphs["g"], sha256="1" * 64)})
    assert semantics(card, "fp32") == semantics(renamed, "fp32")
    assert semantics(card, "fp32") != semantics(retrained, "fp32")
    assert semantics(card, "fp32") != semantics(card, "int8")


def test_an_environment_is_either_an_interpreter_or_requirements() -> None:
    document = msgspec.toml.decode(backend_toml())
    document["environment"] = {"python": "/opt/x/bin/python", "requires": ["x"]}
    with pytest.raises(CardError, match=r"x\.toml: environment: found both python and requires"):
        decode(document, BackendCard, "x.toml")


@pytest.mark.parametrize("requirement", ["--index-url=https://example.org", "-e .", "", " x"])
def test_a_requirement_is_never_an_option_of_pip(requirement: str) -> None:
    document = msgspec.toml.decode(backend_toml())
    document["environment"] = {"requires": ["numpy", requirement]}
    with pytest.raises(CardError, match=r"environment\.requires\[1\]"):
        decode(document, BackendCard, "x.toml")


def _served(**serve: object) -> dict[str, object]:
    document: dict[str, object] = msgspec.toml.decode(backend_toml())
    document["device"] = {"type": "endpoint"}
    document["options"] = {"url": "http://127.0.0.1:{port}"}
    document["serve"] = {"command": ["server", "--port", "{port}"], **serve}
    return document


def test_a_server_is_part_of_what_a_backend_is() -> None:
    card = decode(_served(), BackendCard, "x.toml")
    assert card.serve is not None
    patient = decode(_served(ready_s=5.0), BackendCard, "x.toml")
    assert semantics(card) == semantics(patient)
    assert semantics(decode(_served(command=["server", "--fp8", "{port}"]), BackendCard, "x.toml")) != semantics(card)


@pytest.mark.parametrize(
    ("serve", "mistake"),
    [
        ({"command": []}, "serve.command: is empty; expected at least 1"),
        (
            {"command": ["server", "{prot}", "{port}"]},
            r"serve.command\[1\]: unknown placeholder {prot}; expected one of",
        ),
        ({"command": ["server"]}, "serve.command: nothing says {port}"),
        ({"variables": {"A": "{b}"}}, "serve.variables.A: unknown placeholder {b}"),
        ({"stop": "SIGHUP"}, "serve.stop: found 'SIGHUP'; expected one of"),
        ({"ready_s": 0}, "serve.ready_s: found 0; expected a number > 0"),
        ({"comand": ["x"]}, r'serve.comand: unknown key \(did you mean "command"\?\)'),
    ],
)
def test_mistakes_in_a_servers_table(serve: dict[str, object], mistake: str) -> None:
    with pytest.raises(CardError, match=mistake):
        decode(_served(**serve), BackendCard, "x.toml")


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:{port}", None),
        ("http://localhost:{port}/v1", None),
        ("http://127.0.0.1:8000", 8000),
        ("http://127.0.0.1:{port}/x", 8000),
    ],
)
def test_an_own_server_is_measured_where_it_listens(url: str, port: int | None) -> None:
    serve = {} if port is None else {"port": port}
    assert decode({**_served(**serve), "options": {"url": url}}, BackendCard, "x.toml").serve is not None


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:8000", None),
        ("http://127.0.0.1:80001", 8000),
        ("http://elsewhere:{port}", None),
        ("http://127.0.0.1:{port}@elsewhere", None),
        ("http://me:secret@127.0.0.1:{port}", None),
        (None, None),
    ],
)
def test_an_address_that_is_not_the_own_servers_is_a_mistake(url: str | None, port: int | None) -> None:
    """Its processes and their devices would be told of a server that somebody else runs."""
    serve = {} if port is None else {"port": port}
    with pytest.raises(CardError, match=r"options\.url: is not where the server listens") as caught:
        decode({**_served(**serve), "options": {} if url is None else {"url": url}}, BackendCard, "x.toml")
    assert "secret" not in str(caught.value)


def test_a_key_in_a_card_is_a_mistake_that_is_not_repeated() -> None:
    document = {**_served(), "options": {"url": "http://127.0.0.1:{port}", "api_key_env": "hf_secret"}}
    with pytest.raises(CardError, match=r"options\.api_key_env: expected the name of") as caught:
        decode(document, BackendCard, "x.toml")
    assert "hf_secret" not in str(caught.value)


def test_only_an_endpoint_has_a_server() -> None:
    with pytest.raises(CardError, match='serve: found on a device of type "cpu"; expected device'):
        decode({**_served(), "device": {"type": "cpu"}}, BackendCard, "x.toml")
    assert decode(_served(command=["server"], port=8000), BackendCard, "x.toml").serve is not None
