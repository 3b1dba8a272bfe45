"""Redaction: nothing that names a machine, a person or a place survives, and all that is measured does."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.lang import Text
from npubench.report import html, view
from npubench.report.redact import Redactor, redacted
from npubench.report.view import RunFiles
from npubench.schema import Failure, FailureKind, Note, ProcessFacts, Run
from npubench.spi import Channel, Device
from npubench.stats.readings import Readings
from npubench.stats.trend import Trend
from tests.report import exhibited, sample


class Secrets(msgspec.Struct, frozen=True):
    """What must not be read anywhere."""

    host: str
    user: str
    serial: str
    address: str
    folder: str

    @property
    def all(self) -> tuple[str, ...]:
        return self.host, self.user, self.serial, self.address, self.folder


SECRETS = Secrets(
    host="Jongno-NPU-07", user="minji.kim", serial="SN8842-AX17", address="10.77.3.19", folder="시민영상 원본"
)


def planted(secrets: Secrets) -> RunFiles:
    """A run whose texts name every secret, each in several places and forms."""
    files = sample.one()
    run = files.run
    path = f"/home/{secrets.user}/{secrets.folder}/frame.jpg"
    said = (
        f"[Errno 2] No such file or directory: '{path}'",
        f"{secrets.host.lower()}.center.go.kr refused (https://{secrets.user}:pw@{secrets.address}:8443/redfish/v1)",
        f"device serial: {secrets.serial}, owner {secrets.user}",
        f"connect to {secrets.address}:443 from {secrets.host} failed",
        f"/home/{secrets.user}/x.onnx: not found",
    )
    failure = Failure(kind=FailureKind.RAISED, message=said[0], hint=said[1], stderr=said)
    cells = tuple(
        msgspec.structs.replace(
            cell,
            verdict="invalid",
            reasons=(*cell.reasons, Text(en=said[2], ko=said[3])),
            failures=(failure,),
            options={"session": {"cache_dir": f"/var/cache/{secrets.user}", "uuid": secrets.serial}},
            identity={**cell.identity, "machine": {"name": secrets.host}},
        )
        for cell in run.cells
    )
    machine = msgspec.structs.replace(
        run.machine,
        name=secrets.host,
        busy_processes=(f"python /home/{secrets.user}/train.py (pid 1)",),
        accelerators=(
            Device(
                id="0000:41:00.0", type="npu", name="NP-1", detail={"serial_number": secrets.serial, "model": "NP-1"}
            ),
        ),
    )
    backend = {**next(iter(run.backends.values())), "options": {"base_url": f"http://{secrets.address}:8000/v1"}}
    run = msgspec.structs.replace(
        run,
        machine=machine,
        cells=cells,
        measured_by=f"centre:{secrets.user}",
        command=("npubench", "run", "-m", "cctv-detect", "--frames", secrets.folder, f"--machine={secrets.host}"),
        notes=(Note(code="busy", severity="warning", text=Text(en=said[4], ko=said[1])),),
        varying={**run.varying, "driver": f"1.2.3.4 on {secrets.host}"},
        backends=dict.fromkeys(run.backends, backend),
    )
    launches = {
        name: msgspec.structs.replace(
            launch,
            reasons=(Text(en=said[0], ko=said[0]),),
            process=_process(launch.process, secrets),
        )
        for name, launch in files.launches.items()
    }
    return msgspec.structs.replace(
        files,
        run=run,
        launches=launches,
        readings=lambda launch: Readings(
            channels=(Channel(name=f"{secrets.host}-psu", unit="W", scope="node", kind="instant", source=said[1]),)
        ),
    )


def _process(process: ProcessFacts | None, secrets: Secrets) -> ProcessFacts | None:
    if process is None:
        return None
    return msgspec.structs.replace(process, executable=f"/home/{secrets.user}/.venv/bin/python")


def everything(files: RunFiles) -> str:
    """All text of what a page is made from."""
    channels = [found.channels if (found := files.readings(name)) else () for name in files.launches]
    parts: list[Any] = [files.run, files.launches, channels]
    return "\n".join(msgspec.json.encode(part).decode() for part in parts)


def survivors(text: str, secrets: Secrets) -> list[str]:
    return [secret for secret in secrets.all if secret.lower() in text.lower()]


def test_the_sample_does_name_them() -> None:
    assert len(survivors(everything(planted(SECRETS)), SECRETS)) == 5


def test_no_secret_is_left_in_documents_or_page() -> None:
    (files,) = redacted([planted(SECRETS)])
    assert survivors(everything(files), SECRETS) == []
    page = html.render(view.build([files]), "ko")
    assert survivors(page, SECRETS) == []
    assert "host-1" in page
    assert "Redacted copy:" in page


word = st.from_regex(r"[a-z]{3}[a-z0-9]{2,8}", fullmatch=True)


@settings(max_examples=25)
@given(
    st.builds(
        Secrets,
        host=st.tuples(word, word).map("-q7x-".join),
        user=word.map("zq{}zq".format),
        serial=st.from_regex(r"[A-Z]{2}[0-9]{6,9}[A-Z]{2}", fullmatch=True),
        address=st.tuples(*[st.integers(100, 255)] * 4).map(lambda parts: ".".join(map(str, parts))),
        folder=st.text(st.sampled_from("가나다라 abxy-_."), min_size=4, max_size=12).map("비밀 {}폴더".format),
    )
)
def test_whatever_they_are_called(secrets: Secrets) -> None:
    (files,) = redacted([planted(secrets)])
    assert survivors(everything(files), secrets) == []


def test_the_same_value_is_the_same_word_everywhere_and_numbers_stay() -> None:
    before = planted(SECRETS)
    (after,) = redacted([before])
    assert after.run.machine.name == "host-1"
    assert after.run.cells[0].identity["machine"]["name"] == "host-1"
    assert after.run.varying["driver"] == "1.2.3.4 on host-1"
    assert after.run.machine.accelerators[0].id == "0000:41:00.0"
    assert after.run.machine.accelerators[0].detail["model"] == "NP-1"
    assert after.run.id == before.run.id
    assert [cell.summary for cell in after.run.cells] == [cell.summary for cell in before.run.cells]
    assert [cell.identity_sha256 for cell in after.run.cells] == [cell.identity_sha256 for cell in before.run.cells]
    assert after.run.command[:4] == ("npubench", "run", "-m", "cctv-detect")
    assert re.fullmatch(r"centre:user-\d+", after.run.measured_by)


def test_two_machines_are_two_and_one_machine_is_one() -> None:
    one, other = planted(SECRETS), planted(msgspec.structs.replace(SECRETS, host="Mapo-NPU-02"))
    names = [files.run.machine.name for files in redacted([one, other, one])]
    assert names == ["host-1", "host-2", "host-1"]


def test_names_of_another_run_go_as_well() -> None:
    """A page that stands beside a baseline names the baseline's machine."""
    files = sample.one()
    named = msgspec.structs.replace(
        files.run, notes=(Note(code="x", severity="info", text=Text(en="as on Mapo-NPU-02", ko="")))
    )
    other = planted(msgspec.structs.replace(SECRETS, host="Mapo-NPU-02"))
    (after,) = redacted([msgspec.structs.replace(files, run=named)], also=[other])
    assert "Mapo" not in everything(after)


def test_it_is_pure_and_repeatable() -> None:
    files = planted(SECRETS)
    kept = everything(files)
    first, second = redacted([files]), redacted([files])
    assert everything(first[0]) == everything(second[0])
    assert everything(files) == kept


def test_a_card_that_was_changed_shows_the_hash_that_it_had() -> None:
    before = planted(SECRETS)
    (after,) = redacted([before])
    hashes = [[card.sha256 for card in view.build([files]).runs[0].cards] for files in (before, after)]
    assert hashes[0] == hashes[1]


def test_a_machine_that_is_called_like_a_word_of_ours_breaks_nothing() -> None:
    files = sample.one()
    for name in ("valid", "cpu", "cctv-detect", "hardware", "service", "a", "kind", "일", "x" * 200):
        run = msgspec.structs.replace(files.run, machine=msgspec.structs.replace(files.run.machine, name=name))
        (after,) = redacted([msgspec.structs.replace(files, run=run)])
        assert after.run.machine.name == "host-1"
        assert [cell.verdict for cell in after.run.cells] == [cell.verdict for cell in run.cells]
        assert msgspec.json.decode(msgspec.json.encode(after.run), type=Run).cells == after.run.cells


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 J/frame, 프레임/s, 3/4, and/or, +/-, N/A", None),
        ("12:34:56 2026-11-24T01:02:03Z 0000:41:00.0 p99 = 4.2 ms", None),
        ("read from /sys/class/powercap/intel-rapl:0 and /dev/dri/renderD128", None),
        ("at /dev/disk/by-id/ata-WDC_1 there", "at path-1 there"),
        ("'/srv/a b/c.onnx': bad", "'path-1': bad"),
        ("경로 /data/서울/영상.mp4: 없음", "경로 path-1: 없음"),
        ("cams/north/1.jpg is broken", "path-1 is broken"),
        (r"C:\Users\kim\x.onnx is broken", "path-1 is broken"),
        ("~/models/x", "path-1"),
        ("http://10.0.0.5:8000/v1 and 10.0.0.5", "address-1 and address-2"),
        ("fe80::1ff:fe23 and 2001:db8:0:0:1:0:0:1", "address-1 and address-2"),
        ("aa:bb:cc:dd:ee:ff", "address-1"),
        ("GPU-12345678-1234-1234-1234-123456789abc", "serial-1"),
        ("cc -L/data/x -I/srv/kim", "cc -Lpath-1 -Ipath-2"),
        ("-v/data/시민영상:/in", "-vpath-1:path-2"),
        ("ask ops@example.kr", "ask user-1"),
    ],
)
def test_forms(text: str, expected: str | None) -> None:
    assert Redactor().text(text) == (text if expected is None else expected)


def test_four_numbers_of_a_version_are_no_address() -> None:
    files = sample.one()
    run = msgspec.structs.replace(files.run, varying={"cpu.shellcheck": "0.11.0.1"})
    (after,) = redacted([msgspec.structs.replace(files, run=run)])
    assert after.run.varying == {"cpu.shellcheck": "0.11.0.1"}


def test_of_pictures_only_our_own_stay() -> None:
    ours, theirs = exhibited.frames(), exhibited.private(exhibited.pages())
    (after,) = redacted([exhibited.shown(sample.one(), ours, theirs)])
    assert after.media(ours, ours.items[0].exhibit).address
    assert not after.media(theirs, theirs.items[0].exhibit).address


def test_what_a_page_says_of_other_runs_is_redacted_too() -> None:
    """The accepted run, and the machine's history, may name another machine, and folders."""
    said = Text(en="/srv/results/Mapo-NPU-02 holds none", ko="Mapo-NPU-02에는 없음")
    trend = Trend(machine="Mapo-NPU-02", nights=0, first=None, last=None, cells=())
    files = msgspec.structs.replace(planted(SECRETS), changes=said, history=trend)
    (after,) = redacted([files])
    text = msgspec.json.encode([after.changes, after.history]).decode()
    assert "Mapo" not in text
    assert "/srv" not in text
    assert survivors(html.render(view.build([after]), "en"), SECRETS) == []


def test_who_found_it_is_redacted_in_our_own_pictures_too() -> None:
    ours = msgspec.structs.replace(exhibited.frames(), backend=f"npu-{SECRETS.host}")
    (after,) = redacted([exhibited.shown(planted(SECRETS), ours)])
    (found,) = after.exhibits
    assert found.backend == "npu-host-1"
    assert found.items == ours.items
    assert after.media(found, found.items[0].exhibit).address


@pytest.mark.parametrize(
    ("host", "said", "expected"),
    [
        ("gpu01.corp.kr", "gpu01 lost its device", "host-1 lost its device"),
        ("gpu01.corp.kr", "gpu01.corp.kr and GPU01.local", "host-1 and host-1"),
        ("gpu.corp.kr", "the gpu was lost", "the gpu was lost"),
        ("10.77.3.19", "10 devices, 77 lost", "10 devices, 77 lost"),
    ],
)
def test_a_name_goes_with_and_without_its_domain(host: str, said: str, expected: str) -> None:
    run = sample.one().run
    notes = (Note(code="x", severity="info", text=Text(en=said, ko="")),)
    named = msgspec.structs.replace(run, machine=msgspec.structs.replace(run.machine, name=host), notes=notes)
    (after,) = redacted([msgspec.structs.replace(sample.one(), run=named)])
    assert after.run.notes[0].text.en == expected
