"""Handing the parameters of one network to another of the same shape, and saying what moved."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab.nn.activations import activations
from snnlab.nn.delay_linear import ROUNDED, DelayLinear, delay_layers
from snnlab.nn.delay_net import DelayNet

INPUT_CONV = ("mean", "signed")
TransferParts = Literal["both", "weights", "delays"]


@dataclass(frozen=True)
class TransferReport:
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
        lines = [
            f"moved {len(self.moved)} of {len(self.moved) + len(self.adapted) + len(self.left_out)} tensors"
        ]
        lines += [f"adapted to ON and OFF: {name}" for name in self.adapted]
        lines += [f"left out: {name} ({why})" for name, why in self.left_out.items()]
        if self.unused:
            lines.append(f"not used: {', '.join(self.unused)}")
        return "\n".join(lines)


@torch.no_grad()
def copy_weights(
    source: Mapping[str, Any] | nn.Module,
    target: nn.Module,
    *,
    leave: Collection[str] = (),
    input_conv: str = "",
    strict: bool = True,
) -> TransferReport:
    """Copy every parameter and buffer of `source` to the one of the same name in `target`.

    The target keeps the `k` and `scale` of an `Activation` as it was built with, unless both
    networks learn them: a value that the source never trained says nothing about the target. The
    report lists them as left out.

    Args:
        source: a network or its `state_dict`, of tensors or NumPy arrays.
        target: the network that receives; the rest of it stays as it is. Where its delays are
            rounded, what it gets is rounded too.
        leave: prefixes of names that are not to move, such as "fc" for a new head.
        input_conv: how a first convolution of 3 or 1 input channels becomes one of ON and OFF: "mean",
            both the mean over the colours (Lin et al. 2022); "signed", ON its sum and OFF the
            negative of it, as an event is a change; "" for not at all.
        strict: whether a name or a shape that does not match is an error; False lists it and goes
            on. What the target keeps as it was built is no error.

    Returns:
        What moved, what was adapted, and what was left out.

    Raises:
        SnnlabError: nothing moved; a tensor that should have matched did not (`strict`); a prefix
            in `leave` that matches nothing; a value that is not finite, or of another kind of
            number; delays beyond those of the target; `source` is neither a network nor a
            `state_dict`.
    """
    theirs = _copied(_entries(source))
    ours = _copied(target.state_dict())
    if input_conv not in ("", *INPUT_CONV):
        raise SnnlabError(
            f"input_conv = {input_conv!r}: expected one of {', '.join(INPUT_CONV)}, or '' to keep the first convolution."
        )
    for prefix in leave:
        if not any(under(name, prefix) for name in ours):
            raise SnnlabError(
                f"leave: nothing in {type(target).__name__} is called {prefix!r}; names: {_some(ours)}."
            )
    as_built = _as_built(source, target)
    misfits = _misfits(source, target)
    layers = {
        place: layer for place, layer in target.named_modules() if isinstance(layer, DelayLinear)
    }
    new: dict[str, Tensor] = {}
    moved, adapted, left_out = [], [], {}
    for name, value in ours.items():
        if any(under(name, prefix) for prefix in leave):
            left_out[name] = "as asked"
        elif name not in theirs:
            left_out[name] = "not in the source"
        elif name in misfits:
            left_out[name] = misfits[name]
        else:
            given = _tensor(name, theirs[name], value)
            if given.shape == value.shape:
                if why := _strange(name, given, layers):
                    left_out[name] = why
                    continue
                if name in as_built and not torch.equal(given, value):
                    left_out[name] = as_built[name]
                    continue
                new[name] = given
                moved.append(name)
            elif input_conv and _differs_in_channels(given, value):
                new[name] = _on_off(given, input_conv)
                adapted.append(name)
            else:
                left_out[name] = f"shape {tuple(given.shape)} instead of {tuple(value.shape)}"
    weights = {name for name, _ in target.named_parameters()} - as_built.keys()
    if not weights & {*moved, *adapted}:
        raise SnnlabError(
            f"nothing moved into {type(target).__name__}: no parameter of the source has a name and shape of its own "
            f"(source: {_some(theirs)}; target: {_some(ours)}); {_hint(theirs, ours)}."
        )
    expected = {name for name, why in left_out.items() if why == "as asked"} | as_built.keys()
    unexpected = {name: why for name, why in left_out.items() if name not in expected}
    unused = tuple(name for name in theirs if name not in ours)
    if strict and (unexpected or unused):
        what = "; ".join(
            [
                *(f"{name}: {why}" for name, why in unexpected.items()),
                *(f"{name}: not in the target" for name in unused),
            ]
        )
        raise SnnlabError(
            f"hand-over to {type(target).__name__}: {what}. Name it in `leave`, adapt it with `input_conv`, or pass strict=False."
        )
    for name, value in new.items():  # only now: a hand-over that fails changes nothing
        ours[name].copy_(value)
    for synapses in delay_layers(target):
        if synapses.discrete:
            synapses.round_delays()
    return TransferReport(tuple(moved), tuple(adapted), left_out, unused)


def copy_delay_weights(
    source: DelayNet, target: DelayNet, *, transfer_parts: TransferParts = "both"
) -> TransferReport:
    """Copy what a network with delays has learned to another one of the same shape, such as a spiking one.

    Args:
        source: the network; its neurons may be others.
        target: the network that receives. Where its delays are rounded, as those are that are not
            learned, they are whole afterwards.
        transfer_parts: "both"; "weights", with the batch norms, and the target's own delays; or "delays" and
            nothing else.

    Returns:
        What moved, and what was left out.

    Raises:
        SnnlabError: as `copy_weights`, `transfer_parts` is unknown, or the layers differ in what they take
            over (`max_delay` for delays, `n_connections`).
    """
    known(transfer_parts, get_args(TransferParts), "part to hand over")
    layers = range(len(target.synapses))
    leave: list[str] = []
    if transfer_parts == "weights":  # the width of a kernel belongs to its delay
        leave = [f"synapses.{number}.{name}" for number in layers for name in ("P", "SIG")]
    elif transfer_parts == "delays":
        leave = [*(f"synapses.{number}.weight" for number in layers), "norms"]
    return copy_weights(source, target, leave=leave)


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


def _entries(source: Any) -> dict[str, Any]:
    """What a network or a `state_dict` holds, by name.

    Raises:
        SnnlabError: it is something else, or a `state_dict` inside of something else.
    """
    if isinstance(source, nn.Module):
        return dict(source.state_dict())
    if not isinstance(source, Mapping):
        kind = type(source).__name__
        raise SnnlabError(f"source is a {kind}; expected a network or its state_dict.")
    for name, value in source.items():
        if isinstance(value, Mapping | nn.Module):
            kind = type(value).__name__
            raise SnnlabError(f"source has a {kind} under {name!r}; pass source[{name!r}].")
    return {str(name): value for name, value in source.items()}


def _tensor(name: str, given: Any, ours: Tensor) -> Tensor:
    """A value of the source on the target's device and in its precision, all finite.

    Raises:
        SnnlabError: it cannot be.
    """
    if isinstance(given, np.ndarray | np.generic):
        try:  # of a copy, as torch wants it: writeable, and in the byte order of this machine
            given = torch.from_numpy(np.array(given, dtype=given.dtype.newbyteorder("=")))
        except (TypeError, ValueError) as error:  # text or objects
            raise SnnlabError(
                f"{name}: the source holds a NumPy array of {given.dtype}; expected {ours.dtype}."
            ) from error
    if not isinstance(given, Tensor):
        kind = type(given).__name__
        raise SnnlabError(f"{name}: the source holds a {kind}; expected a tensor or an array.")
    if given.is_meta or ours.is_meta:
        whose = "source's" if given.is_meta else "target's"
        raise SnnlabError(f"{name}: the {whose} tensor is on the device meta and has no values.")
    real = ours.is_floating_point()
    if given.is_floating_point() and not real and torch.equal(given, given.round()):
        given = given.long()  # a count that was converted together with the weights
    if given.is_complex() or given.is_floating_point() != real:
        raise SnnlabError(f"{name}: the source holds {given.dtype}; expected {ours.dtype}.")
    given = given.detach().to(ours.device, ours.dtype)
    if given.is_floating_point() and not given.isfinite().all():
        raise SnnlabError(
            f"{name}: the source holds values that are not finite in {given.dtype}; "
            "hand over a network that trained well."
        )
    return given


def _as_built(source: Any, target: nn.Module) -> dict[str, str]:
    """What the neurons of the target keep as it was built, by name, each with the reason."""
    theirs = dict(activations(source)) if isinstance(source, nn.Module) else None
    kept = {}
    for place, activation in activations(target):
        for name, learns in activation.learns.items():
            if not learns:
                why = "not learned in the target, which keeps its own"
            elif theirs is None:
                why = "a state_dict does not say whether it was learned; pass the network itself"
            elif place not in theirs or not theirs[place].has_learned(name):
                why = "not learned in the source, so the target begins with its own"
            else:
                continue
            kept[f"{place}.{name}" if place else name] = why
    return kept


def _misfits(source: Any, target: nn.Module) -> dict[str, str]:
    """Tensors with the same shape but another meaning, by name, each with the reason, as far as modules tell."""
    theirs = dict(source.named_modules()) if isinstance(source, nn.Module) else {}
    found = {}
    for place, layer in target.named_modules():
        before = theirs.get(place)
        if isinstance(layer, DelayLinear) and isinstance(before, DelayLinear):
            for name, what in (("P", "max_delay"), ("mask", "n_connections")):
                given, wanted = getattr(before, what), getattr(layer, what)
                if given != wanted:  # a position is counted from the middle of the kernel
                    key = f"{place}.{name}" if place else name
                    found[key] = f"{what} = {given} instead of {wanted}"
    return found


def _strange(name: str, given: Tensor, layers: Mapping[str, DelayLinear]) -> str:
    """Why the values of a tensor cannot be those of this layer of delays; "" where they can."""
    place, _, last = name.rpartition(".")
    layer = layers.get(place)
    if layer is not None and last == "P" and not layer.holds(given):
        return f"delays outside of 0 to max_delay = {layer.max_delay}"
    if layer is not None and last == "mask" and not torch.equal(given.sum(1), layer.mask.sum(1)):
        return f"a mask that is not of n_connections = {layer.n_connections}"
    return ""


def _hint(theirs: Mapping[str, Any], ours: Mapping[str, Tensor]) -> str:
    """What to do where no name matches."""
    for name in theirs:
        for own in ours:
            if name.endswith(f".{own}"):
                prefix = name.removesuffix(own)
                return f"names of the source begin with {prefix!r}, which a wrapper adds: remove it"
    return "check that both are of the same architecture"


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
