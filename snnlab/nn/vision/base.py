"""The base class of the vision networks: modes, time, and the check of the input."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self, cast

from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import DECAY, THRESHOLD, Activation, Mode, Rectifier, set_mode
from snnlab.nn.any_network import reset_states
from snnlab.nn.network_config import NetworkConfig


@dataclass(frozen=True)
class VisionConfig(NetworkConfig):
    """Description of a vision network.

    Attributes:
        in_channels: 1 for grey images, 3 for colours, 2 for ON and OFF events.
        classes: number of outputs.
        rectifier, decay, learn_decay, learn_scale: arguments of every `Activation`.
    """

    in_channels: int
    classes: int
    _: KW_ONLY
    rectifier: Rectifier = "relu1"
    decay: float = DECAY
    learn_decay: bool = False
    learn_scale: bool = False

    # Names of the layers that read the input, which another sensor replaces
    INPUT_LAYERS: ClassVar[tuple[str, ...]] = ("layers.0",)
    HEAD_LAYERS: ClassVar[tuple[str, ...]] = ("fc",)  # from the features to the classes

    def activation(self) -> Activation:
        """Build an activation of the network."""
        return Activation(
            rectifier=self.rectifier,
            decay=self.decay,
            learn_decay=self.learn_decay,
            learn_scale=self.learn_scale,
        )


class VisionNet(nn.Module):
    """Base class: input `(T, B, C, H, W)`, output class scores `(B, classes)`.

    Convolutions and batch norm see time and batch folded into one axis, so batch norm over (time,
    batch, height, width) is the tdBN of Lin et al. 2022. An image is a sequence of one step; shown
    for longer, its first convolution is computed once.

    The arguments of a network are the fields of its `CONFIG`; `make_layers` makes its layers.

    Attributes:
        config: the description that builds the same network again.
        layers: convolutions, each with its batch norm; `ResNet` has blocks instead.
        acts: the activations behind them.
        steps: for how many time steps an image is shown; see `set_mode`.
    """

    CONFIG: ClassVar[type[VisionConfig]]
    config: Any
    layers: nn.ModuleList
    acts: nn.ModuleList
    steps = 1

    @memory_errors("building a network", "a smaller one")
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__()
        self.config = self.CONFIG(*arguments, **settings)
        self.make_layers()

    def make_layers(self) -> None:
        """Make the layers that the configuration describes, with fresh weights."""
        raise NotImplementedError

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the layers before the head."""
        layers = (key.split(".")[0] for key in self.state_dict())
        return tuple(dict.fromkeys(name for name in layers if name not in self.config.HEAD_LAYERS))

    def set_mode(
        self, mode: Mode, *, steps: int = 1, low: float = 0.0, high: float = 1.0, levels: int = 1
    ) -> Self:
        """Set the mode of every activation, and for how many steps an image is shown.

        Args:
            mode: see `snnlab.nn.activations`.
            steps: time steps of an image.
            low: where the ramp of the mode `ramp` begins.
            high: where it ends.
            levels: L of the mode `quantised`.

        Returns:
            The network itself.

        Raises:
            SnnlabError: as `snnlab.nn.activations.set_mode`, or `steps` is not positive.
        """
        steps = whole_number("steps", steps, 1)
        set_mode(self, mode, low=low, high=high, levels=levels)
        self.steps = steps
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Compute class scores `(B, classes)` of `(T, B, C, H, W)`; repeat an image, T = 1.

        Raises:
            SnnlabError: `x` has another number of axes or channels, or is a sequence that is to be
                shown repeatedly.
        """
        channels = self.config.in_channels
        if x.dim() != 5 or x.shape[2] != channels:
            raise SnnlabError(
                f"got input of shape {tuple(x.shape)}; expected (T, B, {channels}, H, W)."
            )
        if self.steps != 1 and len(x) != 1:
            raise SnnlabError(
                f"steps = {self.steps} repeats an image, but the input has {len(x)} time steps "
                "already."
            )
        current = functional.seq_to_ann_forward(x, self.stem)
        if self.steps != 1:
            current = current.expand(self.steps, *current.shape[1:])
        try:
            return self.rest(current)
        finally:
            reset_states(self)  # membranes do not pass from one sequence to the next

    def stem(self, x: Tensor) -> Tensor:
        """Compute the input of the first activation, `(B, C, H, W)` to `(B, C', H', W')`."""
        return cast(Tensor, self.layers[0](x))

    def convolve(self, x: Tensor) -> Tensor:
        """Apply the activations of the convolutions, and all of these but the first."""
        x = self.acts[0](x)
        for layer, act in zip(self.layers[1:], self.acts[1 : len(self.layers)], strict=True):
            x = act(functional.seq_to_ann_forward(x, layer))
        return x

    def rest(self, x: Tensor) -> Tensor:
        """Compute scores from the input of the first activation, `(T, B, C', H', W')`."""
        raise NotImplementedError


def batch_norm(channels: int, scale: float = THRESHOLD) -> nn.BatchNorm2d:
    """Build a batch norm whose weight is `scale`."""
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.weight, scale)
    return norm
