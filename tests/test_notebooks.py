"""The notebooks that people read: their parameters, their stored outputs, and that they run."""

import ast
import dataclasses
import dis
import re
import sys
from types import CodeType

import nbformat
import pytest
from leftovers import checked, student_edition
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebooks import FOLDER, LESSONS, PATHS, code_cells, has_tag
from snnlab._utils.version import __version__
from snnlab.course import claims
from snnlab.course.config import NOTEBOOKS, configure
from snnlab.course.statements import MIME as CLAIMS
from snnlab.runs import publish
from snnlab.runs.execute import execute, plan
from snnlab.runs.notebook_code import parameter_values, source_hash

WIDGET = "application/vnd.jupyter.widget-view+json"
KINDS = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    tuple[str, ...]: "list of str",
    tuple[int, ...]: "list of int",
    tuple[float, ...]: "list of float",
}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def nb(path):
    return nbformat.read(path, as_version=4)


def parameters_cell(nb):
    cells = code_cells(nb)
    (index,) = (i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ()))
    return cells[index], cells[index + 1]


def test_every_notebook_has_its_parameters_and_every_parameters_its_notebook():
    folders = {stem: FOLDER.parent / kind.notebook_folder for stem, kind in NOTEBOOKS.items()}
    assert {path.stem: path.parent for path in PATHS} == folders


def test_the_parameters_cell_has_the_fields_of_the_configuration_all_none(path, nb):
    cell, _ = parameters_cell(nb)
    assignments = {}
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign) and len(statement.targets) == 1
        assignments[statement.targets[0].id] = ast.literal_eval(statement.value)
    names = [field.name for field in dataclasses.fields(NOTEBOOKS[path.stem])]
    assert sorted(assignments) == sorted(names)
    assert set(assignments.values()) == {None}


def test_every_parameter_has_its_type_and_unit_in_a_comment(path, nb):
    cell, _ = parameters_cell(nb)
    comments = dict(re.findall(r"^(\w+) = None  # (.+)$", cell.source, re.MULTILINE))
    for field in dataclasses.fields(NOTEBOOKS[path.stem]):
        comment = comments[field.name]
        assert re.match(rf"{KINDS[field.type]}\b", comment), f"{field.name}: {comment}"
        unit = field.metadata["spec"].unit
        assert re.search(rf"\b{unit}\b", comment), f"{field.name}: {comment} does not say {unit}"


def test_the_next_cell_makes_the_configuration_of_this_notebook(path, nb):
    _, after = parameters_cell(nb)
    assert after.source.startswith("config = course.configure(globals())\n")
    config = configure({"plots": None} | dict.fromkeys(parameter_values(path)))
    assert type(config) is NOTEBOOKS[path.stem]


def names_of(code):
    """Return what code assigns, and what it or one of its functions reads from before it."""
    assigned, read = set(), set()
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if isinstance(name, CodeType):
            inner = names_of(name)[1]
            # a function is called later, too; a comprehension is not
            read |= inner - assigned if name.co_name.startswith("<") else inner
        elif instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            read |= {name} - assigned
        elif instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            assigned.add(name)
    return assigned, read


def compiled(cell):
    return compile(cell.source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_cell_changes_what_an_earlier_one_needs_to_be_run_again(path, nb):
    parameters, _ = parameters_cell(nb)
    cells = code_cells(nb)
    needed, _ = names_of(compiled(parameters))
    for cell in cells[cells.index(parameters) + 1 :]:
        assigned, read = names_of(compiled(cell))
        assert not assigned & needed, cell.source
        needed |= read


def test_what_a_cell_needs_from_earlier_ones_is_recognised():
    for source, needs in (
        ("x = y", "y"),
        ("x = 1\ny = x", ""),
        ("x += 1", "x"),
        ("for x in y:\n    z = x", "y"),
        ("x = [a * b for a in c]", "b c"),
        ("x = 1\ny = [x for _ in z]", "z"),
        ("x = 1\ndef f(a):\n    return a + x", "x"),
        ("x = await y", "y"),
    ):
        assert names_of(compiled(new_code_cell(source)))[1] == {*needs.split()}, source


def test_the_version_is_compared_before_anything_can_fail(nb):
    before, _, _ = "\n".join(cell.source for cell in code_cells(nb)).partition("import numpy")
    assert before.count(f'\ncourse.check_version("{__version__}")\n') == 1


def test_stored_outputs_belong_to_the_code_beside_them(nb):
    assert nb.metadata["snnlab"] == {"profile": "course", "code_sha256": source_hash(nb)}, (
        "run `make notebooks`"
    )
    assert [cell.execution_count for cell in code_cells(nb)] == list(
        range(1, len(code_cells(nb)) + 1)
    )


def test_the_stored_notebook_is_small_and_needs_no_kernel_to_be_read(path, nb):
    assert path.stat().st_size <= 1_500_000
    assert "widgets" not in nb.metadata and "papermill" not in nb.metadata
    assert WIDGET not in path.read_text(encoding="utf-8")
    for cell in nb.cells:
        assert cell.metadata.keys() <= {"tags", "jupyter"}
        folded = {"source_hidden": True} if has_tag(cell, "hide-input") else None
        assert cell.metadata.get("jupyter") == folded


def test_stored_outputs_have_no_warnings_and_no_paths_of_a_machine(path, nb):
    for cell in code_cells(nb):
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", output
    assert str(FOLDER.parent) not in path.read_text(encoding="utf-8")


def test_a_page_on_recordings_stores_no_recording(path, nb):
    sounds = path.read_text(encoding="utf-8").count("data:audio")
    assert not sounds or path.parent.name != "real"
    heard = '<audio src="data:audio/flac;base64,AA=="></audio>'
    cell = new_code_cell(outputs=[new_output("display_data", {"text/html": f"{heard}<p>x</p>"})])
    (silent,) = publish.without_sound(new_notebook(cells=[cell])).cells
    assert silent.outputs[0].data["text/html"] == "<p>(Run the cell to hear it.)</p><p>x</p>"


def test_every_stored_picture_can_be_read_aloud(nb):
    pictures = [
        output
        for cell in code_cells(nb)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures
    for picture in pictures:
        (alt,) = re.findall(r'<img[^>]*\balt="([^"]+)"', picture["data"]["text/html"])
        assert len(alt) > 20


ELSEWHERE = {
    "01_lif_dynamics",
    "02_pretrain_and_transfer",
    "03_transfer_to_event_streams",
    "04_learning_delays",
}


@pytest.mark.parametrize(
    "path", [path for path in LESSONS if path.stem not in ELSEWHERE], ids=lambda path: path.stem
)
def test_its_student_edition_runs_and_its_result_can_be_collected(path, tmp_path):
    """At profile tiny, and without controls; test_wheel runs the first lesson, test_tasks the
    others at the papers' settings, and nbval all notebooks with their solutions.
    """
    fewer = {"controls": False} if "controls" in parameter_values(path) else {}
    path = student_edition(path, tmp_path)
    execute(plan(path, {"profile": "tiny", "out": str(tmp_path), **fewer}))
    result = checked(tmp_path, path)
    assert result.profile == "tiny"
    assert not (fewer and result.more["delays_moved_ms"])


# What `make notebooks` stores
# ----------------------------------------------------------------------


def executed():
    """Return a notebook as papermill leaves it, with a panel, a progress bar and timings."""
    timing = {"papermill": {"duration": 1.0}}
    panel = {
        WIDGET: {"model_id": "1"},
        "text/html": '<img alt="a line">',
        "image/png": "aGk=",
        "text/plain": "a line",
    }
    cells = [
        new_code_cell("x = None", metadata={"tags": ["parameters"], **timing}, execution_count=1),
        new_code_cell(
            "x = 1", metadata={"tags": ["injected-parameters"], **timing}, execution_count=2
        ),
        new_code_cell("panel", execution_count=3, outputs=[new_output("display_data", panel)]),
        new_code_cell(
            "bar",
            execution_count=4,
            outputs=[new_output("display_data", {WIDGET: {}, "text/plain": "0%"})],
        ),
        new_code_cell(
            "x",
            metadata={"tags": ["hide-input"], "collapsed": True},
            execution_count=5,
            outputs=[new_output("execute_result", {"text/plain": "1"}, execution_count=5)],
        ),
    ]
    metadata = {
        "widgets": {},
        "papermill": {},
        "license": "CC",
        "kernelspec": {"name": "k", "display_name": "k"},
    }
    return new_notebook(cells=cells, metadata=metadata)


def test_what_only_a_running_kernel_understands_is_left_out():
    nb = publish.clean(executed())
    nbformat.validate(nb)
    assert [cell.source for cell in nb.cells] == ["x = None", "panel", "bar", "x"]
    assert [cell.execution_count for cell in nb.cells] == [1, 2, 3, 4]
    hidden = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert [cell.metadata for cell in nb.cells] == [{"tags": ["parameters"]}, {}, {}, hidden]
    assert nb.cells[1].outputs[0]["data"].keys() == {"text/html", "image/png", "text/plain"}
    assert nb.cells[2].outputs == []
    assert nb.cells[3].outputs[0].execution_count == 4
    assert nb.metadata.keys() == {"kernelspec", "language_info", "license"}


def test_cleaning_leaves_the_original_alone_and_twice_is_once():
    before = executed()
    copy = nbformat.from_dict(before)
    once = publish.clean(before)
    assert before == copy
    assert publish.clean(once) == once


def statement_cell(**statements):
    output = new_output("execute_result", claims(statements)._repr_mimebundle_())
    return new_code_cell("claims", metadata={"tags": ["claims"]}, outputs=[output])


def test_a_notebook_that_its_results_contradict_is_not_stored(tmp_path, monkeypatch):
    path, run_folder = tmp_path / "01_lif_dynamics.ipynb", tmp_path / "run"
    run_folder.mkdir()
    path.write_text("as it was")
    monkeypatch.setattr(publish, "plan", lambda *_: None)
    monkeypatch.setattr(publish, "execute", lambda *_, again: run_folder)
    monkeypatch.setattr(sys, "argv", ["publish", str(path)])
    solution = new_code_cell("check", metadata={"tags": ["solution"]}, id="solution-1")
    nb = new_notebook(cells=[statement_cell(**{"A beats B": False, "C": True}), solution])
    for text, problem in (("Not yet. Hm.", "'solution-1' is not right: Not yet"), ("Right.", "")):
        solution.outputs = [new_output("execute_result", {"text/plain": text})]
        nbformat.write(nb, run_folder / path.name)
        with pytest.raises(SystemExit, match=rf"01_lif.*'A beats B'.*{problem}.* is as it was"):
            publish.main()
        assert path.read_text() == "as it was"
    nb.cells[0] = statement_cell(C=True)
    nbformat.write(nb, run_folder / path.name)
    publish.main()
    stored = nbformat.read(path, as_version=4)
    assert stored.cells[0].outputs[0]["data"][CLAIMS] == {"C": True}


def test_the_seal_breaks_with_the_code_and_with_nothing_else():
    nb = publish.clean(executed())
    seal = source_hash(nb)
    nb.cells[1].outputs = []
    assert source_hash(nb) == seal
    nb.cells[0].source = "x = 2"  # a parameter is no code
    assert source_hash(nb) == seal
    nb.cells[1].source = "panel "
    assert source_hash(nb) != seal


def test_html_links_to_the_html_of_other_notebooks(tmp_path):
    nb = new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(
                "[next](04_learning_delays.ipynb#end) [other](notes.ipynb)"
                "[up](../02_pretrain_and_transfer.ipynb) [page](real/03_real_camera.ipynb)"
            )
        ]
    )
    nbformat.write(nb, tmp_path / "01_lif_dynamics.ipynb")
    pages = ["02_pretrain_and_transfer", "04_learning_delays"]
    path = publish.write_html(tmp_path / "01_lif_dynamics.ipynb", pages)
    html = path.read_text(encoding="utf-8")
    assert 'href="../04_learning_delays/04_learning_delays.html#end"' in html
    assert 'href="../02_pretrain_and_transfer/02_pretrain_and_transfer.html"' in html
    assert "03_real_camera" not in html and "page" in html  # the text of a link without its page
    assert 'href="notes.ipynb"' in html


def test_html_needs_no_network_for_pictures_and_formulas(tmp_path):
    text = "$x^2$\n\n$$\\begin{aligned} a &= 1 \\\\ b &= 2 \\end{aligned}$$"
    nb = new_notebook(cells=[nbformat.v4.new_markdown_cell(text), *executed().cells])
    nbformat.write(nb, tmp_path / "n.ipynb")
    html = publish.write_html(tmp_path / "n.ipynb").read_text(encoding="utf-8")
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', html)
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert html.count("<mtr>") == 2 and "aligned" not in html.split("<body")[1]
    assert '<img alt="a line"' in html and WIDGET not in html


def test_html_folds_the_code_that_is_hidden_and_shows_its_output(tmp_path):
    nbformat.write(executed(), tmp_path / "n.ipynb")
    html = publish.write_html(tmp_path / "n.ipynb").read_text(encoding="utf-8")
    body = html.split("<body", 1)[1]
    parts = re.split(r"(<details><summary>Code</summary>.*?</details>)", body, flags=re.DOTALL)
    before, details, after = parts
    assert details.count("jp-InputArea-editor") == 1
    assert before.count('class="jp-InputArea ') == 3
    assert "Out[4]" in after and "Out[" not in before
