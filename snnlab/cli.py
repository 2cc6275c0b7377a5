"""The command line: arguments in, sentences out; the work is done elsewhere.

Imports are inside the commands, so that a misspelt parameter is answered at once and not after torch is loaded.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab import __version__, cli_sweep
from snnlab.errors import SnnlabError
from snnlab.speaking import speaking

if TYPE_CHECKING:
    from snnlab.data.batch import Outcome


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def app() -> None:
    """Spiking networks with transferred weights and learned delays: run the notebooks, make data."""


@app.command()
@click.argument("notebook")
@click.option("--profile", metavar="NAME", help="tiny, course or paper")
@click.option("--seed", metavar="N", help="where random numbers begin")
@click.option("-p", "given", metavar="NAME VALUE", nargs=2, multiple=True, help="set a parameter; may be repeated")
@click.option("-f", "file", metavar="YAML", type=click.Path(path_type=Path), help="a file of parameters")
@click.option("--out", metavar="DIR", help="where everything goes")
@click.option("--wait", is_flag=True, help="for another process that has the same run in work")
@click.option("--again", is_flag=True, help="run it anew if it is finished")
@speaking
def run(
    notebook: str,
    profile: str | None,
    seed: str | None,
    given: tuple[tuple[str, str], ...],
    file: Path | None,
    out: str | None,
    wait: bool,
    again: bool,
) -> None:
    """Run NOTEBOOK, a path or its number, through papermill.

    What is given here goes before what stands in YAML; params/ has a file for every experiment of the papers.
    DIR is runs/EXPERIMENT/HASH/seed=N if it is not given: EXPERIMENT is the name of YAML or else of the notebook, HASH is over
    all parameters that decide about the result. It holds the executed notebook, manifest.json, metrics.jsonl, result.json,
    checkpoints, and figures as PNG and SVG.

    A run that was killed goes on where it was. One that is finished is shown. A wrong parameter stops with exit
    code 2 before anything starts, a failing cell with exit code 1.
    """
    from snnlab.profiles import from_file, parse

    texts: dict[str, str] = {}
    options = {"profile": profile, "seed": seed, "out": out}
    for name, text in [*((name, text) for name, text in options.items() if text is not None), *given]:
        if name in texts:
            raise SnnlabError(f"{name} is given twice, as {texts[name]!r} and {text!r}; give it once.")
        texts[name] = text

    from snnlab.execute import NotebookFailed, configure, execute, find, finished

    path = find(notebook)
    values = ({} if file is None else from_file(file)) | parse(path.stem, texts)
    config = configure(path, values)  # here too, so that no progress bar stands above the sentence that refuses
    experiment = "" if file is None else file.stem

    from rich.console import Console

    from snnlab.progress import progress
    from snnlab.tutorial import show

    done = None if again else finished(config, experiment)
    if done is not None:
        click.echo(f"It is finished since {done[1]}; to run it anew: --again", err=True)
        show(done[0], Console())
        return
    try:
        with progress(Console(stderr=True)) as bar:
            folder = execute(path, values, bar(path.stem), experiment=experiment, wait=wait)
    except NotebookFailed as error:
        click.echo(f"snnlab: {error}", err=True)
        sys.exit(1)
    show(folder, Console())


@app.command()
@click.option("--profile", metavar="NAME", default="course", show_default=True, help="tiny, course or paper")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="[default: runs/tutorial]")
@speaking
def tutorial(profile: str, out: Path | None) -> None:
    """Run all notebooks, export them as HTML, and print what came out."""
    from rich.console import Console

    from snnlab import runs
    from snnlab.tutorial import run_all

    home = runs.home()
    notebooks = sorted((home / "notebooks").glob("*.ipynb"))
    if not run_all(notebooks, profile=profile, out=out or home / "runs" / "tutorial", console=Console()):
        sys.exit(1)


@app.command()
@speaking
def doctor() -> None:
    """Look whether everything that snnlab needs is in place; exit code 1 if not."""
    from snnlab.doctor import examine

    findings = examine()
    for finding in findings:
        mark = {True: "ok", False: "MISSING", None: "absent"}[finding.ok]
        click.echo(f"{mark:<8}{finding.what:<10}{finding.text}")
    if any(finding.ok is False for finding in findings):
        sys.exit(1)


app.add_command(cli_sweep.sweep)


@app.group()
def data() -> None:
    """Make data sets of spikes, and look into them."""


@data.command()
@click.argument("name", type=click.Choice(["spoken-digits"]))
@click.option("--size", required=True, help="recordings: a total, or train,valid,test")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="where the files go")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@speaking
def make(name: str, size: str, seed: int, out: Path, workers: int) -> None:
    """Generate a data set of any size: 20 digits by many voices, through the cochlea model."""
    from snnlab.data import spoken_digits

    spoken_digits.make(out, size=_size(size), seed=seed, workers=workers or None)


@data.command("from-audio")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="the longest recording allowed")
@speaking
def from_audio(folder: Path, out: Path, workers: int, seed: int, max_seconds: float | None) -> None:
    """Turn wav files into spikes: FOLDER has them and a labels.csv of path, label, speaker, split."""
    from snnlab.data.from_audio import convert

    limit = {} if max_seconds is None else {"max_seconds": max_seconds}
    convert(folder, out, workers=workers or None, seed=seed, **limit)


@data.command("events-from-images")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "val"]))
@click.option("--theta", default=0.18, show_default=True, help="threshold, a part of the range of brightness")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@speaking
def events_from_images(folder: Path, target: Path, split: str, theta: float, workers: int) -> None:
    """Turn static images into events: FOLDER has one folder a class, TARGET gets ES-ImageNet's layout.

    A file that cannot be converted does not stop the others. It is listed in the end, with exit code 1.
    """
    from snnlab.data.from_images import convert_folder

    _conclude(convert_folder(folder, target, split=split, theta=theta, workers=workers or None))


@data.command("events-from-video")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--ratio", default=0.15, show_default=True, help="part of all pixels and steps that has an event")
@click.option("--frames", default=31, show_default=True, type=click.IntRange(2), help="frames taken of a video")
@click.option("--mode", default="1", show_default=True, type=click.Choice(["1", "2"]), help="2 has noisy thresholds")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of the noise")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@speaking
def events_from_video(
    source: Path, target: Path, ratio: float, frames: int, mode: str, seed: int, workers: int
) -> None:
    """Turn videos into events as ES-UCF101 was made: SOURCE is a video, a folder of frames, or a folder of these.

    A video that cannot be converted does not stop the others. It is listed in the end, with exit code 1.
    """
    from snnlab.data.video_events import convert_videos

    outcome = convert_videos(
        source, target, ratio=ratio, n_frames=frames, mode=int(mode), seed=seed, workers=workers or None
    )
    _conclude(outcome)


@data.command("events-from-recordings")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--steps", default=8, show_default=True, type=click.IntRange(1), help="T, steps of equal time")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@speaking
def events_from_recordings(source: Path, target: Path, steps: int, workers: int) -> None:
    """Turn CIFAR10-DVS's recordings into counts in steps: SOURCE has a folder of aedat4 files a class.

    A recording that cannot be converted does not stop the others. It is listed in the end, with exit code 1.
    """
    from snnlab.data.from_aedat4 import convert_recordings

    _conclude(convert_recordings(source, target, steps=steps, workers=workers or None))


@data.command()
@speaking
def clean() -> None:
    """Remove what was kept to save time; it is made again when it is needed."""
    from snnlab.data.cache import cache_folder, clean

    click.echo(f"{clean() / 1e6:.1f} MB removed from {cache_folder()}")


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@speaking
def info(path: Path) -> None:
    """Count what is in PATH, a file in SHD's layout or a folder of them."""
    from rich.console import Console

    from snnlab.tables import data_table

    Console().print(data_table(path))


def _size(text: str) -> int | tuple[int, int, int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise SnnlabError(f"size = {text!r}: expected a number of recordings, or three as train,valid,test.")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])


def _conclude(outcome: "Outcome") -> None:
    click.echo(str(outcome), err=bool(outcome.failed))
    if outcome.failed:
        sys.exit(1)
