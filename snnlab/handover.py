"""Handing the parameters of one network to another of the same shape, and saying what moved."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnlab.delays import ROUNDED, delay_layers
from snnlab.errors import SnnlabError
from snnlab.models import DelayNet
from snnlab.parameters import known

FIRST = ("mean", "signed")
Takes = Literal["both", "weights", "delays"]


@dataclass(frozen=True)
class HandOver:
    """What a hand-over did, by the names in the target's `state_dict`.

    Attributes:
        moved: copied as they were.
        adapted: copied after their input channels were changed to ON and OFF.
        left_out: in the target, but kept as they were there, each with the reason.
        unused: in the source only.
    """

    moved: tuple[str, ...]
    adapted: tuple[str, ...]
    left_out: dict[str, str]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"moved {len(self.moved)} of {len(self.moved) + len(self.adapted) + len(self.left_out)} tensors"]
        lines += [f"adapted to ON and OFF: {name}" for name in self.adapted]
        lines += [f"left out: {name} ({why})" for name, why in self.left_out.items()]
        if self.unused:
            lines.append(f"not used: {', '.join(self.unused)}")
        return "\n".join(lines)


@torch.no_grad()
def hand_over(
    source: Mapping[str, Tensor] | nn.Module,
    target: nn.Module,
    *,
    leave: Collection[str] = (),
    first: str = "",
    strict: bool = True,
) -> HandOver:
    """Copy every parameter and buffer of `source` to the one of the same name in `target`.

    Args:
        source: a network or its `state_dict`.
        target: the network that receives; the rest of it stays as it is. Where its delays are rounded, what it gets
            is rounded too.
        leave: prefixes of names that are not to move, such as "fc" for a new head.
        first: how a first convolution of 3 or 1 input channels becomes one of ON and OFF: "mean", both the mean over the
            colours (Lin et al. 2022); "signed", ON its sum and OFF the negative of it, as an event is a change; "" for not at all.
        strict: whether a name or a shape that does not match is an error; False lists it and goes on.

    Returns:
        What moved, what was adapted, and what was left out.

    Raises:
        SnnlabError: nothing moved; a tensor that should have matched did not (`strict`); a prefix in `leave` that
            matches nothing; a value that is not finite.
    """
    theirs = _copied(source.state_dict() if isinstance(source, nn.Module) else source)
    ours = _copied(target.state_dict())
    if first not in ("", *FIRST):
        raise SnnlabError(
            f"first = {first!r}: expected one of {', '.join(FIRST)}, or '' to keep the first convolution."
        )
    for prefix in leave:
        if not any(under(name, prefix) for name in ours):
            raise SnnlabError(f"leave: nothing in {type(target).__name__} is called {prefix!r}; names: {_some(ours)}.")
    new: dict[str, Tensor] = {}
    moved, adapted, left_out = [], [], {}
    for name, value in ours.items():
        if any(under(name, prefix) for prefix in leave):
            left_out[name] = "as asked"
        elif name not in theirs:
            left_out[name] = "not in the source"
        elif theirs[name].is_floating_point() and not theirs[name].isfinite().all():
            raise SnnlabError(
                f"{name}: the source holds values that are not finite; hand over a network that trained well."
            )
        elif theirs[name].shape == value.shape:
            new[name] = theirs[name]
            moved.append(name)
        elif first and _differs_in_channels(theirs[name], value):
            new[name] = _on_off(theirs[name], first)
            adapted.append(name)
        else:
            left_out[name] = f"shape {tuple(theirs[name].shape)} instead of {tuple(value.shape)}"
    weights = {name for name, _ in target.named_parameters()}
    if not weights & {*moved, *adapted}:
        raise SnnlabError(
            f"nothing moved into {type(target).__name__}: no parameter of the source has a name and shape of its own "
            f"(source: {_some(theirs)}; target: {_some(ours)}); check that both are of the same architecture."
        )
    unexpected = {name: why for name, why in left_out.items() if why != "as asked"}
    unused = tuple(name for name in theirs if name not in ours)
    if strict and (unexpected or unused):
        what = "; ".join(
            [
                *(f"{name}: {why}" for name, why in unexpected.items()),
                *(f"{name}: not in the target" for name in unused),
            ]
        )
        raise SnnlabError(
            f"hand-over to {type(target).__name__}: {what}. Name it in `leave`, adapt it with `first`, or pass strict=False."
        )
    for name, value in new.items():  # only now: a hand-over that fails changes nothing
        ours[name].copy_(value)
    for synapses in delay_layers(target):
        if synapses.discrete:
            synapses.round_delays()
    return HandOver(tuple(moved), tuple(adapted), left_out, unused)


def hand_over_delays(source: DelayNet, target: DelayNet, *, takes: Takes = "both") -> HandOver:
    """Copy what a network with delays has learned to another one of the same shape, such as a spiking one.

    Args:
        source: the network; its neurons may be others.
        target: the network that receives. Where its delays are rounded, as those are that are not learned, they are
            whole afterwards.
        takes: "both"; "weights", with the batch norms, and the target's own delays; or "delays" and nothing else.

    Raises:
        SnnlabError: as `hand_over`, or `takes` is unknown.
    """
    known(takes, get_args(Takes), "part to hand over")
    layers = range(len(target.synapses))
    leave: list[str] = []
    if takes == "weights":
        leave = [f"synapses.{number}.P" for number in layers]
    elif takes == "delays":
        leave = [*(f"synapses.{number}.weight" for number in layers), "norms"]
    return hand_over(source, target, leave=leave)


@torch.no_grad()
def reestimate_batch_norm(net: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Make the running statistics of every batch norm anew, as averages over the given batches.

    After a change of activation the old statistics describe inputs that the layers no longer get.

    Args:
        net: the network; parameters and mode of training stay as they are.
        inputs: what `net` is called with.

    Raises:
        SnnlabError: there was no batch.
    """
    if not inputs:
        raise SnnlabError("no batch to estimate batch norm from: expected at least one.")
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    training = net.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
    net.train()
    try:
        for x in inputs:
            net(x)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        net.train(training)


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a hand-over copies. Whether its delays are rounded, a network keeps."""
    return {name: value for name, value in state.items() if name.rpartition(".")[2] != ROUNDED}


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _differs_in_channels(theirs: Tensor, ours: Tensor) -> bool:
    """Whether these are convolutions of 1 or 3 channels, and of ON and OFF."""
    return (
        theirs.dim() == 4
        and theirs.shape[1] in (1, 3)
        and ours.shape[1] == 2
        and theirs.shape[0] == ours.shape[0]
        and theirs.shape[2:] == ours.shape[2:]
    )


def _on_off(weight: Tensor, how: str) -> Tensor:
    if how == "mean":
        return weight.mean(1, keepdim=True).expand(-1, 2, -1, -1)
    grey = weight.sum(1, keepdim=True)
    return torch.cat([grey, -grey], 1)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")
