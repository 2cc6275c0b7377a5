"""Checkpoints: files that are written atomically and read without running code from them."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError, reason_of
from snnlab._utils.files import remove_abandoned, whole_file
from snnlab.nn.any_network import check_network, delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.delay_parameters import without_rounded
from snnlab.nn.network_config import NetworkConfig

FORMAT = 6  # 5 has the network's kind of delays; 6 the bits of its weights and delays
# Ends the advice where a checkpoint is of another network, recipe or data
NEW_TRAINING = "for a new training, another experiment name or file"


def save(path: str | Path, *, network: NetworkConfig, **payload: Any) -> None:
    """Write a checkpoint of tensors, numbers, strings, lists and dicts atomically.

    Args:
        path: the file; an older one is replaced when the new one is complete. What a kill left of
            a write to this file is removed.
        network: the description of the network, by which `load` recognises it.
        payload: the other entries.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    remove_abandoned(path)
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

    Returns:
        The entries of the checkpoint.

    Raises:
        SnnlabError: it is no complete checkpoint, comes from another version, or is of another
            network.
    """
    return _checked(path, read(path), network)


def _checked(path: str | Path, content: Any, network: NetworkConfig | None) -> dict[str, Any]:
    """Return the content of a file after checking that it is a checkpoint, see `load`."""
    if isinstance(content, dict) and "format" not in content and "model.0.weight" in content:
        raise SnnlabError(
            f"{path}: a network of the delay paper's own code (SNN-delays); make a checkpoint of "
            "it with `snnlab import-checkpoint`, and give that."
        )
    if is_state(content):
        raise SnnlabError(
            f"{path}: holds parameters alone, without a description of their network; give one of "
            "its class and shape as well, model=MyNetwork(...)."
        )
    if not isinstance(content, dict) or not {"format", "network"} <= content.keys():
        raise SnnlabError(
            f"{path}: holds no snnlab checkpoint (no 'format' and 'network'); choose another file."
        )
    version, theirs = content["format"], content["network"]
    if type(version) is not int or version < 1 or type(theirs) is not dict:
        raise SnnlabError(
            f"{path}: was altered after snnlab wrote it (its format is {version!r:.20}, and its "
            f"network of the type {type(theirs).__name__}); expected a whole number and a dict. "
            "Choose another file."
        )
    if version > FORMAT:
        raise SnnlabError(
            f"{path}: written by a newer snnlab (checkpoint format {version}, this one reads "
            f"{FORMAT}); update snnlab."
        )
    if version < FORMAT:
        raise SnnlabError(
            f"{path}: written by an older snnlab (checkpoint format {version}, this one reads "
            f"{FORMAT}); train the network again, or choose another file."
        )
    with as_written(path):
        if network is not None and theirs != (expected := network.to_dict()):
            values = differences(theirs, expected, theirs.keys() | expected.keys())
            raise SnnlabError(
                f"{path}: a checkpoint of another network: {values}; give the settings it was "
                f"trained with or, {NEW_TRAINING}."
            )
    return content


def differences(recorded: dict[Any, Any], expected: dict[str, Any], names: Iterable[Any]) -> str:
    """Say what was recorded under some names instead of what is expected; "" for the same."""
    return ", ".join(
        f"{name} = {recorded.get(name)!r} instead of {expected.get(name)!r}"
        for name in sorted(names, key=str)
        if recorded.get(name) != expected.get(name)
    )


def read(
    path: str | Path,
    *,
    what: str = "checkpoint",
    otherwise: str = "not a complete snnlab checkpoint; expected a file that snnlab wrote. Choose "
    "another one, or for a new training a name that no file has.",
) -> Any:
    """Read what `torch.save` wrote onto the CPU, without running code that is in it.

    Args:
        path: the file.
        what: the kind of file, for the message that it does not exist.
        otherwise: the message where it cannot be read.

    Returns:
        What was saved.

    Raises:
        SnnlabError: the file does not exist or cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about a pickle that it refuses anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SnnlabError(f"{path}: there is no such {what}; check the path.") from error
    except Exception as error:  # torch raises many kinds of errors on arbitrary bytes
        raise SnnlabError(f"{path}: {otherwise}") from error


@contextmanager
def as_written(path: str | Path) -> Iterator[None]:
    """Replace any exception in the block by the sentence that a checkpoint was altered or damaged.

    Args:
        path: the checkpoint, which each message names.

    Raises:
        SnnlabError: in place of any other exception.
    """
    try:
        yield
    except SnnlabError as error:
        if str(path) in str(error):
            raise
        raise SnnlabError(f"{path}: {error}") from error
    except Exception as error:  # an altered entry may raise any kind of error
        raise SnnlabError(
            f"{path}: was altered or damaged after snnlab wrote it ({type(error).__name__}: "
            f"{reason_of(error)[:200]}); choose another file."
        ) from error


def load_network(path: str | Path, model: nn.Module | None = None) -> tuple[Any, float | None]:
    """Load the trained network of a checkpoint.

    Args:
        path: the checkpoint; with a model also a file of its `state_dict` alone, which
            `torch.save(model.state_dict(), path)` wrote.
        model: a network of the class and shape of the trained one, which gets its parameters in
            place; None to build a `DelayNet` from the description in the checkpoint.

    Returns:
        The network with the parameters of the epoch that was kept, in evaluation mode; and the
        length of its time step, ms, if it is known.

    Raises:
        SnnlabError: as `load`, or the checkpoint has no trained network, one that does not fit the
            model, without one a network that is no `DelayNet`, or one with impossible values.
    """
    if model is not None:
        check_network(model)
    content = read(path)
    if model is not None and is_state(content):
        content = {"network": {}, "best": content}
    else:
        content = _checked(path, content, None)
    network = content["network"]
    if content.get("best") is None:
        raise SnnlabError(
            f"{path}: has no finished epoch; let the training run for one epoch at least."
        )
    with as_written(path):
        if model is None:
            config = NetworkConfig.from_dict(network)
            with torch.device("meta"):  # without memory: its sizes may be absurd
                built = config.build()
            if not isinstance(built, DelayNet):
                kind = network["kind"]
                raise SnnlabError(f"a {kind}; expected a network with delays. Choose another file.")
            check_parameters(content["best"], built)
            model = config.build()
        check_parameters(content["best"], model)
        check_delays(content, model)
        model.load_state_dict(content["best"])
    return model.eval(), network.get("dt_ms")


def check_delays(content: dict[str, Any], model: nn.Module) -> None:
    """Raise where a network has other largest delays, or membranes, than the trained one.

    Positions of delays are counted from the middle of the kernel, so all delays would shift.

    Args:
        content: of the checkpoint; an older one says nothing of a class that is not snnlab's.
        model: the network that gets its parameters.

    Raises:
        SnnlabError: they differ.
    """
    trained = {"max_delay": content.get("max_delays")}
    ours: dict[str, Any] = {"max_delay": max_delays(model)}
    if isinstance(model, DelayNet) and content["network"].get("kind") == "DelayNet":
        config = NetworkConfig.from_dict(content["network"])
        assert isinstance(config, DelayNetConfig)
        trained |= {"max_delay": [*config.max_delays], "tau": config.taus}
        ours |= {"max_delay": [*model.config.max_delays], "tau": model.config.taus}
    for name, value in trained.items():
        if value not in (None, ours[name]):
            raise SnnlabError(
                f"the layers of the model have {name} = {ours[name]}, those of the trained network "
                f"{value}; give a model with the same or, {NEW_TRAINING}."
            )


def max_delays(model: nn.Module) -> list[int]:
    """Return the largest delay of each delay layer of a network."""
    return [layer.max_delay for layer in delay_layers(model).values()]


def is_state(content: Any) -> bool:
    """Return whether this is the `state_dict` of a network."""
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(value, Tensor) for value in content.values())
    )


def check_parameters(state: dict[str, Any], model: nn.Module) -> None:
    """Check the shapes of a state, that its values are finite, and that delays are in range.

    Args:
        state: a `state_dict`.
        model: the network that it is for.

    Raises:
        SnnlabError: the state does not fit; the message has the first names that differ.
    """
    fresh = model.state_dict()
    given, expected = (
        {name: value.shape for name, value in without_rounded(values).items()}
        for values in (state, fresh)
    )
    if given != expected:
        names = [n for n in {**expected, **given} if given.get(n) != expected.get(n)]
        listed = ", ".join(
            f"{n} {'missing' if n not in given else tuple(given[n])}"
            f"{'' if n not in given or n not in expected else f' instead of {tuple(expected[n])}'}"
            for n in names[:3]
        )
        raise SnnlabError(
            f"its parameters are not those of {type(model).__name__} as it is built here "
            f"({listed}{', ...' if len(names) > 3 else ''}); give the arguments that it was "
            "trained with, choose another file or, for a new training, another experiment name."
        )
    for name, value in state.items():
        # A network of one's own may have a buffer of infinite values, such as a mask
        limited = name not in fresh or fresh[name].is_meta or fresh[name].isfinite().all()
        if limited and not value.isfinite().all():
            raise SnnlabError(f"{name} holds values that are not finite; choose another file.")
    for place, layer in delay_layers(model).items():
        if numbers := layer.expected_delays(state, f"{place}." if place else ""):
            raise SnnlabError(f"the delays of {place} are not {numbers}; choose another file.")
