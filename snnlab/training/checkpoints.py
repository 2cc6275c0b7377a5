"""Checkpoints: written whole or not at all, read without running anybody's pickle, refused when they do not fit."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file
from snnlab.nn.delay_linear import ROUNDED, DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.network_config import NetworkConfig

FORMAT = 4  # 4 describes the network with `NetworkConfig.to_dict`


def save(path: str | Path, *, network: NetworkConfig, **payload: Any) -> None:
    """Write a checkpoint of tensors, numbers, strings, lists and dicts atomically.

    Args:
        path: the file; the one before stays whole until the new one is.
        network: the description of the network, by which `load` recognises it.
        payload: what else is to be kept.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    with whole_file(path) as temporary:
        try:
            torch.save({"format": FORMAT, "network": network.to_dict(), **payload}, temporary)
        except RuntimeError as error:  # torch's zip writer hides the OSError of a full disk
            raise OSError(None, str(error).splitlines()[0]) from error


def load(path: str | Path, *, network: NetworkConfig | None = None) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Args:
        path: the file.
        network: the description of the network that it has to fit; None to accept any.

    Raises:
        SnnlabError: it is not a whole checkpoint, comes from another version, or belongs to another
            network.
    """
    content = read_tensors(
        path,
        what="checkpoint",
        otherwise="not a whole snnlab checkpoint; expected a file that snnlab wrote. Choose another one, or for a new "
        "training a name that no file has.",
    )
    if isinstance(content, dict) and "format" not in content and "model.0.weight" in content:
        raise SnnlabError(
            f"{path}: a network of the delay paper's own code (SNN-delays); make a checkpoint of it with "
            "`snnlab import-checkpoint`, and give that."
        )
    if not isinstance(content, dict) or not {"format", "network"} <= content.keys():
        raise SnnlabError(
            f"{path}: holds no snnlab checkpoint (no 'format' and 'network'); choose another file."
        )
    version, theirs = content["format"], content["network"]
    if type(version) is not int or version < 1 or type(theirs) is not dict:
        raise SnnlabError(
            f"{path}: was altered after snnlab wrote it (its format is {version!r:.20}, and its network of the type "
            f"{type(theirs).__name__}); expected a whole number and a dict. Choose another file."
        )
    if version > FORMAT:
        raise SnnlabError(
            f"{path}: written by a newer snnlab (checkpoint format {version}, this one reads {FORMAT}); "
            "update snnlab."
        )
    if version < FORMAT:
        raise SnnlabError(
            f"{path}: written by an older snnlab (checkpoint format {version}, this one reads {FORMAT}); "
            "train the network again, or choose another file."
        )
    with as_written(path):
        if network is not None and theirs != (expected := network.to_dict()):
            names = sorted(
                str(k) for k in theirs.keys() | expected.keys() if theirs.get(k) != expected.get(k)
            )
            found = ", ".join(
                f"{k} = {theirs.get(k)!r} instead of {expected.get(k)!r}" for k in names
            )
            raise SnnlabError(
                f"{path}: a checkpoint of another network: {found}; give the settings it was trained with."
            )
    return content


def read_tensors(path: str | Path, *, what: str, otherwise: str) -> Any:
    """What torch.save wrote, on the CPU, without running anything that is in it.

    Raises:
        SnnlabError: there is no such `what`; or the file cannot be read so, and `otherwise` is said
            of it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a pickle that it refuses anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SnnlabError(f"{path}: there is no such {what}; check the path.") from error
    except Exception as error:  # on arbitrary bytes torch's reader raises whatever it stumbles over
        raise SnnlabError(f"{path}: {otherwise}") from error


@contextmanager
def as_written(path: str | Path) -> Iterator[None]:
    """Say of a checkpoint that it was altered or damaged, where reading its entries fails in any way.

    Raises:
        SnnlabError: in place of any other exception.
    """
    try:
        yield
    except SnnlabError as error:
        if str(path) in str(error):
            raise
        raise SnnlabError(f"{path}: {error}") from error
    except Exception as error:  # an altered entry makes code raise whatever it stumbles over
        reason = (str(error).splitlines() or [""])[0][:200]
        raise SnnlabError(
            f"{path}: was altered or damaged after snnlab wrote it ({type(error).__name__}: {reason}); choose another file."
        ) from error


def load_network(path: str | Path) -> DelayNet:
    """The network of a checkpoint with the parameters of its best validation epoch, in evaluation mode.

    Raises:
        SnnlabError: as `load`, or it holds no trained network, one without delays, or one with
            values that no training leaves.
    """
    content = load(path)
    if (kind := content["network"].get("kind")) != "DelayNet":
        raise SnnlabError(f"{path}: a {kind}; expected a network with delays. Choose another file.")
    if content.get("best") is None:
        raise SnnlabError(
            f"{path}: holds no finished epoch yet; let the training run for one epoch at least."
        )
    with as_written(path):
        config = NetworkConfig.from_dict(content["network"])
        with torch.device("meta"):  # without memory: its sizes may be absurd
            check_parameters(content["best"], config.build())
        model: DelayNet = config.build()
        model.load_state_dict(content["best"])
    return model.eval()


def check_parameters(state: dict[str, Any], model: nn.Module) -> None:
    """Raise unless a network can go on with this state: its shapes, finite values, and delays in their range.

    Raises:
        SnnlabError: it cannot.
    """
    if shapes(state) != shapes(model.state_dict()):
        raise SnnlabError(
            "its parameters are not those of the network that it describes; choose another file."
        )
    for name, value in state.items():
        if not value.isfinite().all():
            raise SnnlabError(f"{name} holds values that are not finite; choose another file.")
    for place, layer in model.named_modules():
        if not isinstance(layer, DelayLinear):
            continue
        prefix = f"{place}." if place else ""
        positions, rounded = state[f"{prefix}P"], state.get(prefix + ROUNDED)
        whole = rounded is None or (
            bool(rounded.all()) and torch.equal(positions, positions.round())
        )
        if not (whole and layer.holds(positions)):
            raise SnnlabError(
                f"the delays of {place} are not {'whole ' if rounded is not None else ''}numbers from 0 to "
                f"{layer.max_delay}; choose another file."
            )


def shapes(state: dict[str, Any]) -> dict[str, Any]:
    """The shape of every parameter and buffer. Whether delays are rounded is no matter of shape."""
    return {
        name: value.shape for name, value in state.items() if name.rpartition(".")[2] != ROUNDED
    }
