"""Notebooks that snnlab does not ship: their parameters, runs, sweeps and results."""

import json
from pathlib import Path

import nbformat
import papermill
import pytest
import sweeps
import yaml
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from snnlab import course, runs
from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.runs import execute
from snnlab.runs.result import load_result

PARAMETERS = """\
lr: float = 1  # learning rate
sizes = [16, 8]  # neurons
name = "plain"
fast = False
rates = []
seed = 0"""
START = "import snnlab\nrun = snnlab.runs.start(globals())"
SAVE = """
run.save_result([{"variant": name, "seed": seed, "test_accuracy": lr / 10, "n": sum(sizes)}])"""


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_PROFILE", raising=False)


def snnlab(*arguments):
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def write(name="mine.ipynb", parameters=PARAMETERS, cells=(START, SAVE)):
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nb = new_notebook(cells=[first, *map(new_code_cell, cells)], metadata=metadata)
    nbformat.write(nb, name)
    return Path(name)


def test_two_lines_are_all_that_a_notebook_needs():
    write(cells=(START, "(run.checkpoint_dir / 'mark').touch()", SAVE))
    done = snnlab("run", "mine.ipynb", "-p", "lr", "3", "-p", "sizes", "[4]", "--seed", 2)
    assert done.exit_code == 0, done.output
    assert "unknown parameter" not in done.output
    (folder,) = Path("runs/mine").glob("*/seed=2")
    result = load_result(folder)
    assert result.notebook == "mine" and result.platform["notebook_edited"]
    assert result.results == [{"variant": "plain", "seed": 2, "test_accuracy": 0.3, "n": 4}]
    own = {"lr": 3.0, "sizes": [4], "name": "plain", "fast": False, "rates": [], "seed": 2}
    assert own.items() <= result.config.items() and isinstance(result.config["lr"], float)
    assert json.loads((folder / "manifest.json").read_text())["config"] == result.config
    assert (folder / "checkpoints/mark").exists()
    again = snnlab("run", "mine.ipynb", "-p", "lr", "3.0", "-p", "sizes", "4", "--seed", 2)
    assert "The run finished at" in again.stderr


def test_a_failed_run_is_resumed_with_its_checkpoints():
    mark = "open(run.checkpoint_dir / 'mark', 'a').write('x')"
    fail = "if not (run.dir / 'mended').exists(): raise ValueError('no such luck')"
    write(cells=(START, mark, fail, SAVE))
    assert snnlab("run", "mine.ipynb", "--out", "out").exit_code == 1
    Path("out/mended").touch()
    assert snnlab("run", "mine.ipynb", "--out", "out").exit_code == 0
    assert Path("out/checkpoints/mark").read_text() == "xx"
    assert len(json.loads(Path("out/manifest.json").read_text())["started"]) == 2


def test_a_finished_run_is_kept_until_all_cells_of_the_next_one_have_run():
    fail = "if (run.dir / 'broken').exists(): raise ValueError('no such luck')"
    other = write("other.ipynb", cells=(START, SAVE))
    write(cells=(START, SAVE, fail))
    assert snnlab("run", "mine.ipynb", "--out", "out").exit_code == 0
    kept, broken = Path("out/.earlier"), Path("out/broken")
    broken.touch()
    for _ in range(2):
        assert snnlab("run", "mine.ipynb", "--out", "out", "--again").exit_code == 1
        assert load_result(kept).results and not Path("out/result.json").exists()
        refused = snnlab("run", other, "--out", "out")
        assert refused.exit_code == 2 and "holds a finished run of mine" in refused.stderr
    broken.unlink()
    assert snnlab("run", "mine.ipynb", "--out", "out").exit_code == 0
    assert load_result("out").results and not kept.exists()


def test_its_parameters_are_those_that_papermill_inspects():
    inspected = papermill.inspect_notebook(str(write()))
    fields = execute.parameters_of(execute.profiles_of(Path("mine.ipynb")))
    assert {*fields} == {*inspected, "profile", "out"}
    assert fields["sizes"].metadata["spec"].help == inspected["sizes"]["help"] == "neurons"
    kinds = {name: fields[name].type for name in inspected}
    many = {"sizes": tuple[int, ...], "rates": tuple[float, ...]}
    assert kinds == {"lr": float, "name": str, "fast": bool, "seed": int, **many}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lrr", "1", r"no parameter of mine called 'lrr' \(did you mean lr\?\)"),
        ("lr", "fast", r"lr = 'fast': expected a number \(learning rate\)"),
        ("sizes", "1.5", "expected a list of whole numbers, such as .*. .neurons."),
        ("fast", "3", "fast = '3': expected true or false"),
        ("live", "true", "no parameter of mine called 'live'"),
        ("profile", "big", "expected one of|no profile called 'big'"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_starts(name, text, words):
    write()
    done = snnlab("run", "mine.ipynb", "-p", name, text)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(done.stderr)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("lr = None", "mine.ipynb: the parameter lr = None shows no type; .* such as `lr = 0.1`"),
        ("a = {}", "the parameter a = {} shows no type"),
        ("a = [1, 'x']", "the parameter a = .* shows no type"),
        ("a = 2 + x", "more than literals"),
    ],
)
def test_a_parameter_without_a_type_is_refused(parameters, words):
    with pytest.raises(SnnlabError, match=words):
        execute.plan(write(parameters=parameters), {})


def test_a_sweep_of_it_and_its_table():
    write()
    sweep = {"notebook": "mine.ipynb", "seeds": [5], "grid": {"lr": [1, 2.5]}}
    Path("own.yaml").write_text(yaml.safe_dump(sweep))
    done = snnlab("sweep", "own.yaml")
    assert done.exit_code == 0, done.output
    table = runs.collect("runs")
    rows = zip(table["config.lr"], table["seed"], table["test_accuracy"], strict=True)
    assert sorted(rows) == [(1, 5, 0.1), (2.5, 5, 0.25)]
    assert {*table["notebook"]} == {"mine"}
    assert snnlab("sweep", "own.yaml", "--dry-run").stdout.count("finished") == 2


def test_without_a_seed_there_is_one_run_and_none_may_be_given():
    write(parameters="lr = 1.0", cells=(START, "name, seed, sizes = 'a', 0, [1]", SAVE))
    Path("own.yaml").write_text("notebook: mine.ipynb\ngrid: {lr: [1, 2]}\n")
    assert "2 of 2 runs to do" in snnlab("sweep", "own.yaml", "--dry-run").stdout
    Path("own.yaml").write_text("notebook: mine.ipynb\nseeds: [0, 1]\n")
    for arguments in (("sweep", "own.yaml"), ("run", "mine.ipynb", "--seed", 1)):
        done = snnlab(*arguments)
        assert done.exit_code == 2 and "no parameter of mine called 'seed'" in done.stderr


def test_its_own_data_is_checked_before(monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    write(parameters='data = "shd"')
    done = snnlab("run", "mine.ipynb")
    assert done.exit_code == 2 and "data shd is absent: snnlab data get shd" in done.stderr


def test_a_copy_of_a_lesson_has_its_profiles_and_further_parameters():
    parameters = f"{sweeps.PARAMETERS}\ngain = 1.0"
    save = "run.save_result([{'variant': 'a', 'seed': 0, 'n': config.neurons * config.gain}])"
    start = "from snnlab import course, runs\nconfig = course.configure(globals())"
    write("copy.ipynb", parameters, (start, "run = runs.start(config)", save))
    done = snnlab("run", "copy.ipynb", "--profile", "tiny", "-p", "gain", 2, "-p", "neurons", 7)
    assert done.exit_code == 0, done.output
    (folder,) = Path("runs/copy").glob("*/seed=0")
    result = load_result(folder)
    assert (result.notebook, result.profile, result.results[0]["n"]) == ("copy", "tiny", 14.0)
    one, other = (
        execute.plan(Path("copy.ipynb"), {"profile": "tiny", "gain": gain}) for gain in (2, 3)
    )
    assert isinstance(one.config, type(other.config)) and one.dir != other.dir
    done = snnlab("run", "copy.ipynb", "-p", "neurons", 0)
    assert done.exit_code == 2 and "neurons = 0: expected a whole number from 1" in done.stderr


def test_in_jupyterlab_all_plain_variables_are_its_parameters(monkeypatch, tmp_path):
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    run = runs.start({"lr": 0.5, "sizes": [4], "seed": 3, "_": 1, "In": ["lr = 0.5"], "f": print})
    assert (run.config.lr, run.config.sizes, run.config.seed) == (0.5, (4,), 3)
    assert run.dir.relative_to(tmp_path / "runs/mine").name == "seed=3"
    assert not hasattr(run.config, "In") and not hasattr(run.config, "f")
    run.save_result([{"variant": "a", "seed": 3}])
    assert load_result(run.dir).data["note"].startswith("The notebook does not say")


@pytest.mark.parametrize("editor", ["JupyterLab", "VS Code"])
def test_in_an_editor_the_saved_cell_says_which_variables_are_parameters(editor, monkeypatch):
    path, variables = str(write().absolute()), {"helper": 3, "data": "shd"}
    if editor == "JupyterLab":
        monkeypatch.setenv("JPY_SESSION_NAME", path)
    else:
        variables["__vsc_ipynb_file__"] = path
    with pytest.raises(SnnlabError, match="the parameter lr has no value; run the cell of the pa"):
        runs.start(variables)
    exec(PARAMETERS.replace("seed = 0", "seed = 4"), variables)  # noqa: S102
    run = runs.start(variables)
    assert (run.config.lr, run.config.sizes, run.config.seed) == (1, (16, 8), 4)
    assert not hasattr(run.config, "helper") and not hasattr(run.config, "data")
    assert run.dir.parts[-3:-1][0] == "mine"


def test_a_copy_of_a_lesson_has_its_further_parameters_in_an_editor(monkeypatch):
    copy = write("copy.ipynb", f"{sweeps.PARAMETERS}\ngain = 1.0").absolute()
    monkeypatch.setenv("JPY_SESSION_NAME", str(copy))
    variables = {}
    exec(f"{sweeps.PARAMETERS}\ngain = 2.5\nother = 1", variables)  # noqa: S102
    config = course.configure(variables)
    assert (config.gain, config.profile, config.notebook) == (2.5, "course", "copy")
    assert not hasattr(config, "other")


def test_the_template_is_not_written_over_a_file():
    for _ in range(2):
        done = snnlab("new-notebook", "mine")
    assert done.exit_code == 2 and "mine.ipynb is there already" in done.stderr


def test_the_command_to_run_a_new_notebook_can_be_pasted():
    done = snnlab("new-notebook", "a ü {b}/x")
    assert done.exit_code == 0 and "run it with `snnlab run 'a ü {b}/x.ipynb'`." in done.stdout


def test_messages_about_a_file_name_it_once(tmp_path):
    Path("mine.ipynb").write_text("{")
    Path("untagged.ipynb").write_text(nbformat.writes(new_notebook(cells=[new_code_cell("a = 1")])))
    for name, words in (
        ("mine.ipynb", "is not a readable notebook"),
        ("untagged.ipynb", "has no code cell with the tag 'parameters'"),
    ):
        done = snnlab("run", name)
        assert done.exit_code == 2 and done.stderr.startswith(f"snnlab: {name}: {words}")
    done = snnlab("run", "mine")
    assert done.exit_code == 2 and "give mine.ipynb for the notebook here" in done.stderr
    done = snnlab("new-notebook", "")
    assert done.exit_code == 2 and "expected a name, such as my_experiment" in done.stderr
