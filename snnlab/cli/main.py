"""The command line: commands that parse arguments and print results.

Each command imports what it needs, so that help and errors of parameters do not wait for torch.
"""

import io
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.garbage import collect_less_often
from snnlab._utils.places import data_folder, runs_folder
from snnlab._utils.version import __version__
from snnlab.cli import collect, data, export, sweep, targets, train
from snnlab.cli.cli_errors import cli_errors, print_error, print_report
from snnlab.cli.options import ParameterFile, once, run_options

if TYPE_CHECKING:
    from snnlab.nn.delay_net_config import Padding


class _App(click.Group):
    """The commands; help ends with the folders that they use."""

    @cli_errors
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write(f"Data sets: {data_folder()}; SNNLAB_DATA names another folder.\n")
        formatter.write(f"Results:   {runs_folder()}\n")


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def app() -> None:
    """Spiking networks with transferred weights and learned delays: run notebooks, make data."""
    collect_less_often()
    # a path may have bytes that are no letters, a terminal an encoding that lacks some
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


app.add_command(collect.collect)
app.add_command(data.data)
app.add_command(export.export)
app.add_command(export.import_nir)
app.add_command(sweep.search)
app.add_command(sweep.sweep)
app.add_command(targets.targets)
app.add_command(train.train)


@app.command()
@click.argument("notebook")
@click.option("--profile", metavar="NAME", help="tiny, course or paper")
@click.option("--seed", metavar="N", help="seed of the random numbers")
@click.option(
    "-p",
    "given",
    metavar="NAME VALUE",
    nargs=2,
    multiple=True,
    help="set a parameter; repeatable",
)
@click.option("-f", "file", metavar="YAML", type=ParameterFile(), help="file of parameters")
@click.option("--out", metavar="DIR", help="folder of the results")
@click.option(
    "--nproc",
    metavar="N",
    help="number of processes that train each network, one per GPU; as -p processes N",
)
@run_options
@cli_errors
def run(
    notebook: str,
    profile: str | None,
    seed: str | None,
    given: tuple[tuple[str, str], ...],
    file: Path | None,
    out: str | None,
    nproc: str | None,
    log: str | None,
    wait: bool,
    again: bool,
) -> None:
    """Run NOTEBOOK through papermill: a lesson's number, or the path of any notebook.

    A notebook of your own has a cell tagged `parameters`, says `run = snnlab.runs.start(globals())`
    and ends with `run.save_result([...])`; `snnlab new-notebook` writes one.

    Options override the values in YAML; params/ has a file for each experiment of the papers. DIR
    is by default runs/EXPERIMENT/HASH/seed=N: EXPERIMENT is the name of YAML or else of the
    notebook, and HASH covers the notebook's code and all parameters that affect the result. DIR
    gets the executed notebook, manifest.json, metrics.jsonl, result.json, checkpoints, and figures
    as PNG and SVG.

    The same command resumes a killed run, and shows a finished one. Exit code 2 if a parameter is
    wrong, or data, disk space or the device is absent, before anything starts; 1 if a cell fails.
    """
    from snnlab.course.config import parse_parameters, read_parameters
    from snnlab.training import log_choice

    options = {"profile": profile, "seed": seed, "out": out, "processes": nproc}
    typed = [(name, text) for name, text in options.items() if text is not None]
    texts = once((*typed, *given))

    from snnlab.runs.execute import NotebookFailed, execute, find, plan, profiles_of
    from snnlab.runs.sharing import finished_or_shared, of_other_code

    log_choice.choose(log)
    path = find(notebook)
    values = {} if file is None else read_parameters(file)
    if "notebook" in values:
        command = shlex.join(["snnlab", "sweep", str(file)])
        raise SnnlabError(f"{file}: holds a sweep; run it with `{command}`.")
    values |= parse_parameters(profiles_of(path), texts)
    # before the progress bar, so that an error stands alone
    planned = plan(path, values, "" if file is None else file.stem)

    from rich.console import Console

    from snnlab.runs.progress import progress
    from snnlab.runs.tutorial import show

    if not again and (since := finished_or_shared(planned)):
        click.echo(f"The run finished at {since}; --again runs it again.", err=True)
        show(planned.dir, Console())
        return
    if (other := of_other_code(planned)) is not None:
        click.echo(
            f"The code of {path.name} differs from that of the run in {other}, so it is run again.",
            err=True,
        )
    try:
        with progress(Console(stderr=True)) as show_progress:
            execute(planned, show_progress(path.stem), wait=wait, again=again)
    except NotebookFailed as error:
        print_error(error)
        sys.exit(1)
    show(planned.dir, Console())


@app.command("new-notebook")
@click.argument("name", type=click.Path(path_type=Path))
@cli_errors
def new_notebook(name: Path) -> None:
    """Write NAME.ipynb, a notebook to begin with: `snnlab run` and `snnlab sweep` take it."""
    from snnlab.runs import new_notebook

    path = new_notebook.new_notebook(name)
    command = shlex.join(["snnlab", "run", str(path)])
    click.echo(f"{path}: edit it, and run it with `{command}`.")


@app.command()
@click.argument("folder", metavar="DIR")
@click.option("--student", is_flag=True, help="without solutions and outputs")
@click.option("--nbgrader", is_flag=True, help="assignments for nbgrader, in DIR/source")
@cli_errors
def course(folder: str, student: bool, nbgrader: bool) -> None:
    """Write the notebooks of the course to DIR.

    Nothing is written if DIR has a notebook of the same name that was changed. `jupyter lab DIR`
    opens them.
    """
    from snnlab._utils.files import given_path
    from snnlab.runs.student import assignment, student_edition, write_course

    if student and nbgrader:
        raise SnnlabError("--student and --nbgrader are two editions; give one of them.")
    edition = assignment if nbgrader else student_edition if student else None
    files = write_course(given_path(folder), edition)
    click.echo(f"{len(files)} notebooks are in {folder}.")


@app.command()
@click.option(
    "--profile", metavar="NAME", default="course", show_default=True, help="tiny, course or paper"
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="[default: runs/tutorial]",
)
@cli_errors
def tutorial(profile: str, out: Path | None) -> None:
    """Run all notebooks, export them as HTML, and print their results."""
    from rich.console import Console

    from snnlab.runs.tutorial import run_all

    if not run_all(profile=profile, out=out, console=Console()):
        sys.exit(1)


@app.command("import-checkpoint")
@click.argument("file")
@click.option(
    "--tau",
    required=True,
    type=float,
    help="membrane time constant in steps: 1.005 SHD, 1.5 SSC and GSC",
)
@click.option("--max-delay", type=int, help="L - 1, if the file does not state it")
@click.option(
    "--padding",
    default="fixed",
    show_default=True,
    type=click.Choice(["fixed", "reference"]),
    help="reference: as in the authors' code",
)
@click.option("--dt-ms", type=float, help="length of a time step, ms; 10 in the paper")
@click.option("--out", help="the checkpoint  [default: FILE with .snnlab.pt]")
@click.option("--overwrite", is_flag=True, help="replace the checkpoint if it exists")
@cli_errors
def import_checkpoint(
    file: str,
    tau: float,
    max_delay: int | None,
    padding: "Padding",
    dt_ms: float | None,
    out: str | None,
    overwrite: bool,
) -> None:
    """Convert FILE, a network trained by SNN-delays (Hammouamri et al.), to a checkpoint."""
    from snnlab.delays.import_snn_delays import read
    from snnlab.delays.loading import convert_file

    out = export.checkpoint_of(file) if out is None else out
    settings = {"tau": tau, "max_delay": max_delay, "padding": padding, "dt_ms": dt_ms}
    config = convert_file(read, file, out, overwrite=overwrite, **settings).config
    names = ("delay_mode", "max_delay", "kernel_count", "tau", "padding", "dt_ms")
    export.print_network(out, config, *names)


@app.command()
@cli_errors
def doctor() -> None:
    """Check the installation for known problems and print how to repair them.

    Exit code 1 if there is an error. An info concerns some users only. Nothing is changed, except
    that the data set that ships is unpacked if necessary.
    """
    from snnlab.cli.doctor.environment import examine

    print_report(examine())
