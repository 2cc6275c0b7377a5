"""Check that the data of a run is on this machine, before anything starts; no such file is read."""

import os
from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import paths_below
from snnlab.course.config import (
    Config,
    ExploringDelays,
    LearningDelays,
    PaperResults,
    PretrainAndTransfer,
    TransferToEvents,
)
from snnlab.course.config.shared import Recordings
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.datasets.gsc_folder import check_folder
from snnlab.data.datasets.shd_files import check_protocol, find
from snnlab.data.io.images import class_folders
from snnlab.data.paths import data_folder


def check_data(config: Config) -> None:
    """Check that the data, checkpoint or folder of runs of a configuration is there.

    Only names are compared: what passes may still be damaged, which the readers find out.

    Raises:
        SnnlabError: something is missing; the message says what, where, and how to get it.
    """
    if isinstance(config, ExploringDelays) and config.checkpoint:
        _check_checkpoint(Path(config.checkpoint).expanduser())
    if isinstance(config, PaperResults) and config.folder:
        _check_folder(config.folder)
    if isinstance(config, Recordings):
        _check_recordings(config)
    if isinstance(config, PretrainAndTransfer) and config.data != "digits":
        _check_set("imagenet", "" if config.data == "imagenet" else config.data, "data")
    if isinstance(config, TransferToEvents) and config.data != "digits":
        _check_set(config.data, config.events_folder, "events_folder")
        _check_set(config.pictures_set, config.pictures_folder, "pictures_folder")


def folder_of(given: str, name: str) -> Path:
    """The folder that was given, or else that of the data set `name`."""
    return Path(given).expanduser() if given else data_folder() / name


def _check_recordings(config: Recordings) -> None:
    if config.features != "spikes":
        check_folder(folder_of("" if config.data == "gsc" else config.data, "gsc").resolve())
        return
    _, files = find(config.data, unpack=False)
    if isinstance(config, LearningDelays):
        check_protocol(files, config.protocol == "held-out")


def _check_set(name: str, given: str, parameter: str) -> None:
    """Refuse where the folder of a set lacks a part of it, or holds no clip of UCF101."""
    folder = folder_of(given, name)
    if name == "imagenet" and any(folder.glob("*.tar")):
        from snnlab.data.batches import shards  # with torch, which a run of this size can wait for

        if shards.there(folder):
            shards.complete(folder)
            return
    missing = DATASETS[name].missing(folder)
    if not DATASETS[name].parts and not _has_clip(folder):
        missing = ["a clip"]
    if missing:
        parts = " and ".join(part.replace("|", " or ") for part in missing)
        what = f"does not hold {parts}" if folder.is_dir() else "is not there"
        raise SnnlabError(
            f"{folder.resolve()} {what}; {name} was expected there. Get it with `snnlab data get "
            f"{name}`, set SNNLAB_DATA to the folder that holds {name}/, or give its folder as "
            f"{parameter}."
        )
    if name == "imagenet":
        for part in DATASETS[name].parts:
            class_folders(folder / part)


def _has_clip(folder: Path) -> bool:
    """Whether anything below a folder is called as the clips of UCF101 are."""
    names = (name for _, folders, files in os.walk(folder) for name in (*folders, *files))
    return any(name.startswith("v_") for name in names)


def _check_checkpoint(path: Path) -> None:
    if path.is_dir() and not paths_below(path, "*.pt"):
        raise SnnlabError(
            f"checkpoint: {path} holds no file .pt; give that of a run of notebook 04."
        )
    if not path.exists():
        raise SnnlabError(
            f"checkpoint: {path} is not there; give a checkpoint or the folder of a run of "
            "notebook 04, or leave it out to train a network on the spot."
        )


def _check_folder(given: str) -> None:
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise SnnlabError(
            f"folder: {folder} is not there; name one with runs in it, or none for runs/."
        )
