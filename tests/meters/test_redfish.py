"""The Redfish meter and a real HTTPS server on loopback: what it reads, what it refuses, and that it keeps secrets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.engine.power import PowerSampler
from npubench.meters import redfish_client
from npubench.meters.redfish import RedfishMeter
from npubench.spi import Configurable, Meter, Paced, Reading
from tests.meters.made_bmc import (
    PASSWORD,
    ROOT,
    USER,
    Bmc,
    answer,
    authority,
    certificate,
    self_signed,
    serving,
    slowly,
)

METRICS, POWER = f"{ROOT}/Chassis/1/EnvironmentMetrics", f"{ROOT}/Chassis/1/Power"
HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "ca": authority(folder),
        "good": certificate(folder, "good", HERE),
        "other host": certificate(folder, "other", "DNS:bmc-2.example"),
        "expired": certificate(folder, "expired", HERE, -1),
        "self-signed": self_signed(folder),
    }


@pytest.fixture
def bmc(certificates: dict[str, Path]) -> Iterator[Bmc]:
    with serving(Bmc(), certificates["good"]) as found:
        yield found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "bmc.toml"
    path.write_text(f'user = "{USER}"\npassword = "{PASSWORD}"\n')
    path.chmod(0o600)
    return path


def meter_for(bmc: Bmc, certificates: dict[str, Path], secret: Path, **options: Any) -> RedfishMeter:
    meter = RedfishMeter()
    meter.configure({"url": bmc.url, "ca": str(certificates["ca"]), "credentials": str(secret), **options})
    return meter


def read(meter: RedfishMeter) -> dict[str, Reading]:
    return {reading.channel: reading for reading in meter.read()}


def test_the_meter_keeps_its_contract(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    meter = meter_for(bmc, certificates, secret)
    kept: Meter = meter
    assert isinstance(meter, Configurable)
    assert isinstance(meter, Paced)
    assert meter.interval_ns == 1_000_000_000
    assert kept.probe().available
    channels = {channel.name: channel for channel in meter.channels()}
    assert set(channels) == {"redfish.1", "redfish.1.energy"}
    power, energy = channels["redfish.1"], channels["redfish.1.energy"]
    assert (power.unit, power.scope, power.kind, power.lag_bound_ns) == ("W", "node", "average", 2_500_000_000)
    assert (energy.unit, energy.kind, energy.quantity) == ("kWh", "counter", "energy")
    before = time.perf_counter_ns()
    found = read(meter)
    assert {name: reading.value for name, reading in found.items()} == {"redfish.1": 412.5, "redfish.1.energy": 1234.5}
    assert all(before <= reading.before_ns <= reading.after_ns for reading in found.values())
    meter.close()


def test_one_connection_and_one_session_which_is_deleted(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    for _ in range(3):
        assert read(meter)["redfish.1"].status == "ok"
    assert bmc.connections == 1
    assert [method for method, _ in bmc.asked].count("POST") == 1
    # Both channels of a chassis are in one document, which is asked for once.
    assert bmc.asked[-3:] == [("GET", METRICS)] * 3
    meter.close()
    assert bmc.asked[-1][0] == "DELETE"
    assert not bmc.tokens


def test_the_older_power_resource(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    del bmc.documents[METRICS]
    control = {"PowerConsumedWatts": 590, "PowerMetrics": {"AverageConsumedWatts": 587, "IntervalInMin": 20}}
    supplies = [{"PowerInputWatts": 300.5}, {"PowerInputWatts": 310}, {"Status": {"State": "Absent"}}]
    bmc.documents[POWER] = {"PowerControl": [control], "PowerSupplies": supplies}
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    channels = {channel.name: channel for channel in meter.channels()}
    assert {name: channel.scope for name, channel in channels.items()} == {
        "redfish.1": "node",
        "redfish.1.input": "wall",
    }
    # 20 minutes are the window of the average, and this is not it.
    assert channels["redfish.1"].lag_bound_ns is None
    assert {name: reading.value for name, reading in read(meter).items()} == {
        "redfish.1": 590,
        "redfish.1.input": 610.5,
    }
    control["PowerConsumedWatts"] = 587
    again = meter_for(bmc, certificates, secret)
    assert again.probe().available
    assert again.channels()[0].lag_bound_ns == 20 * 60 * 1_000_000_000
    supplies[1]["PowerInputWatts"] = None  # type: ignore[assignment]
    assert read(meter)["redfish.1.input"].status == "PowerSupplies[1].PowerInputWatts is null or missing"
    meter.close()
    again.close()


def test_a_part_of_a_machine_is_no_node(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    """GPU base boards list each of their modules as a chassis with a power of its own."""
    bmc.documents[f"{ROOT}/Chassis"]["Members"].append({"@odata.id": f"{ROOT}/Chassis/GPU_1"})
    bmc.documents[f"{ROOT}/Chassis/GPU_1"] = {"Id": "GPU_1", "ChassisType": "Module"}
    bmc.documents[f"{ROOT}/Chassis/GPU_1/EnvironmentMetrics"] = {"PowerWatts": {"Reading": 600}}
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    assert {channel.name for channel in meter.channels()} == {"redfish.1", "redfish.1.energy"}
    meter.close()
    named = meter_for(bmc, certificates, secret, chassis="GPU_1", scope="card", name="b")
    assert named.probe().available
    assert [(channel.name, channel.scope) for channel in named.channels()] == [("redfish.b.GPU_1", "card")]
    named.close()


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"Reading": "412.5"}, "PowerWatts.Reading is str '412.5', no number"),
        ({"Reading": None}, "PowerWatts.Reading is null or missing"),
        ({}, "PowerWatts.Reading is null or missing"),
        ({"Reading": -3}, "PowerWatts.Reading is -3"),
        ({"Reading": True}, "PowerWatts.Reading is bool True, no number"),
        (None, "PowerWatts.Reading is null or missing"),
    ],
)
def test_a_value_that_is_none_is_never_zero(
    bmc: Bmc, certificates: dict[str, Path], secret: Path, value: object, status: str
) -> None:
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    bmc.documents[METRICS] = {"PowerWatts": value}
    found = read(meter)
    assert (found["redfish.1"].value, found["redfish.1"].status) == (None, status)
    assert found["redfish.1.energy"].value is None
    meter.close()


def _saying(status: int, body: bytes, headers: dict[str, str] | None = None) -> Any:
    def before(handler: BaseHTTPRequestHandler) -> bool:
        if handler.command != "GET":
            return False
        answer(handler, status, body, headers)
        return True

    return before


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (503, b"busy", None, "HTTP 503 Service Unavailable"),
        (200, b"<html>\x00login</html>", None, 'not JSON but "<html> login</html>"'),
        (200, b"[1, 2]", None, "JSON, but no object"),
        (200, b"", None, 'not JSON but ""'),
        (200, b"[" * 100_000, None, "not JSON"),
        (302, b"", {"Location": "https://evil.example/redfish/v1"}, "redirected (302) to another host, evil.example"),
        (308, b"", {"Location": "/redfish/v1/Chassis/"}, "redirected (308) to /redfish/v1/Chassis/"),
        (401, b"{}", None, "HTTP 401 Unauthorized"),
    ],
)
def test_whatever_it_answers_is_a_status(
    bmc: Bmc,
    certificates: dict[str, Path],
    secret: Path,
    status: int,
    body: bytes,
    headers: dict[str, str] | None,
    said: str,
) -> None:
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    bmc.before = _saying(status, body, headers)
    for reading in meter.read():
        assert reading.value is None
        assert said in reading.status
    # And it goes on when the service does.
    bmc.before = lambda handler: False
    assert read(meter)["redfish.1"].value == 412.5
    assert not any("evil" in path for _, path in bmc.asked)
    meter.close()
    bmc.before = _saying(status, body, headers)
    probed = meter_for(bmc, certificates, secret).probe()
    assert not probed.available
    assert said in (probed.reason or "")


def test_an_expired_session_is_opened_again_once(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    bmc.tokens.clear()
    assert read(meter)["redfish.1"].value == 412.5
    assert [method for method, _ in bmc.asked].count("POST") == 2
    meter.close()


def test_a_refused_login_is_not_tried_again_at_once(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    """A BMC locks an account after a few wrong passwords."""
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available
    bmc.tokens.clear()
    bmc.password = "changed-by-somebody"
    for _ in range(5):
        assert "refused the login (401)" in read(meter)["redfish.1"].status
    assert [method for method, _ in bmc.asked].count("POST") == 2
    meter.close()


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("self-signed", "self-signed certificate"),
        ("other host", "Hostname mismatch"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_bad_certificate_is_refused_before_anything_is_sent(
    certificates: dict[str, Path], secret: Path, which: str, said: str
) -> None:
    with serving(Bmc(), certificates[which]) as bmc:
        probed = meter_for(bmc, certificates, secret).probe()
        assert not probed.available
        assert said in (probed.reason or "")
        assert bmc.asked == []


def test_an_authority_that_nobody_named_is_not_trusted(bmc: Bmc, secret: Path) -> None:
    meter = RedfishMeter()
    meter.configure({"url": bmc.url, "credentials": str(secret)})
    assert "certificate is not trusted" in (meter.probe().reason or "")
    assert bmc.asked == []


@pytest.mark.parametrize("how", ["silent", "slow"])
def test_a_service_that_does_not_answer_ends_in_a_status(
    bmc: Bmc, certificates: dict[str, Path], secret: Path, how: str
) -> None:
    meter = meter_for(bmc, certificates, secret, timeout_s=0.3)
    assert meter.probe().available

    def before(handler: BaseHTTPRequestHandler) -> bool:
        if how == "silent":
            time.sleep(1.0)
            handler.close_connection = True
        else:
            slowly(handler)
        return True

    bmc.before = before
    assert "no answer within 0.3 s" in read(meter)["redfish.1"].status
    bmc.before = lambda handler: False
    assert read(meter)["redfish.1"].value == 412.5
    meter.close()


def test_a_connection_that_was_closed_in_between_is_opened_again(
    bmc: Bmc, certificates: dict[str, Path], secret: Path
) -> None:
    meter = meter_for(bmc, certificates, secret)
    assert meter.probe().available

    def closing(handler: BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        return False

    bmc.before = closing
    assert read(meter)["redfish.1"].value == 412.5
    assert read(meter)["redfish.1"].value == 412.5
    meter.close()


def test_nobody_there(certificates: dict[str, Path], secret: Path) -> None:
    with serving(Bmc(), certificates["good"]) as bmc:
        pass
    probed = meter_for(bmc, certificates, secret).probe()
    assert "no connection: Connection refused" in (probed.reason or "")


def test_secrets_are_in_nothing_that_is_written(
    bmc: Bmc, certificates: dict[str, Path], secret: Path, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """A service that quotes the login in each of its answers, wherever a cut may fall."""
    meter = meter_for(bmc, certificates, secret)
    probed = [meter.probe()]
    written: list[object] = [probed, list(meter.channels()), [meter._client, meter._address, vars(meter)]]
    (token,) = bmc.tokens
    for padding in range(0, 60, 7):
        for leak in (PASSWORD, USER, token):
            text = "x" * padding + leak
            bmc.before = _saying(200, text.encode())
            written.append(msgspec.to_builtins(meter.read()))
            bmc.before = _saying(301, b"", {"Location": f"https://{leak}.example/{text}"})
            written.append(msgspec.to_builtins(meter.read()))
            bmc.before = lambda handler: False
            bmc.documents[METRICS] = {"PowerWatts": {"Reading": text}, "EnergykWh": {"Reading": text}}
            written.append(msgspec.to_builtins(meter.read()))
    bmc.tokens.clear()
    bmc.password = "changed"
    written.append(msgspec.to_builtins(meter.read()))
    meter.close()
    everything = repr(written) + caplog.text + "".join(capfd.readouterr())
    assert PASSWORD in bmc.received[0].decode()
    for leak in (PASSWORD, USER, token):
        assert leak not in everything
        assert leak[: len(leak) - 2] not in everything


def test_in_the_sampler_no_file_holds_a_secret(
    bmc: Bmc, certificates: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good readings, then a service that quotes the login; everything that was written is searched."""
    monkeypatch.setenv(redfish_client.USER, USER)
    monkeypatch.setenv(redfish_client.PASSWORD, PASSWORD)
    options = {"url": bmc.url, "ca": str(certificates["ca"])}
    sampler = PowerSampler.start("npubench.meters.redfish:RedfishMeter", 0.1, tmp_path, options=options)
    assert sampler.availability.available
    assert sampler.interval_ns == 1_000_000_000
    (token,) = bmc.tokens
    bmc.before = _saying(500, f"{USER} {PASSWORD} {token}".encode())
    asked = len(bmc.asked)
    deadline = time.monotonic() + 30
    while len(bmc.asked) <= asked and time.monotonic() < deadline:
        time.sleep(0.05)
    sampler.stop()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"HTTP 500" in written
    for leak in (PASSWORD, USER, token):
        assert leak.encode() not in written
    # And the session is gone with the sampler.
    assert not bmc.tokens


def test_credentials_from_the_environment(
    bmc: Bmc, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = RedfishMeter()
    meter.configure({"url": bmc.url, "ca": str(certificates["ca"])})
    monkeypatch.delenv(redfish_client.USER, raising=False)
    monkeypatch.delenv(redfish_client.PASSWORD, raising=False)
    assert "NPUBENCH_REDFISH_USER and NPUBENCH_REDFISH_PASSWORD not set" in (meter.probe().reason or "")
    monkeypatch.setenv(redfish_client.USER, USER)
    assert "NPUBENCH_REDFISH_PASSWORD not set" in (meter.probe().reason or "")
    monkeypatch.setenv(redfish_client.PASSWORD, PASSWORD)
    assert meter.probe().available
    meter.close()


def test_a_credentials_file_that_others_read_is_refused(bmc: Bmc, certificates: dict[str, Path], secret: Path) -> None:
    secret.chmod(0o640)
    reason = meter_for(bmc, certificates, secret).probe().reason or ""
    assert f"{secret}: others may read it (mode 640); chmod 600" in reason
    secret.chmod(0o600)
    for text in ("password = ", 'user = "a"\n', f'password = "{PASSWORD}"\n', f"{PASSWORD}"):
        secret.write_text(text)
        reason = meter_for(bmc, certificates, secret).probe().reason or ""
        assert "expected user" in reason
        assert PASSWORD not in reason
    os.unlink(secret)
    assert "cannot be read" in (meter_for(bmc, certificates, secret).probe().reason or "")
    assert bmc.asked == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "url: missing"),
        ({"url": "http://bmc.example"}, "url: http would send the password in the clear"),
        ({"url": "ftp://bmc.example"}, "url: found"),
        ({"url": "https://bmc.example/redfish/v1"}, "expected the host alone"),
        ({"url": f"https://root:{PASSWORD}@bmc.example"}, "url: holds a user or a password"),
        ({"url": "https://bmc.example:notaport"}, "url: not an address"),
        ({"url": "https://bmc", "scope": "room"}, "scope: found 'room'"),
        ({"url": "https://bmc", "chassis": "../1"}, "chassis: found"),
        ({"url": "https://bmc", "name": "a b"}, "name: found 'a b'"),
        ({"url": "https://bmc", "chassis": 1}, "chassis: found 1"),
        ({"url": "https://bmc", "ca": 3}, "ca: found int"),
        ({"url": "https://bmc", "verify": False}, "verify: not an option of redfish"),
        ({"url": "https://bmc", "timeout_s": 0}, "timeout_s: found 0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        RedfishMeter().configure(options)
    assert said in str(error.value)
    assert PASSWORD not in str(error.value)


def test_plain_http_is_for_this_machine_only(secret: Path) -> None:
    with serving(Bmc(), None) as bmc:
        meter = RedfishMeter()
        meter.configure({"url": bmc.url, "credentials": str(secret)})
        assert meter.probe().available
        assert read(meter)["redfish.1"].value == 412.5
        meter.close()


def test_without_options_it_says_how(tmp_path: Path) -> None:
    probed = RedfishMeter().probe()
    assert not probed.available
    assert "[[meters]]" in (probed.fix or "")


def test_a_ca_that_is_no_certificate(bmc: Bmc, secret: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text(json.dumps({}))
    meter = RedfishMeter()
    meter.configure({"url": bmc.url, "credentials": str(secret), "ca": str(nonsense)})
    assert "not a readable PEM file" in (meter.probe().reason or "")
