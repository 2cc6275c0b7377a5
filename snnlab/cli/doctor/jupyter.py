"""The doctor's checks of Jupyter: whether sliders appear, and which Python runs the notebooks.

An extension of JupyterLab draws the sliders. It has to be installed in the environment of the
server; otherwise a page shows the text `VBox(children=...` in their place.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

from snnlab._utils.report import Finding, error, info, ok
from snnlab.cli.doctor.repair import new_environment, pip, problem_of

EXTENSION = "@jupyter-widgets/jupyterlab-manager"


def sliders() -> Iterator[Finding]:
    """Check this environment's server, and the one on PATH if it is another."""
    from packaging.requirements import Requirement

    if problem := problem_of(Requirement(_wheel())):
        yield error(problem)
    paths = (shutil.which("jupyter-lab", path=str(_bin())), shutil.which("jupyter-lab"))
    servers = dict.fromkeys(Path(path).resolve() for path in paths if path)
    yield from map(_check_server, servers)
    if not servers:
        yield error(
            f"jupyter-lab, which opens notebooks, is neither in {_bin()} nor on PATH. "
            f"Run {pip('install', 'jupyterlab')}."
        )


def kernel() -> Iterator[Finding]:
    """Check the Python of the kernel python3, which `snnlab run` and JupyterLab start."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield error(
            f"{sys.prefix} has no kernel python3 for notebooks. Run {pip('install', 'ipykernel')}."
        )
        return
    python = Path(spec.argv[0])
    # a bare `python` is that of the process that starts the kernel
    if python.is_absolute() and python.parent.resolve() != _bin():
        yield error(
            f"{spec.resource_dir}: notebooks run in {python}; {sys.executable} was expected. Run "
            f"`{_bin() / 'jupyter'} kernelspec remove python3`, or unset JUPYTER_PATH if it leads "
            "there."
        )
    else:
        yield ok(f"notebooks run in {sys.executable}")


def _check_server(server: Path) -> Finding:
    own = server.parent == _bin()
    lab = server.with_name("jupyter-labextension")
    instead = "" if own else f" Or open notebooks by `{_bin() / 'jupyter'} lab`."
    try:
        listing = subprocess.run(
            [lab, "list"], check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as reason:
        return error(
            f"`{lab} list` fails ({reason}); the list of the extensions of {server} was expected. "
            f"Repair that JupyterLab{f': {new_environment()}' if own else ''}.{instead}"
        )
    output = re.sub(r"\x1b\[\d+m", "", listing.stdout + listing.stderr)
    entry = re.search(rf"^\s*{EXTENSION} v(\S+) (enabled|disabled)", output, re.MULTILINE)
    widgets = f"ipywidgets {version('ipywidgets')} of {sys.prefix}"
    if entry is None:
        cure = pip("install", "--force-reinstall", "--no-deps", _wheel())
        return error(
            f"{server} lacks the extension {EXTENSION}, and shows text such as VBox(children=... "
            f"in place of sliders; the extension for {widgets} was expected. "
            f"{f'Run {cure}.' if own else f'Install {_wheel()} in its environment.'}{instead}"
        )
    installed, state = entry.groups()
    if state == "disabled":
        return error(
            f"{server} has {EXTENSION} disabled, and shows text such as VBox(children=... in place "
            f"of sliders. Run `{lab} enable {EXTENSION}`.{instead}"
        )
    expected = _expected_version()
    if expected and expected.partition(".")[0] != installed.partition(".")[0]:
        cure = "Unset JUPYTER_PATH" if own else f"Install {_wheel()} in its environment"
        return error(
            f"{server} draws sliders by version {installed} of {EXTENSION}; {expected} was "
            f"expected, which belongs to {widgets}. {cure}.{instead}"
        )
    if not own:
        return info(
            f"{server}, which `jupyter lab` starts, draws sliders, but is not in {sys.prefix}: its "
            f"notebooks may run in another Python. Open notebooks by `{_bin() / 'jupyter'} lab`."
        )
    return ok(f"{server} has version {installed} of {EXTENSION}, for {widgets}")


def _bin() -> Path:
    return Path(sys.executable).parent.resolve()


def _expected_version() -> str:
    """Return the version of the extension that belongs to this Python's ipywidgets, or ""."""
    file = Path(sys.prefix, "share", "jupyter", "labextensions", EXTENSION, "package.json")
    return json.loads(file.read_text(encoding="utf-8"))["version"] if file.is_file() else ""


def _wheel() -> str:
    """Return the wheel with the extension as ipywidgets requires it, e.g. jupyterlab_widgets~=3."""
    return next(one for one in requires("ipywidgets") or [] if one.startswith("jupyterlab"))
