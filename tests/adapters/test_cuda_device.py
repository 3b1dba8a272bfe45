"""Which GPU a CUDA number means: asked of a driver's library that the test builds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from npubench.adapters import cuda_device, ort_devices
from npubench.adapters.ort_devices import Reach
from npubench.spi import Device

SOURCE = Path(__file__).with_name("fake_cuda.c")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) to build the test's CUDA driver with")
    library = tmp_path_factory.mktemp("cuda") / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
    return str(library)


@pytest.fixture
def driver(built: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cuda_device, "LIBRARY", built)
    monkeypatch.setenv("FAKE_CUDA", "gpus=2")
    return built


def runtime() -> SimpleNamespace:
    """ONNX Runtime as it is with a CUDA provider of its own: it names no device of it."""
    return SimpleNamespace(get_ep_devices=list)


def test_the_driver_names_the_device_of_a_number(driver: str) -> None:
    assert cuda_device.cuda_device(1) == Device(
        id="1",
        type="gpu",
        vendor="NVIDIA",
        name="Drawn GPU 1",
        detail={"capability": "9.0", "memory_bytes": str(2 << 33), "pci": "0000:29:00.0"},
    )


@pytest.mark.parametrize(("script", "index"), [("gpus=2", 2), ("gpus=0", 0), ("init=100 gpus=1", 0)])
def test_what_the_driver_does_not_know_is_unknown(
    driver: str, monkeypatch: pytest.MonkeyPatch, script: str, index: int
) -> None:
    monkeypatch.setenv("FAKE_CUDA", script)
    assert cuda_device.cuda_device(index) is None


def test_an_old_driver_tells_what_it_can(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA", "gpus=1 nopci=1")
    found = cuda_device.cuda_device(0)
    assert found is not None
    assert set(found.detail) == {"capability", "memory_bytes"}


@pytest.mark.parametrize("content", [None, b"not a library"])
def test_without_a_driver_the_device_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "libcuda.so.1"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(cuda_device, "LIBRARY", str(path))
    assert cuda_device.cuda_device(0) is None


def test_the_providers_number_chooses(driver: str) -> None:
    names = [
        [device.name for device in ort_devices.devices_of(runtime(), Reach(provider), own)]
        for provider, own in (
            ("CUDAExecutionProvider", {"device_id": "1"}),
            ("TensorrtExecutionProvider", {}),
            ("CUDAExecutionProvider", {"device_id": "7"}),
            ("CUDAExecutionProvider", {"device_id": "first"}),
            ("CPUExecutionProvider", {}),
        )
    ]
    assert names == [["Drawn GPU 1"], ["Drawn GPU 0"], [], [], []]


def test_a_provider_of_nvidias_is_a_gpu_even_when_nobody_names_it() -> None:
    assert ort_devices.device_type((), "CUDAExecutionProvider", {}) == "gpu"
    assert ort_devices.device_type((), "TensorrtExecutionProvider", {}) == "gpu"
    assert ort_devices.device_type((), "CANNExecutionProvider", {}) == ""
