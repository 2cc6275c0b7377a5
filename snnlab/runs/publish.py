"""Prepare notebooks for readers: cleaned, with a checksum of their code, and as HTML.

`python -m snnlab.runs.publish NOTEBOOK...` runs notebooks at course profile and stores them with
their outputs. A notebook whose text the run contradicts (`course.claims`), or with a solution that
its checker refuses, is not stored.
"""

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

# isort: split
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from rich.console import Console

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file, write_text
from snnlab._utils.places import runs_folder
from snnlab.course.config import NOTEBOOKS
from snnlab.course.statements import MIME as CLAIMS
from snnlab.runs.execute import NotebookFailed, execute, plan
from snnlab.runs.notebook_code import INJECTED, read_notebook, source_hash
from snnlab.runs.progress import progress

_WIDGET = "application/vnd.jupyter.widget-view+json"
HIDDEN = "hide-input"  # the tag of cells whose code is folded; MyST-NB reads it, too
_TEMPLATE = f"""
{{%- extends 'index.html.j2' -%}}
{{% block input_group %}}
{{%- if '{HIDDEN}' in cell.metadata.get('tags', []) -%}}
<details><summary>Code</summary>{{{{ super() }}}}</details>
{{%- else -%}}
{{{{ super() }}}}
{{%- endif -%}}
{{% endblock input_group %}}
"""
_SOUND = re.compile("<audio.*?</audio>", re.DOTALL)
# Text, name and place of a link to another notebook
_LINK = re.compile(
    rf"\[([^\[\]]*)\]\((?:\.\./|real/)?({'|'.join(NOTEBOOKS)})\.ipynb((?:#[^)]*)?)\)"
)
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def clean(nb: Any) -> Any:
    """Return a copy without widgets, timings and injected parameters; pictures of panels stay.

    JupyterLab collapses the code of the cells that are tagged `hide-input`.
    """
    nb = nbformat.from_dict(nb)
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    metadata |= {key: nb.metadata[key] for key in ("license", "snnlab") if key in nb.metadata}
    nb.metadata = nbformat.from_dict(metadata)
    nb.cells = [cell for cell in nb.cells if INJECTED not in cell.metadata.get("tags", ())]
    count = 0
    for cell in nb.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type != "code":
            continue
        if HIDDEN in cell.metadata.get("tags", ()):
            cell.metadata["jupyter"] = {"source_hidden": True}
        cell.outputs = list(filter(None, map(_without_widget, cell.outputs)))
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return nb


def _without_widget(output: Any) -> Any:
    """Return an output without its widget; None if only a text about the widget is left."""
    data = output.get("data", {})
    if _WIDGET not in data:
        return output
    rest = {kind: value for kind, value in data.items() if kind != _WIDGET}
    if rest.keys() <= {"text/plain"}:
        return None
    return nbformat.from_dict({**output, "data": rest})


def without_sound(nb: Any) -> Any:
    """Return a copy without the sounds of its outputs; a recorded person is not published."""
    nb = nbformat.from_dict(nb)
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = _SOUND.sub("<p>(Run the cell to hear it.)</p>", html)
    return nb


def mathml(formula: str, display: Literal["inline", "block"] = "inline") -> str:
    """Return a LaTeX formula as MathML, which browsers draw; MathJax would need the network."""
    # the converter knows no {aligned}
    return convert(formula.replace("{aligned}", "{align*}"), display=display)


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def inline_math(self, body: str) -> str:
        return mathml(body)


class _Exporter(HTMLExporter):
    def markdown2html(self, source: str) -> str:
        return MarkdownWithMath(renderer=_Renderer(escape=False)).render(source)


def write_html(executed: Path, pages: Collection[str] = ()) -> Path:
    """Write an executed notebook as HTML that needs no network.

    The code of the cells that are tagged `hide-input` is folded; their outputs are shown.
    A link to another notebook goes to its HTML in the folder beside that of this one; only its text
    is left where there is no such page.

    Args:
        executed: the notebook.
        pages: the names of the notebooks that have one.

    Returns:
        The HTML file, beside the notebook.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    nb = clean(read_notebook(executed))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(
                lambda link: (
                    f"[{link[1]}](../{link[2]}/{link[2]}.html{link[3]})"
                    if link[2] in pages
                    else link[1]
                ),
                cell.source,
            )
    exporter = _Exporter(mathjax_url="", require_js_url="", raw_template=_TEMPLATE)
    html, _ = exporter.from_notebook_node(nb, {"metadata": {"name": executed.stem}})
    path = executed.with_suffix(".html")
    write_text(path, html)
    return path


def contradictions(nb: Any) -> Iterator[str]:
    """Yield what the outputs of an executed notebook contradict, in words.

    These are the statements of `course.claims` that are false or were left out, and solutions that
    are not right.
    """
    for cell in nb.cells:
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        for data in outputs:
            for statement, holds in data.get(CLAIMS, {}).items():
                if not holds:
                    yield f"the text says {statement!r}, but the results do not show it"
        if cell.cell_type == "code" and "solution" in cell.metadata.get("tags", ()):
            verdict = outputs[-1].get("text/plain", "") if outputs else "it shows nothing"
            if not verdict.startswith("Right."):
                yield f"the solution in cell {cell.id!r} is not right: {verdict}"


def rewrite(path: Path, report: Any) -> None:
    """Run a notebook at course profile, and store it with its outputs and the checksum of its code.

    Args:
        path: the notebook; after an error it is as it was.
        report: is called with the progress.

    Raises:
        SnnlabError: the results contradict the text or a solution, or as `execute`.
        NotebookFailed: as `execute`.
    """
    out = str(runs_folder() / "notebooks" / path.stem)
    folder = execute(plan(path, {"profile": "course", "out": out}), report, again=True)
    nb = clean(read_notebook(folder / path.name))
    if problems := list(contradictions(nb)):
        raise SnnlabError(
            f"{path.name}: {'; '.join(problems)}. Correct the text or the code; the executed "
            f"notebook is {folder / path.name}, and the stored one is as it was."
        )
    if path.parent.name == "real":  # a page on recordings
        nb = without_sound(nb)
    nb.metadata["snnlab"] = {"profile": "course", "code_sha256": source_hash(nb)}
    with whole_file(path) as temporary:
        nbformat.write(nb, temporary)


def main() -> None:
    """Rewrite the notebooks that the command line names; exit with what went wrong, if anything."""
    failures = []
    with progress(Console(stderr=True)) as show_progress:
        for path in map(Path, sys.argv[1:]):
            try:
                rewrite(path, show_progress(path.stem))
            except (SnnlabError, NotebookFailed) as error:
                failures.append(str(error))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
