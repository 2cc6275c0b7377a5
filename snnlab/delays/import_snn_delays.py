"""Import of networks that the code of Hammouamri et al. 2024 (SNN-delays) trained.

Their file is the `state_dict` of one `nn.Sequential` called `model`, with four entries a hidden
layer:

| key | what | here |
|---|---|---|
| `model.{4i}` | `Dcls1d` (`weight`, `P`, `SIG`) or `Linear` (`weight`) | `synapses.{i}` |
| `model.{4i+1}` | batch norm | `norms.{i}` |
| `model.{4i+2}`, `model.{4i+3}` | LIF and dropout, which have no parameters | |

The readout's synapses come last, without batch norm. `P` and `SIG` have the same meaning in both:
the delay is `(L-1)/2 - P` steps, the effective sigma `|SIG| + 0.27`. The file does not contain the
time constant, the length of a time step, or the kernel length L, which only its outermost positions
show.
"""

import math
import re
from pathlib import Path

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import Padding
from snnlab.training import checkpoints

SYNAPSES = ("weight", "P", "SIG")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
PER_LAYER = 4  # synapses, batch norm, LIF, dropout


def read(
    path: str | Path,
    *,
    tau: float,
    max_delay: int | None = None,
    padding: Padding = "fixed",
    dt_ms: float | None = None,
) -> DelayNet:
    """Read the network of a file of SNN-delays, in evaluation mode; its delays are not rounded.

    The delay mode is "none" where there are no positions, "fixed" where all of them are whole and
    SIG is 0, or else "learned". Dropout is `DelayNet`'s default: the file does not say it, and
    evaluation has none.

    Args:
        path: what `torch.save(model.state_dict(), path)` wrote; only tensors are read, no code in
            it is run.
        tau: membrane time constant in steps; their configurations have 1.005 for SHD, 1.5 for SSC
            and GSC.
        max_delay: largest delay in steps, L - 1, even; their configurations call L `max_delay`.
            None to take L from the file: training clamps positions to (L-1)/2 at most, where some
            always end.
        padding: "reference" for the scores of the authors' code, batch by batch; "fixed" for ours.
        dt_ms: length of a time step, ms, which the file does not say; 10 in their configurations.

    Raises:
        SnnlabError: it is no such file, layers are missing, unknown, or do not fit together, L is
            even or unknown.
    """
    state = _tensors(path)
    hidden = _hidden_layers(path, state)
    delayed = "model.0.P" in state
    names = _names(hidden, SYNAPSES if delayed else SYNAPSES[:1])
    _check(path, state, names, hidden)
    weights = [state[f"model.{PER_LAYER * i}.weight"] for i in range(hidden + 1)]
    layout = "(N_out, N_in, K)" if delayed else "(N_out, N_in)"
    for i, weight in enumerate(weights):
        if weight.dim() != layout.count(",") + 1 or 0 in weight.shape:
            raise _misshapen(path, f"model.{PER_LAYER * i}.weight", weight, layout)
        position = f"model.{PER_LAYER * i}.P"
        if delayed and state[position].numel() == 0:  # of which L could not be read
            raise _misshapen(path, position, state[position], str((1, *weight.shape)))
    if not delayed and max_delay is not None:
        raise SnnlabError(
            f"max_delay = {max_delay}: {path} holds a network without delays; leave max_delay out."
        )
    positions = torch.cat(
        [state[key].flatten() for key in names if key.endswith(".P")] or [torch.zeros(0)]
    )
    silent = not any(state[key].any() for key in names if key.endswith(".SIG"))
    is_rounded = silent and torch.equal(positions, positions.round())
    model = DelayNet(
        weights[0].shape[1],
        [len(weight) for weight in weights[:-1]],
        len(weights[-1]),
        max_delay=_max_delay(path, positions, max_delay) if delayed else 0,
        tau=tau,
        delay_mode="none" if not delayed else "fixed" if is_rounded else "learned",
        kernel_count=weights[0].shape[2] if delayed else 1,
        padding=padding,
        dt_ms=dt_ms,
    )
    content = model.state_dict()
    for theirs, ours in names.items():
        place = content[ours] if delayed or content[ours].dim() < 3 else content[ours][..., 0]
        if state[theirs].shape != place.shape:
            raise _misshapen(path, theirs, state[theirs], str(tuple(place.shape)))
        place.copy_(state[theirs])
    return model.eval()


def _tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the content of a file of torch, without running anything that is in it."""
    content = checkpoints.read(
        path,
        what="file",
        otherwise="not a complete file of tensors, and nothing else is read, because a pickle may "
        "run code; expected what torch.save(model.state_dict(), path) writes.",
    )
    return content if isinstance(content, dict) else {}


def _hidden_layers(path: str | Path, state: dict[str, Tensor]) -> int:
    """Count the hidden layers before the readout, the last layer that has parameters."""
    places = [re.match(r"model\.(\d+)\.", str(key)) for key in state]
    hidden = max((int(place[1]) for place in places if place), default=0) // PER_LAYER
    if not 0 < hidden < len(state):  # also a number so large that naming its layers would not end
        raise SnnlabError(
            f"{path}: holds no network of SNN-delays; expected synapses named model.0.weight, "
            f"model.{PER_LAYER}.weight and so on, as its training saves them."
        )
    return hidden


def _names(hidden: int, synapses: tuple[str, ...]) -> dict[str, str]:
    """Their name of every parameter, and ours."""
    names: dict[str, str] = {}
    for i in range(hidden + 1):
        names |= {f"model.{PER_LAYER * i}.{name}": f"synapses.{i}.{name}" for name in synapses}
        if i < hidden:
            names |= {f"model.{PER_LAYER * i + 1}.{name}": f"norms.{i}.{name}" for name in NORM}
    return names


def _check(path: str | Path, state: dict[str, Tensor], names: dict[str, str], hidden: int) -> None:
    """Raise the first thing that is wrong with the names, or with what they name."""
    missing = [key for key in names if key not in state]
    unknown = [str(key) for key in state if key not in names]
    for what, keys in (("missing", missing), ("unknown", unknown)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise SnnlabError(
                f"{path}: {', '.join(keys[:3])}{more} {what} for {hidden} hidden layers of "
                "synapses, batch norm, LIF and dropout, and a readout; biases, learned time "
                "constants, filtered synapses and layers without batch norm have no counterpart in "
                "DelayNet."
            )
    for key, value in state.items():
        numbers = isinstance(value, Tensor) and (
            value.is_floating_point() or key.endswith("num_batches_tracked")
        )
        if not numbers or not bool(torch.isfinite(value).all()):
            raise SnnlabError(
                f"{path}: {key} is no tensor of finite real numbers; take another checkpoint."
            )


def _max_delay(path: str | Path, positions: Tensor, given: int | None) -> int:
    """L - 1, as it is given, or from where the outermost positions lie."""
    edge = float(positions.abs().max())
    if given is None:
        if edge != round(edge) or edge == 0 or int((positions.abs() == edge).sum()) < 2:
            raise SnnlabError(
                f"{path}: does not say how long its kernels are (no two positions end at the same "
                "whole number); give max_delay (--max-delay), their L - 1."
            )
        return 2 * round(edge)
    if given % 2:
        raise SnnlabError(
            f"max_delay = {given}: makes an even number of taps, L = {given + 1}, but SNN-delays "
            "has odd ones; give its L - 1."
        )
    if edge > given / 2:
        raise SnnlabError(
            f"max_delay = {given}: {path} has positions up to {edge:g}, expected {given / 2:g} at "
            f"most; give at least {2 * math.ceil(edge)}."
        )
    return given


def _misshapen(path: str | Path, key: str, value: Tensor, expected: str) -> SnnlabError:
    return SnnlabError(
        f"{path}: {key} has shape {tuple(value.shape)}, expected {expected}; its layers do not "
        "belong together."
    )
