"""The commands of `snnlab data`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path
from snnlab.cli.cli_errors import cli_errors, print_error, print_report
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import leftovers, provenance

if TYPE_CHECKING:
    from snnlab.data.io.many_files import ConversionResult

_workers = click.option(
    "--workers",
    default=0,
    type=click.IntRange(0),
    callback=lambda context, option, value: value or None,
    help="number of processes; 0 for one per core",
)


def _option(name: str, default: Any, help: str, type: click.ParamType | None = None) -> Any:
    return click.option(name, default=default, show_default=True, type=type, help=help)


def _seed(what: str) -> Any:
    return _option("--seed", 0, f"seed of {what}", click.IntRange(0))


@click.group()
def data() -> None:
    """Fetch, check, generate and convert data sets."""


@data.command("list")
@cli_errors
def list_sets() -> None:
    """List all data sets, and which of them are on this machine. The network is not used."""
    from rich.console import Console

    from snnlab.runs.tables import sets_table

    Console().print(sets_table())


@data.command()
@click.argument("name", metavar="SET", type=click.Choice(list(DATASETS)))
@click.option("--yes", is_flag=True, help="do not ask before more than 1 GB is fetched")
@click.option("--keep", is_flag=True, help="keep the archives, which tonic's classes look for")
@click.option(
    "--only",
    default="",
    metavar="TEXT",
    help="fetch only the archives with this in their name, such as test of n-mnist",
)
@_workers
@cli_errors
def get(name: str, yes: bool, keep: bool, only: str, workers: int | None) -> None:
    """Fetch a published data set, or print how to fetch it by hand.

    `snnlab data list` shows the sets. SET is stored in the folder of its name below the data
    folder, which `snnlab doctor` prints. The next call resumes an interrupted one. Then the set is
    checked, as by `snnlab data check`. Exit code 1 if the set is incomplete or has an error.
    """
    from snnlab.data.fetch.check import check
    from snnlab.data.fetch.obtain import get as obtain
    from snnlab.data.fetch.obtain import only_archives

    def agree(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody can answer here; add --yes to agree.")
        return click.confirm(question)

    entry = only_archives(DATASETS[name], only)
    try:
        present = obtain(entry, agree=agree, keep=keep, say=click.echo, workers=workers)
    except SnnlabError as error:
        print_error(error)
        present = False
    if not present:
        sys.exit(1)
    if entry.counts and "checked" not in provenance(entry.folder):
        print_report(check(entry, workers=workers))


@data.command()
@click.argument("data")
@click.option("--thorough", is_flag=True, help="read every file of a published set, not only 1,000")
@_workers
@cli_errors
def check(data: str, thorough: bool, workers: int | None) -> None:
    """Compare a data set with the published one; exit code 1 on an error.

    DATA is the name of a set, or the folder of your own, by its name or path: all of it is read.
    """
    from snnlab.data.fetch.check import check
    from snnlab.data.fetch.check_own import check_own
    from snnlab.data.registry import find_set

    entry, folder = find_set(data)
    if data in DATASETS and entry.counts:
        print_report(check(entry, thorough=thorough, workers=workers))
    else:
        print_report(check_own(entry, folder, workers=workers))


@data.command()
@click.argument("name", type=click.Choice(["speech-commands-test"]))
@_workers
@cli_errors
def encode(name: str, workers: int | None) -> None:
    """Encode a data set of sound as spikes of the cochlea model, before a run does it.

    The spikes are kept in the cache. The next call resumes an interrupted one.
    """
    from snnlab.data.registry import load_dataset

    click.echo(load_dataset(name, workers=workers).note)


@data.command()
@click.argument("name", type=click.Choice(["spoken-digits"]))
@click.option("--size", required=True, help="number of recordings: a total, or train,valid,test")
@_seed("voices and spikes")
@click.option("--out", required=True, metavar="DIR", help="folder of the files")
@_workers
@cli_errors
def make(name: str, size: str, out: str, **settings: Any) -> None:
    """Generate a data set of any size: 20 digits in many voices, encoded by the cochlea model."""
    from snnlab.data.datasets import spoken_digits

    spoken_digits.make(out, size=_size(size), **settings)


@data.command("from-audio")
@click.argument("folder")
@click.argument("out")
@_workers
@_seed("the auditory nerve")
@_option(
    "--max-seconds",
    5.0,
    "length of the longest recording allowed, at most 10",
    click.FloatRange(0, min_open=True),
)
@cli_errors
def from_audio(folder: str, out: str, **settings: Any) -> None:
    """Convert wav files to spikes: FOLDER has them and a labels.csv of path, label, speaker, split.

    Speaker and split (train, valid or test) may be missing. Without a split the set is divided
    where it is read: by speakers if they are known, else at random with seed 0.

    Recordings that cannot be used are left out, provided that training and test are complete
    without them. They are listed at the end, with exit code 1.
    """
    from snnlab.data.convert.from_audio import convert

    _conclude(convert(folder, out, **settings))


@data.command("events-from-images")
@click.argument("folder")
@click.argument("target")
@_option("--split", "train", "", click.Choice(["train", "val"]))
@_option("--theta", 0.18, "threshold, as a fraction of the range of brightness")
@_workers
@cli_errors
def events_from_images(folder: str, target: str, **settings: Any) -> None:
    """Convert images to events: FOLDER has one folder a class, TARGET gets ES-ImageNet's layout.

    Files that cannot be converted are left out and listed at the end, with exit code 1.
    """
    from snnlab.data.convert.from_images import convert_folder

    _conclude(convert_folder(folder, target, **settings))


@data.command("events-from-video")
@click.argument("source")
@click.argument("target")
@_option("--ratio", 0.15, "fraction of all pixels and steps that has an event")
@_option("--frames", 31, "number of frames sampled from a video", click.IntRange(2))
@_option("--mode", "1", "2 has noisy thresholds", click.Choice(["1", "2"]))
@_seed("the noise")
@_workers
@cli_errors
def events_from_video(source: str, target: str, frames: int, mode: str, **settings: Any) -> None:
    """Convert videos to events as in ES-UCF101.

    SOURCE is a video, a folder of frames, or a folder of these. Videos that cannot be converted are
    left out and listed at the end, with exit code 1.
    """
    from snnlab.data.encoding.video_events import convert_videos

    _conclude(convert_videos(source, target, n_frames=frames, mode=int(mode), **settings))


@data.command("events-from-recordings")
@click.argument("source")
@click.argument("target")
@_option("--steps", 8, "T, the number of time steps, equally long", click.IntRange(1))
@_workers
@cli_errors
def events_from_recordings(source: str, target: str, **settings: Any) -> None:
    """Convert CIFAR10-DVS's recordings to counts: SOURCE has a folder of aedat4 files a class.

    Recordings that cannot be converted are left out and listed at the end, with exit code 1.
    """
    from snnlab.data.convert.from_aedat4 import convert_recordings

    _conclude(convert_recordings(source, target, **settings))


@data.command("shards")
@click.argument("folder")
@click.argument("out")
@_option("--samples", 1000, "pictures per shard", click.IntRange(1))
@_seed("their order")
@cli_errors
def write_shards(folder: str, out: str, **settings: Any) -> None:
    """Pack the pictures of FOLDER, in ImageNet's layout, into a few large tar files in OUT.

    The next call resumes a killed one at the next tar file.
    """
    from snnlab.data.datasets import imagenet

    number = imagenet.write_shards(folder, out, **settings)
    click.echo(f"{number} shards written to {out}")


@data.command()
@click.option("--unfinished", is_flag=True, help="also remove interrupted downloads")
@cli_errors
def clean(unfinished: bool) -> None:
    """Empty the cache, whose content is computed again when it is needed."""
    from snnlab._utils.files import remove
    from snnlab.data.cache import cache_folder, clean

    click.echo(f"{clean() / 1e6:.1f} MB removed from {cache_folder()}")
    for entry in DATASETS.values() if unfinished else ():
        for path in leftovers(entry.folder):
            click.echo(f"{remove(path) / 1e6:.1f} MB removed from {path}")


@data.command()
@click.argument("path")
@cli_errors
def info(path: str) -> None:
    """Count the recordings in PATH, a file in SHD's layout or a folder of such files."""
    from rich.console import Console

    from snnlab.runs.tables import data_table

    Console().print(data_table(given_path(path)))


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


def _conclude(outcome: "ConversionResult") -> None:
    click.echo(str(outcome), err=bool(outcome.failed))
    if outcome.failed:
        sys.exit(1)
