"""Makers' own bindings, unchanged: Furiosa's two over a made sysfs in a mount namespace, Mobilint's without a device.

The wheels come from the package index and go into a folder that is thrown away. What the tree holds is our
construction: this proves what the bindings do with it, not that a driver writes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from npubench.spi import THROTTLE_BITS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ADDRESS = "0000:41:00.0"

# Runs where /sys and /dev are empty and nobody else's.
INSIDE = f"""
import json, os, stat, subprocess
from pathlib import Path

for folder in ("/sys", "/dev"):
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
for number, name in ((3, "null"), (5, "zero"), (9, "urandom")):
    os.mknod(f"/dev/{{name}}", 0o666 | stat.S_IFCHR, os.makedev(1, number))

from tests.meters.trees import hwmon, pci, write

root = Path("/")
card = pci(root, "{ADDRESS}", 0x1ED2, 0x0001, 0x120000, "rngd")
write(card, {{"numa_node": 0}})
sensors = hwmon(root, 3, card, "rngd", {{
    "power1_average": 42500000, "power1_label": "RMS_TOTAL", "power1_max": 180000000,
    "temp1_input": 31500, "temp1_label": "AMBIENT", "temp2_input": 47250, "temp2_label": "PEAK",
}})
state = write(root / "sys/class/rngd_mgmt/rngd!npu0mgmt", {{
    "busname": "{ADDRESS}", "dev": "235:0", "device_sn": "SN0", "throttle_reason": 0,
    "device_uuid": "965D6D1B-1111-2222-3333-444455556666", "version": "2026.1.0, abcdef",
    "fw_version": "2026.1.0, abcdef",
    "npu_clocks": "\\n".join(["2000000000"] * 7 + ["1900000000"]),
}})
(root / "dev/rngd").mkdir()
for number, name in enumerate(["npu0mgmt", *(f"npu0pe{{core}}" for core in range(8))]):
    os.mknod(f"/dev/rngd/{{name}}", 0o666 | stat.S_IFCHR, os.makedev(235, number))

from npubench.meters.furiosa import FuriosaMeter
from npubench.meters.hwmon import HwmonMeter

meters = {{"furiosa": FuriosaMeter(), "hwmon": HwmonMeter()}}
said = {{name: meter.probe() for name, meter in meters.items()}}

def look():
    read = {{name: meter.read() for name, meter in meters.items()}}
    return {{name: {{item.channel: [item.value, item.status] for item in items}} for name, items in read.items()}}

found = {{"available": {{name: [item.available, item.reason, item.versions] for name, item in said.items()}}}}
found["channels"] = {{
    item.name: [item.scope, item.device, item.unit] for meter in meters.values() for item in meter.channels()
}}
found["idle"] = look()
write(sensors, {{"power1_average": 81250000}})
write(state, {{"throttle_reason": "0x2"}})
found["busy"] = look()
(sensors / "power1_average").unlink()
found["gone"] = look()
print("FOUND " + json.dumps(found))
"""


def fetched(folder: Path, requirement: str) -> Path:
    """A wheel's contents in `folder`; skips where the index has none for this Python."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr:
        pytest.skip(f"{requirement}: no wheel for Python {sys.version_info.major}.{sys.version_info.minor} here")
    assert done.returncode == 0, done.stderr
    return folder


def environment(*folders: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def apart(folder: Path) -> dict[str, Any]:
    """What INSIDE finds with the binding in `folder`, in mounts of its own."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", INSIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(folder, ROOT), cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, f"{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(lines[0].removeprefix("FOUND "))
    return found


@pytest.fixture(scope="module")
def namespaces() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a made /sys")
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is not installed")
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespaces here: {tried.stderr.strip()}")


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    ("distribution", "version", "limit"), [("furiosa-smi-py", "2026.1.2", False), ("furiosa-smi", "2026.4.0", True)]
)
def test_furiosas_own_binding_and_hwmon_read_the_same_watts(
    tmp_path: Path, distribution: str, version: str, limit: bool
) -> None:
    found = apart(fetched(tmp_path / "site", f"{distribution}=={version}"))
    assert found["available"] == {"furiosa": [True, "", {distribution: version}], "hwmon": [True, "", {}]}
    own, kernel = f"furiosa-smi.{ADDRESS}", f"hwmon.{ADDRESS}"
    assert found["channels"][f"{own}.power"] == ["card", ADDRESS, "W"]
    assert found["channels"][f"{kernel}.power1"] == ["card", ADDRESS, "uW"]

    idle = found["idle"]["furiosa"]
    assert idle[f"{own}.power"] == [42.5, "ok"]
    assert found["idle"]["hwmon"][f"{kernel}.power1"] == [42.5e6, "ok"]
    assert idle[f"{own}.temperature"] == [47.25, "ok"]
    assert idle[f"{own}.ambient"] == [31.5, "ok"]
    assert idle[f"{own}.clock"] == [1900.0, "ok"]
    assert idle[f"{own}.throttle"] == [0.0, "ok"]
    assert (f"{own}.limit" in idle) == limit
    if limit:
        assert idle[f"{own}.limit"] == found["idle"]["hwmon"][f"{kernel}.power1-max"] == [180.0, "ok"]

    busy = found["busy"]
    assert busy["furiosa"][f"{own}.power"] == [81.25, "ok"]
    assert busy["hwmon"][f"{kernel}.power1"] == [81.25e6, "ok"]
    assert busy["furiosa"][f"{own}.throttle"] == [float(THROTTLE_BITS["thermal"]), "ok"]

    gone = found["gone"]
    assert gone["furiosa"][f"{own}.power"][0] is None
    assert gone["furiosa"][f"{own}.power"][1] != "ok"
    assert gone["hwmon"][f"{kernel}.power1"] == [None, "power1_average: No such file or directory"]
    assert gone["furiosa"][f"{own}.temperature"] == [47.25, "ok"]


ALONE = """
from npubench.meters.mobilint import MobilintMeter
meter = MobilintMeter()
said = meter.probe()
print("FOUND", said.available, said.versions, said.reason)
meter.close()
"""


@pytest.mark.skipif(Path("/dev/aries0").exists(), reason="this machine has a device")
def test_mobilints_own_library_without_a_device_is_unavailable_with_its_reason(tmp_path: Path) -> None:
    site = fetched(tmp_path / "site", "mbltml==0.0.0")
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(site, ROOT))
    assert "FOUND False {'mbltml': '0.0.0'} mbltmlInit: MBLTMLUninitializedError" in done.stdout, done.stderr
