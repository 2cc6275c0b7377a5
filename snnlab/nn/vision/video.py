"""The video network of Lin et al. 2022, third experiment."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names, whole_number
from snnlab.nn.activations import Activation
from snnlab.nn.vision.base import VisionConfig, VisionNet, batch_norm

KERNELS = (5, 3, 3, 3)


@nearest_names
@dataclass(frozen=True)
class VideoNetConfig(VisionConfig):
    """Description of a `VideoNet`.

    Attributes:
        height: of a frame; 256 in the paper.
        width: of a frame; 342 in the paper.
        hidden: neurons of the fully connected layer.
        embedding: numbers that the encoder gives the LSTM in each step.
        memory: numbers in the state of the LSTM.

    Raises:
        SnnlabError: the frames are too small for four convolutions, or a size is not positive.
    """

    in_channels: int = 2
    classes: int = 101
    height: int = 256
    width: int = 342
    hidden: int = 1024
    embedding: int = 512
    memory: int = 256

    HEAD_LAYERS = ("lstm", "fc")

    def __post_init__(self) -> None:
        """Check the size of the frames and of the layers."""
        if min(self.feature_size) < 1:
            raise SnnlabError(
                f"frames of {self.height} x {self.width}: expected at least 33 x 33 for four "
                "convolutions of stride 2."
            )
        sizes = ("hidden", "embedding", "memory")
        self._check(**{name: whole_number(name, getattr(self, name), 1) for name in sizes})

    @property
    def feature_size(self) -> tuple[int, int]:
        """Height and width behind the convolutions."""
        height, width = self.height, self.width
        for kernel in KERNELS:
            height, width = (height - kernel) // 2 + 1, (width - kernel) // 2 + 1
        return height, width

    def build(self) -> "VideoNet":
        """Build the network with fresh weights."""
        return VideoNet(**vars(self))


class VideoNet(VisionNet):
    """A convolutional encoder a frame, and an LSTM over the frames.

    Its arguments are the fields of `VideoNetConfig`. The encoder has four convolutions without
    padding (5 x 5, then 3 x 3, all with stride 2), a fully connected layer of neurons and a linear
    one. The LSTM is an ordinary one in every mode, as in the paper.
    """

    CONFIG = VideoNetConfig
    config: VideoNetConfig

    def make_layers(self) -> None:
        """Make the layers that the configuration describes, with fresh weights."""
        config = self.config
        sizes = pairwise([config.in_channels, 8, 16, 32, 64])
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, kernel, stride=2), batch_norm(after, 1.0))
            for (before, after), kernel in zip(sizes, KERNELS, strict=True)
        )
        self.acts = nn.ModuleList(config.activation() for _ in range(5))
        height, width = config.feature_size
        self.hidden = nn.Linear(64 * height * width, config.hidden)
        self.embed = nn.Linear(config.hidden, config.embedding)
        self.lstm = nn.LSTM(config.embedding, config.memory)
        self.fc = nn.Linear(config.memory, config.classes)

    def rest(self, x: Tensor) -> Tensor:
        """Apply the rest of the encoder, the LSTM, and the linear layer on its last output."""
        x = self.convolve(x)
        last = cast(Activation, self.acts[-1])
        x = last(self.hidden(x.flatten(2))) * last.amplitude  # (T, B, hidden)
        over_time, _ = self.lstm(self.embed(x))
        return cast(Tensor, self.fc(over_time[-1]))
