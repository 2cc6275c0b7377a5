"""Conversion of an ANN by SpikingJelly's converter to a spiking network that can be fine-tuned."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NoReturn, Self, cast, get_args

import torch
from spikingjelly.activation_based import functional, neuron
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known, whole_number
from snnlab.nn.activations import Mode, activations
from snnlab.nn.any_network import own_copy
from snnlab.nn.network_config import NetworkConfig
from snnlab.nn.vision.base import VisionConfig, VisionNet
from snnlab.nn.vision.small_cnn import SmallCNN

How = Literal["rate", "balanced"]


@dataclass(frozen=True)
class ConvertedConfig(NetworkConfig):
    """Description of a `Converted` network: of which network, and how. It cannot build one."""

    of: VisionConfig
    how: How

    def build(self) -> NoReturn:
        """Refuse: only the converter can build a converted network.

        Raises:
            SnnlabError: always.
        """
        raise SnnlabError(
            "a network that SpikingJelly's converter built, which a file cannot restore; run its "
            "experiment again, whose result has the last network as `net`."
        )

    @property
    def in_channels(self) -> int:
        """Those of the first network."""
        return self.of.in_channels


class Converted(VisionNet):
    """A `SmallCNN` with ReLUs, converted by SpikingJelly to IF neurons with soft reset.

    Batch norm is merged into the convolutions.

    Args:
        ann: the trained network, whose rectifier and mode are "relu"; it is not changed.
        inputs: batches `(1, B, C, H, W)` from which the converter estimates its scales.
        how: "rate", where a channel's threshold is its 99.9 % quantile and membranes start half
            full; or "balanced", local threshold balancing (CVPR 2025).

    Raises:
        SnnlabError: `how` is unknown, the network is of another kind or not finite, or the inputs
            do not fit it.
    """

    def __init__(self, ann: SmallCNN, inputs: Sequence[Tensor], how: How = "rate") -> None:
        from spikingjelly.activation_based import ann2snn  # here: it imports requests

        nn.Module.__init__(self)  # its layers are the converter's
        known(how, get_args(How), "way to convert")
        _check(ann, inputs)
        self.config = ConvertedConfig(ann.config, how)
        self.first: nn.Module = nn.Identity()  # the first convolution of a merged network
        pairs = [
            (x[0], torch.zeros(x.shape[1])) for x in inputs
        ]  # the converter wants labels and does not look at them
        if how == "rate":
            recipe: Any = ann2snn.RateCodingRecipe(
                pairs, mode="99.9%", channel_wise=True, half_threshold=True
            )
        else:
            recipe = ann2snn.LocalThresholdBalancingRecipe(pairs)
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            self.net = ann2snn.FXConverter(recipe).convert(_plain(ann).eval())
        functional.set_step_mode(self.net, "m")
        for module in self.net.modules():
            if isinstance(module, neuron.BaseNode):
                module.register_forward_pre_hook(_float)
        self.net.requires_grad_()  # the biases that came from batch norm would stay as they are

    def set_mode(self, mode: Mode, *, steps: int = 1, **_: Any) -> Self:
        """Set for how many time steps images are shown; there is only one mode."""
        self.steps = whole_number("steps", steps, 1)
        return self

    @torch.no_grad()
    def merged(self) -> Self:
        """Copy the network with the converter's scales merged into the weights.

        Inputs of its convolutions are then zeros and ones, but for the first one, which is computed
        once for an image. The network itself computes the first one in every step.
        """
        from spikingjelly.activation_based.ann2snn.modules import ChannelVoltageScaler

        net = own_copy(self)
        layers = [m for m in net.net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        # two a neuron: before, and behind
        scales = [m for m in net.net.modules() if isinstance(m, ChannelVoltageScaler)]
        for number, (before, behind) in enumerate(pairwise(layers)):
            down, up = scales[2 * number : 2 * number + 2]
            before.weight *= down.scale.view(-1, 1, 1, 1)
            before.bias *= down.scale
            # Of a channel's pooled places
            inputs = up.scale.repeat_interleave(behind.weight.shape[1] // len(up.scale))
            behind.weight *= inputs.view(-1, *[1] * (behind.weight.dim() - 2))
            down.scale.fill_(1)
            up.scale.fill_(1)
        name = next(name for name, module in net.net.named_modules() if module is layers[0])
        functional.set_step_mode(layers[0], "s")
        net.first = layers[0]
        net.net.set_submodule(name, nn.Identity())
        return net

    def stem(self, x: Tensor) -> Tensor:
        """Return the images as they are; in a merged network, apply the first convolution."""
        return cast(Tensor, self.first(x))

    def rest(self, x: Tensor) -> Tensor:
        """Compute `(B, classes)`, the mean of the last layer over `self.steps` steps.

        Raises:
            SnnlabError: the input was no image, but a sequence.
        """
        if len(x) != self.steps:
            raise SnnlabError(
                f"got input of {len(x)} time steps; expected images, (1, B, C, H, W)."
            )
        return cast(Tensor, self.net(x).mean(0))


def _check(ann: Any, inputs: Sequence[Any]) -> None:
    """Check that the converter can convert this network with these batches."""
    if not isinstance(ann, SmallCNN):
        raise SnnlabError(
            f"got a {type(ann).__name__} to convert; the converter knows the layers of "
            "snnlab.nn.vision.small_cnn.SmallCNN only. Train such a network."
        )
    for name, activation in activations(ann):
        if (activation.rectifier, activation.mode) != ("relu", "relu"):
            raise SnnlabError(
                f"{name} is {activation.rectifier!r} in mode {activation.mode!r}; the converter "
                "makes a ReLU of it. Train one with rectifier='relu', and call set_mode('relu')."
            )
    if not all(value.isfinite().all() for value in ann.state_dict().values()):
        raise SnnlabError("the network to convert has values that are not finite; train it anew.")
    channels, kind = ann.config.in_channels, ann.fc.weight.dtype
    if not len(inputs):
        raise SnnlabError(f"no inputs to take scales from; expected some (1, B, {channels}, H, W).")
    for x in inputs:
        shape = tuple(x.shape) if isinstance(x, Tensor) else ()
        if len(shape) != 5 or shape[0] != 1 or shape[2] != channels or 0 in shape:
            given = f"shape {shape}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise SnnlabError(f"inputs: got {given}; expected images (1, B, {channels}, H, W).")
        if x.dtype != kind:
            raise SnnlabError(f"inputs: got {x.dtype}; expected {kind}, as the network has.")
        if not x.isfinite().all():
            raise SnnlabError("inputs: got values that are not finite; leave such samples out.")


def _float(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Compute membranes in float32, also with mixed precision."""
    return tuple(x.float() for x in inputs)


def _plain(ann: SmallCNN) -> nn.Sequential:
    """Copy the layers with `nn.ReLU`, the only activation that the converter knows."""
    layers: list[nn.Module] = []
    for layer in ann.layers:
        layers += [*cast(nn.Sequential, layer), nn.ReLU()]
    return own_copy(nn.Sequential(*layers, ann.pool, nn.Flatten(), ann.fc))
