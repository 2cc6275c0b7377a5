"""Cells in a kernel: what the executed notebook holds while they run."""

import json
import os
import signal

import nbformat
import papermill.engines
import pytest
from nbclient.util import run_sync
from nbformat import v4

from snnlab.runs import kernel
from snnlab.runs.kernel import KernelNotStartedError, run_cells

LAST = """
import json, os
from pathlib import Path
cells = json.loads(Path(os.environ["EXECUTED"]).read_text())["cells"]
print([len(cell.get("outputs", ())) for cell in cells])
"""


def test_a_notebook_is_saved_before_each_cell_with_code(tmp_path, monkeypatch):
    """Whoever looks into it during a long cell sees the outputs of all cells before."""
    written, write = [], papermill.engines.write_ipynb
    monkeypatch.setattr(
        papermill.engines, "write_ipynb", lambda nb, path: (written.append(path), write(nb, path))
    )
    sources = [v4.new_code_cell("print(1)"), v4.new_code_cell("print(2)"), v4.new_code_cell(LAST)]
    texts = [v4.new_markdown_cell(f"# {number}") for number in range(3)]
    cells = [cell for pair in zip(texts, sources, strict=True) for cell in pair]
    path, executed = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    environment = {"EXECUTED": str(executed)}
    run_cells(path, executed, {}, environment, lambda *_: None)
    seen = nbformat.read(executed, 4).cells[-1].outputs[0].text
    assert json.loads(seen) == [0, 1, 0, 1, 0, 0]
    assert len(written) == 1 + len(sources) + 1  # at the start, and at the end
    assert set(written) == {os.fspath(executed)}


def test_a_kernel_collects_garbage_less_often_than_python_does(tmp_path):
    path, executed = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    cell = v4.new_code_cell("import gc\nprint(gc.isenabled(), *gc.get_threshold()[:2])")
    nbformat.write(v4.new_notebook(cells=[cell]), path)
    run_cells(path, executed, {}, {}, lambda *_: None)
    assert nbformat.read(executed, 4).cells[-1].outputs[0].text == "True 20000 50\n"


@pytest.mark.parametrize("killed", [1, 3])
def test_a_kernel_that_ends_while_it_starts_is_started_again(killed, tmp_path, monkeypatch):
    """As one does whose port another program took meanwhile."""
    starts, start = [], kernel.PapermillNotebookClient.start_new_kernel_client

    def killed_at_first(self, **options):
        starts.append(self)
        if len(starts) <= killed:
            run_sync(self.km.signal_kernel)(signal.SIGKILL)
        return start(self, **options)

    monkeypatch.setattr(kernel.PapermillNotebookClient, "start_new_kernel_client", killed_at_first)
    path, executed = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("print(1)")]), path)
    if killed == 3:
        with pytest.raises(KernelNotStartedError, match="died before"):
            run_cells(path, executed, {}, {}, lambda *_: None)
        return
    run_cells(path, executed, {}, {}, lambda *_: None)
    assert nbformat.read(executed, 4).cells[-1].outputs[0].text == "1\n" and len(starts) == 2
