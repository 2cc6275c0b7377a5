"""Is everything in place? One line for each thing that has gone wrong on somebody's machine before."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from snnlab import manifest


@dataclass(frozen=True)
class Finding:
    """`ok` is None for something that is absent and not needed by everybody."""

    what: str
    ok: bool | None
    text: str


def examine() -> list[Finding]:
    """Look at everything; nothing is changed, except that the data that ships is unpacked if it was not yet."""
    findings = []
    for what, look in _LOOKS.items():
        try:
            ok, text = look()
        except Exception as error:  # noqa: BLE001 - a doctor who faints helps nobody
            ok, text = False, f"{type(error).__name__}: {error}"
        findings.append(Finding(what, ok, text))
    return findings


def _versions() -> tuple[bool, str]:
    found = manifest.versions()
    return "not installed" not in found.values(), ", ".join(f"{name} {number}" for name, number in found.items())


def _torch() -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        return True, f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}"
    if torch.version.cuda:
        return True, f"built for CUDA {torch.version.cuda}, but sees no GPU; trains on the CPU"
    return True, f"CPU build, {torch.get_num_threads()} threads"


def _networks() -> tuple[bool, str]:
    importlib.import_module("spikingjelly.activation_based")
    return True, "SpikingJelly imports"


def _widgets() -> tuple[bool, str]:
    """JupyterLab shows `VBox(children=...` in place of sliders where this extension is missing."""
    from jupyter_core.paths import jupyter_path

    for folder in map(Path, jupyter_path("labextensions")):
        manifest = folder / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
        if manifest.is_file():
            found = json.loads(manifest.read_text(encoding="utf-8"))["version"]
            return True, f"ipywidgets {version('ipywidgets')} with JupyterLab extension {found}"
    return (
        False,
        "JupyterLab's extension for sliders is missing; run `make setup` again, and open notebooks by `make lab`",
    )


def _kernel() -> tuple[bool, str]:
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    return True, f"notebooks run in {spec.resource_dir}"


def _speech() -> tuple[bool | None, str]:
    try:
        found = version("espeakng-loader")
    except PackageNotFoundError:
        return None, "no espeak-ng; only `snnlab data make` needs it: pip install 'snnlab[speech]'"
    return True, f"espeak-ng from espeakng-loader {found}"


def _data() -> tuple[bool, str]:
    from snnlab.data.shipped import shipped

    return True, f"spoken-digits in {shipped('spoken-digits')}"


_LOOKS: dict[str, Callable[[], tuple[bool | None, str]]] = {
    "versions": _versions,
    "torch": _torch,
    "networks": _networks,
    "sliders": _widgets,
    "kernel": _kernel,
    "speech": _speech,
    "data": _data,
}
