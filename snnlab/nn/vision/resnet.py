"""ResNet-18 and -34 of Lin et al. 2022, with torchvision's names for the layers."""

from dataclasses import dataclass
from typing import cast

from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names
from snnlab.nn.activations import THRESHOLD, Activation
from snnlab.nn.vision.base import VisionConfig, VisionNet, batch_norm

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # of each stage by depth


@nearest_names
@dataclass(frozen=True)
class ResNetConfig(VisionConfig):
    """Description of a `ResNet`.

    Attributes:
        depth: 18 or 34.
        events: whether the network has the arrangement for events instead of images.

    Raises:
        SnnlabError: `depth` is another number.
    """

    in_channels: int = 3
    classes: int = 1000
    depth: int = 18
    events: bool = False

    INPUT_LAYERS = ("conv1", "bn1")

    def __post_init__(self) -> None:
        """Check the depth."""
        if self.depth not in BLOCKS:
            depths = ", ".join(map(str, BLOCKS))
            raise SnnlabError(f"depth = {self.depth!r}: expected one of {depths}.")

    def build(self) -> "ResNet":
        """Build the network with fresh weights."""
        return ResNet(**vars(self))


class ResNet(VisionNet):
    """ResNet-18 or -34; its arguments are the fields of `ResNetConfig`.

    For images (first experiment of the paper): no max-pooling, every stage begins with stride 2, no
    biases, and the scale of every batch norm begins at the threshold. For events (second
    experiment): biases, 3 x 3 max-pooling before the first neuron, and the first stage keeps its
    size. In both, a neuron follows the first convolution of a block and the sum with the shortcut.
    The paper learns the decay for events.
    """

    CONFIG = ResNetConfig
    config: ResNetConfig

    def make_layers(self) -> None:
        """Make the layers that the configuration describes, with fresh weights."""
        config = self.config
        self.conv1 = nn.Conv2d(config.in_channels, 64, 7, stride=2, padding=3, bias=config.events)
        self.bn1 = batch_norm(64, 1.0 if config.events else THRESHOLD)
        self.maxpool = nn.MaxPool2d(3, stride=2) if config.events else nn.Identity()
        self.act = config.activation()
        before = 64
        for stage, (n_blocks, after) in enumerate(
            zip(BLOCKS[config.depth], (64, 128, 256, 512), strict=True), start=1
        ):
            stride = 1 if config.events and stage == 1 else 2
            first = _Block(before, after, stride, config)
            others = (_Block(after, after, 1, config) for _ in range(n_blocks - 1))
            setattr(self, f"layer{stage}", nn.Sequential(first, *others))
            before = after
        self.fc = nn.Linear(512, config.classes)
        if config.events:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)

    def stem(self, x: Tensor) -> Tensor:
        """Apply the first convolution, its batch norm and the max-pooling."""
        return cast(Tensor, self.maxpool(self.bn1(self.conv1(x))))

    def rest(self, x: Tensor) -> Tensor:
        """Apply the first activation, the stages and the linear layer."""
        x = self.act(x)
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        last = cast(_Block, cast(nn.Sequential, self.layer4)[-1]).act2
        return cast(Tensor, self.fc(x.mean((0, 3, 4)) * last.amplitude))


class _Block(nn.Module):
    """conv - norm - neuron - conv - norm, plus the shortcut, then a neuron."""

    def __init__(self, before: int, after: int, stride: int, config: ResNetConfig) -> None:
        super().__init__()
        bias, scale = config.events, 1.0 if config.events else THRESHOLD
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=bias)
        self.bn1 = batch_norm(after, scale)
        self.act1: Activation = config.activation()
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=bias)
        self.bn2 = batch_norm(after, scale)
        self.act2: Activation = config.activation()
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=bias), batch_norm(after, scale)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.act1(functional.seq_to_ann_forward(x, [self.conv1, self.bn1]))
        out = functional.seq_to_ann_forward(out, [self.conv2, self.bn2])
        if self.downsample is not None:
            x = functional.seq_to_ann_forward(x, self.downsample)
        return cast(Tensor, self.act2(out + x))
