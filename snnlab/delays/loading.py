"""Trained networks with delays from checkpoints, folders of runs and files of other programs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from snnlab._utils.arrays import check_dt, time_step
from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.files import checkpoints_below, given_path, sha256
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints


def open_network(
    path: str | Path,
    *,
    dt_ms: float | None = None,
    model: nn.Module | None = None,
) -> tuple[Any, float]:
    """Open the spiking network with delays of a checkpoint.

    Args:
        path: a checkpoint, or a folder of which `best_checkpoint` chooses one.
        dt_ms: length of a time step, ms; None for that of the checkpoint.
        model: for a network of a class of one's own, one of the same shape, which gets the trained
            parameters; the file may be its `state_dict` alone, too. None for a `DelayNet`.

    Returns:
        The network in evaluation mode, its delays not rounded; and the length of a time step, ms.

    Raises:
        SnnlabError: the file is missing or damaged; the network has no delays or does not spike;
            the time step is unknown, or not that of the training.

    Example:
        >>> import tempfile
        >>> net = DelayNet(n_in=70, hidden=[4], n_classes=20, max_delay=12, tau=2.0, dt_ms=20)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = f"{folder}/net.pt"
        ...     checkpoints.save(file, network=net.config, best=net.state_dict())
        ...     net, dt_ms = open_network(file)
        >>> net.config.hidden, dt_ms
        ((4,), 20.0)
    """
    if dt_ms is not None:
        check_dt(dt_ms)
    path = best_checkpoint(path) if model is None else given_path(path)
    net, trained_ms = checkpoints.load_network(path, model)
    with checkpoints.as_written(path):
        delay_layers(net, required=True)
        if isinstance(net, DelayNet) and net.config.neuron != "lif":
            raise SnnlabError(
                f"{path}: a ReLU network, which does not spike; choose the spiking network that "
                "was trained from it."
            )
        return net, time_step(dt_ms, trained_ms, path)


def best_checkpoint(path: str | Path) -> Path:
    """Choose the checkpoint to explore.

    Args:
        path: a checkpoint, which is returned; or a folder, such as that of a run of notebook 04.
            Of its spiking networks with learned delays the best one on validation is chosen;
            toys, whose steps have no length in ms, come last. Other files are ignored.

    Raises:
        SnnlabError: the folder has no such checkpoint, or too many files to look through.
    """
    path = given_path(path)
    if not os.path.isdir(path):  # unlike `Path.is_dir`, with a name of any length
        return path
    ranked: list[tuple[bool, float, float, Path]] = []
    unreadable: list[SnnlabError] = []
    for file in checkpoints_below(path):
        try:
            content = checkpoints.load(file)
        except SnnlabError as error:
            unreadable.append(error)
            continue
        network = content["network"]
        kind = network.get("delay_mode"), network.get("neuron")
        with checkpoints.as_written(file):
            if kind == ("learned", "lif") and content.get("history"):
                line = content["history"][content["best_epoch"]]
                accuracy, loss = float(line["valid_accuracy"]), float(line["valid_loss"])
                ranked.append((network.get("dt_ms") is not None, accuracy, -loss, file))
    if unreadable and not ranked:
        raise unreadable[0]
    if not ranked:
        raise SnnlabError(
            f"{path}: no checkpoint of a network with learned delays was found there; give the "
            "folder of a run that trained one, or a checkpoint itself."
        )
    return max(ranked)[-1]


def convert_file(
    read: Callable[..., DelayNet],
    path: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    **settings: Any,
) -> DelayNet:
    """Convert a file of another program to a checkpoint that `open_network` and notebook 05 open.

    Args:
        read: reads the network of the file, such as `import_snn_delays.read` and
            `export.nir_import.read_network`.
        path: the file.
        out: the checkpoint to write.
        overwrite: whether an existing file may be replaced.
        **settings: of `read`.

    Returns:
        The network.

    Raises:
        SnnlabError: as `read`, a number is not finite, `out` exists or is the file itself, or it
            cannot be written.
    """
    path = given_path(path)
    out = output_file(out, overwrite=overwrite, read=path)
    net = read(path, **settings)
    with errors_at(path):
        checkpoints.check_parameters(net.state_dict(), net.config.build())
    source = {"file": path.name, "sha256": sha256(path)}
    # Without a recipe, so that `fit` refuses to resume: no file has the state of the optimisers
    checkpoints.save(out, network=net.config, recipe={}, best=net.state_dict(), imported=source)
    return net


def output_file(out: str | Path, *, overwrite: bool, read: Path | None = None) -> Path:
    """Return the path of a file to write, with `~` replaced by the home folder.

    Args:
        out: the file.
        overwrite: whether an existing file may be replaced.
        read: the file that is read, which is never replaced; None for none.

    Raises:
        SnnlabError: the file exists, or is the one that is read.
    """
    out = given_path(out)
    if read is not None and out.resolve() == read.resolve():
        raise SnnlabError(f"{out}: is the file that is read; give what is written another name.")
    if out.exists() and not overwrite:
        raise SnnlabError(
            f"{out}: exists already; choose another name, or replace it with overwrite "
            "(--overwrite)."
        )
    return out
