"""The network of the course: a few convolutions and one linear layer."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names
from snnlab.nn.activations import Activation
from snnlab.nn.vision.base import VisionConfig, VisionNet, batch_norm


@nearest_names
@dataclass(frozen=True)
class SmallCNNConfig(VisionConfig):
    """Description of a `SmallCNN`.

    Attributes:
        channels: of each convolution.
        strides: of each convolution.
        pool: the feature map is averaged to pool x pool before the linear layer.
    """

    channels: tuple[int, ...] = (8, 16, 32)
    strides: tuple[int, ...] = (1, 2, 2)
    pool: int = 1

    def __post_init__(self) -> None:
        """Make lists tuples, and check their lengths."""
        if len(self.channels) != len(self.strides):
            raise SnnlabError(
                f"channels = {self.channels}, strides = {self.strides}: expected a stride for each "
                "convolution."
            )
        self._check(channels=tuple(self.channels), strides=tuple(self.strides))

    def build(self) -> "SmallCNN":
        """Build the network with fresh weights."""
        return SmallCNN(**vars(self))


class SmallCNN(VisionNet):
    """3 x 3 convolutions with batch norm, average pooling, one linear layer on the mean over time.

    Its arguments are the fields of `SmallCNNConfig`.
    """

    CONFIG = SmallCNNConfig
    config: SmallCNNConfig

    def make_layers(self) -> None:
        """Make the layers that the configuration describes, with fresh weights."""
        config = self.config
        sizes = pairwise([config.in_channels, *config.channels])
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False), batch_norm(after)
            )
            for (before, after), stride in zip(sizes, config.strides, strict=True)
        )
        self.acts = nn.ModuleList(config.activation() for _ in config.channels)
        self.pool = nn.AdaptiveAvgPool2d(config.pool)
        self.fc = nn.Linear(config.channels[-1] * config.pool**2, config.classes)

    def rest(self, x: Tensor) -> Tensor:
        """Apply the activations, the other convolutions and the linear layer."""
        features = self.convolve(x).mean(0) * cast(Activation, self.acts[-1]).amplitude
        return cast(Tensor, self.fc(self.pool(features).flatten(1)))
