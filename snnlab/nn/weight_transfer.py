"""Copy the parameters of one network to another of the same shape, and report what was copied."""

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
from snnlab.nn.any_network import delay_layers, evaluation_mode, forward_sequence
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_parameters import without_rounded

InputConv = Literal["", "mean", "signed"]
TransferParts = Literal["both", "weights", "delays"]


@dataclass(frozen=True)
class TransferReport:
    """The tensors that a transfer copied, by their names in the target's `state_dict`.

    Attributes:
        moved: copied without a change.
        adapted: copied after their input channels were changed to ON and OFF.
        left_out: tensors that the target keeps, each with the reason.
        unused: tensors that only the source has.
    """

    moved: tuple[str, ...]
    adapted: tuple[str, ...]
    left_out: dict[str, str]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line an adapted or left-out tensor."""
        tensors = len(self.moved) + len(self.adapted) + len(self.left_out)
        lines = [f"moved {len(self.moved)} of {tensors} tensors"]
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
    input_conv: InputConv = "",
    strict: bool = True,
) -> TransferReport:
    """Copy every parameter and buffer of `source` to the one of the same name in `target`.

    The target keeps its own `k` and `scale` of an `Activation`, unless both networks learn them: a
    value that the source never trained says nothing about the target. The report lists them as left
    out. A transfer that fails changes nothing.

    Args:
        source: a network or its `state_dict`, of tensors or NumPy arrays.
        target: the network that receives. Where its delays are rounded, copied delays are rounded.
        leave: prefixes of names that are not copied, such as "fc" for a new head.
        input_conv: how a first convolution of 3 or 1 input channels becomes one of ON and OFF:
            "mean", both the mean over the colours (Lin et al. 2022); "signed", ON its sum and OFF
            the negative of it, as an event is a change; "" for not at all.
        strict: whether a name or a shape that does not match is an error; False lists it in the
            report.

    Returns:
        The tensors that were copied, adapted and left out.

    Raises:
        SnnlabError: nothing was copied; a tensor that should have matched did not (`strict`); a
            prefix in `leave` matches nothing; a value is not finite, or of another kind of number;
            delays are beyond those of the target; `source` is neither a network nor a `state_dict`.

    Example:
        >>> source, target = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> print(copy_weights(source, target))
        moved 2 of 2 tensors
        >>> torch.equal(source.weight, target.weight)
        True
    """
    theirs, ours = without_rounded(_entries(source)), without_rounded(target.state_dict())
    kind = type(target).__name__
    known(input_conv, get_args(InputConv), "way to adapt a first convolution")
    for prefix in leave:
        if not any(under(name, [prefix]) for name in ours):
            raise SnnlabError(
                f"leave: nothing in {kind} is called {prefix!r}; names: {_first_names(ours)}."
            )
    as_built = _as_built(source, target)
    layers = delay_layers(target)
    before = delay_layers(source) if isinstance(source, nn.Module) else {}
    new: dict[str, Tensor] = {}
    moved, adapted, left_out, unexpected = [], [], {}, {}
    for name, value in ours.items():
        if under(name, leave):
            left_out[name] = "as asked"
            continue
        if name not in theirs:
            reason = "not in the source"
        else:
            given = _tensor(name, theirs[name], value)
            if given.shape == value.shape:
                reason = _misfit(name, given, before, layers)
                if not reason and name in as_built and not torch.equal(given, value):
                    reason = as_built[name]
                if not reason:
                    new[name] = given
                    moved.append(name)
                    continue
            elif input_conv and (weight := _on_off(given, value, input_conv)) is not None:
                new[name] = weight
                adapted.append(name)
                continue
            else:
                reason = f"shape {tuple(given.shape)} instead of {tuple(value.shape)}"
        left_out[name] = reason
        if name not in as_built:
            unexpected[name] = reason
    weights = {name for name, _ in target.named_parameters()} - as_built.keys()
    if not weights & new.keys():
        raise SnnlabError(
            f"nothing moved into {kind}: no parameter of the source has a name and shape of its "
            f"own (source: {_first_names(theirs)}; target: {_first_names(ours)}); "
            f"{_hint(theirs, ours)}."
        )
    unused = tuple(name for name in theirs if name not in ours)
    if strict and (unexpected or unused):
        unexpected |= dict.fromkeys(unused, "not in the target")
        listed = "; ".join(f"{name}: {reason}" for name, reason in unexpected.items())
        raise SnnlabError(
            f"transfer to {kind}: {listed}. Name it in `leave`, adapt it with `input_conv`, or "
            "pass strict=False."
        )
    for name, value in new.items():
        ours[name].copy_(value)
    for synapses in layers.values():
        if synapses.discrete:
            synapses.round_delays()
    return TransferReport(tuple(moved), tuple(adapted), left_out, unused)


def copy_delay_weights(
    source: DelayNet, target: DelayNet, *, transfer_parts: TransferParts = "both"
) -> TransferReport:
    """Copy weights, delays or both to another network with delays of the same shape.

    Args:
        source: the network; its neurons may differ from those of the target.
        target: the network that receives. Where its delays are rounded, such as delays that are not
            learned, copied delays are rounded.
        transfer_parts: "both"; "weights", with the batch norms, and the target keeps its delays; or
            "delays" only.

    Returns:
        The tensors that were copied and left out.

    Raises:
        SnnlabError: as `copy_weights`, `transfer_parts` is unknown, or the layers differ in what is
            copied (`max_delay` for delays, `n_connections`).

    Example:
        >>> ann = DelayNet(4, (3,), 2, max_delay=5, neuron="relu")
        >>> snn = DelayNet(4, (3,), 2, max_delay=5)
        >>> report = copy_delay_weights(ann, snn, transfer_parts="delays")
        >>> torch.equal(ann.synapses[0].delay, snn.synapses[0].delay)
        True
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
    """Compute the running statistics of every batch norm again, as averages over some batches.

    After a change of activation the old statistics describe inputs that the layers no longer get.
    Only batch norm is in training mode. Dropout is off, because it would change the statistics.

    Args:
        net: the network; its parameters and its mode of training do not change.
        inputs: the batches `(T, B, ...)` with which `net` is called.

    Raises:
        SnnlabError: there is no batch.
    """
    if not inputs:
        raise SnnlabError("no batch to estimate batch norm from: expected at least one.")
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with evaluation_mode(net):
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # a plain average
        try:
            for x in inputs:
                forward_sequence(net, x)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


def under(name: str, prefixes: Iterable[str]) -> bool:
    """Return whether a name of a parameter is one of the prefixes, or begins with its parts."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _entries(source: Any) -> dict[str, Any]:
    """Return the tensors of a network or a `state_dict` by name.

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
    """Convert a value of the source to the device and precision of the target.

    Raises:
        SnnlabError: it cannot be converted, or is not finite.
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
    converted: Tensor = given.detach().to(ours.device, ours.dtype)
    if real and not converted.isfinite().all():
        raise SnnlabError(
            f"{name}: the source holds values that are not finite in {converted.dtype}; "
            "copy from a network whose training did not diverge."
        )
    return converted


def _as_built(source: Any, target: nn.Module) -> dict[str, str]:
    """Return the names of the activations' parameters that the target keeps, with the reasons."""
    theirs = dict(activations(source)) if isinstance(source, nn.Module) else None
    reasons = {}
    for place, activation in activations(target):
        for name, learns in activation.learns.items():
            if not learns:
                reason = "not learned in the target, which keeps its own"
            elif theirs is None:
                reason = "a state_dict does not say whether it was learned; pass the network itself"
            elif place not in theirs or not theirs[place].has_learned(name):
                reason = "not learned in the source, so the target begins with its own"
            else:
                continue
            reasons[f"{place}.{name}" if place else name] = reason
    return reasons


def _misfit(
    name: str, given: Tensor, before: dict[str, DelayLinear], layers: dict[str, DelayLinear]
) -> str:
    """Return why a tensor of the right shape does not fit a delay layer; "" if it fits."""
    place, _, last = name.rpartition(".")
    attribute = {"P": "max_delay", "mask": "n_connections"}.get(last)
    if attribute is None or place not in layers:
        return ""
    layer = layers[place]
    expected = getattr(layer, attribute)
    # A position is counted from the middle of the kernel, so it needs the same `max_delay`
    if place in before and (value := getattr(before[place], attribute)) != expected:
        return f"{attribute} = {value} instead of {expected}"
    if last == "P" and not layer.holds(given):
        return f"delays outside of 0 to max_delay = {expected}"
    if last == "mask" and not torch.equal(given.sum(1), layer.mask.sum(1)):
        return f"a mask that is not of n_connections = {expected}"
    return ""


def _hint(theirs: Mapping[str, Any], ours: Mapping[str, Tensor]) -> str:
    """Return what to do where no name matches."""
    for name in theirs:
        for own in ours:
            if name.endswith(f".{own}"):
                prefix = name.removesuffix(own)
                return f"names of the source begin with {prefix!r}, which a wrapper adds: remove it"
    return "check that both are of the same architecture"


def _on_off(weight: Tensor, target: Tensor, how: str) -> Tensor | None:
    """Adapt a convolution of 1 or 3 channels to ON and OFF; None if these are others."""
    if weight.dim() != 4 or weight.shape[1] not in (1, 3):
        return None
    if how == "mean":
        adapted = weight.mean(1, keepdim=True).expand(-1, 2, -1, -1)
    else:
        grey = weight.sum(1, keepdim=True)
        adapted = torch.cat([grey, -grey], 1)
    return adapted if adapted.shape == target.shape else None


def _first_names(names: Collection[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > 3 else ""
    return ", ".join([*names][:3]) + more
