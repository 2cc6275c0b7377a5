"""A real JupyterLab on this machine, in which a real Chromium opens notebooks."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest

ROOT = Path(__file__).parents[2]
# Its kernels begin with everything imported
SERVER = f"""
import sys
sys.path.append({str(ROOT / "tests/helpers")!r})
from forked_kernels import forked_kernels
from jupyterlab.labapp import main
with forked_kernels():
    main()
"""


@pytest.fixture(scope="session")
def lab(tmp_path_factory, chromium):
    """JupyterLab with settings and notebooks of its own."""
    folder = tmp_path_factory.mktemp("lab")
    private = {
        f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")
    }
    private |= {"IPYTHONDIR": str(folder / "ipython"), "SNNLAB_PROFILE": "tiny"}
    quiet = (
        folder
        / "config/lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    )
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (folder / "notebooks").mkdir()
    options = (
        "--no-browser --allow-root "
        f"--ip=127.0.0.1 --ServerApp.port={_free_port()} --IdentityProvider.token= "
        f"--ServerApp.password= --notebook-dir={folder / 'notebooks'}"
    )
    command = [sys.executable, "-c", SERVER, *options.split()]
    env = {"SNNLAB_DATA": str(ROOT / "data"), **os.environ, **private}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        yield Lab(_address(server, folder), folder / "notebooks", chromium)
    finally:
        _kill(server)


def _kill(server):
    """End a server and its kernels at once: asked to end, each kernel takes its time."""
    process = psutil.Process(server.pid)
    kernels = process.children(recursive=True)
    for member in (process, *kernels):
        with suppress(psutil.NoSuchProcess):
            member.kill()
    server.wait(60)
    psutil.wait_procs(kernels, timeout=300)


def _free_port():
    """A port of this server alone: two that begin to look for one at once can take the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _address(server, folder):
    said, until = folder / f"runtime/jpserver-{server.pid}.json", time.monotonic() + 300
    while time.monotonic() < until and server.poll() is None:
        try:
            address = json.loads(said.read_text())["url"]
            urllib.request.urlopen(f"{address}api/status", timeout=5).close()
            return address
        except (OSError, ValueError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{(folder / 'log').read_text()[-2000:]}")


class Lab:
    def __init__(self, address, folder, chromium):
        self.address, self.folder, self.chromium, self.pages = address, folder, chromium, {}

    def page(self, stem):
        """A notebook with live panels after Run All Cells, up to its last panel; it runs once."""
        if stem not in self.pages:
            cells = self.copy(stem, r"^[\w.]*(interact|_panel)\(")
            self.pages[stem] = self.run(stem)
            self.finish(self.pages[stem], cells)
        return self.pages[stem]

    def finish(self, page, cells):
        """Wait until so many cells have their number: nothing waits then, nothing runs."""
        page.wait_for_function(
            "n => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".filter(p => /\\[\\d+\\]/.test(p.textContent)).length === n",
            arg=cells,
            polling=250,  # ms; else as often as the screen is drawn
        )

    def copy(self, stem, last, name="", **given):
        """Copy a notebook up to the last cell with a pattern; return how many show a number.

        Its text and formulas, which take a browser longer than the panels, are left out.
        """
        name = name or stem
        nb = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
        end = max(
            i for i, cell in enumerate(nb.cells) if re.search(last, cell.source, re.MULTILINE)
        )
        nb.cells = [cell for cell in nb.cells[: end + 1] if cell.cell_type == "code"]
        (parameters,) = (cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", ()))
        given |= {"live": True, "out": str(self.folder.parent / "out" / name)}
        for parameter, value in given.items():
            parameters.source, found = re.subn(
                rf"^{parameter} = None",
                f"{parameter} = {value!r}",
                parameters.source,
                flags=re.MULTILINE,
            )
            assert found == 1, parameter
        for cell in nb.cells:
            cell.outputs, cell.execution_count = [], None
        nbformat.write(nb, self.folder / f"{name}.ipynb")
        # A cell whose code is folded shows no number
        return sum("jupyter" not in cell.metadata for cell in nb.cells)

    def write(self, stem, *cells):
        """Write a notebook with these cells."""
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nb = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": kernel},
        )
        nbformat.write(nb, self.folder / f"{stem}.ipynb")

    def open(self, stem):
        """A new page with a notebook of the folder."""
        still = "reduce"  # else what moves while cells run is drawn again and again
        page = self.chromium.new_page(
            viewport={"width": 1400, "height": 1000}, reduced_motion=still
        )
        page.set_default_timeout(180_000)
        page.goto(f"{self.address}lab/tree/{stem}.ipynb?reset")
        page.locator(".jp-Notebook").wait_for()
        return page

    def run(self, stem):
        """A new page on which all cells of a notebook begin to run."""
        page = self.open(stem)
        page.get_by_text("(ipykernel) | Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        return page
