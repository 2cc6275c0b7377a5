"""What `make tutorial` does: every notebook, run, exported and summed up."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import terminal_text
from snnlab.runs.execute import NotebookFailed, configure, execute
from snnlab.runs.progress import progress
from snnlab.runs.publish import write_html
from snnlab.runs.result import load_result
from snnlab.runs.tables import result_table


@dataclass(frozen=True)
class Done:
    """What one notebook left."""

    folder: Path
    html: Path


def run_all(notebooks: list[Path], *, profile: str, out: Path, console: Console) -> bool:
    """Run notebooks one after the other into folders below `out`, export them, print their tables and places.

    A notebook that fails is reported at the end and keeps none of the others from running.

    Returns:
        Whether all of them ran through.

    Raises:
        SnnlabError: there are no notebooks, the profile is unknown, or nothing can be written.
    """
    if not notebooks:
        raise SnnlabError(
            "There are no notebooks here; run `make tutorial` in the folder that snnlab was cloned into."
        )
    for path in notebooks:
        configure(path, {"profile": profile})
    done: list[Done] = []
    failures: list[str] = []
    with progress(console) as bar:
        for path in notebooks:
            try:
                folder = execute(
                    path, {"profile": profile, "out": str(out / path.stem)}, bar(path.stem)
                )
            except NotebookFailed as error:
                failures.append(str(error))
            else:
                done.append(Done(folder, write_html(folder / path.name)))
    for one in done:
        show(one.folder, console)
        console.print(terminal_text(f"{'as HTML':<12}{one.html}"), highlight=False, soft_wrap=True)
    for failure in failures:
        console.print(terminal_text(f"\n{failure}", "red"), highlight=False, soft_wrap=True)
    return not failures


def show(folder: Path, console: Console) -> None:
    """Print the table of a run, and where its files are."""
    result = load_result(folder)
    figures = sorted((folder / "figures").glob("*.png"))
    console.print()
    console.print(result_table(result))
    for what, path in (
        ("notebook", folder / f"{result.notebook}.ipynb"),
        ("result", folder / "result.json"),
        (f"{len(figures)} figure{'s' * (len(figures) != 1)}", folder / "figures"),
    ):
        console.print(terminal_text(f"{what:<12}{path}"), highlight=False, soft_wrap=True)
