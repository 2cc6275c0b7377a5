"""What `snnlab doctor` says of Jupyter: whether sliders appear, and which Python notebooks run in.

Sliders are drawn by an extension of JupyterLab that has to lie in the *server's* environment.
Without it, a page shows the text `VBox(children=...` in their place, and nothing but a browser sees
that.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json
from snnlab.cli.doctor.report import Finding, anew, note, pip, problem_of, well, wrong

EXTENSION = "@jupyter-widgets/jupyterlab-manager"


def sliders() -> Iterator[Finding]:
    """Of the server that `make lab` starts, and of the one on PATH if that is another."""
    from packaging.requirements import Requirement

    if problem := problem_of(Requirement(_wheel())):
        yield wrong(problem)
    own, on_path = shutil.which("jupyter-lab", path=str(_bin())), shutil.which("jupyter-lab")
    servers = {Path(found).resolve(): None for found in (own, on_path) if found}
    for server in servers:
        yield _examine(server)
    if not servers:
        yield wrong(
            f"there is no jupyter-lab, neither in {_bin()} nor on PATH; one was expected to open notebooks. "
            f"Run {pip('install', 'jupyterlab')}."
        )


def kernel() -> Iterator[Finding]:
    """`snnlab run` and JupyterLab start what is registered as python3, which may be another environment's."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield wrong(
            f"no kernel python3 for notebooks in {sys.prefix}; one was expected. Run {pip('install', 'ipykernel')}."
        )
        return
    python = Path(spec.argv[0])
    # a bare `python` is that of whoever starts the kernel
    if python.is_absolute() and python.parent.resolve() != _bin():
        yield wrong(
            f"{spec.resource_dir}: notebooks run in {python}; {sys.executable} was expected. Run `{_bin() / 'jupyter'} kernelspec "
            "remove python3`, or, if JUPYTER_PATH leads there, unset it."
        )
    else:
        yield well(f"notebooks run in {sys.executable}")


def _examine(server: Path) -> Finding:
    ours = server.parent == _bin()
    widgets = f"ipywidgets {version('ipywidgets')} of {sys.prefix}"
    if ours:
        mend = f"Run {pip('install', '--force-reinstall', '--no-deps', _wheel())}."
    else:
        mend = (
            f"Open notebooks by `make lab`, or install {_wheel()} in the environment of {server}."
        )
    try:
        data, config = _folders(server)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        return wrong(
            f"{server} does not say where its extensions lie ({error}); a JupyterLab that starts was expected. "
            + (f"To mend it {anew()}." if ours else "Open notebooks by `make lab`.")
        )
    places = [folder / "labextensions" / EXTENSION for folder in data]
    place = next((folder for folder in places if _version(folder)), None)
    if place is None:
        return wrong(
            f"{server} lacks the extension {EXTENSION}, and shows text such as VBox(children=... in place of sliders; the one for "
            f"{widgets} was expected in {places[0]}. {mend}"
        )
    found, needed = (
        _version(place),
        _version(Path(sys.prefix, "share", "jupyter", "labextensions", EXTENSION)),
    )
    if needed and found.partition(".")[0] != needed.partition(".")[0]:
        if ours:
            mend = "Remove that folder, or, if JUPYTER_PATH leads there, unset it."
        return wrong(
            f"{place}: {server} draws sliders by version {found} of {EXTENSION}; {needed} was expected, which belongs to {widgets}. {mend}"
        )
    if file := _switched_off(data, config):
        return wrong(
            f"{file}: switches {EXTENSION} off, so that {server} shows text such as VBox(children=... in place of sliders; it was "
            f"expected to be on. Run `{server.with_name('jupyter')} labextension enable {EXTENSION}`, or take it out of that file."
        )
    if not ours:
        return note(
            f"{server}, which `jupyter lab` starts, has sliders (version {found} of {EXTENSION}), but is not in {sys.prefix}, and its "
            "notebooks run in another Python. Open notebooks by `make lab`."
        )
    return well(f"{server} has version {found} of {EXTENSION}, for {widgets}")


def _bin() -> Path:
    """Where the programs of this environment lie."""
    return Path(sys.executable).parent.resolve()


def _folders(server: Path) -> tuple[list[Path], list[Path]]:
    """Where a server looks for data, and for settings; what lies in an earlier folder goes before."""
    ask = [str(server.with_name("jupyter")), "--paths", "--json"]
    paths = json.loads(
        subprocess.run(ask, check=True, capture_output=True, text=True, timeout=60).stdout
    )
    return [Path(path) for path in paths["data"]], [Path(path) for path in paths["config"]]


def _switched_off(data: list[Path], config: list[Path]) -> Path | None:
    """The file that switches the extension, or a part of it, off. Of several that name it, the first decides."""
    files = [folder / "labconfig" / "page_config.json" for folder in config]
    files += [folder / "lab" / "settings" / "page_config.json" for folder in data]
    decided: set[str] = set()
    for file in files:
        names = _json(file).get("disabledExtensions", {})
        if isinstance(names, list):
            names = dict.fromkeys(map(str, names), True)
        for name, off in names.items() if isinstance(names, dict) else ():
            if name.partition(":")[0] == EXTENSION and name not in decided:
                decided.add(name)
                if off:
                    return file
    return None


def _version(extension: Path) -> str:
    """The version of an extension; empty if it is not there."""
    return str(_json(extension / "package.json").get("version", ""))


def _json(file: Path) -> dict[str, Any]:
    """What a file holds; empty if it is not there, or holds something else than JSON."""
    try:
        content = read_json(file, "")
    except SnnlabError:
        return {}
    return content if isinstance(content, dict) else {}


def _wheel() -> str:
    """The wheel with the extension, as ipywidgets asks for it, such as jupyterlab_widgets~=3.0.15."""
    return next(asked for asked in requires("ipywidgets") or [] if asked.startswith("jupyterlab"))
