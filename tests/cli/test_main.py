"""The command line, on a notebook of a few cells that is made here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sweeps import PARAMETERS

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.data.cache import cached
from snnlab.data.io.many_files import ConversionResult
from snnlab.runs import execute, manifest, preflight
from snnlab.runs.notebook_code import notebook_code, source_hash
from snnlab.runs.result import load_result

START = """
from snnlab import course, runs
config = course.configure(globals())
run = runs.start(config)
"""
SHOW = """
from snnlab.viz import plots
fig, ax = plots.figure()
ax.plot([0, 1])
plots.show(fig, "line", "A line from 0 to 1.", run)
"""
SAVE = """
measured = (("none", 0, 0.4), ("none", 1, 0.5), ("learned", 0, 0.9))
entries = [{"variant": v, "seed": s, "test_accuracy": a} for v, s, a in measured]
run.save_result(entries, data={"name": "made here", "note": "three numbers"})
"""


ALWAYS_LEFT = ("manifest.json", "metrics.jsonl", "result.json", "checkpoints")


def what_is_left(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def write(path, *sources):
    cells = [
        new_markdown_cell("# A small notebook"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
    ]
    cells += [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def notebook(tmp_path):
    """Without a figure, which takes its kernel two seconds longer."""
    return write(tmp_path / "01_lif_dynamics.ipynb", START, SAVE)


@pytest.fixture
def snnlab():
    return lambda *arguments: CliRunner().invoke(
        main.app, [str(argument) for argument in arguments]
    )


def test_parameters_from_a_file_and_what_goes_before_them(snnlab, notebook, tmp_path):
    (tmp_path / "some.yaml").write_text("neurons: 12\ntau_ms: 30\n")
    out = ("--profile", "tiny", "--out", tmp_path / "out")
    done = snnlab("run", notebook, *out, "-f", tmp_path / "some.yaml", "-p", "neurons", 13)
    assert done.exit_code == 0, done.output
    config = json.loads((tmp_path / "out/result.json").read_text())["config"]
    assert (config["neurons"], config["tau_ms"]) == (13, 30.0)
    (tmp_path / "some.yaml").write_text("neurone: 12\n")
    done = snnlab("run", notebook, *out, "-f", tmp_path / "some.yaml")
    assert (
        done.exit_code == 2 and "neurone" in done.output and "did you mean neurons?" in done.output
    )


def test_a_path_that_is_too_long_is_one_sentence(snnlab):
    for command in (("export", "--to", "npz", "a.pt"), ("data", "info"), ("collect",), ("sweep",)):
        done = snnlab(*command, "x" * 300)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), command
        assert "is longer than a path can be" in done.stderr or "name too long" in done.stderr


def test_a_parameter_that_changes_nothing_ends_with_code_2(snnlab, tmp_path):
    out = ("--profile", "tiny", "--out", tmp_path / "out")
    (tmp_path / "some.yaml").write_text("pictures_folder: A\n")
    for given in (("-p", "events_folder", "A"), ("-f", tmp_path / "some.yaml")):
        done = snnlab("run", "03", *out, *given)
        assert done.exit_code == 2 and "'A' changes nothing where data = 'digits'" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_leaves_notebook_result_and_figures(snnlab, notebook, tmp_path):
    write(notebook, START, SHOW, SAVE)
    done = snnlab(
        "run",
        notebook,
        "--profile",
        "tiny",
        "--seed",
        7,
        "-p",
        "neurons",
        12,
        "-p",
        "tau_ms",
        "1e1",
        "--out",
        tmp_path / "out",
    )
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    assert what_is_left(out) == {*ALWAYS_LEFT, notebook.name, "figures"}
    assert {path.name for path in (out / "figures").iterdir()} == {"line.png", "line.svg"}
    executed = nbformat.read(out / notebook.name, as_version=4)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    result = load_result(out)
    config = result.config
    assert (config["profile"], config["seed"], config["neurons"], config["tau_ms"]) == (
        "tiny",
        7,
        12,
        10.0,
    )
    for words in ("none", "45.0 ± 7.1", "learned", "90.0", str(out / "result.json"), "1 figure"):
        assert words in done.stdout
    assert "A small notebook" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-p", "neuron", "12"],
            ["'neuron'", "did you mean neurons?", "valid names: profile, seed, out, "],
        ),
        (["-p", "neurons", "many"], ["neurons = 'many'", "expected a whole number"]),
        (["-p", "tau_ms", "0"], ["tau_ms = 0:", "expected a number from 1.001"]),
        (["--profile", "corse"], ["'corse'", "did you mean course?"]),
        (["--seed", "x"], ["seed = 'x'"]),
        (["--nproc", "2"], ["There is no parameter of 01_lif_dynamics called 'processes'"]),
        (["--log", "tensorbord"], ["no log called 'tensorbord'", "did you mean tensorboard?"]),
        (["--seed", "1", "-p", "seed", "2"], ["seed is given twice, as '1' and '2'"]),
        (["-p", "neurons", "1", "-p", "neurons", "2"], ["neurons is given twice"]),
    ],
)
def test_a_wrong_parameter_stops_with_code_2_before_anything_starts(
    snnlab, notebook, tmp_path, arguments, words, monkeypatch
):
    monkeypatch.setenv("SNNLAB_LOG", "none")  # and put back
    before = set(tmp_path.iterdir())
    done = snnlab("run", notebook, *arguments, *(["--out", tmp_path / "out"]))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("04_learning_delays", ["-p", "data", "shd"], "snnlab data get shd"),
        ("02_pretrain_and_transfer", ["-p", "data", "{}/nowhere"], "nowhere is not there"),
        ("05_exploring_delays", ["-p", "checkpoint", "{}/nowhere.pt"], "nowhere.pt is not there"),
    ],
)
def test_data_that_is_not_there_stops_with_code_2_before_anything_starts(
    snnlab, tmp_path, monkeypatch, name, arguments, words
):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    notebook = write(tmp_path / f"{name}.ipynb")
    before = set(tmp_path.iterdir())
    done = snnlab("run", notebook, *(text.format(tmp_path) for text in arguments))
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and words in done.stderr, (
        done.output
    )
    (tmp_path / "some.yaml").write_text(f"notebook: {notebook}\n")
    given = [text.format(tmp_path) for text in arguments]
    for executor in ("local", "slurm"):
        done = snnlab("sweep", tmp_path / "some.yaml", *given, "--executor", executor)
        assert done.exit_code == 2 and words in done.stderr, done.output
    assert set(tmp_path.iterdir()) == before | {tmp_path / "some.yaml"}


def test_a_failing_cell_keeps_the_notebook_with_its_error_and_stops_with_code_1(
    snnlab, notebook, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text("{}")
    write(notebook, START, "raise ValueError('no such luck')", SAVE)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", out)
    assert done.exit_code == 1
    assert "ValueError: no such luck" in done.stderr and str(out / notebook.name) in done.stderr
    outputs = [
        output
        for cell in nbformat.read(out / notebook.name, as_version=4).cells
        for output in cell.get("outputs", ())
    ]
    assert "ValueError" in [output.get("ename") for output in outputs]
    # Nobody shall take the one of an earlier run for this one's
    assert not (out / "result.json").exists()


def test_a_failed_run_is_recorded_and_goes_on_when_it_is_run_again(snnlab, notebook, tmp_path):
    mark = "open(run.checkpoint_dir / 'mark', 'a').write('x')"
    luck = tmp_path / "luck"
    fail = f"if not __import__('os').path.exists({str(luck)!r}): raise ValueError('no such luck')"
    write(notebook, START, mark, fail, SAVE)
    arguments = ("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert snnlab(*arguments).exit_code == 1
    found = manifest.read(tmp_path / "out")
    assert (
        found["status"] == "failed"
        and "ValueError: no such luck" in found["error"]
        and found["finished"]
    )
    luck.touch()
    assert snnlab(*arguments).exit_code == 0
    found = manifest.read(tmp_path / "out")
    assert (found["status"], found["error"], len(found["started"])) == ("finished", "", 2)
    assert (tmp_path / "out/checkpoints/mark").read_text() == "xx"


def test_a_notebook_that_fails_before_it_starts_its_run_has_failed_too(snnlab, notebook, tmp_path):
    arguments = ("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert snnlab(*arguments).exit_code == 0
    write(notebook, "raise ValueError('at once')")
    assert snnlab(*arguments, "--again").exit_code == 1
    # As it was
    assert manifest.read(tmp_path / "out")["status"] == "finished" and load_result(tmp_path / "out")
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "new")
    assert done.exit_code == 1
    found = manifest.read(tmp_path / "new")
    assert (
        found["status"] == "failed"
        and "ValueError: at once" in found["error"]
        and found["config"]["profile"] == "tiny"
    )


def test_a_finished_run_is_shown_and_run_anew_only_if_asked(
    snnlab, notebook, tmp_path, monkeypatch
):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shd_some.yaml").write_text("neurons: 12\n")
    arguments = (
        "run",
        notebook,
        "--profile",
        "tiny",
        "--seed",
        3,
        "-f",
        tmp_path / "shd_some.yaml",
    )
    first = snnlab(*arguments)
    assert first.exit_code == 0, first.output
    (folder,) = (tmp_path / "runs/shd_some").glob("*/seed=3")
    assert what_is_left(folder) == {*ALWAYS_LEFT, notebook.name}
    changed = (folder / notebook.name).stat().st_mtime_ns
    shown = snnlab(*arguments)
    assert (
        shown.exit_code == 0
        and "The run finished at" in shown.stderr
        and "45.0 ± 7.1" in shown.stdout
    )
    assert (folder / notebook.name).stat().st_mtime_ns == changed
    manifest.end(folder, "running")  # as a kill right after the result leaves it
    assert snnlab(*arguments).exit_code == 0 and manifest.read(folder)["status"] == "finished"
    assert (folder / notebook.name).stat().st_mtime_ns == changed
    assert snnlab(*arguments, "--again").exit_code == 0
    assert (folder / notebook.name).stat().st_mtime_ns > changed
    assert len(list((tmp_path / "runs/shd_some").glob("*/*"))) == 1


def test_the_same_run_twice_at_once_is_refused_or_waits(snnlab, notebook, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    arguments = ("run", notebook, "--profile", "tiny", "--out", out)
    with manifest.hold(out, "runner", 0):
        done = snnlab(*arguments)
        assert done.exit_code == 2 and "the same run is going on there" in done.stderr
        command = [
            sys.executable,
            "-c",
            "from snnlab.cli.main import app; app()",
            *map(str, arguments),
            "--wait",
        ]
        waiting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(5)
        assert not (out / notebook.name).exists()
    assert waiting.wait(60) == 0
    assert (out / "result.json").exists()


def test_a_notebook_that_saves_no_result_has_failed(snnlab, notebook, tmp_path):
    write(notebook, START)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "saved no result" in done.stderr


def test_an_interruption_is_a_sentence(snnlab, notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 130 and done.stderr.endswith(
        "\nsnnlab: stopped; the same command resumes.\n"
    )


BUSY = """
import time
handlers = get_ipython().kernel.shell_handlers
ask = handlers["kernel_info_request"]
async def slowly(*arguments):
    await ask(*arguments)
    time.sleep(0.3)
handlers["kernel_info_request"] = slowly
"""


def test_an_interrupted_run_says_so_and_its_kernel_does_not_complain(notebook, tmp_path):
    mark = tmp_path / "mark"
    write(notebook, f"import time\nopen({str(mark)!r}, 'w').close()\ntime.sleep(100)")
    command = [
        sys.executable,
        "-c",
        "from snnlab.cli.main import app; app()",
        "run",
        notebook,
        "--profile",
        "tiny",
    ]
    command += ["--out", tmp_path / "out"]
    process = subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while not mark.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130 and said.endswith(
        "\nsnnlab: stopped; the same command resumes.\n"
    )
    assert "Traceback" not in said and "IPKernelApp" not in said


@pytest.mark.parametrize("last", ["0", "raise ValueError('broken')"])
def test_a_kernel_is_not_interrupted_before_it_is_idle(snnlab, tmp_path, capfd, last):
    """It would complain in the terminal; papermill's last question is answered before all work on
    it is done."""
    notebook = write(tmp_path / "01_lif_dynamics.ipynb", BUSY, last)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert (
        done.exit_code == 1 and ("broken" if "broken" in last else "saved no result") in done.stderr
    )
    assert "KeyboardInterrupt" not in capfd.readouterr().err


def test_a_killed_kernel_is_a_failure_too(snnlab, notebook, tmp_path):
    write(notebook, START, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "its kernel died" in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_while_it_runs_is_a_failure_with_a_sentence(
    snnlab, notebook, small_disk, monkeypatch
):
    monkeypatch.setattr(preflight, "free_gb", lambda *args: 1.0)
    write(notebook, START, "print('x' * 100_000)", SAVE)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", small_disk / "out")
    assert done.exit_code == 1 and done.stderr.count("Traceback") == 0, done.output
    assert "No space left on device). Free some space, and run it again." in done.stderr
    found = manifest.read(small_disk / "out")
    assert found["status"] == "failed" and "No space left on device" in found["error"]
    assert not (small_disk / "out" / notebook.name).exists()


def test_a_folder_that_is_removed_while_it_runs_is_a_failure_with_a_sentence(
    snnlab, notebook, tmp_path
):
    write(notebook, START, "import shutil; shutil.rmtree(run.dir)", SAVE)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 1 and done.stderr.count("Traceback") == 0, done.output
    assert f"{tmp_path / 'out'} was removed while it ran. Run it again." in done.stderr
    assert "space" not in done.stderr


def test_a_finished_run_of_another_notebook_is_not_replaced(snnlab, notebook, tmp_path):
    out = ("--profile", "tiny", "--out", tmp_path / "out")
    assert snnlab("run", notebook, *out).exit_code == 0
    before = load_result(tmp_path / "out")
    other = notebook.rename(tmp_path / "other.ipynb")
    for again in ((), ("--again",)):
        done = snnlab("run", other, *out, *again)
        assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.output
        assert "holds a finished run of 01_lif_dynamics, which a run of other" in done.stderr
    done = snnlab("train", *out)
    assert done.exit_code == 2 and "which a run of 04_learning_delays would repl" in done.stderr
    assert load_result(tmp_path / "out") == before
    write(other, START, SAVE).rename(notebook)  # the same notebook
    assert snnlab("run", notebook, *out, "-p", "neurons", 13).exit_code == 0
    assert load_result(tmp_path / "out").config["neurons"] == 13


def test_the_disk_is_checked_once_a_run(snnlab, notebook, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(preflight, "free_gb", lambda *args: calls.append(args) or 1.0)
    write(notebook, "from snnlab.runs import preflight\npreflight.free_gb = None", START, SAVE)
    done = snnlab("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 0 and len(calls) == 1, done.output


def test_progress_bars_inside_the_notebook_are_told_to_the_outside(notebook, tmp_path):
    write(
        notebook,
        START,
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3), mininterval=0): pass",
        SAVE,
    )
    told = []
    run = execute.plan(notebook, {"profile": "tiny", "out": str(tmp_path / "out")})
    execute.execute(run, lambda *step: told.append(step))
    assert (4, 6, "A small notebook", "2 of 3") in told  # the injected parameters are a cell, too
    assert told[-1][:3] == (6, 6, "done")


def test_a_notebook_is_not_written_over_itself(snnlab, notebook, tmp_path):
    source = notebook.read_bytes()
    done = snnlab("run", notebook, "--out", tmp_path)
    assert done.exit_code == 2
    assert "the notebook itself lies there" in done.stderr
    assert notebook.read_bytes() == source


def test_a_notebook_without_a_parameters_cell_is_refused(snnlab, notebook, tmp_path):
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), notebook)
    done = snnlab("run", notebook, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "no code cell with the tag 'parameters'" in done.stderr


def test_notebooks_are_found_by_path_name_and_number(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    path = write(tmp_path / "notebooks" / "01_lif_dynamics.ipynb")
    monkeypatch.chdir(tmp_path / "notebooks")
    for name in (path, path.name, "01_lif_dynamics", "01", "1"):
        assert execute.find(str(name)).samefile(path)
    with pytest.raises(SnnlabError, match=r"did you mean 01_lif_dynamics\?"):
        execute.find("01_lif_dynamic")
    with pytest.raises(SnnlabError, match="there is no such notebook"):
        execute.find("nowhere/01_lif_dynamics.ipynb")
    assert execute.find("03_real_camera").parent.name == "real"  # beside the package
    assert execute.find("3").name == "03_transfer_to_event_streams.ipynb"
    with pytest.raises(SnnlabError, match="no notebook called 'other'.*of your own by its path"):
        execute.find("other")


def edited_accuracy(path, accuracy):
    """Have a notebook write a made-up accuracy."""
    path.write_text(path.read_text().replace("0.4", str(accuracy)))


def test_an_edited_notebook_is_a_run_of_its_own(snnlab, notebook, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    arguments = ("run", notebook, "--profile", "tiny")
    assert snnlab(*arguments).exit_code == 0
    (first,) = (tmp_path / "runs/01_lif_dynamics").glob("*/seed=0")
    before = (first / "result.json").read_bytes()
    nb = nbformat.read(notebook, as_version=4)
    nb.cells.append(new_markdown_cell("A remark, which is not code."))
    nb.metadata["snnlab"] = {"code_sha256": source_hash(nb)}  # as `make notebooks` does
    nbformat.write(nb, notebook)
    assert "The run finished at" in snnlab(*arguments).stderr
    edited_accuracy(notebook, 0.123456)
    done = snnlab(*arguments)
    assert done.exit_code == 0 and "differs from that of the run in" in done.stderr
    assert str(first) in done.stderr
    (second,) = set((tmp_path / "runs/01_lif_dynamics").glob("*/seed=0")) - {first}
    assert (first / "result.json").read_bytes() == before
    results = load_result(first), load_result(second)
    assert [result.results[0]["test_accuracy"] for result in results] == [0.4, 0.123456]
    shas = [result.platform["notebook_sha256"] for result in results]
    assert shas[0] != shas[1] == notebook_code(notebook).sha256
    assert manifest.read(second)["notebook_sha256"] == shas[1]
    assert results[1].platform["notebook_edited"]


def test_into_a_folder_that_is_named_an_edited_notebook_is_run_anew(snnlab, notebook, tmp_path):
    arguments = ("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    assert snnlab(*arguments).exit_code == 0
    (tmp_path / "out/checkpoints/mark").touch()
    edited_accuracy(notebook, 0.123456)
    done = snnlab(*arguments)
    assert done.exit_code == 0 and "differs from that of the run in" in done.stderr
    assert load_result(tmp_path / "out").results[0]["test_accuracy"] == 0.123456
    assert not (tmp_path / "out/checkpoints/mark").exists()  # the other code's


def test_checkpoints_of_other_code_are_not_resumed(snnlab, notebook, tmp_path):
    mark = "open(run.checkpoint_dir / 'mark', 'a').write('x')"
    arguments = ("run", notebook, "--profile", "tiny", "--out", tmp_path / "out")
    write(notebook, START, mark, "raise ValueError('no such luck')")
    assert snnlab(*arguments).exit_code == 1
    write(notebook, START, mark, SAVE)
    assert snnlab(*arguments).exit_code == 0
    assert (tmp_path / "out/checkpoints/mark").read_text() == "x"


@pytest.mark.parametrize("tag", ["parameters", "injected-parameters"])
def test_no_tag_hides_code_from_the_checksum(notebook, tag):
    nb = nbformat.read(notebook, as_version=4)
    before = source_hash(nb)
    nb.cells.insert(3, new_code_cell("accuracy = 1", metadata={"tags": [tag]}))
    assert source_hash(nb) != before
    nb.cells.insert(2, nb.cells.pop(3))  # where papermill puts its own
    assert (source_hash(nb) == before) == (tag == "injected-parameters")


def test_a_path_with_braces_is_that_path(snnlab, notebook, tmp_path):
    write(tmp_path / "xtiny.ipynb", START, "raise ValueError('the wrong one')")
    copy = notebook.rename(tmp_path / "x{profile}.ipynb")
    done = snnlab("run", copy, "--profile", "tiny", "--out", tmp_path / "{seed}{foo}")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "{seed}{foo}" / copy.name).is_file()


def test_who_waited_for_a_run_is_shown_it(snnlab, notebook, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = ("run", notebook, "--profile", "tiny", "--out", out)
    hold = manifest.hold

    def somebody_else_first(folder, name, patience):
        monkeypatch.setattr(manifest, "hold", hold)
        assert snnlab(*arguments).exit_code == 0
        return hold(folder, name, patience)

    monkeypatch.setattr(manifest, "hold", somebody_else_first)
    assert snnlab(*arguments, "--wait").exit_code == 0
    assert len(manifest.read(out)["started"]) == 1

    def somebody_edits(folder, name, patience):
        edited_accuracy(notebook, 0.5)
        return hold(folder, name, patience)

    monkeypatch.setattr(manifest, "hold", somebody_edits)
    done = snnlab(*arguments, "--again", "--wait")
    assert done.exit_code == 2 and "its code was changed during the wait" in done.stderr


def test_a_file_of_a_sweep_is_not_one_of_parameters(snnlab, notebook, tmp_path):
    (tmp_path / "x.yaml").write_text("notebook: '01'")
    done = snnlab("run", notebook, "-f", tmp_path / "x.yaml")
    assert done.exit_code == 2 and "holds a sweep; run it with `snnlab sweep" in done.stderr


def test_an_edited_copy_runs_under_its_own_name_with_the_parameters_in_it(
    snnlab, notebook, tmp_path, monkeypatch
):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "my_lesson.ipynb"
    copy.write_text(notebook.read_text().replace("neurons = None", "neurons = 12"))
    for more, neurons in ((), 12), (("-p", "neurons", 13), 13):
        done = snnlab("run", copy, "--profile", "tiny", *more)
        assert done.exit_code == 0, done.output
        places = (tmp_path / "runs/my_lesson").glob("*/seed=0")
        (result,) = (one for one in map(load_result, places) if one.config["neurons"] == neurons)
        assert result.notebook == "my_lesson"
        assert "The run finished at" in snnlab("run", copy, "--profile", "tiny", *more).stderr
    done = snnlab("run", copy, "-p", "neuron", 1)
    assert done.exit_code == 2 and "did you mean neurons?" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "neurons = None",
            "neuron = None",
            "nearest is 01_lif_dynamics (missing: neurons)",
        ),
        ("neurons = None", "neurons = 2 * 3", "holds more than literals"),
        ("neurons = None", "neurons =", "holds more than literals"),
        ("neurons = None", "neurons = {{}}", "holds more than literals"),
        (
            "neurons = None",
            "neurons = None\\nprint(1)",
            "holds more than literals (line 6: print(1))",
        ),
        ("neurons = None", "neurons = None\\nif True: seeds = 7", "holds more than literals"),
        ("neurons = None", "neurons = " + 5000 * "-" + "1", "holds more than literals"),
    ],
)
def test_a_copy_with_other_parameters_is_refused(snnlab, notebook, tmp_path, before, after, words):
    copy = tmp_path / "my_lesson.ipynb"
    copy.write_text(notebook.read_text().replace(before, after))
    done = snnlab("run", copy)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        (
            b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "raw", '
            b'"source": "\\ud800", "metadata": {}}]}'
        ),
        (
            b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "raw", '
            b'"source": "", "metadata": {"tags": null}}]}'
        ),
        b"<<<<<<< HEAD\n{}",
        b"{}",
        b"[]",
        b"",
        b'{"nbformat": 4, "cells": [1]}',
        b"caf\xe9",
        b"[" * 100_000,
    ],
    ids=["surrogate", "tags", "conflict", "object", "list", "empty", "cell", "latin-1", "nested"],
)
def test_what_is_no_notebook_is_refused_by_a_sentence(snnlab, notebook, content):
    notebook.write_bytes(content)
    done = snnlab("run", notebook)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"{notebook}: is not a readable notebook" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_path_that_is_not_utf8_is_refused_by_a_sentence(snnlab, notebook, tmp_path):
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    done = snnlab("run", notebook, "--profile", "tiny", "--out", strange)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "is not UTF-8" in done.stderr and not strange.exists()
    strange.mkdir()
    notebook.rename(strange / notebook.name)
    done = snnlab("run", strange / notebook.name, "--profile", "tiny", "--out", tmp_path / "out")
    assert done.exit_code == 2 and "not in UTF-8" in done.stderr
    done = snnlab("run", notebook, "-f", strange / "x.yaml")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr


def test_the_tutorial_runs_all_exports_them_and_goes_on_after_a_failure(
    snnlab, tmp_path, monkeypatch
):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    good = write(tmp_path / "notebooks" / "04_learning_delays.ipynb", START, SHOW, SAVE)
    write(tmp_path / "notebooks" / "01_lif_dynamics.ipynb", "raise ValueError('broken')")
    done = snnlab("tutorial", "--profile", "tiny")
    assert done.exit_code == 1
    assert "ValueError: broken" in done.stdout
    folder = tmp_path / "runs" / "tutorial" / good.stem
    html = (folder / f"{good.stem}.html").read_text()
    assert 'alt="A line from 0 to 1."' in html
    assert "No description has been provided" not in html
    for words in ("45.0 ± 7.1", str(folder / "result.json"), str(folder / f"{good.stem}.html")):
        assert words in done.stdout


@pytest.mark.parametrize("size", ["many", "1,2", "1,2,3,4", "0", "10,-1,10"])
def test_a_size_that_is_none_is_refused(snnlab, tmp_path, size):
    done = snnlab("data", "make", "spoken-digits", "--size", size, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert f"size = '{size}'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [
    ("make", "spoken-digits", "--size", "60", "--out", ""),
    ("from-audio", "", "out"),
    ("from-audio", "in", ""),
    ("events-from-images", "", "out"),
    ("events-from-video", "in", ""),
    ("events-from-recordings", "", "out"),
    ("shards", "in", ""),
    ("info", ""),
])  # fmt: skip
def test_an_empty_path_is_not_the_current_folder(snnlab, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    done = snnlab("data", *arguments)
    assert done.exit_code == 2 and "a path is empty; a file or a folder was expected" in done.stderr
    assert not list(tmp_path.iterdir())


def test_arguments_reach_the_makers_of_data(snnlab, tmp_path, monkeypatch):
    from snnlab.data.convert import from_audio
    from snnlab.data.datasets import spoken_digits

    calls = []
    monkeypatch.setattr(spoken_digits, "make", lambda *a, **k: calls.append((a, k)))
    outcome = ConversionResult(written=1, kept=0, dropped=(), failed=(), report=tmp_path)
    monkeypatch.setattr(from_audio, "convert", lambda *a, **k: calls.append((a, k)) or outcome)
    make = ["data", "make", "spoken-digits", "--out", tmp_path]
    assert snnlab(*make, "--size", "100", "--seed", 3).exit_code == 0
    assert snnlab(*make, "--size", "40,20,20", "--workers", 2).exit_code == 0
    assert snnlab("data", "from-audio", "wavs", tmp_path, "--max-seconds", 2.5).exit_code == 0
    assert calls == [
        ((str(tmp_path),), {"size": 100, "seed": 3, "workers": None}),
        ((str(tmp_path),), {"size": (40, 20, 20), "seed": 0, "workers": 2}),
        (("wavs", str(tmp_path)), {"seed": 0, "workers": None, "max_seconds": 2.5}),
    ]


def test_events_of_images_and_videos(snnlab, tmp_path):
    import numpy as np
    from PIL import Image

    folder = tmp_path / "images" / "cat"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 20, 20)).astype(np.uint8)
    for i, frame in enumerate(pixels, 1):
        Image.fromarray(frame).save(folder / f"frame{i:06d}.png")
    done = snnlab(
        "data",
        "events-from-images",
        folder.parent,
        tmp_path / "a",
        "--split",
        "val",
        "--workers",
        1,
    )
    assert (
        done.exit_code == 0 and "6 converted, 0 there already, 0 dropped, 0 failed" in done.stdout
    ), done.output
    assert len((tmp_path / "a" / "vallabel.txt").read_text().splitlines()) == 6
    done = snnlab(
        "data",
        "events-from-video",
        folder,
        tmp_path / "b",
        "--frames",
        6,
        "--mode",
        2,
        "--workers",
        1,
    )
    assert done.exit_code == 0 and "1 converted" in done.stdout, done.output
    with np.load(tmp_path / "b" / "cat.npz") as stored:
        assert stored["arr_0"].shape == (2, 5, 20, 20)

    (folder / "bad.png").write_bytes(b"")
    done = snnlab(
        "data",
        "events-from-images",
        folder.parent,
        tmp_path / "a",
        "--split",
        "val",
        "--workers",
        1,
    )
    assert (
        done.exit_code == 1 and "0 converted, 6 there already, 0 dropped, 1 failed" in done.stderr
    )
    assert "bad.png cannot be read as an image" in done.stderr
    (folder / "frame000003.png").unlink()
    done = snnlab("data", "events-from-video", folder, tmp_path / "c", "--workers", 1)
    assert done.exit_code == 1 and "frame 3 is missing" in done.stderr
    done = snnlab("data", "events-from-video", tmp_path / "nowhere", tmp_path / "c")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1


def test_info_counts_what_is_in_a_folder(snnlab, tmp_path):
    import numpy as np

    from snnlab.data.io.events import Events, write_events

    times, units = np.array([0.1, 0.25, 0.5], np.float32), np.array([3, 699, 0], np.uint16)
    offsets, labels = np.array([0, 2, 3]), np.array([0, 1])
    write_events(
        tmp_path / "train.h5",
        Events(times, units, offsets, labels, np.array([4, 4]), ("zero", "one")),
    )
    done = snnlab("data", "info", tmp_path)
    assert done.exit_code == 0, done.output
    table = {
        line.split("│")[1].strip(): line.split("│")[2].strip()
        for line in done.stdout.splitlines()
        if "│" in line
    }
    assert table["recordings"] == "2" and table["speakers"] == "1" and table["classes"] == "2"
    assert table["seconds to the last spike"].startswith("0.38 (0.25 to 0.50)")


def test_clean_says_what_it_removed(snnlab, tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    cached("thing", {}, lambda: np.zeros(10**6))
    done = snnlab("data", "clean")
    assert done.exit_code == 0 and done.output == f"8.0 MB removed from {tmp_path / 'cache'}\n"
    assert not (tmp_path / "cache").exists()


def test_clean_leaves_unfinished_downloads_unless_asked(snnlab, tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    part = tmp_path / "shd/shd_train.h5.zip.part"
    part.parent.mkdir()
    part.write_bytes(bytes(2_000_000))
    (tmp_path / "gsc/.unpacking-some").mkdir(parents=True)
    assert snnlab("data", "clean").exit_code == 0 and part.exists()
    done = snnlab("data", "clean", "--unfinished")
    assert f"2.0 MB removed from {part}" in done.output and not part.exists()
    assert not (tmp_path / "gsc/.unpacking-some").exists()


def test_info_of_nothing_is_one_clear_sentence(snnlab, tmp_path):
    done = snnlab("data", "info", tmp_path)
    assert done.exit_code == 2 and "holds no .h5 file" in done.stderr
    assert "snnlab data check" in done.stderr


@pytest.mark.parametrize(
    "module",
    ["snnlab.cli.main", "snnlab.runs.execute", "snnlab.runs.publish", "snnlab.runs.sweep.sweep"],
)
def test_neither_help_nor_who_only_starts_a_notebook_waits_for_torch_or_a_parser_of_web_addresses(
    module,
):
    assert {"torch", "rfc3987_syntax", "lark"}.isdisjoint(json.loads(_modules_after(module)))


def test_the_process_that_runs_a_notebook_needs_no_arrays():
    names = "execute kernel progress sharing tutorial".split()
    modules = json.loads(_modules_after(", ".join(f"snnlab.runs.{name}" for name in names)))
    assert "papermill" in modules and {"numpy", "h5py", "pandas"}.isdisjoint(modules)


def _modules_after(module):
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    return subprocess.check_output([sys.executable, "-c", code], text=True)


def test_the_help_imports_nothing_heavy():
    script = """if True:
        import sys
        from snnlab.cli.main import app
        try:
            app(["--help"])
        except SystemExit as end:
            assert end.code == 0
        heavy = "torch matplotlib pandas scipy numpy h5py numba papermill IPython rich"
        print([name for name in heavy.split() if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_usage_of_data_get_stays_a_line(snnlab):
    lines = snnlab("data", "get", "none").stderr.splitlines()
    assert lines[0].endswith(" data get [OPTIONS] SET") and "'none' is not one of" in lines[-1]
