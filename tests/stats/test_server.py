"""A server's word, and what was seen of it; and both in words."""

from __future__ import annotations

from npubench.evidence import ServerDevice, ServerEvidence
from npubench.report import servers
from npubench.stats.server import judged

CLAIMS = {"version": "1.0", "device": "rngd <b>"}
GPU = ServerDevice(
    id="0000:01:00.0", name="H100", processes=2, computes=True, memory_bytes=12 << 30, idle_w=70.0, load_w=250.0
)


def test_a_server_of_somebody_else_is_its_word() -> None:
    found = judged(ServerEvidence(claims=CLAIMS))
    assert found.seen == "claimed"
    assert servers.sentence(found).en == (
        "Claimed: the server was not started by this run: where it runs is what it claims."
    )
    assert [fact.name.en for fact in servers.facts(found)] == ["Claimed: device", "Claimed: version"]


def test_processes_on_a_device_are_seen_with_their_power() -> None:
    found = judged(ServerEvidence(claims=CLAIMS, processes=3, programs=("python",), devices=(GPU,), load_cores=1.0))
    assert found.seen == "device"
    assert found.reasons == ()
    said = servers.sentence(found)
    assert said.en == (
        "Observed: the server's processes were found on H100 (0000:01:00.0) 12.0 GiB, "
        "which drew 250 W under load and 70.0 W before."
    )
    assert "부하 중 250 W" in said.ko
    held = judged(ServerEvidence(processes=1, devices=(ServerDevice(id="npu0"),)))
    assert held.seen == "device"
    assert "no tool says that they compute" in held.reasons[0].en


def test_a_server_on_the_host_is_seen_by_its_processor_time() -> None:
    busy = judged(ServerEvidence(processes=2, idle_cores=0.01, load_cores=1.6))
    assert busy.seen == "cpu"
    assert "used 1.60 cores of this machine under load (0.0100 before)" in servers.sentence(busy).en
    still = judged(ServerEvidence(processes=2, idle_cores=0.01, load_cores=0.02))
    assert still.seen == "claimed"
    assert servers.label(still)[1].en == "claimed"
    assert judged(still) == still


def test_unknown_holders_are_not_none() -> None:
    """In a container whose device files are not known, say: processor time is then no evidence of the host alone."""
    found = judged(ServerEvidence(processes=2, unseen=("0000:01:00.0",), idle_cores=0.01, load_cores=1.6))
    assert found.seen == "claimed"
    assert "cannot be told" in servers.sentence(found).en
    assert judged(ServerEvidence(processes=2, devices=(GPU,), unseen=("0000:02:00.0",))).seen == "device"
