"""Parts of the site: its first page, formulas as MathML, and the modules of the reference."""

import ast
import re
import textwrap
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes

import snnlab
from snnlab.runs.publish import mathml

ROOT = Path(__file__).parents[1]
REFERENCE = "docs/reference/"
MODULE = """
## {name}

```{{eval-rst}}
.. automodule:: {name}
   :members:
```
"""


def jupyter_anchor(title: str) -> str:
    """Return the anchor that JupyterLab gives a heading; the notebooks' links have it."""
    return title.replace(" ", "-")


@cache
def notebook_modules() -> list[str]:
    """Return the public modules that notebooks import, but for those that `snnlab` offers."""
    modules = set()
    for path in ROOT.glob("notebooks/**/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                modules |= _imported(cell.source)
    offered = {f"snnlab.{name}" for name in snnlab.__all__} | {"snnlab", "snnlab.viz.plots"}
    return sorted(name for name in modules - offered if "._" not in name)


def _imported(source: str) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("snnlab."):
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                modules.add(name if is_module(name) else node.module)
    return modules


def is_module(name: str) -> bool:
    """Say whether a dotted name is a module, and not a name in one."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def complete(app: Any, docname: str, source: list[str]) -> None:
    """Put the README on the first page, and its modules on a page of the reference."""
    if docname == app.config.root_doc:
        app.env.note_dependency("README.md")
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        source[0] = re.sub(r"\]\((?!\w+:|#)", "](../", readme) + source[0]
    elif docname.startswith(REFERENCE):
        package = f"snnlab.{docname.removeprefix(REFERENCE)}."
        names = [name for name in notebook_modules() if name.startswith(package)]
        source[0] += "".join(MODULE.format(name=name) for name in names)


def leave_out(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave a public name out of the page of its module; the page of `snnlab` has it."""
    name = name.rpartition(".")[2]
    public = name in snnlab.__all__ and getattr(snnlab, name) is member
    return True if public and not options.imported_members else None


def as_rest(app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Rewrite what is Markdown in a docstring: formulas between `$` or `$$`, and `name`s."""
    text = re.sub(
        r"^( *)\$\$(.+?)\$\$$", _display, "\n".join(lines), flags=re.MULTILINE | re.DOTALL
    )
    text = re.sub(r"\$([^$]+)\$", r":math:`\1`", text)
    lines[:] = re.sub(r"(`[\w.]+`)(?=\w)", r"\1\\ ", text).split("\n")


def _display(formula: re.Match[str]) -> str:
    body = textwrap.indent(textwrap.dedent(formula[2]).strip(), "   ")
    return textwrap.indent(f"\n.. math::\n\n{body}\n", formula[1])


def write_formula(writer: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers draw; MathJax would come from the network."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    writer.body.append(mathml(node.astext(), display))
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Join these parts to Sphinx."""
    app.connect("source-read", complete)
    app.connect("autodoc-process-docstring", as_rest, priority=0)  # before napoleon
    app.connect("autodoc-skip-member", leave_out)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
