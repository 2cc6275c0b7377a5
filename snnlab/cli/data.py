"""The commands of `snnlab data`."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path
from snnlab.cli.cli_errors import cli_errors, print_error, print_report
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import leftovers, provenance

if TYPE_CHECKING:
    from snnlab.data.io.many_files import Outcome


class _GivenPath(click.ParamType):
    """A path; an empty one is refused, for it would mean the current folder."""

    name = "path"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        try:
            return given_path(value)
        except SnnlabError as error:
            self.fail(str(error), param, ctx)


_PATH = _GivenPath()


@click.group()
def data() -> None:
    """Get, check and make data sets, and look into them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names of files


@data.command("list")
@cli_errors
def list_sets() -> None:
    """List the data sets that snnlab knows, and which of them are on this machine. The network is not used."""
    from rich.console import Console

    from snnlab.runs.tables import sets_table

    Console().print(sets_table())


@data.command()
@click.argument("name", type=click.Choice(list(DATASETS)))
@click.option("--yes", is_flag=True, help="do not ask before more than 1 GB is fetched")
@click.option("--keep", is_flag=True, help="keep the archives, which tonic's classes look for")
@click.option(
    "--workers", default=0, type=click.IntRange(0), help="processes that convert; 0 for one a core"
)
@cli_errors
def get(name: str, yes: bool, keep: bool, workers: int) -> None:
    """Fetch a published data set, or say how to fetch it by hand.

    It goes to the folder NAME below the one that SNNLAB_DATA names, else below data/ of the clone.
    A call that was broken off is gone on with by the next. What came is compared with what is
    published, as by `check`. Exit code 1 if the set is not there in the end, or something is wrong
    with it.
    """
    from snnlab.data.fetch.obtain import get as obtain

    def agree(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} There is nobody to ask here; add --yes if so.")
        return click.confirm(question)

    try:
        there = obtain(
            DATASETS[name], agree=agree, keep=keep, say=click.echo, workers=workers or None
        )
    except SnnlabError as error:
        print_error(error)
        there = False
    if not there:
        sys.exit(1)
    if DATASETS[name].counts and "checked" not in provenance(DATASETS[name].folder):
        _compare(name, thorough=False, workers=workers)


@data.command()
@click.argument("name", type=click.Choice([name for name, one in DATASETS.items() if one.counts]))
@click.option("--thorough", is_flag=True, help="read every file, not a sample of 1,000")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@cli_errors
def check(name: str, thorough: bool, workers: int) -> None:
    """Compare a data set on this machine with what is published of it; exit code 1 if something is wrong."""
    _compare(name, thorough=thorough, workers=workers)


@data.command()
@click.argument("name", type=click.Choice(["spoken-digits"]))
@click.option("--size", required=True, help="recordings: a total, or train,valid,test")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--out", required=True, metavar="DIR", type=_PATH, help="where the files go")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@cli_errors
def make(name: str, size: str, seed: int, out: Path, workers: int) -> None:
    """Generate a data set of any size: 20 digits by many voices, through the cochlea model."""
    from snnlab.data.datasets import spoken_digits

    spoken_digits.make(out, size=_size(size), seed=seed, workers=workers or None)


@data.command("from-audio")
@click.argument("folder", type=_PATH)
@click.argument("out", type=_PATH)
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--max-seconds",
    type=click.FloatRange(0, min_open=True),
    help="the longest recording allowed, up to 10; 5 if left out",
)
@cli_errors
def from_audio(folder: Path, out: Path, workers: int, seed: int, max_seconds: float | None) -> None:
    """Turn wav files into spikes: FOLDER has them and a labels.csv of path, label, speaker, split.

    A recording that cannot be used does not stop the others, if training and test go on without it.
    It is listed in the end, with exit code 1.
    """
    from snnlab.data.convert.from_audio import convert

    limit = {} if max_seconds is None else {"max_seconds": max_seconds}
    _conclude(convert(folder, out, workers=workers or None, seed=seed, **limit))


@data.command("events-from-images")
@click.argument("folder", type=_PATH)
@click.argument("target", type=_PATH)
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "val"]))
@click.option(
    "--theta", default=0.18, show_default=True, help="threshold, a part of the range of brightness"
)
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@cli_errors
def events_from_images(folder: Path, target: Path, split: str, theta: float, workers: int) -> None:
    """Turn static images into events: FOLDER has one folder a class, TARGET gets ES-ImageNet's layout.

    A file that cannot be converted does not stop the others. It is listed in the end, with exit
    code 1.
    """
    from snnlab.data.convert.from_images import convert_folder

    _conclude(convert_folder(folder, target, split=split, theta=theta, workers=workers or None))


@data.command("events-from-video")
@click.argument("source", type=_PATH)
@click.argument("target", type=_PATH)
@click.option(
    "--ratio",
    default=0.15,
    show_default=True,
    help="part of all pixels and steps that has an event",
)
@click.option(
    "--frames",
    default=31,
    show_default=True,
    type=click.IntRange(2),
    help="frames taken of a video",
)
@click.option(
    "--mode",
    default="1",
    show_default=True,
    type=click.Choice(["1", "2"]),
    help="2 has noisy thresholds",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of the noise")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@cli_errors
def events_from_video(
    source: Path, target: Path, ratio: float, frames: int, mode: str, seed: int, workers: int
) -> None:
    """Turn videos into events as ES-UCF101 was made: SOURCE is a video, a folder of frames, or a folder of these.

    A video that cannot be converted does not stop the others. It is listed in the end, with exit
    code 1.
    """
    from snnlab.data.encoding.video_events import convert_videos

    outcome = convert_videos(
        source,
        target,
        ratio=ratio,
        n_frames=frames,
        mode=int(mode),
        seed=seed,
        workers=workers or None,
    )
    _conclude(outcome)


@data.command("events-from-recordings")
@click.argument("source", type=_PATH)
@click.argument("target", type=_PATH)
@click.option(
    "--steps", default=8, show_default=True, type=click.IntRange(1), help="T, steps of equal time"
)
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@cli_errors
def events_from_recordings(source: Path, target: Path, steps: int, workers: int) -> None:
    """Turn CIFAR10-DVS's recordings into counts in steps: SOURCE has a folder of aedat4 files a class.

    A recording that cannot be converted does not stop the others. It is listed in the end, with
    exit code 1.
    """
    from snnlab.data.convert.from_aedat4 import convert_recordings

    _conclude(convert_recordings(source, target, steps=steps, workers=workers or None))


@data.command("shards")
@click.argument("folder", type=_PATH)
@click.argument("out", type=_PATH)
@click.option(
    "--samples", default=1000, show_default=True, type=click.IntRange(1), help="pictures of a shard"
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of their order")
@cli_errors
def write_shards(folder: Path, out: Path, samples: int, seed: int) -> None:
    """Put the pictures of FOLDER, in ImageNet's layout, into a few large tar files in OUT.

    A call that was killed goes on at the next tar file.
    """
    from snnlab.data.datasets import imagenet

    click.echo(
        f"{imagenet.write_shards(folder, out, samples=samples, seed=seed)} shards written to {out}"
    )


@data.command()
@click.option(
    "--unfinished",
    is_flag=True,
    help="remove what interrupted downloads left, too; they begin anew then",
)
@cli_errors
def clean(unfinished: bool) -> None:
    """Remove what was kept to save time; it is made again when it is needed."""
    from snnlab._utils.files import remove
    from snnlab.data.cache import cache_folder, clean

    click.echo(f"{clean() / 1e6:.1f} MB removed from {cache_folder()}")
    for one in DATASETS.values() if unfinished else ():
        for path in leftovers(one.folder):
            click.echo(f"{remove(path) / 1e6:.1f} MB removed from {path}")


@data.command()
@click.argument("path", type=_PATH)
@cli_errors
def info(path: Path) -> None:
    """Count what is in PATH, a file in SHD's layout or a folder of them."""
    from rich.console import Console

    from snnlab.runs.tables import data_table

    Console().print(data_table(path))


def _size(text: str) -> int | tuple[int, int, int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise SnnlabError(
            f"size = {text!r}: expected a number of recordings, or three as train,valid,test."
        )
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])


def _conclude(outcome: "Outcome") -> None:
    click.echo(str(outcome), err=bool(outcome.failed))
    if outcome.failed:
        sys.exit(1)


def _compare(name: str, *, thorough: bool, workers: int) -> None:
    from snnlab.data.fetch.check import check

    print_report(check(DATASETS[name], thorough=thorough, workers=workers or None))
