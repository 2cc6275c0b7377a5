"""Notebooks as others see them: without what only a running kernel understands, and with a seal on their outputs.

`python -m snnlab.runs.publish NOTEBOOK...` runs notebooks at course profile and stores them with
their outputs.
"""

import re
import sys
from pathlib import Path
from typing import Any

from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

# isort: split
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from rich.console import Console

from snnlab._utils.files import whole_file
from snnlab.course.config import NOTEBOOKS
from snnlab.runs.execute import execute
from snnlab.runs.notebook_code import INJECTED, read_notebook, source_hash
from snnlab.runs.progress import progress
from snnlab.runs.run import home

_WIDGET = "application/vnd.jupyter.widget-view+json"
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def clean(nb: Any) -> Any:
    """A copy without widget state, timings and injected parameters: a panel leaves its picture, a progress bar nothing."""
    nb = nbformat.from_dict(nb)
    kept = {key: value for key, value in nb.metadata.items() if key in ("license", "snnlab")}
    nb.metadata = nbformat.from_dict(
        {"kernelspec": _KERNEL, "language_info": {"name": "python"}, **kept}
    )
    nb.cells = [cell for cell in nb.cells if INJECTED not in cell.metadata.get("tags", ())]
    count = 0
    for cell in nb.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in map(_still, cell.outputs) if output is not None]
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return nb


def _still(output: Any) -> Any:
    """An output without its widget; None if nothing is left that a reader could use."""
    data = output.get("data", {})
    if _WIDGET not in data:
        return output
    rest = {kind: value for kind, value in data.items() if kind != _WIDGET}
    if rest.keys() <= {"text/plain"}:
        return None
    return nbformat.from_dict({**output, "data": rest})


class _Renderer(IPythonRenderer):
    """Formulas as MathML, which browsers draw themselves; MathJax would have to be fetched from the network."""

    def block_math(self, body: str) -> str:
        # The converter knows only the latter
        return convert(body.replace("{aligned}", "{align*}"), display="block")

    def inline_math(self, body: str) -> str:
        return convert(body)


class _Exporter(HTMLExporter):
    def markdown2html(self, source: str) -> str:
        return MarkdownWithMath(renderer=_Renderer(escape=False)).render(source)


def write_html(executed: Path) -> Path:
    """Write an executed notebook as HTML beside it; pictures and formulas are inside the file and need no network.

    Links to other notebooks go to their HTML in the folder next to this one.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    nb = clean(read_notebook(executed))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                rf"\]\(({'|'.join(NOTEBOOKS)})\.ipynb",
                lambda link: f"](../{link[1]}/{link[1]}.html",
                cell.source,
            )
    exporter = _Exporter(mathjax_url="", require_js_url="")
    html, _ = exporter.from_notebook_node(nb, {"metadata": {"name": executed.stem}})
    path = executed.with_suffix(".html")
    with whole_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path


def rewrite(path: Path, report: Any) -> None:
    """Run a notebook at course profile and store it, in its own place, with its outputs and their seal.

    Raises:
        SnnlabError, NotebookFailed: as `execute`; the notebook is then as it was.
    """
    folder = execute(
        path,
        {"profile": "course", "out": str(home() / "runs" / "notebooks" / path.stem)},
        report,
    )
    nb = clean(read_notebook(folder / path.name))
    nb.metadata["snnlab"] = {"profile": "course", "code_sha256": source_hash(nb)}
    with whole_file(path) as temporary:
        nbformat.write(nb, temporary)


def main() -> None:
    with progress(Console(stderr=True)) as bar:
        for path in map(Path, sys.argv[1:]):
            rewrite(path, bar(path.stem))


if __name__ == "__main__":
    main()
