"""Checks of a checkpoint before a training resumes from it.

`check_resumable` raises the first thing that training would stumble over later. Its messages get
the name of the file from `checkpoints.as_written`.
"""

import copy
import dataclasses
import math
import warnings
import zlib
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number
from snnlab.data.protocols import Batches
from snnlab.training.checkpoints import (
    NEW_TRAINING,
    check_delays,
    check_parameters,
    differences,
)

# The entries of a checkpoint, and their types
ENTRIES: dict[str, Any] = {
    "recipe": dict,
    "model": dict,
    "moving": list,
    "history": list,
    "best": dict | None,
    "best_epoch": int,
    "snapshots": dict,
    "under_way": dict | None,
}

# What a recipe may change before each step, and the number below which it stays
FREE = {
    "lr": math.inf,
    "_last_lr": math.inf,
    "weight_decay": math.inf,
    "betas": 1.0,
    "momentum": 1.0,
}


def check_resumable(content: dict[str, Any], model: Any, recipe: Any, moving: list[Any]) -> None:
    """Raise unless a training can be resumed from a checkpoint. Schedules are moved by this.

    Args:
        content: of the checkpoint.
        model: the network to train.
        recipe: how to train it.
        moving: its optimisers and schedules as they are at the start.

    Raises:
        SnnlabError: it is of another recipe, was altered, or holds no training.
    """
    if missing := sorted(ENTRIES.keys() - content.keys()):
        raise SnnlabError(
            f"a checkpoint without {', '.join(missing)}; expected one that a training can be "
            "resumed from. Choose another file, or for a new training a name that no file has."
        )
    for name, kind in ENTRIES.items():
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            _refuse(f"its {name} is of the type {type(content[name]).__name__}")
    expected = dataclasses.asdict(recipe)
    if different := differences(content["recipe"], expected, expected):
        raise SnnlabError(
            f"trained with another recipe: {different}; give the same recipe or, {NEW_TRAINING}."
        )
    history, best = content["history"], content["best"]
    _check_history(history, epochs=recipe.epochs)
    if (best is None) != (not history) or not -1 <= content["best_epoch"] < len(history):
        _refuse("its best epoch is not one of its history")
    for state in (content["model"], best):
        if state is not None:
            check_parameters(state, model)
    check_delays(content, model)
    if content["under_way"] is not None:
        _check_epoch_state(content["under_way"])
    _check_moving(moving, content["moving"], epochs=len(history))


def fingerprint(data: Batches) -> dict[str, int]:
    """Return the number of samples of a set and a checksum of their labels, in order."""
    labels = data.labels.cpu().numpy().astype("<i8")
    return {"samples": len(data), "checksum of the labels": zlib.crc32(labels.tobytes())}


def check_data(content: dict[str, Any], data: dict[str, dict[str, int]]) -> None:
    """Raise if a checkpoint says that its training had other data; one of before does not say it.

    Args:
        content: of the checkpoint.
        data: of each set of the training, what `fingerprint` returns.

    Raises:
        SnnlabError: it is of other data, or was altered.
    """
    recorded = content.get("data", data)
    if not isinstance(recorded, dict):
        _refuse(f"its data is of the type {type(recorded).__name__}")
    for name, values in data.items():
        if different := differences(recorded[name], values, values):
            raise SnnlabError(
                f"trained on other data: {name} with {different}; give the same data or, "
                f"{NEW_TRAINING}."
            )


def _refuse(reason: str) -> None:
    raise SnnlabError(f"was altered after snnlab wrote it: {reason}; choose another file.")


def _check_history(history: list[dict[str, float]], *, epochs: int) -> None:
    if len(history) > epochs or [line["epoch"] for line in history] != [*range(len(history))]:
        _refuse(f"its history is not one of up to {epochs} epochs, counted from 0")
    for line in history:
        if not {"valid_accuracy", "valid_loss"} <= line.keys():
            _refuse("its history lacks scores")
        for name, value in line.items():
            accuracy = name.endswith("accuracy")
            if not math.isfinite(value) or (accuracy and not 0 <= value <= 1):
                _refuse(f"its history has {name} = {value}")


def _check_epoch_state(state: dict[str, Any]) -> None:
    sums, random, random_gpu = state["sums"], state["random"], state["random_gpu"]
    counts = state["batches"], state["seen"]
    if not (
        all(type(count) is int for count in counts)
        and 0 <= counts[0] <= counts[1]  # no batch is empty
        and all(generator.dtype == torch.uint8 for generator in (*random, *random_gpu))
        and all(own.shape == (5,) and own.isfinite().all() for own in sums)
        and 0 < len(sums) == len(random) == len(random_gpu)
    ):
        _refuse("the counts of its epoch are impossible")


def _check_moving(moving: list[Any], saved: list[Any], *, epochs: int) -> None:
    """Compare saved states with own optimisers, and with own schedules after so many epochs.

    Torch loads any state, and fails in a later step.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no optimiser has made a step
        for part in moving * epochs:
            if not isinstance(part, Optimizer):
                part.step()
    for part, saved_state in zip(moving, saved, strict=True):
        own_state = part.state_dict()
        if not isinstance(part, Optimizer):
            fits = _same(saved_state, own_state)
        else:
            fits = (
                saved_state.keys() == own_state.keys()
                and _same(saved_state["param_groups"], own_state["param_groups"])
                and _fit_parameters(saved_state["state"], part)
            )
        if not fits:
            raise SnnlabError(
                "the state of its optimisers or schedules is not one of this recipe, network and "
                "version of torch; choose another file or, for a new training, another experiment "
                "name."
            )


def _same(saved: Any, own: Any, *, below: float | None = None) -> bool:
    """Return whether two states are the same; with a limit, a number may be any from 0 to below."""
    if below is not None and is_number(own):
        return is_number(saved) and bool(0 <= saved < below)
    if type(saved) is not type(own):
        return False
    if isinstance(own, dict):
        return saved.keys() == own.keys() and all(
            _same(saved[key], value, below=FREE.get(key)) for key, value in own.items()
        )
    if isinstance(own, list | tuple):
        return len(saved) == len(own) and all(
            _same(*pair, below=below) for pair in zip(saved, own, strict=True)
        )
    if isinstance(own, float):  # another machine may round otherwise
        return math.isclose(saved, own, rel_tol=1e-6, abs_tol=1e-12)
    return bool(saved == own)


def _fit_parameters(saved: dict[int, dict[str, Tensor]], optimiser: Optimizer) -> bool:
    """Return whether the saved moments, by the number of the parameter, fit an optimiser.

    A step of a copy, whose parameters have one element each, shows what the moments should be.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    small = {id(p): p.detach().new_zeros(1).requires_grad_() for p in parameters}
    probe = copy.deepcopy(optimiser, dict(small))
    for parameter in small.values():
        parameter.grad = torch.zeros_like(parameter)
    probe.step()
    if not saved.keys() <= set(range(len(parameters))):
        return False
    for number, moments in saved.items():
        parameter = parameters[number]
        expected = probe.state[small[id(parameter)]]
        if moments.keys() != expected.keys():
            return False
        for name, value in moments.items():
            shape = parameter.shape if expected[name].dim() else ()
            if value.shape != shape or not value.is_floating_point() or not value.isfinite().all():
                return False
    return True
