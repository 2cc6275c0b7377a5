"""Run all notebooks, export them as HTML, and print their results."""

from pathlib import Path

from rich.console import Console

from snnlab._utils.escape import terminal_text
from snnlab._utils.places import course_file, runs_folder
from snnlab._utils.words import counted
from snnlab.runs.execute import NotebookFailed, execute, plan
from snnlab.runs.progress import progress
from snnlab.runs.result import load_result
from snnlab.runs.tables import result_table


def run_all(*, profile: str, out: Path | None, console: Console) -> bool:
    """Run the lessons one after the other.

    A notebook that fails is reported at the end, and the others run all the same.

    Args:
        profile: "tiny", "course" or "paper".
        out: folder for the folders of the runs; None for runs/tutorial.
        console: where to print.

    Returns:
        Whether no notebook failed.

    Raises:
        SnnlabError: the profile is unknown, or nothing can be written.
    """
    from snnlab.runs.publish import write_html  # with nbconvert

    notebooks = sorted(course_file("notebooks").glob("*.ipynb"))
    out = out or runs_folder() / "tutorial"
    plans = [plan(path, {"profile": profile, "out": str(out / path.stem)}) for path in notebooks]
    names = [path.stem for path in notebooks]
    pages: dict[Path, Path] = {}  # by the folder of the run
    failures: list[NotebookFailed] = []
    with progress(console) as show_progress:
        for run in plans:
            try:
                folder = execute(run, show_progress(run.notebook.stem), again=True)
            except NotebookFailed as error:
                failures.append(error)
            else:
                pages[folder] = write_html(folder / run.notebook.name, names)
    for folder, page in pages.items():
        show(folder, console)
        _print_place(console, "as HTML", page)
    for failure in failures:
        console.print(terminal_text(f"\n{failure}", "red"), highlight=False, soft_wrap=True)
    return not failures


def show(folder: Path, console: Console) -> None:
    """Print the table of a run, and where its files are."""
    result = load_result(folder)
    n = len(list((folder / "figures").glob("*.png")))
    console.print()
    console.print(result_table(result))
    if (folder / f"{result.notebook}.ipynb").exists():  # `snnlab train` has none
        _print_place(console, "notebook", folder / f"{result.notebook}.ipynb")
    _print_place(console, "result", folder / "result.json")
    if n:
        _print_place(console, counted(n, "figure"), folder / "figures")


def _print_place(console: Console, what: str, path: Path) -> None:
    console.print(terminal_text(f"{what:<12}{path}"), highlight=False, soft_wrap=True)
