"""Check that the data of a run is on this machine, before anything starts; no such file is read."""

from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import checkpoints_below
from snnlab.course.config import (
    Config,
    ExploringDelays,
    PaperResults,
    PretrainAndTransfer,
    RealCamera,
    RealVoices,
    TransferToEvents,
)
from snnlab.course.config.shared import Recordings
from snnlab.data.datasets.catalogue import DATASETS, OWN
from snnlab.data.entry import DatasetEntry
from snnlab.data.paths import data_path
from snnlab.data.registry import entry_of, find, find_set


def check_data(config: Config) -> None:
    """Check that the data, checkpoint or folder of runs of a configuration is there.

    Only names are compared: what passes may still be damaged, which the readers find out.

    Raises:
        SnnlabError: something is missing; the message says what, where, and how to get it.
    """
    if isinstance(config, ExploringDelays) and config.checkpoint:
        _check_checkpoint(Path(config.checkpoint).expanduser())
    if isinstance(config, PaperResults) and config.folder:
        folder = Path(config.folder).expanduser()
        if not folder.is_dir():
            raise SnnlabError(
                f"folder: {folder} is not there; name one with runs in it, or none for runs/."
            )
    if isinstance(config, Recordings):
        entry, where = config.find_recordings()
        entry.check_files(where, "data", recording_settings(config))
    if isinstance(config, RealVoices):
        entry, where = find(config.data, "recordings")
        if entry.name != "speech-commands-test":
            raise SnnlabError(
                f"data = {config.data!r}: {entry.name} has no folds of speakers of its own; "
                "choose speech-commands-test, or a folder laid out as it."
            )
        for fold in config.test_folds:
            entry.check_files(where, "data", {"fold": fold})
    if isinstance(config, PretrainAndTransfer):
        entry, where = find(config.data, "pictures")
        entry.check_files(where, "data", vars(config))
    if Config in type(config).__bases__ and (name := getattr(config, "data", "")) in DATASETS:
        entry = DATASETS[name]  # a notebook of one's own
        entry.check_files(entry.folder, "data", vars(config))
    if isinstance(config, RealCamera) or (
        isinstance(config, TransferToEvents) and config.data != "digits"
    ):
        events, pictures = camera_sets(config)
        for (entry, where), which in ((events, "events_folder"), (pictures, "pictures_folder")):
            entry.check_files(where, which, vars(config))
        if isinstance(config, RealCamera) and not (events[1] / "Test").is_dir():
            raise SnnlabError(
                f"events_folder: {events[1]} has no folder Test, whose recordings this page is "
                "about; get it with `snnlab data get n-mnist`."
            )


def recording_settings(config: Recordings) -> dict[str, Any]:
    """Return the parameters of a run as those of the readers of recordings."""
    values = vars(config)
    return values | {
        "limit": values.get("limit") or None,
        "workers": values.get("workers") or None,
        "hold_out": values.get("protocol", "held-out") == "held-out",
    }


def camera_sets(
    config: TransferToEvents | RealCamera,
) -> tuple[tuple[DatasetEntry, Path], tuple[DatasetEntry, Path]]:
    """Return entry and folder of the events of a camera, and of the pictures to pretrain on."""
    name = config.data if isinstance(config, TransferToEvents) else "n-mnist"
    events, folder = find_set(name, "events")
    if config.events_folder:
        folder = data_path(config.events_folder)
    pictures = entry_of(events.pretrain_on)
    pictures_folder = pictures.folder
    if config.pictures_folder:
        pictures_folder = data_path(config.pictures_folder)
        if events in OWN:  # any pictures
            pictures, _ = find_set(config.pictures_folder, "pictures")
    return (events, folder), (pictures, pictures_folder)


def _check_checkpoint(path: Path) -> None:
    if path.is_dir() and not checkpoints_below(path):
        raise SnnlabError(
            f"checkpoint: {path} holds no file .pt; give that of a run of notebook 04."
        )
    if not path.exists():
        raise SnnlabError(
            f"checkpoint: {path} is not there; give a checkpoint or the folder of a run of "
            "notebook 04, or leave it out to train a network on the spot."
        )
