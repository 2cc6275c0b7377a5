"""The GPUs that torch can use, without the seconds that its import takes."""

import ctypes
import importlib.util
import re
import sys
from pathlib import Path


def cuda_devices() -> list[str]:
    """Return the names of the GPUs of this process, as `torch.cuda.get_device_name` gives them.

    NVIDIA's driver is asked, which heeds CUDA_VISIBLE_DEVICES. A driver that is too old for torch
    is not noticed.

    Returns:
        The names; none where torch is built for the CPU, or where there is no driver.
    """
    if not _built_for_cuda():
        return []
    try:
        driver = ctypes.CDLL("nvcuda" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return []
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    names = []
    for number in range(count.value):
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    return names


def _built_for_cuda() -> bool:
    """Read torch's build from its files; a torch that looks otherwise counts as built for CUDA."""
    spec = importlib.util.find_spec("torch")
    version = Path(spec.origin or "").parent / "version.py" if spec else None
    if version is None or not version.is_file():
        return spec is not None
    return re.search(r"^cuda\b.*= *None", version.read_text("utf-8"), re.MULTILINE) is None
