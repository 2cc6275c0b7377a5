"""GPUs are counted without torch, and as torch counts them."""

import ctypes
import subprocess
import sys

import torch

from snnlab._utils import cuda


class Driver:
    """A driver with two GPUs, the second of which has another name."""

    names = (b"Some GPU", b"Another GPU")

    def cuInit(self, _):  # noqa: N802
        return 0

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, name, size, device):  # noqa: N802
        name.value = self.names[device.value]
        return 0


def test_they_are_those_of_torch():
    count = torch.cuda.device_count()
    assert cuda.cuda_devices() == [torch.cuda.get_device_name(i) for i in range(count)]


def test_the_driver_is_asked_where_torch_is_built_for_it(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    monkeypatch.setattr(cuda, "_built_for_cuda", lambda: True)
    assert cuda.cuda_devices() == ["Some GPU", "Another GPU"]
    monkeypatch.setattr(Driver, "cuInit", lambda *_: 100)  # CUDA_ERROR_NO_DEVICE
    assert cuda.cuda_devices() == []


def test_the_build_is_read_from_torch_as_torch_says_it(monkeypatch, tmp_path):
    assert cuda._built_for_cuda() == (torch.version.cuda is not None)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "torch")
    for line, built in (("cuda: Optional[str] = '12.8'", True), ("cuda = None", False)):
        (tmp_path / "torch/version.py").write_text(f"__version__ = '2'\n{line}\nhip = None\n")
        assert cuda._built_for_cuda() == built


def test_torch_is_not_imported():
    code = (
        "from snnlab._utils.cuda import cuda_devices\nimport sys\n"
        "cuda_devices(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
